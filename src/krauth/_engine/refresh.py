"""How a token is obtained and refreshed, as a generator of steps: it does no I/O, starts no thread, reads no clock.

`refresh()` yields steps (`steps`). The driver, a test with scripted answers or a simulation performs each step and
sends its result back, or throws the error. The position in the generator is the state.

The decisions are in `rules`. Every token has a number: the number of the token before it plus 1. The store tells which
token is newer by it, since the clocks of two machines differ. `docs/protocol.md` has the whole protocol on one page.
"""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .._oauth.error_table import find_refusal
from .._values import exceptions
from .._values.clock import Skews
from .._values.exceptions import (
    InvalidClientError,
    InvalidGrantError,
    IPNotAllowedError,
    KrauthError,
    StoreConflict,
    TokenEndpointError,
    TokenError,
    TokenStoreError,
    TokenTransportError,
)
from .._values.record import Pause, Record
from .._values.token import RefreshPolicy, Token, TokenState
from .revoking import discard
from .rules import (
    BACKOFF,
    LEASE_MARGIN,
    LEASE_RESERVE,
    MAX_ASKED,
    MAX_BACKOFF,
    MAX_POLL,
    NOTHING,
    POLL,
    REMEMBER_DEAD,
    Decision,
    Held,
    asked_pause,
    decide,
    is_transient,
    number_of,
    shared_pause,
    window_of,
)
from .steps import Emit, Send, Sleep, Step
from .store_steps import StoreSteps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, MutableMapping

    from .._oauth.credentials import Credentials
    from .._values.clock import Clock
    from .._values.messages import HTTPResponse

#: Seconds for which an application counts as free of penalties after two of its token requests succeeded.
PROVEN = 600.0


@dataclass(frozen=True, slots=True, repr=False)
class Start:
    """The facts that a refresh begins with. They do not change while the refresh runs.

    Attributes:
        credentials: Of the token.
        policy: Deadlines.
        clock: Read, never waited on.
        skew: How far the clocks of token endpoints are ahead of ours; shared by all, measured from `Date`.
        proven: Application → until when it counts as free of penalties, monotonic seconds; shared by all.
        held: The token in memory and its number.
        usable: What `held` is good for by both clocks.
        refused: The access token that a resource server refused, if that is the cause.
        forced: Whether the user asked for a token request, even if the token is fresh.
        jitter: Returns a random number in [0, 1).
    """

    credentials: Credentials
    policy: RefreshPolicy
    clock: Clock
    skew: Skews = field(default_factory=Skews)
    proven: MutableMapping[str, float] = field(default_factory=dict)
    held: Held = NOTHING
    usable: TokenState = TokenState.MISSING
    refused: str | None = None
    forced: bool = False
    jitter: Callable[[], float] = random.random

    def server_ahead(self) -> float:
        """Return the seconds that the token endpoint's clock is ahead of ours, as last measured."""
        return self.skew.ahead(self.credentials.token_endpoint, self.clock.monotonic())

    def settled_ahead(self) -> float:
        """Return the same for times that are saved: without a measurement that no other confirms."""
        return self.skew.settled(self.credentials.token_endpoint)


class Outcome(NamedTuple):
    """The result of a refresh.

    Attributes:
        held: The newest token known, with its number. Where there is an error, the token may be unsaved. No caller
            may use an unsaved token; the next refresh saves it first.
        error: Why there is no token to give out, or `None`.
    """

    held: Held
    error: KrauthError | None = None


