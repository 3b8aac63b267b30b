"""`sqlite:///tokens.db`: one file for all threads and processes of a machine; `repair` mends a damaged one.

A connection lives for one operation (about 1 ms, two or three times per refresh). So a fork finds none open, a file
that was replaced or restored is noticed at once, and nothing is left to close.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import time
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from krauth import ConfigurationError, StoreConflict, TokenStore, TokenStoreError
from krauth.stores import ANY, Lease, Stored

from . import _boot, _files
from ._causes import cause, is_busy, is_missing_schema, is_read_only
from ._texts import refuse_surrogates
from ._turns import Forked, turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")

SCHEMA = (
    # `checksum`: SQLite notices a damaged page, not a damaged text.
    "CREATE TABLE IF NOT EXISTS krauth_tokens"
    " (key TEXT PRIMARY KEY NOT NULL, version TEXT NOT NULL, expires_at REAL, checksum INTEGER NOT NULL,"
    " value TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS krauth_tokens_expiry ON krauth_tokens (expires_at)",
    # `seconds` is how long the lease was granted for; `owner` is NULL once it was given back. `ends_at` is a time of
    # the wall clock; `ends_up` the same moment on the clock of `_boot`, which counts where `boot` is this machine's.
    "CREATE TABLE IF NOT EXISTS krauth_leases"
    " (key TEXT PRIMARY KEY NOT NULL, owner TEXT, fence INTEGER NOT NULL, ends_at REAL NOT NULL,"
    " seconds REAL NOT NULL, boot TEXT, ends_up REAL)",
)
#: Columns that files of older versions lack.
_ADDED = {"krauth_leases": {"boot": "TEXT", "ends_up": "REAL"}}
_JOURNAL = "PRAGMA journal_mode = WAL"  # stays as it is where the file system can't do it (network drives)
_PRAGMAS = (
    "PRAGMA fullfsync = ON",  # macOS: fsync alone does not reach the disk
    "PRAGMA secure_delete = ON",  # no dead token stays readable in the file
)
#: With a log, a commit waits for no disk: the log is brought to the disk afterwards, when no process is locked out.
_LATER, _AT_ONCE = "PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL"
INSERT = "INSERT INTO krauth_tokens (key, version, expires_at, checksum, value) VALUES (?, ?, ?, ?, ?)"
_LIVE = "(expires_at IS NULL OR expires_at > ?)"
_PURGE = (
    "DELETE FROM krauth_tokens WHERE rowid IN"
    " (SELECT rowid FROM krauth_tokens WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"
)
#: Dead entries that one save drops; and what one step of `vacuum` drops, in a transaction of some 10 ms.
_FEW, _MANY = 64, 1000
#: Free pages that stay in the file, and free pages that one save or one step gives back.
_SPARE, _PAGES = 64, 256
#: Seconds after its end when the row of a lease is dropped.
_FORGOTTEN = 86_400.0
#: Seconds between two attempts while another process writes: a random time up to this.
_PAUSE = 0.02


def open_url(url: str) -> SQLiteStore:
    """Open `sqlite:///relative.db`, `sqlite:////absolute.db` or `sqlite:///~/home.db`."""
    path = url.partition("://")[2]
    if not path.startswith("/") or path.endswith("/") or "?" in path:
        raise ConfigurationError(
            "this sqlite:// URL can't be used: write sqlite:///tokens.db (in the current folder),"
            " sqlite:////var/lib/app/tokens.db (absolute: four slashes) or sqlite:///~/tokens.db; it takes no options"
        )
    if path == "/:memory:":
        raise ConfigurationError("sqlite:///:memory: can't be shared; memory:// is what you want")
    return SQLiteStore(path[1:])


class SQLiteStore(TokenStore):
    """Keeps tokens in a SQLite file that only its owner can read (0600, in a folder made 0700).

    Args:
        path: The file; made when the first token is saved. Symbolic links are followed once, when the store is made.
            Not on a network drive: SQLite's locks don't work there.
        timeout: Seconds to wait while another process writes.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 5.0) -> None:
        self.path: str = _files.resolve(path)
        self._timeout = timeout
        #: Whether the log may hold a token that is dead. Another thread's save may clear the mark, and the log with it.
        self._is_untidy = False

    def load(self, key: str) -> Stored | None:
        """Return the entry, or `None`."""
        return self._read(lambda db: _load(db, key), None)

    def save(
        self,
        key: str,
        value: str,
        *,
        version: str | None = ANY,
        lease: Lease | None = None,
        expires_at: float | None = None,
    ) -> str:
        """Save an entry and return its new version; see `TokenStore.save`."""
        return self._saved(key, value, version, lease, expires_at, release=False)

    def save_and_release(
        self, key: str, value: str, *, version: str | None, lease: Lease, expires_at: float | None = None
    ) -> str:
        """Save an entry under a lease and give the lease back, in one transaction."""
        return self._saved(key, value, version, lease, expires_at, release=True)

    def _saved(
        self, key: str, value: str, version: str | None, lease: Lease | None, expires_at: float | None, *, release: bool
    ) -> str:
        new = uuid.uuid4().hex  # random, so that none comes back after a deletion or in a repaired file
        refuse_surrogates(value)
        row = (key, new, expires_at, checksum(key, value), value)

        def work(db: sqlite3.Connection) -> str:
            if lease is not None:
                held = db.execute("SELECT owner FROM krauth_leases WHERE key = ?", (key,)).fetchone()
                if held is None or held[0] != lease.owner:
                    raise StoreConflict("the lease was lost before the token could be saved")
            if version != ANY:
                present = _load(db, key)
                if (present.version if present else None) != version:
                    raise StoreConflict("another process saved a token in the meantime")
            db.execute(
                f"{INSERT} ON CONFLICT (key) DO UPDATE SET version = excluded.version,"
                " expires_at = excluded.expires_at, checksum = excluded.checksum, value = excluded.value",
                row,
            )
            if release and lease is not None:
                db.execute(_RELEASE, (key, lease.owner))
            if db.execute(_PURGE, (time.time(), _FEW)).rowcount:
                _give_back(db)
            return new

        # Between two saves under a lease, the log keeps what the first one left; the second, or the release, clears it.
        self._is_untidy = lease is not None and not release
        return self._write(work, tidy=not self._is_untidy)

    def delete(self, key: str) -> None:
        """Delete the entry, if there is one."""
        if self.missing() is None:
            self._write(lambda db: db.execute("DELETE FROM krauth_tokens WHERE key = ?", (key,)))

    def acquire(self, key: str, seconds: float) -> Lease | None:
        """Return a lease on `key`, or `None` while another holds it."""
        return self._write(lambda db: _acquire(db, key, seconds), brief=True, unless=lambda db: (_held(db, key), None))

    def acquire_and_load(self, key: str, seconds: float) -> tuple[Lease | None, Stored | None]:
        """Ask for a lease and return the entry, in one transaction; in none that writes while another holds it."""
        return self._write(
            lambda db: (_acquire(db, key, seconds), _load(db, key)),
            brief=True,
            unless=lambda db: (_held(db, key), (None, _load(db, key))),
        )

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        if self.missing() is None:
            self._write(lambda db: db.execute(_RELEASE, (lease.key, lease.owner)), brief=not self._is_untidy)
            self._is_untidy = False

    def keys(self) -> list[str]:
        """Return all keys."""
        query = f"SELECT key FROM krauth_tokens WHERE {_LIVE} ORDER BY key"  # noqa: S608  a constant
        return self._read(lambda db: [row[0] for row in db.execute(query, (time.time(),))], [])

    def missing(self) -> str | None:
        """Return the path where there is no file yet."""
        return None if os.path.lexists(self.path) else self.path

    def vacuum(self) -> Iterator[tuple[int, int]]:
        """Drop dead entries and give their space back to the file system, in short transactions."""
        if self.missing() is not None:
            return
        count = "SELECT COUNT(*) FROM krauth_tokens WHERE expires_at <= ?"
        dead: int = self._read(lambda db: db.execute(count, (time.time(),)).fetchone()[0], 0)
        done = 0
        while dropped := self._write(lambda db: db.execute(_PURGE, (time.time(), _MANY)).rowcount):
            done += dropped
            yield done, max(dead, done)
        if self._read(lambda db: db.execute("PRAGMA auto_vacuum").fetchone()[0], 0) != 2:
            # A file of an older version: once, in one transaction as long as the file is large.
            self._write(_rebuild, begin=None)
        while self._write(lambda db: _give_back(db, spare=0)):
            yield done, max(dead, done)

    def __repr__(self) -> str:
        return f"<SQLiteStore {self.path}>"

    def _read(self, work: Callable[[sqlite3.Connection], _T], nothing: _T) -> _T:
        """Do what only reads; where there is no file or no table, return `nothing` and make none."""

        def attempt() -> _T:
            if not _files.check(self.path):
                return nothing
            ways = ("mode=rw", "mode=ro", "immutable=1")
            for how in ways if _no_log(self.path) else ("mode=ro", *ways):  # what only reads leaves the log as it is
                with contextlib.closing(self._connect(how)) as db:
                    try:
                        db.execute("BEGIN")
                        return work(db)
                    except sqlite3.Error as error:
                        if is_missing_schema(error):
                            return nothing
                        # A file system that can't be written has no room for the log; without one, none is needed.
                        if how == "immutable=1" or not is_read_only(error) or not _no_log(self.path):
                            raise
            raise AssertionError

        return self._in_turn(attempt)

    def _write(
        self,
        work: Callable[[sqlite3.Connection], _T],
        *,
        brief: bool = False,
        tidy: bool = True,
        begin: str | None = "BEGIN IMMEDIATE",
        unless: Callable[[sqlite3.Connection], tuple[bool, _T]] | None = None,
    ) -> _T:
        """Do `work` in one transaction, if not `unless` finds, without locking anything, that there is no need.

        Args:
            work: What to do.
            brief: It need not survive a power failure: a lease, whose holder is gone then.
            tidy: No dead token may stay in the log.
            begin: How the transaction begins.
            unless: Reads whether there is no need, and the result then.
        """

        def attempt() -> _T:
            if not _files.check(self.path):
                _files.make(self.path)
                _files.check(self.path)
            fresh = not os.path.getsize(self.path)
            with contextlib.ExitStack() as stack:
                db = stack.enter_context(contextlib.closing(self._connect("mode=rw")))  # rolls back at an error
                if fresh:
                    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # while there is no table, and no log
                has_log = db.execute(_JOURNAL).fetchone()[0] == "wal"
                for statement in (*_PRAGMAS, _LATER if has_log or brief else _AT_ONCE):
                    db.execute(statement)
                # A process that is stopped in a transaction locks out all others, so that little is done in one.
                db.execute("SELECT 1 FROM sqlite_master").fetchone()  # reads the schema
                try:
                    result = _transaction(db, work, begin, unless)
                except sqlite3.OperationalError as error:
                    if not is_missing_schema(error):
                        raise
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    _transaction(db, _migrate, "BEGIN IMMEDIATE", None)
                    result = _transaction(db, work, begin, unless)
                if has_log:
                    if not brief:
                        self._make_durable(db, tidy=tidy)
                    if not _no_log(self.path):
                        self._leave_log(stack)
            return result

        return self._in_turn(attempt)

    def _make_durable(self, db: sqlite3.Connection, *, tidy: bool) -> None:
        """Write the committed entries to the disk; other processes may read and write meanwhile."""
        if not (tidy and _is_copied(db)):
            _files.sync(f"{self.path}-wal")
        if tidy:  # the old token is in the log, or will be
            with contextlib.suppress(sqlite3.Error):
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _leave_log(self, stack: contextlib.ExitStack) -> None:
        """Leave the log where it is when the connections close.

        The last connection that closes copies the log into the file, under a lock that keeps readers out, too.
        A connection that can only read can't, so it has to be the last.
        """
        with contextlib.suppress(sqlite3.Error):
            last = self._connect("mode=ro")
            closing = stack.pop_all()
            stack.callback(last.close)
            stack.push(closing)
            last.execute("SELECT 1 FROM sqlite_master").fetchone()

    def _connect(self, how: str) -> sqlite3.Connection:
        # No timeout: who waits for another process waits outside, see `_in_turn`.
        db = sqlite3.connect(f"{Path(self.path).as_uri()}?{how}", uri=True, timeout=0, isolation_level=None)
        # A byte that is no UTF-8 makes a wrong checksum, not an error that quotes the text.
        db.text_factory = _text
        return db

    def _in_turn(self, attempt: Callable[[], _T]) -> _T:
        end = time.monotonic() + self._timeout
        while True:
            try:
                with turns.take(self.path, end - time.monotonic()):
                    return attempt()
            except TimeoutError:
                problem: str | None = "is kept locked by another thread of this program, or its disk hangs"
            except Forked:
                problem = (
                    "can't be used in this process: it was forked while another thread was in the middle of an"
                    " operation on the file that did not end; start worker processes before using the store"
                )
            except (sqlite3.Error, OSError) as error:
                if is_busy(error) and time.monotonic() < end:
                    problem = None
                else:
                    raise TokenStoreError(f"the token store {self.path} {cause(error, self.path)}") from error
            if problem is not None:
                raise TokenStoreError(f"the token store {self.path} {problem}")
            time.sleep(random.uniform(0.001, _PAUSE))  # noqa: S311  no secret


