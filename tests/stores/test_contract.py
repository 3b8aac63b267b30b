"""The shipped contract, held by every store of ours, and by one that can do no more than a store must."""

import os
import subprocess
import sys
import uuid

import keyring.backend
import keyring.errors
import pytest
from cryptography.fernet import Fernet

from krauth import MemoryStore, StoreConflict, TokenStore
from krauth._plugins import plugins
from krauth.stores import Stored
from krauth.testing import TokenStoreContract
from krauth_stores.encrypted import EncryptedStore
from krauth_stores.keyring import KeyringStore
from krauth_stores.sqlite import SQLiteStore


class TestMemory(TokenStoreContract):
    shared = False

    def make_store(self):
        return MemoryStore()


class TestSQLite(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path):
        self.url = f"sqlite:///{tmp_path}/tokens.db"

    def make_store(self):
        return plugins().open(self.url)


class TestRedis(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def place(self, redis_url):
        self.url = redis_url

    def make_store(self):
        return plugins().open(self.url)


class TestRedisOverUnixSocket(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def place(self, redis_server, redis_url):
        password = redis_url.partition("@")[0].partition("//")[2]
        self.url = f"unix://{password}@{redis_server.socket_path}?db=3&prefix=a*[b]?:"

    def make_store(self):
        return plugins().open(self.url)


class SmallKeyring(keyring.backend.KeyringBackend):
    """Keeps entries in memory, and as few characters in each as Windows does."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.entries = {}

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        if len(password.encode("utf-16-le")) > 2560:
            raise keyring.errors.PasswordSetError("too long")
        self.entries[service, username] = password

    def delete_password(self, service, username):
        if self.entries.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError("not there")


class TestKeyring(TokenStoreContract):
    has_leases = False
    lists_keys = False

    @pytest.fixture(autouse=True)
    def place(self):
        self.backend = SmallKeyring()

    def make_store(self):
        return KeyringStore("krauth-test", self.backend)

    # Stores of one process share no lock: additions and torn writes between them are what a keyring can't prevent.
    def test_concurrent_writers(self):
        self.shared = False
        super().test_concurrent_writers()


class TestEncryptedSQLite(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path, monkeypatch):
        monkeypatch.setenv("KRAUTH_ENCRYPTION_KEYS", Fernet.generate_key().decode())
        self.url = f"encrypted+sqlite:///{tmp_path}/{uuid.uuid4().hex}.db"

    def make_store(self):
        return plugins().open(self.url)


class TestEncryptedRedis(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def place(self, redis_url):
        self.inner, self.fernet_key = redis_url, Fernet.generate_key().decode()

    def make_store(self):
        return EncryptedStore(plugins().open(self.inner), [self.fernet_key])


class Folder(TokenStore):
    """Loads, saves and deletes, and nothing else: what the protocol demands."""

    def __init__(self, path):
        self.path = path

    def _file(self, key):
        return os.path.join(self.path, str(uuid.uuid5(uuid.NAMESPACE_URL, key)))

    def load(self, key):
        try:
            with open(self._file(key), encoding="utf-8", newline="") as file:
                version, _, value = file.read().partition("\n")
        except FileNotFoundError:
            return None
        return Stored(value, version)

    def save(self, key, value, *, version="*", lease=None, expires_at=None):
        new = uuid.uuid4().hex
        with open(self._file(key) + new, "w", encoding="utf-8", newline="") as file:
            file.write(f"{new}\n{value}")
        os.replace(file.name, self._file(key))
        return new

    def delete(self, key):
        if os.path.exists(self._file(key)):
            os.remove(self._file(key))


class TestTheLeastThatAStoreMustDo(TokenStoreContract):
    has_leases = compares_versions = drops_expired = lists_keys = False

    @pytest.fixture(autouse=True)
    def place(self, tmp_path):
        self.path = tmp_path

    def make_store(self):
        return Folder(self.path)


# ---- and it finds what is wrong -------------------------------------------------------------------------------


class ForgetsFences(SQLiteStore):
    def save(self, key, value, *, lease=None, **options):
        return super().save(key, value, **options)


class ForgetsVersions(SQLiteStore):
    def save(self, key, value, *, version="*", **options):
        return super().save(key, value, **options)


class GrantsEveryCaller(SQLiteStore):
    def acquire(self, key, seconds):
        return super().acquire(f"{key}{uuid.uuid4()}", seconds)._replace(key=key)


class NeverEnds(SQLiteStore):
    def acquire(self, key, seconds):
        return super().acquire(key, seconds * 1000)


class EndsStrictly(SQLiteStore):
    def save(self, key, value, *, lease=None, **options):
        if lease is not None and self.acquire(key, 0.0):
            raise StoreConflict("its time is up")
        return super().save(key, value, lease=lease, **options)


class KeepsTheLease(SQLiteStore):
    def save_and_release(self, key, value, **options):
        return self.save(key, value, **options)


class ReleasesAnyway(SQLiteStore):
    def save_and_release(self, key, value, *, lease, **options):
        try:
            return self.save(key, value, lease=lease, **options)
        finally:
            self.release(lease)


class LooksOnlyWithTheLease(SQLiteStore):
    def acquire_and_load(self, key, seconds):
        lease = self.acquire(key, seconds)
        return lease, self.load(key) if lease else None


class SweepsAll(SQLiteStore):
    def vacuum(self):
        for number, key in enumerate(self.keys(), 1):
            self.delete(key)
            yield number, number


class KeepsTheDead(SQLiteStore):
    def save(self, key, value, *, expires_at=None, **options):
        return super().save(key, value, **options)


class CountsFromOne(MemoryStore):
    def save(self, key, value, **options):
        super().save(key, value, **options)
        return "1"


class Truncates(SQLiteStore):
    def save(self, key, value, **options):
        return super().save(key, value[:4096], **options)


class Shows(SQLiteStore):
    def __repr__(self):
        return f"<Shows {[self.load(key).value for key in self.keys()]}>"


@pytest.mark.parametrize(
    ("kind", "test", "says"),
    [
        (ForgetsFences, "test_a_lost_lease_saves_nothing", "lease that was lost"),
        (ForgetsFences, "test_a_save_under_a_lease", "given back"),
        (ForgetsVersions, "test_save_compares_versions", "must raise krauth.StoreConflict"),
        (ForgetsVersions, "test_concurrent_writers", "load"),
        (GrantsEveryCaller, "test_one_lease_at_a_time", "must return None while"),
        (GrantsEveryCaller, "test_of_many_one_gets_the_lease", "8 of 8 threads"),
        (NeverEnds, "test_a_dead_holders_lease_ends", "did not end"),
        (EndsStrictly, "test_a_save_under_an_ended_lease", "time is up"),
        (KeepsTheLease, "test_save_and_release", "must give the lease back"),
        (ReleasesAnyway, "test_save_and_release", "must not end a lease"),
        (LooksOnlyWithTheLease, "test_acquire_and_load", "also without a lease"),
        (SweepsAll, "test_vacuum", "found nothing"),
        (KeepsTheDead, "test_expired_entries_are_gone", "expires_at has passed"),
        (CountsFromOne, "test_a_save_replaces", "new version"),
        (CountsFromOne, "test_no_version_comes_back", "used again"),
        (Truncates, "test_large_values", "load"),
        (Shows, "test_nothing_shows_a_secret", "shows in"),
    ],
)
def test_the_contract_finds(kind, test, says, tmp_path):
    """A store that breaks a promise fails the test of that promise, with a message that says which."""
    contract = TokenStoreContract()
    contract.patience = 1.0
    contract.make_store = lambda: kind() if kind is CountsFromOne else kind(tmp_path / "tokens.db")
    with pytest.raises((AssertionError, StoreConflict), match=says):
        getattr(contract, test)()
    contract.teardown_method()


def test_make_store_is_asked_for():
    """A class without `make_store` is told so."""
    with pytest.raises(NotImplementedError, match="make_store"):
        TokenStoreContract().test_delete()


def test_krauth_testing_does_not_need_pytest():
    """A program that uses `FakeClock` alone, or runs the contract with another runner, imports no pytest."""
    script = "import sys, krauth.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
