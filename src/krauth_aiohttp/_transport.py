"""Token requests over aiohttp: on an event loop of our own in a worker thread, or on a session's."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

import aiohttp

from krauth import HTTPRequest, HTTPResponse, TokenTransportError
from krauth._transport import AsyncTransport, Collector

if TYPE_CHECKING:
    from collections.abc import Callable


class TokenTransport(AsyncTransport):
    """Sends token requests over aiohttp: no redirects, no middlewares, bounded in time and size.

    Args:
        session: A configured session (connector, proxies, `trust_env`), also the very one that carries the auth; it
            is used on its event loop. `None`: a short-lived session of its own.
    """

    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        super().__init__()
        self._given = session

    def open(self) -> Callable[[HTTPRequest], HTTPResponse]:
        """Return a blocking callable for a worker thread."""
        return self._send_alone if self._given is None else super().open()

    def check_blocking(self) -> None:
        """Refuse to block the event loop of a given session."""
        if self._given is not None:
            super().check_blocking()

    async def asend(self, request: HTTPRequest) -> HTTPResponse:
        """Send a token request on the session's event loop.

        Raises:
            TokenTransportError: No answer, or too large or slow a one.
        """
        assert self._given is not None  # noqa: S101  only then is this called
        return await _send(self._given, request)

    def _send_alone(self, request: HTTPRequest) -> HTTPResponse:
        async def send() -> HTTPResponse:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
                return await _send(session, request)

        return asyncio.run(send())

    def __repr__(self) -> str:
        return f"<krauth_aiohttp.TokenTransport over {'its own' if self._given is None else 'a given'} session>"


async def _send(session: aiohttp.ClientSession, request: HTTPRequest) -> HTTPResponse:
    collector = Collector(monotonic, request.timeout)
    try:
        async with session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            middlewares=(),
            raise_for_status=False,
            timeout=aiohttp.ClientTimeout(total=request.timeout),
        ) as response:
            async for chunk in response.content.iter_chunked(16384):
                collector.add(chunk)
            return HTTPResponse(response.status, response.headers, collector.body)
    except (aiohttp.ClientError, TimeoutError, RuntimeError) as error:
        # RuntimeError: "Session is closed"
        reason = str(error) or "no answer in time"
        raise TokenTransportError(f"no answer from {request.url}: {type(error).__name__} ({reason})") from error


def wrap(value: object) -> TokenTransport | None:
    """Return a transport over a session, or `None` when it is none."""
    return TokenTransport(value) if isinstance(value, aiohttp.ClientSession) else None


#: The transport of everybody who names none.
DEFAULT = TokenTransport()
