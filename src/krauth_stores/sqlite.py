"""`sqlite:///tokens.db`: one file for all threads and processes of a machine; `salvage` mends a damaged one.

A connection lives for one operation (0.1 to 0.3 ms, a few times per renewal). So a fork finds none open, a file that
was replaced or restored is noticed at once, and nothing is left to close.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import threading
import time
import uuid
import zlib
from typing import TYPE_CHECKING, TypeVar

from krauth import ConfigurationError, StoreConflict, TokenStore, TokenStoreError
from krauth.stores import ANY, Lease, Stored

from ._causes import cause, is_busy

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

SCHEMA = (
    # `checksum`: SQLite notices a damaged page, not a damaged text.
    "CREATE TABLE IF NOT EXISTS krauth_tokens"
    " (key TEXT PRIMARY KEY NOT NULL, version TEXT NOT NULL, expires_at REAL, checksum INTEGER NOT NULL,"
    " value TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS krauth_tokens_expiry ON krauth_tokens (expires_at)",
    # `seconds` is how long the lease was granted for; `owner` is NULL once it was given back.
    "CREATE TABLE IF NOT EXISTS krauth_leases"
    " (key TEXT PRIMARY KEY NOT NULL, owner TEXT, fence INTEGER NOT NULL, ends_at REAL NOT NULL,"
    " seconds REAL NOT NULL)",
)
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # stays as it is where the file system can't do it (network drives)
    "PRAGMA synchronous = FULL",  # a commit is on the disk before anybody uses the token
    "PRAGMA fullfsync = ON",  # macOS: fsync alone does not reach the disk
    "PRAGMA secure_delete = ON",  # no dead token stays readable in the file
)
INSERT = "INSERT INTO krauth_tokens (key, version, expires_at, checksum, value) VALUES (?, ?, ?, ?, ?)"
_LIVE = "(expires_at IS NULL OR expires_at > ?)"
#: Seconds after its end when the row of a lease is dropped.
_FORGOTTEN = 86_400.0

#: Held during every operation, and by whoever forks: SQLite keeps its file locks per process and would be wrong about
#: them in a child that was born in the middle of one. Also, closing any descriptor of a file drops the process's locks.
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _lock.acquire() and None,
        after_in_parent=lambda: _lock.release(),
        after_in_child=lambda: _lock.release(),
    )


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
        path: The file; made when it is first needed. Not on a network drive: SQLite's locks don't work there.
        timeout: Seconds to wait while another process writes.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 5.0) -> None:
        self.path: str = os.path.abspath(os.path.expanduser(os.fspath(path)))
        self._timeout = timeout

    def load(self, key: str) -> Stored | None:
        """Return the entry, or `None`."""
        return self._run("BEGIN", lambda db: _load(db, key))

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

        def work(db: sqlite3.Connection) -> str:
            if lease is not None:
                row = db.execute("SELECT owner FROM krauth_leases WHERE key = ?", (key,)).fetchone()
                if row is None or row[0] != lease.owner:
                    raise StoreConflict("the lease was lost before the token could be saved")
            if version != ANY:
                present = _load(db, key)
                if (present.version if present else None) != version:
                    raise StoreConflict("another process saved a token in the meantime")
            new = uuid.uuid4().hex  # random, so that none comes back after a deletion or in a salvaged file
            db.execute(
                f"{INSERT} ON CONFLICT (key) DO UPDATE SET version = excluded.version,"
                " expires_at = excluded.expires_at, checksum = excluded.checksum, value = excluded.value",
                (key, new, expires_at, checksum(key, value), value),
            )
            db.execute("DELETE FROM krauth_tokens WHERE expires_at <= ?", (time.time(),))
            return new

        return self._run("BEGIN IMMEDIATE", work)

    def delete(self, key: str) -> None:
        """Delete the entry, if there is one."""
        self._run("BEGIN IMMEDIATE", lambda db: db.execute("DELETE FROM krauth_tokens WHERE key = ?", (key,)))

    def acquire(self, key: str, seconds: float) -> Lease | None:
        """Return a lease on `key`, or `None` while another holds it."""

        def work(db: sqlite3.Connection) -> Lease | None:
            now = time.time()
            row = db.execute(
                "SELECT owner, fence, ends_at, seconds FROM krauth_leases WHERE key = ?", (key,)
            ).fetchone()
            # One that ends later than it could have been granted for: the clock was set back, its owner may be dead.
            if row is not None and row[0] is not None and now < row[2] <= now + row[3] + 1.0:
                return None
            # Grows with the clock too, also past a row that was dropped or a file that was restored.
            lease = Lease(key, uuid.uuid4().hex, max(row[1] + 1 if row else 1, int(now * 1000)))
            db.execute(
                "INSERT OR REPLACE INTO krauth_leases (key, owner, fence, ends_at, seconds) VALUES (?, ?, ?, ?, ?)",
                (key, lease.owner, lease.fence, now + seconds, seconds),
            )
            db.execute("DELETE FROM krauth_leases WHERE ends_at < ?", (now - _FORGOTTEN,))
            return lease

        return self._run("BEGIN IMMEDIATE", work)

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        statement = "UPDATE krauth_leases SET owner = NULL WHERE key = ? AND owner = ?"
        self._run("BEGIN IMMEDIATE", lambda db: db.execute(statement, (lease.key, lease.owner)))

    def keys(self) -> list[str]:
        """Return all keys."""
        query = f"SELECT key FROM krauth_tokens WHERE {_LIVE} ORDER BY key"  # noqa: S608  a constant
        return self._run("BEGIN", lambda db: [row[0] for row in db.execute(query, (time.time(),))])

    def __repr__(self) -> str:
        return f"<SQLiteStore {self.path}>"

    def _run(self, begin: str, work: Callable[[sqlite3.Connection], _T]) -> _T:
        deadline = time.monotonic() + self._timeout
        with _lock:
            while True:
                try:
                    return self._attempt(begin, work, max(0.05, deadline - time.monotonic()))
                except (sqlite3.Error, OSError) as error:
                    # Switching to WAL, and opening while another process closes, are refused without waiting.
                    if is_busy(error) and time.monotonic() < deadline:
                        time.sleep(0.01)
                        continue
                    raise TokenStoreError(f"the token store {self.path} {cause(error, self.path)}") from error

    def _attempt(self, begin: str, work: Callable[[sqlite3.Connection], _T], timeout: float) -> _T:
        self._make_private()
        db = sqlite3.connect(self.path, timeout=timeout, isolation_level=None)
        try:
            for statement in (*_PRAGMAS, *SCHEMA, begin):
                db.execute(statement)
            result = work(db)
            db.execute("COMMIT")
            return result
        finally:
            db.close()  # rolls back what was not committed

    def _make_private(self) -> None:
        if not os.path.exists(self.path):
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            # Before SQLite does: it would ask for 0644. What it makes besides (-wal, -shm) gets the file's mode.
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if not hasattr(os, "geteuid"):
            return
        for path in (self.path, f"{self.path}-wal", f"{self.path}-shm"):
            try:
                info = os.stat(path)
            except FileNotFoundError:
                continue
            if info.st_mode & 0o077 and info.st_uid == os.geteuid():
                os.chmod(path, info.st_mode & 0o700)
            elif info.st_mode & 0o007:
                raise TokenStoreError(
                    f"the token store {path} is open to every user of this machine, and belongs to another one:"
                    f" its owner has to run chmod 600 {shlex.quote(path)}"
                )


def _load(db: sqlite3.Connection, key: str) -> Stored | None:
    query = f"SELECT value, version, checksum FROM krauth_tokens WHERE key = ? AND {_LIVE}"  # noqa: S608  a constant
    row = db.execute(query, (key, time.time())).fetchone()
    if row is None:
        return None
    if checksum(key, row[0]) != row[2]:
        error = sqlite3.DatabaseError("wrong checksum")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    return Stored(row[0], row[1])


def checksum(key: str, value: str) -> int:
    """Return the checksum of an entry."""
    return zlib.crc32(f"{key}\n{value}".encode("utf-8", "surrogatepass"))
