"""Every public class of every stack against the sandbox: tokens obtained, reused, refreshed after a 401."""

import inspect

import pytest

from krauth import AuthorizationRequired, ConfigurationError, Token
from stacks import STACKS

NAMES = ["MelomingAPIKey", "MelomingOAuth", "NaverAuth", "OAuth2Auth", "TokenTransport"]


class Provider:
    """An OAuth class of a stack with the emulator, and URLs to call."""

    def __init__(self, name, stack, sandbox, store):
        self.name = name
        self.emulator = sandbox.naver if name == "naver" else sandbox.meloming
        base = sandbox.naver_url if name == "naver" else sandbox.meloming_url
        self.url = f"{base}/v1/echo"
        common = {"store": store}
        if name == "naver":
            self.auth = stack.NaverAuth(
                sandbox.naver_client_id, sandbox.naver_client_secret, base_url=sandbox.naver_url, **common
            )
        elif name == "meloming":
            self.auth = stack.MelomingOAuth(
                sandbox.meloming_client_id, sandbox.meloming_client_secret, base_url=sandbox.meloming_url, **common
            )
        else:
            self.auth = stack.OAuth2Auth(
                sandbox.meloming_client_id,
                sandbox.meloming_client_secret,
                token_endpoint=f"{base}/oauth/token",
                api_origins=base,
                **common,
            )


@pytest.fixture(params=["naver", "meloming", "oauth2"])
def provider(request, stack, sandbox, store):
    return Provider(request.param, stack, sandbox, store)


def test_a_token_is_obtained_once_and_reused(provider, stack):
    """The first call obtains a token, and the calls after it use that one."""
    with stack.client(provider.auth) as client:
        assert [client.post(provider.url, json={"n": n}).status for n in range(3)] == [200] * 3
    assert provider.emulator.token_requests == 1


def test_a_401_costs_one_refresh_and_one_retry(provider, stack):
    """When the server has forgotten the token, a call obtains a new one and succeeds, body and all."""
    with stack.client(provider.auth) as client:
        client.post(provider.url, json={"n": 1})
        provider.emulator.revoke_access_tokens()
        api_requests = provider.emulator.api_requests
        answer = client.post(provider.url, content=b"the body")
    assert (answer.status, answer.json()["length"]) == (200, 8)
    assert provider.emulator.token_requests == 2
    assert provider.emulator.api_requests == api_requests + 2


def test_many_calls_at_once_cost_one_token(provider, stack):
    """Twenty calls that all find no token wait for the same one."""
    provider.emulator.token_delay = 0.05
    with stack.client(provider.auth) as client:
        answers = client.call_many(20, "POST", provider.url, json={})
    assert {answer.status for answer in answers} == {200}
    assert provider.emulator.token_requests == 1


def test_many_refusals_at_once_cost_one_refresh(provider, stack):
    """Twenty calls that are all refused wait for the same new token."""
    with stack.client(provider.auth) as client:
        client.post(provider.url)
        provider.emulator.revoke_access_tokens()
        provider.emulator.token_delay = 0.05
        answers = client.call_many(20, "POST", provider.url, json={})
    assert {answer.status for answer in answers} == {200}
    assert provider.emulator.token_requests == 2


def test_token_hands_out_the_current_token(provider, stack):
    """`token()` and `atoken()` return the token that requests carry, and obtain it if need be."""
    token = stack.token(provider.auth)
    assert isinstance(token, Token)
    assert token.access_token not in repr(token)
    assert stack.token(provider.auth) is token
    with stack.client(provider.auth) as client:
        client.post(provider.url)
    assert provider.emulator.requests[-1].headers["Authorization"] == f"Bearer {token.access_token}"
    assert provider.emulator.token_requests == 1


def test_a_users_calls_need_the_user(stack, meloming, sandbox):
    """With `user=` and no authorization yet, a call says that the user has to authorize, and sends nothing."""
    auth = meloming(user="melo", redirect_uri="https://app.example/callback")
    with stack.client(auth) as client, pytest.raises(AuthorizationRequired, match="authorize"):
        client.post(f"{sandbox.meloming_url}/v1/echo")
    assert sandbox.meloming.requests == []


def test_anonymous_reads_carry_no_token(stack, sandbox, meloming):
    """With `anonymous_reads`, GET is sent without a token, and POST with one."""
    with stack.client(meloming(anonymous_reads=True)) as client:
        assert client.get(f"{sandbox.meloming_url}/v1/echo").status == 200
        assert sandbox.meloming.token_requests == 0
        assert client.post(f"{sandbox.meloming_url}/v1/echo").status == 200
    first, *_, last = sandbox.meloming.requests
    assert "Authorization" not in first.headers
    assert last.headers["Authorization"].startswith("Bearer ")


def test_an_anonymous_read_that_needs_a_token_gets_one(stack, sandbox, meloming):
    """With `anonymous_reads`, a GET that the server refuses for want of a token is repeated with one."""
    with stack.client(meloming(anonymous_reads=True)) as client:
        assert client.get(f"{sandbox.meloming_url}/v1/me").status == 200
    assert sandbox.meloming.token_requests == 1
    assert sandbox.meloming.api_requests == 2


