"""The Meloming OpenAPI for httpx."""

from krauth.meloming import MelomingOAuthBase

from ._auth import ClientAuth


class MelomingOAuth(MelomingOAuthBase, ClientAuth):
    """Meloming OpenAPI OAuth 2.0 for httpx."""
