"""Failures of server, transport and store: what callers are told, and for how long it is remembered."""

from __future__ import annotations

import copy
import gc
import logging
import weakref

import pytest

from krauth import (
    AuthorizationRequired,
    ConfigurationError,
    HTTPResponse,
    KrauthError,
    RefreshPolicy,
    TokenStoreError,
    TokenTransportError,
)
from krauth._engine.workers import NoThread
from krauth._values.exceptions import InvalidClientError, RateLimitError, TokenServerError

from ._rig import NETWORK, Rig, answer, person, users

WINDOW = 600  # of a token that lives an hour


def test_a_thousand_callers_with_a_wrong_secret_cost_a_handful_of_requests():
    """A definitive refusal is remembered: a thousand calls in 100 seconds cost fewer than eight token requests."""
    rig = Rig()
    rig.server.down = answer(401, {"error": "invalid_client"})
    for _ in range(1000):
        with pytest.raises(InvalidClientError):
            rig.get()
        rig.workers.pass_time(0.1)
    assert 3 <= rig.server.count <= 8


def test_the_memory_of_a_refusal_grows_to_a_minute_and_no_further():
    """An operator who mends the secret waits a minute at most; two hours of refusals cost some 120 requests."""
    rig = Rig()
    rig.server.down = answer(401, {"error": "invalid_client"})
    for _ in range(2 * 360):
        with pytest.raises(InvalidClientError):
            rig.get()
        rig.workers.pass_time(10)
    assert 100 < rig.server.count < 130
    rig.server.down = None
    rig.workers.pass_time(60)
    assert rig.get() == "access-1"


def test_a_remembered_refusal_is_a_copy_for_each():
    """A thousand callers do not pile their tracebacks on one exception object."""
    rig = Rig()
    rig.server.down = answer(401, {"error": "invalid_client"})
    run = rig.start()
    rig.workers.run()
    caught = []
    for _ in range(3):
        with pytest.raises(InvalidClientError) as raised:
            run.get(rig.policy)
        caught.append(raised.value)
    assert len({id(error) for error in caught}) == 3
    assert len({(str(error), error.status, error.error) for error in caught}) == 1
    assert run.future.result(0).__traceback__ is None


def test_an_outage_is_remembered_for_some_seconds():
    """A dead network costs a refresh (three requests) and then silence for some seconds, however many call."""
    rig = Rig()
    rig.server.down = NETWORK
    with pytest.raises(TokenTransportError):
        rig.get()
    for _ in range(1000):
        with pytest.raises(TokenTransportError):
            rig.get()
    assert rig.server.count == 3
    rig.clock.advance(10.01)
    with pytest.raises(TokenTransportError):
        rig.get()
    assert 4 <= rig.server.count <= 6


def test_a_success_forgets_the_failures():
    """After a token came, the next failure is remembered as briefly as the first."""
    rig = Rig(policy=RefreshPolicy(jitter=0, attempts=1))
    rig.server.say(*[answer(401)] * 5)
    for _ in range(5):
        with pytest.raises(KrauthError):
            rig.get()
        rig.clock.advance(61)
    token = rig.get()
    rig.server.say(answer(401))
    with pytest.raises(KrauthError):
        rig.get(refused=token)
    assert rig.failure.until - rig.clock.monotonic() == pytest.approx(1)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_silences_the_source_for_as_long(status):
    """`Retry-After: 120` means no token request for 120 seconds, by anybody, and an error that says why."""
    rig = Rig()
    rig.server.say(answer(status, headers={"retry-after": "120"}))
    with pytest.raises((RateLimitError, TokenServerError)) as raised:
        rig.get()
    assert raised.value.retry_after == 120
    for _ in range(1199):
        with pytest.raises((RateLimitError, TokenServerError)):
            rig.get()
        rig.workers.pass_time(0.1)
    assert rig.server.count == 1
    rig.workers.pass_time(1)
    assert rig.get() == "access-1"


def test_retry_after_holds_for_background_refreshes_too():
    """In the window the old token goes on, and the server gets the quiet it asked for."""
    rig = Rig()
    rig.get()
    rig.clock.advance(3600 - WINDOW)
    rig.server.say(answer(429, headers={"retry-after": "300"}))
    for _ in range(299):
        assert rig.get() == "access-1"
        rig.workers.pass_time(1)
    assert rig.server.count == 2
    rig.workers.pass_time(2)
    rig.get()
    rig.workers.run()
    assert rig.server.count == 3


