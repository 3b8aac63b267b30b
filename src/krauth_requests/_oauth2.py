"""OAuth 2.0 for requests."""

from krauth.oauth2 import OAuth2AuthBase

from ._auth import RequestsAuth


class OAuth2Auth(OAuth2AuthBase, RequestsAuth):
    """OAuth 2.0 for any server, for requests."""
