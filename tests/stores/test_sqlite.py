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
import traceback
import types

import pytest

from krauth import ConfigurationError, StoreConflict, TokenStoreError
from krauth._plugins import plugins
from krauth.stores import Lease, Stored
from krauth_stores import _boot, _files, sqlite
from krauth_stores.repair import repair
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


def test_a_file_of_another_user_that_all_can_read_is_refused(unprivileged):
    """It can't be made private, so it is not used, and its owner is told what to do."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a file of another user")
    folder, drop = unprivileged
    path = f"{folder}/tokens.db"
    SQLiteStore(path).save("key", SECRET)
    os.chmod(path, 0o644)
    drop()
    with pytest.raises(TokenStoreError, match=f"its owner has to run chmod 600 {path}"):
        SQLiteStore(path).load("key")


def test_no_dead_token_stays_in_the_file(path):
    """An entry that was replaced, deleted or has expired can't be read from the file's bytes."""
    store = SQLiteStore(path)
    for number in range(3):
        store.save(f"key{number}", SECRET + "x" * 9000)
    store.save("key0", "short")
    store.delete("key1")
    store.save("key2", SECRET, expires_at=time.time() - 1)
    for name in os.listdir(os.path.dirname(path)):
        with open(os.path.join(os.path.dirname(path), name), "rb") as file:
            assert SECRET.encode() not in file.read()


def test_no_dead_token_stays_while_others_look(path):
    """The same while another process has the file open, and with a lease that is out."""
    store = SQLiteStore(path)
    store.save("key", SECRET)
    with connected(path) as reader:
        reader.execute("SELECT * FROM krauth_tokens").fetchall()
        lease, stored = store.acquire_and_load("key", 15)
        store.load("key")
        store.save_and_release("key", "new", version=stored.version, lease=lease)
        for name in os.listdir(os.path.dirname(path)):
            with open(os.path.join(os.path.dirname(path), name), "rb") as file:
                assert SECRET.encode() not in file.read(), name


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_what_a_refresh_costs(path):
    """Five waits for the disk, seven with a rotating refresh token, none for a look."""
    steps = {
        "look": "s.load('key')",
        "refresh": "lease, e = s.acquire_and_load('key', 15); s.save_and_release('key', 'x', version=e.version, lease=lease)",
        "rotation": "lease, e = s.acquire_and_load('key', 15); v = s.save('key', 'intent', version=e.version, lease=lease);"
        "s.save_and_release('key', 'x', version=v, lease=lease)",
    }
    SQLiteStore(path).save("key", "value")
    SQLiteStore(path).release(SQLiteStore(path).acquire("key", 15))
    SQLiteStore(path).save("key", "value")
    found = {}
    for name, step in steps.items():
        script = f"import sys; from krauth_stores.sqlite import SQLiteStore; s = SQLiteStore(sys.argv[1]); {step}"
        trace = ["strace", "-f", "-e", "trace=fsync,fdatasync", sys.executable, "-c", script, path]
        done = subprocess.run(trace, capture_output=True, text=True, check=False)
        if "ptrace" in done.stderr and done.returncode:
            pytest.skip("tracing is not permitted here")
        assert done.returncode == 0, done.stderr
        found[name] = sum("sync(" in line for line in done.stderr.splitlines())
    assert found["look"] == 0
    assert found["refresh"] <= 5
    assert found["rotation"] <= 7


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
        assert store.load("key") == Stored("value", version)
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


@pytest.fixture
def clocks(monkeypatch):
    """The wall clock, the clock of the machine, and which start of the machine it is: moved by hand."""
    clocks = types.SimpleNamespace(wall=1_800_000_000.0, up=5000.0, boot="one")
    monkeypatch.setattr(sqlite.time, "time", lambda: clocks.wall)
    monkeypatch.setattr(_boot, "now", lambda: clocks.up)
    monkeypatch.setattr(_boot, "name", lambda: clocks.boot)
    return clocks


@pytest.mark.parametrize("jump", [0.5, 3600, 90_000, -0.5, -3600])
def test_a_clock_that_is_set(jump, path, clocks):
    """A wall clock that jumps by an hour or a day neither ends a lease nor prolongs it."""

    clocks.wall, store = 1_800_000_000.0, SQLiteStore(path)
    lost = store.acquire("key", 15)
    clocks.wall += jump
    assert store.acquire("key", 15) is None
    assert store.acquire("other", 15)  # which drops old leases
    store.save("key", "value", lease=lost)
    clocks.up += 14.9
    assert store.acquire("key", 15) is None
    clocks.up += 0.2
    assert store.acquire("key", 15).fence > lost.fence


@pytest.mark.parametrize("back", [False, True])
def test_a_lease_from_before_a_restart(back, path, clocks):
    """After the machine was started anew the wall clock decides, and a lease it would prolong is over."""
    clocks.wall, store = 1_800_000_000.0, SQLiteStore(path)
    lost = store.acquire("key", 15)
    clocks.up, clocks.boot = 3.0, "another"
    clocks.wall += 5 if not back else -3600
    if not back:
        assert store.acquire("key", 15) is None
        clocks.wall += 11
    assert store.acquire("key", 15).fence > lost.fence


def test_a_file_of_an_older_version(path):
    """Its tables get what they lack; its leases and entries count; an older program goes on using the file."""
    with connected(path) as db:
        for statement in sqlite.SCHEMA:
            db.execute(statement.replace(", boot TEXT, ends_up REAL", ""))
        now = time.time()
        db.execute("INSERT INTO krauth_leases VALUES ('held', 'other', 7, ?, 15)", (now + 15,))
        db.execute("INSERT INTO krauth_leases VALUES ('ended', 'other', 7, ?, 15)", (now - 1,))
    store = SQLiteStore(path)
    assert store.acquire("held", 15) is None
    lease = store.acquire("ended", 15)
    store.save("ended", "value", lease=lease)
    with connected(path) as db:  # as the older program does
        db.execute(
            "INSERT OR REPLACE INTO krauth_leases (key, owner, fence, ends_at, seconds) VALUES ('x', 'a', 1, ?, 15)",
            (now + 15,),
        )
    assert store.acquire("x", 15) is None


def test_old_leases_are_forgotten(path):
    """Rows of leases do not pile up."""
    store = SQLiteStore(path)
    for number in range(5):
        store.release(store.acquire(f"key{number}", 60))
    with connected(path) as db:
        db.execute("UPDATE krauth_leases SET ends_at = ends_at - 90000, ends_up = ends_up - 90000")
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


# ---- who may own and change it --------------------------------------------------------------------------------


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a file of another user")


@needs_root
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_what_another_user_owns_is_refused(suffix, path):
    """The file, or what SQLite would read beside it, belongs to another user: it is not opened, even by root."""
    SQLiteStore(path).save("key", SECRET)
    with open(path + suffix, "ab"):
        os.chown(path + suffix, 65534, 65534)
    for use in (lambda store: store.load("key"), lambda store: store.save("key", SECRET), lambda store: store.keys()):
        with pytest.raises(TokenStoreError, match=f"{path}{suffix} belongs to user 65534"):
            use(SQLiteStore(path))


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_a_link_beside_the_file_is_refused(suffix, path, tmp_path):
    """SQLite would follow it."""
    SQLiteStore(path).save("key", SECRET)
    os.symlink(tmp_path / "elsewhere", path + suffix)
    with pytest.raises(TokenStoreError, match=f"{path}{suffix} can't be opened: it is no ordinary file"):
        SQLiteStore(path).save("key", SECRET)
    assert not os.path.exists(tmp_path / "elsewhere")


@pytest.mark.parametrize(("bits", "safe"), [(0o777, False), (0o757, False), (0o755, True), (0o1777, True)])
@pytest.mark.parametrize("made", [True, False])
def test_a_folder_that_others_may_write(bits, safe, made, tmp_path):
    """Others could put another file in its place: refused before a file is made, with the way out; that works."""
    folder = tmp_path / "shared"
    folder.mkdir()
    path = folder / "tokens.db"
    if made:
        SQLiteStore(path).save("key", "value")
    folder.chmod(bits)
    if safe:
        SQLiteStore(path).save("key", "value")
        return
    with pytest.raises(TokenStoreError, match="other users may write to its folder") as caught:
        SQLiteStore(path).save("key", SECRET)
    assert path.exists() == made
    better = str(caught.value).partition("for example ")[2].partition(" (")[0]
    SQLiteStore(better).save("key", SECRET)
    assert mode(os.path.dirname(better)) == 0o700


@needs_root
def test_a_folder_of_another_user(tmp_path):
    """Its owner could replace the file."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(TokenStoreError, match="user 65534 owns its folder"):
        SQLiteStore(folder / "tokens.db").save("key", SECRET)
    assert not list(folder.iterdir())


