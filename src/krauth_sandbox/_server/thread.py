"""One daemon thread, one event loop, several aiohttp servers on loopback: what `Sandbox` starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "127.0.0.1"
"""Loopback only: an emulator that issues tokens to every caller must not be reachable from elsewhere."""

# Handlers still running (a long `token_delay`, say) get this many seconds at stop before they are cancelled.
_SHUTDOWN_TIME = 0.02


class ServerThread:
    """Serve applications until stopped; `ports` holds the port of each once `start` has returned."""

    def __init__(self, applications: Sequence[tuple[web.Application, int]]) -> None:
        self.ports: list[int] = []
        self._applications = applications
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="krauth-sandbox", daemon=True)

    def start(self) -> None:
        """Return when every server listens; raises OSError where a port is taken."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def stop(self) -> None:
        """Close all connections and return when the thread is gone; calling it twice does no harm."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop closed in between
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - handed to start(), which raises it in the caller's thread
            self._error = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runners: list[web.AppRunner] = []
        listeners: list[socket.socket] = []
        try:
            for application, port in self._applications:
                runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_TIME)
                runners.append(runner)
                await runner.setup()
                listener = socket.create_server((HOST, port))
                listeners.append(listener)
                await web.SockSite(runner, listener).start()
                self.ports.append(listener.getsockname()[1])
            self._ready.set()
            await self._stop.wait()
        finally:
            # First no more connections, then those being accepted get done: asyncio drops, unclosed, one whose server
            # was closed meanwhile (Server._attach).
            for listener in listeners:
                self._loop.remove_reader(listener)
            for _ in range(3):
                await asyncio.sleep(0)
            for runner in runners:
                await runner.cleanup()