def test_an_api_key_rides_beside_the_token(stack, sandbox, meloming):
    """With `api_key`, each call carries `X-API-Key` and the token; a token request carries no key."""
    with stack.client(meloming(api_key=sandbox.meloming_api_key)) as client:
        assert client.post(f"{sandbox.meloming_url}/v1/echo").status == 200
        sandbox.meloming.revoke_access_tokens()
        assert client.post(f"{sandbox.meloming_url}/v1/echo").status == 200
    for request in sandbox.meloming.requests:
        expected = None if request.path == "/oauth/token" else sandbox.meloming_api_key
        assert request.headers.get("X-API-Key") == expected


def test_an_api_key_alone(stack, sandbox):
    """`MelomingAPIKey` sends `X-API-Key` and nothing else, and tells live from test."""
    live = stack.MelomingAPIKey(sandbox.meloming_api_key, base_url=sandbox.meloming_url)
    test = stack.MelomingAPIKey(sandbox.meloming_test_api_key, base_url=sandbox.meloming_url)
    assert (live.environment, test.environment) == ("live", "test")
    for auth, key in ((live, sandbox.meloming_api_key), (test, sandbox.meloming_test_api_key)):
        with stack.client(auth) as client:
            assert client.get(f"{sandbox.meloming_url}/v1/echo").status == 200
            assert client.post(f"{sandbox.meloming_url}/v1/echo").status == 401  # writing takes a token
        headers = sandbox.meloming.requests[-2].headers
        assert headers["X-API-Key"] == key
        assert "Authorization" not in headers
    assert sandbox.meloming.api_requests == 4


def test_from_env(stack, sandbox, store, monkeypatch):
    """`from_env()` reads the documented variables, and keyword arguments win over them."""
    monkeypatch.setenv("NAVER_COMMERCE_CLIENT_ID", sandbox.naver_client_id)
    monkeypatch.setenv("NAVER_COMMERCE_CLIENT_SECRET", sandbox.naver_client_secret)
    monkeypatch.setenv("NAVER_COMMERCE_ACCOUNT_ID", sandbox.naver_account_id)
    monkeypatch.setenv("MELOMING_CLIENT_ID", sandbox.meloming_client_id)
    monkeypatch.setenv("MELOMING_CLIENT_SECRET", sandbox.meloming_client_secret)
    monkeypatch.setenv("MELOMING_API_KEY", sandbox.meloming_api_key)
    seller = stack.NaverAuth.from_env(base_url=sandbox.naver_url, store=store)
    own = stack.NaverAuth.from_env(base_url=sandbox.naver_url, store=store, account_id=None)
    url = f"{sandbox.naver_url}/v1/seller/account"
    with stack.client(seller) as client:
        assert client.get(url).json()["accountUid"] == sandbox.naver_account_uid
        assert client.get(url, auth=own).json()["accountId"] == "krauth-self"
    both = stack.MelomingOAuth.from_env(base_url=sandbox.meloming_url, store=store)
    with stack.client(both) as client:
        assert client.post(f"{sandbox.meloming_url}/v1/echo").status == 200
    headers = sandbox.meloming.requests[-1].headers
    assert headers["X-API-Key"] == sandbox.meloming_api_key
    assert headers["Authorization"].startswith("Bearer ")
    assert stack.MelomingAPIKey.from_env().environment == "live"


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("NaverAuth", "NAVER_COMMERCE_CLIENT_ID"),
        ("MelomingOAuth", "MELOMING_CLIENT_ID"),
        ("MelomingAPIKey", "MELOMING_API_KEY"),
    ],
)
def test_from_env_names_what_is_missing(stack, monkeypatch, name, variable):
    """A variable that is not set is named in the error."""
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ConfigurationError, match=variable):
        getattr(stack, name).from_env()


def test_for_account(stack, sandbox, naver):
    """`for_account` gives a sibling with a token of its own for another seller, everything else shared."""
    own = naver()
    seller = own.for_account(sandbox.naver_account_id)
    url = f"{sandbox.naver_url}/v1/seller/account"
    with stack.client(own) as client:
        assert client.get(url).json()["accountId"] == "krauth-self"
        assert client.get(url, auth=seller).json()["accountUid"] == sandbox.naver_account_uid
    assert sandbox.naver.tokens_issued == 2
    with pytest.raises(ConfigurationError, match="account_id"):
        own.for_account("")


def test_a_partner_calls_under_its_own_base(stack, sandbox, naver):
    """An agency's base URL is a setting, its token endpoint follows."""
    auth = naver(base_url=sandbox.naver_partner_url, account_id=sandbox.naver_account_id)
    with stack.client(auth) as client:
        assert client.get(f"{sandbox.naver_partner_url}/v1/seller/account").status == 200
    assert {request.path.split("/")[1] for request in sandbox.naver.requests} == {"partner"}


