"""The flow, driven by hand with scripted answers: what it asks for, in which order, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krauth import (
    AuthorizationRequired,
    HTTPRequest,
    RefreshPolicy,
    StoreConflict,
    TokenStoreError,
    TokenTransportError,
)
from krauth._engine.knowledge import Start
from krauth._engine.refresh import refresh
from krauth._engine.rules import (
    LEASE_MARGIN,
    MAX_POLL,
    MAX_SHARED_PAUSE,
    POLL,
    SHARED_PAUSE,
    NumberedToken,
    is_worth_adopting,
)
from krauth._engine.steps import Acquire, Emit, Load, Release, Reread, Save, Send, Sleep
from krauth._values.clock import Skews
from krauth._values.exceptions import (
    ConfigurationError,
    InvalidClientError,
    InvalidTokenResponse,
    IPNotAllowedError,
    RateLimitError,
    TokenServerError,
)
from krauth._values.record import Pause, Record
from krauth._values.token import Token, TokenState
from krauth.stores import Lease, Stored

from ._rig import ENDPOINT, NETWORK, NOW, Clock, answer, http_date, machine, naver, person

LEASE = Lease("key", "me", 7)
OLD = Token("old", NOW - 10, NOW - 3610, refresh_token="refresh-old")
SIBLINGS = Token("siblings", NOW + 3600, NOW, refresh_token="refresh-siblings")


def facts(credentials=None, *, policy=None, clock=None, jitter=0.5, **known):
    clock = clock or Clock()
    if "current" in known:
        current = known.pop("current")
        known["newest"] = NumberedToken(current, known.pop("number", 1 if current else 0))
    return Start(credentials or machine(), policy or RefreshPolicy(), clock, jitter=lambda: jitter, **known)


def stored(token=None, version="v1", intent_at=None, number=2, **fields):
    """What is in the store; by default of a later number than what is in memory."""
    return Stored(Record(token, intent_at, number=number, **fields).to_text(), version)


def play(known, script):
    """Drive the flow through a script of (expected step, answer or exception); return the steps and how it ended.

    Time passes while it sleeps. The end is the token, or the exception that came out.
    """
    flow, steps = refresh(known), []
    try:
        step = next(flow)
        for expected, reply in script:
            while isinstance(step, Load) and step.former:
                step = flow.send(None)  # what an older krauth saved under another key: nothing
            assert isinstance(step, expected), f"{step} instead of {expected.__name__} after {steps}"
            steps.append(step)
            if isinstance(step, Sleep):
                known.clock.advance(step.seconds)
            if callable(reply):
                reply = reply(step)
            step = flow.throw(reply) if isinstance(reply, BaseException) else flow.send(reply)
            if isinstance(step, Reread):
                step = flow.send(False)
    except StopIteration as end:
        assert len(steps) == len(script), f"it ended early, after {steps}"
        return steps, end.value.error or end.value.newest.token
    except Exception as error:
        assert len(steps) == len(script), f"it raised early, after {steps}: {error!r}"
        return steps, error
    raise AssertionError(f"it goes on with {step} after {steps}")


def sends(steps):
    return [step.request for step in steps if isinstance(step, Send)]


def records(steps):
    return [Record.from_text(step.value) for step in steps if isinstance(step, Save)]


def events(steps):
    return [step.kind for step in steps if isinstance(step, Emit)]


def form(request: HTTPRequest):
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


#: Up to the token request, with nothing in the store.
LOOK = [(Load, None), (Acquire, (LEASE, None))]
#: A failure is told to the other processes, and the lease is given back.
TELL = (Save, "told")
#: From the answer to the end, all going well.
KEEP = [(Save, "v2"), (Emit, None)]


# ---- the table -------------------------------------------------------------------------------------------------

AGE = {TokenState.FRESH: 3000, TokenState.STALE: 300, TokenState.EXPIRED: -1}


def token_in(state, name):
    if state is TokenState.MISSING:
        return None
    return Token(name, NOW + AGE[state], NOW + AGE[state] - 3600)


_S = TokenState
#: (our token, a newer stored one) → whether to adopt it.
FOUND = {
    (_S.MISSING, _S.EXPIRED): False,
    (_S.MISSING, _S.STALE): True,  # callers wait: the next call refreshes it in the background
    (_S.MISSING, _S.FRESH): True,
    (_S.EXPIRED, _S.EXPIRED): False,
    (_S.EXPIRED, _S.STALE): True,
    (_S.EXPIRED, _S.FRESH): True,
    (_S.STALE, _S.EXPIRED): False,
    (_S.STALE, _S.STALE): False,  # no caller waits: adopting would gain nothing
    (_S.STALE, _S.FRESH): True,
}


@pytest.mark.parametrize(("mine", "theirs"), FOUND)
def test_every_row_of_the_table_adopts_or_refreshes(mine, theirs):
    """A newer token in the store is adopted without a lease where the table says so; elsewhere one is obtained."""
    found = token_in(theirs, "theirs")
    known = facts(current=token_in(mine, "mine"), usable=mine)
    look = stored(found)
    assert is_worth_adopting(mine, theirs) is FOUND[mine, theirs]
    if FOUND[mine, theirs]:
        steps, token = play(known, [(Load, look), (Emit, None)])
        assert token == found
        assert events(steps) == ["adopted"]
    else:
        script = [(Load, look), (Acquire, (LEASE, look)), (Send, answer(access_token="new")), *KEEP]
        steps, token = play(known, script)
        assert token.access_token == "new"


@pytest.mark.parametrize("usable", [TokenState.FRESH, TokenState.STALE, TokenState.EXPIRED, TokenState.MISSING])
def test_the_refused_token_is_not_taken_back_from_the_store(usable):
    """A token that a server refused is refreshed although the store calls it fresh."""
    refused = Token("refused", NOW + 3000, NOW - 600)
    known = facts(current=refused, usable=usable, refused="refused")
    script = [(Load, stored(refused)), (Acquire, (LEASE, stored(refused))), (Send, answer()), *KEEP]
    _, token = play(known, script)
    assert token.access_token == "a"


def test_a_refused_token_is_not_adopted_by_who_forgot_it():
    """A refused token is not adopted, also where the memory of it is gone, as after a fork or a sign-out."""
    refused = Token("refused", NOW + 3000, NOW - 600)
    known = facts(current=None, usable=TokenState.MISSING, refused="refused")
    script = [(Load, stored(refused)), (Acquire, (LEASE, stored(refused))), (Send, answer()), *KEEP]
    _, token = play(known, script)
    assert token.access_token == "a"


@pytest.mark.parametrize("state", [TokenState.FRESH, TokenState.STALE])
def test_a_siblings_token_cures_a_refusal(state):
    """A sibling's good token, even a stale one, replaces a refused one: no request."""
    refused = Token("refused", NOW + 3000, NOW - 36000)
    known = facts(current=refused, usable=TokenState.FRESH, refused="refused")
    steps, token = play(known, [(Load, stored(token_in(state, "theirs"))), (Emit, None)])
    assert token.access_token == "theirs"
    assert not sends(steps)


