"""Meloming OpenAPI as documented; `_vault` keeps tokens, `_consent` asks users, `_channels` is the API."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import unquote_plus, urlsplit

from aiohttp import web

from . import _echo
from ._approve import approve
from ._channels import Channels
from ._consent import ConsentDesk
from ._control import boolean
from ._emulator import Emulator, answer_json, bearer
from ._form import FORM, JSON, FormError, parse_form, parse_json
from ._limits import RateWindow
from ._vault import Access, Family, OAuthError, Vault, check_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ._clock import TokenClock
    from ._faults import Kind

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

# code -> (status, message), the document's "인증 에러 처리" and what any API has besides.
_ERRORS: Final[dict[str, tuple[int, str]]] = {
    "BAD_REQUEST": (400, "요청이 올바르지 않습니다."),
    "AUTHENTICATION_REQUIRED": (401, "인증 정보가 누락되었거나 유효하지 않습니다."),
    "INVALID_API_KEY": (401, "API Key가 유효하지 않습니다."),
    "PERMISSION_DENIED": (403, "리소스에 대한 권한이 부족합니다."),
    "NOT_FOUND": (404, "리소스를 찾을 수 없습니다."),
    "RATE_LIMIT_EXCEEDED": (429, "요청 한도를 초과했습니다."),
    "INTERNAL_ERROR": (500, "일시적인 오류가 발생했습니다."),
}
_CODE_OF_STATUS: Final = {status: code for code, (status, _) in reversed(_ERRORS.items())}
_OAUTH_ERROR_OF_STATUS: Final = {
    400: "invalid_grant",
    401: "invalid_client",
    403: "access_denied",
    429: "temporarily_unavailable",
    503: "temporarily_unavailable",
}
# "The JSON shape of an API error is not published: accept all three."
_SHAPES: Final[dict[str, Callable[[str, str], dict[str, Any]]]] = {
    "code": lambda code, message: {"code": code, "message": message},
    "error": lambda code, message: {"error": code, "message": message},
    "nested": lambda code, message: {"error": {"code": code, "message": message}},
}


def _shape(text: str) -> str:
    if text not in _SHAPES:
        raise ValueError(f"error_shape must be one of {', '.join(_SHAPES)}")
    return text


@dataclass(frozen=True, slots=True)
class _Client:
    client_id: str
    client_secret: str | None = field(repr=False)
    """None for a public client (RFC 6749 §2.1): code flow with PKCE only."""


class MelomingEmulator(Emulator):
    """The OAuth endpoints under /oauth and a few API calls under /v1."""

    provider: ClassVar[str] = "meloming"
    switches: ClassVar = {
        "rotation": boolean,
        "reuse_detection": boolean,
        "send_iss": boolean,
        "accept_basic": boolean,
        "error_shape": _shape,
    }

    def __init__(
        self,
        clock: TokenClock,
        *,
        client_id: str,
        client_secret: str,
        public_client_id: str,
        api_keys: Iterable[str],
        redirect_uris: Iterable[str],
        speed: float = 1.0,
        rotation: bool = True,
        reuse_detection: bool = True,
    ) -> None:
        clients = (_Client(client_id, client_secret), _Client(public_client_id, None))
        self._clients = {client.client_id: client for client in clients}
        self._api_keys = frozenset(api_keys)
        self._initial = (rotation, reuse_detection, tuple(redirect_uris))
        self._vault = Vault(clock, lambda: self.speed)
        self._channels = Channels(self)
        super().__init__(clock, speed=speed)

    def _reset(self) -> None:
        self.rotation, self.reuse_detection, redirect_uris = self._initial
        """rotation: a refresh answers with a new refresh token and spends the old; off, it answers with none.
        reuse_detection: using a spent refresh token revokes everything that came of the same consent."""
        self.redirect_uris = list(redirect_uris)
        """Registered redirect URIs, compared exactly; loopback ones need no registration."""
        self.allow_loopback = True
        """Accept any http://127.0.0.1:<port>/… and http://[::1]:<port>/… (RFC 8252 §7.3)."""
        self.send_iss = False
        """Add `iss` to authorization responses (RFC 9207)."""
        self.accept_basic = False
        """Accept client credentials in an Authorization header too; the document knows only the body."""
        self.error_shape = "code"
        """How an API error looks: `code`, `error` or `nested`, as in `_SHAPES`."""
        self.scopes: frozenset[str] | None = None
        """The scopes that exist, or None: any well-formed scope is granted as asked."""
        self.default_scope = "read write"
        """Granted to a request that names no scope."""
        self.denied_channels = {"403"}
        """Channels whose writes are 403 PERMISSION_DENIED for everyone."""
        self.missing_channels = {"404"}
        """Channels that do not exist."""
        self.usernames = ["melo", "ming"]
        """Suggested on the consent page; any other name does as well."""
        self.rate_limit = 60
        """Requests per minute ("free 60/min"), announced in headers, enforced with `enforce_rate_limit`."""
        self._window = RateWindow(60.0)
        self._vault.clear()
        self._consent = ConsentDesk(self, self._clock)
        self._channels.clear()

    def revoke_all(self) -> None:
        """Make every code, access token and refresh token unusable."""
        with self._lock:
            self._vault.clear()

    def revoke_access_tokens(self) -> None:
        """Make every access token unusable; refresh tokens stay good."""
        with self._lock:
            self._vault.clear_access()

    def approve(self, authorization_url: str, username: str = "melo", *, deny: bool = False) -> str:
        """Do what a user does in a browser, and return the callback URL (with a code, or an error).

        Blocks for two requests over loopback. Raises ValueError where the server shows an error page instead.
        """
        return approve(authorization_url, username, deny=deny)

    # ---- what the consent desk asks ----------------------------------------------------------------------

    def is_client(self, client_id: str) -> bool:
        """Tell whether this client is registered."""
        return client_id in self._clients

    def is_public(self, client_id: str) -> bool:
        """Tell whether this client has no secret."""
        return self._clients[client_id].client_secret is None

    def is_redirect_uri(self, redirect_uri: str) -> bool:
        """Tell whether a browser may be sent there with a code."""
        if redirect_uri in self.redirect_uris:
            return True
        if not self.allow_loopback:
            return False
        # RFC 8252 §7.3: loopback IP literals, "MUST allow any port"; RFC 6749 §3.1.2: no fragment.
        try:
            parts = urlsplit(redirect_uri)
            loopback = ipaddress.ip_address(parts.hostname or "").is_loopback
            port = parts.port
        except ValueError:
            return False
        odd = "#" in redirect_uri or "@" in parts.netloc or "\\" in redirect_uri or not redirect_uri.isprintable()
        return parts.scheme == "http" and loopback and port is not None and not odd and " " not in redirect_uri

    def issue_code(
        self, client_id: str, username: str, redirect_uri: str, scope: str, challenge: str | None, method: str
    ) -> str:
        """Issue the authorization code for a consent."""
        with self._lock:
            return self._vault.issue_code(client_id, username, redirect_uri, scope, challenge, method).value

    # ---- the front door ----------------------------------------------------------------------------------

    def _kind(self, path: str) -> Kind:
        if path == "/oauth/token":
            return "token"
        return "other" if path.startswith("/oauth/") else "api"

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.post("/oauth/token", self._token),
            web.get("/oauth/authorize", self._show_consent),
            web.post("/oauth/authorize", self._decide_consent),
            web.post("/oauth/revoke", self._revoke),
            web.post("/oauth/introspect", self._introspect),
            web.get("/v1/me", self._me),
            *self._channels.routes(),
            *_echo.routes(""),
        ]

    def _gate(self, request: web.Request, kind: Kind) -> web.StreamResponse | None:
        if kind != "api":
            return None
        used, reset = self._window.take()
        if self.enforce_rate_limit and used > self.rate_limit:
            response = self.refuse("RATE_LIMIT_EXCEEDED")
            response.headers["Retry-After"] = str(reset)
            return response
        if request.match_info.http_exception is not None:
            return None
        # "`INVALID_API_KEY`: API Key가 유효하지 않음", on reads too, though they need none.
        key = request.headers.get("X-API-Key")
        if key is not None and key not in self._api_keys:
            return self.refuse("INVALID_API_KEY")
        # "GET /v1/** 요청은 인증 없이 호출할 수 있습니다. POST, PATCH, DELETE 요청은 인증이 필요하며,
        # 채널/콘텐츠 관리 API는 OAuth 2.0 Access Token이 필수입니다."
        # "인증 정보 누락 또는 유효하지 않음": a bad token fails a read, too.
        access = self._access_of(request)
        if access is None and (request.method not in _READS or bearer(request) is not None):
            return self.refuse("AUTHENTICATION_REQUIRED")
        if access is not None and request.method not in _READS and not _may_write(access.scope):
            return self.refuse("PERMISSION_DENIED")
        return None

    def _decorate(self, kind: Kind, response: web.StreamResponse) -> None:
        if kind == "api":
            used, reset = self._window.last
            response.headers.setdefault("X-RateLimit-Limit", str(self.rate_limit))
            response.headers.setdefault("X-RateLimit-Remaining", str(max(0, self.rate_limit - used)))
            response.headers.setdefault("X-RateLimit-Reset", str(int(self.wall()) + reset))

    def _not_found(self) -> web.Response:
        return self.refuse("NOT_FOUND")

    def _fault_response(self, kind: Kind, status: int) -> web.Response:
        if status < 400:
            return answer_json({}, status=status)
        if kind == "token":
            error = _OAUTH_ERROR_OF_STATUS.get(status, "server_error")
            return _oauth_error(OAuthError(error, "ordered by the sandbox", status))
        return self.refuse(_CODE_OF_STATUS.get(status, "INTERNAL_ERROR"), status=status)

    def refuse(self, code: str, *, status: int | None = None) -> web.Response:
        """Answer with an error of the API, in the shape that is switched on."""
        documented, message = _ERRORS[code]
        response = answer_json(_SHAPES[self.error_shape](code, message), status=status or documented)
        if code == "AUTHENTICATION_REQUIRED":
            response.headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 §3
        return response

    async def _show_consent(self, request: web.Request) -> web.Response:
        return await self._consent.show(request)

    async def _decide_consent(self, request: web.Request) -> web.Response:
        return await self._consent.decide(request)

    # ---- /oauth/token ------------------------------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.Response:
        try:
            if request.query_string:
                # RFC 6749 §2.3.1: parameters "MUST NOT be included in the request URI".
                raise OAuthError("invalid_request", "parameters belong in the body, not in the URL")
            fields = _read_fields(request.content_type, await request.read())
            client = self._authenticate(request, fields)
            grant = _GRANTS.get(fields["grant_type"])
            if grant is None:
                raise OAuthError("unsupported_grant_type", "grant_type is not supported")
            with self._lock:
                answer = grant(self, client, fields)
        except OAuthError as error:
            return _oauth_error(error)
        # RFC 6749 §5.1: "Cache-Control: no-store" on any response that contains tokens.
        return answer_json(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _authenticate(self, request: web.Request, fields: Mapping[str, str]) -> _Client:
        client_id, client_secret = fields.get("client_id", ""), fields.get("client_secret")
        header = request.headers.get("Authorization")
        if self.accept_basic and header is not None:
            client_id, client_secret = _basic(header)
        client = self._clients.get(client_id)
        if client is not None and client.client_secret is None and not client_secret:
            return client
        if (
            client is None
            or client.client_secret is None
            or client_secret is None
            or not hmac.compare_digest(client.client_secret.encode(), client_secret.encode())
        ):
            # "401 | invalid_client | OAuth client 인증 실패"
            raise OAuthError("invalid_client", "client authentication failed", 401)
        return client

    def _client_credentials(self, client: _Client, fields: Mapping[str, str]) -> dict[str, Any]:
        if client.client_secret is None:
            # RFC 6749 §4.4: "MUST only be used by confidential clients."
            raise OAuthError("unauthorized_client", "a public client has no client_credentials grant")
        scope = check_scope(fields.get("scope") or self.default_scope, self.scopes)
        # "refresh_token where a user is involved": none here.
        return self._grant(Family(client.client_id, None), scope)

    def _authorization_code(self, client: _Client, fields: Mapping[str, str]) -> dict[str, Any]:
        code = self._vault.spend_code(
            _needed(fields, "code"), client.client_id, fields.get("redirect_uri"), fields.get("code_verifier")
        )
        answer = self._grant(code.family, code.scope)
        answer["refresh_token"] = self._vault.issue_refresh(code.family, code.scope).value
        return answer

    def _refresh_token(self, client: _Client, fields: Mapping[str, str]) -> dict[str, Any]:
        refresh = self._vault.find_refresh(
            _needed(fields, "refresh_token"), client.client_id, reuse_detection=self.reuse_detection
        )
        scope = check_scope(fields.get("scope") or refresh.scope, self.scopes)
        # RFC 6749 §6: the scope "MUST NOT include any scope not originally granted by the resource owner".
        if not set(scope.split(" ")) <= set(refresh.scope.split(" ")):
            raise OAuthError("invalid_scope", "scope is wider than what was granted")
        answer = self._grant(refresh.family, scope)
        if self.rotation:
            refresh.spent = True
            # §6: the new refresh token's scope "MUST be identical to that of the refresh token included".
            answer["refresh_token"] = self._vault.issue_refresh(refresh.family, refresh.scope).value
        return answer

    def _grant(self, family: Family, scope: str) -> dict[str, Any]:
        access = self._vault.issue_access(family, scope)
        self._tokens_issued += 1
        return {
            "access_token": access.value,
            "token_type": "Bearer",
            "expires_in": int(self._vault.remaining(access) + 0.001),
            "scope": scope,
        }

    # ---- /oauth/revoke and /oauth/introspect ---------------------------------------------------------------

    async def _revoke(self, request: web.Request) -> web.Response:
        try:
            value = _token_parameter(request.content_type, await request.read())
        except OAuthError as error:
            return _oauth_error(error)
        with self._lock:
            self._vault.revoke(value)
        # RFC 7009 §2.2: "invalid tokens do not cause an error response".
        return answer_json({})

    async def _introspect(self, request: web.Request) -> web.Response:
        try:
            value = _token_parameter(request.content_type, await request.read())
        except OAuthError as error:
            return _oauth_error(error)
        with self._lock:
            token = self._vault.live_access(value) or self._vault.live_refresh(value)
            if token is None:
                # RFC 7662 §2.2: for any other token just {"active": false}.
                return answer_json({"active": False})
            lifetime = token.expires_at - self._clock.now()
        family = token.family
        answer = {
            "active": True,
            "sub": family.username or family.client_id,
            "scope": token.scope,
            "exp": int(self.wall() + lifetime),
            "client_id": family.client_id,
        }
        if family.username is not None:
            answer["username"] = family.username
        return answer_json(answer)

    # ---- /v1 ---------------------------------------------------------------------------------------------

    def _access_of(self, request: web.Request) -> Access | None:
        value = bearer(request)
        if not value:
            return None
        with self._lock:
            return self._vault.live_access(value)

    async def _me(self, request: web.Request) -> web.Response:
        access = self._access_of(request)
        if access is None:  # nobody asks: the one read that needs a token
            return self.refuse("AUTHENTICATION_REQUIRED")
        family = access.family
        who = {"type": "client"} if family.username is None else {"type": "user", "username": family.username}
        return answer_json({**who, "clientId": family.client_id, "scope": access.scope})


_GRANTS: Final[dict[str, Callable[[MelomingEmulator, _Client, Mapping[str, str]], dict[str, Any]]]] = {
    "client_credentials": MelomingEmulator._client_credentials,
    "authorization_code": MelomingEmulator._authorization_code,
    "refresh_token": MelomingEmulator._refresh_token,
}


def _may_write(scope: str) -> bool:
    # The document's `write`, or one of the `….:write` seen in the wild.
    return any(item.rpartition(":")[2] == "write" for item in scope.split(" "))


def _read_fields(content_type: str, body: bytes) -> dict[str, str]:
    # "/oauth/token은 application/x-www-form-urlencoded와 application/json 요청을 모두 지원합니다."
    try:
        if content_type == FORM:
            fields, repeated = parse_form(body)
        elif content_type == JSON:
            fields, repeated = parse_json(body), []
        else:
            raise OAuthError("invalid_request", "Content-Type must be a form or JSON")
    except FormError as error:
        raise OAuthError("invalid_request", str(error)) from None
    if repeated:
        raise OAuthError("invalid_request", "a parameter came more than once")
    _needed(fields, "grant_type")
    return fields


def _token_parameter(content_type: str, body: bytes) -> str:
    # The document shows revocation and introspection with JSON bodies only, {"token", "token_type_hint"}.
    if content_type != JSON:
        raise OAuthError("invalid_request", "Content-Type must be application/json", 415)
    try:
        return _needed(parse_json(body), "token")
    except FormError as error:
        raise OAuthError("invalid_request", str(error)) from None


def _needed(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise OAuthError("invalid_request", f"{name} is missing")
    return fields[name]


def _basic(header: str) -> tuple[str, str | None]:
    # RFC 6749 §2.3.1: identifier and password are form-encoded, then HTTP Basic.
    scheme, _, value = header.partition(" ")
    try:
        client_id, _, client_secret = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", None
    return (unquote_plus(client_id), unquote_plus(client_secret)) if scheme.lower() == "basic" else ("", None)


def _oauth_error(error: OAuthError) -> web.Response:
    body = {"error": error.error, "error_description": error.description}
    return answer_json(body, status=error.status, headers={"Cache-Control": "no-store"})
