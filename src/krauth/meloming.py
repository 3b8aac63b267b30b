"""Everything that is true of the Meloming OpenAPI (멜로밍) and of no other: endpoints, API keys, lifetimes, errors.

Source: the vendor's authentication guide, https://openapi.meloming.com.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self, cast

from ._auth.origin_auth import OriginAuth
from ._auth.settings import REPLACING, Fixed
from ._auth.user_auth import UserAuth
from ._oauth.client import OAuth2Credentials
from ._oauth.credentials import ErrorTable, Rule
from ._values import secret as secret_module
from ._values.checks import check_flag, read_env, refuse_quotes, require_env, require_text
from ._values.exceptions import (
    ConfigurationError,
    InvalidClientError,
    InvalidGrantError,
    RateLimitError,
    TokenEndpointError,
    TokenServerError,
)
from ._values.guard import no_secret
from ._values.origin import check_base_url, parse_origin
from ._values.secret import Secret, hide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._oauth.client import SecretSetting
    from ._values.messages import HTTPRequest
    from ._values.token import RefreshPolicy
    from .stores import TokenStore

BASE_URL = "https://openapi.meloming.com"
API_KEY_HEADER = "X-API-Key"
#: "Refresh Token: 7 days".
REFRESH_LIFETIME = 7 * 86400.0
#: "`GET /v1/**` can be called without authentication."
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

VERSION_HEADER = "Meloming-Version"

_API_KEY = r"mlm_(live|test)_[!-~]+"
no_secret("mlm_live_", "mlm_test_")

ERRORS: ErrorTable = {
    (401, "AUTHENTICATION_REQUIRED"): Rule("the token is missing or not valid", refresh=True),
    (401, "INVALID_API_KEY"): Rule("check the API key (MELOMING_API_KEY); a new token cannot help"),
    (401, "invalid_client"): Rule(
        "check client_id and client_secret (MELOMING_CLIENT_ID, MELOMING_CLIENT_SECRET)",
        error=InvalidClientError,
    ),
    (400, "invalid_grant"): Rule(
        "the code or refresh token is spent, expired or revoked: the user has to authorize again",
        error=InvalidGrantError,
    ),
    (400, "unsupported_grant_type"): Rule("the grant is not offered to this client; check its registration"),
    (403, "PERMISSION_DENIED"): Rule("the user or client may not do this on this channel; check the channel's rights"),
    # Seen: "Invalid redirect_uri", which is not the secret's fault. So no cause is stated.
    (401, None): Rule(
        "Meloming names no code for this; check each thing that the request carried: {carried}",
        error=TokenEndpointError,
        may_be_the_secret=True,
    ),
    (429, None): Rule(
        "too many requests; the free plan allows 60 a minute and 10,000 a month, the pro plan 300 a minute and 100,000"
        " a month: wait, share one token store between processes, or change the plan",
        error=RateLimitError,
        pause=1.0,
    ),
    (500, "INTERNAL_ERROR"): Rule(
        "the server failed, which Meloming also answers to an application that is not active and to a stale"
        " client_secret: this is tried again by itself; if it stays, check both in the developer center",
        error=TokenServerError,
        may_be_the_secret=True,
    ),
}


def check_api_key(value: object) -> Secret:
    """Return an API key as a `Secret`, or raise `ConfigurationError` when it can't be one; never quotes it."""
    value = hide(value)
    if value is not None and hasattr(value.reveal(), "get_secret_value"):  # pydantic.SecretStr
        value = hide(cast("Any", value.reveal()).get_secret_value())
    if value is None or value.reveal() == "":
        raise ConfigurationError("api_key is empty; set MELOMING_API_KEY")
    if not isinstance(value.reveal(), str):
        raise ConfigurationError(f"api_key must be a string, not {type(value.reveal()).__name__}")
    if secret_module.accepts_dummies:
        return value
    refuse_quotes(value, "api_key")
    if not re.fullmatch(_API_KEY, value.reveal()):
        raise ConfigurationError(
            "api_key does not look like one: it begins with mlm_live_ or mlm_test_ and holds no white space;"
            " copy it again from the developer center"
        )
    return value


def check_version(version: str | None) -> str | None:
    """Return a version of the API that can stand in a header field, or raise `ConfigurationError`."""
    if version is None:
        return None
    if not re.fullmatch(r"[0-9A-Za-z._-]{1,64}", require_text(version, "version", "write it as in '2026-01-11'")):
        raise ConfigurationError("version must be a version of the API such as '2026-01-11'")
    return version


