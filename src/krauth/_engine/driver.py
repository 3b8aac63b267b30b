"""Driver: performs the steps of a flow in worker threads: the token endpoint, the store, events."""

from __future__ import annotations

import contextlib
import errno
import time
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._plugins import default_store
from .._values.clock import Stopwatch
from .._values.exceptions import (
    ConfigurationError,
    KrauthError,
    StoreConflict,
    TokenError,
    TokenStoreError,
    TokenTransportError,
    without_frames,
)
from .._values.loops import running_loop, running_trio
from .._values.messages import HTTPRequest, HTTPResponse, leaving, require_response
from .._values.reasons import safe_reason
from .._values.value import Value, replace
from ..stores import Lease, Stored
from .run import SentRequest
from .steps import Acquire, Emit, Load, Release, Reread, Save, Send, Sleep, Step
from .workers import NoThread, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .._oauth.credentials import Credentials
    from .._values.messages import Sender
    from ..stores import TokenStore
    from .run import Run
    from .steps import Flow
    from .workers import Workers

    class Owner(Protocol):
        """What a driver needs of the token source that it works for."""

        credentials: Credentials
        store: TokenStore
        monotonic: Callable[[], float]

        @property
        def threads(self) -> Workers:
            """The threads that refresh."""

        def emit(self, step: Emit, run: Run[Any] | None = None) -> None:
            """Tell log and observers what happened."""


T = TypeVar("T")


class StoreError(Value):
    """The last error of a store: when it was, by the stopwatch, and how many there were in a row; 0: it works again."""

    __match_args__ = __slots__ = _names = ("at", "times", "error")

    at: float
    times: int
    error: str

    def __init__(self, at: float, times: int, error: str) -> None:
        self._hold(at, times, error)


#: Of each store that is alive and has failed; for `health`.
store_errors: weakref.WeakKeyDictionary[TokenStore, StoreError] = weakref.WeakKeyDictionary()


class Driver(Generic[T]):
    """Performs the steps of one flow; gives the thread back while the flow sleeps."""

    __slots__ = ("_finish", "_flow", "_once", "_owner", "_run", "_sender")

    def __init__(
        self,
        owner: Owner,
        run: Run[Any],
        sender: Sender,
        flow: Flow[T],
        finish: Callable[[T | BaseException], None],
    ) -> None:
        self._owner, self._run, self._sender, self._flow, self._finish = owner, run, sender, flow, finish
        self._once = [True]  # a flow that was hurried stands in the queue twice

    def begin(self, urgent: bool) -> None:
        """Begin in a worker thread; where none can be had, in this one."""
        try:
            self._owner.threads.submit(self._begin_in_context, self._lane, urgent)
        except NoThread as error:
            if running_trio() is not None or running_loop() is not None:
                self._end(error.as_transport_error())
            else:
                self._begin_in_context()

    def hurry(self) -> None:
        """Begin ahead of what no caller waits for, if it has not begun."""
        with contextlib.suppress(NoThread):
            self._owner.threads.submit(self._begin_in_context, self._lane, True)

    def drive_here(self) -> None:
        """Perform the whole flow in this thread."""
        while (seconds := self._run.context.run(self._resume)) is not None:
            time.sleep(seconds)

    @property
    def _lane(self) -> tuple[object, ...]:
        return (self._owner.credentials.token_endpoint, id(self._owner.store), id(self._run.way))

    def _begin_in_context(self) -> None:
        try:
            self._once.pop()
        except IndexError:
            return
        self._resume_in_context()

    def _resume_in_context(self) -> None:
        try:
            seconds = self._run.context.run(self._resume)
            if seconds is not None:
                # Out here: the thread that goes on enters the context while this one may still be in it.
                self._sleep(seconds)
        except Exception:  # the log has it; callers must not be left waiting
            self._run.finish(TokenTransportError("the refresh ended unexpectedly, as the log says; call again"))
            raise

    def _resume(self) -> float | None:
        """Go on until the flow ends, or return for how many seconds it sleeps."""
        run, flow, threads = self._run, self._flow, self._owner.threads
        run.start(self._owner.monotonic())
        outcome: T | BaseException
        failure: BaseException | None = None
        answer: object = None
        try:
            while True:
                with threads.computing():
                    step = flow.send(answer) if failure is None else flow.throw(failure)
                if isinstance(step, Sleep):
                    if step.error is not None:
                        self._tell_of_failed_attempt(step.error)
                    break
                try:
                    answer, failure = self._perform(step), None
                except KrauthError as error:
                    answer, failure = None, error
            run.thread = None
            return step.seconds
        except StopIteration as end:
            outcome = end.value
        except Exception as error:  # noqa: BLE001  callers must not be left waiting
            outcome = _described(error)
        except Stopped:
            raise  # no caller is left: the interpreter ends after all threads but daemons
        except BaseException as error:
            self._end(_described(error))
            raise
        self._end(outcome)
        return None

    def _sleep(self, seconds: float) -> None:
        threads = self._owner.threads
        try:
            threads.after(seconds, self._resume_in_context, self._lane, True)  # it goes on before others begin
        except NoThread as error:
            self._end(TokenTransportError(f"the token could not be refreshed: {error}"))

    def _end(self, outcome: T | BaseException) -> None:
        if isinstance(outcome, BaseException):
            without_frames(outcome)
        self._finish(outcome)

    def _perform(self, step: Step) -> object:
        if isinstance(step, Send):
            return self._send(step.request)
        if isinstance(step, Reread):
            return step.credentials.reread_secret(step.identity)
        if isinstance(step, Emit):
            self._owner.emit(step, self._run)
            return None
        store = self._owner.store
        try:
            answer = _checked(self._ask(store, step), step, store)
        except StoreConflict:
            raise
        except TokenStoreError as error:
            _note(store, error)
            raise
        except KrauthError:
            raise
        except Exception as error:  # noqa: BLE001  a store is a plugin: anything may come out of it
            name = type(store).__name__
            failure = TokenStoreError(f"{name} failed: {type(error).__name__}")
            _note(store, failure)
            raise failure from without_frames(error)
        _note(store, None)
        return answer

    def _ask(self, store: TokenStore, step: Step) -> object:
        key = key_in(store, self._owner.credentials)
        match step:
            case Load(other, False):
                return store.load(other or key)
            case Load():
                return _load_former(store, self._owner.credentials)
            case Acquire(seconds, other):
                return store.acquire_and_load(other or key, seconds)
            case Save(value, version, lease, expires_at, True, other) if lease is not None:
                return store.save_and_release(other or key, value, version=version, lease=lease, expires_at=expires_at)
            case Save(value, version, lease, expires_at, _, other):
                return store.save(other or key, value, version=version, lease=lease, expires_at=expires_at)
            case Release(lease):
                store.release(lease)
                return None
        raise AssertionError(step)

    def _send(self, request: HTTPRequest) -> HTTPResponse:
        last = self._run.request
        is_again = last.duration is not None and request.url == self._owner.credentials.token_endpoint
        if is_again and (last.status is None or last.status >= 300):
            self._tell_of_failed_attempt(None)  # it is repeated at once: signed anew, or with another secret
        started, status = Stopwatch.now(), None
        try:
            response = self._try_to_send(request)
            status = response.status
            return response
        finally:
            attempt = (self._run.request.attempt or 0) + 1
            self._run.request = SentRequest(attempt, Stopwatch.now() - started, status)

    def _tell_of_failed_attempt(self, error: KrauthError | None) -> None:
        """Tell of an attempt that is repeated, once: what comes after it and sends nothing took none of its time."""
        run, status = self._run, self._run.request.status
        detail = None if status is None else f"the server answered {status}"
        self._owner.emit(Emit("attempt_failed", error=error, detail=detail), run)
        run.request = SentRequest(run.request.attempt)

    def _try_to_send(self, request: HTTPRequest) -> HTTPResponse:
        reset = leaving.set(self._run.leaves)
        self._run.unsent_since = Stopwatch.now()
        try:
            response = self._run.send(lambda: self._sender(request))
        except TokenError as error:
            without_frames(error)
            raise
        except KrauthError:
            raise
        except Exception as error:  # noqa: BLE001  a transport is the user's
            endpoint = self._owner.credentials.token_endpoint
            # Not its words, which may be anything, the request's body included.
            raise TokenTransportError(
                f"the token request to {endpoint} failed: token_transport raised {safe_reason(error)}"
            ) from without_frames(error)
        finally:
            self._run.leaves()
            leaving.reset(reset)
        return require_response(response)


