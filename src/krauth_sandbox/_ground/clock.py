"""The clock that token lifetimes are measured by; the wall clock, with its offset, is the emulator's."""

from __future__ import annotations

import threading
import time
from typing import Final

from .parsers import between

#: Seconds that a sandbox can be moved forward in all: a hundred years.
MOST: Final = 100 * 365.25 * 86_400


class TokenClock:
    """Monotonic seconds that a test can move forward, and nothing else can."""

    def __init__(self) -> None:
        self._advanced = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the current reading in seconds; only differences mean anything."""
        return time.monotonic() + self._advanced

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass for every token at once.

        Raises:
            ValueError: `seconds` is negative, not finite, or more than a hundred years with those before.
        """
        if seconds < 0:
            raise ValueError("a token clock only moves forward: seconds must not be negative")
        with self._lock:
            self._advanced = between(self._advanced + seconds, 0, MOST)

    def rewind(self) -> None:
        """Take back every `advance`; for when no token is left that could come to life again."""
        with self._lock:
            self._advanced = 0.0

    def __repr__(self) -> str:
        return f"TokenClock(advanced={self._advanced:g})"
