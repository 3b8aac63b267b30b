"""Everything else the libraries do, they do as without auth: the user's own word, .netrc, cookies, hooks, history,
elapsed time, timeouts, cancellation, HTTP/2, websockets."""

import base64
import contextlib
import datetime
import hashlib
import threading
import time
from concurrent.futures import CancelledError

import pytest

from krauth import HTTPResponse, RefreshPolicy, TokenTransportError
from loopback import Reply, Server
from stacks import BY_NAME
from world import CANARY


def unreachable(request):
    raise TokenTransportError("no answer")


BASIC = "Basic " + base64.b64encode(b"user:password").decode()


# Whose credential wins.


def test_the_users_own_header(stack, world, client):
    """An `Authorization` header is replaced in requests and httpx, as by any auth of theirs; in aiohttp it wins."""
    world.home.answer = world.foreign
    client.get(f"{world.home.url}/x", headers={"Authorization": "Bearer mine"})
    (seen,) = world.home.seen
    if stack.library_name == "aiohttp":
        assert seen.bearer == "mine"
        assert world.issued == []
    else:
        assert seen.bearer in world.good


def test_the_users_own_refused_header(stack, world, client):
    """In aiohttp a refusal of the user's own header is the user's: no refresh, no retry."""
    if stack.library_name != "aiohttp":
        pytest.skip("only in aiohttp does the user's own header win")
    assert client.get(f"{world.home.url}/x", headers={"Authorization": "Bearer mine"}).status == 401
    assert len(world.home.seen) == 1
    assert world.issued == []


def test_the_users_own_auth_for_one_request(stack, world, client):
    """`auth=` on a request wins in every stack, and its refusal is none of ours."""
    if stack.library_name == "aiohttp":
        answer = client.get(f"{world.home.url}/x", headers={"Authorization": BASIC})  # auth= is deprecated there
    else:
        answer = client.get(f"{world.home.url}/x", auth=("user", "password"))
    assert answer.status == 401
    (seen,) = world.home.seen
    assert seen.header("Authorization") == BASIC
    assert world.issued == []


