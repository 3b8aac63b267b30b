"""The flow, driven by hand with scripted answers: what it asks for, in which order, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krauth import (
    AuthorizationRequired,
    HTTPRequest,
    RefreshPolicy,
    StoreConflict,
    TokenStoreError,
    TokenTransportError,
)
from krauth._engine.refresh import _FOUND, BACKOFF, LEASE_MARGIN, MAX_BACKOFF, MAX_POLL, POLL, Do, Renewal, renew
from krauth._engine.steps import Acquire, Emit, Load, Release, Save, Send, Sleep
from krauth._values.exceptions import (
    ConfigurationError,
    InvalidClientError,
    InvalidTokenResponse,
    IPNotAllowedError,
    RateLimitError,
    TokenServerError,
)
from krauth._values.record import Record
from krauth._values.token import Token, TokenState
from krauth.stores import Lease, Stored

from ._rig import ENDPOINT, NETWORK, NOW, Clock, answer, http_date, machine, naver, person

LEASE = Lease("key", "me", 7)
OLD = Token("old", NOW - 10, NOW - 3610, refresh_token="refresh-old")
SIBLINGS = Token("siblings", NOW + 3600, NOW, refresh_token="refresh-siblings")


def renewal(credentials=None, *, policy=None, clock=None, jitter=0.5, **known):
    clock = clock or Clock()
    return Renewal(credentials or machine(), policy or RefreshPolicy(), clock, jitter=lambda: jitter, **known)


def stored(token=None, version="v1", intent_at=None):
    return Stored(Record(token, intent_at).to_text(), version)


def play(known, script):
    """Drive the flow through a script of (expected step, answer or exception); return the steps and how it ended.

    Time passes while it sleeps. The end is the token, or the exception that came out.
    """
    flow, steps = renew(known), []
    try:
        step = next(flow)
        for expected, reply in script:
            assert isinstance(step, expected), f"{step} instead of {expected.__name__} after {steps}"
            steps.append(step)
            if isinstance(step, Sleep):
                known.clock.advance(step.seconds)
            if callable(reply):
                reply = reply(step)
            step = flow.throw(reply) if isinstance(reply, BaseException) else flow.send(reply)
    except StopIteration as end:
        assert len(steps) == len(script), f"it ended early, after {steps}"
        return steps, end.value
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
LOOK = [(Load, None), (Acquire, LEASE), (Load, None)]
#: From the answer to the end, all going well.
KEEP = [(Save, "v2"), (Emit, None), (Release, None)]


# ---- the table -------------------------------------------------------------------------------------------------

AGE = {TokenState.FRESH: 3000, TokenState.STALE: 300, TokenState.EXPIRED: -1}


def token_in(state, name):
    if state is TokenState.MISSING:
        return None
    return Token(name, NOW + AGE[state], NOW + AGE[state] - 3600)


@pytest.mark.parametrize(("mine", "theirs"), _FOUND)
def test_every_row_of_the_table_adopts_or_renews(mine, theirs):
    """What is found in the store is taken over without a lease where the table says so, and renewed elsewhere."""
    found = token_in(theirs, "theirs")
    known = renewal(current=token_in(mine, "mine"), usable=mine)
    look = stored(found) if found else None
    if _FOUND[mine, theirs] is Do.ADOPT:
        steps, token = play(known, [(Load, look), (Emit, None)])
        assert token == found
        assert events(steps) == ["adopted"]
    else:
        script = [(Load, look), (Acquire, LEASE), (Load, look), (Send, answer(access_token="new")), *KEEP]
        steps, token = play(known, script)
        assert token.access_token == "new"


def test_the_table_is_complete():
    """There is a row for every state ours can count as, with every state the stored one can be in."""
    ours = {TokenState.MISSING, TokenState.EXPIRED, TokenState.STALE}
    assert set(_FOUND) == {(mine, theirs) for mine in ours for theirs in TokenState}


def test_whoever_waits_is_served_with_a_siblings_stale_token_and_whoever_does_not_renews():
    """A stale token in the store ends a wait; it does not end a background renewal of an equally stale one."""
    assert _FOUND[TokenState.EXPIRED, TokenState.STALE] is Do.ADOPT
    assert _FOUND[TokenState.STALE, TokenState.STALE] is Do.RENEW


@pytest.mark.parametrize("usable", [TokenState.FRESH, TokenState.STALE, TokenState.EXPIRED, TokenState.MISSING])
def test_the_refused_token_is_not_taken_back_from_the_store(usable):
    """A token that a server refused is renewed although the store calls it fresh."""
    refused = Token("refused", NOW + 3000, NOW - 600)
    known = renewal(current=refused, usable=usable, refused="refused")
    script = [(Load, stored(refused)), (Acquire, LEASE), (Load, stored(refused)), (Send, answer()), *KEEP]
    _, token = play(known, script)
    assert token.access_token == "a"


def test_a_refused_token_is_not_adopted_by_who_forgot_it():
    """What was refused is no cure, also where the memory of it is gone, as after a fork or a sign-out."""
    refused = Token("refused", NOW + 3000, NOW - 600)
    known = renewal(current=None, usable=TokenState.MISSING, refused="refused")
    script = [(Load, stored(refused)), (Acquire, LEASE), (Load, stored(refused)), (Send, answer()), *KEEP]
    _, token = play(known, script)
    assert token.access_token == "a"


@pytest.mark.parametrize("state", [TokenState.FRESH, TokenState.STALE])
def test_a_siblings_token_cures_a_refusal(state):
    """A sibling's good token, even a stale one, is the cure for a refused one: no request."""
    refused = Token("refused", NOW + 3000, NOW - 36000)
    known = renewal(current=refused, usable=TokenState.FRESH, refused="refused")
    steps, token = play(known, [(Load, stored(token_in(state, "theirs"))), (Emit, None)])
    assert token.access_token == "theirs"
    assert not sends(steps)


