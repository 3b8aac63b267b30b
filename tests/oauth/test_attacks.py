"""Attacks on a sign-in, and mishaps that look like one: none yields a token, and none costs the user theirs."""

import os
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from krauth import (
    AccessDenied,
    AuthorizationError,
    AuthorizationRequest,
    AuthorizationRequired,
    HTTPResponse,
    InvalidGrantError,
    KrauthError,
    StateMismatch,
    TokenEndpointError,
    TokenTransportError,
)

from .conftest import changed, never_sent, parameter, sent


@pytest.mark.parametrize("state", [None, "", "guessed", "A" * 43, "한글", "\x00"], ids=repr)
def test_wrong_state(sandbox, stack, auth, state):
    """A callback without the state of this very sign-in is refused before its code goes anywhere."""
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    with never_sent(sandbox), pytest.raises(StateMismatch, match="start again"):
        stack.method(auth, "authorize", changed(callback, state=state), request)
    stack.method(auth, "authorize", callback, request)


def test_state_of_an_error(sandbox, stack, auth):
    """An error answer needs the right state too: a forged one ends no user's sign-in."""
    request = auth.authorization_request()
    with pytest.raises(StateMismatch):
        stack.method(auth, "authorize", "https://app.example/callback?error=access_denied&state=x", request)
    stack.method(auth, "authorize", sandbox.meloming.approve(request.url), request)


def test_replayed_callback(sandbox, stack, auth):
    """A callback that was used is refused here, the code is not sent a second time, and the token stays good."""
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    token = stack.method(auth, "authorize", callback, request)
    with never_sent(sandbox), pytest.raises(AuthorizationError, match="used before"):
        stack.method(auth, "authorize", callback, request)
    with stack.client(auth) as client:
        assert client.get(f"{sandbox.meloming_url}/v1/me").status == 200
    assert stack.token(auth).access_token == token.access_token


def test_replay_in_another_process(sandbox, stack, auth):
    """Where the replay reaches another process, the server refuses the code, and says so as InvalidGrantError."""
    from krauth._auth import user_auth

    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    stack.method(auth, "authorize", callback, request)
    user_auth._used_states.pop(request.state)  # as another process would not know of it
    with pytest.raises(InvalidGrantError, match="start again"):
        stack.method(auth, "authorize", callback, request)


def test_injected_code(sandbox, stack, auth, make):
    """A code that another user's sign-in brought is useless in this one: the verifier does not match (PKCE)."""
    mine, theirs = auth.authorization_request(), make("eve").authorization_request()
    stolen = parameter(sandbox.meloming.approve(theirs.url, "eve"), "code")
    callback = changed(sandbox.meloming.approve(mine.url, "melo"), code=stolen)
    with pytest.raises(InvalidGrantError):
        stack.method(auth, "authorize", callback, mine)
    with pytest.raises(AuthorizationRequired):
        stack.token(auth)


def test_mix_up_of_two_users(sandbox, stack, make):
    """A sign-in begun for one user can't end as another's, not even with the state that belongs to it."""
    mina, yuna = make("mina"), make("yuna")
    request = mina.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    with never_sent(sandbox), pytest.raises(StateMismatch, match="another client or user"):
        stack.method(yuna, "authorize", callback, request)


def test_mix_up_of_two_clients(sandbox, stack, make):
    """A sign-in begun with one server can't end with another: the code stays where it came from."""
    other = stack.OAuth2Auth(
        "client",
        "secret-of-another-server",
        token_endpoint="https://evil.example/token",
        authorization_endpoint="https://evil.example/authorize",
        api_origins="https://api.evil.example",
        user="mina",
        redirect_uri="https://app.example/callback",
    )
    request = make("mina").authorization_request()
    callback = sandbox.meloming.approve(request.url)
    with pytest.raises(StateMismatch):
        stack.method(other, "authorize", callback, request)


