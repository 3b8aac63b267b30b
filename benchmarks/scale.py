"""Part 7: 1 to 100,000 auth objects in one process: creation, memory, a look at the token, one refresh storm."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from typing import Any

COUNTS = (1, 10, 100, 1_000, 10_000, 100_000)
SECRET = "$2a$04$abcdefghijklmnopqrstuu"


def subject(count: int) -> dict[str, Any]:
    """Make and use `count` auth objects, one per seller, in this process."""
    import requests

    from krauth import HTTPResponse
    from krauth_requests import NaverAuth

    asked = 0
    body = json.dumps({"access_token": "at-" + "x" * 40, "token_type": "Bearer", "expires_in": 10800}).encode()

    def send(request: Any) -> Any:
        nonlocal asked
        asked += 1  # a lower bound among threads; exact enough for a count that is compared
        return HTTPResponse(200, {}, body)

    first = NaverAuth(
        "id", SECRET, account_id="warm", base_url="https://api.example.com/external", token_transport=send
    )
    first.token()
    asked = 0
    gc.collect()
    tracemalloc.start()
    base_memory = tracemalloc.get_traced_memory()[0]
    traced = [first.for_account(f"seller-{number}") for number in range(min(count, 10_000))]
    gc.collect()
    memory = (tracemalloc.get_traced_memory()[0] - base_memory) / len(traced)
    tracemalloc.stop()
    del traced
    gc.collect()

    started = time.process_time()
    auths = [first.for_account(f"seller-{number}") for number in range(count)]
    creation = (time.process_time() - started) / count
    threads_idle = threading.active_count()

    # The storm: everybody's first token at once, as after a pause of hours. 16 callers' threads.
    started, cpu = time.perf_counter(), time.process_time()
    share = -(-count // 16)

    def work(mine: list[Any]) -> None:
        for auth in mine:
            auth.token()

    callers = [threading.Thread(target=work, args=(auths[at : at + share],)) for at in range(0, count, share)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    storm, storm_cpu = time.perf_counter() - started, time.process_time() - cpu
    threads_busy = threading.active_count()

    prepared = [
        requests.Request("GET", "https://api.example.com/external/v1").prepare() for _ in range(min(count, 20_000))
    ]
    started = time.process_time()
    for auth, request in zip(auths, prepared, strict=False):
        auth(request)
    peek = (time.process_time() - started) / len(prepared)
    del auths, prepared
    gc.collect()
    return {
        "count": count,
        "creation_seconds": creation,
        "bytes_each_idle": memory,
        "threads_idle": threads_idle,
        "storm_seconds": storm,
        "storm_cpu_seconds_each": storm_cpu / count,
        "storm_token_requests": asked,
        "threads_after_storm": threads_busy,
        "call_seconds": peek,
    }


def run(*, full: bool) -> list[dict[str, Any]]:
    """Return one row per count."""
    found = []
    for count in COUNTS if full else COUNTS[:-1]:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.scale", str(count)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ},
        )
        found.append(json.loads(done.stdout))
    return found


if __name__ == "__main__":
    print(json.dumps(subject(int(sys.argv[1]))))
