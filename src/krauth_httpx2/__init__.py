"""krauth for httpx2: `httpx2.Client(auth=NaverAuth(…))`, `httpx2.AsyncClient(auth=NaverAuth(…))`."""

from krauth.meloming import MelomingAPIKeyBase, MelomingOAuthBase
from krauth.naver import NaverAuthBase
from krauth.oauth2 import OAuth2AuthBase

from ._auth import ClientAuth as AdapterAuth
from ._auth import TokenTransport

__all__ = ["AdapterAuth", "MelomingAPIKey", "MelomingOAuth", "NaverAuth", "OAuth2Auth", "TokenTransport"]


class NaverAuth(NaverAuthBase, AdapterAuth):
    """Naver Commerce API authentication for httpx2."""


class MelomingOAuth(MelomingOAuthBase, AdapterAuth):
    """Meloming OpenAPI OAuth 2.0 for httpx2."""


class MelomingAPIKey(MelomingAPIKeyBase, AdapterAuth):
    """Meloming OpenAPI key for httpx2."""


class OAuth2Auth(OAuth2AuthBase, AdapterAuth):
    """OAuth 2.0 for any server, for httpx2."""