def test_a_clock_set_back_does_not_revive_our_own_token_from_the_store():
    """What the monotonic clock has ended stays ended, though by the wall clock the stored copy is fresh again."""
    ours = Token("ours", NOW + 3000, NOW - 600)
    known = facts(current=ours, usable=TokenState.EXPIRED)
    script = [(Load, stored(ours, number=1)), (Acquire, (LEASE, stored(ours, number=1))), (Send, answer()), *KEEP]
    _, token = play(known, script)
    assert token.access_token == "a"


def test_the_store_is_read_again_under_the_lease():
    """A token that another process saved between the first look and the lease is adopted, and nothing is sent."""
    script = [(Load, None), (Acquire, (LEASE, stored(SIBLINGS))), (Emit, None), (Release, None)]
    steps, token = play(facts(), script)
    assert token == SIBLINGS
    assert events(steps) == ["adopted"]


def test_a_token_of_before_ours_is_not_taken_for_a_siblings():
    """What is left in the store of before it was down, or comes out of a backup, does not replace the newer one."""
    refused = Token("refused", NOW + 3000, NOW - 600)
    left_over = Token("left-over", NOW + 2900, NOW - 700)
    known = facts(current=refused, usable=TokenState.FRESH, refused="refused")
    script = [
        (Load, stored(left_over, number=0)),
        (Acquire, (LEASE, stored(left_over, number=0))),
        (Send, answer()),
        *KEEP,
    ]
    _, token = play(known, script)
    assert token.access_token == "a"


# ---- what the server may answer ----------------------------------------------------------------------------------


def test_a_new_token_is_saved_before_it_is_given_out_and_the_lease_goes_back():
    """Lease, second look, one request, save under the lease and the version that was read, release: in this order."""
    old = stored(Token("old", NOW - 10, NOW - 3610), "v9")
    script = [(Load, old), (Acquire, (LEASE, old)), (Send, answer(access_token="new")), *KEEP]
    steps, token = play(facts(), script)
    save = next(step for step in steps if isinstance(step, Save))
    assert Record.from_text(save.value).token == token
    assert (save.version, save.lease, save.expires_at) == ("v9", LEASE, token.expires_at)
    assert save.release


def test_the_first_save_says_that_there_was_no_entry():
    """Where nothing was stored the save is conditional on there being nothing still."""
    steps, _ = play(facts(), [*LOOK, (Send, answer()), *KEEP])
    assert [step.version for step in steps if isinstance(step, Save)] == [None]


@pytest.mark.parametrize(
    ("last", "name", "kind"),
    [(None, "new", "obtained"), ("old", "new", "refreshed"), ("old", "old", "reused")],
)
def test_the_event_tells_a_first_token_a_new_one_and_the_same_again_apart(last, name, kind):
    """`obtained`, `refreshed`, `reused`: what happened is what is reported."""
    look = stored(Token(last, NOW - 1, NOW - 3600)) if last else None
    script = [(Load, look), (Acquire, (LEASE, look)), (Send, answer(access_token=name)), *KEEP]
    steps, _ = play(facts(), script)
    assert events(steps) == [kind]


def test_a_token_lives_from_when_it_was_asked_for():
    """A slow answer does not prolong the token: its life is counted from the moment the request was sent."""
    clock = Clock()

    def slow(_):
        clock.advance(9)
        return answer(expires_in=100)

    _, token = play(facts(clock=clock), [*LOOK, (Send, slow), *KEEP])
    assert (token.obtained_at, token.expires_at) == (NOW, NOW + 100)


DEFINITIVE = [
    (answer(400, {"error": "invalid_request"}), "invalid_request"),
    (answer(400, {"error": "invalid_scope"}), "invalid_scope"),
    (answer(401, {"error": "invalid_client"}), "invalid_client"),
    (answer(400, {"error": "invalid_grant"}), "invalid_grant"),
    (answer(401), "401"),
    (answer(403), "403"),
    (answer(404), "404"),
    (answer(415), "415"),
    (answer(302, headers={"location": "https://elsewhere.example/"}), "redirect"),
    (answer(200, b""), "empty"),
    (answer(200, b"<html>"), "JSON"),
    (answer(200, b'{"access_token": "a'), "JSON"),
    (answer(200, b"[]"), "JSON"),
    (answer(200, {}), "access_token"),
    (answer(access_token=""), "access_token"),
    (answer(access_token="a b"), "access_token"),
    (answer(access_token=None), "access_token"),
    (answer(token_type="mac"), "token_type"),
    (answer(200, b"<html>", headers={"content-type": "text/html"}), "html"),
]


