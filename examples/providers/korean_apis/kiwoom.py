"""Kiwoom Securities (키움증권 REST API): tokens with an absolute expiry in Korean time; refusals with status 200.

Source: https://openapi.kiwoom.com/guide/apiguide (접근토큰 발급 au10001: JSON request; the answer holds `token`,
`expires_dt` as 14 digits, `return_code` 0 and `return_msg`).

`api-id`, `cont-yn` and `next-key` differ for each call: give them as header fields of the request.

Unverified, since we could not call the API: users report that a token which is no longer valid is answered with status
200 and `return_code` 3 ("인증에 실패했습니다[8005:Token이 유효하지 않습니다]"), by some calls with `return_code` 8005;
that `expires_dt` is Korean time; and that a new token ends the one before, so that processes should share a store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

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

BASE_URL = "https://api.kiwoom.com"


class KiwoomCredentials(OAuth2Credentials):
    """Client credentials of one application."""

    provider = "kiwoom"
    judged_statuses = frozenset({200, 401})
    judged_json = True
    token_fields: ClassVar[Mapping[str, str]] = {
        "access_token": "token",
        "expires_at": "expires_dt",
        "error": "return_code",
        "error_description": "return_msg",
    }
    token_time_zone = "KST"
    errors: ClassVar[ErrorTable] = {
        (200, code): Rule("the token is not valid, or has expired", refresh=True) for code in ("3", "8005")
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
        endpoint = base_url + "/oauth2/token"
        credentials = KiwoomCredentials(app_key, secret_key, token_endpoint=endpoint, api_origins=base_url)
        use_credentials(self, credentials, **settings)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make one from `KIWOOM_APP_KEY` and `KIWOOM_SECRET_KEY`."""
        return cls(require_env("KIWOOM_APP_KEY").reveal(), require_env("KIWOOM_SECRET_KEY"), **settings)
