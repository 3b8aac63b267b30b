"""`_krauth_httpx`, with httpx filled in."""

from __future__ import annotations

from typing import ClassVar

import httpx

from _krauth_httpx.auth import HTTPXAuth, resumed_stream
from _krauth_httpx.transport import HTTPXTokenTransport


class TokenTransport(HTTPXTokenTransport):
    """Sends token requests over httpx: no redirects, no auth, bounded in time and size.

    Args:
        client: A configured `httpx.Client` or `httpx.AsyncClient` (proxies, CA bundle, mock transport), also the very
            one that carries the auth. `None`: the transport makes a client.
    """

    library: ClassVar = httpx


class ClientAuth(HTTPXAuth, httpx.Auth):
    """Base of the auth classes for httpx."""

    library: ClassVar = httpx
    transport_class = TokenTransport
    plain = httpx.ByteStream
    resumed: ClassVar = resumed_stream(httpx.SyncByteStream, httpx.AsyncByteStream)


#: The public name, the same in each adapter.
AdapterAuth = ClientAuth