def test_a_clock_set_back_does_not_revive_our_own_token_from_the_store():
    """What the monotonic clock has ended stays ended, though by the wall clock the stored copy is fresh again."""
    ours = Token("ours", NOW + 3000, NOW - 600)
    known = renewal(current=ours, usable=TokenState.EXPIRED)
    script = [(Load, stored(ours)), (Acquire, LEASE), (Load, stored(ours)), (Send, answer()), *KEEP]
    _, token = play(known, script)
    assert token.access_token == "a"


def test_the_store_is_read_again_under_the_lease():
    """A token that another process saved between the first look and the lease is adopted, and nothing is sent."""
    script = [(Load, None), (Acquire, LEASE), (Load, stored(SIBLINGS)), (Emit, None), (Release, None)]
    steps, token = play(renewal(), script)
    assert token == SIBLINGS
    assert events(steps) == ["adopted"]


def test_a_token_of_before_ours_is_not_taken_for_a_siblings():
    """What is left in the store of before it was down, or comes out of a backup, is no cure for the newer one."""
    refused = Token("refused", NOW + 3000, NOW - 600)
    left_over = Token("left-over", NOW + 2900, NOW - 700)
    known = renewal(current=refused, usable=TokenState.FRESH, refused="refused")
    script = [(Load, stored(left_over)), (Acquire, LEASE), (Load, stored(left_over)), (Send, answer()), *KEEP]
    _, token = play(known, script)
    assert token.access_token == "a"


# ---- what the server may answer ----------------------------------------------------------------------------------


def test_a_new_token_is_saved_before_it_is_given_out_and_the_lease_goes_back():
    """Lease, second look, one request, save under the lease and the version that was read, release: in this order."""
    old = stored(Token("old", NOW - 10, NOW - 3610), "v9")
    script = [(Load, old), (Acquire, LEASE), (Load, old), (Send, answer(access_token="new")), *KEEP]
    steps, token = play(renewal(), script)
    save = next(step for step in steps if isinstance(step, Save))
    assert Record.from_text(save.value).token == token
    assert (save.version, save.lease, save.expires_at) == ("v9", LEASE, token.expires_at)
    assert steps[-1] == Release(LEASE)


def test_the_first_save_says_that_there_was_no_entry():
    """Where nothing was stored the save is conditional on there being nothing still."""
    steps, _ = play(renewal(), [*LOOK, (Send, answer()), *KEEP])
    assert [step.version for step in steps if isinstance(step, Save)] == [None]


@pytest.mark.parametrize(
    ("last", "name", "kind"),
    [(None, "new", "obtained"), ("old", "new", "refreshed"), ("old", "old", "reused")],
)
def test_the_event_tells_a_first_token_a_new_one_and_the_same_again_apart(last, name, kind):
    """`obtained`, `refreshed`, `reused`: what happened is what is reported."""
    look = stored(Token(last, NOW - 1, NOW - 3600)) if last else None
    script = [(Load, look), (Acquire, LEASE), (Load, look), (Send, answer(access_token=name)), *KEEP]
    steps, _ = play(renewal(), script)
    assert events(steps) == [kind]


