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

from .measure import percentiles, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = ("load", "save", "lease")
REPEATS, WARM_UP = 3, 0.1
VALUE = json.dumps({"format": 1, "token": {"access_token": "x" * 60, "expires_at": 2e9, "obtained_at": 1e9}})


def subject(url: str, name: str) -> None:
    """Do what the lines of the standard input say, `{operation} {seconds}`, and print when that was and how long each took.

    One phase is at most 100,000 operations.
    """
    from krauth._plugins import open_store

    store = open_store(url)
    key = f"bench|{name}"
    store.save(key, VALUE)

    def lease() -> None:
        held = store.acquire(key, 10.0)
        assert held is not None
        store.release(held)

    calls = {"load": lambda: store.load(key), "save": lambda: store.save(key, VALUE), "lease": lease}
    print("ready", flush=True)
    for line in sys.stdin:
        operation, seconds = line.split()
        call, times = calls[operation], []
        started = before = time.perf_counter()
        until = started + float(seconds)
        while before < until and len(times) < 100_000:
            call()
            after = time.perf_counter()
            times.append(after - before)
            before = after
        print(json.dumps({"started": started, "ended": before, "times": times}), flush=True)


@contextlib.contextmanager
def redis() -> Iterator[str | None]:
    """Run a Redis of our own, if there is one on this machine."""
    if shutil.which("redis-server") is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--dir", folder, "--save", "", "--bind", "127.0.0.1"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            await_redis(process, port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()


def await_redis(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until it answers: this one, not another that took the port meanwhile."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5) as connection:
            connection.sendall(b"INFO server\r\nQUIT\r\n")
            with connection.makefile("rb") as answer:
                if f"process_id:{process.pid}\r\n".encode() in answer.read():
                    return
        time.sleep(0.05)
    ended = "" if process.poll() is None else f"; it ended with {process.returncode}"
    raise RuntimeError(f"redis-server does not answer on port {port}{ended}")


def phase(children: list[subprocess.Popen[str]], operation: str, seconds: float) -> dict[str, float]:
    """Have all processes do one operation at the same time.

    The rate is that of all together, from when the first begins until the last ends.
    """
    for child in children:
        child.stdin.write(f"{operation} {seconds}\n")  # type: ignore[union-attr]
        child.stdin.flush()  # type: ignore[union-attr]
    found = [json.loads(child.stdout.readline()) for child in children]  # type: ignore[union-attr]
    took = max(one["ended"] for one in found) - min(one["started"] for one in found)
    times = [spent for one in found for spent in one["times"]]
    return percentiles(times) | {"per_second": len(times) / took}


def measure(url: str, processes: int, seconds: float) -> dict[str, Any]:
    """Return per operation the spread of p50, p99 and operations a second, over the repeats."""
    command = [sys.executable, "-m", "benchmarks.stores", url]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(subprocess.Popen([*command, str(n)], **pipes)) for n in range(processes)]
        for child in children:
            child.stdout.readline()
        result = {}
        for operation in OPERATIONS:
            phase(children, operation, WARM_UP)
            found = [phase(children, operation, seconds) for _ in range(REPEATS)]
            result[operation] = {key: spread(one[key] for one in found) for key in ("p50", "p99", "per_second")}
            result[operation]["n"] = sum(one["n"] for one in found)
        return result


def run(*, full: bool) -> dict[str, Any]:
    """Return `{store: {processes: {operation: …}}}`."""
    from cryptography.fernet import Fernet

    seconds = 1.5 if full else 0.4
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
    subject(*sys.argv[1:])
