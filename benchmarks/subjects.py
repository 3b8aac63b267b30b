"""krauth and its peers as a user holds them: one object for all callers, and a function that makes one API call.

Each begins with the token of `old()`: expired, or refused by the server. `BY_HAND` is what a user writes without any
library: a token request when the time has come, one more after a 401, and the header.
"""

from __future__ import annotations

import functools
import importlib
import json
import ssl
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Call = Callable[[], int]
    AsyncCall = Callable[[], Awaitable[int]]

CLIENT, REFRESH = "client_credentials", "refresh_token"
#: Connections enough for all callers, so that no pool is measured.
POOL = 100
SECRET = {"client_id": "id", "client_secret": "secret"}


def old(grant: str, *, refused: bool = False) -> dict[str, Any]:
    """Return a token that has expired, or (`refused`) one that looks good and that the server does not accept."""
    ends = time.time() + 3600 if refused else 1000.0
    token = {"access_token": "at-old", "token_type": "Bearer", "expires_in": 3600, "expires_at": int(ends)}
    return token | ({"refresh_token": "rt-0"} if grant == REFRESH else {})


def pooled(session: Any) -> Any:
    from requests.adapters import HTTPAdapter

    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=POOL))
    return session


@functools.cache
def trust() -> ssl.SSLContext:
    """Make one TLS context for all clients of httpx in a process, as their documents advise."""
    return ssl.create_default_context()


def pool(library: Any) -> dict[str, Any]:
    limits = library.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    return {"limits": limits, "verify": trust()}


def ours(stack: str, base: str, grant: str, token: dict[str, Any] | None, store: Any = None, **settings: Any) -> Any:
    """Make our auth object, with a token in its store."""
    from krauth import MemoryStore, Token
    from krauth._values.record import Record

    user = {"user": "u", "redirect_uri": "https://app.example/cb"} if grant == REFRESH else {}
    endpoint, store = settings.pop("token_endpoint", f"{base}/token"), store or MemoryStore()
    auth = importlib.import_module(f"krauth_{stack}").OAuth2Auth(
        "id", "secret", token_endpoint=endpoint, api_origins=base, store=store, **user, **settings
    )
    if token:
        end, more = float(token["expires_at"]), {"refresh_token": token.get("refresh_token")}
        store.save(auth._source.credentials.key, Record(Token("at-old", end, end - 3600, **more)).to_text())
    return auth


def krauth_requests(base: str, grant: str, token: Any, **how: Any) -> Call:
    import requests

    session = pooled(requests.Session())
    session.auth = ours("requests", base, grant, token, **how)
    return lambda: session.get(f"{base}/api").status_code


def krauth_httpx(base: str, grant: str, token: Any, **how: Any) -> Call:
    import httpx

    client = httpx.Client(auth=ours("httpx", base, grant, token, **how), **pool(httpx))
    return lambda: client.get(f"{base}/api").status_code


def static(base: str, grant: str, token: Any, **how: Any) -> Call:
    """The control: a token that never ends."""
    import requests

    session = pooled(requests.Session())
    session.headers["Authorization"] = "Bearer at-forever"
    return lambda: session.get(f"{base}/api").status_code


def by_hand(base: str, grant: str, token: Any, **how: Any) -> Call:
    import requests

    session, held = pooled(requests.Session()), dict(token or old(grant))
    endpoint = how.get("token_endpoint", f"{base}/token")

    def renew() -> None:
        fields = {"grant_type": grant, **SECRET} | (
            {"refresh_token": held["refresh_token"]} if grant == REFRESH else {}
        )
        response = session.post(endpoint, data=fields)
        response.raise_for_status()
        held.update(response.json())
        held["expires_at"] = time.time() + held["expires_in"]

    def call() -> int:
        if held["expires_at"] < time.time() + 30:
            renew()
        for last in (False, True):
            headers = {"Authorization": f"Bearer {held['access_token']}"}
            response = session.get(f"{base}/api", headers=headers)
            if response.status_code != 401 or last:
                break
            renew()
        return response.status_code

    return call


def authlib(base: str, grant: str, token: Any, **how: Any) -> Call:
    from authlib.integrations.requests_client import OAuth2Session

    endpoint = how.get("token_endpoint", f"{base}/token")
    session = pooled(OAuth2Session("id", "secret", token_endpoint=endpoint, grant_type=grant, token=token))
    return lambda: session.get(f"{base}/api").status_code


def requests_oauthlib(base: str, grant: str, token: Any, **how: Any) -> Call:
    """With client credentials its documents have users fetch the token; with a refresh token it does so itself."""
    from oauthlib.oauth2 import BackendApplicationClient, TokenExpiredError
    from requests_oauthlib import OAuth2Session

    endpoint = how.get("token_endpoint", f"{base}/token")
    if grant == REFRESH:
        how = {"auto_refresh_url": endpoint, "auto_refresh_kwargs": SECRET, "token_updater": lambda token: None}
        renewing = pooled(OAuth2Session("id", token=token, **how))
        return lambda: renewing.get(f"{base}/api").status_code
    session = pooled(OAuth2Session(client=BackendApplicationClient("id"), token=token))

    def call() -> int:
        try:
            return session.get(f"{base}/api").status_code
        except TokenExpiredError:
            session.fetch_token(endpoint, **SECRET)
            return session.get(f"{base}/api").status_code

    return call