def key_in(store: TokenStore, credentials: Credentials) -> str:
    """Return the key of the entry of the credentials in a store."""
    return credentials.local_key if _is_local(store) else credentials.key


def _load_former(store: TokenStore, credentials: Credentials) -> Stored | None:
    former = () if _is_local(store) else credentials.former_keys
    return next((stored for key in former if (stored := store.load(key)) is not None), None)


def _is_local(store: TokenStore) -> bool:
    """Whether a store is the one in which no program looks for a key: the process's own."""
    return store is default_store


def _checked(answer: object, step: Step, store: TokenStore) -> object:
    """Return the answer of a store, or raise `TokenStoreError`: a store is a plugin, and may answer anything."""
    fits = True
    if isinstance(step, Load):
        fits = answer is None or isinstance(answer, Stored)
    elif isinstance(step, Acquire):
        match answer:
            case (Lease() | None, Stored() | None):
                pass
            case _:
                fits = False
    if not fits:
        raise TokenStoreError(
            f"{type(store).__name__} answered {type(step).__name__.lower()} with a {type(answer).__name__}, which"
            " krauth.TokenStore does not allow; run krauth.testing.TokenStoreContract on it"
        )
    return answer


def _note(store: TokenStore, error: TokenStoreError | None) -> None:
    """Remember the last error of a store, or that it works."""
    if error is None and not store_errors:
        return
    with contextlib.suppress(TypeError):  # a store that can't be hashed, or referred to weakly
        known = store_errors.get(store)
        if error is not None:
            store_errors[store] = StoreError(Stopwatch.now(), 1 + (known.times if known else 0), str(error))
        elif known is not None and known.times:
            store_errors[store] = replace(known, times=0)


def _described(error: BaseException) -> KrauthError:
    """Return a `KrauthError` for any exception that a flow raised; callers get that one."""
    if isinstance(error, KrauthError):
        return error
    described: KrauthError
    if isinstance(error, ImportError):
        name = error.name or "a module"
        described = ConfigurationError(
            f"{name} can't be imported, and the token request needs it: install it where this program runs"
            f" (native modules do not work from inside a zip file)"
        )
    elif isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):  # a module can't be loaded
        described = TokenTransportError(f"the token could not be refreshed: {safe_reason(error)}")
    else:
        described = KrauthError(f"refreshing the token failed unexpectedly: {type(error).__name__}; please report this")
    described.__cause__ = error
    return described
