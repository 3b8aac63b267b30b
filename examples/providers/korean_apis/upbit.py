"""Upbit Exchange API (업비트): each request carries a JWT of its own, with a nonce and a hash of its parameters.

Sources: https://docs.upbit.com/kr/reference/auth (HS512; `query_hash` is SHA-512 over the parameters as
`key=value&key=value`, not percent-encoded, an array as `key[]=value` for each element; the secret key is not Base64),
https://docs.upbit.com/kr/reference/rest-api-guide (bodies are JSON; forms are not taken since 2022-03-01).

Unverified, since we could not call the API: how `true`, `null` and nested objects in a body are written before they are
hashed. Here a boolean is written as in JSON, and the other two are refused before anything is sent.

Unverified, since the documents leave it open: a query and a body together are joined with `&`, and a `+` in a query
stays a `+`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from krauth import ConfigurationError
from krauth.provider import OriginAuth, Secret, hide, require_env, require_text, split_target, use_origins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BASE_URL = "https://api.upbit.com"
HEADER = b'{"alg":"HS512","typ":"JWT"}'


def parameters(body: bytes) -> str:
    """Return the parameters of a JSON body as they are hashed, numbers as they are written in it."""

    def pairs(name: str, value: Any) -> Iterator[str]:
        if isinstance(value, list):
            for one in value:
                yield from pairs(f"{name}[]", one)
        elif isinstance(value, bool | str):
            yield f"{name}={value if isinstance(value, str) else str(value).lower()}"
        else:
            raise ConfigurationError(f"Upbit: leave {name} out, or write it as a string: it can't be hashed")

    try:
        fields = dict(json.loads(body, parse_int=str, parse_float=str))
    except (ValueError, TypeError):
        raise ConfigurationError("Upbit takes a JSON object as a body, and no form: use json=…") from None
    return "&".join(pair for name, value in fields.items() for pair in pairs(name, value))


def make_jwt(claims: Mapping[str, str], secret_key: Secret) -> str:
    """Return a JWT that is signed with HS512 (RFC 7515)."""

    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    signed = ".".join(map(encode, (HEADER, json.dumps(claims).encode())))
    return f"{signed}.{encode(hmac.digest(secret_key.reveal().encode(), signed.encode(), 'sha512'))}"


class UpbitAuthBase(OriginAuth):
    """Upbit authentication: what the four stacks' `UpbitAuth` have in common.

    Args:
        access_key: From 마이페이지 > Open API 관리.
        secret_key: From the same page.
        base_url: Of the API; that of Singapore, for example, is `"https://sg-api.upbit.com"`.

    Raises:
        krauth.ConfigurationError: A setting can't be right.
    """

    extra_names = ("Authorization",)
    signs_body = True

    def __init__(self, access_key: str, secret_key: str | Secret, *, base_url: str = BASE_URL) -> None:
        self._access_key, self._secret_key = require_text(access_key, "access_key"), hide(secret_key)
        del secret_key  # a traceback that shows local variables does not show it
        require_text(self._secret_key, "secret_key")
        use_origins(self, base_url)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `UPBIT_ACCESS_KEY` and `UPBIT_SECRET_KEY`."""
        return cls(require_env("UPBIT_ACCESS_KEY").reveal(), require_env("UPBIT_SECRET_KEY"), **settings)

    def extra_headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """Return the JWT for one sending of a request."""
        claims = {"access_key": self._access_key, "nonce": str(uuid.uuid4())}
        hashed = "&".join(part for part in (unquote(split_target(url).query), body and parameters(body)) if part)
        if hashed:
            claims |= {"query_hash": hashlib.sha512(hashed.encode()).hexdigest(), "query_hash_alg": "SHA512"}
        return {"Authorization": f"Bearer {make_jwt(claims, self._secret_key)}"}
