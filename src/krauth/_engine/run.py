"""Run: a flow under way in a worker thread, and how callers wait for it: blocking, under asyncio, under trio."""

from __future__ import annotations

import contextlib
import contextvars
import copy
import os
import queue
import threading
from collections import deque
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._values.clock import Stopwatch
from .._values.exceptions import ConfigurationError, TokenTransportError
from .._values.loops import running_trio
from .._values.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .._values.event import Cause
    from .._values.messages import Sender
    from .._values.token import RefreshPolicy

    class Transport(Protocol):
        """How token requests travel; see `krauth._auth.transport.Transport`."""

        @property
        def way(self) -> object:
            """What tells this way to the server from others: failures of one are not failures of another."""

        @property
        def is_bounded(self) -> bool:
            """Whether each request ends before its deadline in every case; then a caller's thread may send it."""

        @property
        def tells_leaving(self) -> bool:
            """Whether it calls `leaving` when a request leaves."""

        def open(self) -> Sender:
            """Return a blocking callable for use in a worker thread; called where the caller runs."""

    class Drive(Protocol):
        """What performs a flow: `krauth._engine.driver.Driver`."""

        def begin(self, urgent: bool) -> None:
            """Begin in a worker thread."""

        def hurry(self) -> None:
            """Begin ahead of what no caller waits for, if it has not begun."""

        def drive_here(self) -> None:
            """Perform the whole flow in this thread."""


T = TypeVar("T")
U = TypeVar("U")

#: Seconds that a caller waits beyond the flow's deadline, so that the flow's error comes first: it says more.
EXTRA_WAIT = 1.0
#: Seconds that a blocking caller waits at once at most.
SLICE = 1.0
#: Seconds after which a token request that has not left waits for a lock; long, since a machine may be busy.
STUCK = 3.0


class SentRequest(Value):
    """A token request that was sent.

    Attributes:
        attempt: Which one of its refresh it was, from 1; `None`: none was sent.
        duration: Seconds until its answer or failure.
        status: The HTTP status of the answer, or `None`.
    """

    __match_args__ = __slots__ = _names = ("attempt", "duration", "status")

    attempt: int | None
    duration: float | None
    status: int | None

    def __init__(self, attempt: int | None = None, duration: float | None = None, status: int | None = None) -> None:
        self._hold(attempt, duration, status)


class Begun(Value):
    """When a flow began.

    Attributes:
        at: Monotonic seconds.
        source_at: The same, by the clock of the source.
        waits: Whether it still waits for a worker thread; then the times are those of its publication.
    """

    __match_args__ = __slots__ = _names = ("at", "source_at", "waits")

    at: float
    source_at: float
    waits: bool

    def __init__(self, at: float, source_at: float, waits: bool) -> None:
        self._hold(at, source_at, waits)


