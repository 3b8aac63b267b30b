"""How token requests travel: what a token transport is, and what `token_transport=` may be.

The adapters' `TokenTransport` classes derive from `Transport` or, where a client belongs to an event loop, from
`AsyncTransport`. The engine sees a blocking callable only. `answer` holds the bounds of one token request.
"""

from __future__ import annotations

from logging import DEBUG
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from .._values.exceptions import ConfigurationError, KrauthError, TokenTransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._values.messages import HTTPRequest, HTTPResponse, Sender
    from .answer import Deadline


class Transport:
    """Lends the engine a way to the token endpoint.

    Args:
        client: A client or session of the adapter's library; `None`: one for each token request.
    """

    #: The adapter's HTTP library, and the names of its classes of clients. `None`: only callables travel this way.
    library: ClassVar[Any] = None
    client_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, client: Any = None) -> None:
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

        return " or ".join(article(f"{cls.library.__name__}.{name}") for name in cls.client_names) or "a callable"

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

    def __init__(self, client: Any = None) -> None:
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
        if self._has_home() and AsyncHome.current() is not None:
            raise ConfigurationError(
                "a blocking call on the event loop can't wait for a token request that travels on it;"
                " use the async API (await auth.atoken()), or hand over a sync client as token_transport"
            )

    async def asend(self, request: HTTPRequest) -> HTTPResponse:
        """Send a token request on the client's event loop; see `send`."""
        from .answer import Deadline

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


class AsyncHome:
    """Where an async client lives: an asyncio event loop, or a trio run."""

    __slots__ = ("_loop", "_trio_token")

    def __init__(self, loop: Any, trio_token: Any) -> None:
        self._loop, self._trio_token = loop, trio_token

    @classmethod
    def current(cls) -> Self | None:
        """Return where this code runs, or `None` on no event loop."""
        from .._values.loops import running_loop, running_trio

        if (trio := running_trio()) is not None:
            return cls(None, trio.lowlevel.current_trio_token())
        loop = running_loop()
        return None if loop is None else cls(loop, None)

    @property
    def is_open(self) -> bool:
        """Whether calls can be made there, as far as is known."""
        return self._trio_token is not None or (self._loop is not None and self._loop.is_running())

    def call(self, send: Callable[[HTTPRequest], Awaitable[HTTPResponse]], request: HTTPRequest) -> HTTPResponse:
        """Run `send(request)` there, from another thread, and wait for it.

        Raises:
            TokenTransportError: The event loop has ended or is blocked, or this thread is the event loop's own.
        """
        from concurrent.futures import CancelledError

        from .answer import LATE

        refuse_on_a_loop()
        if not self.is_open:
            raise _home_is_gone()
        future, cancel = (self._start_trio if self._loop is None else self._start_asyncio)(send, request)
        # Twice: when this process was stopped meanwhile, the answer may be there, and the event loop reads it first.
        for patience in (request.timeout, 2 * LATE):
            try:
                response: HTTPResponse = future.result(patience)
            except TimeoutError:
                continue
            except CancelledError:
                break
            return response
        cancel()
        raise _home_is_gone()

    def _start_asyncio(self, send: Any, request: HTTPRequest) -> tuple[Any, Callable[[], object]]:
        import asyncio

        coroutine = send(request)
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # it is closed
            coroutine.close()
            raise _home_is_gone() from None
        return future, future.cancel

    def _start_trio(self, send: Any, request: HTTPRequest) -> tuple[Any, Callable[[], object]]:
        from concurrent.futures import Future

        import trio

        # Not `trio.from_thread.run`, which waits for a blocked event loop as long as it is blocked.
        future: Future[HTTPResponse] = Future()
        scope = trio.CancelScope()

        async def deliver() -> None:
            try:
                with scope:
                    future.set_result(await send(request))
            except Exception as error:  # noqa: BLE001
                future.set_exception(error)
            finally:
                if not future.done():
                    future.cancel()

        def soon(function: Callable[..., object], *args: object) -> None:
            try:
                self._trio_token.run_sync_soon(function, *args)
            except trio.RunFinishedError:
                future.cancel()

        soon(trio.lowlevel.spawn_system_task, deliver)
        return future, lambda: soon(scope.cancel)


async def within(seconds: float, send: Callable[[], Awaitable[HTTPResponse]]) -> HTTPResponse:
    """Await `send()` for at most `seconds`, and a moment longer for what has arrived by then.

    Raises:
        TimeoutError: It took longer.
    """
    from .._values.loops import running_trio
    from .answer import LATE

    if (trio := running_trio()) is not None:
        answer, scope, watch = None, trio.CancelScope(), trio.CancelScope()

        async def watcher() -> None:
            with watch:
                await trio.sleep(seconds)
                await trio.sleep(LATE)  # from now, if this process was stopped meanwhile
                scope.cancel()

        trio.lowlevel.spawn_system_task(watcher)
        try:
            with scope:
                answer = await send()
        finally:
            watch.cancel()
        if answer is None:
            raise TimeoutError
        return answer

    import asyncio

    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as timeout:
        timer = loop.call_later(seconds, lambda: timeout.reschedule(loop.time() + LATE))
        try:
            return await send()
        finally:
            timer.cancel()


def refuse_on_a_loop() -> None:
    """Raise where a worker's job runs on an event loop, for want of a thread: to wait there would block the loop."""
    if AsyncHome.current() is not None:
        raise TokenTransportError(
            "no thread could be started for the token request, and an event loop can't wait for it; raise the limit of"
            " threads (ulimit -u, the container's limit of processes), or end those that are not needed"
        )


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


def _home_is_gone() -> TokenTransportError:
    return TokenTransportError(
        "the token request could not be sent: the event loop of token_transport's client has ended or is blocked"
    )
