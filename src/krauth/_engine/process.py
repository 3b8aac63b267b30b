"""What all token sources of a process share: the lock, the threads, the clocks of servers, the static tokens of tests.

`source` changes the state of one token. `call` runs any blocking function in the same threads.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from .._plugins import may_be_observed, notify
from .._values import guard
from .._values.clock import Skews
from .._values.event import TokenEvent, is_logged, write
from .._values.exceptions import without_frames
from .._values.loops import running_loop, running_trio
from .run import Run, SentRequest
from .workers import NoThread, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from typing import Protocol, TypeVar

    from .._oauth.credentials import Credentials
    from .._values.event import Kind
    from .._values.token import RefreshPolicy, TokenState
    from .backoff import Failure
    from .driver import Owner
    from .snapshot import Snapshot
    from .steps import Emit

    T = TypeVar("T")

    class Source(Owner, Protocol):
        """What is asked of a token source by all that look at every source of the process: see `TokenSource`."""

        policy: RefreshPolicy
        snapshot: Snapshot | None

        @property
        def run(self) -> Run[Snapshot] | None: ...
        @property
        def state(self) -> TokenState: ...
        @property
        def failures(self) -> tuple[Failure, ...]: ...
        def forget_failures(self) -> None: ...
        def begin_with(self, static: Snapshot | None) -> None: ...
        def forget_all(self, static: Snapshot | None) -> None: ...
        def after_fork(self) -> None: ...


#: Events that wait for the observers, at most. One more is dropped.
MAX_EVENTS = 10_000


def _make_tellers() -> Workers:
    """Return the one thread that calls all observers, one event after the other: one that hangs delays only others."""
    return Workers(limit=1, lane_limit=1, name="krauth-observers")


#: Guards the state of every source; held for microseconds, never across I/O. One lock for all keeps a source small.
lock = threading.RLock()  # a signal handler may make a request, too
#: Threads that are about to begin or to announce something; see `is_busy`.
_busy: set[int] = set()
workers = Workers()
tellers = _make_tellers()
#: The sources that are alive, by what they were made of.
registry: weakref.WeakValueDictionary[object, Any] = weakref.WeakValueDictionary()
#: How far the clocks of token endpoints are ahead of ours.
skew = Skews()
#: Application → until when it counts as free of penalties, monotonic seconds.
proven: dict[str, float] = {}
#: What sources give out in tests instead of their tokens (`krauth.testing.static_token`).
static: weakref.WeakKeyDictionary[object, Snapshot] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Mark code that begins or announces something: this thread may hold a lock that other threads need for it."""
    me = threading.get_ident()
    if me in _busy:
        yield
        return
    try:
        _busy.add(me)
        yield
    finally:
        _busy.discard(me)


def is_busy() -> bool:
    """Whether this thread was interrupted in such code: by a signal handler, or by a `__del__`.

    It must not wait for another thread then, which may wait for a lock of this one.
    """
    # `_is_owned`: as `threading.Condition` asks it.
    return threading.get_ident() in _busy or lock._is_owned() or guard._lock._is_owned()  # type: ignore[attr-defined]


def after(seconds: float, task: Callable[[], None], lane: Hashable = None) -> None:
    """Run `task` in a worker thread after `seconds`; never, where no thread can be had."""
    with contextlib.suppress(NoThread), busy():
        workers.after(seconds, task, lane)


class Everyone:
    """Stands for every source of the process."""


EVERYONE = Everyone()


def static_snapshot(source: Source) -> Snapshot | None:
    """Return the snapshot that a test set for a source, or `None`."""
    return static.get(source) or static.get(EVERYONE)


def set_static(target: Source | Everyone, snapshot: Snapshot | None) -> None:
    """Let a source, or `EVERYONE`, give out a snapshot that never ends; `None`: its own token again."""
    with lock:
        if snapshot is None:
            static.pop(target, None)
        else:
            static[target] = snapshot
        for source in sources() if isinstance(target, Everyone) else [target]:
            source.begin_with(static_snapshot(source))


def sources() -> list[Source]:
    """Return the sources that are alive."""
    return list(registry.values())


def reset() -> None:
    """Forget every source's token and failures, and the clocks of servers, as in a process that has just begun."""
    with lock:
        for source in sources():
            source.forget_all(static_snapshot(source))
        proven.clear()
        skew.clear()


def call(function: Callable[[], T], way: object = None, whose: str = "") -> Run[T]:
    """Call a blocking function in a worker thread; the run ends with its result or its error.

    Where no thread can be had, the function is called in this one, or on an event loop not at all. Where this thread
    must not wait for another (`is_busy`), it is called in this one.

    Args:
        function: Raises errors of krauth alone.
        way: What tells the caller's way to the server from others.
        whose: The server. One that hangs holds up calls to itself alone.
    """
    run: Run[T] = Run(way)

    def work() -> None:
        run.start(0.0)
        try:
            run.finish(function())
        except BaseException as error:  # noqa: BLE001  callers must not be left waiting
            run.finish(without_frames(error))

    if is_busy():
        run.context.run(work)
        return run
    try:
        with busy():
            workers.submit(functools.partial(run.context.run, work), ("call", whose, id(way)))
    except NoThread as error:
        if running_trio() is not None or running_loop() is not None:
            run.finish(error.as_transport_error())
        else:
            run.context.run(work)
    return run


def tell(step: Emit, credentials: Credentials, now: float, run: Run[Any] | None, own: Workers | None) -> None:
    """Tell the log now, and the observers in another thread: an observer may be slow.

    Args:
        step: What happened.
        credentials: Of the token.
        now: Seconds since the epoch.
        run: The refresh that it belongs to, or `None`.
        own: The threads that a test brought; `None`: one thread of the process calls the observers.
    """
    if not is_heard(step.kind):
        return
    token = step.token
    remaining = None if token is None or token.expires_at is None else token.expires_in(now)
    detail = str(step.error) if step.error is not None else step.detail
    request = run.request if run is not None else SentRequest()
    event = TokenEvent(
        step.kind,
        credentials.provider,
        credentials.local_key,  # it is shown without what tells secrets apart
        now,
        remaining,
        detail,
        step.error,
        request.duration,
        request.attempt,
        request.status,
        run.cause if run is not None else None,
    )
    publish(event, own)


def is_heard(kind: Kind) -> bool:
    """Whether the log or an observer may take an event of a kind. To make one takes 0.1 ms: its texts are cleaned."""
    return is_logged(kind) or may_be_observed()


def publish(event: TokenEvent, own: Workers | None = None) -> None:
    """Write an event to the log now, and hand it to the thread of the observers."""
    write(event)
    if not may_be_observed():
        return
    if own is None and tellers.waiting("observers") >= MAX_EVENTS:
        return  # an observer hangs; the log has the event
    with contextlib.suppress(NoThread), busy():
        (own or tellers).submit(functools.partial(contextvars.copy_context().run, notify, event), "observers")


def _after_fork() -> None:
    """In a child there are no worker threads, and a thread that stayed in the parent may hold a lock."""
    global lock, workers, tellers
    lock, workers, tellers = threading.RLock(), Workers(), _make_tellers()
    _busy.intersection_update({threading.get_ident()})  # the system gives the ids of the parent's threads out again
    for source in sources():
        source.after_fork()


def at_exit() -> None:
    """Begin nothing more; called by `_values.lazy` after the exit handlers registered since krauth was imported."""
    workers.drain()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
