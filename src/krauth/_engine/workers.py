"""The threads that renew tokens, for all of them: a few daemon workers and one timer. Used by `_source`."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from .._values.event import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    Task = Callable[[], None]


class Workers:
    """Runs tasks in at most `limit` threads that end after `idle` seconds without work.

    They are daemon threads, not an executor's: the interpreter joins an executor's at exit, and an exit must not
    wait for a token endpoint. Starting threads only as needed also keeps a process that never renews free of them.
    """

    def __init__(self, limit: int = 32, idle: float = 10.0) -> None:
        self._limit = limit
        self._idle_seconds = idle
        self._tasks: deque[Task] = deque()
        self._wakeup = threading.Condition()
        self._threads = self._idle = 0
        self._stopping = False
        self._timers: list[tuple[float, int, Task]] = []
        self._order = itertools.count()
        self._timer_wakeup = threading.Condition()
        self._timer_runs = False

    def submit(self, task: Task) -> None:
        """Run `task` in a worker thread, soon."""
        if self._stopping:
            return task()
        with self._wakeup:
            self._tasks.append(task)
            if len(self._tasks) <= self._idle or self._threads >= self._limit:
                self._wakeup.notify()
                return None
            self._threads += 1
        try:
            threading.Thread(target=self._work, name="krauth-worker", daemon=True).start()
        except RuntimeError:  # the interpreter is shutting down, or the system has no thread left: do it here
            with self._wakeup:
                self._threads -= 1
                mine = self._tasks.pop() if self._tasks else None
            if mine is not None:
                mine()
        return None

    def after(self, seconds: float, task: Task) -> None:
        """Submit `task` after `seconds`.

        Raises:
            RuntimeError: No thread can be started.
        """
        with self._timer_wakeup:
            timer = (monotonic() + seconds, next(self._order), task)
            heapq.heappush(self._timers, timer)
            if self._timer_runs:
                self._timer_wakeup.notify()
                return
            self._timer_runs = True
        try:
            threading.Thread(target=self._keep_time, name="krauth-timer", daemon=True).start()
        except RuntimeError:  # the interpreter is shutting down, or the system has no thread left
            with self._timer_wakeup:
                self._timer_runs = False
                self._timers.remove(timer)
                heapq.heapify(self._timers)
            raise

    def drain(self, seconds: float) -> None:
        """Begin nothing more, and wait at most `seconds` for what runs: the interpreter is about to end.

        It ends daemon threads where they next ask for its lock, by unwinding their stack; one that is inside bcrypt,
        which is no C, would then abort the whole process. Signing takes milliseconds; nothing else is waited out.
        """
        with self._wakeup:
            self._stopping = True
            self._wakeup.notify_all()
            self._wakeup.wait_for(lambda: self._threads == 0, seconds)

    def _work(self) -> None:
        while True:
            with self._wakeup:
                while not self._tasks and not self._stopping:
                    self._idle += 1
                    woken = self._wakeup.wait(self._idle_seconds)
                    self._idle -= 1
                    if not woken and not self._tasks:
                        break
                if not self._tasks or self._stopping:
                    self._threads -= 1
                    self._wakeup.notify_all()
                    return
                task = self._tasks.popleft()
            try:
                task()
            except Exception:  # noqa: BLE001
                logger.exception("krauth: a task failed unexpectedly; please report this")
            del task  # or an idle thread would keep the last one's token source alive

    def _keep_time(self) -> None:
        while True:
            with self._timer_wakeup:
                if not self._timers and not self._timer_wakeup.wait(self._idle_seconds) and not self._timers:
                    self._timer_runs = False
                    return
                if not self._timers:
                    continue
                wait = self._timers[0][0] - monotonic()
                if wait > 0:
                    self._timer_wakeup.wait(wait)
                    continue
                task = heapq.heappop(self._timers)[2]
            self.submit(task)
            del task