@pytest.mark.parametrize(("refusal", "word"), DEFINITIVE)
def test_a_definitive_answer_is_not_asked_for_twice(refusal, word):
    """A refusal that repeating cannot change ends the refresh after one request, with the lease given back."""
    steps, error = play(facts(), [*LOOK, (Send, refusal), TELL])
    assert word in str(error)
    assert not error.transient
    assert error.status == refusal.status
    assert len(sends(steps)) == 1


@pytest.mark.parametrize(
    ("value", "lifetime"),
    [("3600", 3600.0), (3600.5, 3600.5), (10**12, 10 * 365 * 86400.0), (10**400, 10 * 365 * 86400.0), (None, None)],
)
def test_an_odd_lifetime_is_read_as_meant(value, lifetime):
    """Strings, fractions, centuries and no `expires_in` at all are read safely."""
    _, token = play(facts(), [*LOOK, (Send, answer(expires_in=value)), *KEEP])
    assert token.expires_at == (None if lifetime is None else NOW + lifetime)


def least_pause(failure):
    """What the table of RFC 6749 says of 429, else the first pause of a fleet with a jitter of one half."""
    is_limit = getattr(failure, "status", None) == 429
    return pytest.approx(1.0 if is_limit else 0.75 * SHARED_PAUSE)


TRANSIENT = [answer(500), answer(502, b"<html>"), answer(503), answer(504), answer(429), NETWORK]


@pytest.mark.parametrize("failure", TRANSIENT)
def test_a_passing_failure_is_repeated_with_backoff_and_without_the_lease(failure):
    """5xx, 429 and a dead network are tried again after a pause, during which others may have the lease."""
    script = [*LOOK, (Send, failure), TELL, (Sleep, None), *LOOK, (Send, answer()), *KEEP]
    steps, token = play(facts(), script)
    assert token.access_token == "a"
    assert [step.seconds for step in steps if isinstance(step, Sleep)] == [least_pause(failure)]


@pytest.mark.parametrize("failure", TRANSIENT)
def test_a_passing_failure_that_lasts_is_raised_after_the_last_attempt(failure):
    """`attempts` requests at most; the last failure reaches the caller."""
    again = [*LOOK, (Send, failure), TELL]
    script = [*again, (Sleep, None), *again, (Sleep, None), *again]
    steps, error = play(facts(policy=RefreshPolicy(attempts=3)), script)
    assert error.transient
    assert isinstance(error, TokenServerError | RateLimitError | TokenTransportError)
    pauses = [step.seconds for step in steps if isinstance(step, Sleep)]
    assert pauses == [least_pause(failure)] * 2  # the scripted store forgets


def test_one_attempt_is_one_request():
    """RefreshPolicy(attempts=1) repeats nothing."""
    _, error = play(facts(policy=RefreshPolicy(attempts=1)), [*LOOK, (Send, answer(503)), TELL])
    assert isinstance(error, TokenServerError)


@settings(deadline=None)
@given(jitter=st.floats(0, 1, exclude_max=True), failures=st.integers(1, 8))
def test_pauses_have_jitter_and_a_ceiling(jitter, failures):
    """Each pause lies between half of a bound and the bound, which doubles up to `MAX_SHARED_PAUSE`."""
    known = facts(policy=RefreshPolicy(attempts=9, timeout=10_000), jitter=jitter)
    flow = refresh(known)
    step, steps, record, answers = next(flow), [], None, [answer(503)] * failures + [answer()]
    with pytest.raises(StopIteration):
        while True:
            steps.append(step)
            if isinstance(step, Sleep):
                known.clock.advance(step.seconds)
            if isinstance(step, Save):
                record = Stored(step.value, "v")
            replies = {Load: record, Acquire: (LEASE, record), Save: "v"}
            step = flow.send(answers.pop(0) if isinstance(step, Send) else replies.get(type(step)))
    pauses = [step.seconds for step in steps if isinstance(step, Sleep)]
    bounds = [min(SHARED_PAUSE * 2**n, MAX_SHARED_PAUSE) for n in range(failures)]
    assert pauses == pytest.approx([bound * (0.5 + jitter / 2) for bound in bounds])


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": http_date(NOW + 7)}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": http_date(NOW - 60)}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "-5"}, 0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for_and_never_undercut(status, headers, wait):
    """`Retry-After`, seconds or HTTP date, is the least pause; nonsense counts as not sent."""
    script = [
        *LOOK,
        (Send, answer(status, headers=headers)),
        TELL,
        (Sleep, None),
        *LOOK,
        (Send, answer()),
        *KEEP,
    ]
    steps, _ = play(facts(jitter=0.5), script)
    assert [step.seconds for step in steps if isinstance(step, Sleep)] == [
        pytest.approx(max(wait, 1.0 if status == 429 else 0.75 * SHARED_PAUSE))
    ]


def test_retry_after_as_a_date_is_read_by_the_clock_that_wrote_it():
    """A date in `Retry-After` means the server's clock, which its `Date` tells; not ours, an hour behind."""
    headers = {"date": http_date(NOW + 3600), "retry-after": http_date(NOW + 3607)}
    script = [
        *LOOK,
        (Send, answer(429, headers=headers)),
        TELL,
        (Sleep, None),
        *LOOK,
        (Send, answer()),
        *KEEP,
    ]
    steps, _ = play(facts(), script)
    assert [step.seconds for step in steps if isinstance(step, Sleep)] == [pytest.approx(7, abs=1)]


def test_a_pause_that_would_outlast_the_deadline_is_not_begun():
    """A waiting caller is told at once when the server asks for a longer pause than there is time."""
    script = [*LOOK, (Send, answer(429, headers={"retry-after": "31"})), TELL]
    _, error = play(facts(policy=RefreshPolicy(timeout=30)), script)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 31


