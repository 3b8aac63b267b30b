"""`krauth tokens copy`, `export`, `import`, `reencrypt`, `vacuum`, `show`, `delete`: nothing lost, nothing shown."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import time
from contextlib import closing

import pytest
from cryptography.fernet import Fernet

from krauth import MemoryStore, Token, TokenStoreError, _plugins
from krauth._values.record import Record
from krauth_cli._moves import _put
from krauth_stores.encrypted import EncryptedStore
from krauth_stores.sqlite import SQLiteStore

from .conftest import KRAUTH

SECRET = "C4NARY"


def text(number=0, left=3600.0):
    now = time.time()
    token = Token(f"{SECRET}-access-{number}", now + left, now, refresh_token=f"{SECRET}-refresh-{number}")
    return Record(token, number=number).to_text()


@pytest.fixture
def here(tmp_path):
    """A store with three users, a revocation mark, and what is no record."""
    store = SQLiteStore(tmp_path / "here.db")
    for number in range(3):
        store.save(f"key|{number}", text(number))
    store.save("revoked", Record(revoked_at=time.time(), number=3).to_text())
    store.save("odd", f"{SECRET} no record")
    return store


@pytest.fixture
def url(here):
    return f"sqlite:///{here.path}"


def values(store):
    return {key: store.load(key).value for key in sorted(store.keys())}


@pytest.mark.parametrize("scheme", ["sqlite", "encrypted+sqlite", "memory"])
def test_copy_and_back(scheme, run, here, url, tmp_path, monkeypatch):
    """Every entry arrives; again nothing is done; copied back into an empty store all is as it was."""
    monkeypatch.setenv("KRAUTH_ENCRYPTION_KEYS", Fernet.generate_key().decode())
    there = "memory://" if scheme == "memory" else f"{scheme}:///{tmp_path}/there.db"
    result = run("tokens", "copy", "--store", url, "--to", there)
    assert (result.exit_code, result.stdout) == (0, "5 copied\n")
    assert run("tokens", "copy", "--store", url, "--to", there).stdout == "5 were there already\n"
    assert run("tokens", "copy", "--store", there, "--to", f"sqlite:///{tmp_path}/back.db").stdout == "5 copied\n"
    assert values(SQLiteStore(tmp_path / "back.db")) == values(here)
    with closing(sqlite3.connect(tmp_path / "back.db")) as db:
        ends = dict(db.execute("SELECT key, expires_at FROM krauth_tokens"))
    assert 29 * 86400 < ends["revoked"] - time.time() < 31 * 86400
    assert ends["odd"] is None


def test_what_is_different_there_is_kept(run, here, url, tmp_path):
    """It is named, the exit code is 1, and `--overwrite` replaces it."""
    there = SQLiteStore(tmp_path / "there.db")
    there.save("key|1", text(77))
    arguments = ["tokens", "copy", "--store", url, "--to", f"sqlite:///{there.path}"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert "key|1: is different there; --overwrite" in result.stderr
    assert result.stdout == "4 copied, 1 kept as they were there\n"
    assert Record.from_text(there.load("key|1").value).number == 77
    assert run(*arguments, "--overwrite").exit_code == 0
    assert values(there) == values(here)


def test_only_some(run, here, url, tmp_path):
    """Keys can be named: a keyring can't list its own."""
    to = f"sqlite:///{tmp_path}/there.db"
    assert run("tokens", "copy", "--store", url, "--to", to, "--key", "key|1").stdout == "1 copied\n"
    assert SQLiteStore(tmp_path / "there.db").keys() == ["key|1"]
    result = run("tokens", "copy", "--store", url, "--to", to, "--key", "nothing")
    assert result.exit_code == 1
    assert "nothing: there is no such entry" in result.stderr


