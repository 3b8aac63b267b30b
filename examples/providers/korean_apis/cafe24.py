"""Cafe24 Admin API (카페24): OAuth 2.0 for each mall on a host of its own, with refresh tokens that rotate.

Confirmed by the vendor, https://developer.cafe24.com/guide/front/develop?guide_no=157: `/api/v2/oauth/token` on the
mall's host, a form with HTTP Basic, `expires_at` without a zone ("2018-01-08T19:15:21.981"), `scopes` as a list, and a
refresh token that is good for two weeks and for one use. An authorization code is good for one minute, and is asked for
in a browser only: https://developers.cafe24.com/docs-new/docs/guide/oauth2-authentication.

The vendor's texts differ about scopes in the request: guide_no=105 writes `mall.read_product,mall.write_product`, as do
the users whose code we saw; the newer guide says that blanks separate them. Here a comma is sent.

Reported by users: an access token is good for two hours, and an expired one is answered with 401 and "access_token time
expired. (invalid_token)".

Unverified, since we could not call the API: that the times are Korean time (users report it), and that the server takes
the PKCE parameters which krauth always sends, at least by ignoring them (RFC 6749 §3.1 asks for that).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Self

from krauth import ConfigurationError
from krauth.provider import OAuth2Credentials, Secret, UserAuth, check_base_url, require_env, use_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from krauth import Token


class Cafe24Credentials(OAuth2Credentials):
    """A mall's grant to one application."""

    provider = "cafe24"
    refresh_lifetime = 14 * 86400.0
    token_fields: ClassVar[Mapping[str, str]] = {"scope": "scopes"}
    token_time_zone = "KST"

    def missing_scope(self, token: Token) -> str | None:
        """Say which scopes were asked for and not granted, or return `None`."""
        asked, granted = (self.scope or "").split(","), (token.scope or "").split()
        missing = sorted(set(asked) - {*granted, ""})
        return f"not granted: {' '.join(missing)}" if missing and token.scope else None


class Cafe24AuthBase(UserAuth):
    """Cafe24 authentication: what the four stacks' `Cafe24Auth` have in common.

    Args:
        mall_id: The mall that is worked on: the `shop` of `shop.cafe24api.com`.
        client_id: Of the application, from the developer center.
        client_secret: From the same page.
        redirect_uri: As registered; needed to authorize.
        scope: Separated by commas or blanks, such as `"mall.read_product,mall.read_order"`.
        base_url: Of the mall's API; `None`: `https://{mall_id}.cafe24api.com`.
        settings: `store`, `refresh`, `token_transport`, as everywhere.

    Raises:
        krauth.ConfigurationError: A setting can't be right.
    """

    def __init__(
        self,
        mall_id: str,
        client_id: str,
        client_secret: str | Secret,
        *,
        redirect_uri: str | None = None,
        scope: str | None = None,
        base_url: str | None = None,
        **settings: Any,
    ) -> None:
        if not re.fullmatch(r"[a-z0-9]{1,63}", mall_id):
            raise ConfigurationError(
                "mall_id must be the mall's name, without .cafe24api.com: small letters and digits"
            )
        home = check_base_url(base_url or f"https://{mall_id}.cafe24api.com")
        credentials = Cafe24Credentials(
            client_id,
            client_secret,
            token_endpoint=f"{home}/api/v2/oauth/token",
            authorization_endpoint=f"{home}/api/v2/oauth/authorize",
            api_origins=home,
            client_auth="client_secret_basic",
            user=mall_id,
            redirect_uri=redirect_uri,
            scope=",".join(re.split(r"[,\s]+", scope.strip())) if scope else None,
        )
        use_credentials(self, credentials, **settings)

    @classmethod
    def from_env(cls, mall_id: str, **settings: Any) -> Self:
        """Make one from `CAFE24_CLIENT_ID` and `CAFE24_CLIENT_SECRET`."""
        return cls(mall_id, require_env("CAFE24_CLIENT_ID").reveal(), require_env("CAFE24_CLIENT_SECRET"), **settings)
