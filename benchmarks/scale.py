"""Sellers in one process: memory, first tokens of all, and a storm in which all tokens are due; beside two measures.

Each token request of Naver is signed with bcrypt. The limit is the CPU time of a signature alone, the floor that of a
signature and the same POST, written by hand. Both are measured in the same process before, between and after.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from krauth.naver import sign
from krauth.testing import FakeClock
from krauth_requests import NaverAuth

from . import cold_start, server, subjects
from .measure import FULL, NORMAL, SMOKE, STARTED, child, percentiles, say

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "$2a$04$abcdefghijklmnopqrstuu"
LIFETIME, WINDOW = 10800, 1800
CALLERS, SAMPLE = 16, 200
#: how token requests travel, and how many sellers, for each size of a run
ROWS = (
    (("function", 100), ("https", 100)),
    (("function", 1_000), ("http", 1_000), ("https", 1_000), ("https, one session", 1_000), ("https", 10_000)),
    (("function", 100_000), ("https, one session", 100_000), ("https", 100_000)),
)
#: A row of `make bench` that would take longer than these seconds is left out. 100,000 over https take half an hour.
MOST = 150.0


class Ahead(FakeClock):
    """A clock that goes on, and is moved forward by hand: a token request that failed can be repeated."""

    def time(self) -> float:
        return super().time() + time.monotonic() - STARTED

    def monotonic(self) -> float:
        return super().monotonic() + time.monotonic() - STARTED

    def elapsed(self) -> float:
        return super().elapsed() + time.monotonic() - STARTED


class OneContext(HTTPAdapter):
    """Gives all connections one TLS context. requests alone reads the CA bundle anew for each connection."""

    def init_poolmanager(self, *settings: Any, **how: Any) -> None:
        super().init_poolmanager(*settings, ssl_context=subjects.trust(), **how)

    def send(self, *request: Any, **how: Any) -> Any:
        return super().send(*request, **how | {"verify": True})  # not the bundle's path, which urllib3 would read

    def cert_verify(self, *settings: Any) -> None:
        """Leave this to the context, which has read the bundle."""


def signature(number: int) -> str:
    return sign("id", SECRET, 1_700_000_000_000 + number)


def by_hand(way: str, base: str) -> Callable[[int], object]:
    """Return what makes a signature and sends it, as a careful program does that in this way."""
    if way == "function":
        return signature
    shared = None
    if way.endswith("session"):
        shared = subjects.requests_session()
        shared.mount("https://", OneContext(pool_maxsize=CALLERS))

    def post(number: int) -> str:
        form = {"client_id": "id", "timestamp": number, "grant_type": "client_credentials", "type": "SELF"}
        form["client_secret_sign"] = signature(number)
        session = shared or requests.Session()
        if shared is None:
            session.headers["Connection"] = "close"
        if way == "https":
            session.mount("https://", OneContext())
        answer = session.post(f"{base}/v1/oauth2/token", data=form, timeout=30)
        answer.raise_for_status()
        if shared is None:
            session.close()
        return str(answer.json()["access_token"])

    post(0)
    return post


def each(count: int, task: Callable[[int], object]) -> float:
    """Return the CPU seconds of a task that as many threads do as call later; without what the sellers' objects cost."""
    gc.disable()
    try:
        with ThreadPoolExecutor(CALLERS) as pool:
            cpu = time.process_time()
            list(pool.map(task, range(count)))
            return (time.process_time() - cpu) / count
    finally:
        gc.enable()


def sellers(way: str, count: int, base: str, name: str = "seller") -> list[Any]:
    """Make an auth object for each seller. The first one has its token before anything is measured."""
    transport = {"function": subjects.canned, "https, one session": subjects.requests_session()}.get(way)
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


def to_count(task: str, number: int = 200) -> None:
    """Make auth objects, and a token or a signature for each, or nothing; a program for `instructions`."""
    with Ahead():
        for at, auth in enumerate(sellers("function", number, "https://api.example.com")):
            if task == "token":
                auth.token()
            elif task == "signature":
                signature(at)
    print(200, flush=True)
    os._exit(0)


