"""How a token is renewed, as a generator of steps: no I/O, no threads, no clock of its own.

`renew()` yields steps (`_steps`); whoever drives it (`_driver`, a test with scripted answers, a simulation) performs
each and sends back what came of it, or throws what it raised. Its position is its state.

What it does with what it finds in the store is one table, `_FOUND`; what it does with the server's answer follows
from the kind of error: transient ones are repeated with backoff, definitive ones never.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .._values.clock import measure_skew
from .._values.exceptions import (
    InvalidGrantError,
    IPNotAllowedError,
    KrauthError,
    StoreConflict,
    TokenEndpointError,
    TokenError,
    TokenStoreError,
    TokenTransportError,
)
from .._values.record import Record
from .._values.token import RefreshPolicy, Token, TokenState
from .steps import Acquire, Emit, Load, Release, Save, Send, Sleep, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._oauth.credentials import Credentials
    from .._values.clock import Clock
    from .._values.messages import HTTPResponse
    from ..stores import Lease, Stored

#: Seconds: the first backoff is at most this, doubled with every attempt (full jitter), up to the second figure.
BACKOFF, MAX_BACKOFF = 0.5, 8.0
#: Seconds between looks at a lease that somebody else holds: the first, and the longest.
POLL, MAX_POLL = 0.05, 0.5
#: Seconds for which the store remembers that a refresh token is dead, or was revoked.
REMEMBER_DEAD = 30 * 86400.0
#: Seconds that a lease outlives the one token request it is for.
LEASE_MARGIN = 5.0


class Do(enum.Enum):
    """What to do with the token found in the store."""

    ADOPT = "use it: somebody else renewed"
    RENEW = "obtain a new one"


_S = TokenState
#: (our token, the stored one) → what to do. A token that was refused counts as ours EXPIRED, stored MISSING.
_FOUND = {
    (_S.MISSING, _S.MISSING): Do.RENEW,
    (_S.MISSING, _S.EXPIRED): Do.RENEW,
    (_S.MISSING, _S.STALE): Do.ADOPT,  # callers wait: serve them now, the next one renews in the background
    (_S.MISSING, _S.FRESH): Do.ADOPT,
    (_S.EXPIRED, _S.MISSING): Do.RENEW,
    (_S.EXPIRED, _S.EXPIRED): Do.RENEW,
    (_S.EXPIRED, _S.STALE): Do.ADOPT,
    (_S.EXPIRED, _S.FRESH): Do.ADOPT,
    (_S.STALE, _S.MISSING): Do.RENEW,
    (_S.STALE, _S.EXPIRED): Do.RENEW,
    (_S.STALE, _S.STALE): Do.RENEW,  # nobody waits: adopting would gain nothing
    (_S.STALE, _S.FRESH): Do.ADOPT,
}


@dataclass(slots=True, repr=False)
class Renewal:
    """What is known when a renewal begins.

    Attributes:
        credentials: Whose token.
        policy: Deadlines.
        clock: Read, never waited on.
        skew: Seconds that each token endpoint's clock is ahead of ours; shared, updated from `Date`.
        current: The token in memory, if any.
        usable: What `current` is good for by both clocks.
        refused: The access token that a resource server refused, if that is why.
        unsaved: Whether `current` could not be saved when it was obtained.
        spent: The access token whose refresh token was spent for an unsaved `current`.
        jitter: Returns a random number in [0, 1).
    """

    credentials: Credentials
    policy: RefreshPolicy
    clock: Clock
    skew: dict[str, float] = field(default_factory=dict)
    current: Token | None = None
    usable: TokenState = TokenState.MISSING
    refused: str | None = None
    unsaved: bool = False
    spent: str | None = None
    jitter: Callable[[], float] = random.random

    @property
    def server_ahead(self) -> float:
        """Seconds that the token endpoint's clock is ahead of ours, as last measured."""
        return self.skew.get(self.credentials.token_endpoint, 0.0)

    def found(self, token: Token | None) -> Do:
        """Decide about the token found in the store."""
        # Whoever asks although ours is fresh does so because it, or the one before it, was refused.
        mine = _S.EXPIRED if self.refused is not None or self.usable is _S.FRESH else self.usable
        if token is None or token.access_token == self.refused:
            return _FOUND[mine, _S.MISSING]
        if self.current is not None and token.access_token == self.current.access_token:
            return _FOUND[mine, _S.MISSING]  # our own: a clock that was set back does not revive it
        if self.unsaved and token.access_token == self.spent:
            return Do.RENEW  # what we have is newer, whatever the clocks say: it is saved first
        if self.current is not None and token.obtained_at < self.current.obtained_at:
            return _FOUND[mine, _S.MISSING]  # of before the store was down, or out of a backup
        window = window_of(token, self.credentials, self.policy)
        return _FOUND[mine, token.state(self.clock.time(), window)]


