"""Token requests over httpx or httpx2. It imports neither: each subclass names its own module."""

from __future__ import annotations

import os
from contextlib import aclosing
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from krauth._auth.transport import AsyncTransport, Collector, Transport, make_transport
from krauth._values.exceptions import TokenTransportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from krauth._values.messages import HTTPRequest, HTTPResponse


class HTTPXTokenTransport(AsyncTransport):
    """Base of `TokenTransport` for httpx and httpx2: no redirects, no auth, bounded in time and size."""

    library: ClassVar[ModuleType]

    def __init__(self, client: Any = None) -> None:
        super().__init__()
        self._given = client
        self._is_async = isinstance(client, self.library.AsyncClient)
        self._own: tuple[int, Any] | None = None

    @classmethod
    def wrap(cls, value: object) -> Transport | None:
        """Return a transport over a client, or `None` when it is none."""
        return cls(value) if isinstance(value, cls.library.Client | cls.library.AsyncClient) else None

    def open(self) -> Callable[[HTTPRequest], HTTPResponse]:
        """Return a blocking callable for a worker thread."""
        return super().open() if self._is_async else self.send

    def check_blocking(self) -> None:
        """Refuse to block the event loop of an async client."""
        if self._is_async:
            super().check_blocking()

    def send(self, request: HTTPRequest) -> HTTPResponse:
        """Send a token request on a sync client.

        Raises:
            TokenTransportError: No answer, or too large or slow a one.
        """
        client = self._given or self._client()
        collector = Collector(monotonic, request.timeout)
        prepared = self._prepare(request)
        if self._given is None:
            prepared.headers["Connection"] = "close"  # the next one is hours away
        try:
            response = client.send(prepared, stream=True, auth=None, follow_redirects=False)
            try:
                for chunk in response.iter_bytes():
                    collector.add(chunk)
            finally:
                response.close()
        except self.library.HTTPStatusError as error:  # out of an event hook of the user's, which read no body
            return _answer(error.response)
        except self._network_errors() as error:
            raise _failed(request, error) from error
        return _answer(response, collector.body)

    async def asend(self, request: HTTPRequest) -> HTTPResponse:
        """Send a token request on an async client, on its event loop; see `send`."""
        collector = Collector(monotonic, request.timeout)
        try:
            response = await self._given.send(self._prepare(request), stream=True, auth=None, follow_redirects=False)
            try:
                async with aclosing(response.aiter_bytes()) as chunks:
                    async for chunk in chunks:
                        collector.add(chunk)
            finally:
                await response.aclose()
        except self.library.HTTPStatusError as error:
            return _answer(error.response)
        except self._network_errors() as error:
            raise _failed(request, error) from error
        return _answer(response, collector.body)

    def _prepare(self, request: HTTPRequest) -> Any:
        # Made apart from the client: neither its headers, cookies and parameters nor its auth is for this.
        timeout = self.library.Timeout(request.timeout)
        return self.library.Request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.body,
            extensions={"timeout": timeout.as_dict()},
        )

    def _network_errors(self) -> tuple[type[Exception], ...]:
        # RuntimeError: "Cannot send a request, as the client has been closed."
        return (self.library.HTTPError, self.library.InvalidURL, self.library.StreamError, RuntimeError)

    def _client(self) -> Any:
        own = self._own
        if own is None or own[0] != os.getpid():  # sockets are not shared with a forked child
            own = self._own = (os.getpid(), self.library.Client())
        own[1].cookies.clear()
        return own[1]

    def __repr__(self) -> str:
        package = type(self).__module__.partition(".")[0]
        return f"<{package}.TokenTransport over {'its own' if self._given is None else 'a given'} client>"


def _answer(response: Any, body: bytes = b"") -> HTTPResponse:
    from krauth._values.messages import HTTPResponse  # not above: adapters are imported long before there is an answer

    return HTTPResponse(response.status_code, response.headers, body)


def _failed(request: HTTPRequest, error: Exception) -> TokenTransportError:
    return TokenTransportError(f"no answer from {request.url}: {type(error).__name__} ({error or 'no details'})")


def transport_for(transport_class: type[HTTPXTokenTransport], value: object) -> Transport:
    """Return a transport over what the user handed over."""
    name = transport_class.library.__name__
    return make_transport(value, transport_class.wrap, f"an {name}.Client or {name}.AsyncClient")
