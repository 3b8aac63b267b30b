"""The group `krauth`: which module holds which command. `_failure` says what becomes of errors."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any, Final

import click

import krauth as library

from ._failure import Group, failure_of, output_failed, show

#: command → (module, its name there). A new command is a module and a row.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("demo._command", "demo"),
    "doctor": ("doctor._command", "doctor"),
    "introspect": ("_session", "introspect"),
    "login": ("_login", "login"),
    "logout": ("_session", "logout"),
    "sandbox": ("_sandbox", "sandbox"),
    "sign": ("_sign", "sign"),
    "stores": ("_stores", "stores"),
    "token": ("_token", "token"),
    "tokens": ("_moves", "tokens"),
    "whoami": ("_session", "whoami"),
}


class Krauth(Group):
    """Imports a command when it is named, and prints each exception as one line on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f".{module}", __package__), name)
        return command

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line to its exit code: 0, 1 (failed), 2 (a wrong setting or usage), 130 (Ctrl-C)."""
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except click.ClickException as error:
            show(error)
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("", err=True)  # below the ^C
            code = 130  # 128 + SIGINT, as shells say it
        except OSError as error:
            code = output_failed(error)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; never a traceback, never a secret."""
        try:
            return super().invoke(ctx)
        except Exception as error:  # noqa: BLE001  sorted out there, and raised again where click knows better
            raise failure_of(error) from None


@click.group(
    cls=Krauth,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`krauth demo` needs no account and no network.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show krauth's own log on stderr; it holds no secrets.")
@click.version_option(library.__version__, "--version", prog_name="krauth", message="%(prog)s %(version)s")
def krauth(verbose: bool) -> None:
    """Authentication for Naver Commerce API and Meloming OpenAPI."""
    for stream in (sys.stdout, sys.stderr):  # under LC_ALL=C or in an odd terminal: better a ? than no output
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    logger = logging.getLogger("krauth")
    if not logger.handlers:
        # Without one, logging prints warnings to stderr itself, beside the message that says the same.
        logger.addHandler(logging.NullHandler())
    if verbose:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("krauth: %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        click.get_current_context().call_on_close(lambda: logger.removeHandler(handler))
