"""Part 1: what one call costs with a fresh token, per stack: a static bearer written by hand, ours, and the peers.

No network: the library's own auth entry point is driven as the library drives it, on requests made beforehand.
"""

# contextlib.suppress costs as much as what is measured here:

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from .measure import Contestant, compare, medians

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

URL = "https://api.example.com/v1/orders/1"
TOKEN_URL = "https://api.example.com/token"
TOKEN = "at-" + "x" * 40
LIMIT, OURS = "static bearer", "krauth"
#: A static bearer that looks at the origin and at both clocks, and at the answer: what ours can't do without, written
#: with constants.
FLOOR = "same duties, by hand"
HOOKED = ", its response hook included"
FAR = time.time() + 10 * 365 * 86400  # above any monotonic clock, too


def canned(request: Any) -> Any:
    """Answer any token request."""
    from krauth import HTTPResponse

    body = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 10800}
    return HTTPResponse(200, {"content-type": "application/json"}, json.dumps(body).encode())


def token_dict(**more: Any) -> dict[str, Any]:
    return {
        "access_token": TOKEN,
        "token_type": "Bearer",
        "expires_in": 10800,
        "expires_at": int(time.time()) + 10800,
        **more,
    }


def ours(package: Any) -> dict[str, Any]:
    """Make our auth object, with a fresh token.

    One class per process, as most programs have: two that take turns cost CPython's inline caches a tenth more.
    """
    auth = package.OAuth2Auth("id", "secret", token_endpoint=TOKEN_URL, api_origins=URL, token_transport=canned)
    auth.token()
    return {OURS: auth}


# ---- requests ----------------------------------------------------------------------------------------------------


def requests_contestants(*, peers: bool = True) -> list[Contestant]:
    import requests
    from requests.auth import AuthBase

    import krauth_requests

    class StaticBearer(AuthBase):
        def __init__(self, token: str) -> None:
            self.token = token

        def __call__(self, request: Any) -> Any:
            request.headers["Authorization"] = f"Bearer {self.token}"
            return request

    prepared = requests.Request("GET", URL).prepare()

    def prepare(calls: int) -> list[Any]:
        batch = [prepared.copy() for _ in range(calls)]
        for request in batch:
            request.hooks = {"response": []}  # of its own: copies share the original's
        return batch

    def each(call: Callable[[Any], Any]) -> Callable[[Any], None]:
        def run(batch: list[Any]) -> None:
            for request in batch:
                call(request)

        return run

    class SameDuties(AuthBase):
        def __init__(self, token: str) -> None:
            self.header = f"Bearer {token}"

        def __call__(self, request: Any) -> Any:
            if request.url.startswith("https://api.example.com/") and time.monotonic() < FAR and time.time() < FAR:
                request.headers["Authorization"] = self.header
                request.hooks["response"].append(self.see)
            return request

        def see(self, response: Any, **kwargs: Any) -> Any:
            status = response.status_code
            if status == 401 or 300 <= status < 400:
                raise AssertionError(status)
            return response

    floor = SameDuties(TOKEN)
    subjects: dict[str, Any] = {LIMIT: StaticBearer(TOKEN), FLOOR: floor, **ours(krauth_requests)}
    if peers:
        from authlib.integrations.requests_client import OAuth2Session
        from oauthlib.oauth2 import BackendApplicationClient
        from requests_oauthlib import OAuth2

        session = OAuth2Session(
            "id", "secret", token_endpoint=TOKEN_URL, grant_type="client_credentials", token=token_dict()
        )
        subjects["Authlib"] = session.token_auth
        subjects["requests-oauthlib"] = OAuth2(
            client=BackendApplicationClient("id", token=token_dict()), token=token_dict()
        )
        subjects["google-auth"] = google_auth()
        subjects["MSAL"] = msal_auth()
        subjects["botocore"] = botocore_auth()
    contestants = [Contestant(name, prepare, each(subject)) for name, subject in subjects.items()]

    answer = requests.Response()
    answer.status_code, answer.request = 200, prepared

    def with_hook(auth: Any) -> Callable[[Any], None]:
        def call(request: Any) -> None:
            auth(request)
            for hook in request.hooks["response"]:  # as `requests.hooks.dispatch_hook` calls it
                hook(answer, timeout=None, stream=False)

        return call

    for name in (FLOOR, OURS):
        contestants.append(Contestant(f"{name}{HOOKED}", prepare, each(with_hook(subjects[name]))))
    return contestants


def google_auth() -> Callable[[Any], None]:
    """What `AuthorizedSession.request` does to the headers of each request."""
    import datetime

    from google.oauth2.credentials import Credentials

    expiry = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(hours=3)
    credentials = Credentials(
        TOKEN, refresh_token="rt", token_uri=TOKEN_URL, client_id="id", client_secret="secret", expiry=expiry
    )

    def call(request: Any) -> None:
        credentials.before_request(None, request.method, request.url, request.headers)

    return call


