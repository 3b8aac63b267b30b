"""One look and one refresh in a store: round trips, waits for the disk, and time. The page docs/stores.md has more stores.

`strace` counts system calls while a process refreshes a token through the whole engine; the token endpoint is a function.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import subjects
from .measure import ROOT, say

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = ("look", "refresh", "rotation")
REPEATS = (3, 100, 300)
#: What strace looks at, by the column that it counts for.
CALLS = {"sent": ("sendto", "sendmsg"), "fsyncs": ("fsync", "fdatasync")}


@contextlib.contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Run a Redis, if there is one on this machine; yield the URLs of all stores, by name."""
    if shutil.which("redis-server") is None:
        yield {"SQLite": "sqlite://"}
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes"]
        process = subprocess.Popen([*command, "--appendfsync", "always"], stdout=subprocess.DEVNULL)
        try:
            ends = time.monotonic() + 20
            while socket.socket().connect_ex(("127.0.0.1", int(port))):
                assert time.monotonic() < ends, "redis-server does not answer"
                time.sleep(0.05)
            yield {"SQLite": "sqlite://", "Redis": f"redis://127.0.0.1:{port}/0"}
        finally:
            process.terminate()
            process.wait()


def fresh(url: str, folder: str) -> str:
    """Return the URL of a store with nothing in it."""
    name = f"bench{time.monotonic_ns()}"
    return f"{url}/{Path(folder, name)}.db" if url.startswith("sqlite") else f"{url}?prefix={name}_"


def operations(url: str, repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Do each operation; return wall and CPU seconds. A system call marks the beginning and the end, for strace."""
    from krauth import Token
    from krauth._plugins import open_store
    from krauth.testing import reset

    def auth(grant: str) -> Any:
        return subjects.ours("requests", "https://a.example", grant, None, store, token_transport=subjects.canned)

    store, now = open_store(url), time.time()
    held = {"refresh": auth(subjects.CLIENT), "rotation": auth(subjects.REFRESH)}
    held["rotation"].set_token(Token("at", now + 3600, now, refresh_token="rt-0"))
    found: dict[str, list[tuple[float, float]]] = {}
    held["refresh"].token()
    for name in OPERATIONS:
        times = []
        for _ in range(repeats + 1):
            if name == "look":
                with reset():
                    pass
            call = auth(subjects.CLIENT).token if name == "look" else held[name].refresh
            mark(name)
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
            mark("end")
        found[name] = times[1:]
    return found


def mark(name: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(f"/krauth-mark/{name}")


def count(trace: str) -> dict[str, dict[str, float]]:
    """Return for each operation the median of its round trips and waits for the disk."""
    found: dict[str, list[dict[str, int]]] = {name: [] for name in (*OPERATIONS, "end", "")}
    current = dict.fromkeys(CALLS, 0)
    for line in trace.splitlines():
        if begun := re.search(r'rmdir\("/krauth-mark/(\w+)"', line):
            current = dict.fromkeys(CALLS, 0)
            found[begun[1]].append(current)
        for column, calls in CALLS.items():
            current[column] += bool(re.search(rf"\b({'|'.join(calls)})\(", line))
    return {
        name: {column: statistics.median([one[column] for one in found[name]] or [0]) for column in CALLS}
        for name in OPERATIONS
    }


def run(size: int) -> dict[str, Any]:
    """Return one row for each store and operation: `{store, operation, wall, cpu, sent, fsyncs}`."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, servers() as urls:
        for name, url in urls.items():
            say(f"  {name}")
            counts: dict[str, Any] = {}
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.stores", fresh(url, folder)]
            how: Any = {"capture_output": True, "text": True, "check": True, "cwd": ROOT}
            times = json.loads(subprocess.run([*command, str(REPEATS[size])], **how).stdout)
            if strace := shutil.which("strace"):
                log = Path(folder, "trace")
                traced = ",".join((*CALLS["sent"], *CALLS["fsyncs"], "rmdir"))
                subprocess.run([strace, "-f", "-o", log, "-e", f"trace={traced}", *command, "9"], **how)
                counts = count(log.read_text(errors="replace"))
            for operation in OPERATIONS:
                wall, cpu = (statistics.median(column) for column in zip(*times[operation], strict=True))
                rows.append(
                    {"store": name, "operation": operation, "wall": wall, "cpu": cpu, **counts.get(operation, {})}
                )
    return {"rows": rows}


if __name__ == "__main__":
    print(json.dumps(operations(sys.argv[1], int(sys.argv[2]))))
