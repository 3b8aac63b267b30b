"""krauth against authorization servers that we did not write: Authlib's, in Python, and oidc-provider, on Node."""

import asyncio
import dataclasses
import functools
import importlib

import pytest

from krauth import AuthorizationError, AuthorizationRequired, InvalidClientError, InvalidGrantError, MemoryStore
from krauth._engine.rules import NumberedToken
from krauth._oauth.endpoints import prepare_introspection_request, process_introspection_response
from krauth.testing import FakeClock
from stacks import BY_NAME

pytestmark = pytest.mark.interop

REDIRECT_URI = "https://app.example/callback"
CLIENT_ID, CLIENT_SECRET = "krauth-tests", "a-secret/with+odd%20characters:&=~"
WAYS = [BY_NAME[name] for name in ("requests", "httpx-asyncio", "aiohttp")]


@pytest.fixture(scope="module", params=["authlib_server.AuthlibServer", "node_server.NodeServer"])
def server(request):
    module, _, name = request.param.partition(".")
    if module == "authlib_server":
        pytest.importorskip("authlib", reason="authlib is not installed")
        pytest.importorskip("flask", reason="flask is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # loopback
        kind = getattr(importlib.import_module(f".{module}", __package__), name)
        with kind(CLIENT_ID, CLIENT_SECRET, [REDIRECT_URI]) as server:
            server.scope = "read write" if module == "authlib_server" else "openid"
            yield server


@pytest.fixture(params=WAYS, ids=str)
def stack(request):
    return request.param


@pytest.fixture
def make(server, stack):
    """Make an auth object from nothing but the server's issuer."""

    def make(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, user="mina", **settings):
        settings = {
            "api_origins": server.issuer,
            "client_auth": "client_secret_basic" if client_secret else "none",
            "redirect_uri": REDIRECT_URI,
            "scope": server.scope if user else None,
            "user": user,
            "store": MemoryStore(),
            **settings,
        }

        async def discover():
            return await stack.OAuth2Auth.adiscover(server.issuer, client_id, client_secret, **settings)

        return (
            stack.run(discover)
            if stack.is_async
            else stack.OAuth2Auth.discover(server.issuer, client_id, client_secret, **settings)
        )

    return make


def sign_in(stack, server, auth):
    request = auth.authorization_request()
    return stack.method(auth, "authorize", server.approve(request.url), request)


def me(stack, server, auth):
    with stack.client(auth) as client:
        return client.get(f"{server.issuer}/me")


def test_client_credentials(server, stack, make):
    """Client credentials: a token of the client's own, introspected and revoked."""
    auth = make(user=None)
    first = stack.token(auth)
    info = stack.method(auth, "introspect")
    assert info.active
    assert info.client_id == CLIENT_ID
    assert info.exp == pytest.approx(first.expires_at, abs=5)
    stack.method(auth, "revoke")
    assert stack.token(auth).access_token != first.access_token


def test_wrong_secret(server, stack, make):
    """A wrong secret is InvalidClientError, with the server's own error."""
    with pytest.raises(InvalidClientError) as caught:
        stack.token(make(client_secret="wrong", user=None))
    assert caught.value.error == "invalid_client"
    assert "wrong" not in str(caught.value)


def test_code_and_pkce(server, stack, make):
    """The authorization code grant with PKCE, and a call on behalf of the user."""
    auth = make()
    token = sign_in(stack, server, auth)
    assert token.refresh_token
    assert me(stack, server, auth).json()["sub"] == "melo"
    info = stack.method(auth, "introspect")
    assert info.active
    assert set((info.scope or "").split()) == set(server.scope.split())


def test_public_client(server, stack, make):
    """A client without a secret signs a user in with PKCE alone, and refreshes."""
    with FakeClock() as clock:
        auth = make("public", None)
        first = sign_in(stack, server, auth)
        clock.advance(61)
        assert stack.token(auth).refresh_token != first.refresh_token


def test_server_names_itself(server, stack, make):
    """The server sends `iss` (RFC 9207), as its metadata says; without it, or with another, a callback is refused."""
    auth = make()
    request = auth.authorization_request()
    callback = server.approve(request.url)
    assert "iss=" in callback
    with pytest.raises(AuthorizationError, match="iss"):
        stack.method(auth, "authorize", callback.replace("iss=", "was="), request)
    with pytest.raises(AuthorizationError, match="iss"):
        stack.method(auth, "authorize", callback.replace("iss=http", "iss=https"), request)
    stack.method(auth, "authorize", callback, request)


def test_wrong_verifier(server, stack, make):
    """The server refuses a code with another sign-in's verifier: our challenge is one that it can check."""
    auth = make()
    request = auth.authorization_request()
    injected = dataclasses.replace(request, code_verifier=auth.authorization_request().code_verifier)
    with pytest.raises(InvalidGrantError):
        stack.method(auth, "authorize", server.approve(request.url), injected)


def test_rotation(server, stack, make):
    """Refresh tokens rotate: each refresh spends one and brings the next."""
    with FakeClock() as clock:
        auth = make()
        seen = {sign_in(stack, server, auth).refresh_token}
        for _ in range(3):
            clock.advance(61)
            seen.add(stack.token(auth).refresh_token)
        assert len(seen) == 4
        assert me(stack, server, auth).status == 200


def test_reuse_detection(server, stack, make):
    """Once a refresh token was used twice the server revokes all: krauth says that the user has to sign in again."""
    with FakeClock() as clock:
        auth = make()
        first = sign_in(stack, server, auth)
        thief = make()
        thief._tokens.replace(NumberedToken(first, 1))
        clock.advance(61)
        stack.token(auth)
        with pytest.raises(AuthorizationRequired):
            stack.token(thief)
        clock.advance(61)
        with pytest.raises(AuthorizationRequired, match="no longer accepts the refresh token"):
            stack.token(auth)
        sign_in(stack, server, auth)
        assert me(stack, server, auth).status == 200


def test_many_callers_one_refresh(server, stack, make):
    """Many calls at the moment of expiry spend one refresh token, so that reuse detection is not set off."""
    with FakeClock() as clock:
        auth = make()
        sign_in(stack, server, auth)
        clock.advance(61)
        with stack.client(auth) as client:
            answers = client.call_many(20, "GET", f"{server.issuer}/me")
        assert {answer.status for answer in answers} == {200}
        clock.advance(61)
        assert stack.token(auth).access_token


def test_revocation(server, stack, make):
    """Revocation ends refresh token and access token at the server; introspection calls both inactive."""
    auth, witness = make(), make(user=None)
    token = sign_in(stack, server, auth)
    stack.method(auth, "revoke")
    with pytest.raises(AuthorizationRequired, match="was revoked"):
        stack.token(auth)
    stack.token(witness)
    for value, hint in ((token.access_token, "access_token"), (token.refresh_token, "refresh_token")):
        request = prepare_introspection_request(witness._client, value, hint)
        response = stack.run(functools.partial(_asend, witness, request)) if stack.is_async else _send(witness, request)
        assert process_introspection_response(witness._client, response, 0.0).active is False


def _send(auth, request):
    return auth._transport.open()(request)


async def _asend(auth, request):
    return await asyncio.to_thread(auth._transport.open(), request)


def test_refused_token_is_refreshed(server, stack, make):
    """A 401 of the server's own API (RFC 6750) leads to one refresh and one repetition."""
    auth = make()
    token = sign_in(stack, server, auth)
    server.forget(token.access_token)
    assert me(stack, server, auth).status == 200
    assert stack.token(auth).access_token != token.access_token
