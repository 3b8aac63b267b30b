"""What krauth does to a request of aiohttp: a client middleware, which aiohttp calls for every hop anew."""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from contextvars import ContextVar
from socket import getaddrinfo
from time import monotonic
from time import time as wall_clock
from typing import TYPE_CHECKING, Any, Self

from aiohttp import ClientError, MultipartWriter
from aiohttp.hdrs import AUTHORIZATION
from aiohttp.helpers import basicauth_from_netrc, netrc_from_env
from aiohttp.payload import AsyncIterablePayload, IOBasePayload

from krauth import ConfigurationError
from krauth._auth.origin_auth import ONE_SHOT, AuthCore, is_seekable
from krauth._auth.settings import MAX_JUDGED_BODY
from krauth._values.secret import hide

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import FrameType

    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

    from krauth._auth.refusal import Refusal
    from krauth._values.origin import Origin

    from ._transport import TokenTransport

_REDIRECTS = frozenset(range(300, 400))
#: The chains of redirects that were met last in this task, newest first: each with the auth object that met it, and
#: whether its first request went to that object's origins. A chain is known by the list of its traces: aiohttp makes
#: one per call and hands it to the request of each hop.
_chains: ContextVar[tuple[tuple[object, MiddlewareAuth, bool], ...]] = ContextVar("krauth_aiohttp_chains", default=())


class MiddlewareAuth(AuthCore):
    """Base of the auth classes for aiohttp: client middlewares (aiohttp 3.12 and later).

    aiohttp makes each hop's request from the user's own headers and calls the middleware for it. A header field that
    is set for one hop is not copied to the next. After a redirect by another server no hop gets a credential, since
    that server chose method, path and body of the request.
    """

    resolve = staticmethod(getaddrinfo)
    #: The statuses after which something is done.
    _watched: frozenset[int]
    #: The authorities that need no second look: none, once a request to another server was seen, since from then on
    #: chains of redirects have to be told apart.
    _quick: frozenset[tuple[str, str]]

    @classmethod
    def transport_class(cls) -> type[TokenTransport]:
        """Return the transport of aiohttp."""
        from ._transport import TokenTransport

        return TokenTransport

    def _set_origins(self, origins: tuple[Origin, ...]) -> None:
        super()._set_origins(origins)
        self._watched = self.judged_statuses | _REDIRECTS
        self._quick = self._authorities

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Attach the credential if the request goes to its origin, and repeat it once after a refusal."""
        url = request.url
        if (url.scheme, url.host_port_subcomponent) not in self._quick and not self._is_ours(request):
            return await self._pass_on(request, handler)
        # No local variable here may hold a credential: this frame is in every traceback of a failed call.
        mine = True
        if (source := self._token_only) is not None:
            if (
                AUTHORIZATION not in request.headers
                and (held := source.snapshot) is not None
                and held.fresh_mono > monotonic()
                and held.fresh_wall > wall_clock()
            ):
                request.headers[AUTHORIZATION] = held.header
            else:
                mine = await self._attach(request)
        elif (
            (fixed := self._fixed) is not None
            and AUTHORIZATION not in request.headers
            and (self._source is None or self._put_fresh(request.headers))
        ):
            fixed.put(request.headers)
        else:
            mine = await self._attach(request)
        response = await handler(request)
        status = response.status
        if status not in self._watched:
            return response
        if status not in self.judged_statuses:  # a redirect
            self._remember(request, began_here=True)
            return response
        if not mine or not self._judges or not self.is_judged(status, response.headers):
            return response
        try:
            refusal = await self._refusal(request, response)
            retry = False if refusal is None else await self.afind_retry(refusal)
        except BaseException:  # the response is not handed out yet, so it is closed here
            response.close()
            raise
        if retry is False:
            return response
        request.session.cookie_jar.update_cookies(response.cookies, response.url)
        response.release()
        await request.close()  # a task that still sends the body stops before the body is sent again
        if retry is not True:
            self.put_token(request.headers, retry)
        await self._sign(request, mine)
        again = await handler(request)
        if again.status in _REDIRECTS:
            self._remember(request, began_here=True)
        try:
            if again.status in self.judged_statuses and await self._is_refused_again(request, again):
                self.refused_again(retry)
        except BaseException:  # this one is not handed out yet either
            again.close()
            raise
        return again

    # Another library calls an auth with the request alone: Python's own error then shows this name. A check here would
    # cost each call of aiohttp a tenth.
    __call__.__qualname__ = (
        "this auth is a middleware of aiohttp, for ClientSession(middlewares=(auth,)); other libraries want the class"
        " of the same name from krauth_requests, krauth_httpx or krauth_httpx2: __call__"
    )

    # `ClientSession(middlewares=auth)`, the tuple forgotten, is understood.

    def __len__(self) -> int:
        return 1

    def __bool__(self) -> bool:
        """True; an error where aiohttp looks at its argument `auth`, which takes a `BasicAuth` and nothing else."""
        if _is_argument_auth(self, sys._getframe(1)):
            name = type(self).__name__
            raise ConfigurationError(
                f"aiohttp was handed {name} as auth=…, which is for Basic authentication only: {name} is a middleware,"
                " hand it over as middlewares=(auth,), to ClientSession or to one request"
            )
        return True

    def __getitem__(self, index: int) -> Self:
        if index not in (0, -1):
            raise IndexError(index)
        return self

    def _is_ours(self, request: ClientRequest) -> bool:
        """Whether the credential may be sent, where the quick look did not tell."""
        url = request.url
        return self.covers(url.scheme, url.raw_host or "", url.port) and self._began_here(request) is not False

    async def _pass_on(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send a request without the credential."""
        self._quick = frozenset()
        self._remember(request, began_here=False)
        self.withhold(str(request.url))
        response = await handler(request)
        if response.status == 401:
            self.warn_withheld(str(request.url))
        return response

    def _began_here(self, request: ClientRequest) -> bool | None:
        """Whether the first request of a chain of redirects went to our origin; `None`: this is the first."""
        chain = getattr(request, "_traces", None)
        return next((ours for found, auth, ours in _chains.get() if found is chain and auth is self), None)

    def _remember(self, request: ClientRequest, *, began_here: bool) -> None:
        chain = getattr(request, "_traces", None)
        if chain is not None and self._began_here(request) is None:
            _chains.set(((chain, self, began_here), *_chains.get()[:7]))

    def _put_fresh(self, headers: MutableMapping[str, str]) -> bool:
        """Set a fresh token where it goes along with fields that never change; false where there is more to do."""
        source = self._with_fixed
        if (
            source is not None
            and (held := source.snapshot) is not None
            and held.fresh_mono > monotonic()
            and held.fresh_wall > wall_clock()
        ):
            headers[AUTHORIZATION] = held.header
            return True
        return False

    async def _attach(self, request: ClientRequest) -> bool:
        """Attach the credential if the token is not fresh or other fields are needed; false: the user's own is kept.

        An `Authorization` in the request is the user's own. The library does not judge its refusal.
        """
        name = self.token_header
        mine = name not in request.headers or await _is_from_netrc(request, name)
        if mine and (found := self.peek(request.method, _is_replayable(request.body))) is not True:
            self.put_token(request.headers, found or await self.aobtain())
        if self.extra_names:
            await self._sign(request, mine)
        return mine

    async def _sign(self, request: ClientRequest, mine: bool) -> None:
        """Set the additional header fields; a user's own `Authorization` stays."""
        if (fixed := self._fixed) is not None and mine:
            fixed.put(request.headers)
            return
        body = await _body(request.body) if self.signs_body else b""
        headers = request.headers
        kept = None if mine else headers.get(self.token_header)
        self.set_extra_headers(headers, request.method, str(request.url), body)
        if kept is not None:
            headers[self.token_header] = kept

    async def _refusal(self, request: ClientRequest, response: ClientResponse) -> Refusal | None:
        """Return the refusal to judge, or `None` if the answer is handed back as it is."""
        body = await _read_start(response, self.judging_time) if self.reads_body(response.status) else b""
        if body is None:
            return None
        from krauth._auth.refusal import Refusal  # seldom needed

        carried = hide(request.headers.get(self.token_header))
        replayable = not request.body or _is_replayable(request.body)
        return Refusal(request.method, response.status, response.headers, body, carried, replayable=replayable)

    async def _is_refused_again(self, request: ClientRequest, response: ClientResponse) -> bool:
        if not self.is_judged(response.status, response.headers):
            return False
        refusal = await self._refusal(request, response)
        return refusal is not None and self.is_refusal(refusal)