def msal_auth() -> Callable[[Any], None]:
    """MSAL makes no requests itself: as its documents say, ask it for the token and set the header, every time."""
    application = msal_application()

    def call(request: Any) -> None:
        result = application.acquire_token_for_client(scopes=["api"])
        request.headers["Authorization"] = "Bearer " + result["access_token"]

    call(type("", (), {"headers": {}}))
    return call


class MSALClient:
    """The `http_client` that MSAL lets users replace: it insists on https, and wants to discover its endpoints."""

    HOST = "https://login.example.com/tenant"

    def __init__(self, send: Callable[[dict[str, str]], tuple[int, str]] | None = None) -> None:
        answer = {name: value for name, value in token_dict().items() if name != "expires_at"}
        self.send = send or (lambda data: (200, json.dumps(answer)))

    def get(self, url: str, **kwargs: Any) -> Any:
        endpoints = {"authorization_endpoint": "/authorize", "token_endpoint": "/token"}
        found = {name: self.HOST + path for name, path in endpoints.items()} | {"issuer": self.HOST}
        return self.Response(200, json.dumps(found))

    def post(self, url: str, data: Any = None, **kwargs: Any) -> Any:
        return self.Response(*self.send(data))

    def close(self) -> None:
        pass

    class Response:
        def __init__(self, status_code: int, text: str) -> None:
            self.status_code, self.text, self.headers = status_code, text, {}

        def raise_for_status(self) -> None:
            if self.status_code >= 400:
                raise RuntimeError(f"{self.status_code} {self.text}")


def msal_application(send: Any = None) -> Any:
    import msal

    return msal.ConfidentialClientApplication(
        "id",
        client_credential="secret",
        oidc_authority=MSALClient.HOST,
        http_client=MSALClient(send),
        instance_discovery=False,
    )


def botocore_auth() -> Callable[[Any], None]:
    """The bearer-token half of botocore's refresher; the header as its signer sets it."""
    import datetime

    from botocore.tokens import DeferredRefreshableToken, FrozenAuthToken

    expiration = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=3)
    tokens = DeferredRefreshableToken("bench", lambda: FrozenAuthToken(TOKEN, expiration))

    def call(request: Any) -> None:
        request.headers["Authorization"] = f"Bearer {tokens.get_frozen_token().token}"

    return call


# ---- httpx and httpx2 --------------------------------------------------------------------------------------------


def httpx_contestants(name: str, *, is_async: bool, peers: bool = True) -> list[Contestant]:
    import importlib

    library: Any = importlib.import_module(name)
    package: Any = importlib.import_module(f"krauth_{name}")

    class StaticBearer(library.Auth):  # as in the library's documents
        def __init__(self, token: str) -> None:
            self.token = token

        def auth_flow(self, request: Any) -> Iterator[Any]:
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request

    class BareFlow(library.Auth):  # without the generator in the generator: no other auth can do less
        def __init__(self, token: str) -> None:
            self.token = token

        def sync_auth_flow(self, request: Any) -> Iterator[Any]:
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request

        async def async_auth_flow(self, request: Any) -> Any:
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request

    def prepare(calls: int) -> list[Any]:
        return [library.Request("GET", URL) for _ in range(calls)]

    def sync_run(auth: Any) -> Callable[[Any], None]:
        def run(batch: list[Any]) -> None:
            for request in batch:
                flow = auth.sync_auth_flow(request)
                next(flow)
                try:
                    flow.send(response)
                except StopIteration:
                    pass
                flow.close()

        return run

    def async_run(auth: Any) -> Callable[[Any], None]:
        async def drive(batch: list[Any]) -> None:
            for request in batch:
                flow = auth.async_auth_flow(request)
                await flow.__anext__()
                try:
                    await flow.asend(response)
                except StopAsyncIteration:
                    pass
                await flow.aclose()

        def run(batch: list[Any]) -> None:
            with contextlib.suppress(StopIteration):
                drive(batch).send(None)  # nothing in it waits

        return run

    response = library.Response(200, request=library.Request("GET", URL))
    make = async_run if is_async else sync_run
    subjects = {LIMIT: StaticBearer(TOKEN), "bare flow": BareFlow(TOKEN), **ours(package)}
    contestants = [Contestant(label, prepare, make(auth)) for label, auth in subjects.items()]
    if peers and name == "httpx":
        from httpx_auth import OAuth2ClientCredentials
        from httpx_auth._oauth2.common import OAuth2

        auth = OAuth2ClientCredentials(TOKEN_URL, "id", "secret")
        OAuth2.token_cache._add_access_token(auth.state, TOKEN, 10800)
        contestants.append(Contestant("httpx-auth", prepare, make(auth)))
    if peers and name == "httpx2":  # which Authlib prefers where it is installed
        contestants.append(Contestant("Authlib", prepare, authlib_httpx(is_async=is_async, response=response)))
    return contestants


