"""What an operator can ask: what is under way, what is remembered, and how to forget it; what events tell."""

from __future__ import annotations

import threading
import time

import pytest

import krauth
import krauth_requests
from krauth import HTTPResponse, InvalidClientError, MemoryStore, TokenStoreError, testing

GOOD = HTTPResponse(200, {}, b'{"access_token": "good", "token_type": "Bearer", "expires_in": 3600}')
BAD = HTTPResponse(401, {}, b'{"error": "invalid_client"}')


@pytest.fixture(autouse=True)
def fresh():
    with testing.reset():
        yield


def make(transport, store=None):
    return krauth_requests.MelomingOAuth(
        "client", "s3cret-of-it", token_transport=transport, store=store or MemoryStore()
    )


def test_a_refresh_under_way_is_shown_with_its_age():
    """`health` names the key, the seconds and the cause, and no secret."""
    entered, go = threading.Event(), threading.Event()

    def hang(request):
        entered.set()
        go.wait(20)
        return GOOD

    auth = make(hang)
    thread = threading.Thread(target=auth.token)
    thread.start()
    assert entered.wait(10)
    (run,) = krauth.health().runs
    go.set()
    thread.join(20)
    assert "meloming" in run.key
    assert (run.waits, run.cause) == (False, "expiry")
    assert 0 <= run.seconds < 20
    assert krauth.health().runs == ()
    assert len(krauth.health().tokens) == 1
    assert "s3cret" not in repr(krauth.health())


def test_a_remembered_failure_is_shown_and_can_be_forgotten():
    """After `forget_failures` the next call sends a token request at once."""
    answers = [BAD, GOOD]
    store = MemoryStore()
    auth = make(lambda request: answers.pop(0), store)
    for _ in range(2):
        with pytest.raises(InvalidClientError):
            auth.token()
    (failure,) = krauth.health().failures
    assert 0 < failure.seconds <= 60
    assert failure.times >= 1
    assert "invalid_client" in failure.error
    krauth.forget_failures()
    store.delete(auth._source.credentials.key)  # the failure is in the record, too
    assert krauth.health().failures == ()
    assert auth.token().access_token == "good"


def test_events_tell_duration_attempt_status_and_cause(events):
    """An observer can make metrics of them without asking anything else."""
    answers = [HTTPResponse(503, {}, b""), GOOD]
    make(lambda request: answers.pop(0)).token()
    (obtained,) = (event for event in events if event.kind == "obtained")
    assert (obtained.attempt, obtained.status, obtained.cause) == (2, 200, "expiry")
    assert 0 <= obtained.duration < 5


def test_a_refresh_by_hand_has_no_cause(events):
    """Neither expiry nor refusal asked for it."""
    answers = [GOOD, HTTPResponse(200, {}, GOOD.body.replace(b"good", b"next"))]
    auth = make(lambda request: answers.pop(0))
    auth.token()
    auth.refresh()
    (refreshed,) = (event for event in events if event.kind == "refreshed")
    assert refreshed.cause is None


def test_an_observer_that_hangs_holds_up_no_caller():
    """Waiters are answered before observers hear, and another thread tells the observers."""
    from krauth import _plugins, hookimpl

    go = threading.Event()

    class Hanging:
        @hookimpl
        def krauth_token_event(self, event):
            go.wait(20)

    observer, manager = Hanging(), _plugins.plugins().manager
    manager.register(observer)
    try:
        begun = time.monotonic()
        for _ in range(5):
            make(lambda request: GOOD).token()
        assert time.monotonic() - begun < 10
    finally:
        go.set()
        manager.unregister(observer)


def test_a_store_that_failed_is_shown_with_its_last_error():
    """`times` counts the failures in a row, and is 0 when the store works again; the error stays."""

    class Full(MemoryStore):
        fails = True

        def load(self, key):
            if self.fails:
                raise TokenStoreError("the disk is full")
            return super().load(key)

    store = Full()
    make(lambda request: GOOD, store).token()
    (shown,) = (one for one in krauth.health().stores if one.store == "Full")  # another test's may still be alive
    assert (shown.store, shown.times, shown.error) == ("Full", 1, "the disk is full")
    assert 0 <= shown.seconds < 20
    store.fails = False
    with testing.reset():
        make(lambda request: GOOD, store).token()
        (shown,) = (one for one in krauth.health().stores if one.store == "Full")
        assert shown[2:] == (0, "the disk is full")
