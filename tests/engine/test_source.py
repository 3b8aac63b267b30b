"""TokenSource on a fake clock, its workers run by hand: who waits for what, and how many requests that costs."""

from __future__ import annotations

import gc
import logging
import random
import statistics
import threading
import weakref

import pytest

import krauth._engine.source as source_module
from krauth import (
    AuthorizationRequired,
    ConfigurationError,
    KrauthError,
    MemoryStore,
    RefreshPolicy,
    TokenStoreError,
    TokenTransportError,
    _plugins,
    hookimpl,
)
from krauth._values.exceptions import InvalidClientError, RateLimitError, TokenServerError
from krauth._values.token import Token
from krauth.stores import ANY
from krauth_requests import NaverAuth, OAuth2Auth

from ._rig import ENDPOINT, NAVER_SECRET, NETWORK, NOW, Clock, Rig, Store, answer, machine, naver, never, person

WINDOW = 600  # of a token that lives an hour
PROMPT = RefreshPolicy(jitter=0)


@pytest.fixture(autouse=True)
def no_skew():
    source_module._skew.clear()


def users(**settings):
    """A rig whose user has signed in."""
    rig = Rig(person(), **settings)
    token = rig.server.authorize()
    rig.store.put(rig.credentials.key, token)
    return rig


# ---- single flight ---------------------------------------------------------------------------------------------


def test_all_who_have_no_token_wait_for_the_same_renewal():
    """A thousand callers without a token share one run and one request."""
    rig = Rig()
    runs = {rig.start() for _ in range(1000)}
    assert len(runs) == 1
    assert rig.opened == 1
    rig.workers.run()
    assert rig.server.count == 1
    assert rig.peek() == "access-1"


def test_a_fresh_token_is_given_without_lock_or_work():
    """While the token is fresh `peek` takes no lock, starts nothing and asks nobody."""
    rig = Rig()
    rig.get()
    with source_module._lock:
        assert rig.peek() == "access-1"
    assert not rig.workers.tasks
    assert rig.server.count == 1


def test_nothing_is_obtained_before_somebody_asks():
    """Making a source sends nothing, not even with `keep_warm`."""
    rig = Rig(policy=RefreshPolicy(keep_warm=True))
    rig.source.keep_warm(rig)
    rig.workers.pass_time(100_000)
    assert rig.server.count == 0


def test_a_caller_who_comes_after_the_end_gets_the_token_at_once():
    """`start` with a fresh token there returns a run that is over."""
    rig = Rig()
    rig.get()
    run = rig.start()
    assert run.future.done()
    assert run.future.result(0).token.access_token == "access-1"


def test_a_transport_is_opened_where_the_caller_runs_and_only_if_a_renewal_begins():
    """Those who join a renewal lend no transport."""
    rig = Rig()
    for _ in range(5):
        rig.start()
    assert rig.opened == 1


