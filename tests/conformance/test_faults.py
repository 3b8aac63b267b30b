"""Token requests to servers that misbehave: how long they take, how often they are sent, and that their sockets go."""

import contextlib
import gc
import json
import logging
import os
import socket
import ssl
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from faults import BOMBS, BREAKS, DRIPS, FLOODS, HTTP2_DRIPS, ODD, Faulty, Reply, drip_tls
from krauth import InvalidTokenResponse, KrauthError, MemoryStore, RefreshPolicy, TokenTransportError
from world import CANARY, CLIENT_SECRET

#: Seconds of an attempt, and what the machine itself may add: more where more programs run than it has cores.
ATTEMPT, BUSY = 1.0, 0.7 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
ONCE = RefreshPolicy(attempts=1, timeout=8, attempt_timeout=ATTEMPT)
PATIENT = RefreshPolicy(attempts=1, timeout=8, attempt_timeout=5)
TOKEN = Reply(json.dumps({"access_token": f"{CANARY}-token", "token_type": "Bearer", "expires_in": 3600}).encode())

#: httpx reads a response through generators within generators, and on trio says so when a response is left half-read.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")


@pytest.fixture(params=["own", "given"])
def transport(request, stack, _world):
    """A client of the stack's own for token requests, or one of the user's that retries whatever it can."""
    if request.param == "own":
        yield None
        return
    with stack.client(follow=True, verify=_world.ca_file) as client:
        if stack.library_name == "requests":
            from requests.adapters import HTTPAdapter, Retry

            retries = Retry(4, backoff_factor=0, allowed_methods=None, status_forcelist=[500], raise_on_status=False)
            for scheme in ("http://", "https://"):
                client.native.mount(scheme, HTTPAdapter(max_retries=retries))
        yield client.native


def make(stack, transport, server, policy=ONCE):
    return stack.MelomingOAuth(
        "app", CLIENT_SECRET, base_url=server.url, store=MemoryStore(), refresh=policy, token_transport=transport
    )


#: Name → fault, and whether the server reads a request before it. A TLS handshake is one operation of many reads.
SLOW = {
    **{name: (fault, True) for name, fault in DRIPS.items()},
    "silence in TLS handshake": (DRIPS["half-open"], False),
    "drip in TLS handshake": (drip_tls, False),
}


@pytest.mark.parametrize("kind", ["slow", "storm"])
def test_an_attempt_ends_in_time(stack, transport, kind):
    """Whatever arrives, byte by byte or as a storm, an attempt ends within `attempt_timeout` + 1 s, and so does its socket."""
    faults = {name: fault for name, fault in SLOW.items() if name.startswith("storm") == (kind == "storm")}
    all_end_in_time(stack, transport, {name: (fault, {"asks": asks}) for name, (fault, asks) in faults.items()})


