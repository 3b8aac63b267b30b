"""A lock of a store that is free in a forked child, whichever thread of the parent held it; for the stores."""

from __future__ import annotations

import os
import threading
import weakref


class ForkableLock:
    """A re-entrant lock that may be held while a process is forked: the child begins with a free one."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()

    def begin_anew(self) -> None:
        """Let no thread hold it: all other threads stayed in the parent."""
        self._lock = threading.RLock()


_locks: weakref.WeakSet[ForkableLock] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in list(_locks):
        lock.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
