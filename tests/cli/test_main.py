"""The group: help, version, missing extras, and what becomes of errors."""

import json
import signal
import subprocess
import sys

import pytest

from krauth import InvalidClientError, __version__

from .conftest import KRAUTH, python

pytestmark = pytest.mark.process

COMMANDS = [
    ["demo"],
    ["sandbox"],
    ["sign"],
    ["stores"],
    ["token"],
    ["token", "naver"],
    ["token", "meloming"],
    ["tokens"],
]


def test_the_installed_command_knows_its_version():
    """`krauth --version` works as installed."""
    done = subprocess.run([KRAUTH, "--version"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, f"krauth {__version__}\n")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(run, command):
    """--help and -h work everywhere and fit 80 columns."""
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert result.output == run(*command, "-h").output
    assert max(map(len, result.output.splitlines())) <= 80


def test_help_imports_nothing_heavy():
    """`krauth --help` stays fast: no HTTP library, no rich, no bcrypt, no plugins."""
    code = """
import sys, json
sys.argv = ["krauth", "--help"]
from krauth_cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
print(json.dumps([n for n in ("requests", "httpx", "httpx2", "aiohttp", "rich", "bcrypt", "pluggy", "asyncio", "ssl")
                  if n in sys.modules]))
"""
    done = python(code)
    assert json.loads(done.stdout.splitlines()[-1]) == [], done.stderr


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_a_missing_extra_is_named(missing):
    """Without click or rich there is one line that says what to install."""
    code = "import sys; sys.modules[sys.argv[1]] = None; from krauth_cli import main; main()"
    done = python(code, missing)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"krauth: the command line needs {missing}: pip install 'krauth[cli]'\n"


@pytest.mark.parametrize(
    "command", [["C4NARY"], ["token", "C4NARY"], ["token", "naver", "C4NARY"], ["sign", "C4NARY"], ["tokens", "C4NARY"]]
)
def test_what_was_typed_in_the_wrong_place_is_not_repeated(run, command):
    """It may be a secret."""
    result = run(*command)
    assert result.exit_code == 2
    assert "C4NARY" not in result.output


@pytest.mark.parametrize("option", [["--client-secret=C4NARY"], ["--client-secret", "C4NARY"], ["--secret", "C4NARY"]])
@pytest.mark.parametrize("command", [["sign"], ["token", "naver"], ["token", "meloming"]], ids=" ".join)
def test_a_secret_is_no_argument_and_the_reason_is_given(run, command, option):
    """The message says why not, and what to do instead."""
    result = run(*command, *option)
    assert result.exit_code == 2
    assert "C4NARY" not in result.output
    assert "every user of the machine sees arguments" in result.stderr


def test_a_bug_is_one_line_that_quotes_nothing(run, monkeypatch):
    """An unexpected exception shows type and place, not its text and no traceback."""

    def explode(*_):
        raise RuntimeError("C4NARY")

    monkeypatch.setattr("krauth_cli._sign.make_signature", explode)
    result = run("sign", "--client-id", "x", stdin="secret\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("krauth: unexpected RuntimeError at test_main.py:")
    assert "C4NARY" not in result.output


def test_a_trace_id_is_shown_once(run, monkeypatch):
    """What the vendor's support asks for is on the line, whether or not the message holds it already."""

    def refuse(*_):
        raise InvalidClientError("refused", trace_id="trace-1")

    monkeypatch.setattr("krauth_cli._sign.make_signature", refuse)
    assert run("sign", "--client-id", "x", stdin="secret\n").stderr == "krauth: refused; trace id trace-1\n"


@pytest.mark.parametrize("module", ["krauth", "krauth_cli"])
def test_python_m(module):
    """`python -m krauth` is the command, also in its own usage line."""
    done = subprocess.run([sys.executable, "-m", module, "nope"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Usage: python -m {module} ")


@pytest.mark.parametrize(
    "command", [["stores"], ["--help"], ["token", "--help"], ["demo", "--lang", "en"]], ids=" ".join
)
def test_a_disk_that_is_full_is_not_called_a_bug(command):
    """One line says that the output can't be written; Python adds no complaint of its own."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([KRAUTH, *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr == "krauth: the output can't be written where it is sent to: No space left on device\n"


def test_a_reader_that_closed_the_pipe_hears_nothing():
    """`krauth sandbox | true` and `krauth stores | head -1` end without a complaint."""
    process = subprocess.Popen([KRAUTH, "stores"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(30) == 1


@pytest.mark.parametrize("command", [["sign", "--client-id", "x"], ["token", "naver"]], ids=" ".join)
def test_ctrl_c_exits_as_shells_expect(command, tmp_path):
    """128 + SIGINT, without a traceback, whatever the command is waiting for."""
    code = """
import signal, sys, threading, os
from krauth_cli import main
import krauth_cli._sign, krauth_cli._token
def interrupt(*_, **__):
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(5)
krauth_cli._sign._read_secret = krauth_cli._token._obtain = interrupt
main()
"""
    done = python(code, *command)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(["tokn"], "krauth token"), (["Demo"], "krauth demo"), (["token", "navr"], "krauth token naver")],
)
def test_a_command_that_is_nearly_right_is_suggested(run, typed, meant):
    """Only a name of ours is printed."""
    result = run(*typed)
    assert result.exit_code == 2
    assert f"did you mean {meant}?" in result.stderr
    assert typed[-1] not in result.stderr.split()