_RELEASE = "UPDATE krauth_leases SET owner = NULL WHERE key = ? AND owner = ?"


def _transaction(
    db: sqlite3.Connection,
    work: Callable[[sqlite3.Connection], _T],
    begin: str | None,
    unless: Callable[[sqlite3.Connection], tuple[bool, _T]] | None,
) -> _T:
    if unless is not None:
        db.execute("BEGIN")
        needless, answer = unless(db)
        db.execute("COMMIT")
        if needless:
            return answer
    if begin is not None:
        db.execute(begin)
    result = work(db)
    if begin is not None:
        db.execute("COMMIT")
    return result


def _migrate(db: sqlite3.Connection) -> None:
    for statement in SCHEMA:
        db.execute(statement)
    for table, columns in _ADDED.items():
        present = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for column in columns.keys() - present:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {columns[column]}")


def _acquire(db: sqlite3.Connection, key: str, seconds: float) -> Lease | None:
    if _held(db, key):
        return None
    row = db.execute("SELECT fence FROM krauth_leases WHERE key = ?", (key,)).fetchone()
    now, up = time.time(), _boot.now()
    # Grows with the clock too, also past a row that was dropped or a file that was restored.
    lease = Lease(key, uuid.uuid4().hex, max(row[0] + 1 if row else 1, int(now * 1000)))
    db.execute(
        "INSERT OR REPLACE INTO krauth_leases (key, owner, fence, ends_at, seconds, boot, ends_up)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (key, lease.owner, lease.fence, now + seconds, seconds, _boot.name(), up + seconds),
    )
    # Each lease has a new rowid, so that the oldest come first.
    db.execute(
        "DELETE FROM krauth_leases WHERE ends_at < ? AND (boot IS NOT ? OR ends_up < ?) AND rowid IN"
        " (SELECT rowid FROM krauth_leases ORDER BY rowid LIMIT ?)",
        (now - _FORGOTTEN, _boot.name(), up, _FEW),
    )
    return lease


