"""Part 3: token requests and failed callers when everybody meets an expired token at the same moment."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import server, stores, subjects

if TYPE_CHECKING:
    from collections.abc import Callable

#: Real seconds that the token endpoint takes.
DELAY = 0.05


def scenarios(grants: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """Return (name, grant, single use) for the grants that a library has."""
    found = [("client credentials", subjects.CLIENT, 0), ("refresh token", subjects.REFRESH, 0)]
    found.append(("single-use refresh token", subjects.REFRESH, 1))
    return [one for one in found if one[1] in grants]


def in_threads(call: Callable[[], int], count: int) -> list[str]:
    """Make one call in each of `count` threads, at once; return what became of each: `"200"`, or an error's name."""
    results: list[str] = []
    barrier = threading.Barrier(count)

    def work() -> None:
        barrier.wait()
        try:
            results.append(str(call()))
        except Exception as error:
            results.append(type(error).__name__)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


async def in_tasks(call: Callable[[], Any], count: int) -> list[str]:
    async def one() -> str:
        try:
            return str(await call())
        except Exception as error:
            return type(error).__name__

    try:
        return await asyncio.gather(*[one() for _ in range(count)])
    finally:
        if hasattr(call, "aclose"):
            await call.aclose()


def in_loops(makers: list[Callable[[], Any]], tasks: int) -> list[str]:
    """Run an event loop in each of several threads, `tasks` calls on each, all at once."""
    results: list[str] = []
    barrier = threading.Barrier(len(makers))

    def work(make: Callable[[], Any]) -> None:
        async def main() -> list[str]:
            call = make()
            barrier.wait()
            return await in_tasks(call, tasks)

        results.extend(asyncio.run(main()))

    threads = [threading.Thread(target=work, args=(make,)) for make in makers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def measure(
    handle: server.Handle, single_use: int, repeat: int, callers: int, once: Callable[[], list[str]]
) -> dict[str, Any]:
    """Return token requests and failed callers, of several runs."""
    requests, failures, seconds, errors = [], [], [], set()
    for _ in range(repeat):
        handle.reset(delay=DELAY, single_use=single_use)
        started = time.perf_counter()
        found = once()
        assert len(found) == callers, f"{callers - len(found)} callers are missing"
        seconds.append(time.perf_counter() - started)
        requests.append(handle.counts()["token"])
        failures.append(sum(one != "200" for one in found))
        errors |= {one for one in found if one != "200"}
    return {
        "token_requests": {"median": statistics.median(requests), "min": min(requests), "max": max(requests)},
        "failed": {"median": statistics.median(failures), "min": min(failures), "max": max(failures)},
        "callers": callers,
        "seconds": statistics.median(seconds),
        "errors": sorted(errors),
    }


PROCESS_CODE = """
import sys
from benchmarks import subjects
base, what, grant, where = sys.argv[1:]
if what.startswith("krauth"):
    call = subjects.krauth_requests(base, grant, store=where)
elif what.startswith("httpx-auth"):
    from httpx_auth import JsonTokenFileCache, OAuth2
    OAuth2.token_cache = JsonTokenFileCache(where)
    import httpx
    from httpx_auth import OAuth2ClientCredentials
    client = httpx.Client(auth=OAuth2ClientCredentials(base + "/token", "id", "secret"), trust_env=False)
    call = lambda: client.get(base + "/api").status_code
else:
    call = subjects.authlib(base, grant)
print("ready", flush=True)
sys.stdin.readline()
try:
    print(call(), flush=True)
except Exception as error:
    print(type(error).__name__, flush=True)
"""
#: who → the grants with which it can be among processes at all
PROCESSES = {
    "krauth requests, sqlite": subjects.GRANTS,
    "krauth requests, redis": subjects.GRANTS,
    "httpx-auth, JSON file": (subjects.CLIENT,),
    "Authlib (requests), nothing to share": subjects.GRANTS,
}


def in_processes(base: str, what: str, grant: str, redis_url: str | None, count: int) -> list[str]:
    """Make one call in each of `count` processes that share a store, at once; with the expired token in it."""
    with tempfile.TemporaryDirectory() as folder:
        where = str(Path(folder, "tokens"))
        if what.startswith("krauth"):
            where = f"sqlite:///{where}" if what.endswith("sqlite") else f"{redis_url}?prefix={time.time_ns()}:"
            seed(base, grant, where)
        children = [
            subprocess.Popen(
                [sys.executable, "-c", PROCESS_CODE, base, what, grant, where],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ},
            )
            for _ in range(count)
        ]
        for child in children:
            child.stdout.readline()  # type: ignore[union-attr]
        for child in children:
            child.stdin.write("go\n")  # type: ignore[union-attr]
            child.stdin.flush()  # type: ignore[union-attr]
        return [child.communicate()[0].strip() for child in children]


