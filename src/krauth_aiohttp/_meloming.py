"""The Meloming OpenAPI for aiohttp."""

from krauth.meloming import MelomingAPIKeyBase, MelomingOAuthBase

from ._auth import MiddlewareAuth


class MelomingOAuth(MelomingOAuthBase, MiddlewareAuth):
    """Meloming OpenAPI OAuth 2.0 for aiohttp."""


class MelomingAPIKey(MelomingAPIKeyBase, MiddlewareAuth):
    """Meloming OpenAPI key for aiohttp."""
