"""How token requests travel: what a token transport is, and what `token_transport=` may be.

The adapters' `TokenTransport` classes derive from `Transport` or, where a client belongs to an event loop, from
`AsyncTransport`. The engine sees a blocking callable only. `answer` holds the bounds of one token request.
"""

from __future__ import annotations

from logging import DEBUG
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from .._values.exceptions import ConfigurationError, KrauthError, TokenTransportError

if TYPE_CHECKING:
    from types import ModuleType

    from .._values.messages import HTTPRequest, HTTPResponse, Sender
    from .answer import Deadline
    from .event_loops import AsyncHome


class Transport:
    """Lends the engine a way to the token endpoint.

    Args:
        client: A client or session of the adapter's library; `None`: one for each token request.
    """

    #: The adapter's HTTP library, and the names of its classes of clients. `None`: only callables travel this way.
    library: ClassVar[ModuleType | None] = None
    client_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, client: object = None) -> None:
        if client is not None and not isinstance(client, self.client_classes()):
            self._refuse(client)
        self._given: Any = client

    @classmethod
    def over(cls, value: object) -> Transport:
        """Return the transport that `token_transport=value` means.

        Raises:
            ConfigurationError: The value is no transport, no client of this library, and no callable.
        """
        if value is None:
            return cls()
        if isinstance(value, Transport):
            return value
        if isinstance(value, cls.client_classes()):
            return cls(value)
        from .mistakes import find_mistake

        if not callable(value) or find_mistake(value, cls) is not None:
            cls._refuse(value)
        return CallableTransport(value)

    @classmethod
    def client_classes(cls) -> tuple[type, ...]:
        """Return the classes of clients that are taken."""
        return tuple(getattr(cls.library, name) for name in cls.client_names)

    @classmethod
    def wanted(cls) -> str:
        """Return the names of those classes, for messages."""
        from .mistakes import article

        library = getattr(cls.library, "__name__", None)
        return " or ".join(article(f"{library}.{name}") for name in cls.client_names) or "a callable"

    @classmethod
    def _refuse(cls, value: object) -> NoReturn:
        from .mistakes import find_mistake

        what = find_mistake(value, cls) or type(value).__name__
        raise ConfigurationError(
            f"token_transport must be {cls.wanted()}, a krauth TokenTransport, or a callable from"
            f" krauth.HTTPRequest to krauth.HTTPResponse, not {what}"
        )

    def open(self) -> Sender:
        """Return a blocking callable for a worker thread. Called where the caller runs, on its event loop if any."""
        return self.send

    @property
    def way(self) -> object:
        """What tells this way to the server from others: a failure of one is no failure of another."""
        return type(self) if self._given is None else self._given

    @property
    def is_bounded(self) -> bool:
        """Whether each request ends before its deadline in every case; then a caller's thread may send it."""
        return True

    @property
    def tells_leaving(self) -> bool:
        """Whether it calls `leaving` when a request leaves."""
        return False

    def check_blocking(self) -> None:
        """Raise `ConfigurationError` where a caller that blocks this thread would wait forever: nowhere, mostly."""

    def send(self, request: HTTPRequest) -> HTTPResponse:
        """Send a token request, once, and return its answer.

        Raises:
            TokenTransportError: No answer within `request.timeout` seconds, or one that is too large or broken.
        """
        from .answer import Deadline  # here and below: adapters are imported long before there is a token request

        deadline = Deadline(request.timeout)
        try:
            return self._send(request, deadline)
        except KrauthError:
            raise
        except Exception as error:  # noqa: BLE001  the libraries let ValueError, RuntimeError and others out, too
            failure = _no_answer(request, error, deadline)
        raise failure  # raised here, without a cause: the library's texts quote bytes of the answer

    def _send(self, request: HTTPRequest, deadline: Deadline) -> HTTPResponse:
        raise NotImplementedError

    def __repr__(self) -> str:
        package = type(self).__module__.partition(".")[0]
        noun = "session" if "Session" in "".join(self.client_names) else "client"
        return f"<{package}.TokenTransport over {'its own' if self._given is None else 'a given'} {noun}>"


class CallableTransport(Transport):
    """A user's own function from `HTTPRequest` to `HTTPResponse`."""

    def __init__(self, send: Sender) -> None:
        super().__init__()
        self._function = send

    @property
    def way(self) -> object:
        """The function."""
        return self._function

    @property
    def is_bounded(self) -> bool:
        """A user's function may take as long as it likes."""
        return False

    def open(self) -> Sender:
        """Return the function."""
        return self._function

    def __repr__(self) -> str:
        return "<krauth token transport: a callable>"


class AsyncTransport(Transport):
    """Base of a transport over a client that belongs to an event loop: the one that it was last used on."""

    def __init__(self, client: object = None) -> None:
        super().__init__(client)
        self._home: AsyncHome | None = None

    def _has_home(self) -> bool:
        """Whether the client belongs to an event loop."""
        raise NotImplementedError

    @property
    def is_bounded(self) -> bool:
        """Requests of a client that belongs to an event loop are sent there."""
        return not self._has_home()

    def open(self) -> Sender:
        """Return a callable that sends from a worker thread, on the event loop of the caller if it needs one."""
        if not self._has_home():
            return self.send
        from .event_loops import AsyncHome

        home = AsyncHome.current() or self._home
        if home is None or not home.is_open:
            raise ConfigurationError(
                "token_transport is an async client, which can't be used without its event loop;"
                " call from async code first, or hand over a sync client"
            )
        self._home = home

        def send(request: HTTPRequest) -> HTTPResponse:
            return home.call(self.asend, request)

        return send

    def check_blocking(self) -> None:
        """Refuse to block the very event loop that would have to send the token request."""
        if not self._has_home():
            return
        from .event_loops import AsyncHome

        if AsyncHome.current() is not None:
            raise ConfigurationError(
                "a blocking call on the event loop can't wait for a token request that travels on it;"
                " use the async API (await auth.atoken()), or hand over a sync client as token_transport"
            )

    async def asend(self, request: HTTPRequest) -> HTTPResponse:
        """Send a token request on the client's event loop; see `send`."""
        from .answer import Deadline
        from .event_loops import within

        deadline = Deadline(request.timeout)
        try:
            return await within(request.timeout, lambda: self._asend(request, deadline))
        except KrauthError:
            raise
        except Exception as error:  # noqa: BLE001
            failure = _no_answer(request, error, deadline)
        raise failure

    async def _asend(self, request: HTTPRequest, deadline: Deadline) -> HTTPResponse:
        raise NotImplementedError


def _no_answer(request: HTTPRequest, error: Exception, deadline: Deadline) -> TokenTransportError:
    from .._values.event import logger
    from .._values.reasons import safe_reason

    if logger.isEnabledFor(DEBUG):
        import traceback

        frames = "".join(traceback.format_tb(error.__traceback__))  # lines of code only; no text and no values
        logger.debug("krauth: token request to %s: %s\n%s", request.url, type(error).__name__, frames)
    if deadline.is_over:
        return TokenTransportError(f"no answer from {request.url} within {round(deadline.seconds, 2):g} s")
    return TokenTransportError(f"no answer from {request.url}: {safe_reason(error)}")
