"""TokenSource: one token, one refresh at a time, for every thread, task, event loop and auth object of the process.

All state of a token changes here. `refresh` decides, `driver` performs the decisions in a thread of `workers`, and
`run` lets callers of any kind wait. What all sources share is in `process`; `keep_warm` refreshes without traffic.
Reading a fresh token takes no lock: a `Snapshot` is immutable and replaced as a whole.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
from typing import TYPE_CHECKING, Any

from .._oauth.credentials import Credentials
from .._values.clock import SYSTEM, current_clock
from .._values.exceptions import AuthorizationRequired, ConfigurationError, KrauthError, without_frames
from .._values.guard import shown_key
from .._values.record import Record
from .._values.token import RefreshPolicy, Token, TokenState
from .._values.value import replace
from . import process
from .backoff import NO_MEMORY, Failure, Hopeless, Memory
from .driver import Driver, key_in
from .knowledge import Outcome, Start
from .refresh import refresh
from .rules import LEASE_MARGIN, NOTHING, NumberedToken, clock_delay, is_about_the_way, number_of, window_of
from .run import Run, deliver
from .snapshot import Snapshot
from .steps import Emit
from .workers import NoThread

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .._values.clock import Clock
    from .._values.event import Cause, Kind
    from .._values.messages import Sender
    from .._values.secret import Secret
    from ..stores import TokenStore
    from .keep_warm import Warmth
    from .run import Drive, Transport
    from .steps import Flow
    from .user_flows import UserFlows
    from .workers import Workers

    T = TypeVar("T")

DEFAULT_POLICY = RefreshPolicy()

#: The methods of the usual clock, bound once: a pair for each source would take 128 bytes.
_SYSTEM = (SYSTEM.time, SYSTEM.monotonic)


class TokenSource:
    """The token of one key in one store.

    `TokenSource.shared` returns one, so that equal credentials share it. It lives as long as something refers to it.

    Attributes:
        snapshot: The token in memory, replaced as a whole; read without a lock.
        warmth: Refreshing without traffic, if that was asked for.
    """

    __slots__ = (
        "__weakref__",
        "_memory",
        "_run",
        "clock",
        "credentials",
        "monotonic",
        "policy",
        "snapshot",
        "store",
        "time",
        "warmth",
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
        self.time, self.monotonic = _SYSTEM if self.clock is SYSTEM else (self.clock.time, self.clock.monotonic)
        self.workers = workers
        self.snapshot: Snapshot | None = None
        self._run: Run[Snapshot] | None = None
        self._memory = NO_MEMORY
        self.warmth: Warmth | None = None
        self.begin_with(process.static_snapshot(self) if process.static else None)

    @classmethod
    def shared(cls, credentials: Credentials, store: TokenStore, policy: RefreshPolicy | None) -> TokenSource:
        """Return the process's one source for credentials, store and policy.

        Auth objects with different policies have a source each, and share the token through the store: a policy
        changes nothing for objects that were made with another.
        """
        clock = current_clock()
        place = _place_of(store, clock, policy or DEFAULT_POLICY)
        beyond = credentials.beyond_key
        if type(credentials).identity is not Credentials.identity:
            beyond = (credentials.identity,)  # a provider's own, which may tell more apart
        name = (place, key_in(store, credentials), *beyond)
        source: TokenSource | None = process.registry.get(name)
        if source is None:
            made = cls(credentials, store, policy, clock=clock)
            with process.lock:
                source = process.registry.setdefault(name, made)
        return source

    # Reading.

    def peek(self, transport: Transport) -> Snapshot | None:
        """Return the token if it is good, at once; when it is stale, refresh it in the background."""
        snapshot = self.snapshot
        if snapshot is None or (snapshot.fresh_mono > self.monotonic() and snapshot.fresh_wall > self.time()):
            return snapshot
        if snapshot.good_mono <= self.monotonic() or snapshot.good_wall <= self.time():
            return None
        if self._running() is None and self._may_refresh_in_background(transport):
            try:
                self.start(transport, urgent=False)
            except ConfigurationError as error:  # the token is still good: the caller need not notice
                self.remember(error, transport.way)
        return snapshot

    def peek_with_life_left(self, transport: Transport) -> Snapshot | None:
        """Return the token unless it is about to be refreshed: for a request whose body can be sent only once."""
        snapshot = self.peek(transport)
        is_stale = snapshot is not None and snapshot.state(self.monotonic(), self.time()) is not TokenState.FRESH
        return None if is_stale and self._may_refresh_in_background(transport) else snapshot

    @property
    def current(self) -> Token | None:
        """The newest token in memory, even if it has expired."""
        return self._newest.token

    # Waiting.

    def obtain(self, transport: Transport, *, refused: Secret | None = None, forced: bool = False) -> Snapshot:
        """Wait for a token, or for another than the access token `refused`.

        Raises:
            KrauthError: There is none.
        """
        thawed = False
        while True:
            run = self.start(transport, refused=refused.reveal() if refused else None, forced=forced)
            # After a refusal the caller is inside the `send` of its client, and may hold a lock that a request needs.
            inside = refused is not None and run.way is transport.way
            # A request that spends a refresh token stays in a worker: an interrupt would lose the answer.
            helps = inside and transport.is_bounded and not self.credentials.uses_refresh_token
            inside = inside and transport.tells_leaving and not helps
            outcome = run.wait(self.policy, helps=helps, inside=inside)
            if not self._must_ask_again(run, transport, outcome, thawed):
                return deliver(outcome)
            thawed = thawed or isinstance(outcome, Snapshot)

    async def aobtain(self, transport: Transport, *, refused: Secret | None = None, forced: bool = False) -> Snapshot:
        """Await a token; see `obtain`."""
        thawed = False
        while True:
            run = self.start(transport, refused=refused.reveal() if refused else None, forced=forced)
            outcome = await run.wait_async(self.policy)
            if not self._must_ask_again(run, transport, outcome, thawed):
                return deliver(outcome)
            thawed = thawed or isinstance(outcome, Snapshot)

    def _must_ask_again(
        self, run: Run[Snapshot], transport: Transport, outcome: Snapshot | BaseException, thawed: bool
    ) -> bool:
        """Whether a run that has ended says nothing about this caller.

        Args:
            run: The run.
            transport: The caller's.
            outcome: Of the run.
            thawed: Whether an outcome was over before. Then the tokens of this server live for less than a request
                takes: the token is used once, as one that is over when it comes.
        """
        if isinstance(outcome, BaseException):
            # A fact about another caller's way to the server.
            return is_about_the_way(outcome) and run.way is not transport.way and run.future.done()
        if thawed:
            return False
        # The process was suspended for longer than the new token lives.
        has_life = outcome.token.expires_in(outcome.token.obtained_at) > 0
        return has_life and outcome.state(self.monotonic(), self.time()) is TokenState.EXPIRED

    def start(
        self,
        transport: Transport,
        *,
        refused: str | None = None,
        forced: bool = False,
        cause: Cause = "expiry",
        urgent: bool = True,
    ) -> Run[Snapshot]:
        """Return the refresh that the caller has to wait for, or a run that is over.

        Args:
            transport: How its token request travels, if one begins.
            refused: The access token that a server refused. A newer one that is there, or comes from a refresh under
                way, takes its place. If the last refresh brought the refused token again, that one is returned.
            forced: Refresh, even if the token is fresh.
            cause: For events, where nothing was refused.
            urgent: Whether a caller waits for it.
        """
        sender: Sender | None = None
        if process.is_busy():
            return self._refresh_here(transport, refused, forced)
        while True:
            with process.busy():
                with process.lock:
                    run = self._answer(transport.way, refused, forced)
                    if run is None and sender is not None:
                        run = self._run = self._make_run(transport, sender, refused, forced, cause)
                if run is not None:
                    run.ensure_begun(urgent=urgent)
                    return run
            sender = transport.open()  # not under the lock: it is the user's

    def _answer(self, way: object, refused: str | None, forced: bool) -> Run[Snapshot] | None:
        """Return a run for a caller without beginning one; `None`: one has to begin. The first row that fits."""
        if process.static and (static := process.static_snapshot(self)) is not None:
            return Run.ended(way, static)
        snapshot, usable, now = self.snapshot, self._usable(), self.monotonic()
        is_refused = snapshot is not None and snapshot.token.access_token == refused
        is_good = usable in (TokenState.FRESH, TokenState.STALE) and not is_refused
        failure = self.failure_of(way)
        if snapshot is not None and is_good and not forced and (usable is TokenState.FRESH or refused is not None):
            return Run.ended(way, snapshot)  # it came in the meantime
        if (run := self._running()) is not None:
            return run
        if snapshot is not None and is_refused and self._is_hopeless():
            return Run.ended(way, snapshot)  # no other is to be had
        if failure is not None and failure.until > now:
            return Run.ended(way, snapshot if snapshot is not None and is_good and not forced else failure.error)
        return None

    def _refresh_here(self, transport: Transport, refused: str | None, forced: bool) -> Run[Snapshot]:
        """Refresh in this thread, and tell no other caller of it before it is over."""
        if (found := self._answer(transport.way, refused, forced)) is not None and found.future.done():
            return found
        run = self._make_run(transport, transport.open(), refused, forced, None)
        run.drive_here()
        return run

    def _make_run(
        self, transport: Transport, sender: Sender, refused: str | None, forced: bool, cause: Cause | None
    ) -> Run[Snapshot]:
        snapshot = self.snapshot
        why = None if forced else cause
        run: Run[Snapshot] = Run(transport.way, refused, self.monotonic(), forced=forced, cause=why)
        start = Start(
            self.credentials,
            self.policy,
            self.clock,
            process.skew,
            process.proven,
            self._newest,
            self._usable(),
            refused=refused,
            forced=forced,
        )
        if snapshot is not None and snapshot.token.access_token == refused:
            self.snapshot = snapshot.withheld()
        if self.policy.keep_warm and self.warmth is None:
            from .keep_warm import Warmth

            self.warmth = Warmth(transport, False)
        run.begin_with(Driver(self, run, sender, refresh(start), functools.partial(self.finish, run)))
        return run

    def perform(
        self,
        transport: Transport,
        flow: Callable[[UserFlows], Flow[NumberedToken]],
    ) -> Run[Token | None]:
        """Drive a flow that replaces the token; the run ends with the new token, or with the flow's error."""
        from .user_flows import UserFlows  # most programs never sign a user in, revoke or forget

        run: Run[Token | None] = Run(transport.way, requests_beyond=2)
        steps = flow(UserFlows(self.credentials, self.policy, self.clock, process.skew, self._newest))

        def finish(outcome: NumberedToken | BaseException) -> None:
            if isinstance(outcome, BaseException):
                return run.finish(outcome)
            self.replace(outcome)
            self._schedule()
            return run.finish(outcome.token)

        return self._begin(run, Driver(self, run, transport.open(), steps, finish))

    def ask(self, transport: Transport, steps: Flow[T]) -> Run[T]:
        """Drive a flow that changes nothing; the run ends with its result or its error."""
        run: Run[T] = Run(transport.way, requests_beyond=2)
        return self._begin(run, Driver(self, run, transport.open(), steps, run.finish))

    def _begin(self, run: Run[T], driver: Drive) -> Run[T]:
        run.begin_with(driver)
        if process.is_busy():
            run.drive_here()
            return run
        with process.busy():
            run.ensure_begun()
        return run

    # The end of a refresh.

    def finish(self, run: Run[Snapshot], outcome: Outcome | BaseException) -> None:
        """Keep the result of a refresh that has ended, and wake all waiting callers."""
        if isinstance(outcome, BaseException):
            outcome = Outcome(NOTHING, outcome if isinstance(outcome, KrauthError) else KrauthError(str(outcome)))
        error = outcome.error
        result: Snapshot | BaseException
        if error is None:
            result = self._succeed(run, outcome.newest)
        else:
            without_frames(error)
            result = self._fail(run, outcome.newest, error)
        self._schedule()
        run.finish(result)
        if error is not None:
            self.emit(Emit("refresh_failed", error=error), run)

    def _succeed(self, run: Run[Snapshot], newest: NumberedToken) -> Snapshot:
        assert newest.token is not None
        made = self._make_snapshot(newest.token, newest.number, is_adopted=run.request.attempt is None)
        with process.lock:
            is_current = self._run is run
            if is_current or newest.number > self._newest.number:
                self.snapshot = made
                if self._memory is not NO_MEMORY:
                    self._memory = Memory(self._memory.number, hopeless=self._memory.hopeless)
                if run.refused == newest.token.access_token:
                    self.refused_again()
            if is_current:
                self._run = None
        return made

    def _fail(self, run: Run[Snapshot], newest: NumberedToken, error: KrauthError) -> Snapshot | BaseException:
        with process.lock:
            if self._run is not run:
                return error  # it was given up, or its token was replaced meanwhile
            self._run = None
            self.remember(error, run.way)
            if self.snapshot is not None:
                self.snapshot = self.snapshot.holding(newest if newest != NOTHING else self.snapshot.newest)
            elif newest.token is not None:
                self.snapshot = Snapshot.unusable(newest.token, newest.number)
            if isinstance(error, AuthorizationRequired) and error.revoked:
                self.snapshot, self._memory = None, replace(self._memory, number=newest.number)
            snapshot = self.snapshot
            is_good = self._usable() in (TokenState.FRESH, TokenState.STALE)
            # Waiting callers get the old token if it is good and was not refused.
            if snapshot is not None and is_good and snapshot.token.access_token != run.refused and not run.forced:
                return snapshot
            return error

    def remember(self, error: BaseException, way: object) -> None:
        """Remember a failure of a way to the server, or of the token."""
        with process.lock:
            now = self.monotonic()
            self._memory = replace(self._memory.failed(error, now, way), identity=self.credentials.identity)
            failure = self._memory.failures[-1]
            self._stay_alive(failure.until - now)

    def refused_again(self) -> None:
        """A token is refused although it is new: another would be too, so none is obtained for that for a while."""
        with process.lock:
            now = self.monotonic()
            hopeless = Hopeless.after(self._memory.hopeless, now)
            self._memory = replace(self._memory, hopeless=hopeless)
            self._stay_alive(hopeless.until - now)

    def replace(self, newest: NumberedToken) -> None:
        """Take a token that came another way (an authorization code), or none (it was revoked or forgotten)."""
        with process.lock:
            self._run, self._memory = None, Memory(newest.number)
            self.snapshot = None if newest.token is None else self._make_snapshot(newest.token, newest.number)

    @property
    def run(self) -> Run[Snapshot] | None:
        """The refresh under way, if there is one."""
        return self._running()

    @property
    def state(self) -> TokenState:
        """What the token in memory is good for now."""
        return self._usable()

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The failures that are still remembered."""
        now = self.monotonic()
        return tuple(failure for failure in self._memory.failures if failure.until > now)

    def forget_failures(self) -> None:
        """Forget every remembered failure: the next call tries again."""
        with process.lock:
            self._memory = Memory(self._memory.number)

    # Rules about now.

    @property
    def _newest(self) -> NumberedToken:
        """The newest token known, with its number."""
        snapshot = self.snapshot
        return NumberedToken(None, self._memory.number) if snapshot is None else snapshot.newest

    def _running(self) -> Run[Snapshot] | None:
        run = self._run
        if run is None or run.pid != os.getpid() or run.future.done():  # after a fork the parent's is not ours
            return None
        # A refresh that hangs in a user's transport or store is given up. Its lease has ended, so its save is refused.
        limit = self.policy.timeout + self.policy.attempt_timeout + LEASE_MARGIN
        if run.begun.waits:
            limit += self.policy.queue_timeout
        return run if run.begun.source_at + limit > self.monotonic() else None

    def _usable(self) -> TokenState:
        snapshot = self.snapshot
        return TokenState.MISSING if snapshot is None else snapshot.state(self.monotonic(), self.time())

    def failure_of(self, way: object) -> Failure | None:
        """Return the remembered failure, unless the client secret was replaced since."""
        failure = self._memory.failure_of(way)
        return failure if failure is None or self._memory.identity == self.credentials.identity else None

    def _is_hopeless(self) -> bool:
        hopeless = self._memory.hopeless
        return hopeless is not None and hopeless.until > self.monotonic()

    def _may_refresh_in_background(self, transport: Transport) -> bool:
        failure = self.failure_of(transport.way)
        return failure is None or failure.retry_at <= self.monotonic()

    def _make_snapshot(self, token: Token, number: int, *, is_adopted: bool = False) -> Snapshot:
        window = window_of(token, self.credentials, self.policy)
        jitter, delay = self.policy.jitter, 0.0
        if jitter is None:
            jitter = window / 20
            delay = clock_delay(window, not is_adopted or process.skew.knows(self.credentials.token_endpoint))
        return Snapshot.of(token, number, window, delay + jitter * random.random(), self.clock)  # noqa: S311

    def _load_now(self) -> None:
        try:
            stored = self.store.load(key_in(self.store, self.credentials))
            record = Record.from_text(stored.value) if stored else None
        except Exception:  # noqa: BLE001  the first refresh meets it again, and reports it
            return
        if record is None or record.token is None:
            return
        token = record.token.shifted(-self._server_ahead())
        if token.expires_in(self.time()) > 0 and self.credentials.is_bound_to(record.proof, record.audience):
            self.snapshot = self._make_snapshot(token, number_of(record, NOTHING), is_adopted=True)

    def _server_ahead(self) -> float:
        return process.skew.settled(self.credentials.token_endpoint)

    def _stay_alive(self, seconds: float) -> None:
        """Keep this source alive for `seconds`.

        An app that builds one auth object per request would otherwise lose the remembered failure with it.
        """
        if seconds > 0:
            with contextlib.suppress(NoThread), process.busy():  # no thread to be had: then the failure is forgotten
                self.threads.after(seconds, functools.partial(_let_go, self))

    def _schedule(self) -> None:
        """Set the timer for the refresh of the token that is there now, if that was asked for."""
        if self.policy.keep_warm:
            from .keep_warm import schedule

            schedule(self)

    def keep_warm(self, transport: Transport) -> None:
        """Refresh without traffic from now on, with this transport."""
        from .keep_warm import begin

        begin(self, transport)

    # The process.

    def begin_with(self, static: Snapshot | None) -> None:
        """Take the token that a test set; `None`: the one that the store holds in memory."""
        self.snapshot = static
        if static is None and not self.store.blocking:
            self._load_now()

    def forget_all(self, static: Snapshot | None) -> None:
        """Forget token, refresh and failures, as in a process that has just begun."""
        self._run, self._memory, self.snapshot = None, NO_MEMORY, static

    def after_fork(self) -> None:
        """Go on in the child of a fork, without the threads of its parent."""
        if self.warmth is not None:
            from .keep_warm import after_fork

            after_fork(self)

    # Telling.

    @property
    def threads(self) -> Workers:
        """The threads that refresh: the process's, unless a test brought others."""
        return self.workers or process.workers

    def emit(self, step: Emit, run: Run[Any] | None = None) -> None:
        """Tell log and observers what happened."""
        process.tell(step, self.credentials, self.time(), run, self.workers)

    def tell(self, kind: Kind, detail: str) -> None:
        """Tell log and observers of something that happened to a request."""
        self.emit(Emit(kind, detail=detail))

    def __repr__(self) -> str:
        return f"<TokenSource {shown_key(self.credentials.local_key)} {self._usable().value}>"


_Place = tuple[int, int, RefreshPolicy]
_last_place: _Place | None = None


def _place_of(store: TokenStore, clock: Clock, policy: RefreshPolicy) -> _Place:
    """Return what all sources of a fleet have in common, as one tuple for all of them."""
    global _last_place
    place = (id(store), id(clock), policy)  # a source refers to store and clock: no other object has their ids
    if (last := _last_place) == place:
        return last
    _last_place = place
    return place


def _let_go(source: TokenSource) -> None:
    """Let go of a source that was kept alive."""
