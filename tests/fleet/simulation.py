"""A fleet of processes that share a store, in virtual time: the engine's real flows, thousands of them.

Steps take time: a store answers after milliseconds, a token endpoint after a fraction of a second. A process makes
calls at random times. A call with a fresh token does nothing, so that only calls that find another token are looked at.
`python -m tests.fleet` prints the table of `docs/benchmarks.md`.
"""

from __future__ import annotations

import heapq
import itertools
import random
import statistics
from collections import Counter
from typing import NamedTuple

from krauth import AuthorizationRequired, HTTPResponse, TokenState, TokenStoreError, TokenTransportError
from krauth._engine.backoff import Memory as Failures
from krauth._engine.rules import clock_delay
from krauth._values.exceptions import KrauthError
from krauth._values.token import Token
from model import flow
from model.checker import Store, dumps
from model.servers import Server, http_date

#: Seconds before expiry at which a token is refreshed: Naver's rule, and all other servers.
WINDOWS = {"naver": 1800.0}
#: Seconds that a step takes on average, and between two calls of one process.
STORE_TAKES, SERVER_TAKES, BETWEEN_CALLS = 0.002, 0.15, 60.0


class Scenario(NamedTuple):
    """What the fleet meets.

    Attributes:
        kind: The authorization server, see `model.servers`.
        hours: How long it is watched.
        clocks: Seconds by which a process's clock is wrong at most.
        store_faults: How many of the store's steps fail.
        outage: From when to when the token endpoint answers 503, seconds.
        retry_after: What it says then, seconds.
    """

    kind: str = "reuse"
    hours: float = 6.0
    clocks: float = 0.0
    store_faults: float = 0.0
    outage: tuple[float, float] = (0.0, 0.0)
    retry_after: float | None = None


class Figures(NamedTuple):
    """What it came to.

    Attributes:
        requests: Token requests.
        issued: Tokens that the server issued.
        needed: Tokens that one process alone would have needed.
        waited: Calls that waited though the store had a good token.
        failed: Calls that failed though a token could be had.
        sign_outs: `AuthorizationRequired`, in the whole fleet.
        per_minute: Token requests a minute in the outage.
        recovery: Seconds after the outage until the first process has a new token, and until half of those have that
            call: a process learns of it with its next call.
        twice: Refresh tokens that were sent twice.
    """

    requests: int
    issued: int
    needed: int
    waited: int
    failed: int
    sign_outs: int
    per_minute: float
    recovery: tuple[float, float]
    twice: int

    @property
    def per_needed(self):
        return self.requests / self.needed


class Process:
    __slots__ = ("boundary", "clock", "failures", "flow", "is_running", "memory", "number", "recovered", "waiting")

    def __init__(self, number, ahead):
        self.number = number
        self.clock = flow.ModelClock(ahead)
        self.memory = flow.Memory()
        self.failures = Failures()
        self.flow = None
        self.is_running = False
        self.waiting = 0
        self.boundary = 0.0
        self.recovered = None


