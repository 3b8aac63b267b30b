"""Clocks that jump, machines that are suspended."""

from __future__ import annotations

import pytest

from ._rig import NOW, Clock, Rig, Store, answer, naver

WINDOW = 600  # of a token that lives an hour


def test_a_clock_set_back_does_not_prolong_a_token():
    """The monotonic clock ends the token in its time."""
    rig = Rig()
    rig.get()
    rig.clock.set_wall(-86400)
    rig.clock.advance(3599)
    assert rig.peek() == "access-1"
    rig.clock.advance(1)
    assert rig.peek() is None
    assert rig.get() == "access-2"


@pytest.mark.parametrize("blocking", [True, False])
def test_a_clock_set_back_does_not_prolong_a_token_for_a_new_source_by_more_than_its_life(blocking):
    """An auth object built per request reads the store's wall-clock expiry: no jump makes it more than a lifetime."""
    clock = Clock()
    rig = Rig(clock=clock, store=Store(clock, blocking=blocking))
    rig.get()
    clock.set_wall(-7 * 86400)
    rig.source = rig.make_source()
    rig.get()
    clock.advance(3601)
    assert rig.get() == "access-2"


def test_a_suspended_machine_does_not_prolong_a_token():
    """The wall clock ends the token where the monotonic clock stood still."""
    rig = Rig()
    rig.get()
    rig.clock.suspend(3601)
    assert rig.peek() is None
    assert rig.get() == "access-2"


def test_a_frozen_process_that_thaws_in_the_window_refreshes_in_the_background():
    """After a suspend that ends in the window the old token goes on while a new one comes."""
    rig = Rig()
    rig.get()
    rig.clock.suspend(3600 - WINDOW)
    assert rig.peek() == "access-1"
    rig.workers.run()
    assert rig.peek() == "access-2"


def test_a_clock_set_forward_costs_one_refresh_and_one_set_right_again_none():
    """A jump by a day and back is two jumps and one request."""
    rig = Rig()
    rig.get()
    rig.clock.set_wall(86400)
    assert rig.get() == "access-2"
    assert rig.get() == "access-2"
    rig.clock.set_wall(-86400)
    assert rig.get() == "access-2"
    rig.clock.advance(3600)
    assert rig.get() == "access-3"
    assert rig.server.count == 3


def test_a_token_without_a_known_end_is_used_until_it_is_refused():
    """Without `expires_in` there is no expiry to reach, and no window."""
    rig = Rig()
    rig.server.say(answer(access_token="eternal", expires_in=None))
    assert rig.get() == "eternal"
    rig.clock.advance(10 * 365 * 86400)
    assert rig.get() == "eternal"
    assert rig.get(refused="eternal") == "access-1"


def test_the_skew_is_shared_by_all_sources_of_an_endpoint():
    """What one seller's refresh learnt of the server's clock signs the next seller's request right at first."""
    from ._rig import http_date

    clock = Clock()
    late = answer(
        400, {"code": "BAD_REQUEST", "invalidInputs": [{"name": "timestamp"}]}, headers={"date": http_date(NOW + 900)}
    )
    one, two = (Rig(naver(account_id=f"seller-{n}"), clock=clock) for n in (1, 2))
    one.server.say(late)
    one.get()
    two.get()
    assert (one.server.count, two.server.count) == (2, 1)
