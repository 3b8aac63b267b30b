"""Time: the clock everything reads, and the skew between it and a server's `Date` header."""

from __future__ import annotations

import time as _time


class Clock:
    """Wall clock and monotonic clock, in seconds. `krauth.testing.FakeClock` replaces it in tests."""

    __slots__ = ()

    #: Seconds since the epoch; may jump.
    time = staticmethod(_time.time)
    #: Seconds since an arbitrary start; never goes back, and may stand still while a machine is suspended.
    monotonic = staticmethod(_time.monotonic)


SYSTEM = Clock()


def parse_http_date(value: str | None) -> float | None:
    """Return an HTTP date (RFC 9110 §5.6.7) as seconds since the epoch, or `None` when it is not one."""
    if not value:
        return None
    from datetime import UTC
    from email.utils import parsedate_to_datetime  # only here: it imports socket

    try:
        at = parsedate_to_datetime(value)
        # The obsolete asctime form, which has to be accepted, names no zone; it means UTC, not ours.
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def measure_skew(date: str | None, sent_at: float, received_at: float) -> float | None:
    """Return by how many seconds the server's clock is ahead of ours, or `None` when that can't be told.

    `Date` has a resolution of one second and was written somewhere between `sent_at` and `received_at` (wall clock,
    seconds). A difference inside that uncertainty is no skew: it measures 0.
    """
    server = parse_http_date(date)
    if server is None or received_at < sent_at:
        return None
    # The server's time lies in [server, server + 1); ours, when it was written, in [sent_at, received_at].
    if server > received_at:
        return server - received_at
    if server + 1 < sent_at:
        return server + 1 - sent_at
    return 0.0


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Return `Retry-After` (RFC 9110 §10.2.3: seconds or an HTTP date) as seconds from `now`, never negative."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(min(int(value.strip()[:12]), 10**9))
    at = parse_http_date(value)
    return None if at is None else max(0.0, at - now)


_current: Clock = SYSTEM


def current_clock() -> Clock:
    """Return the clock for what is made now: the system's, or that of a `FakeClock` in whose block this runs."""
    return _current


def install_clock(clock: Clock) -> Clock:
    """Make `clock` the current one and return the one before."""
    global _current
    before, _current = _current, clock
    return before
