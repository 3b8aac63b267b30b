"""What the log and observers are told."""

from __future__ import annotations

import logging

import pytest

from krauth import (
    KrauthError,
    MemoryStore,
    RefreshPolicy,
    TokenTransportError,
    _plugins,
    hookimpl,
)
from krauth._values.guard import shown_key
from krauth._values.token import Token
from krauth.stores import ANY

from ._rig import NAVER_SECRET, Clock, Rig, answer, http_date, machine, naver


@pytest.fixture
def observed():
    seen = []

    class Observer:
        @hookimpl
        def krauth_token_event(self, event):
            seen.append(event)

    class Broken:
        @hookimpl
        def krauth_token_event(self, event):
            raise ZeroDivisionError

    observers = [Observer(), Broken()]
    for plugin in observers:
        _plugins.plugins().manager.register(plugin)
    yield seen
    for plugin in observers:
        _plugins.plugins().manager.unregister(plugin)


def test_everything_that_happens_is_told_and_nothing_that_is_secret(observed, caplog):
    """Observers and the log learn of each turn, with who and how long; never a token, a secret or a header."""
    caplog.set_level(logging.DEBUG, "krauth")
    rig = Rig(naver(), lifetime=10_800.0, reissues_below=1800.0)
    rig.get()
    rig.get(refused="access-1")
    rig.clock.advance(10_800 - 1700)
    rig.get()
    rig.workers.run()
    rig.store.put(rig.credentials.key, Token("siblings", rig.clock.time() + 3000, rig.clock.time()))
    rig.get(refused="access-2")
    rig.server.down = answer(400, {"code": "BAD_REQUEST", "message": "no"})
    with pytest.raises(KrauthError):
        rig.get(refused="siblings")
    rig.store.down = True
    rig.clock.advance(100)
    with pytest.raises(KrauthError):
        rig.get(refused="siblings")
    kinds = [event.kind for event in observed]
    assert kinds == ["obtained", "reused", "refreshed", "adopted", "refresh_failed", "store_failed", "refresh_failed"]
    assert [record.getMessage() for record in caplog.records if "failed to observe" not in record.getMessage()] == [
        str(event) for event in observed
    ]
    assert observed[0].expires_in == pytest.approx(10_800)
    assert {event.key for event in observed} == {shown_key(rig.credentials.key)}
    everything = " ".join([*map(repr, observed), *map(str, observed), caplog.text])
    for secret in ("access-1", "access-2", "Bearer", NAVER_SECRET, NAVER_SECRET[7:]):
        assert secret not in everything


def test_an_observer_that_fails_is_logged_and_does_no_harm(observed, caplog):
    """A plugin's bug costs a line in the log, not a token."""
    rig = Rig()
    assert rig.get() == "access-1"
    assert "failed to observe" in caplog.text


def test_an_event_without_listeners_costs_no_token_either(monkeypatch):
    """Broken plugin machinery does not fail a refresh."""
    import krauth._plugins as plugins

    monkeypatch.setattr(plugins, "plugins", lambda: 1 / 0)
    rig = Rig()
    assert rig.get() == "access-1"


def test_a_source_shows_no_token():
    """Repr of source, snapshot, run, refresh: keys and lifetimes only."""
    rig = Rig(machine("the-secret"))
    rig.server.say(answer(access_token="the-token"))
    rig.get()
    shown = repr(rig.source) + repr(rig.source.snapshot) + repr(rig.start()) + repr(rig.credentials)
    assert "the-token" not in shown
    assert "the-secret" not in shown


def test_the_memory_store_follows_the_fake_clock():
    """A test that lives in a past year shares tokens between sources like any other."""
    with Clock() as clock:
        clock._wall = 1_000_000_000.0
        store = MemoryStore()
        rig = Rig(clock=clock, store=store)
        rig.get()
        assert store.load(rig.credentials.key) is not None
        clock.advance(3601)
        assert store.load(rig.credentials.key) is None
        assert store.save("key", "text", version=ANY)


def told(observed):
    """What the events say of the token requests."""
    return [(event.kind, event.attempt, event.status, event.cause) for event in observed]


def test_each_failed_attempt_is_told_with_its_status_and_cause(observed):
    """A refresh that fails twice and then succeeds: three events, each with what its own token request took."""
    rig = Rig()
    rig.get()
    rig.server.say(TokenTransportError("no route"), answer(503))
    rig.get(refused="access-1")
    refusal = ("refusal",)
    assert told(observed[1:]) == [
        ("attempt_failed", 1, None, *refusal),
        ("attempt_failed", 2, 503, *refusal),
        ("refreshed", 3, 200, *refusal),
    ]
    assert all(event.duration is not None for event in observed)
    assert [type(event.error).__name__ for event in observed[1:3]] == ["TokenTransportError", "TokenServerError"]


def test_a_request_that_is_signed_anew_at_once_is_told_too(observed):
    """A refused timestamp costs two token requests, and two events."""
    rig = Rig(naver())
    rig.server.say(answer(400, {"code": "BAD_REQUEST"}, headers={"date": http_date(rig.clock.time() + 900)}))
    rig.get()
    assert told(observed) == [("attempt_failed", 1, 400, "expiry"), ("obtained", 2, 200, "expiry")]


def test_what_fails_after_an_attempt_and_sends_nothing_has_no_duration(observed):
    """The end of a refresh that could not even try again does not count the last request twice."""
    rig = Rig(policy=RefreshPolicy(jitter=0, attempts=2, require_store=True))
    rig.server.say(answer(503))
    rig.server.before = lambda: setattr(rig.store, "down", True)
    with pytest.raises(KrauthError):
        rig.get()
    ends = [event for event in observed if event.kind in ("attempt_failed", "refresh_failed")]
    assert [event.duration is None for event in ends] == [False, True]
