"""`krauth.testing` as users have it in their own tests: static tokens, a fresh start, frozen time, mocked HTTP."""

from __future__ import annotations

import datetime
import json
import time

import httpx
import pytest
import requests

import krauth_httpx
import krauth_requests
from krauth import ConfigurationError, InvalidClientError, KrauthError, MemoryStore, Token, testing

API = "https://api.commerce.naver.com/external/v1/seller/account"
TOKENS = "https://api.commerce.naver.com/external/v1/oauth2/token"
SECRET = "$2a$04$abcdefghijklmnopqrstuu"


@pytest.fixture(autouse=True)
def fresh(krauth_reset):
    """Each test begins with nothing known."""


def sent_by(auth, url=API):
    """The Authorization that an auth object puts on a request, without any server."""
    return requests.Request("GET", url, auth=auth).prepare().headers.get("Authorization")


def test_a_static_token_is_sent_by_every_auth_object_and_no_server_is_asked():
    """Those made before and those made inside the block send it; afterwards nothing is left of it."""
    before = krauth_requests.NaverAuth("client", SECRET)
    with testing.static_token("told") as token:
        assert token == "told"
        inside = krauth_requests.MelomingOAuth("client", "any secret", user="mina")
        assert sent_by(before) == "Bearer told"
        assert sent_by(inside, "https://openapi.meloming.com/v1/me") == "Bearer told"
        assert before.token().access_token == "told"
    assert before._source.snapshot is None
    assert inside._source.snapshot is None


def test_inside_the_block_a_dummy_is_a_secret():
    """Tests need no secret that looks real; outside the block it is refused as ever."""
    with testing.static_token():
        assert sent_by(krauth_requests.NaverAuth("client", "dummy")) == "Bearer krauth-test-token"
    with pytest.raises(ConfigurationError):
        krauth_requests.NaverAuth("client", "dummy")


def test_in_unittest():
    """Both are context managers, so that `enterContext` of a TestCase takes them; nothing is left of them after it."""
    import unittest

    class Case(unittest.TestCase):
        def setUp(self):
            self.enterContext(testing.reset())
            self.enterContext(testing.static_token("told"))

        def test_one(self):
            assert sent_by(krauth_requests.NaverAuth("client", "dummy")) == "Bearer told"

    result = unittest.TestResult()
    Case("test_one").run(result)
    assert result.wasSuccessful(), result.errors
    with pytest.raises(ConfigurationError):
        krauth_requests.NaverAuth("client", "dummy")


def test_a_static_token_for_one_auth_object():
    """The others go on as ever."""
    one = krauth_requests.NaverAuth("one", SECRET)
    other = krauth_requests.NaverAuth("other", SECRET)
    with testing.static_token("told", one):
        assert sent_by(one) == "Bearer told"
        assert other._source.snapshot is None


def test_static_tokens_are_nested():
    """The inner block ends with the outer one's token."""
    auth = krauth_requests.NaverAuth("client", SECRET)
    with testing.static_token("outer"):
        with testing.static_token("inner"):
            assert sent_by(auth) == "Bearer inner"
        assert sent_by(auth) == "Bearer outer"


def test_a_refused_static_token_is_handed_back_with_its_401():
    """No token request is sent, whatever the API under test answers."""
    calls = []

    def answer(request):
        calls.append(str(request.url))
        return httpx.Response(401, json={"code": "GW.AUTHN"})

    with (
        testing.static_token(),
        httpx.Client(transport=httpx.MockTransport(answer), auth=krauth_httpx.NaverAuth("client", "dummy")) as client,
    ):
        assert client.get(API).status_code == 401
    assert calls == [API]


def test_the_fixture_gives_the_static_token(krauth_static_token):
    """The pytest fixture is the same block around a test."""
    assert sent_by(krauth_requests.NaverAuth("client", "dummy")) == f"Bearer {krauth_static_token}"


def refusing(request):
    return httpx.Response(401, json={"error": "invalid_client"})


def test_reset_forgets_a_remembered_failure_and_the_token():
    """A failure of one test is not met by the next, though no auth object is shared."""

    def make(transport):
        return krauth_httpx.MelomingOAuth("client", "secret", token_transport=httpx.Client(transport=transport))

    with pytest.raises(InvalidClientError):
        make(httpx.MockTransport(refusing)).token()
    with pytest.raises(InvalidClientError):
        make(httpx.MockTransport(good_answer)).token()
    testing.reset()
    auth = make(httpx.MockTransport(good_answer))
    assert auth.token().access_token == "fresh"
    testing.reset()
    assert auth._source.snapshot is None
    with testing.reset():
        auth.token()
    assert auth._source.snapshot is None


def good_answer(request):
    return httpx.Response(200, json={"access_token": "fresh", "token_type": "Bearer", "expires_in": 3600})


