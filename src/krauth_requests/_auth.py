"""What krauth does to a request of requests: sets the header, repeats once after a 401, strips on the way out."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin, urlparse

from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.exceptions import RequestException
from requests.structures import CaseInsensitiveDict
from requests.utils import requote_uri, rewind_body

from krauth._auth.origin_auth import MAX_JUDGED_BODY, OriginAuth, bearer, is_seekable

from ._transport import TokenTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import PreparedRequest, Response


class RequestsAuth(OriginAuth, AuthBase):
    """Base of the auth classes for requests.

    `requests` calls the auth once, when it prepares a request; a response hook, which it calls on every hop, does the
    rest. Each hop's request is copied from the one before (`Session.resolve_redirects`), so what is set on or taken
    off `response.request` in the hook decides what the next hop carries.
    """

    transport_class = TokenTransport

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Attach the credential, if the request goes to its origin."""
        url: Any = request.url
        if url.startswith(self._prefixes) or self.covers_url(url):
            source = self._always
            if (
                source is not None
                and (held := source.snapshot) is not None
                and held.fresh_mono > source.monotonic()
                and held.fresh_wall > source.time()
            ):
                request.headers["Authorization"] = held.header
            else:
                self._attach(request)
            request.hooks["response"].append(self.handle_response)
        return request

    def _attach(self, request: PreparedRequest) -> None:
        """Do what is left when there is no fresh token, or more to attach than that."""
        method, url = cast("str", request.method), cast("str", request.url)
        if (found := self.peek(method, _is_replayable(request))) is not True:
            request.headers["Authorization"] = (found or self.obtain()).header
        self.set_extra_headers(request.headers, method, url)

    def handle_response(self, response: Response, **kwargs: Any) -> Response:
        """See what became of one hop."""
        status = response.status_code
        if status != 401 and not 300 <= status < 400:
            return response
        request = response.request
        url: Any = request.url
        if not self.covers_url(url):
            return response  # a foreign server: nothing it says is about our credential
        if status == 401 and self._source is not None:
            response = self._handle_401(response, kwargs)
        if response.is_redirect:
            self._before_redirect(request, response)
        return response

    def _handle_401(self, response: Response, kwargs: dict[str, Any]) -> Response:
        request = response.request
        body = _peek_body(response, streamed=kwargs.get("stream", False))
        method, url = cast("str", request.method), cast("str", request.url)
        if body is None or not self.judge(method, 401, response.headers, body).refresh:
            return response
        response.close()  # it was read: the connection is free for the token request
        found = self.obtain(cure=bearer(request.headers.get("Authorization")))
        if found.header == request.headers.get("Authorization"):
            return response  # there is no other: the server's word stands
        if not _is_replayable(request):
            self.not_resent()
            return response
        # As in requests' own HTTPDigestAuth.handle_401.
        retry = request.copy()
        extract_cookies_to_jar(retry._cookies, request, response.raw)  # type: ignore[attr-defined,no-untyped-call]
        retry.headers.pop("Cookie", None)
        retry.prepare_cookies(retry._cookies)  # type: ignore[attr-defined]
        for one in (retry, request):  # a redirect after this is copied from the original
            one.headers.pop("Authorization", None)
            one.headers["Authorization"] = found.header
            self.set_extra_headers(one.headers, method, url)
        if isinstance(retry._body_position, int):  # type: ignore[attr-defined]
            rewind_body(retry)
        started = time.perf_counter()
        again: Response = response.connection.send(retry, **kwargs)
        again.elapsed = timedelta(seconds=time.perf_counter() - started)
        again.history.append(response)
        again.request = retry
        if again.status_code == 401:
            self.refused_again()
        return again

    def _before_redirect(self, request: PreparedRequest, response: Response) -> None:
        url = next_url(response)
        if self.covers_url(url):
            # A .netrc entry for the host would replace our credential on the next hop (`Session.rebuild_auth`).
            request.headers = _Kept(request.headers.items())
            # Anew: a signature is for one method and one path.
            self.set_extra_headers(request.headers, next_method(request, response), url)
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


def next_method(request: PreparedRequest, response: Response) -> str:
    """Return the method that requests will go on with, as `Session.rebuild_method` decides it."""
    method, status = cast("str", request.method), response.status_code
    if (status in (302, 303) and method != "HEAD") or (status == 301 and method == "POST"):
        return "GET"
    return method


def next_url(response: Response) -> str:
    """Return where requests will go next.

    It says so to nobody beforehand, and every difference between its reading of a `Location` and ours would be a way
    to be sent the credential: so this is, line by line, what `Session.resolve_redirects` does.
    """
    url = response.headers["location"].encode("latin1").decode("utf-8")
    if url.startswith("//"):
        url = f"{urlparse(response.url).scheme}:{url}"
    parsed = urlparse(url)
    url = parsed.geturl()
    return requote_uri(url) if parsed.netloc else urljoin(response.url, requote_uri(url))


def _is_replayable(request: PreparedRequest) -> bool:
    """Whether the body can be sent twice: bytes and text can, and files where requests knows how to rewind them."""
    body = request.body
    if body is None or isinstance(body, bytes | str):
        return True
    return isinstance(request._body_position, int) and is_seekable(body)


def _peek_body(response: Response, *, streamed: bool) -> bytes | None:
    """Return the body of a 401 in a way that the user can still read it, or `None` where it is not to be judged."""
    if not streamed:
        content = response.content  # requests would read it a moment later
        return content if len(content) <= MAX_JUDGED_BODY else None
    start, size, error = [], 0, None
    chunks = response.iter_content(8192)
    try:
        for chunk in chunks:
            start.append(chunk)
            size += len(chunk)
            if size > MAX_JUDGED_BODY:
                break
        else:
            response._content = b"".join(start)
            return response._content
    except RequestException as broken:  # whoever reads the response meets it again
        error = broken
    response.iter_content = _resume(start, chunks, error)  # type: ignore[method-assign]
    response._content_consumed = False  # type: ignore[attr-defined]
    return None


def _resume(start: list[bytes], rest: Iterator[bytes], error: Exception | None) -> Any:
    def iter_content(chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[bytes]:
        yield from start
        if error is not None:
            raise error
        yield from rest

    return iter_content
