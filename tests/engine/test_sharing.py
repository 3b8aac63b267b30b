"""Which auth objects share a source, and how long a source lives."""

from __future__ import annotations

import gc
import random
import weakref

import pytest

from krauth import (
    MemoryStore,
    RefreshPolicy,
)
from krauth._values.exceptions import InvalidClientError
from krauth_requests import NaverAuth, OAuth2Auth

from ._rig import ENDPOINT, NAVER_SECRET, Clock, Rig, Store, answer, machine, never

WARM = RefreshPolicy(jitter=0, keep_warm=True)


def auth(secret="s3cret", **settings):
    settings = {
        "token_endpoint": ENDPOINT,
        "api_origins": "https://api.example",
        "token_transport": never(),
        "store": STORE,
    } | settings
    return OAuth2Auth("client", secret, **settings)


STORE = MemoryStore()


def test_equal_credentials_and_store_share_a_source():
    """Two auth objects that mean the same are one to the engine, of whatever stack."""
    import krauth_httpx

    settings = {"token_endpoint": ENDPOINT, "api_origins": "https://api.example", "store": STORE}
    one, two = auth(), auth()
    three = krauth_httpx.OAuth2Auth("client", "s3cret", **settings)
    assert one._source is two._source is three._source


@pytest.mark.parametrize(
    "other",
    [
        {"secret": "wr0ng"},
        {"scope": "read"},
        {"user": "mina"},
        {"store": MemoryStore()},
        {"token_endpoint": ENDPOINT + "2"},
        {"token_endpoint": "https://other.example/token"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_differs_is_not_shared(other):
    """A wrong secret with a known client_id, another scope, user, store or endpoint: a source of its own."""
    assert auth()._source is not auth(**other)._source


def test_a_wrong_secret_is_not_handed_the_others_token_by_a_shared_store():
    """Not in memory and not in the store: who types a wrong secret gets no token that the right one brought."""
    rig = Rig(machine("right"))
    rig.get()
    thief = Rig(machine("wrong"), clock=rig.clock, store=rig.store)
    thief.server.down = answer(401, {"error": "invalid_client"})
    with pytest.raises(InvalidClientError):
        thief.get()
    assert not any("right" in key or "wrong" in key for key in rig.store.entries)


def test_a_corrected_secret_does_not_wait_for_the_wrong_ones_memory():
    """For a user's token, too, whose store key holds no secret, a new secret is a new source."""
    one, two = auth(user="mina", secret="wrong"), auth(user="mina", secret="right")
    assert one._source.credentials.key == two._source.credentials.key
    assert one._source is not two._source


def test_sources_without_users_are_collected():
    """Without cycles: the last auth object takes its source along, at once."""
    gc.disable()
    try:
        held = [auth(secret=f"secret-{n}") for n in range(20)]
        sources = weakref.WeakSet(one._source for one in held)
        assert len(sources) == 20
        del held
        assert not sources
    finally:
        gc.enable()


def test_a_source_that_refreshed_is_collected_at_once_too():
    """Neither run, driver nor future keeps a source without users."""
    rig = Rig()
    rig.get()
    rig.get(refused="access-1")
    gone = weakref.ref(rig.source)
    gc.disable()
    try:
        rig.source = None
        assert gone() is None
    finally:
        gc.enable()


def test_an_auth_object_built_per_request_finds_the_token_at_once():
    """With the default store a new source has the token before the first call asks."""
    clock = Clock()
    rig = Rig(clock=clock, store=Store(clock, blocking=False))
    rig.get()
    rig.source = rig.make_source()
    assert rig.peek() == "access-1"
    assert rig.server.count == 1


def test_a_blocking_store_is_not_read_where_the_auth_object_is_made():
    """SQLite and Redis are never touched on the caller's thread, which may be an event loop's."""
    rig = Rig()
    rig.make_source()
    rig.peek()
    rig.start()
    assert rig.store.calls == []


def test_two_processes_with_a_shared_store_cost_one_request():
    """One takes the lease, the other polls and adopts: in any interleaving of their steps."""
    for seed in range(30):
        rng = random.Random(seed)
        clock = Clock()
        store = Store(clock)
        one = Rig(clock=clock, store=store)
        two = Rig(clock=clock, store=store, server=one.server)
        runs = [one.start(), two.start()]
        while not all(run.future.done() for run in runs):
            rig = rng.choice([one, two])
            if rig.workers.tasks:
                rig.workers.step()
            else:
                clock.advance(0.02)
                due = [t for t in rig.workers.timers if t[0] <= clock.monotonic()]
                for timer in due:
                    rig.workers.timers.remove(timer)
                    rig.workers.submit(timer[2])
        assert one.server.count == 1
        assert {run.future.result(0).token.access_token for run in runs} == {"access-1"}


def test_for_account_shares_everything_but_the_seller():
    """A sibling for another seller has its own source, and the policy, store and transport of the first."""
    first = NaverAuth("client", NAVER_SECRET, store=STORE, refresh=WARM, token_transport=never())
    second = first.for_account("seller")
    assert second._source is not first._source
    assert second._source.policy is first._source.policy
    assert second._source.store is first._source.store
    assert second._transport is first._transport
    assert first.for_account("seller")._source is second._source
