"""Ways that token requests take: no proxy to this machine, proxies that refuse or hang, mocks, clients that repeat requests."""

import contextlib
import json
import sys
import threading
import time
import types

import pytest

from faults import BREAKS, DRIPS, Faulty, Gone, Reply
from krauth import HTTPRequest, MemoryStore, RefreshPolicy, TokenTransportError
from krauth._auth.event_loops import AsyncHome
from loopback import Proxy
from stacks import BY_NAME

POLICY = RefreshPolicy(attempts=1, timeout=8, attempt_timeout=1)
BODY = json.dumps({"access_token": "tok-1", "token_type": "Bearer", "expires_in": 3600}).encode()
TOKEN = Reply(BODY)
SYNC = ["requests", "httpx", "httpx2"]


def answer(peer, reply):
    peer.send(reply.whole)


def make(stack, url, transport=None, policy=POLICY):
    return stack.MelomingOAuth(
        "app", "some-client-secret", base_url=url, store=MemoryStore(), refresh=policy, token_transport=transport
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_plain_http_takes_no_proxy(stack, monkeypatch, host):
    """Plain http goes to this machine only, so the own transport uses no proxy of the environment for it."""
    with Proxy() as proxy, Faulty(answer, TOKEN) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert stack.token(make(stack, f"http://{host}:{server.port}")).access_token == "tok-1"
    assert proxy.seen == []


# Proxies of https: they see a CONNECT, and no answer of theirs is a token.

WORD = "hidden-word"
#: The event loop of a given client may stand still on a loaded machine, and is then said to be blocked.
LATE = "within 1 s|has ended or is blocked"
PROXIES = {
    "407": (lambda peer, reply: refuse(peer, b"407 Proxy \x1b[2J Authentication Required"), "the proxy answered 407"),
    "403": (lambda peer, reply: refuse(peer, b"403 " + WORD.encode()), "the proxy answered 403"),
    "hangs up": (lambda peer, reply: gone(), r"\(.+\)"),
    "is silent": (DRIPS["half-open"], LATE),
    "drips": (DRIPS["drip in header"], LATE),
    "storms": (DRIPS["slow storm of 102"], "no answer"),
    "is no proxy": (lambda peer, reply: peer.send(b"SSH-2.0-" + WORD.encode() + b"\r\n\r\n"), r"\(.+\)"),
}


def refuse(peer, reason):
    peer.send(b"HTTP/1.1 " + reason + b"\r\nContent-Length: 0\r\nX-Word: " + WORD.encode() + b"\r\n\r\n")


def gone():
    raise Gone


@pytest.mark.parametrize("kind", PROXIES)
def test_proxies_that_refuse_or_hang(stack, kind, caplog):
    """A proxy that refuses, hangs or drips ends the attempt in time; its password and its words are not shown."""
    fault, reason = PROXIES[kind]
    with Faulty(fault, TOKEN) as proxy:
        address = f"http://somebody:{WORD}@{proxy.host}:{proxy.port}"
        with stack.client(proxy=address) as client:
            auth = make(stack, "https://127.0.0.1:1", client.native)
            started = time.monotonic()
            with pytest.raises(TokenTransportError, match=reason) as caught:
                stack.token(auth)
            assert time.monotonic() - started < 2.5
        assert proxy.left(1)
        assert all(request.startswith(b"CONNECT ") for request in proxy.requests)
    error = caught.value
    while error is not None:
        assert WORD not in f"{error!r}{vars(error)}"
        assert "\x1b" not in str(error)
        error = error.__cause__ or error.__context__
    assert WORD not in caplog.text


def test_a_proxy_that_is_dead(stack):
    """A proxy where nothing listens is an error of the connection."""
    with stack.client(proxy="http://127.0.0.1:1") as client:
        with pytest.raises(TokenTransportError, match=r"Connection refused"):
            stack.token(make(stack, "https://127.0.0.1:2", client.native))


# Clients that do more than send.


def test_a_session_that_repeats_by_itself():
    """A session whose `send` repeats what fails sends a token request once, and the server's own error comes through."""
    requests = BY_NAME["requests"]

    class Stubborn(requests.library.Session):
        def send(self, request, **settings):
            for _ in range(5):
                response = super().send(request, **settings)
                if response.status_code < 500:
                    break
            return response

    with Faulty(answer, Reply(b'{"error": "temporarily_unavailable"}', 503)) as server, Stubborn() as session:
        with pytest.raises(Exception, match="503"):
            requests.token(make(requests, server.url, session))
        assert len(server.requests) == 1


def test_a_session_that_repeats_what_breaks_off():
    """The same for a connection that breaks off: one request, and the reason is still the connection's."""
    requests = BY_NAME["requests"]

    class Stubborn(requests.library.Session):
        def send(self, request, **settings):
            for _ in range(4):
                try:
                    return super().send(request, **settings)
                except requests.library.ConnectionError:
                    continue
            return super().send(request, **settings)

    with Faulty(BREAKS["closed without answer"], TOKEN) as server, Stubborn() as session:
        with pytest.raises(TokenTransportError, match=r"ConnectionError \("):
            requests.token(make(requests, server.url, session))
        assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["httpx", "httpx-asyncio", "httpx-trio", "httpx2", "httpx2-asyncio"])
