"""Clocks: HTTP dates, the skew to a server's clock, and the clock that tests move by hand."""

import contextlib
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krauth._values import clock as _clock
from krauth._values.clock import measure_skew, parse_http_date, parse_retry_after
from krauth.testing import FakeClock

NOW = 1_700_000_000.0
DATE = formatdate(NOW, usegmt=True)

#: RFC 9110 §5.6.7: all three forms are to be accepted.
DATES = {
    "Sun, 06 Nov 1994 08:49:37 GMT": 784111777.0,
    "Sunday, 06-Nov-94 08:49:37 GMT": 784111777.0,
    "Sun Nov  6 08:49:37 1994": 784111777.0,
    "Sun, 06 Nov 1994 17:49:37 +0900": 784111777.0,
    "Sun, 06 Nov 1994 08:49:37 -0000": 784111777.0,
    DATE: NOW,
}
NO_DATES = [
    None,
    "",
    " ",
    "now",
    "-1",
    "1994",
    "Sun, 06 Nov",
    "Sun, 99 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 25:00:00 GMT",
]


@pytest.fixture(params=["UTC", "Asia/Seoul", "America/New_York"])
def _zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_zone")
@pytest.mark.parametrize("text", DATES)
def test_http_dates(text):
    """An HTTP date is read in all its forms, and the same in every time zone."""
    assert parse_http_date(text) == DATES[text]


@pytest.mark.parametrize("text", NO_DATES)
def test_no_dates(text):
    """What is no date is `None`, and so says nothing about the clock."""
    assert parse_http_date(text) is None
    assert measure_skew(text, NOW, NOW) is None


@given(st.text(max_size=40) | st.text("0123456789 :+-GMTSunNov,", max_size=40))
def test_any_date(text):
    """No header field makes reading a date fail."""
    assert parse_http_date(text) is None or isinstance(parse_http_date(text), float)
    seconds = parse_retry_after(text, NOW)
    assert seconds is None or seconds >= 0


#: How far ahead the server is, how long the request took, when the answer was written → what is measured at least.
@pytest.mark.parametrize(
    ("date", "sent_at", "received_at", "skew"),
    [
        (NOW, NOW, NOW, 0.0),
        (NOW, NOW + 0.999, NOW + 0.999, 0.0),  # Date has a resolution of a second
        (NOW, NOW - 5, NOW + 5, 0.0),  # inside the round trip
        (NOW + 5, NOW - 5, NOW + 5, 0.0),
        (NOW + 600, NOW, NOW, 600.0),
        (NOW + 600, NOW, NOW + 10, 590.0),
        (NOW - 600, NOW, NOW, -599.0),
        (NOW - 600, NOW, NOW + 10, -599.0),
        (NOW + 6, NOW, NOW + 5, 1.0),
        (NOW, NOW + 1, NOW - 1, None),  # the clock was set meanwhile: nothing can be told
    ],
)
def test_skew(date, sent_at, received_at, skew):
    """The skew is what can't be explained by the round trip and the second that Date leaves open."""
    assert measure_skew(formatdate(date, usegmt=True), sent_at, received_at) == skew


@given(st.integers(-100_000, 100_000), st.floats(0, 60), st.floats(0, 1), st.floats(0, 1))
def test_skew_is_bounded_by_the_round_trip(offset, took, part, fraction):
    """The measurement never exceeds the true offset, and misses it by no more than the round trip and a second."""
    sent_at = NOW + fraction
    written = sent_at + took * part + offset
    measured = measure_skew(formatdate(int(written), usegmt=True), sent_at, sent_at + took)
    assert abs(measured) <= abs(offset) + 1e-6
    assert measured * offset >= 0
    assert abs(offset - measured) <= took + 1 + 1e-6


def test_fake_clock():
    """The fake clock stands still until it is moved, and its clocks can be moved apart."""
    clock = FakeClock(NOW)
    mono = clock.monotonic()
    assert (clock.time(), clock.monotonic()) == (NOW, mono)
    clock.advance(10)
    assert (clock.time(), clock.monotonic()) == (NOW + 10, mono + 10)
    clock.set_wall(-3600)
    assert (clock.time(), clock.monotonic()) == (NOW + 10 - 3600, mono + 10)
    clock.suspend(7200)
    assert (clock.time(), clock.monotonic()) == (NOW + 10 + 3600, mono + 10)


def test_fake_clock_starts_at_present():
    """Without a time the fake clock starts at the present."""
    before = time.time()
    assert before <= FakeClock().time() <= time.time()


def test_fake_clock_is_current_in_its_block():
    """What is made inside a fake clock's block reads it, blocks may be nested, and the system's clock returns."""
    assert _clock.current_clock() is _clock.SYSTEM
    with FakeClock(NOW) as outer:
        assert _clock.current_clock() is outer
        with contextlib.suppress(ZeroDivisionError), FakeClock(5.0) as inner:
            assert _clock.current_clock() is inner
            raise ZeroDivisionError
        assert _clock.current_clock() is outer
    assert _clock.current_clock() is _clock.SYSTEM


def test_system_clock():
    """The system's clock is the system's."""
    assert _clock.SYSTEM.time() == pytest.approx(time.time(), abs=5)
    assert _clock.SYSTEM.monotonic() == pytest.approx(time.monotonic(), abs=5)
