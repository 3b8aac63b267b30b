"""`krauth whoami`, `introspect` and `logout`: about the token that `krauth login` has put into a store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from krauth._values.guard import blot

from ._client import Client, client_options
from ._failure import Command, Failure, printable, to_json
from ._language import duration, labelled, refreshable_for, say

if TYPE_CHECKING:
    from krauth._values.record import Record
    from krauth._values.token import Token


@click.command(cls=Command, short_help="Say who is signed in.")
@client_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def whoami(target: str | None, as_json: bool, **options: Any) -> None:
    """Say who is signed in, from the store alone; no request is sent (for --issuer, one for its metadata).

    The exit code is 0, or 1 when no user is, or when the token can't be refreshed.
    """
    client = Client(target, options)
    token = _token_of(client, client.stored()[1])
    now = time.time()
    usable = token.expires_in(now) > 0
    refreshable = token.refresh_token is not None and (token.refresh_expires_at or now + 1) > now
    facts = {
        "user": client.user,
        "server": client.name,
        "scope": None if token.scope is None else blot(token.scope),
        "state": "usable" if usable else "expired",
        "refreshable": refreshable,
        "expires_at": None if token.expires_at is None else int(token.expires_at),
        "refresh_expires_at": None if token.refresh_expires_at is None else int(token.refresh_expires_at),
        "store": client.shown_store,
    }
    if as_json:
        click.echo(to_json(facts))
    else:
        has_end = token.expires_at is not None and usable
        state = say("usable, for {time}", time=duration(token.expires_in(now))) if has_end else say(str(facts["state"]))
        lines = {**facts, "state": state, "refreshable": refreshable_for(token, now) if refreshable else say("no")}
        for name, value in lines.items():
            if value is not None and not name.endswith("_at"):
                click.echo(labelled(name, printable(value), 14))
    if not usable and not refreshable:
        raise Failure(
            "the token has expired and can't be refreshed; sign in again: {command}", command=client.command("login")
        )


@click.command(cls=Command)
@client_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all that the server says.")
def introspect(target: str | None, as_json: bool, **options: Any) -> None:
    """Ask the server about the token, which is refreshed first if it has expired.

    The exit code is 0 when it is active, else 1.
    """
    client = Client(target, options)
    auth, record = client.stored()
    _token_of(client, record)
    info = auth.introspect()
    if as_json:
        click.echo(blot(to_json({**info.claims, "active": info.active})))
    else:
        click.echo(labelled("active", say("yes" if info.active else "no"), 14))
        for name in ("username", "sub", "client_id", "scope"):
            if (value := getattr(info, name)) is not None:
                click.echo(labelled(name, printable(value), 14))
        if info.exp is not None:
            click.echo(labelled("expires", say("in {time}", time=duration(info.exp - time.time())), 14))
    if not info.active:
        raise Failure(
            "the server does not accept this token; sign in again: {command}", command=client.command("login")
        )


@click.command(cls=Command)
@client_options
@click.option("--local", is_flag=True, help="Only forget the token here; at the server it lives on.")
def logout(target: str | None, local: bool, **options: Any) -> None:
    """Revoke the token at the server and forget it. What fails half-way can be repeated."""
    client = Client(target, options)
    auth, record = client.stored()
    if record is None or record.token is None:
        click.echo(say("no user {user} is signed in to {server}", user=printable(client.user, 100), server=client.name))
        return
    if local:
        auth.forget()
        click.echo(say("forgotten here; at the server the token lives until it expires"))
        return
    auth.revoke()
    click.echo(say("signed out {user} at {server}", user=printable(client.user, 100), server=client.name))


def _token_of(client: Client, record: Record | None) -> Token:
    if record is None or record.token is None:
        user, sign_in = printable(client.user, 100), client.command("login")
        raise Failure(
            "no user {user} is signed in to {server}; sign in: {command}",
            user=user,
            server=client.name,
            command=sign_in,
        )
    return record.token
