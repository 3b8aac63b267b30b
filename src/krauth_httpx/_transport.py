"""Token requests over httpx: `_krauth_httpx.transport`, with httpx filled in."""

from __future__ import annotations

from typing import ClassVar

import httpx

from _krauth_httpx.transport import HTTPXTokenTransport


class TokenTransport(HTTPXTokenTransport):
    """Sends token requests over httpx: no redirects, no auth, bounded in time and size.

    Args:
        client: A configured `httpx.Client` or `httpx.AsyncClient` (proxies, CA bundle, mock transport), also the very
            one that carries the auth. `None`: the transport makes a client.
    """

    library: ClassVar = httpx
