"""PKCE (RFC 7636): the client that exchanges a code proves that it asked for it. Used by `authorization`."""

from __future__ import annotations

import base64
import hashlib
import secrets

METHODS = ("S256", "plain")


def make_code_verifier() -> str:
    """Return a new `code_verifier`: 43 characters, 256 bits of chance (§4.1)."""
    return secrets.token_urlsafe(32)


def make_code_challenge(code_verifier: str, method: str) -> str:
    """Return the `code_challenge` (§4.2): BASE64URL-ENCODE(SHA256(ASCII(code_verifier))) without padding."""
    if method == "plain":
        return code_verifier
    digest = hashlib.sha256(code_verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