def _is_argument_auth(auth: object, frame: FrameType) -> bool:
    """Whether `frame` is aiohttp's and has `auth` as its argument `auth`, or as that of its session."""
    if frame.f_globals.get("__name__") != "aiohttp.client":
        return False
    found = frame.f_locals
    return found.get("auth") is auth or getattr(found.get("self"), "_default_auth", None) is auth


def _is_replayable(body: Any) -> bool:
    """Whether a body can be sent twice; aiohttp rewinds files, but does not ask whether they let themselves be."""
    if isinstance(body, AsyncIterablePayload) or getattr(body, "consumed", False):
        return False
    if isinstance(body, IOBasePayload):
        return is_seekable(body._value)
    if isinstance(body, MultipartWriter):
        return all(_is_replayable(part) for part, *_ in body)
    return True


async def _body(body: Any) -> object:
    """Return a body as it is sent, or `ONE_SHOT`."""
    if not body:
        return b""
    return await body.as_bytes() if _is_replayable(body) else ONE_SHOT


async def _is_from_netrc(request: ClientRequest, name: str) -> bool:
    """Whether the `Authorization` of a request is not the user's word for it, but aiohttp's find in .netrc."""
    if name != AUTHORIZATION or not request.session.trust_env:
        return False
    if not request.headers[AUTHORIZATION].startswith("Basic "):
        return False

    def look() -> bool:
        try:
            found = basicauth_from_netrc(netrc_from_env(), request.url.host or "")
        except LookupError:
            return False
        return found.encode() == request.headers[AUTHORIZATION]

    return await asyncio.to_thread(look)


async def _read_start(response: ClientResponse, seconds: float) -> bytes | None:
    """Return a body that is whole and small; `None` for any other. The user can still read it all."""
    from krauth._auth.judged_body import is_too_long

    if is_too_long(response.headers.get("Content-Length")):
        return None
    content, chunks, size, is_whole = response.content, [], 0, False
    try:
        async with asyncio.timeout(seconds):
            while size <= MAX_JUDGED_BODY:
                if not (chunk := await content.read(8192)):
                    is_whole = True
                    break
                chunks.append(chunk)
                size += len(chunk)
    except (ClientError, TimeoutError):
        pass  # raised again when the user reads the response
    body = b"".join(chunks)
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        content.unread_data(body)  # deprecated without a successor that would leave the response as it was
    return body if is_whole else None


#: `catch_warnings` is not safe among threads, of which each may have an event loop.
_quiet = threading.Lock()


#: The public name, the same in each adapter.
AdapterAuth = MiddlewareAuth
