"""How things are measured: CPU time, in rounds that take turns; two things are compared within each round.

A ratio of two figures that were taken a moment apart survives a busy machine. A figure alone does not.
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
    from collections.abc import Callable, Iterable

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
PACKAGES = ("requests", "httpx", "httpx2", "aiohttp", "Authlib", "requests-oauthlib", "httpx-auth", "bcrypt", "redis")


def spread(values: Iterable[float]) -> dict[str, float]:
    """Return median, quartiles and range."""
    found = sorted(values)
    low, _, high = statistics.quantiles(found, n=4) if len(found) > 1 else (found[0],) * 3
    return {"median": statistics.median(found), "q1": low, "q3": high, "min": found[0], "max": found[-1]}


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


def ratios(seconds: dict[str, list[float]], baseline: str) -> dict[str, Any]:
    """Return for each name the seconds and their ratio to the baseline of the same round."""
    return {
        name: {
            "seconds": spread(found),
            "ratio": spread(a / b for a, b in zip(found, seconds[baseline], strict=True)),
        }
        for name, found in seconds.items()
    }


def compare(subjects: dict[str, Callable[[], float]], *, baseline: str, rounds: int) -> dict[str, Any]:
    """Call each subject once in each round, in another order each time; a subject returns the CPU seconds it took."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for name in subjects:
        subjects[name]()  # warm
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
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
    git = {"cwd": ROOT, "capture_output": True, "text": True}
    try:
        commit = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], check=True, **git).stdout.strip()
        commit += (
            "+"
            if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "src"], check=False, **git).returncode
            else ""
        )
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return {"at": now.strftime("%Y-%m-%d %H:%M UTC"), "load": round(os.getloadavg()[0], 1), "commit": commit}


def timed(call: Callable[[], object]) -> float:
    """Return the CPU seconds of this process, all of its threads, that a call takes."""
    started = time.process_time()
    call()
    return time.process_time() - started
