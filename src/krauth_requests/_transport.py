"""Token requests over requests: on a session of our own, or one that the user hands over."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from time import monotonic
from typing import TYPE_CHECKING, Any

import requests

import krauth
from krauth import TokenTransportError
from krauth._auth.transport import Collector, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from krauth import HTTPRequest, HTTPResponse


class TokenTransport(Transport):
    """Sends token requests over requests: no redirects, no auth, no hooks, bounded in time and size.

    Args:
        session: A configured session (proxies, CA bundle, mounted adapters), also the very one that carries the
            auth. `None`: a session of its own.
    """

    def __init__(self, session: requests.Session | None = None) -> None:
        self._given = session

    def open(self) -> Callable[[HTTPRequest], HTTPResponse]:
        """Return a blocking callable for a worker thread."""
        return self.send

    def send(self, request: HTTPRequest) -> HTTPResponse:
        """Send a token request.

        Raises:
            TokenTransportError: No answer, or too large or slow a one.
        """
        session = self._given or _fresh()
        # Prepared apart from the session: neither its auth, hooks, headers and cookies nor a .netrc is for this.
        prepared = requests.Request(request.method, request.url, headers=request.headers, data=request.body).prepare()
        if self._given is None:
            prepared.headers["Connection"] = "close"  # the next one is hours away
        settings: Any = session.merge_environment_settings(request.url, {}, True, None, None)
        collector = Collector(monotonic, request.timeout)
        try:
            with session.send(prepared, timeout=request.timeout, allow_redirects=False, **settings) as response:
                for chunk in response.iter_content(16384):
                    collector.add(chunk)
                return krauth.HTTPResponse(response.status_code, response.headers, collector.body)
        except requests.RequestException as error:
            raise TokenTransportError(f"no answer from {request.url}: {describe(error)}") from error
        finally:
            if self._given is None:
                session.close()

    def __repr__(self) -> str:
        return f"<krauth_requests.TokenTransport over {'its own' if self._given is None else 'a given'} session>"


def _fresh() -> requests.Session:
    # For one request: urllib3 would keep its connection and use it again, which whoever said "close" must not
    # (RFC 9112 §9.6); servers that close without saying so would break the next one off.
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def describe(error: BaseException) -> str:
    """Return the innermost reason of a network error, which the library's own text buries under object addresses."""
    seen: set[int] = set()
    reason = error
    while id(reason) not in seen:
        seen.add(id(reason))
        inner = getattr(reason, "reason", None) or next(
            (arg for arg in reason.args if isinstance(arg, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            break
        reason = inner
    text = str(reason).rpartition("> ")[2] or type(reason).__name__
    return f"{type(error).__name__} ({text})"


def wrap(value: object) -> TokenTransport | None:
    """Return a transport over a session, or `None` when it is none."""
    return TokenTransport(value) if isinstance(value, requests.Session) else None


#: The transport of everybody who names none.
DEFAULT = TokenTransport()
