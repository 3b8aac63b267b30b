"""RFC 8414 authorization server metadata: where it may be, and the settings that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._values.checks import is_line, read_json_object
from .._values.exceptions import ConfigurationError
from .._values.origin import check_base_url, parse_origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._values.messages import HTTPResponse

_NOTHING: Mapping[str, object] = {}


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


def process_metadata(issuer: str, response: HTTPResponse, given: Mapping[str, object] = _NOTHING) -> dict[str, Any]:
    """Return the settings of `OAuth2Credentials` that a metadata document holds (RFC 8414 §2).

    Args:
        issuer: The server's issuer, as the user writes it.
        response: The server's answer with the document.
        given: The settings that the user gives. They win, and what they name is not read from the document.

    Raises:
        ConfigurationError: It is no metadata, or another issuer's; it names an endpoint that a server may not choose,
            or denies what krauth needs.
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
        if name not in given and data.get(name) is not None:
            settings[name] = _check_endpoint(issuer, name, data[name])
    if "token_endpoint" not in settings and "token_endpoint" not in given:
        raise ConfigurationError("the metadata names no token_endpoint")
    settings.update(_choose_client_auth(data, given))
    _check_pkce(data, given)
    if data.get("authorization_response_iss_parameter_supported") is True:
        settings["requires_issuer"] = True
    return settings


def _check_endpoint(issuer: str, name: str, url: object) -> str:
    """Return an endpoint that the server names, where it may choose it.

    Secrets and tokens are sent there. So a server names endpoints of its own origin, or of another host of the internet
    over https. That http is allowed to this machine is the user's exemption, and private networks are the user's too: a
    remote server could otherwise have this process post to what only this process reaches.
    """
    origin = parse_origin(url) if is_line(url) and isinstance(url, str) else None
    if not isinstance(url, str) or origin is None:
        raise ConfigurationError(f"the metadata's {name} is no URL; give {name}=… yourself")
    if origin != parse_origin(issuer) and not (origin.scheme == "https" and origin.is_public):
        raise ConfigurationError(
            f"the metadata's {name} is at {origin}, neither the issuer's own origin nor a public https address;"
            f" if that is right, give {name}=… yourself"
        )
    return url


def _choose_client_auth(data: Mapping[str, object], given: Mapping[str, object]) -> dict[str, str]:
    """Return the way to authenticate that the server offers, or raise where it offers none that can be used.

    A public client is not refused for a list without `"none"`: Keycloak, for one, lists only what clients with a secret
    can use.
    """
    methods = data.get("token_endpoint_auth_methods_supported")
    is_listed = isinstance(methods, list) and bool(methods)
    offered = [method for method in methods if isinstance(method, str)] if isinstance(methods, list) else []
    named = given.get("client_auth")
    if named == "client_secret_basic_unencoded":  # our name for what some servers make of it
        named = "client_secret_basic"
    if given.get("client_secret") is None or named == "none":
        return {}
    if not is_listed:  # §2: "If omitted, the default is client_secret_basic"
        return {"client_auth": "client_secret_basic"} if methods is None and named is None else {}
    if named is not None:
        if named in offered:
            return {}
        raise ConfigurationError(f"the server's metadata denies client_auth={named!r}: it offers {_listed(offered)}")
    for method in ("client_secret_post", "client_secret_basic"):
        if method in offered:
            return {"client_auth": method}
    raise ConfigurationError(
        f"the server's metadata offers no client_auth that sends client_secret: it offers {_listed(offered)}"
    )


def _check_pkce(data: Mapping[str, object], given: Mapping[str, object]) -> None:
    """RFC 9700 §2.1.1: the client has to know that the server supports PKCE. A silent document denies nothing."""
    methods = data.get("code_challenge_methods_supported")
    if given.get("user") is not None and isinstance(methods, list) and "S256" not in methods:
        raise ConfigurationError(
            f"the server's metadata denies PKCE with S256, without which an authorization code can be stolen: it offers"
            f" {_listed(methods)}"
        )


def _listed(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values[:10] if is_line(value, 64)) or "none"
