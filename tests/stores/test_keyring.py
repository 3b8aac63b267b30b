"""The operating system's keyring: chunks, killed and competing writers, no keyring at all."""

import contextlib
import json
import os
import signal
import threading

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import pytest

from krauth import ConfigurationError, TokenStoreError
from krauth._plugins import plugins
from krauth_stores._locks import ForkableLock
from krauth_stores.keyring import KeyringStore

SECRET = "an-access-token-that-nobody-may-see"


class Killed(BaseException):
    """Stands for SIGKILL: no code catches it."""


class Backend(keyring.backend.KeyringBackend):
    """Takes 2560 bytes per entry, like Windows, and can be made to die at a chosen write."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.entries = {}
        self.writes_left = None

    def _write(self):
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise Killed
            self.writes_left -= 1

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self._write()
        assert len(password.encode("utf-16-le")) <= 2560
        self.entries[service, username] = password

    def delete_password(self, service, username):
        self._write()
        if self.entries.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError("not there")


@pytest.fixture
def backend():
    return Backend()


@pytest.fixture
def store(backend):
    return KeyringStore("krauth-test", backend)


@pytest.mark.parametrize("length", [0, 1, 1197, 1198, 1199, 5000])
def test_chunks(length, store, backend):
    """No entry is longer than any backend takes, and a shorter text leaves no chunk of a longer one."""
    store.save("key", "x" * 9000)
    store.save("key", "한" * length)
    assert store.load("key").value == "한" * length
    head = json.loads(backend.entries["krauth-test", "key"])
    assert len(backend.entries) == 1 + head["chunks"]
    store.delete("key")
    assert backend.entries == {}


@pytest.mark.parametrize("writes", range(12))
def test_a_writer_that_is_killed(writes, store, backend):
    """At whatever moment: the old text or the new one is there, whole, and later saves leave nothing lying about."""
    old, new = "o" * 4000, "n" * 5500
    store.save("key", old)
    backend.writes_left = writes
    with contextlib.suppress(Killed):
        store.save("key", new)
    backend.writes_left = None
    fresh = KeyringStore("krauth-test", backend)
    assert fresh.load("key").value in (old, new)
    fresh.save("key", "after")
    fresh.save("key", "after")
    assert fresh.load("key").value == "after"
    assert len(backend.entries) == 2


def test_a_torn_entry(store, backend):
    """Chunks of two writers are not put together: an error says what to do."""
    store.save("key", SECRET * 100)
    chunk = next(name for name in backend.entries if "#" in name[1])
    backend.entries[chunk] = backend.entries[chunk].replace("nobody", "no-one", 1)
    with pytest.raises(
        TokenStoreError, match=r"entry key of 'krauth-test' in the keyring is torn.*delete it"
    ) as caught:
        store.load("key")
    assert SECRET not in str(caught.value)
    store.delete("key")
    assert store.load("key") is None


def test_another_programs_entry(store, backend):
    """What another program keeps under the name is not overwritten."""
    backend.entries["krauth-test", "key"] = SECRET
    for call in (lambda: store.load("key"), lambda: store.save("key", "value")):
        with pytest.raises(TokenStoreError, match="not written by krauth") as caught:
            call()
        assert SECRET not in str(caught.value)
    assert backend.entries == {("krauth-test", "key"): SECRET}


def test_a_locked_keyring(store, backend, monkeypatch):
    """The backend's error becomes one that says where to look."""

    def locked(*args):
        raise keyring.errors.KeyringLocked(SECRET)

    monkeypatch.setattr(backend, "get_password", locked)
    with pytest.raises(
        TokenStoreError, match="could not read an entry of 'krauth-test': KeyringLocked; is it"
    ) as caught:
        store.load("key")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", [keyring.backends.fail.Keyring, keyring.backends.null.Keyring])
def test_no_keyring(kind, monkeypatch):
    """Where there is none, or one that keeps nothing, the URL is refused and alternatives are named."""
    monkeypatch.setattr(keyring, "get_keyring", kind)
    with pytest.raises(ConfigurationError, match=rf"no usable keyring here .*{kind.__module__}.*encrypted\+sqlite"):
        plugins().open("keyring://krauth")


def test_urls(monkeypatch, backend):
    """The service name may be percent-encoded, and must be there."""
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    store = plugins().open("keyring://my%20program/")
    store.save("key", "value")
    assert ("my program", "key") in backend.entries
    assert repr(store) == f"<KeyringStore 'my program' in {__name__}>"
    with pytest.raises(ConfigurationError, match="keyring://my-program"):
        plugins().open("keyring://")


@pytest.mark.parametrize(
    "change",
    [
        {"chunks": 99_999_999},
        {"chunks": -1},
        {"chunks": "2"},
        {"chunks": True},
        {"slot": "../other"},
        {"slot": ["a"]},
        {"version": None},
        {"checksum": 7},
        {"expires_at": "soon"},
        {"expires_at": {}},
    ],
)
def test_a_head_of_the_wrong_type(change, store, backend):
    """A keyring can be edited by hand: the entry is refused at once, with what to do; deleting it helps."""
    store.save("key", SECRET)
    head = json.loads(backend.entries["krauth-test", "key"])
    backend.entries["krauth-test", "key"] = json.dumps(head | change)
    with pytest.raises(TokenStoreError, match="was not written by krauth; delete it") as caught:
        store.load("key")
    assert SECRET not in str(caught.value)
    store.delete("key")
    assert store.load("key") is None


@pytest.mark.parametrize("text", ["[]", "7", "null", "[" * 100_000, '"text"'])
def test_a_head_that_is_no_object(text, store, backend):
    """The same."""
    backend.entries["krauth-test", "key"] = text
    with pytest.raises(TokenStoreError, match="was not written by krauth; delete it"):
        store.load("key")


def test_a_text_too_long_for_a_keyring(store, backend):
    """It is refused before anything is written."""
    with pytest.raises(TokenStoreError, match="too long for a keyring"):
        store.save("key", "x" * 1_300_000)
    assert backend.entries == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_waits_for_no_thread_of_its_parent():
    """A process that is forked while another thread uses the keyring, Redis or SQL finds their locks free."""
    lock, taken, go = ForkableLock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            taken.set()
            go.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(20)
    child = os.fork()
    if child == 0:
        signal.alarm(5)  # ends a child that waits
        with lock:
            os._exit(0)
    go.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