def _held(db: sqlite3.Connection, key: str) -> bool:
    query = "SELECT owner, ends_at, seconds, boot, ends_up FROM krauth_leases WHERE key = ?"
    row = db.execute(query, (key,)).fetchone()
    if row is None or row[0] is None:
        return False
    _, ends_at, seconds, boot, ends_up = row
    # One that ends later than it could have been granted for: that clock was set back, its owner may be dead.
    if boot == _boot.name() and ends_up is not None and ends_up <= _boot.now() + seconds + 1.0:
        return bool(_boot.now() < ends_up)
    now = time.time()  # it was granted before the machine was started anew, or by an older version
    return bool(now < ends_at <= now + seconds + 1.0)


def _give_back(db: sqlite3.Connection, spare: int = _SPARE) -> int:
    """Give some free pages back to the file system, and return how many are left that may be given back."""
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    if free <= spare or db.execute("PRAGMA auto_vacuum").fetchone()[0] != 2:
        return 0
    for _ in range(min(_PAGES, free - spare)):
        db.execute("PRAGMA incremental_vacuum(1)")  # of more pages, the sqlite3 module gives back the first alone
    return int(max(0, free - spare - _PAGES))


def _rebuild(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("VACUUM")


def _is_copied(db: sqlite3.Connection) -> bool:
    """Copy the log into the file, on the disk, and return whether all of it is there; locks out no process."""
    with contextlib.suppress(sqlite3.Error):
        is_busy, in_log, copied = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return not is_busy and in_log == copied
    return False


def _no_log(path: str) -> bool:
    with contextlib.suppress(OSError):
        return os.path.getsize(f"{path}-wal") == 0
    return True


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _load(db: sqlite3.Connection, key: str) -> Stored | None:
    query = f"SELECT value, version, checksum FROM krauth_tokens WHERE key = ? AND {_LIVE}"  # noqa: S608  a constant
    row = db.execute(query, (key, time.time())).fetchone()
    if row is None:
        return None
    if not isinstance(row[0], str) or not isinstance(row[1], str) or checksum(key, row[0]) != row[2]:
        error = sqlite3.DatabaseError("wrong checksum")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    return Stored(row[0], row[1])


def checksum(key: str, value: str) -> int:
    """Return the checksum of an entry."""
    return zlib.crc32(f"{key}\n{value}".encode("utf-8", "surrogatepass"))
