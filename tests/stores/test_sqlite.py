"""SQLite: file modes, crashes, damage, full and read-only disks, forks."""

import contextlib
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
import time

import pytest

from krauth import ConfigurationError, StoreConflict, TokenStoreError
from krauth._plugins import plugins
from krauth_stores import sqlite
from krauth_stores.salvage import salvage
from krauth_stores.sqlite import SQLiteStore

SECRET = "an-access-token-that-nobody-may-see"


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "tokens.db")


@pytest.fixture
def unprivileged():
    """A folder that belongs to root where the tests run as root, and a user who isn't; else a folder of ours."""
    folder = tempfile.mkdtemp(prefix="krauth-")
    os.chmod(folder, 0o755)
    root = os.geteuid() == 0
    yield folder, (lambda: os.seteuid(65534)) if root else (lambda: None)
    if root:
        os.seteuid(0)
    os.chmod(folder, 0o755)
    shutil.rmtree(folder)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@contextlib.contextmanager
def connected(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


# ---- where it is, and who can read it -------------------------------------------------------------------------


def test_file_and_folder_are_private(tmp_path):
    """Whatever the umask: the file and what SQLite puts beside it are 0600, a folder that is made is 0700."""
    path = tmp_path / "made" / "tokens.db"
    before = os.umask(0)
    try:
        store = SQLiteStore(path)
        store.save("key", SECRET)
        with connected(path) as reader:
            reader.execute("SELECT * FROM krauth_tokens").fetchall()
            store.save("key", SECRET)
            found = {name: oct(mode(path.parent / name)) for name in os.listdir(path.parent)}
    finally:
        os.umask(before)
    assert found == dict.fromkeys(["tokens.db", "tokens.db-wal", "tokens.db-shm"], "0o600")
    assert mode(path.parent) == 0o700


def test_a_file_that_others_can_read_is_made_private(path):
    """A file of ours that is readable by others is not, after the first operation."""
    SQLiteStore(path).save("key", SECRET)
    os.chmod(path, 0o664)
    SQLiteStore(path).load("key")
    assert mode(path) == 0o600


def test_a_file_of_another_user_that_everybody_can_read_is_refused(unprivileged):
    """It can't be made private, so it is not used, and its owner is told what to do."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a file that belongs to somebody else")
    folder, drop = unprivileged
    path = f"{folder}/tokens.db"
    SQLiteStore(path).save("key", SECRET)
    os.chmod(path, 0o644)
    drop()
    with pytest.raises(TokenStoreError, match=f"its owner has to run chmod 600 {path}"):
        SQLiteStore(path).load("key")


def test_no_dead_token_stays_in_the_file(path):
    """What was replaced, deleted or has expired can't be read from the file's bytes."""
    store = SQLiteStore(path)
    for number in range(3):
        store.save(f"key{number}", SECRET + "x" * 9000)
    store.save("key0", "short")
    store.delete("key1")
    store.save("key2", SECRET, expires_at=time.time() - 1)
    for name in os.listdir(os.path.dirname(path)):
        with open(os.path.join(os.path.dirname(path), name), "rb") as file:
            assert SECRET.encode() not in file.read()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///tokens.db", "{cwd}/tokens.db"),
        ("sqlite:///data/t.db", "{cwd}/data/t.db"),
        ("sqlite:////var/lib/t.db", "/var/lib/t.db"),
        ("sqlite:///~/t.db", "{home}/t.db"),
        ("SQLITE:///~/%41 b.db", "{home}/%41 b.db"),
    ],
)
def test_urls(url, expected, tmp_path, monkeypatch):
    """SQLAlchemy's convention, and the home folder; fixed when the store is opened, wherever the program goes then."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    store = plugins().open(url)
    monkeypatch.chdir("/")
    assert store.path == expected.format(cwd=tmp_path, home="/home/somebody")


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite://tokens.db", "sqlite:///:memory:", "sqlite:///a.db?timeout=3"]
)
def test_urls_that_name_no_file(url):
    """They are refused when the store is opened, with the way to write it."""
    with pytest.raises(ConfigurationError, match=r"sqlite:///tokens\.db|memory://"):
        plugins().open(url)


