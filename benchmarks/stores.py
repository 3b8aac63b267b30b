"""The cost of a store: round trips, waits for the disk and transactions of one look and of one refresh, and their time.

`strace` counts system calls while a process refreshes a token through the whole engine; the token endpoint is a function.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
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
from .measure import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPERATIONS = ("look", "refresh", "rotation")
REPEATS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def redis() -> Iterator[str | None]:
    """Run a Redis, if there is one on this machine; yield its URL."""
    if shutil.which("redis-server") is None:
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--dir", folder, "--save", "", "--bind", "127.0.0.1"]
        with serving(command, lambda: socket.create_connection(("127.0.0.1", port), 1).close()):
            yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgresql() -> Iterator[str | None]:
    """Run a PostgreSQL, if there is one on this machine; yield its URL. Its server refuses to run as root."""
    programs = [shutil.which(name) for name in ("initdb", "postgres")]
    if None in programs or "postgres" not in {user.pw_name for user in pwd.getpwall()}:
        yield None
        return
    account: Any = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        if account:
            shutil.chown(folder, "postgres", "postgres")
        quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **account}
        subprocess.run([programs[0], "-D", f"{folder}/data", "-U", "krauth", "-A", "trust"], check=True, **quiet)
        options = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "shared_buffers=16MB",
            "max_connections=100",
        ]
        command = [programs[1], "-D", f"{folder}/data", "-p", str(port), *(x for one in options for x in ("-c", one))]

        def ready() -> None:
            import psycopg

            psycopg.connect(host="127.0.0.1", port=port, user="krauth", dbname="postgres", connect_timeout=1).close()

        with serving(command, ready, **quiet):
            yield f"sql+postgresql://krauth@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def serving(command: list[Any], ready: Callable[[], object], **how: Any) -> Iterator[None]:
    process = subprocess.Popen(command, **{"stdout": subprocess.DEVNULL, **how})
    try:
        for attempt in range(400):
            try:
                ready()
                break
            except Exception:
                if attempt == 399 or process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Run the servers that are installed; yield their URLs by kind."""
    with redis() as first, postgresql() as second:
        yield {name: url for name, url in (("redis", first), ("sql", second)) if url}


def watch(store: Any, begun: list[Any]) -> None:
    """Let each transaction that begins be counted: every one of SQL, those of SQLite that write."""
    if hasattr(store, "_engine"):
        import sqlalchemy

        sqlalchemy.event.listen(store._engine, "begin", begun.append)
    elif hasattr(store, "_connect"):
        connect = store._connect

        def traced(*arguments: Any) -> Any:
            connection = connect(*arguments)
            connection.set_trace_callback(lambda text: begun.append(text) if "IMMEDIATE" in text else None)
            return connection

        store._connect = traced


def subject(url: str) -> dict[str, list[tuple[float, float, int]]]:
    """Do each operation; return wall and CPU seconds and transactions. A system call marks the beginning and the end."""
    from krauth import Token
    from krauth._plugins import open_store
    from krauth.testing import reset

    store, now, begun = open_store(url), time.time(), []
    watch(store, begun)
    held = {
        "look": subjects.ours(
            "requests", "https://a.example", subjects.CLIENT, None, store, token_transport=subjects.canned
        ),
        "rotation": subjects.ours(
            "requests", "https://a.example", subjects.REFRESH, None, store, token_transport=rotating
        ),
    }
    held["refresh"] = held["look"]
    held["rotation"].set_token(Token("at", now + 3600, now, refresh_token="rt-0"))
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in OPERATIONS}
    held["look"].token()
    held["rotation"].refresh()
    for name, times in found.items():
        for _ in range(REPEATS + 1):
            if name == "look":
                with reset():
                    pass
                auth = subjects.ours(
                    "requests", "https://a.example", subjects.CLIENT, None, store, token_transport=subjects.canned
                )
                call = auth.token
            else:
                call = held[name].refresh
            mark(name)
            begun.clear()
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            times.append((time.perf_counter() - wall, time.process_time() - cpu, len(begun)))
            mark("end")
        del times[0]
    return found


def rotating(request: Any) -> Any:
    from krauth import HTTPResponse

    answer = json.loads(subjects.canned(request).body) | {"refresh_token": f"rt-{time.perf_counter_ns()}"}
    return HTTPResponse(200, {"content-type": "application/json"}, json.dumps(answer).encode())


def mark(name: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(f"/krauth-mark/{name}")


def count(trace: str) -> dict[str, dict[str, float]]:
    """Return for each operation the median of its round trips and waits for the disk."""
    found: dict[str, list[dict[str, int]]] = {name: [] for name in OPERATIONS}
    current: dict[str, int] = {}
    for line in trace.splitlines():
        if begun := re.search(r'rmdir\("/krauth-mark/(\w+)"', line):
            current = {"sent": 0, "fsyncs": 0}
            if begun[1] != "end":
                found[begun[1]].append(current)
        elif re.search(r"\b(sendto|sendmsg)\(", line) and current:
            current["sent"] += 1
        elif re.search(r"\bf(data)?sync\(", line) and current:
            current["fsyncs"] += 1
    medians = {}
    for name, each in found.items():
        medians[name] = {key: statistics.median([one[key] for one in each] or [0]) for key in ("sent", "fsyncs")}
    return medians


def run(*, full: bool) -> dict[str, Any]:
    """Return `{store: {operation: {wall, cpu, transactions, sent, fsyncs}}}`; the last two where `strace` is installed."""
    result: dict[str, Any] = {}
    strace = shutil.which("strace")
    with tempfile.TemporaryDirectory() as folder, servers() as urls:
        places = {
            "SQLite": f"sqlite:///{Path(folder, 'tokens.db')}",
            "Redis": urls.get("redis"),
            "PostgreSQL": urls.get("sql"),
        }
        for name, url in places.items():
            if url is None:
                continue
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.stores", url]
            how: Any = {"capture_output": True, "text": True, "check": True, "cwd": ROOT}
            times = json.loads(subprocess.run(command, **how).stdout)
            result[name] = {}
            for operation in OPERATIONS:
                wall, cpu, begun = (statistics.median(column) for column in zip(*times[operation], strict=True))
                result[name][operation] = {"wall": wall, "cpu": cpu} | (
                    {} if name == "Redis" else {"transactions": begun}
                )
            if strace:
                log = Path(folder, "trace")
                tracing = [strace, "-f", "-o", log, "-e", "trace=sendto,sendmsg,fsync,fdatasync,rmdir"]
                subprocess.run([*tracing, *command], **how)
                for operation, counts in count(log.read_text(errors="replace")).items():
                    result[name][operation] |= counts
    return result


if __name__ == "__main__":
    print(json.dumps(subject(sys.argv[1])))
