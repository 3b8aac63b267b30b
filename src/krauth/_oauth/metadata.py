"""RFC 8414 authorization server metadata: where it may be, and the settings that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._values.checks import read_json_object
from .._values.exceptions import ConfigurationError
from .._values.origin import check_base_url

if TYPE_CHECKING:
    from .._values.messages import HTTPResponse


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
