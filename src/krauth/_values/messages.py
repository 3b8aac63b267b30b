"""What travels between the core and a token transport: `HTTPRequest` and `HTTPResponse`."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote_plus

from .exceptions import ConfigurationError
from .guard import Holder
from .value import Value, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    #: Sends one request and returns its answer; blocks. Called in a worker thread.
    Sender = Callable[["HTTPRequest"], "HTTPResponse"]

#: The last words of the names of parameters whose values are secrets: client_secret, client_secret_sign, refresh_token,
#: token, code, code_verifier, client_assertion, password, api_key and their like.
_SECRET_NAMES = {"secret", "sign", "signature", "token", "code", "verifier", "assertion", "password", "key"}
_PUBLIC_HEADERS = frozenset({"content-type", "accept", "user-agent", "content-length", "host"})
#: Called by a transport when a request leaves: after all locks that the user's session may have.
leaving: ContextVar[Callable[[], object]] = ContextVar("krauth_leaving", default=lambda: None)
_NOT_PICKLED = "it holds credentials, so it is not pickled; make it anew where it is needed"


class HTTPRequest(Value, Holder):
    """A request that a token transport is to send, exactly once and as it is.

    The body carries a signature or a client secret, so the repr shows neither body nor headers. While the request
    exists, the guard removes the secrets of both from every message of krauth.

    Args:
        method: An HTTP method in upper case.
        url: An absolute URL; it holds no credential.
        headers: Header fields; names are matched without regard to case.
        body: The whole body.
        timeout: Seconds after which the transport gives up.
    """

    __match_args__ = __slots__ = _names = ("method", "url", "headers", "body", "timeout")

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float

    def __init__(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"", timeout: float = 10.0
    ) -> None:
        self._hold(method, url, headers, body, timeout)

    def __post_init__(self) -> None:
        if self.headers is None:
            object.__setattr__(self, "headers", {})
        # `short`: a code of six letters can't be blotted out, so that a server's text with it is left out.
        self._make_known(*_secrets_in(self.headers, self.body), short=True)

    def within(self, seconds: float) -> HTTPRequest:
        """Return the same request with another timeout."""
        if type(self) is not HTTPRequest:
            return replace(self, timeout=seconds)
        twin = object.__new__(HTTPRequest)
        object.__setattr__(twin, "_known", self._known)  # the guard knows its secrets already
        for name in self._names:
            object.__setattr__(twin, name, seconds if name == "timeout" else getattr(self, name))
        return twin

    def __repr__(self) -> str:
        return f"<HTTPRequest {self.method} {self.url}>"

    def __hash__(self) -> int:
        return hash((self.method, self.url, self.body))

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"HTTPRequest: {_NOT_PICKLED}")

    def __copy__(self) -> HTTPRequest:
        return self  # immutable

    def __deepcopy__(self, memo: object) -> HTTPRequest:
        return self


class HTTPResponse(Value):
    """What a token transport received.

    Args:
        status: The HTTP status code.
        headers: Header fields; kept with lower-case names, looked up without regard to case through `header()`.
        body: The whole body, decoded from any content coding.
    """

    __match_args__ = __slots__ = _names = ("status", "headers", "body")

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __init__(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self._hold(status, headers, body)

    def __post_init__(self) -> None:
        # Here, not in the constructor: a dataclass that a program derives has another.
        lowered = {str(name).lower(): str(value) for name, value in (self.headers or {}).items()}
        object.__setattr__(self, "headers", lowered)

    def header(self, name: str) -> str | None:
        """Return the value of a header field, or `None`."""
        return self.headers.get(name.lower())

    def __repr__(self) -> str:
        return f"<HTTPResponse {self.status}>"

    def __hash__(self) -> int:
        return hash((self.status, self.body))

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"HTTPResponse: {_NOT_PICKLED}")

    def __copy__(self) -> HTTPResponse:
        return self  # immutable

    def __deepcopy__(self, memo: object) -> HTTPResponse:
        return self


def require_response(value: object) -> HTTPResponse:
    """Return what a token transport returned, or raise `ConfigurationError` where it is no answer."""
    if isinstance(value, HTTPResponse):
        if isinstance(value.status, int) and isinstance(value.body, bytes | str):
            return value
        raise ConfigurationError(
            f"token_transport returned a krauth.HTTPResponse with a {type(value.status).__name__} as status and"
            f" a {type(value.body).__name__} as body; they are an int and bytes"
        )
    close = getattr(value, "close", None)
    if hasattr(value, "__await__") and close is not None:
        close()  # or a coroutine would warn that it was never awaited
    raise ConfigurationError(
        f"token_transport returned {type(value).__name__}, not a krauth.HTTPResponse"
        " (a coroutine function can't be one: it is called in a worker thread)"
    )


def _secrets_in(headers: Mapping[str, str], body: bytes) -> Iterator[str]:
    """Find the secrets in a request: header fields that are not known to be harmless, and parameters by name."""
    for name, value in headers.items():
        if isinstance(value, str) and name.lower() not in _PUBLIC_HEADERS:
            yield value
            yield value.partition(" ")[2]  # "Basic …" may come back without its scheme
    try:
        text = body.decode()
        fields = json.loads(text).items() if text[:1] == "{" else _form_fields(text)
    except (ValueError, AttributeError, RecursionError):
        return
    for name, value in fields:
        if isinstance(value, str) and name.casefold().rpartition("_")[2] in _SECRET_NAMES:
            yield value


def _form_fields(text: str) -> Iterator[tuple[str, str]]:
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        yield unquote_plus(name), unquote_plus(value)
