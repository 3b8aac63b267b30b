"""How token requests travel: the user's own client or session, a callable, a proxy; and what is said when they fail."""

import asyncio
import io
import json
import logging
import threading

import pytest

from krauth import (
    ConfigurationError,
    HTTPRequest,
    HTTPResponse,
    KrauthError,
    RefreshPolicy,
    TokenEndpointError,
    TokenTransportError,
)
from loopback import Proxy, Reply, Server
from stacks import BY_NAME

QUICK = RefreshPolicy(attempts=1, timeout=5, attempt_timeout=2)
ONE_TOKEN = HTTPResponse(200, {}, b'{"access_token": "tok-1", "token_type": "Bearer", "expires_in": 3600}')


@pytest.fixture
def proxy():
    with Proxy() as server:
        yield server


@pytest.fixture
def server():
    with Server() as running:
        yield running


def test_the_client_that_carries_the_auth_may_be_the_transport(stack, naver, sandbox):
    """`token_transport=` takes the very client that carries the auth, also where it has one connection: no deadlock."""
    httpx = stack.library_name.startswith("httpx")
    with stack.client(native={"limits": stack.library.Limits(max_connections=1)} if httpx else None) as client:
        client.auth = naver(token_transport=client.native)
        assert client.get(f"{sandbox.naver_url}/v1/echo").status == 200
        sandbox.naver.revoke_all()
        assert {answer.status for answer in client.call_many(8, "GET", f"{sandbox.naver_url}/v1/echo")} == {200}
    assert sandbox.naver.token_requests == 2


def test_token_requests_carry_nothing_of_the_users(stack, meloming, sandbox):
    """Through the user's own client a token request has none of its auth, headers, cookies or redirects."""
    with stack.client(follow=True, headers={"X-Mine": "1", "Authorization": "Bearer mine"}) as client:
        client.auth = meloming(token_transport=client.native, api_key=sandbox.meloming_api_key)
        native = {"headers": {}} if stack.library_name != "aiohttp" else {}
        client.post(f"{sandbox.meloming_url}/v1/echo", **native)
        stack.token(client.auth)
    (request,) = [seen for seen in sandbox.meloming.requests if seen.path == "/oauth/token"]
    names = {name.lower() for name in request.headers}
    assert not names & {"authorization", "cookie", "x-api-key", "x-mine"}


def test_a_callable_may_be_the_transport(stack, naver, sandbox):
    """`token_transport=` takes any callable from `HTTPRequest` to `HTTPResponse`, and calls it off the event loop."""
    seen = []

    def send(request):
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        seen.append((request, threading.current_thread()))
        return ONE_TOKEN

    token = stack.token(naver(token_transport=send))
    ((request, thread),) = seen
    assert token.access_token == "tok-1"
    assert isinstance(request, HTTPRequest)
    assert (request.method, request.url) == ("POST", f"{sandbox.naver_url}/v1/oauth2/token")
    assert b"client_secret_sign=" in request.body
    assert thread is not threading.main_thread()


@pytest.mark.parametrize("answer", [None, "a token", asyncio.sleep])
def test_a_callable_that_returns_something_else_is_told_so(stack, naver, answer):
    """A callable that returns no `HTTPResponse` raises an error that names token_transport."""
    with pytest.raises(ConfigurationError, match="token_transport"):
        stack.token(naver(token_transport=lambda request: answer))


def test_a_mock_transport_may_be_the_transport(stack, naver):
    """A client over the library's mock transport answers token requests and calls alike, with no server at all."""
    if stack.library_name == "requests":
        from requests.adapters import BaseAdapter

        class Adapter(BaseAdapter):
            def send(self, request, **kwargs):
                response = stack.library.Response()
                response.status_code, response.request, response.url = 200, request, request.url
                response.raw = io.BytesIO(ONE_TOKEN.body)
                return response

            def close(self):
                pass

        with stack.client() as client:
            client.native.mount("http://", Adapter())
            client.auth = naver(token_transport=client.native)
            assert client.get(client.auth._origins[0].__str__() + "/x").status == 200
            assert client.auth.token().access_token == "tok-1"
    elif stack.library_name == "aiohttp":
        pytest.skip("aiohttp has no mock transport; a callable, or a TestServer behind a resolver, does")
    else:
        seen = []

        def answer(request):
            seen.append(request.headers.get("Authorization"))
            return stack.library.Response(200, content=ONE_TOKEN.body)

        with stack.client(native={"transport": stack.library.MockTransport(answer)}) as client:
            client.auth = naver(token_transport=client.native)
            assert client.get(f"{client.auth._origins[0]}/x").status == 200
        assert seen == [None, "Bearer tok-1"]


