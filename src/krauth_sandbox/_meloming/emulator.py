"""Meloming OpenAPI as documented, and as its users report it."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import unquote_plus

from aiohttp import web

from .._ground import echo
from .._ground.form import FORM, JSON, FormError, parse_form, parse_json
from .._ground.limits import RateWindow
from .._ground.reply import answer_json, bearer, wrong
from .._server.emulator import Emulator, LiveToken
from .approve import approve
from .channels import Channels
from .clients import Clients
from .consent import ConsentDesk
from .errors import CODE_OF_STATUS, ERRORS, OAUTH_ERROR_OF_STATUS, SHAPES, refuse
from .settings import MelomingSettings
from .vault import Access, Family, OAuthError, Vault, check_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .._ground.clock import TokenClock
    from .._ground.faults import Kind
    from .._ground.reply import Reply, Wrong

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_VERSION: Final = "Meloming-Version"
_MOST_VERSIONS: Final = 100
_MONTH: Final = 30 * 86_400.0
# Reported with status 401 from the token endpoint: a message, and no code.
_INVALID_REDIRECT_URI: Final = "Invalid redirect_uri"


class MelomingEmulator(MelomingSettings, Emulator):
    """The OAuth endpoints under /oauth and a few API calls under /v1."""

    provider: ClassVar[str] = "meloming"
    codes: ClassVar[Mapping[str, int]] = {code: status for code, (status, _) in ERRORS.items()}
    token_codes: ClassVar[Mapping[str, int]] = {
        "invalid_grant": 400,
        "unsupported_grant_type": 400,
        "invalid_client": 401,
        _INVALID_REDIRECT_URI: 401,
        "server_error": 500,
        "temporarily_unavailable": 503,
    }

    def __init__(
        self,
        clock: TokenClock,
        *,
        clients: Mapping[str, str | None],
        api_keys: Iterable[str],
        redirect_uris: Iterable[str],
        usernames: Iterable[str] = ("melo", "ming"),
        speed: float = 1.0,
        rotation: bool = True,
        reuse_detection: bool = True,
    ) -> None:
        self._clients = Clients(clients)
        self._client_id = next(iter(clients))
        self._api_keys = tuple(api_keys)
        self._first_uris, self._first_names = tuple(redirect_uris), tuple(usernames)
        self._vault = Vault(clock, lambda: self.speed)
        self._channels = Channels(self)
        super().__init__(clock, speed=speed, rotation=rotation, reuse_detection=reuse_detection)

    def _reset(self) -> None:
        self.redirect_uris = list(self._first_uris)
        self.usernames = list(self._first_names)
        self._minute = RateWindow(60.0)
        self._month = RateWindow(_MONTH, self._clock.now)
        self._versions: Counter[str] = Counter()
        self._vault = Vault(self._clock, lambda: self.speed)
        self._consent = ConsentDesk(self, self._clients, self._vault, self._clock)
        self._channels.clear()

    # ---- what a test reads and switches --------------------------------------------------------------------

    @property
    def client_secret(self) -> str:
        """The secret of the first client that is good now."""
        return self._clients.secret_of(self._client_id) or ""

    @property
    def versions(self) -> dict[str, int]:
        """How many requests came with which `Meloming-Version`; "" stands for none."""
        return dict(self._versions)

    def state(self) -> dict[str, Any]:
        """Return counters, switches, queued faults and versions as JSON-able values, without any secret."""
        return {**super().state(), "versions": self.versions}

    def tokens(self) -> list[LiveToken]:
        """Return the tokens that are good now, the newest last of each kind."""
        with self._lock:
            return [
                LiveToken(
                    self.provider,
                    "access" if isinstance(token, Access) else "refresh",
                    token.value,
                    token.family.username or token.family.client_id,
                    token.scope,
                    self._vault.remaining(token),
                )
                for token in self._vault.live()
            ]

    def credentials(self) -> dict[str, str]:
        """Return what this server accepts, by the name of the environment variable that the library reads."""
        return {
            "MELOMING_CLIENT_ID": self._client_id,
            "MELOMING_CLIENT_SECRET": self.client_secret,
            "MELOMING_API_KEY": self._api_keys[0],
        }

    @property
    def clients(self) -> dict[str, str | None]:
        """The clients that are registered: id → secret, None for a public client."""
        return {name: self._clients.secret_of(name) for name in self._clients.names()}

    def revoke_all(self) -> None:
        """Make every code, access token and refresh token unusable."""
        with self._lock:
            self._vault.clear()

    def revoke_access_tokens(self) -> None:
        """Make every access token unusable; refresh tokens stay good."""
        with self._lock:
            self._vault.clear_access()

    def reissue_secret(self, client_secret: str | None = None) -> str:
        """Give the first client a new secret (None: a random one) and return it.

        The old one is dead at once: token requests with it answer 500 INTERNAL_ERROR, as reported.
        """
        new = client_secret or secrets.token_urlsafe(32)
        with self._lock:
            self._clients.reissue(self._client_id, new)
        return new

    def renew_application(self) -> None:
        """Make the application active again."""
        self.application_active = True

    def approve(self, authorization_url: str, username: str = "melo", *, deny: bool = False) -> str:
        """Do what a user does in a browser, and return the callback URL (with a code, or an error).

        Blocks for two requests over loopback. Raises ValueError where the server shows an error page instead.
        """
        return approve(authorization_url, username, deny=deny)

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
            *echo.routes(""),
        ]

    def _gate(self, request: web.Request, kind: Kind) -> Reply | None:
        version = request.headers.get(_VERSION, "")[:64]
        # Bounded: a client may send any number of versions.
        self._versions[version if version in self._versions or len(self._versions) < _MOST_VERSIONS else "…"] += 1
        if kind != "api":
            return None
        minute, month = self.limits
        used, used_this_month = self._minute.take(), self._month.take()
        if self.enforce_rate_limit and (used > minute or used_this_month > month):
            response = self._refuse("RATE_LIMIT_EXCEEDED", wrong("Too many calls for the plan of this application."))
            response.headers["Retry-After"] = str(self._minute.left if used > minute else self._month.left)
            return response
        if request.match_info.http_exception is not None:
            return None
        # "`INVALID_API_KEY`: API Key가 유효하지 않음", on reads too, though they need none.
        key = request.headers.get("X-API-Key")
        if key is not None and key not in self._api_keys:
            return self._refuse("INVALID_API_KEY", wrong("X-API-Key is not an API key of this sandbox."))
        # "GET /v1/** 요청은 인증 없이 호출할 수 있습니다. POST, PATCH, DELETE 요청은 인증이 필요하며,
        # 채널/콘텐츠 관리 API는 OAuth 2.0 Access Token이 필수입니다."
        # "인증 정보 누락 또는 유효하지 않음": a bad token fails a read, too.
        access, problem = self._access_of(request)
        reads = request.method in _READS
        if access is None and (not reads or bearer(request) is not None):
            return self._refuse("AUTHENTICATION_REQUIRED", problem)
        if access is not None and not reads and not _may_write(access.scope):
            return self._refuse("PERMISSION_DENIED", wrong("The scope of the token allows no writing."))
        return None

    def _decorate(self, request: web.Request, kind: Kind, response: web.StreamResponse, seconds: float) -> None:
        if kind == "api":
            minute, _ = self.limits
            response.headers.setdefault("X-RateLimit-Limit", str(minute))
            response.headers.setdefault("X-RateLimit-Remaining", str(max(0, minute - self._minute.used)))
            response.headers.setdefault("X-RateLimit-Reset", str(int(self.wall()) + self._minute.left))

    def _not_found(self) -> Reply:
        return self._refuse("NOT_FOUND", wrong("There is nothing at this path, or not for this method."))

    def _fault_response(self, kind: Kind, status: int, code: str | None) -> Reply:
        if code == _INVALID_REDIRECT_URI:
            return self._refused_redirect_uri()
        if code is not None and code in self.token_codes:
            return _oauth_error(OAuthError(code, "ordered by the sandbox", status))
        if code is not None:
            return self._refuse(code, status=status)
        if status < 400:
            return answer_json({}, status=status)
        if kind == "token":
            error = OAUTH_ERROR_OF_STATUS.get(status, "server_error")
            return _oauth_error(OAuthError(error, "ordered by the sandbox", status))
        return self._refuse(CODE_OF_STATUS.get(status, "INTERNAL_ERROR"), status=status)

    def _refuse(self, code: str, problem: Wrong | None = None, *, status: int | None = None) -> Reply:
        return refuse(self.error_shape, code, problem, status=status)

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
            refused = self._refused_application(fields)
            if refused is not None:
                return refused
            client_id = self._authenticate(request, fields)
            grant = _GRANTS.get(fields["grant_type"])
            if grant is None:
                raise OAuthError("unsupported_grant_type", "grant_type is not supported")
            if grant is MelomingEmulator._authorization_code and not self.is_redirect_uri(
                fields.get("redirect_uri", next(iter(self.redirect_uris), ""))
            ):
                return self._refused_redirect_uri()
            with self._lock:
                answer = grant(self, client_id, fields)
        except OAuthError as error:
            return _oauth_error(error)
        # RFC 6749 §5.1: "Cache-Control: no-store" on any response that contains tokens.
        return answer_json(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _refused_application(self, fields: Mapping[str, str]) -> Reply | None:
        # Reported: 500 INTERNAL_ERROR where the application is not active, or its secret stale.
        if not self.application_active:
            return self._refuse("INTERNAL_ERROR", wrong("The application is not active (switch)."))
        if self._clients.is_stale(fields.get("client_id", ""), fields.get("client_secret", "")):
            return self._refuse("INTERNAL_ERROR", wrong("The client secret is the one from before the reissue."))
        return None

    def _refused_redirect_uri(self) -> Reply:
        body = SHAPES[self.error_shape](None, _INVALID_REDIRECT_URI)
        return answer_json(body, status=401, wrong=wrong("redirect_uri is not registered."))

    def _authenticate(self, request: web.Request, fields: Mapping[str, str]) -> str:
        client_id, client_secret = fields.get("client_id", ""), fields.get("client_secret")
        header = request.headers.get("Authorization")
        if self.accept_basic and header is not None:
            client_id, client_secret = _basic(header)
        if client_id not in self._clients:
            problem = wrong("There is no application with this client_id.")
        elif not client_secret and self._clients.is_public(client_id):
            return client_id
        elif not client_secret:
            problem = wrong("client_secret is missing.")
        elif self._clients.is_right(client_id, client_secret):
            return client_id
        else:
            problem = wrong("client_secret is not that of the client.")
        # "401 | invalid_client | OAuth client 인증 실패"
        raise OAuthError("invalid_client", "client authentication failed", 401, problem)

    def _client_credentials(self, client_id: str, fields: Mapping[str, str]) -> dict[str, Any]:
        if self._clients.is_public(client_id):
            # RFC 6749 §4.4: "MUST only be used by confidential clients."
            raise OAuthError("unauthorized_client", "a public client has no client_credentials grant")
        scope = check_scope(fields.get("scope") or self.default_scope, self.scopes)
        # "refresh_token where a user is involved": none here.
        return self._grant(Family(client_id, None), scope)

    def _authorization_code(self, client_id: str, fields: Mapping[str, str]) -> dict[str, Any]:
        code = self._vault.spend_code(
            _needed(fields, "code"), client_id, fields.get("redirect_uri"), fields.get("code_verifier")
        )
        answer = self._grant(code.family, code.scope)
        answer["refresh_token"] = self._vault.issue_refresh(code.family, code.scope).value
        return answer

    def _refresh_token(self, client_id: str, fields: Mapping[str, str]) -> dict[str, Any]:
        refresh = self._vault.find_refresh(
            _needed(fields, "refresh_token"), client_id, reuse_detection=self.reuse_detection
        )
        scope = check_scope(fields.get("scope") or refresh.scope, self.scopes)
        # RFC 6749 §6: the scope "MUST NOT include any scope not originally granted by the resource owner".
        if not set(scope.split(" ")) <= set(refresh.scope.split(" ")):
            raise OAuthError("invalid_scope", "scope is wider than the granted one")
        answer = self._grant(refresh.family, scope)
        if self.rotation:
            refresh.spent = True
            # §6: the new refresh token's scope "MUST be identical to that of the refresh token included".
            answer["refresh_token"] = self._vault.issue_refresh(refresh.family, refresh.scope).value
        return answer

    def _grant(self, family: Family, scope: str) -> dict[str, Any]:
        access = self._vault.issue_access(family, scope, self.lifetime)
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

    def _access_of(self, request: web.Request) -> tuple[Access | None, Wrong]:
        """Return the token of the request if it is good, and what would be wrong if it is not."""
        value = bearer(request)
        if value is None:
            return None, wrong("There is no Authorization header.")
        if not value:
            return None, wrong("The Authorization header does not hold a bearer token.")
        with self._lock:
            return self._vault.live_access(value), self._vault.access_fault(value)

    async def _me(self, request: web.Request) -> web.Response:
        access, problem = self._access_of(request)
        if access is None:  # the one read that needs a token
            return self._refuse("AUTHENTICATION_REQUIRED", problem)
        family = access.family
        who = {"type": "client"} if family.username is None else {"type": "user", "username": family.username}
        return answer_json({**who, "clientId": family.client_id, "scope": access.scope})


_GRANTS: Final[dict[str, Callable[[MelomingEmulator, str, Mapping[str, str]], dict[str, Any]]]] = {
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
        raise OAuthError("invalid_request", f"{name} is missing", problem=wrong("{name} is missing.", name=name))
    return fields[name]


def _basic(header: str) -> tuple[str, str | None]:
    # RFC 6749 §2.3.1: identifier and password are form-encoded, then HTTP Basic.
    scheme, _, value = header.partition(" ")
    try:
        client_id, _, client_secret = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", None
    return (unquote_plus(client_id), unquote_plus(client_secret)) if scheme.lower() == "basic" else ("", None)


def _oauth_error(error: OAuthError) -> Reply:
    body = {"error": error.error, "error_description": error.description}
    return answer_json(body, status=error.status, headers={"Cache-Control": "no-store"}, wrong=error.problem)
