"""What people hand over as `token_transport` by mistake: each message names the culprit and the cure."""

import httpx
import httpx2
import pytest
import requests

from krauth import ConfigurationError
from stacks import BY_NAME


async def coroutine(request):
    raise AssertionError


#: What is wrong → (a value, the words that name it, the words of the cure); `{wanted}` is the stack's own class.
MISTAKES = {
    "the session class": (lambda: requests.Session, "the class requests.Session itself", r"requests.Session\(…\)"),
    "the client class": (lambda: httpx.Client, "the class httpx.Client itself", r"httpx.Client\(…\)"),
    "the transport class": (
        lambda: BY_NAME["httpx"].TokenTransport,
        "the class krauth_httpx.TokenTransport itself",
        r"TokenTransport\(…\)",
    ),
    "the module": (lambda: httpx, "the module httpx", "hand over an? {wanted}"),
    "a method": (lambda: requests.Session().post, "a method of requests.Session", "the object itself"),
    "a function of the library": (lambda: requests.post, "the function requests.post", "hand over an? {wanted}"),
    "an HTTP adapter": (lambda: requests.adapters.HTTPAdapter(), "an HTTP adapter", "session.mount"),
    "a transport of httpx": (lambda: httpx.HTTPTransport(), "a transport of the library", r"\(transport=…\)"),
    "a mock transport": (lambda: httpx2.MockTransport(print), "a transport of the library", r"\(transport=…\)"),
    "a proxy's URL": (lambda: "http://user:hidden-word@proxy:3128", "a str; for a proxy", "{wanted}"),
    "a dict of proxies": (lambda: {"https": "http://user:hidden-word@proxy"}, "a dict; for a proxy", "{wanted}"),
    "a coroutine function": (lambda: coroutine, "a coroutine function", "a plain function"),
    "a number": (lambda: 3, "not int", "{wanted}"),
    "false": (lambda: False, "not bool", "{wanted}"),
}
WANTED = {
    "requests": r"requests\.Session",
    "httpx": r"httpx\.Client or an httpx\.AsyncClient",
    "httpx2": r"httpx2\.Client or an httpx2\.AsyncClient",
    "aiohttp": r"aiohttp\.ClientSession",
}


@pytest.fixture(params=["requests", "httpx", "httpx2", "aiohttp"])
def stack(request):
    """One stack of each library: nothing is sent here."""
    return BY_NAME[request.param]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_value_is_named_with_its_cure(stack, naver, mistake):
    """A value that is no transport is refused at construction: what it is, what to hand over, and no part of it."""
    make, culprit, cure = MISTAKES[mistake]
    with pytest.raises(ConfigurationError, match=f"token_transport must be.* {culprit}.*") as caught:
        naver(token_transport=make())
    assert caught.match(cure.replace("{wanted}", WANTED[stack.library_name]))
    assert "hidden-word" not in str(caught.value)


@pytest.mark.parametrize("other", ["requests", "httpx", "httpx-asyncio", "httpx2", "aiohttp"])
def test_another_librarys_client_is_named(stack, naver, other):
    """Another library's client is named, and so are the adapter that takes it and this one's own class."""
    other = BY_NAME[other]
    if other.library_name == stack.library_name:
        pytest.skip("its own")
    with other.client() as client, pytest.raises(ConfigurationError) as caught:
        naver(token_transport=client.native)
    name = f"{other.library_name}.{type(client.native).__name__}, which is of another library"
    assert name in str(caught.value)
    assert f"krauth_{other.library_name}" in str(caught.value)
    assert caught.match(WANTED[stack.library_name])


def test_an_auth_object_is_no_transport(stack, naver):
    """An auth object, which some libraries call like a function, is told from a function."""
    with pytest.raises(ConfigurationError, match="an auth object; hand over"):
        naver(token_transport=naver())


@pytest.mark.parametrize("value", [requests.Session, "http://proxy", 3])
def test_the_transport_class_checks_its_client_too(stack, value):
    """`TokenTransport(…)` refuses what it can't send on, at once."""
    with pytest.raises(ConfigurationError, match="token_transport must be"):
        stack.TokenTransport(value)


def test_a_transport_of_another_adapter_is_taken(stack, naver):
    """A krauth TokenTransport may be any adapter's: a token request is the same in all."""
    other = BY_NAME["httpx" if stack.library_name != "httpx" else "requests"]
    transport = other.TokenTransport()
    assert naver(token_transport=transport)._transport is transport


def test_a_callable_may_be_anything_that_is_called(stack, naver):
    """A function, a method, a lambda and an object with `__call__` are taken as they are."""

    class Sender:
        def __call__(self, request):
            raise AssertionError

        def send(self, request):
            raise AssertionError

    for value in (Sender(), Sender().send, lambda request: None, print):
        naver(token_transport=value)