def test_encrypted_in_place(run, here, url, monkeypatch):
    """A store is encrypted under its own name; no entry is deleted on the way, so that none is lost."""
    monkeypatch.setenv("KRAUTH_ENCRYPTION_KEYS", Fernet.generate_key().decode())
    before = values(here)
    arguments = ("tokens", "copy", "--store", url, "--to", f"encrypted+{url}")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "5 failed\n")
    monkeypatch.setattr(SQLiteStore, "delete", None)
    assert run(*arguments, "--overwrite").stdout == "5 copied\n"
    assert values(_plugins.open_store(f"encrypted+{url}")) == before
    assert SECRET not in str(values(here))
    assert run(*arguments, "--overwrite").stdout == "5 were there already\n"
    result = run("tokens", "copy", "--store", url, "--to", f"encrypted+{url}2")
    assert (result.exit_code, result.stdout) == (1, "5 failed\n")
    assert "encrypted already" in result.stderr
    with_another_key = EncryptedStore(here, [Fernet.generate_key().decode()])
    key, value = next(iter(values(here).items()))
    with pytest.raises(TokenStoreError, match="add the key"):
        _put(with_another_key, key, value, None, overwrite=True, in_place=True)


def test_a_store_that_can_only_be_read(run, here, url, tmp_path, monkeypatch):
    """A backup on a read-only file system is copied without leases: no program can refresh there."""
    before = values(here)

    def refuse(self, key, seconds):
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise TokenStoreError("can't be written") from error

    monkeypatch.setattr(SQLiteStore, "acquire_and_load", refuse)
    assert run("tokens", "copy", "--store", url, "--to", f"sqlite:///{tmp_path}/there.db").stdout == "5 copied\n"
    assert values(SQLiteStore(tmp_path / "there.db")) == before


def test_a_refresh_that_is_under_way(run, here, url, tmp_path, monkeypatch):
    """An entry whose lease another process holds is not copied half-way: it is waited for, then named."""
    monkeypatch.setattr("krauth_cli._moves._QUIET", 0.2)
    lease = here.acquire("key|0", 60)
    result = run("tokens", "copy", "--store", url, "--to", f"sqlite:///{tmp_path}/there.db")
    assert result.exit_code == 1
    assert "key|0: another program refreshes this token" in result.stderr
    assert result.stdout == "4 copied, 1 failed\n"
    here.release(lease)
    assert here.acquire("key|1", 60), "copy keeps no lease"


def test_copy_to_itself(run, url):
    """Refused."""
    result = run("tokens", "copy", "--store", url, "--to", url)
    assert result.exit_code == 2
    assert "both stores are the same" in result.stderr


@pytest.mark.process
def test_a_copy_that_is_interrupted(tmp_path):
    """Killed in the middle and run again: everything is there, and nothing is gone from where it was."""
    here, there = SQLiteStore(tmp_path / "here.db"), SQLiteStore(tmp_path / "there.db")
    for number in range(60):
        here.save(f"key|{number:03}", text(number))
    before = values(here)
    command = [KRAUTH, "tokens", "copy", "--store", f"sqlite:///{here.path}", "--to", f"sqlite:///{there.path}"]
    for at_least in (5, 25):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while len(there.keys()) < at_least:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        held = values(there)
        assert held == {key: before[key] for key in held}
    with closing(sqlite3.connect(here.path)) as db, db:
        db.execute("UPDATE krauth_leases SET ends_up = 0, ends_at = 0")  # as if their time had passed
    assert subprocess.run(command, check=False).returncode == 0
    assert values(there) == values(here) == before