def test_attempts_end_with_the_deadline_and_their_timeouts_shrink_towards_it():
    """No request is given more time than `attempt_timeout`, nor than is left before the deadline."""
    clock = Clock()

    def slow(step):
        clock.advance(step.request.timeout)
        return NETWORK

    again = [*LOOK, (Send, slow), TELL]
    known = facts(clock=clock, policy=RefreshPolicy(timeout=25, attempt_timeout=10, attempts=9), jitter=0)
    steps, error = play(known, [*again, (Sleep, None), *again, (Sleep, None), *again])
    assert [request.timeout for request in sends(steps)] == pytest.approx([10, 10, 4])
    assert isinstance(error, TokenTransportError)
    assert clock.monotonic() - Clock().monotonic() == pytest.approx(25)


# ---- the clock -----------------------------------------------------------------------------------------------


def signed_at(request):
    return int(form(request)["timestamp"]) / 1000


LATE = {"code": "BAD_REQUEST", "invalidInputs": [{"name": "timestamp", "type": "NotValid", "message": "…"}]}


@pytest.mark.parametrize("ahead", [3600, -3600, 80_000])
def test_a_refusal_under_a_wrong_clock_is_signed_anew_once_by_the_servers_time(ahead):
    """The second request carries a timestamp of the server's clock, follows at once, and there is no third."""
    refusal = answer(400, LATE, headers={"date": http_date(NOW + ahead)})
    known = facts(naver())
    steps, error = play(known, [*LOOK, (Send, refusal), (Release, None), *LOOK, (Send, refusal), TELL])
    first, second = map(signed_at, sends(steps))
    assert first == pytest.approx(NOW - 1, abs=0.01)
    assert second == pytest.approx(NOW + ahead - 1, abs=1.1)
    assert not error.transient
    assert known.server_ahead() == pytest.approx(ahead, abs=1)


def test_servers_that_disagree_about_the_time_are_asked_twice_all_the_same():
    """A `Date` that jumps with every answer, as behind a balancer, is no reason for a third signature."""
    first, second = (answer(400, LATE, headers={"date": http_date(NOW + ahead)}) for ahead in (900, -900))
    steps, error = play(facts(naver()), [*LOOK, (Send, first), (Release, None), *LOOK, (Send, second), TELL])
    assert error.status == 400
    assert len(sends(steps)) == 2


def test_a_clock_that_is_corrected_by_the_first_answer_brings_the_token():
    """One refusal, one corrected signature, one token."""
    refusal = answer(400, LATE, headers={"date": http_date(NOW + 900)})
    _, token = play(facts(naver()), [*LOOK, (Send, refusal), (Release, None), *LOOK, (Send, answer()), *KEEP])
    assert token.access_token == "a"


def test_a_known_skew_is_used_from_the_first_request_on_and_is_no_excuse_for_a_refusal():
    """What another refresh measured corrects this one's signature; a refusal under the same skew is final."""
    skew, clock = Skews(), Clock()
    for _ in range(2):
        skew.measure(naver().token_endpoint, http_date(NOW + 900), NOW, NOW, clock.monotonic())
    refusal = answer(400, LATE, headers={"date": http_date(NOW + 900)})
    steps, _ = play(facts(naver(), skew=skew, clock=clock), [*LOOK, (Send, refusal), TELL])
    assert signed_at(sends(steps)[0]) == pytest.approx(NOW + 899, abs=0.01)


@pytest.mark.parametrize(
    ("credentials", "refusal"),
    [
        (machine, answer(400, {"error": "invalid_request"}, headers={"date": http_date(NOW + 900)})),
        (naver, answer(400, LATE)),
        (naver, answer(400, LATE, headers={"date": http_date(NOW)})),
        (naver, answer(403, {"code": "GW.IP_NOT_ALLOWED"}, headers={"date": http_date(NOW + 900)})),
    ],
    ids=["nothing is signed", "no Date", "no skew", "the IP is refused"],
)
def test_a_refusal_that_is_not_the_clocks_fault_is_not_signed_anew(credentials, refusal):
    """Only a signed request, refused while the clock was off, is sent a second time."""
    end = (Release, None) if refusal.status == 403 else TELL  # an IP address is a fact about this machine
    steps, error = play(facts(credentials()), [*LOOK, (Send, refusal), end])
    assert isinstance(error, IPNotAllowedError) or error.status == 400
    assert len(sends(steps)) == 1


def test_a_slow_answer_is_no_skew():
    """The offset is bounded by the round trip: a `Date` inside it measures nothing."""
    clock = Clock()

    def slow(_):
        clock.advance(8)
        return answer(400, LATE, headers={"date": http_date(NOW + 4)})

    known = facts(naver(), clock=clock)
    play(known, [*LOOK, (Send, slow), TELL])
    assert known.server_ahead() == 0.0


# ---- the lease -----------------------------------------------------------------------------------------------


def test_a_lease_that_another_holds_is_polled_for_and_its_token_adopted():
    """While another process refreshes, this one looks at the store now and then and sends nothing."""
    wait = [(Load, None), (Acquire, (None, None)), (Sleep, None)]
    steps, token = play(facts(), [*wait * 3, (Load, stored(SIBLINGS)), (Emit, None)])
    assert token == SIBLINGS
    assert not sends(steps)
    assert [step.seconds for step in steps if isinstance(step, Sleep)] == pytest.approx([POLL, 2 * POLL, 4 * POLL])


def test_polling_slows_down_to_a_bound_and_ends_with_the_deadline():
    """A lease that never comes free costs a bounded number of looks, and an error that says what went on."""
    known = facts(policy=RefreshPolicy(timeout=10))
    flow, pauses = refresh(known), []
    step = next(flow)
    with pytest.raises(StopIteration) as ended:
        while True:
            if isinstance(step, Sleep):
                pauses.append(step.seconds)
                known.clock.advance(step.seconds)
            step = flow.send((None, None) if isinstance(step, Acquire) else None)
    assert ended.value.value.error.transient
    assert "another process has been refreshing this token for 10 s" in str(ended.value.value.error)
    assert max(pauses) == pytest.approx(MAX_POLL)
    assert 18 < len(pauses) < 30


