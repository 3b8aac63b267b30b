"""Inside the refresh window: the old token is used while one refresh runs in the background."""

from __future__ import annotations

import statistics
from email.utils import formatdate

import pytest

from krauth import RefreshPolicy
from krauth._engine import process
from krauth._engine.source import TokenSource

from ._rig import Rig, answer, naver

WINDOW = 600  # of a token that lives an hour


def test_inside_the_window_callers_use_the_old_token_while_one_refresh_runs():
    """A thousand callers in the window are served at once, and cost one request."""
    rig = Rig()
    rig.get()
    rig.clock.advance(3600 - WINDOW)
    assert {rig.peek() for _ in range(1000)} == {"access-1"}
    assert len(rig.workers.tasks) == 1
    rig.workers.run()
    assert rig.server.count == 2
    assert rig.peek() == "access-2"


def test_a_failed_background_refresh_is_no_error():
    """While the old token lives a dead server is reported, not raised: every caller gets the token."""
    rig = Rig()
    rig.get()
    rig.server.down = answer(503)
    rig.clock.advance(3600 - WINDOW)
    for _ in range(WINDOW - 1):
        assert rig.get() == "access-1"
        rig.workers.pass_time(1)


def test_a_failed_background_refresh_is_retried_with_growing_jittered_pauses():
    """Of ten minutes of outage the server sees a handful of refreshes, further and further apart."""
    rig = Rig(policy=RefreshPolicy(jitter=0, attempts=1))
    rig.get()
    rig.server.down = answer(503)
    rig.clock.advance(3600 - WINDOW)
    at = []
    rig.server.before = lambda: at.append(rig.clock.monotonic())
    for _ in range(10 * (WINDOW - 1)):
        rig.peek()
        rig.workers.pass_time(0.1)
    pauses = [later - earlier for earlier, later in zip(at, at[1:], strict=False)]
    assert 5 <= len(at) <= 9
    for number, pause in enumerate(pauses):
        bound = min(5 * 2**number, 300)
        assert bound / 2 - 0.01 <= pause <= bound + 0.2


def test_background_retries_of_a_fleet_do_not_go_in_step():
    """The pauses after a failure differ from process to process."""
    pauses = set()
    for _ in range(20):
        rig = Rig(policy=RefreshPolicy(jitter=0, attempts=1))
        rig.get()
        rig.server.down = answer(503)
        rig.clock.advance(3600 - WINDOW)
        rig.peek()
        rig.workers.run()
        pauses.add(rig.failure.retry_at - rig.clock.monotonic())
    assert len(pauses) == 20
    assert min(pauses) >= 2.5
    assert max(pauses) <= 5


def test_a_background_refresh_that_recovers_forgets_the_failures():
    """One success, and the next outage begins with short pauses again."""
    rig = Rig(policy=RefreshPolicy(jitter=0, attempts=1))
    rig.get()
    rig.server.down = answer(503)
    rig.clock.advance(3600 - WINDOW)
    for _ in range(100):
        rig.peek()
        rig.workers.pass_time(1)
    rig.server.down = None
    while rig.get() == "access-1":
        rig.workers.pass_time(1)
    rig.server.down = answer(503)
    rig.clock.advance(3600 - WINDOW)
    rig.peek()
    rig.workers.run()
    assert rig.failure.retry_at - rig.clock.monotonic() <= 5


def test_a_body_that_can_be_sent_once_waits_for_the_new_token_in_the_window():
    """A call that could not be repeated is given a token with life left, where there is one to be had."""
    rig = Rig()
    rig.get()
    rig.clock.advance(3600 - WINDOW)
    assert rig.source.peek_with_life_left(rig) is None
    assert rig.workers.finish(rig.start()).token.access_token == "access-2"
    assert rig.source.peek_with_life_left(rig).token.access_token == "access-2"
    assert rig.server.count == 2


def test_a_body_that_can_be_sent_once_waits_also_if_the_refresh_is_over_at_once(monkeypatch):
    """The background refresh ends between two looks at the token: the call is not given the old one."""
    rig, peek = Rig(), TokenSource.peek

    def slow_peek(source, transport):
        found = peek(source, transport)
        rig.workers.run()
        return found

    rig.get()
    rig.clock.advance(3600 - WINDOW)
    monkeypatch.setattr(TokenSource, "peek", slow_peek)
    assert rig.source.peek_with_life_left(rig) is None
    assert rig.workers.finish(rig.start()).token.access_token == "access-2"
    assert rig.server.count == 2


