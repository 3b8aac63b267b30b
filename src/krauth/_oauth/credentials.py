"""What one client may prove at one provider, as data and pure functions: no I/O, no clock.

`Credentials` is what the engine (`_flow`, `_source`) and the adapters know of a provider. `naver`, `meloming` and
`oauth2` fill it in; adding a provider touches no other module.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from .._values.exceptions import AuthorizationRequired, TokenEndpointError
from .._values.origin import Origin, parse_origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._values.messages import HTTPRequest, HTTPResponse
    from .._values.token import Token


class Verdict(NamedTuple):
    """What a refused API call says about the credential that was sent.

    Attributes:
        refresh: Whether a new token may cure it; then the request is repeated once.
        code: The provider's code, or `None`.
        remedy: What the operator can do, or `None`.
    """

    refresh: bool
    code: str | None = None
    remedy: str | None = None


class Rule(NamedTuple):
    """A row of a provider's error table."""

    remedy: str
    refresh: bool = False
    error: type[TokenEndpointError] = TokenEndpointError


#: `(status, code)` → what it means. `(None, code)` matches any status.
ErrorTable = dict[tuple[int | None, str], Rule]


class Credentials:
    """Base of every kind of credential that obtains tokens.

    Attributes:
        provider: Short name, part of the store key and of every event.
        origins: Where the access token may be sent.
        token_endpoint: Where tokens are obtained.
        window: Seconds before expiry at which the provider wants renewal, or `None`.
        signs_time: Whether a token request holds a timestamp, so that a wrong clock can be why it is refused.
        uses_refresh_token: Whether the next token costs a refresh token, which must then not be lost.
    """

    __slots__ = ("_key", "client_id", "origins", "token_endpoint")

    provider: str = "oauth2"
    window: float | None = None
    signs_time: bool = False
    uses_refresh_token: bool = False

    _key: str
    client_id: str
    origins: tuple[Origin, ...]
    token_endpoint: str

    @property
    def key(self) -> str:
        """The key in token stores: who, where and for what; never a secret."""
        return self._key

    @property
    def identity(self) -> object:
        """What makes two credentials interchangeable in this process: the key, and every secret."""
        return self._key

    def prepare_token_request(self, now: float, token: Token | None) -> HTTPRequest:
        """Return the request that obtains the next token.

        Args:
            now: The server's time as far as known, seconds since the epoch.
            token: The last token, for grants that spend its refresh token.

        Raises:
            AuthorizationRequired: A user has to authorize first.
        """
        raise NotImplementedError

    def process_token_response(self, response: HTTPResponse, now: float, token: Token | None) -> Token:
        """Return the token in a response, or raise what the response means.

        Args:
            response: What the token endpoint answered.
            now: When the request was sent, our own clock, seconds since the epoch: a token lives from then at most.
            token: The last token, whose refresh token stays in force where the response brings none.

        Raises:
            TokenEndpointError: The server refused, or the response is not a token response.
        """
        raise NotImplementedError

    def missing_scope(self, token: Token) -> str | None:
        """Say what was asked for and not granted, or return `None`."""
        return None

    def authorization_required(self, why: str) -> AuthorizationRequired:
        """Return the error that sends a user to sign in."""
        return AuthorizationRequired(f"{self.provider}: a user has to authorize: {why}")

    def judge(self, method: str, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Say what a 401 from the provider's API means for the token that was sent."""
        raise NotImplementedError

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled; make them anew from the environment where they are needed")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, '_key', 'unfinished')}>"  # an error tracker looks at any time


def fingerprint(*secrets: str) -> str:
    """Return 16 hex digits that tell secrets apart without giving them away (SHA-256, truncated)."""
    digest = hashlib.sha256(b"krauth secret\0" + "\0".join(secrets).encode())
    return digest.hexdigest()[:16]


def make_key(provider: str, endpoint: str, *parts: tuple[str, str | None]) -> str:
    """Return a store key: provider, origin and the parts that are given, as printable ASCII without blanks."""
    from urllib.parse import quote

    named = [f"{name}={quote(value, safe='')}" for name, value in parts if value is not None]
    key = "|".join([provider, str(parse_origin(endpoint)), *named])
    if len(key) <= 400:
        return key
    return f"{key[:300]}|sha256={hashlib.sha256(key.encode()).hexdigest()}"
