"""Everything that is true of the Meloming OpenAPI (멜로밍) and of no other: endpoints, API keys, lifetimes, errors.

What each request needs, the API key among it, is in `_meloming_key`.

Source: the vendor's authentication guide, https://openapi.meloming.com.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ._auth.settings import REPLACING, Fixed
from ._auth.user_auth import UserAuth
from ._meloming_key import API_KEY_HEADER as API_KEY_HEADER
from ._meloming_key import BASE_URL as BASE_URL
from ._meloming_key import VERSION_HEADER as VERSION_HEADER
from ._meloming_key import MelomingAPIKeyBase as MelomingAPIKeyBase
from ._meloming_key import MelomingFields, check_version, read_base_url
from ._meloming_key import api_key_environment as api_key_environment
from ._meloming_key import check_api_key as check_api_key
from ._oauth.client import OAuth2Credentials
from ._oauth.credentials import ErrorTable, Rule
from ._values.checks import check_flag, read_env, refuse_quotes, require_env
from ._values.exceptions import (
    InvalidClientError,
    InvalidGrantError,
    RateLimitError,
    TokenEndpointError,
    TokenServerError,
)
from ._values.origin import check_base_url
from ._values.secret import Secret, hide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._oauth.client import SecretSetting
    from ._values.messages import HTTPRequest
    from ._values.secret import SecretValue
    from ._values.token import RefreshPolicy
    from .stores import TokenStore

#: "Refresh Token: 7 days".
REFRESH_LIFETIME = 7 * 86400.0
#: "`GET /v1/**` can be called without authentication."
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

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
            identifier,
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


class MelomingOAuthBase(MelomingFields, UserAuth):
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
        api_key: str | SecretValue | None = None,
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
            identifier,
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
        read_base_url(settings)
        if settings.get("client_id") is None:
            settings["client_id"] = require_env("MELOMING_CLIENT_ID")
        if "client_secret" not in settings:
            optional = settings.get("user") is not None and read_env("MELOMING_CLIENT_SECRET") is None
            settings["client_secret"] = None if optional else require_env("MELOMING_CLIENT_SECRET")
        if "api_key" not in settings and read_env("MELOMING_API_KEY") is not None:
            settings["api_key"] = require_env("MELOMING_API_KEY")
        return cls(**settings)
