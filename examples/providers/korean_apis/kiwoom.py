"""Kiwoom Securities (키움증권 REST API): tokens with an absolute expiry in Korean time; refusals with status 200.

Confirmed by the vendor's document, https://openapi.kiwoom.com/guide/apiguide (au10001): both hosts, `/oauth2/token`,
the JSON request with `appkey` and `secretkey`, and the answer with `token`, `expires_dt` (14 digits), `return_code` 0
and `return_msg`.

Confirmed by the vendor's client, https://github.com/Kiwoom-Securities/Kiwoom-REST-API (`kiwoom/core`): `expires_dt` is
Korean time; after 401, and after the codes 8005, 8031 and 8103 under any status, the client obtains a new token and
repeats the request once; what the codes 8001, 8002, 8010–8012, 8030, 8040 and 8050 mean.

Reported by several users with answers that they recorded: a refusal has status 200, and its code stands in
`return_msg`: "인증에 실패했습니다[8005:Token이 유효하지 않습니다]". There `return_code` is 3, also where the keys do
not match (8001) or the IP address is not registered (8050), so that 3 alone costs no token. The vendor's client looks
for the code in `return_code`; both places are read. A new token ends the one before it: all processes have to share one
store.

`api-id`, `cont-yn` and `next-key` differ for each call: give them as header fields of the request.

Unverified, since we could not call the API: with which statuses other than 200 and 401 a token is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from krauth import InvalidClientError
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

BASE_URL = "https://api.kiwoom.com"


class KiwoomCredentials(OAuth2Credentials):
    """Client credentials of one application."""

    provider = "kiwoom"
    judged_statuses = frozenset({200, 400, 401, 403, 500})
    judged_json = True
    token_fields: ClassVar[Mapping[str, str | tuple[str, ...]]] = {
        "access_token": "token",
        "expires_at": "expires_dt",
        "error": ("return_msg", "return_code"),
        "error_pattern": r"\[(\d{4}):",
        "error_description": "return_msg",
    }
    token_time_zone = "KST"
    errors: ClassVar[ErrorTable] = {
        **{(None, code): Rule("the token is not valid", refresh=True) for code in ("8005", "8031", "8103")},
        **{
            (None, code): Rule("check app_key and secret_key", error=InvalidClientError)
            for code in ("8001", "8002", "8011", "8012")
        },
        (None, "8030"): Rule(
            "keys of 모의투자 need its base_url, and the real API other keys", error=InvalidClientError
        ),
        **{
            (None, code): Rule("register this machine's IP address with Kiwoom", error=InvalidClientError)
            for code in ("8010", "8040", "8050")
        },
    }

    def prepare_token_request(self, now: float, token: Token | None = None) -> HTTPRequest:
        """Return the request for the next token."""
        assert self.client_secret is not None
        fields = {"grant_type": "client_credentials", "appkey": self.client_id}
        return prepare_json_request(self.token_endpoint, {**fields, "secretkey": self.client_secret.reveal()})


class KiwoomAuthBase(OriginAuth):
    """Kiwoom authentication: what the four stacks' `KiwoomAuth` have in common.

    Args:
        app_key: From 키움 REST API > App Key 관리.
        secret_key: From the same page.
        base_url: Of the API; of 모의투자 it is `"https://mockapi.kiwoom.com"`.
        settings: `store`, `refresh`, `token_transport`, as everywhere.

    Raises:
        krauth.ConfigurationError: A setting can't be right.
    """

    def __init__(self, app_key: str, secret_key: str | Secret, *, base_url: str = BASE_URL, **settings: Any) -> None:
        endpoint = check_base_url(base_url) + "/oauth2/token"
        credentials = KiwoomCredentials(app_key, secret_key, token_endpoint=endpoint, api_origins=base_url)
        use_credentials(self, credentials, **settings)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `KIWOOM_APP_KEY` and `KIWOOM_SECRET_KEY`."""
        return cls(require_env("KIWOOM_APP_KEY").reveal(), require_env("KIWOOM_SECRET_KEY"), **settings)
