"""Sellers in one process: memory, first tokens of all, and a storm in which all tokens are due; beside the bcrypt limit.

Each token request of Naver is signed with bcrypt. The signature is the least that a library can spend, so the limit is the
CPU time of as many signatures, measured in the same process before, between and after.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import server, subjects
from .measure import FULL, NORMAL, SMOKE, child, percentiles, say

SECRET = "$2a$04$abcdefghijklmnopqrstuu"
LIFETIME, WINDOW = 10800, 1800
CALLERS, SAMPLE = 16, 1000
#: how token requests travel, and how many sellers, for each size of a run
ROWS = (
    (("function", 100), ("https", 100)),
    (("function", 1_000), ("http", 1_000), ("https", 1_000), ("https, one session", 1_000), ("https", 10_000)),
    (("function", 100_000), ("https, one session", 100_000), ("https", 100_000)),
)


#: A row of `make bench` that would take longer than these seconds is left out. 100,000 over https take half an hour.
MOST = 150.0


def limit(count: int) -> float:
    """Return the CPU seconds of one signature, made by as many threads as call later."""
    from krauth.naver import sign

    with ThreadPoolExecutor(CALLERS) as pool:
        cpu = time.process_time()
        list(pool.map(lambda number: sign("id", SECRET, 1_700_000_000_000 + number), range(count)))
        return (time.process_time() - cpu) / count


def sellers(way: str, count: int, base: str, name: str = "seller") -> list[Any]:
    """Make an auth object for each seller. The first one has its token before anything is measured."""
    import requests

    from krauth_requests import NaverAuth

    transport = {"function": subjects.canned, "https, one session": subjects.pooled(requests.Session())}.get(way)
    first = NaverAuth("id", SECRET, account_id=f"{name}-0", base_url=base, token_transport=transport)
    first.token()
    return [first.for_account(f"{name}-{number}") for number in range(1, count + 1)]


def memory(count: int) -> dict[str, float]:
    """Return the bytes that Python allocates for each seller, idle and with a token."""
    sellers("function", 1, "https://api.example.com", "warm")[0].token()
    tracemalloc.start()

    def traced() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    before = traced()
    auths = sellers("function", count, "https://api.example.com")
    idle = traced()
    for auth in auths:
        auth.token()
    return {"idle": (idle - before) / count, "with_token": (traced() - before) / count}


def spent(wall: float, cpu: float, count: int) -> dict[str, float]:
    return {"wall": time.perf_counter() - wall, "cpu": (time.process_time() - cpu) / count}


def storms(way: str, count: int, base: str) -> dict[str, Any]:
    """Return the cost of the first tokens of all from 16 threads, and of a call each while all are due."""
    import requests

    from krauth.testing import FakeClock

    failed, sample = 0, min(count, SAMPLE)

    def token(auth: Any) -> None:
        nonlocal failed
        try:
            auth.token()
        except Exception as error:
            failed += 1
            print(type(error).__name__, error, file=sys.stderr)

    with FakeClock() as clock:
        limits, auths = [limit(sample)], sellers(way, count, base)
        wall, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(token, auths))
        first = spent(wall, cpu, count)
        held = [auth._source.snapshot for auth in auths]
        limits.append(limit(sample))
        clock.advance(LIFETIME - WINDOW + 200)  # due, and good for half an hour more
        calls = []
        wall, cpu = time.perf_counter(), time.process_time()
        for auth in auths:
            request = requests.Request("GET", f"{base}/v1").prepare()
            started = time.perf_counter()
            auth(request)
            calls.append(time.perf_counter() - started)
        while any(auth._source.snapshot is old for auth, old in zip(auths, held, strict=True)):
            if time.perf_counter() - wall > 3000:
                raise RuntimeError("the tokens were not refreshed within 50 minutes")
            time.sleep(min(1.0, count / 20_000))
        storm = spent(wall, cpu, count)
        limits.append(limit(sample))
    least = sum(limits) / len(limits)
    for one in (first, storm):
        one["ratio"] = one["cpu"] / least
    return {"first": first, "storm": storm, "limit": least, "call": percentiles(calls), "failed": failed}


def run(size: int) -> dict[str, Any]:
    """Return `{bytes: {idle, with_token}, rows: [{way, count, first, storm, limit, call, failed}]}`."""
    rows = []
    with server.running() as handle:
        for way, count in ROWS[1] + ROWS[2] if size == FULL else ROWS[size]:
            say(f"  {count:,} sellers, {way}")
            each = [(row["first"]["wall"] + row["storm"]["wall"]) / row["count"] for row in rows if row["way"] == way]
            if size == NORMAL and each and each[-1] * count > MOST:
                say(f"    left out: it would take {each[-1] * count:.0f} s")
                continue
            handle.reset(lifetime=LIFETIME)
            base = "https://api.example.com" if way == "function" else getattr(handle, way.partition(",")[0])
            rows.append({"way": way, "count": count, **child("scale", way, count, base, env=handle.env)})
    return {"bytes": child("scale", "memory", 200 if size == SMOKE else 2000), "rows": rows}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["memory", its_count]:
            print(json.dumps(memory(int(its_count))))
        case [its_way, its_count, its_base]:
            print(json.dumps(storms(its_way, int(its_count), its_base)), flush=True)
    os._exit(0)
