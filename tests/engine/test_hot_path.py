"""The adapters read the snapshot themselves where the token is fresh: by both clocks, in each stack."""

from __future__ import annotations

import asyncio
import threading
import time

import aiohttp
import httpx
import httpx2
import pytest
import requests

import krauth_aiohttp
import krauth_httpx
import krauth_httpx2
import krauth_requests
from krauth import MemoryStore, RefreshPolicy

from ._rig import ENDPOINT, Clock, Server

URL = "http://127.0.0.1:9/orders"


class Sent(Exception):
    """Carries what a request would have been sent with."""


def by_requests(auth):
    return requests.Request("GET", URL, auth=auth).prepare().headers["Authorization"]


def by_httpx(auth, library=httpx):
    return next(auth.sync_auth_flow(library.Request("GET", URL))).headers["Authorization"]


def by_httpx_async(auth, library=httpx):
    async def main():
        flow = auth.async_auth_flow(library.Request("GET", URL))
        try:
            return (await anext(flow)).headers["Authorization"]
        finally:
            await flow.aclose()

    return asyncio.run(main())


def by_aiohttp(auth):
    async def look(request, handler):
        raise Sent(request.headers["Authorization"])

    async def main():
        async with aiohttp.ClientSession(middlewares=(auth, look)) as session:
            with pytest.raises(Sent) as sent:
                await session.get(URL)
            return sent.value.args[0]

    return asyncio.run(main())


STACKS = {
    "requests": (krauth_requests, by_requests),
    "httpx": (krauth_httpx, by_httpx),
    "httpx async": (krauth_httpx, by_httpx_async),
    "httpx2": (krauth_httpx2, lambda auth: by_httpx(auth, httpx2)),
    "httpx2 async": (krauth_httpx2, lambda auth: by_httpx_async(auth, httpx2)),
    "aiohttp": (krauth_aiohttp, by_aiohttp),
}


@pytest.fixture(params=STACKS)
def stack(request):
    """The clock, the server, and a function that returns the header of a request."""
    adapter, send = STACKS[request.param]
    with Clock() as clock:
        server = Server(clock)
        auth = adapter.OAuth2Auth(
            "client",
            "s3cret",
            token_endpoint=ENDPOINT,
            api_origins=URL,
            store=MemoryStore(),
            refresh=RefreshPolicy(jitter=0, window=600),
            token_transport=server,
        )
        yield clock, server, lambda: send(auth)


def test_a_fresh_token_goes_out_until_its_window(stack):
    """One request for the token, none for the calls that find it fresh."""
    clock, server, send = stack
    assert {send() for _ in range(3)} == {"Bearer access-1"}
    clock.advance(2999)
    assert send() == "Bearer access-1"
    assert server.count == 1


@pytest.mark.parametrize("tamper", ["set the wall clock back", "suspend"])
def test_either_clock_ends_a_token(stack, tamper):
    """A token that is over by the monotonic clock or by the wall clock alone is not sent."""
    clock, server, send = stack
    send()
    if tamper == "suspend":
        clock.suspend(3601)
    else:
        clock.set_wall(-86400)
        clock.advance(3601)
    assert send() == "Bearer access-2"
    assert server.count == 2


@pytest.mark.parametrize("tamper", ["set the wall clock back", "suspend"])
def test_either_clock_begins_the_window(stack, tamper):
    """Inside the window by one clock alone the old token is sent, and a new one obtained meanwhile."""
    clock, server, send = stack
    send()
    obtained = threading.Event()
    server.before = obtained.set
    if tamper == "suspend":
        clock.suspend(3001)
    else:
        clock.set_wall(-86400)
        clock.advance(3001)
    assert send() == "Bearer access-1"
    assert obtained.wait(20)
    deadline = time.monotonic() + 20
    while send() != "Bearer access-2":
        assert time.monotonic() < deadline
    assert server.count == 2
