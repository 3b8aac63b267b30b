"""Korea Investment & Securities (한국투자증권 KIS Developers): tokens of a day, one token request a minute.

Sources: https://apiportal.koreainvestment.com/apiservice-apiservice?/oauth2/tokenP (JSON request, the fields of the
answer, "1분당 1회": EGW00133), https://apiportal.koreainvestment.com/apiservice-apiservice?/uapi/hashkey.

- `tr_id`, `custtype` and the like differ for each call: give them as header fields of the request.
- `hashkey` is excluded: the API makes it from the body in a call of its own, and the document says that it is optional.
  Who wants it posts the body to `/uapi/hashkey` and gives the answer as a header field `hashkey` of the request.
- A token that is asked for within 6 hours comes again, so that an early refresh is of no use; the default window of
  krauth begins much later.

Unverified, since we could not call the API: the status of EGW00123 (token expired). Users report 500, and also 200 with
`rt_cd` 1. Both are judged, and so answers with status 200 are looked into, 64 KiB at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from krauth import InvalidClientError, RateLimitError
from krauth.provider import (
    ErrorTable,
    OAuth2Credentials,
    OriginAuth,
    Rule,
    Secret,
    prepare_json_request,
    require_env,
    use_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from krauth import HTTPRequest, Token

BASE_URL = "https://openapi.koreainvestment.com:9443"


class KISCredentials(OAuth2Credentials):
    """Client credentials of one application."""

    provider = "kis"
    min_interval = 60.0
    judged_statuses = frozenset({200, 401, 500})
    judged_json = True
    token_fields: ClassVar[Mapping[str, str | tuple[str, ...]]] = {
        "expires_at": "access_token_token_expired",
        "error": ("msg_cd", "error_code"),
    }
    token_time_zone = "KST"
    errors: ClassVar[ErrorTable] = {
        (None, "EGW00121"): Rule("the token is not valid", refresh=True),
        (None, "EGW00123"): Rule("the token has expired", refresh=True),
        (None, "EGW00103"): Rule("check app_key", error=InvalidClientError),
        (None, "EGW00105"): Rule("check app_secret", error=InvalidClientError),
        (403, "EGW00133"): Rule(
            "one token a minute: share one token store between processes", error=RateLimitError, pause=60.0
        ),
    }

    def prepare_token_request(self, now: float, token: Token | None = None) -> HTTPRequest:
        """Return the request for the next token."""
        assert self.client_secret is not None
        fields = {"grant_type": "client_credentials", "appkey": self.client_id}
        return prepare_json_request(self.token_endpoint, {**fields, "appsecret": self.client_secret.reveal()})


class KISAuthBase(OriginAuth):
    """KIS authentication: what the four stacks' `KISAuth` have in common.

    Args:
        app_key: From KIS Developers > API 신청.
        app_secret: From the same page.
        base_url: Of the API; of 모의투자 it is `"https://openapivts.koreainvestment.com:29443"`.
        settings: `store`, `refresh`, `token_transport`, as everywhere.

    Raises:
        krauth.ConfigurationError: A setting can't be right.
    """

    extra_names = ("appkey", "appsecret")
    fixed_headers = True

    def __init__(self, app_key: str, app_secret: str | Secret, *, base_url: str = BASE_URL, **settings: Any) -> None:
        endpoint = base_url + "/oauth2/tokenP"
        self._credentials = KISCredentials(app_key, app_secret, token_endpoint=endpoint, api_origins=base_url)
        use_credentials(self, self._credentials, **settings)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `KIS_APP_KEY` and `KIS_APP_SECRET`."""
        return cls(require_env("KIS_APP_KEY").reveal(), require_env("KIS_APP_SECRET"), **settings)

    def extra_headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the application's key and secret, which go with every call."""
        assert self._credentials.client_secret is not None
        return {"appkey": self._credentials.client_id, "appsecret": self._credentials.client_secret.reveal()}
