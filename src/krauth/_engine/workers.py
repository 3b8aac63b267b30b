"""The threads that refresh tokens: daemon workers in lanes, and one timer.

A lane holds the tasks that share a token endpoint, a store and a way to the server. However many tasks of one lane
hang, another lane gets a thread at once.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from typing import TYPE_CHECKING

from .._values.clock import Stopwatch
from .._values.event import logger
from .._values.exceptions import TokenTransportError, trace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from contextlib import AbstractContextManager

    Task = Callable[[], None]


class NoThread(RuntimeError):
    """The system has no thread left, or the interpreter is shutting down."""

    def as_transport_error(self) -> TokenTransportError:
        """Return the error for callers on an event loop, which can't do the work in their own thread."""
        return TokenTransportError(
            f"the request could not be sent: {self}; the process has reached its limit of threads (ulimit -u, or the"
            " limit of the container), or is about to end"
        )


class Stopped(BaseException):
    """Ends a worker thread: the interpreter is about to end."""


class _Lane:
    """Tasks that harm each other at most.

    Attributes:
        urgent: Those that wait, and for which a caller waits: they go ahead of the others.
        tasks: The others that wait.
        tickets: How many of both a worker may begin now.
        running: How many are under way.
    """

    __slots__ = ("running", "tasks", "tickets", "urgent")

    def __init__(self) -> None:
        self.urgent: deque[Task] = deque()
        self.tasks: deque[Task] = deque()
        self.tickets = self.running = 0

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self.urgent) + len(self.tasks)


class _Computing:
    """See `Workers.computing`: entered for each step of each flow, by many threads, so it is one object."""

    __slots__ = ("_workers",)

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def __enter__(self) -> None:
        workers = self._workers
        with workers._step_lock:
            if workers._stopping and threading.current_thread().daemon:
                raise Stopped
            workers._computing += 1

    def __exit__(self, *error: object) -> None:
        workers = self._workers
        with workers._step_lock:
            workers._computing -= 1
            if workers._stopping:
                workers._computed.notify_all()


