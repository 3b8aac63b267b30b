"""The web apps of `examples/`, each started as its readers would: a process of its own, on a free port of 127.0.0.1."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
APPS = ("flask_app", "fastapi_app", "aiohttp_app", "django_app")
PATIENCE = 30.0


@dataclass
class App:
    """A running app."""

    url: str
    store: str
    process: subprocess.Popen


@contextlib.contextmanager
def running_app(name, sandbox, folder, port=None):
    """Start an app and wait until it listens; end it, by its pid, when the block is left."""
    port = port or free_port()
    store = f"sqlite:///{folder}/tokens.db"
    environ = {
        **{kept: os.environ[kept] for kept in ("PATH", "HOME", "SYSTEMROOT", "PYTHONPATH") if kept in os.environ},
        "APP_URL": f"http://127.0.0.1:{port}",
        "APP_SECRET_KEY": "a secret of the test's",
        "KRAUTH_STORE": store,
        "MELOMING_BASE_URL": sandbox.meloming_url,
        "MELOMING_CLIENT_ID": sandbox.meloming_client_id,
        "MELOMING_CLIENT_SECRET": sandbox.meloming_client_secret,
    }
    log = Path(folder) / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-Werror::ResourceWarning", EXAMPLES / name / "app.py"],
            env=environ,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield App(environ["APP_URL"], store, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def free_port():
    """Return a port that no server listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port):
    """Whether a server listens on a port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
