"""A fixed window of requests: feeds the rate limit headers of `_naver` and `_meloming`."""

from __future__ import annotations

import math
import threading
import time


class RateWindow:
    """Count requests in windows of `period` seconds of real time."""

    def __init__(self, period: float) -> None:
        self.period = period
        self._lock = threading.Lock()
        self._window = -1
        self._used = 0
        self.last = (0, math.ceil(period))
        """What `take` returned last."""

    def take(self) -> tuple[int, int]:
        """Count one request; return how many this window has had and in how many whole seconds it ends."""
        now = time.monotonic()
        with self._lock:
            window = int(now // self.period)
            if window != self._window:
                self._window, self._used = window, 0
            self._used += 1
            self.last = (self._used, math.ceil((window + 1) * self.period - now))
            return self.last
