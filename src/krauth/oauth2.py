"""OAuth 2.0 for any RFC 6749 server by configuration; `meloming` is one configuration of it plus its error table."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Self

from ._auth.settings import REPLACING, Fixed
from ._auth.user_auth import UserAuth
from ._oauth.client import OAuth2Credentials
from ._oauth.client_auth import Assertion
from ._values.exceptions import KrauthError, TokenTransportError
from ._values.secret import hide

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ._engine.run import Run
    from ._oauth.client import SecretSetting
    from ._values.messages import Sender
    from ._values.token import RefreshPolicy
    from .stores import TokenStore

#: Seconds for both places where metadata may be.
DISCOVERY_TIMEOUT = 25.0


class OAuth2AuthBase(UserAuth):
    """OAuth 2.0 for any server: what the four stacks' `OAuth2Auth` have in common."""

    client_id = Fixed(lambda auth: auth._client.client_id)
    client_secret = Fixed(None, REPLACING)
    user = Fixed(lambda auth: auth._client.user)
    scope = Fixed(lambda auth: auth._client.scope)
    redirect_uri = Fixed(lambda auth: auth._client.redirect_uri)
    api_origins = Fixed(lambda auth: tuple(map(str, auth._origins)))
    token_endpoint = Fixed(lambda auth: auth._client.token_endpoint)
    authorization_endpoint = Fixed(lambda auth: auth._client.authorization_endpoint)
    revocation_endpoint = Fixed(lambda auth: auth._client.revocation_endpoint)
    introspection_endpoint = Fixed(lambda auth: auth._client.introspection_endpoint)
    client_auth = Fixed(lambda auth: auth._client.client_auth)

    def __init__(
        self,
        client_id: str,
        client_secret: SecretSetting | None = None,
        *,
        token_endpoint: str,
        api_origins: str | Iterable[str],
        scope: str | None = None,
        authorization_endpoint: str | None = None,
        revocation_endpoint: str | None = None,
        introspection_endpoint: str | None = None,
        client_auth: str = "client_secret_post",
        user: str | None = None,
        redirect_uri: str | None = None,
        issuer: str | None = None,
        requires_issuer: bool = False,
        token_parameters: Mapping[str, str | Sequence[str]] | None = None,
        token_headers: Mapping[str, str] | None = None,
        assertion_audience: str | None = None,
        assertion_algorithm: str | None = None,
        key_id: str | None = None,
        namespace: str | None = None,
        store: TokenStore | str | None = None,
        refresh: RefreshPolicy | None = None,
        token_transport: object = None,
    ) -> None:
        """Check the settings; nothing is sent until a token is needed.

        Args:
            client_id: As registered.
            client_secret: As registered: a string, an object with `get_secret_value()`, or a callable that returns
                either, which is read again when the server says that the client is invalid. With `private_key_jwt` it
                is the private key (PEM or JWK). May be left out with `user` (a public client, PKCE).
            token_endpoint: RFC 6749 §3.2.
            api_origins: Where the access token may be sent: one URL or several; paths are ignored.
            scope: Space-separated scopes to ask for.
            authorization_endpoint: RFC 6749 §3.1; needed to authorize.
            revocation_endpoint: RFC 7009; needed to revoke.
            introspection_endpoint: RFC 7662; needed to introspect.
            client_auth: `"client_secret_post"`, `"client_secret_basic"`, `"none"` (RFC 6749 §2.3.1),
                `"client_secret_basic_unencoded"` for servers that do not form-decode user name and password, or
                `"private_key_jwt"`, `"client_secret_jwt"` (RFC 7523; extra `jwt`).
            user: Any name of yours for the user to act for; `None`: the client itself (client credentials).
            redirect_uri: Where the user comes back to, as registered.
            issuer: RFC 8414; compared with `iss` of a callback where the server sends it (RFC 9207).
            requires_issuer: Whether the server always sends `iss`, so that a callback without it is refused.
            token_parameters: More fields for token requests, such as `audience` or `resource`: a string each, or a list
                of them for a field that comes several times.
            token_headers: More header fields for token, revocation and introspection requests.
            assertion_audience: `aud` of a client assertion; `None`: the token endpoint.
            assertion_algorithm: `alg` of a client assertion; `None`: HS256, or what suits the private key.
            key_id: `kid` of a client assertion's header, or `None`.
            namespace: Part of the store key: hosts of many tenants give each tenant one, so that none uses the
                token of another. `None`: none.
            store: A `TokenStore` or the URL of one; `None`: the process's memory.
            refresh: When to refresh, and how long to wait.
            token_transport: How token requests travel: a client or session of this library (the very one that
                carries this auth included), or a callable.

        Raises:
            ConfigurationError: A setting can't be right.
        """
        secret, parameters, headers = hide(client_secret), hide(token_parameters), hide(token_headers)
        del client_secret, token_parameters, token_headers
        credentials = OAuth2Credentials(
            client_id,
            secret,
            token_endpoint=token_endpoint,
            api_origins=api_origins,
            scope=scope,
            client_auth=client_auth,
            user=user,
            redirect_uri=redirect_uri,
            authorization_endpoint=authorization_endpoint,
            revocation_endpoint=revocation_endpoint,
            introspection_endpoint=introspection_endpoint,
            issuer=issuer,
            requires_issuer=requires_issuer,
            token_parameters=parameters,
            token_headers=headers,
            assertion=Assertion(assertion_audience, key_id, assertion_algorithm),
            namespace=namespace,
        )
        self._set_source(credentials, store, refresh, token_transport)

    @classmethod
    def discover(cls, issuer: str, client_id: str, client_secret: SecretSetting | None = None, **settings: Any) -> Self:
        """Make one from a server's own metadata (RFC 8414); blocks while that is fetched.

        Args:
            issuer: Exactly as the server writes it.
            client_id: As registered.
            client_secret: As registered.
            settings: Further keyword arguments of the class; they win over the metadata.

        Raises:
            ConfigurationError: There is no metadata, it is another issuer's, or a setting can't be right.
            TokenTransportError: The server could not be reached.
        """
        secret = hide(client_secret)
        del client_secret
        fetching = cls._fetch_metadata(issuer, {**settings, "client_secret": secret}, blocking=True)
        found = fetching.get(_discovery_policy())
        return cls(client_id, secret, **{**found, **settings})

    @classmethod
    async def adiscover(
        cls, issuer: str, client_id: str, client_secret: SecretSetting | None = None, **settings: Any
    ) -> Self:
        """Make one from a server's own metadata without blocking; see `discover`."""
        secret = hide(client_secret)
        del client_secret
        fetching = cls._fetch_metadata(issuer, {**settings, "client_secret": secret}, blocking=False)
        found = await fetching.aget(_discovery_policy())
        return cls(client_id, secret, **{**found, **settings})

    @classmethod
    def _fetch_metadata(cls, issuer: str, given: dict[str, Any], *, blocking: bool) -> Run[dict[str, Any]]:
        from ._engine.process import call

        transport = cls.transport_class().over(given.get("token_transport"))
        if blocking:
            transport.check_blocking()
        return call(functools.partial(fetch_metadata, transport.open(), issuer, given), transport.way, str(issuer))


def _discovery_policy() -> RefreshPolicy:
    from ._values.token import RefreshPolicy

    return RefreshPolicy(timeout=DISCOVERY_TIMEOUT)


def fetch_metadata(send: Sender, issuer: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings in a server's metadata that the user did not give."""
    from ._oauth.metadata import is_metadata, metadata_urls, process_metadata
    from ._values.messages import HTTPRequest, require_response
    from ._values.reasons import safe_reason

    for url in metadata_urls(issuer):
        try:
            response = require_response(send(HTTPRequest("GET", url, {"Accept": "application/json"})))
        except KrauthError:
            raise
        except Exception as error:
            raise TokenTransportError(f"no answer from {url}: {safe_reason(error)}") from error
        if is_metadata(response):
            break
    return process_metadata(issuer, response, given)
