"""Where an async client lives: an event loop of asyncio, or a run of trio. `transport` sends token requests there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .._values.exceptions import TokenTransportError
from .._values.loops import running_loop, running_trio
from .answer import LATE

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Awaitable, Callable, Coroutine
    from concurrent.futures import Future

    from trio.lowlevel import TrioToken

    from .._values.messages import HTTPRequest, HTTPResponse

    AsyncSender = Callable[[HTTPRequest], Coroutine[Any, Any, HTTPResponse]]
    #: What will have the answer, and how it is cancelled.
    Started = tuple[Future[HTTPResponse], Callable[[], object]]


class AsyncHome:
    """Where an async client lives: an asyncio event loop, or a trio run."""

    __slots__ = ("_loop", "_trio_token")

    def __init__(self, loop: AbstractEventLoop | None, trio_token: TrioToken | None) -> None:
        self._loop, self._trio_token = loop, trio_token

    @classmethod
    def current(cls) -> Self | None:
        """Return where this code runs, or `None` on no event loop."""
        if (trio := running_trio()) is not None:
            return cls(None, trio.lowlevel.current_trio_token())
        loop = running_loop()
        return None if loop is None else cls(loop, None)

    @property
    def is_open(self) -> bool:
        """Whether calls can be made there, as far as is known."""
        return self._trio_token is not None or (self._loop is not None and self._loop.is_running())

    def call(self, send: AsyncSender, request: HTTPRequest) -> HTTPResponse:
        """Run `send(request)` there, from another thread, and wait for it.

        Raises:
            TokenTransportError: The event loop has ended or is blocked, or this thread is the event loop's own.
        """
        from concurrent.futures import CancelledError

        refuse_on_a_loop()
        if not self.is_open:
            raise _home_is_gone()
        future, cancel = (self._start_trio if self._loop is None else self._start_asyncio)(send, request)
        # Twice: when this process was stopped meanwhile, the answer may be there, and the event loop reads it first.
        for seconds in (request.timeout, 2 * LATE):
            try:
                response: HTTPResponse = future.result(seconds)
            except TimeoutError:
                continue
            except CancelledError:
                break
            return response
        cancel()
        raise _home_is_gone()

    def _start_asyncio(self, send: AsyncSender, request: HTTPRequest) -> Started:
        import asyncio

        assert self._loop is not None
        coroutine = send(request)
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # it is closed
            coroutine.close()
            raise _home_is_gone() from None
        return future, future.cancel

    def _start_trio(self, send: AsyncSender, request: HTTPRequest) -> Started:
        from concurrent.futures import Future

        import trio

        token = self._trio_token
        assert token is not None
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
                token.run_sync_soon(function, *args)
            except trio.RunFinishedError:
                future.cancel()

        soon(trio.lowlevel.spawn_system_task, deliver)
        return future, lambda: soon(scope.cancel)


async def within(seconds: float, send: Callable[[], Awaitable[HTTPResponse]]) -> HTTPResponse:
    """Await `send()` for at most `seconds`, and a moment longer for what has arrived by then.

    Raises:
        TimeoutError: It took longer.
    """
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


def _home_is_gone() -> TokenTransportError:
    return TokenTransportError(
        "the token request could not be sent: the event loop of token_transport's client has ended or is blocked"
    )
