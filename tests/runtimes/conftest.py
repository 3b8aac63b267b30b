"""Servers and runtimes of others, each started as its users start it, with one tiny app and the sandbox.

They are run by `make runtimes`, in an environment of their own (requirements-runtimes.txt); elsewhere none is collected.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
#: Seconds that anything may take on a loaded machine.
PATIENCE = 300.0

collect_ignore_glob = [] if importlib.util.find_spec("gunicorn") else ["test_*.py"]


class World:
    """The sandbox, a store that processes can share, and what is running."""

    def __init__(self, sandbox, folder, stack):
        self.sandbox, self.folder, self._stack = sandbox, folder, stack
        self.here = HERE
        self.environ = {
            **{name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ},
            "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
            "PYTHONPATH": str(HERE),
            "PYTHONWARNINGS": "error::ResourceWarning",
            "KRAUTH_STORE": f"sqlite:///{folder}/tokens.db",
            "NAVER_COMMERCE_BASE_URL": sandbox.naver_url,
            "NAVER_COMMERCE_CLIENT_ID": sandbox.naver_client_id,
            "NAVER_COMMERCE_CLIENT_SECRET": sandbox.naver_client_secret,
        }

    @property
    def token_requests(self):
        """How many token requests the sandbox has seen."""
        return self.sandbox.naver.token_requests

    def run(self, *command, **environ):
        """Run a program to its end, and return what it printed."""
        done = subprocess.run(
            [str(word) for word in command],
            env={**self.environ, **environ},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *command, **environ):
        """Start a program, and end it by its pid after the test; return the process and its log."""
        log = self.folder / f"{Path(str(command[0])).name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(word) for word in command],
                env={**self.environ, **environ},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._stack.callback(end, process)
        return process, log

    def serve(self, *command, port, **environ):
        """Start a server, and wait until it listens."""
        process, log = self.start(*command, **environ)
        eventually(lambda: listens(port), process, log)
        return log

    def answers(self, port, count):
        """Call the app `count` times, 8 at a time; return the accounts that it names and the processes."""

        def call(_):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
                return answer.read().decode().split()

        with ThreadPoolExecutor(8) as pool:
            accounts, pids = zip(*pool.map(call, range(count)), strict=True)
        return set(accounts), set(pids)


def end(process):
    """End a process that a test started."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


def eventually(condition, process, log):
    """Wait until a program is ready."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def listens(port):
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port():
    """A port of 127.0.0.1 that nothing listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def world(sandbox, tmp_path):
    """The sandbox, its address and credentials in the environment, and a SQLite store."""
    with contextlib.ExitStack() as stack:
        yield World(sandbox, tmp_path, stack)


@pytest.fixture
def redis_url(world):
    """A Redis of the test alone, on a Unix socket."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    path = world.folder / "r.sock"
    process, log = world.start("redis-server", "--port", "0", "--unixsocket", path, "--save", "")
    eventually(path.exists, process, log)
    return f"unix://{path}"
