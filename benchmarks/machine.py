"""Where and with what figures were taken: part of every result file."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = (
    "krauth",
    "requests",
    "httpx",
    "httpx2",
    "aiohttp",
    "Authlib",
    "requests-oauthlib",
    "oauthlib",
    "httpx-auth",
    "google-auth",
    "msal",
    "botocore",
    "bcrypt",
    "redis",
    "cryptography",
)


def describe() -> dict[str, Any]:
    """Return machine and versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = None
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "memory_gib": memory,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def moment() -> dict[str, Any]:
    """Return date and load, as a part begins."""
    now = datetime.datetime.now(datetime.UTC)
    return {
        "at": now.strftime("%Y-%m-%d %H:%M UTC"),
        "load_before": round(os.getloadavg()[0], 2),
        "commit": commit(),
    }


def commit() -> str | None:
    """Return the commit that is measured, with a + where the code differs from it; `None` outside a repository."""
    root = Path(__file__).parents[1]
    try:
        command = ["git", "describe", "--always", "--exclude=*", "--abbrev=10"]
        name = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
        changed = ["git", "status", "--porcelain", "src", "benchmarks"]
        return name + ("+" if subprocess.run(changed, cwd=root, capture_output=True, check=True).stdout else "")
    except (OSError, subprocess.CalledProcessError):
        return None