def test_two_tabs(sandbox, stack, auth):
    """Two sign-ins of one user at the same time, in two tabs, each end with their own callback, in any order."""
    first, second = auth.authorization_request(), auth.authorization_request()
    assert first.state != second.state
    assert first.code_verifier != second.code_verifier
    callbacks = [sandbox.meloming.approve(request.url) for request in (first, second)]
    with pytest.raises(StateMismatch):
        stack.method(auth, "authorize", callbacks[0], second)
    stack.method(auth, "authorize", callbacks[1], second)
    newest = stack.method(auth, "authorize", callbacks[0], first)
    assert stack.token(auth).access_token == newest.access_token


def test_one_callback_in_two_threads(sandbox, stack, auth):
    """A callback that arrives twice at the same moment (a double click) sends its code once."""
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    barrier = threading.Barrier(4)

    def attempt(_):
        barrier.wait(10)
        try:
            return stack.method(auth, "authorize", callback, request)
        except AuthorizationError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(attempt, range(4)))
    assert sum(isinstance(outcome, AuthorizationError) for outcome in outcomes) == 3
    assert sandbox.meloming.token_requests == 1


def test_s256_always(sandbox, stack, auth, sign_in):
    """PKCE is always used, with S256; the verifier never travels in a URL."""
    request = auth.authorization_request()
    assert parameter(request.url, "code_challenge_method") == "S256"
    assert request.code_verifier not in request.url
    assert len(request.code_verifier) >= 43
    stack.method(auth, "authorize", sandbox.meloming.approve(request.url), request)
    assert sent(sandbox)[-1]["code_verifier"] == request.code_verifier
    assert all(request.code_verifier not in str(record.query) for record in sandbox.meloming.requests)


def test_no_downgrade(sandbox, stack, auth, sign_in):
    """`plain` is used when asked for in so many words, and by no other means."""
    with pytest.raises(ValueError, match="parameters must not set"):
        auth.authorization_request(parameters={"code_challenge_method": "plain"})
    with pytest.raises(ValueError, match="'S256' or 'plain'"):
        auth.authorization_request(code_challenge_method="none")
    request = auth.authorization_request(code_challenge_method="plain")
    assert parameter(request.url, "code_challenge") == request.code_verifier
    stack.method(auth, "authorize", sandbox.meloming.approve(request.url), request)


def test_challenge_removed_on_the_way(sandbox, stack, auth):
    """An attacker who takes the challenge off the URL gains nothing: the verifier is sent all the same, and refused."""
    request = auth.authorization_request()
    stripped = changed(request.url, code_challenge=None, code_challenge_method=None)
    with pytest.raises(InvalidGrantError):
        stack.method(auth, "authorize", sandbox.meloming.approve(stripped), request)


@pytest.mark.parametrize("name", ["code", "state", "iss", "error"])
def test_repeated_parameter(sandbox, stack, auth, name):
    """A callback that holds a parameter twice is refused: it does not say which one is meant."""
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    extra = parameter(callback, name) or "x"
    with never_sent(sandbox), pytest.raises(AuthorizationError, match=f"holds {name} more than once"):
        stack.method(auth, "authorize", f"{callback}&{name}={quote(extra)}&{name}={quote(extra)}", request)


@pytest.mark.parametrize("callback", ["https://app.example/callback", "", "code", "http://[::1", "not a url \x00"])
def test_not_a_callback(sandbox, stack, auth, callback):
    """What is not a callback URL is refused with a sentence, never with a traceback of the parser's."""
    with never_sent(sandbox), pytest.raises(AuthorizationError):
        stack.method(auth, "authorize", callback, auth.authorization_request())


def test_neither_code_nor_error(sandbox, stack, auth):
    """A callback with the right state and nothing else is refused."""
    request = auth.authorization_request()
    with never_sent(sandbox), pytest.raises(AuthorizationError, match="neither code nor error"):
        stack.method(auth, "authorize", f"https://app.example/callback?state={request.state}&code=", request)


