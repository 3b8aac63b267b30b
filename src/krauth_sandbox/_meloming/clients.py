"""Which clients are registered, with their secrets; a secret that was reissued is remembered as stale."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Clients:
    """Client ids and their secrets. A client without one is public (RFC 6749 §2.1): code flow with PKCE only."""

    def __init__(self, secrets: Mapping[str, str | None]) -> None:
        self._secrets = dict(secrets)
        self._stale: dict[str, list[str]] = {}

    def __contains__(self, client_id: str) -> bool:
        return client_id in self._secrets

    def names(self) -> list[str]:
        """Return the ids."""
        return list(self._secrets)

    def is_public(self, client_id: str) -> bool:
        """Tell whether this client has no secret."""
        return self._secrets[client_id] is None

    def secret_of(self, client_id: str) -> str | None:
        """Return the secret of a client."""
        return self._secrets[client_id]

    def reissue(self, client_id: str, client_secret: str) -> None:
        """Give a client a new secret."""
        old = self._secrets[client_id]
        if old is not None:
            self._stale.setdefault(client_id, []).append(old)
        self._secrets[client_id] = client_secret

    def is_right(self, client_id: str, client_secret: str) -> bool:
        """Tell whether this is the secret of that client."""
        secret = self._secrets.get(client_id)
        return secret is not None and _equal(secret, client_secret)

    def is_stale(self, client_id: str, client_secret: str) -> bool:
        """Tell whether this was the secret of that client once."""
        return any(_equal(secret, client_secret) for secret in self._stale.get(client_id, ()))

    def __repr__(self) -> str:
        return f"Clients({self.names()})"


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
