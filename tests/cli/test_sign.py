"""`krauth sign`: the published vector, and a secret that comes from anywhere but an argument."""

import json
import time

import pytest

import krauth.naver

CLIENT_ID, SECRET, TIMESTAMP = "aaaabbbbcccc", "$2a$10$abcdefghijklmnopqrstuv", "1643961623299"
SIGNATURE = "JDJhJDEwJGFiY2RlZmdoaWprbG1ub3BxcnN0dXVCVldZSk42T0VPdEx1OFY0cDQxa2IuTnpVaUEzbmsy"
ARGUMENTS = ("sign", "--client-id", CLIENT_ID, "--timestamp", TIMESTAMP)
NAME = "NAVER_COMMERCE_CLIENT_SECRET"


def test_the_secret_from_the_environment(run):
    """The vendor's published vector comes out."""
    result = run(*ARGUMENTS, **{NAME: SECRET})
    assert (result.exit_code, result.stdout, result.stderr) == (0, SIGNATURE + "\n", "")


def test_the_secret_from_standard_input(run):
    """Piped in, with its line break."""
    assert run(*ARGUMENTS, stdin=SECRET + "\n").stdout == SIGNATURE + "\n"
    assert run(*ARGUMENTS, "--stdin", stdin=SECRET + "\r\n", **{NAME: "$2a$04$" + "a" * 22}).stdout == SIGNATURE + "\n"


def test_the_secret_is_asked_for_at_a_terminal(run, monkeypatch):
    """It is not shown while typed, and the question is not in the way of the output."""
    monkeypatch.setattr("krauth_cli._sign._is_terminal", lambda: True)
    result = run(*ARGUMENTS, stdin=SECRET + "\n")
    assert result.stdout.split() == [SIGNATURE]  # click 8.2.0's CliRunner adds an empty line
    assert "not shown" in result.stderr
    assert SECRET not in result.output


def test_json_holds_the_timestamp_that_was_signed(run):
    """By default it is now, in milliseconds."""
    before = int(time.time() * 1000)
    result = json.loads(run("sign", "--json", "--client-id", CLIENT_ID, **{NAME: SECRET}).stdout)
    assert before <= result["timestamp"] <= int(time.time() * 1000)
    assert result["signature"] == krauth.naver.sign(CLIENT_ID, SECRET, result["timestamp"])


@pytest.mark.parametrize(
    ("secret", "arguments", "word"),
    [
        ("C4NARY", ARGUMENTS, "single quotes"),
        (" C4NARY", ARGUMENTS, "white space"),
        (SECRET, (*ARGUMENTS[:-1], "1643961623"), "milliseconds"),
        (SECRET, ("sign", "--timestamp", TIMESTAMP), "--client-id"),
        ("", ARGUMENTS, "client_secret is empty"),
    ],
)
def test_what_cannot_be_right_is_explained_and_not_quoted(run, secret, arguments, word):
    """Exit code 2, and the remedy."""
    result = run(*arguments, **{NAME: secret})
    assert result.exit_code == 2
    assert word in result.stderr
    assert result.stdout == ""
    assert "C4NARY" not in result.output
    assert SECRET not in result.output
