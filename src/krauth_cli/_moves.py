"""`krauth tokens copy`, `export`, `import`, `reencrypt` and `vacuum`: long work on stores; `_stores` has the rest.

Each entry is saved at its new place, read back and compared before the next entry begins. No entry is deleted at its
old place. So each command may be interrupted and run again.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from krauth import StoreConflict, TokenStoreError
from krauth.stores import ANY

from ._failure import Command, Failure, Misuse, printable
from ._language import say
from ._stores import _STORE, opened, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from krauth import TokenStore
    from krauth.stores import Lease

#: Seconds to wait until a refresh that is under way in another process has ended.
_QUIET = 20.0
_KEY_ENV = "KRAUTH_ENCRYPTION_KEYS"
_HEADER = "krauth-tokens 1"
#: How each encrypted entry begins: the version of Fernet, and the first bytes of a time before the year 2106.
_FERNET = "gAAAAA"
_OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace entries that are different there.")
_KEYS = click.option("--key", "only", multiple=True, help="Only this entry; may be given again.")
_ENV = click.option(
    "--key-env",
    default=_KEY_ENV,
    show_default=True,
    help="The variable with the Fernet keys, separated by commas; the first encrypts.",
)


@tokens.command(cls=Command, short_help="Copy tokens to another store.")
@_STORE
@click.option("--to", "target", required=True, envvar="KRAUTH_STORE_TO", show_envvar=True, help="The other store.")
@_OVERWRITE
@_KEYS
def copy(url: str | None, target: str, overwrite: bool, only: tuple[str, ...]) -> None:
    """Copy tokens from --store to another store of any kind. Stop the programs that use them first.

    Each entry is read back and compared. Entries stay where they were; an entry that is different there is kept unless
    you say --overwrite. After an interruption run it again. The exit code is 1 when an entry was not copied.
    """
    from krauth._plugins import open_store

    with opened(url) as source:
        other = open_store(target)
        if other is source or repr(other) == repr(source):
            raise Misuse("both stores are the same")
        in_place = repr(getattr(other, "_store", None)) == repr(source)  # the same store, encrypted
        try:
            keys = list(only) or sorted(source.keys())
            done = collections.Counter[str]()
            for key in _progress(keys, say("copying")):
                try:
                    with _quiet(source, key) as value:
                        done[_put(other, key, value, _end(value), overwrite, in_place=in_place)] += 1
                except TokenStoreError as error:
                    done["failed"] += 1
                    _complain(key, str(error))
        finally:
            other.close()
    _report(done)


@tokens.command("export", cls=Command, short_help="Write the tokens of a store to an encrypted file.")
@_STORE
@click.option("--output", required=True, type=click.Path(dir_okay=False), help="The file; it must not exist.")
@_ENV
@_KEYS
def export_tokens(url: str | None, output: str, key_env: str, only: tuple[str, ...]) -> None:
    """Write the tokens of a store to a file (0600), encrypted with the first key of a variable; never unencrypted."""
    encrypted = _encryption(key_env)
    newest = encrypted.fernets(encrypted.keys_in(key_env, "krauth tokens export"), key_env)[0]
    if os.path.lexists(output):
        raise Failure("the file exists already; nothing was written")
    with opened(url) as store:
        keys = list(only) or sorted(store.keys())
        folder = os.path.dirname(os.path.abspath(output))
        count = 0
        try:
            with tempfile.NamedTemporaryFile(
                "w", dir=folder, prefix=".krauth-", delete=False, encoding="ascii"
            ) as file:
                try:
                    file.write(f"{_HEADER}\n")
                    for key in _progress(keys, say("exporting")):
                        stored = store.load(key)
                        if stored is not None:
                            entry = [count, key, stored.value, _end(stored.value)]
                            file.write(newest.encrypt(json.dumps(entry).encode()).decode("ascii") + "\n")
                            count += 1
                    file.write(newest.encrypt(json.dumps(["end", count]).encode()).decode("ascii") + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                    os.link(file.name, output)  # refuses where a file has come meanwhile
                finally:
                    os.unlink(file.name)
        except FileExistsError:
            raise Failure("the file exists already; nothing was written") from None
        except OSError as error:
            raise Failure("the file can't be written: {why}", why=error.strerror) from None
    click.echo(say("{count} entries written; keep the key: without it the file can't be read", count=count))


@tokens.command("import", cls=Command, short_help="Read tokens from an encrypted file into a store.")
@_STORE
@click.option("--input", "path", required=True, type=click.Path(dir_okay=False), help="A file that export has written.")
@_ENV
@_OVERWRITE
def import_tokens(url: str | None, path: str, key_env: str, overwrite: bool) -> None:
    """Read tokens from a file that export has written. The whole file is checked before the first entry is saved."""
    encrypted = _encryption(key_env)
    keys = encrypted.fernets(encrypted.keys_in(key_env, "krauth tokens import"), key_env)
    entries = _entries(path, keys)
    done = collections.Counter[str]()
    with opened(url, makes=True) as store:
        for key, value, end in _progress(entries, say("importing")):
            try:
                done[_put(store, key, value, end, overwrite)] += 1
            except TokenStoreError as error:
                done["failed"] += 1
                _complain(key, str(error))
    _report(done)


@tokens.command(cls=Command, short_help="Encrypt all tokens of a store with the newest key.")
@_STORE
def reencrypt(url: str | None) -> None:
    """Encrypt all entries of an encrypted+… store with the first key, so that older keys can go.

    Programs may go on using the store. The exit code is 1 when an entry was not encrypted anew.
    """
    done = collections.Counter[str]()
    with opened(url) as store:
        again = getattr(store, "reencrypt", None)
        if again is None:
            raise Misuse("this store is not encrypted: name one that is, such as encrypted+sqlite:///tokens.db")
        for key in _progress(sorted(store.keys()), say("encrypting")):
            try:
                done["encrypted" if again(key, _end) else "current"] += 1
            except TokenStoreError as error:
                done["failed"] += 1
                _complain(key, str(error))
    _report(done)


@tokens.command(cls=Command, short_help="Drop dead tokens and give their space back.")
@_STORE
def vacuum(url: str | None) -> None:
    """Drop entries of no use any more and give their space back, in short steps. Programs may go on using the store."""
    with opened(url) as store:
        dropped = 0
        with _bar(None, say("dropping")) as bar:
            for dropped, total in store.vacuum():
                if bar is not None:
                    bar.length = total
                    bar.update(dropped - bar.pos)
    click.echo(say("{count} entries dropped", count=dropped))


def _put(store: TokenStore, key: str, value: str, end: float | None, overwrite: bool, *, in_place: bool = False) -> str:
    """Save an entry, read it back and compare; return the result: `copied`, `same`, `dead` or `kept`.

    Args:
        store: The target.
        key: The entry's key.
        value: Its text.
        end: When it may be dropped, seconds since the epoch.
        overwrite: Whether another entry of that key is replaced.
        in_place: Whether the target is the source, encrypted: an entry that it can read was encrypted before.
    """
    if end is not None and end <= time.time():
        return "dead"
    try:
        present = store.load(key)
        before = None if present is None else present.version
    except TokenStoreError:  # it can't be read there
        if not overwrite or (in_place and value.startswith(_FERNET)):
            raise  # in place, it is encrypted already, with a key that is missing here: the error says which to add
        # Replaced in one step: it may be the only copy, where one store is the other with encryption.
        present, before = None, ANY
    if present is not None and (in_place or present.value == value):
        return "same"
    if value.startswith(_FERNET) and hasattr(store, "reencrypt"):
        raise TokenStoreError("the entry is encrypted already: write encrypted+ before the URL of --store")
    if present is not None and not overwrite:
        _complain(key, say("is different there; --overwrite replaces it"))
        return "kept"
    try:
        version = store.save(key, value, version=before, expires_at=end)
    except StoreConflict:
        _complain(key, say("was saved there by another program meanwhile"))
        return "kept"
    back = store.load(key)
    if back is None or (back.version == version and back.value != value):
        raise TokenStoreError("the store does not return the saved entry")
    return "copied"


@contextlib.contextmanager
def _quiet(store: TokenStore, key: str) -> Iterator[str]:
    """Hold the lease of an entry, so that no refresh is under way, and return the entry's text."""
    deadline = time.monotonic() + _QUIET
    lease: Lease | None = None
    while True:
        try:
            lease, stored = store.acquire_and_load(key, _QUIET)
        except TokenStoreError as error:
            if not _is_read_only(error):
                raise
            stored = store.load(key)  # a backup, for example: no program can refresh there
            break
        if lease is not None:
            break
        if time.monotonic() > deadline:
            raise TokenStoreError("another program refreshes this token all the time; stop it first")
        time.sleep(0.05)
    try:
        if stored is None:
            raise TokenStoreError("there is no such entry any more")
        yield stored.value
    finally:
        if lease is not None:
            with contextlib.suppress(TokenStoreError):  # it ends by itself
                store.release(lease)