def refresh(start: Start) -> Generator[Step, Any, Outcome]:
    """Obtain, refresh or adopt a token, in rounds. No lease is held while the flow waits for the next round."""
    flow, clock, credentials = _Refresh(start), start.clock, start.credentials
    identity, was_reread = credentials.identity, False
    deadline = clock.monotonic() + start.policy.timeout
    attempt, poll = 1, POLL
    while True:
        wait: float | None
        try:
            if (held := (yield from flow.round(deadline))) is not None:
                return Outcome(held)
            error: KrauthError = TokenTransportError(
                f"another process has been refreshing this token for {start.policy.timeout:.0f} s without result;"
                " it is tried again with the next call"
            )
            wait, poll = poll * (0.5 + start.jitter()), min(2 * poll, MAX_POLL)
        except _WrongClock:
            continue
        except KrauthError as failure:
            may_be_the_secret = isinstance(failure, TokenError) and failure.may_be_the_secret and not was_reread
            if may_be_the_secret and credentials.reread_secret(identity):
                was_reread, held = True, flow.held  # once: a second refusal is not the old secret's fault
                flow = _Refresh(start)  # the key of a store's entry depends on the secret
                flow.held = held
                continue
            error, wait = failure, flow.pause_after(failure, attempt)
            attempt += 1
        if wait is None or clock.monotonic() + wait >= deadline:
            return Outcome(flow.held, error)
        yield Sleep(wait)


class _Unsaved(Exception):
    """The store failed for as long as the lease lasts; the lease is left to end by itself."""

    def __init__(self, error: TokenStoreError) -> None:
        super().__init__()
        self.error = error


class _WrongClock(Exception):
    """A timestamp was refused while our idea of the server's time was wrong; it is known now."""