def test_export_and_import(run, here, url, tmp_path):
    """The file is private and shows nothing; imported elsewhere, all is there."""
    environment = {"KRAUTH_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    file = tmp_path / "backup"
    result = run("tokens", "export", "--store", url, "--output", str(file), **environment)
    assert result.exit_code == 0
    assert "5 entries written" in result.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET not in file.read_text()
    assert sorted(os.listdir(tmp_path)) == ["backup", "here.db"]
    arguments = ["tokens", "import", "--store", f"sqlite:///{tmp_path}/new/there.db", "--input", str(file)]
    assert run(*arguments, **environment).stdout == "5 copied\n"
    assert values(SQLiteStore(tmp_path / "new" / "there.db")) == values(here)
    assert run(*arguments, **environment).stdout == "5 were there already\n"
    rotated = {"KRAUTH_ENCRYPTION_KEYS": f"{Fernet.generate_key().decode()},{environment['KRAUTH_ENCRYPTION_KEYS']}"}
    assert run(*arguments, **rotated).exit_code == 0
    assert "exists already" in run("tokens", "export", "--store", url, "--output", str(file), **environment).stderr


def test_no_export_without_a_key(run, url, tmp_path):
    """It is refused, with the way to a key; no file is made."""
    result = run("tokens", "export", "--store", url, "--output", str(tmp_path / "backup"))
    assert result.exit_code == 2
    assert "Fernet.generate_key" in result.stderr
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[:-1], "not whole"),
        (lambda lines: [*lines[:2], *lines[3:]], "not whole"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "not whole"),
        (lambda lines: [*lines[:1], lines[1][:-2] + "A=", *lines[2:]], "was changed"),
        (lambda lines: ["something else"], "no file that krauth tokens export"),
        (lambda lines: lines[:1], "no file that krauth tokens export"),
        (lambda lines: [], "no file that krauth tokens export"),
    ],
    ids=["cut", "one gone", "swapped", "changed", "foreign", "header", "empty"],
)
def test_a_file_that_was_changed(change, says, run, url, tmp_path):
    """Nothing of it is saved."""
    environment = {"KRAUTH_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    file = tmp_path / "backup"
    run("tokens", "export", "--store", url, "--output", str(file), **environment)
    file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))
    to = tmp_path / "there.db"
    result = run("tokens", "import", "--store", f"sqlite:///{to}", "--input", str(file), **environment)
    assert result.exit_code == 1
    assert says in result.stderr
    assert not to.exists()
    environment = {"KRAUTH_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    assert run("tokens", "import", "--store", f"sqlite:///{to}", "--input", str(file), **environment).exit_code == 1


def test_reencrypt(run, tmp_path):
    """All entries go to the newest key, so that the old one can go; what can't be decrypted is named."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    inner = SQLiteStore(tmp_path / "tokens.db")
    store = EncryptedStore(inner, [old])
    for number in range(4):
        store.save(f"key|{number}", text(number))
    before = values(store)
    url = f"encrypted+sqlite:///{inner.path}"
    result = run("tokens", "reencrypt", "--store", url, KRAUTH_ENCRYPTION_KEYS=f"{new},{old}")
    assert (result.exit_code, result.stdout) == (0, "4 encrypted anew\n")
    assert values(EncryptedStore(inner, [new])) == before
    result = run("tokens", "reencrypt", "--store", url, KRAUTH_ENCRYPTION_KEYS=f"{new},{old}")
    assert result.stdout == "4 had the newest key already\n"
    inner.save("plain", text())
    result = run("tokens", "reencrypt", "--store", url, KRAUTH_ENCRYPTION_KEYS=new)
    assert result.exit_code == 1
    assert "plain: the entry plain in" in result.stderr
    assert SECRET not in result.output
    listed = run("tokens", "--store", url, "--json", KRAUTH_ENCRYPTION_KEYS=new).stdout
    assert {row["key"]: row["state"] for row in json.loads(listed)}["plain"] == "unreadable"
    result = run("tokens", "delete", "--store", url, "plain", KRAUTH_ENCRYPTION_KEYS=new)
    assert (result.exit_code, result.stdout) == (0, "deleted\n")


def test_reencrypt_beside_a_writer(tmp_path, monkeypatch):
    """An entry that another process saves meanwhile is not put back."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    inner = MemoryStore()
    EncryptedStore(inner, [old]).save("key", "old")
    store = EncryptedStore(inner, [new, old])
    save = inner.save

    def race(key, value, **options):
        monkeypatch.setattr(inner, "save", save)
        EncryptedStore(inner, [old]).save("key", "newer")
        return save(key, value, **options)

    monkeypatch.setattr(inner, "save", race)
    assert store.reencrypt("key", lambda value: None)
    assert EncryptedStore(inner, [new]).load("key").value == "newer"
    inner.save("key", "no ciphertext")
    with pytest.raises(TokenStoreError, match="can't be decrypted"):
        store.reencrypt("key", lambda value: None)


def test_reencrypt_what_is_not_encrypted(run, url):
    """Refused, with what to name instead."""
    result = run("tokens", "reencrypt", "--store", url)
    assert result.exit_code == 2
    assert "encrypted+sqlite" in result.stderr


def test_vacuum(run, here, url):
    """Dead entries are dropped and counted."""
    with closing(sqlite3.connect(here.path)) as db, db:
        db.execute("UPDATE krauth_tokens SET expires_at = 1 WHERE key LIKE 'key|%'")
    assert run("tokens", "vacuum", "--store", url).stdout == "3 entries dropped\n"
    assert here.keys() == ["odd", "revoked"]


def test_show_and_delete(run, here, url):
    """One entry; `--store` may stand before the command; what is not there is said."""
    result = run("tokens", "show", "key|1", "--store", url, "--json")
    assert json.loads(result.stdout)["refresh_token"] is True
    assert run("tokens", "--store", url, "show", "key|1").stdout.endswith("key|1\n")
    assert SECRET not in result.output
    assert run("tokens", "delete", "key|1", "--store", url).stdout == "deleted\n"
    assert here.load("key|1") is None
    for command in ("show", "delete"):
        result = run("tokens", command, "key|1", "--store", url)
        assert result.exit_code == 1
        assert "there is no such entry" in result.stderr
    states = {row["key"]: row["state"] for row in json.loads(run("tokens", "list", "--store", url, "--json").stdout)}
    assert states == {"key|0": "fresh", "key|2": "fresh", "odd": "unreadable", "revoked": "revoked"}


@pytest.mark.parametrize(
    "arguments", [["list"], [], ["show", "key"], ["delete", "key"], ["vacuum"], ["copy", "--to", "memory://"]]
)
@pytest.mark.parametrize("scheme", ["sqlite", "encrypted+sqlite"])
def test_a_mistyped_url(arguments, scheme, run, tmp_path):
    """No file is made, and the exit code is 1: "no tokens" would be a wrong answer."""
    url = f"{scheme}:///{tmp_path}/sub/typo.db"
    result = run("tokens", *arguments, "--store", url, KRAUTH_ENCRYPTION_KEYS=Fernet.generate_key().decode())
    assert result.exit_code == 1
    assert f"there is no token store at {tmp_path}/sub/typo.db" in result.stderr
    assert not list(tmp_path.iterdir())


def test_no_store_is_named(run):
    """It is asked for."""
    for arguments in ([], ["list"], ["vacuum"]):
        result = run("tokens", *arguments)
        assert result.exit_code == 2
        assert "--store" in result.stderr


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "mariadb"])
def test_the_statements_for_sql(dialect, run):
    """They are printed, one after the other, for the dialect."""
    result = run("stores", "sql", "--dialect", dialect, "--prefix", "app_")
    assert result.exit_code == 0
    assert result.stdout.count("CREATE TABLE app_") == 2
    assert ("BYTEA" if dialect == "postgresql" else "LONGBLOB") in result.stdout
    assert run("stores", "sql", "--dialect", dialect, "--prefix", "a b;").exit_code == 2


def test_a_store_that_fails(run, env, krauth_sandbox):
    """`krauth token --store` with a store that can't be reached exits 1 and says so."""
    result = run("token", "naver", "--store", "redis://127.0.0.1:1/0", **env)
    assert result.exit_code == 1
    assert "Redis at 127.0.0.1:1 can't be reached" in result.stderr
    assert not result.stdout


def test_in_korean(run, url):
    """Messages and reports."""
    assert run("tokens", "vacuum", "--store", url, LANG="ko_KR.UTF-8").stdout == "항목 0개를 지웠습니다\n"
    assert _plugins.open_store(url).keys()
