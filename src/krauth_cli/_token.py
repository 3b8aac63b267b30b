"""`krauth token naver|meloming|…`: obtain a token, also of a provider of another package."""

from __future__ import annotations

import importlib
import importlib.util
import time
from typing import TYPE_CHECKING, Any, Final

import click

from krauth._values.guard import blot

from ._failure import Command, Failure, Group, Misuse, printable, to_json
from ._language import duration, labelled, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

    from krauth import Token

#: Whichever library is there sends the token request; those that honour HTTPS_PROXY by themselves first.
_STACKS: Final = ("requests", "httpx", "httpx2", "aiohttp")


#: The entry points of other packages' providers: name → a class on top of `krauth.provider.OriginAuth`.
_GROUP: Final = "krauth.providers"


class _Providers(Group):
    """The providers of krauth, and those of other packages. One of those is imported only when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        own = super().list_commands(ctx)
        return [*own, *sorted(_plugged().keys() - set(own))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or _plugged_command(cmd_name)


@click.group(cls=_Providers, short_help="Obtain a token.")
def token() -> None:
    """Obtain a token with credentials from the environment.

    The token is masked unless you say --show. The exit code is 0, 1 when no token could be had, 2 when a setting is
    wrong.
    """


def _common(base_url: str | None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    options = [
        click.option(
            "--base-url",
            envvar=base_url,
            show_envvar=base_url is not None,
            help="Where the API is.  [default: the real one]",
        ),
        click.option(
            "--store",
            "store",
            envvar="KRAUTH_STORE",
            show_envvar=True,
            metavar="URL",
            help="Use and fill this token store, e.g. sqlite:///tokens.db.  [default: none]",
        ),
        click.option("--header", is_flag=True, help="Print the header field for a call, for curl's -H @-."),
        click.option("--show", is_flag=True, help="Print the token itself. Mind who sees your terminal, and CI logs."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON; access_token is in it only with --show."),
    ]

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@token.command(cls=Command)
@click.option(
    "--account-id",
    envvar="NAVER_COMMERCE_ACCOUNT_ID",
    show_envvar=True,
    help="Seller ID or UID: a token of type SELLER.  [default: none, type SELF]",
)
@_common("NAVER_COMMERCE_BASE_URL")
def naver(account_id: str | None, **options: Any) -> None:
    """Naver Commerce API.

    Reads NAVER_COMMERCE_CLIENT_ID and NAVER_COMMERCE_CLIENT_SECRET (in single quotes: it holds $ signs).

    \b
    With curl, and no token among its arguments:
      krauth token naver --header |
        curl -H @- https://api.commerce.naver.com/external/v1/seller/account
    """
    _obtain("NaverAuth", account_id=account_id, **options)


@token.command(cls=Command)
@click.option("--scope", help="Scopes to ask for, separated by blanks.  [default: the server's]")
@_common("MELOMING_BASE_URL")
def meloming(scope: str | None, **options: Any) -> None:
    """Meloming OpenAPI (client credentials).

    Reads MELOMING_CLIENT_ID and MELOMING_CLIENT_SECRET.
    """
    _obtain("MelomingOAuth", scope=scope, **options)


def _plugged() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {found.name: found for found in entry_points(group=_GROUP)}


def _plugged_command(name: str) -> click.Command | None:
    if (found := _plugged().get(name)) is None:
        return None

    @click.command(name, cls=Command, help=say("A provider of another package; its documentation names the settings."))
    @_common(None)
    def command(**options: Any) -> None:
        from krauth.provider import OriginAuth

        try:
            base = found.load()
        except Exception as error:  # the text is not shown, since it may quote a secret
            why = printable(type(error).__name__, 60)
            raise Failure("the package of this provider could not be loaded: {why}", why=why) from error
        if not (isinstance(base, type) and issubclass(base, OriginAuth) and hasattr(base, "from_env")):
            raise Misuse("the entry point of this provider must name a class on top of OriginAuth that has from_env()")
        _obtain(base, **options)

    return command


def _obtain(
    provider: str | type, base_url: str | None, store: str | None, show: bool, as_json: bool, header: bool, **more: Any
) -> None:
    if header and (show or as_json):
        raise Misuse("--header excludes --show and --json: it prints the header field and nothing else")
    stack = next((name for name in _STACKS if importlib.util.find_spec(name) is not None), None)
    if stack is None:
        raise Misuse("an HTTP library is needed to send the token request: pip install 'krauth[requests]'")
    settings = {"base_url": base_url, "store": store, **more}
    if store is not None:
        from krauth import RefreshPolicy

        settings["refresh"] = RefreshPolicy(require_store=True)  # a store that was named and failed is an error
    module: Any = importlib.import_module(f"krauth_{stack}")
    if isinstance(provider, str):
        cls = getattr(module, provider)
    else:
        cls = type(provider.__name__.removesuffix("Base"), (provider, module.AdapterAuth), {})
    began = time.time()
    given = {name: value for name, value in settings.items() if value is not None}
    try:
        auth = cls.from_env(**given)
    except TypeError as error:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given if name != "refresh")
        if isinstance(provider, str):
            raise
        if options:
            raise Misuse("this provider can't be made with {options}", options=options) from error
        raise Misuse("this provider can't be made from the environment alone; see its documentation") from error
    if auth._source is None:
        raise Misuse("this provider has no token: it signs each request; auth.headers(method, url) gives the fields")
    found: Token = auth.token()
    if header:
        click.echo(f"{auth.token_header}: {f'{auth.token_scheme} {found.access_token}'.lstrip()}")
        return
    endpoint = str(auth._source.credentials.token_endpoint)
    from_store = found.obtained_at < began  # else it was asked for just now
    facts = _facts(found, endpoint, from_store, show)
    if as_json:
        click.echo(to_json(facts))
        return
    expires_in = facts["expires_in"]
    lines = {
        "token": found.access_token if show else f"{facts['access_token_masked']}  ({say('--show prints it')})",
        "expires": say("the server does not say")
        if expires_in is None
        else say("in {time}, at {date}", time=duration(expires_in), date=_date(found.expires_at)),
        "scope": None if facts["scope"] is None else printable(facts["scope"]),
        "from": say("the token store, obtained {time} ago", time=duration(began - found.obtained_at))
        if from_store
        else endpoint,
    }
    for name, value in lines.items():
        if value is not None:
            click.echo(labelled(name, value, 9))


def _facts(found: Token, endpoint: str, from_store: bool, show: bool) -> dict[str, Any]:
    now = time.time()
    value = found.access_token
    # A key of another name, so that a script that forgets --show stops, and sends no mask as a token.
    access = {"access_token": value} if show else {"access_token_masked": mask(value)}
    return {
        **access,
        "token_type": found.token_type,
        "expires_in": None if found.expires_at is None else int(found.expires_in(now)),
        "expires_at": None if found.expires_at is None else int(found.expires_at),
        "scope": None if found.scope is None else blot(found.scope),
        "token_endpoint": endpoint,
        "from_store": from_store,
    }


def _date(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at))


def mask(value: str) -> str:
    """Return what tells two tokens apart and opens nothing; of a short one only the length."""
    start = value[:4] if len(value) >= 16 else ""
    return say("{start}… ({length} characters)", start=start, length=len(value))
