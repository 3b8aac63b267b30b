"""How token requests travel: what a token transport is, and how one that lives on an event loop is used from a thread.

The adapters' `TokenTransport` classes are built on `AsyncHome`; the engine sees a blocking callable only.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .._values.exceptions import ConfigurationError, TokenTransportError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from .._values.messages import HTTPRequest, HTTPResponse, Sender

#: Bytes of a token response that are read at most.
MAX_BYTES = 1 << 20


class Transport:
    """Lends the engine a way to the token endpoint."""

    def open(self) -> Sender:
        """Return a blocking callable for a worker thread. Called where the caller runs, on its event loop if any."""
        raise NotImplementedError

    def check_blocking(self) -> None:
        """Raise `ConfigurationError` where a caller that blocks this thread would wait forever: nowhere, mostly."""


class CallableTransport(Transport):
    """A user's own function from `HTTPRequest` to `HTTPResponse`."""

    def __init__(self, send: Sender) -> None:
        self._send = send

    def open(self) -> Sender:
        """Return the function."""
        return self._send


class AsyncHome:
    """Where an async client lives: an asyncio event loop, or a trio run."""

    __slots__ = ("_loop", "_trio_token")

    def __init__(self, loop: asyncio.AbstractEventLoop | None, trio_token: Any) -> None:
        self._loop, self._trio_token = loop, trio_token

    @classmethod
    def current(cls) -> AsyncHome | None:
        """Return where this code runs, or `None` on no event loop."""
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_run():
            return cls(None, trio.lowlevel.current_trio_token())
        asyncio = sys.modules.get("asyncio")
        if asyncio is None:  # nobody imported it: no loop runs
            return None
        try:
            return cls(asyncio.get_running_loop(), None)
        except RuntimeError:
            return None

    @property
    def is_open(self) -> bool:
        """Whether calls can be made there, as far as is known."""
        return self._trio_token is not None or (self._loop is not None and self._loop.is_running())

    def call(self, send: Callable[[HTTPRequest], Awaitable[HTTPResponse]], request: HTTPRequest) -> HTTPResponse:
        """Run `send(request)` there, from another thread, and wait for it.

        Raises:
            TokenTransportError: The event loop has ended or is blocked, or it took longer than `request.timeout`.
        """
        import asyncio

        limit = request.timeout + 1.0  # the client's own timeout comes first and says more
        if self._trio_token is not None:
            return self._call_trio(send, request, limit)

        async def guarded() -> HTTPResponse:
            async with asyncio.timeout(limit):
                return await send(request)

        coroutine = guarded()
        try:
            assert self._loop is not None
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError as error:
            coroutine.close()
            raise _home_is_gone() from error
        try:
            return future.result(limit + 1.0)
        except (TimeoutError, asyncio.CancelledError) as error:
            future.cancel()
            raise _home_is_gone() from error

    def _call_trio(
        self, send: Callable[[HTTPRequest], Awaitable[HTTPResponse]], request: HTTPRequest, limit: float
    ) -> HTTPResponse:
        import trio

        async def guarded() -> HTTPResponse:
            with trio.fail_after(limit):
                return await send(request)

        try:
            return trio.from_thread.run(guarded, trio_token=self._trio_token)
        except (trio.RunFinishedError, trio.Cancelled, trio.TooSlowError) as error:
            raise _home_is_gone() from error


class AsyncTransport(Transport):
    """Base of a transport over a client that belongs to an event loop: the one it was last used on."""

    def __init__(self) -> None:
        self._home: AsyncHome | None = None

    async def asend(self, request: HTTPRequest) -> HTTPResponse:
        """Send the request on the client's event loop."""
        raise NotImplementedError

    def open(self) -> Sender:
        """Return a callable that sends from a worker thread, on the event loop of the caller."""
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
        if AsyncHome.current() is not None:
            raise ConfigurationError(
                "a blocking call on the event loop can't wait for a token request that travels on it;"
                " use the async API (await auth.atoken()), or hand over a sync client as token_transport"
            )


def make_transport(value: object, wrap: Callable[[Any], Transport | None], wanted: str) -> Transport:
    """Return what the user handed over as a transport.

    Args:
        value: A transport, a client or session of the adapter's library, or a callable.
        wrap: Returns a transport over a client or session of that library, or `None` if it isn't one.
        wanted: The names of those classes, for the message.

    Raises:
        ConfigurationError: It is none of these.
    """
    if isinstance(value, Transport):
        return value
    wrapped = wrap(value)
    if wrapped is not None:
        return wrapped
    if callable(value):
        return CallableTransport(value)
    raise ConfigurationError(
        f"token_transport must be {wanted}, a krauth TokenTransport, or a callable from krauth.HTTPRequest to"
        f" krauth.HTTPResponse, not {type(value).__name__}"
    )


class Collector:
    """Gathers the body of a token response within bounds of size and time."""

    __slots__ = ("_chunks", "_deadline", "_now", "_size")

    def __init__(self, now: Callable[[], float], timeout: float) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._now = now
        self._deadline = now() + timeout

    def add(self, chunk: bytes) -> None:
        """Take a chunk.

        Raises:
            TokenTransportError: The body is too large, or too slow.
        """
        self._size += len(chunk)
        if self._size > MAX_BYTES:
            error = TokenTransportError(
                f"the token endpoint sent more than {MAX_BYTES >> 20} MiB, which is no token; check base_url"
            )
            error.transient = False
            raise error
        if self._now() > self._deadline:
            raise TokenTransportError("the token endpoint did not finish its answer in time")
        self._chunks.append(chunk)

    @property
    def body(self) -> bytes:
        """What was gathered."""
        return b"".join(self._chunks)


def _home_is_gone() -> TokenTransportError:
    return TokenTransportError(
        "the token request could not be sent: the event loop of token_transport's client has ended or is blocked"
    )
