"""`_krauth_httpx`, with httpx filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import httpx

from _krauth_httpx.auth import HTTPXAuth, resumed_stream

if TYPE_CHECKING:
    from ._transport import TokenTransport


class ClientAuth(HTTPXAuth, httpx.Auth):
    """Base of the auth classes for httpx."""

    library: ClassVar = httpx
    plain = httpx.ByteStream
    resumed: ClassVar = resumed_stream(httpx.SyncByteStream, httpx.AsyncByteStream)

    @classmethod
    def transport_class(cls) -> type[TokenTransport]:
        """Return the transport of httpx."""
        from ._transport import TokenTransport

        return TokenTransport


#: The public name, the same in each adapter.
AdapterAuth = ClientAuth