class Workers:
    """Runs tasks in daemon threads, at most `lane_limit` at once for each lane.

    There are at most `limit` threads, and beyond that one for each lane that has none. They end after `idle` seconds
    without work. They are daemon threads, not an executor's: the interpreter joins an executor's at exit, and an exit
    must not wait for a token endpoint.
    """

    def __init__(
        self, limit: int = 256, idle: float = 10.0, *, lane_limit: int = 64, name: str = "krauth-worker"
    ) -> None:
        self._limit, self._lane_limit, self._idle_seconds = limit, lane_limit, idle
        self._name = name
        self._wakeup = threading.Condition()
        self._lanes: dict[Hashable, _Lane] = {}
        #: Lanes with a task that may begin now; a lane stands here once for each of them.
        self._queue: deque[_Lane] = deque()
        self._threads = self._idle = self._computing = 0
        # The lock by itself, since each step of each flow takes it twice, and a condition takes it in Python.
        self._step_lock = threading.RLock()
        self._computed = threading.Condition(self._step_lock)
        self._mark = _Computing(self)
        self._stopping = False
        self._timers: list[tuple[float, int, Task, Hashable, bool]] = []
        self._order = itertools.count()
        self._timer_wakeup = threading.Condition()
        self._timer_runs = False

    @property
    def threads(self) -> int:
        """How many worker threads there are."""
        return self._threads

    def waiting(self, lane: Hashable) -> int:
        """Return how many tasks of a lane wait for a thread."""
        found = self._lanes.get(lane)
        return found.waiting if found is not None else 0

    def submit(self, task: Task, lane: Hashable = None, urgent: bool = False) -> None:
        """Run `task` in a worker thread, soon.

        Args:
            task: What is run.
            lane: The tasks that it may hold up.
            urgent: Whether a caller waits for it: it goes ahead of the tasks of its lane for which none waits.

        Raises:
            NoThread: No thread can be started, and none is there; the task was not taken.
        """
        if self._stopping:
            raise NoThread("the interpreter is shutting down")
        with self._wakeup:
            found = self._lanes.setdefault(lane, _Lane())
            (found.urgent if urgent else found.tasks).append(task)
            if found.running + found.tickets >= self._lane_limit:
                return
            found.tickets += 1
            self._queue.append(found)
            if self._idle >= len(self._queue):
                try:
                    self._wakeup.notify()
                except RuntimeError as error:  # eventlet replaced the lock that the threads wait on
                    self._take_back(task, lane, found)
                    raise NoThread("eventlet was patched in after the first refresh; patch first") from error
                return
            if self._threads >= self._limit and found.running + found.tickets > 1:
                return
            self._threads += 1
        self._start_thread(task, lane)

    def _start_thread(self, task: Task, lane: Hashable) -> None:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        try:
            thread.start()
        except BaseException as error:
            if thread.ident is not None:  # it has started; this thread was interrupted while it waited for that
                raise
            with self._wakeup:
                self._threads -= 1
                self._take_back(task, lane, self._lanes[lane])
            if isinstance(error, Exception):
                raise NoThread(f"no thread could be started: {type(error).__name__}") from error
            raise

    def _take_back(self, task: Task, lane: Hashable, found: _Lane) -> None:
        """Undo a submission, unless a thread has taken the task already."""
        for queue in (found.urgent, found.tasks):
            if task not in queue:
                continue
            queue.remove(task)
            found.tickets -= 1
            self._queue.remove(found)
            if not (found.waiting or found.tickets or found.running):
                self._lanes.pop(lane, None)
            return

    def _work(self) -> None:
        try:
            while self._run_next_task():
                pass
        finally:
            with self._wakeup:
                self._threads -= 1
                self._wakeup.notify_all()

    def _run_next_task(self) -> bool:
        """Wait for a task and run it; false: the thread is to end. A thread that waits keeps no task alive."""
        taken = self._next_task()
        if taken is None:
            return False
        found, task = taken
        try:
            task()
        except Stopped:
            return False
        except BaseException as error:  # noqa: BLE001  an observer, store or transport may raise SystemExit
            # As text: a handler that renders the frames of an exception would show a request, or a record.
            logger.error("krauth: a task failed unexpectedly; please report this: %s", trace_of(error))
        finally:
            self._end_of_task(found)
        return True

    def _next_task(self) -> tuple[_Lane, Task] | None:
        """Wait for a task that may begin, and return its lane and itself; `None`: the thread is to end."""
        with self._wakeup:
            while not self._queue:
                if self._stopping:
                    return None
                self._idle += 1
                try:
                    woken = self._wakeup.wait(self._idle_seconds)
                finally:
                    self._idle -= 1
                if not woken and not self._queue:
                    return None
            if self._stopping:
                return None
            found = self._queue.popleft()
            found.tickets -= 1
            found.running += 1
            return found, (found.urgent or found.tasks).popleft()

    def _end_of_task(self, found: _Lane) -> None:
        with self._wakeup:
            found.running -= 1
            if found.waiting > found.tickets:  # behind the other lanes
                found.tickets += 1
                self._queue.append(found)
            elif not (found.waiting or found.tickets or found.running):
                self._lanes = {name: lane for name, lane in self._lanes.items() if lane is not found}

    def after(self, seconds: float, task: Task, lane: Hashable = None, urgent: bool = False) -> None:
        """Submit `task` after `seconds`; see `submit`.

        Raises:
            NoThread: No thread can be started.
        """
        if self._stopping:
            raise NoThread("the interpreter is shutting down")
        with self._timer_wakeup:
            timer = (Stopwatch.now() + seconds, next(self._order), task, lane, urgent)
            heapq.heappush(self._timers, timer)
            if self._timer_runs:
                self._timer_wakeup.notify()
                return
            self._timer_runs = True
        thread = threading.Thread(target=self._keep_time, name="krauth-timer", daemon=True)
        try:
            thread.start()
        except BaseException as error:
            if thread.ident is not None:
                raise
            with self._timer_wakeup:
                self._timer_runs = False
                self._timers.remove(timer)
                heapq.heapify(self._timers)
            if isinstance(error, Exception):
                raise NoThread(f"no thread could be started: {type(error).__name__}") from error
            raise

    def _keep_time(self) -> None:
        try:
            while self._pass_on(self._next_timer()):
                pass
        except BaseException:
            with self._timer_wakeup:
                self._timer_runs = False
            raise

    def _pass_on(self, timer: tuple[Task, Hashable, bool] | None) -> bool:
        """Submit the task of a timer; false where there is none, or nothing begins any more."""
        if timer is None:
            return False
        try:
            self.submit(*timer)
        except NoThread:
            if self._stopping:
                return False
            self.after(1.0, *timer)
        return True

    def _next_timer(self) -> tuple[Task, Hashable, bool] | None:
        """Wait for the next timer, and return its task; `None`: there was none for a while."""
        with self._timer_wakeup:
            while True:
                if not self._timers:
                    if not self._timer_wakeup.wait(self._idle_seconds) and not self._timers:
                        self._timer_runs = False
                        return None
                    continue
                wait = self._timers[0][0] - Stopwatch.now()
                if wait <= 0:
                    return heapq.heappop(self._timers)[2:]
                # A token without an end has a timer at infinity, and no thread can wait that long.
                self._timer_wakeup.wait(min(wait, 3600.0))

    def computing(self) -> AbstractContextManager[None]:
        """Mark code that must not be cut off: a signature, which is native code, would abort the whole process."""
        return self._mark

    def drain(self) -> None:
        """Begin nothing more, and wait for the signatures that are being made: the interpreter is about to end.

        The interpreter ends a daemon thread where it next asks for its lock. A thread inside bcrypt would then abort
        the process. A signature takes milliseconds; nothing else is waited for.
        """
        with self._wakeup:
            self._stopping = True
            self._wakeup.notify_all()
        with self._computed:
            while self._computing:
                self._computed.wait()
