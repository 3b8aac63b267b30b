"""The engine against a model: any order of calls, refusals, failures, crashes and clock jumps keeps the promises.

Two processes share a store and a token endpoint. Workers run by hand, one task at a time, and while one process waits
for its token request the other may go on. `KRAUTH_MODEL_EXAMPLES` and `KRAUTH_MODEL_STEPS` ask for more than the default.
"""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from krauth import AuthorizationRequired, KrauthError, RefreshPolicy
from krauth._engine import process as engine_process
from krauth._engine.source import Run, TokenSource
from krauth._values.token import TokenState

from ._rig import NETWORK, Clock, Rig, Server, Store, answer, machine, person

LIFETIME = 3600.0
ATTEMPTS = 3
#: The longest that anything is remembered: an honoured Retry-After.
LONGEST = 3600.0

WALL_JUMPS = st.sampled_from([-86400.0, -4000.0, -600.0, 600.0, 4000.0, 86400.0])
PAUSES = st.sampled_from([0.0, 0.3, 1.5, 10.0, 61.0, 400.0, 2500.0, 2999.0, 3000.0, 3600.0, 9000.0])
FAILURES = {
    "network": NETWORK,
    "5xx": answer(503),
    "429": answer(429, headers={"retry-after": "20"}),
    "4xx": answer(400, {"error": "invalid_request"}),
    "html": answer(200, b"<html>"),
}


class TrueClock(Clock):
    """Knows besides both clocks what time it really is."""

    __slots__ = ("back", "slept", "true")

    def __init__(self):
        super().__init__()
        self.true = self.back = self.slept = 0.0

    def advance(self, seconds):
        super().advance(seconds)
        self.true += seconds

    def suspend(self, seconds):
        super().suspend(seconds)
        self.true += seconds
        self.slept += seconds

    def set_wall(self, seconds):
        super().set_wall(seconds)
        self.back += min(0.0, seconds)


class TrueServer(Server):
    """Ends tokens in real time, and notes the circumstances under which it issued each."""

    def __init__(self, clock, **settings):
        super().__init__(clock, **settings)
        self.born = {}

    def _issue(self, refresh):
        token = super()._issue(refresh)
        self.born[token.access_token] = (self.clock.true, self.clock.back, self.clock.slept)
        return token

    def now(self):
        return self.clock.true


class Process(Rig):
    """One process, with the callers that wait in it."""

    def __init__(self, *args, **settings):
        self.waiting = []
        self.seen = {}
        super().__init__(*args, **settings)

    def call(self, refused=None):
        """Call the engine as an adapter does; return the token that is had at once, if any."""
        if refused is None and (found := self.peek()) is not None:
            return found
        run = self.start(refused)
        if run.future.done():
            outcome = run.future.result(0)
            return None if isinstance(outcome, BaseException) else outcome.token.access_token
        self.waiting.append(run)
        return None

    def begun(self):
        self.waiting = [run for run in self.waiting if not run.future.done()]
        return set(self.waiting)