def window_of(token: Token, credentials: Credentials, policy: RefreshPolicy) -> float:
    """Return the seconds before expiry at which this token is renewed."""
    return policy.window_for(token.expires_in(token.obtained_at), credentials.window)


def renew(renewal: Renewal) -> Generator[Step, Any, Token]:
    """Obtain or adopt a token, in rounds (`_round`). No lease is held while waiting for the next.

    Raises:
        KrauthError: None could be had.
    """
    deadline = renewal.clock.monotonic() + renewal.policy.timeout
    store = _Store(renewal)
    attempt, poll, resigned = 1, POLL, False
    while True:
        skew = renewal.server_ahead
        try:
            token = yield from _round(renewal, store, deadline)
            if token is not None:
                return token
            error: KrauthError = TokenTransportError(
                f"another process has been renewing this token for {renewal.policy.timeout:.0f} s without result;"
                " it is tried again with the next call"
            )
            wait: float | None = poll * (0.5 + renewal.jitter())
            poll = min(2 * poll, MAX_POLL)
        except KrauthError as failure:
            if not resigned and _may_be_the_clock(renewal, failure, skew):
                resigned = True  # once: a second refusal is not the clock's fault
                continue
            error, wait = failure, _wait_before_next(renewal, failure, attempt)
            attempt += 1
        if wait is None or renewal.clock.monotonic() + wait >= deadline:
            raise error
        yield Sleep(wait)


def _round(renewal: Renewal, store: _Store, deadline: float) -> Generator[Step, Any, Token | None]:
    """Look, take the lease, look again, send one request, save, give the lease back. `None`: somebody else has it."""
    stored = yield from store.load()
    if renewal.found(stored.token if stored else None) is Do.ADOPT:
        return (yield from _adopt(stored))
    if not (yield from store.acquire()):
        return None
    try:
        # Read again under the lease: its last holder may have renewed since we looked.
        stored = yield from store.load()
        if renewal.found(stored.token if stored else None) is Do.ADOPT:
            token = yield from _adopt(stored)
        else:
            token = yield from _attempt(renewal, store, stored, deadline)
    except Exception:
        yield from store.release()
        raise
    yield from store.release()
    return token


def _adopt(stored: Record | None) -> Generator[Step, Any, Token]:
    assert stored is not None
    assert stored.token is not None
    yield Emit("adopted", stored.token)
    return stored.token


