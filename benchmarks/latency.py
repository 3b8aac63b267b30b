"""Part 4: latency under constant load while tokens expire and are renewed, and how many calls noticed.

Each subject runs in a process of its own with a fast clock: what it takes for the wall clock runs `SPEED` times as
fast, so that an hour's token lives seconds and every library keeps its own defaults. Calls begin on a schedule, and
latency counts from when a call should have begun (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import datetime
import gc
import json
import subprocess
import sys
import threading
import time
from typing import Any

from . import server
from .measure import percentiles, shuffled

#: So that the token endpoint's delay is 24 s of the fast clock: less than the margin of every peer that has one
#: (30 s and more), or its refused calls would be an artefact.
SPEED = 240.0
LIFETIME = 1800.0
#: Real seconds that the token endpoint takes, and what counts as having waited for it.
DELAY, WAITED = 0.1, 0.04
THREADS, RATE = 8, 20.0
#: the controls → their makers
STATIC = {"requests: static bearer": "static", "httpx: static bearer": "static_httpx"}
#: those whose callers are tasks on one event loop → their makers
TASKS = {
    "httpx, async: static bearer": "static_httpx_async",
    "aiohttp: static bearer": "static_aiohttp",
    "krauth httpx, async": "krauth httpx",
    "krauth httpx2, async": "krauth httpx2",
    "krauth aiohttp": "krauth aiohttp",
    "Authlib (httpx2), async": "Authlib (httpx2)",
    "httpx-auth, async": "httpx-auth",
}
NAMES = (
    "requests: static bearer",
    "httpx: static bearer",
    "krauth requests",
    "krauth httpx",
    "Authlib (requests)",
    "requests-oauthlib",
    "httpx-auth",
    "google-auth",
    "google-auth, non-blocking",
    "MSAL",
    "botocore",
    "httpx, async: static bearer",
    "aiohttp: static bearer",
    "krauth httpx, async",
    "krauth httpx2, async",
    "krauth aiohttp",
    "Authlib (httpx2), async",
    "httpx-auth, async",
)


def accelerate() -> None:
    """Let the wall clock of everything imported from now on run fast; monotonic clocks, which wait, stay."""
    real_time, started = time.time, time.time()

    def fast() -> float:
        return started + (real_time() - started) * SPEED

    time.time = fast  # type: ignore[assignment]

    class FastDatetime(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(fast(), tz)

    import google.auth._helpers
    import httpx_auth._oauth2.tokens as tokens

    class Module:
        datetime, timedelta, timezone = FastDatetime, datetime.timedelta, datetime.timezone

    tokens.datetime = Module  # type: ignore[assignment]
    google.auth._helpers.utcnow = lambda: FastDatetime.now(datetime.UTC).replace(tzinfo=None)

    from krauth._values import clock as _clock

    class FastClock(_clock.Clock):
        time = staticmethod(fast)

    _clock.install_clock(FastClock())


def make(name: str, base: str) -> Any:
    from . import subjects

    if name in STATIC:
        return getattr(subjects, STATIC[name])(base, subjects.CLIENT)
    if name == "google-auth, non-blocking":
        from google.auth import credentials

        blocking = credentials.Credentials.__init__

        def init(self: Any, *args: Any) -> None:
            blocking(self, *args)
            self.with_non_blocking_refresh()

        credentials.Credentials.__init__ = init  # type: ignore[method-assign]
        name = "google-auth"
    maker, grants = subjects.BLOCKING[name]
    return maker(base, grants[0])


async def subject_of_tasks(name: str, base: str, seconds: float) -> dict[str, Any]:
    """Load one async subject, on this process's only event loop; each call is a task that begins when it is due."""
    from . import subjects

    accelerate()
    maker = getattr(subjects, TASKS[name], None) or subjects.ASYNC[TASKS[name]][0]
    subject, control = maker(base, subjects.CLIENT, wire=True), subjects.static_aiohttp(base, subjects.CLIENT)
    found: dict[Any, list[float]] = {subject: [], control: []}
    statuses: dict[str, int] = {}

    async def one(call: Any, due: float | None = None) -> None:
        try:
            status = str(await call())
        except Exception as error:
            status = type(error).__name__
        if due is not None:
            found[call].append(time.perf_counter() - due)
            if call is subject:
                statuses[status] = statuses.get(status, 0) + 1

    for call in (subject, control) * 4:  # the first token, which every subject waits for
        await one(call)
    settle()
    began, tasks, number = time.perf_counter() + 0.1, [], 0
    while (due := began + number / RATE / THREADS) < began + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(subject, due)))
        if number % THREADS == 0:
            tasks.append(asyncio.create_task(one(control, due)))
        number += 1
    await asyncio.gather(*tasks)
    for call in (subject, control):
        if hasattr(call, "aclose"):
            await call.aclose()
    return summary(found[subject], found[control], statuses)


