"""TokenSource: one token, one renewal at a time, for every thread, task, event loop and auth object of the process.

The only module with a lock. `_flow` decides, `_driver` performs what it decides in a thread of `_workers`, and
`_waiting` lets callers of any kind wait.
Reading a fresh token takes no lock: a `Snapshot` is immutable and replaced as a whole.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from .._plugins import notify
from .._values.clock import current_clock
from .._values.event import TokenEvent, write
from .._values.exceptions import (
    AuthorizationRequired,
    ConfigurationError,
    KrauthError,
    TokenTransportError,
    without_frames,
)
from .._values.record import Record
from .._values.token import RefreshPolicy, Token, TokenState
from . import refresh
from .backoff import Failure, Incurable
from .driver import Driver
from .run import Run
from .snapshot import Snapshot
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._oauth.credentials import Credentials
    from .._values.clock import Clock
    from .._values.event import Kind
    from .._values.messages import Sender
    from ..stores import TokenStore
    from .steps import Step

    Unsaved = tuple[Token, str | None]

DEFAULT_POLICY = RefreshPolicy()
#: Seconds that the end of the process waits for a signature that is being made; never for a token endpoint.
EXIT_GRACE = 0.25

#: Guards every source's few words of state; held for microseconds, never across I/O. One for all keeps a source small.
_lock = threading.RLock()  # a signal handler may make a request, too
_workers = Workers()
_sources: weakref.WeakValueDictionary[object, TokenSource] = weakref.WeakValueDictionary()
#: token endpoint → seconds that its clock is ahead of ours
_skew: dict[str, float] = {}


class Opener(Protocol):
    """Who asks for a token lends the way to the token endpoint."""

    def open_transport(self) -> Sender:
        """Return a blocking callable for use in a worker thread; called where the asker runs."""


class TokenSource:
    """The token of one key in one store.

    Get one with `TokenSource.shared`, so that equal credentials share it; it lives as long as somebody holds it.

    Attributes:
        snapshot: The token in memory, replaced as a whole; read without a lock, by anybody.
    """

    __slots__ = (
        "__weakref__",
        "_background_after",
        "_epoch",
        "_failure",
        "_incurable",
        "_keep_warm_with",
        "_run",
        "_unsaved",
        "_warming",
        "clock",
        "credentials",
        "monotonic",
        "policy",
        "snapshot",
        "store",
        "time",
        "workers",
    )

    def __init__(
        self,
        credentials: Credentials,
        store: TokenStore,
        policy: RefreshPolicy | None = None,
        *,
        clock: Clock | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.credentials = credentials
        self.store = store
        self.policy = policy or DEFAULT_POLICY
        self.clock = clock or current_clock()
        self.time, self.monotonic = self.clock.time, self.clock.monotonic
        self.workers = workers
        self.snapshot: Snapshot | None = None
        self._run: Run | None = None
        self._failure: Failure | None = None
        self._background_after = 0.0
        self._epoch = 0
        self._incurable: Incurable | None = None
        self._unsaved: Unsaved | None = None
        self._keep_warm_with: Opener | None = None
        self._warming = False
        if not store.blocking:
            self._load_now()

    @classmethod
    def shared(cls, credentials: Credentials, store: TokenStore, policy: RefreshPolicy | None) -> TokenSource:
        """Return the process's one source for credentials and store; a policy that is given applies to all."""
        clock = current_clock()
        name = (id(store), id(clock), credentials.identity)
        source = _sources.get(name)  # holds its store, so that the id can't be another's
        if source is None:
            made = cls(credentials, store, policy, clock=clock)
            with _lock:
                source = _sources.setdefault(name, made)
        if policy is not None and source.policy is not policy:
            source.policy = policy
        return source

    def peek(self, opener: Opener) -> Snapshot | None:
        """Return the token if it is good, at once; when it is stale, renew it in the background."""
        snapshot = self.snapshot
        if snapshot is None or (snapshot.fresh_mono > self.monotonic() and snapshot.fresh_wall > self.time()):
            return snapshot
        if snapshot.good_mono <= self.monotonic() or snapshot.good_wall <= self.time():
            return None
        if self._background_after <= self.monotonic() and self._running() is None:
            try:
                self.start(opener)
            except ConfigurationError as error:  # the token is still good: whoever calls now is not to be bothered
                self.fail(error)
        return snapshot

    def peek_with_life_left(self, opener: Opener) -> Snapshot | None:
        """Return the token unless it is about to be renewed: for a request whose body can be sent only once."""
        snapshot = self.peek(opener)
        if self._usable() is TokenState.STALE and self._background_after <= self.monotonic():
            return None
        return snapshot

    def start(self, opener: Opener, *, cure: str | None = None) -> Run:
        """Return the renewal that the caller has to wait for, begun now if need be, or one that is over.

        Args:
            opener: Lends the transport if one begins.
            cure: The access token that a server refused. A newer one that is there already is the cure. A renewal
                that began for another reason before the refusal is not: another follows it. And where the last
                renewal brought the refused token again, that one is returned: no other is to be had.
        """
        with _lock:
            run, current, usable = self._running(), self.snapshot, self._usable()
            is_refused = current is not None and current.token.access_token == cure
            is_cure = usable is TokenState.FRESH or (usable is TokenState.STALE and cure is not None)
            if current is not None and not is_refused and is_cure:
                return Run.ended(current)
            if run is not None and (run.cures == cure or not is_refused):
                return run
            if current is not None and is_refused and self._incurable and self._incurable.until > self.monotonic():
                return Run.ended(current)
            if self._failure is not None and self._failure.until > self.monotonic():
                good = usable is TokenState.STALE and not is_refused
                return Run.ended(current if current is not None and good else self._failure.error)
            begun = Run(cure, current if is_refused else None, self._epoch, self.monotonic())
            driver = self._make_driver(begun, opener.open_transport())
            if self.policy.keep_warm:
                self._keep_warm_with = opener
            self._run = begun
        try:
            if run is None:
                driver.begin()
            else:
                run.future.add_done_callback(lambda _: driver.begin())
        except BaseException:  # KeyboardInterrupt: those who wait for this run would wait in vain
            self.fail(TokenTransportError("the renewal was interrupted before it began; call again"), begun)
            raise
        return begun

    def _make_driver(self, run: Run, sender: Sender) -> Driver:
        renewal = refresh.Renewal(self.credentials, self.policy, self.clock, _skew, refused=run.cures)

        def begin() -> Generator[Step, Any, Token]:
            self._brief(renewal)
            return refresh.renew(renewal)

        def fail(error: KrauthError) -> None:
            unsaved = (renewal.current, renewal.spent) if renewal.unsaved and renewal.current else None
            self.fail(error, run, unsaved)

        return Driver(self, run, sender, begin, lambda token: self.succeed(run, token), fail)

    def _brief(self, renewal: refresh.Renewal) -> None:
        """Fill in what is known as a renewal begins, and stop giving out a token that was refused."""
        with _lock:
            snapshot, renewal.usable = self.snapshot, self._usable()
            if snapshot is not None and snapshot.token.access_token == renewal.refused:
                self.snapshot = None
            renewal.current = snapshot.token if snapshot else None
            if self._unsaved is not None:
                renewal.current, renewal.spent = self._unsaved
                renewal.unsaved = True

    def perform(self, opener: Opener, flow: Generator[Step, Any, Any]) -> Run:
        """Drive another flow than renewal; the run ends with what it returns or raises."""
        run = Run()
        end = run.future.set_result
        Driver(self, run, opener.open_transport(), lambda: flow, end, end).begin()
        return run

    @property
    def current(self) -> Token | None:
        """The token in memory, whatever it is good for."""
        if self._unsaved is not None:
            return self._unsaved[0]
        return self.snapshot.token if self.snapshot is not None else None

    def refused_again(self) -> None:
        """A token is refused although it is new: another would be too, so none is obtained for that for a while."""
        with _lock:
            now = self.monotonic()
            self._incurable = Incurable.after(self._incurable, now)
            self._hold(self._incurable.until - now)

    def replace(self, token: Token | None) -> None:
        """Take a token that came another way (an authorization code), or none (it was revoked)."""
        with _lock:
            self._epoch += 1  # what a renewal under way brings is of an age gone by
            self._run = self._failure = self._incurable = self._unsaved = None
            self.snapshot = None if token is None else self._make_snapshot(token)

    def _running(self) -> Run | None:
        run = self._run
        if run is None or run.pid != os.getpid():  # after a fork the parent's is not ours
            return None
        # One that hangs in somebody's transport or store is given up; its lease has ended, and fences it off.
        patience = self.policy.timeout + self.policy.attempt_timeout + refresh.LEASE_MARGIN
        return run if run.begun_at + patience > self.monotonic() else None

    def _usable(self) -> TokenState:
        snapshot = self.snapshot
        return TokenState.MISSING if snapshot is None else snapshot.state(self.monotonic(), self.time())

    def _make_snapshot(self, token: Token) -> Snapshot:
        window = refresh.window_of(token, self.credentials, self.policy)
        jitter = window / 20 if self.policy.jitter is None else self.policy.jitter
        return Snapshot(token, window, jitter * random.random(), self.clock)  # noqa: S311

    def _load_now(self) -> None:
        try:
            stored = self.store.load(self.credentials.key)
            token = Record.from_text(stored.value).token if stored else None
        except Exception:  # noqa: BLE001  whatever is wrong with it, the first renewal meets it and reports it
            return
        if token is not None and token.expires_in(self.time()) > 0:
            self.snapshot = self._make_snapshot(token)

    def succeed(self, run: Run, token: Token) -> None:
        """The renewal brought a token."""
        snapshot = self._make_snapshot(token)
        with _lock:
            if self._run is run:
                self._run = None
            if run.epoch == self._epoch:
                self.snapshot, self._unsaved, self._failure = snapshot, None, None
                self._background_after = 0.0
                if run.cures == token.access_token:
                    self.refused_again()
        self._schedule_keep_warm()
        run.future.set_result(snapshot)

    def fail(self, error: BaseException, run: Run | None = None, unsaved: Unsaved | None = None) -> None:
        """The renewal failed; `unsaved` is a token that it obtained and could not save, and the one before it.

        Those who wait are given the old token if it is still good and was not refused: they need not notice.
        """
        outcome: Snapshot | BaseException = error
        with _lock:
            if run is not None and self._run is run:
                self._run = None
            if run is None or run.epoch == self._epoch:
                now = self.monotonic()
                self._failure = Failure.after(self._failure, error, now)
                self._background_after = self._failure.retry_at
                self._hold(self._failure.until - now)
                if isinstance(error, AuthorizationRequired) and error.revoked:
                    self.snapshot = None
                elif run is not None:
                    self._unsaved = unsaved or self._unsaved
                    self.snapshot = self.snapshot or run.held
                    is_good = self._usable() in (TokenState.FRESH, TokenState.STALE)
                    if self.snapshot is not None and is_good and self.snapshot.token.access_token != run.cures:
                        outcome = self.snapshot
        self._schedule_keep_warm()
        self.emit("refresh_failed", detail=str(error), error=error, aside=run is None)
        if run is not None:
            run.future.set_result(outcome)

    def _hold(self, seconds: float) -> None:
        """Outlive those who hold this source: what was learnt must serve the next, built for one request alone."""
        if seconds > 0:
            with contextlib.suppress(RuntimeError):  # no thread to be had: then it is forgotten
                self.threads.after(seconds, functools.partial(_release, self))

    def _schedule_keep_warm(self) -> None:
        snapshot = self.snapshot
        if not self.policy.keep_warm or snapshot is None or self._keep_warm_with is None or self._warming:
            return
        self._warming = True
        at = max(snapshot.fresh_mono, self._background_after)
        try:
            self.threads.after(max(0.05, at - self.monotonic()), _KeepWarm(self))
        except RuntimeError:  # no thread to be had: the next renewal tries again
            self._warming = False

    @property
    def threads(self) -> Workers:
        """The threads that renew: the process's, unless a test brought its own."""
        return self.workers or _workers

    def keep_warm(self, opener: Opener | None = None) -> None:
        """Renew without traffic from now on; called by whoever made the policy, and by the timer when it is time."""
        if opener is not None:
            self._keep_warm_with = opener
            return self._schedule_keep_warm()
        self._warming = False
        if self._keep_warm_with is None or self._running() is not None:
            return None
        if self._usable() is TokenState.FRESH:
            return self._schedule_keep_warm()
        try:
            self.start(self._keep_warm_with)
        except Exception as error:  # noqa: BLE001  a user's transport: warmth must not end with its first failure
            self.fail(error)

    def emit(
        self,
        kind: Kind,
        token: Token | None = None,
        detail: str | None = None,
        error: BaseException | None = None,
        *,
        aside: bool = False,
    ) -> None:
        """Tell log and observers what happened; the latter in a worker thread, so `aside` where this is none."""
        now = self.time()
        remaining = None if token is None or token.expires_at is None else token.expires_in(now)
        event = TokenEvent(kind, self.credentials.provider, self.credentials.key, now, remaining, detail, error)
        write(event)
        if aside:
            self.threads.submit(functools.partial(notify, event))
        else:
            notify(event)

    def __repr__(self) -> str:
        return f"<TokenSource {self.credentials.key} {self._usable().value}>"


class _KeepWarm:
    """What the timer holds: not the source, so that one nobody uses goes away."""

    __slots__ = ("_source",)

    def __init__(self, source: TokenSource) -> None:
        self._source = weakref.ref(source)

    def __call__(self) -> None:
        source = self._source()
        if source is not None:
            source.keep_warm()


def _release(source: TokenSource) -> None:
    """Let go of a source that was held."""


def call(function: Callable[[], Any]) -> Run:
    """Call a blocking function in a worker thread; the run ends with what it returns or raises."""
    run = Run()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001  whatever it is, callers must not be left waiting
            result = without_frames(error)
        run.future.set_result(result)

    _workers.submit(work)
    return run


def _after_fork() -> None:
    """In a child there are no worker threads, and a lock may be held by a thread that stayed in the parent."""
    global _lock, _workers
    _lock, _workers = threading.RLock(), Workers()
    for source in list(_sources.values()):
        if source.policy.keep_warm:
            source._warming = False
            source._schedule_keep_warm()


def at_exit() -> None:
    """Begin nothing more; called by `_auth` after the exit handlers of whoever imported krauth first."""
    _workers.drain(EXIT_GRACE)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