def counting():
    made = []

    def answer(request):
        made.append(request)
        token = {"access_token": f"a{len(made)}", "token_type": "Bearer", "expires_in": 10_800}
        return httpx.Response(200, json=token)

    return made, httpx.Client(transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("tool", ["freezegun", "time_machine"])
@pytest.mark.parametrize("made_inside", [True, False])
def test_a_tool_that_moves_the_time_ends_a_token(tool, made_inside):
    """Expiry follows freezegun and time-machine, whether the auth object was made before or inside."""
    made, client = counting()
    start = datetime.datetime.fromtimestamp(time.time(), tz=datetime.UTC)
    later = start + datetime.timedelta(hours=4)

    def make():
        return krauth_requests.NaverAuth("client", SECRET, token_transport=lambda r: answer_of(client, r))

    auth = None if made_inside else make()
    if tool == "freezegun":
        freezegun = pytest.importorskip("freezegun")
        with freezegun.freeze_time(start) as frozen:
            auth = auth or make()
            assert sent_by(auth) == sent_by(auth) == "Bearer a1"
            frozen.move_to(later)
            assert sent_by(auth) == "Bearer a2"
    else:
        time_machine = pytest.importorskip("time_machine")
        with time_machine.travel(start, tick=False) as traveller:
            auth = auth or make()
            assert sent_by(auth) == sent_by(auth) == "Bearer a1"
            traveller.move_to(later)
            assert sent_by(auth) == "Bearer a2"
    assert len(made) == 2


def answer_of(client, request):
    from krauth import HTTPResponse

    response = client.send(client.build_request(request.method, request.url, content=request.body))
    return HTTPResponse(response.status_code, dict(response.headers), response.content)


def test_responses_covers_the_token_request_too():
    """With `responses`, requests' default adapter is mocked, for our own session as well."""
    responses = pytest.importorskip("responses")
    with responses.RequestsMock() as mocked:
        mocked.post(TOKENS, json={"access_token": "mocked", "token_type": "Bearer", "expires_in": 10_800})
        mocked.get(API, json={"accountUid": "ncp_1"})
        session = requests.Session()
        session.auth = krauth_requests.NaverAuth("client", SECRET)
        assert session.get(API).json() == {"accountUid": "ncp_1"}
        assert mocked.calls[1].request.headers["Authorization"] == "Bearer mocked"


def test_requests_mock_covers_the_token_request_too():
    """With requests-mock the same, a 401 and its repetition included: no caller waits for a lock of the mock."""
    requests_mock = pytest.importorskip("requests_mock")
    with requests_mock.Mocker() as mocked:
        tokens = [{"json": {"access_token": f"m{n}", "token_type": "Bearer", "expires_in": 10_800}} for n in (1, 2)]
        mocked.post(TOKENS, tokens)
        mocked.get(API, [{"status_code": 401, "json": {"code": "GW.AUTHN"}}, {"json": {"accountUid": "ncp_1"}}])
        session = requests.Session()
        session.auth = krauth_requests.NaverAuth("client", SECRET)
        begun = time.monotonic()
        assert session.get(API).json() == {"accountUid": "ncp_1"}
        assert time.monotonic() - begun < 10
        assert mocked.request_history[-1].headers["Authorization"] == "Bearer m2"


def test_respx_covers_the_token_request_too():
    """With respx, httpx's transports are mocked, for our own client as well."""
    respx = pytest.importorskip("respx")
    with respx.mock:
        token = {"access_token": "mocked", "token_type": "Bearer", "expires_in": 10_800}
        respx.post(TOKENS).mock(return_value=httpx.Response(200, json=token))
        respx.get(API).mock(return_value=httpx.Response(200, json={"accountUid": "ncp_1"}))
        with httpx.Client(auth=krauth_httpx.NaverAuth("client", SECRET)) as client:
            assert client.get(API).json() == {"accountUid": "ncp_1"}


def make_user(store, transport=None, library=krauth_requests):
    return library.MelomingOAuth("client", "secret", user="mina", store=store, token_transport=transport)


def test_a_token_by_hand_is_saved_and_refreshed():
    """A token from another library is sent at once, survives in the store, and its refresh token brings the next."""
    from krauth import HTTPResponse

    store, sent = MemoryStore(), []

    def server(request):
        sent.append(request.body)
        body = {"access_token": "next", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r2"}
        return HTTPResponse(200, {"content-type": "application/json"}, json.dumps(body).encode())

    auth = make_user(store, server)
    now = time.time()
    auth.set_token(Token("imported", now + 3600, now, refresh_token="r1"))
    assert auth.token().access_token == "imported"
    assert make_user(store).token().access_token == "imported"
    assert auth.refresh().access_token == "next"
    assert b"refresh_token=r1" in sent[0]
    assert auth.token().refresh_token == "r2"
    with pytest.raises(ConfigurationError):
        auth.set_token("imported")


def test_forget_drops_the_token_here_and_in_the_store():
    """The server is not asked; another object of the process has to authorize as well."""
    store = MemoryStore()
    auth = make_user(store, lambda request: pytest.fail("no server is asked"))
    auth.set_token(Token("imported", None, time.time(), refresh_token="r1"))
    auth.forget()
    for one in (auth, make_user(store)):
        with pytest.raises(KrauthError, match="authorize"):
            one.token()


def test_the_async_twins():
    """`aset_token`, `arefresh`, `aforget` do the same without blocking."""
    import asyncio

    store = MemoryStore()
    auth = make_user(store, library=krauth_httpx)

    async def main():
        await auth.aset_token(Token("imported", None, time.time()))
        found = (await auth.atoken()).access_token
        await auth.aforget()
        with pytest.raises(KrauthError, match="authorize"):
            await auth.arefresh()
        return found

    assert asyncio.run(main()) == "imported"


def test_a_refresh_by_hand_that_fails_says_so():
    """The old token stays in use for calls, and is no answer to `refresh()`."""
    from krauth import HTTPResponse, RefreshPolicy

    answers = [
        HTTPResponse(200, {}, b'{"access_token": "old", "token_type": "Bearer", "expires_in": 3600}'),
        HTTPResponse(400, {}, b'{"error": "invalid_scope"}'),
    ]
    auth = krauth_requests.MelomingOAuth(
        "client", "secret", store=MemoryStore(), refresh=RefreshPolicy(), token_transport=lambda _: answers.pop(0)
    )
    assert auth.token().access_token == "old"
    with pytest.raises(KrauthError, match="invalid_scope"):
        auth.refresh()
    assert auth.token().access_token == "old"
