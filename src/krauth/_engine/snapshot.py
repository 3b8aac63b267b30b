"""A token in memory, ready to be used: what the hot path reads. Made by `_source`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._values.token import TokenState

if TYPE_CHECKING:
    from .._values.clock import Clock
    from .._values.token import Token


class Snapshot:
    """A token and when to do what with it, by both clocks; immutable.

    Attributes:
        header: The value of the `Authorization` header.
        token: The token.
        fresh_until: `(monotonic, wall)` seconds; after either the token is renewed.
        good_until: `(monotonic, wall)` seconds; after either it is not used.
    """

    __slots__ = ("fresh_mono", "fresh_wall", "good_mono", "good_wall", "header", "token")

    def __init__(self, token: Token, window: float, jitter: float, clock: Clock) -> None:
        wall, mono = clock.time(), clock.monotonic()
        remaining = token.expires_in(wall)
        self.token = token
        self.header = f"Bearer {token.access_token}"
        # Jitter comes after the boundary, never before: earlier, Naver returns the same token again.
        fresh = min(remaining - window + jitter, remaining)
        self.fresh_mono, self.fresh_wall = mono + fresh, wall + fresh
        self.good_mono, self.good_wall = mono + remaining, wall + remaining

    def state(self, mono: float, wall: float) -> TokenState:
        """Return what the token is good for; it is over as soon as either clock says so."""
        if self.good_mono <= mono or self.good_wall <= wall:
            return TokenState.EXPIRED
        return TokenState.FRESH if self.fresh_mono > mono and self.fresh_wall > wall else TokenState.STALE

    def __repr__(self) -> str:
        return f"<Snapshot {self.token!r}>"
