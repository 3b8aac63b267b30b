"""What both emulators share: counters, records, faults, delays; `_naver` and `_meloming` fill in the rest."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

from . import _control
from ._faults import Answer, Drop, Faults
from ._record import RecordedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._clock import TokenClock
    from ._faults import Kind

_RECORDS = 2_000
_MAX_BODY = 64 * 1024 * 1024


class Emulator(ABC):
    """One provider on one port. Every attribute and method may be used from any thread while it serves."""

    provider: ClassVar[str]
    switches: ClassVar[dict[str, Callable[[str], Any]]] = {}
    """Attributes that `POST /_sandbox/switch` may set, each with the parser of its text."""

    def __init__(self, clock: TokenClock, *, speed: float) -> None:
        if speed <= 0:
            raise ValueError("speed must be greater than 0")
        self._clock = clock
        self._lock = threading.RLock()
        self._faults = Faults()
        self._initial_speed = speed
        self.reset()

    def reset(self) -> None:
        """Put every switch back, and forget faults, counters, records and tokens."""
        with self._lock:
            self.speed = self._initial_speed
            """Token lifetimes are the documented ones divided by this."""
            self.token_delay = 0.0
            """Seconds before the token endpoint answers."""
            self.api_delay = 0.0
            """Seconds before an API call is answered."""
            self.clock_offset = 0.0
            """Seconds by which this server's wall clock is ahead of the machine's."""
            self.enforce_rate_limit = False
            """Answer 429 beyond the documented rate, instead of only counting it in the headers."""
            self._faults.clear()
            self._token_requests = self._api_requests = self._tokens_issued = 0
            self._records: deque[RecordedRequest] = deque(maxlen=_RECORDS)
            self._reset()

    # ---- what a test reads -------------------------------------------------------------------------------

    @property
    def token_requests(self) -> int:
        """How many requests have reached the token endpoint, dropped and refused ones included."""
        return self._token_requests

    @property
    def tokens_issued(self) -> int:
        """How many distinct access tokens have been issued."""
        return self._tokens_issued

    @property
    def api_requests(self) -> int:
        """How many requests have reached the API, refused ones included."""
        return self._api_requests

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last 2,000 requests, oldest first; the control path is not recorded."""
        with self._lock:
            return list(self._records)

    # ---- what a test switches ----------------------------------------------------------------------------

    @abstractmethod
    def revoke_all(self) -> None:
        """Make every token unusable from now on; the next token request gets a new one."""

    def revoke_access_tokens(self) -> None:
        """Make every access token unusable, and leave refresh tokens alone."""
        self.revoke_all()

    def fail_token(
        self,
        status: int,
        *,
        times: int | None = 1,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next `times` token requests (None: until cleared) with `status`.

        `body`: str or bytes as they are, anything else as JSON; None takes the provider's documented body.
        """
        self._faults.add("token", Answer(status, body, dict(headers or {})), times)

    def fail_api(
        self,
        status: int,
        *,
        times: int | None = 1,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next `times` API calls with `status`; arguments as in `fail_token`."""
        self._faults.add("api", Answer(status, body, dict(headers or {})), times)

    def drop_token(self, *, times: int | None = 1, processed: bool = False) -> None:
        """Close the next `times` connections to the token endpoint without an answer.

        With `processed` the request has taken effect by then: a code is spent, a refresh token rotated.
        """
        self._faults.add("token", Drop(processed), times)

    def drop_api(self, *, times: int | None = 1, processed: bool = False) -> None:
        """Close the next `times` API connections without an answer; `processed` as in `drop_token`."""
        self._faults.add("api", Drop(processed), times)

    def clear_faults(self) -> None:
        """Forget every fail_… and drop_… that is still queued, and both delays."""
        self._faults.clear()
        self.token_delay = self.api_delay = 0.0

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass for every token of the sandbox; the Date header does not move."""
        self._clock.advance(seconds)

    def wall(self) -> float:
        """Return what this server believes the time to be, in seconds since the epoch."""
        return time.time() + self.clock_offset

    def state(self) -> dict[str, Any]:
        """Return counters, switches and queued faults as JSON-able values, without any secret."""
        with self._lock:
            return {
                "provider": self.provider,
                "token_requests": self.token_requests,
                "tokens_issued": self.tokens_issued,
                "api_requests": self.api_requests,
                "date": formatdate(self.wall(), usegmt=True),
                "clock_offset": self.clock_offset,
                "token_delay": self.token_delay,
                "api_delay": self.api_delay,
                "faults": self._faults.pending(),
                **{name: _jsonable(getattr(self, name)) for name in self._all_switches()},
            }

    def set_switch(self, name: str, text: str) -> None:
        """Set a switch from its text, as `POST /_sandbox/switch?name=text` does; KeyError, ValueError."""
        setattr(self, name, self._all_switches()[name](text))

    # ---- what a provider fills in ------------------------------------------------------------------------

    @abstractmethod
    def _reset(self) -> None: ...

    @abstractmethod
    def _routes(self) -> list[web.RouteDef]: ...

    @abstractmethod
    def _kind(self, path: str) -> Kind: ...

    @abstractmethod
    def _gate(self, request: web.Request, kind: Kind) -> web.StreamResponse | None:
        """Refuse before any route is considered, or let pass with None."""

    @abstractmethod
    def _fault_response(self, kind: Kind, status: int) -> web.Response:
        """Make the documented answer for this status, for faults that bring no body of their own."""

    @abstractmethod
    def _not_found(self) -> web.Response: ...

    @abstractmethod
    def _decorate(self, kind: Kind, response: web.StreamResponse) -> None:
        """Add the headers that every answer of this provider carries."""

    # ---- the way of a request ----------------------------------------------------------------------------

    def application(self) -> web.Application:
        """Build a fresh aiohttp application (an application serves one event loop and no second one)."""
        application = web.Application(middlewares=[self._serve], client_max_size=_MAX_BODY)
        application.add_routes([*_control.routes(self), *self._routes()])
        return application

    @web.middleware
    async def _serve(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith(_control.PREFIX):
            response: web.StreamResponse = await handler(request)
        else:
            response = await self._serve_provider(request, handler)
        # Here and not in on_response_prepare: aiohttp has put its own Date by then.
        response.headers.setdefault("Date", formatdate(self.wall(), usegmt=True))
        return response

    async def _serve_provider(self, request: web.Request, handler: Any) -> web.StreamResponse:
        kind = self._kind(request.path)
        fault = self._arrived(kind)
        status, body = 0, b""
        try:
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge as error:
                status = error.status
                raise
            except (ConnectionError, web.RequestPayloadError):
                # The client went away in the middle of its upload: there is nobody to answer.
                return self._hang_up(request)
            delay = {"token": self.token_delay, "api": self.api_delay}.get(kind, 0.0)
            if delay > 0:
                await asyncio.sleep(delay)
            if isinstance(fault, Drop) and not fault.processed:
                return self._hang_up(request)
            if isinstance(fault, Answer):
                response: web.StreamResponse = self._faulty(kind, fault)
            else:
                response = await self._answer(request, handler, kind)
            self._decorate(kind, response)
            if isinstance(fault, Drop):
                return self._hang_up(request)
            status = response.status
            return response
        finally:
            # Before the answer is written: whoever has the answer finds the record.
            self._record(request, body, status)

    async def _answer(self, request: web.Request, handler: Any, kind: Kind) -> web.StreamResponse:
        refusal = self._gate(request, kind)
        if refusal is not None:
            return refusal
        try:
            response: web.StreamResponse = await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            return self._not_found()
        return response

    def _faulty(self, kind: Kind, fault: Answer) -> web.Response:
        if fault.body is None:
            response = self._fault_response(kind, fault.status)
        elif isinstance(fault.body, bytes):
            response = web.Response(status=fault.status, body=fault.body)
        elif isinstance(fault.body, str):
            response = web.Response(status=fault.status, text=fault.body)
        else:
            response = answer_json(fault.body, status=fault.status)
        response.headers.update(fault.headers)
        return response

    @staticmethod
    def _hang_up(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # aiohttp wants one; there is no connection left to write it to

    def _arrived(self, kind: Kind) -> Any:
        with self._lock:
            self._token_requests += kind == "token"
            self._api_requests += kind == "api"
            return self._faults.take(kind)

    def _record(self, request: web.Request, body: bytes, status: int) -> None:
        record = RecordedRequest(
            request.method,
            request.path,
            request.query,
            request.headers,
            body,
            status,
            self.provider,
            time.time(),
        )
        with self._lock:
            self._records.append(record)

    def _all_switches(self) -> dict[str, Callable[[str], Any]]:
        return {"speed": _control.positive, "enforce_rate_limit": _control.boolean, **self.switches}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} token_requests={self.token_requests} api_requests={self.api_requests}>"


def answer_json(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with `value` as JSON, Korean left readable."""
    text = json.dumps(value, ensure_ascii=False)
    return web.Response(text=text, status=status, headers=headers, content_type="application/json")


def bearer(request: web.Request) -> str | None:
    """Return the bearer token of the request, None without one, "" where the header is of no use."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _jsonable(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset)) else value
