"""Performs the steps of a flow in worker threads: the token endpoint, the store, events. Begun by `_source`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .._values.exceptions import (
    ConfigurationError,
    KrauthError,
    TokenError,
    TokenStoreError,
    TokenTransportError,
    without_frames,
)
from .._values.messages import HTTPRequest, HTTPResponse
from .steps import Acquire, Emit, Load, Release, Save, Send, Sleep, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._values.messages import Sender
    from .run import Run
    from .source import TokenSource


class Driver:
    """Performs the steps of one flow; gives the thread back while the flow sleeps."""

    __slots__ = ("_begin", "_fail", "_flow", "_run", "_sender", "_source", "_succeed")

    def __init__(
        self,
        source: TokenSource,
        run: Run,
        sender: Sender,
        begin: Callable[[], Generator[Step, Any, Any]],
        succeed: Callable[[Any], None],
        fail: Callable[[KrauthError], None],
    ) -> None:
        self._source, self._run, self._sender = source, run, sender
        self._begin, self._succeed, self._fail = begin, succeed, fail
        self._flow: Generator[Step, Any, Any] | None = None

    def begin(self) -> None:
        """Begin with what is known now."""
        self._flow = self._begin()
        self._source.threads.submit(self.resume)

    def resume(self) -> None:
        """Go on until the flow ends or sleeps."""
        run, flow = self._run, self._flow
        assert flow is not None
        run.thread = threading.get_ident()
        try:
            step = next(flow)
            while not isinstance(step, Sleep):
                try:
                    answer = self._perform(step)
                except KrauthError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
            run.thread = None
            self._source.threads.after(step.seconds, self.resume)
        except StopIteration as end:
            self._succeed(end.value)
        except BaseException as error:  # noqa: BLE001  whatever it is, callers must not be left waiting
            if not isinstance(error, KrauthError):
                name, cause = type(error).__name__, error
                error = KrauthError(f"renewing the token failed unexpectedly: {name}; please report this")
                error.__cause__ = cause
            without_frames(error)
            self._fail(error)

    def _perform(self, step: Step) -> object:
        if isinstance(step, Send):
            return self._send(step.request)
        if isinstance(step, Emit):
            detail = str(step.error) if step.error is not None else step.detail
            self._source.emit(step.kind, step.token, detail, step.error)
            return None
        store, key = self._source.store, self._source.credentials.key
        try:
            match step:
                case Load():
                    return store.load(key)
                case Save(value, version, lease, expires_at):
                    return store.save(key, value, version=version, lease=lease, expires_at=expires_at)
                case Acquire(seconds):
                    return store.acquire(key, seconds)
                case Release(lease):
                    store.release(lease)
                    return None
        except KrauthError:
            raise
        except Exception as error:  # noqa: BLE001  a store is a plugin: anything may come out of it
            name = type(store).__name__
            raise TokenStoreError(f"{name} failed: {type(error).__name__}") from without_frames(error)
        raise AssertionError(step)

    def _send(self, request: HTTPRequest) -> HTTPResponse:
        try:
            response = self._sender(request)
        except TokenError as error:
            without_frames(error)
            raise
        except KrauthError:
            raise
        except Exception as error:  # noqa: BLE001  a transport is the user's
            endpoint = self._source.credentials.token_endpoint
            # The words of any other exception may be anything, the request's body included.
            detail = f" ({error})" if isinstance(error, OSError) else ""
            raise TokenTransportError(
                f"the token request to {endpoint} failed: {type(error).__name__}{detail}"
            ) from without_frames(error)
        if not isinstance(response, HTTPResponse):
            raise ConfigurationError(
                f"token_transport returned {type(response).__name__}, not a krauth.HTTPResponse"
                " (a coroutine function can't be one: it is called in a worker thread)"
            )
        return response