@pytest.fixture
def netrc(tmp_path, monkeypatch, world):
    path = tmp_path / "netrc"
    path.write_text(f"machine {world.home.host}\nlogin user\npassword password\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.filterwarnings("ignore:BasicAuth:DeprecationWarning")
def test_netrc_does_not_replace_our_credential(stack, world, netrc):
    """With `trust_env` and a .netrc entry for the host, calls, retries and redirects still carry our token."""
    with stack.client(world.auth(stack), trust_env=True, follow=True) as client:
        assert client.get(f"{world.home.url}/x").status == 200
        assert client.get(f"{world.home.url}/r?to=/end").status == 200
        world.revoke()
        assert client.post(f"{world.home.url}/r?status=307&to=/end", content=b"abc").status == 200
    assert all((seen.header("Authorization") or "").startswith("Bearer ") for seen in world.home.seen)


@pytest.mark.filterwarnings("ignore:BasicAuth:DeprecationWarning")
def test_netrc_is_not_for_token_requests(stack, world, netrc):
    """With `trust_env` and a .netrc entry for the host, a token request through the user's client carries neither."""
    from krauth import MemoryStore

    world.home.answer = lambda seen: Reply.json({"access_token": "t", "token_type": "Bearer", "expires_in": 60})
    with stack.client(trust_env=True) as client:
        for client_auth in ("client_secret_post", "client_secret_basic"):
            auth = stack.OAuth2Auth(
                "app",
                "s3cr3t-value",
                token_endpoint=f"{world.home.url}/token",
                api_origins=world.home.url,
                client_auth=client_auth,
                store=MemoryStore(),
                token_transport=client.native,
            )
            stack.token(auth)
    post, basic = world.home.seen
    assert post.header("Authorization") is None
    assert base64.b64decode(basic.header("Authorization").split()[1]) == b"app:s3cr3t-value"


# What the library shows of a call.


def test_cookies(stack, world, client):
    """Cookies that come with a 401, or with the answer to the retry, are kept and sent as always."""

    def answer(seen):
        if seen.bearer not in world.good:
            reply = world.refusal()
            reply.headers["Set-Cookie"] = "refused=1; Path=/"
            return reply
        return Reply(200, {"Set-Cookie": "served=1; Path=/"}, b"ok")

    stack.token(client.auth)
    world.revoke()
    world.home.answer = answer
    client.get(f"{world.home.url}/x")
    client.get(f"{world.home.url}/x")
    assert world.home.seen[0].header("Cookie") is None
    sent = {part.strip() for part in (world.home.seen[2].header("Cookie") or "").split(";")}
    assert sent == {"refused=1", "served=1"}


def test_event_hooks(stack, world):
    """The library's hooks see the final answer; httpx shows them the refused one, too, as it does with any auth."""
    statuses = []
    with stack.client(world.auth(stack), hook=statuses.append) as client:
        assert client.get(f"{world.home.url}/x").status == 200
        world.revoke()
        assert client.get(f"{world.home.url}/x").status == 200
    assert statuses == ([200, 401, 200] if stack.library_name.startswith("httpx") else [200, 200])


def test_event_hooks_and_token_requests(stack, world):
    """Hooks of a client that is handed over are not shown token requests, except in httpx, which has no way around."""
    statuses = []
    world.home.answer = lambda seen: Reply.json({"access_token": "t", "token_type": "Bearer", "expires_in": 60})
    with stack.client(hook=statuses.append) as client:
        stack.token(world.auth(stack, token_transport=client.native))
    assert statuses == ([200] if stack.library_name.startswith("httpx") else [])


def test_a_hook_that_raises_for_status(stack, world):
    """A client that raises on every 4xx still gets its retry, except in httpx, where the hook comes before the auth."""
    import functools

    library = stack.library

    async def araise(response):
        response.raise_for_status()

    def raise_(response, **_):
        response.raise_for_status()

    native = {
        "requests": {"hooks": {"response": [raise_]}},
        "aiohttp": {"raise_for_status": True},
    }.get(stack.library_name, {"event_hooks": {"response": [araise if stack.is_async else raise_]}})
    with stack.client(world.auth(stack), native=native) as client:
        stack.token(client.auth)
        world.revoke()
        call = functools.partial(client.get, f"{world.home.url}/x")
        if stack.library_name.startswith("httpx"):
            with pytest.raises(library.HTTPStatusError):
                call()
        else:
            assert call().status == 200


def test_history(stack, world, client):
    """`history` shows the refused response in requests and httpx, as with their own auth, and never a token request."""
    stack.token(client.auth)
    world.revoke()
    answer = client.get(f"{world.home.url}/x")
    assert answer.history == ([] if stack.library_name == "aiohttp" else [401])
    assert client.get(f"{world.home.url}/r?to=/end", follow=True).history == [302]


def test_elapsed(stack, world, client):
    """`elapsed` is there after a retry, too, and is that of the last request."""
    if stack.library_name == "aiohttp":
        pytest.skip("aiohttp responses have no elapsed")
    stack.token(client.auth)
    world.revoke()
    response = client.get(f"{world.home.url}/x").response
    assert datetime.timedelta(0) < response.elapsed < datetime.timedelta(seconds=10)
    refused = response.history[0]
    assert datetime.timedelta(0) < refused.elapsed < datetime.timedelta(seconds=10)
    world.home.answer = lambda seen: world.refusal("INVALID_API_KEY")
    handed_back = client.get(f"{world.home.url}/x").response
    assert datetime.timedelta(0) < handed_back.elapsed < datetime.timedelta(seconds=10)


def test_the_request_of_the_answer(stack, world, client):
    """`response.request` is the request that was answered, with the token that it carried."""
    if stack.library_name == "aiohttp":
        pytest.skip("aiohttp shows request_info")
    stack.token(client.auth)
    world.revoke()
    response = client.get(f"{world.home.url}/x").response
    assert response.request.headers["Authorization"] == f"Bearer {world.issued[-1]}"
    assert response.history[0].request.url == response.request.url


def test_timeouts(stack, world, client):
    """The user's own timeout holds for a call, and for its retry."""
    leave = threading.Event()

    def answer(seen):
        if seen.bearer not in world.good:
            return world.refusal()
        leave.wait(10)
        return Reply(200)

    stack.token(client.auth)
    world.revoke()
    world.home.answer = answer
    try:
        with pytest.raises(stack.timeout_error):
            client.get(f"{world.home.url}/x", timeout=0.15)
    finally:
        leave.set()
    assert len(world.home.seen) == 2


UNREACHABLE = {
    "refuses": lambda request: HTTPResponse(400, {}, b'{"error": "invalid_scope"}'),
    "fails": lambda request: HTTPResponse(503, {}, b"down"),
    "is dead": unreachable,
    "answers nonsense": lambda request: HTTPResponse(200, {}, b"<html>"),
    "can't be asked": lambda request: None,
}


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_a_refusal_that_no_token_can_cure(stack, world, caplog, kind):
    """A 401 after which no other token can be had is handed back whole, the log says why, and the client goes on."""
    issue = [world.issue]
    auth = world.auth(stack, token_transport=lambda request: issue[0](request), refresh=RefreshPolicy(attempts=1))
    with stack.client(auth) as client:
        assert client.get(f"{world.home.url}/x").status == 200
        world.revoke()
        issue[0] = UNREACHABLE[kind]
        for stream in (False, True):
            caplog.clear()
            answer = client.get(f"{world.home.url}/x", stream=stream)
            assert (answer.status, answer.json()) == (401, {"code": "AUTHENTICATION_REQUIRED"})
            (said,) = [record for record in caplog.records if "handed back" in record.getMessage()]
            assert said.levelname == "WARNING"
        assert client.get(f"{world.away.url}/x").status == 200
    assert len(world.home.seen) == 3


def test_cancellation(stack, world):
    """A call cancelled while it waits for a token leaves the refresh running: the next call finds the token."""
    if not stack.is_async:
        pytest.skip("a blocking call can't be cancelled")
    begun, go_on = threading.Event(), threading.Event()

    def issue(request):
        begun.set()
        go_on.wait(10)
        return world.issue(request)

    with stack.client(world.auth(stack, token_transport=issue)) as client:
        future = client.start("GET", f"{world.home.url}/x")
        assert begun.wait(10)
        future.cancel()
        with contextlib.suppress(CancelledError):
            future.result(10)
        assert future.cancelled()
        go_on.set()
        assert client.get(f"{world.home.url}/x").status == 200
    assert len(world.issued) == 1
    assert len(world.home.seen) == 1


def test_calls_at_once_after_a_revocation(stack, world, client):
    """Twenty calls that are refused together cost one refresh and one retry each."""
    stack.token(client.auth)
    world.revoke()
    answers = client.call_many(20, "POST", f"{world.home.url}/x", content=b"abc")
    assert {answer.status for answer in answers} == {200}
    assert len(world.issued) == 2
    assert len(world.home.seen) <= 40


# HTTP/2 and websockets.


@contextlib.contextmanager
def h2_server(context, answer):
    """A minimal HTTP/2 server over TLS, on the `h2` library; `answer(headers)` returns a status and a body."""
    import socket

    import h2.config
    import h2.connection
    import h2.events

    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve(connection):
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
            state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
            state.initiate_connection()
            tls.sendall(state.data_to_send())
            streams = {}
            while data := tls.recv(65536):
                for event in state.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        streams[event.stream_id] = (dict(event.headers), bytearray())
                    elif isinstance(event, h2.events.DataReceived):
                        streams[event.stream_id][1].extend(event.data)
                        state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        headers, body = streams.pop(event.stream_id)
                        seen.append((headers, bytes(body)))
                        fields, content = answer(headers)
                        state.send_headers(event.stream_id, [*fields, ("content-length", str(len(content)))])
                        state.send_data(event.stream_id, content, end_stream=True)
                tls.sendall(state.data_to_send())

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_http2(stack, world, authority):
    """Over HTTP/2 a call, its retry, and a redirect carry token and key; both requests use one connection."""
    if not stack.library_name.startswith("httpx"):
        pytest.skip("requests and aiohttp speak HTTP/1.1")
    import ssl

    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(context)

    def answer(headers):
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if token not in world.good:
            return [(":status", "401")], b'{"code": "AUTHENTICATION_REQUIRED"}'
        if headers[":path"] == "/r":
            return [(":status", "307"), ("location", "/end")], b""
        return [(":status", "200")], b"ok"

    with h2_server(context, answer) as (url, seen):
        auth = world.auth(stack, url)
        with stack.client(auth, verify=world.ca_file, http2=True, follow=True) as client:
            stack.token(auth)
            world.revoke()
            answer = client.post(f"{url}/r", content=b"abc")
            assert (answer.status, answer.response.http_version) == (200, "HTTP/2")
    assert [headers[":path"] for headers, _ in seen] == ["/r", "/r", "/end"]
    assert [body for _, body in seen] == [b"abc"] * 3
    assert all("x-api-key" in headers and "authorization" in headers for headers, _ in seen)


def test_http2_at_debug(world, authority, caplog):
    """At DEBUG `hpack` redacts `Authorization` but writes down other fields, an API key too; no other logger does."""
    import logging
    import ssl

    import trustme

    caplog.set_level(logging.DEBUG)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(context)
    stack = BY_NAME["httpx"]
    with h2_server(context, lambda headers: ([(":status", "200")], b"ok")) as (url, _):
        auth = world.auth(stack, url)
        with stack.client(auth, verify=world.ca_file, http2=True) as client:
            assert client.get(f"{url}/x").status == 200
    # What is decoded is the test's own server at work.
    sent = [record for record in caplog.records if not record.getMessage().startswith("Decod")]
    assert {record.name for record in sent if CANARY in record.getMessage()} == {"hpack.hpack"}
    assert not any(world.issued[0] in record.getMessage() for record in sent)


def test_websockets(world, named):
    """A websocket handshake of aiohttp carries the credential, and is repeated once after a 401."""
    stack = BY_NAME["aiohttp"]

    def answer(seen):
        if seen.bearer not in world.good:
            return world.refusal()
        digest = hashlib.sha1(seen.header("Sec-WebSocket-Key").encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        accept = base64.b64encode(digest.digest()).decode()

        def talk(handler):
            handler.wfile.write(b"\x81\x05hello\x88\x02\x03\xe8")
            handler.wfile.flush()
            handler.rfile.read(1)

        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
        return Reply(101, upgrade, then=talk)

    world.home.answer = answer
    auth = world.auth(stack)
    stack.token(auth)
    world.revoke()

    async def talk():
        async with (
            stack.library.ClientSession(middlewares=(auth,)) as session,
            session.ws_connect(world.home.url.replace("http", "ws") + "/ws") as socket,
        ):
            return await socket.receive_str()

    assert stack.run(talk) == "hello"
    assert [seen.bearer for seen in world.home.seen] == world.issued
    assert all(seen.header("X-API-Key") for seen in world.home.seen)


def test_the_event_loop_is_not_blocked(stack, world):
    """While a token is on its way, the event loop goes on: other tasks run."""
    if not stack.is_async:
        pytest.skip("no event loop")
    begun, go_on = threading.Event(), threading.Event()

    def issue(request):
        begun.set()
        go_on.wait(10)
        return world.issue(request)

    with stack.client(world.auth(stack, token_transport=issue)) as client:
        future = client.start("GET", f"{world.home.url}/x")
        assert begun.wait(10)
        started = time.monotonic()
        assert client.get(f"{world.away.url}/x").status == 200  # served meanwhile, by the same loop
        assert time.monotonic() - started < 5
        go_on.set()
        assert future.result(10).status == 200


def test_two_auths_in_one_aiohttp_session(world):
    """Two middlewares for two origins mind their own business."""
    stack = BY_NAME["aiohttp"]
    with Server() as second:
        second.answer = world.foreign
        key = stack.MelomingAPIKey("mlm_test_other", base_url=second.url)
        with stack.client(native={"middlewares": ()}) as client:
            native = {"middlewares": (world.auth(stack), key)}
            assert client.get(f"{world.home.url}/x", native=native).status == 200
            assert client.get(f"{second.url}/x", native=native).status == 200
        assert second.seen[0].header("X-API-Key") == "mlm_test_other"
        assert second.seen[0].bearer is None
        assert world.home.seen[0].header("X-API-Key") != "mlm_test_other"


def test_a_prepared_request_may_be_sent_again(stack, world):
    """A request object of the library's that is sent twice is authenticated twice."""
    if stack.library_name == "aiohttp":
        pytest.skip("aiohttp has no request objects for users")
    with stack.client(world.auth(stack)) as client:
        if stack.library_name == "requests":
            client.native.auth = client.auth
            request = client.native.prepare_request(stack.library.Request("POST", f"{world.home.url}/x", data=b"abc"))
            send = client.native.send
        else:
            client.native.auth = client.auth
            request = client.native.build_request("POST", f"{world.home.url}/x", content=b"abc")
            send = client.native.send

        def once():
            return send(request).status_code

        async def aonce():
            return (await send(request)).status_code

        assert stack.run(aonce if stack.is_async else once) == 200
        world.revoke()
        assert stack.run(aonce if stack.is_async else once) == 200
    assert all(len([1 for name, _ in seen.headers if name.lower() == "x-api-key"]) == 1 for seen in world.home.seen)
