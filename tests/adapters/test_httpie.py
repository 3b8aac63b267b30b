"""HTTPie with `--auth-type naver` and `meloming`, against the sandbox: the real `http` command, and its `main`."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import krauth

pytest.importorskip("httpie")

ENTRY_POINTS = "[httpie.plugins.auth.v1]\nnaver = krauth_httpie:NaverPlugin\nmeloming = krauth_httpie:MelomingPlugin\n"
WORDS = ("--ignore-stdin", "--check-status", "--print=Hhb")


@pytest.fixture(autouse=True)
def environment(sandbox, monkeypatch, krauth_reset):
    """The credentials of the sandbox."""
    for provider, prefix in (("naver", "NAVER_COMMERCE"), ("meloming", "MELOMING")):
        for name in ("client_id", "client_secret"):
            monkeypatch.setenv(f"{prefix}_{name.upper()}", getattr(sandbox, f"{provider}_{name}"))
        monkeypatch.setenv(f"{prefix}_BASE_URL", getattr(sandbox, f"{provider}_url"))


@pytest.mark.process
@pytest.mark.parametrize("provider", ["naver", "meloming"])
def test_the_real_command_sends_a_token(provider, sandbox, tmp_path):
    """HTTPie finds the plugins by their entry points, which a distribution of the test names."""
    info = tmp_path / "path" / "krauth_httpie_test-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: krauth-httpie-test\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    path = os.pathsep.join([str(Path(krauth.__file__).parents[1]), str(info.parent)])
    command = shutil.which("http", path=str(Path(sys.executable).parent)) or pytest.skip("HTTPie has no `http` here")
    done = subprocess.run(
        [command, *WORDS, "--auth-type", provider, f"{getattr(sandbox, f'{provider}_url')}/v1/echo"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HTTPIE_CONFIG_DIR": str(tmp_path / "config"), "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Authorization: Bearer " in done.stdout
    assert "200 OK" in done.stdout
    assert getattr(sandbox, provider).token_requests == 1


@pytest.fixture
def http(tmp_path):
    """Run HTTPie's `main` in this process; return its exit status, and what it wrote."""
    from httpie.context import Environment
    from httpie.core import main, plugin_manager

    import krauth_httpie

    plugin_manager.register(krauth_httpie.NaverPlugin, krauth_httpie.MelomingPlugin)

    def run(*words):
        out, err = io.BytesIO(), io.StringIO()
        environment = Environment(config_dir=tmp_path, stdout=io.TextIOWrapper(out), stderr=err, stdin=None)
        status = main(["http", *WORDS, *words], environment)
        environment.stdout.flush()
        return int(status), out.getvalue().decode(), err.getvalue()

    return run


def test_credentials_on_the_command_line_and_of_a_session(http, sandbox, monkeypatch):
    """`--auth client_id:client_secret` wins over the environment; what it leaves out, a session too, comes from there."""
    url = f"{sandbox.naver_url}/v1/echo"
    both = f"{sandbox.naver_client_id}:{sandbox.naver_client_secret}"
    for words in (
        ("--auth-type", "naver", "--auth", sandbox.naver_client_id),
        ("--auth-type", "naver", "--session", "shop"),
        ("--session", "shop"),  # which holds the type, and no credentials
    ):
        status, out, err = http(*words, url)
        assert (status, err) == (0, "")
        assert "Authorization: Bearer " in out
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"NAVER_COMMERCE_{name}")
    assert http("--auth-type", "naver", "--auth", both, url)[0] == 0


def test_what_is_missing_is_said_in_a_sentence(http, sandbox, monkeypatch):
    """No traceback, and the name of the variable."""
    monkeypatch.delenv("NAVER_COMMERCE_CLIENT_ID")
    status, _, err = http("--auth-type", "naver", f"{sandbox.naver_url}/v1/echo")
    assert status != 0
    assert "error: ConfigurationError: the environment variable NAVER_COMMERCE_CLIENT_ID" in err
    assert "Traceback" not in err


def test_another_server_gets_nothing(http, sandbox):
    """The origin rule holds in HTTPie as everywhere, on a redirect too."""
    echo = f"{sandbox.meloming_url}/v1/echo"
    assert "Bearer" not in http("--auth-type", "naver", echo)[1]
    assert sandbox.naver.token_requests == 0
    http("--auth-type", "naver", "--follow", f"{sandbox.naver_url}/v1/redirect?to={echo}")
    assert sandbox.naver.token_requests == 1
    assert "Authorization" not in sandbox.meloming.requests[-1].headers
