"""Korea Investment & Securities (한국투자증권 KIS Developers): tokens of a day, one token request a minute.

Confirmed by the vendor's samples, https://github.com/koreainvestment/open-trading-api (`examples_llm/kis_auth.py`):
`/oauth2/tokenP`, the JSON request, `access_token_token_expired` as "2022-08-30 08:10:10", the fields `appkey` and
`appsecret` of each call, `rt_cd`, `msg_cd` and `msg1`; that a token asked for within 6 hours comes again, so that an
early refresh is of no use, and that each token request sends the customer a message. Copies of the vendor's page,
https://apiportal.koreainvestment.com/apiservice-apiservice?/oauth2/tokenP, name both hosts, `expires_in`, and the date
as what to go by: it is read here, since it is not known whether `expires_in` counts down for a token that comes again.

- `tr_id`, `custtype` and the like differ for each call: give them as header fields of the request.
- `hashkey` is excluded: the API makes it from the body in a call of its own, and the vendor's sample says that it may
  be left out. A program that wants it posts the body to `/uapi/hashkey` and gives `HASH` of the answer as the header
  field `hashkey` of the request.

Reported by several users, and not by the vendor's public texts: a second token request within a minute is answered with
403 and EGW00133 ("접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)"), wrong keys with 403 and EGW00103 or EGW00105, a
token that has expired or is not valid with EGW00123 or EGW00121 and status 500, by some accounts 200. All are judged,
and so answers with status 200 are looked into, 64 KiB at most. The retry is of use only where another token comes.

Unverified, since we could not call the API: that the date is Korean time, and EGW00122 ("token을 찾을 수 없음").
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
    check_base_url,
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
        "expires_in": (),
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
        endpoint = check_base_url(base_url) + "/oauth2/tokenP"
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
