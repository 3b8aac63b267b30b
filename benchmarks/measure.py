"""How things are measured: CPU time, in rounds that take turns; two things are compared within each round.

A ratio of two figures that were taken a moment apart survives a busy machine. A figure alone does not. Rounds go on until
the seconds of a part are over, so that `make bench` takes about as long on a slow machine as on a fast one.
"""

from __future__ import annotations

import datetime
import gc
import importlib.metadata
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
PACKAGES = ("requests", "httpx", "httpx2", "aiohttp", "Authlib", "requests-oauthlib", "httpx-auth", "bcrypt", "redis")
#: Sizes of a run; each part has a table with one column for each.
SMOKE, NORMAL, FULL = 0, 1, 2
STARTED = time.monotonic()


def say(text: str) -> None:
    """Tell the progress: minutes and seconds since the start, and what is measured now."""
    minutes, seconds = divmod(int(time.monotonic() - STARTED), 60)
    print(f"{minutes:2}:{seconds:02} {text}", file=sys.stderr, flush=True)


def some(values: Iterable[T], size: int) -> list[T]:
    """Return all values, or in a smoke run the first."""
    return list(values)[: 1 if size == SMOKE else None]


def quartiles(values: Iterable[float]) -> list[float]:
    """Return the first quartile, the median and the third quartile."""
    found = list(values)
    return statistics.quantiles(found, n=4) if len(found) > 1 else found * 3


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """Return p50, p99, p99.9 and the maximum."""
    found = sorted(values)
    at = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {"n": len(found)} | {name: found[min(len(found) - 1, int(share * len(found)))] for name, share in at.items()}


def shuffled(values: Iterable[T], seed: int) -> list[T]:
    """Return the values in a random order that is the same in every run."""
    order = list(values)
    random.Random(seed).shuffle(order)
    return order


def rounds(seconds: float) -> Iterator[int]:
    """Count rounds until the seconds of wall time are over; there are two at least."""
    number, ends = 0, time.monotonic() + seconds
    while number < 2 or time.monotonic() < ends:
        yield number
        number += 1


def ratios(times: dict[str, list[float]], baseline: str) -> dict[str, dict[str, Any]]:
    """Return for each name the median of its seconds, and quartiles of the ratio to the baseline of the same round."""
    return {
        name: {
            "seconds": statistics.median(found),
            "ratio": quartiles(a / b for a, b in zip(found, times[baseline], strict=True)),
        }
        for name, found in times.items()
    }


def compare(subjects: dict[str, Callable[[], float]], *, baseline: str, seconds: float) -> dict[str, dict[str, Any]]:
    """Call each subject once in each round, in another order each time; a subject returns the CPU seconds it took."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for name in subjects:
        subjects[name]()  # warm
    gc.collect()
    gc.disable()
    try:
        for number in rounds(seconds):
            for name in shuffled(subjects, number):
                times[name].append(subjects[name]())
            if number % 50 == 49:
                gc.collect()
    finally:
        gc.enable()
    return ratios(times, baseline)


def child(module: str, *arguments: object, env: dict[str, str] | None = None, timeout: float | None = None) -> Any:
    """Run a module of this package in a process of its own, and return the JSON that it prints."""
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{module}", *map(str, arguments)]
    how: Any = {"stdout": subprocess.PIPE, "text": True, "env": env, "cwd": ROOT, "timeout": timeout}
    return json.loads(subprocess.run(command, check=True, **how).stdout)


def machine() -> dict[str, Any]:
    """Return machine and versions: they are part of every result file."""
    cpuinfo, model = Path("/proc/cpuinfo"), platform.processor() or platform.machine()
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def moment() -> dict[str, Any]:
    """Return date, load and commit when a part begins; a + says that the code differs from the commit."""
    now = datetime.datetime.now(datetime.UTC)

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)

    commit = git("rev-parse", "--short=10", "HEAD").stdout.strip() or "unknown"
    changed = "+" if git("diff", "--quiet", "HEAD", "--", "src").returncode else ""
    return {"at": now.strftime("%Y-%m-%d %H:%M UTC"), "load": round(os.getloadavg()[0], 1), "commit": commit + changed}


def timed(call: Callable[[], object]) -> float:
    """Return the CPU seconds of this process, all of its threads, that a call takes."""
    started = time.process_time()
    call()
    return time.process_time() - started