class Fleet:
    """`processes` processes, one store, one server."""

    def __init__(self, processes, scenario, seed=0):
        self.scenario, self.random = scenario, random.Random(seed)
        self.now, self._order, self._events = 0.0, itertools.count(), []
        spread = scenario.clocks
        self.processes = [Process(n, self.random.uniform(-spread, spread)) for n in range(processes)]
        self.for_user = scenario.kind in ("reuse", "rotation", "grace", "static")
        self.server = Server(scenario.kind, live=((0, 0.0),))
        self.store = Store()
        if self.for_user:
            first = flow.token(0, -flow.LIFETIME, expires=-1.0, for_user=True)
            self.store = Store(flow.record(first, number=1), 1, None, count=1, changes=1)
        self.window = WINDOWS.get(scenario.kind, flow.WINDOW)
        self.count = Counter()
        self.in_outage = 0

    # ---- time

    def _at(self, seconds, act, *arguments):
        heapq.heappush(self._events, (self.now + seconds, next(self._order), act, arguments))

    def run(self):
        for process in self.processes:
            self._at(self.random.uniform(0, BETWEEN_CALLS), self._call, process)
        end = self.scenario.hours * 3600
        while self._events:
            at, _, act, arguments = heapq.heappop(self._events)
            if at > end:
                break
            self.now = at
            act(*arguments)
        recoveries = sorted(one.recovered for one in self.processes if one.recovered is not None)
        recovery = (0.0, 0.0)
        if recoveries:
            recovery = (recoveries[0], statistics.median(recoveries))
        begin, over = self.scenario.outage
        return Figures(
            self.server.requests + self.in_outage,
            self.server.issued,
            int(end / (flow.LIFETIME - self.window)) + 1,
            self.count["waited"],
            self.count["failed"],
            self.count["sign_outs"],
            self.in_outage * 60 / (over - begin) if over > begin else 0.0,
            recovery,
            self.server.twice,
        )

    @property
    def is_out(self):
        begin, over = self.scenario.outage
        return begin <= self.now < over

    # ---- calls

    def _state(self, process):
        process.clock.now = self.now
        token = process.memory.token
        if token is None:
            return TokenState.MISSING
        state = token.state(process.clock.time(), self.window)
        return TokenState.FRESH if state is TokenState.STALE and self.now < process.boundary else state

    def _call(self, process):
        """A call of a process: with a fresh token nothing happens; the next that matters comes after its boundary."""
        state = self._state(process)
        failure = process.failures.failure_of(None)
        quiet = self.random.expovariate(1 / BETWEEN_CALLS)
        if state is TokenState.FRESH:
            left = process.memory.token.expires_in(process.clock.time())
            quiet += max(0.0, left - self.window, process.boundary - self.now)
        elif state is TokenState.STALE:
            if not process.is_running and (failure is None or failure.retry_at <= self.now):
                self._begin(process)
        elif process.is_running:
            self._wait(process)
        elif failure is not None and failure.until > self.now:
            self.count["failed"] += self._could_be_had()
        else:
            self._wait(process)
            self._begin(process)
        self._at(quiet, self._call, process)

    def _could_be_had(self):
        """Whether the store has a token that the API accepts."""
        return self.server.accepts(self.store.saved().generation, self.now)

    def _wait(self, process):
        process.waiting += 1
        self.count["waited"] += self._could_be_had() and process.memory.token is not None

    # ---- flows

    def _begin(self, process):
        process.is_running = True
        process.clock.now = self.now
        process.flow = flow.refreshing(
            self.for_user, process.memory, process.clock, self.window, None, jitter=self.random.random
        )
        self._resume(process, None, None)

    def _resume(self, process, answer, error):
        process.clock.now = self.now
        running, after = process.flow
        try:
            step = running.send(answer) if error is None else running.throw(error)
            while type(step).__name__ == "Emit":
                self.count[step.kind] += 1
                step = running.send(None)
        except StopIteration as end:
            return self._end(process, *after(end.value))
        kind = type(step).__name__
        if kind == "Sleep":
            return self._at(step.seconds, self._resume, process, None, None)
        takes = self.random.expovariate(1 / (SERVER_TAKES if kind == "Send" else STORE_TAKES))
        return self._at(takes, self._perform, process, step)

    def _perform(self, process, step):
        if type(step).__name__ == "Send":
            return self._resume(process, self._answer(step.request), None)
        fails = self.random.random() < self.scenario.store_faults
        if fails and self.random.random() < 0.5:
            return self._resume(process, None, TokenStoreError("before it was done"))
        self.store, answer, _ = self.store.perform(step, self.now)
        if fails:
            return self._resume(process, None, TokenStoreError("after it was done"))
        if answer.kind != "ok":
            try:
                answer.give(_Raises())
            except KrauthError as error:
                return self._resume(process, None, error)
        return self._resume(process, answer.value, None)

    def _answer(self, request):
        date = {"content-type": "application/json", "date": http_date(flow.EPOCH + int(self.now))}
        if self.is_out:
            self.in_outage += 1
            if self.scenario.retry_after is not None:
                date["retry-after"] = str(int(self.scenario.retry_after))
            return HTTPResponse(503, date, b"")
        self.server, status, fields, _ = self.server.answer(request.url, request.body, self.now)
        self.server = self.server._replace(live=self.server.live[-20:], spent=self.server.spent[-20:])
        return HTTPResponse(status, date, dumps(fields))

    def _end(self, process, outcome, memory):
        process.is_running, process.flow, process.memory = False, None, memory
        if isinstance(outcome, Token):
            process.failures = Failures()
            ends = outcome.expires_in(process.clock.time())
            delay = clock_delay(self.window, memory.skew is not None)
            process.boundary = self.now + ends - self.window + delay + self.random.uniform(0, self.window / 20)
            over = self.scenario.outage[1]
            if over and self.now >= over and process.recovered is None:
                process.recovered = self.now - over
        else:
            process.failures = process.failures.failed(outcome, self.now, None)
            self.count["sign_outs"] += isinstance(outcome, AuthorizationRequired)
            is_ours = isinstance(outcome, TokenStoreError | TokenTransportError)
            if process.waiting and is_ours and not self.is_out:
                self.count["failed"] += process.waiting * self._could_be_had()
        process.waiting = 0


class _Raises:
    def throw(self, error):
        raise error