def test_a_group_of_one(tmp_path, monkeypatch):
    """Where each user has a group of the same name (umask 002), a folder that this group may write is private."""
    user = types.SimpleNamespace(pw_name="seller", pw_gid=os.stat(tmp_path).st_gid)
    members = []
    monkeypatch.setattr("pwd.getpwuid", lambda uid: user)
    monkeypatch.setattr("grp.getgrgid", lambda gid: types.SimpleNamespace(gr_name="seller", gr_mem=members))
    tmp_path.chmod(0o775)
    SQLiteStore(tmp_path / "tokens.db").save("key", SECRET)
    members.append("somebody-else")
    with pytest.raises(TokenStoreError, match="other users may write to its folder"):
        SQLiteStore(tmp_path / "tokens.db").save("key", SECRET)


def test_every_folder_that_is_made_is_private(tmp_path):
    """All of them, not the last one alone."""
    before = os.umask(0)
    try:
        SQLiteStore(tmp_path / "a" / "b" / "c" / "tokens.db").save("key", SECRET)
    finally:
        os.umask(before)
    assert [mode(tmp_path / "a" / rest) for rest in ("", "b", "b/c")] == [0o700] * 3


def test_a_dangling_link(tmp_path):
    """The file that it names is made, private, and the link stays."""
    link, target = tmp_path / "link.db", tmp_path / "deep" / "real.db"
    link.symlink_to(target)
    before = os.umask(0)
    try:
        SQLiteStore(link).save("key", SECRET)
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert mode(target) == 0o600
    assert mode(target.parent) == 0o700


