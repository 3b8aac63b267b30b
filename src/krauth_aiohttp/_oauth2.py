"""OAuth 2.0 for aiohttp."""

from krauth.oauth2 import OAuth2AuthBase

from ._auth import MiddlewareAuth


class OAuth2Auth(OAuth2AuthBase, MiddlewareAuth):
    """OAuth 2.0 for any server, for aiohttp."""
