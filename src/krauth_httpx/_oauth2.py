"""OAuth 2.0 for httpx."""

from krauth.oauth2 import OAuth2AuthBase

from ._auth import ClientAuth


class OAuth2Auth(OAuth2AuthBase, ClientAuth):
    """OAuth 2.0 for any server, for httpx."""