class _Refresh:
    """One refresh under way: the newest token that it knows, and the entries of the store."""

    __slots__ = ("_application", "_sent_at", "_signed_anew", "_start", "_store", "held")

    def __init__(self, start: Start) -> None:
        self._start = start
        self.held = start.held
        self._signed_anew = False
        #: When the last token request was sent, seconds since the epoch.
        self._sent_at: float | None = None
        self._store = StoreSteps(start.credentials, start.policy, start.clock, start.settled_ahead)
        #: The entry that all tokens of the application share, where the provider punishes applications.
        self._application: StoreSteps | None = None
        if (key := start.credentials.application) is not None:
            self._application = StoreSteps(start.credentials, start.policy, start.clock, start.settled_ahead, key=key)

    def round(self, deadline: float) -> Generator[Step, Any, Held | None]:
        """Look, take the lease, look again, send one request, save, give the lease back.

        `None`: another process has the lease, or ours ended before anything was sent.
        """
        yield from self._store.load()
        if self._is_adoptable():
            return (yield from self._adopt())
        if self._start.credentials.uses_refresh_token:
            self._ours_is_newer()  # without a refresh token there is nothing to take a lease for
            self._start.credentials.prepare_token_request(self._start.clock.time(), self.held.token)
        yield from self._heed_pause(self._store)
        if self._application is None:
            return (yield from self._with_lease(deadline))
        try:
            held = yield from self._with_application(deadline, self._application)
        except Exception:
            yield from self._application.release()
            raise
        yield from self._application.release()
        return held

    def _with_application(self, deadline: float, entry: StoreSteps) -> Generator[Step, Any, Held | None]:
        """Look for a penalty. Until two token requests have succeeded, those of an application go one by one."""
        start, application = self._start, self._start.credentials.application
        assert application is not None
        if start.proven.get(application, 0.0) > start.clock.monotonic():
            yield from entry.load()
        elif not (yield from entry.acquire()):
            return None
        yield from self._heed_pause(entry)
        held = yield from self._with_lease(deadline)
        if held is not None and entry.record is not None and entry.has_lease:
            with contextlib.suppress(TokenStoreError):
                yield from entry.save(Record(), release=True)  # the penalty is over
        return held

    def _with_lease(self, deadline: float) -> Generator[Step, Any, Held | None]:
        store = self._store
        if not (yield from store.acquire()):
            return None
        try:
            # The last holder of the lease may have refreshed, or failed, since the first look.
            if self._is_adoptable():
                held: Held | None = yield from self._adopt()
            else:
                yield from self._heed_pause(store)
                held = yield from self._attempt(deadline)
        except _Unsaved as unsaved:
            # The lease is not given back: a sibling would send the refresh token that is spent already.
            raise unsaved.error from unsaved.error.__cause__
        except Exception:
            yield from store.release()
            raise
        yield from store.release()
        return held

    # Decisions about the entry in the store.

    def _is_adoptable(self) -> bool:
        """Whether to use the stored token instead of obtaining another."""
        start, record = self._start, self._store.record
        if record is None:
            return False
        number, token = number_of(record, self.held), record.token
        if token is None:
            self._heed_mark(record, number)
            return False
        if start.forced or token.access_token == start.refused:
            return False
        if not start.credentials.is_bound_to(record.proof, record.audience):
            return False  # obtained with another secret or for other origins: a refresh tells whether ours is right
        # A refresh of a token that is fresh by our clocks began since it, or the one before it, was refused.
        ours = start.usable
        if start.refused is not None or ours is TokenState.FRESH:
            ours = TokenState.EXPIRED
        if number <= self.held.number and self.held != NOTHING:
            # The same one, or an older one out of a backup. That is welcome only where ours is over in any case.
            is_over = ours is TokenState.EXPIRED and start.refused is None
            if number == self.held.number or not is_over or start.credentials.uses_refresh_token:
                return False
        window = window_of(token, start.credentials, start.policy)
        return decide(ours, token.state(start.clock.time(), window)) is Decision.ADOPT

    def _adopt(self) -> Generator[Step, Any, Held]:
        record = self._store.record
        assert record is not None
        self.held = Held(record.token, number_of(record, self.held))
        yield Emit("adopted", record.token)
        return self.held

    def _heed_mark(self, record: Record, number: int) -> None:
        """An entry without a token: it was revoked or forgotten. That wins over every token from before."""
        if number < self.held.number or (record.revoked_at is None and number == self.held.number):
            return
        self.held = Held(None, number)
        if record.revoked_at is not None and self._start.credentials.uses_refresh_token:
            error = self._start.credentials.authorization_required("the token was revoked")
            error.revoked = True
            raise error

    def _heed_pause(self, entry: StoreSteps) -> Generator[Step, Any, None]:
        """Raise what another process has learnt: until a certain time a token request would be refused, or fail."""
        left = self._left_of_pause(entry)
        if left > 0:
            assert entry.record is not None
            assert entry.record.pause is not None
            yield Emit("not_before", detail=f"{entry.record.pause.why} ({left:.0f} s)")
            raise _remembered(entry.record.pause, left, self._start.credentials)

    def _left_of_pause(self, entry: StoreSteps) -> float:
        pause = entry.record.pause if entry.record is not None else None
        left = 0.0 if pause is None else pause.until - self._start.clock.time()
        # No pause is that long: it was saved while a clock was wrong, or is no pause of ours.
        return left if left <= 2 * MAX_ASKED else 0.0

    def pause_after(self, error: KrauthError, attempt: int) -> float | None:
        """Return the seconds before the next attempt, or `None` for no further attempt."""
        if not is_transient(error) or attempt >= self._start.policy.attempts:
            return None
        backoff = self._start.jitter() * min(BACKOFF * 2.0 ** (attempt - 1), MAX_BACKOFF)
        return max(backoff, asked_pause(error), self._left_of_pause(self._store))

    # One token request.

    def _attempt(self, deadline: float) -> Generator[Step, Any, Held | None]:
        start, store, credentials, clock = self._start, self._store, self._start.credentials, self._start.clock
        if self._ours_is_newer():
            yield from self._keep(deadline, release=False)
            if self._is_usable(self.held.token):
                return self.held
        last = self.held.token
        # The server checks a timestamp by its own clock. Lifetimes are measured by ours throughout.
        ahead = start.server_ahead() if credentials.signs_time else 0.0
        request = credentials.prepare_token_request(clock.time() + ahead, last)
        was_interrupted = store.record is not None and store.record.intent_at is not None
        if credentials.uses_refresh_token:
            if was_interrupted:
                yield Emit(
                    "sent_again", detail="a refresh with this refresh token began before, and its end is not known"
                )
            yield from store.save(self._record(intent_at=clock.time()))
        # A point of no return: the lease may have ended while this process was suspended, or the store was slow.
        time_left = store.lease_left - LEASE_MARGIN  # the margin is for the save of the answer
        if time_left < min(LEASE_RESERVE, start.policy.attempt_timeout / 2):
            yield Emit("lease_lost", detail="it ended before the token request was sent; the refresh begins anew")
            return None
        limit = min(start.policy.attempt_timeout, deadline - clock.monotonic(), time_left)
        sent_at, started = clock.time(), clock.monotonic()
        self._sent_at = sent_at
        try:
            response: HTTPResponse = yield Send(request.within(max(0.1, limit)))
            self._measure(response, sent_at, started)
            token = credentials.process_token_response(response, sent_at, last)
        except TokenError as error:
            if isinstance(error, InvalidGrantError) and credentials.uses_refresh_token and last is not None:
                return (yield from self._after_invalid_grant(error, last, was_interrupted, deadline))
            if not self._signed_anew and self._may_be_the_clock(error, ahead):
                self._signed_anew = True  # once: a second refusal is not the clock's fault
                raise _WrongClock from None
            yield from self._after_failure(error, last, deadline)
            raise
        if credentials.application is not None:
            # The penalty grants one token an hour, so that one success proves nothing, and two do.
            is_first = credentials.application not in start.proven
            start.proven[credentials.application] = 0.0 if is_first else clock.monotonic() + PROVEN
        mine = self.held = self._successor(token)
        if (yield from self._keep(deadline)) is not mine:
            if not self._is_usable(self.held.token):
                raise TokenTransportError("another process refreshed this token meanwhile; it is tried again at once")
            yield Emit("adopted", self.held.token)
        elif last is not None and token.access_token == last.access_token:
            yield Emit("reused", token)  # Naver answers so while 30 minutes or more remain
        else:
            yield Emit("obtained" if last is None else "refreshed", token)
            if detail := credentials.missing_scope(token):
                yield Emit("narrowed", token, detail=detail)
        return self.held

    def _may_be_the_clock(self, error: TokenError, ahead_before: float) -> bool:
        """Whether a refusal came while our idea of the server's time was off by more than its `Date` can be."""
        if not self._start.credentials.signs_time or not isinstance(error, TokenEndpointError):
            return False
        if error.transient or isinstance(error, IPNotAllowedError):
            return False
        return abs(self._start.server_ahead() - ahead_before) >= 1.0

    def _successor(self, token: Token) -> Held:
        return Held(token, max(self.held.number, number_of(self._store.record, self.held)) + 1)

    def _ours_is_newer(self) -> bool:
        """Choose the token to go on with; true where it is ours, and the store has to be given it first."""
        record, ours = self._store.record, self.held
        stored = Held(record.token if record is not None else None, number_of(record, ours))
        if ours.token is not None and stored.number <= ours.number:
            if stored.number < ours.number or stored.token is None:
                return self._start.credentials.uses_refresh_token
            if ours.token.refresh_token is None and stored.token.refresh_token is not None:
                return True  # a refresh token that one of the two calls dead is dead
            if _is_same(ours.token, stored.token) and stored.token.refresh_token == ours.token.refresh_token:
                return False  # the same one; our clock's times of it are exact
        if stored.token is not None or stored.number > ours.number:
            self.held = stored
        return False

    def _is_usable(self, token: Token | None) -> bool:
        start = self._start
        if token is None or start.forced or token.access_token == start.refused:
            return False
        return token.expires_in(start.clock.time()) > 0

    def _measure(self, response: HTTPResponse, sent_at: float, started: float) -> None:
        """Learn from the `Date` of an answer how far the server's clock is from ours."""
        start = self._start
        now = start.clock.monotonic()
        endpoint, date = start.credentials.token_endpoint, response.header("date")
        start.skew.measure(endpoint, date, sent_at, sent_at + now - started, now)

    def _record(self, *, intent_at: float | None = None) -> Record:
        credentials, before = self._start.credentials, self._store.record
        proof: str | None
        audience: str | None
        is_ours = before is not None and credentials.is_bound_to(before.proof, before.audience)
        if before is not None and (intent_at is not None or (before.proof is not None and is_ours)):
            # The binding changes only after the server has accepted our secret. Otherwise a caller with a wrong secret
            # would count as the owner after its refused request. A new proof also costs time (bcrypt).
            proof, audience = before.proof, before.audience
        else:
            proof, audience = credentials.binding()
        # A pause that is over still tells how many failures there were: the next one is longer.
        pause = before.pause if before is not None and intent_at is not None else None
        if self._sent_at is not None and credentials.min_interval > 0:
            why = f"the server issues one token in {credentials.min_interval:.0f} s"
            pause = Pause(self._sent_at + credentials.min_interval, 0, why, "RateLimitError")
        return Record(self.held.token, intent_at, pause=pause, number=self.held.number, proof=proof, audience=audience)

    # After the answer: the new token is saved, and the result is saved for the other processes.

    def _keep(self, deadline: float, *, release: bool = True) -> Generator[Step, Any, Held]:
        """Make `held` durable, and return the token in force: it, or a sibling's with a higher number.

        There is one way out of a conflict: load; revoked → stop; a higher number → take it; else again, under the
        lease. The lease is not given back while the token that it protects is not durable.

        Raises:
            _Unsaved: The store failed for as long as the lease lasts.
        """
        store, mine, pause = self._store, self.held, BACKOFF
        while True:
            try:
                if not store.has_lease:
                    yield from self._lease_again(mine, deadline)
                    if self.held is not mine:
                        return self.held
                if not _is_kept(mine, store.record):
                    yield from store.save(self._record(), release=release)
                return mine
            except StoreConflict as error:
                yield Emit("conflict", detail=str(error))
            except TokenStoreError as error:
                if not self._start.credentials.uses_refresh_token:
                    if self._start.policy.require_store:
                        raise
                    return mine  # a token that costs nothing is used all the same
                if store.lease_left <= pause:
                    store.abandon()
                    yield Emit("unsaved", mine.token, error)
                    raise _Unsaved(error) from error
                yield Sleep(pause)
                pause = min(2 * pause, MAX_BACKOFF)

    def _lease_again(self, mine: Held, deadline: float) -> Generator[Step, Any, None]:
        """Take the lease anew after a conflict; then `held` is a sibling's token where that is the newer one."""
        store, start, poll = self._store, self._start, POLL
        while not (yield from store.acquire()):
            if start.clock.monotonic() + poll >= deadline + start.policy.attempt_timeout:
                raise TokenStoreError("another process has held the lease all the while, so the token was not saved")
            yield Sleep(poll)
            poll = min(2 * poll, MAX_POLL)
        record = store.record
        if record is None:
            return
        number = number_of(record, mine)
        if record.token is None and mine.token is not None and number >= mine.number:
            # The user revoked or forgot the token while the server issued the next one.
            if record.revoked_at is not None:
                yield from discard(start.credentials, start.clock, start.policy, mine.token)
            self._heed_mark(record, number)
        is_other = record.token is not None and not _is_same(record.token, mine.token)
        if number > mine.number or (number == mine.number and is_other):
            self.held = Held(record.token, number)

    def _after_invalid_grant(
        self, error: InvalidGrantError, spent: Token, was_interrupted: bool, deadline: float
    ) -> Generator[Step, Any, Held]:
        """A sibling's newer token is adopted before `invalid_grant` is believed; else the user signs in again."""
        why = "the server no longer accepts the refresh token"
        if was_interrupted:
            why += " (a refresh was interrupted before, so that the server's answer to it was never saved)"
        # The number stays: it says which refresh token is dead. No other process, and no restart, sends it again.
        ends = self._start.clock.time() + REMEMBER_DEAD
        dead = Held(replace(spent, refresh_token=None, refresh_expires_at=ends), self.held.number)
        yield from self._store.load()  # in a store without leases a sibling may have refreshed meanwhile
        record = self._store.record
        if record is not None and record.token is not None and number_of(record, dead) > dead.number:
            self.held = Held(record.token, number_of(record, dead))
        else:
            self.held = dead
            if (yield from self._keep(deadline)) is dead:
                raise self._start.credentials.authorization_required(why) from error
        if not self._is_usable(self.held.token):
            raise TokenTransportError("another process refreshed this token meanwhile; it is tried again at once")
        yield Emit("adopted", self.held.token)
        return self.held

    def _after_failure(self, error: TokenError, last: Token | None, deadline: float) -> Generator[Step, Any, None]:
        """Save a refresh token that came without a usable access token; save the failure for other processes."""
        credentials, clock, store = self._start.credentials, self._start.clock, self._store
        successor = getattr(error, "refresh_token", None)
        if successor is not None and last is not None and credentials.uses_refresh_token:
            over = replace(last, refresh_token=successor.reveal(), refresh_expires_at=None, expires_at=clock.time())
            self.held = self._successor(over)
            yield from self._keep(deadline)
            return
        entry = store
        if error.application_wide and self._application is not None and credentials.application is not None:
            entry = self._application
            self._start.proven.pop(credentials.application, None)
        before = entry.record or Record()
        times = before.pause.times + 1 if before.pause is not None else 0
        seconds = shared_pause(error, times, self._start.jitter())
        if isinstance(error, InvalidClientError) and credentials.uses_refresh_token:
            seconds = 0.0  # another process may know the right secret
        if isinstance(error, TokenEndpointError):
            seconds = max(seconds, credentials.min_interval)
        is_refusal = isinstance(error, TokenEndpointError) and not error.transient
        intent_at = None if is_refusal else before.intent_at  # a refused request has spent nothing
        pause = None
        if seconds > 0:
            status, code = getattr(error, "status", None), getattr(error, "code", None)
            pause = Pause(clock.time() + seconds, times, str(error), type(error).__name__, status, code)
        if pause == before.pause and intent_at == before.intent_at:
            return
        try:
            if entry.has_lease or (yield from entry.acquire()):
                yield from entry.save(replace(before, pause=pause, intent_at=intent_at), release=True)
        except TokenStoreError as failure:
            yield Emit("store_failed", None, failure)


def _is_same(one: Token | None, other: Token | None) -> bool:
    return one is not None and other is not None and one.access_token == other.access_token


def _is_kept(held: Held, record: Record | None) -> bool:
    """Whether a record says all that there is to be said: an earlier save failed only as it seemed."""
    if record is None or record.number != held.number or record.intent_at is not None:
        return False
    return _is_same(record.token, held.token) and record.token.refresh_token == held.token.refresh_token  # type: ignore[union-attr]


def _remembered(pause: Pause, left: float, credentials: Credentials) -> TokenError:
    """Return the error that another process met, for one that is spared the same request."""
    kind = getattr(exceptions, pause.kind, None)
    text = f"{pause.why} (no token request is sent before that: {left:.0f} s)"
    if isinstance(kind, type) and issubclass(kind, TokenEndpointError):
        known = kind(text, status=pause.status, code=pause.code, retry_after=left)
        rule = find_refusal(credentials.errors, pause.status or 0, pause.code, {})
        known.may_be_the_secret = kind.may_be_the_secret or rule.may_be_the_secret
        return known
    error = TokenTransportError(text)
    error.retry_after = left
    return error
