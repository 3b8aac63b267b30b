"""`_krauth_httpx`, with httpx2 filled in."""

from __future__ import annotations

from typing import ClassVar

import httpx2

from _krauth_httpx.auth import HTTPXAuth, resumed_stream
from _krauth_httpx.transport import HTTPXTokenTransport


class TokenTransport(HTTPXTokenTransport):
    """Sends token requests over httpx2: no redirects, no auth, bounded in time and size.

    Args:
        client: A configured `httpx2.Client` or `httpx2.AsyncClient` (proxies, CA bundle, mock transport), also the very
            one that carries the auth. `None`: the transport makes a client.
    """

    library: ClassVar = httpx2


class ClientAuth(HTTPXAuth, httpx2.Auth):
    """Base of the auth classes for httpx2."""

    library: ClassVar = httpx2
    transport_class = TokenTransport
    plain = httpx2.ByteStream
    resumed: ClassVar = resumed_stream(httpx2.SyncByteStream, httpx2.AsyncByteStream)


#: The public name, the same in each adapter.
AdapterAuth = ClientAuth
