"""What people hand over as `token_transport` by mistake: each message names the culprit and the advice."""

import types

import httpx
import pytest
import requests

from krauth import ConfigurationError
from stacks import BY_NAME


async def coroutine(request):
    raise AssertionError


#: What is wrong → (a value, made from the stack and its client; the words that name it; the words of the advice).
#: `{wanted}` is the stack's own class.
MISTAKES = {
    "a class of clients": (
        lambda stack, client: type(client),
        r"the class {wanted} itself",
        r"hand over an instance: .*\(…\)",
    ),
    "another library's class": (
        lambda stack, client: other(stack).Session,
        "the class .* itself",
        "hand over an? {wanted}",
    ),
    "the class of transports": (
        lambda stack, client: stack.TokenTransport,
        "the class .*TokenTransport itself",
        r"\(…\)",
    ),
    "the module": (lambda stack, client: stack.library, "the module", "hand over an? {wanted}"),
    "a method": (lambda stack, client: client.post, "a method of {wanted}", "hand over the object itself"),
    "another library's method": (lambda stack, client: other(stack).Session().send, "a method of", "{wanted}"),
    "a function of the library": (
        lambda stack, client: stack.library.request,
        "the function",
        "hand over an? {wanted}",
    ),
    "a part of the client": (
        lambda stack, client: part(stack),
        r"an HTTP adapter|a transport|a connector",
        r"session.mount|transport=…|connector=…",
    ),
    "another library's part": (
        lambda stack, client: part(STRANGER[stack.library_name]),
        "which is of another library",
        "{wanted}",
    ),
    "a proxy's URL": (lambda stack, client: "http://user:hidden-word@proxy:3128", "a str; for a proxy", "{wanted}"),
    "a dict of proxies": (
        lambda stack, client: {"https": "http://user:hidden-word@proxy"},
        "a dict; for a proxy",
        "{wanted}",
    ),
    "a coroutine function": (lambda stack, client: coroutine, "a coroutine function", "a plain function"),
    "an auth object": (
        lambda stack, client: stack.MelomingAPIKey("mlm_test_" + "k" * 20),
        "an auth object",
        "{wanted}",
    ),
    "a number": (lambda stack, client: 3, "not int", ""),
    "false": (lambda stack, client: False, "not bool", ""),
}
STRANGER = {"requests": BY_NAME["httpx"], **dict.fromkeys(["httpx", "httpx2", "aiohttp"], BY_NAME["requests"])}


def other(stack):
    """A library with a class `Session` that is not this stack's."""
    return types.SimpleNamespace(Session=httpx.Client) if stack.library_name == "requests" else requests


def part(stack):
    """What a client of the stack is made with."""
    if stack.library_name == "requests":
        return requests.adapters.HTTPAdapter()
    if stack.library_name == "aiohttp":
        return stack.run(in_a_loop, stack.library.TCPConnector)
    return stack.library.HTTPTransport()


async def in_a_loop(function):
    return function()


WANTED = {
    "requests": r"requests\.Session",
    "httpx": r"httpx\.(Async)?Client",
    "httpx2": r"httpx2\.(Async)?Client",
    "aiohttp": r"aiohttp\.ClientSession",
}


@pytest.fixture(params=["requests", "httpx", "httpx2", "aiohttp"])
def stack(request):
    """One stack of each library: nothing is sent here."""
    return BY_NAME[request.param]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_value_is_named_with_its_cure(stack, naver, mistake):
    """A value that is no transport is refused at construction: what it is, what to hand over, and no part of it."""
    make, culprit, advice = MISTAKES[mistake]
    culprit, advice = (words.replace("{wanted}", WANTED[stack.library_name]) for words in (culprit, advice))
    with stack.client() as client, pytest.raises(ConfigurationError, match="token_transport must be") as caught:
        naver(token_transport=make(stack, client.native))
    assert caught.match(f"not .*({culprit}).*({advice})|{culprit}$")
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
