"""Mends a damaged file of `sqlite`: every readable entry goes to a new file, the old one is kept beside it.

From a shell, with the programs that use the file stopped: `python -m krauth_stores.salvage tokens.db`
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

from krauth import KrauthError, TokenStoreError

from . import _files
from ._turns import turns
from .sqlite import INSERT, SCHEMA, _migrate, _text, checksum

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_Row = tuple[str, str, float | None, int, str]
_COLUMNS = "key, version, expires_at, checksum, value"
_ERRORS = (sqlite3.Error, OverflowError)
#: Row numbers behind an unreadable one that are tried one by one; then the distance doubles.
_NEAR = 500
#: Seconds to wait for threads of this process that use the file.
_TIMEOUT = 30.0
_LAST = 2**63 - 1
#: More rows than this are on no page.
_ROWS_OF_A_PAGE = 2000


class Repaired(NamedTuple):
    """What became of a damaged file.

    Attributes:
        kept: Where the damaged file is now. It holds secrets: delete it when you no longer need it.
        keys: The entries that the new file has.
        lost: Entries that are known to have been there and could not be read.
    """

    kept: str
    keys: list[str]
    lost: list[str]


def repair(path: str | os.PathLike[str]) -> Repaired:
    """Replace a damaged file by a new one with every entry that can still be read.

    A symbolic link is followed: the file that it names is replaced, the link stays.

    Raises:
        OSError: The folder can't be written, or there is no such file. The damaged file is where it was.
        TokenStoreError: The file holds tables of another program. The file is as it was.
    """
    real = _files.resolve(path)
    folder_of = os.path.dirname(real)
    with turns.take(real, _TIMEOUT), tempfile.TemporaryDirectory(prefix=".repair-", dir=folder_of) as folder:  # 0700
        # Of three ways to read the file the one that finds most: as it is, and with a first page of ours.
        found = max(
            (_read(real, os.path.join(folder, f"copy{number}.db"), first) for number, first in enumerate(_FIRST_PAGES)),
            key=lambda read: len(read[0]),
        )
        rows, names = found
        new = os.path.join(folder, "new.db")
        _files.make(new)
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as db:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("BEGIN")
            _migrate(db)
            db.executemany(INSERT, rows.values())
            db.execute("COMMIT")
        _sync(new)
        kept = f"{real}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 1_000_000:06d}"
        os.link(real, kept)
        # The log first: SQLite would read the new file as if the old one's log were its own.
        for suffix in _files.BESIDE:
            with contextlib.suppress(FileNotFoundError):
                os.replace(real + suffix, kept + suffix)
        os.replace(new, real)
    return Repaired(kept, sorted(rows), sorted(names - rows.keys()))


#: What the first page, which says where the tables begin, is replaced by: nothing, or that of a new file of ours, with
#: and without `auto_vacuum` (files of older versions have none).
_FIRST_PAGES = (None, "INCREMENTAL", "NONE")


def _read(path: str, copy: str, first: str | None) -> tuple[dict[str, _Row], set[str]]:
    """Return the readable rows, and all keys that the index has, from a copy of the file and its log."""
    shutil.copyfile(path, copy)
    for suffix in ("-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(path + suffix, copy + suffix)
    rows: dict[str, _Row] = {}
    names: set[str] = set()
    with contextlib.suppress(sqlite3.Error):  # else nothing of it can be read
        if first is not None:
            _put_first_page(copy, first)
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as db:
            db.text_factory = _text
            _refuse_foreign(db, path)
            for row in (*_walk(db), *_by_index(db)):
                if _is_sound(row):
                    rows[str(row[0])] = row  # type: ignore[assignment]  # just checked
            for order in ("ASC", "DESC"):
                query = f"SELECT key FROM krauth_tokens ORDER BY key {order}"  # noqa: S608  from the index alone
                names.update(str(key) for (key,) in _until_damage(db, query))
    return rows, names


def _refuse_foreign(db: sqlite3.Connection, path: str) -> None:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'krauth@_%' ESCAPE '@'"
    with contextlib.suppress(sqlite3.DatabaseError):
        foreign = [str(name) for (name,) in db.execute(query) if not str(name).startswith("sqlite_")]
        if foreign:
            raise TokenStoreError(
                f"{path} holds tables of another program too ({', '.join(sorted(foreign)[:5])}), which a repair would"
                " not keep. Use the .recover command of the sqlite3 shell instead"
            )


def _until_damage(db: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    with contextlib.suppress(*_ERRORS):
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        yield from itertools.islice(db.execute(query), pages * _ROWS_OF_A_PAGE)  # damaged pages may form a circle


def _walk(db: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    """Return the rows in the order of their numbers, each found from the one before; skip unreadable rows."""
    query = f"SELECT rowid, {_COLUMNS} FROM krauth_tokens WHERE rowid > ? ORDER BY rowid LIMIT 1"  # noqa: S608
    at, distance = -(2**63), 0
    while at + distance <= _LAST:
        try:
            row = db.execute(query, (at + distance,)).fetchone()
            if row is not None and row[0] <= at + distance:  # pages out of order: without this, round and round
                raise sqlite3.DatabaseError
        except _ERRORS:
            distance = distance + 1 if distance < _NEAR else distance * 2
            if at < 0 and distance == 1:  # the first row of a table is hardly ever below 1
                at, distance = 0, 0
            continue
        if row is None:
            return
        yield row[1:]
        at, distance = row[0], 0


def _by_index(db: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    """Return the rows whose numbers an index has: the index of keys, the index of expiry, both from both ends."""
    numbers: set[int] = set()
    for index, column in (("sqlite_autoindex_krauth_tokens_1", "key"), ("krauth_tokens_expiry", "expires_at")):
        for order in ("ASC", "DESC"):
            query = f"SELECT rowid FROM krauth_tokens INDEXED BY {index} ORDER BY {column} {order}"  # noqa: S608
            numbers.update(number for (number,) in _until_damage(db, query) if isinstance(number, int))
    for number in sorted(numbers):
        yield from _until_damage(db, f"SELECT {_COLUMNS} FROM krauth_tokens WHERE rowid = {number}")  # noqa: S608


def _is_sound(row: tuple[object, ...]) -> bool:
    key, version, expires_at, number, value = row
    texts = isinstance(key, str) and isinstance(version, str) and isinstance(value, str)
    return texts and isinstance(expires_at, float | None) and checksum(str(key), str(value)) == number


def _put_first_page(copy: str, auto_vacuum: str) -> None:
    pattern = f"{copy}-pattern"
    with contextlib.closing(sqlite3.connect(pattern, isolation_level=None)) as db:
        db.execute(f"PRAGMA auto_vacuum = {auto_vacuum}")
        for statement in SCHEMA:
            db.execute(statement)
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with open(pattern, "rb") as whole, open(copy, "r+b") as broken:
        page = bytearray(whole.read(size))
        page[28:32] = (os.path.getsize(copy) // size).to_bytes(4, "big")  # the size of the database in pages
        broken.write(page)


def _sync(path: str) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def main(module: str = "krauth_stores.repair", arguments: Iterable[str] | None = None) -> None:
    """Repair the file that the command line names."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) != 1:
        sys.exit(f"usage: python -m {module} FILE")
    try:
        result = repair(given[0])
    except OSError as error:
        sys.exit(f"{error.filename or given[0]}: {error.strerror}; nothing was changed")
    except KrauthError as error:
        sys.exit(f"{error}; nothing was changed")
    sys.stdout.write(f"{len(result.keys)} entries saved; the damaged file is kept as {result.kept}\n")
    for lost in result.lost:
        sys.stdout.write(f"could not be read: {lost}\n")


if __name__ == "__main__":
    main()