SECRET = "$2a$04$abcdefghijklmnopqrstuv"
BAD_SETTINGS = {
    "naver: empty client_id": ("NaverAuth", ("", SECRET), {}),
    "naver: client_id with a line break": ("NaverAuth", ("id\n", SECRET), {}),
    "naver: secret eaten by the shell": ("NaverAuth", ("id", "a4qrstuvwxyz"), {}),
    "naver: empty secret": ("NaverAuth", ("id", ""), {}),
    "naver: empty account_id": ("NaverAuth", ("id", SECRET), {"account_id": ""}),
    "naver: http off loopback": ("NaverAuth", ("id", SECRET), {"base_url": "http://api.example.com"}),
    "naver: password in the base URL": ("NaverAuth", ("id", SECRET), {"base_url": "https://u:p@api.example.com"}),
    "naver: no such transport": ("NaverAuth", ("id", SECRET), {"token_transport": 5}),
    "naver: no policy": ("NaverAuth", ("id", SECRET), {"refresh": 300}),
    "naver: no such store": ("NaverAuth", ("id", SECRET), {"store": "nosuch://x"}),
    "meloming: no secret, no user": ("MelomingOAuth", ("id",), {}),
    "meloming: key without its prefix": ("MelomingOAuth", ("id", "s3cr3t-value"), {"api_key": "live_0123"}),
    "meloming: empty user": ("MelomingOAuth", ("id", "s3cr3t-value"), {"user": ""}),
    "meloming: relative base URL": ("MelomingOAuth", ("id", "s3cr3t-value"), {"base_url": "openapi.meloming.com"}),
    "key: empty": ("MelomingAPIKey", ("",), {}),
    "key: without its prefix": ("MelomingAPIKey", ("0123456789",), {}),
    "key: with a line break": ("MelomingAPIKey", ("mlm_live_0123\n",), {}),
    "key: http off loopback": ("MelomingAPIKey", ("mlm_live_0123",), {"base_url": "http://api.example.com"}),
    "oauth2: http token endpoint": (
        "OAuth2Auth",
        ("id", "s3cr3t-value"),
        {"token_endpoint": "http://a.example/t", "api_origins": "https://a.example"},
    ),
    "oauth2: no origin": (
        "OAuth2Auth",
        ("id", "s3cr3t-value"),
        {"token_endpoint": "https://a.example/t", "api_origins": ()},
    ),
    "oauth2: unknown client_auth": (
        "OAuth2Auth",
        ("id", "s3cr3t-value"),
        {"token_endpoint": "https://a.example/t", "api_origins": "https://a.example", "client_auth": "magic"},
    ),
}


@pytest.mark.parametrize("case", BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings_are_refused_at_construction(stack, case):
    """What can't be right raises `ConfigurationError`, also a `ValueError`, before any request; it quotes no secret."""
    name, args, settings = case
    with pytest.raises(ConfigurationError) as caught:
        getattr(stack, name)(*args, **settings)
    assert isinstance(caught.value, ValueError)
    for secret in args[1:]:
        assert not secret or secret not in str(caught.value)


def test_the_four_packages_export_the_same_names_and_signatures(stack):
    """A user who knows one adapter knows all four."""
    assert set(NAMES) <= set(stack.package.__all__)
    assert stack.package.__all__ == STACKS[0].package.__all__
    for name in NAMES[:-1]:
        mine, first = getattr(stack.package, name), getattr(STACKS[0].package, name)
        assert inspect.signature(mine) == inspect.signature(first)
        for method in ("from_env", "for_account", "token", "atoken"):
            assert hasattr(mine, method) == hasattr(first, method)


def test_the_classes_are_what_the_library_calls_an_auth(stack):
    """requests sees an `AuthBase`, httpx and httpx2 an `Auth`, aiohttp a middleware."""
    auth = stack.MelomingAPIKey("mlm_test_0123")
    if stack.library_name == "requests":
        assert isinstance(auth, stack.library.auth.AuthBase)
    elif stack.library_name == "aiohttp":
        assert inspect.iscoroutinefunction(type(auth).__call__)
    else:
        assert isinstance(auth, stack.library.Auth)
        assert inspect.isgeneratorfunction(auth.sync_auth_flow)
        assert inspect.isasyncgenfunction(auth.async_auth_flow)


def test_an_auth_object_serves_several_clients(stack, naver, sandbox):
    """One auth object may be shared by clients, and outlives them."""
    auth = naver()
    for _ in range(2):
        with stack.client(auth) as client:
            assert client.get(f"{sandbox.naver_url}/v1/echo").status == 200
    assert sandbox.naver.token_requests == 1


def test_auth_objects_made_anew_share_the_token(stack, naver, sandbox):
    """Equal credentials and the same store mean the same token, even with an auth object per request."""
    with stack.client() as client:
        for _ in range(3):
            assert client.get(f"{sandbox.naver_url}/v1/echo", auth=naver()).status == 200
    assert sandbox.naver.token_requests == 1
