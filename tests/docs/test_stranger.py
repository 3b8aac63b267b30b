"""A stranger's first hour, in Korean: the pages are followed as they stand, from `pip install` to a call in each stack.

Commands and programs are taken out of the pages and run unedited. Only what a page can't know is arranged: an empty
virtual environment, and pip that finds the dependencies on this machine instead of on an index.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.process]

ROOT = Path(__file__).parents[2]
#: The pages in the order in which `index.ko.md` leads to them.
PAGES = ["index", "requests", "httpx", "aiohttp"]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / f"{page}.ko.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def environment(tmp_path):
    """An empty virtual environment, and the variables of a Korean shell in it.

    Its packages are those of this environment, krauth excepted: pip finds the dependencies installed.
    """
    links = tmp_path / "packages"
    links.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "krauth" not in entry.name and entry.suffix != ".pth":
            (links / entry.name).symlink_to(entry)
    venv.create(tmp_path / "venv", symlinks=True)
    bin_ = tmp_path / "venv" / "bin"
    python = bin_ / "python"
    where = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
    )
    (Path(where.stdout.strip()) / "dependencies.pth").write_text(f"{links}\n")
    (bin_ / "pip").write_text(f'#!/bin/sh\nexec "{python}" -m pip "$@"\n')
    (bin_ / "pip").chmod(0o755)
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "PATH": f"{bin_}:/usr/bin:/bin",
        "LANG": "ko_KR.UTF-8",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as "no": the build backend is here already
        "PIP_NO_COMPILE": "1",
        "PIP_QUIET": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def start(script: str, environment: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    return subprocess.Popen(["bash", "-e", "-c", script], cwd=folder, env=environment, **pipes)  # type: ignore[call-overload]


def shell(script: str, environment: dict[str, str], folder: Path) -> str:
    return printed(start(script, environment, folder))


def printed(running: subprocess.Popen[str]) -> str:
    text, _ = running.communicate(timeout=120)
    assert running.returncode == 0, f"{running.args}\n{text}"
    return text


def test_from_pip_install_to_a_call_in_each_stack(environment, tmp_path):
    """What the Korean pages say, typed as it stands in an empty environment, ends in a call of each HTTP library."""
    asked = {extra for page in PAGES for extra in re.findall(r"pip install '\.\[([\w,]+)\]'", blocks(page, "sh")[0])}
    install, run = blocks("index", "sh")[1].splitlines()
    shell(install, environment, ROOT)
    (metadata,) = tmp_path.glob("venv/lib/python*/site-packages/krauth-*.dist-info/METADATA")
    offered = re.findall(r"^Provides-Extra: (\w+)$", metadata.read_text(encoding="utf-8"), re.MULTILINE)
    assert asked == {"requests", "httpx", "aiohttp"}
    assert asked <= {*offered}
    running = subprocess.Popen(
        shlex.split(run), cwd=tmp_path, env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    )
    try:
        assert running.stdout is not None
        lines = []
        while "Ctrl-C" not in (lines or [""])[-1]:
            lines.append(running.stdout.readline())
            assert lines[-1], "the sandbox ended"
        pasted = "".join(line for line in lines if line.startswith("export "))
        assert any("붙여 넣으십시오" in line for line in lines)
        started = {"token": start(f"{pasted}krauth token naver", environment, tmp_path)}
        for page in PAGES:
            for number, code in enumerate(blocks(page, "python")):
                program = f"{page}_{number}.py"
                (tmp_path / program).write_text(code, encoding="utf-8")
                started[program] = start(f"{pasted}python -W error {program}", environment, tmp_path)
        said = {name: printed(program) for name, program in started.items()}
        account = "ncp_1krauthsandbox0000001\n"
        assert re.search(r"^토큰 ", said.pop("token"), re.MULTILINE)
        assert {name for name, text in said.items() if text == account} == {
            *("index_0.py", "requests_0.py", "httpx_0.py", "httpx_1.py", "aiohttp_0.py")
        }
        assert {text for text in said.values() if text != account} == {"200\n"}
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
        assert running.returncode in (0, 130)
