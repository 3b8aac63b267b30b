"""Part 5: how long an asyncio event loop stands still while a token is fetched with a cost-10 secret, and without."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from typing import Any

from . import server
from .measure import percentiles, spread

TICK = 0.001
#: The second half of the ticks is after the fetch; a bcrypt hash of cost 10 takes some 60 ms of CPU.
SECONDS = 0.6
SUBJECTS = ("krauth httpx", "krauth httpx2", "krauth aiohttp", "httpx-auth", "bcrypt on the loop")


async def lags(work: Any) -> list[float]:
    """Return by how much each tick came late, while `work` runs."""
    found: list[float] = []

    async def tick() -> None:
        ends = time.perf_counter() + SECONDS
        while (before := time.perf_counter()) < ends:
            await asyncio.sleep(TICK)
            found.append(time.perf_counter() - before - TICK)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.05)
    if work is not None:
        await work()
    await ticking
    return found


async def subject(name: str, base: str) -> tuple[list[float], list[float]]:
    """Return the lags of a control run, and of one with a fetch."""
    import bcrypt

    secret = "$2a$10$" + bcrypt.gensalt(10).decode()[7:]
    closing = contextlib.AsyncExitStack()
    if name == "krauth aiohttp":
        import krauth_aiohttp

        auth = krauth_aiohttp.NaverAuth("id", secret, base_url=base + "/external", token_transport=fetch(base))
        work: Any = auth.atoken
    elif name.startswith("krauth"):
        import importlib

        package = importlib.import_module(name.replace(" ", "_"))
        auth = package.NaverAuth("id", secret, base_url=base + "/external", token_transport=fetch(base))
        work = auth.atoken
    elif name == "httpx-auth":
        import httpx
        from httpx_auth import OAuth2ClientCredentials

        client = await closing.enter_async_context(
            httpx.AsyncClient(auth=OAuth2ClientCredentials(base + "/token", "id", "secret"), trust_env=False)
        )

        async def work() -> None:
            await client.get(base + "/api")
    else:

        async def work() -> None:
            bcrypt.hashpw(b"id_1700000000000", secret.encode())

    async with closing:
        control = await lags(None)
        return control, await lags(work)


def fetch(base: str) -> Any:
    """Return a token transport that asks the bench's server: Naver's own endpoint lies elsewhere."""
    from urllib.request import Request, urlopen

    from krauth import HTTPResponse

    def send(request: Any) -> Any:
        with urlopen(Request(base + "/token", data=request.body), timeout=10) as response:
            return HTTPResponse(response.status, dict(response.headers), response.read())

    return send


def run(*, full: bool) -> dict[str, Any]:
    """Return per subject the ticks' percentiles, and the spread of the worst tick over processes."""
    repeat = 15 if full else 4
    result = {}
    with server.running() as handle:
        for name in SUBJECTS:
            controls, fetches = [], []
            for _ in range(repeat):
                handle.reset(delay=0.05)
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.loop_lag", name, handle.base],
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                    env={**os.environ},
                )
                control, fetched = json.loads(done.stdout)
                controls.append(control)
                fetches.append(fetched)
            result[name] = {
                "control": percentiles(lag for one in controls for lag in one),
                "fetch": percentiles(lag for one in fetches for lag in one),
                "worst_control": spread(max(one) for one in controls),
                "worst_fetch": spread(max(one) for one in fetches),
            }
    return result


if __name__ == "__main__":
    print(json.dumps(asyncio.run(subject(sys.argv[1], sys.argv[2]))))
