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
from .measure import SMOKE, child, percentiles, say

#: The token endpoint's delay is 24 s of the fast clock: less than the 30 s that are the smallest margin of a peer.
SPEED, LIFETIME, DELAY = 300.0, 1800.0, 0.08
#: A call that took longer than these seconds has waited for the token endpoint.
WAITED = 0.04
#: seconds of measuring: one lifetime, or four; seconds after which a run has hung
SECONDS, HUNG = (1.0, LIFETIME / SPEED, 4 * LIFETIME / SPEED), (60, 20, 60)
#: Tasks that must not be collected while they wait.
KEPT: list[Any] = []
THREADS, RATE, STUCK = 4, 6.0, 200
BLOCKING = {subjects.STATIC: subjects.static} | subjects.BLOCKING
WHO = [*(("threads", name) for name in BLOCKING), *(("tasks", name) for name in (subjects.STATIC, *subjects.ASYNC))]


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

    tokens.datetime = Module


class Results:
    """What the calls of the subject and of the control, a static bearer in the same process, took."""

    def __init__(self) -> None:
        self.latencies: dict[bool, list[float]] = {True: [], False: []}
        self.failed = 0

    def add(self, is_subject: bool, due: float, status: Any) -> None:
        self.latencies[is_subject].append(time.perf_counter() - due)
        self.failed += is_subject and status != 200

    def summary(self) -> dict[str, Any]:
        mine = self.latencies[True]
        waited = sum(one >= WAITED for one in mine)
        return percentiles(mine) | {"control": max(self.latencies[False]), "waited": waited, "failed": self.failed}


def settled() -> bool:
    """Return whether the sellers next door have come to rest, which they have when little CPU time is used."""
    before = time.process_time()
    time.sleep(0.2)
    return time.process_time() - before < 0.02


def in_threads(name: str, base: str, stuck: int, seconds: float) -> dict[str, Any]:
    make, token, results = BLOCKING[name], subjects.old(subjects.CLIENT), Results()
    call, control = make(base, subjects.CLIENT, token), subjects.static(base, "", None)
    call(), control()

    def hang(number: int) -> None:
        with contextlib.suppress(Exception):
            make(base, subjects.CLIENT, token, token_endpoint=f"{base}/stuck/{number}/token")()

    for number in range(stuck if name != subjects.STATIC else 0):
        threading.Thread(target=hang, args=(number,), daemon=True).start()
    any(settled() for _ in range(50))
    gc.collect()
    gc.freeze()  # a later collection of the imported modules stops all threads for 20 ms
    began = time.perf_counter() + 0.2

    def work(number: int) -> None:
        due = began + number / RATE / THREADS
        while due < began + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                status: Any = (control if number == THREADS else call)()
            except Exception as error:
                status = error
            results.add(number < THREADS, due, status)
            due += 1 / RATE

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results.summary()


async def in_tasks(name: str, base: str, stuck: int, seconds: float) -> dict[str, Any]:
    results, old = Results(), (subjects.CLIENT, subjects.old(subjects.CLIENT))
    control = subjects.krauth_aiohttp(base, None)
    call = control if name == subjects.STATIC else subjects.asynchronous(name, base, *old, wire=True)
    await call(), await control()

    async def one(is_subject: bool, due: float) -> None:
        try:
            status: Any = await (call if is_subject else control)()
        except Exception as error:
            status = error
        results.add(is_subject, due, status)

    hung = [
        subjects.asynchronous(name, base, *old, wire=True, token_endpoint=f"{base}/stuck/{number}/token")
        for number in range(stuck if name != subjects.STATIC else 0)
    ]
    KEPT.extend(asyncio.ensure_future(hang()) for hang in hung)
    for _ in range(50):
        await asyncio.sleep(0.2)
        if await asyncio.to_thread(settled):
            break
    gc.collect()
    gc.freeze()
    began, tasks, number = time.perf_counter() + 0.2, [], 0
    while (due := began + number / RATE / THREADS) < began + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks += [asyncio.create_task(one(who, due)) for who in ((True, False) if number % THREADS == 0 else (True,))]
        number += 1
    await asyncio.gather(*tasks)
    return results.summary()


def run(size: int) -> dict[str, Any]:
    """Return one row for each subject: `{shape, what, p50, p99, p999, max, n, waited, failed, token, control}`."""
    rows = []
    with server.running() as handle:
        for shape, name in [("threads", "krauth httpx"), ("tasks", "krauth aiohttp")] if size == SMOKE else WHO:
            say(f"  {shape}, {name}")
            handle.reset(delay=DELAY, lifetime=LIFETIME, speed=SPEED)
            row: dict[str, Any] = {"shape": shape, "what": name}
            try:
                row |= child(
                    "latency", shape, name, handle.https, STUCK, SECONDS[size], env=handle.env, timeout=HUNG[size]
                )
                row["token"] = handle.counts()["token"]
            except subprocess.TimeoutExpired:  # one stuck seller holds the lock or the event loop that all share
                pass
            rows.append(row)
    return {"rows": rows}


if __name__ == "__main__":
    accelerate()
    logging.disable()  # the stuck sellers' warnings
    its_how = sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
    if sys.argv[1] == "tasks":
        its_result = asyncio.new_event_loop().run_until_complete(in_tasks(*its_how))
    else:
        its_result = in_threads(*its_how)
    print(json.dumps(its_result), flush=True)
    os._exit(0)  # the stuck sellers never end
