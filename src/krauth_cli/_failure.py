"""What becomes of errors: one line on stderr, exit code 1 (2: usage or configuration), no traceback, no secret.

In a Korean locale, help and messages are Korean: `_language`.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import IO, Any

import click

from krauth import ConfigurationError, KrauthError, TokenEndpointError
from krauth._values.guard import blot, visible
from krauth._values.language import default_language, remedies

from ._language import say, translated


class Failure(click.ClickException):
    """Something did not work: a message for stderr, in the language of the locale.

    Args:
        message: English text. With values it is a template, and its gaps (`{name}`) are filled.
        values: What goes into the gaps.
    """

    exit_code = 1

    def __init__(self, message: str, **values: object) -> None:
        shown = {name: visible(value) if isinstance(value, str) else value for name, value in values.items()}
        super().__init__(say(message, **shown) if values else translated(message))

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


class HelpFormatter(click.HelpFormatter):
    """Writes help in the language of the locale."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line."""
        super().write_usage(prog, args, f"{translated('Usage')}: " if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        super().write_heading(translated(heading))

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        parts = [part if part.startswith("\b") else " ".join(part.split()) for part in text.split("\n\n")]
        super().write_text("\n\n".join(translated(part) for part in parts))

    def write_dl(self, rows: Any, *more: Any, **settings: Any) -> None:
        """Write a list of options or commands."""
        super().write_dl([(name, _row(text)) for name, text in rows], *more, **settings)


def _row(text: str) -> str:
    """Return an option's help: a sentence, and then what click or we add in brackets."""
    sentence, *extras = re.split(r"  \[", text)
    return "  [".join([translated(sentence), *[_extra(extra) for extra in extras]])


def _extra(extra: str) -> str:
    parts = []
    for part in extra.removesuffix("]").split("; "):
        name, colon, value = part.partition(": ")
        parts.append(f"{translated(name)}{colon}{translated(value)}")
    return "; ".join(parts) + "]"


class Context(click.Context):
    """A context whose help is in the language of the locale."""

    formatter_class = HelpFormatter


class Group(click.Group):
    """A group of commands. Its errors do not quote an unknown command, since that may be a secret."""

    context_class = Context

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the line for the list of commands, whole: the formatter translates and wraps it."""
        return super().get_short_help_str(1000)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command."""
        if args and self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            # Only the name of a known command is printed, never the user's input.
            close = difflib.get_close_matches(args[0], names, 1)
            hint = say("; did you mean {command}?", command=f"{ctx.command_path} {close[0]}") if close else ""
            ctx.fail(say("no such command; there are: {names}", names=", ".join(names)) + hint)
        return super().resolve_command(ctx, args)


class Command(click.Command):
    """A command that takes options only, and does not repeat what else was typed: it may be a secret."""

    allow_extra_args = True
    context_class = Context

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the line for the list of commands, whole: the formatter translates and wraps it."""
        return super().get_short_help_str(1000)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments without quoting them, as click would."""
        if not _NEVER.isdisjoint(arg.partition("=")[0] for arg in args):
            ctx.fail(say("{command} takes no secret as an argument; {why}", command=ctx.command_path, why=say(_WHY)))
        rest = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            command, why = ctx.command_path, say(_WHY)
            ctx.fail(
                say("{command} takes options only, no arguments; if that was a secret: {why}", command=command, why=why)
            )
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
        for remedy in remedies(text, tuple(kind.__name__ for kind in type(error).__mro__)):
            text += f"\n        {remedy}"
        return Misuse(text) if isinstance(error, ConfigurationError) else Failure(text)
    # A bug of krauth or of a plugin. The text of the exception is not shown, since it may quote a secret.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    kind = type(error).__name__
    return Failure("unexpected {kind} at {where}; this is a bug, please report it", kind=kind, where=where)


def show(error: click.ClickException) -> None:
    """Print an error on stderr, in the language of the locale."""
    is_help = isinstance(error, click.exceptions.NoArgsIsHelpError)  # a group without a command
    if is_help or not isinstance(error, click.UsageError) or default_language() == "en":
        error.show()
        return
    if error.ctx is not None:
        click.echo(error.ctx.get_usage(), err=True)
        hint = say("Try '{command} --help' for help.", command=error.ctx.command_path)
        click.echo(f"{hint}\n", err=True)
    click.echo(f"{say('Error')}: {_usage(error)}", err=True)


def _usage(error: click.UsageError) -> str:
    """Return what click says of a wrong option, in Korean."""
    if isinstance(error, click.MissingParameter):
        context = error.ctx or click.get_current_context()
        hint = str(error.param_hint) if error.param is None else error.param.get_error_hint(context)
        return say("Missing option {name}.", name=hint.replace("env var", translated("env var")))
    if isinstance(error, click.NoSuchOption):
        near = f" ({', '.join(sorted(error.possibilities))}?)" if error.possibilities else ""
        return say("No such option: {name}", name=error.option_name) + near
    if isinstance(error, click.BadParameter) and error.param is not None and error.ctx is not None:
        return say("Invalid value for {name}: {why}", name=error.param.get_error_hint(error.ctx), why=error.message)
    return error.format_message()


def output_failed(error: OSError) -> int:
    """Say why stdout could not be written (a full disk, say), and return the exit code.

    A reader that closed the pipe (`krauth stores | head -1`) has what it wanted: nothing is said.
    """
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            click.echo(
                f"krauth: {say(_OUTPUT if error.errno in _FULL else _SYSTEM)}: {error.strerror or error}", err=True
            )
    # The rest of the buffer can't be written either. Python would report that once more at its exit.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def to_json(value: object, indent: int | None = None) -> str:
    """Return JSON for a terminal: readable Korean, and as escapes what a terminal would act on or hide."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)


def printable(text: object, limit: int = 400) -> str:
    """Return foreign text fit for a terminal: one line, bounded, no control characters, no secret that is known."""
    line = " ".join("".join(char if char.isprintable() else " " for char in blot(str(text)[:100_000])).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