def _is_read_only(error: TokenStoreError) -> bool:
    from krauth_stores._causes import is_read_only

    return is_read_only(error.__cause__)


def _end(value: str) -> float | None:
    """Return when an entry may be dropped, in seconds since the epoch, or `None`."""
    from krauth._engine.rules import useless_at
    from krauth._values.record import Record

    try:
        record = Record.from_text(value)
    except TokenStoreError:
        return None
    return useless_at(record, time.time())


def _encryption(key_env: str) -> Any:
    try:
        from krauth_stores import encrypted
    except ModuleNotFoundError:
        raise Misuse("encryption needs the package cryptography: pip install 'krauth[encryption]'") from None
    return encrypted


def _entries(path: str, keys: list[Any]) -> list[tuple[str, str, float | None]]:
    from cryptography.fernet import InvalidToken, MultiFernet

    fernet = MultiFernet(keys)
    try:
        header, *lines = Path(path).read_text("ascii").splitlines()
        if header != _HEADER:
            raise ValueError
        rows = [json.loads(fernet.decrypt(line)) for line in lines]
        found = [(str(key), str(value), end) for _, key, value, end in rows[:-1]]
        if rows[-1] != ["end", len(found)] or [row[0] for row in rows[:-1]] != list(range(len(found))):
            raise Failure("the file is not whole: entries are missing or in another order; nothing was saved")
    except OSError as error:
        raise Failure("the file can't be read: {why}", why=error.strerror) from None
    except InvalidToken:
        raise Failure("the file can't be decrypted with these keys, or was changed; nothing was saved") from None
    except (ValueError, TypeError, IndexError):
        raise Failure("this is no file that krauth tokens export has written; nothing was saved") from None
    return found


def _complain(key: str, why: str) -> None:
    click.echo(f"{printable(key, 600)}: {printable(why)}", err=True)


def _report(done: collections.Counter[str]) -> None:
    labels = {
        "copied": say("{count} copied", count=done["copied"]),
        "same": say("{count} were there already", count=done["same"]),
        "encrypted": say("{count} encrypted anew", count=done["encrypted"]),
        "current": say("{count} had the newest key already", count=done["current"]),
        "dead": say("{count} of no use any more were left out", count=done["dead"]),
        "kept": say("{count} kept as they were there", count=done["kept"]),
        "failed": say("{count} failed", count=done["failed"]),
    }
    click.echo(", ".join(text for name, text in labels.items() if done[name]) or say("no entries"))
    if done["kept"] or done["failed"]:
        raise click.exceptions.Exit(1)


@contextlib.contextmanager
def _bar(length: int | None, label: str) -> Iterator[Any]:
    """A progress bar where there is a terminal; else nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=length or 1, label=label, file=sys.stderr) as bar:
        yield bar


def _progress(items: Iterable[Any], label: str) -> Iterator[Any]:
    items = list(items)
    with _bar(len(items), label) as bar:
        for item in items:
            yield item
            if bar is not None:
                bar.update(1)
