"""Token requests over httpx2: `_krauth_httpx.transport`, with httpx2 filled in."""

from __future__ import annotations

from typing import ClassVar

import httpx2

from _krauth_httpx.transport import HTTPXTokenTransport


class TokenTransport(HTTPXTokenTransport):
    """Sends token requests over httpx2: no redirects, no auth, bounded in time and size.

    Args:
        client: A configured `httpx2.Client` or `httpx2.AsyncClient` (proxies, CA bundle, mock transport), also the very
            one that carries the auth. `None`: the transport makes a client.
    """

    library: ClassVar = httpx2