def test_a_body_that_can_be_sent_once_gets_the_old_token_when_there_is_no_new_one():
    """A failed refresh in the window is an error for no call, not even for the one that waited for it."""
    rig = Rig()
    rig.get()
    rig.server.down = answer(503)
    rig.clock.advance(3600 - WINDOW)
    assert rig.source.peek_with_life_left(rig) is None
    assert rig.workers.finish(rig.start()).token.access_token == "access-1"
    assert rig.source.peek_with_life_left(rig).token.access_token == "access-1"


@pytest.mark.parametrize("settings", [{}, {"window": 0.0}, {"window": 5.0}, {"window": 1e9}, {"jitter": 1e9}])
def test_the_window_lies_within_the_lifetime(settings):
    """However it is set, a new token is fresh at first, and over when its life is."""
    rig = Rig(policy=RefreshPolicy(**settings))
    rig.get()
    rig.peek()
    assert not rig.workers.tasks
    rig.clock.advance(3599.9)
    assert rig.peek() == "access-1"
    rig.clock.advance(0.1)
    assert rig.peek() is None


def test_the_window_begins_exactly_where_the_policy_says():
    """One second before the boundary nothing is begun; at the boundary a refresh is."""
    rig = Rig(policy=RefreshPolicy(window=100, jitter=0))
    rig.get()
    rig.clock.advance(3499)
    rig.peek()
    assert not rig.workers.tasks
    rig.clock.advance(1)
    rig.peek()
    assert rig.workers.tasks


@pytest.mark.parametrize("lifetime", [10_800.0, 6757.0, 1801.0])
def test_naver_is_asked_in_the_last_thirty_minutes_never_before(lifetime):
    """Jitter comes after the boundary: with 30 minutes or more left Naver returns the same token again."""
    boundaries = []
    for _ in range(50):
        rig = Rig(naver(), policy=RefreshPolicy(), lifetime=lifetime)
        rig.get()
        snapshot = rig.source.snapshot
        assert snapshot.fresh_mono - rig.clock.monotonic() == pytest.approx(snapshot.fresh_wall - rig.clock.time())
        boundaries.append(snapshot.good_mono - snapshot.fresh_mono)
    assert max(boundaries) <= 1800
    assert min(boundaries) >= 1800 * 0.95
    assert len(set(boundaries)) == 50
    assert statistics.mean(boundaries) == pytest.approx(1755, abs=25)


def test_a_clock_that_may_be_wrong_waits_for_the_others():
    """A process that adopted its token and never compared its clock leaves the refresh to the others for 15 minutes."""
    rig = Rig(naver(), policy=RefreshPolicy(), lifetime=10_800.0)
    rig.get()
    token = rig.source.current
    for policy, is_adopted, date, early, late in (
        (RefreshPolicy(), True, None, 810, 900),
        (RefreshPolicy(), False, None, 1710, 1800),
        (RefreshPolicy(jitter=0.0), True, None, 1800, 1800),
        (RefreshPolicy(), True, rig.clock.time(), 1710, 1800),
    ):
        process.skew.clear()
        if date is not None:
            process.skew.measure(rig.credentials.token_endpoint, formatdate(date, usegmt=True), date, date, 0.0)
        source = TokenSource(rig.credentials, rig.store, policy, clock=rig.clock)
        made = source._make_snapshot(token, 1, is_adopted=is_adopted)
        assert early - 0.1 <= made.good_mono - made.fresh_mono <= late + 0.1


def test_a_naver_day_costs_as_few_requests_as_the_document_allows():
    """Under steady traffic a day of Naver's tokens of three hours costs ten requests, each with a new token."""
    rig = Rig(naver(), policy=RefreshPolicy(), lifetime=10_800.0, reissues_below=1800.0)
    for _ in range(24 * 60):
        rig.get()
        rig.workers.pass_time(60)
    assert rig.server.count == rig.server.issued
    assert rig.server.count in (10, 11)


def test_the_same_token_from_a_background_refresh_is_not_asked_for_with_every_call():
    """A server that has no newer token yet is left alone for some seconds."""
    rig = Rig(reissues_below=300.0)
    rig.get()
    rig.clock.advance(3600 - WINDOW)
    for _ in range(600):
        rig.peek()
        rig.workers.pass_time(0.1)
    assert rig.server.count <= 14