def test_http2_ends_in_time(stack, authority, world):
    """The same holds for HTTP/2, where a client of the user's speaks it; the connection stays with the client."""
    if not stack.library_name.startswith("httpx"):
        pytest.skip("speaks HTTP/1.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with stack.client(http2=True, verify=world.ca_file) as client:
        settings = {"asks": False, "tls": context}
        all_end_in_time(
            stack, client.native, {name: (fault, settings) for name, fault in HTTP2_DRIPS.items()}, keeps=True
        )


def all_end_in_time(stack, transport, faults, *, keeps=False):
    def attempt(fault, settings):
        with Faulty(fault, TOKEN, **settings) as server:
            auth = make(stack, transport, server)
            started = time.monotonic()
            # The event loop of a given client may stand still on a loaded machine, and is then said to be blocked.
            late = rf"no answer from {server.url}/oauth/token within (1|0\.\d+) s|has ended or is blocked"
            with pytest.raises(TokenTransportError, match=late):
                stack.token(auth)
            return time.monotonic() - started, len(server.requests), keeps or server.left(1 + BUSY)

    with ThreadPoolExecutor(len(faults)) as pool:  # all at once: each waits most of the time
        started = {name: pool.submit(attempt, *fault) for name, fault in faults.items()}
    for name, future in started.items():
        seconds, requests, closed = future.result()
        assert seconds < ATTEMPT + 1 + BUSY, f"{name} took {seconds:.2f} s"
        assert requests == faults[name][1]["asks"], f"{name}: {requests} requests"
        assert closed, f"{name}: the socket was left open"
    gc.collect()


def test_addresses_that_do_not_answer_share_the_time(stack, transport, monkeypatch):
    """A host with eight addresses of which none answers takes as long as a host with one."""
    lookup = socket.getaddrinfo
    with full_listener() as port:
        addresses = [lookup(f"127.0.0.{number}", port, type=socket.SOCK_STREAM)[0] for number in range(1, 9)]

        def many(host, port, *args, **kwargs):
            return addresses if host in ("many.localhost", b"many.localhost") else lookup(host, port, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", many)
        auth = stack.MelomingOAuth(
            "app",
            CLIENT_SECRET,
            base_url=f"https://many.localhost:{port}",
            store=MemoryStore(),
            refresh=ONCE,
            token_transport=transport,
        )
        started = time.monotonic()
        with pytest.raises(TokenTransportError):
            stack.token(auth)
        assert time.monotonic() - started < ATTEMPT + 1 + BUSY


@contextlib.contextmanager
def full_listener():
    """A port of eight addresses whose queues are full, so that a connection is neither made nor refused."""
    port = 0
    with contextlib.ExitStack() as opened:
        for number in range(1, 9):
            listener = opened.enter_context(socket.socket())
            listener.bind((f"127.0.0.{number}", port))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(3):
                waiting = opened.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((f"127.0.0.{number}", port))
        yield port


@pytest.mark.parametrize("fault", BREAKS)
def test_broken_answers_are_not_quoted(stack, transport, fault, caplog):
    """An answer that is no HTTP, or is cut off, is an error that quotes nothing of it, and it is not asked for again."""
    caplog.set_level(logging.DEBUG, "krauth")
    with Faulty(BREAKS[fault], TOKEN) as server:
        auth = make(stack, transport, server, PATIENT)
        started = time.monotonic()
        error = None
        try:
            stack.token(auth)  # some libraries make sense of some of these
        except KrauthError as caught:
            error = caught
        assert time.monotonic() - started < 2
        assert server.left(1)
        assert len(server.requests) == 1
    link = error
    while link is not None:
        assert CANARY not in f"{link} {link!r} {link.args!r} {vars(link)}"
        link = link.__cause__ or link.__context__
    assert CANARY not in caplog.text
    if isinstance(error, TokenTransportError):
        assert str(error).endswith(")"), "the reason is missing"


@pytest.mark.parametrize("fault", FLOODS)
def test_floods_are_cut_off(stack, transport, fault):
    """A body without end is cut off at 1 MiB, and the socket is closed."""
    with Faulty(FLOODS[fault], TOKEN) as server:
        with pytest.raises(TokenTransportError, match="1 MiB"):
            stack.token(make(stack, transport, server, PATIENT))
        assert server.left(1)
        assert len(server.requests) == 1
    gc.collect()


@pytest.mark.parametrize("fault", BOMBS)
def test_bombs_do_not_go_off(stack, transport, fault):
    """A few kilobytes that would become a hundred megabytes are refused within 16 MiB."""
    BOMBS[fault](type("NoClient", (), {"send": lambda data: None}), TOKEN)  # made before memory is measured
    with Faulty(BOMBS[fault], TOKEN) as server:
        auth = make(stack, transport, server, PATIENT)
        tracemalloc.start()
        try:
            with pytest.raises(
                TokenTransportError, match=r"1 MiB|compressed its answer \(br|compressed its answer \(zstd"
            ):
                stack.token(auth)
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()
        assert len(server.requests) == 1
        assert b"accept-encoding: identity" in server.requests[0].lower()


@pytest.mark.parametrize("fault", ODD)
def test_odd_answers_are_understood(stack, transport, fault):
    """Interim answers are skipped; gzip and deflate, which were not asked for, are undone."""
    with Faulty(ODD[fault], TOKEN) as server:
        assert stack.token(make(stack, transport, server, PATIENT)).access_token == f"{CANARY}-token"
        assert len(server.requests) == 1


def test_a_connection_that_was_closed_while_idle(stack, transport):
    """A server that closes its connections without saying so costs no token request."""

    def answer_and_leave(peer, reply):
        peer.send(reply.whole)
        peer.connection.shutdown(socket.SHUT_RDWR)

    with Faulty(answer_and_leave, TOKEN) as server:
        for number in range(3):
            stack.token(make(stack, transport, server, PATIENT))
            assert len(server.requests) == number + 1
            assert server.left(2) or transport is not None


def test_an_answer_of_500_is_not_asked_for_again_by_the_client(stack, transport):
    """A client that repeats requests on 5xx sends a token request once all the same, and its error is the server's."""
    with Faulty(ODD["103 first"], Reply(b'{"error": "server_error"}', 500)) as server:
        with pytest.raises(KrauthError, match="500"):
            stack.token(make(stack, transport, server, PATIENT))
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [204, 205])
def test_an_answer_without_a_body(stack, transport, status):
    """A success without a body is no token, says its status, and is not asked for again."""

    def answer(peer, reply):
        peer.send(b"HTTP/1.1 %d Fine\r\n%s\r\n" % (status, b"" if status == 204 else b"Content-Length: 0\r\n"))

    with Faulty(answer, TOKEN) as server:
        auth = make(stack, transport, server, RefreshPolicy(attempts=3, timeout=8, attempt_timeout=5))
        with pytest.raises(InvalidTokenResponse, match=str(status)):
            stack.token(auth)
        assert len(server.requests) == 1


def test_a_refused_connection(stack, transport):
    """A port where nothing listens is named, with the reason of the system."""
    with socket.socket() as placeholder, contextlib.suppress(AttributeError):
        placeholder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{placeholder.getsockname()[1]}"
        auth = stack.MelomingOAuth(
            "app", CLIENT_SECRET, base_url=url, store=MemoryStore(), refresh=PATIENT, token_transport=transport
        )
        with pytest.raises(TokenTransportError, match=r"no answer from .* \(Connection refused\)"):
            stack.token(auth)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open descriptors where Linux lists them")
def test_no_descriptor_is_left(stack, transport):
    """However token requests end, as many files and sockets are open afterwards as before."""

    def all_faults():
        for fault in [*BREAKS.values(), *FLOODS.values(), *ODD.values()]:
            with Faulty(fault, TOKEN) as server:
                with contextlib.suppress(KrauthError):
                    stack.token(make(stack, transport, server, PATIENT))
        gc.collect()
        # An event loop closes a kept connection a moment after the server has ended it: until the count stands still.
        counts, waits_until = [], time.monotonic() + 5
        while len(counts) < 10 or (len({*counts[-10:]}) > 1 and time.monotonic() < waits_until):
            counts.append(len(os.listdir("/proc/self/fd")))
            time.sleep(0.02)
        return counts[-1]

    all_faults()  # what is opened once and kept, is open now
    before = all_faults()
    assert all_faults() <= before
