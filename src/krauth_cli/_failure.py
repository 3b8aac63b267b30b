"""What becomes of errors: one line on stderr, exit code 1 (2: usage or configuration), no traceback, no secret."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import IO, Any

import click

from krauth import ConfigurationError, KrauthError, TokenEndpointError

#: Something did not work.
FAILED = 1
#: It could not have worked: an option or a setting is wrong.
MISUSED = 2


class Failure(click.ClickException):
    """A message for stderr and an exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message."""
        click.echo(f"krauth: {self.format_message()}", file=file, err=True)


class Command(click.Command):
    """A command that takes options only, and does not repeat what else was typed: it may be a secret."""

    allow_extra_args = True
    #: What to say besides.
    hint = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments without quoting them, as click would."""
        rest = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            ctx.fail(f"{ctx.command_path} takes options only, no arguments{self.hint}")
        return rest


def failure_of(error: Exception) -> Exception:
    """Return what click is to do about an error."""
    if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
        return error
    if isinstance(error, BrokenPipeError):
        return error  # click ends quietly
    if isinstance(error, KrauthError):
        text = str(error)
        trace_id = error.trace_id if isinstance(error, TokenEndpointError) else None
        if trace_id and trace_id not in text:
            text += f"; trace id {trace_id}"
        return Failure(text, MISUSED if isinstance(error, ConfigurationError) else FAILED)
    # A bug, ours or a plugin's. Its text is nobody's promise, so it is not shown: it may quote a secret.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return Failure(
        f"unexpected {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}; this is a bug, please report it"
    )


def printable(text: object, limit: int = 400) -> str:
    """Return foreign text fit for a terminal: one line, bounded, no control characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
