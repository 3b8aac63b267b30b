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
STATIC, BY_HAND = "static bearer", "two requests by hand"
#: Connections enough for all callers, so that no pool is measured.
POOL = 100
SECRET = {"client_id": "id", "client_secret": "secret"}
FOREVER = {"Authorization": "Bearer at-forever"}


def old(grant: str, *, refused: bool = False) -> dict[str, Any]:
    """Return a token that has expired, or (`refused`) one that looks good and that the server does not accept."""
    ends = time.time() + 3600 if refused else 1000.0
    token = {"access_token": "at-old", "token_type": "Bearer", "expires_in": 3600, "expires_at": int(ends)}
    return token | ({"refresh_token": "rt-0"} if grant == REFRESH else {})


def canned(request: Any) -> Any:
    """Answer any token request, as a `token_transport`."""
    from krauth import HTTPResponse

    number = time.perf_counter_ns()
    body = {"access_token": f"at-{number:040d}", "refresh_token": f"rt-{number}", "expires_in": 10800}
    if b"refresh_token" not in (request.body or b""):
        del body["refresh_token"]
    answer = json.dumps(body | {"token_type": "Bearer"}).encode()
    return HTTPResponse(200, {"content-type": "application/json"}, answer)


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


def of_httpx_auth(base: str, token: Any, endpoint: str = "") -> Any:
    from httpx_auth import OAuth2ClientCredentials
    from httpx_auth._oauth2.common import OAuth2

    auth = OAuth2ClientCredentials(endpoint or f"{base}/token", "id", "secret")
    OAuth2.token_cache._add_token(auth.state, "at-old", token["expires_at"])
    return auth


def pooled(session: Any) -> Any:
    from requests.adapters import HTTPAdapter

    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=POOL))
    return session


@functools.cache
def trust() -> ssl.SSLContext:
    """Make one TLS context for all clients of httpx in a process, as its documents advise."""
    return ssl.create_default_context()


def calling(client: Any, base: str) -> Call:
    return lambda: int(client.get(f"{base}/api").status_code)


def requests_session() -> Any:
    import requests

    return pooled(requests.Session())


def httpx_client(auth: Any = None) -> Any:
    import httpx

    limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    return httpx.Client(auth=auth, limits=limits, verify=trust())


def static(base: str, grant: str, token: Any, **how: Any) -> Call:
    """The control: a token that never ends."""
    session = requests_session()
    session.headers.update(FOREVER)
    return calling(session, base)


def krauth(stack: str, base: str, grant: str, token: Any, *, lent: bool = False, **how: Any) -> Call:
    """`lent`: token requests use the client that makes the calls."""
    client = requests_session() if stack == "requests" else httpx_client()
    client.auth = ours(stack, base, grant, token, **({"token_transport": client} if lent else {}), **how)
    return calling(client, base)


def httpx_auth(base: str, grant: str, token: Any, token_endpoint: str = "") -> Call:
    return calling(httpx_client(of_httpx_auth(base, token, token_endpoint)), base)


def by_hand(base: str, grant: str, token: Any, token_endpoint: str = "", *, stack: str = "requests") -> Call:
    session = requests_session() if stack == "requests" else httpx_client()
    held = dict(token or old(grant))

    def refresh() -> None:
        spent = {"refresh_token": held["refresh_token"]} if grant == REFRESH else {}
        response = session.post(token_endpoint or f"{base}/token", data={"grant_type": grant, **SECRET, **spent})
        response.raise_for_status()
        held.update(response.json())
        held["expires_at"] = time.time() + held["expires_in"]

    def call() -> int:
        if held["expires_at"] < time.time() + 30:
            refresh()
        for last in (False, True):
            headers = {"Authorization": f"Bearer {held['access_token']}"}
            response = session.get(f"{base}/api", headers=headers)
            if response.status_code != 401 or last:
                break
            refresh()
        return int(response.status_code)

    return call


def authlib(base: str, grant: str, token: Any, token_endpoint: str = "") -> Call:
    from authlib.integrations.requests_client import OAuth2Session

    how = {"token_endpoint": token_endpoint or f"{base}/token", "grant_type": grant, "token": token}
    return calling(pooled(OAuth2Session("id", "secret", **how)), base)


