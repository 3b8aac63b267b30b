"""What travels between the core and a token transport: `HTTPRequest` and `HTTPResponse`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class HTTPRequest:
    """A request that a token transport is to send, exactly once and as it is.

    The body carries a signature or a client secret, so the repr shows neither body nor headers.

    Args:
        method: An HTTP method in upper case.
        url: An absolute URL without a query.
        headers: Header fields; names are matched without regard to case.
        body: The whole body.
        timeout: Seconds after which the transport gives up.
    """

    __slots__ = ("body", "headers", "method", "timeout", "url")

    def __init__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        timeout: float = 10.0,
    ) -> None:
        self.method = method
        self.url = url
        self.headers: dict[str, str] = dict(headers or {})
        self.body = body
        self.timeout = timeout

    def __repr__(self) -> str:
        return f"<HTTPRequest {self.method} {self.url}>"


class HTTPResponse:
    """What a token transport received.

    Args:
        status: The HTTP status code.
        headers: Header fields; looked up without regard to case through `header()`.
        body: The whole body, decoded from any content coding.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self.status = status
        self.headers: dict[str, str] = {str(k).lower(): str(v) for k, v in (headers or {}).items()}
        self.body = body

    def header(self, name: str) -> str | None:
        """Return the value of a header field, or `None`."""
        return self.headers.get(name.lower())

    def __repr__(self) -> str:
        return f"<HTTPResponse {self.status}>"
