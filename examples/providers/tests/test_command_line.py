"""`krauth token NAME` finds the providers of a package that is installed beside krauth, by its entry points."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import emulators
import pytest
from click.testing import CliRunner

from krauth_cli import _token
from krauth_cli._main import krauth
from loopback import Server

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
DECLARED = PROJECT["entry-points"]["krauth.providers"]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run `krauth` as if the package were installed: its metadata stands on the path."""
    folder = tmp_path / f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}.dist-info"
    folder.mkdir()
    lines = "\n".join(f"{name} = {value}" for name, value in DECLARED.items())
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n")
    (folder / "entry_points.txt").write_text(f"[krauth.providers]\n{lines}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert {found.name for found in entry_points(group="krauth.providers")} >= set(DECLARED)
    return lambda *arguments, **env: CliRunner().invoke(
        krauth, ["token", *arguments], env={"LANG": "en_US.UTF-8", **env}
    )


def test_each_entry_point_leads_to_a_provider(run):
    """Each name in the package's metadata is a provider with `from_env`."""
    for name in DECLARED:
        assert callable(_token._plugged()[name].load().from_env)


@pytest.mark.parametrize(("name", "secret"), [("kis", "KIS_APP_SECRET"), ("kiwoom", "KIWOOM_SECRET_KEY")])
def test_a_token(run, name, secret):
    """The token of a provider of another package is obtained and shown as one of krauth's own."""
    with Server() as server:
        server.answer = (emulators.KIS if name == "kis" else emulators.Kiwoom)(server)
        env = {secret.partition("_")[0] + "_APP_KEY": emulators.ACCESS_KEY, secret: emulators.SECRET_KEY}
        result = run(name, "--base-url", server.url, "--json", **env)
        assert result.exit_code == 0, result.output
        assert 86000 < json.loads(result.stdout)["expires_in"] <= 86400
        assert "canary" not in result.output.replace("cana…", "")
        assert run(name, "--base-url", server.url, "--header", **env).stdout.startswith("Authorization: Bearer canary-")


def test_a_provider_without_tokens(run):
    """A provider that signs each request says that it has no token, and how its header fields are had."""
    result = run("coupang", COUPANG_ACCESS_KEY="a", COUPANG_SECRET_KEY="canary-b")
    assert result.exit_code == 2
    assert "signs each request" in result.output
    assert "canary" not in result.output


def test_help_and_mistakes(run):
    """The list of commands names the providers; a name that is none is not repeated."""
    listed = run("--help").output
    assert all(name in listed for name in (*DECLARED, "naver", "meloming"))
    result = run("canary-name")
    assert result.exit_code == 2
    assert "canary-name" not in result.output
    assert "upbit" in result.output


def test_what_a_provider_does_not_take(run, monkeypatch):
    """An option that a provider does not take, and a package that can't be loaded, are no bugs of krauth."""
    result = run("upbit", "--store", "memory://", UPBIT_ACCESS_KEY="a", UPBIT_SECRET_KEY="canary-b")
    assert result.exit_code == 2
    assert "can't be made with --store" in result.output
    entry = entry_points(group="krauth.providers")["upbit"]
    monkeypatch.setattr(_token, "_plugged", lambda: {"upbit": type(entry)("upbit", "canary_module:X", entry.group)})
    result = run("upbit")
    assert result.exit_code == 1
    assert result.output == "krauth: the package of this provider could not be loaded: ModuleNotFoundError\n"


@pytest.mark.process
def test_an_installed_wheel(tmp_path):
    """The package's wheel, installed by pip in a folder on the path, adds its providers to `krauth token`."""
    pytest.importorskip("hatchling", reason="the build backend is not installed")
    pytest.importorskip("pip", reason="pip is not installed")
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "LANG": "en_US.UTF-8"}

    def python(*arguments, **more):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=Path(__file__).parents[1],
            env={**env, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    built = python("-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels))
    assert built.returncode == 0, built.stderr
    (wheel,) = wheels.iterdir()
    offline = ("--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check")
    installed = python("-m", "pip", "install", "-q", *offline, "--target", str(site), str(wheel))
    assert installed.returncode == 0, installed.stderr
    keys = {"COUPANG_ACCESS_KEY": "a", "COUPANG_SECRET_KEY": "canary-b"}
    said = python("-m", "krauth_cli", "token", "coupang", **keys)
    assert said.returncode == 2
    assert "signs each request" in said.stderr
