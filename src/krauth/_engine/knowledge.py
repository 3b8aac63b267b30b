"""What one refresh knows: the facts that it began with, the newest token, and the entries of the store.

Here is decided which token is the newest, and how it is made durable. `refresh` sends the token requests.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from .._oauth.error_table import find_refusal
from .._values import exceptions
from .._values.clock import Skews
from .._values.exceptions import (
    KrauthError,
    StoreConflict,
    TokenEndpointError,
    TokenError,
    TokenStoreError,
    TokenTransportError,
)
from .._values.record import Pause, Record
from .._values.token import RefreshPolicy, Token, TokenState
from .._values.value import Value
from .rules import (
    BACKOFF,
    MAX_ASKED,
    MAX_BACKOFF,
    MAX_POLL,
    NOTHING,
    POLL,
    NumberedToken,
    is_worth_adopting,
    next_number,
    number_of,
    window_of,
)
from .steps import Emit, Sleep
from .store_steps import StoreSteps

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from .._oauth.credentials import Credentials
    from .._values.clock import Clock
    from .steps import Flow


class Start(Value):
    """The facts that a refresh begins with. They do not change while the refresh runs.

    Attributes:
        credentials: Of the token.
        policy: Deadlines.
        clock: Read, never waited on.
        skew: How far the clocks of token endpoints are ahead of ours; shared by all, measured from `Date`.
        proven: Application → until when it counts as free of penalties, monotonic seconds; shared by all.
        newest: The token in memory and its number.
        usable: What `newest` is good for by both clocks.
        refused: The access token that a resource server refused, if that is the cause.
        forced: Whether the user asked for a token request, even if the token is fresh.
        jitter: Returns a random number in [0, 1).
    """

    __match_args__ = __slots__ = _names = (
        *("credentials", "policy", "clock", "skew", "proven", "newest", "usable", "refused", "forced", "jitter"),
    )

    credentials: Credentials
    policy: RefreshPolicy
    clock: Clock
    skew: Skews
    proven: MutableMapping[str, float]
    newest: NumberedToken
    usable: TokenState
    refused: str | None
    forced: bool
    jitter: Callable[[], float]

    def __init__(
        self,
        credentials: Credentials,
        policy: RefreshPolicy,
        clock: Clock,
        skew: Skews | None = None,
        proven: MutableMapping[str, float] | None = None,
        newest: NumberedToken = NOTHING,
        usable: TokenState = TokenState.MISSING,
        refused: str | None = None,
        forced: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        skew, proven = Skews() if skew is None else skew, {} if proven is None else proven
        self._hold(credentials, policy, clock, skew, proven, newest, usable, refused, forced, jitter)

    def __repr__(self) -> str:
        return "Start(…)"

    def server_ahead(self) -> float:
        """Return the seconds that the token endpoint's clock is ahead of ours, as last measured."""
        return self.skew.ahead(self.credentials.token_endpoint, self.clock.monotonic())

    def settled_ahead(self) -> float:
        """Return the same for times that are saved: without a measurement that no other confirms."""
        return self.skew.settled(self.credentials.token_endpoint)


class Outcome(Value):
    """The result of a refresh.

    Attributes:
        newest: The newest token known, with its number. Where there is an error, the token may be unsaved. No caller
            may use an unsaved token; the next refresh saves it first.
        error: Why there is no token to give out, or `None`.
    """

    __match_args__ = __slots__ = _names = ("newest", "error")

    newest: NumberedToken
    error: KrauthError | None

    def __init__(self, newest: NumberedToken, error: KrauthError | None = None) -> None:
        self._hold(newest, error)


class Unsaved(Exception):
    """The store failed for as long as the lease lasts; the lease is left to end by itself."""

    def __init__(self, error: TokenStoreError) -> None:
        super().__init__()
        self.error = error