def httpx_auth_of(base: str, token: Any, endpoint: str) -> Any:
    from httpx_auth import OAuth2ClientCredentials
    from httpx_auth._oauth2.common import OAuth2

    auth = OAuth2ClientCredentials(endpoint, "id", "secret")
    OAuth2.token_cache._add_token(auth.state, "at-old", token["expires_at"])
    return auth


def httpx_auth(base: str, grant: str, token: Any, **how: Any) -> Call:
    import httpx

    auth = httpx_auth_of(base, token, how.get("token_endpoint", f"{base}/token"))
    client = httpx.Client(auth=auth, **pool(httpx))
    return lambda: client.get(f"{base}/api").status_code


STATIC, BY_HAND = "static bearer", "two requests by hand"
BLOCKING: dict[str, Callable[..., Call]] = {
    "krauth requests": krauth_requests,
    "krauth httpx": krauth_httpx,
    BY_HAND: by_hand,
    "requests-oauthlib": requests_oauthlib,
    "Authlib": authlib,
    "httpx-auth": httpx_auth,
}
#: Has no refresh token that is not of a sign-in of its own.
ONE_GRANT = ("httpx-auth",)


def client_of(library: Any, auth: Any, *, wire: bool, **how: Any) -> Any:
    """Return an async client; without `wire` only token requests go out, and an API call is answered in the process."""

    class Split(library.AsyncHTTPTransport):
        async def handle_async_request(self, request: Any) -> Any:
            if request.url.path == "/token":
                return await super().handle_async_request(request)
            good = request.headers.get("Authorization", "at-old")[-6:] != "at-old"
            return library.Response(200 if good else 401, json={"code": "AUTHENTICATION_REQUIRED"})

    transport = (library.AsyncHTTPTransport if wire else Split)(
        limits=library.Limits(max_connections=2000), verify=trust()
    )
    return {"auth": auth, "transport": transport, **how}


def of_client(client: Any, base: str) -> AsyncCall:
    async def call() -> int:
        return (await client.get(f"{base}/api")).status_code

    call.aclose = client.aclose  # type: ignore[attr-defined]
    return call


def krauth_httpx_async(
    base: str, grant: str, token: Any, auth: Any = None, *, wire: bool = False, **how: Any
) -> AsyncCall:
    import httpx

    auth = auth or ours("httpx", base, grant, token, **how)
    return of_client(httpx.AsyncClient(**client_of(httpx, auth, wire=wire)), base)


def krauth_aiohttp(base: str, grant: str, token: Any, auth: Any = None, *, wire: bool = True, **how: Any) -> AsyncCall:
    """API calls always go over the wire: aiohttp has no transport to replace."""
    import aiohttp

    middlewares = () if auth == STATIC else (auth or ours("aiohttp", base, grant, token, **how),)
    headers = {"Authorization": "Bearer at-forever"} if auth == STATIC else {}
    connector = aiohttp.TCPConnector(limit=POOL)
    session = aiohttp.ClientSession(middlewares=middlewares, connector=connector, headers=headers)

    async def call() -> int:
        async with session.get(f"{base}/api") as response:
            return response.status

    call.aclose = session.close  # type: ignore[attr-defined]
    return call


def authlib_async(base: str, grant: str, token: Any, auth: Any = None, *, wire: bool = False, **how: Any) -> AsyncCall:
    import httpx2
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    settings = {"token_endpoint": how.get("token_endpoint", f"{base}/token"), "grant_type": grant, "token": token}
    settings |= client_of(httpx2, None, wire=wire)
    settings.pop("auth")
    return of_client(AsyncOAuth2Client("id", "secret", **settings), base)


def httpx_auth_async(
    base: str, grant: str, token: Any, auth: Any = None, *, wire: bool = False, **how: Any
) -> AsyncCall:
    import httpx

    auth = auth or httpx_auth_of(base, token, how.get("token_endpoint", f"{base}/token"))
    return of_client(httpx.AsyncClient(**client_of(httpx, auth, wire=wire)), base)


ASYNC: dict[str, Callable[..., AsyncCall]] = {
    "krauth httpx": krauth_httpx_async,
    "krauth aiohttp": krauth_aiohttp,
    "Authlib": authlib_async,
    "httpx-auth": httpx_auth_async,
}


def shared(name: str, base: str, grant: str, token: Any) -> Any:
    """Return the auth object that several event loops share; Authlib's client belongs to one loop, so each has its own."""
    if name.startswith("krauth"):
        return ours(name.split()[1], base, grant, token)
    return httpx_auth_of(base, token, f"{base}/token") if name == "httpx-auth" else None


def canned(request: Any) -> Any:
    """Answer any token request, as a `token_transport`."""
    from krauth import HTTPResponse

    body = {"access_token": f"at-{time.perf_counter_ns():040d}", "token_type": "Bearer", "expires_in": 10800}
    return HTTPResponse(200, {"content-type": "application/json"}, json.dumps(body).encode())
