"""The Meloming OpenAPI for requests."""

from krauth.meloming import MelomingOAuthBase

from ._auth import RequestsAuth


class MelomingOAuth(MelomingOAuthBase, RequestsAuth):
    """Meloming OpenAPI OAuth 2.0 for requests."""
