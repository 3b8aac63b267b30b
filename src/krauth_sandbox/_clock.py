"""The clock that token lifetimes are measured by; the wall clock, with its offset, stays in `_emulator`."""

from __future__ import annotations

import threading
import time


class TokenClock:
    """Monotonic seconds that a test can move forward, and nothing else can."""

    def __init__(self) -> None:
        self._advanced = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the current reading in seconds; only differences mean anything."""
        return time.monotonic() + self._advanced

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass for every token at once; negative values are refused with ValueError."""
        if seconds < 0:
            raise ValueError("a token clock only moves forward: seconds must not be negative")
        with self._lock:
            self._advanced += seconds

    def __repr__(self) -> str:
        return f"TokenClock(advanced={self._advanced:g})"
