"""RFC 7009 revocation and RFC 7662 introspection, as `prepare_…` / `process_…` pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .._values.checks import is_line, is_time, read_json_object
from .._values.exceptions import InvalidTokenResponse
from .._values.guard import clean
from .grants import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._values.messages import HTTPRequest, HTTPResponse
    from .client import OAuth2Credentials


@dataclass(frozen=True, slots=True, repr=False)
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
    claims: Mapping[str, object] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__dataclass_fields__ if name != "claims"]
        return clean(f"TokenInfo({', '.join(shown)})")  # a server's words

    def __eq__(self, other: object) -> bool:
        # Written out: of two objects that a dataclass compares, pytest shows every field that differs.
        return isinstance(other, TokenInfo) and all(
            getattr(self, name) == getattr(other, name) for name in self.__dataclass_fields__
        )


def prepare_revocation_request(
    credentials: OAuth2Credentials, token: str, token_type_hint: str, now: float | None = None
) -> HTTPRequest:
    """Return the request that revokes a token (RFC 7009 §2.1); `now` is the server's."""
    return _prepare(credentials, credentials.revocation_endpoint, token, token_type_hint, now)


def process_revocation_response(credentials: OAuth2Credentials, response: HTTPResponse, now: float) -> None:
    """Accept a revocation, or raise what the refusal means.

    §2.2: "The authorization server responds with HTTP status code 200 if the token has been revoked successfully or
    if the client submitted an invalid token": so a revocation can be repeated.

    Raises:
        TokenEndpointError: It was refused, or the server failed.
    """
    if not 200 <= response.status < 300:
        raise refusal(response, now, credentials.errors, "revocation")


def prepare_introspection_request(
    credentials: OAuth2Credentials, token: str, token_type_hint: str, now: float | None = None
) -> HTTPRequest:
    """Return the request that asks about a token (RFC 7662 §2.1); `now` is the server's."""
    return _prepare(credentials, credentials.introspection_endpoint, token, token_type_hint, now)


def process_introspection_response(credentials: OAuth2Credentials, response: HTTPResponse, now: float) -> TokenInfo:
    """Return what the server says of a token.

    Raises:
        InvalidTokenResponse: It is no introspection response.
        TokenEndpointError: It was refused, or the server failed.
    """
    if not 200 <= response.status < 300:
        raise refusal(response, now, credentials.errors, "introspection")
    data = read_json_object(response.body)
    active = data.get("active") if data is not None else None
    if data is None or not isinstance(active, bool):
        raise InvalidTokenResponse(
            "the introspection endpoint did not say whether the token is active", status=response.status
        )
    texts = {name: text for name in ("scope", "client_id", "username", "sub") if is_line(text := data.get(name))}
    exp = data.get("exp")
    return TokenInfo(active, exp=float(exp) if is_time(exp) else None, claims=data, **texts)


def _prepare(
    credentials: OAuth2Credentials, endpoint: str | None, token: str, token_type_hint: str, now: float | None
) -> HTTPRequest:
    assert endpoint is not None
    return credentials.prepare_endpoint_request(endpoint, {"token": token, "token_type_hint": token_type_hint}, now)