def test_the_lease_outlives_the_request_it_is_for():
    """A lease is asked for longer than a token request can take, so that it does not end under one."""
    steps, _ = play(facts(policy=RefreshPolicy(attempt_timeout=4)), [*LOOK, (Send, answer()), *KEEP])
    assert [step.seconds for step in steps if isinstance(step, Acquire)] == [4 + LEASE_MARGIN]


@pytest.mark.parametrize(
    ("trouble", "end"),
    [
        (NETWORK, TELL),
        (answer(400), TELL),
        (answer(503), TELL),
        (ConfigurationError("not a response"), (Release, None)),
        (InvalidTokenResponse("?"), TELL),
    ],
)
def test_the_lease_is_given_back_whatever_happens(trouble, end):
    """No failure keeps other processes waiting for a lease that no process uses."""
    steps, _ = play(facts(policy=RefreshPolicy(attempts=1)), [*LOOK, (Send, trouble), end])
    assert steps[-1] == Release(LEASE) or (steps[-1].release and steps[-1].lease == LEASE)


def test_the_lease_is_given_back_when_a_providers_own_code_breaks():
    """An exception that is not krauth's, out of a provider's code, does not keep the lease either."""

    class Broken(type(machine())):
        __slots__ = ()

        def process_token_response(self, response, now, token=None):
            raise KeyError("a bug")

    credentials = Broken("client", "s3cret", token_endpoint=ENDPOINT, api_origins="https://api.example")
    steps, error = play(facts(credentials), [*LOOK, (Send, answer()), (Release, None)])
    assert isinstance(error, KeyError)
    assert steps[-1] == Release(LEASE)


def test_a_release_that_fails_costs_no_caller_the_token():
    """The lease ends by itself; the failure is reported and the token given out."""
    look = stored(SIBLINGS)
    script = [(Load, None), (Acquire, (LEASE, look)), (Emit, None), (Release, TokenStoreError("gone")), (Emit, None)]
    steps, token = play(facts(), script)
    assert token == SIBLINGS
    assert events(steps) == ["adopted", "store_failed"]


CONFLICT = [(Save, StoreConflict("lost")), (Release, None), (Emit, None)]


def test_a_conflict_yields_to_a_higher_number():
    """Where a sibling got further, its token is in force, for this caller too; the lease is taken anew to see it."""
    newer = stored(Token("newer", NOW + 3700, NOW + 100), number=5)
    script = [*LOOK, (Send, answer()), *CONFLICT, (Acquire, (LEASE, newer)), (Emit, None), (Release, None)]
    steps, token = play(facts(), script)
    assert token.access_token == "newer"
    assert events(steps) == ["conflict", "adopted"]


def test_a_conflict_without_a_higher_number_is_saved_again_under_the_lease():
    """Ours is saved over the older one, at the version just read and under the new lease: nothing without a lease."""
    found = stored(Token("older", NOW - 100, NOW - 3700), "v5", number=0)
    again = Lease("key", "me", 8)
    script = [*LOOK, (Send, answer()), *CONFLICT, (Acquire, (again, found)), (Save, "v6"), (Emit, None)]
    steps, token = play(facts(), script)
    assert token.access_token == "a"
    last = [step for step in steps if isinstance(step, Save)][-1]
    assert (last.version, last.lease) == ("v5", again)


def test_a_save_that_only_seemed_to_fail_is_recognised():
    """The conflict is with our own token, which an earlier attempt saved: it is in force, and nothing more is written."""
    mine = Token("a", NOW + 3600, NOW)
    found = stored(mine, "v5", number=1)
    steps, token = play(
        facts(), [*LOOK, (Send, answer()), *CONFLICT, (Acquire, (LEASE, found)), (Emit, None), (Release, None)]
    )
    assert token == mine
    assert len(records(steps)) == 1


# ---- the store fails -------------------------------------------------------------------------------------------

DOWN = TokenStoreError("the store is down")


@pytest.mark.parametrize(
    ("script", "kinds"),
    [
        ([(Load, DOWN), (Emit, None), (Send, answer()), (Emit, None)], ["store_failed", "obtained"]),
        ([(Load, None), (Acquire, DOWN), (Emit, None), (Send, answer()), (Emit, None)], ["store_failed", "obtained"]),
        (
            [*LOOK, (Send, answer()), (Save, DOWN), (Release, None), (Emit, None), (Emit, None)],
            ["store_failed", "obtained"],
        ),
        (
            [*LOOK, (Send, answer()), *CONFLICT, (Acquire, DOWN), (Emit, None), (Emit, None)],
            ["conflict", "store_failed", "obtained"],
        ),
    ],
    ids=["look", "acquire", "save", "look after a conflict"],
)
def test_client_credentials_go_on_without_a_store_and_say_so(script, kinds):
    """A store that fails, wherever, costs a token that can be had again at any time nothing but a report."""
    steps, token = play(facts(), script)
    assert token.access_token == "a"
    assert events(steps) == kinds


@pytest.mark.parametrize("credentials", [person, machine])
def test_a_token_that_must_be_kept_is_not_asked_for_without_a_store(credentials):
    """A refresh token is never spent, and with `require_store` nothing is sent, while the store is down."""
    policy = RefreshPolicy(require_store=True, attempts=2)
    known = facts(credentials(), policy=policy, current=OLD, usable=TokenState.EXPIRED)
    steps, error = play(known, [(Load, DOWN), (Sleep, None), (Load, None), (Acquire, DOWN)])
    assert isinstance(error, TokenStoreError)
    assert not sends(steps)


