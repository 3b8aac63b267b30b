"""Naver Search Ad API (네이버 검색광고): each request is signed with HMAC-SHA256.

Sources: https://naver.github.io/searchad-apidoc (header fields, signature),
https://github.com/naver/searchad-apidoc/issues/78 (the answer to a late timestamp, where a clock was
a minute off).

Unverified, since we could not call the API: that the answer to a late timestamp has a `Date`, by which the request is
signed anew and repeated once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any, ClassVar, Self

from krauth.provider import (
    ErrorTable,
    OriginAuth,
    Rule,
    Secret,
    hide,
    require_env,
    require_text,
    split_target,
    use_origins,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE_URL = "https://api.searchad.naver.com"


def sign(secret_key: str | Secret, timestamp: str, method: str, path: str) -> str:
    """Return `X-Signature`: Base64 of HMAC-SHA256 over `timestamp.METHOD.path`; the path without the query."""
    key = secret_key.reveal() if isinstance(secret_key, Secret) else secret_key
    message = f"{timestamp}.{method}.{path}".encode()
    return base64.b64encode(hmac.new(key.encode(), message, hashlib.sha256).digest()).decode()


class SearchAdAuthBase(OriginAuth):
    """Naver Search Ad authentication: what the four stacks' `SearchAdAuth` have in common.

    Args:
        api_key: 액세스 라이선스, from the Search Ad console.
        secret_key: 비밀키, from the same page.
        customer_id: 고객 ID of the account to work on.
        base_url: Of the API.

    Raises:
        krauth.ConfigurationError: A setting can't be right.
    """

    extra_names = ("X-Timestamp", "X-API-KEY", "X-Customer", "X-Signature")
    judged_statuses = frozenset({401, 403})
    token_fields: ClassVar[Mapping[str, str]] = {"error": "type"}
    errors: ClassVar[ErrorTable] = {
        (403, "urn:naver:api:problem:invalid-timestamp"): Rule("set the clock", clock=True),
        (403, "urn:naver:api:problem:invalid-signature"): Rule("check secret_key; the console may have replaced it"),
    }

    def __init__(
        self, api_key: str | Secret, secret_key: str | Secret, customer_id: str | int, *, base_url: str = BASE_URL
    ) -> None:
        self._api_key, self._secret_key = hide(api_key), hide(secret_key)
        del api_key, secret_key  # a traceback that shows local variables shows neither
        require_text(self._api_key, "api_key")
        require_text(self._secret_key, "secret_key")
        self._customer_id = require_text(str(customer_id), "customer_id")
        use_origins(self, base_url)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `NAVER_SEARCHAD_API_KEY`, `NAVER_SEARCHAD_SECRET_KEY` and `NAVER_SEARCHAD_CUSTOMER_ID`."""
        api_key, secret_key = require_env("NAVER_SEARCHAD_API_KEY"), require_env("NAVER_SEARCHAD_SECRET_KEY")
        return cls(api_key, secret_key, require_env("NAVER_SEARCHAD_CUSTOMER_ID").reveal(), **settings)

    def extra_headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the four header fields for one sending of a request."""
        timestamp = str(int(self.server_time() * 1000))
        return {
            "X-Timestamp": timestamp,
            "X-API-KEY": self._api_key.reveal(),
            "X-Customer": self._customer_id,
            "X-Signature": sign(self._secret_key, timestamp, method, split_target(url).path),
        }
