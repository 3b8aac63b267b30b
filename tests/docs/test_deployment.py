"""The page about deployment: its files are given to the programs that read them, with an app and an environment of ours."""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
FILES = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
#: What a program must find in its environment.
VALUES = ["1a2b3c4d5e6f", "$2a$04$xxxxxxxxxxxxxxxxxxxxxx"]
PROGRAM = "/opt/app/venv/bin/python -m app"


def file(start: str) -> str:
    (found,) = (text for _, text in FILES if re.match(start, text))
    return found


@pytest.fixture
def app(tmp_path):
    """A program that prints what it finds, and the command that starts it."""
    names = ["NAVER_COMMERCE_CLIENT_ID", "NAVER_COMMERCE_CLIENT_SECRET"]
    (tmp_path / "app.py").write_text(f"import os\nprint([os.environ[name] for name in {names}])\n")
    return f"{sys.executable} {tmp_path / 'app.py'}"


def test_the_line_of_cron(app, tmp_path):
    """cron hands the line to /bin/sh with an empty environment; the secret's $ signs arrive."""
    (tmp_path / "naver.env").write_text(file("NAVER_COMMERCE_CLIENT_ID='"))
    times, line = re.fullmatch(r"((?:\S+ ){5})(.*)\n", file(r"\*/15")).groups()
    line = line.replace("/etc/app/naver.env", str(tmp_path / "naver.env")).replace(PROGRAM, app)
    done = subprocess.run(["/bin/sh", "-c", line], env={}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{VALUES}\n", "")
    assert "%" not in line  # cron makes a line break of it
    assert times == "*/15 * * * * "


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_the_units_of_systemd(app, tmp_path):
    """systemd knows each setting and finds no fault; only the program's path and the user are ours."""
    service = (
        file("# /etc/systemd/system/app.service").replace(PROGRAM, app).replace("User=app", f"User={getpass.getuser()}")
    )
    (tmp_path / "app.service").write_text(service)
    (tmp_path / "app.timer").write_text(file("# /etc/systemd/system/app.timer"))
    command = ["systemd-analyze", "verify", "--recursive-errors=no", tmp_path / "app.service", tmp_path / "app.timer"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "app." in line] == []


def test_the_file_of_docker():
    """docker takes each line as it is: the values stand there without quotes."""
    lines = file("NAVER_COMMERCE_CLIENT_ID=1").splitlines()
    assert [line.partition("=")[2] for line in lines] == VALUES


def test_the_file_of_a_shell_is_a_dotenv_file():
    """python-dotenv reads the file with single quotes as a shell and systemd do."""
    dotenv = pytest.importorskip("dotenv")
    import io

    assert [*dotenv.dotenv_values(stream=io.StringIO(file("NAVER_COMMERCE_CLIENT_ID='"))).values()] == VALUES
