"""`krauth sign`: the signature of a Naver token request, for those who send it themselves."""

from __future__ import annotations

import json
import os
import sys
import time

import click

from krauth.naver import sign as make_signature

from ._failure import Command
from ._language import say

_ENV = "NAVER_COMMERCE_CLIENT_SECRET"


@click.command(cls=Command, short_help="Sign a Naver token request.")
@click.option(
    "--client-id",
    envvar="NAVER_COMMERCE_CLIENT_ID",
    show_envvar=True,
    required=True,
    help="The application's ID.",
)
@click.option("--timestamp", type=int, help="Milliseconds since the epoch, 13 digits.  [default: now]")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the secret from standard input, whatever is set.")
@click.option("--json", "as_json", is_flag=True, help="Print timestamp and signature as JSON.")
def sign(client_id: str, timestamp: int | None, from_stdin: bool, as_json: bool) -> None:
    """Print the signature (client_secret_sign) of a Naver token request.

    The secret is read from NAVER_COMMERCE_CLIENT_SECRET, else from standard input, else asked for. There is no
    option for it on purpose: arguments are seen by every user of the machine (ps), and stay in the shell's history.
    In a shell or .env file put the secret in single quotes, or its $ signs are eaten.

    The signature is good for five minutes from its timestamp, and only with it: --json prints both.
    """
    timestamp = int(time.time() * 1000) if timestamp is None else timestamp
    signature = make_signature(client_id, _read_secret(from_stdin), timestamp)
    click.echo(json.dumps({"timestamp": timestamp, "signature": signature}) if as_json else signature)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _read_secret(from_stdin: bool) -> str:
    if not from_stdin and os.environ.get(_ENV):
        return os.environ[_ENV]
    if not _is_terminal():
        return sys.stdin.readline().rstrip("\r\n")
    secret: str = click.prompt(say("client_secret (not shown)"), hide_input=True, err=True)
    return secret
