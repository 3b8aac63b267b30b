"""Token requests over httpx or httpx2. It imports neither: each subclass names its own module."""

from __future__ import annotations

import functools
import os
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, ClassVar

from krauth._auth import judged_body, refusal  # noqa: F401  or the first refusal would load them on an event loop
from krauth._auth.transport import AsyncTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from types import ModuleType

    from krauth._auth.answer import Deadline
    from krauth._values.messages import HTTPRequest, HTTPResponse

    from .kinds import Request, Response


class HTTPXTokenTransport(AsyncTransport):
    """Base of `TokenTransport` for httpx and httpx2: no redirects, no auth, bounded in time and size."""

    library: ClassVar[ModuleType]
    client_names = ("Client", "AsyncClient")
    #: (library, scheme) → what the own client was made for, and the client.
    _own: ClassVar[dict[tuple[ModuleType, str], tuple[object, Any]]] = {}

    def _has_home(self) -> bool:
        return isinstance(self._given, self.library.AsyncClient)

    def _send(self, request: HTTPRequest, deadline: Deadline) -> HTTPResponse:
        from krauth._auth.answer import TimeLeft

        write, read = TimeLeft(deadline.left), TimeLeft(deadline.left_to_read)
        timeouts = {"connect": write, "write": write, "read": read, "pool": request.timeout}
        if self._given is not None:
            return self._send_on(self._given, self._prepare(request, timeouts), deadline)
        prepared = self._prepare(request, timeouts)
        prepared.headers["Connection"] = "close"  # the next token request is hours away
        client = self._own_client(prepared.url.scheme)
        client.cookies.clear()
        return self._send_on(client, prepared, deadline)

    def _send_on(self, client: Any, prepared: Request, deadline: Deadline) -> HTTPResponse:
        from krauth._auth.answer import Collector

        collector = Collector(deadline)
        try:
            response = client.send(prepared, stream=True, auth=None, follow_redirects=False)
        except self.library.HTTPStatusError as error:  # out of an event hook of the user's, which read no body
            return _answer(error.response)
        try:
            if hasattr(response, "_content"):  # read already: by an event hook, or it is a mock's
                return _answer(response, response.content)
            for chunk in response.iter_raw():
                collector.add(chunk)
        finally:
            response.close()
        return _answer(response, collector.decoded(response.headers))

    async def _asend(self, request: HTTPRequest, deadline: Deadline) -> HTTPResponse:
        from krauth._auth.answer import Collector

        # An answer may be read late, so that only the whole attempt has a limit (`AsyncTransport.asend`).
        seconds = request.timeout
        timeouts = {"connect": seconds, "write": seconds, "read": None, "pool": seconds}
        collector = Collector(deadline)
        try:
            response = await self._given.send(
                self._prepare(request, timeouts), stream=True, auth=None, follow_redirects=False
            )
        except self.library.HTTPStatusError as error:
            return _answer(error.response)
        try:
            if hasattr(response, "_content"):
                return _answer(response, response.content)
            async with aclosing(response.aiter_raw()) as chunks:
                async for chunk in chunks:
                    collector.add(chunk)
        finally:
            await response.aclose()
        return _answer(response, collector.decoded(response.headers))

    def _prepare(self, request: HTTPRequest, timeouts: Mapping[str, object]) -> Request:
        if self._given is not None and self._given.is_closed:
            from krauth._values.exceptions import TokenTransportError

            raise TokenTransportError("the client given as token_transport is closed")
        # Made apart from the client: neither its headers, cookies and parameters nor its auth is for this.
        prepared: Request = self.library.Request(
            request.method,
            request.url,
            headers={**request.headers, "Accept-Encoding": "identity"},
            content=request.body,
            extensions={"timeout": timeouts},
        )
        prepared.stream = _sent_once(self.library)(request.body)
        return prepared

    @classmethod
    def _own_client(cls, scheme: str) -> Any:
        """Return a client that keeps no connection. Making one costs more than a request, its TLS context above all."""
        settings = (os.getpid(), _environment() if scheme == "https" else None)  # sockets are not for a forked child
        if (client := cls._known_client(scheme, settings)) is not None:
            return client
        from krauth._auth.answer import one_thread

        with one_thread():
            if (client := cls._known_client(scheme, settings)) is None:
                # No limit of connections: else the 101st request would wait until an endpoint that hangs lets go.
                limits = cls.library.Limits(max_connections=None, max_keepalive_connections=0)
                if scheme == "https":
                    client = cls.library.Client(verify=cls._tls_context(), limits=limits)
                else:  # plain http goes to this machine only, so that no proxy may be on the way
                    client = cls.library.Client(verify=False, trust_env=False, limits=limits)
                cls._own[cls.library, scheme] = settings, client
        return client

    @classmethod
    def _known_client(cls, scheme: str, settings: object) -> Any:
        made_for, client = cls._own.get((cls.library, scheme), (None, None))
        return client if made_for == settings else None

    @classmethod
    def _tls_context(cls) -> object:
        named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        try:
            if named:
                os.stat(named)  # httpx before 0.28 overlooks one that is missing
            return cls.library.create_ssl_context()
        except OSError as error:
            from krauth._values.exceptions import TokenTransportError

            raise TokenTransportError(
                f"the CA bundle {named or 'of the system'} can't be read ({type(error).__name__});"
                " check SSL_CERT_FILE and SSL_CERT_DIR"
            ) from None


_PROXIES = [name for kind in ("https", "all", "no") for name in (f"{kind}_proxy", f"{kind}_proxy".upper())]


def _environment() -> tuple[object, ...]:
    """Return what decides how a client is made: the proxies, and of the CA bundle the path, the time and the size."""
    paths = [os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")]
    with suppress(ImportError):  # httpx2 can do without
        import certifi

        paths.append(certifi.where())
    found = [(path, os.stat(path)) for path in paths if path and os.path.exists(path)]
    # Not the time and the size alone: a file can be replaced by one of the same size that came with its old time.
    states = ((path, s.st_dev, s.st_ino, s.st_ctime_ns, s.st_mtime_ns, s.st_size) for path, s in found)
    return (*map(os.environ.get, _PROXIES), *states)


@functools.cache
def _sent_once(library: Any) -> type:
    """Return a class of body that can be read once: a transport that repeats requests must not repeat this one."""

    class SentOnce(library.ByteStream):  # type: ignore[misc]
        _sent = False

        def __iter__(self) -> Iterator[bytes]:
            self._send()
            yield from super().__iter__()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            self._send()
            async for chunk in super().__aiter__():
                yield chunk

        def _send(self) -> None:
            if self._sent:
                raise library.StreamConsumed
            self._sent = True

    return SentOnce


def _answer(response: Response, body: bytes = b"") -> HTTPResponse:
    from krauth._values.messages import HTTPResponse  # not above: adapters are imported long before there is an answer

    return HTTPResponse(response.status_code, response.headers, body)
