"""httpx and httpx2: a header field of ours is an ordinary one of each request to the API, and of no other.

Transports that read `request.headers` (mocks, wrappers, caches, other HTTP libraries underneath) see it as any other.
"""

import types

import pytest

from _krauth_httpx.redirects import watch_redirects
from krauth import ConfigurationError
from stacks import STACKS
from world import API_KEY, CANARY

HOME, AWAY = "https://api.example.com", "https://evil.example.com"
HTTPX = [stack for stack in STACKS if stack.library_name.startswith("httpx")]


@pytest.fixture(params=HTTPX, ids=repr)
def stack(request):
    return request.param


def readings(headers):
    """Read a header field in every way there is; each says the same."""
    found = {
        "[]": headers["X-API-Key"] if headers.get("X-API-Key") is not None else None,
        "get": headers.get("x-api-key"),
        "items": dict(headers.items()).get("x-api-key"),
        "multi_items": dict(headers.multi_items()).get("x-api-key"),
        "dict": dict(headers).get("x-api-key"),
        "raw": {name.lower().decode(): value.decode() for name, value in headers.raw}.get("x-api-key"),
        "copy": headers.copy().get("x-api-key"),
        "another": type(headers)(headers).get("x-api-key"),
    }
    assert len(set(found.values())) == 1, found
    return found["[]"]


class Server:
    """An API and a foreign server, as a handler of a mock transport."""

    def __init__(self, library):
        self.library, self.seen = library, []

    def __call__(self, request):
        self.seen.append((request.url.host, request.url.path, readings(request.headers)))
        steps = {"/1": f"{HOME}/2", "/2": "/3", "/3": f"{AWAY}/4", "/4": f"{AWAY}/5", "/5": f"{HOME}/6"}
        to = steps.get(request.url.path)
        return self.library.Response(307, headers={"Location": to}) if to else self.library.Response(200)


def wrapping(stack, inner):
    """Return a transport that builds a new request, as retrying and caching ones do."""
    library = stack.library

    def rebuilt(request):
        return library.Request(
            request.method, request.url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )

    def by_items(request):
        fields = list(request.headers.items())
        return library.Request(request.method, request.url, headers=fields, stream=request.stream)

    class Wrapping(library.BaseTransport, library.AsyncBaseTransport):
        def handle_request(self, request):
            return inner.handle_request(by_items(rebuilt(request)))

        async def handle_async_request(self, request):
            return await inner.handle_async_request(by_items(rebuilt(request)))

    return Wrapping()


class Caching:
    """A transport that keeps answers per URL and API key."""

    def __init__(self, inner):
        self.inner, self.kept = inner, {}

    def key(self, request):
        return str(request.url), request.headers.get("X-API-Key")

    def handle_request(self, request):
        if self.key(request) not in self.kept:
            self.kept[self.key(request)] = self.inner.handle_request(request)
        return self.kept[self.key(request)]

    async def handle_async_request(self, request):
        if self.key(request) not in self.kept:
            self.kept[self.key(request)] = await self.inner.handle_async_request(request)
        return self.kept[self.key(request)]

    def __enter__(self):
        return self

    __aenter__ = aclose = None

    def __exit__(self, *exc_info):
        pass

    def close(self):
        pass


def caching(stack, inner):
    library = stack.library
    return type(
        "Cache",
        (Caching, library.BaseTransport, library.AsyncBaseTransport),
        {
            "__aenter__": library.AsyncBaseTransport.__aenter__,
            "aclose": library.AsyncBaseTransport.aclose,
        },
    )(inner)


@pytest.mark.parametrize("kind", ["mock", "wrapping", "caching"])
@pytest.mark.parametrize("with_token", [False, True], ids=["key", "token and key"])
def test_every_transport_sees_the_field(stack, world, kind, with_token):
    """On the first request, on hops at home and on the way back it is there; on foreign hops it is not."""
    server = Server(stack.library)
    transport = stack.library.MockTransport(server)
    if kind != "mock":
        transport = {"wrapping": wrapping, "caching": caching}[kind](stack, transport)
    auth = world.auth(stack, HOME) if with_token else stack.MelomingAPIKey(API_KEY, base_url=HOME)
    with stack.client(auth, follow=True, native={"transport": transport}) as client:
        assert client.get(f"{HOME}/1").status == 200
    assert server.seen == [
        ("api.example.com", "/1", API_KEY),
        ("api.example.com", "/2", API_KEY),
        ("api.example.com", "/3", API_KEY),
        ("evil.example.com", "/4", None),
        ("evil.example.com", "/5", None),
        ("api.example.com", "/6", API_KEY),
    ]


def test_redirects_that_the_user_follows(stack, world):
    """With redirects off, `next_request` to another origin holds nothing of ours, and one at home has it."""
    server = Server(stack.library)
    auth = stack.MelomingAPIKey(API_KEY, base_url=HOME)
    with stack.client(auth, follow=False, native={"transport": stack.library.MockTransport(server)}) as client:
        for path, expected in (("/2", API_KEY), ("/3", None)):
            following = client.get(f"{HOME}{path}").response.next_request
            assert readings(following.headers) == expected


def test_over_aiohttp(world):
    """`httpx-aiohttp`, which sends with aiohttp underneath, sends the field, and to no other server."""
    httpx_aiohttp = pytest.importorskip("httpx_aiohttp")
    stack = next(one for one in HTTPX if one.name == "httpx-asyncio")

    async def talk():
        transport = httpx_aiohttp.AiohttpTransport()
        auth = world.auth(stack)
        async with stack.library.AsyncClient(transport=transport, auth=auth, follow_redirects=True) as client:
            first = await client.get(f"{world.home.url}/r?to=/end")
            world.revoke()
            second = await client.get(f"{world.home.url}/r?to={world.away.url}/end")
            return first.status_code, second.status_code

    assert stack.run(talk) == (200, 200)
    assert [seen.header("X-API-Key") for seen in world.home.seen] == [API_KEY] * 4
    assert len(world.away.seen) == 1
    world.assert_nothing_got_away()


def test_other_requests_are_left_alone(stack, world):
    """Redirects of requests that carry nothing of ours are the library's own: a user's header field goes along."""
    server = Server(stack.library)
    with stack.client(follow=True, native={"transport": stack.library.MockTransport(server)}) as client:
        client.get(f"{HOME}/1", headers={"X-API-Key": "mine"})
    assert [key for _, _, key in server.seen] == ["mine"] * 6


def test_the_field_is_in_no_repr(stack, world):
    """The request's repr, and that of the mark on it, show no key."""
    kept = []

    def handler(request):
        kept.append(request)
        return stack.library.Response(200)

    with stack.client(world.auth(stack, HOME), native={"transport": stack.library.MockTransport(handler)}) as client:
        client.get(f"{HOME}/x")
    assert CANARY not in repr(kept[0])
    assert CANARY not in repr(kept[0].extensions)


def test_a_library_that_follows_redirects_in_another_way(stack):
    """With a version that builds redirected requests in a way that is not known, nothing is attached at all."""
    client = type("Client", (), {})
    unknown = types.SimpleNamespace(__name__="httpx", __version__="9.0", Client=client, AsyncClient=client)
    with pytest.raises(ConfigurationError, match=r"httpx 9\.0 follows redirects"):
        watch_redirects(unknown)
