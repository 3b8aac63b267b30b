"""krauth for aiohttp: `aiohttp.ClientSession(middlewares=(NaverAuth(…),))`."""

from krauth.meloming import MelomingAPIKeyBase, MelomingOAuthBase
from krauth.naver import NaverAuthBase
from krauth.oauth2 import OAuth2AuthBase

from ._auth import MiddlewareAuth as AdapterAuth
from ._transport import TokenTransport

__all__ = ["AdapterAuth", "MelomingAPIKey", "MelomingOAuth", "NaverAuth", "OAuth2Auth", "TokenTransport"]


class NaverAuth(NaverAuthBase, AdapterAuth):
    """Naver Commerce API authentication for aiohttp."""


class MelomingOAuth(MelomingOAuthBase, AdapterAuth):
    """Meloming OpenAPI OAuth 2.0 for aiohttp."""


class MelomingAPIKey(MelomingAPIKeyBase, AdapterAuth):
    """Meloming OpenAPI key for aiohttp."""


class OAuth2Auth(OAuth2AuthBase, AdapterAuth):
    """OAuth 2.0 for any server, for aiohttp."""
