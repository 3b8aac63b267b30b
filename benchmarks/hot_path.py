"""Part 1: what one call costs with a fresh token, per stack: static bearers written by hand, ours, and the peers.

No network: the library's own auth entry point is driven as the library drives it, on requests made beforehand. Each
stack is measured in a process of its own, and so is each kind of credential: two auth classes that take turns in one
process cost CPython's inline caches a tenth more.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import subprocess
import sys
import time
from time import monotonic
from time import time as wall
from typing import TYPE_CHECKING, Any

from .measure import Contestant, compare, medians

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

URL = "https://api.example.com/v1/orders/1"
BASE = "https://api.example.com"
TOKEN_URL = "https://api.example.com/token"
TOKEN = "at-" + "x" * 40
KEY = "mlm_live_" + "x" * 30
#: What one writes by hand, as the libraries' documents have it; the same object again, which shows the noise; and one
#: that finds its header made, its names resolved, and in httpx spares a generator: no auth can do less.
LIMIT, AGAIN, BARE = "static bearer", "static bearer, once more", "static bearer, barest"
#: The barest one that also looks at the origin, at both clocks and at the answer, with constants.
FLOOR = "same duties, by hand"
OURS, HOOKED = "krauth", ", its response hook included"
FAR = wall() + 10 * 365 * 86400  # above any monotonic clock, too


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


def ours(package: Any, kind: str = "token") -> Any:
    """Make our auth object, with a fresh token where it is for one."""
    if kind == "API key":
        return package.MelomingAPIKey(KEY, base_url=BASE)
    if kind == "token and API key":
        auth = package.MelomingOAuth("id", "secret", api_key=KEY, base_url=BASE, token_transport=canned)
    else:
        auth = package.OAuth2Auth("id", "secret", token_endpoint=TOKEN_URL, api_origins=URL, token_transport=canned)
    auth.token()
    return auth


#: kind of credential → the header fields that one sets by hand instead
FIELDS = {"API key": ("X-API-Key",), "token and API key": ("Authorization", "X-API-Key")}


def each(call: Callable[[Any], Any]) -> Callable[[Any], None]:
    def run(batch: list[Any]) -> None:
        for request in batch:
            call(request)

    return run


def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to the end what waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited for something: the batch was not finished")


# ---- requests ----------------------------------------------------------------------------------------------------


def static_requests(token: str) -> Any:
    """A static bearer for requests, as one writes it."""
    from requests.auth import AuthBase

    class StaticBearer(AuthBase):
        def __init__(self, token: str) -> None:
            self.token = token

        def __call__(self, request: Any) -> Any:
            request.headers["Authorization"] = f"Bearer {self.token}"
            return request

    return StaticBearer(token)


def requests_contestants(*, peers: bool = True, kind: str = "token") -> list[Contestant]:
    import requests
    from requests.auth import AuthBase

    import krauth_requests

    class Barest(AuthBase):
        def __init__(self, token: str) -> None:
            self.header = f"Bearer {token}"
            self.hook = self.see

        def __call__(self, request: Any) -> Any:
            request.headers["Authorization"] = self.header
            return request

        def see(self, response: Any, **kwargs: Any) -> Any:
            status = response.status_code
            if status == 401 or 300 <= status < 400:
                raise AssertionError(status)
            return response

    class SameDuties(Barest):
        def __call__(self, request: Any) -> Any:
            if request.url.startswith("https://api.example.com/") and monotonic() < FAR and wall() < FAR:
                request.headers["Authorization"] = self.header
                request.hooks["response"].append(self.hook)
            return request

    prepared = requests.Request("GET", URL).prepare()

    def prepare(calls: int) -> list[Any]:
        batch = [prepared.copy() for _ in range(calls)]
        for request in batch:
            request.hooks = {"response": []}  # of its own: copies share the original's
        return batch

    if kind != "token":
        fields = FIELDS[kind]

        def by_hand(request: Any) -> Any:
            for name in fields:
                request.headers[name] = KEY
            return request

        subjects: dict[str, Any] = {LIMIT: by_hand, OURS: ours(krauth_requests, kind)}
        return [Contestant(name, prepare, each(subject)) for name, subject in subjects.items()]

    static, floor, auth = static_requests(TOKEN), SameDuties(TOKEN), ours(krauth_requests)
    subjects = {LIMIT: static, AGAIN: static, BARE: Barest(TOKEN), FLOOR: floor, OURS: auth}
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


def static_httpx(library: Any, token: str) -> Any:
    """A static bearer for httpx or httpx2, as in the libraries' documents."""

    class StaticBearer(library.Auth):
        def __init__(self, token: str) -> None:
            self.token = token

        def auth_flow(self, request: Any) -> Iterator[Any]:
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request

    return StaticBearer(token)


