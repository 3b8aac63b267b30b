"""RFC 7009 revocation and RFC 7662 introspection, as `prepare_…` / `process_…` pairs; RFC 8414 metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ._credentials import read_json_object
from ._exceptions import ConfigurationError, InvalidTokenResponse
from ._grants import authenticate_client, prepare_form_request, prepare_json_request, refusal
from ._origin import check_base_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._messages import HTTPRequest, HTTPResponse
    from .oauth2 import OAuth2Credentials


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What the server says of a token (RFC 7662 §2.2). Everything but `active` may be missing.

    Attributes:
        active: Whether the token is good now.
        scope: Space-separated, or `None`.
        client_id: Or `None`.
        username: Or `None`.
        sub: The user's or client's identifier, or `None`.
        exp: Seconds since the epoch, or `None`.
        claims: The whole answer.
    """

    active: bool
    scope: str | None = None
    client_id: str | None = None
    username: str | None = None
    sub: str | None = None
    exp: float | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


def prepare_revocation_request(credentials: OAuth2Credentials, token: str, token_type_hint: str) -> HTTPRequest:
    """Return the request that revokes a token (RFC 7009 §2.1; at Meloming, a JSON body without client credentials)."""
    return _prepare(credentials, credentials.revocation_endpoint, token, token_type_hint)


def process_revocation_response(credentials: OAuth2Credentials, response: HTTPResponse, now: float) -> None:
    """Accept a revocation, or raise what the refusal means.

    §2.2: "The authorization server responds with HTTP status code 200 if the token has been revoked successfully or
    if the client submitted an invalid token": so a revocation can be repeated.

    Raises:
        TokenEndpointError: It was refused, or the server failed.
    """
    if not 200 <= response.status < 300:
        raise refusal(response, now, credentials.errors, "revocation")


def prepare_introspection_request(credentials: OAuth2Credentials, token: str, token_type_hint: str) -> HTTPRequest:
    """Return the request that asks about a token (RFC 7662 §2.1)."""
    return _prepare(credentials, credentials.introspection_endpoint, token, token_type_hint)


def process_introspection_response(credentials: OAuth2Credentials, response: HTTPResponse, now: float) -> TokenInfo:
    """Return what the server says of a token.

    Raises:
        InvalidTokenResponse: It is no introspection response.
        TokenEndpointError: It was refused, or the server failed.
    """
    if response.status != 200:
        raise refusal(response, now, credentials.errors, "introspection")
    data = read_json_object(response.body)
    if data is None or not isinstance(data.get("active"), bool):
        raise InvalidTokenResponse("the introspection endpoint did not say whether the token is active", status=200)
    texts = {name: data[name] for name in ("scope", "client_id", "username", "sub") if isinstance(data.get(name), str)}
    exp = data.get("exp")
    expires = float(exp) if isinstance(exp, int | float) and not isinstance(exp, bool) else None
    return TokenInfo(data["active"], exp=expires, claims=data, **texts)


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Return where a server's metadata may be: RFC 8414 §3.1, then OpenID Connect Discovery's place."""
    # §3.1: "any terminating "/" MUST be removed"; for the comparison (§3.3) it stays.
    parts = urlsplit(check_base_url(issuer, "issuer"))
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


def is_metadata(response: HTTPResponse) -> bool:
    """Whether this is a metadata document; a single-page application answers 200 to any path, with its page."""
    return response.status == 200 and "issuer" in (read_json_object(response.body) or {})


def process_metadata(issuer: str, response: HTTPResponse) -> dict[str, Any]:
    """Return the settings of `OAuth2Credentials` that a metadata document holds (RFC 8414 §2).

    Raises:
        ConfigurationError: It is none, or another issuer's.
    """
    data = read_json_object(response.body) if response.status == 200 else None
    if data is None:
        what = "with something else" if response.status == 200 else str(response.status)
        raise ConfigurationError(
            f"no metadata (RFC 8414) at this issuer: it answered {what}; check the issuer, or give the endpoints"
        )
    # §3.3: the issuer "MUST be identical to the authorization server's issuer identifier value".
    if data.get("issuer") != issuer:
        raise ConfigurationError(
            "the metadata names another issuer than the one asked for; write it exactly as it does"
        )
    settings: dict[str, Any] = {"issuer": issuer}
    for name in ("token_endpoint", "authorization_endpoint", "revocation_endpoint", "introspection_endpoint"):
        if isinstance(data.get(name), str):
            settings[name] = data[name]
    if "token_endpoint" not in settings:
        raise ConfigurationError("the metadata names no token_endpoint")
    methods = data.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])  # the RFC's default
    if isinstance(methods, list) and "client_secret_post" not in methods and "client_secret_basic" in methods:
        settings["client_auth"] = "client_secret_basic"
    if data.get("authorization_response_iss_parameter_supported") is True:
        settings["requires_issuer"] = True
    return settings


def _prepare(credentials: OAuth2Credentials, endpoint: str | None, token: str, token_type_hint: str) -> HTTPRequest:
    assert endpoint is not None
    fields: dict[str, str | None] = {"token": token, "token_type_hint": token_type_hint}
    if credentials.json_endpoints:
        return prepare_json_request(endpoint, fields)
    client, headers = authenticate_client(credentials.client_auth, credentials.client_id, credentials.client_secret)
    return prepare_form_request(endpoint, {**fields, **client}, headers)
