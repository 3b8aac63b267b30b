"""Tokens: the value, its state at a moment, and when to refresh it."""

from __future__ import annotations

import enum
from typing import NoReturn

from .checks import MAX_TOKEN, check_flag, is_access_token, is_line, is_time
from .exceptions import ConfigurationError
from .guard import Holder, clean
from .value import Value, replace


class TokenState(enum.Enum):
    """What a token is good for at a moment."""

    #: There is none.
    MISSING = "missing"
    #: Use it.
    FRESH = "fresh"
    #: Use it, and refresh it in the background.
    STALE = "stale"
    #: Do not use it.
    EXPIRED = "expired"


#: Seconds, about 30 years: no thread can wait for much longer.
_LONGEST = 1e9


def _is_span(value: object) -> bool:
    return is_time(value) and 0 <= value <= _LONGEST


class RefreshPolicy(Value):
    """When tokens are refreshed and how long callers wait for one.

    A policy holds for the auth objects that it is given to. Auth objects with equal credentials and another policy
    share the token with them through the store, and keep their own times.

    Args:
        window: Seconds before expiry at which the background refresh begins. `None`: the provider's documented
            number (Naver: 1800), else a fifth of the lifetime, at most 600. Never as long as the lifetime itself.
        jitter: At most this many seconds are added, at random, after that boundary, so that a fleet does not
            refresh at the same moment. `None`: a twentieth of the window.
        keep_warm: Refresh without traffic too, so that even the first caller after a pause does not wait.
        timeout: Seconds that a caller without a usable token waits at most, retries included.
        queue_timeout: Seconds that it waits at most before that for a free worker thread. 64 token requests of one
            token endpoint run at the same time; thousands of cold sellers wait for their turn.
        attempt_timeout: Seconds for one token request.
        attempts: How often a token request that failed for a passing reason is sent, the first time included.
        require_store: Whether a token store that fails is an error. By default a client-credentials token is
            used unsaved and the failure is reported; a rotating refresh token is never spent without a store.

    Raises:
        ConfigurationError: A value is out of range.
    """

    __match_args__ = __slots__ = _names = (
        "window",
        "jitter",
        "keep_warm",
        "timeout",
        "attempt_timeout",
        "attempts",
        "queue_timeout",
        "require_store",
    )

    window: float | None
    jitter: float | None
    keep_warm: bool
    timeout: float
    attempt_timeout: float
    attempts: int
    queue_timeout: float
    require_store: bool

    def __init__(
        self,
        window: float | None = None,
        jitter: float | None = None,
        keep_warm: bool = False,
        timeout: float = 30.0,
        attempt_timeout: float = 10.0,
        attempts: int = 3,
        queue_timeout: float = 60.0,
        require_store: bool = False,
    ) -> None:
        self._hold(window, jitter, keep_warm, timeout, attempt_timeout, attempts, queue_timeout, require_store)

    def __post_init__(self) -> None:
        for name in ("window", "jitter"):
            value = getattr(self, name)
            if value is not None and not _is_span(value):
                raise ConfigurationError(f"RefreshPolicy({name}=…) must be a number of seconds, 0 or more, at most 1e9")
        for name in ("timeout", "attempt_timeout", "queue_timeout"):
            if not (_is_span(getattr(self, name)) and getattr(self, name) > 0):
                raise ConfigurationError(f"RefreshPolicy({name}=…) must be a number of seconds above 0, at most 1e9")
        if not _is_span(self.attempts) or self.attempts < 1 or self.attempts != int(self.attempts):
            raise ConfigurationError("RefreshPolicy(attempts=…) must be a whole number, 1 or more")
        for name in ("keep_warm", "require_store"):
            check_flag(getattr(self, name), f"RefreshPolicy({name}=…)")

    def window_for(self, lifetime: float, documented: float | None = None) -> float:
        """Return the seconds before expiry at which the refresh begins, for a token that lives `lifetime` seconds.

        Args:
            lifetime: Seconds from when the token was received to its expiry.
            documented: The provider's own boundary in seconds, where it has one.
        """
        window = self.window if self.window is not None else documented
        if window is None:
            return min(lifetime / 5, 600.0)
        return window if window < lifetime else lifetime / 2


