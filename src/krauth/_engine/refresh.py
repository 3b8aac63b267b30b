"""How a token is obtained and refreshed, as a generator of steps: it does no I/O, starts no thread, reads no clock.

`refresh()` yields steps (`steps`). The driver, a test with scripted answers or a simulation performs each step and
sends its result back, or throws the error. The position in the generator is the state.

The decisions are in `rules` and `knowledge`. Every token has a number: the number of the token before it plus 1. The
store tells which token is newer by it, since the clocks of two machines differ. `docs/protocol.md` has the whole
protocol on one page.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

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
from .._values.value import replace
from .asking import ask
from .knowledge import Knowledge, Outcome, Start, Unsaved
from .rules import (
    BACKOFF,
    LEASE_MARGIN,
    LEASE_RESERVE,
    MAX_BACKOFF,
    MAX_POLL,
    POLL,
    REMEMBER_DEAD,
    NumberedToken,
    asked_pause,
    is_transient,
    number_of,
    shared_pause,
)
from .steps import Emit, Reread, Sleep

if TYPE_CHECKING:
    from .._values.token import Token
    from .steps import Flow
    from .store_steps import StoreSteps

#: Seconds for which an application counts as free of penalties after two of its token requests succeeded.
PROVEN = 600.0


def refresh(start: Start) -> Flow[Outcome]:
    """Obtain, refresh or adopt a token, in rounds. No lease is held while the flow waits for the next round."""
    clock, credentials = start.clock, start.credentials
    deadline = clock.monotonic() + start.policy.timeout
    flow, identity = _Refresh(start, deadline), credentials.identity
    was_reread = was_signed_anew = False
    attempt, poll = 1, POLL
    while True:
        wait: float | None
        failed: KrauthError | None = None
        try:
            if (newest := (yield from flow.round(may_sign_anew=not was_signed_anew))) is not None:
                return Outcome(newest)
            error: KrauthError = TokenTransportError(
                f"another process has been refreshing this token for {start.policy.timeout:.0f} s without result;"
                " it is tried again with the next call"
            )
            wait, poll = poll * (0.5 + start.jitter()), min(2 * poll, MAX_POLL)
        except _WrongClock:
            was_signed_anew = True  # once: a second refusal is not the clock's fault
            continue
        except KrauthError as failure:
            may_be_the_secret = isinstance(failure, TokenError) and failure.may_be_the_secret and not was_reread
            if may_be_the_secret and (yield Reread(credentials, identity)):
                was_reread, newest = True, flow.newest  # once: a second refusal is not the old secret's fault
                flow = _Refresh(start, deadline)  # the key of a store's entry depends on the secret
                flow.newest = newest
                continue
            error = failed = failure
            wait = flow.pause_after(failure, attempt)
            attempt += 1
        if wait is None or clock.monotonic() + wait >= deadline:
            return Outcome(flow.newest, error)
        yield Sleep(wait, failed)


class _WrongClock(Exception):
    """A timestamp was refused while our idea of the server's time was wrong; it is known now."""