def test_an_absurd_retry_after_is_cut_to_an_hour():
    """No answer of a server disables a source for thirty years."""
    rig = Rig()
    rig.server.say(answer(429, headers={"retry-after": "999999999"}))
    with pytest.raises(RateLimitError):
        rig.get()
    rig.clock.advance(3601)
    assert rig.get() == "access-1"


def test_what_is_remembered_outlives_an_auth_object_that_is_built_per_request():
    """A wrong secret in an auth object per request costs a handful of requests, too, and is then let go."""
    rig = Rig()
    rig.server.down = answer(401, {"error": "invalid_client"})
    kept = weakref.ref(rig.source)
    with pytest.raises(InvalidClientError):
        rig.get()
    rig.source = None
    gc.collect()
    assert kept() is not None
    rig.workers.pass_time(100)
    gc.collect()
    assert kept() is None


def test_a_user_who_has_to_authorize_is_told_so_without_a_request():
    """Without a refresh token nothing is sent, however many ask, and no failure stands in the way of a sign-in."""
    rig = Rig(person())
    for _ in range(100):
        with pytest.raises(AuthorizationRequired):
            rig.get()
    assert rig.server.count == 0
    rig.store.put(rig.credentials.key, rig.server.authorize())  # in another process
    assert rig.get() == "access-1"


def test_a_spent_refresh_token_is_never_sent_twice():
    """After `invalid_grant` no caller, no second source and no restart sends the dead refresh token again."""
    rig = users()
    rig.server.refresh_tokens["refresh-1"] = "revoked"
    rig.clock.advance(4000)
    for _ in range(50):
        with pytest.raises(AuthorizationRequired):
            rig.get()
        rig.clock.advance(10)
    rig.source = rig.make_source()
    with pytest.raises(AuthorizationRequired):
        rig.get()
    rig.clock.advance(86400)
    rig.source = rig.make_source()
    with pytest.raises(AuthorizationRequired):
        rig.get()
    assert rig.server.refresh_sent == ["refresh-1"]


def test_a_dead_refresh_token_is_not_sent_again_though_the_store_could_not_keep_the_verdict():
    """The verdict is remembered in memory where the store failed to keep it."""
    rig = users()
    rig.get()
    rig.server.refresh_tokens["refresh-1"] = "revoked"
    rig.clock.advance(4000)
    rig.server.before = lambda: setattr(rig.store, "refuses_saves", True)
    for _ in range(20):
        with pytest.raises((AuthorizationRequired, TokenStoreError)):
            rig.get()
        rig.store.refuses_saves = False
        rig.workers.pass_time(10)
    assert rig.server.refresh_sent == ["refresh-1"]


def test_a_background_invalid_grant_is_no_error_until_the_token_is_over():
    """A consent that was withdrawn is noticed when the access token ends, or is refused."""
    rig = users()
    rig.get()
    rig.server.refresh_tokens["refresh-1"] = "revoked"
    rig.clock.advance(3600 - WINDOW)
    for _ in range(WINDOW - 1):
        assert rig.get() == "access-1"
        rig.workers.pass_time(1)
    rig.workers.pass_time(2)
    with pytest.raises(AuthorizationRequired):
        rig.get()
    assert rig.server.refresh_sent == ["refresh-1"]


@pytest.mark.parametrize("trouble", [ZeroDivisionError("oops"), OSError("closed"), MemoryError()])
def test_whatever_a_transport_raises_reaches_the_callers_as_a_krauth_error(trouble):
    """A broken transport leaves no caller waiting, and its error is named without its text in the type's place."""
    rig = Rig(policy=RefreshPolicy(jitter=0, attempts=1))
    rig.server.say(trouble)
    with pytest.raises(KrauthError, match=type(trouble).__name__):
        rig.get()


def test_a_transport_that_returns_something_else_is_a_configuration_error():
    """A coroutine function as token_transport is named as what it is."""
    rig = Rig()
    rig.server.say(lambda request: "not a response")
    with pytest.raises(ConfigurationError, match="coroutine"):
        rig.get()