def api_key_environment(api_key: Secret) -> str:
    """Return `"live"` or `"test"`, as the key's prefix says."""
    return api_key.reveal().split("_", 2)[1]


class MelomingCredentials(OAuth2Credentials):
    """A client of the Meloming OpenAPI, acting for itself or with `user` for a user.

    Raises:
        ConfigurationError: An argument can't be right.
    """

    __slots__ = ("base_url", "version")

    provider = "meloming"
    errors = ERRORS
    refresh_lifetime = REFRESH_LIFETIME

    def __init__(
        self,
        client_id: str | Secret,
        client_secret: SecretSetting | None = None,
        *,
        scope: str | None = None,
        user: str | None = None,
        redirect_uri: str | None = None,
        base_url: str = BASE_URL,
        version: str | None = None,
        namespace: str | None = None,
    ) -> None:
        secret, identifier = hide(client_secret), hide(client_id)
        del client_secret, client_id
        refuse_quotes(identifier, "client_id")
        base_url = check_base_url(base_url)
        self.version = check_version(version)
        super().__init__(
            cast("str", identifier),
            secret,
            token_endpoint=base_url + "/oauth/token",
            api_origins=base_url,
            scope=scope,
            user=user,
            redirect_uri=redirect_uri,
            authorization_endpoint=base_url + "/oauth/authorize",
            revocation_endpoint=base_url + "/oauth/revoke",
            introspection_endpoint=base_url + "/oauth/introspect",
            namespace=namespace,
        )
        self.base_url = base_url

    @property
    def token_headers(self) -> Mapping[str, str]:
        """The version of the API, where one was chosen; it changes no token, so that it is no part of the key."""
        return {} if self.version is None else {VERSION_HEADER: self.version}

    def prepare_endpoint_request(
        self, endpoint: str, fields: Mapping[str, str | None], now: float | None = None
    ) -> HTTPRequest:
        """Return a request to the revocation or introspection endpoint: JSON, and no client authentication is shown."""
        from ._oauth.grants import prepare_json_request

        return prepare_json_request(endpoint, fields, self.token_headers)

    def _check_secret(self, value: object) -> Secret:
        secret = super()._check_secret(value)
        refuse_quotes(secret, "client_secret", both=True)
        return secret