def test_an_unreadable_record_is_reported_and_overwritten():
    """Rubbish in the store does not cost client credentials their store for ever: the next token is saved over it."""
    rubbish = Stored("{rubbish", "v3")
    flow = refresh(facts())
    step, steps = next(flow), []
    with pytest.raises(StopIteration):
        while True:
            steps.append(step)
            reply = {Load: rubbish, Acquire: (LEASE, rubbish), Send: answer(), Save: "v4"}.get(type(step))
            step = flow.send(reply)
    assert "store_failed" in events(steps)
    assert [step.version for step in steps if isinstance(step, Save)] == ["v3"]


# ---- refresh tokens ------------------------------------------------------------------------------------------


def lately(token=OLD, version="v1", intent_at=None, number=1):
    found = stored(token, version, intent_at, number)
    return [(Load, found), (Acquire, (LEASE, found))]


def users(**known):
    return facts(person(), **({"current": OLD, "usable": TokenState.EXPIRED} | known))


NEW = answer(access_token="new", refresh_token="refresh-new")
SPENT = answer(400, {"error": "invalid_grant"})
INTENT = (Save, "v2")


def test_an_intent_is_written_under_the_lease_before_a_refresh_token_is_spent():
    """A crash between spending and saving leaves a trace that explains what comes of it."""
    steps, token = play(users(), [*lately(), INTENT, (Send, NEW), (Save, "v3"), (Emit, None)])
    intent, result = records(steps)
    assert (intent.token, intent.intent_at, intent.number) == (OLD, NOW, 1)
    assert (result.token, result.intent_at, result.number) == (token, None, 2)
    saves = [step for step in steps if isinstance(step, Save)]
    assert [(step.version, step.lease, step.release) for step in saves] == [("v1", LEASE, False), ("v2", LEASE, True)]
    assert token.refresh_token == "refresh-new"


def test_client_credentials_write_no_intent():
    """Nothing is spent, so nothing is written down beforehand."""
    steps, _ = play(facts(), [*LOOK, (Send, answer()), *KEEP])
    assert len(records(steps)) == 1


@pytest.mark.parametrize("trouble", [DOWN, StoreConflict("another process wrote")])
def test_without_an_intent_nothing_is_spent(trouble):
    """Where the intent can't be written the refresh token stays unspent; the store is looked at anew."""
    policy = RefreshPolicy(attempts=2)
    script = [*lately(), (Save, trouble), (Release, None), (Sleep, None), (Load, stored(SIBLINGS)), (Emit, None)]
    steps, token = play(users(policy=policy), script)
    assert token == SIBLINGS
    assert not sends(steps)


def test_a_lease_that_ended_before_the_request_sends_nothing():
    """A process that was suspended after its intent begins anew: a sibling may have refreshed meanwhile."""
    clock = Clock()

    def asleep(_):
        clock.suspend(60)
        return "v2"

    script = [
        *lately(),
        (Save, asleep),
        (Emit, None),
        (Release, None),
        (Sleep, None),
        (Load, stored(SIBLINGS)),
        (Emit, None),
    ]
    steps, token = play(users(clock=clock), script)
    assert token == SIBLINGS
    assert events(steps) == ["lease_lost", "adopted"]
    assert not sends(steps)


def test_a_request_leaves_time_to_save_its_answer_under_the_lease():
    """A store that was slow leaves less for the token request, and the margin of the lease stays for the save."""
    clock = Clock()

    def slow(_):
        clock.advance(7)
        return "v2"

    policy = RefreshPolicy(attempt_timeout=10)
    steps, _ = play(
        users(clock=clock, policy=policy), [*lately(), (Save, slow), (Send, NEW), (Save, "v3"), (Emit, None)]
    )
    assert sends(steps)[0].timeout == pytest.approx(10 - 7)


def test_a_refresh_token_that_the_server_keeps_stays_in_force():
    """Where the response brings no refresh token, the old one is saved with the new access token."""
    script = [*lately(), INTENT, (Send, answer(access_token="new")), (Save, "v3"), (Emit, None)]
    steps, _ = play(users(), script)
    assert records(steps)[-1].token.refresh_token == "refresh-old"


def test_a_higher_number_in_the_store_is_spent_rather_than_ours():
    """A sibling that rotated before us left the refresh token that is in force, though its access token is over."""
    theirs = Token("theirs", NOW - 1, NOW - 1801, refresh_token="refresh-theirs")
    steps, _ = play(users(), [*lately(theirs, number=2), INTENT, (Send, NEW), (Save, "v3"), (Emit, None)])
    assert form(sends(steps)[0])["refresh_token"] == "refresh-theirs"
    assert records(steps)[-1].number == 3


def test_a_lower_number_in_the_store_is_an_older_token():
    """A store that fell back by one write, as after a failover, is given ours first; what it holds is not spent."""
    ours = Token("ours", NOW - 1, NOW - 1801, refresh_token="refresh-ours")
    known = users(current=ours, number=3)
    steps, token = play(
        known, [*lately(OLD, number=2), (Save, "v2"), (Save, "v3"), (Send, NEW), (Save, "v4"), (Emit, None)]
    )
    assert form(sends(steps)[0])["refresh_token"] == "refresh-ours"
    assert [(record.token.access_token, record.number) for record in records(steps)] == [
        ("ours", 3),
        ("ours", 3),
        ("new", 4),
    ]
    assert token.access_token == "new"


def test_clocks_do_not_tell_which_token_is_newer():
    """A sibling whose clock is behind saved the newer token: its number says so."""
    ours = Token("ours", NOW - 1, NOW, refresh_token="refresh-ours")
    theirs = Token("theirs", NOW + 3000, NOW - 600, refresh_token="refresh-theirs")
    _, token = play(users(current=ours, number=3), [(Load, stored(theirs, number=4)), (Emit, None)])
    assert token == theirs