def test_a_token_lives_from_when_it_was_asked_for():
    """A slow answer does not prolong the token: its life is counted from the moment the request was sent."""
    clock = Clock()

    def slow(_):
        clock.advance(9)
        return answer(expires_in=100)

    _, token = play(renewal(clock=clock), [*LOOK, (Send, slow), *KEEP])
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
    """A refusal that repeating cannot change ends the renewal after one request, with the lease given back."""
    steps, error = play(renewal(), [*LOOK, (Send, refusal), (Release, None)])
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
    _, token = play(renewal(), [*LOOK, (Send, answer(expires_in=value)), *KEEP])
    assert token.expires_at == (None if lifetime is None else NOW + lifetime)


TRANSIENT = [answer(500), answer(502, b"<html>"), answer(503), answer(504), answer(429), NETWORK]


@pytest.mark.parametrize("failure", TRANSIENT)
def test_a_passing_failure_is_repeated_with_backoff_and_without_the_lease(failure):
    """5xx, 429 and a dead network are tried again after a pause, during which others may have the lease."""
    script = [*LOOK, (Send, failure), (Release, None), (Sleep, None), *LOOK, (Send, answer()), *KEEP]
    steps, token = play(renewal(), script)
    assert token.access_token == "a"
    assert [step.seconds for step in steps if isinstance(step, Sleep)] == [BACKOFF / 2]


@pytest.mark.parametrize("failure", TRANSIENT)
def test_a_passing_failure_that_lasts_is_raised_after_the_last_attempt(failure):
    """`attempts` requests at most; the last failure reaches the caller."""
    again = [*LOOK, (Send, failure), (Release, None)]
    script = [*again, (Sleep, None), *again, (Sleep, None), *again]
    steps, error = play(renewal(policy=RefreshPolicy(attempts=3)), script)
    assert error.transient
    assert isinstance(error, TokenServerError | RateLimitError | TokenTransportError)
    pauses = [step.seconds for step in steps if isinstance(step, Sleep)]
    assert pauses == [BACKOFF / 2, BACKOFF]


def test_one_attempt_is_one_request():
    """RefreshPolicy(attempts=1) repeats nothing."""
    _, error = play(renewal(policy=RefreshPolicy(attempts=1)), [*LOOK, (Send, answer(503)), (Release, None)])
    assert isinstance(error, TokenServerError)


@given(jitter=st.floats(0, 1, exclude_max=True), failures=st.integers(1, 8))
def test_backoff_has_full_jitter_and_a_ceiling(jitter, failures):
    """Each pause lies anywhere between 0 and a bound that doubles up to `MAX_BACKOFF`."""
    known = renewal(policy=RefreshPolicy(attempts=9, timeout=10_000), jitter=jitter)
    script = [*LOOK, (Send, answer(503)), (Release, None), (Sleep, None)] * failures
    steps, _ = play(known, [*script, *LOOK, (Send, answer()), *KEEP])
    pauses = [step.seconds for step in steps if isinstance(step, Sleep)]
    assert pauses == pytest.approx([jitter * min(BACKOFF * 2**n, MAX_BACKOFF) for n in range(failures)])


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
    """`Retry-After`, seconds or HTTP date, is added to the backoff; nonsense counts as not sent."""
    script = [
        *LOOK,
        (Send, answer(status, headers=headers)),
        (Release, None),
        (Sleep, None),
        *LOOK,
        (Send, answer()),
        *KEEP,
    ]
    steps, _ = play(renewal(jitter=0.5), script)
    assert [step.seconds for step in steps if isinstance(step, Sleep)] == [pytest.approx(wait + BACKOFF / 2)]


def test_retry_after_as_a_date_is_read_by_the_clock_that_wrote_it():
    """A date in `Retry-After` means the server's clock, which its `Date` tells; not ours, an hour behind."""
    headers = {"date": http_date(NOW + 3600), "retry-after": http_date(NOW + 3607)}
    script = [
        *LOOK,
        (Send, answer(429, headers=headers)),
        (Release, None),
        (Sleep, None),
        *LOOK,
        (Send, answer()),
        *KEEP,
    ]
    steps, _ = play(renewal(), script)
    assert [step.seconds for step in steps if isinstance(step, Sleep)] == [pytest.approx(7 + BACKOFF / 2, abs=1)]


def test_a_pause_that_would_outlast_the_deadline_is_not_begun():
    """Whoever waits is told at once when the server asks for more patience than there is time."""
    script = [*LOOK, (Send, answer(429, headers={"retry-after": "31"})), (Release, None)]
    _, error = play(renewal(policy=RefreshPolicy(timeout=30)), script)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 31


