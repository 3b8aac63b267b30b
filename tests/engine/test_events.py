"""What the log and observers are told."""

from __future__ import annotations

import logging

import pytest

from krauth import (
    KrauthError,
    MemoryStore,
    _plugins,
    hookimpl,
)
from krauth._values.guard import shown_key
from krauth._values.token import Token
from krauth.stores import ANY

from ._rig import NAVER_SECRET, Clock, Rig, answer, machine, naver


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


def test_an_observer_that_fails_is_logged_and_harms_nobody(observed, caplog):
    """A plugin's bug costs a line in the log, not a token."""
    rig = Rig()
    assert rig.get() == "access-1"
    assert "failed to observe" in caplog.text


def test_an_event_without_listeners_costs_no_token_either(monkeypatch):
    """Broken plugin machinery does not fail a renewal."""
    import krauth._plugins as plugins

    monkeypatch.setattr(plugins, "plugins", lambda: 1 / 0)
    rig = Rig()
    assert rig.get() == "access-1"


def test_a_source_shows_no_token():
    """Repr of source, snapshot, run, renewal: keys and lifetimes only."""
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
