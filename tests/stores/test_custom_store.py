"""The example plugin is installed as its README says, used by URL, and passes its own tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_store"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which pip has installed the example; nothing is downloaded."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(target), str(EXAMPLE)]
    done = subprocess.run([*pip, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def run(installed, *command, **options):
    env = os.environ | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], env=env, capture_output=True, text=True, check=False, timeout=120, **options
    )


def test_it_is_used_by_url(installed, tmp_path):
    """An installed plugin's scheme works wherever a store is named, also inside `encrypted+`, and is listed."""
    script = f"""
import os
from krauth._plugins import open_store, plugins
from cryptography.fernet import Fernet
os.environ["KRAUTH_ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
store = open_store("jsonfile://{tmp_path}/tokens.json")
assert open_store("jsonfile://{tmp_path}/tokens.json") is store
store.save("key", "value")
open_store("encrypted+jsonfile://{tmp_path}/tokens.json").save("other", "hidden")
print(store, plugins().factories["jsonfile"][1], store.keys(), store.load("key").value)
"""
    done = run(installed, "-W", "error", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"<JSONFileStore {tmp_path}/tokens.json> krauth_jsonfile ['key', 'other'] value\n"
    text = (tmp_path / "tokens.json").read_text()
    assert "value" in text
    assert "hidden" not in text


def test_it_passes_its_own_tests(installed, tmp_path):
    """The contract holds for it, as it would for any plugin author."""
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLE), "-c", os.devnull]
    done = run(installed, "-m", "pytest", *options, str(EXAMPLE / "tests"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
