"""The Meloming OpenAPI for httpx2."""

from krauth.meloming import MelomingOAuthBase

from ._auth import ClientAuth


class MelomingOAuth(MelomingOAuthBase, ClientAuth):
    """Meloming OpenAPI OAuth 2.0 for httpx2."""
