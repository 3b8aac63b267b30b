"""What krauth does to a request of httpx or httpx2. It imports neither: each subclass names its own module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from krauth._auth.origin_auth import MAX_JUDGED_BODY, OriginAuth, bearer, is_seekable
from krauth._values.origin import DEFAULT_PORTS, Origin

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
    from types import ModuleType


class HTTPXAuth(OriginAuth):
    """Base of the auth classes for httpx and httpx2.

    The library calls the flow once, around all redirects: it sees the first request and the last response. On a
    redirect to another origin it strips `Authorization` itself. Any other header field of ours is hidden from the
    code that copies headers to the next hop (`HiddenHeaders`), and added to those hops that go to our own origin as
    they are about to be sent (`Hops`).
    """

    #: The library: `httpx` or `httpx2`.
    library: ClassVar[ModuleType]
    #: Its class of bodies that are just bytes.
    plain: ClassVar[type]
    #: Made by `hidden_headers` and `resumed_stream` from the library's own classes.
    hidden: ClassVar[type]
    resumed: ClassVar[type]

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Attach the credential, and repeat the request once after a 401 that a new token may cure."""
        url = getattr(request.url, "_uri_reference", request.url)  # the same names, without calls; what is sent
        if (url.scheme, url.host, url.port) not in self._triples and not self.covers(url.scheme, url.host, url.port):
            yield request
            return
        body = Body(request) if type(request.stream) is not self.plain else None
        source = self._always
        if (
            source is not None
            and (held := source.snapshot) is not None
            and held.fresh_mono > source.monotonic()
            and held.fresh_wall > source.time()
        ):
            request.headers["Authorization"] = held.header
        else:
            if (found := self.peek(request.method, body is None or body.is_replayable)) is not True:
                request.headers["Authorization"] = (found or self.obtain()).header
            if self.extra_names:
                self._hide(request, Hops)
        response = yield request
        if response.status_code != 401 or (refused := self._ours(response.request)) is None:
            return
        if self._may_be_cured(refused, response, self._read_start(response)):
            response.read()  # drained, so that the connection is free for the token request
            if self._renewed(refused, self.obtain(cure=bearer_of(refused)).header, body):
                again = yield refused
                self._after_retry(again)

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Do as `sync_auth_flow` does, without blocking."""
        url = getattr(request.url, "_uri_reference", request.url)  # the same names, without calls; what is sent
        if (url.scheme, url.host, url.port) not in self._triples and not self.covers(url.scheme, url.host, url.port):
            yield request
            return
        body = Body(request) if type(request.stream) is not self.plain else None
        source = self._always
        if (
            source is not None
            and (held := source.snapshot) is not None
            and held.fresh_mono > source.monotonic()
            and held.fresh_wall > source.time()
        ):
            request.headers["Authorization"] = held.header
        else:
            if (found := self.peek(request.method, body is None or body.is_replayable)) is not True:
                request.headers["Authorization"] = (found or await self.aobtain()).header
            if self.extra_names:
                self._hide(request, AsyncHops)
        response = yield request
        if response.status_code != 401 or (refused := self._ours(response.request)) is None:
            return
        if self._may_be_cured(refused, response, await self._aread_start(response)):
            await response.aread()
            if self._renewed(refused, (await self.aobtain(cure=bearer_of(refused))).header, body):
                again = yield refused
                self._after_retry(again)

    # What both flows decide alike.

    def _hide(self, request: Any, hops: type[Hops]) -> None:
        fields = self.extra_headers(request.method, str(request.url))
        extra = [(name.encode(), value.encode()) for name, value in fields.items()]
        request.headers = self.hidden(request.headers, extra)
        users = request.extensions.get("trace")
        if isinstance(users, Hops):  # of an earlier sending of this request
            users = users.users
        request.extensions = {**request.extensions, "trace": hops(self, users)}

    def _ours(self, request: Any) -> Any:
        """The request that was refused, the last hop, if our origin refused it; a foreign 401 is none of ours."""
        url = request.url
        return request if self._source is not None and self.covers(url.scheme, url.host, url.port) else None

    def _may_be_cured(self, request: Any, response: Any, body: bytes | None) -> bool:
        return body is not None and self.judge(request.method, response.status_code, response.headers, body).refresh

    def _read_start(self, response: Any) -> bytes | None:
        """Return the body if it is small, and leave the response as if it had not been read."""
        known = self._known_body(response)
        if known is not False:
            return known
        start = _Start(iter(response.stream))
        try:
            for chunk in start.rest:
                if start.add(chunk):
                    break
        except Exception as error:  # noqa: BLE001  whoever reads the response meets it again
            start.error = error
        return self._decode(response, start)

    async def _aread_start(self, response: Any) -> bytes | None:
        """Do as `_read_start` does, without blocking."""
        known = self._known_body(response)
        if known is not False:
            return known
        start = _Start(aiter(response.stream))
        try:
            async for chunk in start.rest:
                if start.add(chunk):
                    break
        except Exception as error:  # noqa: BLE001
            start.error = error
        return self._decode(response, start)

    def _known_body(self, response: Any) -> bytes | Literal[False] | None:
        """Return a body that was read already, `None` for one not to be judged, `False` for one to be read."""
        if response.is_stream_consumed or response.is_closed:
            try:
                return bytes(response.content)  # an event hook read it, or it is a mock's
            except self.library.ResponseNotRead:
                return None
        length = response.headers.get("content-length", "")
        return None if length.isdecimal() and int(length) > MAX_JUDGED_BODY else False

    def _decode(self, response: Any, start: _Start) -> bytes | None:
        response.stream = self.resumed(response.stream, start)
        if start.error is not None or start.size > MAX_JUDGED_BODY:
            return None
        try:  # by the library, from the bytes that were seen
            seen = self.library.Response(200, headers=response.headers, content=b"".join(start.chunks))
            return bytes(seen.content)
        except self.library.DecodingError:
            return b""

    def _renewed(self, request: Any, header: str, body: Body | None) -> bool:
        """Put the new token on a refused request; false where it is to be handed back instead of repeated."""
        if header == request.headers.get("Authorization"):
            return False  # there is no other: the server's word stands
        if body is not None and not body.rewind(request):
            self.not_resent()
            return False
        request.headers["Authorization"] = header
        if self.extra_names and not isinstance(request.headers, self.hidden):  # a hop that a redirect led to
            self._hide(request, type(request.extensions["trace"]))
        return True

    def _after_retry(self, response: Any) -> None:
        if response.status_code == 401 and self._ours(response.request) is not None:
            self.refused_again()


class _Start:
    """The beginning of a body that was read ahead, and what is left of it."""

    __slots__ = ("chunks", "error", "rest", "size")

    def __init__(self, rest: Any) -> None:
        self.chunks: list[bytes] = []
        self.size = 0
        self.rest = rest
        self.error: Exception | None = None

    def add(self, chunk: bytes) -> bool:
        """Take a chunk; true once there is more than is judged."""
        self.chunks.append(chunk)
        self.size += len(chunk)
        return self.size > MAX_JUDGED_BODY


class Body:
    """Whether a request's body, which is not just bytes, can be sent again, and how: told before it is first sent."""

    __slots__ = ("_file", "_position", "_stream", "is_replayable")

    def __init__(self, request: Any) -> None:
        stream = self._stream = request.stream
        self._file = None
        if type(stream).__name__ == "MultipartStream":  # rewinds its files itself, where they can be
            files = [getattr(field, "file", b"") for field in getattr(stream, "fields", (None,))]
            self.is_replayable = all(isinstance(file, str | bytes) or is_seekable(file) for file in files)
            return
        file: Any = getattr(stream, "_stream", None) if type(stream).__name__ == "IteratorByteStream" else None
        self.is_replayable = is_seekable(file)
        if self.is_replayable:
            self._file, self._position = file, file.tell()

    def rewind(self, request: Any) -> bool:
        """Make ready to be sent again; a request that a redirect turned into a GET has no body left to rewind."""
        if request.stream is not self._stream:
            return type(request.stream).__name__ == "ByteStream"
        if self._file is not None:
            self._file.seek(self._position)
        return self.is_replayable


