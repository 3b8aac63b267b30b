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
from .measure import ROOT, child, say, some
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


def processes(name: str, handle: server.Handle, scenario: str, url: str) -> list[Any]:
    """Run 16 processes; with a store, leave an expired token in it before."""
    from krauth._plugins import open_store

    if url:
        store, grant = open_store(url), SCENARIOS[scenario][0]
        subjects.ours("requests", handle.https, grant, subjects.old(grant), store=store)
        store.close()
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.stampede", name, handle.https, scenario, url]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(subprocess.Popen(command, env=handle.env, **pipes)) for _ in range(16)]
        for one in children:
            one.stdout.readline()
        for one in children:
            one.stdin.write("go\n")
            one.stdin.flush()
        return [json.loads(one.communicate()[0])[0] for one in children]


def scenarios(name: str, handle: server.Handle, count: int, meet: Callable[[str], list[Any]], repeats: int = 1) -> Any:
    """Return the token requests and the failed callers of each scenario, the most of the repeats."""
    found = {}
    for scenario, (grant, refused) in SCENARIOS.items():
        if (name in ONE_GRANT and grant == REFRESH) or (count == 16 and refused):
            continue  # in processes each holds a token of its own that is refused
        worst = [0, 0]
        for _ in range(repeats):
            handle.reset(delay=DELAY, single_use=float(grant == REFRESH))
            got = meet(scenario)
            assert len(got) == count
            asked, failed = handle.counts()["token"], sum(one != 200 for one in got)
            worst = [max(worst[0], asked), max(worst[1], failed)]
        found[scenario] = worst
    return found


def run(size: int) -> dict[str, Any]:
    """Return one row for each shape and subject: `{shape, what, scenario: [token requests, failed callers]}`."""
    rows = []
    with server.running() as handle, stores.servers() as urls, tempfile.TemporaryDirectory() as folder:
        for shape, (count, names) in [*SHAPES.items()][:: 3 if size == 0 else 1]:
            for label in some(names, size):
                name, _, kind = label.partition(", ")
                if kind and kind not in urls:
                    continue
                say(f"  {shape}, {label}")
                if shape == PROCESSES:

                    def meet(scenario: str, name: str = name, kind: str = kind) -> list[Any]:
                        return processes(name, handle, scenario, stores.fresh(urls[kind], folder) if kind else "")

                    found = scenarios(name, handle, count, meet, REPEATS[size])
                else:
                    found = child("stampede", shape, name, *handle.ports, REPEATS[size], env=handle.env)
                rows.append({"shape": shape, "what": label, **found})
    return {"rows": rows}


if __name__ == "__main__":
    match sys.argv[1:]:
        case [its_shape, its_name, *its_ports, its_repeats] if its_shape in SHAPES:
            its_handle = server.Handle(*its_ports, Path(os.environ["SSL_CERT_FILE"]))
            its_meet = partial(callers, its_shape, its_name, its_handle.https)
            print(json.dumps(scenarios(its_name, its_handle, SHAPES[its_shape][0], its_meet, int(its_repeats))))
        case its_arguments:
            print(json.dumps(one_of_many(*its_arguments)))
