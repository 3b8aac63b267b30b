"""What is under way in a worker thread, and how callers wait for it: blocking, under asyncio, under trio."""

from __future__ import annotations

import contextlib
import copy
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from .._values.exceptions import ConfigurationError, TokenTransportError
from .._values.loops import running_trio

if TYPE_CHECKING:
    from .snapshot import Snapshot


class Run:
    """One renewal under way.

    Attributes:
        future: Results in a `Snapshot` or an exception; it never raises, and no waiter can cancel it.
        cures: The access token whose refusal is why, if that is why.
        held: The token that is not given out meanwhile, because it was refused.
        epoch: Of the source; one that began before the token was replaced from outside changes nothing any more.
        begun_at: Monotonic seconds.
    """

    __slots__ = ("begun_at", "cures", "epoch", "future", "held", "pid", "thread")

    def __init__(
        self, cures: str | None = None, held: Snapshot | None = None, epoch: int = 0, begun_at: float = 0.0
    ) -> None:
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()
        self.cures, self.held, self.epoch, self.begun_at = cures, held, epoch, begun_at
        self.pid = os.getpid()
        self.thread: int | None = None

    @classmethod
    def ended(cls, outcome: Snapshot | BaseException) -> Run:
        """Return a run that is over: for a token that came in the meantime, or a failure that is remembered."""
        run = cls()
        run.future.set_result(outcome)
        return run

    def wait(self, timeout: float) -> Any:
        """Block until the renewal has ended and return what it brought, or raise what it failed with.

        Raises:
            KrauthError: The renewal failed, or took longer than `timeout` seconds (it goes on for later callers).
        """
        if self.thread == threading.get_ident() and not self.future.done():
            raise ConfigurationError(
                "token_transport sends token requests through the auth that waits for them;"
                " hand the client or session itself over as token_transport, krauth then leaves its auth out"
            )
        try:
            return _outcome(self.future.result(timeout))
        except TimeoutError:
            raise _too_long(timeout) from None

    async def wait_async(self, timeout: float) -> Any:
        """Await the end of the renewal, under asyncio or trio; see `wait`."""
        if (trio := running_trio()) is not None:
            event, token = trio.Event(), trio.lowlevel.current_trio_token()

            def wake(_: object) -> None:
                with contextlib.suppress(trio.RunFinishedError):  # whoever waited is gone
                    token.run_sync_soon(event.set)

            self.future.add_done_callback(wake)
            with trio.move_on_after(timeout):
                await event.wait()
            if not self.future.done():
                raise _too_long(timeout)
            return _outcome(self.future.result())

        import asyncio

        try:
            async with asyncio.timeout(timeout):
                return _outcome(await asyncio.wrap_future(self.future))
        except TimeoutError:
            raise _too_long(timeout) from None


def _outcome(outcome: Any) -> Any:
    if isinstance(outcome, BaseException):
        # Each caller gets a copy: one exception raised in many threads would collect all their tracebacks.
        raise copy.copy(outcome) from outcome.__cause__
    return outcome


def _too_long(timeout: float) -> TokenTransportError:
    return TokenTransportError(
        f"no token within {timeout:.0f} s (RefreshPolicy(timeout=…)); the renewal goes on for the calls to come"
    )