def test_attempts_end_with_the_deadline_and_their_timeouts_shrink_towards_it():
    """No request is given more time than `attempt_timeout`, nor than is left before the deadline."""
    clock = Clock()

    def slow(step):
        clock.advance(step.request.timeout)
        return NETWORK

    again = [*LOOK, (Send, slow), (Release, None)]
    known = renewal(clock=clock, policy=RefreshPolicy(timeout=25, attempt_timeout=10, attempts=9), jitter=0)
    steps, error = play(known, [*again, (Sleep, None), *again, (Sleep, None), *again])
    assert [request.timeout for request in sends(steps)] == pytest.approx([10, 10, 5])
    assert isinstance(error, TokenTransportError)
    assert clock.monotonic() - Clock().monotonic() == pytest.approx(25)


# ---- the clock -----------------------------------------------------------------------------------------------


def signed_at(request):
    return int(form(request)["timestamp"]) / 1000


LATE = {"code": "BAD_REQUEST", "invalidInputs": [{"name": "timestamp", "type": "NotValid", "message": "…"}]}


@pytest.mark.parametrize("ahead", [3600, -3600, 86400 * 400])
def test_a_refusal_under_a_wrong_clock_is_signed_anew_once_by_the_servers_time(ahead):
    """The second request carries a timestamp of the server's clock, follows at once, and there is no third."""
    refusal = answer(400, LATE, headers={"date": http_date(NOW + ahead)})
    known = renewal(naver())
    steps, error = play(known, [*LOOK, (Send, refusal), (Release, None), *LOOK, (Send, refusal), (Release, None)])
    first, second = map(signed_at, sends(steps))
    assert first == pytest.approx(NOW - 1, abs=0.01)
    assert second == pytest.approx(NOW + ahead - 1, abs=1.1)
    assert not error.transient
    assert known.server_ahead == pytest.approx(ahead, abs=1)


def test_servers_that_disagree_about_the_time_are_asked_twice_all_the_same():
    """A `Date` that jumps with every answer, as behind a balancer, is no reason for a third signature."""
    first, second = (answer(400, LATE, headers={"date": http_date(NOW + ahead)}) for ahead in (900, -900))
    steps, error = play(
        renewal(naver()), [*LOOK, (Send, first), (Release, None), *LOOK, (Send, second), (Release, None)]
    )
    assert error.status == 400
    assert len(sends(steps)) == 2


def test_a_clock_that_is_corrected_by_the_first_answer_brings_the_token():
    """One refusal, one corrected signature, one token."""
    refusal = answer(400, LATE, headers={"date": http_date(NOW + 900)})
    _, token = play(renewal(naver()), [*LOOK, (Send, refusal), (Release, None), *LOOK, (Send, answer()), *KEEP])
    assert token.access_token == "a"


def test_a_known_skew_is_used_from_the_first_request_on_and_is_no_excuse_for_a_refusal():
    """What another renewal measured corrects this one's signature; a refusal under the same skew is final."""
    skew = {naver().token_endpoint: 900.0}
    refusal = answer(400, LATE, headers={"date": http_date(NOW + 900)})
    steps, _ = play(renewal(naver(), skew=skew), [*LOOK, (Send, refusal), (Release, None)])
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
    steps, error = play(renewal(credentials()), [*LOOK, (Send, refusal), (Release, None)])
    assert isinstance(error, IPNotAllowedError) or error.status == 400
    assert len(sends(steps)) == 1


def test_a_slow_answer_is_no_skew():
    """The offset is bounded by the round trip: a `Date` inside it measures nothing."""
    clock = Clock()

    def slow(_):
        clock.advance(8)
        return answer(400, LATE, headers={"date": http_date(NOW + 4)})

    known = renewal(naver(), clock=clock)
    play(known, [*LOOK, (Send, slow), (Release, None)])
    assert known.server_ahead == 0.0


# ---- the lease -----------------------------------------------------------------------------------------------


def test_a_lease_that_another_holds_is_polled_for_and_its_token_adopted():
    """While another process renews, this one looks at the store now and then and sends nothing."""
    wait = [(Load, None), (Acquire, None), (Sleep, None)]
    steps, token = play(renewal(), [*wait * 3, (Load, stored(SIBLINGS)), (Emit, None)])
    assert token == SIBLINGS
    assert not sends(steps)
    assert [step.seconds for step in steps if isinstance(step, Sleep)] == pytest.approx([POLL, 2 * POLL, 4 * POLL])


def test_polling_slows_down_to_a_bound_and_ends_with_the_deadline():
    """A lease that never comes free costs a bounded number of looks, and an error that says what went on."""
    known = renewal(policy=RefreshPolicy(timeout=10))
    flow, pauses = renew(known), []
    step = next(flow)
    with pytest.raises(TokenTransportError, match="another process has been renewing this token for 10 s") as raised:
        while True:
            if isinstance(step, Sleep):
                pauses.append(step.seconds)
                known.clock.advance(step.seconds)
            step = flow.send(None)
    assert raised.value.transient
    assert max(pauses) == pytest.approx(MAX_POLL)
    assert 18 < len(pauses) < 30


