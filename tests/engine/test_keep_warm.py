"""Refresh without traffic."""

from __future__ import annotations

import gc
import weakref

import pytest

from krauth import RefreshPolicy, Token

from ._rig import NOW, Rig, answer, person

WARM = RefreshPolicy(jitter=0, keep_warm=True)


def test_keep_warm_refreshes_without_traffic():
    """A day without a single call, and the first one finds a fresh token."""
    rig = Rig(policy=WARM)
    rig.get()
    rig.workers.pass_time(86400)
    assert rig.peek() == f"access-{rig.server.issued}"
    assert rig.server.count == pytest.approx(86400 / 3000, abs=2)


def test_keep_warm_begins_with_a_token_that_came_another_way():
    """After a sign-in, or a token set by hand, the token is refreshed without traffic."""
    rig = Rig(person(), policy=WARM)
    rig.source.keep_warm(rig)
    token = rig.server._issue(True)
    rig.workers.finish(rig.source.perform(rig, lambda flows: flows.put(token)))
    rig.workers.pass_time(3600)
    assert rig.peek() == "access-2"


def test_keep_warm_leaves_no_timer_for_a_token_without_an_end():
    """Such a token is replaced after a refusal alone."""
    rig = Rig(policy=WARM)
    rig.source.keep_warm(rig)
    rig.workers.finish(rig.source.perform(rig, lambda flows: flows.put(Token("endless", None, NOW))))
    assert rig.peek() == "endless"
    assert not rig.workers.timers


def test_keep_warm_goes_on_after_an_outage():
    """Failures are retried with the background's pauses, past expiry if need be, until the server is back."""
    rig = Rig(policy=WARM)
    rig.get()
    rig.server.down = answer(503)
    rig.workers.pass_time(2 * 3600)
    assert rig.server.count < 80
    rig.server.down = None
    rig.workers.pass_time(301)
    assert rig.peek() == "access-2"


def test_keep_warm_holds_one_timer_per_source_however_many_auth_objects_are_built():
    """An auth object per request does not leave a timer per request behind."""
    rig = Rig(policy=WARM)
    rig.get()
    for _ in range(1000):
        rig.source.keep_warm(rig)
    assert len(rig.workers.timers) == 1
    for _ in range(100):
        rig.workers.pass_time(1000)
        rig.peek()
        rig.workers.run()
    assert len(rig.workers.timers) == 1


def test_keep_warm_ends_with_the_source():
    """A timer does not keep a source without users, nor does it refresh for it."""
    rig = Rig(policy=WARM)
    rig.get()
    gone = weakref.ref(rig.source)
    rig.source = None
    gc.collect()
    assert gone() is None
    rig.workers.pass_time(86400)
    assert rig.server.count == 1


def test_keep_warm_survives_a_transport_that_cannot_be_opened():
    """Whatever an opener raises in the timer's hands is reported, and tried again later."""
    rig = Rig(policy=WARM)
    rig.get()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig, "open", lambda: 1 / 0)
        rig.workers.pass_time(3300)
    rig.workers.pass_time(301)
    assert rig.peek() == "access-2"


def test_keep_warm_does_not_hammer_a_server_whose_tokens_are_over_when_they_come():
    """Tokens without a life are asked for every five seconds at most."""
    rig = Rig(policy=WARM, lifetime=0.0)
    rig.get()
    rig.workers.pass_time(600)
    assert rig.server.count <= 121
