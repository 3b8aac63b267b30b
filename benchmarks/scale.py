"""Part 7: 1 to 100,000 auth objects in one process: memory, creation, a call, first tokens, and a refresh of all."""

from __future__ import annotations

import gc
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

from .measure import percentiles

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTS = (1, 10, 100, 1_000, 10_000, 100_000)
SECRET = "$2a$04$abcdefghijklmnopqrstuu"
URL = "https://api.example.com/external/v1"
LIFETIME, WINDOW = 10800, 1800
#: Callers' threads for the first tokens.
CALLERS = 16


class Fleet:
    """Auth objects whose token endpoint answers at once, with another token each time."""

    def __init__(self) -> None:
        from krauth_requests import NaverAuth

        self.asked: list[None] = []  # counts among threads: an append is atomic
        self.first = NaverAuth(
            "id", SECRET, account_id="warm", base_url="https://api.example.com/external", token_transport=self.send
        )

    def warm(self) -> None:
        """Have imported and started what is imported and started only once."""
        self.first.for_account("warm too").token()

    def send(self, request: Any) -> Any:
        from krauth import HTTPResponse

        self.asked.append(None)
        token = f"at-{time.perf_counter_ns():040d}"
        body = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME})
        return HTTPResponse(200, {}, body.encode())

    def make(self, count: int, name: str = "seller") -> list[Any]:
        return [self.first.for_account(f"{name}-{number}") for number in range(count)]


def requests_of(count: int) -> list[Any]:
    """Return prepared requests, each with hooks of its own."""
    import requests

    prepared = requests.Request("GET", URL).prepare()
    batch = [prepared.copy() for _ in range(count)]
    for request in batch:
        request.hooks = {"response": []}
    return batch


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# Each of the three runs in a process of its own.


def memory(count: int) -> dict[str, Any]:
    """Return the bytes that Python allocates for an object, before and after its token (of 10,000 and 1,000 at most)."""
    fleet = Fleet()
    fleet.warm()
    tracemalloc.start()

    def traced() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    before = traced()
    auths = fleet.make(min(count, 10_000))
    idle = traced()
    some = auths[:1_000]
    for auth in some:
        auth.token()
    each = (idle - before) / len(auths)
    return {"bytes_each_idle": each, "bytes_each_with_token": each + (traced() - idle) / len(some)}