class Knowledge:
    """What one refresh knows; it changes with each answer of the store and the server.

    Attributes:
        newest: The newest token known, with its number.
    """

    __slots__ = ("_application", "_deadline", "_start", "_store", "newest")

    def __init__(self, start: Start, deadline: float) -> None:
        """Begin with what the process knows; `deadline`: monotonic seconds after which no round begins."""
        self._start, self._deadline = start, deadline
        self.newest = start.newest
        self._store = StoreSteps(start.credentials, start.policy, start.clock, start.settled_ahead)
        #: The entry that all tokens of the application share, where the provider punishes applications.
        self._application: StoreSteps | None = None
        if (key := start.credentials.application) is not None:
            self._application = StoreSteps(start.credentials, start.policy, start.clock, start.settled_ahead, key=key)

    # Decisions about the entry in the store.

    def _is_adoptable(self) -> bool:
        """Whether to use the stored token instead of obtaining another."""
        start, record = self._start, self._store.record
        if record is None:
            return False
        number, token = number_of(record, self.newest), record.token
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
        if number <= self.newest.number and self.newest != NOTHING:
            # The same one, or an older one out of a backup. That is welcome only where ours is over in any case.
            is_over = ours is TokenState.EXPIRED and start.refused is None
            if number == self.newest.number or not is_over or start.credentials.uses_refresh_token:
                return False
        window = window_of(token, start.credentials, start.policy)
        return is_worth_adopting(ours, token.state(start.clock.time(), window))

    def _adopt(self) -> Flow[NumberedToken]:
        record = self._store.record
        assert record is not None
        self.newest = NumberedToken(record.token, number_of(record, self.newest))
        yield Emit("adopted", record.token)
        return self.newest

    def _heed_mark(self, record: Record, number: int) -> None:
        """An entry without a token: it was revoked or forgotten. That wins over every token from before."""
        if number < self.newest.number or (record.revoked_at is None and number == self.newest.number):
            return
        self.newest = NumberedToken(None, number)
        if record.revoked_at is not None and self._start.credentials.uses_refresh_token:
            error = self._start.credentials.authorization_required("the token was revoked")
            error.revoked = True
            raise error

    def _heed_pause(self, entry: StoreSteps) -> Flow[None]:
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

    def _ours_is_newer(self) -> bool:
        """Choose the token to go on with; true where it is ours, and the store has to be given it first."""
        record, ours = self._store.record, self.newest
        stored = NumberedToken(record.token if record is not None else None, number_of(record, ours))
        if ours.token is not None and stored.number <= ours.number:
            if stored.number < ours.number or stored.token is None:
                return self._start.credentials.uses_refresh_token
            if ours.token.refresh_token is None and stored.token.refresh_token is not None:
                return True  # a refresh token that one of the two calls dead is dead
            if _is_same(ours.token, stored.token) and stored.token.refresh_token == ours.token.refresh_token:
                return False  # the same one; our clock's times of it are exact
        if stored.token is not None or stored.number > ours.number:
            self.newest = stored
        return False

    def _is_usable(self, token: Token | None) -> bool:
        start = self._start
        if token is None or start.forced or token.access_token == start.refused:
            return False
        return token.expires_in(start.clock.time()) > 0

    def _successor(self, token: Token) -> NumberedToken:
        return NumberedToken(token, next_number(max(self.newest.number, number_of(self._store.record, self.newest))))

    # The token is made durable.

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
        pause, token = None, self.newest.token
        if intent_at is not None:
            # A pause that is over still tells how many failures there were: the next one is longer.
            pause = before.pause if before is not None else None
        elif token is not None and credentials.min_interval > 0:
            why = f"the server issues one token in {credentials.min_interval:.0f} s"
            pause = Pause(token.obtained_at + credentials.min_interval, 0, why, "RateLimitError")
        return Record(token, intent_at, pause=pause, number=self.newest.number, proof=proof, audience=audience)

    def _keep(self, *, release: bool = True) -> Flow[NumberedToken]:
        """Make `newest` durable, and return the token in force: it, or a sibling's with a higher number.

        There is one way out of a conflict: load; revoked → stop; a higher number → take it; else again, under the
        lease. The lease is not given back while the token that it protects is not durable.

        Raises:
            Unsaved: The store failed for as long as the lease lasts.
        """
        store, mine, pause = self._store, self.newest, BACKOFF
        while True:
            try:
                if not store.has_lease:
                    yield from self._lease_again(mine)
                    if self.newest is not mine:
                        return self.newest
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
                    raise Unsaved(error) from error
                yield Sleep(pause)
                pause = min(2 * pause, MAX_BACKOFF)

    def _lease_again(self, mine: NumberedToken) -> Flow[None]:
        """Take the lease anew after a conflict; then `newest` is a sibling's token where that is the newer one."""
        store, start, poll = self._store, self._start, POLL
        while not (yield from store.acquire()):
            if start.clock.monotonic() + poll >= self._deadline + start.policy.attempt_timeout:
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
                from .revoking import discard

                yield from discard(start.credentials, start.clock, start.skew, start.policy, mine.token)
            self._heed_mark(record, number)
        is_other = record.token is not None and not _is_same(record.token, mine.token)
        if number > mine.number or (number == mine.number and is_other):
            self.newest = NumberedToken(record.token, number)


def _is_same(one: Token | None, other: Token | None) -> bool:
    return one is not None and other is not None and one.access_token == other.access_token


def _is_kept(newest: NumberedToken, record: Record | None) -> bool:
    """Whether a record says all that there is to be said: an earlier save failed only as it seemed."""
    if record is None or record.number != newest.number or record.intent_at is not None:
        return False
    ours, stored = newest.token, record.token
    if ours is None or stored is None:
        return False
    return _is_same(ours, stored) and ours.refresh_token == stored.refresh_token


def _remembered(pause: Pause, left: float, credentials: Credentials) -> TokenError:
    """Return the error that another process met, for a process that does not repeat its request."""
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