class Hops:
    """Adds header fields of ours to the hops of a redirect that go to our own origin.

    A `trace` extension of the request: unlike its headers it goes along to every hop, and httpcore calls it with the
    request as it is about to be sent, to a transport that has one. Where none is (a mock transport) such a hop
    goes without.
    """

    __slots__ = ("_auth", "users")

    def __init__(self, auth: OriginAuth, users: Any) -> None:
        self._auth, self.users = auth, users

    def __call__(self, event: str, info: dict[str, Any]) -> Any:
        """See what the transport does."""
        if event.endswith("send_request_headers.started"):
            self._add(info["request"])
        return None if self.users is None else self.users(event, info)

    def _add(self, request: Any) -> None:
        url = request.url
        # To a proxy goes an absolute URL or, to CONNECT, a host and port: no path, and nothing for the proxy itself.
        if url.target[:1] == b"/" and self._auth.covers(url.scheme.decode(), url.host.decode(), url.port):
            present = {name.lower() for name, _ in request.headers}
            # Anew, with the method and URL of this hop: what was made for the first one may be a signature.
            scheme = url.scheme.decode()
            where = Origin(scheme, url.host.decode().strip("[]"), url.port or DEFAULT_PORTS[scheme])
            fields = self._auth.extra_headers(request.method.decode(), f"{where}{url.target.decode()}")
            request.headers += [
                (name.encode(), value.encode())
                for name, value in fields.items()
                if name.lower().encode() not in present
            ]

    def __repr__(self) -> str:
        return "<Hops>"