class Run(Generic[T]):
    """One flow under way.

    Attributes:
        future: Results in the outcome, or in an exception as a value; it never raises, and no waiter can cancel it.
        refused: The access token whose refusal is the cause, or `None`.
        way: The way to the server that it takes.
        context: The context variables of the call that began it: traces and request ids stay with their request.
        requests_beyond: How many requests the flow may send after its deadline for the lease.
        created_at: Monotonic seconds.
        begun: When it was published, then when a worker thread began.
        thread: The worker thread that performs it right now.
        forced: Whether the user asked for a new token, so that an old one is no answer.
        cause: Why it was begun, for events.
        request: The last token request that it sent, for events.
        unsent_since: Since when a token request has been handed to a transport that it has not left yet, monotonic
            seconds; `None`: there is none.
    """

    __slots__ = (
        "_begin",
        "begun",
        "cause",
        "context",
        "created_at",
        "forced",
        "future",
        "helpers",
        "pid",
        "refused",
        "request",
        "requests_beyond",
        "thread",
        "unsent_since",
        "way",
    )

    def __init__(
        self,
        way: object,
        refused: str | None = None,
        now: float = 0.0,
        *,
        forced: bool = False,
        cause: Cause | None = None,
        requests_beyond: int = 0,
    ) -> None:
        self.future: Future[T | BaseException] = Future()
        self.future.set_running_or_notify_cancel()
        self.way, self.refused, self.requests_beyond = way, refused, requests_beyond
        self.context = contextvars.copy_context()
        self.pid = os.getpid()
        self.created_at = Stopwatch.now()
        self.begun = Begun(self.created_at, now, waits=True)
        self.thread: int | None = None
        self.forced = forced
        self.cause: Cause | None = cause if refused is None else "refusal"
        self.request = SentRequest()
        self.unsent_since: float | None = None
        self.helpers: deque[Helper] = deque()
        #: What begins it, and whether it stands in the queue of the workers already; empty where it may not be hurried.
        self._begin: list[tuple[Drive, bool]] = []

    @classmethod
    def ended(cls, way: object, outcome: T | BaseException) -> Run[T]:
        """Return a run that is over: a token came in the meantime, or a failure is remembered."""
        run = cls(way)
        run.finish(outcome)
        return run

    def finish(self, outcome: T | BaseException) -> None:
        """Set the outcome and wake all waiting callers; a second outcome changes nothing."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_result(outcome)

    def begin_with(self, drive: Drive) -> None:
        """Say how the run is begun; the first caller who waits for it begins it."""
        self._begin.append((drive, False))

    def drive_here(self) -> None:
        """Perform the whole flow in this thread, unless it was begun."""
        with contextlib.suppress(IndexError):
            self._begin.pop()[0].drive_here()

    def ensure_begun(self, *, urgent: bool = True) -> None:
        """Begin, unless that was done. The first caller that waits lets a run that waits for a thread go ahead.

        A signal handler may interrupt the caller between publishing a run and beginning it. It then begins the run.

        Args:
            urgent: Whether a caller waits for it.
        """
        try:
            drive, is_queued = self._begin.pop()
        except IndexError:
            return
        if not urgent:
            self._begin.append((drive, True))
        try:
            if not is_queued:
                drive.begin(urgent)
            elif urgent:
                drive.hurry()
        except BaseException:  # KeyboardInterrupt: other callers would wait for this run until their deadline
            self.finish(TokenTransportError("the refresh was interrupted before it began; call again"))
            raise

    def start(self, now: float) -> None:
        """Take note that this thread performs the flow now (monotonic seconds of the source's clock)."""
        self._begin.clear()
        self.thread = threading.get_ident()
        if self.begun.waits:
            self.begun = Begun(Stopwatch.now(), now, waits=False)

    def overdue_at(self, policy: RefreshPolicy) -> float:
        """Return when a caller gives up, monotonic seconds. Waiting for a worker thread does not count as network."""
        begun = self.begun
        if begun.waits and begun.at + policy.timeout + EXTRA_WAIT <= Stopwatch.now():
            return begun.at + policy.queue_timeout
        return begun.at + policy.timeout + self.requests_beyond * policy.attempt_timeout + EXTRA_WAIT

    def leaves(self) -> None:
        """Take note that the token request is on its way."""
        self.unsent_since = None

    def wait(self, policy: RefreshPolicy, *, helps: bool = False, inside: bool = False) -> T | BaseException:
        """Block until the run has ended, and return its outcome; see `deliver`.

        Args:
            policy: How long to wait.
            helps: Whether this thread sends the token requests while it waits. A caller may hold a lock that a
                request needs, as inside requests-mock or around a session that is shared by threads.
            inside: Whether this thread may hold such a lock and does not help: then it does not wait for itself.
        """
        if self.thread == threading.get_ident() and not self.future.done():
            raise ConfigurationError(
                "token_transport sends token requests through the auth that waits for them;"
                " hand the client or session itself over as token_transport, krauth then leaves its auth out"
            )
        if helps:
            helper = Helper(self)
            try:
                helper.serve(lambda: self.overdue_at(policy))
            finally:
                helper.leave()
        while True:
            left = self.overdue_at(policy) - Stopwatch.now()
            try:
                # Slices: a signal handler that waits for the same run takes the call that would wake this thread.
                return self.future.result(min(max(0.0, left), SLICE))
            except TimeoutError:
                if self.overdue_at(policy) <= Stopwatch.now():
                    return self._too_late(policy)
                since = self.unsent_since
                if inside and since is not None and since + min(STUCK, policy.attempt_timeout / 2) <= Stopwatch.now():
                    return TokenTransportError(
                        "the token request waits for a lock of the client, which a call holds, perhaps this one; it is"
                        " sent when that call has ended: give token_transport a client of its own"
                    )

    def send(self, send: Callable[[], U]) -> U:
        """Send a token request: in the thread of a caller that waits and helps, else right here."""
        try:
            helper = self.helpers.pop()
        except IndexError:
            return send()
        return helper.send(send)

    async def wait_async(self, policy: RefreshPolicy) -> T | BaseException:
        """Await the end of the run, under asyncio or trio, and return its outcome; see `deliver`."""
        while not self.future.done():
            left = self.overdue_at(policy) - Stopwatch.now()
            if left <= 0:
                return self._too_late(policy)
            await self._sleep(left)
        return self.future.result()

    async def _sleep(self, seconds: float) -> None:
        """Return when the run has ended, or after some seconds."""
        if (trio := running_trio()) is not None:
            event, token = trio.Event(), trio.lowlevel.current_trio_token()

            def wake(_: object) -> None:
                with contextlib.suppress(trio.RunFinishedError):  # the waiter is gone
                    token.run_sync_soon(event.set)

            self.future.add_done_callback(wake)
            with trio.move_on_after(seconds):
                await event.wait()
            return
        import asyncio

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.wrap_future(self.future)

    def get(self, policy: RefreshPolicy) -> T:
        """Block until the run has ended; return its result, or raise its error."""
        return deliver(self.wait(policy))

    async def aget(self, policy: RefreshPolicy) -> T:
        """Await the end of the run; see `get`."""
        return deliver(await self.wait_async(policy))

    def _too_late(self, policy: RefreshPolicy) -> TokenTransportError:
        if self.begun.waits:
            return TokenTransportError(
                f"the refresh waited for a free worker thread for {policy.queue_timeout:.0f} s: too many refreshes of"
                " this token endpoint are under way (RefreshPolicy(queue_timeout=…)); it goes on for the calls to come"
            )
        return TokenTransportError(
            f"no token within {policy.timeout:.0f} s (RefreshPolicy(timeout=…)); the refresh goes on for the calls"
            " to come"
        )


class Helper:
    """A caller that waits for a run and sends its token requests meanwhile, in its own thread and context."""

    __slots__ = ("_jobs", "_run")

    def __init__(self, run: Run[Any]) -> None:
        self._run = run
        # By the module's attribute: gevent may replace it after this import, as it replaces the start of threads.
        jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._jobs = jobs
        run.future.add_done_callback(lambda _: jobs.put(None))
        run.helpers.append(self)

    def serve(self, overdue_at: Callable[[], float]) -> None:
        """Do what there is to do until the run has ended, or the caller gives up."""
        while (left := overdue_at() - Stopwatch.now()) > 0:
            try:
                job = self._jobs.get(timeout=left)
            except queue.Empty:
                continue
            if job is None:
                return
            send, done = job
            try:
                done.set_result(send())
            except Exception as error:  # noqa: BLE001  it is raised where the flow runs
                done.set_exception(error)
            except BaseException:  # KeyboardInterrupt is the caller's
                done.cancel()
                raise
            self._run.helpers.append(self)

    def leave(self) -> None:
        """Take no more jobs. A job that is on its way is given back."""
        with contextlib.suppress(ValueError):
            self._run.helpers.remove(self)
            return
        with contextlib.suppress(queue.Empty):
            while (job := self._jobs.get(timeout=1.0)) is not None:
                job[1].cancel()

    def send(self, send: Callable[[], U]) -> U:
        """Have the caller's thread send, and wait for that; a caller that leaves gives it back to this thread."""
        done: Future[U] = Future()
        self._jobs.put((send, done))
        try:
            return done.result()
        except CancelledError:
            return send()


def deliver(outcome: T | BaseException) -> T:
    """Return an outcome, or raise a copy of the error that it is.

    Each caller gets a copy: one exception raised in many threads would collect all their tracebacks.
    """
    if isinstance(outcome, BaseException):
        raise copy.copy(outcome) from outcome.__cause__
    return outcome
