"""krauth for requests: `session.auth = NaverAuth(…)`."""

from krauth.meloming import MelomingAPIKeyBase, MelomingOAuthBase
from krauth.naver import NaverAuthBase
from krauth.oauth2 import OAuth2AuthBase

from ._auth import RequestsAuth
from ._transport import TokenTransport

__all__ = ["MelomingAPIKey", "MelomingOAuth", "NaverAuth", "OAuth2Auth", "TokenTransport"]


class NaverAuth(NaverAuthBase, RequestsAuth):
    """Naver Commerce API authentication for requests."""


class MelomingOAuth(MelomingOAuthBase, RequestsAuth):
    """Meloming OpenAPI OAuth 2.0 for requests."""


class MelomingAPIKey(MelomingAPIKeyBase, RequestsAuth):
    """Meloming OpenAPI key for requests."""


class OAuth2Auth(OAuth2AuthBase, RequestsAuth):
    """OAuth 2.0 for any server, for requests."""
