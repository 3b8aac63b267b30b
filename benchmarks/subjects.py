"""Ours and the peers as a user would hold them: one object for all callers, and a function that makes one API call.

Each begins with an expired token where the library can hold one, and, for the refresh grant, with `rt-0`.
"""

from __future__ import annotations

import datetime
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Call = Callable[[], int]
    AsyncCall = Callable[[], Awaitable[int]]

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

CLIENT, REFRESH = "client_credentials", "refresh_token"
GRANTS = (CLIENT, REFRESH)
EXPIRED = 1000.0
#: Connections enough for whoever measures, so that no pool is what is measured.
POOL = 100


def expired(grant: str) -> dict[str, Any]:
    token = {"access_token": "at-old", "token_type": "Bearer", "expires_in": 1, "expires_at": int(EXPIRED)}
    return token | ({"refresh_token": "rt-0"} if grant == REFRESH else {})


def pooled(session: Any) -> Any:
    from requests.adapters import HTTPAdapter

    session.mount("http://", HTTPAdapter(pool_connections=4, pool_maxsize=POOL))
    session.trust_env = False
    return session


def ours(package: Any, base: str, grant: str, store: Any = None, **settings: Any) -> Any:
    """Make our auth object, with an expired token in its store."""
    from krauth import MemoryStore, Token
    from krauth._values.token import Record

    store = store or MemoryStore()
    user = {"user": "u", "redirect_uri": "https://app.example/cb"} if grant == REFRESH else {}

    def make() -> Any:
        return package.OAuth2Auth(
            "id", "secret", token_endpoint=base + "/token", api_origins=base, store=store, **user, **settings
        )

    auth = make()
    if not isinstance(store, str):
        record = Record(Token("at-old", EXPIRED, EXPIRED - 1, refresh_token="rt-0" if grant == REFRESH else None))
        store.save(auth._source.credentials.key, record.to_text())
    return auth


# ---- blocking ----------------------------------------------------------------------------------------------------


def krauth_requests(base: str, grant: str, **how: Any) -> Call:
    import requests

    import krauth_requests

    session = pooled(requests.Session())
    session.auth = ours(krauth_requests, base, grant, **how)
    return lambda: session.get(base + "/api").status_code


def krauth_httpx(base: str, grant: str, **how: Any) -> Call:
    import httpx

    import krauth_httpx

    limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    client = httpx.Client(auth=ours(krauth_httpx, base, grant, **how), limits=limits, trust_env=False)
    return lambda: client.get(base + "/api").status_code


def static(base: str, grant: str) -> Call:
    """The control: a token that never ends."""
    import requests

    session = pooled(requests.Session())
    session.headers["Authorization"] = "Bearer at-forever"
    return lambda: session.get(base + "/api").status_code


def static_httpx(base: str, grant: str) -> Call:
    """The same over httpx."""
    import httpx

    limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    client = httpx.Client(headers={"Authorization": "Bearer at-forever"}, limits=limits, trust_env=False)
    return lambda: client.get(base + "/api").status_code


def authlib(base: str, grant: str) -> Call:
    from authlib.integrations.requests_client import OAuth2Session

    session = pooled(
        OAuth2Session("id", "secret", token_endpoint=base + "/token", grant_type=grant, token=expired(grant))
    )
    return lambda: session.get(base + "/api").status_code


def requests_oauthlib(base: str, grant: str) -> Call:
    """With client credentials its documents have users fetch the token themselves; with a refresh token it does."""
    from oauthlib.oauth2 import BackendApplicationClient, TokenExpiredError
    from requests_oauthlib import OAuth2Session

    secret = {"client_id": "id", "client_secret": "secret"}
    if grant == REFRESH:
        renewing = pooled(
            OAuth2Session(
                "id",
                token=expired(grant),
                auto_refresh_url=base + "/token",
                auto_refresh_kwargs=secret,
                token_updater=lambda token: None,
            )
        )
        return lambda: renewing.get(base + "/api").status_code
    session = pooled(OAuth2Session(client=BackendApplicationClient("id"), token=expired(grant)))

    def call() -> int:
        try:
            return session.get(base + "/api").status_code
        except TokenExpiredError:
            session.fetch_token(base + "/token", **secret)
            return session.get(base + "/api").status_code

    return call


