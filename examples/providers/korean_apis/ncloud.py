"""NAVER Cloud Platform API gateway (네이버 클라우드): each request is signed with HMAC-SHA256 ("signature v2").

Sources: https://api.ncloud-docs.com/docs/common-ncpapi (header fields, signature; a timestamp is good for 5 minutes),
https://api-gov.ncloud-docs.com/docs/api-call-lgc-errorhandling (401 with `error.errorCode` 200: authentication failed,
210: no permission).

Unverified, since we could not call the API: that a late timestamp is answered with errorCode 200 as well.
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
    from collections.abc import Iterable, Mapping

BASE_URL = "https://ncloud.apigw.ntruss.com"


def sign(secret_key: str | Secret, access_key: str, timestamp: str, method: str, target: str) -> str:
    """Return the signature: Base64 of HMAC-SHA256 over method, path with query, timestamp and access key."""
    key = secret_key.reveal() if isinstance(secret_key, Secret) else secret_key
    message = f"{method} {target}\n{timestamp}\n{access_key}".encode()
    return base64.b64encode(hmac.new(key.encode(), message, hashlib.sha256).digest()).decode()


class NcloudAuthBase(OriginAuth):
    """NAVER Cloud authentication: what the four stacks' `NcloudAuth` have in common.

    Args:
        access_key: From 포털 > 마이페이지 > 인증키 관리.
        secret_key: From the same page.
        api_origins: The gateways to sign for, such as `"https://sens.apigw.ntruss.com"`: one URL or several.

    Raises:
        krauth.ConfigurationError: A setting can't be right.
    """

    extra_names = ("x-ncp-apigw-timestamp", "x-ncp-iam-access-key", "x-ncp-apigw-signature-v2")
    token_fields: ClassVar[Mapping[str, str]] = {"error": "error.errorCode"}
    errors: ClassVar[ErrorTable] = {
        (401, "200"): Rule("check the clock, then access_key and secret_key", clock=True),
        (401, "210"): Rule("the access key lacks the permission for this call, or the service is not in use"),
    }

    def __init__(
        self, access_key: str, secret_key: str | Secret, *, api_origins: str | Iterable[str] = BASE_URL
    ) -> None:
        self._access_key, self._secret_key = require_text(access_key, "access_key"), hide(secret_key)
        del secret_key  # a traceback that shows local variables does not show it
        require_text(self._secret_key, "secret_key")
        use_origins(self, api_origins)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `NCLOUD_ACCESS_KEY` and `NCLOUD_SECRET_KEY`."""
        return cls(require_env("NCLOUD_ACCESS_KEY").reveal(), require_env("NCLOUD_SECRET_KEY"), **settings)

    def extra_headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the three header fields for one sending of a request."""
        parts, timestamp = split_target(url), str(int(self.server_time() * 1000))
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        signature = sign(self._secret_key, self._access_key, timestamp, method, target)
        return dict(zip(self.extra_names, (timestamp, self._access_key, signature), strict=True))