# ---- what it is like to use -----------------------------------------------------------------------------------


def test_write_ahead_log(path):
    """Readers do not wait for a writer."""
    store = SQLiteStore(path, timeout=0.1)
    version = store.save("key", "value")
    with connected(path) as writer:
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        writer.execute("BEGIN IMMEDIATE")
        assert store.load("key") == ("value", version)
        assert store.keys() == ["key"]


def test_a_file_that_stays_locked(path):
    """Waiting is bounded; the message says what to look for."""
    store = SQLiteStore(path, timeout=0.1)
    store.save("key", "value")
    with connected(path) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(TokenStoreError, match=r"tokens\.db is kept locked by another program; close"):
            store.save("key", SECRET)
    store.save("key", "later")


def test_a_database_of_the_users_own(path):
    """Tokens may live beside other tables."""
    with connected(path) as db:
        db.execute("CREATE TABLE orders (id)")
        db.execute("INSERT INTO orders VALUES (1)")
    SQLiteStore(path).save("key", "value")
    with connected(path) as db:
        assert db.execute("SELECT * FROM orders").fetchall() == [(1,)]


@pytest.mark.parametrize("what", ["deleted", "emptied"])
def test_a_file_that_disappears(what, path):
    """A file that is deleted or replaced under a running program is noticed with the next call."""
    store = SQLiteStore(path)
    store.save("key", "value")
    lease = store.acquire("key", 60)
    os.remove(path)
    if what == "emptied":
        os.close(os.open(path, os.O_CREAT, 0o600))
    assert store.load("key") is None
    with pytest.raises(StoreConflict):
        store.save("key", "stale", lease=lease)
    newer = store.acquire("key", 60)
    assert newer.fence > lease.fence
    store.save("key", "new", version=None, lease=newer)
    assert store.load("key").value == "new"


def test_a_clock_set_back(path, monkeypatch):
    """It does not prolong the lease of a holder that died."""

    class Clock:
        now = 1_800_000_000.0
        monotonic, sleep = staticmethod(time.monotonic), staticmethod(time.sleep)
        time = staticmethod(lambda: Clock.now)

    monkeypatch.setattr(sqlite, "time", Clock)
    store = SQLiteStore(path)
    lost = store.acquire("key", 15)
    Clock.now -= 0.5  # what NTP does every day ends no lease
    assert store.acquire("key", 15) is None
    Clock.now -= 3600
    assert store.acquire("key", 15).fence > lost.fence


def test_old_leases_are_forgotten(path):
    """Rows of leases do not pile up."""
    store = SQLiteStore(path)
    for number in range(5):
        store.release(store.acquire(f"key{number}", 60))
    with connected(path) as db:
        db.execute("UPDATE krauth_leases SET ends_at = ends_at - 90000")
    store.acquire("another", 60)
    with connected(path) as db:
        assert db.execute("SELECT key FROM krauth_leases").fetchall() == [("another",)]


def test_fork(path):
    """A child that is born while other threads save can use the store at once; nothing is damaged."""
    script = textwrap.dedent(
        """
        import os, sys, threading
        from krauth_stores.sqlite import SQLiteStore
        store = SQLiteStore(sys.argv[1])
        stop = threading.Event()
        def save(number):
            while not stop.is_set():
                store.save(f"thread{number}", "text")
        threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
        for thread in threads: thread.start()
        for number in range(20):
            pid = os.fork()
            if pid == 0:
                try:
                    store.save(f"child{number}", "text")
                    os._exit(0 if store.load(f"child{number}").value == "text" else 1)
                finally:
                    os._exit(2)
            assert os.waitpid(pid, 0)[1] == 0, number
        stop.set()
        for thread in threads: thread.join()
        """
    )
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, path]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
    assert len(SQLiteStore(path).keys()) == 24
    with connected(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# ---- when the disk is at fault --------------------------------------------------------------------------------


@pytest.fixture
def small_disk():
    """A file system of half a megabyte."""
    folder = tempfile.mkdtemp(prefix="krauth-")
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "krauth-test", folder]
    try:
        if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("mounting a file system is not permitted here")
        yield folder
        subprocess.run(["umount", folder], check=True)
    finally:
        os.rmdir(folder)


