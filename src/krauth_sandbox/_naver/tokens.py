"""Naver's tokens: one for each resource, the same again while 30 minutes or more remain."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .._ground.clock import TokenClock

# "토큰 유효기간은 3시간": the lifetime of a new token, in seconds.
LIFETIME: Final = 10_800
# "While 30 minutes or more remain, the server returns the same token again."
REISSUE_BELOW: Final = 1_800
#: How many tokens are remembered, so that a refusal can say "expired" and "revoked".
_REMEMBERED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Resource:
    """What a token is for: "One token per resource (`type` + `account_id`)"."""

    type: str
    account_id: str


@dataclass(slots=True, eq=False)
class Token:
    """An access token; `revoked` once `Tokens.revoke_all` has been called."""

    value: str = field(repr=False)
    resource: Resource
    expires_at: float
    revoked: bool = False


class Tokens:
    """Issue and find tokens. Not locked: its owner holds a lock around every call."""

    def __init__(self, clock: TokenClock) -> None:
        self._clock = clock
        self._known: dict[str, Token] = {}
        self._current: dict[Resource, Token] = {}

    def grant(self, resource: Resource, *, lifetime: float, reissue_below: float) -> tuple[Token, bool]:
        """Return the token of a resource, and whether it is a new one; both times in seconds."""
        now = self._clock.now()
        token = self._current.get(resource)
        # "While 30 minutes or more remain, the server returns the same token again; with less, it issues
        # a new one and the old one stays good until its own expiry."
        if token is not None and token.expires_at - now >= reissue_below:
            return token, False
        token = Token(secrets.token_urlsafe(24), resource, now + lifetime)
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[token.value] = self._current[resource] = token
        return token, True

    def find(self, value: str) -> Token | None:
        """Return a token that was issued here, good or not."""
        return self._known.get(value)

    def left(self, token: Token) -> float:
        """Return the seconds for which the token is good; 0 and below: it is not."""
        return 0.0 if token.revoked else token.expires_at - self._clock.now()

    def live(self) -> list[Token]:
        """Return the tokens that are good now, oldest first."""
        return [token for token in self._known.values() if self.left(token) > 0]

    def revoke_all(self) -> None:
        """Make every token unusable."""
        for token in self._known.values():
            token.revoked = True
        self._current.clear()