@needs_root
@pytest.mark.parametrize("where", ["file", "folder", "behind another link"])
def test_a_link_of_another_user(where, tmp_path):
    """Its owner could point it elsewhere: refused when the store is opened."""
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / ("real/tokens.db" if where == "file" else "real"))
    os.chown(link, 65534, 65534, follow_symlinks=False)
    (tmp_path / "ours").symlink_to("link")
    path = {"file": link, "folder": link / "tokens.db", "behind another link": tmp_path / "ours" / "tokens.db"}[where]
    with pytest.raises(ConfigurationError, match=f"{link} is a symbolic link that belongs to user 65534"):
        plugins().open(f"sqlite:///{path}")


# ---- looking ---------------------------------------------------------------------------------------------------


def test_looking_makes_nothing(tmp_path):
    """Neither file nor folder, whatever is asked; `missing` says what is not there."""
    store = SQLiteStore(tmp_path / "sub" / "typo.db")
    assert store.load("key") is None
    assert store.keys() == []
    assert list(store.vacuum()) == []
    store.delete("key")
    store.release(Lease("key", "owner", 1))
    assert store.missing() == str(tmp_path / "sub" / "typo.db")
    assert not list(tmp_path.iterdir())


def test_looking_changes_no_byte(path):
    """An entry is read, and all are listed, without any change to the file; also in a file with another program's tables."""
    store = SQLiteStore(path)
    store.save("key", "value")
    with connected(f"{path}.other") as db:
        db.execute("CREATE TABLE orders (id)")
    os.chmod(f"{path}.other", 0o600)
    for one, there in ((path, 1), (f"{path}.other", 0)):
        with open(one, "rb") as file:
            before = file.read()
        assert len(SQLiteStore(one).keys()) == there
        assert (SQLiteStore(one).load("key") is not None) == bool(there)
        with open(one, "rb") as file:
            assert file.read() == before


def test_a_read_only_file_system(small_disk):
    """What is on it can be read; saving says what is the matter."""
    store = SQLiteStore(f"{small_disk}/tokens.db")
    version = store.save("key", "value")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert store.load("key") == Stored("value", version)
    assert store.keys() == ["key"]
    with pytest.raises(TokenStoreError, match=r"tokens\.db can't be (written|opened|used)"):
        store.save("key", SECRET)


@pytest.mark.parametrize("value", [b"\xff", b"caf\xe9", b"\xed\xa0\x80"])
def test_a_byte_that_is_no_text(value, path):
    """The error names the file, and never the token in which the byte is; other entries are listed and read."""
    store = SQLiteStore(path)
    store.save("key", "value")
    store.save("other", "value")
    with connected(path) as db:
        db.execute("UPDATE krauth_tokens SET value = CAST(? AS TEXT) WHERE key = 'key'", (SECRET.encode() + value,))
    with pytest.raises(TokenStoreError, match="is damaged") as caught:
        store.load("key")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert store.keys() == ["key", "other"]
    assert store.load("other").value == "value"
    store.save("key", "new")
    assert store.load("key").value == "new"