def test_a_record_of_an_older_krauth_is_read():
    """A record without a number is compared by its times, and the next one has a number."""
    steps, _ = play(
        users(current=None, usable=TokenState.MISSING),
        [*lately(number=None), INTENT, (Send, NEW), (Save, "v3"), (Emit, None)],
    )
    assert form(sends(steps)[0])["refresh_token"] == "refresh-old"
    assert records(steps)[-1].number == 1


def test_a_higher_number_wins_over_invalid_grant():
    """Our refresh token was spent by a sibling whose token is saved now: that token is the answer."""
    script = [
        *lately(),
        INTENT,
        (Send, SPENT),
        (Load, stored(OLD, "v2", NOW, 1)),
        *CONFLICT,
        (Acquire, (LEASE, stored(SIBLINGS, "v3"))),
        (Emit, None),
        (Release, None),
    ]
    steps, token = play(users(), script)
    assert token == SIBLINGS
    assert events(steps) == ["conflict", "adopted"]


def test_a_siblings_token_that_is_over_already_is_refreshed_in_its_turn():
    """A newer refresh token in the store means another try with it, not the end of the user's consent."""
    theirs = Token("theirs", NOW - 1, NOW - 1801, refresh_token="refresh-theirs")
    found = stored(theirs, "v3", number=2)
    script = [
        *lately(),
        INTENT,
        (Send, SPENT),
        (Load, stored(OLD, "v2", NOW, 1)),
        *CONFLICT,
        (Acquire, (LEASE, found)),
        (Release, None),
        (Sleep, None),
    ]
    script += [*lately(theirs, "v3", number=2), (Save, "v4"), (Send, NEW), (Save, "v5"), (Emit, None)]
    steps, token = play(users(), script)
    assert token.access_token == "new"
    assert [form(request)["refresh_token"] for request in sends(steps)] == ["refresh-old", "refresh-theirs"]


def test_a_refresh_token_that_is_dead_is_struck_out_and_the_user_sent_to_authorize():
    """Under the lease `invalid_grant` is believed, and no other process will send the refresh token again."""
    steps, error = play(users(), [*lately(), INTENT, (Send, SPENT), (Load, stored(OLD, "v2", NOW, 1)), (Save, "v3")])
    assert isinstance(error, AuthorizationRequired)
    struck_out = records(steps)[-1]
    assert struck_out.token.refresh_token is None
    assert (struck_out.intent_at, struck_out.number) == (None, 1)
    assert [step.expires_at for step in steps if isinstance(step, Save)][-1] > NOW + 7 * 86400  # no store drops it soon
    assert "interrupted" not in str(error)


def test_a_refresh_that_was_interrupted_is_named_as_the_reason():
    """After a crash between spending and saving, the error and an event say so; an operator need not guess."""
    script = [
        *lately(intent_at=NOW - 60),
        (Emit, None),
        INTENT,
        (Send, SPENT),
        (Load, stored(OLD, "v2", NOW, 1)),
        (Save, "v3"),
    ]
    steps, error = play(users(), script)
    assert isinstance(error, AuthorizationRequired)
    assert "interrupted" in str(error)
    assert events(steps) == ["sent_again"]


def test_a_crash_before_the_server_saw_the_refresh_token_is_recovered_from():
    """An intent alone condemns nothing: the refresh token is tried, and may well be good."""
    script = [*lately(intent_at=NOW - 60), (Emit, None), INTENT, (Send, NEW), (Save, "v3"), (Emit, None)]
    steps, token = play(users(current=None, usable=TokenState.MISSING), script)
    assert token.access_token == "new"
    assert records(steps)[-1].intent_at is None


def test_a_refresh_token_that_was_struck_out_is_not_sent_again_from_memory():
    """What the store says is dead is not spent, though we remember it, and costs no lease."""
    steps, error = play(users(), [(Load, stored(replace(OLD, refresh_token=None), number=1))])
    assert isinstance(error, AuthorizationRequired)
    assert not sends(steps)


def test_a_mark_of_revocation_wins_over_a_token_that_came_meanwhile():
    """A sibling revoked while our answer was under way: the mark stays, and the user has to sign in."""
    mark = Stored(Record(revoked_at=NOW, number=2).to_text(), "v7")
    script = [*lately(), INTENT, (Send, NEW), *CONFLICT, (Acquire, (LEASE, mark)), (Release, None)]
    steps, error = play(users(), script)
    assert isinstance(error, AuthorizationRequired)
    assert error.revoked
    assert all(record.revoked_at is None for record in records(steps))
    assert len(records(steps)) == 2  # the intent, and the save that met the mark


def test_the_lease_is_kept_while_a_rotated_token_is_not_durable():
    """The store fails after the server rotated: the save is repeated under the same lease, which is not given back."""
    script = [
        *lately(),
        INTENT,
        (Send, NEW),
        (Save, DOWN),
        (Sleep, None),
        (Save, DOWN),
        (Sleep, None),
        (Save, "v3"),
        (Emit, None),
    ]
    steps, token = play(users(), script)
    assert (token.access_token, token.refresh_token) == ("new", "refresh-new")
    assert not [step for step in steps if isinstance(step, Release)]


def fail_to_save(known):
    """Drive a flow whose store fails to save from the answer on; return the steps and the outcome."""
    flow, steps, answered = refresh(known), [], False
    step = next(flow)
    while True:
        steps.append(step)
        if isinstance(step, Sleep):
            known.clock.advance(step.seconds)
        answered = answered or isinstance(step, Send)
        found = stored(OLD, "v1", None, 1)
        try:
            if isinstance(step, Save) and answered:
                step = flow.throw(DOWN)
            else:
                replies = {Load: found, Acquire: (LEASE, found), Save: "v2", Send: NEW}
                step = flow.send(replies.get(type(step)))
        except StopIteration as end:
            return steps, end.value


