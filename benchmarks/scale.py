"""Sellers in one process: memory, first tokens of all, and a storm in which all tokens are due; beside the bcrypt limit.

Each token request of Naver is signed with bcrypt. The signature is the least that a library can spend, so the limit is the
CPU time of as many signatures, measured in the same process before and after. The token endpoint answers in the process
(`function`), or over http or https.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import server, subjects
from .measure import child, percentiles

SECRET = "$2a$04$abcdefghijklmnopqrstuu"
LIFETIME, WINDOW = 10800, 1800
CALLERS, SAMPLE = 16, 1000
#: way of the token requests → numbers of sellers; 100,000 over https take half an hour of CPU
WAYS = {"function": (1_000, 10_000, 100_000), "http": (1_000,), "https": (1_000, 10_000)}
FULL = {"https": (100_000,)}


def limit() -> float:
    """Return the CPU seconds of one signature, of 1,000 in as many threads as call later."""
    from krauth.naver import sign

    with ThreadPoolExecutor(CALLERS) as pool:
        cpu = time.process_time()
        list(pool.map(lambda number: sign("id", SECRET, 1_700_000_000_000 + number), range(SAMPLE)))
        return (time.process_time() - cpu) / SAMPLE


def sellers(count: int, base: str, name: str = "seller") -> list[Any]:
    from krauth_requests import NaverAuth

    how = {"base_url": base or "https://api.example.com/external"}
    how |= {} if base else {"token_transport": subjects.canned}
    first = NaverAuth("id", SECRET, account_id="warm", **how)
    first.token()
    return [first.for_account(f"{name}-{number}") for number in range(count)]


def memory(count: int) -> dict[str, float]:
    """Return the bytes that Python allocates for each seller, idle and with a token."""
    sellers(1, "", "warm")[0].token()
    tracemalloc.start()

    def traced() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    before = traced()
    auths = sellers(count, "")
    idle = traced()
    for auth in auths:
        auth.token()
    return {"idle": (idle - before) / count, "with token": (traced() - before) / count}


def storms(count: int, base: str) -> dict[str, Any]:
    """Return the cost of the first tokens of all from 16 threads, and of a call each while all are due."""
    import requests

    from krauth.testing import FakeClock

    with FakeClock() as clock:
        limits, auths, failed = [limit()], sellers(count, base), [0]

        def token(auth: Any) -> None:
            try:
                auth.token()
            except Exception as error:
                failed[0] += 1
                print(type(error).__name__, error, file=sys.stderr)

        wall, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(token, auths))
        found: dict[str, Any] = {"first": spent(wall, cpu, count), "failed": failed[0]}
        held = [auth._source.snapshot for auth in auths]
        limits.append(limit())
        clock.advance(LIFETIME - WINDOW + 200)  # due, and good for half an hour more
        calls, url = [], f"{base or 'https://api.example.com/external'}/v1"
        wall, cpu = time.perf_counter(), time.process_time()
        for auth in auths:
            request = requests.Request("GET", url).prepare()
            started = time.perf_counter()
            auth(request)
            calls.append(time.perf_counter() - started)
        while any(auth._source.snapshot is old for auth, old in zip(auths, held, strict=True)):
            if time.perf_counter() - wall > 3000:
                raise RuntimeError("the tokens were not refreshed within 50 minutes")
            time.sleep(min(1.0, count / 20_000))
        found |= {"storm": spent(wall, cpu, count), "call": percentiles(calls)}
        limits.append(limit())
    return found | {"limit": sum(limits) / len(limits), "threads": threading.active_count()}


def spent(wall: float, cpu: float, count: int) -> dict[str, float]:
    return {"wall": time.perf_counter() - wall, "cpu": (time.process_time() - cpu) / count}


def run(*, full: bool) -> dict[str, Any]:
    """Return `{bytes: {…}, rows: [{way, count, limit, first, storm, call, failed}]}`."""
    rows = []
    with server.running() as handle:
        for way, counts in WAYS.items():
            for count in counts + (FULL.get(way, ()) if full else ()):
                handle.reset(lifetime=LIFETIME)
                base = "" if way == "function" else f"{getattr(handle, way)}/external"
                one = child("scale", count, base, env=handle.env)
                if base:
                    one["token_requests"] = handle.counts()["token"]
                rows.append({"way": way, "count": count, **one})
    return {"bytes": child("scale", "memory", 2000), "rows": rows}


if __name__ == "__main__":
    if sys.argv[1] == "memory":
        print(json.dumps(memory(int(sys.argv[2]))))
    else:
        print(json.dumps(storms(int(sys.argv[1]), sys.argv[2])), flush=True)
    os._exit(0)
