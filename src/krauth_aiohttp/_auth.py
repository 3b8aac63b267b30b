"""What krauth does to a request of aiohttp: a client middleware, which aiohttp calls for every hop anew."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from aiohttp import ClientError
from aiohttp.hdrs import AUTHORIZATION
from aiohttp.payload import AsyncIterablePayload

from krauth._auth import MAX_JUDGED_BODY, OriginAuth, bearer
from krauth._transport import Transport, make_transport

from ._transport import DEFAULT, wrap

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse


class MiddlewareAuth(OriginAuth):
    """Base of the auth classes for aiohttp: client middlewares (aiohttp 3.12 and later).

    aiohttp makes each hop's request from the user's own headers and calls the middleware for it: what is set for one
    hop is not copied to the next, and each is looked at by itself.
    """

    @classmethod
    def default_transport(cls) -> Transport:
        """Return the transport over sessions of its own."""
        return DEFAULT

    @classmethod
    def make_transport(cls, value: object) -> Transport:
        """Return a transport over a session, or a callable."""
        return make_transport(value, wrap, "an aiohttp.ClientSession")

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Attach the credential if the request goes to its origin, and repeat it once after a 401."""
        url = request.url
        if not self.covers(url.scheme, url.raw_host or "", url.port):
            return await handler(request)
        headers = request.headers
        # An `Authorization` that is there is the user's own, for this request: it wins, and its refusal is theirs.
        mine = AUTHORIZATION not in headers
        if mine and (found := self.peek(request.method, _is_replayable(request))) is not True:
            headers[AUTHORIZATION] = (found or await self.aobtain()).header
        if self.extra_names:
            headers.update(self.extra_headers(request.method, str(url)))
        response = await handler(request)
        if response.status != 401 or not mine or self._source is None:
            return response
        body = await _peek_body(response)
        if body is None or not self.judge(request.method, 401, response.headers, body).refresh:
            return response
        sent = bearer(headers.get(AUTHORIZATION))
        token = (await self.aobtain(cure=sent)).token.access_token
        if token == sent:
            return response  # there is no other: the server's word stands
        if request.body is not None and getattr(request.body, "consumed", False):
            self.not_resent("its body was a stream that can be read only once; the next call will use the new token")
            return response
        response.release()
        headers[AUTHORIZATION] = f"Bearer {token}"
        if self.extra_names:
            headers.update(self.extra_headers(request.method, str(url)))
        again = await handler(request)
        if again.status == 401:
            self.refused_again(headers[AUTHORIZATION])
        return again


def _is_replayable(request: ClientRequest) -> bool:
    """Whether the body can be sent twice; aiohttp knows how to rewind files, and which it can't."""
    body = request.body
    return not isinstance(body, AsyncIterablePayload) and not getattr(body, "consumed", False)


async def _peek_body(response: ClientResponse) -> bytes | None:
    """Return the body of a 401 in a way that the user can still read it, or `None` where it is too large to judge."""
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        content.unread_data(body)  # deprecated without a successor that would leave the response as it was
    return body if size <= MAX_JUDGED_BODY else None