def httpx_auth(base: str, grant: str) -> Call:
    import httpx
    from httpx_auth import OAuth2ClientCredentials
    from httpx_auth._oauth2.common import OAuth2

    auth = OAuth2ClientCredentials(base + "/token", "id", "secret")
    OAuth2.token_cache._add_token(auth.state, "at-old", EXPIRED)
    limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    client = httpx.Client(auth=auth, limits=limits, trust_env=False)
    return lambda: client.get(base + "/api").status_code


def google_auth(base: str, grant: str) -> Call:
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.credentials import Credentials

    credentials = Credentials(
        "at-old",
        refresh_token="rt-0",
        token_uri=base + "/token",
        client_id="id",
        client_secret="secret",
        expiry=datetime.datetime.fromtimestamp(EXPIRED, datetime.UTC).replace(tzinfo=None),
    )
    session = pooled(AuthorizedSession(credentials))
    return lambda: session.get(base + "/api").status_code


def msal(base: str, grant: str) -> Call:
    import requests

    from .hot_path import msal_application

    session, tokens = pooled(requests.Session()), pooled(requests.Session())

    def send(data: Any) -> tuple[int, str]:
        response = tokens.post(base + "/token", data=data)
        return response.status_code, response.text

    application = msal_application(send)

    def call() -> int:
        result = application.acquire_token_for_client(scopes=["api"])
        headers = {"Authorization": "Bearer " + result["access_token"]}
        return session.get(base + "/api", headers=headers).status_code

    return call


def botocore(base: str, grant: str) -> Call:
    """The bearer-token refresher; what it calls to renew is the user's."""
    import requests
    from botocore.tokens import DeferredRefreshableToken, FrozenAuthToken

    session, tokens = pooled(requests.Session()), pooled(requests.Session())
    held = {"refresh_token": "rt-0"}

    def renew() -> Any:
        fields = {"grant_type": grant, "client_id": "id", "client_secret": "secret"}
        if grant == REFRESH:
            fields["refresh_token"] = held["refresh_token"]
        response = tokens.post(base + "/token", data=fields)
        response.raise_for_status()
        data = response.json()
        held.update({name: value for name, value in data.items() if name == "refresh_token"})
        expiration = datetime.datetime.fromtimestamp(time.time() + data["expires_in"], datetime.UTC)
        return FrozenAuthToken(data["access_token"], expiration)

    def now() -> datetime.datetime:
        return datetime.datetime.fromtimestamp(time.time(), datetime.UTC)

    refresher = DeferredRefreshableToken("bench", renew, now)

    def call() -> int:
        headers = {"Authorization": f"Bearer {refresher.get_frozen_token().token}"}
        return session.get(base + "/api", headers=headers).status_code

    return call


#: name → (maker, grants it has)
BLOCKING: dict[str, tuple[Callable[..., Call], tuple[str, ...]]] = {
    "krauth requests": (krauth_requests, GRANTS),
    "krauth httpx": (krauth_httpx, GRANTS),
    "Authlib (requests)": (authlib, GRANTS),
    "requests-oauthlib": (requests_oauthlib, GRANTS),
    "httpx-auth": (httpx_auth, (CLIENT,)),
    "google-auth": (google_auth, (REFRESH,)),
    "MSAL": (msal, (CLIENT,)),
    "botocore": (botocore, GRANTS),
}


# ---- async: without `wire` API calls are answered in the process, so that only the way to the token is measured ----


