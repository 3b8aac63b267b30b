"""The API key of the Meloming OpenAPI for httpx2: it loads nothing of OAuth."""

from krauth._meloming_key import MelomingAPIKeyBase

from ._auth import ClientAuth


class MelomingAPIKey(MelomingAPIKeyBase, ClientAuth):
    """Meloming OpenAPI key for httpx2."""