def authlib_httpx(*, is_async: bool, response: Any) -> Callable[[Any], None]:
    """What Authlib's clients do around each request: look at the token, then drive `token_auth`."""
    from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client

    kind = AsyncOAuth2Client if is_async else OAuth2Client
    client = kind("id", "secret", token_endpoint=TOKEN_URL, grant_type="client_credentials", token=token_dict())

    def run(batch: list[Any]) -> None:
        for request in batch:
            client.ensure_active_token(client.token)
            flow = client.token_auth.sync_auth_flow(request)
            next(flow)
            try:
                flow.send(response)
            except StopIteration:
                pass
            flow.close()

    async def drive(batch: list[Any]) -> None:
        for request in batch:
            await client.ensure_active_token(client.token)
            flow = client.token_auth.async_auth_flow(request)
            await flow.__anext__()
            try:
                await flow.asend(response)
            except StopAsyncIteration:
                pass
            await flow.aclose()

    return (lambda batch: asyncio.run(drive(batch))) if is_async else run


# ---- aiohttp -----------------------------------------------------------------------------------------------------


async def capture() -> Any:
    """Return a `ClientRequest` as a middleware sees it."""
    import aiohttp

    class Seen(Exception):
        pass

    async def middleware(request: Any, handler: Any) -> Any:
        raise Seen(request)

    async with aiohttp.ClientSession(middlewares=(middleware,)) as session:
        try:
            await session.get(URL)
        except Seen as seen:
            return seen.args[0]


def aiohttp_contestants(*, peers: bool = True) -> list[Contestant]:
    from aiohttp.hdrs import AUTHORIZATION

    import krauth_aiohttp

    async def static(request: Any, handler: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {TOKEN}"
        return await handler(request)

    class SameDuties:
        def __init__(self, token: str) -> None:
            self.header = f"Bearer {token}"

        async def __call__(self, request: Any, handler: Any) -> Any:
            url, headers = request.url, request.headers
            if (
                (url.scheme, url.host_port_subcomponent) == ("https", "api.example.com")
                and AUTHORIZATION not in headers
                and time.monotonic() < FAR
                and time.time() < FAR
            ):
                headers[AUTHORIZATION] = self.header
            response = await handler(request)
            if response.status == 401:
                raise AssertionError(response)
            return response

    captured = asyncio.run(capture())

    def prepare(calls: int) -> list[Any]:
        batch = []
        for _ in range(calls):
            request = copy.copy(captured)
            request.headers = captured.headers.copy()
            batch.append(request)
        return batch

    class Response:
        status = 200

    response = Response()

    async def handler(request: Any) -> Any:
        return response

    def make(middleware: Any) -> Callable[[Any], None]:
        async def drive(batch: list[Any]) -> None:
            for request in batch:
                await middleware(request, handler)

        def run(batch: list[Any]) -> None:
            with contextlib.suppress(StopIteration):
                drive(batch).send(None)  # nothing in it waits

        return run

    subjects = {LIMIT: static, FLOOR: SameDuties(TOKEN), **ours(krauth_aiohttp)}
    return [Contestant(name, prepare, make(one)) for name, one in subjects.items()]


STACKS: dict[str, Callable[..., list[Contestant]]] = {
    "requests": requests_contestants,
    "httpx sync": lambda **how: httpx_contestants("httpx", is_async=False, **how),
    "httpx async": lambda **how: httpx_contestants("httpx", is_async=True, **how),
    "httpx2 sync": lambda **how: httpx_contestants("httpx2", is_async=False, **how),
    "httpx2 async": lambda **how: httpx_contestants("httpx2", is_async=True, **how),
    "aiohttp": aiohttp_contestants,
}
AIMS = {"requests": 1.5, "aiohttp": 1.5} | {name: 1.3 for name in STACKS if name.startswith("httpx")}


def run(*, full: bool) -> dict[str, Any]:
    """Return `{stack: {contestant: {seconds, ratio}}}`."""
    os.environ.setdefault("OAUTHLIB_INSECURE_TRANSPORT", "1")
    calls, rounds = (200, 1500) if full else (200, 200)
    return {stack: compare(make(), baseline=LIMIT, calls=calls, rounds=rounds) for stack, make in STACKS.items()}


if __name__ == "__main__":  # one stack, ours alone: for tests/bench
    print(json.dumps(medians(compare(STACKS[sys.argv[1]](peers=False), baseline=LIMIT, calls=100, rounds=120))))
