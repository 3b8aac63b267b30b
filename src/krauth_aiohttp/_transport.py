"""Token requests over aiohttp: on an event loop of our own in a worker thread, or on a session's."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

import krauth
from krauth import TokenTransportError
from krauth._auth.transport import AsyncTransport, Collector

if TYPE_CHECKING:
    from collections.abc import Callable

    from krauth import HTTPRequest, HTTPResponse


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
        given = self._given
        assert given is not None  # only then is this called
        if given.closed:
            raise TokenTransportError("the session given as token_transport is closed")
        # Its connector and its proxy, on a session apart: neither its auth, headers, cookies and middlewares nor a
        # .netrc is for this, and aiohttp lets no single request do without them.
        async with aiohttp.ClientSession(
            connector=given.connector, connector_owner=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            proxy = given._default_proxy or (_proxy_from_env(request.url) if given.trust_env else None)
            return await _send(session, request, proxy=proxy, proxy_auth=given._default_proxy_auth)

    def _send_alone(self, request: HTTPRequest) -> HTTPResponse:
        async def send() -> HTTPResponse:
            resolver = aiohttp.ThreadedResolver(cast("asyncio.AbstractEventLoop", _Lookup()))
            connector = aiohttp.TCPConnector(resolver=resolver)
            async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
                return await _send(session, request)

        return asyncio.run(send())

    def __repr__(self) -> str:
        return f"<krauth_aiohttp.TokenTransport over {'its own' if self._given is None else 'a given'} session>"


class _Lookup:
    """Looks names up right here: the thread and the loop are ours, so that nobody else is blocked.

    aiohttp's resolver would use the event loop's executor, whose threads the interpreter waits for when it exits.
    """

    async def getaddrinfo(self, host: str, port: int, **options: Any) -> Any:
        return socket.getaddrinfo(host, port, **options)

    async def getnameinfo(self, address: Any, flags: int) -> Any:
        return socket.getnameinfo(address, flags)


async def _send(session: aiohttp.ClientSession, request: HTTPRequest, **proxy: Any) -> HTTPResponse:
    collector = Collector(monotonic, request.timeout)
    try:
        async with session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=request.timeout),
            **proxy,
        ) as response:
            async for chunk in response.content.iter_chunked(16384):
                collector.add(chunk)
            return krauth.HTTPResponse(response.status, response.headers, collector.body)
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        raise TokenTransportError(f"no answer from {request.url}: {type(error).__name__} ({reason})") from error


def _proxy_from_env(url: str) -> str | None:
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def wrap(value: object) -> TokenTransport | None:
    """Return a transport over a session, or `None` when it is none."""
    return TokenTransport(value) if isinstance(value, aiohttp.ClientSession) else None


#: The transport of everybody who names none.
DEFAULT = TokenTransport()
