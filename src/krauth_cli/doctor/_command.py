"""`krauth doctor naver|meloming`: one token request, one harmless read, and a line for each fact of the documents."""

from __future__ import annotations

import importlib
import importlib.util
import time
from typing import TYPE_CHECKING, Any, Final

import click

from krauth import HTTPRequest, KrauthError, MemoryStore
from krauth._values.language import default_language, remedies

from .._failure import Command, Group, Misuse, printable, to_json
from . import _meloming, _naver
from ._phrases import Phrases
from ._seen import Seen, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._seen import Line

#: Whichever library is there sends the requests; those that honour HTTPS_PROXY by themselves first.
_STACKS: Final = ("requests", "httpx", "httpx2", "aiohttp")
#: Exit codes: a request was refused or not answered; the vendor differs from its documents.
FAILED: Final = 1
DIFFERS: Final = 3
_COLORS: Final = {"ok": "green", "note": None, "differs": "yellow", "failed": "red"}
#: Seconds for one answer.
_TIMEOUT: Final = 20.0


@click.group(cls=Group, short_help="Compare a vendor with its documents.")
def doctor() -> None:
    """Compare a vendor with its documents: one token request and one harmless read with your credentials.

    Nothing is written: neither at the vendor nor into a token store. The exit code is 0 when everything is as
    documented, 3 when something differs, 1 when a request was refused or not answered, 2 when a setting is wrong.
    """


def _common(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--path", metavar="PATH", help="The read, below the base URL.  [default: a documented one]"),
    ):
        function = option(function)
    return function


@doctor.command(cls=Command)
@click.option(
    "--account-id",
    envvar="NAVER_COMMERCE_ACCOUNT_ID",
    show_envvar=True,
    help="Seller ID or UID: a token of type SELLER.  [default: none, type SELF]",
)
@click.option(
    "--base-url", envvar="NAVER_COMMERCE_BASE_URL", show_envvar=True, help="Where the API is.  [default: the real one]"
)
@click.option("--again", is_flag=True, help="Make a second token request, to see whether the token is the same.")
@_common
def naver(account_id: str | None, base_url: str | None, again: bool, path: str | None, as_json: bool) -> None:
    """Naver Commerce API.

    Reads NAVER_COMMERCE_CLIENT_ID and NAVER_COMMERCE_CLIENT_SECRET (in single quotes: it holds $ signs).
    """
    settings = {"account_id": account_id, "base_url": base_url}
    _examine("NaverAuth", settings, _naver, path, as_json=as_json, again=again)


@doctor.command(cls=Command)
@click.option("--scope", help="Scopes to ask for, separated by blanks.  [default: the server's]")
@click.option(
    "--base-url", envvar="MELOMING_BASE_URL", show_envvar=True, help="Where the API is.  [default: the real one]"
)
@_common
def meloming(scope: str | None, base_url: str | None, path: str | None, as_json: bool) -> None:
    """Meloming OpenAPI (client credentials).

    Reads MELOMING_CLIENT_ID and MELOMING_CLIENT_SECRET.
    """
    _examine("MelomingOAuth", {"scope": scope, "base_url": base_url}, _meloming, path, as_json=as_json, again=False)


def _examine(
    class_name: str, settings: dict[str, Any], vendor: Any, path: str | None, *, as_json: bool, again: bool
) -> None:
    stack = next((name for name in _STACKS if importlib.util.find_spec(name) is not None), None)
    if stack is None:
        raise Misuse("an HTTP library is needed to send the token request: pip install 'krauth[requests]'")
    if path is not None and not (path.startswith("/") and path.isascii() and path.isprintable() and " " not in path):
        raise Misuse("--path is a path below the base URL, such as /v1/channels/1")
    package = importlib.import_module(f"krauth_{stack}")
    given = {name: value for name, value in settings.items() if value is not None}
    auth = getattr(package, class_name).from_env(**given, store=MemoryStore())
    send = package.TokenTransport().open()
    lines = list(_visit(auth, send, vendor, path or vendor.READ, again))
    _report(lines, as_json)


def _visit(auth: Any, send: Callable[[HTTPRequest], Any], vendor: Any, path: str, again: bool) -> Iterator[Line]:
    """Send the requests, one after the other, and compare the answers."""
    credentials = auth._tokens.credentials

    def ask() -> Seen:
        return Seen(send, credentials.prepare_token_request(time.time(), None).within(_TIMEOUT))

    # No answer at all is an error like that of any command: KrauthError passes.
    token = ask()
    try:
        found = credentials.process_token_response(token.response, time.time())
    except KrauthError as error:
        yield from (one for one in vendor.check(token, None, None) if one.name != "token")
        reason = " ".join([str(error), *remedies(str(error), tuple(one.__name__ for one in type(error).__mro__))])
        yield line("token", "failed", "token_refused", reason=reason)
        return
    second = ask() if again else None
    url = credentials.base_url + path
    headers = {**auth.extra_headers("GET", url), "Authorization": f"Bearer {found.access_token}"}
    read = Seen(send, HTTPRequest("GET", url, {**headers, "Accept": "application/json"}, timeout=_TIMEOUT))
    yield from vendor.check(token, second, read)
    if read.status < 400:
        phrase = "read_ok" if read.is_object else "read_odd"
        yield line("read", "ok" if read.is_object else "differs", phrase, path=path, status=read.status)
        return
    verdict = credentials.judge("GET", read.status, read.response.headers, read.response.body)
    remedy = f"; {' '.join([verdict.remedy, *remedies(verdict.remedy, ())])}" if verdict.remedy else ""
    yield line("read", "failed", "read_refused", path=path, status=read.status, code=read.code or "", remedy=remedy)


def _report(lines: list[Line], as_json: bool) -> None:
    say = Phrases("en" if as_json else default_language())
    worst = {one.verdict for one in lines}
    if as_json:
        facts = [{"fact": one.name, "verdict": one.verdict, "text": say(one.phrase, **one.values)} for one in lines]
        click.echo(to_json(facts, indent=2))
    else:
        for one in lines:
            verdict = click.style(_pad(say(one.verdict), 9), fg=_COLORS[one.verdict])
            click.echo(f"{verdict}{_pad(say(one.name), 13)}{printable(say(one.phrase, **one.values), 2000)}")
        differences = sum(one.verdict == "differs" for one in lines)
        end = "end_failed" if "failed" in worst else "end_differs" if differences else "end_ok"
        click.echo(say(end, n=differences))
    click.get_current_context().exit(FAILED if "failed" in worst else DIFFERS if "differs" in worst else 0)


def _pad(text: str, width: int) -> str:
    # The terminal shows a Korean syllable two cells wide.
    cells = sum(2 if "가" <= char <= "힣" else 1 for char in text)
    return text + " " * max(1, width - cells)
