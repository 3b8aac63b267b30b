"""Part 2: whole requests on loopback keep-alive, with and without auth, interleaved; and what one allocates."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

from . import server, subjects
from .measure import spread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BARE = {"Authorization": "Bearer at-forever"}


async def clients(base: str) -> dict[str, dict[str, Callable[[], Awaitable[Any]]]]:
    """Return per stack one call with the header set by the caller, the same again as control, and one with our auth."""
    import importlib

    import aiohttp
    import requests

    found: dict[str, Any] = {}
    url = base + "/api"

    def sync(client: Any, **how: Any) -> Callable[[], Awaitable[Any]]:
        async def call() -> Any:
            return client.get(url, **how).status_code

        return call

    def session(auth: Any = None) -> Any:
        made = subjects.pooled(requests.Session())
        made.auth = auth
        return made

    krauth_requests = importlib.import_module("krauth_requests")
    found["requests"] = {
        "static header": sync(session(), headers=BARE),
        "control": sync(session(), headers=BARE),
        "krauth": sync(session(subjects.ours(krauth_requests, base, subjects.CLIENT))),
    }
    for name in ("httpx", "httpx2"):
        library, package = importlib.import_module(name), importlib.import_module(f"krauth_{name}")

        def get(client: Any, **how: Any) -> Callable[[], Awaitable[Any]]:
            async def call() -> Any:
                return (await client.get(url, **how)).status_code

            return call

        def auth(package: Any = package) -> Any:
            return subjects.ours(package, base, subjects.CLIENT)

        found[f"{name} sync"] = {
            "static header": sync(library.Client(trust_env=False), headers=BARE),
            "control": sync(library.Client(trust_env=False), headers=BARE),
            "krauth": sync(library.Client(trust_env=False, auth=auth())),
        }
        found[f"{name} async"] = {
            "static header": get(library.AsyncClient(trust_env=False), headers=BARE),
            "control": get(library.AsyncClient(trust_env=False), headers=BARE),
            "krauth": get(library.AsyncClient(trust_env=False, auth=auth())),
        }

    def fetch(client: Any, **how: Any) -> Callable[[], Awaitable[Any]]:
        async def call() -> Any:
            async with client.get(url, **how) as response:
                await response.read()
                return response.status

        return call

    krauth_aiohttp = importlib.import_module("krauth_aiohttp")
    middleware = subjects.ours(krauth_aiohttp, base, subjects.CLIENT)
    sessions = [aiohttp.ClientSession(), aiohttp.ClientSession(), aiohttp.ClientSession(middlewares=(middleware,))]
    found["aiohttp"] = {
        "static header": fetch(sessions[0], headers=BARE),
        "control": fetch(sessions[1], headers=BARE),
        "krauth": fetch(sessions[2]),
    }
    for one in sessions:
        found.setdefault("_close", []).append(one.close)
    return found


async def measure(calls: dict[str, Callable[[], Awaitable[Any]]], batch: int, rounds: int) -> dict[str, Any]:
    """Return CPU seconds per call and ratios to the static header's of the same round, and bytes allocated."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(20):
            assert await call() == 200
    names = list(calls)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            call = calls[name]
            started = time.thread_time()
            for _ in range(batch):
                await call()
            times[name].append((time.thread_time() - started) / batch)
    allocated: dict[str, float] = {}
    tracemalloc.start()
    for name, call in calls.items():
        peaks = []
        for _ in range(15):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            await call()
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
        allocated[name] = statistics.median(peaks)
    tracemalloc.stop()
    return {
        name: {
            "cpu_seconds": spread(found),
            "ratio": spread(a / b for a, b in zip(found, times["static header"], strict=True)),
            "peak_bytes": allocated[name],
        }
        for name, found in times.items()
    }


def run(*, full: bool) -> dict[str, Any]:
    """Return `{stack: {with what: {cpu_seconds, ratio, peak_bytes}}}`."""

    async def main(base: str) -> dict[str, Any]:
        found = await clients(base)
        closers = found.pop("_close")
        try:
            return {stack: await measure(calls, 10, 300 if full else 60) for stack, calls in found.items()}
        finally:
            with contextlib.suppress(Exception):
                await asyncio.gather(*[close() for close in closers])

    with server.running() as handle:
        return asyncio.run(main(handle.base))