def calls(count: int) -> dict[str, Any]:
    """Return the seconds of creation, of reading the token and of a call, of at least 1,000 operations each.

    Fewer objects are made several times, and used several times in turn. The tokens are set, not asked for.
    """
    from krauth import Token
    from krauth._engine.rules import Held

    fleet, rounds = Fleet(), -(-1_000 // count)
    auths = fleet.make(count)
    creation = 0.0
    for _ in range(rounds):
        del auths
        started = time.thread_time()
        auths = fleet.make(count)
        creation += time.thread_time() - started
    now = time.time()
    for number, auth in enumerate(auths):
        auth._source.replace(Held(Token(f"at-{number:040d}", expires_at=now + LIFETIME, obtained_at=now), 1))
    turns = auths * rounds
    random.Random(1).shuffle(turns)  # as calls come; in the order of creation the next would be fetched ahead
    gc.collect()
    gc.disable()

    def peek(batch: list[Any]) -> None:
        for auth, _ in batch:
            auth._source.peek(auth)

    def call(batch: list[Any]) -> None:
        for auth, request in batch:
            auth(request)

    def seconds(what: Callable[[list[Any]], None], auths: list[Any]) -> float:
        spent = 0.0
        for at in range(0, len(auths), 100):
            batch = list(zip(auths[at : at + 100], requests_of(100), strict=False))
            started = time.thread_time()
            what(batch)
            spent += time.thread_time() - started
        return spent / len(auths)

    for what in (peek, call):
        seconds(what, turns[:100])  # warm
    return {
        "threads_idle": threading.active_count(),
        "creation_seconds": creation / len(turns),
        "peek_seconds": seconds(peek, turns),
        "call_seconds": seconds(call, turns),
    }


def storms(count: int) -> dict[str, Any]:
    """Return what it costs that all get their first token at once, and that all tokens become due at once.

    Fewer than 100 objects do it several times, with new objects; means then, but the slowest call of all.
    """
    from krauth.testing import FakeClock

    with FakeClock() as clock:
        fleet = Fleet()
        fleet.warm()
        found = [storm(fleet, clock, count, f"round-{number}") for number in range(-(-100 // count))]
    fold: dict[bool, Callable[[list[float]], float]] = {True: max, False: statistics.fmean}
    return {key: fold["slowest" in key]([one[key] for one in found]) for key in found[0]}


def storm(fleet: Fleet, clock: Any, count: int, name: str) -> dict[str, float]:
    auths = fleet.make(count, name)
    return {"resident_idle": resident()} | first_tokens(fleet, auths) | refresh(fleet, clock, auths)


def first_tokens(fleet: Fleet, auths: list[Any]) -> dict[str, float]:
    """Have 16 threads ask for everybody's first token, as after a pause of hours."""
    fleet.asked.clear()

    def work(mine: list[Any]) -> None:
        for auth in mine:
            auth.token()

    callers = [threading.Thread(target=work, args=(auths[at::CALLERS],)) for at in range(min(CALLERS, len(auths)))]
    started, cpu = time.perf_counter(), time.process_time()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return {
        "first_seconds": time.perf_counter() - started,
        "first_cpu_seconds_each": (time.process_time() - cpu) / len(auths),
        "first_token_requests": len(fleet.asked),
        "threads_after_first": threading.active_count(),
        "resident_with_token": resident(),
    }


def refresh(fleet: Fleet, clock: Any, auths: list[Any]) -> dict[str, float]:
    """Let all tokens become due, make one call each, from one thread, and wait until all are renewed.

    Preparing the request before each call is the control: code of requests that takes somewhat longer, and waits for
    nothing but a CPU and the interpreter's lock.
    """
    import requests

    fleet.asked.clear()
    clock.advance(LIFETIME - WINDOW + 200)
    now = clock.monotonic()
    calls, controls, cpu_of_calls = [], [], 0.0
    started, cpu = time.perf_counter(), time.process_time()
    for auth in auths:
        before = time.perf_counter()
        request = requests.Request("GET", URL).prepare()
        ready, cpu_before = time.perf_counter(), time.thread_time()
        auth(request)
        cpu_of_calls += time.thread_time() - cpu_before
        calls.append(time.perf_counter() - ready)
        controls.append(ready - before)
    called = time.perf_counter() - started
    most_threads = threading.active_count()
    while len(fleet.asked) < len(auths) or any(auth._source.snapshot.fresh_mono <= now for auth in auths):
        if time.perf_counter() - started > 900:
            raise RuntimeError(f"{len(fleet.asked)} of {len(auths)} tokens were renewed within 15 minutes")
        time.sleep(0.001)
    ours, control = percentiles(calls), percentiles(controls)
    return {
        "refresh_seconds": time.perf_counter() - started,
        "refresh_cpu_seconds_each": (time.process_time() - cpu) / len(auths),
        "refresh_token_requests": len(fleet.asked),
        "refresh_calls_took_seconds": called,
        "refresh_call_cpu_seconds": cpu_of_calls / len(auths),
        "refresh_call_p50": ours["p50"],
        "refresh_call_p99": ours["p99"],
        "refresh_call_slowest": ours["max"],
        "refresh_control_p50": control["p50"],
        "refresh_control_p99": control["p99"],
        "refresh_control_slowest": control["max"],
        "threads_after_calls": most_threads,
    }


SUBJECTS: dict[str, Callable[[int], dict[str, Any]]] = {"memory": memory, "calls": calls, "storms": storms}


def row(count: int) -> dict[str, Any]:
    """Return all that is measured of one count."""
    found: dict[str, Any] = {"count": count}
    for name in SUBJECTS:
        command = [sys.executable, "-m", "benchmarks.scale", str(count), name]
        found |= json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return found


def run(*, full: bool) -> list[dict[str, Any]]:
    """Return one row per count."""
    return [row(count) for count in (COUNTS if full else COUNTS[:-1])]


if __name__ == "__main__":
    print(json.dumps(SUBJECTS[sys.argv[2]](int(sys.argv[1])) if len(sys.argv) > 2 else row(int(sys.argv[1]))))
