"""`krauth stores` and `krauth tokens`: what token stores are installed, and what one of them holds, values never.

`_moves` does the long work of `krauth tokens`: copy, export, import, reencrypt, vacuum.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import click

from krauth import RefreshPolicy, TokenState, TokenStoreError
from krauth._values.guard import blot

from ._failure import Command, Failure, Group, Misuse, printable, to_json
from ._language import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from krauth import TokenStore

_STYLES: Final = {"fresh": "green", "stale": "yellow", "expired": "red", "intent": "magenta", "unreadable": "red"}


@click.group(cls=Group, invoke_without_command=True, short_help="List the kinds of token stores.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def stores(context: click.Context, as_json: bool) -> None:
    """List the URL schemes of token stores and the plugin behind each.

    Plugins are packages with an entry point in the group `krauth`. One that could not be loaded, and a scheme that
    more than one claims, are listed with the reason.
    """
    if context.invoked_subcommand is not None:
        return
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
            click.echo(
                f"{scheme + '://':<14} "
                + click.style(say("disputed by {who}: uninstall all but one", who=who), fg="red")
            )
        else:
            click.echo(f"{printable(scheme, 60) + '://':<14} {printable(plugin, 60)}")
    for plugin, why in sorted(found.broken.items()):
        text = say("plugin {plugin} could not be loaded: {why}", plugin=printable(plugin, 60), why=printable(why))
        click.echo(click.style(text, fg="red"))


@stores.command(cls=Command, short_help="Print the statements that make the tables of an SQL store.")
@click.option(
    "--dialect",
    type=click.Choice(["postgresql", "mysql", "mariadb"]),
    required=True,
    help="Which database.",
)
@click.option("--prefix", default="krauth_", show_default=True, help="Begins the names of the tables.")
def sql(dialect: str, prefix: str) -> None:
    """Print the statements that make the tables of a store under sql+postgresql:// or sql+mysql://.

    Such a store makes its tables itself on first use. Where its user may not, an administrator runs these statements.
    """
    try:
        from krauth_stores.sql import Tables
    except ModuleNotFoundError as error:
        raise Misuse("SQL stores need the package {name}: pip install 'krauth[sql]'", name=error.name) from None
    for statement in Tables(prefix).statements(dialect):
        click.echo(f"{statement};")


_STORE = click.option(
    "--store",
    "url",
    envvar="KRAUTH_STORE",
    show_envvar=True,
    metavar="URL",
    help="The token store, e.g. sqlite:///tokens.db. One with a password in it belongs in the variable.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Group, invoke_without_command=True, short_help="List the tokens in a store, or move them.")
@_STORE
@_JSON
@click.pass_context
def tokens(context: click.Context, url: str | None, as_json: bool) -> None:
    """List the tokens in a store, or move, delete and encrypt them. Without a command: list."""
    if context.invoked_subcommand is None:
        context.invoke(list_tokens, url=url, as_json=as_json)


@contextlib.contextmanager
def opened(url: str | None, *, makes: bool = False) -> Iterator[TokenStore]:
    """Open the store that `--store` names, here or at the group, and close it afterwards.

    Args:
        url: The option's value.
        makes: Whether a store that is not there yet is made.
    """
    from krauth._plugins import open_store

    context = click.get_current_context()
    url = url or (context.parent.params.get("url") if context.parent is not None else None)
    if url is None:
        raise click.MissingParameter(param_type="option", param_hint="'--store'", ctx=context)
    store = open_store(url)
    try:
        if not makes and (path := store.missing()) is not None:
            raise Failure("there is no token store at {path}; nothing was made", path=printable(path))
        yield store
    finally:
        store.close()


@tokens.command("list", cls=Command, short_help="List the tokens in a store.")
@_STORE
@_JSON
def list_tokens(url: str | None, as_json: bool) -> None:
    """List the tokens in a store: keys, states and lifetimes, never values.

    \b
    fresh       in use
    stale       in use, and refreshed with the next call
    expired     no longer used; refreshed with the next call
    intent      a refresh token was about to be spent, and no result is saved
    unreadable  not a token of ours, or of another version
    """
    with opened(url) as store:
        rows = [row for key in sorted(store.keys()) if (row := _row(store, key)) is not None]
        from_memory = url == "memory://"
    if as_json:
        click.echo(to_json(rows))
        return
    if not rows:
        click.echo(say("no tokens (memory:// ends with its process)") if from_memory else say("no tokens"))
    for row in rows:
        _print(row)


@tokens.command("show", cls=Command, short_help="Show one token of a store.")
@_STORE
@_JSON
@click.argument("key")
def show_token(url: str | None, as_json: bool, key: str) -> None:
    """Show one entry, by its key as `list` prints it: state and lifetimes, never the value."""
    with opened(url) as store:
        row = _row(store, key)
    if row is None:
        raise Failure("there is no such entry; krauth tokens list prints the keys")
    if as_json:
        click.echo(to_json(row))
    else:
        _print(row)


@tokens.command("delete", cls=Command, short_help="Delete one token of a store.")
@_STORE
@click.argument("key")
def delete_token(url: str | None, key: str) -> None:
    """Delete one entry, by its key as `list` prints it. Also one that can't be read or decrypted.

    A user's refresh token is gone with it: that user has to sign in again. The server is not told (krauth logout
    tells).
    """
    with opened(url) as store:
        listed = store.keys()
        try:
            there = key in listed or store.load(key) is not None
        except TokenStoreError:
            there = True
        if not there:
            raise Failure("there is no such entry; krauth tokens list prints the keys")
        store.delete(key)
    click.echo(say("deleted"))


def _row(store: TokenStore, key: str) -> dict[str, Any] | None:
    """Return the facts of an entry, or `None` when the entry is gone meanwhile."""
    from krauth._values.record import Record

    try:
        stored = store.load(key)
        if stored is None:
            return None
        record = Record.from_text(stored.value)
    except TokenStoreError as error:
        return {"key": key, "state": "unreadable", "why": str(error)}
    now, token = time.time(), record.token
    row: dict[str, Any] = {"key": key, "state": "intent" if record.intent_at is not None else "empty"}
    if record.revoked_at is not None:
        row["state"] = "revoked"
    if token is not None:
        if record.intent_at is None:
            row["state"] = token.state(now, _window(key, token.expires_at, token.obtained_at)).value
        row["expires_in"] = None if token.expires_at is None else int(token.expires_in(now))
        row["scope"] = None if token.scope is None else blot(token.scope)
        row["refresh_token"] = token.refresh_token is not None
        if token.refresh_expires_at is not None:
            row["refresh_expires_in"] = int(token.refresh_expires_at - now)
    if record.intent_at is not None:
        row["intent_age"] = int(now - record.intent_at)
    return row


def _window(key: str, expires_at: float | None, obtained_at: float) -> float:
    from krauth.meloming import MelomingCredentials
    from krauth.naver import NaverCredentials

    windows = {one.provider: one.window for one in (MelomingCredentials, NaverCredentials)}
    documented = windows.get(key.partition("|")[0])
    return 0.0 if expires_at is None else RefreshPolicy().window_for(expires_at - obtained_at, documented)


def _print(row: dict[str, Any]) -> None:
    from ._language import duration

    state = row["state"]
    facts = []
    if "expires_in" in row:
        left = row["expires_in"]
        if left is None:
            facts.append(say("lifetime not known"))
        elif state != TokenState.EXPIRED.value:
            facts.append(say("{time} left", time=duration(left)))
        else:
            facts.append(say("{time} ago", time=duration(-left)))
    if "intent_age" in row:
        facts.append(say("refresh begun {time} ago", time=duration(row["intent_age"])))
    if row.get("refresh_token"):
        left = row.get("refresh_expires_in")
        facts.append(say("refresh token") if left is None else say("refresh token for {time}", time=duration(left)))
    if row.get("scope"):
        facts.append(f"scope {printable(row['scope'], 80)}")
    if "why" in row:
        facts.append(printable(row["why"]))
    click.echo(click.style(f"{state:<11}", fg=_STYLES.get(state)) + ", ".join(facts))
    # A key names provider, origin, client and a fingerprint; no part of it is a secret.
    click.echo(f"           {printable(row['key'], 600)}")
