"""What travels between the core and a token transport: `HTTPRequest` and `HTTPResponse`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    #: Sends one request and returns its answer; blocks. Called in a worker thread.
    Sender = Callable[["HTTPRequest"], "HTTPResponse"]


@dataclass(frozen=True, slots=True, repr=False)
class HTTPRequest:
    """A request that a token transport is to send, exactly once and as it is.

    The body carries a signature or a client secret, so the repr shows neither body nor headers.

    Args:
        method: An HTTP method in upper case.
        url: An absolute URL; it holds no credential.
        headers: Header fields; names are matched without regard to case.
        body: The whole body.
        timeout: Seconds after which the transport gives up.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float = 10.0

    def within(self, seconds: float) -> HTTPRequest:
        """Return the same request with another timeout."""
        return replace(self, timeout=seconds)

    def __repr__(self) -> str:
        return f"<HTTPRequest {self.method} {self.url}>"


@dataclass(frozen=True, slots=True, repr=False)
class HTTPResponse:
    """What a token transport received.

    Args:
        status: The HTTP status code.
        headers: Header fields; kept with lower-case names, looked up without regard to case through `header()`.
        body: The whole body, decoded from any content coding.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __post_init__(self) -> None:
        lowered = {str(name).lower(): str(value) for name, value in (self.headers or {}).items()}
        object.__setattr__(self, "headers", lowered)

    def header(self, name: str) -> str | None:
        """Return the value of a header field, or `None`."""
        return self.headers.get(name.lower())

    def __repr__(self) -> str:
        return f"<HTTPResponse {self.status}>"