def _attempt(renewal: Renewal, store: _Store, stored: Record | None, deadline: float) -> Generator[Step, Any, Token]:
    """Send one token request; the token it brings is saved before anybody uses it."""
    credentials, clock = renewal.credentials, renewal.clock
    last = _newest(renewal, stored)
    if renewal.unsaved and last is not None and last is renewal.current:
        yield from store.save(Record(last), last)  # the server rotated, the store was down: first things first
        renewal.unsaved = False
        if last.access_token != renewal.refused and last.expires_in(clock.time()) > 0:
            return last
    # The server's time is for what it checks; how long a refresh token lives we measure by our own clock throughout.
    ahead = renewal.server_ahead if credentials.signs_time else 0.0
    request = credentials.prepare_token_request(clock.time() + ahead, last)
    request = request.within(max(0.1, min(renewal.policy.attempt_timeout, deadline - clock.monotonic())))
    if credentials.uses_refresh_token:
        yield from store.save_intent(last)
    sent_at, started = clock.time(), clock.monotonic()
    response: HTTPResponse = yield Send(request)
    measured = measure_skew(response.header("date"), sent_at, sent_at + clock.monotonic() - started)
    if measured is not None:
        renewal.skew[credentials.token_endpoint] = measured
    try:
        token = credentials.process_token_response(response, sent_at, last)
    except InvalidGrantError as error:
        return (yield from _after_invalid_grant(renewal, store, stored, last, error))
    try:
        saved = yield from store.save(Record(token), last)
    except TokenStoreError as error:
        renewal.current, renewal.unsaved, renewal.spent = token, True, last.access_token if last else None
        yield Emit("unsaved", token, error)
        raise
    if saved is not token:
        yield Emit("adopted", saved)
    elif last is not None and token.access_token == last.access_token:
        yield Emit("reused", token)  # Naver answers so while 30 minutes or more remain
    else:
        yield Emit("obtained" if last is None else "refreshed", token)
        if detail := credentials.missing_scope(token):
            yield Emit("narrowed", token, detail=detail)
    return saved


def _after_invalid_grant(
    renewal: Renewal, store: _Store, stored: Record | None, spent: Token | None, error: InvalidGrantError
) -> Generator[Step, Any, Token]:
    """A sibling's newer token is adopted before `invalid_grant` is believed; else the user has to authorize again."""
    credentials = renewal.credentials
    if not credentials.uses_refresh_token:
        raise error
    now = yield from store.load()
    found = now.token if now else None
    if found is not None and spent is not None and found.refresh_token != spent.refresh_token:
        if found.expires_in(renewal.clock.time()) > 0 and found.access_token != renewal.refused:
            yield Emit("adopted", found)
            return found
        raise TokenTransportError("another process renewed this token meanwhile; it is tried again with the next call")
    why = "the server no longer accepts the refresh token"
    if stored is not None and stored.intent_at is not None:
        why += " (a renewal was interrupted before, so that the server's answer to it was never saved)"
    if spent is not None:  # so that no other process, and no restart, sends it again
        dead = replace(spent, refresh_token=None, refresh_expires_at=renewal.clock.time() + REMEMBER_DEAD)
        try:
            saved = yield from store.save(Record(dead), spent)
        except TokenStoreError as failure:
            yield Emit("store_failed", None, failure)
            renewal.current, renewal.unsaved, renewal.spent = dead, True, spent.access_token  # saved first next time
        else:
            if saved is not dead:  # a sibling was faster
                yield Emit("adopted", saved)
                return saved
    raise credentials.authorization_required(why) from error


def _newest(renewal: Renewal, stored: Record | None) -> Token | None:
    """The token whose refresh token is in force: the store's, unless ours is newer and could not be saved."""
    if stored is not None and stored.revoked_at is not None:
        if renewal.credentials.uses_refresh_token:
            error = renewal.credentials.authorization_required("the token was revoked")
            error.revoked = True
            raise error
        return None
    if stored is None or stored.token is None:
        return renewal.current
    if (
        renewal.unsaved
        and renewal.current
        and stored.token.access_token in (renewal.spent, renewal.current.access_token)
    ):
        return renewal.current
    return stored.token


def _may_be_the_clock(renewal: Renewal, error: Exception, skew_before: float) -> bool:
    """Whether a refusal came while our idea of the server's time was off by more than its `Date` can be."""
    if not renewal.credentials.signs_time or not isinstance(error, TokenEndpointError):
        return False
    if error.transient or isinstance(error, IPNotAllowedError):
        return False
    return abs(renewal.server_ahead - skew_before) >= 1.0