class _MelomingFields(OriginAuth):
    """The header fields of all requests: API key and version."""

    fixed_headers = True
    _api_key: Secret | None = None
    _version: str | None = None
    #: Only to be read: an assignment would change nothing.
    api_key = Fixed(None)
    version = Fixed(lambda auth: auth._version)

    def _set_fields(self, api_key: Secret | None, version: str | None) -> None:
        self._api_key = None if api_key is None else check_api_key(api_key)
        self._version = check_version(version)
        names = {API_KEY_HEADER: self._api_key, VERSION_HEADER: self._version}
        self.extra_names = tuple(name for name, value in names.items() if value is not None)

    def extra_headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the fields of the API key and of the version, where there are such."""
        fields = {} if self._version is None else {VERSION_HEADER: self._version}
        if self._api_key is not None:
            fields[API_KEY_HEADER] = self._api_key.reveal()
        return fields


class MelomingOAuthBase(_MelomingFields, UserAuth):
    """OAuth 2.0 for the Meloming OpenAPI: what the four stacks' `MelomingOAuth` have in common."""

    client_id = Fixed(lambda auth: auth._client.client_id)
    client_secret = Fixed(None, REPLACING)
    user = Fixed(lambda auth: auth._client.user)
    scope = Fixed(lambda auth: auth._client.scope)
    redirect_uri = Fixed(lambda auth: auth._client.redirect_uri)
    anonymous_reads = Fixed(lambda auth: bool(auth.anonymous_methods))

    def __init__(
        self,
        client_id: str,
        client_secret: SecretSetting | None = None,
        *,
        scope: str | None = None,
        api_key: str | None = None,
        user: str | None = None,
        redirect_uri: str | None = None,
        anonymous_reads: bool = False,
        base_url: str = BASE_URL,
        version: str | None = None,
        namespace: str | None = None,
        store: TokenStore | str | None = None,
        refresh: RefreshPolicy | None = None,
        token_transport: object = None,
    ) -> None:
        """Check the settings; nothing is sent until a token is needed.

        Args:
            client_id: The application's client ID.
            client_secret: Its secret: a string, an object with `get_secret_value()`, or a callable that returns either,
                which is read again when the server says that the client is invalid. It may be left out with `user` (a
                public client, PKCE).
            scope: Space-separated scopes to ask for.
            api_key: An API key, `mlm_live_…` or `mlm_test_…`, to ride along as `X-API-Key`.
            user: Any name of yours for the user to act for; `None`: the application itself (client credentials).
            redirect_uri: Where the user comes back to, as registered.
            anonymous_reads: Send GET, HEAD and OPTIONS without a token, as the API allows, unless it asks for one.
            base_url: Of API and OAuth endpoints alike.
            version: The `Meloming-Version` of all requests, such as `"2026-01-11"`; `None`: none, which means the
                newest.
            namespace: Part of the store key: hosts of many tenants give each tenant one, so that none uses the
                token of another. `None`: none.
            store: A `TokenStore` or the URL of one; `None`: the process's memory.
            refresh: When to refresh, and how long to wait.
            token_transport: How token requests travel: a client or session of this library (the very one that
                carries this auth included), or a callable.

        Raises:
            ConfigurationError: A setting can't be right.
        """
        secret, key, identifier = hide(client_secret), hide(api_key), hide(client_id)
        del client_secret, api_key, client_id
        self._set_fields(key, version)
        if check_flag(anonymous_reads, "anonymous_reads"):
            self.anonymous_methods = READ_METHODS
        credentials = MelomingCredentials(
            cast("Secret", identifier),
            secret,
            scope=scope,
            user=user,
            redirect_uri=redirect_uri,
            base_url=base_url,
            version=version,
            namespace=namespace,
        )
        self._set_source(credentials, store, refresh, token_transport)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `MELOMING_CLIENT_ID`, `MELOMING_CLIENT_SECRET` and, if set, `MELOMING_API_KEY` and
        `MELOMING_BASE_URL`.

        Args:
            settings: Keyword arguments of the class; they win over the environment.

        Raises:
            ConfigurationError: A variable is missing or can't be right.
        """
        given = ("client_id", "client_secret", "api_key")
        settings.update({name: hide(settings[name]) for name in given if name in settings})
        _read_base_url(settings)
        if settings.get("client_id") is None:
            settings["client_id"] = require_env("MELOMING_CLIENT_ID")
        if "client_secret" not in settings:
            optional = settings.get("user") is not None and read_env("MELOMING_CLIENT_SECRET") is None
            settings["client_secret"] = None if optional else require_env("MELOMING_CLIENT_SECRET")
        if "api_key" not in settings and read_env("MELOMING_API_KEY") is not None:
            settings["api_key"] = require_env("MELOMING_API_KEY")
        return cls(**settings)


class MelomingAPIKeyBase(_MelomingFields):
    """An API key for the Meloming OpenAPI: what the four stacks' `MelomingAPIKey` have in common."""

    def __init__(self, api_key: str, *, base_url: str = BASE_URL, version: str | None = None) -> None:
        """Check the settings.

        Args:
            api_key: `mlm_live_…` or `mlm_test_…`.
            base_url: Of the API.
            version: The `Meloming-Version` of all requests, such as `"2026-01-11"`; `None`: none.

        Raises:
            ConfigurationError: A setting can't be right.
        """
        key = hide(api_key)
        del api_key
        self._set_fields(key or Secret(""), version)
        self.base_url = check_base_url(base_url)
        origin = parse_origin(self.base_url)
        self._set_origins((origin,) if origin else ())

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `MELOMING_API_KEY` and, if set, `MELOMING_BASE_URL`.

        Args:
            settings: Keyword arguments of the class; they win over the environment.

        Raises:
            ConfigurationError: A variable is missing or can't be right.
        """
        key = hide(settings.pop("api_key", None))
        _read_base_url(settings)
        return cls(cast("str", require_env("MELOMING_API_KEY") if key is None else key), **settings)

    @property
    def environment(self) -> str:
        """`"live"` or `"test"`, as the key's prefix says."""
        assert self._api_key is not None
        return api_key_environment(self._api_key)


def _read_base_url(settings: dict[str, Any]) -> None:
    if "base_url" not in settings and (base_url := read_env("MELOMING_BASE_URL")) is not None:
        settings["base_url"] = base_url
