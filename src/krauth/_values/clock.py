"""Time: the clock everything reads, and the skew between it and a server's `Date` header."""

from __future__ import annotations

import time as _time

from .value import Value

#: Seconds that a server's clock is believed to be ahead of ours, or behind it, at most: a day covers each time zone.
MAX_SKEW = 86400.0
#: A `Date` before 2020 or after 2100 is ignored: no server's clock shows that. If our own clock shows a time before
#: 2020, this machine has no battery for its clock: then every other `Date` of the server is believed.
EARLIEST, LATEST = 1_577_836_800.0, 4_102_444_800.0
#: Seconds for which a measurement that no other confirms is believed: long enough to sign a request anew.
UNCONFIRMED = 60.0
#: Seconds that two measurements may differ and still confirm each other.
AGREEMENT = 5.0
#: Servers whose clocks are remembered at most.
MAX_SERVERS = 256


def _elapsed() -> float:
    # Linux: time.monotonic stands still during suspend, CLOCK_BOOTTIME does not. Elsewhere the wall clock's jumps
    # would end a lease too early or too late, so the monotonic clock has to do.
    boottime = getattr(_time, "CLOCK_BOOTTIME", None)
    return _time.monotonic() if boottime is None else _time.clock_gettime(boottime)


class Clock:
    """Wall clock and monotonic clock, in seconds. `krauth.testing.FakeClock` replaces it in tests."""

    __slots__ = ()

    # Each looks its function up when it is called: freezegun and time-machine replace the functions of `time`.

    def time(self) -> float:
        """Return seconds since the epoch; may jump."""
        return _time.time()

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never goes back, and may stand still during suspend."""
        return _time.monotonic()

    def elapsed(self) -> float:
        """Seconds since an arbitrary start; goes on while a machine is suspended, where the system can tell."""
        return _elapsed()


SYSTEM = Clock()


class Stopwatch:
    """Time for waiting, which goes on also where a test has frozen the clocks: a thread can wait for nothing else."""

    __slots__ = ()

    #: Seconds since an arbitrary start. An attribute of a class: tools replace the names of modules only.
    now = staticmethod(_time.monotonic)


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


def read_server_time(date: str | None) -> float | None:
    """Return the time that a `Date` header field tells, in seconds since the epoch, or `None` for no clock's time."""
    at = parse_http_date(date)
    return at if at is not None and EARLIEST <= at <= LATEST else None


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


class _Skew(Value):
    """The measurements of one server's clock, in seconds ahead of ours.

    Attributes:
        confirmed: What two measurements, or one and our clock, agree on; `None`: nothing yet.
        newest: The last measurement.
        until: When that ends to count if no other confirms it, monotonic seconds.
    """

    __match_args__ = __slots__ = _names = ("confirmed", "newest", "until")

    confirmed: float | None
    newest: float
    until: float

    def __init__(self, confirmed: float | None, newest: float, until: float) -> None:
        self._hold(confirmed, newest, until)


class Skews:
    """How far the clocks of servers are ahead of ours. Bounded in number and size; may be shared by threads.

    One measurement is believed for a minute, which is long enough to sign a refused request anew. It lasts only when
    the next one agrees with it, so that one wrong `Date` never outvotes the clock for good.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, _Skew] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._known = {}

    def knows(self, server: str) -> bool:
        """Whether the clock of a server was ever compared with ours."""
        return server in self._known

    def ahead(self, server: str, now: float) -> float:
        """Return how many seconds a server's clock is ahead of ours.

        Args:
            server: The URL of its endpoint.
            now: Monotonic seconds.
        """
        known = self._known.get(server)
        if known is None:
            return 0.0
        return known.newest if now < known.until else known.confirmed or 0.0

    def settled(self, server: str) -> float:
        """Return the seconds for times that are saved and read later: the last confirmed ones, even if long ago.

        An unconfirmed measurement counts for a minute only. A time that was saved by it would be wrong after that
        minute. While nothing is confirmed, the one measurement counts.
        """
        known = self._known.get(server)
        if known is None:
            return 0.0
        return known.newest if known.confirmed is None else known.confirmed

    def measure(self, server: str, date: str | None, sent_at: float, received_at: float, now: float) -> None:
        """Learn from an answer.

        Args:
            server: The URL of the endpoint that answered.
            date: Its `Date` header field, or `None`.
            sent_at: When the request was sent, by the wall clock, seconds since the epoch.
            received_at: When the answer came, by the wall clock.
            now: Monotonic seconds.
        """
        sample = measure_skew(date, sent_at, received_at)
        if sample is None or read_server_time(date) is None:
            return
        if received_at >= EARLIEST:
            sample = min(max(sample, -MAX_SKEW), MAX_SKEW)
        before = self._known.get(server)
        confirmed = None if before is None else before.confirmed
        witnesses = (confirmed or 0.0, 0.0 if before is None else before.newest)
        if any(abs(sample - witness) <= AGREEMENT for witness in witnesses):
            confirmed = sample
        # In the order of the last measurements; replaced as a whole, since others read it without a lock.
        known = {name: skew for name, skew in self._known.items() if name != server}
        known[server] = _Skew(confirmed, sample, now + UNCONFIRMED)
        self._known = dict(list(known.items())[-MAX_SERVERS:])


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Return `Retry-After` (RFC 9110 §10.2.3: seconds or an HTTP date) as seconds from `now`, never negative."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(min(int(value.strip()[:12]), 10**9))
    at = parse_http_date(value)
    return None if at is None else min(max(0.0, at - now), 1e9)


_current: Clock = SYSTEM


def current_clock() -> Clock:
    """Return the clock for new objects: the system's, or inside `with FakeClock():` that one."""
    return _current


def install_clock(clock: Clock) -> Clock:
    """Make `clock` the current one and return the one before."""
    global _current
    before, _current = _current, clock
    return before
