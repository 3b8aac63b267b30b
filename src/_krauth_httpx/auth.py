"""What krauth does to a request of httpx or httpx2. It imports neither: each subclass names its own module."""

from __future__ import annotations

import math
from socket import getaddrinfo
from time import monotonic
from time import time as wall_clock
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from krauth._auth.origin_auth import AUTHORIZATION, ONE_SHOT, AuthCore, is_seekable
from krauth._auth.settings import MAX_JUDGED_BODY
from krauth._values.secret import hide

from . import MARK

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
    from types import ModuleType

    from krauth._auth.judged_body import Connection
    from krauth._auth.refusal import Refusal
    from krauth._engine.snapshot import Snapshot
    from krauth._values.origin import Origin

    from .kinds import Request, Response


class HTTPXAuth(AuthCore):
    """Base of the auth classes for httpx and httpx2.

    The library calls the flow once, around all redirects: it sees the first request and the last response. On a
    redirect to another origin it strips `Authorization` itself. Any other header field of ours is an ordinary one, and
    is taken off the request that the library builds for another origin (`redirects`).
    """

    #: The library: `httpx` or `httpx2`.
    library: ClassVar[ModuleType]
    #: Its class of bodies that are just bytes.
    plain: ClassVar[type]
    #: Made by `resumed_stream` from the library's own classes.
    resumed: ClassVar[type]

    resolve = staticmethod(getaddrinfo)
    #: Whether requests are marked, so that the library's redirects are watched.
    _marks = False

    def _set_origins(self, origins: tuple[Origin, ...]) -> None:
        super()._set_origins(origins)
        # The library keeps an `Authorization` from http, port 80, to https, port 443, of the same host.
        may_be_kept = any(origin.scheme == "http" and origin.port == 80 for origin in origins)
        if self.extra_names or self.token_header != AUTHORIZATION or may_be_kept:
            from .redirects import watch_redirects

            watch_redirects(self.library)
            self._marks = True

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Attach the credential, and repeat the request once after a refusal that a new token may mend."""
        url = getattr(request.url, "_uri_reference", request.url)  # the URL as it is sent, read faster
        if (url.scheme, url.host, url.port) not in self._triples and not self.covers(url.scheme, url.host, url.port):
            self._pass_on(request, (yield request))
            return
        body = Body(request) if type(request.stream) is not self.plain else None
        source = self._token_only
        if (
            source is not None
            and (held := source.snapshot) is not None
            and held.fresh_mono > monotonic()
            and held.fresh_wall > wall_clock()
        ):
            request.headers["Authorization"] = held.header
        elif (found := self.peek(request.method, body is None or body.is_replayable)) is not True:
            self.put_token(request.headers, found or self.obtain())
        if self._marks:
            self._sign(request, body)
        response = yield request
        if response.status_code not in self.judged_statuses or (refused := self._refused_request(response)) is None:
            return
        refusal = self._refusal(refused, response, body, self._read_start(response))
        if refusal is None or (retry := self.find_retry(refusal)) is False:
            return
        response.read()  # drained, so that the connection is free
        self._prepare_again(refused, retry, body)
        again = yield refused
        if again.status_code in self.judged_statuses and (last := self._refused_request(again)) is not None:
            self._after_retry(self._refusal(last, again, body, self._read_start(again)), retry)

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Do as `sync_auth_flow` does, without blocking."""
        url = getattr(request.url, "_uri_reference", request.url)  # the URL as it is sent, read faster
        if (url.scheme, url.host, url.port) not in self._triples and not self.covers(url.scheme, url.host, url.port):
            self._pass_on(request, (yield request))
            return
        body = Body(request) if type(request.stream) is not self.plain else None
        source = self._token_only
        if (
            source is not None
            and (held := source.snapshot) is not None
            and held.fresh_mono > monotonic()
            and held.fresh_wall > wall_clock()
        ):
            request.headers["Authorization"] = held.header
        elif (found := self.peek(request.method, body is None or body.is_replayable)) is not True:
            self.put_token(request.headers, found or await self.aobtain())
        if self._marks:
            self._sign(request, body)
        response = yield request
        if response.status_code not in self.judged_statuses or (refused := self._refused_request(response)) is None:
            return
        refusal = self._refusal(refused, response, body, await self._aread_start(response))
        if refusal is None or (retry := await self.afind_retry(refusal)) is False:
            return
        await response.aread()
        self._prepare_again(refused, retry, body)
        again = yield refused
        if again.status_code in self.judged_statuses and (last := self._refused_request(again)) is not None:
            self._after_retry(self._refusal(last, again, body, await self._aread_start(again)), retry)

    def __call__(self, request: object, handler: object = None) -> NoReturn:
        """Refuse to work in another library: httpx and httpx2 call the flows of their own auth classes instead.

        Raises:
            ConfigurationError: Always.
        """
        raise self.wrong_client(request)

    # What both flows decide alike.

    def _pass_on(self, request: Request, response: Response) -> None:
        """See what became of a call that another server began: it is not ours, wherever it leads."""
        self.withhold(str(request.url))
        if response.status_code == 401:
            self.warn_withheld(str(response.request.url))

    def _sign(self, request: Request, body: Body | None) -> None:
        """Set the additional header fields, and mark the request, so that its redirects are watched."""
        if request.extensions.get(MARK) is not self:
            request.extensions = {**request.extensions, MARK: self}
        if (fixed := self._fixed) is not None:
            fixed.put(request.headers)
        elif self.extra_names:
            content = content_of(request, body) if self.signs_body else b""
            self.set_extra_headers(request.headers, request.method, str(request.url), content)

    def on_redirect(self, request: Request, body_is_kept: bool) -> None:
        """Look at the request that the library built for the next hop."""
        url = request.url
        if self.covers(url.scheme, url.host, url.port):
            if self.extra_names:  # anew: a signature is for one method, one path and one body
                body = Body(request) if body_is_kept and type(request.stream) is not self.plain else None
                content = content_of(request, body) if self.signs_body else b""
                self.set_extra_headers(request.headers, request.method, str(url), content)
            return
        self.withhold(str(url))
        for name in self.own_names:
            request.headers.pop(name, None)

    def _refused_request(self, response: Response) -> Request | None:
        """Return the request that was refused, the last hop, if our origin refused it; a foreign 401 is not."""
        request = response.request
        url = request.url
        if not self.covers(url.scheme, url.host, url.port):
            if response.status_code == 401:
                self.warn_withheld(str(url))
            return None
        return request if self._judges and self.is_judged(response.status_code, response.headers) else None

    def _refusal(self, request: Request, response: Response, body: Body | None, start: bytes | None) -> Refusal | None:
        """Return the refusal to judge, or `None` if the answer is handed back as it is."""
        if start is None:
            return None
        from krauth._auth.refusal import Refusal  # here and below: seldom needed

        carried = hide(request.headers.get(self.token_header))
        replayable = body is None or body.may_be_sent_again(request)
        return Refusal(request.method, response.status_code, response.headers, start, carried, replayable=replayable)

    def _prepare_again(self, request: Request, retry: Snapshot | bool, body: Body | None) -> None:
        """Make a refused request ready to be repeated."""
        if body is not None:
            body.rewind(request)
        if not isinstance(retry, bool):
            self.put_token(request.headers, retry)
        if self._marks:
            self._sign(request, body)

    def _after_retry(self, refusal: Refusal | None, retry: Snapshot | bool) -> None:
        if refusal is not None and self.is_refusal(refusal):
            self.refused_again(retry)

    def _read_start(self, response: Response) -> bytes | None:
        """Return a body that is whole and small, decoded; `None` for any other. The response is left as it was."""
        known = self._known_body(response)
        if known is not False:
            return known
        from krauth._auth.judged_body import Watch

        start = _BodyStart(iter(response.stream), self.judging_time)
        # An answer that may be sound is never broken off: the user reads it as slowly as it comes.
        watch = Watch(_socket_of(response) if response.status_code >= 300 else None, self.judging_time)
        try:
            for chunk in start.rest:
                if start.add(chunk):
                    break
            else:
                start.is_whole = True
                watch.end()  # first: the connection may serve another call at once
                response.stream.close()  # gives the connection back, since the token request may need it
        except Exception as error:  # noqa: BLE001  raised again when the user reads the response
            start.error = error
        finally:
            watch.end()
        if watch.broke_off and start.error is None:  # where no length is announced, that looks like the body's end
            start.is_whole, start.error = False, self.library.ReadTimeout("the answer did not end in time")
        return self._decode(response, start)

    async def _aread_start(self, response: Response) -> bytes | None:
        """Do as `_read_start` does, without blocking."""
        known = self._known_body(response)
        if known is not False:
            return known
        import anyio  # which the async clients need, too

        start = _BodyStart(aiter(response.stream), self.judging_time)
        try:
            # As in `_read_start`: an answer that may be sound is never broken off.
            with anyio.move_on_after(self.judging_time if response.status_code >= 300 else math.inf) as scope:
                async for chunk in start.rest:
                    if start.add(chunk):
                        break
                else:
                    start.is_whole = True
                    await response.stream.aclose()
            if scope.cancelled_caught:
                start.error = self.library.ReadTimeout("the answer did not end in time")
        except Exception as error:  # noqa: BLE001
            start.error = error
        return self._decode(response, start)

    def _known_body(self, response: Response) -> bytes | Literal[False] | None:
        """Return a body that was read already, `None` for one not to be judged, `False` for one to be read."""
        if not self.reads_body(response.status_code):
            return b""
        if response.is_stream_consumed or response.is_closed:
            try:
                content = bytes(response.content)  # an event hook read it, or it is a mock's
            except self.library.ResponseNotRead:
                return None
            return content if len(content) <= MAX_JUDGED_BODY else None
        from krauth._auth.judged_body import is_too_long

        return None if is_too_long(response.headers.get("content-length")) else False

    def _decode(self, response: Response, start: _BodyStart) -> bytes | None:
        from krauth._auth.judged_body import decode_body

        response.stream = self.resumed(response.stream, start)
        return decode_body(response.headers.get("content-encoding"), b"".join(start.chunks)) if start.is_whole else None