def test_user_says_no(sandbox, stack, auth):
    """The user's no is AccessDenied, with the server's words."""
    request = auth.authorization_request()
    with never_sent(sandbox), pytest.raises(AccessDenied) as caught:
        stack.method(auth, "authorize", sandbox.meloming.approve(request.url, deny=True), request)
    assert caught.value.error == "access_denied"
    assert caught.value.error_description == "the user denied the request"


@pytest.mark.parametrize(
    "error",
    [
        "invalid_request",
        "unauthorized_client",
        "unsupported_response_type",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "their_own",
        "",
    ],
)
def test_error_answers(sandbox, stack, auth, error):
    """Every error of RFC 6749 §4.1.2.1, and any other, is an AuthorizationError, also beside a code."""
    request = auth.authorization_request()
    callback = changed(sandbox.meloming.approve(request.url), error=error, error_description="왜냐하면\r\nX: y")
    with never_sent(sandbox), pytest.raises(AuthorizationError) as caught:
        stack.method(auth, "authorize", callback, request)
    assert not isinstance(caught.value, AccessDenied | StateMismatch)
    assert caught.value.error == (error or "unnamed error")
    assert "\n" not in str(caught.value)
    assert "왜냐하면" in str(caught.value)


def test_scope_refused(sandbox, stack, make):
    """A scope that the server does not know comes back as its own error, before the user is asked."""
    sandbox.meloming.scopes = frozenset({"read"})
    auth = make(scope="read everything")
    request = auth.authorization_request()
    with pytest.raises(AuthorizationError) as caught:
        stack.method(auth, "authorize", sandbox.meloming.approve(request.url), request)
    assert caught.value.error == "invalid_scope"


def test_iss_of_our_server(sandbox, stack, auth, sign_in):
    """A server that names itself in the callback (RFC 9207) is believed when it is the one asked."""
    sandbox.meloming.send_iss = True
    assert sign_in(auth).access_token


@pytest.mark.parametrize("iss", ["https://evil.example", "http://127.0.0.1", "", "javascript:alert(1)"])
def test_iss_of_another_server(sandbox, stack, auth, iss):
    """A callback that names another server is a mix-up: its code goes nowhere."""
    request = auth.authorization_request()
    callback = changed(sandbox.meloming.approve(request.url), iss=iss)
    with never_sent(sandbox), pytest.raises(StateMismatch, match="another authorization server"):
        stack.method(auth, "authorize", callback, request)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_code_never_sent_again_after_an_error(sandbox, stack, auth, status):
    """After a 5xx or 429 the code, which may be spent, is not sent again: not by itself, and not when asked to."""
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    sandbox.meloming.fail_token(status)
    with pytest.raises(TokenEndpointError, match="not sent again") as caught:
        stack.method(auth, "authorize", callback, request)
    assert caught.value.status == status
    assert "by itself" not in str(caught.value)
    with pytest.raises(AuthorizationError, match="used before"):
        stack.method(auth, "authorize", callback, request)
    assert sandbox.meloming.token_requests == 1


@pytest.mark.parametrize("processed", [False, True])
def test_code_never_sent_again_after_a_drop(sandbox, stack, auth, processed):
    """After a broken connection the code is not sent again, whether it arrived or not."""
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    sandbox.meloming.drop_token(processed=processed)
    with pytest.raises(TokenTransportError, match="let the user start again"):
        stack.method(auth, "authorize", callback, request)
    with pytest.raises(AuthorizationRequired):
        stack.token(auth)
    assert sandbox.meloming.token_requests == 1


def test_code_never_sent_again_after_a_timeout(sandbox, stack, make):
    """After a timeout the code is not sent again."""
    from krauth import RefreshPolicy

    auth = make(refresh=RefreshPolicy(attempt_timeout=0.2))
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    sandbox.meloming.token_delay = 3.0  # an answer that has arrived would be taken, however late
    with pytest.raises(TokenTransportError, match="let the user start again"):
        stack.method(auth, "authorize", callback, request)
    assert sandbox.meloming.token_requests == 1