class Engine(RuleBasedStateMachine):
    @initialize(
        spends=st.booleans(),
        rotates=st.booleans(),
        reissues=st.booleans(),
        blocking=st.booleans(),
        keep_warm=st.booleans(),
        together=st.booleans(),
    )
    def begin(self, spends, rotates, reissues, blocking, keep_warm, together):
        engine_process.skew._known.clear()
        self.clock = TrueClock()
        self.spends = spends
        self.reissues = reissues and not spends
        self.server = TrueServer(self.clock, rotates=rotates, reissues_below=300.0 if self.reissues else None)
        self.store = Store(self.clock, blocking=blocking)
        credentials = person() if spends else machine()
        policy = RefreshPolicy(jitter=0, keep_warm=keep_warm, attempts=ATTEMPTS)
        make = lambda: Process(credentials, policy=policy, clock=self.clock, store=self.store, server=self.server)  # noqa: E731
        self.one, self.two = make(), make()
        # Where a store fails while a refresh token rotates, a sibling is bound to spend the old one: no client can help
        # that. So there is either a sibling or a store that fails.
        self.together = together
        self.processes = [self.one, self.two] if together else [self.one]
        self.abandoned = False
        self.nested = False
        self.server.before = self.overlap
        self.overlapping = False
        if spends:
            self.store.put(credentials.key, self.server.authorize())

    def overlap(self):
        """While one process waits for the token endpoint, the other goes on."""
        if self.overlapping and not self.nested:
            self.nested = True
            try:
                for process in self.processes:
                    if process.workers.tasks:
                        process.workers.step()
            finally:
                self.nested = False

    def pick(self, which):
        return self.processes[which % len(self.processes)]

    # ---- what may happen ---------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), times=st.integers(1, 3))
    def call(self, which, times):
        process = self.pick(which)
        for _ in range(times):
            usable, requests, opened = process.source._usable(), self.server.count, process.opened
            begun = process.begun()
            token = process.call()
            assert self.server.count == requests  # no thread but a worker's sends
            if usable is TokenState.FRESH:
                assert token is not None
                assert process.opened == opened
            if usable is TokenState.STALE:
                assert token is not None
                assert not process.begun() - begun  # no caller waits
            if token is not None:
                self.check_alive(process, token)

    @rule(which=st.integers(0, 1))
    def be_refused(self, which):
        process = self.pick(which)
        token = process.peek()
        if token is None:
            return
        got = process.call(refused=token)
        run = process.source._running()
        if got is None and run is not None:
            assert process.start(token) is run

    @rule(which=st.integers(0, 1))
    def be_refused_again(self, which):
        self.pick(which).source.refused_again()

    @rule(which=st.integers(0, 1), overlapping=st.booleans())
    def step(self, which, overlapping):
        process = self.pick(which)
        self.overlapping = overlapping
        if process.workers.tasks:
            requests = self.server.count
            process.workers.step()
            assert overlapping or self.server.count - requests <= 1

    @rule(which=st.integers(0, 1))
    def run(self, which):
        process = self.pick(which)
        self.overlapping = False
        begun, requests = len(process.begun()) + bool(process.workers.tasks), self.server.count
        process.workers.run()
        assert self.server.count - requests <= 3 * (begun + 2)

    @rule(seconds=PAUSES)
    def pass_time(self, seconds):
        self.overlapping = False
        end = self.clock.monotonic() + seconds
        for _ in range(5000):
            for process in self.processes:
                process.workers.run()
            at = [process.workers.next_timer() for process in self.processes]
            due = min((t for t in at if t is not None), default=None)
            if due is None or due > end:
                break
            self.clock.advance(max(0.0, due - self.clock.monotonic()))
        else:
            raise AssertionError("the engine never comes to rest")
        self.clock.advance(max(0.0, end - self.clock.monotonic()))

    @rule(seconds=WALL_JUMPS)
    def set_the_clock(self, seconds):
        self.clock.set_wall(seconds)

    @rule(seconds=st.sampled_from([700.0, 3100.0, 8000.0]))
    def suspend(self, seconds):
        self.clock.suspend(seconds)

    @rule()
    def revoke(self):
        self.server.revoke()

    @rule(kind=st.sampled_from(sorted(FAILURES)), times=st.integers(1, 7))
    def fail(self, kind, times):
        self.server.say(*[FAILURES[kind]] * times)

    @precondition(lambda self: not self.together)
    @rule(down=st.booleans(), refuses_saves=st.booleans())
    def trouble_the_store(self, down, refuses_saves):
        self.store.down, self.store.refuses_saves = down, refuses_saves

    @rule(which=st.integers(0, 1))
    def cancel_a_waiter(self, which):
        process = self.pick(which)
        if process.waiting:
            run = process.waiting[0]
            assert not run.future.cancel()
            assert not run.future.cancelled()
            process.waiting.remove(run)

    @rule(which=st.integers(0, 1))
    def build_a_new_auth_object(self, which):
        process = self.pick(which)
        snapshot = process.source.snapshot
        is_saved = snapshot is None or snapshot.newest.token == snapshot.token
        if is_saved and not process.begun():
            process.source = process.make_source()

    @precondition(lambda self: self.together)
    @rule(which=st.integers(0, 1))
    def crash(self, which):
        process = self.pick(which)
        process.workers.tasks.clear()
        process.workers.timers.clear()
        process.waiting.clear()
        process.source = process.make_source()

    @precondition(lambda self: self.together)
    @rule()
    def fork(self):
        parent, child = self.one.source, object.__new__(TokenSource)
        for name in TokenSource.__slots__:
            if name != "__weakref__":
                setattr(child, name, getattr(parent, name))
        if parent._run is not None:
            child._run = Run(parent._run.way, parent._run.refused, parent._run.begun.source_at)
            child._run.pid = -1
        if child.warmth is not None:
            child.warmth = child.warmth._replace(is_scheduled=False)
        child.workers = self.two.workers
        self.two.workers.tasks.clear()
        self.two.workers.timers.clear()
        self.two.waiting.clear()
        self.two.source = child

    @rule(keep_warm=st.booleans())
    def change_the_policy(self, keep_warm):
        policy = RefreshPolicy(jitter=0, keep_warm=keep_warm, attempts=ATTEMPTS)
        for process in self.processes:
            process.source.policy = policy
            if keep_warm:
                process.source.keep_warm(process)

    # ---- what must hold ----------------------------------------------------------------------------------

    def check_alive(self, process, token):
        """No token is given out after its end, however the clocks were tampered with, short of both at once."""
        if token not in self.server.born:
            return
        at, back, slept = self.server.born[token]
        set_back, suspended = self.clock.back < back, self.clock.slept > slept
        # Who took it from the store after the clock was set back can't know how old it is; who had it before can.
        known = process.seen.get((process.source, token)) == back
        if not set_back or (known and not suspended):
            assert self.clock.true <= at + LIFETIME + 0.01

    @invariant()
    def a_spent_refresh_token_is_never_sent_again(self):
        assert not self.server.abused

    @invariant()
    def one_refresh_and_at_most_one_that_follows_it(self):
        for process in self.processes:
            assert len(process.begun()) <= 2

    @invariant()
    def a_waiting_caller_waits_for_a_run(self):
        for process in self.processes:
            assert not process.begun() or process.workers.tasks or process.workers.timers

    @invariant()
    def timers_do_not_pile_up(self):
        for process in self.processes:
            assert len(process.workers.timers) < 60

    @invariant()
    def what_the_store_holds_is_what_the_server_issued(self):
        stored = self.one.stored()
        if stored is not None and stored.refresh_token is not None and not self.server.abused:
            assert stored.refresh_token in self.server.refresh_tokens

    @invariant()
    def remember_whose_tokens_are_whose(self):
        for process in self.processes:
            snapshot = process.source.snapshot
            if snapshot is not None:
                process.seen.setdefault((process.source, snapshot.token.access_token), self.clock.back)

    @invariant()
    def a_failure_that_is_remembered_costs_nothing(self):
        for process in self.processes:
            failure = process.source._memory.failure_of(process)
            if failure is not None and failure.until > self.clock.monotonic() and process.source._running() is None:
                opened = process.opened
                process.start()
                assert process.opened == opened

    def teardown(self):
        """Once all is well again, each waiting caller is served, and each new call gets a token that the server accepts."""
        if not hasattr(self, "clock"):
            return
        self.server.script.clear()
        self.store.down = self.store.refuses_saves = False
        for process in self.processes:
            waiting = process.begun()
            self.pass_time(60.0)
            assert all(run.future.done() for run in waiting)
        self.pass_time(LONGEST + 2 * LIFETIME)
        for process in self.processes:
            try:
                token = process.get()
                if not self.server.accepts(token):
                    token = process.get(refused=token)
            except AuthorizationRequired:
                assert self.spends
                assert all(word != "good" for word in self.server.refresh_tokens.values())
            except KrauthError as error:
                raise AssertionError(f"no token although all is well: {error!r}") from error
            else:
                assert self.server.accepts(token)


@pytest.fixture
def quiet():
    logger = logging.getLogger("krauth")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)


def test_the_engine_keeps_its_promises_in_any_order_of_events(quiet):
    """In any order of events: no expired token is given out, no refresh token spent twice, no caller left waiting."""
    run_state_machine_as_test(
        Engine,
        settings=settings(
            max_examples=int(os.environ.get("KRAUTH_MODEL_EXAMPLES", "60")),
            stateful_step_count=int(os.environ.get("KRAUTH_MODEL_STEPS", "40")),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
