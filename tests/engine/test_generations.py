"""A refusal invalidates only the token that was refused."""

from __future__ import annotations

import pytest

from krauth import (
    KrauthError,
)
from krauth._values.token import Token

from ._rig import NOW, Rig, answer, naver

WINDOW = 600  # of a token that lives an hour


def test_sixty_four_refused_calls_cost_one_refresh():
    """All who were refused with the same token wait for one run, whenever they come to it."""
    rig = Rig()
    refused = rig.get()
    runs = {rig.start(refused=refused) for _ in range(64)}
    assert len(runs) == 1
    rig.workers.run()
    late = [rig.start(refused=refused) for _ in range(64)]
    assert {run.future.result(0).token.access_token for run in late} == {"access-2"}
    assert rig.server.count == 2


def test_a_refused_token_is_not_given_out_while_it_is_replaced():
    """Callers that come while a refused token is refreshed wait for the new one."""
    rig = Rig()
    refused = rig.get()
    run = rig.start(refused=refused)
    assert rig.peek() is None
    assert rig.start() is run


def test_a_refusal_of_an_older_token_refreshes_nothing():
    """A 401 invalidates the token that was sent, not the one that has come since."""
    rig = Rig()
    first = rig.get()
    second = rig.get(refused=first)
    run = rig.start(refused=first)
    assert run.future.result(0).token.access_token == second
    assert rig.peek() == second
    assert rig.server.count == 2


def test_a_newer_token_cures_even_when_it_is_stale_itself():
    """Who was refused with an old token is served with the current one though that is in its window."""
    rig = Rig()
    first = rig.get()
    second = rig.get(refused=first)
    rig.clock.advance(3600 - WINDOW)
    assert rig.start(refused=first).future.result(0).token.access_token == second
    assert rig.server.count == 2


def test_a_refresh_under_way_is_the_cure_whatever_it_began_for():
    """A refusal during a background refresh waits for that refresh: one token request, and its token is used."""
    rig = Rig()
    refused = rig.get()
    rig.clock.advance(3600 - WINDOW)
    rig.peek()
    second = rig.start(refused=refused)
    assert rig.start(refused=refused) is second
    rig.workers.run()
    assert rig.server.count == 2
    assert second.future.result(0).token.access_token == "access-2"
    assert rig.peek() == "access-2"


def test_the_token_of_the_refresh_under_way_may_be_refused_too():
    """That is a new refusal, and begins a refresh."""
    rig = Rig()
    refused = rig.get()
    rig.clock.advance(3600 - WINDOW)
    rig.peek()
    assert rig.get(refused=refused) == "access-2"
    assert rig.get(refused="access-2") == "access-3"
    assert rig.server.count == 3


def test_ten_processes_with_one_refused_token_send_one_request():
    """A background refresh of one process and the refusals of all others cost one token request."""
    first = Rig()
    rigs = [first, *(Rig(clock=first.clock, store=first.store, server=first.server) for _ in range(9))]
    refused = first.get()
    for rig in rigs:
        assert rig.get() == refused
    first.clock.advance(3600 - WINDOW)
    first.peek()
    outcomes = [rig.get(refused=refused) for rig in rigs]
    assert set(outcomes) == {"access-2"}
    assert first.server.count == 2


def test_the_same_token_returned_again_is_not_asked_for_again():
    """Naver returns the refused token while it has 30 minutes left: the 401 stands, and costs no second request."""
    rig = Rig(naver(), lifetime=10_800.0, reissues_below=1800.0)
    refused = rig.get()
    assert rig.get(refused=refused) == refused
    assert rig.server.count == 2
    for _ in range(1000):
        assert rig.start(refused=refused).future.result(0).token.access_token == refused
    assert rig.server.count == 2


def test_the_same_token_returned_again_stays_in_use_for_others():
    """A 401 for one API group does not take the token from calls that it serves well."""
    rig = Rig(naver(), lifetime=10_800.0, reissues_below=1800.0)
    refused = rig.get()
    rig.get(refused=refused)
    assert rig.peek() == refused


def test_what_no_refresh_cures_is_asked_for_more_and_more_rarely():
    """An API that refuses every call for two hours costs one token request a minute at most, not one per call."""
    rig = Rig(naver(), lifetime=10_800.0, reissues_below=1800.0)
    for _ in range(2 * 360):
        token = rig.get()
        rig.workers.finish(rig.start(refused=token))
        rig.workers.pass_time(10)
    assert rig.server.count <= 125


def test_a_burst_of_refusals_of_a_new_token_counts_as_one():
    """Sixty-four callers refused together stop refreshes after refusals for some seconds, not for as long as sixty-four that follow each other."""
    rig = Rig()
    token = rig.get(refused=rig.get())
    for _ in range(64):
        rig.source.refused_again()
    assert rig.get(refused=token) == token
    rig.clock.advance(6)
    assert rig.get(refused=token) != token


def test_a_new_token_that_is_refused_too_ends_the_search():
    """With a server that issues a new token each time, a refusal of the new one does not lead to a third."""
    rig = Rig()
    second = rig.get(refused=rig.get())
    rig.source.refused_again()
    for _ in range(100):
        assert rig.get(refused=second) == second
    assert rig.server.count == 2


@pytest.mark.parametrize("when", ["during", "after"])
def test_a_refusal_that_no_token_cures_is_no_endless_chain(when):
    """Word that a new token was refused, too, may come while or after the next is obtained: it counts all the same."""
    rig = Rig()
    rig.get(refused=rig.get())  # by a caller that will repeat the call, and be refused again
    for _ in range(20):
        rig.start(refused=rig.get())  # another caller used it first-hand
        if when == "during":
            rig.source.refused_again()
        rig.workers.run()
        if when == "after":
            rig.source.refused_again()
    assert rig.server.count <= 3


def test_a_sibling_process_cures_without_a_request():
    """The newer token that another process saved is adopted; nothing is sent."""
    rig = Rig()
    refused = rig.get()
    rig.store.put(rig.credentials.key, Token("siblings", NOW + 3000, NOW))
    assert rig.get(refused=refused) == "siblings"
    assert rig.server.count == 1


def test_a_cure_that_fails_gives_the_old_token_back_to_those_it_serves():
    """When no new token is to be had, the refused one is better than none: it may serve other calls."""
    rig = Rig()
    refused = rig.get()
    rig.server.down = answer(400)
    with pytest.raises(KrauthError):
        rig.get(refused=refused)
    assert rig.peek() == refused
