"""How many requests are let through: a fixed window, and a token bucket; the providers announce both in headers."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RateWindow:
    """Count requests in windows of `period` seconds."""

    def __init__(self, period: float, now: Callable[[], float] = time.monotonic) -> None:
        self.period = period
        self._now = now
        self._lock = threading.Lock()
        self._window = -1
        self._used = 0

    def take(self) -> int:
        """Count one request, and return how many this window has had."""
        with self._lock:
            window = int(self._now() // self.period)
            if window != self._window:
                self._window, self._used = window, 0
            self._used += 1
            return self._used

    @property
    def used(self) -> int:
        """How many requests this window has had."""
        with self._lock:
            return self._used if int(self._now() // self.period) == self._window else 0

    @property
    def left(self) -> int:
        """Whole seconds until the window ends."""
        return math.ceil(self.period - self._now() % self.period)


class TokenBucket:
    """Let requests through at `rate` a second, and up to `capacity` at once after a pause."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._level: float | None = None
        self._at = 0.0

    def take(self, rate: float, capacity: float) -> bool:
        """Take one out of the bucket, which fills at `rate` a second up to `capacity`; False where it is empty."""
        with self._lock:
            self._fill(rate, capacity)
            assert self._level is not None
            if self._level < 1:
                return False
            self._level -= 1
            return True

    def remaining(self, rate: float, capacity: float) -> int:
        """Return how many requests could be made at once."""
        with self._lock:
            self._fill(rate, capacity)
            return int(self._level or 0)

    def _fill(self, rate: float, capacity: float) -> None:
        now = time.monotonic()
        level = capacity if self._level is None else self._level + (now - self._at) * rate
        self._level, self._at = min(capacity, level), now
