"""Snapshot: the token in memory, ready to be used. The hot path reads it without a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._values.token import TokenState
from .rules import NumberedToken

if TYPE_CHECKING:
    from .._values.clock import Clock
    from .._values.token import Token

_NEVER = float("-inf")


class Snapshot:
    """A token and when to do what with it, by both clocks; immutable.

    Attributes:
        header: The value of the `Authorization` header field.
        token: The token that callers are given.
        fresh_mono, fresh_wall: Seconds by the monotonic and the wall clock; after either the token is refreshed.
        good_mono, good_wall: Seconds; after either the token is not used.
        original: Of a snapshot that is withheld while its token is replaced: the same one as it was before.
    """

    __slots__ = ("_newest", "fresh_mono", "fresh_wall", "good_mono", "good_wall", "header", "original", "token")

    def __init__(
        self, token: Token, newest: NumberedToken, header: str, times: tuple[float, float, float, float]
    ) -> None:
        self.token, self.header = token, header
        # Mostly the newest token is this one: then the number alone is kept, which saves 72 bytes for each seller.
        self._newest: NumberedToken | int = newest.number if newest.token is token else newest
        self.fresh_mono, self.fresh_wall, self.good_mono, self.good_wall = times
        self.original: Snapshot | None = None

    @classmethod
    def of(cls, token: Token, number: int, window: float, jitter: float, clock: Clock) -> Snapshot:
        """Return a snapshot of a token that callers may be given.

        Args:
            token: The token.
            number: Its number.
            window: Seconds before expiry at which it is refreshed.
            jitter: Seconds to add.
            clock: Both clocks.
        """
        wall, mono = clock.time(), clock.monotonic()
        remaining = token.expires_in(wall)
        # Jitter comes after the boundary, never before: earlier, Naver returns the same token again.
        fresh = min(remaining - window + jitter, remaining)
        times = (mono + fresh, wall + fresh, mono + remaining, wall + remaining)
        return cls(token, NumberedToken(token, number), f"Bearer {token.access_token}", times)

    @classmethod
    def unusable(cls, token: Token, number: int) -> Snapshot:
        """Return a snapshot of a token that callers are not given: it is not durable yet, or is over."""
        return cls(token, NumberedToken(token, number), "", (_NEVER, _NEVER, _NEVER, _NEVER))

    @property
    def newest(self) -> NumberedToken:
        """The newest token known, with its number: another than `token` where that could not be saved yet.

        The next refresh begins with it.
        """
        newest = self._newest
        return NumberedToken(self.token, newest) if isinstance(newest, int) else newest

    def withheld(self) -> Snapshot:
        """Return the same token, not to be given out: a server refused it, and another is being obtained."""
        hidden = Snapshot.unusable(self.token, self.newest.number)
        hidden._newest, hidden.original = self._newest, self.original or self
        return hidden

    def holding(self, newest: NumberedToken) -> Snapshot:
        """Return the snapshot as it was before it was withheld, with another newest token."""
        shown = self.original or self
        times = (shown.fresh_mono, shown.fresh_wall, shown.good_mono, shown.good_wall)
        return Snapshot(shown.token, newest, shown.header, times)

    def state(self, mono: float, wall: float) -> TokenState:
        """Return what the token is good for; it is over as soon as either clock says so."""
        if self.good_mono <= mono or self.good_wall <= wall:
            return TokenState.EXPIRED
        return TokenState.FRESH if self.fresh_mono > mono and self.fresh_wall > wall else TokenState.STALE

    def __repr__(self) -> str:
        return f"<Snapshot {self.token!r}>"
