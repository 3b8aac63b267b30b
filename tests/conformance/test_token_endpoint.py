"""Token requests: to the token endpoint and nowhere else, over https, within bounds of time and size; and proxies."""

import gc
import json
import threading

import pytest

from krauth import (
    ConfigurationError,
    InvalidTokenResponse,
    MemoryStore,
    RefreshPolicy,
    TokenEndpointError,
    TokenTransportError,
)
from loopback import Proxy, Reply
from world import CANARY, CLIENT_SECRET

QUICK = RefreshPolicy(attempts=1, timeout=3, attempt_timeout=0.15)
TOKEN = {"access_token": f"{CANARY}-token-x", "token_type": "Bearer", "expires_in": 3600}

#: httpx reads a response through generators within generators, and on trio says so when a response is left half-read.
LEFT_BEHIND = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")


@pytest.fixture(params=["own", "given"])
def transport(request, stack, world):
    """A client of the stack's own for token requests, or one of the user's that follows every redirect."""
    if request.param == "own":
        yield None
    else:
        with stack.client(follow=True, verify=world.ca_file) as client:
            yield client.native


@pytest.fixture
def oauth(stack, world, transport):
    def make(**settings):
        return world.auth(stack, **{"token_transport": transport, "store": MemoryStore(), **settings})

    return make


def only_the_token_endpoint(world, answer):
    world.home.answer = lambda seen: answer(seen) if seen.path == "/oauth/token" else world.foreign(seen)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_token_endpoint_is_not_followed(stack, world, oauth, status):
    """Whatever the user's client does with redirects, the client secret goes to the token endpoint and no further."""
    for target in (f"{world.away.url}/steal", f"{world.home.url}/elsewhere"):
        only_the_token_endpoint(world, lambda seen, to=target: Reply(status, {"Location": to}))
        with pytest.raises(InvalidTokenResponse, match="redirect"):
            stack.token(oauth())
    assert world.away.seen == []
    assert [seen.path for seen in world.home.seen] == ["/oauth/token"] * 2


def test_a_token_request_is_a_form_and_nothing_else(stack, world, oauth):
    """The secret is in the body alone: not in the URL, not in a header; and no other credential comes along."""
    only_the_token_endpoint(world, lambda seen: Reply.json(TOKEN))
    stack.token(oauth())
    (seen,) = world.home.seen
    assert seen.target == "/oauth/token"
    assert CLIENT_SECRET.encode() in seen.body
    head = "\n".join(f"{name}: {value}" for name, value in seen.headers)
    assert CANARY not in head
    assert {"authorization", "cookie", "x-api-key"}.isdisjoint(name.lower() for name, _ in seen.headers)


@LEFT_BEHIND
def test_a_token_response_that_is_too_large(stack, world, oauth):
    """An endless answer is cut off at 1 MiB."""
    only_the_token_endpoint(world, lambda seen: Reply(200, {}, (b"x" * 65536 for _ in range(1000))))
    with pytest.raises(TokenTransportError, match="1 MiB"):
        stack.token(oauth())
    gc.collect()


def test_a_token_endpoint_that_does_not_answer(stack, world, oauth):
    """Silence ends after `attempt_timeout`."""
    leave = threading.Event()

    def wait(seen):
        leave.wait(10)
        return Reply(500)

    only_the_token_endpoint(world, wait)
    try:
        with pytest.raises(TokenTransportError):
            stack.token(oauth(refresh=QUICK))
    finally:
        leave.set()


@LEFT_BEHIND
def test_a_token_endpoint_that_drips(stack, world, oauth):
    """An answer that comes byte by byte, never silent for long, ends after `attempt_timeout` as a whole."""
    leave = threading.Event()

    def drip():
        for _ in range(200):
            yield b" "
            if leave.wait(0.05):
                return

    only_the_token_endpoint(world, lambda seen: Reply(200, {}, drip()))
    try:
        with pytest.raises(TokenTransportError):
            stack.token(oauth(refresh=QUICK))
    finally:
        leave.set()
    gc.collect()


