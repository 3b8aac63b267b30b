"""All callers meet an expired or a refused token at the same moment: token requests, and callers that fail. Over https."""

from __future__ import annotations

import asyncio
import contextlib
import json
import operator
import subprocess
import sys
import tempfile
import threading
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import server, stores, subjects
from .measure import ROOT, child

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds that the token endpoint takes.
DELAY = 0.05
#: scenario → grant, whether the server refuses a token that has not expired, whether refresh tokens are single-use
SCENARIOS = {
    "expired": (subjects.CLIENT, False, False),
    "401": (subjects.CLIENT, True, False),
    "single-use refresh token": (subjects.REFRESH, False, True),
}
SHAPES = {"64 threads": 64, "1,000 tasks": 1000, "4 loops × 250 tasks": 1000, "16 processes": 16}
STORES = {"SQLite": "sqlite", "Redis": "redis", "PostgreSQL": "sql"}


def outcome(error: Exception) -> str:
    return type(error).__name__


def together(calls: list[Callable[[], Any]]) -> list[Any]:
    """Make each call in a thread, all at the same moment."""
    results: list[Any] = []
    barrier = threading.Barrier(len(calls))

    def work(call: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results.append(call())
        except Exception as error:
            results.append(outcome(error))

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


async def tasks(make: Callable[[], Any], count: int) -> list[Any]:
    call = make()

    async def one() -> Any:
        try:
            return await call()
        except Exception as error:
            return outcome(error)

    try:
        return await asyncio.gather(*[one() for _ in range(count)])
    finally:
        await call.aclose()


def subject(shape: str, name: str, base: str, scenario: str, store: str = "") -> list[Any]:
    """Return what each caller got: a status, or the name of an error."""
    grant, refused, _ = SCENARIOS[scenario]
    token = subjects.old(grant, refused=refused)
    if shape == "64 threads":
        return together([subjects.BLOCKING[name](base, grant, token)] * 64)
    if shape == "16 processes":
        how = {"store": store} if store else {}
        call = subjects.BLOCKING[name](base, grant, None if store else token, **how)
        print("ready", flush=True)
        sys.stdin.readline()
        return together([call])
    make = subjects.ASYNC[name]
    if shape == "1,000 tasks":
        return asyncio.run(tasks(partial(make, base, grant, token), 1000))
    auth = subjects.shared(name, base, grant, token)
    loop = partial(tasks, partial(make, base, grant, token, auth), 250)
    return reduce(operator.iadd, together([lambda: asyncio.run(loop())] * 4), [])


def processes(name: str, base: str, scenario: str, store: str, env: dict[str, str]) -> list[Any]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.stampede", "16 processes", name, base, scenario, store]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": env, "cwd": ROOT}
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(16)]
        for one in children:
            one.stdout.readline()
        return [json.loads(one.communicate("go\n")[0])[0] for one in children]  # those before wait for the token


def run(*, full: bool) -> list[dict[str, Any]]:
    """Return one row for each shape and subject: `{shape, what, scenario: {token_requests, failed}}`."""
    repeats, rows = 3 if full else 1, []
    with server.running() as handle, stores.servers() as urls, tempfile.TemporaryDirectory() as folder:

        def measure(shape: str, name: str, once: Callable[[str, int], list[Any]], label: str = "") -> None:
            row: dict[str, Any] = {"shape": shape, "what": label or name}
            for scenario, (grant, _, single_use) in SCENARIOS.items():
                if name in subjects.ONE_GRANT and grant == subjects.REFRESH:
                    continue
                if shape == "16 processes" and scenario == "401":
                    continue  # each process holds a token of its own that is refused
                asked, failed = [], []
                for number in range(repeats):
                    handle.reset(delay=DELAY, single_use=float(single_use))
                    got = once(scenario, number)
                    assert len(got) == SHAPES[shape]
                    asked.append(handle.counts()["token"])
                    failed.append(sum(one != 200 for one in got))
                row[scenario] = {"token_requests": max(asked), "failed": max(failed)}
            rows.append(row)

        for shape, names in {
            "64 threads": subjects.BLOCKING,
            "1,000 tasks": subjects.ASYNC,
            "4 loops × 250 tasks": subjects.ASYNC,
        }.items():
            for name in names:
                call = partial(child, "stampede", shape, name, handle.https, env=handle.env)
                measure(shape, name, lambda scenario, number, call=call: call(scenario))
        for label, kind in STORES.items():
            if kind in urls or kind == "sqlite":

                def shared(scenario: str, number: int, kind: str = kind) -> list[Any]:
                    where = urls.get(kind) or f"sqlite:///{Path(folder, f'{scenario} {number}.db')}"
                    where += f"?prefix=p{len(rows)}{number}{len(scenario)}_" if kind != "sqlite" else ""
                    child("stampede", "seed", handle.https, scenario, where, env=handle.env)
                    return processes("krauth requests", handle.https, scenario, where, handle.env)

                measure("16 processes", "krauth requests", shared, f"krauth requests, {label}")
        for name in ("Authlib", subjects.BY_HAND):
            call = partial(processes, name, handle.https)
            measure("16 processes", name, lambda scenario, number, call=call: call(scenario, "", handle.env))
    return rows


def seed(base: str, scenario: str, url: str) -> list[Any]:
    """Leave an expired token in the store that the processes share."""
    from krauth._plugins import open_store

    grant = SCENARIOS[scenario][0]
    store = open_store(url)
    subjects.ours("requests", base, grant, subjects.old(grant), store=store)
    store.close()
    return []


if __name__ == "__main__":
    print(json.dumps(seed(*sys.argv[2:]) if sys.argv[1] == "seed" else subject(*sys.argv[1:])))
