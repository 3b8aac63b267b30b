"""`keyring://service`: tokens in the operating system's keyring, for one person's programs.

A keyring can only read, write and delete. So there is no lease: processes that share an entry refresh each for itself,
and of two that save at the same moment the last one wins. With rotating refresh tokens use it from one process.
"""

from __future__ import annotations

import hashlib
import json
import time
import urllib.parse
import uuid
from typing import TYPE_CHECKING, Any

import keyring
import keyring.backends.fail
import keyring.backends.null
import keyring.errors

from krauth import ConfigurationError, StoreConflict, TokenStore, TokenStoreError
from krauth.stores import ANY, Lease, Stored

from ._locks import ForkableLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyring.backend import KeyringBackend

#: Characters, all ASCII. Windows takes 2560 bytes per entry, at two bytes each.
CHUNK = 1200
#: Entries of the keyring that one text may take.
MAX_CHUNKS = 1000
#: What a head consists of. A keyring can be edited by hand: anything may be there.
_FIELDS: dict[str, Callable[[Any], bool]] = {
    "version": lambda value: isinstance(value, str),
    "slot": lambda value: value in ("a", "b"),
    "chunks": lambda value: type(value) is int and 0 <= value <= MAX_CHUNKS,
    "checksum": lambda value: isinstance(value, str),
    "expires_at": lambda value: value is None or type(value) in (int, float),
}


def open_url(url: str) -> KeyringStore:
    """Open `keyring://service` with the backend that keyring chooses or is configured for."""
    service = urllib.parse.unquote(url.partition("://")[2]).rstrip("/")
    if not service:
        raise ConfigurationError("keyring:// lacks the service name: write keyring://my-program")
    backend = keyring.get_keyring()
    if isinstance(backend, (keyring.backends.fail.Keyring, keyring.backends.null.Keyring)):
        raise ConfigurationError(
            "there is no usable keyring here (keyring's backend is"
            f" {type(backend).__module__}.{type(backend).__qualname__}); on a server or in a container take"
            " sqlite:///… or encrypted+sqlite:///…, on a desktop see `keyring diagnose`"
        )
    return KeyringStore(service, backend)


class KeyringStore(TokenStore):
    """Keeps tokens in a keyring: a head under the key, the text in chunks beside it.

    The chunks are written to the one of two slots that the head does not name, then the head: a program that is
    killed in between leaves the old entry whole. A checksum finds what two programs tore between them.

    Args:
        service: What the entries are filed under.
        backend: A keyring backend.
    """

    def __init__(self, service: str, backend: KeyringBackend) -> None:
        self._service = service
        self._backend = backend
        self._lock = ForkableLock()

    def load(self, key: str) -> Stored | None:
        """Return the entry, or `None`."""
        for _ in range(3):  # another process may be writing: the head that we read is gone when we get to its chunks
            with self._lock:
                head = self._head(key)
                if head is None or (head["expires_at"] is not None and head["expires_at"] <= time.time()):
                    return None
                chunks = [self._get(_chunk(key, head["slot"], index)) for index in range(head["chunks"])]
            text = "".join(chunk or "" for chunk in chunks)
            if _checksum(text) == head["checksum"] and isinstance(value := json.loads(text), str):
                return Stored(value, head["version"])
        raise TokenStoreError(
            f"the entry {key} of {self._service!r} in the keyring is torn: two programs wrote it at the same time, or"
            " it was edited; delete it to start anew"
        )

    def save(
        self,
        key: str,
        value: str,
        *,
        version: str | None = ANY,
        lease: Lease | None = None,
        expires_at: float | None = None,
    ) -> str:
        """Save an entry and return its new version; the check of `version` holds within this process only."""
        text = json.dumps(value)  # ASCII
        chunks = [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)]
        if len(chunks) > MAX_CHUNKS:
            raise TokenStoreError(f"this text is too long for a keyring: more than {MAX_CHUNKS * CHUNK} characters")
        with self._lock:
            if version != ANY:
                present = self.load(key)
                if (present.version if present else None) != version:
                    raise StoreConflict("another thread or process saved a token in the meantime")
            old = self._head(key)
            slot = "b" if old is not None and old["slot"] == "a" else "a"
            for index, chunk in enumerate(chunks):
                self._call("write", self._backend.set_password, self._service, _chunk(key, slot, index), chunk)
            head = {
                "version": uuid.uuid4().hex,
                "slot": slot,
                "chunks": len(chunks),
                "checksum": _checksum(text),
                "expires_at": expires_at,
            }
            self._call("write", self._backend.set_password, self._service, key, json.dumps(head))
            self._drop(key, "a" if slot == "b" else "b", 0)
            self._drop(key, slot, len(chunks))
            return str(head["version"])

    def delete(self, key: str) -> None:
        """Delete the entry, if there is one."""
        with self._lock:
            if self._get(key) is not None:
                self._delete(key)
            self._drop(key, "a", 0)
            self._drop(key, "b", 0)

    def __repr__(self) -> str:
        return f"<KeyringStore {self._service!r} in {type(self._backend).__module__}>"

    def _head(self, key: str) -> dict[str, Any] | None:
        text = self._get(key)
        if text is None:
            return None
        try:
            head: dict[str, Any] = json.loads(text)
            if all(fits(head[name]) for name, fits in _FIELDS.items()):
                return head
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise TokenStoreError(
            f"the entry {key} of {self._service!r} in the keyring was not written by krauth; delete it to start anew,"
            " or choose another service name"
        )

    def _drop(self, key: str, slot: str, index: int) -> None:
        names: list[str] = []
        while self._get(name := _chunk(key, slot, index)) is not None:
            names.append(name)
            index += 1
        for name in reversed(names):  # backwards: a killed process must leave no gap
            self._delete(name)

    def _delete(self, name: str) -> None:
        try:
            self._call("delete", self._backend.delete_password, self._service, name)
        except TokenStoreError as error:
            if not isinstance(error.__cause__, keyring.errors.PasswordDeleteError):  # gone already
                raise

    def _get(self, name: str) -> str | None:
        text: str | None = self._call("read", self._backend.get_password, self._service, name)
        return text

    def _call(self, what: str, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return function(*args)
        except Exception as error:  # backends let the exceptions of their libraries through
            raise TokenStoreError(
                f"the keyring ({type(self._backend).__module__}) could not {what} an entry of {self._service!r}:"
                f" {type(error).__name__}; is it locked, or is no user logged in? `keyring diagnose` tells more"
            ) from error


def _chunk(key: str, slot: str, index: int) -> str:
    return f"{key}#{slot}{index}"


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
