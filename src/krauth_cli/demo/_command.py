"""`krauth demo`: the main job, on the embedded sandbox. `_scenes` runs it, `_report` prints it."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import click

from krauth._values.language import default_language

from .._failure import Command, Failure
from .._language import LANGUAGES
from ._phrases import Phrases

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_PROXY: Final = ("NO_PROXY", "no_proxy")


@click.command(cls=Command, short_help="Show everything at work, on a sandbox.")
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    default=default_language,
    help="English or Korean.  [default: from LC_ALL, LC_MESSAGES, LANG]",
)
def demo(lang: str) -> None:
    """Show tokens obtained, reused, refreshed and recovered: every library, both APIs.

    Real requests through requests, httpx, httpx2 and aiohttp, sync and async, to a sandbox in this process: no
    account and no network needed, about 15 seconds. The exit code is 1 if anything was not as stated.
    """
    if not run(lang):
        click.get_current_context().exit(Failure.exit_code)


def run(language: str) -> bool:
    """Run the demo; return whether every claim holds."""
    from krauth import __version__

    from .._sandbox import load_sandbox
    from ._apis import Trial
    from ._clients import STACKS
    from ._report import Report
    from ._scenes import Scenes

    sandbox_class = load_sandbox()
    report = Report(Phrases(language))
    found = [(stack, stack.is_installed) for stack in STACKS]
    report.title(__version__, found)
    with ExitStack() as running:
        running.enter_context(_without_proxy())
        trials = [Trial(stack, running.enter_context(sandbox_class())) for stack, there in found if there]
        Scenes(report, trials).run()
    report.summary()
    return report.all_hold


@contextmanager
def _without_proxy() -> Iterator[None]:
    """Keep this process's requests to itself off a proxy that the environment names."""
    before = {name: os.environ.get(name) for name in _NO_PROXY}
    for name, value in before.items():
        os.environ[name] = f"{value},127.0.0.1" if value else "127.0.0.1"
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