class _Refresh(Knowledge):
    """One refresh under way."""

    __slots__ = ()

    def round(self, *, may_sign_anew: bool) -> Flow[NumberedToken | None]:
        """Look, take the lease, look again, send one request, save, give the lease back.

        `None`: another process has the lease, or ours ended before anything was sent.
        """
        yield from self._store.load()
        if self._is_adoptable():
            return (yield from self._adopt())
        if self._start.credentials.uses_refresh_token:
            self._ours_is_newer()  # without a refresh token there is nothing to take a lease for
            self._start.credentials.prepare_token_request(self._start.clock.time(), self.newest.token)
        yield from self._heed_pause(self._store)
        if self._application is None:
            return (yield from self._with_lease(may_sign_anew))
        try:
            newest = yield from self._with_application(self._application, may_sign_anew)
        except Exception:
            yield from self._application.release()
            raise
        yield from self._application.release()
        return newest

    def _with_application(self, entry: StoreSteps, may_sign_anew: bool) -> Flow[NumberedToken | None]:
        """Look for a penalty. Until two token requests have succeeded, those of an application go one by one."""
        start, application = self._start, self._start.credentials.application
        assert application is not None
        if start.proven.get(application, 0.0) > start.clock.monotonic():
            yield from entry.load()
        elif not (yield from entry.acquire()):
            return None
        yield from self._heed_pause(entry)
        newest = yield from self._with_lease(may_sign_anew)
        if newest is not None and entry.record is not None and entry.has_lease:
            with contextlib.suppress(TokenStoreError):
                yield from entry.save(Record(), release=True)  # the penalty is over
        return newest

    def _with_lease(self, may_sign_anew: bool) -> Flow[NumberedToken | None]:
        store = self._store
        if not (yield from store.acquire()):
            return None
        try:
            # The last holder of the lease may have refreshed, or failed, since the first look.
            if self._is_adoptable():
                newest: NumberedToken | None = yield from self._adopt()
            else:
                yield from self._heed_pause(store)
                newest = yield from self._attempt(may_sign_anew)
        except Unsaved as unsaved:
            # The lease is not given back: a sibling would send the refresh token that is spent already.
            raise unsaved.error from unsaved.error.__cause__
        except Exception:
            yield from store.release()
            raise
        yield from store.release()
        return newest

    def pause_after(self, error: KrauthError, attempt: int) -> float | None:
        """Return the seconds before the next attempt, or `None` for no further attempt."""
        if not is_transient(error) or attempt >= self._start.policy.attempts:
            return None
        backoff = self._start.jitter() * min(BACKOFF * 2.0 ** (attempt - 1), MAX_BACKOFF)
        return max(backoff, asked_pause(error), self._left_of_pause(self._store))

    # One token request.

    def _attempt(self, may_sign_anew: bool) -> Flow[NumberedToken | None]:
        start, store, credentials, clock = self._start, self._store, self._start.credentials, self._start.clock
        if self._ours_is_newer():
            yield from self._keep(release=False)
            if self._is_usable(self.newest.token):
                return self.newest
        last = self.newest.token
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
        limit = min(start.policy.attempt_timeout, time_left)
        if not credentials.uses_refresh_token:  # an answer that brings the next refresh token is waited for
            limit = min(limit, self._deadline - clock.monotonic())
        sent_at = clock.time()
        try:
            response = yield from ask(credentials, clock, start.skew, request.within(max(0.1, limit)))
            token = credentials.process_token_response(response, sent_at, last)
        except TokenError as error:
            if isinstance(error, InvalidGrantError) and credentials.uses_refresh_token and last is not None:
                return (yield from self._after_invalid_grant(error, last, was_interrupted))
            if may_sign_anew and self._may_be_the_clock(error, ahead):
                raise _WrongClock from None
            yield from self._after_failure(error, last, sent_at)
            raise
        if credentials.application is not None:
            # The penalty grants one token an hour, so that one success proves nothing, and two do.
            is_first = credentials.application not in start.proven
            start.proven[credentials.application] = 0.0 if is_first else clock.monotonic() + PROVEN
        mine = self.newest = self._successor(token)
        if (yield from self._keep()) is not mine:
            if not self._is_usable(self.newest.token):
                raise TokenTransportError("another process refreshed this token meanwhile; it is tried again at once")
            yield Emit("adopted", self.newest.token)
        elif last is not None and token.access_token == last.access_token:
            yield Emit("reused", token)  # Naver answers so while 30 minutes or more remain
        else:
            yield Emit("obtained" if last is None else "refreshed", token)
            if detail := credentials.missing_scope(token):
                yield Emit("narrowed", token, detail=detail)
        return self.newest

    def _may_be_the_clock(self, error: TokenError, ahead_before: float) -> bool:
        """Whether a refusal came while our idea of the server's time was off by more than its `Date` can be."""
        if not self._start.credentials.signs_time or not isinstance(error, TokenEndpointError):
            return False
        if error.transient or isinstance(error, IPNotAllowedError):
            return False
        return abs(self._start.server_ahead() - ahead_before) >= 1.0

    def _after_invalid_grant(
        self, error: InvalidGrantError, spent: Token, was_interrupted: bool
    ) -> Flow[NumberedToken]:
        """A sibling's newer token is adopted before `invalid_grant` is believed; else the user signs in again."""
        why = "the server no longer accepts the refresh token"
        if was_interrupted:
            why += " (a refresh was interrupted before, so that the server's answer to it was never saved)"
        # The number stays: it says which refresh token is dead. No other process, and no restart, sends it again.
        ends = self._start.clock.time() + REMEMBER_DEAD
        dead = NumberedToken(replace(spent, refresh_token=None, refresh_expires_at=ends), self.newest.number)
        yield from self._store.load()  # in a store without leases a sibling may have refreshed meanwhile
        record = self._store.record
        if record is not None and record.token is not None and number_of(record, dead) > dead.number:
            self.newest = NumberedToken(record.token, number_of(record, dead))
        else:
            self.newest = dead
            if (yield from self._keep()) is dead:
                raise self._start.credentials.authorization_required(why) from error
        if not self._is_usable(self.newest.token):
            raise TokenTransportError("another process refreshed this token meanwhile; it is tried again at once")
        yield Emit("adopted", self.newest.token)
        return self.newest

    def _after_failure(self, error: TokenError, last: Token | None, sent_at: float) -> Flow[None]:
        """Save a refresh token that came without a usable access token; save the failure for other processes."""
        credentials, clock, store = self._start.credentials, self._start.clock, self._store
        successor = getattr(error, "refresh_token", None)
        if successor is not None and last is not None and credentials.uses_refresh_token:
            over = replace(
                last,
                obtained_at=sent_at,
                refresh_token=successor.reveal(),
                refresh_expires_at=None,
                expires_at=clock.time(),
            )
            self.newest = self._successor(over)
            yield from self._keep()
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
        except StoreConflict as conflict:  # another process has learnt something newer
            yield Emit("conflict", detail=str(conflict))
        except TokenStoreError as failure:
            yield Emit("store_failed", None, failure)
