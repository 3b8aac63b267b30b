"""The rules of a refresh: which token is newer, what to do with a stored one, how long to wait. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._values.exceptions import (
    AuthorizationRequired,
    ConfigurationError,
    IPNotAllowedError,
    TokenError,
    TokenStoreError,
    TokenTransportError,
)
from .._values.record import MAX_NUMBER
from .._values.token import TokenState
from .._values.value import Value

if TYPE_CHECKING:
    from .._oauth.credentials import Credentials
    from .._values.record import Record
    from .._values.token import RefreshPolicy, Token

#: Seconds: the first backoff is at most this, doubled with every attempt (full jitter), up to the second figure.
BACKOFF, MAX_BACKOFF = 0.5, 8.0
#: Seconds between looks at a lease that another process holds: the first, and the longest.
POLL, MAX_POLL = 0.05, 0.5
#: Seconds for which the store remembers that a refresh token is dead, or was revoked or forgotten.
REMEMBER_DEAD = 30 * 86400.0
#: Seconds that a lease lasts longer than the one token request that it is for: the answer has to be saved, too.
LEASE_MARGIN = 5.0
#: A token request is not begun when fewer seconds than this are left for it: the lease, less the margin.
LEASE_RESERVE = 1.0
#: Seconds for which a passing failure silences all processes that share a store: at first, and at most.
SHARED_PAUSE, MAX_SHARED_PAUSE = 1.0, 10.0
#: Seconds for which a definitive refusal does, at most.
MAX_REFUSAL_PAUSE = 60.0
#: Seconds of a server's `Retry-After`, or of a provider's penalty, that are honoured at most.
MAX_ASKED = 3600.0


#: Seconds by which a clock that was never compared with the server's may be wrong, with something to spare.
CLOCK_DOUBT = 900.0


class NumberedToken(Value):
    """A token and its number, as one process knows them.

    Attributes:
        token: The token, or `None`.
        number: The token's number; 0 where nothing is known.
    """

    __match_args__ = __slots__ = _names = ("token", "number")

    token: Token | None
    number: int

    def __init__(self, token: Token | None = None, number: int = 0) -> None:
        self._hold(token, number)


#: Nothing is known of any token.
NOTHING = NumberedToken()


def number_of(record: Record | None, newest: NumberedToken) -> int:
    """Return the number of a stored record, comparable with the number of the token in memory."""
    if record is None:
        return 0
    if record.number is not None:
        return record.number
    # A krauth without numbers wrote the record. Only then are the times compared.
    if record.token is None or newest.token is None:
        return newest.number + 1 if record.revoked_at is not None else newest.number
    if record.token.access_token == newest.token.access_token:
        return newest.number
    return newest.number + 1 if record.token.obtained_at >= newest.token.obtained_at else max(0, newest.number - 1)


def next_number(number: int) -> int:
    """Return the number of the token after the one with this number.

    No token comes by right to the end of the numbers. A record that says so is forged, and must not keep every later
    record from being read: then the numbers begin anew.
    """
    return number + 1 if number + 1 < MAX_NUMBER else 1


def is_worth_adopting(ours: TokenState, stored: TokenState) -> bool:
    """Whether to use a newer token in the store instead of obtaining another.

    A fresh one is used. A stale one is used where ours is not usable: callers wait, and the next call refreshes it in
    the background.

    Args:
        ours: `STALE`, or `EXPIRED` (refused ones included), or `MISSING`.
        stored: The state of the stored token; `MISSING` where it is not newer than ours, or was refused.
    """
    return stored is TokenState.FRESH or (stored is TokenState.STALE and ours is not TokenState.STALE)


def window_of(token: Token, credentials: Credentials, policy: RefreshPolicy) -> float:
    """Return the seconds before expiry at which this token is refreshed."""
    return policy.window_for(token.expires_in(token.obtained_at), credentials.window)


def clock_delay(window: float, is_clock_known: bool) -> float:
    """Return the seconds that a refresh may wait inside its window, for a process that does not know its clock's error.

    A process that knows it refreshes at the boundary, and all others find the new token in the store. A clock that is
    fast would otherwise ask too early. As much of the window is left as a slow clock needs: short ones leave nothing.
    """
    return 0.0 if is_clock_known else max(0.0, window - CLOCK_DOUBT)


def useless_at(record: Record, now: float) -> float | None:
    """Return when an entry of a store has become useless, or `None` when that is not known."""
    token, ends = record.token, []
    if token is not None:
        has_end = token.refresh_token or token.refresh_expires_at
        end = token.refresh_expires_at if has_end else token.expires_at
        if end is None:
            return None
        ends.append(end)
    elif record.number:  # forgotten or revoked: other processes may still hold the token
        ends.append(now + REMEMBER_DEAD)
    if record.pause is not None:
        ends.append(record.pause.until + MAX_ASKED)
    return max(ends, default=None)


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    return isinstance(error, TokenStoreError) or (isinstance(error, TokenError) and error.transient)


def is_about_the_way(error: BaseException) -> bool:
    """Whether an error tells of one caller's way to the server, and nothing of the token or the application.

    Another transport, proxy or event loop may succeed right now. Naver checks the caller's IP address, so its
    refusal is of this kind, too.
    """
    return isinstance(error, ConfigurationError | TokenTransportError | IPNotAllowedError)


def asked_pause(error: BaseException, times: int = 0) -> float:
    """Return the seconds that the server or the provider's rules want to pass before the next token request."""
    if not isinstance(error, TokenError):
        return 0.0
    penalty = error.pause * 2.0 ** min(times, 10)  # a penalty is tried again with growing pauses
    return min(max(error.retry_after or 0.0, penalty), MAX_ASKED)


def shared_pause(error: BaseException, times: int, jitter: float) -> float:
    """Return the seconds for which a failure silences every process that shares the store; 0: it does not.

    Args:
        error: The failure.
        times: How many there were in a row before it.
        jitter: Random, in [0, 1).
    """
    if isinstance(error, AuthorizationRequired | ConfigurationError | IPNotAllowedError | TokenStoreError):
        return 0.0
    ceiling = MAX_SHARED_PAUSE if is_transient(error) else MAX_REFUSAL_PAUSE
    pause = min(SHARED_PAUSE * 2.0 ** min(times, 10), ceiling) * (0.5 + jitter / 2)
    return max(pause, asked_pause(error, times))
