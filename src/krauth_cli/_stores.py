"""`krauth stores` and `krauth tokens`: what token stores are installed, and what one of them holds, values never."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from krauth import RefreshPolicy, TokenState, TokenStoreError

from ._failure import Command, printable, to_json

if TYPE_CHECKING:
    from krauth import TokenStore

_STYLES: Final = {"fresh": "green", "stale": "yellow", "expired": "red", "intent": "magenta", "unreadable": "red"}


@click.command(cls=Command, short_help="List the kinds of token stores.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stores(as_json: bool) -> None:
    """List the URL schemes of token stores and the plugin behind each.

    Plugins are packages with an entry point in the group `krauth`. One that could not be loaded, and a scheme that
    more than one claims, are listed with the reason.
    """
    from krauth._plugins import plugins

    found = plugins()
    disputed = {scheme: sorted(set(names)) for scheme, names in found.disputed.items()}
    if as_json:
        schemes = {scheme: plugin for scheme, (_, plugin) in sorted(found.factories.items())}
        click.echo(to_json({"schemes": schemes, "disputed": disputed, "broken": found.broken}))
        return
    for scheme, (_, plugin) in sorted(found.factories.items()):
        if scheme in disputed:
            who = ", ".join(printable(name, 60) for name in disputed[scheme])
            click.echo(f"{scheme + '://':<14} " + click.style(f"disputed by {who}: uninstall all but one", fg="red"))
        else:
            click.echo(f"{printable(scheme, 60) + '://':<14} {printable(plugin, 60)}")
    for plugin, why in sorted(found.broken.items()):
        text = f"plugin {printable(plugin, 60)} could not be loaded: {printable(why)}"
        click.echo(click.style(text, fg="red"))


@click.command(cls=Command, short_help="List the tokens in a store.")
@click.option(
    "--store",
    "url",
    envvar="KRAUTH_STORE",
    show_envvar=True,
    required=True,
    metavar="URL",
    help="The token store, e.g. sqlite:///tokens.db. One with a password in it belongs in the variable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def tokens(url: str, as_json: bool) -> None:
    """List the tokens in a store: keys, states and lifetimes, never values.

    \b
    fresh       in use
    stale       in use, and renewed with the next call
    expired     no longer used; renewed with the next call
    intent      a refresh token was about to be spent, and no result is saved
    unreadable  not a token of ours, or of another version
    """
    from krauth._plugins import open_store

    store = open_store(url)
    try:
        rows = [_row(store, key) for key in sorted(store.keys())]
    finally:
        store.close()
    if as_json:
        click.echo(to_json([row for row in rows if row is not None]))
        return
    listed = [row for row in rows if row is not None]
    if not listed:
        click.echo("no tokens" + (" (memory:// lives and dies with its process)" if url == "memory://" else ""))
    for row in listed:
        _print(row)


def _row(store: TokenStore, key: str) -> dict[str, Any] | None:
    """Return what is known of an entry, or `None` when it has gone meanwhile."""
    from krauth._values.record import Record

    stored = store.load(key)
    if stored is None:
        return None
    try:
        record = Record.from_text(stored.value)
    except TokenStoreError as error:
        return {"key": key, "state": "unreadable", "why": str(error)}
    now, token = time.time(), record.token
    row: dict[str, Any] = {"key": key, "state": "intent" if record.intent_at is not None else "empty"}
    if token is not None:
        if record.intent_at is None:
            row["state"] = token.state(now, _window(key, token.expires_at, token.obtained_at)).value
        row["expires_in"] = None if token.expires_at is None else int(token.expires_in(now))
        row["scope"] = token.scope
        row["refresh_token"] = token.refresh_token is not None
        if token.refresh_expires_at is not None:
            row["refresh_expires_in"] = int(token.refresh_expires_at - now)
    if record.intent_at is not None:
        row["intent_age"] = int(now - record.intent_at)
    return row


def _window(key: str, expires_at: float | None, obtained_at: float) -> float:
    from krauth.naver import REFRESH_WINDOW

    documented = REFRESH_WINDOW if key.startswith("naver|") else None
    return 0.0 if expires_at is None else RefreshPolicy().window_for(expires_at - obtained_at, documented)


def _print(row: dict[str, Any]) -> None:
    from ._language import duration

    state = row["state"]
    facts = []
    if "expires_in" in row:
        left = row["expires_in"]
        if left is None:
            facts.append("lifetime not known")
        else:
            facts.append(f"{duration(left)} left" if state != TokenState.EXPIRED.value else f"{duration(-left)} ago")
    if "intent_age" in row:
        facts.append(f"refresh begun {duration(row['intent_age'])} ago")
    if row.get("refresh_token"):
        left = row.get("refresh_expires_in")
        facts.append("refresh token" + (f" for {duration(left)}" if left is not None else ""))
    if row.get("scope"):
        facts.append(f"scope {printable(row['scope'], 80)}")
    if "why" in row:
        facts.append(printable(row["why"]))
    click.echo(click.style(f"{state:<11}", fg=_STYLES.get(state)) + ", ".join(facts))
    # A key names provider, origin, client and a fingerprint; no part of it is a secret.
    click.echo(f"           {printable(row['key'], 600)}")
