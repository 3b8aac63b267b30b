"""The protocol of a token store, and the one that needs nothing: `MemoryStore`. `_plugins` opens stores by URL."""

from __future__ import annotations

import abc
import contextlib
import itertools
import os
import threading
import weakref
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ._values.clock import current_clock
from ._values.exceptions import StoreConflict

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stored:
    """An entry of a store: the text that was saved and its version.

    Not a tuple, nor a dataclass: pytest and error trackers show the items of these, and the text holds a token.

    Attributes:
        value: What `save` was given.
        version: Opaque; differs after every save of the key, also after deletion in between.
    """

    __slots__ = ("value", "version")

    def __init__(self, value: str, version: str) -> None:
        self.value = value
        self.version = version

    def __iter__(self) -> Iterator[str]:
        return iter((self.value, self.version))  # value, version = store.load(key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stored) and (self.value, self.version) == (other.value, other.version)

    def __hash__(self) -> int:
        return hash((self.value, self.version))

    def __repr__(self) -> str:
        return f"<Stored version={self.version!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Stored holds a token, so it is not pickled; load it where it is needed")

    def __copy__(self) -> Stored:
        return self

    def __deepcopy__(self, memo: object) -> Stored:
        return self


class Lease(NamedTuple):
    """The right to refresh the token under `key`, for a limited time.

    Attributes:
        key: The entry.
        owner: Unique to this lease.
        fence: Grows with every lease of the key that is granted; a save under an older lease is refused.
    """

    key: str
    owner: str
    fence: int = 0


#: `save(…, version=ANY)`: any entry that is there is replaced.
ANY = "*"


class TokenStore(abc.ABC):
    """Keeps small texts under keys, for one process or for many.

    All calls are synchronous and may block: they are made in a worker thread, never on an event loop. They raise
    `TokenStoreError` (other exceptions are wrapped in one). Texts are secrets: never log them.

    A subclass that defines `load`, `save` and `delete` is complete. Such a store lacks two things. Without `acquire`
    and `release`, each process that shares the store refreshes for itself. A `save` that ignores `version` and
    `lease` lets the last writer win. With rotating refresh tokens both can lose the newest token, so such a store
    is for client credentials, or for one process.

    `acquire_and_load` and `save_and_release` are two steps in one call. A store defines them where it can do both in
    one transaction or one round trip; the inherited ones call the single methods.
    """

    #: Whether calls may block. A store that never does is read at once when an auth object is made.
    blocking: bool = True

    @abc.abstractmethod
    def load(self, key: str) -> Stored | None:
        """Return the entry, or `None`."""

    @abc.abstractmethod
    def save(
        self,
        key: str,
        value: str,
        *,
        version: str | None = ANY,
        lease: Lease | None = None,
        expires_at: float | None = None,
    ) -> str:
        """Save an entry and return its new version.

        Args:
            key: Printable ASCII, at most 512 characters; holds no secret.
            value: Any text.
            version: The version that must be there now; `None`: there must be no entry; `ANY`: no matter.
            lease: The lease it is saved under, if any.
            expires_at: Seconds since the epoch after which the entry is no longer needed; the store may then drop it.

        A lease is lost when it was released, or when another lease on the key was granted after it. A lease whose
        time is up, and after which no other was granted, still saves: no other process can have saved in between.

        Raises:
            StoreConflict: Another version is there, or the lease was lost; nothing was saved.
        """

    @abc.abstractmethod
    def delete(self, key: str) -> None:
        """Delete the entry, if there is one."""

    def acquire(self, key: str, seconds: float) -> Lease | None:
        """Return a lease on `key` that ends after `seconds` unless released, or `None` while another holds it."""
        return Lease(key, "unshared")

    def release(self, lease: Lease) -> None:  # noqa: B027  nothing to do without leases
        """Give a lease back; releasing a lease that was lost changes nothing."""

    def acquire_and_load(self, key: str, seconds: float) -> tuple[Lease | None, Stored | None]:
        """Ask for a lease on `key`, and read its entry afterwards, whether the lease was granted or not.

        Args:
            key: The entry.
            seconds: The time after which the lease ends unless released.

        Raises:
            TokenStoreError: The lease or the entry could not be had; no lease is kept.
        """
        lease = self.acquire(key, seconds)
        try:
            return lease, self.load(key)
        except BaseException:
            if lease is not None:
                with contextlib.suppress(Exception):  # the first error is the one to report
                    self.release(lease)
            raise

    def save_and_release(
        self, key: str, value: str, *, version: str | None, lease: Lease, expires_at: float | None = None
    ) -> str:
        """Save an entry under a lease, give the lease back, and return the new version of the entry.

        A lease that could not be given back ends by itself: that is no error, since the entry is saved.

        Args:
            key: The entry.
            value: Any text.
            version: The version that must be there now; `None`: there must be no entry; `ANY`: no matter.
            lease: The lease. It is kept when the entry could not be saved.
            expires_at: Seconds since the epoch after which the entry is no longer needed.

        Raises:
            StoreConflict: Another version is there, or the lease was lost; nothing was saved.
        """
        new = self.save(key, value, version=version, lease=lease, expires_at=expires_at)
        with contextlib.suppress(Exception):
            self.release(lease)
        return new

    def keys(self) -> list[str]:
        """Return all keys, for listings; a store that can't enumerate returns none."""
        return []

    def missing(self) -> str | None:
        """Return what has to be there before the store can hold anything, such as the path of its file, if it is not.

        `None`: the store is there, or tells so when it is used. Asking makes nothing.
        """
        return None

    def vacuum(self) -> Iterator[tuple[int, int]]:
        """Drop the entries whose `expires_at` has passed and give their space back, in short steps.

        Each step is done when the next is asked for. It yields how many entries are dropped, and how many there are
        to drop. A store that drops entries by itself has nothing to do.
        """
        yield from ()

    def close(self) -> None:  # noqa: B027  most stores hold nothing
        """Free what the store holds; it may be used again."""


