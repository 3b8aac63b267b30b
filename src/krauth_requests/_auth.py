"""What krauth does to a request of requests: sets the header, repeats once after a 401, strips on the way out."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin

from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import rewind_body

from krauth._auth import MAX_JUDGED_BODY, OriginAuth, bearer
from krauth._transport import Transport, make_transport

from ._transport import DEFAULT, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import PreparedRequest, Response


class RequestsAuth(OriginAuth, AuthBase):
    """Base of the auth classes for requests.

    `requests` calls the auth once, when it prepares a request; a response hook, which it calls on every hop, does the
    rest. Each hop's request is copied from the one before (`Session.resolve_redirects`), so what is set on or taken
    off `response.request` in the hook decides what the next hop carries.
    """

    @classmethod
    def default_transport(cls) -> Transport:
        """Return the transport over a session of its own."""
        return DEFAULT

    @classmethod
    def make_transport(cls, value: object) -> Transport:
        """Return a transport over a session, or a callable."""
        return make_transport(value, wrap, "a requests.Session")

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Attach the credential, if the request goes to its origin."""
        if self.covers_url(cast("str", request.url)):
            self._attach(request)
            request.hooks["response"].append(self.handle_response)
        return request

    def handle_response(self, response: Response, **kwargs: Any) -> Response:
        """See what became of one hop."""
        request = response.request
        if not self.covers_url(cast("str", request.url)):
            return response  # a foreign server: nothing it says is about our credential
        if response.status_code == 401:
            response = self._handle_401(response, kwargs)
        if response.is_redirect:
            self._before_redirect(request, response)
        return response

    def _attach(self, request: PreparedRequest, access_token: str | None = None) -> None:
        method, headers = cast("str", request.method), request.headers
        if access_token is None:
            found = self.peek(method, _is_replayable(request))
            if found is not True:
                headers["Authorization"] = (found or self.obtain()).header
        else:
            headers["Authorization"] = f"Bearer {access_token}"
        if self.extra_names:
            headers.update(self.extra_headers(method, cast("str", request.url)))

    def _handle_401(self, response: Response, kwargs: dict[str, Any]) -> Response:
        request = response.request
        body = _peek_body(response, streamed=kwargs.get("stream", False))
        if body is None:
            return response
        method = cast("str", request.method)
        if not self.judge(method, response.status_code, response.headers, body).refresh:
            return response
        sent = bearer(request.headers.get("Authorization"))
        response.content  # noqa: B018  drained, so that the connection is free for the token request
        response.close()
        token = self.obtain(cure=sent).token.access_token
        if token == sent:
            return response  # there is no other: the server's word stands
        if not _is_replayable(request):
            self.not_resent("its body was a stream that can be read only once; the next call will use the new token")
            return response
        # As in requests' own HTTPDigestAuth.handle_401.
        retry = request.copy()
        extract_cookies_to_jar(retry._cookies, request, response.raw)  # type: ignore[attr-defined,no-untyped-call]
        retry.headers.pop("Cookie", None)
        retry.prepare_cookies(retry._cookies)  # type: ignore[attr-defined]
        for one in (retry, request):  # a redirect after this is copied from the original
            one.headers.pop("Authorization", None)
            self._attach(one, token)
        if isinstance(retry._body_position, int):  # type: ignore[attr-defined]
            rewind_body(retry)
        started = time.perf_counter()
        again: Response = response.connection.send(retry, **kwargs)  # type: ignore[attr-defined]
        again.elapsed = timedelta(seconds=time.perf_counter() - started)
        again.history.append(response)
        again.request = retry
        if again.status_code == 401:
            self.refused_again(token)
        return again

    def _before_redirect(self, request: PreparedRequest, response: Response) -> None:
        if self.covers_url(urljoin(cast("str", response.url), _location(response))):
            # A .netrc entry for the host would replace our credential on the next hop (`Session.rebuild_auth`).
            request.headers = _Kept(request.headers.items())
            return
        for name in ("Authorization", *self.extra_names):
            request.headers.pop(name, None)


class _Kept(CaseInsensitiveDict[str]):
    """Headers, and copies of them, in which an `Authorization` that is there can be removed but not replaced."""

    def __setitem__(self, key: str, value: str) -> None:
        if key.lower() != "authorization" or key not in self:
            super().__setitem__(key, value)

    def copy(self) -> _Kept:
        """Return a copy that keeps, too."""
        return _Kept(self.items())


def _location(response: Response) -> str:
    # As in Session.get_redirect_target: header fields arrive decoded as latin-1, servers send UTF-8.
    return response.headers["location"].encode("latin-1").decode("utf-8", "replace")


def _is_replayable(request: PreparedRequest) -> bool:
    """Whether the body can be sent twice: bytes and text can, and files where requests knows how to rewind them."""
    body = request.body
    if body is None or isinstance(body, bytes | str):
        return True
    position = request._body_position  # type: ignore[attr-defined]  # an int where tell() worked
    return isinstance(position, int) and getattr(body, "seek", None) is not None


def _peek_body(response: Response, *, streamed: bool) -> bytes | None:
    """Return the body of a 401 in a way that the user can still read it, or `None` where it is too large to judge."""
    if not streamed:
        return cast("bytes", response.content)  # requests would read it a moment later
    start, size = [], 0
    chunks = response.iter_content(8192)
    for chunk in chunks:
        start.append(chunk)
        size += len(chunk)
        if size > MAX_JUDGED_BODY:
            response.iter_content = _resume(start, chunks)  # type: ignore[method-assign]
            response._content_consumed = False  # type: ignore[attr-defined]
            return None
    response._content = b"".join(start)  # type: ignore[attr-defined]
    return response._content  # type: ignore[attr-defined,no-any-return]


def _resume(start: list[bytes], rest: Iterator[bytes]) -> Any:
    def iter_content(chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[bytes]:
        yield from start
        yield from rest

    return iter_content
