"""Rotated refresh tokens, through the source."""

from __future__ import annotations

import random

import pytest

from krauth import (
    RefreshPolicy,
    TokenStoreError,
    TokenTransportError,
)

from ._rig import NETWORK, users


def test_a_rotated_token_that_could_not_be_saved_is_saved_first_next_time():
    """The store is down when the server rotates: no caller is given the token until it is durable, and none is lost."""
    rig = users(policy=RefreshPolicy(jitter=0, attempts=1))
    rig.clock.advance(4000)
    rig.server.before = lambda: setattr(rig.store, "refuses_saves", True)
    with pytest.raises(TokenStoreError):
        rig.get()
    assert rig.peek() is None
    assert rig.stored().refresh_token == "refresh-1"
    rig.store.refuses_saves = False
    rig.clock.advance(2)
    assert rig.get() == "access-2"
    assert rig.stored().refresh_token == "refresh-2"
    assert rig.server.refresh_sent == ["refresh-1"]


def test_a_day_of_rotation_with_a_flaky_store_and_network_never_abuses_a_refresh_token():
    """Lost requests and a store that fails now and then cost retries, never a second use of a spent refresh token."""
    for seed in range(20):
        rng = random.Random(seed)
        rig = users()
        rig.source = rig.make_source()

        def trouble(rng=rng, rig=rig):
            rig.store.refuses_saves = rng.random() < 0.3
            if rng.random() < 0.3:
                rig.server.say(NETWORK)  # before the server saw it

        rig.server.before = trouble
        for _ in range(100):
            rig.workers.pass_time(rng.choice([1, 100, 1000]))
            rig.store.refuses_saves = rng.random() < 0.1
            try:
                rig.get()
            except (TokenStoreError, TokenTransportError):
                pass
        assert not rig.server.abused