@pytest.mark.parametrize("scheme", ["http", "ws", "ftp", ""])
def test_https_off_loopback(stack, scheme):
    """A base URL that would put a credential on the wire in clear is refused, at construction."""
    with pytest.raises(ConfigurationError):
        stack.MelomingOAuth("app", CLIENT_SECRET, base_url=f"{scheme}://api.example.com")
    with pytest.raises(ConfigurationError):
        stack.OAuth2Auth(
            "app",
            CLIENT_SECRET,
            token_endpoint="https://auth.example.com/token",
            api_origins=["https://api.example.com", f"{scheme}://api.example.com"],
        )


def test_a_certificate_that_is_not_trusted(stack, world):
    """A token endpoint whose certificate is not trusted is not sent the secret."""
    auth = stack.MelomingOAuth(
        "app", CLIENT_SECRET, base_url=world.home_tls.url, store=MemoryStore(), refresh=RefreshPolicy(attempts=1)
    )
    with pytest.raises(TokenTransportError, match=r"(?i)certificate"):
        stack.token(auth)
    assert world.home_tls.seen == []


def test_a_token_endpoint_that_is_no_token_endpoint(stack, world, oauth):
    """An HTML page instead of a token is said to be one, and is not asked for again at once."""
    only_the_token_endpoint(world, lambda seen: Reply(200, {"Content-Type": "text/html"}, b"<html>"))
    auth = oauth()
    for _ in range(3):
        with pytest.raises(TokenEndpointError, match="text/html"):
            stack.token(auth)
    assert len(world.home.seen) == 1


def test_cookies_of_the_token_endpoint_stay_there(stack, world, oauth):
    """Cookies that the token endpoint sets are not sent back to it."""
    only_the_token_endpoint(
        world,
        lambda seen: Reply(
            200, {"Set-Cookie": "a=b; Path=/", "Content-Type": "application/json"}, json.dumps(TOKEN).encode()
        ),
    )
    for _ in range(2):
        stack.token(oauth())
    assert [seen.header("Cookie") for seen in world.home.seen] == [None, None]


# Proxies.


@pytest.fixture
def proxy(world):
    with Proxy() as server:
        server.routes = {"api.test:443": (world.home_tls.host, world.home_tls.port)}
        yield server


def test_a_proxy_of_https_sees_no_credential(stack, world, proxy):
    """Through CONNECT a proxy learns where to, and nothing else; calls, retries and redirects work as without it."""
    auth = world.auth(stack, "https://api.test")
    with stack.client(auth, proxy=proxy.url, verify=world.ca_file, follow=True) as client:
        assert client.post("https://api.test/x", content=b"abc").status == 200
        world.revoke()
        assert client.get("https://api.test/r?status=307&to=/end").status == 200
    assert {seen.method for seen in proxy.seen} == {"CONNECT"}
    assert all(CANARY not in seen.everything for seen in proxy.seen)
    assert world.home_tls.seen[-1].header("X-API-Key")
    assert world.home_tls.seen[-1].bearer in world.good


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_proxys_refusal_is_not_the_apis(stack, world, proxy, status):
    """A proxy that refuses a CONNECT, be it with 401 and the API's own code, causes no refresh and no retry."""
    proxy.answer = lambda seen: world.refusal(status=status)
    auth = world.auth(stack, "https://api.test")
    with (
        stack.client(auth, proxy=proxy.url, verify=world.ca_file) as client,
        pytest.raises((stack.error, OSError)),
    ):
        client.get("https://api.test/x")
    assert len(world.issued) == 1
    assert len(proxy.seen) <= 2  # requests' urllib3 may try again
    assert all(CANARY not in seen.everything for seen in proxy.seen)


def test_a_forward_proxy_and_a_foreign_hop(stack, world, proxy):
    """Through a forward proxy (plain http, so to this machine) foreign hops carry nothing either."""
    with stack.client(world.auth(stack), proxy=proxy.url, follow=True) as client:
        assert client.get(f"{world.home.url}/r?to={world.away.url}/end").status == 200
    assert [seen.path for seen in proxy.seen] == ["/r", "/end"]
    assert CANARY not in proxy.seen[-1].everything
    world.assert_nothing_got_away()
