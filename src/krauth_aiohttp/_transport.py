"""Token requests over aiohttp: on an event loop of our own in a worker thread, or on a session's."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

import krauth
from krauth import TokenTransportError
from krauth._auth import judged_body, refusal  # noqa: F401  or the first refusal would load them on an event loop
from krauth._auth.event_loops import refuse_on_a_loop
from krauth._auth.transport import AsyncTransport
from krauth._values.reasons import safe_reason

if TYPE_CHECKING:
    from krauth import HTTPRequest, HTTPResponse
    from krauth._auth.answer import Deadline


class TokenTransport(AsyncTransport):
    """Sends token requests over aiohttp: no redirects, no middlewares, bounded in time and size.

    Args:
        session: A configured session (connector, proxies, `trust_env`), also the very one that carries the auth; it
            is used on its event loop. `None`: the transport makes a short-lived session.
    """

    library: ClassVar = aiohttp
    client_names = ("ClientSession",)

    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        super().__init__(session)

    def _has_home(self) -> bool:
        return self._given is not None

    def send(self, request: HTTPRequest) -> HTTPResponse:
        """Send a token request on an event loop of this thread's own.

        Raises:
            TokenTransportError: No answer within `request.timeout` seconds, or one that is too large or broken.
        """
        refuse_on_a_loop()
        runner = asyncio.Runner()  # `with` makes the event loop, too, and what it raises is not told from an answer's
        try:
            runner.get_loop()
        except OSError as error:  # no file can be opened any more
            raise TokenTransportError(f"no answer from {request.url}: {safe_reason(error)}") from None
        with runner:
            return runner.run(self.asend(request))

    async def _asend(self, request: HTTPRequest, deadline: Deadline) -> HTTPResponse:
        given = self._given
        if given is None:
            resolver = aiohttp.ThreadedResolver(cast("asyncio.AbstractEventLoop", _Lookup()))
            async with _session(aiohttp.TCPConnector(resolver=resolver)) as session:
                return await _send(session, request, deadline)
        if given.closed:
            raise TokenTransportError("the session given as token_transport is closed")
        # Its connector and its proxy, on a session apart: neither its auth, headers, cookies and middlewares nor a
        # .netrc is for this, and aiohttp lets no single request do without them.
        async with _session(given.connector, connector_owner=False) as session:
            proxy = given._default_proxy or (_proxy_from_env(request.url) if given.trust_env else None)
            return await _send(session, request, deadline, proxy=proxy, proxy_auth=given._default_proxy_auth)


class _Lookup:
    """Looks names up right here: thread and loop are this transport's own, so that nothing else is blocked.

    aiohttp's resolver would use the event loop's executor, whose threads the interpreter waits for when it exits.
    """

    async def getaddrinfo(self, host: str, port: int, **options: Any) -> Any:
        return socket.getaddrinfo(host, port, **options)

    async def getnameinfo(self, address: Any, flags: int) -> Any:
        return socket.getnameinfo(address, flags)


def _session(connector: aiohttp.BaseConnector | None, **options: Any) -> aiohttp.ClientSession:
    # No timeout: an answer may be read late, so that only the whole attempt has a limit (`AsyncTransport.asend`).
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # aiohttp decodes a whole chunk at once, without a limit of its size
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        **options,
    )


async def _send(session: aiohttp.ClientSession, request: HTTPRequest, deadline: Deadline, **proxy: Any) -> HTTPResponse:
    from krauth._auth.answer import Collector

    collector = Collector(deadline)
    headers = {**request.headers, "Accept-Encoding": "identity"}
    async with session.request(
        request.method, request.url, headers=headers, data=request.body, allow_redirects=False, **proxy
    ) as response:
        async for chunk in response.content.iter_chunked(16384):
            collector.add(chunk)
        return krauth.HTTPResponse(response.status, response.headers, collector.decoded(response.headers))


def _proxy_from_env(url: str) -> str | None:
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
