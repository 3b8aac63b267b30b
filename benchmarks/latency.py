"""Latency under constant load while a token expires and is refreshed, with 200 stuck sellers next door. Over https.

Each subject runs in a process of its own with a fast wall clock, so that a token of 30 minutes lives for seconds and each
library keeps its own margins. Calls begin on a schedule, and latency counts from the moment when a call was due.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import time
from typing import Any

from . import server, subjects
from .measure import child, percentiles, shuffled

#: The token endpoint's delay is 24 s of the fast clock: less than the 30 s that are the smallest margin of a peer.
SPEED, LIFETIME, DELAY = 240.0, 1800.0, 0.1
#: A call that took longer than these seconds has waited for the token endpoint.
WAITED = 0.04
THREADS, RATE, STUCK, LIFETIMES = 4, 6.0, 200, 1.2
THREADED = {"requests: static bearer": subjects.static} | subjects.BLOCKING
TASKS = {"aiohttp: static bearer": subjects.krauth_aiohttp} | subjects.ASYNC


def accelerate() -> None:
    """Let the wall clock run fast for everything that is imported from now on. Monotonic clocks, which wait, stay."""
    real_time, started = time.time, time.time()

    def fast() -> float:
        return started + (real_time() - started) * SPEED

    time.time = fast  # type: ignore[assignment]

    class FastDatetime(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(fast(), tz)

    class Module:
        datetime, timedelta, timezone = FastDatetime, datetime.timedelta, datetime.timezone

    import httpx_auth._oauth2.tokens as tokens

    tokens.datetime = Module  # type: ignore[assignment]


class Results:
    def __init__(self) -> None:
        self.latencies: dict[bool, list[float]] = {True: [], False: []}  # of the subject, of the control
        self.failed = 0

    def add(self, is_subject: bool, seconds: float, status: Any) -> None:
        self.latencies[is_subject].append(seconds)
        self.failed += is_subject and status != 200

    def summary(self) -> dict[str, Any]:
        found = {key: percentiles(self.latencies[which]) for key, which in (("own", True), ("control", False))}
        waited = sum(one >= WAITED for one in self.latencies[True])
        return found["own"] | {"control": found["control"]["max"], "waited": waited, "failed": self.failed}


#: What must not be closed before the process ends.
KEPT: list[Any] = []


def settle() -> Any:
    """Yield until the sellers next door are stuck; keep the collector off the imported modules: it stops all for 20 ms."""
    for _ in range(100):
        before = time.process_time()
        yield
        if time.process_time() - before < 0.02:
            break
    gc.collect()
    gc.freeze()


def quietly(call: Any) -> None:
    with contextlib.suppress(Exception):
        call()


def in_threads(name: str, base: str, stuck: int) -> dict[str, Any]:
    make, token, results = THREADED[name], subjects.old(subjects.CLIENT), Results()
    call, control = make(base, subjects.CLIENT, token), subjects.static(base, "", None)
    for _ in range(3):
        call(), control()
    for number in range(stuck):
        hung = make(base, subjects.CLIENT, token, token_endpoint=f"{base}/stuck/{number}/token")
        threading.Thread(target=quietly, args=(hung,), daemon=True).start()
    for _ in settle():
        time.sleep(0.2)
    began = time.perf_counter() + 0.2

    def work(number: int) -> None:
        mine, due = (call, control)[number == THREADS], began + number / RATE / THREADS
        while due < began + LIFETIME / SPEED * LIFETIMES:
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                status: Any = mine()
            except Exception as error:
                status = error
            results.add(number < THREADS, time.perf_counter() - due, status)
            due += 1 / RATE

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results.summary()


async def in_tasks(name: str, base: str, stuck: int) -> dict[str, Any]:
    results, token = Results(), subjects.old(subjects.CLIENT)
    how: dict[str, Any] = {"auth": subjects.STATIC} if name not in subjects.ASYNC else {}
    call = TASKS[name](base, subjects.CLIENT, token, wire=True, **how)
    control = subjects.krauth_aiohttp(base, "", None, subjects.STATIC)

    async def one(is_subject: bool, due: float) -> None:
        try:
            status: Any = await (call if is_subject else control)()
        except Exception as error:
            status = error
        results.add(is_subject, time.perf_counter() - due, status)

    for _ in range(3):
        await call(), await control()
    hung = []
    for number in range(stuck if name in subjects.ASYNC else 0):
        endpoint = f"{base}/stuck/{number}/token"
        hung.append(TASKS[name](base, subjects.CLIENT, token, wire=True, token_endpoint=endpoint, **how))
    waiting = [asyncio.ensure_future(hang()) for hang in hung]
    KEPT.extend((hung, waiting, call, control))
    for _ in settle():
        await asyncio.sleep(0.2)
    began, tasks, number = time.perf_counter() + 0.2, [], 0
    while (due := began + number / RATE / THREADS) < began + LIFETIME / SPEED * LIFETIMES:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks += [asyncio.create_task(one(who, due)) for who in ((True, False) if number % THREADS == 0 else (True,))]
        number += 1
    await asyncio.gather(*tasks)
    return results.summary()


def run(*, full: bool) -> dict[str, Any]:
    """Return `{subject: {p50, p99, …, waited, failed, token_requests, control}}`; with the stuck sellers `next door`."""
    found: dict[str, Any] = {}
    with server.running() as handle:
        for stuck in (0, STUCK) if full else (STUCK,):
            for name in shuffled([*THREADED, *(f"{one}, async" for one in TASKS)], stuck):
                handle.reset(delay=DELAY, lifetime=LIFETIME, speed=SPEED)
                try:
                    one = child("latency", name, handle.https, stuck, env=handle.env, timeout=200)
                    one |= {key: handle.counts()[key] for key in ("token", "refused")}
                except subprocess.TimeoutExpired:  # one stuck seller holds the event loop
                    one = {}
                found.setdefault(name, {})["next door" if stuck else "alone"] = one
    return found


if __name__ == "__main__":
    accelerate()
    logging.disable()  # the stuck sellers' warnings
    its_name, its_base, its_stuck = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if its_name.endswith(", async"):
        its_result = asyncio.new_event_loop().run_until_complete(
            in_tasks(its_name.removesuffix(", async"), its_base, its_stuck)
        )
    else:
        its_result = in_threads(its_name, its_base, its_stuck)
    print(json.dumps(its_result), flush=True)
    os._exit(0)  # the stuck sellers never end
