"""OAuth2Credentials: a client at an RFC 6749 server, acting for itself or for a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from .._values.checks import require_text
from .._values.exceptions import AuthorizationRequired, ConfigurationError, InvalidTokenResponse
from .._values.origin import Origin, check_base_url, parse_origin
from .._values.secret import Secret, hide
from .credentials import Credentials, ErrorTable, Rule, fingerprint, make_key
from .grants import authenticate_client, prepare_form_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._values.messages import HTTPRequest, HTTPResponse
    from .._values.token import Token

CLIENT_AUTH = ("client_secret_post", "client_secret_basic", "none")


class OAuth2Credentials(Credentials):
    """A client at an OAuth 2.0 server, acting for itself, or with `user` for a user.

    Args:
        client_id: As registered.
        client_secret: As registered; `None` for a public client, which can only act for users.
        token_endpoint: RFC 6749 §3.2.
        api_origins: Where the access token may be sent: one URL or several; paths are ignored.
        scope: Space-separated (§3.3).
        client_auth: How the client authenticates: `"client_secret_post"`, `"client_secret_basic"` or `"none"`.
        user: Any name of yours for the user whose token this is.
        redirect_uri: As registered; needed to authorize.
        authorization_endpoint: RFC 6749 §3.1.
        revocation_endpoint: RFC 7009.
        introspection_endpoint: RFC 7662.
        issuer: RFC 8414; compared with `iss` of a callback where the server sends it (RFC 9207).
        requires_issuer: Whether the server always sends `iss`, so that a callback without it is refused.

    Raises:
        ConfigurationError: An argument can't be right.
    """

    __slots__ = (
        "authorization_endpoint",
        "client_auth",
        "client_secret",
        "introspection_endpoint",
        "issuer",
        "redirect_uri",
        "requires_issuer",
        "revocation_endpoint",
        "scope",
        "user",
    )

    #: Any 401 is about the token, unless its code says otherwise (RFC 6750 §3.1).
    error_defaults: ClassVar[ErrorTable] = {(401, None): Rule(refresh=True)}
    #: Whether revocation and introspection take JSON without client credentials, instead of the RFCs' forms.
    json_endpoints: bool = False
    #: Seconds that a refresh token is documented to live, or `None`.
    refresh_lifetime: float | None = None

    def __init__(
        self,
        client_id: str,
        client_secret: str | Secret | None = None,
        *,
        token_endpoint: str,
        api_origins: str | Iterable[str],
        scope: str | None = None,
        client_auth: str = "client_secret_post",
        user: str | None = None,
        redirect_uri: str | None = None,
        authorization_endpoint: str | None = None,
        revocation_endpoint: str | None = None,
        introspection_endpoint: str | None = None,
        issuer: str | None = None,
        requires_issuer: bool = False,
    ) -> None:
        secret = hide(client_secret)
        del client_secret
        self.client_id = require_text(client_id, "client_id")
        if client_auth not in CLIENT_AUTH:
            raise ConfigurationError(f"client_auth must be one of {', '.join(CLIENT_AUTH)}")
        if secret is not None:
            require_text(secret, "client_secret")
        if secret is None and user is None:
            raise ConfigurationError("client_secret is missing: only with user=… can a client do without (PKCE)")
        if secret is None:
            client_auth = "none"
        elif client_auth == "none":
            raise ConfigurationError("client_auth='none' is for clients without a secret; leave client_secret out")
        self.client_secret = secret
        self.client_auth = client_auth
        self.token_endpoint = check_endpoint(token_endpoint, "token_endpoint")
        self.origins = check_api_origins(api_origins)
        self.scope = _check_scope(scope)
        self.user = None if user is None else require_text(user, "user")
        self.redirect_uri = _check_redirect_uri(redirect_uri)
        self.authorization_endpoint = _check_optional(authorization_endpoint, "authorization_endpoint")
        self.revocation_endpoint = _check_optional(revocation_endpoint, "revocation_endpoint")
        self.introspection_endpoint = _check_optional(introspection_endpoint, "introspection_endpoint")
        self.issuer = None if issuer is None else require_text(issuer, "issuer")
        self.requires_issuer = requires_issuer
        self._key = make_key(
            self.provider,
            self.token_endpoint,
            ("client_id", self.client_id),
            ("grant", "client_credentials" if user is None else "authorization_code"),
            ("user", self.user),
            ("scope", self.scope),
            ("path", self.token_endpoint.partition("://")[2].partition("/")[2]),
            # A user's token was given to whoever signed in, and outlives a change of the client's secret.
            (
                "secret",
                fingerprint(self.client_secret.reveal()) if self.client_secret and user is None else None,
            ),
        )

    @property
    def uses_refresh_token(self) -> bool:  # type: ignore[override]
        """Whether the next token costs a refresh token."""
        return self.user is not None

    @property
    def identity(self) -> object:
        """The key, and how the client proves itself: once corrected it must not wait for a wrong one's refresh."""
        return (self._key, self.client_secret, self.client_auth)

    def prepare_token_request(self, now: float, token: Token | None = None) -> HTTPRequest:
        """Return the request for the next token: client credentials (§4.4), or with `user` a refresh (§6).

        Raises:
            AuthorizationRequired: There is no refresh token to spend.
        """
        fields, headers = authenticate_client(self.client_auth, self.client_id, self.client_secret)
        if self.user is None:
            grant: dict[str, str | None] = {"grant_type": "client_credentials", "scope": self.scope}
        else:
            if token is None or token.refresh_token is None:
                raise self.authorization_required("there is no token yet" if token is None else "the token has expired")
            if token.refresh_expires_at is not None and token.refresh_expires_at <= now:
                raise self.authorization_required("the refresh token has expired")
            grant = {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
        return prepare_form_request(self.token_endpoint, {**grant, **fields}, headers)

    def authorization_required(self, why: str) -> AuthorizationRequired:
        """Return the error that sends the user to sign in."""
        return AuthorizationRequired(
            f"user {self.user!r} has to authorize {self.provider}: {why};"
            " send them to authorization_request().url and pass the callback to authorize()"
        )

    def missing_scope(self, token: Token) -> str | None:
        """Say which scopes were asked for and not granted (RFC 6749 §3.3), or return `None`."""
        if self.scope is None or token.scope is None:
            return None
        missing = set(self.scope.split()) - set(token.scope.split())
        return f"not granted: {' '.join(sorted(missing))}" if missing else None

    def process_token_response(self, response: HTTPResponse, now: float, token: Token | None = None) -> Token:
        """Return the token in a response; see `Credentials.process_token_response`."""
        import dataclasses

        secrets = [secret for secret in (self.client_secret, hide(token and token.refresh_token)) if secret]
        try:
            new = self.read_token(response, now, token, secrets=secrets, carried=self._carried(token))
        except InvalidTokenResponse as error:
            if self.user is None:
                error.refresh_token = None
            raise
        if self.user is None:
            # RFC 6749 §4.4.3: "A refresh token SHOULD NOT be included" with client credentials; not needed, not kept.
            return dataclasses.replace(new, refresh_token=None, refresh_expires_at=None)
        if self.refresh_lifetime is None or new.refresh_token is None or new.refresh_expires_at is not None:
            return new
        rotated = token is None or new.refresh_token != token.refresh_token
        return dataclasses.replace(new, refresh_expires_at=now + self.refresh_lifetime) if rotated else new

    def _carried(self, token: Token | None) -> list[str]:
        """The names of what a token request carried, for a refusal that names no cause."""
        if self.user is None:
            grant = ["scope"] if self.scope else []
        else:
            grant = ["code", "redirect_uri", "code_verifier"] if token is None else ["refresh_token"]
        return ["client_id", *(["client_secret"] if self.client_secret else []), *grant]


def check_api_origins(urls: str | Iterable[str]) -> tuple[Origin, ...]:
    """Return the origins of one URL or several, or raise `ConfigurationError`."""
    try:
        listed = (urls,) if isinstance(urls, str) else tuple(urls)
    except TypeError:
        raise ConfigurationError("api_origins must be a URL or several, such as 'https://api.example.com'") from None
    if not listed:
        raise ConfigurationError("api_origins is empty: name the URLs that the access token may be sent to")
    origins = [parse_origin(check_base_url(url, "api_origins")) for url in listed]
    return tuple(dict.fromkeys(origin for origin in origins if origin is not None))


def _check_scope(scope: str | None) -> str | None:
    joined = " ".join(scope.split()) if isinstance(scope, str) else scope
    return require_text(joined, "scope") if joined else None


def check_endpoint(url: str, name: str) -> str:
    """Return an endpoint as it was given, trailing slash and query included, or raise `ConfigurationError`.

    RFC 6749 §3.1, §3.2: an endpoint's URI "MAY include […] a query component" and "MUST NOT include a fragment".
    """
    if not isinstance(url, str) or "#" in url:
        raise ConfigurationError(f"{name} must be a URL without a fragment, such as 'https://login.example.com/oauth'")
    check_base_url(url.partition("?")[0], name)
    if parse_origin(url) is None:
        raise ConfigurationError(f"{name} holds white space, a backslash or a control character; encode it")
    return url


def _check_optional(url: str | None, name: str) -> str | None:
    return None if url is None else check_endpoint(url, name)


def _check_redirect_uri(redirect_uri: str | None) -> str | None:
    """Return a redirect URI that a code may come back to, or raise `ConfigurationError`."""
    if redirect_uri is None:
        return None
    redirect_uri = require_text(redirect_uri, "redirect_uri")
    try:
        parts = urlsplit(redirect_uri)
    except ValueError:
        parts = None
    if parts is None or not parts.scheme or "#" in redirect_uri:  # §3.1.2: absolute, without a fragment
        raise ConfigurationError("redirect_uri must be an absolute URI without a fragment, as registered")
    origin = parse_origin(redirect_uri)
    if parts.scheme in ("http", "https") and (origin is None or not origin.is_secure):
        raise ConfigurationError("redirect_uri must use https (http only to this machine itself): it carries a code")
    return redirect_uri