def test_callers_from_many_threads_decide_one_after_the_other():
    """Two threads that find no token at the same moment do not both begin a renewal."""
    rig = Rig()
    both = threading.Event()

    class Slow:
        def open_transport(self):
            rig.opened += 1
            if rig.opened > 1:
                both.set()
            both.wait(0.2)
            return rig.server

    threads = [threading.Thread(target=rig.source.start, args=(Slow(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rig.opened == 1
    rig.workers.run()
    assert rig.server.count == 1


def test_a_transport_that_cannot_be_opened_harms_only_who_brought_it():
    """A `ConfigurationError` from one caller's transport leaves no run behind for others to wait on."""
    rig = Rig()

    class Foreign:
        def open_transport(self):
            raise ConfigurationError("an async client without its loop")

    with pytest.raises(ConfigurationError):
        rig.source.start(Foreign())
    assert rig.get() == "access-1"


def test_a_renewal_that_is_interrupted_before_it_begins_leaves_nobody_waiting(monkeypatch):
    """KeyboardInterrupt in the moment between announcing a run and beginning it does not block those who come later."""
    rig = Rig()
    with monkeypatch.context() as patch:
        patch.setattr(rig.workers, "submit", lambda task: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rig.start()
    rig.clock.advance(2)
    assert rig.get() == "access-1"


def test_a_renewal_that_hangs_is_given_up_after_its_time():
    """A transport that never returns costs those who wait their patience, and the source nothing for ever."""
    rig = Rig()
    hung = rig.start()
    rig.workers.tasks.clear()  # it never comes back
    rig.clock.advance(rig.policy.timeout + rig.policy.attempt_timeout + 4)
    assert rig.start() is hung
    rig.clock.advance(2)
    assert rig.get() == "access-1"


def test_a_hung_renewal_that_ends_late_after_all_spoils_nothing():
    """What a renewal that was given up brings at last does not replace a newer token."""
    rig = Rig()
    rig.start()
    late = list(rig.workers.tasks)
    rig.workers.tasks.clear()
    rig.clock.advance(100)
    assert rig.get() == "access-1"
    rig.workers.tasks.extend(late)
    rig.workers.run()
    assert rig.peek() == "access-1"
    assert rig.server.count == 1


# ---- stale while refresh ---------------------------------------------------------------------------------------


def test_inside_the_window_callers_use_the_old_token_while_one_renewal_runs():
    """A thousand callers in the window are served at once, and cost one request."""
    rig = Rig()
    rig.get()
    rig.clock.advance(3600 - WINDOW)
    assert {rig.peek() for _ in range(1000)} == {"access-1"}
    assert len(rig.workers.tasks) == 1
    rig.workers.run()
    assert rig.server.count == 2
    assert rig.peek() == "access-2"


def test_a_failed_background_renewal_bothers_nobody():
    """While the old token lives a dead server is reported, not raised: every caller gets the token."""
    rig = Rig()
    rig.get()
    rig.server.down = answer(503)
    rig.clock.advance(3600 - WINDOW)
    for _ in range(WINDOW - 1):
        assert rig.get() == "access-1"
        rig.workers.pass_time(1)


def test_a_failed_background_renewal_is_retried_with_growing_jittered_pauses():
    """Of ten minutes of outage the server sees a handful of renewals, further and further apart."""
    rig = Rig(policy=RefreshPolicy(jitter=0, attempts=1))
    rig.get()
    rig.server.down = answer(503)
    rig.clock.advance(3600 - WINDOW)
    at = []
    rig.server.before = lambda: at.append(rig.clock.monotonic())
    for _ in range(10 * (WINDOW - 1)):
        rig.peek()
        rig.workers.pass_time(0.1)
    pauses = [later - earlier for earlier, later in zip(at, at[1:], strict=False)]
    assert 5 <= len(at) <= 9
    for number, pause in enumerate(pauses):
        bound = min(5 * 2**number, 300)
        assert bound / 2 - 0.01 <= pause <= bound + 0.2


def test_background_retries_of_a_fleet_do_not_go_in_step():
    """The pauses after a failure differ from process to process."""
    pauses = set()
    for _ in range(20):
        rig = Rig(policy=RefreshPolicy(jitter=0, attempts=1))
        rig.get()
        rig.server.down = answer(503)
        rig.clock.advance(3600 - WINDOW)
        rig.peek()
        rig.workers.run()
        pauses.add(rig.source._background_after - rig.clock.monotonic())
    assert len(pauses) == 20
    assert min(pauses) >= 2.5
    assert max(pauses) <= 5


def test_a_background_renewal_that_recovers_forgets_the_failures():
    """One success, and the next outage begins with short pauses again."""
    rig = Rig(policy=RefreshPolicy(jitter=0, attempts=1))
    rig.get()
    rig.server.down = answer(503)
    rig.clock.advance(3600 - WINDOW)
    for _ in range(100):
        rig.peek()
        rig.workers.pass_time(1)
    rig.server.down = None
    while rig.get() == "access-1":
        rig.workers.pass_time(1)
    rig.server.down = answer(503)
    rig.clock.advance(3600 - WINDOW)
    rig.peek()
    rig.workers.run()
    assert rig.source._background_after - rig.clock.monotonic() <= 5


def test_a_body_that_can_be_sent_once_waits_for_the_new_token_in_the_window():
    """A call that could not be repeated is given a token with life left, where there is one to be had."""
    rig = Rig()
    rig.get()
    rig.clock.advance(3600 - WINDOW)
    assert rig.source.peek_with_life_left(rig) is None
    assert rig.workers.finish(rig.start()).token.access_token == "access-2"
    assert rig.source.peek_with_life_left(rig).token.access_token == "access-2"
    assert rig.server.count == 2


def test_a_body_that_can_be_sent_once_gets_the_old_token_when_there_is_no_new_one():
    """A failed renewal in the window bothers nobody, not even the call that waited for it."""
    rig = Rig()
    rig.get()
    rig.server.down = answer(503)
    rig.clock.advance(3600 - WINDOW)
    assert rig.source.peek_with_life_left(rig) is None
    assert rig.workers.finish(rig.start()).token.access_token == "access-1"
    assert rig.source.peek_with_life_left(rig).token.access_token == "access-1"


@pytest.mark.parametrize("settings", [{}, {"window": 0.0}, {"window": 5.0}, {"window": 1e9}, {"jitter": 1e9}])
def test_the_window_lies_within_the_lifetime(settings):
    """However it is set, a new token is fresh at first, and over when its life is."""
    rig = Rig(policy=RefreshPolicy(**settings))
    rig.get()
    rig.peek()
    assert not rig.workers.tasks
    rig.clock.advance(3599.9)
    assert rig.peek() == "access-1"
    rig.clock.advance(0.1)
    assert rig.peek() is None


def test_the_window_begins_exactly_where_the_policy_says():
    """One second before the boundary nothing is begun; at the boundary a renewal is."""
    rig = Rig(policy=RefreshPolicy(window=100, jitter=0))
    rig.get()
    rig.clock.advance(3499)
    rig.peek()
    assert not rig.workers.tasks
    rig.clock.advance(1)
    rig.peek()
    assert rig.workers.tasks


@pytest.mark.parametrize("lifetime", [10_800.0, 6757.0, 1801.0])
def test_naver_is_asked_in_the_last_thirty_minutes_never_before(lifetime):
    """Jitter comes after the boundary: with 30 minutes or more left Naver returns the same token again."""
    boundaries = []
    for _ in range(50):
        rig = Rig(naver(), policy=RefreshPolicy(), lifetime=lifetime)
        rig.get()
        snapshot = rig.source.snapshot
        assert snapshot.fresh_mono - rig.clock.monotonic() == pytest.approx(snapshot.fresh_wall - rig.clock.time())
        boundaries.append(snapshot.good_mono - snapshot.fresh_mono)
    assert max(boundaries) <= 1800
    assert min(boundaries) >= 1800 * 0.95
    assert len(set(boundaries)) == 50
    assert statistics.mean(boundaries) == pytest.approx(1755, abs=25)


def test_a_naver_day_costs_as_few_requests_as_the_document_allows():
    """Under steady traffic a day of Naver's tokens of three hours costs ten requests, each with a new token."""
    rig = Rig(naver(), policy=RefreshPolicy(), lifetime=10_800.0, reissues_below=1800.0)
    for _ in range(24 * 60):
        rig.get()
        rig.workers.pass_time(60)
    assert rig.server.count == rig.server.issued
    assert rig.server.count in (10, 11)


def test_the_same_token_from_a_background_renewal_is_not_asked_for_with_every_call():
    """A server that has no newer token yet is left alone for some seconds."""
    rig = Rig(reissues_below=300.0)
    rig.get()
    rig.clock.advance(3600 - WINDOW)
    for _ in range(600):
        rig.peek()
        rig.workers.pass_time(0.1)
    assert rig.server.count <= 14


# ---- generations -----------------------------------------------------------------------------------------------


def test_sixty_four_refused_calls_cost_one_renewal():
    """All who were refused with the same token wait for one run, whenever they come to it."""
    rig = Rig()
    refused = rig.get()
    runs = {rig.start(cure=refused) for _ in range(64)}
    assert len(runs) == 1
    rig.workers.run()
    late = [rig.start(cure=refused) for _ in range(64)]
    assert {run.future.result(0).token.access_token for run in late} == {"access-2"}
    assert rig.server.count == 2


def test_a_refused_token_is_given_to_nobody_while_it_is_replaced():
    """Callers that come while a refused token is renewed wait for the new one."""
    rig = Rig()
    refused = rig.get()
    run = rig.start(cure=refused)
    assert rig.peek() is None
    assert rig.start() is run


def test_a_refusal_of_an_older_token_renews_nothing():
    """A 401 invalidates the token that was sent, not the one that has come since."""
    rig = Rig()
    first = rig.get()
    second = rig.get(cure=first)
    run = rig.start(cure=first)
    assert run.future.result(0).token.access_token == second
    assert rig.peek() == second
    assert rig.server.count == 2


def test_a_newer_token_cures_even_when_it_is_stale_itself():
    """Who was refused with an old token is served with the current one though that is in its window."""
    rig = Rig()
    first = rig.get()
    second = rig.get(cure=first)
    rig.clock.advance(3600 - WINDOW)
    assert rig.start(cure=first).future.result(0).token.access_token == second
    assert rig.server.count == 2


def test_a_renewal_that_began_before_the_refusal_is_followed_by_another():
    """The token that an overlapping renewal brings may be of before the revocation: it is not taken for the cure."""
    rig = Rig()
    refused = rig.get()
    rig.clock.advance(3600 - WINDOW)
    rig.peek()
    cure = rig.start(cure=refused)
    assert rig.start(cure=refused) is cure
    rig.workers.run()
    assert rig.server.count == 3
    assert cure.future.result(0).token.access_token == "access-3"
    assert rig.peek() == "access-3"


def test_the_second_renewal_begins_when_the_first_has_ended():
    """Never are two token requests of one source under way."""
    rig = Rig()
    refused = rig.get()
    rig.clock.advance(3600 - WINDOW)
    rig.peek()
    under_way = []

    def look():
        under_way.append(len(rig.workers.tasks))

    rig.server.before = look
    rig.start(cure=refused)
    assert len(rig.workers.tasks) == 1
    rig.workers.run()
    assert under_way == [0, 0]


def test_a_cure_that_fails_leaves_those_with_the_overlapping_renewals_token_their_token():
    """Where the renewal that follows fails, its callers get what the one before it brought."""
    rig = Rig()
    refused = rig.get()
    rig.clock.advance(3600 - WINDOW)
    rig.peek()
    cure = rig.start(cure=refused)
    rig.server.say(answer(access_token="second"), *[answer(503)] * 3)
    assert rig.workers.finish(cure).token.access_token == "second"


def test_the_same_token_returned_again_is_not_asked_for_again():
    """Naver returns the refused token while it has 30 minutes left: the 401 stands, and costs no second request."""
    rig = Rig(naver(), lifetime=10_800.0, reissues_below=1800.0)
    refused = rig.get()
    assert rig.get(cure=refused) == refused
    assert rig.server.count == 2
    for _ in range(1000):
        assert rig.start(cure=refused).future.result(0).token.access_token == refused
    assert rig.server.count == 2


def test_the_same_token_returned_again_stays_in_use_for_others():
    """A 401 for one API group does not take the token from calls that it serves well."""
    rig = Rig(naver(), lifetime=10_800.0, reissues_below=1800.0)
    refused = rig.get()
    rig.get(cure=refused)
    assert rig.peek() == refused


def test_what_no_renewal_cures_is_asked_for_more_and_more_rarely():
    """An API that refuses every call for two hours costs one token request a minute at most, not one per call."""
    rig = Rig(naver(), lifetime=10_800.0, reissues_below=1800.0)
    for _ in range(2 * 360):
        token = rig.get()
        rig.workers.finish(rig.start(cure=token))
        rig.workers.pass_time(10)
    assert rig.server.count <= 125


def test_a_burst_of_refusals_of_a_new_token_counts_as_one():
    """Sixty-four callers refused together suspend the cure for some seconds, not for as long as sixty-four that follow each other."""
    rig = Rig()
    token = rig.get(cure=rig.get())
    for _ in range(64):
        rig.source.refused_again()
    assert rig.get(cure=token) == token
    rig.clock.advance(6)
    assert rig.get(cure=token) != token


def test_a_new_token_that_is_refused_too_ends_the_search():
    """With a server that issues a new token each time, a refusal of the new one is not cured by a third."""
    rig = Rig()
    second = rig.get(cure=rig.get())
    rig.source.refused_again()
    for _ in range(100):
        assert rig.get(cure=second) == second
    assert rig.server.count == 2


@pytest.mark.parametrize("when", ["during", "after"])
def test_a_refusal_that_no_token_cures_is_no_endless_chain(when):
    """Word that a new token was refused, too, may come while or after the next is obtained: it counts all the same."""
    rig = Rig()
    rig.get(cure=rig.get())  # by somebody who will repeat the call, and be refused again
    for _ in range(20):
        rig.start(cure=rig.get())  # somebody else used it first-hand
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
    assert rig.get(cure=refused) == "siblings"
    assert rig.server.count == 1


def test_a_cure_that_fails_gives_the_old_token_back_to_those_it_serves():
    """When no new token is to be had, the refused one is better than none: it may serve other calls."""
    rig = Rig()
    refused = rig.get()
    rig.server.down = answer(400)
    with pytest.raises(KrauthError):
        rig.get(cure=refused)
    assert rig.peek() == refused


# ---- errors and their memory -------------------------------------------------------------------------------------


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
            run.wait(0)
        caught.append(raised.value)
    assert len({id(error) for error in caught}) == 3
    assert len({(str(error), error.status, error.error) for error in caught}) == 1
    assert run.future.result(0).__traceback__ is None


def test_an_outage_is_remembered_for_a_second():
    """A dead network costs a renewal (three requests) and then silence for a second, however many call."""
    rig = Rig()
    rig.server.down = NETWORK
    with pytest.raises(TokenTransportError):
        rig.get()
    for _ in range(1000):
        with pytest.raises(TokenTransportError):
            rig.get()
    assert rig.server.count == 3
    rig.clock.advance(1.01)
    with pytest.raises(TokenTransportError):
        rig.get()
    assert rig.server.count == 6


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
        rig.get(cure=token)
    assert rig.source._failure.until - rig.clock.monotonic() == pytest.approx(1)


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


def test_retry_after_holds_for_background_renewals_too():
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


def test_a_background_invalid_grant_bothers_nobody_until_the_token_is_over():
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
    """A broken transport leaves nobody waiting, and its error is named without its text in the type's place."""
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


def test_an_exception_out_of_the_log_costs_nobody_the_token():
    """A logging filter that raises neither fails a renewal nor leaves its callers waiting."""

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
            rig.get(cure="access-1")
    finally:
        logger.removeFilter(broken)
        logger.setLevel(level)


def test_a_process_out_of_threads_fails_its_callers_and_recovers(monkeypatch):
    """No thread for a timer means an error now, not a source that waits for ever."""
    rig = Rig()
    rig.server.say(answer(503))
    with monkeypatch.context() as patch:

        def after(seconds, task):
            raise RuntimeError("can't start new thread")

        patch.setattr(rig.workers, "after", after)
        run = rig.start()
        rig.workers.run()
        assert isinstance(run.future.result(timeout=0), KrauthError)
        rig.source.refused_again()
    rig.clock.advance(2)
    assert rig.get() == "access-1"


# ---- clocks ----------------------------------------------------------------------------------------------------


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


def test_a_frozen_process_that_thaws_in_the_window_renews_in_the_background():
    """After a suspend that ends in the window the old token goes on while a new one comes."""
    rig = Rig()
    rig.get()
    rig.clock.suspend(3600 - WINDOW)
    assert rig.peek() == "access-1"
    rig.workers.run()
    assert rig.peek() == "access-2"


def test_a_clock_set_forward_costs_one_renewal_and_one_set_right_again_none():
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
    assert rig.get(cure="eternal") == "access-1"


def test_the_skew_is_shared_by_all_sources_of_an_endpoint():
    """What one seller's renewal learnt of the server's clock signs the next seller's request right at first."""
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


# ---- keep warm -------------------------------------------------------------------------------------------------

WARM = RefreshPolicy(jitter=0, keep_warm=True)


def test_keep_warm_renews_without_traffic():
    """A day without a single call, and the first one finds a fresh token."""
    rig = Rig(policy=WARM)
    rig.get()
    rig.workers.pass_time(86400)
    assert rig.peek() == f"access-{rig.server.issued}"
    assert rig.server.count == pytest.approx(86400 / 3000, abs=2)


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
    """A timer does not keep a source that nobody holds, nor does it renew for it."""
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
        patch.setattr(rig, "open_transport", lambda: 1 / 0)
        rig.workers.pass_time(3300)
    rig.workers.pass_time(301)
    assert rig.peek() == "access-2"


# ---- sharing ---------------------------------------------------------------------------------------------------


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


def test_sources_that_nobody_holds_are_collected():
    """Without cycles: the last auth object takes its source along, at once."""
    gc.collect()
    before = len(source_module._sources)
    gc.disable()
    try:
        held = [auth(secret=f"secret-{n}") for n in range(100)]
        assert len(source_module._sources) == before + 100
        del held
        assert len(source_module._sources) == before
    finally:
        gc.enable()


def test_a_source_that_renewed_is_collected_at_once_too():
    """Neither run, driver nor future keeps a source that nobody holds."""
    rig = Rig()
    rig.get()
    rig.get(cure="access-1")
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


# ---- replace ---------------------------------------------------------------------------------------------------


def test_a_token_that_came_another_way_is_used_at_once():
    """After a sign-in the new token is there, and failures are forgotten."""
    rig = Rig(person())
    with pytest.raises(AuthorizationRequired):
        rig.get()
    rig.source.replace(Token("signed-in", NOW + 3600, NOW, refresh_token="r"))
    assert rig.peek() == "signed-in"


def test_a_renewal_of_an_age_gone_by_changes_nothing():
    """What a renewal under way brings does not replace the token of a sign-in that came meanwhile."""
    rig = Rig()
    rig.start()
    rig.source.replace(Token("signed-in", NOW + 3600, NOW))
    rig.workers.run()
    assert rig.peek() == "signed-in"


def test_a_failure_of_an_age_gone_by_is_not_remembered():
    """A renewal that fails after a sign-in does not stand in the new token's way."""
    rig = Rig()
    rig.server.down = answer(400)
    rig.start()
    rig.source.replace(Token("signed-in", NOW + 3600, NOW))
    rig.workers.run()
    rig.server.down = None
    assert rig.get(cure="signed-in") == "access-1"


def test_a_token_that_was_revoked_is_gone():
    """`replace(None)`: the next caller waits for another."""
    rig = Rig()
    rig.get()
    rig.source.replace(None)
    assert rig.peek() is None


# ---- rotation, through the source --------------------------------------------------------------------------------


def test_a_rotated_token_that_could_not_be_saved_is_saved_first_next_time():
    """The store is down when the server rotates: nobody is given the token until it is durable, and none is lost."""
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


# ---- events ----------------------------------------------------------------------------------------------------


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
    rig.get(cure="access-1")
    rig.clock.advance(10_800 - 1700)
    rig.get()
    rig.workers.run()
    rig.store.put(rig.credentials.key, Token("siblings", rig.clock.time() + 3000, rig.clock.time()))
    rig.get(cure="access-2")
    rig.server.down = answer(400, {"code": "BAD_REQUEST", "message": "no"})
    with pytest.raises(KrauthError):
        rig.get(cure="siblings")
    rig.store.down = True
    rig.clock.advance(100)
    with pytest.raises(KrauthError):
        rig.get(cure="siblings")
    kinds = [event.kind for event in observed]
    assert kinds == ["obtained", "reused", "refreshed", "adopted", "refresh_failed", "store_failed", "refresh_failed"]
    assert [record.getMessage() for record in caplog.records if "failed to observe" not in record.getMessage()] == [
        str(event) for event in observed
    ]
    assert observed[0].expires_in == pytest.approx(10_800)
    assert {event.key for event in observed} == {rig.credentials.key}
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
