"""What krauth does to a request of aiohttp: a client middleware, which aiohttp calls for every hop anew."""

from __future__ import annotations

import asyncio
import threading
import warnings
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError, MultipartWriter
from aiohttp.hdrs import AUTHORIZATION
from aiohttp.helpers import basicauth_from_netrc, netrc_from_env
from aiohttp.payload import AsyncIterablePayload, IOBasePayload

from krauth._auth.origin_auth import MAX_JUDGED_BODY, OriginAuth, bearer, is_seekable

from ._transport import TokenTransport

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

    from krauth._engine.snapshot import Snapshot


class MiddlewareAuth(OriginAuth):
    """Base of the auth classes for aiohttp: client middlewares (aiohttp 3.12 and later).

    aiohttp makes each hop's request from the user's own headers and calls the middleware for it: what is set for one
    hop is not copied to the next, and each is looked at by itself.
    """

    transport_class = TokenTransport

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Attach the credential if the request goes to its origin, and repeat it once after a 401."""
        url = request.url
        if (url.scheme, url.host_port_subcomponent) not in self._authorities and not self.covers(
            url.scheme, url.raw_host or "", url.port
        ):
            return await handler(request)
        # No local variable here may hold a credential: this frame is in every traceback of a failed call.
        # An `Authorization` that is there is the user's own, for this request: it wins, and its refusal is theirs.
        mine = AUTHORIZATION not in request.headers or await _is_from_netrc(request)
        source = self._always if mine else None
        if (
            source is not None
            and (held := source.snapshot) is not None
            and held.fresh_mono > source.monotonic()
            and held.fresh_wall > source.time()
        ):
            request.headers[AUTHORIZATION] = held.header
        else:
            await self._attach(request, mine)
        response = await handler(request)
        if response.status != 401 or not mine or self._source is None:
            return response
        try:
            cure = await self._find_cure(request, response)
        except BaseException:  # nobody else has the response yet
            response.close()
            raise
        if cure is None:
            return response
        request.session.cookie_jar.update_cookies(response.cookies, response.url)
        response.release()
        await request.close()  # whatever is still sending the body stops before the body is sent again
        request.headers[AUTHORIZATION] = cure.header
        again = await handler(request)
        if again.status == 401:
            self.refused_again()
        return again

    async def _attach(self, request: ClientRequest, mine: bool) -> None:
        """Do what is left when there is no fresh token, or more to attach than that."""
        if mine and (found := self.peek(request.method, _is_replayable(request.body))) is not True:
            request.headers[AUTHORIZATION] = (found or await self.aobtain()).header
        if self.extra_names:  # tested here too, to spare making a text of the URL
            self.set_extra_headers(request.headers, request.method, str(request.url))

    async def _find_cure(self, request: ClientRequest, response: ClientResponse) -> Snapshot | None:
        """Return the token to repeat a refused request with, or `None` where the 401 is to be handed back."""
        text = await _peek_body(response)
        if text is None or not self.judge(request.method, 401, response.headers, text).refresh:
            return None
        found = await self.aobtain(cure=bearer(request.headers.get(AUTHORIZATION)))
        if found.header == request.headers.get(AUTHORIZATION):
            return None  # there is no other: the server's word stands
        if request.body and not _is_replayable(request.body):
            self.not_resent()
            return None
        return found


def _is_replayable(body: Any) -> bool:
    """Whether a body can be sent twice; aiohttp rewinds files, but does not ask whether they let themselves be."""
    if isinstance(body, AsyncIterablePayload) or getattr(body, "consumed", False):
        return False
    if isinstance(body, IOBasePayload):
        return is_seekable(body._value)
    if isinstance(body, MultipartWriter):
        return all(_is_replayable(part) for part, *_ in body)
    return True


async def _is_from_netrc(request: ClientRequest) -> bool:
    """Whether the `Authorization` of a request is not the user's word for it, but aiohttp's find in .netrc."""
    if not request.session.trust_env or not request.headers[AUTHORIZATION].startswith("Basic "):
        return False

    def look() -> bool:
        try:
            found = basicauth_from_netrc(netrc_from_env(), request.url.host or "")
        except LookupError:
            return False
        return found.encode() == request.headers[AUTHORIZATION]

    return await asyncio.to_thread(look)


async def _peek_body(response: ClientResponse) -> bytes | None:
    """Return the body of a 401 in a way that the user can still read it, or `None` where it is not to be judged."""
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > MAX_JUDGED_BODY:
        return None
    content, chunks, size = response.content, [], 0
    try:
        while size <= MAX_JUDGED_BODY and (chunk := await content.read(MAX_JUDGED_BODY)):
            chunks.append(chunk)
            size += len(chunk)
    except ClientError:
        return None  # whoever reads the response meets it again
    body = b"".join(chunks)
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        content.unread_data(body)  # deprecated without a successor that would leave the response as it was
    return body if size <= MAX_JUDGED_BODY else None


#: `catch_warnings` is not safe among threads, of which each may have an event loop.
_quiet = threading.Lock()
