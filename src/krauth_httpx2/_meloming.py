"""The Meloming OpenAPI for httpx2."""

from krauth.meloming import MelomingAPIKeyBase, MelomingOAuthBase

from ._auth import ClientAuth


class MelomingOAuth(MelomingOAuthBase, ClientAuth):
    """Meloming OpenAPI OAuth 2.0 for httpx2."""


class MelomingAPIKey(MelomingAPIKeyBase, ClientAuth):
    """Meloming OpenAPI key for httpx2."""