def test_the_lease_outlives_the_request_it_is_for():
    """A lease is asked for longer than a token request can take, so that it does not end under one."""
    steps, _ = play(renewal(policy=RefreshPolicy(attempt_timeout=4)), [*LOOK, (Send, answer()), *KEEP])
    assert [step.seconds for step in steps if isinstance(step, Acquire)] == [4 + LEASE_MARGIN]


@pytest.mark.parametrize(
    "trouble", [NETWORK, answer(400), answer(503), ConfigurationError("not a response"), InvalidTokenResponse("?")]
)
def test_the_lease_is_given_back_whatever_happens(trouble):
    """No failure keeps others waiting for a lease that nobody uses."""
    known = renewal(policy=RefreshPolicy(attempts=1))
    steps, _ = play(known, [*LOOK, (Send, trouble), (Release, None)])
    assert steps[-1] == Release(LEASE)


def test_the_lease_is_given_back_when_a_providers_own_code_breaks():
    """An exception that is not krauth's, out of a provider's code, does not keep the lease either."""

    class Broken(type(machine())):
        __slots__ = ()

        def process_token_response(self, response, now, token=None):
            raise KeyError("a bug")

    credentials = Broken("client", "s3cret", token_endpoint=ENDPOINT, api_origins="https://api.example")
    steps, error = play(renewal(credentials), [*LOOK, (Send, answer()), (Release, None)])
    assert isinstance(error, KeyError)
    assert steps[-1] == Release(LEASE)


def test_a_release_that_fails_costs_nobody_the_token():
    """The lease ends by itself; the failure is reported and the token given out."""
    script = [*LOOK, (Send, answer()), (Save, "v2"), (Emit, None), (Release, TokenStoreError("gone")), (Emit, None)]
    steps, token = play(renewal(), script)
    assert token.access_token == "a"
    assert events(steps) == ["obtained", "store_failed"]


def test_a_lost_lease_yields_to_whoever_got_further():
    """Where another saved a token meanwhile, that one is in force, for this caller too."""
    newer = Token("newer", NOW + 3700, NOW + 100)
    script = [
        *LOOK,
        (Send, answer()),
        (Save, StoreConflict("lost")),
        (Load, stored(newer)),
        (Emit, None),
        (Release, None),
    ]
    steps, token = play(renewal(), script)
    assert token == newer
    assert events(steps) == ["adopted"]


def test_a_lost_lease_with_nobody_further_is_saved_after_all():
    """Where the other wrote no newer token, ours is saved over what it wrote, at the version just read."""
    older = Token("older", NOW - 100, NOW - 3700)
    found = stored(older, "v5")
    script = [
        *LOOK,
        (Send, answer()),
        (Save, StoreConflict("lost")),
        (Load, found),
        (Save, "v6"),
        (Emit, None),
        (Release, None),
    ]
    steps, token = play(renewal(), script)
    assert token.access_token == "a"
    last = [step for step in steps if isinstance(step, Save)][-1]
    assert (last.version, last.lease) == ("v5", None)


# ---- the store fails -------------------------------------------------------------------------------------------

DOWN = TokenStoreError("the store is down")


@pytest.mark.parametrize(
    ("script", "kinds"),
    [
        ([(Load, DOWN), (Emit, None), (Send, answer()), (Emit, None)], ["store_failed", "obtained"]),
        ([(Load, None), (Acquire, DOWN), (Emit, None), (Send, answer()), (Emit, None)], ["store_failed", "obtained"]),
        (
            [(Load, None), (Acquire, LEASE), (Load, DOWN), (Emit, None), (Send, answer()), (Emit, None)],
            ["store_failed", "obtained"],
        ),
        (
            [*LOOK, (Send, answer()), (Save, DOWN), (Emit, None), (Emit, None)],
            ["store_failed", "obtained"],
        ),
        (
            [*LOOK, (Send, answer()), (Save, StoreConflict("?")), (Load, DOWN), (Emit, None), (Emit, None)],
            ["store_failed", "obtained"],
        ),
    ],
    ids=["look", "acquire", "second look", "save", "look after a conflict"],
)
def test_client_credentials_go_on_without_a_store_and_say_so(script, kinds):
    """A store that fails, wherever, costs a token that can be had again at any time nothing but a report."""
    steps, token = play(renewal(), script)
    assert token.access_token == "a"
    assert events(steps) == kinds