def test_request_survives_a_session(sandbox, stack, auth):
    """A pending request goes through a web app's session as JSON, and shows no secret on the way."""
    import json

    request = auth.authorization_request()
    text = json.dumps(request.to_dict())
    again = AuthorizationRequest.from_dict(json.loads(text))
    assert again == request
    assert request.state not in repr(again)
    assert request.code_verifier not in repr(again)
    stack.method(auth, "authorize", sandbox.meloming.approve(again.url), again)


def test_the_session_s_dict_will_do(sandbox, stack, auth):
    """`authorize` takes what `to_dict` gave, as it comes out of the session; a lost one lets the user start again."""
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    for lost in (None, {}, {**request.to_dict(), "state": None}):
        with pytest.raises(AuthorizationError, match="start again"):
            stack.method(auth, "authorize", callback, lost)
    stack.method(auth, "authorize", callback, request.to_dict())


EMPTY = dict.fromkeys(AuthorizationRequest.__dataclass_fields__, "")


@pytest.mark.parametrize("kept", [{}, None, {"url": "https://x"}, {"state": 1}, [], "text", EMPTY], ids=repr)
def test_session_was_lost(kept):
    """A session without the pending request, or with half of one, is a refusal and not a crash."""
    with pytest.raises(AuthorizationError, match="start again"):
        AuthorizationRequest.from_dict(kept)


CALLBACKS = {
    "refused code": lambda request: f"code=canary7f3a&state={request.state}",
    "wrong state": lambda request: "code=canary7f3a&state=x",
    "two codes": lambda request: f"code=canary7f3a&code=1&state={request.state}",
    "no URL": None,
    "used before": lambda request: f"code=canary7f3a&state={request.state}",
}


@pytest.mark.parametrize("kept", ["object", "dict", "half"])
@pytest.mark.parametrize("callback", CALLBACKS)
def test_no_code_in_tracebacks(stack, make, callback, kept):
    """A tracker of errors that renders local variables finds neither code nor verifier in our frames."""
    auth = make(token_transport=lambda request: HTTPResponse(400, {}, b'{"error": "invalid_grant"}'))
    request = auth.authorization_request()
    query = CALLBACKS[callback]
    back = "http://[canary7f3a" if query is None else f"https://app.example/callback?{query(request)}"
    given = {"object": request, "dict": request.to_dict(), "half": {**request.to_dict(), "state": ""}}[kept]
    for _ in range(2 if callback == "used before" else 1):
        with pytest.raises(KrauthError) as failure:
            stack.method(auth, "authorize", back, given)
    shown = traceback.TracebackException.from_exception(failure.value, capture_locals=True)
    frames = [frame for frame in shown.stack if f"{os.sep}krauth{os.sep}" in frame.filename]
    assert frames
    for frame in frames:
        values = " ".join((frame.locals or {}).values())
        assert "canary7f3a" not in values
        assert request.code_verifier not in values


def test_open_redirect(auth):
    """Where the user comes back to is the auth object's own redirect_uri, whatever the caller's parameters say."""
    with pytest.raises(ValueError, match="must not set redirect_uri"):
        auth.authorization_request(parameters={"redirect_uri": "https://evil.example"})
    assert parameter(auth.authorization_request(parameters={"prompt": "login"}).url, "prompt") == "login"


@pytest.mark.parametrize(
    "redirect_uri", ["http://app.example/callback", "callback", "https://app.example/cb#f", "", " https://a.example/"]
)
def test_redirect_uri_that_leaks(make, redirect_uri):
    """A redirect URI over plain http, without a scheme or with a fragment is refused when the auth object is made."""
    with pytest.raises(ValueError, match="redirect_uri"):
        make(redirect_uri=redirect_uri)
