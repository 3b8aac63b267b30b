"""All callers meet an expired or a refused token at the same moment: token requests, and callers that fail. Over https."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import server, stores, subjects
from .measure import ROOT, SMOKE, child, say, some
from .subjects import ASYNC, BLOCKING, BY_HAND, CLIENT, ONE_GRANT, REFRESH

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds that the token endpoint takes.
DELAY = 0.05
REPEATS = (1, 1, 3)
#: scenario → grant, whether the server refuses a token that has not expired
SCENARIOS = {"expired": (CLIENT, False), "refused": (CLIENT, True), "single_use": (REFRESH, False)}
PROCESSES = "16 processes"
#: callers → (how many, who)
SHAPES: dict[str, tuple[int, list[str]]] = {
    "64 threads": (64, [*BLOCKING]),
    "1,000 tasks": (1000, [*ASYNC]),
    "4 loops × 250 tasks": (1000, [*ASYNC]),
    PROCESSES: (16, ["krauth requests, SQLite", "krauth requests, Redis", BY_HAND]),
}


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a caller gets: a status, or the name of an error."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__


def together(calls: list[Callable[[], Any]]) -> list[Any]:
    """Make each call in a thread, all at the same moment."""
    results: list[Any] = []
    barrier = threading.Barrier(len(calls))

    def work(call: Callable[[], Any]) -> None:
        barrier.wait()
        results.append(outcome(call))

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
            return type(error).__name__

    try:
        return await asyncio.gather(*[one() for _ in range(count)])
    finally:
        await call.aclose()


def callers(shape: str, name: str, base: str, scenario: str) -> list[Any]:
    """Return what each caller of this process got."""
    grant, refused = SCENARIOS[scenario]
    token = subjects.old(grant, refused=refused)
    if shape == "64 threads":
        return together([BLOCKING[name](base, grant, token)] * 64)
    loops = 1 if shape == "1,000 tasks" else 4
    auth = ASYNC[name][0](base, grant, token)
    loop = partial(tasks, partial(subjects.asynchronous, name, base, grant, token, auth), 1000 // loops)
    return [*chain(*together([lambda: asyncio.run(loop())] * loops))]


def one_of_many(name: str, base: str, scenario: str, url: str) -> list[Any]:
    """Make one call, as soon as a line arrives: in each of 16 processes. A shared store holds the token."""
    grant, how = SCENARIOS[scenario][0], {"store": url} if url else {}
    call = BLOCKING[name](base, grant, None if url else subjects.old(grant), **how)
    print("ready", flush=True)
    sys.stdin.readline()
    return [outcome(call)]


def processes(name: str, base: str, scenario: str, url: str) -> list[Any]:
    """Run 16 processes; with a store, leave an expired token in it before."""
    from krauth._plugins import open_store

    with contextlib.ExitStack() as stack:
        if url:
            url = stores.fresh(url, stack.enter_context(tempfile.TemporaryDirectory()))
            store, grant = open_store(url), SCENARIOS[scenario][0]
            subjects.ours("requests", base, grant, subjects.old(grant), store=store)
            store.close()
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.stampede", name, base, scenario, url]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        children = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(16)]
        for one in children:
            one.stdout.readline()
        for one in children:
            one.stdin.write("go\n")
            one.stdin.flush()
        return [json.loads(one.communicate()[0])[0] for one in children]


def scenarios(shape: str, name: str, http: str, https: str, url: str, repeats: str) -> dict[str, list[int]]:
    """Return the token requests and the failed callers of each scenario, the most of the repeats."""
    handle, found = server.Handle(http, https, Path(os.environ["SSL_CERT_FILE"])), {}
    for scenario, (grant, refused) in SCENARIOS.items():
        if (name in ONE_GRANT and grant == REFRESH) or (shape == PROCESSES and refused):
            continue  # in processes each holds a token of its own that is refused
        each = []
        for _ in range(int(repeats)):
            handle.reset(delay=DELAY, single_use=float(grant == REFRESH))
            how = (name, handle.https, scenario)
            got = processes(*how, url) if shape == PROCESSES else callers(shape, *how)
            assert len(got) == SHAPES[shape][0]
            each.append((handle.counts()["token"], sum(one != 200 for one in got)))
        found[scenario] = [max(worst) for worst in zip(*each, strict=True)]
    return found


def run(size: int) -> dict[str, Any]:
    """Return one row for each shape and subject: `{shape, what, scenario: [token requests, failed callers]}`."""
    rows = []
    with server.running() as handle, stores.servers() as urls:
        urls[""] = ""
        for shape in list(SHAPES)[:: 3 if size == SMOKE else 1]:
            for what in some(SHAPES[shape][1], size):
                name, _, kind = what.partition(", ")
                if kind in urls:
                    say(f"  {shape}, {what}")
                    found = child("stampede", shape, name, *handle.ports, urls[kind], REPEATS[size], env=handle.env)
                    rows.append({"shape": shape, "what": what, **found})
    return {"rows": rows}


if __name__ == "__main__":
    print(json.dumps((scenarios if sys.argv[1] in SHAPES else one_of_many)(*sys.argv[1:])))
