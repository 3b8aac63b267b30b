"""OAuth2Credentials: a client at an RFC 6749 server, acting for itself or for a user."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from .._values.checks import require_client_id, require_text
from .._values.exceptions import AuthorizationRequired, ConfigurationError, InvalidTokenResponse
from .._values.origin import Origin, check_base_url, parse_origin
from .._values.secret import Secret, hide
from .._values.value import replace
from .client_auth import ASSERTING, CLIENT_AUTH, Assertion, authenticate_client, make_assertion
from .client_secret import SecretSource
from .credentials import ErrorTable, Rule, SecretCredentials, endpoint_parts, former_fingerprint, make_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .._values.messages import HTTPRequest, HTTPResponse
    from .._values.token import Token
    from .error_table import FieldNames

    #: Anything that a client secret may be given as; see `SecretSource`.
    SecretSetting = str | Secret | SecretSource | Callable[[], object] | object

#: Fields of a token request that have a setting, or that krauth makes.
_OUR_FIELDS = frozenset(
    [
        *("client_assertion", "client_assertion_type", "client_id", "client_secret", "code", "code_verifier"),
        *("grant_type", "redirect_uri", "refresh_token", "scope", "token", "token_type_hint"),
    ]
)
#: Header fields that krauth or the HTTP library makes.
_OUR_HEADERS = frozenset(
    ("authorization", "content-type", "content-length", "transfer-encoding", "host", "accept", "connection")
)


class OAuth2Credentials(SecretCredentials):
    """A client at an OAuth 2.0 server, acting for itself, or with `user` for a user.

    Args:
        client_id: As registered.
        client_secret: As registered: a string, an object with `get_secret_value()`, or a callable that returns either;
            read again when the server says that the client is invalid. With `private_key_jwt` it is the private key.
            `None` for a public client, which can only act for users.
        token_endpoint: RFC 6749 §3.2.
        api_origins: Where the access token may be sent: one URL or several; paths are ignored.
        scope: Space-separated (§3.3).
        client_auth: How the client authenticates, one of `CLIENT_AUTH`.
        user: Any name of yours for the user whose token this is.
        redirect_uri: As registered; needed to authorize.
        authorization_endpoint: RFC 6749 §3.1.
        revocation_endpoint: RFC 7009.
        introspection_endpoint: RFC 7662.
        issuer: RFC 8414; compared with `iss` of a callback where the server sends it (RFC 9207).
        requires_issuer: Whether the server always sends `iss`, so that a callback without it is refused.
        token_parameters: More fields for token requests (`audience`, `resource`, …): a string each, or several.
        token_headers: More header fields for token, revocation and introspection requests.
        assertion: How a client assertion is made, for `private_key_jwt` and `client_secret_jwt`.
        namespace: Part of the store key, so that tenants of one host do not share tokens; `None`: none.

    Raises:
        ConfigurationError: An argument can't be right.
    """

    __slots__ = (
        "_headers",
        "assertion",
        "authorization_endpoint",
        "client_auth",
        "introspection_endpoint",
        "issuer",
        "namespace",
        "redirect_uri",
        "requires_issuer",
        "revocation_endpoint",
        "scope",
        "token_parameters",
        "user",
    )

    #: Keycloak writes `refresh_expires_in`, with 0 for a token without an end.
    token_fields: ClassVar[FieldNames] = {
        "refresh_token_expires_in": ("refresh_token_expires_in", "refresh_expires_in")
    }
    #: Any 401 is about the token, unless its code says otherwise (RFC 6750 §3.1).
    error_defaults: ClassVar[ErrorTable] = {(401, None): Rule(refresh=True)}
    #: Seconds that a refresh token is documented to live, or `None`.
    refresh_lifetime: float | None = None

    def __init__(
        self,
        client_id: str | Secret,
        client_secret: SecretSetting | None = None,
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
        token_parameters: Mapping[str, str | Sequence[str]] | Secret | None = None,
        token_headers: Mapping[str, str] | Secret | None = None,
        assertion: Assertion | None = None,
        namespace: str | None = None,
    ) -> None:
        secret = client_secret if isinstance(client_secret, SecretSource) else hide(client_secret)
        parameters, headers = hide(token_parameters), hide(token_headers)
        del client_secret, token_parameters, token_headers
        self.client_id = require_client_id(client_id)
        self.namespace = None if namespace is None else require_text(namespace, "namespace")
        if client_auth not in CLIENT_AUTH:
            raise ConfigurationError(f"client_auth must be one of {', '.join(CLIENT_AUTH)}")
        if secret is None and user is None:
            raise ConfigurationError("client_secret is missing: only with user=… can a client do without (PKCE)")
        if secret is None:
            client_auth = "none"
        elif client_auth == "none":
            raise ConfigurationError("client_auth='none' is for clients without a secret; leave client_secret out")
        if client_auth == "client_secret_basic_unencoded" and ":" in self.client_id:
            raise ConfigurationError("client_id must not hold a colon with client_auth='client_secret_basic_unencoded'")
        self.client_auth = client_auth
        self.token_endpoint = check_endpoint(token_endpoint, "token_endpoint")
        self.assertion = assertion = assertion or Assertion()
        if assertion.audience is None:
            self.assertion = replace(assertion, audience=self.token_endpoint)
        self.token_parameters = _check_parameters(parameters)
        self._headers = _check_headers(headers)
        self.origins = check_api_origins(api_origins)
        self.scope = _check_scope(scope)
        self.user = None if user is None else require_text(user, "user")
        self.redirect_uri = _check_redirect_uri(redirect_uri)
        self.authorization_endpoint = _check_optional(authorization_endpoint, "authorization_endpoint")
        self.revocation_endpoint = _check_optional(revocation_endpoint, "revocation_endpoint")
        self.introspection_endpoint = _check_optional(introspection_endpoint, "introspection_endpoint")
        self.issuer = None if issuer is None else require_text(issuer, "issuer")
        self.requires_issuer = requires_issuer
        if secret is not None and not isinstance(secret, SecretSource):
            secret = SecretSource(secret, self._check_secret)
        self.take_secret(secret)

    def make_keys(self, prove: Callable[..., str]) -> tuple[str, ...]:
        """Return the key with the secret in force, and then those of older versions."""
        secret, user = self.client_secret, self.user
        parameters = json.dumps(sorted(self.token_parameters.items())) if self.token_parameters else None
        headers = json.dumps(sorted(self.token_headers.items())) if self._headers and user is None else None
        whose = (
            ("namespace", self.namespace),
            ("client_id", self.client_id),
            ("grant", "client_credentials" if user is None else "authorization_code"),
            ("user", user),
            ("scope", self.scope),
        )
        more = (
            ("parameters", prove(parameters, salt=self.client_id) if parameters else None),
            ("headers", prove(headers, salt=self.client_id) if headers else None),
        )
        proof = old_proof = None
        if secret is not None and user is None:
            # A user's token was given to the user who signed in, and outlives a change of the client's secret.
            proof = prove(secret.reveal(), salt=self.client_id)
            old_proof = former_fingerprint(secret.reveal())
        key = make_key(
            self.provider, self.token_endpoint, *whose, *endpoint_parts(self.token_endpoint), ("secret", proof), *more
        )
        before_query, _, query = self.token_endpoint.partition("://")[2].partition("?")
        if (query and "/" not in before_query) or self.namespace:
            return (key,)  # the old key did not tell apart what this one does: the entry may be another tenant's
        path = ("path", self.token_endpoint.partition("://")[2].partition("/")[2])
        old = make_key(self.provider, self.token_endpoint, *whose, path, ("secret", old_proof), *more)
        return (key,) if old == key else (key, old)

    @property
    def proof_secret(self) -> Secret | None:
        """The secret whose proof is saved with a user's token: an entry of another client's is not used."""
        return self.client_secret if self.user is not None else None

    def _check_secret(self, value: object) -> Secret:
        """Return a secret that this way of client authentication can use, or raise `ConfigurationError`."""
        secret = hide(value)
        del value
        if self.client_auth != "private_key_jwt" or secret is None or not isinstance(secret.reveal(), str):
            require_text(secret, "client_secret")  # a private key holds line breaks
        assert secret is not None
        if self.client_auth in ASSERTING:
            make_assertion(self.client_auth, self.client_id, secret, self.assertion)
        return secret

    @property
    def token_headers(self) -> Mapping[str, str]:
        """Additional header fields for requests to the server's endpoints; they may be secret."""
        return {name: value.reveal() for name, value in self._headers.items()}

    @property
    def uses_refresh_token(self) -> bool:  # type: ignore[override]
        """Whether the next token costs a refresh token."""
        return self.user is not None

    @property
    def signs_time(self) -> bool:  # type: ignore[override]
        """Whether a request holds a time, as a client assertion does."""
        return self.client_auth in ASSERTING

    @property
    def beyond_key(self) -> tuple[object, ...]:
        """How the client proves itself: once corrected it must not wait for a wrong one's refresh."""
        # A user's token in memory is, as the one in a store, for the origins that it was obtained for.
        origins = self.origins if self.user is not None else None
        return (*super().beyond_key, self.client_auth, self.assertion, tuple(self._headers.items()), origins)

    def authenticate(self, now: float | None = None) -> tuple[dict[str, str | None], dict[str, str]]:
        """Return the form fields and headers that go with every request to the server's endpoints.

        Args:
            now: Seconds since the epoch, by the server's clock as far as known; `None`: by ours.
        """
        fields, headers = authenticate_client(
            self.client_auth, self.client_id, self.client_secret, assertion=self.assertion, now=now
        )
        return fields, {**self.token_headers, **headers}

    def prepare_endpoint_request(
        self, endpoint: str, fields: Mapping[str, str | None], now: float | None = None
    ) -> HTTPRequest:
        """Return a request to the revocation or introspection endpoint: a form with the client's credentials.

        Args:
            endpoint: Its URL.
            fields: What is asked.
            now: See `authenticate`.
        """
        client, headers = self.authenticate(now)
        from .grants import prepare_form_request

        return prepare_form_request(endpoint, {**fields, **client}, headers)

    def prepare_token_request(self, now: float, token: Token | None = None) -> HTTPRequest:
        """Return the request for the next token: client credentials (§4.4), or with `user` a refresh (§6).

        Raises:
            AuthorizationRequired: There is no refresh token to spend.
        """
        fields, headers = self.authenticate(now)
        if self.user is None:
            grant: dict[str, str | None] = {"grant_type": "client_credentials", "scope": self.scope}
        else:
            if token is None or token.refresh_token is None:
                raise self.authorization_required("there is no token yet" if token is None else "the token has expired")
            if token.refresh_expires_at is not None and token.refresh_expires_at <= now:
                raise self.authorization_required("the refresh token has expired")
            grant = {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
        from .grants import prepare_form_request

        return prepare_form_request(self.token_endpoint, {**self.token_parameters, **grant, **fields}, headers)

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
        secrets = [secret for secret in (self.client_secret, hide(token and token.refresh_token)) if secret]
        secrets += [Secret(value) for value in self.token_headers.values()]
        try:
            new = self.read_token(response, now, token, secrets=secrets, carried=self._carried(token))
        except InvalidTokenResponse as error:
            if self.user is None:
                error.refresh_token = None
            raise
        if self.user is None:
            # RFC 6749 §4.4.3: "A refresh token SHOULD NOT be included" with client credentials; not needed, not kept.
            return replace(new, refresh_token=None, refresh_expires_at=None)
        if self.refresh_lifetime is None or new.refresh_token is None or new.refresh_expires_at is not None:
            return new
        rotated = token is None or new.refresh_token != token.refresh_token
        return replace(new, refresh_expires_at=now + self.refresh_lifetime) if rotated else new

    def _carried(self, token: Token | None) -> list[str]:
        """The names of what a token request carried, for a refusal that names no cause."""
        if self.user is None:
            grant = ["scope"] if self.scope else []
        else:
            grant = ["code", "redirect_uri", "code_verifier"] if token is None else ["refresh_token"]
        proof = "client_assertion" if self.client_auth in ASSERTING else "client_secret"
        more = [*self.token_parameters, *self.token_headers]
        return ["client_id", *([proof] if self.client_secret else []), *grant, *more]


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


def _check_parameters(value: Secret | None) -> dict[str, str | list[str]]:
    """Return more fields for token requests, or raise `ConfigurationError`."""
    given = _check_mapping(value, "token_parameters")
    checked: dict[str, str | list[str]] = {}
    for name in given:
        if require_text(name, "the name of a token_parameter") in _OUR_FIELDS:
            raise ConfigurationError(f"token_parameters must not set {name}: krauth does")
        several = isinstance(given[name], list | tuple)
        values = [
            require_text(hide(one), f"token_parameters[{name!r}]")
            for one in (given[name] if several else [given[name]])
        ]
        checked[name] = values if several else values[0]
    return checked


def _check_headers(value: Secret | None) -> dict[str, Secret]:
    """Return more header fields for the server's endpoints, or raise `ConfigurationError`."""
    given = _check_mapping(value, "token_headers")
    for name in given:
        if not isinstance(name, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ConfigurationError("token_headers holds a name that is no header field's (RFC 9110 §5.1)")
        if name.lower() in _OUR_HEADERS:
            raise ConfigurationError(f"token_headers must not set {name}: krauth does")
        if not require_text(hide(given[name]), f"token_headers[{name!r}]").isascii():
            raise ConfigurationError(f"token_headers[{name!r}] must be ASCII, as header fields are")
    return {name: Secret(given[name]) for name in given}


def _check_mapping(value: Secret | None, name: str) -> Mapping[str, Any]:
    from collections.abc import Mapping

    given = value.reveal() if value is not None else {}
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{name} must be a dict from names to strings, not {type(given).__name__}")
    return given


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
