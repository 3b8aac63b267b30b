"""A connection with websockets: the handshake is an HTTP request (RFC 6455, section 4.1) and carries the header fields.

async with await connect(NaverAuth.from_env(), "wss://api.commerce.naver.com/…") as connection:
    print(await connection.recv())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import websockets

if TYPE_CHECKING:
    from krauth.provider import OriginAuth

__all__ = ["connect"]


class _Once(websockets.connect):
    """A handshake that follows no redirect: websockets would carry an API key along to another server."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def connect(auth: OriginAuth, url: str) -> websockets.ClientConnection:
    """Connect, and once more after a refusal that other header fields may help against."""
    fields = await auth.aheaders("GET", url)
    try:
        return await _Once(url, additional_headers=fields)
    except websockets.InvalidStatus as error:
        answer = error.response
        again = await auth.arefused("GET", url, answer.status_code, answer.headers, answer.body or b"", fields)
        if again is None:
            raise
    return await _Once(url, additional_headers=again)