def test_a_full_disk(small_disk):
    """The message names the file and the cause; nothing saved before is lost; with free space it goes on."""
    store = SQLiteStore(f"{small_disk}/tokens.db")
    version = store.save("key", "before")
    with open(f"{small_disk}/ballast", "wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)
    with pytest.raises(TokenStoreError, match=rf"{small_disk}/tokens\.db can't be written: the disk is full") as caught:
        store.save("key", SECRET * 100)
    assert SECRET not in str(caught.value)
    os.remove(f"{small_disk}/ballast")
    assert store.load("key") == ("before", version)
    store.save("key", "after")


def test_a_limit_on_file_size(path):
    """The same with a quota: an error that names the file, and the old entry whole."""
    store = SQLiteStore(path)
    version = store.save("key", "before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
    try:
        with pytest.raises(TokenStoreError, match=r"tokens\.db (can't be written|failed: disk I/O error)"):
            store.save("key", SECRET * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert store.load("key") == ("before", version)


def test_a_read_only_file(unprivileged):
    """The message names the file and the cause."""
    folder, drop = unprivileged
    path = f"{folder}/tokens.db"
    SQLiteStore(path).save("key", "before")
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    os.chmod(path, 0o400)
    os.chmod(folder, 0o555)
    drop()
    with pytest.raises(TokenStoreError, match=r"tokens\.db can't be (written|opened)"):
        SQLiteStore(path).save("key", SECRET)


def test_a_read_only_file_in_a_folder_of_ours(unprivileged):
    """What is in it can still be read."""
    folder, drop = unprivileged
    path = f"{folder}/tokens.db"
    version = SQLiteStore(path).save("key", "before")
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
        os.chown(folder, 65534, 65534)
    os.chmod(path, 0o400)
    drop()
    with pytest.raises(TokenStoreError, match=r"tokens\.db can't be written: it, its folder or its file system is"):
        SQLiteStore(path).save("key", SECRET)
    assert SQLiteStore(path).load("key") == ("before", version)


def test_a_folder_that_may_not_be_written(unprivileged):
    """No file can be made: the message names the folder and the cause."""
    folder, drop = unprivileged
    os.chmod(folder, 0o555)
    drop()
    with pytest.raises(TokenStoreError, match=f"Permission denied .{folder}/sub"):
        SQLiteStore(f"{folder}/sub/tokens.db").load("key")


def test_a_folder_in_its_place(tmp_path):
    """A path that is a folder is said to be one."""
    with pytest.raises(TokenStoreError, match="is it a folder"):
        SQLiteStore(tmp_path).load("key")


# ---- damage, and the way out ----------------------------------------------------------------------------------


def fill(path, count=200):
    store = SQLiteStore(path)
    texts = {f"provider|https://api.example|client-{number:04}": f"{number}-" + "v" * 700 for number in range(count)}
    for key, text in texts.items():
        store.save(key, text)
    return store, texts


def touch(store, texts):
    for key in texts:
        store.load(key)
    for key, text in texts.items():
        store.save(key, text)


def pages(path, kind=None):
    with open(path, "rb") as file:
        data = file.read()
    return [at for at in range(4096, len(data), 4096) if kind is None or data[at] == kind]


def overwrite(path, *offsets, data=b"\xa5" * 4096):
    with open(path, "r+b") as file:
        for at in offsets:
            file.seek(at)
            file.write(data)


LEAF, INNER = 0x0D, 0x05


@pytest.mark.parametrize(
    ("damage", "at_least"),
    [
        (lambda path: overwrite(path, 0), 200),  # the header, and where the tables begin
        (lambda path: overwrite(path, 0, data=b"\0" * 100), 200),
        (lambda path: overwrite(path, pages(path, LEAF)[7]), 190),
        (lambda path: overwrite(path, *pages(path, LEAF)[5:30:8]), 170),
        (lambda path: overwrite(path, 0, pages(path, LEAF)[9]), 190),
        (lambda path: os.truncate(path, os.path.getsize(path) // 2), 80),
        (lambda path: os.truncate(path, os.path.getsize(path) - 1000), 180),
    ],
    ids=["header", "zeros", "page", "pages", "header and page", "half", "end"],
)
def test_a_damaged_file(damage, at_least, path):
    """The message names the way out, and that loses only what was on the damaged pages; the old file is kept."""
    store, texts = fill(path)
    damage(path)
    with open(path, "rb") as file:
        damaged = file.read()
    with pytest.raises(TokenStoreError, match=r"damaged, or no SQLite file.* python -m krauth_stores\.salvage .*\.db"):
        touch(store, texts)
    with open(path, "rb") as file:
        assert file.read(4096) == damaged[:4096], "a damaged file must not be overwritten"
    result = salvage(path)
    assert len(result.keys) >= at_least
    assert {key: store.load(key).value for key in result.keys} == {key: texts[key] for key in result.keys}
    assert set(result.keys) == set(store.keys())
    assert set(result.lost) <= texts.keys() - set(result.keys)
    assert mode(path) == mode(result.kept) == 0o600
    assert os.path.getsize(result.kept) == len(damaged)
    assert sorted(os.listdir(os.path.dirname(path))) == sorted(["tokens.db", os.path.basename(result.kept)])
    store.save("key", "and it works")


def test_salvage_reads_the_log(path):
    """What a killed process had committed, and was only in the log, is salvaged too."""
    store, texts = fill(path, 20)
    script = (
        "import os, sqlite3, sys; from krauth_stores.sqlite import SQLiteStore;"
        "db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM krauth_tokens').fetchone();"
        "SQLiteStore(sys.argv[1]).save('late', 'committed');"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, path], check=False)
    assert os.path.getsize(f"{path}-wal") > 0
    overwrite(path, 0)
    result = salvage(path)
    assert set(result.keys) == {*texts, "late"}
    assert store.load("late").value == "committed"
    assert not os.path.exists(f"{path}-wal")


def test_a_damaged_text(path):
    """A text that was changed on the disk is not passed off as a token."""
    store, texts = fill(path, 20)
    with open(path, "rb") as file:
        at = file.read().index(b"13-vvv")
    overwrite(path, at + 5, data=b"w")
    damaged = next(key for key in texts if key.endswith("0013"))
    with pytest.raises(TokenStoreError, match="is damaged"):
        store.load(damaged)
    assert len(store.keys()) == 20
    result = salvage(path)
    assert result.lost == [damaged]
    assert len(result.keys) == 19


@pytest.mark.parametrize("content", [b"", b"no database at all\n" * 1000, b"SQLite format 3\0" + b"\0" * 9000])
def test_salvage_of_what_never_was_a_database(content, path):
    """An empty file is a new store; any other content is kept aside and replaced by an empty store."""
    with open(path, "wb") as file:
        file.write(content)
    if content:
        with pytest.raises(TokenStoreError, match="no SQLite file"):
            SQLiteStore(path).load("key")
        result = salvage(path)
        assert result.keys == result.lost == []
        with open(result.kept, "rb") as file:
            assert file.read() == content
    SQLiteStore(path).save("key", "value")


def test_salvage_from_the_shell(path):
    """The command that the message names works as it stands, and shows no token."""
    store, texts = fill(path)
    overwrite(path, pages(path, LEAF)[3])
    with pytest.raises(TokenStoreError) as caught:
        touch(store, texts)
    command = str(caught.value).partition("run:  ")[2].partition("  (")[0].replace("python", sys.executable, 1)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert f"{len(store.keys())} entries saved; the damaged file is kept as {path}.damaged-" in done.stdout
    assert "could not be read: provider|https://api.example|client-" in done.stdout
    assert "vvv" not in done.stdout + done.stderr
    missing = subprocess.run(
        [sys.executable, "-m", "krauth_stores.salvage", f"{path}.no"], capture_output=True, text=True
    )
    assert missing.returncode == 1
    assert "No such file" in missing.stderr
