"""What SQLite's errors mean to the person who runs the program; for `sqlite`."""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3

_READ_ONLY = "can't be written: it, its folder or its file system is read-only for this user; check the permissions"
_DAMAGED = (
    "is damaged, or no SQLite file. Stop the programs that use it and run:  python -m krauth_stores.salvage {path}"
    "  (it keeps the old file and moves every readable entry to a new one)"
)
_FULL = "can't be written: the disk is full; free some space. The entries that were saved before are intact"
_CAUSES = {
    sqlite3.SQLITE_BUSY: "is kept locked by another program; close what has it open (a backup, a database browser)",
    sqlite3.SQLITE_LOCKED: "is kept locked by another program; close what has it open (a backup, a database browser)",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: "can't be opened: is it a folder, or may this user not write to its folder?",
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def is_busy(error: Exception) -> bool:
    """Tell whether another connection is in the way."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_read_only(error: BaseException | None) -> bool:
    """Tell whether the file was opened for writing where only reading is possible."""
    return _code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


def is_missing_schema(error: sqlite3.Error) -> bool:
    """Tell whether a table or column of ours is not there yet."""
    return _code(error) == sqlite3.SQLITE_ERROR and any(
        part in str(error) for part in ("no such table: krauth_", "no such column: ", "has no column named ")
    )


def _code(error: BaseException | None) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF  # the rest is detail


def cause(error: Exception, path: str) -> str:
    """Return the fault of the file and the advice, as the rest of a sentence."""
    if isinstance(error, OSError):
        return f"can't be used: {error.strerror}" + (f" ({error.filename})" if error.filename else "")
    # The shared memory beside the log (32 KiB) is what a full disk has no room for first; that is an "I/O error".
    if _code(error) == sqlite3.SQLITE_IOERR and shutil.disk_usage(os.path.dirname(path)).free < 65536:
        return _FULL
    known = _CAUSES.get(_code(error) or -1)
    if _code(error) == sqlite3.SQLITE_CANTOPEN and os.path.isfile(path) and os.access(path, os.R_OK):
        known = _READ_ONLY  # it can be read; there is no room for the log beside it
    if known is None:
        return f"failed: {error} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
    return known.format(path=shlex.quote(path))
