"""Refreshing without traffic (`RefreshPolicy(keep_warm=True)`): one timer for each source that is to be kept warm."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, NamedTuple

from .._values.token import TokenState
from . import process
from .steps import Emit
from .workers import NoThread

if TYPE_CHECKING:
    from typing import Protocol

    from .._values.event import Cause
    from .backoff import Failure
    from .run import Run, Transport
    from .snapshot import Snapshot

    class Source(process.Source, Protocol):
        """What the timer needs of a token source: see `TokenSource`."""

        warmth: Warmth | None

        def start(self, transport: Transport, *, cause: Cause = ..., urgent: bool = ...) -> Run[Snapshot]: ...
        def remember(self, error: BaseException, way: object) -> None: ...
        def failure_of(self, way: object) -> Failure | None: ...


#: Seconds between two refreshes without traffic, at least: a server may issue tokens that are over when they come.
LEAST = 5.0


class Warmth(NamedTuple):
    """Refreshing without traffic: with which transport, and whether a timer runs."""

    transport: Transport
    is_scheduled: bool


def begin(source: Source, transport: Transport) -> None:
    """Refresh without traffic from now on, with this transport."""
    with process.lock:
        before = source.warmth
        source.warmth = Warmth(transport, before is not None and before.is_scheduled)
    schedule(source)


def refresh_when_due(source: Source) -> None:
    """Begin a refresh if the token needs one; called by the timer."""
    with process.lock:
        if (warmth := source.warmth) is None:
            return None
        source.warmth = warmth = warmth._replace(is_scheduled=False)
    if source.run is not None:
        return None  # its end sets the timer
    if source.state is TokenState.FRESH:
        return schedule(source)
    try:
        source.start(warmth.transport, cause="keep_warm", urgent=False)
    except Exception as error:  # noqa: BLE001  a user's transport: warmth must not end with its first failure
        source.remember(error, warmth.transport.way)
        source.emit(Emit("refresh_failed", error=error))
        schedule(source)
    return None


def schedule(source: Source) -> None:
    """Set the timer for the end of the refresh window, or for the end of a pause; nothing where it runs."""
    with process.lock:
        snapshot, warmth = source.snapshot, source.warmth
        if not source.policy.keep_warm or snapshot is None or warmth is None or warmth.is_scheduled:
            return
        if snapshot.fresh_mono == float("inf"):
            return  # a token without an end is replaced after a refusal, and that refresh sets the timer
        source.warmth = warmth._replace(is_scheduled=True)
        failure = source.failure_of(warmth.transport.way)
    at = max(snapshot.fresh_mono, failure.retry_at if failure is not None else snapshot.fresh_mono)
    try:
        with process.busy():
            source.threads.after(max(LEAST, at - source.monotonic()), _Timer(source))
    except NoThread:  # the next refresh tries again
        with process.lock:
            source.warmth = warmth


def after_fork(source: Source) -> None:
    """Set the timer again: the parent's threads are not in the child."""
    if source.warmth is not None:
        source.warmth = source.warmth._replace(is_scheduled=False)
        schedule(source)


class _Timer:
    """The timer's task. It holds no strong reference, so that a source without users is freed."""

    __slots__ = ("_source",)

    def __init__(self, source: Source) -> None:
        self._source = weakref.ref(source)

    def __call__(self) -> None:
        source = self._source()
        if source is not None:
            refresh_when_due(source)