def _transport(library: Any, *, wire: bool) -> Any:
    if wire:
        return library.AsyncHTTPTransport(limits=library.Limits(max_connections=POOL), trust_env=False)

    class Split(library.AsyncBaseTransport):
        """Token requests go out; every other request is answered at once, 200 for a token that is not `at-old`."""

        def __init__(self) -> None:
            limits = library.Limits(max_connections=2000)
            self.wire = library.AsyncHTTPTransport(limits=limits, trust_env=False)

        async def handle_async_request(self, request: Any) -> Any:
            if request.url.path == "/token":
                return await self.wire.handle_async_request(request)
            good = request.headers.get("Authorization", "at-old")[-6:] != "at-old"
            return library.Response(200 if good else 401)

    return Split()


def krauth_async(name: str) -> Callable[..., AsyncCall]:
    def make(base: str, grant: str, auth: Any = None, *, wire: bool = False) -> AsyncCall:
        import importlib

        library = importlib.import_module(name)
        auth = auth or ours(importlib.import_module(f"krauth_{name}"), base, grant)
        client = library.AsyncClient(auth=auth, transport=_transport(library, wire=wire), trust_env=False)

        async def call() -> int:
            return (await client.get(base + "/api")).status_code

        return call

    return make


def krauth_aiohttp(base: str, grant: str, auth: Any = None, *, wire: bool = True) -> AsyncCall:
    """Always over the wire: aiohttp has no transport to replace."""
    import aiohttp

    import krauth_aiohttp

    auth = auth or ours(krauth_aiohttp, base, grant)
    session = aiohttp.ClientSession(middlewares=(auth,), connector=aiohttp.TCPConnector(limit=POOL))

    async def call() -> int:
        async with session.get(base + "/api") as response:
            return response.status

    call.aclose = session.close  # type: ignore[attr-defined]
    return call


def static_aiohttp(base: str, grant: str, *, wire: bool = True) -> AsyncCall:
    """The control."""
    import aiohttp

    session = aiohttp.ClientSession(headers={"Authorization": "Bearer at-forever"})

    async def call() -> int:
        async with session.get(base + "/api") as response:
            return response.status

    call.aclose = session.close  # type: ignore[attr-defined]
    return call


def static_httpx_async(base: str, grant: str, *, wire: bool = True) -> AsyncCall:
    """The same over httpx."""
    import httpx

    client = httpx.AsyncClient(
        headers={"Authorization": "Bearer at-forever"}, transport=_transport(httpx, wire=wire), trust_env=False
    )

    async def call() -> int:
        return (await client.get(base + "/api")).status_code

    return call


def authlib_async(base: str, grant: str, auth: Any = None, *, wire: bool = False) -> AsyncCall:
    import httpx2
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    client = AsyncOAuth2Client(
        "id",
        "secret",
        token_endpoint=base + "/token",
        grant_type=grant,
        token=expired(grant),
        transport=_transport(httpx2, wire=wire),
        trust_env=False,
    )

    async def call() -> int:
        return (await client.get(base + "/api")).status_code

    return call


def httpx_auth_async(base: str, grant: str, auth: Any = None, *, wire: bool = False) -> AsyncCall:
    import httpx
    from httpx_auth import OAuth2ClientCredentials
    from httpx_auth._oauth2.common import OAuth2

    if auth is None:
        auth = OAuth2ClientCredentials(base + "/token", "id", "secret")
        OAuth2.token_cache._add_token(auth.state, "at-old", EXPIRED)
    client = httpx.AsyncClient(auth=auth, transport=_transport(httpx, wire=wire), trust_env=False)

    async def call() -> int:
        return (await client.get(base + "/api")).status_code

    return call


ASYNC: dict[str, tuple[Callable[..., AsyncCall], tuple[str, ...]]] = {
    "krauth httpx": (krauth_async("httpx"), GRANTS),
    "krauth httpx2": (krauth_async("httpx2"), GRANTS),
    "krauth aiohttp": (krauth_aiohttp, GRANTS),
    "Authlib (httpx2)": (authlib_async, GRANTS),
    "httpx-auth": (httpx_auth_async, (CLIENT,)),
}