def test_a_text_that_is_no_text(path):
    """A lone surrogate is refused; neither the error nor anything behind it holds the text."""
    with pytest.raises(TokenStoreError, match="lone surrogate") as caught:
        SQLiteStore(path).save("key", f"{SECRET}\ud800")
    error = caught.value
    assert SECRET not in "".join(traceback.format_exception(error)) + repr(getattr(error.__context__, "object", ""))


# ---- short turns -----------------------------------------------------------------------------------------------


def traced(store):
    """Return a list that every statement of the store goes to."""
    statements = []
    connect = store._connect

    def connect_and_trace(how):
        db = connect(how)
        db.set_trace_callback(statements.append)
        return db

    store._connect = connect_and_trace
    return statements


def test_one_refresh_is_two_transactions(path):
    """The lease with the entry, and the token with the release; a process that waits makes none."""
    store = SQLiteStore(path)
    store.save("key", "old")
    statements = traced(store)
    lease, stored = store.acquire_and_load("key", 15)
    other = SQLiteStore(path)
    waiting = traced(other)
    assert other.acquire_and_load("key", 15) == (None, stored)
    assert other.acquire("key", 15) is None
    assert not any("IMMEDIATE" in statement for statement in waiting)
    version = store.save_and_release("key", "new", version=stored.version, lease=lease)
    assert sum("IMMEDIATE" in statement for statement in statements) == 2
    assert other.acquire_and_load("key", 15)[1] == Stored("new", version)


def test_other_processes_write_while_a_save_waits_for_the_disk(path, monkeypatch):
    """A process that is stopped while its save waits for the disk locks out no other, whatever the save is."""
    store = SQLiteStore(path)
    store.save("key", "old")
    waits = []
    sync = _files.sync

    def sync_slowly(name):
        with connected(path) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("UPDATE krauth_tokens SET expires_at = NULL WHERE key = 'other'")
            other.execute("COMMIT")
        waits.append(name)
        sync(name)

    monkeypatch.setattr(_files, "sync", sync_slowly)
    monkeypatch.setattr(sqlite, "_is_copied", lambda db: False)
    lease, stored = store.acquire_and_load("key", 15)
    version = store.save("key", "intent", version=stored.version, lease=lease)
    store.save_and_release("key", "new", version=version, lease=lease)
    assert waits == [f"{path}-wal"] * 2
    assert store.load("key").value == "new"


def test_a_release_clears_what_a_save_under_the_lease_left(path):
    """The token that was replaced under a lease is in no file after the lease was given back."""
    store = SQLiteStore(path)
    store.save("key", SECRET)
    lease, stored = store.acquire_and_load("key", 15)
    with connected(path) as other:  # the log stays while another process has the file open
        other.execute("SELECT 1 FROM sqlite_master").fetchone()
        store.save("key", "new", version=stored.version, lease=lease)
        store.release(lease)
        for name in os.listdir(os.path.dirname(path)):
            with open(os.path.join(os.path.dirname(path), name), "rb") as file:
                assert SECRET.encode() not in file.read(), name


def test_a_foreign_lock_harms_its_own_file_alone(path, tmp_path):
    """While one file is locked by another program, other files are used and the process forks without waiting."""
    script = """
        import os, sqlite3, sys, threading, time
        from krauth_stores.sqlite import SQLiteStore
        a, b = SQLiteStore(sys.argv[1], timeout=30), SQLiteStore(sys.argv[2])
        a.save("key", "value"), b.save("key", "value")
        foreign = sqlite3.connect(sys.argv[1], isolation_level=None)
        foreign.execute("BEGIN EXCLUSIVE")
        threads = [threading.Thread(target=a.save, args=("key", "waits")) for _ in range(8)]
        for thread in threads: thread.start()
        time.sleep(0.2)
        began = time.monotonic()
        b.save("key", "at once")
        child = os.fork()
        if not child:
            os._exit(0 if b.load("key").value == "at once" and a.load("key").value == "value" else 1)
        took = time.monotonic() - began
        assert os.waitpid(child, 0)[1] == 0
        assert took < 1, took
        foreign.execute("ROLLBACK")
        for thread in threads: thread.join()
        assert a.load("key").value == "waits"
    """
    run = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script), path, tmp_path / "b.db"]
    subprocess.run(run, check=True, timeout=60)


