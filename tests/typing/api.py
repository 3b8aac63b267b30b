"""Types as tests: what mypy and pyright must make of the public surface. Never run, only checked."""

from __future__ import annotations

from typing import assert_type

import aiohttp
import httpx
import httpx2
import requests

import krauth
import krauth_aiohttp
import krauth_httpx
import krauth_httpx2
import krauth_requests
from krauth import AuthorizationRequest, HTTPRequest, HTTPResponse, RefreshPolicy, Token, TokenInfo, TokenState
from krauth.naver import sign


def naver() -> None:
    auth = krauth_requests.NaverAuth("id", "secret", account_id="seller", store="sqlite:///t.db")
    assert_type(auth, krauth_requests.NaverAuth)
    assert_type(auth.for_account("other"), krauth_requests.NaverAuth)
    assert_type(krauth_requests.NaverAuth.from_env(), krauth_requests.NaverAuth)
    assert_type(auth.token(), Token)
    assert_type(sign("id", "secret", 1643961623299), str)
    session = requests.Session()
    session.auth = auth


def meloming() -> None:
    key = krauth_httpx.MelomingAPIKey("mlm_live_x")
    assert_type(key.environment, str)
    auth = krauth_httpx.MelomingOAuth("id", "secret", user="u", redirect_uri="https://a.example/cb")
    request = auth.authorization_request()
    assert_type(request, AuthorizationRequest)
    assert_type(AuthorizationRequest.from_dict(request.to_dict()), AuthorizationRequest)
    assert_type(auth.authorize("https://a.example/cb?code=c", request), Token)
    assert_type(auth.introspect(), TokenInfo)
    assert_type(auth.revoke(), None)
    httpx.Client(auth=auth)
    httpx.AsyncClient(auth=key)
    httpx2.Client(auth=krauth_httpx2.MelomingOAuth("id", "secret"))


async def asynchronous(request: AuthorizationRequest) -> None:
    auth = krauth_aiohttp.OAuth2Auth(
        "id",
        "secret",
        token_endpoint="https://a.example/token",
        api_origins=["https://a.example"],
    )
    assert_type(await auth.atoken(), Token)
    assert_type(await auth.aauthorize("https://a.example/cb", request), Token)
    assert_type(await auth.aintrospect(), TokenInfo)
    async with aiohttp.ClientSession(middlewares=(auth,)) as session:
        await session.get("https://a.example")


def transports(session: requests.Session, client: httpx.AsyncClient) -> None:
    def send(request: HTTPRequest) -> HTTPResponse:
        assert_type(request.body, bytes)
        return HTTPResponse(200, {"Content-Type": "application/json"}, b"{}")

    krauth_requests.NaverAuth("id", "secret", token_transport=session)
    krauth_httpx.NaverAuth("id", "secret", token_transport=client)
    krauth_aiohttp.NaverAuth("id", "secret", token_transport=send)


class Store(krauth.TokenStore):
    """The least that a store must define."""

    def load(self, key: str) -> krauth.stores.Stored | None:
        return None

    def save(
        self,
        key: str,
        value: str,
        *,
        version: str | None = krauth.stores.ANY,
        lease: krauth.stores.Lease | None = None,
        expires_at: float | None = None,
    ) -> str:
        return "1"

    def delete(self, key: str) -> None:
        return None


def values(token: Token, error: krauth.TokenEndpointError) -> None:
    assert_type(token.access_token, str)
    assert_type(token.expires_at, float | None)
    assert_type(token.state(0.0), TokenState)
    assert_type(error.trace_id, str | None)
    krauth_requests.NaverAuth("id", "secret", store=Store(), refresh=RefreshPolicy(keep_warm=True))
