"""What the command line's tests share: a clean environment, click's runner, and the real `krauth` command."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

KRAUTH = str(Path(sys.executable).with_name("krauth"))
OURS = ("NAVER_COMMERCE_", "MELOMING_", "KRAUTH_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")


@pytest.fixture(autouse=True)
def _own_log():
    """What `krauth -v` does to the log ends with the test."""
    logger = logging.getLogger("krauth")
    level, handlers = logger.level, logger.handlers[:]
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.fixture(autouse=True)
def _own_memory(monkeypatch):
    """What other tests left in the process's memory is none of the command line's."""
    from krauth import MemoryStore, _plugins

    monkeypatch.setitem(_plugins._opened, "memory://", MemoryStore())


@pytest.fixture
def run():
    """Run `krauth` in this process; fails on any traceback."""
    from krauth_cli._main import krauth

    def run(*arguments, stdin="", **environment):
        result = CliRunner().invoke(krauth, arguments, input=stdin, env=environment, prog_name="krauth")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def env(krauth_sandbox):
    """The environment that the sandbox's description asks for."""
    return {
        "NAVER_COMMERCE_BASE_URL": krauth_sandbox.naver_url,
        "NAVER_COMMERCE_CLIENT_ID": krauth_sandbox.naver_client_id,
        "NAVER_COMMERCE_CLIENT_SECRET": krauth_sandbox.naver_client_secret,
        "MELOMING_BASE_URL": krauth_sandbox.meloming_url,
        "MELOMING_CLIENT_ID": krauth_sandbox.meloming_client_id,
        "MELOMING_CLIENT_SECRET": krauth_sandbox.meloming_client_secret,
    }


def python(code, *arguments, **environment):
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
