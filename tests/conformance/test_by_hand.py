"""For clients that send by themselves: `headers`, `refused`, `base_url` and their async twins, in every stack."""

import inspect

import pytest

from krauth import AuthorizationRequired, HTTPResponse
from world import API_KEY, CANARY

REFUSAL = b'{"code": "AUTHENTICATION_REQUIRED"}'
SIGNATURES = {
    "headers": ["method", "url", "body"],
    "refused": ["method", "url", "status", "headers", "body", "sent"],
}


@pytest.fixture(params=[False, True], ids=["blocking", "awaited"])
def ask(request, stack):
    """Call `headers` or `refused`, or their async twins."""

    def ask(auth, name, *args):
        if not request.param:
            return getattr(auth, name)(*args)

        async def call():
            return await getattr(auth, f"a{name}")(*args)

        return stack.run(call) if stack.is_async else run_alone(call)

    return ask


def run_alone(call):
    import asyncio

    return asyncio.run(call())


def test_signatures(stack):
    """Both have the arguments that are documented, in every class, and so have their async twins."""
    for name in ("NaverAuth", "MelomingOAuth", "MelomingAPIKey", "OAuth2Auth"):
        for method, arguments in SIGNATURES.items():
            for twin in (method, f"a{method}"):
                signature = inspect.signature(getattr(getattr(stack, name), twin))
                assert list(signature.parameters)[1:] == arguments
                assert inspect.iscoroutinefunction(getattr(getattr(stack, name), twin)) == twin.startswith("a")


def test_headers(stack, world, ask):
    """`headers` gives what a request of the library would carry, and obtains a token where there is none."""
    auth = world.auth(stack)
    fields = ask(auth, "headers", "get", f"{world.home.url}/x")
    assert fields == {"Authorization": f"Bearer {world.issued[0]}", "X-API-Key": API_KEY}
    assert ask(auth, "headers", "POST", f"{world.home.url}/y", b"body") == fields
    assert len(world.issued) == 1
    assert CANARY not in repr(fields)
    key = stack.MelomingAPIKey(API_KEY, base_url=world.home.url)
    assert ask(key, "headers", "GET", f"{world.home.url}/x") == {"X-API-Key": API_KEY}


def test_headers_for_a_foreign_url(stack, world, ask):
    """For a URL of another origin there are none, and no token is obtained for it."""
    auth = world.auth(stack)
    home = world.home.url
    for url in (world.away.url, home.replace("http", "https"), f"http://x@{world.away.url[7:]}", f"{home}@evil.test"):
        assert ask(auth, "headers", "GET", f"{url}/x") == {}
    assert world.issued == []


def test_headers_without_a_token(stack, world, ask):
    """Where reads are anonymous, a GET gets no token."""
    auth = world.auth(stack, anonymous_reads=True, api_key=None)
    assert ask(auth, "headers", "GET", f"{world.home.url}/x") == {}
    assert list(ask(auth, "headers", "POST", f"{world.home.url}/x")) == ["Authorization"]


def test_refused(stack, world, ask):
    """A refused token is replaced once; the second refusal of the same request, and all that follow, are final."""
    auth = world.auth(stack)
    url = f"{world.home.url}/x"
    sent = ask(auth, "headers", "GET", url)
    again = ask(auth, "refused", "GET", url, 401, {"content-type": "application/json"}, REFUSAL, sent)
    assert again == {"Authorization": f"Bearer {world.issued[1]}", "X-API-Key": API_KEY}
    assert ask(auth, "refused", "GET", url, 401, {}, REFUSAL, again) is None
    assert ask(auth, "refused", "GET", url, 401, {}, REFUSAL, again) is None
    assert len(world.issued) == 2


def test_refused_with_an_old_token(stack, world, ask):
    """Where a newer token is there already, it is used, and costs no request."""
    auth = world.auth(stack)
    url = f"{world.home.url}/x"
    old = dict(ask(auth, "headers", "GET", url))
    assert ask(auth, "refused", "GET", url, 401, {}, REFUSAL, old)
    again = ask(auth, "refused", "GET", f"{url}/2", 401, {}, REFUSAL.decode(), {"authorization": old["Authorization"]})
    assert again["Authorization"] == f"Bearer {world.issued[1]}"
    assert len(world.issued) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, REFUSAL), (403, REFUSAL), (500, b""), (401, b'{"code": "INVALID_API_KEY"}'), (401, None), (401, b"\xff")],
)
def test_not_about_the_token(stack, world, ask, status, body):
    """An answer that no token helps against gives `None`, and costs nothing."""
    auth = world.auth(stack)
    url = f"{world.home.url}/x"
    sent = ask(auth, "headers", "GET", url)
    assert ask(auth, "refused", "GET", url, status, {}, body, sent) is None
    assert len(world.issued) == 1


def test_refused_by_another_server(stack, world, ask):
    """What a foreign server says is about nothing of ours."""
    auth = world.auth(stack)
    sent = ask(auth, "headers", "GET", f"{world.home.url}/x")
    assert ask(auth, "refused", "GET", f"{world.away.url}/x", 401, {}, REFUSAL, sent) is None
    assert len(world.issued) == 1


def test_refused_and_no_token_to_be_had(stack, world, ask, caplog):
    """Where no other token can be had there is nothing to repeat, and the log says why."""
    answers = [world.issue, lambda request: HTTPResponse(400, {}, b'{"error": "invalid_scope"}')]
    auth = world.auth(stack, token_transport=lambda request: answers.pop(0)(request))
    sent = ask(auth, "headers", "GET", f"{world.home.url}/x")
    assert ask(auth, "refused", "GET", f"{world.home.url}/x", 401, {}, REFUSAL, sent) is None
    assert "no other token could be had" in caplog.text


def test_a_user_has_to_sign_in(stack, world, ask):
    """Where a user has to sign in first, `headers` says so."""
    auth = world.auth(stack, user="u", redirect_uri="https://app.example/cb")
    with pytest.raises(AuthorizationRequired):
        ask(auth, "headers", "GET", f"{world.home.url}/x")


def test_base_url(stack, world):
    """`base_url` is where the API is; for `OAuth2Auth` it is the first of `api_origins`."""
    secret = "$2a$04$abcdefghijklmnopqrstuu"
    assert stack.NaverAuth("id", secret).base_url == "https://api.commerce.naver.com/external"
    naver = stack.NaverAuth("id", secret, base_url=f"{world.home.url}/partner/")
    assert naver.base_url == f"{world.home.url}/partner"
    assert naver.for_account("shop").base_url == naver.base_url
    assert world.auth(stack).base_url == world.home.url
    assert stack.MelomingAPIKey("mlm_test_x", base_url=f"{world.home.url}/v2").base_url == f"{world.home.url}/v2"
    origins = ["https://api.example.com/v1", "https://files.example.com"]
    auth = stack.OAuth2Auth("id", "secret", token_endpoint="https://login.example.com/token", api_origins=origins)
    assert auth.base_url == "https://api.example.com"


def test_header_fields_as_pairs():
    """`http.client` and others return the fields of an answer as pairs."""
    from krauth._auth.other_clients import AnyCase

    assert AnyCase([("Content-Type", "text/plain")]).get("content-type") == "text/plain"