class MemoryStore(TokenStore):
    """Keeps tokens in this process, and forgets them when they are dead. The default: one for the whole process."""

    blocking = False

    def __init__(self) -> None:
        #: Key → value, version, end.
        self._entries: dict[str, tuple[str, int, float | None]] = {}
        self._leases: dict[str, tuple[Lease, float]] = {}
        self._counter = itertools.count(1)
        self._lock = threading.RLock()  # a signal handler may refresh where it interrupted a refresh
        self._sweep_at = 1024
        _in_memory.add(self)

    def load(self, key: str) -> Stored | None:
        """Return the entry, or `None`."""
        entry = self._entries.get(key)
        if entry is None or (entry[2] is not None and entry[2] <= current_clock().time()):
            return None
        return Stored(entry[0], str(entry[1]))

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
        with self._lock:
            if version != ANY:
                present = self.load(key)
                if (present.version if present else None) != version:
                    raise StoreConflict("another thread saved a token in the meantime")
            if lease is not None and not self._holds(lease):
                raise StoreConflict("the lease was lost before the token could be saved")
            number = next(self._counter)
            self._entries[key] = (value, number, expires_at)
            if len(self._entries) >= self._sweep_at:
                self._sweep()
            return str(number)

    def delete(self, key: str) -> None:
        """Delete the entry, if there is one."""
        with self._lock:
            self._entries.pop(key, None)

    def acquire(self, key: str, seconds: float) -> Lease | None:
        """Return a lease on `key`, or `None` while another holds it."""
        with self._lock:
            held = self._leases.get(key)
            if held is not None and held[1] > current_clock().monotonic():
                return None
            fence = next(self._counter)
            lease = Lease(key, f"lease-{fence}", fence)
            self._leases[key] = (lease, current_clock().monotonic() + seconds)
            return lease

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        with self._lock:
            if self._holds(lease):
                del self._leases[lease.key]

    def keys(self) -> list[str]:
        """Return all keys."""
        with self._lock:
            return [key for key in self._entries if self.load(key) is not None]

    def _holds(self, lease: Lease) -> bool:
        held = self._leases.get(lease.key)
        return held is not None and held[0].owner == lease.owner

    def _sweep(self) -> None:
        now = current_clock().time()
        for key in [key for key, (_, _, end) in self._entries.items() if end is not None and end <= now]:
            del self._entries[key]
        self._sweep_at = max(1024, 2 * len(self._entries))

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self._entries)} entries>"


_in_memory: weakref.WeakSet[MemoryStore] = weakref.WeakSet()


def clear_memory() -> None:
    """Forget what every `MemoryStore` of the process holds; for tests."""
    for store in list(_in_memory):
        with store._lock:
            store._entries.clear()
            store._leases.clear()


def _after_fork() -> None:
    for store in _in_memory:
        store._lock = threading.RLock()
        store._leases.clear()  # the threads that held them stayed in the parent


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