class Token(Value, Holder):
    """An access token as it was issued. Its repr shows lifetimes, never values.

    Attributes:
        access_token: What goes into the `Authorization` header.
        expires_at: Seconds since the epoch, or `None` when the server did not say: used until it is refused.
        obtained_at: Seconds since the epoch.
        token_type: Always `"Bearer"` today (RFC 6750).
        scope: The granted scope, or `None` where the server does not say.
        refresh_token: What the next token is obtained with, or `None`.
        refresh_expires_at: Seconds since the epoch after which the refresh token is known to be dead, or `None`.
    """

    __match_args__ = __slots__ = _names = (
        "access_token",
        "expires_at",
        "obtained_at",
        "token_type",
        "scope",
        "refresh_token",
        "refresh_expires_at",
    )

    access_token: str
    expires_at: float | None
    obtained_at: float
    token_type: str
    scope: str | None
    refresh_token: str | None
    refresh_expires_at: float | None

    def __init__(
        self,
        access_token: str,
        expires_at: float | None,
        obtained_at: float,
        token_type: str = "Bearer",  # noqa: S107  a scheme, not a password
        scope: str | None = None,
        refresh_token: str | None = None,
        refresh_expires_at: float | None = None,
    ) -> None:
        self._hold(access_token, expires_at, obtained_at, token_type, scope, refresh_token, refresh_expires_at)

    def __post_init__(self) -> None:
        # Checked here, since each token passes here: from an answer, from a store, from a user.
        fits = {
            "access_token": is_access_token(self.access_token),
            "refresh_token": self.refresh_token is None or is_line(self.refresh_token, MAX_TOKEN),
            "expires_at": self.expires_at is None or is_time(self.expires_at),
            "obtained_at": is_time(self.obtained_at),
            "refresh_expires_at": self.refresh_expires_at is None or is_time(self.refresh_expires_at),
            "token_type": is_line(self.token_type, 64),
            "scope": self.scope is None or self.scope == "" or is_line(self.scope),
        }
        if not all(fits.values()):
            wrong = ", ".join(name for name, is_right in fits.items() if not is_right)
            raise ConfigurationError(
                f"a Token with this {wrong} can't be used: tokens are texts of one line, fit for a header field, and"
                " times are seconds since the epoch"
            )
        self._make_known(self.access_token, self.refresh_token)

    def expires_in(self, now: float) -> float:
        """Return the seconds that remain at `now` (seconds since the epoch); infinite when not known.

        Never more than there were when it was obtained: a clock that was set back does not prolong a token.
        """
        if self.expires_at is None:
            return float("inf")
        return min(self.expires_at - now, self.expires_at - self.obtained_at)

    def state(self, now: float, window: float = 0.0) -> TokenState:
        """Return what the token is good for at `now`, refreshed from `window` seconds before its expiry."""
        remaining = self.expires_in(now)
        if remaining <= 0:
            return TokenState.EXPIRED
        return TokenState.FRESH if remaining > window else TokenState.STALE

    def shifted(self, seconds: float) -> Token:
        """Return the same token with its times moved by `seconds`: from one clock to another."""
        if seconds == 0.0:
            return self
        moved = {
            name: value + seconds
            for name in ("expires_at", "obtained_at", "refresh_expires_at")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **moved)

    def __repr__(self) -> str:
        parts = [self.token_type, f"obtained_at={self.obtained_at:.0f}"]
        parts.append("expires_at=unknown" if self.expires_at is None else f"expires_at={self.expires_at:.0f}")
        if self.scope is not None:
            parts.append(f"scope={clean(self.scope)!r}")  # a server's words
        if self.refresh_token is not None:
            parts.append("with refresh token")
        return f"<Token {', '.join(parts)}>"

    def __str__(self) -> str:
        # HTTP libraries refuse a header field with a line break: "Bearer %s" % token is not sent, and the error has
        # these words in it.
        return f"{self!r}\n(no header field: write token.access_token there)"

    def __hash__(self) -> int:
        return hash((self.access_token, self.refresh_token))

    def __format__(self, format_spec: str) -> str:
        raise TypeError("a Token is no text: write f'Bearer {token.access_token}' for the header, {token!r} for a log")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Token is not pickled, so that no secret ends up in a cache or a queue; share a token store")

    def __copy__(self) -> Token:
        return self  # immutable

    def __deepcopy__(self, memo: object) -> Token:
        return self
