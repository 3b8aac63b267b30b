"""The API key of the Meloming OpenAPI for requests: it loads nothing of OAuth."""

from krauth._meloming_key import MelomingAPIKeyBase

from ._auth import RequestsAuth


class MelomingAPIKey(MelomingAPIKeyBase, RequestsAuth):
    """Meloming OpenAPI key for requests."""
