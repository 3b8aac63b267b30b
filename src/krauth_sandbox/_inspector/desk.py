"""GET and POST / on either port: the inspector's page, and what its buttons ask for."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from .._ground.form import FORM, FormError, parse_form
from .._ground.language import LANGUAGES, language_of
from .._ground.reply import Reply
from .._server import control
from .page import View, inspector_page
from .words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .._server.emulator import Emulator

#: Fields of a form that are not parameters of the action.
_OWN: Final = frozenset({"token", "lang", "show", "do"})
_MOST: Final = 10_000


class Inspector:
    """Shows the emulators and switches them; both ports serve the same page."""

    def __init__(self, emulators: Sequence[Emulator], addresses: Callable[[], Mapping[str, str]]) -> None:
        self._emulators = {emulator.provider: emulator for emulator in emulators}
        self._addresses = addresses
        # Another page can neither read this nor guess it, so it can't make a form that is taken.
        self._token = secrets.token_urlsafe(24)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes for one application."""
        return [web.get("/", self._show), web.post("/", self._act), web.get("/favicon.ico", _no_icon)]

    async def _show(self, request: web.Request) -> web.Response:
        return self._page(request, request.query, done="done" in request.query)

    async def _act(self, request: web.Request) -> web.Response:
        fields: dict[str, str] = {}
        try:
            if request.content_type != FORM or (request.content_length or 0) > _MOST:
                raise FormError("the body is not a form")
            fields, _ = parse_form(await request.read())
        except FormError as error:
            return self._page(request, fields, refused=str(error))
        if not hmac.compare_digest(fields.get("token", "").encode(), self._token.encode()):
            words = Words(self._language(request, fields))
            return self._page(request, fields, refused=words("stale"), status=403)
        try:
            self._perform(fields)
        except ValueError as error:
            return self._page(request, fields, refused=str(error))
        # 303, so that a reload does not press the button again.
        show = "secrets" if fields.get("show") == "secrets" else ""
        query = urlencode({"lang": self._language(request, fields), "show": show, "done": "1"})
        return web.Response(status=303, headers={"Location": f"/?{query}#{_anchor(fields['do'])}"})

    def _perform(self, fields: Mapping[str, str]) -> None:
        target, _, query = fields.get("do", "").partition("?")
        provider, _, action = target.partition("/")
        chosen = list(self._emulators.values()) if provider == "both" else [self._emulators.get(provider)]
        given = {name: text.strip() for name, text in fields.items() if name not in _OWN}
        # A field that was left empty sets nothing.
        parameters = dict(parse_qsl(query)) | {name: text for name, text in given.items() if text}
        for emulator in chosen:
            if emulator is None:
                raise ValueError("there is no such button")
            control.perform(emulator, action, control.Call(parameters))

    def _language(self, request: web.Request, fields: Mapping[str, str]) -> str:
        asked = fields.get("lang")
        return asked if asked in LANGUAGES else language_of(request.headers.get("Accept-Language", ""))

    def _page(
        self,
        request: web.Request,
        fields: Mapping[str, str],
        *,
        done: bool = False,
        refused: str | None = None,
        status: int = 400,
    ) -> Reply:
        language = self._language(request, fields)
        words = Words(language)
        nonce = secrets.token_urlsafe(16)
        view = View(
            language=language,
            show=fields.get("show") == "secrets",
            token=self._token,
            nonce=nonce,
            addresses=self._addresses(),
            notice=words("refused", reason=refused) if refused is not None else words("done") if done else "",
            problem=refused is not None,
        )
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self';"
            " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        headers = {
            "Cache-Control": "no-store",
            "Content-Language": language,
            "Content-Security-Policy": policy,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            # Not no-referrer: with it, browsers send `Origin: null` with the forms.
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }
        text = inspector_page(list(self._emulators.values()), view)
        return Reply(text=text, status=200 if refused is None else status, content_type="text/html", headers=headers)


async def _no_icon(request: web.Request) -> web.Response:
    # Browsers ask for it by themselves; it is no call of the API.
    return web.Response(status=204)


#: action → where on the page its effect is seen.
_ANCHORS: Final = {
    "revoke": "tokens",
    "clock": "clock",
    "advance": "clock",
    **dict.fromkeys(("fail", "drop", "clear", "delay"), "queued-{provider}"),
}


def _anchor(do: str) -> str:
    provider, _, action = do.partition("?")[0].partition("/")
    return _ANCHORS.get(action, "values-{provider}").format(provider=provider)
