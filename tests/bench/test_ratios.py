"""What must stay cheap, as ratios: a call with a fresh token beside a static bearer, and what an import brings along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: A third more than docs/benchmarks.md has, for noise; twice the cost fails.
LIMITS = {
    "requests": 3.0,
    "httpx sync": 1.5,
    "httpx async": 1.45,
    "httpx2 sync": 1.5,
    "httpx2 async": 1.45,
    "aiohttp": 3.0,
}


def python(*arguments):
    """Run Python without coverage, which multiplies the cost of Python code, and not evenly."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=clean, cwd=ROOT).stdout


@pytest.mark.parametrize("stack", LIMITS)
def test_fresh_token_costs_about_what_a_static_bearer_costs(stack):
    """On the hot path nothing is done that the author of a static bearer would notice."""
    if not (ROOT / "benchmarks").exists():
        pytest.skip("benchmarks/ is not part of this distribution")
    seen = []
    for _ in range(3):  # the least of three: noise only adds
        seen.append(json.loads(python("-m", "benchmarks.hot_path", stack))["krauth"])
        if seen[-1] <= LIMITS[stack]:
            return
    pytest.fail(f"{stack}: a call with a fresh token costs {min(seen):.2f}× a static bearer, aim {LIMITS[stack]}×")


@pytest.mark.parametrize("package", ["krauth_requests", "krauth_httpx", "krauth_httpx2", "krauth_aiohttp"])
def test_import_brings_along_nothing_dear(package):
    """An adapter loads neither asyncio, where its library does not, nor what only a token request needs."""
    bare = package.removeprefix("krauth_")
    code = f"import sys, {bare}; a = set(sys.modules); import {package}; print(*sorted(set(sys.modules) - a))"
    added = set(python("-c", code).split())
    assert not added & {"asyncio", "bcrypt", "pluggy", "importlib.metadata", "sqlite3", "unittest", "email.utils"}