def instructions(handle: server.Handle) -> float | None:
    """Return the instructions of a token, as a multiple of those of its signature; `None` without valgrind."""
    tasks = ("nothing", "signature", "token")
    codes = [f"from benchmarks import scale; scale.to_count({task!r})" for task in tasks]
    cold_start.program(codes[-1], handle.https, handle.env)  # writes the byte code
    match cold_start.counted(codes, handle):
        case [nothing, signed, token]:
            return (token - nothing) / (signed - nothing)
    return None


def spent(wall: float, cpu: float, count: int) -> dict[str, float]:
    return {"wall": time.perf_counter() - wall, "cpu": (time.process_time() - cpu) / count}


def storms(way: str, count: int, base: str) -> dict[str, Any]:
    """Return the cost of the first tokens of all from 16 threads, and of a call each while all are due."""
    failed, sample, post = 0, min(count, SAMPLE), by_hand(way, base)
    limits, floors = [], []

    def measures() -> None:
        limits.append(each(sample, signature))
        floors.append(limits[-1] if way == "function" else each(sample, post))

    def token(auth: Any) -> None:
        nonlocal failed
        try:
            auth.token()
        except Exception as error:
            failed += 1
            print(type(error).__name__, error, file=sys.stderr)

    with Ahead() as clock:
        measures()
        auths = sellers(way, count, base)
        wall, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(token, auths))
        first = spent(wall, cpu, count)
        held = [auth._source.snapshot for auth in auths]
        measures()
        clock.advance(LIFETIME - WINDOW + 200)  # due, and good for half an hour more
        calls, prepared = [], requests.Request("GET", f"{base}/v1").prepare()
        wall, cpu = time.perf_counter(), time.process_time()
        for auth in auths:
            request = prepared.copy()
            started = time.perf_counter()
            auth(request)
            calls.append(time.perf_counter() - started)
        while any(auth._source.snapshot is old for auth, old in zip(auths, held, strict=True)):
            if time.perf_counter() - wall > 3000:
                raise RuntimeError("the tokens were not refreshed within 50 minutes")
            time.sleep(min(1.0, count / 20_000))
        storm = spent(wall, cpu, count)
        measures()
    limit, floor = statistics.mean(limits), statistics.mean(floors)
    for one in (first, storm):
        one |= {"ratio": one["cpu"] / limit, "to_floor": one["cpu"] / floor}
    measured = {"limit": limit, "floor": floor, "call": percentiles(calls), "failed": failed}
    return {"first": first, "storm": storm} | measured


def run(size: int) -> dict[str, Any]:
    """Return `{bytes: {idle, with_token}, instructions, rows: [{way, count, first, storm, limit, floor, call, failed}]}`."""
    rows = []
    with server.running() as handle:
        for way, count in ROWS[1] + ROWS[2] if size == FULL else ROWS[size]:
            say(f"  {count:,} sellers, {way}")
            took = [(row["first"]["wall"] + row["storm"]["wall"]) / row["count"] for row in rows if row["way"] == way]
            if size == NORMAL and took and took[-1] * count > MOST:
                say(f"    left out: it would take {took[-1] * count:.0f} s")
                continue
            handle.reset(lifetime=LIFETIME)
            base = "https://api.example.com" if way == "function" else getattr(handle, way.partition(",")[0])
            rows.append({"way": way, "count": count, **child("scale", way, count, base, env=handle.env)})
        say("  instructions")
        counted = None if size == SMOKE else instructions(handle)
    return {"bytes": child("scale", "memory", 200 if size == SMOKE else 2000), "instructions": counted, "rows": rows}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["memory", its_count]:
            print(json.dumps(memory(int(its_count))))
        case [its_way, its_count, its_base]:
            print(json.dumps(storms(its_way, int(its_count), its_base)), flush=True)
    os._exit(0)
