"""GET and POST /oauth/authorize, where Meloming asks its users; `pages` writes the HTML."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from .._ground.form import FORM, FormError, parse_form, query_of
from .._ground.language import language_of
from .._ground.reply import Reply, wrong
from .pages import consent_page, error_page
from .vault import OAuthError, check_scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from .._ground.clock import TokenClock
    from .._ground.reply import Wrong
    from .clients import Clients
    from .settings import MelomingSettings
    from .vault import Vault

_COOKIE: Final = "krauth_sandbox_session"
# Seconds that an open consent page stays good, by the token clock.
_PATIENCE: Final = 600
_MAX_PENDING: Final = 1_000
# RFC 7636 §4.2: 43 to 128 unreserved characters, as the verifier.
_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_METHODS: Final = frozenset({"S256", "plain"})


@dataclass(frozen=True, slots=True)
class _Pending:
    """A valid authorization request whose consent page is open in a browser."""

    session: str = field(repr=False)
    client_id: str
    redirect_uri: str
    scope: str
    state: str | None = field(repr=False)
    challenge: str | None = field(repr=False)
    method: str
    expires_at: float


class ConsentDesk:
    """Show the page, take the decision, send the browser back with a code or an error."""

    def __init__(self, settings: MelomingSettings, clients: Clients, vault: Vault, clock: TokenClock) -> None:
        self._settings = settings
        self._clients = clients
        self._vault = vault
        self._clock = clock
        self._pending: dict[str, _Pending] = {}

    async def show(self, request: web.Request) -> web.Response:
        """Answer GET /oauth/authorize."""
        try:
            fields, repeated = parse_form(query_of(request))
        except FormError:
            return _refuse(request, "client_id")
        # RFC 6749 §4.1.2.1: with an invalid redirect URI or client identifier the server "MUST NOT
        # automatically redirect the user-agent to the invalid redirection URI".
        if "client_id" in repeated or fields.get("client_id", "") not in self._clients:
            return _refuse(request, "client_id")
        redirect_uri = fields.get("redirect_uri", "")
        if "redirect_uri" in repeated or not self._settings.is_redirect_uri(redirect_uri):
            return _refuse(request, "redirect_uri")
        try:
            pending = self._read(request, fields, repeated)
        except OAuthError as error:
            return self._redirect(
                request,
                302,
                redirect_uri,
                {"error": error.error, "error_description": error.description},
                None if "state" in repeated else fields.get("state"),
                error.problem,
            )
        ticket = secrets.token_urlsafe(24)
        self._remember(ticket, pending)
        page = consent_page(
            language_of(request.headers.get("Accept-Language", "")),
            client=pending.client_id,
            scope=pending.scope,
            redirect_uri=pending.redirect_uri,
            hidden={"consent": ticket},
            usernames=self._settings.usernames,
        )
        response = _html(page, redirect_uri=pending.redirect_uri)
        response.set_cookie(_COOKIE, pending.session, path="/oauth", httponly=True, samesite="Lax")
        return response

    async def decide(self, request: web.Request) -> web.Response:
        """Answer POST /oauth/authorize: the form of the page that `show` has shown to this browser."""
        if request.content_type != FORM:
            return _refuse(request, "form")
        try:
            fields, repeated = parse_form(await request.read())
        except FormError:
            return _refuse(request, "form")
        ticket = fields.get("consent", "")
        pending = self._pending.get(ticket)
        session = request.cookies.get(_COOKIE, "")
        if (
            pending is None
            or pending.expires_at <= self._clock.now()
            # The ticket is useless outside the browser that got the page: another site cannot post a consent.
            or not hmac.compare_digest(pending.session.encode(), session.encode())
        ):
            return _refuse(request, "csrf")
        decision, username = fields.get("decision"), fields.get("username", "").strip()
        if repeated or decision not in {"allow", "deny"} or (decision == "allow" and not 0 < len(username) <= 64):
            return _refuse(request, "form")
        del self._pending[ticket]
        answer = {"error": "access_denied", "error_description": "the user denied the request"}
        if decision == "allow":
            answer = {
                "code": self._vault.issue_code(
                    pending.client_id,
                    username,
                    pending.redirect_uri,
                    pending.scope,
                    pending.challenge,
                    pending.method,
                ).value
            }
        # 303, so that no user agent repeats the form's POST at the client.
        return self._redirect(request, 303, pending.redirect_uri, answer, pending.state)

    def _read(self, request: web.Request, fields: Mapping[str, str], repeated: list[str]) -> _Pending:
        if repeated:
            # RFC 6749 §3.1: "Request and response parameters MUST NOT be included more than once."
            raise OAuthError("invalid_request", "a parameter came more than once")
        if not fields.get("response_type"):
            raise OAuthError("invalid_request", "response_type is missing")
        if fields["response_type"] != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code")
        challenge = fields.get("code_challenge")
        # RFC 7636 §4.3: code_challenge_method "defaults to `plain` if not present in the request".
        method = fields.get("code_challenge_method", "plain")
        if challenge is None and "code_challenge_method" in fields:
            raise OAuthError("invalid_request", "code_challenge is missing")
        if challenge is not None and (method not in _METHODS or not _CHALLENGE.fullmatch(challenge)):
            # "code_challenge_method는 S256 또는 plain을 지원합니다."
            raise OAuthError("invalid_request", "code_challenge or code_challenge_method is not valid")
        if challenge is None and self._clients.is_public(fields["client_id"]):
            raise OAuthError("invalid_request", "a public client must send a code_challenge")
        return _Pending(
            session=request.cookies.get(_COOKIE) or secrets.token_urlsafe(24),
            client_id=fields["client_id"],
            redirect_uri=fields["redirect_uri"],
            scope=check_scope(fields.get("scope") or self._settings.default_scope, self._settings.scopes),
            state=fields.get("state"),
            challenge=challenge,
            method=method,
            expires_at=self._clock.now() + _PATIENCE,
        )

    def _remember(self, ticket: str, pending: _Pending) -> None:
        now = self._clock.now()
        self._pending = {t: p for t, p in self._pending.items() if p.expires_at > now}
        if len(self._pending) >= _MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        self._pending[ticket] = pending

    def _redirect(
        self,
        request: web.Request,
        status: int,
        redirect_uri: str,
        answer: Mapping[str, str],
        state: str | None,
        problem: Wrong | None = None,
    ) -> Reply:
        added = dict(answer)
        if state is not None:
            added["state"] = state  # RFC 6749 §4.1.2: "The exact value received from the client."
        if self._settings.send_iss:
            added["iss"] = f"{request.scheme}://{request.host}"  # RFC 9207
        parts = urlsplit(redirect_uri)
        query = "&".join(filter(None, [parts.query, urlencode(added)]))
        location = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
        headers = {"Location": location, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        reply = Reply(status=status, headers=headers)
        reply.wrong = problem
        return reply


#: The subject of an error page → the problem of the request.
_PROBLEMS: Final = {
    "client_id": wrong("There is no application with this client_id."),
    "redirect_uri": wrong("redirect_uri is not registered."),
    "csrf": wrong("The consent form has expired, or was not opened in this browser."),
    "form": wrong("The consent form is not complete."),
}


def _refuse(request: web.Request, problem: str) -> Reply:
    language = language_of(request.headers.get("Accept-Language", ""))
    reply = _html(error_page(language, problem), status=400)
    reply.wrong = _PROBLEMS[problem]
    return reply


def _html(page: str, *, status: int = 200, redirect_uri: str | None = None) -> Reply:
    # Browsers apply form-action to the redirect that answers the form too: name the client's origin in it.
    target = ""
    if redirect_uri is not None:
        parts = urlsplit(redirect_uri)
        target = f" {parts.scheme}://{parts.netloc}" if parts.netloc else f" {parts.scheme}:"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'self'{target}"
    headers = {
        "Cache-Control": "no-store",
        # Not no-referrer: with it, browsers send `Origin: null` with the form.
        "Referrer-Policy": "same-origin",
        "Content-Security-Policy": policy,
    }
    return Reply(text=page, status=status, content_type="text/html", headers=headers)
