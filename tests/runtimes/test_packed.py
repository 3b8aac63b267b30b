"""Programs in one file: PyInstaller, zipapp, shiv. Each has a SQLite store, which an entry point or a hook finds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipapp
from pathlib import Path

import pytest

pytestmark = pytest.mark.runtimes

PURE = ("krauth*", "_krauth_httpx", "requests", "urllib3", "idna", "charset_normalizer*", "certifi", "pluggy*")


@pytest.fixture
def folder(world):
    """A folder with the tiny app and all that it imports."""
    folder = world.folder / "app"
    folder.mkdir()
    site = Path(sysconfig.get_path("purelib"))
    for pattern in (*PURE, "bcrypt*"):
        for found in site.glob(pattern):
            (shutil.copytree if found.is_dir() else shutil.copy)(found, folder / found.name)
    shutil.copy(world.here / "tiny.py", folder)
    return folder


def test_pyinstaller_onefile(world):
    """Without any option: a hook of ours names the stores and the metadata."""
    name = world.here / "tiny.py"
    world.run("pyinstaller", "--onefile", "--log-level", "WARN", "--specpath", world.folder, name)
    program = world.folder / "dist" / "tiny"
    assert world.run(program).split()[0] == world.run(program).split()[0]
    assert world.token_requests == 1
    assert (world.folder / "tokens.db").exists()


def test_shiv(world, folder):
    """shiv unpacks what is in the file, native modules included."""
    program = world.folder / "tiny.pyz"
    world.run("shiv", "--site-packages", folder, "--entry-point", "tiny:main", "--output-file", program)
    roomy = {"SHIV_ROOT": str(world.folder / "shiv")}
    answers = {world.run(sys.executable, "-I", "-S", program, **roomy).split()[0] for _ in range(2)}
    assert len(answers) == 1
    assert world.token_requests == 1


def test_zipapp(world, folder):
    """A zip file works as far as its native modules lie outside of it; else the error says what is wrong."""
    program = world.folder / "tiny.pyz"
    zipapp.create_archive(folder, program, main="tiny:main")
    shown = subprocess.run(
        [sys.executable, "-I", "-S", program], env=world.environ, capture_output=True, text=True, check=False
    )
    assert shown.returncode != 0
    assert "native modules do not work from inside a zip file" in shown.stderr
    for native in folder.glob("bcrypt*"):
        shutil.move(native, world.folder / native.name)
    zipapp.create_archive(folder, program, main="tiny:main")
    outside = f"import sys, runpy; sys.path[:0] = [{str(program)!r}, {str(world.folder)!r}]; import tiny; tiny.main()"
    world.run(sys.executable, "-I", "-S", "-c", outside)
    assert world.token_requests == 1
