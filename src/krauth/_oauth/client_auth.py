"""How a client proves itself at the authorization server: one function for each way, in a table. Used by `client`."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from .._values.clock import current_clock
from .._values.exceptions import ConfigurationError
from .._values.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from .._values.secret import Secret

    #: Form fields and header fields.
    Proof = tuple[dict[str, str | None], dict[str, str]]

#: Seconds that a client assertion is good for.
ASSERTION_LIFETIME = 60
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_BAD_KEYS = {
    "private_key_jwt": "client_secret does not hold a private key that can be used: with client_auth='private_key_jwt'"
    " it is an unencrypted private key in PEM form (-----BEGIN …) or a JWK, of the kind that assertion_algorithm needs",
    "client_secret_jwt": "client_secret can't be the key of an HMAC: for HS256 it needs 32 bytes or more, and"
    " assertion_algorithm must be HS256, HS384 or HS512",
}


class Assertion(Value):
    """How a client assertion is made (RFC 7523).

    Attributes:
        audience: `aud`; `None`: the token endpoint.
        key_id: `kid` of the header, or `None`.
        algorithm: `alg` of the header (RFC 7518 §3.1); `None`: HS256, or what suits the private key.
    """

    __match_args__ = __slots__ = _names = ("audience", "key_id", "algorithm")

    audience: str | None
    key_id: str | None
    algorithm: str | None

    def __init__(self, audience: str | None = None, key_id: str | None = None, algorithm: str | None = None) -> None:
        self._hold(audience, key_id, algorithm)


class _Client:
    __slots__ = ("assertion", "client_auth", "client_id", "now", "secret")

    def __init__(
        self, client_auth: str, client_id: str, secret: Secret, assertion: Assertion, now: float | None
    ) -> None:
        self.client_auth, self.client_id, self.secret = client_auth, client_id, secret
        self.assertion, self.now = assertion, now


def authenticate_client(
    client_auth: str,
    client_id: str,
    client_secret: Secret | None,
    *,
    assertion: Assertion | None = None,
    now: float | None = None,
) -> Proof:
    """Return the form fields and headers that authenticate a client (RFC 6749 §2.3.1, RFC 7523 §2.2).

    Args:
        client_auth: One of `CLIENT_AUTH`.
        client_id: As registered.
        client_secret: A password, or for `private_key_jwt` the private key; `None` for a public client.
        assertion: How an assertion is made; its audience must be given.
        now: Seconds since the epoch, by the server's clock as far as known; `None`: by ours.

    Raises:
        ConfigurationError: The key can't be used.
    """
    if client_secret is None:
        return {"client_id": client_id}, {}
    return _WAYS[client_auth](_Client(client_auth, client_id, client_secret, assertion or Assertion(), now))


def _none(client: _Client) -> Proof:
    return {"client_id": client.client_id}, {}


def _post(client: _Client) -> Proof:
    return {"client_id": client.client_id, "client_secret": client.secret.reveal()}, {}


def _basic(client: _Client) -> Proof:
    # "The client identifier is encoded using the "application/x-www-form-urlencoded" encoding algorithm […], and
    # the encoded value is used as the username; the client password is encoded using the same algorithm"
    return {}, {"Authorization": _basic_value(quote_plus(client.client_id), quote_plus(client.secret.reveal()))}


def _basic_unencoded(client: _Client) -> Proof:
    # RFC 7617, as many servers read it that never heard of the encoding.
    return {}, {"Authorization": _basic_value(client.client_id, client.secret.reveal())}


def _basic_value(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def _jwt(client: _Client) -> Proof:
    # RFC 7523 §2.2; client_id is "unnecessary", and some servers want it all the same.
    return {
        "client_id": client.client_id,
        "client_assertion_type": _ASSERTION_TYPE,
        "client_assertion": make_assertion(
            client.client_auth, client.client_id, client.secret, client.assertion, client.now
        ),
    }, {}


_WAYS: dict[str, Callable[[_Client], Proof]] = {
    "client_secret_post": _post,
    "client_secret_basic": _basic,
    "client_secret_basic_unencoded": _basic_unencoded,
    "client_secret_jwt": _jwt,
    "private_key_jwt": _jwt,
    "none": _none,
}
CLIENT_AUTH = tuple(_WAYS)
#: Those that hold a time.
ASSERTING = frozenset({"client_secret_jwt", "private_key_jwt"})


def make_assertion(
    client_auth: str, client_id: str, secret: Secret, assertion: Assertion, now: float | None = None
) -> str:
    """Return a new client assertion (RFC 7523 §3): good for a minute, and for one request.

    Raises:
        ConfigurationError: The key can't be used, or PyJWT is not installed.
    """
    import secrets

    moment = int(current_clock().time() if now is None else now)
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": assertion.audience,
        "iat": moment,
        "exp": moment + ASSERTION_LIFETIME,
        "jti": secrets.token_urlsafe(16),
    }
    jwt = load_jwt()
    try:
        text: str | None = _encode(jwt, client_auth, claims, secret, assertion)
    except Exception:  # noqa: BLE001  what PyJWT or cryptography says of a key is not shown: it may quote the key
        text = None
    if text is None:
        raise ConfigurationError(_BAD_KEYS[client_auth])
    return text


def load_jwt() -> ModuleType:
    """Return PyJWT, or raise `ConfigurationError` where it is not installed."""
    try:
        import jwt
    except ImportError:
        raise ConfigurationError(
            "client_auth='private_key_jwt' and 'client_secret_jwt' need PyJWT: pip install 'krauth[jwt]'"
        ) from None
    return jwt


def _encode(jwt: ModuleType, client_auth: str, claims: dict[str, Any], secret: Secret, assertion: Assertion) -> str:
    text = secret.reveal().strip()
    algorithm, key_id, key = assertion.algorithm, assertion.key_id, text
    if client_auth == "client_secret_jwt":
        algorithm, key = algorithm or "HS256", secret.reveal()
        if not algorithm.startswith("HS"):
            raise ValueError(algorithm)
    elif text.startswith("{"):
        import json

        jwk = jwt.PyJWK(json.loads(text), algorithm)
        algorithm, key_id, key = jwk.algorithm_name, key_id or jwk.key_id, jwk.key
    else:
        if "\n" not in text:  # a .env file holds one line
            key = text.replace("\\n", "\n")
        algorithm = algorithm or _algorithm_of(jwt, key)
    if client_auth == "private_key_jwt" and algorithm[:2] not in ("RS", "PS", "ES", "Ed"):
        raise ValueError(algorithm)
    return str(jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_id} if key_id else None))


#: Algorithm → bits of its curve, if it has one (RFC 7518 §3.4, RFC 8037 §3.1).
_ALGORITHMS = {"RS256": None, "ES256": 256, "ES384": 384, "ES512": 521, "EdDSA": None}


def _algorithm_of(jwt: ModuleType, key: str) -> str:
    """Return the algorithm that suits a private key in PEM form."""
    for algorithm, bits in _ALGORITHMS.items():
        try:
            prepared = jwt.get_algorithm_by_name(algorithm).prepare_key(key)
        except Exception:  # noqa: BLE001, S112  a key of another kind
            continue
        if bits is None or prepared.curve.key_size == bits:
            return algorithm
    raise ValueError("no algorithm")