@pytest.mark.parametrize("method", ["load", "acquire", "save", "release"])
def test_whatever_a_store_raises_costs_client_credentials_nothing(method, monkeypatch):
    """A plugin's bug in any call of the store is reported, and the token is used unsaved."""
    rig = Rig()
    monkeypatch.setattr(rig.store, method, lambda *a, **k: 1 / 0)
    assert rig.get() == "access-1"
    assert rig.server.count == 1


@pytest.mark.parametrize("answer", ["text", ("text", "v1"), {}, 7, [None]], ids=repr)
def test_a_store_that_answers_something_else_is_named(answer, monkeypatch, caplog):
    """An entry that is no `Stored` is a fault of the plugin, and no riddle: it is named, and the token used unsaved."""
    rig = Rig()
    monkeypatch.setattr(rig.store, "load", lambda key: answer)
    assert rig.get() == "access-1"
    assert "Store answered load with a" in caplog.text


@pytest.mark.parametrize("given", [("200", b"{}"), (200, None), (200, {"access_token": "a"}), (None, b"")], ids=repr)
def test_an_answer_of_odd_parts_is_a_configuration_error(given):
    """A transport that fills an `HTTPResponse` with anything is told what belongs there."""
    rig = Rig()
    rig.server.say(lambda request: HTTPResponse(given[0], {}, given[1]))
    with pytest.raises(ConfigurationError, match="an int and bytes"):
        rig.get()


def test_an_exception_out_of_the_log_costs_no_caller_the_token():
    """A logging filter that raises neither fails a refresh nor leaves its callers waiting."""

    class Broken(logging.Filter):
        def filter(self, record):
            raise ZeroDivisionError

    broken, logger = Broken(), logging.getLogger("krauth")
    level = logger.level
    logger.addFilter(broken)
    logger.setLevel(logging.DEBUG)
    try:
        rig = Rig()
        assert rig.get() == "access-1"
        rig.server.down = answer(400)
        with pytest.raises(KrauthError):
            rig.get(refused="access-1")
    finally:
        logger.removeFilter(broken)
        logger.setLevel(level)


def test_a_process_out_of_threads_fails_its_callers_and_recovers(monkeypatch):
    """No thread for a timer means an error now, not a source that waits for ever."""
    rig = Rig()
    rig.server.say(answer(503))
    with monkeypatch.context() as patch:

        def after(seconds, task, lane=None, urgent=False):
            raise NoThread("can't start new thread")

        patch.setattr(rig.workers, "after", after)
        run = rig.start()
        rig.workers.run()
        assert isinstance(run.future.result(timeout=0), KrauthError)
        rig.source.refused_again()
    rig.clock.advance(2)
    assert rig.get() == "access-1"


def test_a_fault_at_the_end_of_a_refresh_leaves_nobody_waiting(monkeypatch):
    """Whatever breaks where the outcome is kept: callers have an error at once, and the next call begins anew."""
    rig = Rig()
    with monkeypatch.context() as broken:
        broken.setattr(type(rig.source), "_succeed", lambda *_: 1 / 0)
        run = rig.start()
        with pytest.raises(ZeroDivisionError):
            rig.workers.run()
    assert isinstance(run.future.result(0), TokenTransportError)
    assert rig.get() == "access-1"  # it was saved before


def test_a_fault_where_a_refresh_can_not_even_wait_leaves_nobody_waiting(monkeypatch):
    """The same where the flow was to sleep, no timer can be had, and that failure can't be kept either."""
    rig = Rig()
    rig.server.down = answer(503)

    def no_thread(*_):
        raise NoThread("no thread could be started")

    with monkeypatch.context() as broken:
        broken.setattr(rig.workers, "after", no_thread)
        broken.setattr(type(rig.source), "_fail", lambda *_: 1 / 0)
        run = rig.start()
        with pytest.raises(ZeroDivisionError):
            rig.workers.run()
    assert isinstance(run.future.result(0), TokenTransportError)
    rig.server.down = None
    assert rig.get() == "access-1"


def test_a_copy_of_an_error_has_notes_of_its_own():
    """Each caller gets a copy, and a note that one of them adds is not told to the others."""
    error = TokenTransportError("no answer")
    error.add_note("common")
    one, other = copy.copy(error), copy.copy(error)
    one.add_note("of one")
    assert (one.__notes__, other.__notes__, error.__notes__) == (["common", "of one"], ["common"], ["common"])
