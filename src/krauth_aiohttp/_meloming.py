"""The Meloming OpenAPI for aiohttp."""

from krauth.meloming import MelomingOAuthBase

from ._auth import MiddlewareAuth


class MelomingOAuth(MelomingOAuthBase, MiddlewareAuth):
    """Meloming OpenAPI OAuth 2.0 for aiohttp."""
