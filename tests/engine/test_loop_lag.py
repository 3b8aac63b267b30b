"""An event loop does not notice a token fetch: no lag, no import, no certificate, no file on its thread."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import time

import aiohttp
import httpx
import pytest

import krauth_aiohttp
import krauth_httpx
from krauth import MemoryStore
from krauth_sandbox import Sandbox

pytestmark = [pytest.mark.process, pytest.mark.slow]

#: The documented sample secret: cost 10, some 60 ms of CPU for every signature.
SECRET = "$2a$10$abcdefghijklmnopqrstuv"
ROUNDS = 7
CALLS = 4
#: Seconds of lag that a fetch may add to the best round: half of what one signature on the loop would.
TOLERANCE = 0.025


@pytest.fixture(scope="module")
def dear():
    with Sandbox(naver_client_secret=SECRET) as sandbox:
        yield sandbox


async def worst_lag(work):
    """Run a coroutine beside a 1 ms ticker; return the longest that a tick came late, in seconds."""
    worst, stop = 0.0, False

    async def tick():
        nonlocal worst
        while not stop:
            due = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - due)

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0.005)
    await work
    stop = True
    await ticker
    return worst


@pytest.mark.parametrize("stack", ["httpx", "aiohttp"])
def test_a_token_fetch_with_a_dear_signature_does_not_hold_the_event_loop_up(dear, stack, record_property):
    """Beside a fetch that costs 60 ms of bcrypt a 1 ms ticker is as punctual as beside calls that need none."""
    url = dear.naver_url + "/v1/seller/account"
    adapter = {"httpx": krauth_httpx, "aiohttp": krauth_aiohttp}[stack]

    def make():
        return adapter.NaverAuth(dear.naver_client_id, SECRET, base_url=dear.naver_url, store=MemoryStore())

    async def call(auth):
        for _ in range(CALLS):
            if stack == "httpx":
                assert (await httpx_client.get(url, auth=auth)).status_code == 200
            else:
                async with session.get(url, middlewares=(auth,)) as response:
                    assert response.status == 200

    async def measure():
        with_token = make()
        await call(with_token)
        requests = dear.naver.token_requests
        control = [await worst_lag(call(with_token)) for _ in range(ROUNDS)]
        assert dear.naver.token_requests == requests
        fetch = [await worst_lag(call(make())) for _ in range(ROUNDS)]
        assert dear.naver.token_requests == requests + ROUNDS
        return min(control), min(fetch)

    async def main():
        nonlocal httpx_client, session
        if stack == "httpx":
            async with httpx.AsyncClient(trust_env=False, timeout=30) as httpx_client:
                return await measure()
        async with aiohttp.ClientSession() as session:
            return await measure()

    httpx_client = session = None
    control, fetch = asyncio.run(main())
    record_property("lag_ms", {"control": control * 1000, "fetch": fetch * 1000})
    print(
        f"\n{stack}: best of {ROUNDS} worst lags: {control * 1000:.1f} ms without, {fetch * 1000:.1f} ms with a fetch"
    )
    assert fetch <= control + TOLERANCE


def test_the_ticker_sees_a_signature_on_the_loop():
    """The instrument works: the same signature, computed on the loop, makes the ticker late by more than is tolerated."""
    from krauth.naver import sign

    async def work():
        sign("client", SECRET, int(time.time() * 1000))
        await asyncio.sleep(0)

    async def main():
        return min([await worst_lag(work()) for _ in range(3)])

    assert asyncio.run(main()) > TOLERANCE


FIRST_FETCH = """
    import asyncio, json, ssl, sys, threading
    import krauth
    import krauth_%(stack)s
    import %(stack)s
    base_url, client_id, client_secret = sys.argv[1:]
    on_loop, elsewhere, watching = [], [], False

    def note(what):
        if watching:
            (on_loop if threading.get_ident() == loop_thread else elsewhere).append(what)

    sys.addaudithook(lambda name, args: note(f"{name} {args[0]}") if name in ("import", "open") else None)
    for name in ("load_verify_locations", "load_default_certs", "set_default_verify_paths"):
        original = getattr(ssl.SSLContext, name)
        def watched(*args, _original=original, _name=name, **kwargs):
            note(_name)
            return _original(*args, **kwargs)
        setattr(ssl.SSLContext, name, watched)

    url = base_url + "/v1/seller/account"
    async def get(client, **settings):
        if "%(stack)s" != "aiohttp":
            return (await client.get(url, **settings)).status_code
        settings = {"middlewares": (settings["auth"],)} if "auth" in settings else {}
        async with client.get(url, **settings) as response:
            await response.read()
            return response.status

    async def main():
        global watching, loop_thread
        loop_thread = threading.get_ident()
        make = {"trust_env": False, "timeout": 30} if "%(stack)s" != "aiohttp" else {}
        name = "ClientSession" if "%(stack)s" == "aiohttp" else "AsyncClient"
        async with getattr(%(stack)s, name)(**make) as client:
            assert await get(client) == 401  # without auth: whatever the library itself loads late, it has loaded
            auth = krauth_%(stack)s.NaverAuth(client_id, client_secret, base_url=base_url)
            if "%(case)s" == "refused":  # the token is another process's, and the first event is its refusal
                stale = krauth.Token("revoked", 4e9, 0.0)
                auth._source.replace(krauth._engine.rules.NumberedToken(stale, 1))
            watching = True
            status = await get(client, auth=auth)
            watching = False
        print(json.dumps([status, on_loop, elsewhere]))
    asyncio.run(main())
"""


@pytest.mark.parametrize("case", ["first", "refused"])
@pytest.mark.parametrize("stack", ["httpx", "httpx2", "aiohttp"])
def test_the_first_fetch_loads_nothing_on_the_loops_thread(dear, stack, case):
    """In a new process the first fetch imports modules, opens files and loads certificates in a worker, never on the loop."""
    script = textwrap.dedent(FIRST_FETCH % {"stack": stack, "case": case})
    arguments = [dear.naver_url, dear.naver_client_id, SECRET]
    process = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode == 0, process.stderr
    status, on_loop, elsewhere = json.loads(process.stdout)
    assert status == 200
    assert on_loop == []
    assert any("bcrypt" in what for what in elsewhere)  # the watch works