def test_a_rotated_token_that_stays_unsaved_is_handed_on_for_the_next_refresh():
    """When the lease is over the failure is reported, and the token that was not saved is kept in memory."""
    steps, outcome = fail_to_save(users(policy=RefreshPolicy(attempts=1)))
    assert isinstance(outcome.error, TokenStoreError)
    assert (outcome.newest.token.refresh_token, outcome.newest.number) == ("refresh-new", 2)
    assert "unsaved" in events(steps)
    assert not [step for step in steps if isinstance(step, Release)]
    assert len(sends(steps)) == 1


def test_the_next_refresh_begins_by_saving_what_could_not_be_saved():
    """An unsaved refresh token of an earlier refresh is made durable, and its access token used if it lives."""
    unsaved = Token("new", NOW + 3000, NOW - 600, refresh_token="refresh-new")
    steps, token = play(users(current=unsaved, number=2), [*lately(), (Save, "v2"), (Release, None)])
    assert token == unsaved
    assert [(record.token, record.number, record.intent_at) for record in records(steps)] == [(unsaved, 2, None)]
    assert not sends(steps)


def test_a_sibling_that_got_further_than_what_could_not_be_saved_wins():
    """A higher number in the store is in force, whatever we could not save."""
    unsaved = Token("new", NOW + 3000, NOW - 600, refresh_token="refresh-new")
    steps, token = play(users(current=unsaved, number=2), [(Load, stored(SIBLINGS, number=3)), (Emit, None)])
    assert token == SIBLINGS
    assert not sends(steps)


def test_after_a_network_failure_the_refresh_token_is_tried_again_with_the_intent_kept():
    """An answer that never came may have spent the refresh token: trying it is the only way to know."""
    script = [*lately(), INTENT, (Send, NETWORK), TELL, (Sleep, None)]
    script += [
        *lately(version="told", intent_at=NOW),
        (Emit, None),
        (Save, "v3"),
        (Send, NEW),
        (Save, "v4"),
        (Emit, None),
    ]
    steps, token = play(users(), script)
    assert token.access_token == "new"
    assert records(steps)[1].intent_at == NOW
    assert len(sends(steps)) == 2


# ---- what one process learns for all ---------------------------------------------------------------------------


def told(kind, seconds, status=None):
    pause = Pause(NOW + seconds, 2, "refused: ask later", kind, status, "GW.X")
    return Stored(Record(pause=pause).to_text(), "v1")


def test_a_failure_is_told_to_the_other_processes():
    """The record says until when no token request is to be sent, and why."""
    steps, _ = play(facts(policy=RefreshPolicy(attempts=1)), [*LOOK, (Send, answer(503)), TELL])
    pause = records(steps)[0].pause
    assert (pause.kind, pause.status, pause.times) == ("TokenServerError", 503, 0)
    assert 0 < pause.until - NOW <= SHARED_PAUSE


@pytest.mark.parametrize(("kind", "transient"), [("TokenServerError", True), ("InvalidClientError", False)])
def test_what_another_process_learnt_costs_no_request(kind, transient):
    """While the pause lasts, the error is raised without a lease and without a request."""
    found = told(kind, 40, 503)
    steps, error = play(facts(), [(Load, found), (Emit, None)])
    assert type(error).__name__ == kind
    assert error.transient is transient
    assert (error.status, error.code) == (503, "GW.X")
    assert error.retry_after == pytest.approx(40)
    assert "ask later" in str(error)
    assert not sends(steps)


def test_a_short_pause_is_waited_for_and_then_one_process_asks():
    """A pause that ends before the deadline is waited for; the request after it is the fleet's only one."""
    found = told("TokenServerError", 3, 503)
    script = [
        (Load, found),
        (Emit, None),
        (Sleep, None),
        (Load, found),
        (Acquire, (LEASE, found)),
        (Send, answer()),
        *KEEP,
    ]
    steps, token = play(facts(), script)
    assert token.access_token == "a"
    assert records(steps)[-1].pause is None


def test_a_wrong_secret_of_one_process_silences_no_user():
    """The entry of a user is shared by processes with other secrets: `invalid_client` is not told to them."""
    refusal = answer(401, {"error": "invalid_client"})
    steps, error = play(users(), [*lately(), INTENT, (Send, refusal), (Save, "v3")])
    assert isinstance(error, InvalidClientError)
    assert records(steps)[-1].pause is None
    assert records(steps)[-1].intent_at is None


def test_stored_times_are_the_servers():
    """A process whose clock is 10 minutes behind stores the time that the server's clock will show."""
    reply = answer(headers={"date": http_date(NOW + 600)}, expires_in=3600)
    known = facts()
    steps, token = play(known, [*LOOK, (Send, reply), *KEEP])
    assert token.expires_at == pytest.approx(NOW + 3600, abs=1)
    assert records(steps)[-1].token.expires_at == pytest.approx(NOW + 4200, abs=2)
    ahead = known.server_ahead()
    later = facts(skew=known.skew)
    _, read = play(
        later,
        [
            (
                Load,
                Stored(Record(replace(token, expires_at=NOW + 4200, obtained_at=NOW + 600), number=1).to_text(), "v"),
            ),
            (Emit, None),
        ],
    )
    assert read.expires_at == pytest.approx(NOW + 4200 - ahead, abs=0.1)


def test_nothing_of_a_refresh_shows_a_secret():
    """Steps, events and errors on the way can be printed: no token, no secret, no body."""
    script = [*lately(), INTENT, (Send, NEW), (Save, "v3"), (Emit, None)]
    known = users()
    steps, token = play(known, script)
    shown = " ".join(map(repr, [*steps, token, known]))
    for secret in ("refresh-old", "refresh-new", "s3cret", "'new'", "'old'"):
        assert secret not in shown