def settle() -> None:
    """Let the collector leave alone what was imported: its full passes stop everybody for 10 to 20 ms otherwise."""
    gc.collect()
    gc.freeze()


def summary(latencies: list[float], controls: list[float], statuses: dict[str, int]) -> dict[str, Any]:
    return {
        **percentiles(latencies),
        "waited": sum(latency >= WAITED for latency in latencies),
        "control": {**percentiles(controls), "waited": sum(latency >= WAITED for latency in controls)},
        "statuses": statuses,
    }


def subject(name: str, base: str, seconds: float) -> dict[str, Any]:
    """Load one subject, in this process."""
    accelerate()
    call, control = make(name, base), make("requests: static bearer", base)
    begun = threading.Barrier(THREADS + 2)
    latencies: list[float] = []
    controls: list[float] = []
    statuses: dict[str, int] = {}
    lock = threading.Lock()
    began = 0.0

    def one(call: Any = call) -> str:
        try:
            return str(call())
        except Exception as error:
            return type(error).__name__

    one()  # the first token, which every subject waits for
    for _ in range(3):
        one()
        one(control)

    def watch() -> None:  # what the machine alone does to a call, in the same process at the same time
        begun.wait()
        at = began
        while at < began + seconds:
            time.sleep(max(0.0, at - time.perf_counter()))
            one(control)
            controls.append(time.perf_counter() - at)
            at += 1 / RATE

    def work(number: int) -> None:
        mine, seen = [], []
        begun.wait()
        at = began + number / RATE / THREADS
        while at < began + seconds:
            time.sleep(max(0.0, at - time.perf_counter()))
            status = one()
            mine.append(time.perf_counter() - at)
            seen.append(status)
            at += 1 / RATE
        with lock:
            latencies.extend(mine)
            for status in seen:
                statuses[status] = statuses.get(status, 0) + 1

    settle()
    threads = [threading.Thread(target=watch)]
    threads += [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    began = time.perf_counter() + 0.1
    begun.wait()
    for thread in threads:
        thread.join()
    return summary(latencies, controls, statuses)


def run(*, full: bool) -> dict[str, Any]:
    """Return `{subjects: {name: [one dict per run]}, settings}`."""
    lifetimes, runs = 2.2, 3 if full else 1
    seconds = LIFETIME / SPEED * lifetimes
    found: dict[str, Any] = {name: [] for name in NAMES}
    with server.running() as handle:
        for number in range(runs):
            for name in shuffled(NAMES, number):
                handle.reset(delay=DELAY, lifetime=LIFETIME, speed=SPEED)
                command = [sys.executable, "-W", "ignore", "-m", "benchmarks.latency", name, handle.base, str(seconds)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                counts = handle.counts()
                asked = {"token_requests": counts["token"], "refused": counts["refused_api"]}
                found[name].append(json.loads(done.stdout) | asked)
    settings = {
        "seconds": seconds,
        "lifetimes": lifetimes,
        "runs": runs,
        "calls_per_second": THREADS * RATE,
        "threads": THREADS,
        "token_delay": DELAY,
        "waited_means": WAITED,
        "speed": SPEED,
    }
    return {"settings": settings, "subjects": found}


if __name__ == "__main__":
    its_name, its_base, its_seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    if its_name in TASKS:
        print(json.dumps(asyncio.run(subject_of_tasks(its_name, its_base, its_seconds))))
    else:
        print(json.dumps(subject(its_name, its_base, its_seconds)))
