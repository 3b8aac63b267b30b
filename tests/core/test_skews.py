"""Skews: what is believed of other machines' clocks, and for how long."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krauth._values.clock import AGREEMENT, LATEST, MAX_SERVERS, MAX_SKEW, UNCONFIRMED, Skews

NOW = 1_700_000_000.0
SERVER = "https://api.example.com/token"


def measured(*offsets, skews=None, start=0.0, apart=1.0):
    """Return what is believed after answers whose `Date` is off by each of these seconds, one after the other."""
    skews = skews or Skews()
    for number, offset in enumerate(offsets):
        at = start + number * apart
        date = offset if isinstance(offset, str) else formatdate(NOW + at + offset, usegmt=True)
        skews.measure(SERVER, date, NOW + at, NOW + at, at)
    return skews


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Sat, 01 Jan 2150 00:00:00 GMT",
        "",
        "nonsense",
    ],
)
def test_a_date_that_no_clock_shows_says_nothing(date):
    """A server's clock shows a time between 2020 and 2100; any other `Date` is a mistake or an attack."""
    skews = measured(600, 600, date)
    assert skews.ahead(SERVER, 3.0) == pytest.approx(600, abs=1)
    assert measured(date).ahead(SERVER, 1.0) == 0.0


@pytest.mark.parametrize("years", [1, 10, 70])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_believed_is_bounded(years, sign):
    """A clock is believed to be a day off at most, in both directions."""
    skews = measured(sign * min(years * 365 * 86400, LATEST - NOW - 100 if sign > 0 else NOW - 1_577_836_900))
    assert skews.ahead(SERVER, 0.0) == sign * MAX_SKEW


def test_a_machine_without_a_clock_believes_the_server():
    """A machine that thinks it is 1970 believes any server."""
    skews = Skews()
    skews.measure(SERVER, formatdate(NOW, usegmt=True), 5.0, 5.0, 5.0)
    assert skews.ahead(SERVER, 5.0) == pytest.approx(NOW - 5, abs=1)


def test_one_measurement_is_believed_long_enough_to_sign_anew_and_no_longer():
    """A single large measurement counts for a minute; then the clock counts again."""
    skews = measured(600)
    assert skews.ahead(SERVER, UNCONFIRMED - 1) == pytest.approx(600, abs=1)
    assert skews.ahead(SERVER, UNCONFIRMED) == 0.0
    assert skews.settled(SERVER) == pytest.approx(600, abs=1)  # the only one there is
    assert measured(0, 600).settled(SERVER) == 0.0


def test_two_that_agree_last():
    """Two measurements that agree are believed until others say otherwise, also when hours lie between them."""
    assert measured(600, 601).ahead(SERVER, 1e6) == pytest.approx(601, abs=1)
    assert measured(600, 601).settled(SERVER) == pytest.approx(601, abs=1)
    assert measured(600, 601, 0).settled(SERVER) == pytest.approx(601, abs=1)
    assert measured(600, 601, apart=10_800).ahead(SERVER, 1e6) == pytest.approx(601, abs=1)


def test_one_wrong_date_never_outvotes_what_is_known():
    """Between right measurements a wrong one counts until the next answer, or for a minute."""
    skews = measured(600, 600, 40_000)
    assert skews.ahead(SERVER, 2.0) == pytest.approx(40_000, abs=1)
    assert skews.ahead(SERVER, 2.0 + UNCONFIRMED) == pytest.approx(600, abs=1)
    measured(600, skews=skews, start=3.0)
    assert skews.ahead(SERVER, 3.0) == pytest.approx(600, abs=1)


def test_a_clock_that_is_set_right_is_noticed():
    """After our clock was set, two answers suffice to forget the old offset."""
    skews = measured(600, 600, 0, 0)
    assert skews.ahead(SERVER, 1e6) == 0.0


def test_what_is_remembered_of_many_servers_is_bounded():
    """A process that speaks to many servers remembers the last 256."""
    skews = Skews()
    for number in range(MAX_SERVERS * 2):
        skews.measure(f"https://{number}.example/token", formatdate(NOW + 600, usegmt=True), NOW, NOW, 0.0)
    assert len(skews._known) == MAX_SERVERS
    assert skews.ahead("https://0.example/token", 0.0) == 0.0
    assert skews.ahead(f"https://{MAX_SERVERS * 2 - 1}.example/token", 0.0) > 0


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(0, 1e5)), max_size=20))
def test_any_measurements(samples):
    """Whatever servers say, the offset stays within a day, and the last two that agree win."""
    skews, at = Skews(), 0.0
    for offset, pause in samples:
        at += pause
        measured(offset, skews=skews, start=at)
        assert abs(skews.ahead(SERVER, at)) <= MAX_SKEW + 1
    measured(30, 30, skews=skews, start=at + 1)
    assert abs(skews.ahead(SERVER, at + 1e6) - 30) <= AGREEMENT + 1
