"""What must stay cheap, as ratios: a call with a fresh token beside a static bearer. `make ratios` runs it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

OURS, STATIC, FLOOR, HOOKED = "krauth", "static bearer", "same duties, by hand", ", its response hook included"
#: (stack, what, over what) → a quarter more than docs/benchmarks.md has, for noise.
LIMITS = {
    ("requests", OURS, STATIC): 2.1,
    ("requests", OURS, FLOOR): 1.25,
    ("requests", OURS + HOOKED, FLOOR + HOOKED): 1.25,
    ("httpx sync", OURS, STATIC): 1.3,
    ("httpx sync", OURS, FLOOR): 1.25,
    ("httpx async", OURS, STATIC): 1.3,
    ("httpx async", OURS, FLOOR): 1.25,
    ("httpx2 sync", OURS, STATIC): 1.3,
    ("httpx2 sync", OURS, FLOOR): 1.3,
    ("httpx2 async", OURS, STATIC): 1.3,
    ("httpx2 async", OURS, FLOOR): 1.25,
    ("aiohttp", OURS, STATIC): 2.35,
    ("aiohttp", OURS, FLOOR): 1.25,
}


def python(*arguments):
    """Run Python without coverage, which multiplies the cost of Python code, and not evenly."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=clean, cwd=ROOT).stdout


@pytest.mark.parametrize("stack", dict.fromkeys(stack for stack, _, _ in LIMITS))
def test_fresh_token_costs_about_what_a_static_bearer_costs(stack):
    """On the hot path nothing is done that the author of a static bearer would notice."""
    runs = [json.loads(python("-m", "benchmarks.hot_path", stack)) for _ in range(3)]
    for (where, what, over), limit in LIMITS.items():
        if where == stack:
            cost = statistics.median(run[what] / run[over] for run in runs)
            assert cost <= limit, f"{stack}: {what} costs {cost:.2f}× {over}, at most {limit}× is allowed"
