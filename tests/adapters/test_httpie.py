"""The real `http` command with `--auth-type naver` and `meloming`, against the sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import krauth

pytest.importorskip("httpie")
pytestmark = pytest.mark.process

ENTRY_POINTS = "[httpie.plugins.auth.v1]\nnaver = krauth_httpie:NaverPlugin\nmeloming = krauth_httpie:MelomingPlugin\n"


@pytest.fixture
def http(sandbox, tmp_path):
    """Run `http`, with the sandbox in the environment. A distribution of the test names the entry points."""
    info = tmp_path / "path" / "krauth_httpie_test-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: krauth-httpie-test\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    source = Path(krauth.__file__).parents[1]
    environment = {
        **os.environ,
        "HTTPIE_CONFIG_DIR": str(tmp_path / "config"),
        "PYTHONPATH": os.pathsep.join([str(source), str(info.parent)]),
        "NAVER_COMMERCE_CLIENT_ID": sandbox.naver_client_id,
        "NAVER_COMMERCE_CLIENT_SECRET": sandbox.naver_client_secret,
        "NAVER_COMMERCE_BASE_URL": sandbox.naver_url,
        "MELOMING_CLIENT_ID": sandbox.meloming_client_id,
        "MELOMING_CLIENT_SECRET": sandbox.meloming_client_secret,
        "MELOMING_BASE_URL": sandbox.meloming_url,
    }
    command = shutil.which("http", path=str(Path(sys.executable).parent)) or pytest.skip("HTTPie has no `http` here")

    def run(*words, **changed):
        return subprocess.run(
            [command, "--ignore-stdin", "--check-status", "--print=Hhb", *words],
            capture_output=True,
            text=True,
            timeout=60,
            env={name: value for name, value in {**environment, **changed}.items() if value is not None},
            check=False,
        )

    return run


@pytest.mark.parametrize("provider", ["naver", "meloming"])
def test_the_real_command_sends_a_token(provider, http, sandbox):
    """With the environment's credentials, a call is answered."""
    done = http("--auth-type", provider, f"{getattr(sandbox, f'{provider}_url')}/v1/echo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Authorization: Bearer " in done.stdout
    assert "200 OK" in done.stdout
    assert getattr(sandbox, provider).token_requests == 1


def test_credentials_on_the_command_line(http, sandbox):
    """`--auth client_id:client_secret` wins over the environment."""
    done = http(
        *("--auth-type", "naver", "--auth", f"{sandbox.naver_client_id}:{sandbox.naver_client_secret}"),
        f"{sandbox.naver_url}/v1/echo",
        NAVER_COMMERCE_CLIENT_ID=None,
        NAVER_COMMERCE_CLIENT_SECRET=None,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_server_gets_nothing(http, sandbox):
    """The origin rule holds in HTTPie as everywhere."""
    done = http("--auth-type", "naver", f"{sandbox.meloming_url}/v1/echo")
    assert "Bearer" not in done.stdout
    assert sandbox.naver.token_requests == 0
