"""What becomes of errors: one line on stderr, exit code 1 (2: usage or configuration), no traceback, no secret."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import sys
import traceback
from pathlib import Path
from typing import IO, Any

import click

from krauth import ConfigurationError, KrauthError, TokenEndpointError


class Failure(click.ClickException):
    """Something did not work: a message for stderr."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message."""
        click.echo(f"krauth: {self.format_message()}", file=file, err=True)


class Misuse(Failure):
    """It could not have worked: an option or a setting is wrong, or an extra is missing."""

    exit_code = 2


_FULL = frozenset({errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EBADF})
_OUTPUT = "the output can't be written where it is sent to"
_SYSTEM = "the operating system refused an operation"
#: Why a secret is never an argument.
_WHY = "every user of the machine sees arguments (ps), and the shell keeps them; use the environment"
#: Options that people try, and that there will never be.
_NEVER = frozenset({"--secret", "--client-secret", "--client_secret", "--api-key", "--token"})


class Group(click.Group):
    """A group of commands that does not repeat what was typed in place of one: it may be a secret."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command."""
        if args and self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            # Only a name of ours is printed, never what was typed.
            close = difflib.get_close_matches(args[0], names, 1)
            hint = f"; did you mean {ctx.command_path} {close[0]}?" if close else ""
            ctx.fail(f"no such command; there are: {', '.join(names)}{hint}")
        return super().resolve_command(ctx, args)


class Command(click.Command):
    """A command that takes options only, and does not repeat what else was typed: it may be a secret."""

    allow_extra_args = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments without quoting them, as click would."""
        if not _NEVER.isdisjoint(arg.partition("=")[0] for arg in args):
            ctx.fail(f"{ctx.command_path} takes no secret as an argument; {_WHY}")
        rest = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            ctx.fail(f"{ctx.command_path} takes options only, no arguments; if that was a secret: {_WHY}")
        return rest


def failure_of(error: Exception) -> Exception:
    """Return what click is to do about an error."""
    if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
        return error
    if isinstance(error, OSError):
        return error  # the output: `output_failed`
    if isinstance(error, KrauthError):
        text = str(error)
        trace_id = error.trace_id if isinstance(error, TokenEndpointError) else None
        if trace_id and trace_id not in text:
            text += f"; trace id {trace_id}"
        return Misuse(text) if isinstance(error, ConfigurationError) else Failure(text)
    # A bug, ours or a plugin's. Its text is nobody's promise, so it is not shown: it may quote a secret.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    return Failure(f"unexpected {type(error).__name__} at {where}; this is a bug, please report it")


def show(error: click.ClickException) -> None:
    """Print an error on stderr."""
    error.show()


def output_failed(error: OSError) -> int:
    """Say why stdout could not be written (a full disk, say), and return the exit code.

    A reader that closed the pipe (`krauth stores | head -1`) has what it wanted: nothing is said.
    """
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            click.echo(f"krauth: {_OUTPUT if error.errno in _FULL else _SYSTEM}: {error.strerror or error}", err=True)
    # What is left in the buffer can't be written either, and Python would complain about it once more at its exit.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def printable(text: object, limit: int = 400) -> str:
    """Return foreign text fit for a terminal: one line, bounded, no control characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