def test_a_fork_does_not_wait_for_a_disk_that_hangs(path, tmp_path):
    """It waits a second; then that file, and no other, can't be used in the child, which is told so."""
    script = """
        import os, sys, threading, time
        from krauth import TokenStoreError
        from krauth_stores import sqlite
        a, b = sqlite.SQLiteStore(sys.argv[1]), sqlite.SQLiteStore(sys.argv[2])
        a.save("key", "value"), b.save("key", "value")
        inside, done = threading.Event(), threading.Event()
        thread = threading.Thread(target=a._write, args=(lambda db: (inside.set(), done.wait(30)),))
        thread.start()
        inside.wait(10)
        began = time.monotonic()
        child = os.fork()
        if not child:
            b.save("key", "child")
            try: a.load("key")
            except TokenStoreError as error: os._exit(0 if "was forked while" in str(error) else 1)
            os._exit(2)
        assert 0.9 < time.monotonic() - began < 3
        assert os.waitpid(child, 0)[1] == 0
        done.set()
        thread.join()
        a.save("key", "later")
    """
    run = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script), path, tmp_path / "b.db"]
    subprocess.run(run, check=True, timeout=60)


def dead_rows(path, count):
    with connected(path) as db:
        db.execute("BEGIN")
        rows = ((f"dead{number}", "1", 1.0, 0, "v" * 400) for number in range(count))
        db.executemany(sqlite.INSERT, rows)
        db.execute("COMMIT")


def count_rows(path):
    with connected(path) as db:
        return db.execute("SELECT COUNT(*) FROM krauth_tokens").fetchone()[0]


def test_dead_entries_go_in_small_steps(path):
    """A save drops some dead entries, not all at once; saves go on dropping them, and the file shrinks."""
    store = SQLiteStore(path)
    store.save("key", "value")
    dead_rows(path, 3000)
    size = os.path.getsize(path)
    store.save("key", "value")
    assert 2900 < count_rows(path) < 3001
    for _ in range(3000 // 64 + 1):
        store.save("key", "value")
    assert count_rows(path) == 1
    assert os.path.getsize(path) < size * 0.8


@pytest.mark.parametrize("older", [False, True])
def test_vacuum(older, path):
    """All dead entries go in bounded steps, each a transaction; the space goes back, in older files too."""
    if older:
        with connected(path) as db:
            for statement in sqlite.SCHEMA:
                db.execute(statement)
    store = SQLiteStore(path)
    store.save("key", "value")
    dead_rows(path, 3500)
    statements = traced(store)
    steps = list(store.vacuum())
    assert [done for done, _ in steps[:4]] == [1000, 2000, 3000, 3500]
    assert all(total == 3500 for _, total in steps)
    assert sum("COMMIT" in statement for statement in statements) >= 4
    assert count_rows(path) == 1
    assert os.path.getsize(path) < 65536
    assert store.load("key").value == "value"


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
    assert store.load("key") == Stored("before", version)
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
    assert store.load("key") == Stored("before", version)


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
    assert SQLiteStore(path).load("key") == Stored("before", version)


def test_a_folder_that_may_not_be_written(unprivileged):
    """No file can be made: the message names the folder and the cause."""
    folder, drop = unprivileged
    os.chmod(folder, 0o555)
    drop()
    with pytest.raises(TokenStoreError, match=f"Permission denied .{folder}/sub"):
        SQLiteStore(f"{folder}/sub/tokens.db").save("key", SECRET)


def test_a_folder_in_its_place(tmp_path):
    """A path that is a folder is said to be one."""
    with pytest.raises(TokenStoreError, match="can't be opened: it is a folder"):
        SQLiteStore(tmp_path).load("key")


# ---- damage, and the way out ----------------------------------------------------------------------------------


def fill(path, count=200):
    store = SQLiteStore(path)
    texts = {f"provider|https://api.example|client-{number:04}": f"{number}-" + "v" * 700 for number in range(count)}
    store.save("first", "makes the tables")
    with connected(path) as db:
        db.execute("BEGIN")
        rows = [(key, f"version-{key}", None, sqlite.checksum(key, text), text) for key, text in texts.items()]
        db.executemany(sqlite.INSERT, rows)
        db.execute("DELETE FROM krauth_tokens WHERE key = 'first'")
        db.execute("COMMIT")
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
    """The message names the way out, and that loses only the entries on the damaged pages; the old file is kept."""
    store, texts = fill(path)
    damage(path)
    with open(path, "rb") as file:
        damaged = file.read()
    with pytest.raises(TokenStoreError, match=r"damaged, or no SQLite file.* python -m krauth_stores\.salvage .*\.db"):
        touch(store, texts)
    with open(path, "rb") as file:
        assert file.read(4096) == damaged[:4096], "a damaged file must not be overwritten"
    result = repair(path)
    assert len(result.keys) >= at_least
    assert {key: store.load(key).value for key in result.keys} == {key: texts[key] for key in result.keys}
    assert set(result.keys) == set(store.keys())
    assert set(result.lost) <= texts.keys() - set(result.keys)
    assert mode(path) == mode(result.kept) == 0o600
    assert os.path.getsize(result.kept) == len(damaged)
    assert sorted(os.listdir(os.path.dirname(path))) == sorted(["tokens.db", os.path.basename(result.kept)])
    store.save("key", "and it works")


def test_repair_reads_the_log(path):
    """What a killed process had committed, and was only in the log, is repaired too."""
    store, texts = fill(path, 20)
    script = (
        "import os, sqlite3, sys; from krauth_stores.sqlite import SQLiteStore;"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None); db.execute('BEGIN');"
        "db.execute('SELECT * FROM krauth_tokens').fetchone();"
        "SQLiteStore(sys.argv[1]).save('late', 'committed');"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, path], check=False)
    assert os.path.getsize(f"{path}-wal") > 0
    overwrite(path, 0)
    result = repair(path)
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
    result = repair(path)
    assert result.lost == [damaged]
    assert len(result.keys) == 19


