"""Turns at SQLite files: one operation per file at a time, and none while the process forks; for `sqlite`.

SQLite keeps the file locks of a process in that process's memory. A child that is born while an operation runs would
inherit locks that it does not hold. So a fork waits for running operations, which never wait for other processes.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds that a fork waits at most. A healthy operation takes milliseconds. On a disk that hangs it may never end.
FORK_WAITS = 1.0


class Forked(Exception):
    """This process was forked in the middle of an operation on the file, so it can't use the file."""


class Turns:
    """Who may use which file now."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._files: dict[str, threading.Lock] = {}
        self._running: list[str] = []
        self._forking = 0
        self._spoiled: set[str] = set()

    @contextlib.contextmanager
    def take(self, path: str, timeout: float) -> Iterator[None]:
        """Hold the only turn at a file.

        Raises:
            TimeoutError: Other threads held it for `timeout` seconds.
            Forked: The file can't be used by this process.
        """
        end = time.monotonic() + timeout
        lock = self._files.setdefault(path, threading.Lock())
        if not lock.acquire(timeout=max(0.0, timeout)):
            raise TimeoutError
        try:
            with self._changed:
                if path in self._spoiled:
                    raise Forked
                while self._forking:
                    if not self._changed.wait(max(0.0, end - time.monotonic())):
                        raise TimeoutError
                self._running.append(path)
            try:
                yield
            finally:
                with self._changed:
                    if path in self._running:
                        self._running.remove(path)
                    self._changed.notify_all()
        finally:
            lock.release()

    def before_fork(self) -> None:
        """Let running operations end, for a limited time, and let none begin."""
        self._changed.acquire()
        self._forking += 1
        end = time.monotonic() + FORK_WAITS
        while self._running and self._changed.wait(max(0.0, end - time.monotonic())):
            pass

    def after_in_parent(self) -> None:
        """Go on."""
        self._forking -= 1
        self._changed.notify_all()
        self._changed.release()

    def after_in_child(self) -> None:
        """Begin anew: the other threads stayed in the parent."""
        self._spoiled.update(self._running)
        self._changed = threading.Condition()
        self._files = {}
        self._running = []
        self._forking = 0


turns = Turns()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=turns.before_fork, after_in_parent=turns.after_in_parent, after_in_child=turns.after_in_child
    )
