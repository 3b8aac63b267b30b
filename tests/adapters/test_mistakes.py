"""Mistakes that would end in another library's error: each is named, with advice."""

import asyncio
import itertools
import warnings

import pytest

from krauth import ConfigurationError
from krauth._auth import origin_auth
from stacks import STACKS

SECRET = "$2a$04$abcdefghijklmnopqrstuu"
LIBRARIES = ("requests", "httpx", "httpx2", "aiohttp")
PAIRS = [(stack, other) for stack, other in itertools.product(STACKS, LIBRARIES) if other != stack.library_name]
URL = "https://api.commerce.naver.com/external/v1/products"


def package(library):
    return next(stack.package for stack in STACKS if stack.library_name == library)


def send(stack, auth, store):
    """Make a call as a user would; it must fail before anything is sent."""
    library = stack.library
    if stack.library_name == "requests":
        session = library.Session()
        session.auth = auth
        return session.get(URL)
    if stack.library_name == "aiohttp":

        async def ask():
            async with library.ClientSession(middlewares=(auth,)) as session, session.get(URL):
                pass

        return stack.run(ask)
    if not stack.is_async:
        with library.Client(auth=auth, trust_env=False) as client:
            return client.get(URL)

    async def ask():
        async with library.AsyncClient(auth=auth, trust_env=False) as client:
            await client.get(URL)

    return stack.run(ask)


@pytest.mark.parametrize(("stack", "other"), PAIRS, ids=str)
def test_an_auth_of_another_stack(stack, other, store):
    """An auth of another stack's package says whose it is, whose client it met, and which package to take it from."""
    auth = package(other).NaverAuth("id", SECRET, store=store)
    if other == "aiohttp":  # Python's own error, which names what it was and where to take another from
        with pytest.raises(TypeError, match=rf"middleware of aiohttp.*krauth_{stack.library_name}"):
            send(stack, auth, store)
        return
    with pytest.raises(ConfigurationError) as caught:
        send(stack, auth, store)
    said = str(caught.value)
    assert f"NaverAuth of krauth_{other} was handed to a client of {stack.library_name}" in said
    assert f"take NaverAuth from krauth_{stack.library_name}" in said
    if (stack.library_name, other) == ("httpx2", "httpx"):
        assert "in place of httpx" in said


@pytest.mark.parametrize("name", ["NaverAuth", "MelomingOAuth", "MelomingAPIKey", "OAuth2Auth"])
def test_a_class_instead_of_an_object(stack, store, name):
    """A client that is handed the class says that an object is wanted, and how one is made."""
    with pytest.raises(
        ConfigurationError, match=rf"handed the class {name} instead of an object.*{name}\.from_env\(\)"
    ):
        send(stack, getattr(stack, name), store)


def test_a_client_that_krauth_has_no_adapter_for(stack, store):
    """A client of some other library is pointed to `headers`."""

    class Request:
        url, headers, method = object(), {}, "GET"

    if stack.library_name == "aiohttp":
        pytest.skip("a middleware is called with a handler")
    with pytest.raises(ConfigurationError, match=r"NaverAuth\.headers\(method, url\)"):
        stack.NaverAuth("id", SECRET, store=store)(Request())


def test_a_forgotten_tuple(sandbox, store):
    """`ClientSession(middlewares=auth)` works as `middlewares=(auth,)` does."""
    stack = next(one for one in STACKS if one.library_name == "aiohttp")
    auth = stack.MelomingAPIKey(sandbox.meloming_api_key, base_url=sandbox.meloming_url)

    async def ask():
        async with stack.library.ClientSession(middlewares=auth) as session:
            async with session.get(f"{sandbox.meloming_url}/v1/echo") as response:
                first = response.status
            async with session.get(f"{sandbox.meloming_url}/v1/echo", middlewares=auth) as response:
                return first, response.status

    assert stack.run(ask) == (200, 200)
    assert [seen.headers["X-API-Key"] for seen in sandbox.meloming.requests] == [sandbox.meloming_api_key] * 2


@pytest.mark.parametrize("name", ["token", "headers", "refresh"])
def test_a_blocking_call_on_an_event_loop(stack, naver, sandbox, monkeypatch, name):
    """A call that blocks a running event loop warns once per process, and not when nothing has to be waited for."""
    monkeypatch.setattr(origin_auth, "_warned_blocking", False)
    arguments = () if name != "headers" else ("GET", f"{sandbox.naver_url}/v1/x")
    first, second = naver(), naver(account_id=sandbox.naver_account_id)

    async def block():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for auth in (first, first, second):
                getattr(auth, name)(*arguments)
            return [str(one.message) for one in caught if one.category is RuntimeWarning]

    (text,) = asyncio.run(block())
    assert f"await auth.a{name}()" in text
    monkeypatch.setattr(origin_auth, "_warned_blocking", False)
    assert getattr(first, name)(*arguments)  # on no event loop: nothing to warn of


def test_a_blocking_sign_in_on_an_event_loop(sandbox, store, monkeypatch):
    """The end of a sign-in, and all else that sends a request, warns as `token()` does."""
    import krauth_httpx

    settings = {"base_url": sandbox.meloming_url, "store": store, "redirect_uri": "https://app.example/callback"}
    auth = krauth_httpx.MelomingOAuth(
        sandbox.meloming_client_id, sandbox.meloming_client_secret, user="mina", **settings
    )
    request = auth.authorization_request()
    back = sandbox.meloming.approve(request.url)

    async def block():
        for name, *arguments in (("authorize", back, request), ("introspect",), ("revoke",)):
            monkeypatch.setattr(origin_auth, "_warned_blocking", False)
            with pytest.warns(RuntimeWarning, match=rf"await auth\.a{name}\(\)"):
                getattr(auth, name)(*arguments)

    asyncio.run(block())


def test_a_requests_auth_in_a_client_that_awaits():
    """An asynchronous session of niquests calls the auth of requests, and can't wait for it: that is said, with the remedy."""
    from krauth_requests._judged import read_start

    class Raw:
        async def read(self):
            return b""

    answer = type("AsyncResponse", (), {"_content": False, "raw": Raw()})()
    with pytest.raises(ConfigurationError, match=r"niquests\.AsyncSession.*aheaders\(method, url\)"):
        read_start(answer, 1.0)
