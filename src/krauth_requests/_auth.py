"""What krauth does to a request of requests: sets the header, repeats once after a refusal, strips on the way out."""

from __future__ import annotations

import functools
import time
from datetime import timedelta
from socket import getaddrinfo
from time import monotonic
from time import time as wall_clock
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin, urlparse

from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import requote_uri, rewind_body

from krauth._auth.origin_auth import ONE_SHOT, AuthCore, is_seekable
from krauth._values.secret import hide

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from krauth._auth.refusal import Refusal
    from krauth._engine.snapshot import Snapshot
    from krauth._values.origin import Origin

    from ._transport import TokenTransport

_REDIRECTS = frozenset(range(300, 400))


@functools.lru_cache(maxsize=64)
def _watched(judged: frozenset[int]) -> frozenset[int]:
    return judged | _REDIRECTS  # one set for a fleet of auth objects


class RequestsAuth(AuthCore, AuthBase):
    """Base of the auth classes for requests.

    `requests` calls the auth once, when it prepares a request; a response hook, which it calls on every hop, does the
    rest. Each hop's request is copied from the one before (`Session.resolve_redirects`), so the hook decides
    by the header fields of `response.request` which ones the next hop carries.
    """

    resolve = staticmethod(getaddrinfo)
    #: The statuses that the hook does something about.
    _watched: frozenset[int]

    @classmethod
    def transport_class(cls) -> type[TokenTransport]:
        """Return the transport of requests."""
        from ._transport import TokenTransport

        return TokenTransport

    def _set_origins(self, origins: tuple[Origin, ...]) -> None:
        super()._set_origins(origins)
        self._watched = _watched(self.judged_statuses)

    def __call__(self, request: PreparedRequest, handler: object = None) -> PreparedRequest:
        """Attach the credential, if the request goes to its origin. No `handler` comes from requests."""
        url: Any = request.url
        try:
            is_ours = url.startswith(self._prefixes) or self.covers_url(url)
        except (AttributeError, TypeError):
            raise self.wrong_client(request) from None
        if is_ours:
            source = self._token_only
            if (
                source is not None
                and (held := source.snapshot) is not None
                and held.fresh_mono > monotonic()
                and held.fresh_wall > wall_clock()
            ):
                request.headers["Authorization"] = held.header
            elif (fixed := self._fixed) is not None and self._source is None:
                fixed.put(request.headers)
            else:
                self._attach(request)
            request.hooks["response"].append(self.handle_response)
            return request
        self.withhold(url)
        request.hooks["response"].append(self.handle_foreign)
        return request

    def _attach(self, request: PreparedRequest) -> None:
        """Attach the credential when the token is not fresh, or when other header fields are needed."""
        fixed, source = self._fixed, self._with_fixed
        if (
            fixed is not None
            and source is not None
            and (held := source.snapshot) is not None
            and held.fresh_mono > monotonic()
            and held.fresh_wall > wall_clock()
        ):
            request.headers["Authorization"] = held.header
            fixed.put(request.headers)
            return
        method, url = cast("str", request.method), cast("str", request.url)
        if (found := self.peek(method, _is_replayable(request))) is not True:
            self.put_token(request.headers, found or self.obtain())
        if fixed is not None:
            fixed.put(request.headers)
        elif self.extra_names:
            self.set_extra_headers(request.headers, method, url, _body(request) if self.signs_body else b"")

    def handle_foreign(self, response: Response, **kwargs: Any) -> Response:
        """See what became of a call that another server began: it is not ours, wherever it leads."""
        if response.status_code == 401:
            self.warn_withheld(cast("str", response.request.url))
        return response

    def handle_response(self, response: Response, **kwargs: Any) -> Response:
        """See what became of one hop."""
        status = response.status_code
        if status not in self._watched:
            return response
        request = response.request
        url: Any = request.url
        if not self.covers_url(url):  # a foreign server: nothing it says is about our credential
            if status == 401:
                self.warn_withheld(url)
            return response
        if status in self.judged_statuses and self._judges and self.is_judged(status, response.headers):
            response = self._handle_refusal(response, kwargs)
        if response.is_redirect:
            self._before_redirect(request, response)
        return response

    def _refusal(self, response: Response) -> Refusal | None:
        """Return the refusal to judge, or `None`. The user can still read the response."""
        from krauth._auth.refusal import Refusal  # both are seldom needed

        from ._judged import read_start

        status, request = response.status_code, response.request
        body = read_start(response, self.judging_time) if self.reads_body(status) else b""
        if body is None:
            return None
        carried = hide(request.headers.get(self.token_header))
        method = cast("str", request.method)
        return Refusal(method, status, response.headers, body, carried, replayable=_is_replayable(request))

    def _handle_refusal(self, response: Response, kwargs: dict[str, Any]) -> Response:
        refusal = self._refusal(response)
        if refusal is None:
            return response
        found = self.find_retry(refusal)
        if found is False:
            return response
        request = response.request
        if self.reads_body(response.status_code):
            response.content  # noqa: B018  for `response.history`; the body is small, since it was judged
        response.close()
        # As in requests' own HTTPDigestAuth.handle_401.
        retry = request.copy()
        extract_cookies_to_jar(retry._cookies, request, response.raw)  # type: ignore[attr-defined,no-untyped-call]
        retry.headers.pop("Cookie", None)
        retry.prepare_cookies(retry._cookies)  # type: ignore[attr-defined]
        for one in (retry, request):  # a redirect after this is copied from the original
            self._attach_anew(one, found)
        if isinstance(retry._body_position, int):  # type: ignore[attr-defined]
            rewind_body(retry)
        started = time.perf_counter()
        again: Response = response.connection.send(retry, **kwargs)
        again.elapsed = timedelta(seconds=time.perf_counter() - started)
        again.history.append(response)
        again.request = retry
        if again.status_code in self.judged_statuses and self._is_refused_again(again):
            self.refused_again(found)
        return again

    def _is_refused_again(self, response: Response) -> bool:
        if not self.is_judged(response.status_code, response.headers):
            return False
        refusal = self._refusal(response)
        return refusal is not None and self.is_refusal(refusal)

    def _attach_anew(self, request: PreparedRequest, found: Snapshot | bool) -> None:
        """Set our header fields anew, on headers that may keep an `Authorization` (`_Kept`)."""
        headers = CaseInsensitiveDict(request.headers.items())
        if not isinstance(found, bool):
            self.put_token(headers, found)
        method, url = cast("str", request.method), cast("str", request.url)
        self.set_extra_headers(headers, method, url, _body(request) if self.signs_body else b"")
        request.headers = headers

    def _before_redirect(self, request: PreparedRequest, response: Response) -> None:
        url = next_url(response)
        if not self.covers_url(url):
            for name in self.own_names:
                request.headers.pop(name, None)
            self.withhold(url)
            return
        # Anew: a signature is for one method, one path and one body.
        headers = CaseInsensitiveDict(request.headers.items())
        body = _body(request) if self.signs_body and response.status_code in (307, 308) else b""
        self.set_extra_headers(headers, next_method(request, response), url, body)
        # A .netrc entry for the host would replace our credential on the next hop (`Session.rebuild_auth`).
        request.headers = _Kept(headers.items())


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

    requests does not tell the next URL beforehand. If krauth read a `Location` in another way than requests, a foreign
    server could receive the credential. So this function repeats `Session.resolve_redirects` line by line.
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
    return isinstance(_position(request), int) and is_seekable(body)


def _position(request: PreparedRequest) -> Any:
    """Return where in its file a body begins, `None` where it is no file; anything else: it can't be rewound."""
    return request._body_position  # type: ignore[attr-defined]


def _body(request: PreparedRequest) -> object:
    """Return the body as it is sent, or `ONE_SHOT`."""
    body: Any = request.body
    if body is None or isinstance(body, bytes):
        return body or b""
    if isinstance(body, str):
        return body.encode()  # as urllib3 does
    if not _is_replayable(request):
        return ONE_SHOT
    body.seek(_position(request))
    content = body.read()
    body.seek(_position(request))
    return content.encode() if isinstance(content, str) else content


#: The public name, the same in each adapter.
AdapterAuth = RequestsAuth
