"""What both emulators share: counters, records, faults, delays; each provider's `emulator` fills in the rest."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiohttp import web

from .._ground.faults import Answer, Drop, Faults
from .._ground.parsers import between, boolean, number
from .._ground.record import RecordedRequest
from .._ground.reply import Reply, answer_json, wrong
from .._ground.switches import Switch, Switches
from . import doors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .._ground.clock import TokenClock
    from .._ground.faults import Kind
    from .._ground.reply import Wrong

_RECORDS: Final = 2_000
_MAX_BODY: Final = 64 * 1024 * 1024
#: Paths below this are the sandbox's own: neither counted nor recorded, and no fault reaches them.
HOUSE: Final = "/_sandbox/"
#: The last moment that `Date` can express, 9999-12-31, in seconds since the epoch.
_LAST: Final = 253_402_300_799


def _check_offset(seconds: float) -> None:
    now = time.time()
    # A day's distance from both ends: the time moves on, and Korea is nine hours ahead.
    between(seconds, 86_400 - now, _LAST - 86_400 - now)


def _check_delay(seconds: float) -> None:
    between(seconds, 0, 3_600)


def _check_speed(value: float) -> None:
    if value <= 0:
        raise ValueError("speed must be greater than 0")
    between(value, 1e-6, 1e6)


@dataclass(frozen=True, slots=True)
class LiveToken:
    """A token that is good now, for people to look at."""

    provider: str
    kind: str
    """`access` or `refresh`."""
    value: str = field(repr=False)
    whom: str
    """For whom it acts: a seller, a user, or the application."""
    scope: str
    seconds_left: float


class Emulator(Switches):
    """One provider on one port. Every attribute and method may be used from any thread while it serves."""

    provider: ClassVar[str]
    codes: ClassVar[Mapping[str, int]]
    """Every error code of the provider's API, with its status."""
    token_codes: ClassVar[Mapping[str, int]] = {}
    """Errors that only the token endpoint answers, with their statuses."""

    speed = Switch(1.0, number(1e-6, 1e6), check=_check_speed)
    """Token lifetimes are the documented ones divided by this."""
    token_delay = Switch(0.0, number(0, 3_600), check=_check_delay)
    """Seconds before the token endpoint answers."""
    api_delay = Switch(0.0, number(0, 3_600), check=_check_delay)
    """Seconds before an API call is answered."""
    clock_offset = Switch(0.0, number(-1e12, 1e12), check=_check_offset)
    """Seconds by which this server's wall clock is ahead of the machine's."""
    enforce_rate_limit = Switch(False, boolean, choices=("true", "false"))
    """Answer 429 beyond the documented rate, instead of only counting it in the headers."""

    def __init__(self, clock: TokenClock, **initial: Any) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._faults = Faults()
        self._initial = initial
        self.reset()

    def reset(self) -> None:
        """Put every switch back, and forget faults, counters, records and tokens."""
        with self._lock:
            self.reset_switches(**self._initial)
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

    @abstractmethod
    def tokens(self) -> list[LiveToken]:
        """Return the tokens that are good now, the newest last."""

    @abstractmethod
    def credentials(self) -> dict[str, str]:
        """Return what this server accepts, by the name of the environment variable that the library reads."""

    # ---- what a test switches ----------------------------------------------------------------------------

    @abstractmethod
    def revoke_all(self) -> None:
        """Make every token unusable from now on; the next token request gets a new one."""

    def revoke_access_tokens(self) -> None:
        """Make every access token unusable, and leave refresh tokens alone."""
        self.revoke_all()

    @abstractmethod
    def reissue_secret(self, client_secret: str | None = None) -> str:
        """Give the application a new secret (None: a random one) and return it; the old one is dead at once."""

    @abstractmethod
    def renew_application(self) -> None:
        """Make an application that has lapsed or was made inactive good again."""

    def fail_token(
        self,
        status: int,
        *,
        times: int | None = 1,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        """Answer the next `times` token requests (None: until cleared) with `status`.

        `body`: str or bytes as they are, anything else as JSON; None takes the provider's documented body, with the
        error code `code` where the status has several.
        """
        self._faults.add("token", Answer(status, body, dict(headers or {}), code), times)

    def fail_api(
        self,
        status: int,
        *,
        times: int | None = 1,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        """Answer the next `times` API calls with `status`; arguments as in `fail_token`."""
        self._faults.add("api", Answer(status, body, dict(headers or {}), code), times)

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
                "faults": self._faults.pending(),
                **{name: _jsonable(getattr(self, name)) for name in self.switches()},
            }

    # ---- what a provider fills in ------------------------------------------------------------------------

    @abstractmethod
    def _reset(self) -> None: ...

    @abstractmethod
    def _routes(self) -> list[web.RouteDef]: ...

    @abstractmethod
    def _kind(self, path: str) -> Kind: ...

    @abstractmethod
    def _gate(self, request: web.Request, kind: Kind) -> Reply | None:
        """Refuse before any route is considered, or let pass with None."""

    @abstractmethod
    def _fault_response(self, kind: Kind, status: int, code: str | None) -> Reply:
        """Make the documented answer for this status, for faults without a body."""

    @abstractmethod
    def _not_found(self) -> Reply: ...

    @abstractmethod
    def _decorate(self, request: web.Request, kind: Kind, response: web.StreamResponse, seconds: float) -> None:
        """Add the headers that every answer of this provider carries; it took `seconds`."""

    # ---- the way of a request ----------------------------------------------------------------------------

    def application(self, house: Sequence[web.RouteDef] = (), hosts: Collection[str] = ()) -> web.Application:
        """Build a fresh aiohttp application (an application serves one event loop and no second one).

        Args:
            house: Routes that are the sandbox's own, as all below `HOUSE` are.
            hosts: Names that a Host header may have in addition to those of loopback.
        """
        own = frozenset(route.path for route in house)

        @web.middleware
        async def serve(request: web.Request, handler: Any) -> web.StreamResponse:
            response: web.StreamResponse
            closed = doors.closed_to(request, hosts)
            if closed is not None:
                self._record(self._records, request, b"", closed.status, closed.wrong)
                response = closed
            elif request.path in own or request.path.startswith(HOUSE):
                response = await handler(request)
            else:
                response = await self._serve_provider(request, handler)
            # Here and not in on_response_prepare: aiohttp has put its own Date by then.
            response.headers.setdefault("Date", formatdate(self.wall(), usegmt=True))
            return response

        application = web.Application(middlewares=[serve], client_max_size=_MAX_BODY)
        application.add_routes([*house, *self._routes()])
        return application

    async def _serve_provider(self, request: web.Request, handler: Any) -> web.StreamResponse:
        began = time.monotonic()
        records = self._records  # what arrived before a reset is no request of the time after it
        kind = self._kind(request.path)
        fault = self._arrived(kind)
        status, body, problem = 0, b"", None
        try:
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge as error:
                status = error.status
                raise
            except (ConnectionError, web.RequestPayloadError):
                # The client went away in the middle of its upload: no answer can be sent.
                return self._hang_up(request)
            delay = {"token": self.token_delay, "api": self.api_delay}.get(kind, 0.0)
            if delay > 0:
                await asyncio.sleep(delay)
            if fault is not None:
                problem = wrong("Nothing: this fault was switched on here.")
            if isinstance(fault, Drop) and not fault.processed:
                return self._hang_up(request)
            if isinstance(fault, Answer):
                response: web.StreamResponse = self._faulty(kind, fault)
            else:
                response = await self._answer(request, handler, kind)
                if isinstance(response, Reply):
                    problem = problem or response.wrong
            self._decorate(request, kind, response, time.monotonic() - began)
            if isinstance(fault, Drop):
                return self._hang_up(request)
            status = response.status
            return response
        finally:
            # Before the answer is written: a client that has the answer finds the record.
            self._record(records, request, body, status, problem)

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
            response: web.Response = self._fault_response(kind, fault.status, fault.code)
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

    def _record(
        self,
        records: deque[RecordedRequest],
        request: web.Request,
        body: bytes,
        status: int,
        problem: Wrong | None,
    ) -> None:
        record = RecordedRequest(
            request.method,
            request.path,
            request.query,
            request.headers,
            body,
            status,
            self.provider,
            time.time(),
            problem,
        )
        with self._lock:
            records.append(record)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} token_requests={self.token_requests} api_requests={self.api_requests}>"


def _jsonable(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset)) else value
