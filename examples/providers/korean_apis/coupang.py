"""Coupang Wing Open API (쿠팡): each request is signed with HMAC-SHA256 in `Authorization`.

Confirmed by the vendor, https://developers.coupangcorp.com/hc/ko/articles/360033461914 (HMAC Signature 생성): the
algorithm, and the host. The vendor's sample in Python, as users copied it, writes the date with two digits for the
year, in UTC. The vendor's answers to frequent questions, as users copied them: 401 with "Specified signature is
expired." means that the signature is wrong or too old; 403 with "Not allowed IP" means that the IP address is not
registered.

Unverified, since we could not call the API: the span in which a signature is good, which no document names. So any 401
may be the clock: it is repeated once, where the `Date` of the answer shows another time than was signed.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
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

BASE_URL = "https://api-gateway.coupang.com"


def sign(secret_key: str | Secret, signed_date: str, method: str, path: str, query: str) -> str:
    """Return the signature: hexadecimal HMAC-SHA256 over date, method, path and query, without the question mark."""
    key = secret_key.reveal() if isinstance(secret_key, Secret) else secret_key
    return hmac.new(key.encode(), f"{signed_date}{method}{path}{query}".encode(), hashlib.sha256).hexdigest()


class CoupangAuthBase(OriginAuth):
    """Coupang Wing authentication: what the four stacks' `CoupangAuth` have in common.

    Args:
        access_key: From Wing > 판매자정보 > OPEN API.
        secret_key: From the same page.
        base_url: Of the API.

    Raises:
        krauth.ConfigurationError: A setting can't be right.
    """

    extra_names = ("Authorization",)
    errors: ClassVar[ErrorTable] = {(401, None): Rule("check the clock, then access_key and secret_key", clock=True)}

    def __init__(self, access_key: str, secret_key: str | Secret, *, base_url: str = BASE_URL) -> None:
        self._access_key, self._secret_key = require_text(access_key, "access_key"), hide(secret_key)
        del secret_key  # a traceback that shows local variables does not show it
        require_text(self._secret_key, "secret_key")
        use_origins(self, base_url)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `COUPANG_ACCESS_KEY` and `COUPANG_SECRET_KEY`."""
        return cls(require_env("COUPANG_ACCESS_KEY").reveal(), require_env("COUPANG_SECRET_KEY"), **settings)

    def extra_headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the signature for one sending of a request."""
        target = split_target(url)
        date = datetime.fromtimestamp(self.server_time(), UTC).strftime("%y%m%dT%H%M%SZ")
        signature = sign(self._secret_key, date, method, target.path, target.query)
        fields = f"access-key={self._access_key}, signed-date={date}, signature={signature}"
        return {"Authorization": f"CEA algorithm=HmacSHA256, {fields}"}
