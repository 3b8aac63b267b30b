"""Part 8: load, save and lease of every store, by one process and by sixteen at once on different keys."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .measure import percentiles

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = ("load", "save", "lease")
VALUE = json.dumps({"format": 1, "token": {"access_token": "x" * 60, "expires_at": 2e9, "obtained_at": 1e9}})


def subject(url: str, name: str, seconds: float) -> dict[str, list[float]]:
    """Time each operation for `seconds`, in this process."""
    from krauth._plugins import open_store

    store = open_store(url)
    key = f"bench|{name}"
    store.save(key, VALUE)

    def lease() -> None:
        held = store.acquire(key, 10.0)
        assert held is not None
        store.release(held)

    calls = {"load": lambda: store.load(key), "save": lambda: store.save(key, VALUE), "lease": lease}
    found: dict[str, list[float]] = {}
    for operation, call in calls.items():
        times = found[operation] = []
        until = time.perf_counter() + seconds
        while (before := time.perf_counter()) < until and len(times) < 20_000:
            call()
            times.append(time.perf_counter() - before)
    return found


@contextlib.contextmanager
def redis() -> Iterator[str | None]:
    """Run a Redis of our own, if there is one on this machine."""
    if shutil.which("redis-server") is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = ["redis-server", "--port", str(port), "--dir", folder, "--save", "", "--bind", "127.0.0.1"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                    break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()


def measure(url: str, processes: int, seconds: float) -> dict[str, Any]:
    """Return the percentiles of each operation, and operations per second of all processes together."""
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.stores", url, str(number), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ},
        )
        for number in range(processes)
    ]
    for child in children:
        child.stdout.readline()  # type: ignore[union-attr]
    for child in children:
        child.stdin.write("go\n")  # type: ignore[union-attr]
        child.stdin.flush()  # type: ignore[union-attr]
    found = [json.loads(child.communicate()[0]) for child in children]
    result: dict[str, Any] = {}
    for operation in OPERATIONS:
        times = [one for child in found for one in child[operation]]
        rate = sum(len(child[operation]) / sum(child[operation]) for child in found)
        result[operation] = percentiles(times) | {"per_second": rate}
    return result


def run(*, full: bool) -> dict[str, Any]:
    """Return `{store: {processes: {operation: …}}}`."""
    from cryptography.fernet import Fernet

    seconds = 2.0 if full else 0.4
    os.environ.setdefault("KRAUTH_ENCRYPTION_KEYS", Fernet.generate_key().decode())
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, redis() as redis_url:
        urls = {
            "memory": "memory://",
            "sqlite": f"sqlite:///{Path(folder, 'a.db')}",
            "encrypted+sqlite": f"encrypted+sqlite:///{Path(folder, 'b.db')}",
            "redis": redis_url,
        }
        for name, url in urls.items():
            if url is None:
                result[name] = "not installed"
                continue
            counts = (1,) if name == "memory" else (1, 16)
            result[name] = {str(count): measure(url, count, seconds) for count in counts}
    return result


if __name__ == "__main__":
    import importlib.metadata  # noqa: F401  loaded before the start

    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(subject(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