def _wait_before_next(renewal: Renewal, error: KrauthError, attempt: int) -> float | None:
    """Seconds to wait before the next attempt, or `None` when there is to be none."""
    transient = error.transient if isinstance(error, TokenError) else isinstance(error, TokenStoreError)
    if not transient or attempt >= renewal.policy.attempts:
        return None
    wait = renewal.jitter() * min(BACKOFF * 2.0 ** (attempt - 1), MAX_BACKOFF)
    asked = error.retry_after if isinstance(error, TokenError) else None
    return wait + (asked or 0.0)


class _Store:
    """The store during one renewal: what was read, the lease, and whether it may be done without."""

    __slots__ = ("_down", "_lease", "_renewal", "_unreadable", "_version")

    def __init__(self, renewal: Renewal) -> None:
        self._renewal = renewal
        self._version: str | None = None
        self._lease: Lease | None = None
        self._down = self._unreadable = False

    def load(self) -> Generator[Step, Any, Record | None]:
        """Read the record; `None` where there is none, or the store is down and may be done without."""
        if self._down:
            return None
        try:
            stored: Stored | None = yield Load()
        except TokenStoreError as error:
            yield from self._do_without(error)
            return None
        self._version = stored.version if stored else None
        try:
            return Record.from_text(stored.value) if stored else None
        except TokenStoreError as error:
            if not self._may_do_without():
                raise
            if not self._unreadable:
                yield Emit("store_failed", None, error)
            self._unreadable = True  # the next token is saved over it
            return None

    def acquire(self) -> Generator[Step, Any, bool]:
        """Take the lease; true also where the store is down and may be done without."""
        if not self._down:
            try:
                self._lease = yield Acquire(self._renewal.policy.attempt_timeout + LEASE_MARGIN)
            except TokenStoreError as error:
                yield from self._do_without(error)
            else:
                return self._lease is not None
        return True

    def release(self) -> Generator[Step, Any, None]:
        """Give the lease back; it ends by itself should that fail."""
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                yield Release(lease)
            except TokenStoreError as error:
                yield Emit("store_failed", None, error)

    def save_intent(self, token: Token | None) -> Generator[Step, Any, None]:
        """Write down that a refresh token is about to be spent."""
        record = Record(token, self._renewal.clock.time())
        self._version = yield Save(record.to_text(), self._version, self._lease, dead_at(token))

    def save(self, record: Record, spent: Token | None) -> Generator[Step, Any, Token]:
        """Save a new token and return the one in force: it, or a sibling's that came first."""
        token = record.token
        assert token is not None
        if self._down:
            return token
        try:
            self._version = yield Save(record.to_text(), self._version, self._lease, dead_at(token))
            return token
        except StoreConflict:
            pass
        except TokenStoreError as error:
            yield from self._do_without(error)
            return token
        # The lease was lost, or somebody wrote without one. Whoever got further wins; a token that followed on the
        # one we spent is newer than an intent to spend it.
        try:
            stored: Stored | None = yield Load()
            found = Record.from_text(stored.value).token if stored else None
            is_other = found is not None and (spent is None or found.access_token != spent.access_token)
            if (
                found
                and is_other
                and (self._renewal.credentials.uses_refresh_token or found.obtained_at >= token.obtained_at)
            ):
                return found
            self._version = yield Save(record.to_text(), stored.version if stored else None, None, dead_at(token))
        except TokenStoreError as error:
            yield from self._do_without(error)
        return token

    def _may_do_without(self) -> bool:
        return not (self._renewal.credentials.uses_refresh_token or self._renewal.policy.require_store)

    def _do_without(self, error: TokenStoreError) -> Generator[Step, Any, None]:
        """Go on without the store, and say so, where neither grant nor policy forbids it; else raise."""
        if not self._may_do_without():
            raise error
        self._down, self._lease = True, None
        yield Emit("store_failed", None, error)


def dead_at(token: Token | None) -> float | None:
    """When nobody can do anything with an entry any more, or `None`."""
    if token is None:
        return None
    return token.refresh_expires_at if token.refresh_token or token.refresh_expires_at else token.expires_at