def test_calls_and_token_requests_go_through_a_proxy(stack, naver, sandbox, proxy):
    """One client with a proxy as both: calls and token requests leave the same way."""
    with stack.client(proxy=proxy.url) as client:
        client.auth = naver(token_transport=client.native)
        assert client.get(f"{sandbox.naver_url}/v1/echo").status == 200
    assert [seen.method for seen in proxy.seen] == ["POST", "GET"]
    assert all(request.headers.get("X-Forwarded-For") for request in sandbox.naver.requests)


def test_a_proxy_from_the_environment(stack, naver, sandbox, proxy, monkeypatch):
    """A client that finds its proxy in the environment (`trust_env`) sends token requests through it, too."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with stack.client(trust_env=True) as client:
        client.auth = naver(token_transport=client.native)
        assert client.get(f"{sandbox.naver_url}/v1/echo").status == 200
    assert [seen.method for seen in proxy.seen] == ["POST", "GET"]


def test_without_the_proxy_the_error_names_the_cure(stack, naver, sandbox, proxy):
    """A shop behind a fixed IP whose token requests go directly gets 403, and the message names token_transport."""
    forward = proxy.answer

    def let_in(seen):
        sandbox.naver.ip_allowed = True
        try:
            return forward(seen)
        finally:
            sandbox.naver.ip_allowed = False

    sandbox.naver.ip_allowed, proxy.answer = False, let_in
    with stack.client(proxy=proxy.url) as client:
        client.auth = naver()
        with pytest.raises(TokenEndpointError, match="token_transport") as caught:
            client.get(f"{sandbox.naver_url}/v1/echo")
        assert (caught.value.status, caught.value.code) == (403, "GW.IP_NOT_ALLOWED")
        assert caught.value.trace_id
        assert sandbox.naver.token_requests == 1  # refused for good: not tried again
        client.auth = naver(token_transport=client.native, account_id=sandbox.naver_account_id)
        assert client.get(f"{sandbox.naver_url}/v1/seller/account").status == 200


def test_a_dead_token_server(stack, naver, store):
    """Where no server listens, the error says where and that it was the token endpoint, within the deadline."""
    import socket

    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{placeholder.getsockname()[1]}"
        auth = naver(base_url=url, refresh=QUICK)
        with stack.client(auth) as client, pytest.raises(TokenTransportError, match="no answer from") as caught:
            client.get(f"{url}/v1/echo")
    assert url in str(caught.value)
    assert isinstance(caught.value, KrauthError)


def test_a_token_server_that_hangs_up_once_is_tried_again(stack, naver, sandbox):
    """A token request that got no answer is repeated, and the caller does not notice."""
    sandbox.naver.drop_token()
    with stack.client(naver()) as client:
        assert client.get(f"{sandbox.naver_url}/v1/echo").status == 200
    assert sandbox.naver.token_requests == 2


def test_a_wrong_secret(stack, meloming, naver, sandbox, caplog):
    """A wrong secret is refused once and for all callers, with the code, the advice, and no secret."""
    caplog.set_level(logging.DEBUG)
    wrong = "wrong-secret-0123456789"
    auth = meloming(client_secret=wrong)
    with stack.client(auth) as client:
        for _ in range(3):
            with pytest.raises(TokenEndpointError, match="CLIENT_SECRET") as caught:
                client.post(f"{sandbox.meloming_url}/v1/echo")
            assert caught.value.code == "invalid_client"
            assert wrong not in str(caught.value)
    assert sandbox.meloming.token_requests == 1
    assert sandbox.meloming.api_requests == 0
    assert wrong not in caplog.text
    with pytest.raises(TokenEndpointError, match="client_secret belongs to this client_id") as caught:
        stack.token(naver(client_secret="$2a$04$abcdefghijklmnopqrstuu"))
    assert caught.value.status == 400


def test_a_given_client_that_was_closed(stack, naver):
    """A client that was closed is said to be closed; nothing hangs."""
    with stack.client() as client:
        auth = naver(token_transport=client.native, refresh=QUICK)
    if stack.library_name == "requests":
        pytest.skip("a closed requests.Session opens again when it is used")
    with pytest.raises(TokenTransportError, match="closed"):
        stack.token(auth)


def test_a_hook_that_raises_for_status_does_not_hide_the_answer(stack, naver, sandbox):
    """A client whose hooks raise on 4xx still lets the token endpoint's refusal be understood, and sends it once."""
    native = {}
    if stack.library_name == "aiohttp":
        native = {"raise_for_status": True}
    elif stack.library_name != "requests":

        async def araise(response):
            response.raise_for_status()

        def raise_(response):
            response.raise_for_status()

        native = {"event_hooks": {"response": [araise if stack.is_async else raise_]}}
    else:
        native = {"hooks": {"response": [lambda response, **_: response.raise_for_status()]}}
    sandbox.naver.ip_allowed = False
    with stack.client(native=native) as client:
        auth = naver(token_transport=client.native)
        with pytest.raises(TokenEndpointError) as caught:
            stack.token(auth)
    assert caught.value.status == 403
    assert sandbox.naver.token_requests == 1


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_sync_client_serves_an_async_caller(library, sandbox, store):
    """An `AsyncClient` may be given a sync `Client` for its token requests: they run in a worker thread."""
    sync = BY_NAME[library]
    for backend in ("asyncio", "trio"):
        stack = BY_NAME[f"{library}-{backend}"]
        sandbox.reset()
        with sync.client() as carrier:
            auth = stack.NaverAuth(
                sandbox.naver_client_id,
                sandbox.naver_client_secret,
                base_url=sandbox.naver_url,
                token_transport=carrier.native,
            )
            with stack.client(auth) as client:
                assert client.get(f"{sandbox.naver_url}/v1/echo").status == 200


