"""Encrypted stores: nothing readable at rest, rotation of keys, exchanged entries, and every wrong key."""

import sqlite3
from contextlib import closing

import pytest
from cryptography.fernet import Fernet

from krauth import ConfigurationError, MemoryStore, TokenStoreError
from krauth._plugins import plugins
from krauth_stores.encrypted import EncryptedStore

SECRET = "an-access-token-that-nobody-may-see"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def inner():
    return MemoryStore()


def test_nothing_can_be_read_at_rest(tmp_path, monkeypatch):
    """No byte of the file shows the token; the plain store finds something else."""
    monkeypatch.setenv("KRAUTH_ENCRYPTION_KEYS", OLD)
    store = plugins().open(f"encrypted+sqlite:///{tmp_path}/tokens.db")
    store.save("key", SECRET)
    with closing(sqlite3.connect(tmp_path / "tokens.db")) as db:
        (text,) = db.execute("SELECT value FROM krauth_tokens").fetchone()
    assert Fernet(OLD).decrypt(text) == f'["key", "{SECRET}"]'.encode()
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes()
    assert repr(store) == f"<EncryptedStore in <SQLiteStore {tmp_path}/tokens.db>>"


def test_rotation(inner):
    """All keys decrypt, the first encrypts: after the next save the old key is no longer needed."""
    EncryptedStore(inner, [OLD]).save("key", "value")
    both = EncryptedStore(inner, [NEW, OLD])
    version = both.load("key").version
    assert both.load("key").value == "value"
    both.save("key", "value", version=version)
    assert EncryptedStore(inner, [NEW]).load("key").value == "value"
    with pytest.raises(TokenStoreError):
        EncryptedStore(inner, [OLD]).load("key")


@pytest.mark.parametrize(
    "text", [SECRET, "", "gAAAA" + SECRET, "한글", Fernet(OLD).encrypt(b'"x"').decode()], ids=range(5)
)
def test_what_cannot_be_decrypted(text, inner):
    """Another key's, unencrypted, damaged or empty text: an error that names the entry and what can be done."""
    inner.save("key", text)
    with pytest.raises(
        TokenStoreError, match=r"entry key in .* can't be decrypted with any key in keys=.*add the key"
    ) as e:
        EncryptedStore(inner, [OLD]).load("key")
    assert SECRET not in str(e.value)
    assert OLD not in str(e.value)


def test_a_text_that_was_changed(inner):
    """A single changed bit is noticed."""
    store = EncryptedStore(inner, [OLD])
    store.save("key", "value")
    text = inner.load("key").value
    inner.save("key", text[:60] + ("A" if text[60] != "A" else "B") + text[61:])
    with pytest.raises(TokenStoreError, match="can't be decrypted"):
        store.load("key")


def test_entries_cannot_be_exchanged(inner):
    """An entry that was copied over another is refused: one user would act with the token of another."""
    store = EncryptedStore(inner, [OLD])
    store.save("alice", "token of alice")
    store.save("bob", "token of bob")
    inner.save("alice", inner.load("bob").value)
    with pytest.raises(TokenStoreError, match=r"alice .* saved under another name"):
        store.load("alice")


def test_the_key_is_missing(monkeypatch):
    """The message has the command that makes one."""
    monkeypatch.delenv("KRAUTH_ENCRYPTION_KEYS", raising=False)
    for url in ("encrypted+memory://", "encrypted+memory://?key_env=MY_KEYS"):
        with pytest.raises(ConfigurationError, match=r"Fernet\.generate_key") as caught:
            plugins().open(url)
    assert "MY_KEYS" in str(caught.value)
    with pytest.raises(ConfigurationError, match="has no encryption key"):
        EncryptedStore(MemoryStore(), [])


@pytest.mark.parametrize("bad", ["short", SECRET, OLD[:-2], "한글" * 20, f"{OLD};{NEW}"], ids=range(5))
def test_a_key_that_is_none(bad, monkeypatch):
    """It is named by its number, and not shown."""
    monkeypatch.setenv("KRAUTH_ENCRYPTION_KEYS", f" {NEW} , {bad} ,")
    with pytest.raises(
        ConfigurationError, match="key number 2 in the environment variable KRAUTH_ENCRYPTION_KEYS"
    ) as e:
        plugins().open("encrypted+memory://")
    assert bad not in str(e.value)


def test_urls(tmp_path, monkeypatch, redis_url):
    """`key_env` is ours, other options are the inner store's; an inner store is required, and must exist."""
    monkeypatch.setenv("MY_KEYS", OLD)
    store = plugins().open(f"encrypted+{redis_url}?prefix=mine:&key_env=MY_KEYS&socket_timeout=3")
    assert "prefix='mine:'" in repr(store)
    store.save("key", SECRET)
    assert store.load("key").value == SECRET
    store.close()
    with pytest.raises(ConfigurationError, match=r"encrypted\+sqlite:///tokens\.db"):
        plugins().open("encrypted://tokens.db")
    with pytest.raises(ConfigurationError, match=r"under vault://.*there are: .*redis://"):
        plugins().open("encrypted+vault://x?key_env=MY_KEYS")
