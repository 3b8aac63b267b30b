"""Lets the thread that waits for a token send the token request itself, in place of a worker thread."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from krauth import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from krauth import HTTPRequest, HTTPResponse
    from krauth._auth.transport import Transport
    from krauth._engine.source import TokenSource

_working = threading.local()


class Turn:
    """A caller that waits for a token, and sends token requests meanwhile.

    A caller may hold a re-entrant lock: of a session that sends one request at a time, or of a mock that replaces
    `Session.send`. A worker thread would wait for that lock while the caller waits for the worker.

    Args:
        source: Whose token is waited for.
        transport: How its token request travels.
    """

    def __init__(self, source: TokenSource, transport: Transport) -> None:
        if source in getattr(_working, "sources", ()):
            raise ConfigurationError(
                "token_transport sends token requests through the auth that waits for them;"
                " hand the client or session itself over as token_transport, krauth then leaves its auth out"
            )
        self._source, self._transport = source, transport
        self._asked: queue.SimpleQueue[tuple[HTTPRequest, Future[HTTPResponse | None]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_open = True
        self._send: Callable[[HTTPRequest], HTTPResponse]

    @property
    def way(self) -> object:
        """The way to the server, which is the transport's."""
        return self._transport.way

    def open(self) -> Callable[[HTTPRequest], HTTPResponse]:
        """Return a callable for the worker thread: it hands requests over to the thread that waits."""
        self._send = self._transport.open()

        def hand_over(request: HTTPRequest) -> HTTPResponse:
            future: Future[HTTPResponse | None] = Future()
            with self._lock:
                if is_open := self._is_open:
                    self._asked.put((request, future))
            # A caller that was interrupted, or is gone, answers nothing; the request uses up nothing, and is sent here.
            return (future.result() if is_open else None) or self._send(request)

        return hand_over

    def work_until(self, done: Future[Any], seconds: float) -> None:
        """Send what the worker hands over until the run has ended, or some seconds have passed without a request."""
        done.add_done_callback(lambda _: self._asked.put(None))
        _working.sources = {*getattr(_working, "sources", ()), self._source}
        try:
            while (item := self._asked.get(timeout=seconds)) is not None:
                self._answer(*item)
        except queue.Empty:
            pass
        finally:
            _working.sources = _working.sources - {self._source}
            with self._lock:
                self._is_open = False
            while not self._asked.empty():
                if (item := self._asked.get()) is not None:
                    item[1].set_result(None)

    def _answer(self, request: HTTPRequest, future: Future[HTTPResponse | None]) -> None:
        try:
            future.set_result(self._send(request))
        except Exception as error:  # noqa: BLE001  the worker deals with it
            future.set_exception(error)
        except BaseException:  # Ctrl-C: the worker must not wait in vain
            future.set_result(None)
            raise
