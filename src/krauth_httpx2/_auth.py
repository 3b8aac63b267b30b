"""`_krauth_httpx`, with httpx2 filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import httpx2

from _krauth_httpx.auth import HTTPXAuth, resumed_stream

if TYPE_CHECKING:
    from ._transport import TokenTransport


class ClientAuth(HTTPXAuth, httpx2.Auth):
    """Base of the auth classes for httpx2."""

    library: ClassVar = httpx2
    plain = httpx2.ByteStream
    resumed: ClassVar = resumed_stream(httpx2.SyncByteStream, httpx2.AsyncByteStream)

    @classmethod
    def transport_class(cls) -> type[TokenTransport]:
        """Return the transport of httpx2."""
        from ._transport import TokenTransport

        return TokenTransport


#: The public name, the same in each adapter.
AdapterAuth = ClientAuth
