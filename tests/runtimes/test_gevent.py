"""gevent in both patch orders."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.runtimes


@pytest.mark.parametrize("order", ["first", "last"])
def test_greenlets_share_one_token_request(order, world):
    """50 greenlets wait for one token request, and meanwhile no other greenlet waits."""
    world.sandbox.naver.token_delay = 1.0
    lines = world.run(sys.executable, world.here / "greenlets.py", order).splitlines()
    assert len(lines) == 2
    for line in lines:
        accounts, longest_gap = line.split()
        assert accounts == "1"
        assert float(longest_gap) < 0.9
    assert world.token_requests == (2 if order == "first" else 3)