def requests_oauthlib(base: str, grant: str, token: Any, token_endpoint: str = "") -> Call:
    """With client credentials its documents have users fetch the token; with a refresh token it does so itself."""
    from oauthlib.oauth2 import BackendApplicationClient, TokenExpiredError
    from requests_oauthlib import OAuth2Session

    endpoint = token_endpoint or f"{base}/token"
    if grant == REFRESH:
        how = {"auto_refresh_url": endpoint, "auto_refresh_kwargs": SECRET, "token_updater": lambda token: None}
        return calling(pooled(OAuth2Session("id", token=token, **how)), base)
    session = pooled(OAuth2Session(client=BackendApplicationClient("id"), token=token))

    def call() -> int:
        try:
            return int(session.get(f"{base}/api").status_code)
        except TokenExpiredError:
            session.fetch_token(endpoint, **SECRET)
            return int(session.get(f"{base}/api").status_code)

    return call


BLOCKING: dict[str, Callable[..., Call]] = {
    "krauth requests": functools.partial(krauth, "requests"),
    "krauth httpx": functools.partial(krauth, "httpx"),
    BY_HAND: by_hand,
    "requests-oauthlib": requests_oauthlib,
    "Authlib": authlib,
    "httpx-auth": httpx_auth,
}
#: Has no refresh token that is not of a sign-in of its own.
ONE_GRANT = ("httpx-auth",)


def calling_async(library: Any, base: str, make: Callable[..., Any], *, wire: bool) -> AsyncCall:
    """Make an async client; without `wire` only token requests go out, and an API call is answered in the process."""

    class Split(library.AsyncHTTPTransport):
        async def handle_async_request(self, request: Any) -> Any:
            if wire or request.url.path.endswith("/token"):
                return await super().handle_async_request(request)
            good = request.headers.get("Authorization", "at-old")[-6:] != "at-old"
            return library.Response(200 if good else 401, json={"code": "AUTHENTICATION_REQUIRED"})

    client = make(transport=Split(limits=library.Limits(max_connections=2000), verify=trust()))

    async def call() -> int:
        return int((await client.get(f"{base}/api")).status_code)

    call.aclose = client.aclose  # type: ignore[attr-defined]
    return call


def krauth_httpx_async(base: str, auth: Any, *, wire: bool, **how: Any) -> AsyncCall:
    import httpx

    return calling_async(httpx, base, functools.partial(httpx.AsyncClient, auth=auth), wire=wire)


def authlib_async(base: str, auth: Any, *, wire: bool, grant: str, token: Any, token_endpoint: str = "") -> AsyncCall:
    """Its client belongs to one event loop, so that each loop has its own."""
    import httpx2
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    how = {"token_endpoint": token_endpoint or f"{base}/token", "grant_type": grant, "token": token}
    return calling_async(httpx2, base, functools.partial(AsyncOAuth2Client, "id", "secret", **how), wire=wire)


def krauth_aiohttp(base: str, auth: Any, **how: Any) -> AsyncCall:
    """API calls always go over the wire: aiohttp has no transport to replace. Without auth: the control."""
    import aiohttp

    session = aiohttp.ClientSession(
        middlewares=(auth,) if auth else (),
        headers={} if auth else FOREVER,
        connector=aiohttp.TCPConnector(limit=POOL),
    )

    async def call() -> int:
        async with session.get(f"{base}/api") as response:
            return response.status

    call.aclose = session.close  # type: ignore[attr-defined]
    return call


#: what → makes the auth object that all event loops share, makes a client and its call
ASYNC: dict[str, tuple[Callable[..., Any], Callable[..., AsyncCall]]] = {
    "krauth httpx": (functools.partial(ours, "httpx"), krauth_httpx_async),
    "krauth aiohttp": (functools.partial(ours, "aiohttp"), krauth_aiohttp),
    "Authlib": (lambda *settings, **how: None, authlib_async),
    "httpx-auth": (
        lambda base, grant, token, token_endpoint="": of_httpx_auth(base, token, token_endpoint),
        krauth_httpx_async,
    ),
}


def asynchronous(name: str, base: str, grant: str, token: Any, auth: Any = None, **how: Any) -> AsyncCall:
    """Make an async call; `wire`: API calls go over the network, too."""
    wire, (share, make) = how.pop("wire", False), ASYNC[name]
    return make(base, auth or share(base, grant, token, **how), wire=wire, grant=grant, token=token, **how)
