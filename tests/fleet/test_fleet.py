"""Thousands of processes in virtual time: what a fleet costs does not grow with its size."""

from __future__ import annotations

import pytest

from .simulation import Fleet, Scenario

HOUR = 3600.0


@pytest.mark.parametrize("kind", ["reuse", "naver", "client"])
@pytest.mark.parametrize("size", [1, 10, 300])
def test_a_calm_fleet_sends_one_request_for_each_token(kind, size):
    """However many processes share a store, each token costs one request, and no call waits for what is there."""
    found = Fleet(size, Scenario(kind)).run()
    assert found.requests == found.issued <= found.needed
    assert (found.waited, found.failed, found.sign_outs, found.twice) == (0, 0, 0, 0)


@pytest.mark.parametrize(("kind", "most"), [("reuse", 1.25), ("naver", 1.0)])
def test_clocks_that_differ_cost_little(kind, most):
    """With clocks up to ten minutes wrong no call fails; in a long window a process that does not know its clock waits for the others."""
    found = Fleet(100, Scenario(kind, 24.0, clocks=600.0)).run()
    assert found.requests <= found.needed * most
    assert (found.failed, found.sign_outs, found.twice) == (0, 0, 0)


def test_a_store_that_fails_now_and_then_signs_no_user_out():
    """With 2 of 1,000 store steps failing no user has to sign in again, and no refresh token is sent twice."""
    for seed in range(3):
        found = Fleet(100, Scenario(hours=24.0, store_faults=0.002), seed).run()
        assert (found.sign_outs, found.twice) == (0, 0)
        assert found.requests <= found.needed + 2


@pytest.mark.parametrize("kind", ["reuse", "client"])
def test_an_outage_costs_a_fleet_what_it_costs_a_few_processes(kind):
    """An hour of 503 costs a fixed number of requests a minute, and ends for all within seconds."""
    scenario = Scenario(kind, 2.2, outage=(0.8 * HOUR, 1.8 * HOUR))
    few, many = Fleet(10, scenario).run(), Fleet(60, scenario).run()
    assert many.per_minute <= 10
    assert many.per_minute <= few.per_minute * 1.5
    assert many.recovery[0] <= 15
    assert (many.sign_outs, many.twice) == (0, 0)


def test_retry_after_is_learnt_once_by_the_whole_fleet():
    """`Retry-After: 120` costs one request in two minutes, however many processes there are."""
    found = Fleet(100, Scenario(hours=3.0, outage=(1.5 * HOUR, 2.5 * HOUR), retry_after=120.0)).run()
    assert found.per_minute <= 0.6


def test_the_drawing_is_of_the_table():
    """docs/benchmarks/fleet.svg shows the figures of docs/protocol.md."""
    import subprocess
    import sys
    from pathlib import Path

    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, root / "tools" / "draw_fleet.py", "--check"], check=True)