@pytest.mark.parametrize("credentials", [person, machine])
def test_a_token_that_must_be_kept_is_not_asked_for_without_a_store(credentials):
    """A refresh token is never spent, and with `require_store` nothing is sent, while the store is down."""
    policy = RefreshPolicy(require_store=True, attempts=2)
    known = renewal(credentials(), policy=policy, current=OLD, usable=TokenState.EXPIRED)
    steps, error = play(known, [(Load, DOWN), (Sleep, None), (Load, None), (Acquire, DOWN)])
    assert isinstance(error, TokenStoreError)
    assert not sends(steps)


def test_an_unreadable_record_is_reported_and_overwritten():
    """Rubbish in the store does not cost client credentials their store for ever: the next token is saved over it."""
    rubbish = Stored("{rubbish", "v3")
    flow = renew(renewal())
    step, steps = next(flow), []
    with pytest.raises(StopIteration):
        while True:
            steps.append(step)
            reply = {Load: rubbish, Acquire: LEASE, Send: answer(), Save: "v4"}.get(type(step))
            step = flow.send(reply)
    assert "store_failed" in events(steps)
    assert [step.version for step in steps if isinstance(step, Save)] == ["v3"]


# ---- refresh tokens ------------------------------------------------------------------------------------------


def lately(token=OLD, version="v1", intent_at=None):
    return [(Load, stored(token, version, intent_at)), (Acquire, LEASE), (Load, stored(token, version, intent_at))]


def users(**known):
    return renewal(person(), **({"current": OLD, "usable": TokenState.EXPIRED} | known))


NEW = answer(access_token="new", refresh_token="refresh-new")
SPENT = answer(400, {"error": "invalid_grant"})


def test_an_intent_is_written_under_the_lease_before_a_refresh_token_is_spent():
    """A crash between spending and saving leaves a trace that explains what comes of it."""
    steps, token = play(users(), [*lately(), (Save, "v2"), (Send, NEW), (Save, "v3"), (Emit, None), (Release, None)])
    intent, result = records(steps)
    assert (intent.token, intent.intent_at) == (OLD, NOW)
    assert (result.token, result.intent_at) == (token, None)
    saves = [step for step in steps if isinstance(step, Save)]
    assert [(step.version, step.lease) for step in saves] == [("v1", LEASE), ("v2", LEASE)]
    assert token.refresh_token == "refresh-new"


def test_client_credentials_write_no_intent():
    """Nothing is spent, so nothing is written down beforehand."""
    steps, _ = play(renewal(), [*LOOK, (Send, answer()), *KEEP])
    assert len(records(steps)) == 1


@pytest.mark.parametrize("trouble", [DOWN, StoreConflict("somebody wrote")])
def test_without_an_intent_nothing_is_spent(trouble):
    """Where the intent can't be written the refresh token stays unspent; the store is looked at anew."""
    policy = RefreshPolicy(attempts=2)
    script = [*lately(), (Save, trouble), (Release, None), (Sleep, None), (Load, stored(SIBLINGS)), (Emit, None)]
    steps, token = play(users(policy=policy), script)
    assert token == SIBLINGS
    assert not sends(steps)


def test_a_refresh_token_that_the_server_keeps_stays_in_force():
    """Where the response brings no refresh token, the old one is saved with the new access token."""
    script = [*lately(), (Save, "v2"), (Send, answer(access_token="new")), (Save, "v3"), (Emit, None), (Release, None)]
    steps, _ = play(users(), script)
    assert records(steps)[-1].token.refresh_token == "refresh-old"


def test_the_stores_refresh_token_is_spent_rather_than_ours():
    """A sibling that rotated before us left the refresh token that is in force, though its access token is over."""
    theirs = Token("theirs", NOW - 1, NOW - 1801, refresh_token="refresh-theirs")
    steps, _ = play(users(), [*lately(theirs), (Save, "v2"), (Send, NEW), (Save, "v3"), (Emit, None), (Release, None)])
    assert form(sends(steps)[0])["refresh_token"] == "refresh-theirs"


def test_a_siblings_token_is_adopted_before_invalid_grant_is_believed():
    """Our refresh token was spent by a sibling that saved its token meanwhile: that token is the answer."""
    script = [*lately(), (Save, "v2"), (Send, SPENT), (Load, stored(SIBLINGS)), (Emit, None), (Release, None)]
    steps, token = play(users(), script)
    assert token == SIBLINGS
    assert events(steps) == ["adopted"]
    assert len(records(steps)) == 1


def test_a_siblings_token_that_saves_during_the_verdict_is_adopted_too():
    """A sibling that saves between our look and our verdict wins over the verdict."""
    script = [
        *lately(),
        (Save, "v2"),
        (Send, SPENT),
        (Load, stored(OLD, "v2")),
        (Save, StoreConflict("somebody wrote")),
        (Load, stored(SIBLINGS, "v3")),
        (Emit, None),
        (Release, None),
    ]
    _, token = play(users(), script)
    assert token == SIBLINGS


