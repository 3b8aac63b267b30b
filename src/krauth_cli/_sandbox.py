"""`krauth sandbox`: both providers on loopback, in the foreground, until Ctrl-C."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import click

from krauth._values.language import default_language

from ._failure import Command, Failure, Misuse, printable
from ._language import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from krauth_sandbox import RecordedRequest, Sandbox

#: Seconds between looks at what has arrived.
_PACE = 0.1


def load_sandbox() -> type[Sandbox]:
    """Return the class; the extra may be missing."""
    if importlib.util.find_spec("aiohttp") is None:
        raise Misuse("the sandbox needs aiohttp: pip install 'krauth[cli,sandbox]'")
    from krauth_sandbox import Sandbox

    return Sandbox


@click.command(cls=Command, short_help="Run both APIs on this machine.")
@click.option(
    "--config", type=click.Path(dir_okay=False), metavar="FILE.toml", help="Settings; options win. See docs/sandbox.md."
)
@click.option("--naver-port", type=click.IntRange(0, 65535), help="Port of the Naver API.  [default: a free one]")
@click.option("--meloming-port", type=click.IntRange(0, 65535), help="Port of the Meloming API.  [default: a free one]")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    help="Token lifetimes are divided by this: at 1080 three hours pass in ten seconds.  [default: 1]",
)
@click.option("--naver-client-id", metavar="ID", help="The Naver application.  [default: random]")
@click.option("--seller", "sellers", multiple=True, metavar="ID[=UID]", help="A Naver seller; may be given again.")
@click.option("--client", "clients", multiple=True, metavar="ID", help="A Meloming client, with a random secret.")
@click.option("--public-client", "public_clients", multiple=True, metavar="ID", help="One without a secret (PKCE).")
@click.option("--user", "users", multiple=True, metavar="NAME", help="A Meloming user; may be given again.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, metavar="URI", help="A registered redirect URI.")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="A name of this machine that clients may use.")
@click.option("--quiet", is_flag=True, help="Do not show the requests.")
def sandbox(config: str | None, quiet: bool, **options: Any) -> None:
    """Run both APIs on this machine, with credentials that are worth nothing.

    How to use it is printed on stdout, every request on stderr: method, path and status, no secrets. The page at / of
    either port shows tokens and requests, and has a button for each fault. Ctrl-C or SIGTERM stops it.
    """
    # The user's own secrets are in the file: every user of the machine sees arguments.
    server = _make(config, _arguments(options))
    with _stopped_by_signal() as stop:
        try:
            server.start()
        except OSError as error:
            raise Failure(
                "the sandbox could not start: {why}; --naver-port and --meloming-port choose other ports",
                why=error.strerror or type(error).__name__,
            ) from None
        try:
            click.echo(server.describe(default_language()))
            click.echo(f"# {say('Try it in another terminal:  krauth token naver')}")
            click.echo(f"# {say('Ctrl-C stops the sandbox.')}\n")
            seen = _follow(server, stop, quiet)
        finally:
            server.stop()
    text = say(
        "sandbox stopped; it answered 1 request" if seen == 1 else "sandbox stopped; it answered {count} requests",
        count=seen,
    )
    click.echo(f"\n{text}", err=True)


def _arguments(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Sandbox` for the options that were given."""
    clients = dict.fromkeys(options.pop("clients"), True) | dict.fromkeys(options.pop("public_clients"), False)
    sellers = [seller.partition("=") for seller in options.pop("sellers")]
    if not all(account_id for account_id, _, _ in sellers):
        raise Misuse("--seller needs an account id: --seller ID or --seller ID=UID")
    arguments = {
        "naver_accounts": {account_id: uid or f"ncp_{account_id}" for account_id, _, uid in sellers},
        "meloming_clients": clients,
        "meloming_users": options.pop("users"),
        "meloming_redirect_uris": options.pop("redirect_uris"),
        **options,
    }
    return {name: value for name, value in arguments.items() if value not in (None, (), {})}


def _make(config: str | None, arguments: dict[str, Any]) -> Sandbox:
    sandbox_class = load_sandbox()
    try:
        return sandbox_class(**arguments) if config is None else sandbox_class.from_file(config, **arguments)
    except OSError as error:
        raise Misuse("the settings file can't be read: {why}", why=error.strerror) from None
    except ValueError as error:  # UnicodeDecodeError is one, and quotes what it could not read
        if isinstance(error, UnicodeDecodeError):
            raise Misuse("the settings file is not UTF-8") from None
        raise Misuse("the settings can't be right: {why}", why=printable(error)) from None


@contextlib.contextmanager
def _stopped_by_signal() -> Iterator[threading.Event]:
    stop = threading.Event()
    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _follow(server: Sandbox, stop: threading.Event, quiet: bool) -> int:
    """Print requests as they come, and return how many came."""
    last: dict[str, RecordedRequest | None] = {"naver": None, "meloming": None}
    count = 0
    while True:
        stopping = stop.wait(_PACE)
        new: list[RecordedRequest] = []
        for emulator in (server.naver, server.meloming):
            unseen = _after(emulator.requests, last[emulator.provider])
            if unseen:
                last[emulator.provider] = unseen[-1]
                new += unseen
        count += len(new)
        if not quiet:
            for record in sorted(new, key=lambda one: one.at):
                click.echo(_line(record), err=True)
        if stopping:
            return count


def _after(records: list[RecordedRequest], last: RecordedRequest | None) -> list[RecordedRequest]:
    # From the end: the emulator keeps a bounded number, and forgets everything at /_sandbox/reset.
    for index in range(len(records) - 1, -1, -1):
        if records[index] is last:
            return records[index + 1 :]
    return records


def _line(record: RecordedRequest) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(record.at))
    status = record.status or say("dropped")
    color = "green" if 200 <= record.status < 400 else "yellow" if 400 <= record.status < 500 else "red"
    # The path without its query, in which an authorization code may stand; it is what a client typed, so cleaned.
    path = printable(record.path, 200)
    problem = "" if record.wrong is None else f"  {printable(record.wrong.told(default_language()))}"
    return f"{clock}  {record.provider:<8}  {record.method:<6} {path}  {click.style(str(status), fg=color)}{problem}"