def test_a_transport_that_repeats_by_itself(name):
    """A transport of httpx that repeats what fails sends a token request once."""
    stack = BY_NAME[name]
    library = stack.library

    class Stubborn(library.HTTPTransport):
        def handle_request(self, request):
            return [super(Stubborn, self).handle_request(request) for _ in range(5)][-1]

    class AsyncStubborn(library.AsyncHTTPTransport):
        async def handle_async_request(self, request):
            return [await super(AsyncStubborn, self).handle_async_request(request) for _ in range(5)][-1]

    with Faulty(answer, Reply(b"{}", 503)) as server:
        transport = AsyncStubborn() if stack.is_async else Stubborn()
        with stack.client(native={"transport": transport}) as client, pytest.raises(TokenTransportError):
            stack.token(make(stack, server.url, client.native))
        assert len(server.requests) == 1


def test_requests_mock(requests_mock):
    """The mock library requests-mock answers token requests of a session, whether given or own."""
    stack = BY_NAME["requests"]
    requests_mock.post("https://openapi.meloming.com/oauth/token", content=BODY)
    with stack.client() as client:
        for transport in (None, client.native):
            auth = make(stack, "https://openapi.meloming.com", transport)
            assert auth.token().access_token == "tok-1"
    assert requests_mock.call_count == 2


def test_responses():
    """The mock library responses answers token requests of a session, whether given or own."""
    import responses

    stack = BY_NAME["requests"]
    with responses.RequestsMock() as mock, stack.client() as client:
        mock.post("https://openapi.meloming.com/oauth/token", body=BODY, content_type="application/json")
        for transport in (None, client.native):
            auth = make(stack, "https://openapi.meloming.com", transport)
            assert auth.token().access_token == "tok-1"
        assert len(mock.calls) == 2


def test_the_users_session_is_left_as_it_was():
    """A token request through a session leaves no trace in it: no cookie, no setting, and a connection that others may use."""
    stack = BY_NAME["requests"]
    reply = Reply(BODY, headers={"Set-Cookie": "a=b; Path=/"})
    with Faulty(answer, reply) as server, stack.client() as client:
        session = client.native
        before = {name: value for name, value in vars(session).items() if name != "adapters"}
        stack.token(make(stack, server.url, session))
        assert {name: value for name, value in vars(session).items() if name != "adapters"} == before
        assert list(session.cookies) == []
        for _ in range(3):
            assert session.post(f"{server.url}/x", data=b"y", timeout=5).status_code == 200
        assert server.connections == 1, "the connection of the token request was not shared"
        pools = session.get_adapter(server.url).poolmanager.pools
        connection = pools[next(iter(pools.keys()))].pool.get()
        assert not {"response_class", "_new_conn"} & set(vars(connection))
        connection.close()


@pytest.mark.parametrize("name", SYNC)
def test_a_client_is_shared_by_threads(name):
    """Token requests of many threads through one client, beside its own calls, do not meet."""
    stack = BY_NAME[name]
    with Faulty(answer, TOKEN) as server, stack.client() as client:
        send = stack.TokenTransport(client.native).open()
        failed = []

        def work():
            try:
                for _ in range(10):
                    assert send(HTTPRequest("POST", server.url, {}, b"a=b", timeout=8)).body == BODY
                    assert client.native.get(server.url).status_code == 200
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert failed == []
        assert len(server.requests) == 160


# No thread to be had, and libraries that are being imported.


@pytest.mark.parametrize(
    ("name", "given"), [("httpx-asyncio", True), ("httpx2-trio", True), ("aiohttp", True), ("aiohttp", False)]
)
def test_no_thread_to_be_had(name, given):
    """A job of a worker that runs on an event loop, for want of a thread, says so at once; it would wait for itself."""
    stack = BY_NAME[name]
    with stack.client() as client:

        async def send_right_here():
            send = stack.TokenTransport(client.native if given else None).open()
            return send(HTTPRequest("POST", "http://127.0.0.1:1", {}, b"a=b", timeout=8))

        started = time.monotonic()
        with pytest.raises(TokenTransportError, match="no thread could be started for the token request"):
            stack.run(send_right_here)
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("name", ["trio", "asyncio"])
def test_a_module_that_is_being_imported(name, monkeypatch):
    """A module in `sys.modules` that another thread is still importing counts as no event loop."""
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert AsyncHome.current() is None


@pytest.mark.parametrize("name", [*SYNC, "aiohttp"])
def test_endpoints_that_hang_leave_the_own_transport_free(name):
    """Beside 120 token requests that hang, one to a healthy endpoint is answered: no pool of connections is shared."""
    transport = __import__(f"krauth_{name}").TokenTransport()
    begun = threading.Barrier(121)
    with Faulty(lambda peer, reply: (begun.wait(8), peer.wait()), TOKEN) as silent, Faulty(answer, TOKEN) as healthy:

        def hang(number):
            with contextlib.suppress(TokenTransportError):
                transport.send(HTTPRequest("POST", f"{silent.url}/{number}/token", {}, b"x=1", timeout=15.0))

        threads = [threading.Thread(target=hang, args=(number,), daemon=True) for number in range(120)]
        for thread in threads:
            thread.start()
        begun.wait(8)  # all are on their way
        started = time.monotonic()
        response = transport.send(HTTPRequest("POST", f"{healthy.url}/token", {}, b"x=1", timeout=10.0))
        assert response.status == 200
        assert time.monotonic() - started < 2
    for thread in threads:
        thread.join(20)