def test_a_siblings_token_that_is_over_already_is_renewed_in_its_turn():
    """A newer refresh token in the store means another try with it, not the end of the user's consent."""
    theirs = Token("theirs", NOW - 1, NOW - 1801, refresh_token="refresh-theirs")
    script = [*lately(), (Save, "v2"), (Send, SPENT), (Load, stored(theirs, "v3")), (Release, None), (Sleep, None)]
    script += [*lately(theirs, "v3"), (Save, "v4"), (Send, NEW), (Save, "v5"), (Emit, None), (Release, None)]
    steps, token = play(users(), script)
    assert token.access_token == "new"
    assert [form(request)["refresh_token"] for request in sends(steps)] == ["refresh-old", "refresh-theirs"]


def test_a_refresh_token_that_is_dead_is_struck_out_and_the_user_sent_to_authorize():
    """With nobody else's token in sight `invalid_grant` is believed, and no other process will send it again."""
    script = [*lately(), (Save, "v2"), (Send, SPENT), (Load, stored(OLD, "v2")), (Save, "v3"), (Release, None)]
    steps, error = play(users(), script)
    assert isinstance(error, AuthorizationRequired)
    struck_out = records(steps)[-1]
    assert struck_out.token.refresh_token is None
    assert struck_out.intent_at is None
    assert [step.expires_at for step in steps if isinstance(step, Save)][-1] > NOW + 7 * 86400  # no store drops it soon
    assert "interrupted" not in str(error)


def test_a_renewal_that_was_interrupted_is_named_as_the_reason():
    """After a crash between spending and saving, the error says so; an operator need not guess."""
    look = lately(intent_at=NOW - 60)
    script = [*look, (Save, "v2"), (Send, SPENT), (Load, stored(OLD, "v2")), (Save, "v3"), (Release, None)]
    _, error = play(users(), script)
    assert isinstance(error, AuthorizationRequired)
    assert "interrupted" in str(error)


def test_a_crash_before_the_server_saw_the_refresh_token_is_recovered_from():
    """An intent alone condemns nothing: the refresh token is tried, and may well be good."""
    look = lately(intent_at=NOW - 60)
    script = [*look, (Save, "v2"), (Send, NEW), (Save, "v3"), (Emit, None), (Release, None)]
    steps, token = play(users(current=None, usable=TokenState.MISSING), script)
    assert token.access_token == "new"
    assert records(steps)[-1].intent_at is None


def test_a_refresh_token_that_was_struck_out_is_not_sent_again_from_memory():
    """The store's word is law: what it says is dead is not spent, though we remember it."""
    found = stored(replace(OLD, refresh_token=None))
    steps, error = play(users(), [(Load, found), (Acquire, LEASE), (Load, found), (Release, None)])
    assert isinstance(error, AuthorizationRequired)
    assert not sends(steps)


def test_the_verdict_reaches_the_user_though_the_store_fails_to_keep_it():
    """A store that goes down under `invalid_grant` neither hides it nor has the dead token sent again."""
    script = [*lately(), (Save, "v2"), (Send, SPENT), (Load, stored(OLD, "v2")), (Save, DOWN), (Emit, None)]
    steps, error = play(users(), [*script, (Release, None)])
    assert isinstance(error, AuthorizationRequired)
    assert len(sends(steps)) == 1
    assert events(steps) == ["store_failed"]


def test_a_rotated_token_that_cannot_be_saved_is_kept_and_saved_first():
    """The store fails after the server rotated: nobody gets the token, it is saved before all else, nothing is resent."""
    known = users()
    script = [*lately(), (Save, "v2"), (Send, NEW), (Save, DOWN), (Emit, None), (Release, None), (Sleep, None)]
    script += [*lately(version="v2"), (Save, "v3"), (Release, None)]
    steps, token = play(known, script)
    assert events(steps) == ["unsaved"]
    assert len(sends(steps)) == 1
    assert (token.access_token, token.refresh_token) == ("new", "refresh-new")
    assert records(steps)[-1] == Record(token)
    assert not known.unsaved


def test_a_rotated_token_is_handed_on_unsaved_when_the_store_stays_down():
    """What could not be saved in this renewal is reported with the failure, for the next."""
    known = users(policy=RefreshPolicy(attempts=1))
    script = [*lately(), (Save, "v2"), (Send, NEW), (Save, DOWN), (Emit, None), (Release, None)]
    _, error = play(known, script)
    assert isinstance(error, TokenStoreError)
    assert known.unsaved
    assert known.current.refresh_token == "refresh-new"