@pytest.mark.parametrize("name", ["httpx-asyncio", "httpx-trio", "httpx2-asyncio", "httpx2-trio", "aiohttp"])
def test_a_blocking_call_on_the_loop_that_would_send_is_refused(name, sandbox, store):
    """`token()` on the event loop that would have to send the token request raises instead of waiting for ever."""
    stack = BY_NAME[name]
    with stack.client() as client:
        auth = stack.NaverAuth(
            sandbox.naver_client_id,
            sandbox.naver_client_secret,
            base_url=sandbox.naver_url,
            store=store,
            token_transport=client.native,
        )

        async def block():
            return auth.token()

        with pytest.raises(ConfigurationError, match=r"await auth\.atoken"):
            stack.run(block)
        assert stack.token(auth).access_token


@pytest.mark.parametrize("name", ["httpx-asyncio", "httpx2-trio", "aiohttp"])
def test_an_async_client_without_its_loop_is_refused(name, sandbox, store):
    """An async client as token_transport can't be used where no event loop has ever run it; the error says so."""
    stack = BY_NAME[name]
    with stack.client() as client:
        auth = stack.NaverAuth(
            sandbox.naver_client_id,
            sandbox.naver_client_secret,
            base_url=sandbox.naver_url,
            store=store,
            token_transport=client.native,
        )
        with pytest.raises(ConfigurationError, match="event loop"):
            auth.token()


def test_a_transport_of_another_library_is_refused(stack, naver):
    """Another library's client is no token_transport: the error names what would be."""
    other = BY_NAME["httpx" if stack.library_name != "httpx" else "requests"]
    with other.client() as client, pytest.raises(ConfigurationError, match="token_transport must be"):
        naver(token_transport=client.native)


def test_token_transport_classes_may_be_named(stack, naver, sandbox):
    """`TokenTransport(client)` is the same as the client itself, and its repr is short."""
    with stack.client() as client:
        transport = stack.TokenTransport(client.native)
        assert "a given" in repr(transport)
        assert stack.token(naver(token_transport=transport)).access_token
    assert "its own" in repr(stack.TokenTransport())


def test_a_session_with_a_base_url(stack, naver, sandbox):
    """A client with a base URL of its own serves as token_transport: token requests have absolute URLs."""
    if stack.library_name == "requests":
        pytest.skip("requests has no base URL")
    with stack.client(native={"base_url": sandbox.naver_url + "/"}) as client:
        assert stack.token(naver(token_transport=client.native)).access_token


@pytest.mark.parametrize("wanted", [ValueError, RuntimeError])
def test_what_a_callable_raises_is_the_cause(stack, naver, wanted):
    """An exception out of the user's callable is named in a `TokenTransportError`, and is its cause."""

    def send(request):
        raise wanted("it broke")

    with pytest.raises(TokenTransportError, match=wanted.__name__) as caught:
        stack.token(naver(token_transport=send, refresh=QUICK))
    assert isinstance(caught.value.__cause__, wanted)


def test_token_answers_are_decoded(stack, naver, server):
    """A compressed token response is understood."""
    import gzip

    body = gzip.compress(json.dumps({"access_token": "tok-1", "token_type": "Bearer", "expires_in": 60}).encode())
    server.answer = lambda seen: Reply(200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, body)
    assert stack.token(naver(base_url=server.url)).access_token == "tok-1"


def test_a_pool_of_urllib3_future_is_left_as_it_is():
    """niquests installs it under the name of urllib3; its queue and its connections work in another way."""
    from krauth_requests._transport import _with_lent_pool

    traffic_police = type("TrafficPolice", (), {"__module__": "urllib3.util.traffic_police"})
    pool = type("HTTPConnectionPool", (), {"pool": traffic_police(), "_new_conn": None, "conn_kw": {}})()
    assert _with_lent_pool(lambda url: pool, None)("https://api.example") is pool