def _socket_of(response: Response) -> Connection | None:
    """Return the socket that a body is read from; `None` for a mock's, and for HTTP/2, where other calls share it."""
    stream = response.extensions.get("network_stream")
    if stream is None or response.http_version == "HTTP/2":
        return None
    connection: Connection | None = stream.get_extra_info("socket")
    return connection


class _BodyStart:
    """The beginning of a body, read ahead, and the rest that is not read yet."""

    __slots__ = ("_until", "chunks", "error", "is_whole", "rest", "size")

    def __init__(self, rest: Any, seconds: float) -> None:
        self.chunks: list[bytes] = []
        self.size = 0
        self.rest = rest
        self.is_whole = False
        self.error: Exception | None = None
        self._until = monotonic() + seconds

    def add(self, chunk: bytes) -> bool:
        """Take a chunk; true once there is more than is judged, or the time is over."""
        self.chunks.append(chunk)
        self.size += len(chunk)
        return self.size > MAX_JUDGED_BODY or monotonic() > self._until


class Body:
    """Whether a request's body, which is not just bytes, can be sent again, and how: told before it is first sent."""

    __slots__ = ("_file", "_position", "_stream", "is_replayable")

    def __init__(self, request: Request) -> None:
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

    def may_be_sent_again(self, request: Request) -> bool:
        """Whether this request can be; one that a redirect turned into a GET has no body left to send."""
        return self.is_replayable if request.stream is self._stream else type(request.stream).__name__ == "ByteStream"

    def rewind(self, request: Request) -> None:
        """Make ready to be sent again."""
        if self._file is not None and request.stream is self._stream:
            self._file.seek(self._position)


def content_of(request: Request, body: Body | None) -> object:
    """Return a request's body as it is sent, or `ONE_SHOT`; the content of files is kept as bytes."""
    return request.read() if body is None or body.may_be_sent_again(request) else ONE_SHOT


def resumed_stream(sync_base: type, async_base: type) -> type:
    """Return a class of stream, of the library's own kinds, that begins with the chunks read ahead."""

    class ResumedStream(sync_base, async_base):  # type: ignore[misc]
        def __init__(self, stream: Any, start: _BodyStart) -> None:
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
            if not self._start.is_whole:  # else it is closed
                self._stream.close()

        async def aclose(self) -> None:
            if self._start.is_whole:
                return
            if hasattr(self._start.rest, "aclose"):
                await self._start.rest.aclose()
            await self._stream.aclose()

        def __getattr__(self, name: str) -> object:
            return getattr(self._stream, name)  # httpx2 keeps the elapsed time there

    return ResumedStream