def test_the_next_renewal_begins_by_saving_what_could_not_be_saved():
    """An unsaved refresh token of an earlier renewal is made durable, and its access token used if it lives."""
    unsaved = Token("new", NOW + 3000, NOW - 600, refresh_token="refresh-new")
    known = users(current=unsaved, unsaved=True, spent="old")
    steps, token = play(known, [*lately(), (Save, "v2"), (Release, None)])
    assert token == unsaved
    assert records(steps) == [Record(unsaved)]
    assert not sends(steps)


def test_an_unsaved_token_that_is_over_is_saved_and_then_spent():
    """Durable first, spent afterwards: with the intent in between."""
    unsaved = Token("new", NOW - 1, NOW - 600, refresh_token="refresh-new")
    known = users(current=unsaved, unsaved=True, spent="old")
    script = [*lately(Token("old", NOW - 700, NOW - 4000, refresh_token="refresh-old")), (Save, "v2"), (Save, "v3")]
    script += [
        (Send, answer(access_token="newest", refresh_token="refresh-newest")),
        (Save, "v4"),
        (Emit, None),
        (Release, None),
    ]
    steps, _ = play(known, script)
    assert [(record.token.refresh_token, record.intent_at) for record in records(steps)] == [
        ("refresh-new", None),
        ("refresh-new", NOW),
        ("refresh-newest", None),
    ]
    assert form(sends(steps)[0])["refresh_token"] == "refresh-new"


def test_what_could_not_be_saved_is_not_lost_to_a_clock_that_was_set_back():
    """The token whose refresh token was spent is not taken for the newer one, though the wall clock calls it fresh."""
    unsaved = Token("new", NOW + 2600, NOW - 1000, refresh_token="refresh-new")
    spent = Token("old", NOW + 9000, NOW + 5400, refresh_token="refresh-old")
    known = users(current=unsaved, unsaved=True, spent="old")
    steps, token = play(known, [*lately(spent), (Save, "v2"), (Release, None)])
    assert token == unsaved
    assert not sends(steps)


def test_a_sibling_that_got_further_than_what_could_not_be_saved_wins():
    """Where the store holds neither what we spent nor what we got, somebody else went on: theirs is in force."""
    unsaved = Token("new", NOW + 3000, NOW - 600, refresh_token="refresh-new")
    known = users(current=unsaved, unsaved=True, spent="old")
    steps, token = play(known, [(Load, stored(SIBLINGS)), (Emit, None)])
    assert token == SIBLINGS
    assert not sends(steps)


def test_after_a_network_failure_the_refresh_token_is_tried_again_with_the_intent_renewed():
    """An answer that never came may have spent the refresh token: trying it is the only way to know."""
    again = [*lately(), (Save, "v2"), (Send, NETWORK), (Release, None), (Sleep, None)]
    script = [
        *again,
        *lately(version="v2", intent_at=NOW),
        (Save, "v3"),
        (Send, NEW),
        (Save, "v4"),
        (Emit, None),
        (Release, None),
    ]
    steps, token = play(users(), script)
    assert token.access_token == "new"
    assert len(sends(steps)) == 2


def test_a_lost_lease_keeps_the_token_that_followed_on_the_one_that_was_spent():
    """Another process's intent to spend the same refresh token yields to the token that it was spent for."""
    theirs = stored(OLD, "v9", intent_at=NOW)
    script = [*lately(), (Save, "v2"), (Send, NEW), (Save, StoreConflict("lost")), (Load, theirs), (Save, "v10")]
    steps, token = play(users(), [*script, (Emit, None), (Release, None)])
    assert token.access_token == "new"
    assert [step.version for step in steps if isinstance(step, Save)][-1] == "v9"


def test_nothing_of_a_renewal_shows_a_secret():
    """Steps, events and errors on the way can be printed: no token, no secret, no body."""
    script = [*lately(), (Save, "v2"), (Send, NEW), (Save, "v3"), (Emit, None), (Release, None)]
    known = users()
    steps, token = play(known, script)
    shown = " ".join(map(repr, [*steps, token, known]))
    for secret in ("refresh-old", "refresh-new", "s3cret", "'new'", "'old'"):
        assert secret not in shown


@pytest.mark.parametrize("refusal", [answer(401, {"error": "invalid_client"}), answer(400, LATE)])
def test_a_refusal_of_the_client_is_told_apart(refusal):
    """A wrong secret is `InvalidClientError` or names the field; either way with status and without retry."""
    _, error = play(renewal(naver()), [*LOOK, (Send, refusal), (Release, None)])
    assert isinstance(error, InvalidClientError) or "timestamp" in str(error)