def seed(base: str, grant: str, url: str) -> None:
    import krauth_requests
    from krauth._plugins import open_store

    subjects.ours(krauth_requests, base, grant, store=open_store(url))


def run(*, full: bool) -> dict[str, Any]:
    """Return `{shape: {subject: {scenario: …}}}`."""
    repeat = 5 if full else 3
    result: dict[str, Any] = {"64 threads": {}, "1000 tasks": {}, "4 loops x 250 tasks": {}, "16 processes": {}}
    with server.running() as handle:
        base = handle.base
        for name, (make, grants) in subjects.BLOCKING.items():
            result["64 threads"][name] = {
                scenario: measure(
                    handle, single, repeat, 64, lambda make=make, grant=grant: in_threads(make(base, grant), 64)
                )
                for scenario, grant, single in scenarios(grants)
            }
        for name, (amake, grants) in subjects.ASYNC.items():

            def tasks(amake: Any = amake, grant: str = "") -> list[str]:
                async def main() -> list[str]:
                    return await in_tasks(amake(base, grant), 1000)

                return asyncio.run(main())

            def loops(amake: Any = amake, grant: str = "", name: str = name) -> list[str]:
                auth = shared_auth(name, base, grant)
                return in_loops([lambda: amake(base, grant, auth)] * 4, 250)

            result["1000 tasks"][name] = {
                scenario: measure(handle, single, repeat, 1000, lambda grant=grant: tasks(grant=grant))
                for scenario, grant, single in scenarios(grants)
            }
            result["4 loops x 250 tasks"][name] = {
                scenario: measure(handle, single, repeat, 1000, lambda grant=grant: loops(grant=grant))
                for scenario, grant, single in scenarios(grants)
            }
        with stores.redis() as redis_url:
            for what, grants in PROCESSES.items():
                if what.endswith("redis") and redis_url is None:
                    continue

                def processes(what: str = what, grant: str = "") -> list[str]:
                    return in_processes(base, what, grant, redis_url, 16)

                result["16 processes"][what] = {
                    scenario: measure(handle, single, repeat, 16, lambda grant=grant: processes(grant=grant))
                    for scenario, grant, single in scenarios(grants)
                }
    return result


def shared_auth(name: str, base: str, grant: str) -> Any:
    """Return the auth object that all loops share; Authlib's client holds an event loop's lock, so each has its own."""
    import importlib

    if name.startswith("krauth"):
        return subjects.ours(importlib.import_module(name.replace(" ", "_")), base, grant)
    if name == "httpx-auth":
        from httpx_auth import OAuth2ClientCredentials
        from httpx_auth._oauth2.common import OAuth2

        auth = OAuth2ClientCredentials(base + "/token", "id", "secret")
        OAuth2.token_cache._add_token(auth.state, "at-old", subjects.EXPIRED)
        return auth
    return None


if __name__ == "__main__":
    print(json.dumps(run(full=False), indent=1))