class AsyncHops(Hops):
    """`Hops` for an async client."""

    __slots__ = ()

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        """See what the transport does."""
        if (wait := super().__call__(event, info)) is not None:
            await wait


def bearer_of(request: Any) -> str | None:
    """Return the access token that a request carried, or `None`."""
    return bearer(request.headers.get("Authorization"))


def hidden_headers(base: type) -> type:
    """Return a subclass of a library's `Headers` with fields that only the wire sees.

    The transport reads `.raw`; everything that copies, shows or logs headers does not: neither the code that follows
    redirects, to whatever origin, nor a repr.
    """

    class HiddenHeaders(base):  # type: ignore[misc]
        def __init__(self, headers: Any, hidden: list[tuple[bytes, bytes]]) -> None:
            super().__init__(headers, getattr(headers, "_encoding", None))
            self._hidden = hidden
            for name, _ in hidden:
                if (key := name.decode()) in self:
                    del self[key]

        @property
        def raw(self) -> list[tuple[bytes, bytes]]:
            visible: list[tuple[bytes, bytes]] = super().raw
            return visible + self._hidden

    return HiddenHeaders


def resumed_stream(sync_base: type, async_base: type) -> type:
    """Return a class of stream, of the library's own kinds, that begins with what was read ahead."""

    class ResumedStream(sync_base, async_base):  # type: ignore[misc]
        def __init__(self, stream: Any, start: _Start) -> None:
            self._stream, self._start = stream, start

        def __iter__(self) -> Iterator[bytes]:
            yield from self._start.chunks
            if self._start.error is not None:
                raise self._start.error
            yield from self._start.rest

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in self._start.chunks:
                yield chunk
            if self._start.error is not None:
                raise self._start.error
            async for chunk in self._start.rest:
                yield chunk

        def close(self) -> None:
            self._stream.close()

        async def aclose(self) -> None:
            if hasattr(self._start.rest, "aclose"):
                await self._start.rest.aclose()
            await self._stream.aclose()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)  # httpx2 keeps the elapsed time there

    return ResumedStream