def test_row_numbers_that_outgrow_the_file(path):
    """Of a sound file nothing is lost: numbers grow with every new key, those of deleted ones do not come back."""
    store, texts = fill(path, 60)
    with connected(path) as db:
        for number, key in enumerate(texts):
            db.execute("UPDATE krauth_tokens SET rowid = ? WHERE key = ?", (10 ** (3 + number // 4) + number, key))
    assert repair(path).keys == sorted(texts)
    assert {key: store.load(key).value for key in texts} == texts


def test_gaps_between_damaged_pages(path):
    """A damaged page in a file of scattered row numbers costs the rows that were on it, and no others."""
    store, texts = fill(path, 200)
    with connected(path) as db:
        for number, key in enumerate(texts):
            db.execute("UPDATE krauth_tokens SET rowid = ? WHERE key = ?", (number * 10**9 + 10**12, key))
    overwrite(path, *pages(path, LEAF)[5:25:8])
    result = repair(path)
    assert len(result.keys) >= 175
    assert all(store.load(key).value == texts[key] for key in result.keys)


def test_a_link_to_a_damaged_file(path, tmp_path):
    """The file is repaired, with its log; the link stays, and there is one store afterwards, not two."""
    texts = fill(path, 5)[1]
    script = (
        "import os, sqlite3, sys; from krauth_stores.sqlite import SQLiteStore;"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None); db.execute('BEGIN');"
        "db.execute('SELECT * FROM krauth_tokens').fetchone();"
        "[SQLiteStore(sys.argv[1]).save(f'late{number}', 'committed') for number in range(5)];"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, path], check=False)
    link = tmp_path / "link" / "tokens.db"
    link.parent.mkdir(mode=0o700)
    link.symlink_to(path)
    result = repair(link)
    assert len(result.keys) == 10
    assert link.is_symlink()
    assert os.listdir(link.parent) == ["tokens.db"]
    assert (
        sorted(SQLiteStore(link).keys())
        == SQLiteStore(path).keys()
        == sorted([*texts, *(f"late{n}" for n in range(5))])
    )


def test_a_file_with_tables_of_another_program(path):
    """It is not replaced: their tables would be gone."""
    fill(path, 5)
    with connected(path) as db:
        db.execute("CREATE TABLE orders (id)")
    before = os.listdir(os.path.dirname(path))
    with pytest.raises(TokenStoreError, match=r"tables of another program too \(orders\)"):
        repair(path)
    assert os.listdir(os.path.dirname(path)) == before


@pytest.mark.parametrize("content", [b"", b"no database at all\n" * 1000, b"SQLite format 3\0" + b"\0" * 9000])
def test_repair_of_what_never_was_a_database(content, path):
    """An empty file is a new store; any other content is kept aside and replaced by an empty store."""
    with open(path, "wb") as file:
        file.write(content)
    if content:
        with pytest.raises(TokenStoreError, match="no SQLite file"):
            SQLiteStore(path).load("key")
        result = repair(path)
        assert result.keys == result.lost == []
        with open(result.kept, "rb") as file:
            assert file.read() == content
    SQLiteStore(path).save("key", "value")


def test_repair_from_the_shell(path):
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
