"""The API key of the Meloming OpenAPI for aiohttp: it loads nothing of OAuth."""

from krauth._meloming_key import MelomingAPIKeyBase

from ._auth import MiddlewareAuth


class MelomingAPIKey(MelomingAPIKeyBase, MiddlewareAuth):
    """Meloming OpenAPI key for aiohttp."""
