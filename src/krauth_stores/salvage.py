"""Mends a damaged file of `sqlite`: every readable entry goes to a new file, the old one is kept beside it.

From a shell, with the programs that use the file stopped: `python -m krauth_stores.salvage tokens.db`
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from typing import NamedTuple

from .sqlite import INSERT, SCHEMA, SQLiteStore, _lock, checksum

_Row = tuple[str, str, float | None, int, str]
#: Bytes: no row is smaller, so that a file can't have more of them than its size divided by this.
_SMALLEST_ROW = 40


class Salvaged(NamedTuple):
    """What became of a damaged file.

    Attributes:
        kept: Where the damaged file is now. It holds secrets: delete it when you no longer need it.
        keys: The entries that the new file has.
        lost: Entries that are known to have been there and could not be read.
    """

    kept: str
    keys: list[str]
    lost: list[str]


def salvage(path: str | os.PathLike[str]) -> Salvaged:
    """Replace a damaged file by a new one with every entry that can still be read.

    Raises:
        OSError: The folder can't be written, or there is no such file. The damaged file is where it was.
    """
    path = os.path.abspath(os.path.expanduser(os.fspath(path)))
    folder_of = os.path.dirname(path)
    with _lock, tempfile.TemporaryDirectory(prefix=".salvage-", dir=folder_of) as folder:  # 0700
        rows, names = _read(path, os.path.join(folder, "copy.db"))
        if not rows:
            rows, names = _read(path, os.path.join(folder, "headless.db"), mend_header=True)
        new = os.path.join(folder, "new.db")
        SQLiteStore(new).keys()  # made 0600
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("BEGIN")
            db.executemany(INSERT, rows.values())
            db.execute("COMMIT")
        kept = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 1_000_000:06d}"
        os.link(path, kept)
        # The log first: SQLite would read the new file as if the old one's log were its own.
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(path + suffix, kept + suffix)
        os.replace(new, path)
    return Salvaged(kept, sorted(rows), sorted(names - rows.keys()))


def _read(path: str, copy: str, *, mend_header: bool = False) -> tuple[dict[str, _Row], set[str]]:
    """Return the readable rows, and all keys that the index has, from a copy of the file and its log."""
    shutil.copyfile(path, copy)
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(f"{path}-wal", f"{copy}-wal")
    rows: dict[str, _Row] = {}
    names: set[str] = set()
    try:
        if mend_header:
            _put_header(copy)
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as db:
            # One by one: a page that can't be read costs the rows that are on it, and no others.
            for number in range(1, os.path.getsize(path) // _SMALLEST_ROW + 100):
                with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError):
                    row = db.execute(
                        "SELECT key, version, expires_at, checksum, value FROM krauth_tokens WHERE rowid = ?",
                        (number,),
                    ).fetchone()
                    if row is not None and _is_sound(row):
                        rows[row[0]] = row
            with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError):
                for (key,) in db.execute("SELECT key FROM krauth_tokens ORDER BY key"):  # from the index alone
                    names.add(key)
    except sqlite3.Error:
        pass  # nothing of it can be read
    return rows, names


def _is_sound(row: tuple[object, ...]) -> bool:
    key, version, expires_at, number, value = row
    texts = isinstance(key, str) and isinstance(version, str) and isinstance(value, str)
    return texts and isinstance(expires_at, float | None) and checksum(str(key), str(value)) == number


def _put_header(copy: str) -> None:
    """Replace the first page, which says where the tables begin: it is the same in every file of ours."""
    pattern = f"{copy}-pattern"
    with contextlib.closing(sqlite3.connect(pattern, isolation_level=None)) as db:
        for statement in SCHEMA:
            db.execute(statement)
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with open(pattern, "rb") as whole, open(copy, "r+b") as broken:
        page = bytearray(whole.read(size))
        page[28:32] = (os.path.getsize(copy) // size).to_bytes(4, "big")  # the size of the database in pages
        broken.write(page)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m krauth_stores.salvage FILE")
    try:
        result = salvage(sys.argv[1])
    except OSError as error:
        sys.exit(f"{error.filename or sys.argv[1]}: {error.strerror}; nothing was changed")
    sys.stdout.write(f"{len(result.keys)} entries saved; the damaged file is kept as {result.kept}\n")
    for lost in result.lost:
        sys.stdout.write(f"could not be read: {lost}\n")