def httpx_contestants(name: str, *, is_async: bool, peers: bool = True, kind: str = "token") -> list[Contestant]:
    import importlib

    library: Any = importlib.import_module(name)
    package: Any = importlib.import_module(f"krauth_{name}")

    class Barest(library.Auth):
        def __init__(self, token: str) -> None:
            self.header = f"Bearer {token}"

        def sync_auth_flow(self, request: Any) -> Iterator[Any]:
            request.headers["Authorization"] = self.header
            yield request

        async def async_auth_flow(self, request: Any) -> Any:
            request.headers["Authorization"] = self.header
            yield request

    class SameDuties(Barest):
        def sync_auth_flow(self, request: Any) -> Iterator[Any]:
            url = request.url
            if url.scheme == "https" and url.host == "api.example.com" and url.port is None:
                if monotonic() < FAR and wall() < FAR:
                    request.headers["Authorization"] = self.header
                response = yield request
                if response.status_code == 401:
                    raise AssertionError(response)

        async def async_auth_flow(self, request: Any) -> Any:
            url = request.url
            if url.scheme == "https" and url.host == "api.example.com" and url.port is None:
                if monotonic() < FAR and wall() < FAR:
                    request.headers["Authorization"] = self.header
                response = yield request
                if response.status_code == 401:
                    raise AssertionError(response)

    class ByHand(library.Auth):
        def auth_flow(self, request: Any) -> Iterator[Any]:
            for field in FIELDS[kind]:
                request.headers[field] = KEY
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

        return lambda batch: finish(drive(batch))

    response = library.Response(200, request=library.Request("GET", URL))
    make = async_run if is_async else sync_run
    if kind != "token":
        return [
            Contestant(label, prepare, make(auth)) for label, auth in ((LIMIT, ByHand()), (OURS, ours(package, kind)))
        ]
    static = static_httpx(library, TOKEN)
    subjects = {LIMIT: static, AGAIN: static, BARE: Barest(TOKEN), FLOOR: SameDuties(TOKEN), OURS: ours(package)}
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

    loop = asyncio.new_event_loop()  # its lock wants one; entering it costs a thousandth of a batch
    return (lambda batch: loop.run_until_complete(drive(batch))) if is_async else run


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


def static_aiohttp(token: str) -> Any:
    """A static bearer for aiohttp, as one writes it."""

    async def static(request: Any, handler: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {token}"
        return await handler(request)

    return static


def aiohttp_contestants(*, peers: bool = True, kind: str = "token") -> list[Contestant]:
    from aiohttp.hdrs import AUTHORIZATION

    import krauth_aiohttp

    header = f"Bearer {TOKEN}"

    async def barest(request: Any, handler: Any) -> Any:
        request.headers[AUTHORIZATION] = header
        return await handler(request)

    async def same_duties(request: Any, handler: Any) -> Any:
        url, headers = request.url, request.headers
        if (
            url.scheme == "https"
            and url.host_port_subcomponent == "api.example.com"
            and AUTHORIZATION not in headers
            and monotonic() < FAR
            and wall() < FAR
        ):
            headers[AUTHORIZATION] = header
        response = await handler(request)
        if response.status == 401:
            raise AssertionError(response)
        return response

    async def by_hand(request: Any, handler: Any) -> Any:
        for name in FIELDS[kind]:
            request.headers[name] = KEY
        return await handler(request)

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

        return lambda batch: finish(drive(batch))

    if kind != "token":
        subjects = {LIMIT: by_hand, OURS: ours(krauth_aiohttp, kind)}
    else:
        static = static_aiohttp(TOKEN)
        subjects = {LIMIT: static, AGAIN: static, BARE: barest, FLOOR: same_duties, OURS: ours(krauth_aiohttp)}
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
KINDS = ("token", *FIELDS)


def run(*, full: bool) -> dict[str, Any]:
    """Return `{kind: {stack: {contestant: {seconds, ratio}}}}`."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        for stack in STACKS:
            rounds = (1500 if full else 200) // (1 if kind == "token" else 4)
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.hot_path", stack, kind, str(rounds)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found.setdefault(kind, {})[stack] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    os.environ.setdefault("OAUTHLIB_INSECURE_TRANSPORT", "1")
    if len(sys.argv) == 4:
        its_contestants = STACKS[sys.argv[1]](kind=sys.argv[2])
        print(json.dumps(compare(its_contestants, baseline=LIMIT, calls=200, rounds=int(sys.argv[3]))))
    else:  # ours alone, and medians: for tests/bench
        its_contestants = STACKS[sys.argv[1]](peers=False)
        print(json.dumps(medians(compare(its_contestants, baseline=LIMIT, calls=100, rounds=120))))
