"""`krauth login`: have a user authorize in the browser, and keep the token in a store for other programs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from krauth import AuthorizationError

from ._client import Client, client_options
from ._failure import Command, Failure, Misuse, printable
from ._language import duration, labelled, refreshable_for, say

if TYPE_CHECKING:
    from krauth import AuthorizationRequest, Token
    from krauth.provider import UserAuth

#: Where the browser ends up with --paste; nothing listens there, and the server wants to know it beforehand.
_PASTE_PORT: Final = 8400
#: Attempts to paste the right address.
_ATTEMPTS: Final = 3


@click.command(cls=Command)
@client_options
@click.option("--redirect-uri", metavar="URI", help="As registered.  [default: http://127.0.0.1:PORT/callback]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="To receive the callback at.  [default: a free one]"
)
@click.option("--no-browser", is_flag=True, help="Print the address instead of opening a browser.")
@click.option("--paste", is_flag=True, help="Receive nothing; paste the address that the browser ends up at.")
@click.option(
    "--timeout",
    type=click.FloatRange(1, 86400),
    default=300.0,
    show_default=True,
    help="Seconds to wait for the user.",
)
def login(
    target: str | None,
    redirect_uri: str | None,
    port: int,
    no_browser: bool,
    paste: bool,
    timeout: float,
    **options: Any,
) -> None:
    """Sign a user in and keep the token in a store.

    Meloming's client is read from MELOMING_CLIENT_ID and, if it has one, MELOMING_CLIENT_SECRET. Any other OAuth 2.0
    server is described by a TOML file or by options; a client secret comes from a variable, never from either.

    The user authorizes in a browser, which then comes back to this machine (127.0.0.1 only). On a machine without a
    browser use --paste.
    """
    client = Client(target, options)
    redirect_uri = redirect_uri or client.redirect_uri
    if redirect_uri is not None and port:
        raise Misuse("--port and a redirect URI exclude each other: the port is in the URI")
    token = _paste(client, redirect_uri, port) if paste else _receive(client, redirect_uri, port, no_browser, timeout)
    _report(client, token)


def _receive(client: Client, redirect_uri: str | None, port: int, no_browser: bool, timeout: float) -> Token:
    from ._callback import Receiver

    outcome: list[Token | Exception] = []
    with Receiver(redirect_uri, port) as receiver:
        auth = _ready(client, receiver.redirect_uri)
        request = auth.authorization_request()

        def finish(callback_url: str) -> bool:
            try:
                outcome.append(auth.authorize(callback_url, request))
            except Exception as error:  # noqa: BLE001  raised again below, in the main thread
                outcome.append(error)
            return not isinstance(outcome[0], Exception)

        receiver.start(request.state, finish)
        _show(request.url, client, browser=not no_browser)
        came = receiver.wait(timeout)
    if not came:
        raise Failure(
            "the browser did not come back within {seconds} s; run it again, with --timeout for more time, or with"
            " --paste if the browser runs on another machine",
            seconds=f"{timeout:.0f}",
        )
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _paste(client: Client, redirect_uri: str | None, port: int) -> Token:
    auth = _ready(client, redirect_uri or f"http://127.0.0.1:{port or _PASTE_PORT}/callback")
    request = auth.authorization_request()
    _show(request.url, client, browser=False)
    click.echo(
        say(
            "The browser will end up at an address that it may not be able to open. Copy it from the address bar,"
            " all of it, and paste it here."
        ),
        err=True,
    )
    for _ in range(_ATTEMPTS - 1):
        try:
            return _pasted(auth, request)
        except AuthorizationError as error:
            if error.error is not None or not sys.stdin.isatty():
                raise
            click.echo(f"krauth: {error}", err=True)
    return _pasted(auth, request)


def _ready(client: Client, redirect_uri: str) -> UserAuth:
    auth = client.auth(redirect_uri)
    # A store that can't be written is better found now than when the user has authorized. A lease writes; reading alone
    # makes no file.
    from krauth._engine.driver import key_in

    store = auth._tokens.store
    lease = store.acquire(key_in(store, auth._tokens.credentials), 1.0)
    if lease is not None:
        store.release(lease)
    return auth


def _pasted(auth: UserAuth, request: AuthorizationRequest) -> Token:
    click.echo(say("Address: "), nl=False, err=True)
    line = sys.stdin.readline()
    if not line:
        raise Failure("no address was pasted")
    return auth.authorize(line.strip(), request)


def _show(url: str, client: Client, *, browser: bool) -> None:
    opened = False
    if browser:
        import webbrowser

        click.echo(say("Opening a browser to sign in to {server}.", server=client.name), err=True)
        try:
            opened = webbrowser.open(url)
        except (webbrowser.Error, OSError):
            opened = False
        if not opened:
            click.echo(say("No browser could be opened."), err=True)
    text = say("If none appears, open this address:") if opened else say("Open this address:")
    click.echo(f"{text}\n\n    {url}\n", err=True)


def _report(client: Client, token: Token) -> None:
    now = time.time()
    lines = {
        "signed in": say("{user} at {server}", user=printable(client.user, 100), server=client.name),
        "scope": None if token.scope is None else printable(token.scope),
        "expires": None if token.expires_at is None else say("in {time}", time=duration(token.expires_in(now))),
        "refreshable": refreshable_for(token, now),
        "store": client.shown_store,
    }
    for name, value in lines.items():
        if value is not None:
            click.echo(labelled(name, value, 14))
