"""Part 2: whole requests on loopback keep-alive, with and without auth, interleaved; and what one allocates."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

from . import hot_path, server, subjects
from .measure import shuffled, spread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FOREVER = "at-forever"
#: What the control is: another static bearer, on another client.
LIMIT, CONTROL, OURS = "static bearer", "control", "krauth"


def clients(base: str) -> dict[str, dict[str, Callable[[], Awaitable[Any]]]]:
    """Return per stack one call with a static bearer, the same again as control, and one with our auth."""
    import importlib

    import aiohttp
    import requests

    url, found = base + "/api", {}

    def auths(package: str, static: Callable[[], Any]) -> dict[str, Any]:
        mine = subjects.ours(importlib.import_module(package), base, subjects.CLIENT)
        return {LIMIT: static(), CONTROL: static(), OURS: mine}

    def with_requests(auth: Any) -> Callable[[], Awaitable[Any]]:
        session = subjects.pooled(requests.Session())
        session.auth = auth

        async def call() -> Any:
            return session.get(url).status_code

        return call

    def with_client(client: Any) -> Callable[[], Awaitable[Any]]:
        async def call() -> Any:
            return client.get(url).status_code

        return call

    def with_async_client(client: Any) -> Callable[[], Awaitable[Any]]:
        async def call() -> Any:
            return (await client.get(url)).status_code

        return call

    def with_aiohttp(auth: Any) -> Callable[[], Awaitable[Any]]:
        session = aiohttp.ClientSession(middlewares=(auth,))

        async def call() -> Any:
            async with session.get(url) as response:
                await response.read()
                return response.status

        call.aclose = session.close  # type: ignore[attr-defined]
        return call

    def over(make: Callable[[Any], Any], of: dict[str, Any]) -> dict[str, Callable[[], Awaitable[Any]]]:
        return {name: make(auth) for name, auth in of.items()}

    found["requests"] = over(with_requests, auths("krauth_requests", lambda: hot_path.static_requests(FOREVER)))
    for name in ("httpx", "httpx2"):
        library: Any = importlib.import_module(name)
        of = auths(f"krauth_{name}", lambda library=library: hot_path.static_httpx(library, FOREVER))
        for kind, make, client in (
            ("sync", with_client, library.Client),
            ("async", with_async_client, library.AsyncClient),
        ):
            found[f"{name} {kind}"] = {label: make(client(auth=auth, trust_env=False)) for label, auth in of.items()}
    found["aiohttp"] = over(with_aiohttp, auths("krauth_aiohttp", lambda: hot_path.static_aiohttp(FOREVER)))
    return found


async def measure(calls: dict[str, Callable[[], Awaitable[Any]]], batch: int, rounds: int) -> dict[str, Any]:
    """Return CPU seconds per call and ratios to the static bearer's of the same round, and the peak of its memory."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(20):
            assert await call() == 200
    gc.collect()
    gc.disable()
    for number in range(rounds):
        for name in shuffled(calls, number):
            call = calls[name]
            started = time.thread_time()
            for _ in range(batch):
                await call()
            times[name].append((time.thread_time() - started) / batch)
        gc.collect(1)
    gc.enable()
    peaks: dict[str, list[float]] = {name: [] for name in calls}
    tracemalloc.start()
    for number in range(15):
        for name in shuffled(calls, number):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            await calls[name]()
            peaks[name].append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    for call in calls.values():
        if hasattr(call, "aclose"):
            await call.aclose()
    return {
        name: {
            "cpu_seconds": spread(found),
            "ratio": spread(a / b for a, b in zip(found, times[LIMIT], strict=True)),
            "peak_bytes": spread(peaks[name]),
            "peak_bytes_more": spread(a - b for a, b in zip(peaks[name], peaks[LIMIT], strict=True)),
        }
        for name, found in times.items()
    }


def run(*, full: bool) -> dict[str, Any]:
    """Return `{stack: {with what: {cpu_seconds, ratio, peak_bytes, peak_bytes_more}}}`."""

    async def main(base: str) -> dict[str, Any]:
        return {stack: await measure(calls, 10, 400 if full else 80) for stack, calls in clients(base).items()}

    with server.running() as handle:
        return asyncio.run(main(handle.base))
