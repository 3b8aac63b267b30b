"""FakeClock: a clock that is moved by hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from .._values.clock import Clock, install_clock

if TYPE_CHECKING:
    from types import TracebackType


class FakeClock(Clock):
    """A clock that stands still until it is moved. Inside `with FakeClock() as clock:` new auth objects read it.

    Args:
        now: Seconds since the epoch at which it starts; by default the present.
    """

    __slots__ = ("_before", "_mono", "_suspended", "_wall")

    def __init__(self, now: float | None = None) -> None:
        self._wall = time.time() if now is None else now
        self._mono = 1_000_000.0
        self._suspended = 0.0
        self._before: Clock | None = None

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self._wall

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return self._mono

    def elapsed(self) -> float:
        """Return seconds since an arbitrary start, suspended time included."""
        return self._mono + self._suspended

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._wall += seconds
        self._mono += seconds

    def set_wall(self, seconds: float) -> None:
        """Move the wall clock alone by `seconds`, forward or back, as when a user sets the time."""
        self._wall += seconds

    def suspend(self, seconds: float) -> None:
        """Let time pass as on a machine that sleeps: the wall clock goes on, the monotonic clock stands still."""
        self._wall += seconds
        self._suspended += seconds

    def __enter__(self) -> Self:
        self._before = install_clock(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._before is not None:
            install_clock(self._before)
