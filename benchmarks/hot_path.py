"""Hot path: the CPU time of one call with a fresh token or an API key, beside the same header fields set by hand.

No network: the auth code is driven as its library drives it, on requests that were made before. Each stack and each kind
of credential has a process of its own, because two auth classes in one process slow each other's inline caches down.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import json
import sys
import time
from collections.abc import Callable
from time import monotonic
from time import time as wall
from typing import Any

from .measure import child, compare, say, some
from .subjects import STATIC, canned

Drive = Callable[[Any, list[Any]], None]
#: makes requests, the subjects, and how a subject is driven
Stack = tuple[Callable[[int], list[Any]], dict[str, Any], dict[str, Drive]]

URL, BASE = "https://api.example.com/v1/orders/1", "https://api.example.com"
TOKEN_URL = f"{BASE}/token"
TOKEN, KEY = "at-" + "x" * 40, "mlm_live_" + "x" * 30
#: FLOOR: a hand-written auth that also looks at the origin, at both clocks and at the answer, with constants.
FLOOR, OURS = "same duties, by hand", "krauth"
HOOKED = ", its response hook included"
FAR = wall() + 10 * 365 * 86400  # above any monotonic clock, too
CALLS = 200
#: seconds for each stack and each kind of credential
SECONDS = (0.0, 1.2, 30.0)
#: kind of credential → the header fields that are set by hand instead
KINDS = {"token": ("Authorization",), "API key": ("X-API-Key",), "token and API key": ("Authorization", "X-API-Key")}


def ours(package: str, kind: str) -> Any:
    """Make our auth object, with a fresh token where it has one."""
    library = importlib.import_module(package)
    if kind == "API key":
        return library.MelomingAPIKey(KEY, base_url=BASE)
    if kind == "token and API key":
        auth = library.MelomingOAuth("id", "secret", api_key=KEY, base_url=BASE, token_transport=canned)
    else:
        auth = library.OAuth2Auth("id", "secret", token_endpoint=TOKEN_URL, api_origins=URL, token_transport=canned)
    auth.token()
    return auth


def token() -> dict[str, Any]:
    return {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 10800, "expires_at": int(wall()) + 10800}


def finish(coroutine: Any) -> None:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("the coroutine waited for something")


def with_requests(kind: str, fields: dict[str, str], *, peers: bool) -> Stack:
    import requests
    from requests.auth import AuthBase

    class Static(AuthBase):
        def __call__(self, request: Any) -> Any:
            if kind == "token":
                request.headers["Authorization"] = f"Bearer {TOKEN}"
            else:
                for name, value in fields.items():
                    request.headers[name] = value
            return request

    class SameDuties(AuthBase):
        def __init__(self) -> None:
            self.hook = self.see

        def __call__(self, request: Any) -> Any:
            if request.url.startswith("https://api.example.com/") and monotonic() < FAR and wall() < FAR:
                for name, value in fields.items():
                    request.headers[name] = value
                request.hooks["response"].append(self.hook)
            return request

        def see(self, response: Any, **kwargs: Any) -> Any:
            status = response.status_code
            if status == 401 or 300 <= status < 400:
                raise AssertionError(status)
            return response

    prepared, answer = requests.Request("GET", URL).prepare(), requests.Response()
    answer.status_code, answer.request = 200, prepared

    def prepare(count: int) -> list[Any]:
        batch = [prepared.copy() for _ in range(count)]
        for request in batch:
            request.hooks = {"response": []}  # copies share the original's
        return batch

    def plain(auth: Any, batch: list[Any]) -> None:
        for request in batch:
            auth(request)

    def hooked(auth: Any, batch: list[Any]) -> None:
        for request in batch:
            auth(request)
            for hook in request.hooks["response"]:  # as `requests.hooks.dispatch_hook` calls it
                hook(answer, timeout=None, stream=False)

    subjects = {STATIC: Static(), FLOOR: SameDuties(), OURS: ours("krauth_requests", kind)}
    subjects |= {name + HOOKED: subjects[name] for name in (FLOOR, OURS)}
    if peers:
        from authlib.integrations.requests_client import OAuth2Session
        from oauthlib.oauth2 import BackendApplicationClient
        from requests_oauthlib import OAuth2

        subjects["requests-oauthlib"] = OAuth2(client=BackendApplicationClient("id", token=token()), token=token())
        subjects["Authlib"] = OAuth2Session("id", "secret", token_endpoint=TOKEN_URL, token=token()).token_auth
    return prepare, subjects, {name: hooked if name.endswith(HOOKED) else plain for name in subjects}


def with_httpx(library: str, kind: str, fields: dict[str, str], *, is_async: bool, peers: bool) -> Stack:
    httpx: Any = importlib.import_module(library)

    class Static(httpx.Auth):
        def auth_flow(self, request: Any) -> Any:
            if kind == "token":
                request.headers["Authorization"] = f"Bearer {TOKEN}"
            else:
                for name, value in fields.items():
                    request.headers[name] = value
            yield request

    class SameDuties(httpx.Auth):
        def sync_auth_flow(self, request: Any) -> Any:
            url = request.url
            if url.scheme == "https" and url.host == "api.example.com" and url.port is None:
                if monotonic() < FAR and wall() < FAR:
                    for name, value in fields.items():
                        request.headers[name] = value
                if (yield request).status_code == 401:
                    raise AssertionError(url)

        async def async_auth_flow(self, request: Any) -> Any:
            url = request.url
            if url.scheme == "https" and url.host == "api.example.com" and url.port is None:
                if monotonic() < FAR and wall() < FAR:
                    for name, value in fields.items():
                        request.headers[name] = value
                if (yield request).status_code == 401:
                    raise AssertionError(url)

    response = httpx.Response(200, request=httpx.Request("GET", URL))

    def blocking(auth: Any, batch: list[Any]) -> None:
        for request in batch:
            flow = auth.sync_auth_flow(request)
            next(flow)
            try:
                flow.send(response)
            except StopIteration:
                pass
            flow.close()

    async def drive(auth: Any, batch: list[Any]) -> None:
        for request in batch:
            flow = auth.async_auth_flow(request)
            await flow.__anext__()
            try:
                await flow.asend(response)
            except StopAsyncIteration:
                pass
            await flow.aclose()

    subjects = {STATIC: Static(), FLOOR: SameDuties(), OURS: ours(f"krauth_{library}", kind)}
    if peers and library == "httpx":
        from httpx_auth import OAuth2ClientCredentials
        from httpx_auth._oauth2.common import OAuth2

        subjects["httpx-auth"] = OAuth2ClientCredentials(TOKEN_URL, "id", "secret")
        OAuth2.token_cache._add_access_token(subjects["httpx-auth"].state, TOKEN, 10800)
    how = (lambda auth, batch: finish(drive(auth, batch))) if is_async else blocking
    return (lambda count: [httpx.Request("GET", URL) for _ in range(count)]), subjects, dict.fromkeys(subjects, how)


async def capture() -> Any:
    """Return a `ClientRequest` as an aiohttp middleware sees it."""
    import aiohttp

    seen = []

    async def middleware(request: Any, handler: Any) -> Any:
        seen.append(request)
        raise aiohttp.ClientError

    async with aiohttp.ClientSession(middlewares=(middleware,)) as session:
        try:
            await session.get(URL)
        except aiohttp.ClientError:
            return seen[0]


def with_aiohttp(kind: str, fields: dict[str, str], *, peers: bool) -> Stack:
    from aiohttp.hdrs import AUTHORIZATION

    async def static(request: Any, handler: Any) -> Any:
        if kind == "token":
            request.headers["Authorization"] = f"Bearer {TOKEN}"
        else:
            for name, value in fields.items():
                request.headers[name] = value
        return await handler(request)

    async def same_duties(request: Any, handler: Any) -> Any:
        url, headers = request.url, request.headers
        is_ours = url.scheme == "https" and url.host_port_subcomponent == "api.example.com"
        if is_ours and AUTHORIZATION not in headers and monotonic() < FAR and wall() < FAR:
            for name, value in fields.items():
                headers[name] = value
        response = await handler(request)
        if response.status == 401:
            raise AssertionError(response)
        return response

    captured = asyncio.run(capture())
    response = type("Response", (), {"status": 200})()

    def prepare(count: int) -> list[Any]:
        batch = [copy.copy(captured) for _ in range(count)]
        for request in batch:
            request.headers = captured.headers.copy()
        return batch

    async def handler(request: Any) -> Any:
        return response

    async def drive(middleware: Any, batch: list[Any]) -> None:
        for request in batch:
            await middleware(request, handler)

    subjects = {STATIC: static, FLOOR: same_duties, OURS: ours("krauth_aiohttp", kind)}
    return prepare, subjects, dict.fromkeys(subjects, lambda auth, batch: finish(drive(auth, batch)))


def of_httpx(library: str, *, is_async: bool) -> Callable[..., Stack]:
    return lambda kind, fields, *, peers: with_httpx(library, kind, fields, is_async=is_async, peers=peers)


STACKS: dict[str, Callable[..., Stack]] = {
    "requests": with_requests,
    "httpx sync": of_httpx("httpx", is_async=False),
    "httpx async": of_httpx("httpx", is_async=True),
    "httpx2 sync": of_httpx("httpx2", is_async=False),
    "httpx2 async": of_httpx("httpx2", is_async=True),
    "aiohttp": with_aiohttp,
}


def measure(stack: str, kind: str, seconds: float, *, peers: bool) -> dict[str, Any]:
    """Return `{subject: {seconds, ratio}}` of one call, in this process."""
    fields = {name: f"Bearer {TOKEN}" if name == "Authorization" else KEY for name in KINDS[kind]}
    prepare, subjects, drives = STACKS[stack](kind, fields, peers=peers and kind == "token")

    def once(name: str) -> float:
        batch, drive, auth = prepare(CALLS), drives[name], subjects[name]
        started = time.thread_time()
        drive(auth, batch)
        return (time.thread_time() - started) / CALLS

    return compare({name: (lambda name=name: once(name)) for name in subjects}, baseline=STATIC, seconds=seconds)


def run(size: int) -> dict[str, Any]:
    """Return one row for each kind of credential, stack and subject: `{kind, stack, what, seconds, ratio}`."""
    rows = []
    for kind in KINDS:
        for stack in some(STACKS, size):
            say(f"  {stack}, {kind}")
            found = child("hot_path", stack, kind, SECONDS[size])
            rows += [{"kind": kind, "stack": stack, "what": what, **one} for what, one in found.items()]
    return {"rows": rows}


if __name__ == "__main__":
    match sys.argv[1:]:
        case [its_stack]:  # ours alone, and medians of ratios: for test_ratios
            its_found = measure(its_stack, "token", 2.0, peers=False)
            print(json.dumps({name: one["ratio"][1] for name, one in its_found.items()}))
        case [its_stack, its_kind, its_seconds]:
            print(json.dumps(measure(its_stack, its_kind, float(its_seconds), peers=True)))
