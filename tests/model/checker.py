"""A model checker over the engine's real flows: every interleaving of some processes, with at most one fault.

A world is an immutable value: the store, the server, the processes, the time. A process is where its generator stands.
A generator can't be copied, so `Node` stands for one: the answers it was given so far. A node whose generator has
gone on makes another and gives it the same answers again. A flow sees nothing but its answers and its clock, so that
two equal sequences of answers, given at equal times, are the same state: worlds are compared by them.

`explore` looks at every world that can be reached, nearest first, so that the schedule of a violation is a shortest one.
What is left out, since it adds no behaviour: waking a process that polls for a lease before anything has changed; the
time that passes while a process sleeps less than a second; how often a process has polled; and which of several
processes that are about to do the same does what. `exact=True` takes the last two in.
"""

from __future__ import annotations

import operator
from collections import deque
from typing import Any, NamedTuple

from krauth import AuthorizationRequired, HTTPResponse, StoreConflict, TokenStoreError, TokenTransportError
from krauth._values.exceptions import KrauthError
from krauth._values.token import Token
from krauth.stores import ANY, Lease, Stored

from . import flow
from .flow import EPOCH, generation, read
from .servers import MACHINES, Server, http_date

RUNNING, ASLEEP, POLLING, PAUSED, CRASHED, DONE = "running", "asleep", "polling", "paused", "crashed", "done"
#: What may go wrong at a step, once: the process ends; it stands still for longer than its lease; the store fails
#: before or after it did what it was asked; the same of the network; each step from now on takes as long as it may.
FAULTS = ("crash", "pause", "store before", "store after", "network before", "network after", "slow")
#: Seconds: a process that failed for a passing reason is asked again after this.
AGAIN = 2.0
#: Seconds that a store's step takes at most.
STORE_LIMIT = 5.0


class Answer(NamedTuple):
    """What a flow is given for a step: `kind` is `"ok"`, `"response"`, or the error that is thrown."""

    kind: str
    value: Any = None

    def give(self, running):
        if self.kind == "ok":
            return running.send(self.value)
        if self.kind == "response":
            status, body, date = self.value
            headers = {"content-type": "application/json", "date": date}
            return running.send(HTTPResponse(status, headers, body))
        errors = {"conflict": StoreConflict, "store": TokenStoreError, "network": TokenTransportError}
        return running.throw(errors[self.kind](self.kind))


BEGIN = Answer("ok")


class Node:
    """Where a flow stands after a sequence of answers.

    Attributes:
        step: The step that it waits for, or `None` before it begins and after it has ended.
        outcome: What it returned or raised, or `None`.
        memory: What the process knows after the outcome.
        events: Kinds of the events since the node before.
    """

    __slots__ = (
        "_after",
        "_gave",
        "_kids",
        "_parent",
        "_running",
        "clock",
        "events",
        "make",
        "memory",
        "outcome",
        "step",
    )

    def __init__(self, make, parent=None, gave=None):
        self.make, self._parent, self._gave = make, parent, gave
        self._kids = {}
        self._running = None
        self.step = self.outcome = self.memory = None
        self.events = ()
        if parent is None:
            self._running, self._after, self.clock = make()

    def advance(self, now, answer):
        key = (now, answer)
        kid = self._kids.get(key)
        if kid is None:
            kid = self._kids[key] = Node(self.make, self, key)
            if self._running is None:
                self._replay()
            kid._running, kid._after, kid.clock = self._running, self._after, self.clock
            self._running = None
            kid._go()
        return kid

    def _go(self):
        """Give the generator of the node before this node's answer."""
        self.clock.now, answer = self._gave
        events = []
        try:
            step = answer.give(self._running)
            while type(step).__name__ == "Emit":
                events.append(step.kind)
                step = self._running.send(None)
            self.step = step
        except StopIteration as end:
            self._end(end.value)
        except KrauthError as error:
            self._end(error.with_traceback(None))
        self.events = tuple(events)

    def _end(self, outcome):
        self._running = None
        self.outcome, self.memory = self._after(outcome)

    def _replay(self):
        path, node = [], self
        while node._parent is not None:
            path.append(node._gave)
            node = node._parent
        self._running, self._after, self.clock = self.make()
        for now, answer in reversed(path):
            self.clock.now = now
            step = answer.give(self._running)
            while type(step).__name__ == "Emit":
                step = self._running.send(None)


class Role(NamedTuple):
    """What a process is about to do: refresh (why?) or revoke, with what it knows, by a clock `ahead` seconds ahead."""

    does: str = "refresh"
    memory: flow.Memory = flow.Memory()
    refused: str | None = None
    ahead: float = 0.0
    runs: int = 3


class Store(NamedTuple):
    """A store with leases that end, compare-and-set, and saves that are fenced: the contract of `TokenStore`."""

    value: str | None = None
    version: int = 0
    end: float | None = None
    owner: int = 0
    lease_end: float = 0.0
    count: int = 0
    changes: int = 0

    def load(self, now):
        if self.value is None or (self.end is not None and self.end <= EPOCH + now):
            return None
        return Stored(self.value, f"v{self.version}")

    def saved(self):
        return flow.NOT_SAVED if self.value is None else read(self.value)

    def has_intent(self):
        return self.value is not None and '"intent_at"' in self.value

    def holds(self, lease, now):
        return self.owner == lease.fence and now < self.lease_end

    def save(self, now, value, version, lease, expires_at):
        present = self.load(now)
        if version != ANY and (present.version if present else None) != version:
            return self, Answer("conflict")
        if lease is not None and not self.holds(lease, now):
            return self, Answer("conflict")
        count = self.count + 1
        store = self._replace(value=value, version=count, end=expires_at, count=count, changes=self.changes + 1)
        return store, Answer("ok", f"v{count}")

    def acquire(self, now, seconds):
        if self.owner and now < self.lease_end:
            return self, None
        count = self.count + 1
        return self._replace(owner=count, lease_end=now + seconds, count=count), Lease("key", f"owner-{count}", count)

    def release(self, now, lease):
        return self._replace(owner=0, lease_end=0.0, changes=self.changes + 1) if self.holds(lease, now) else self

    def perform(self, step, now):
        """Return `(store, answer, lease that is held afterwards or None)`; `False` for the lease: as before."""
        match type(step).__name__:
            case "Load":
                return self, Answer("ok", self.load(now)), False
            case "Acquire":
                store, lease = self.acquire(now, step.seconds)
                return store, Answer("ok", (lease, self.load(now))), lease
            case "Release":
                return self.release(now, step.lease), Answer("ok"), None
            case "Save":
                store, answer = self.save(now, step.value, step.version, step.lease, step.expires_at)
                if answer.kind != "ok" or not step.release:
                    return store, answer, False
                return store.release(now, step.lease), answer, None
        raise AssertionError(step)


class Process(NamedTuple):
    """One process.

    Attributes:
        node: Where its flow stands.
        status: One of the words above.
        wake: When it wakes, if it sleeps or is paused.
        seen: `Store.changes` when it went to sleep.
        runs: How many flows it has begun.
        started: When the flow began.
        memory: What it knew then.
        known: The newest generation that it has seen.
        got: The newest generation that the server gave it.
        lease: The lease it believes to hold.
        lease_end: When that lease ends.
        unsaved: Whether the server gave it a token that no store has yet.
        is_second: Whether the server refused it a refresh token that was used before.
        slow: Whether each of its steps takes as long as it may.
        revoked: Whether it revoked the token.
        declined: Whether it was refused the lease, and nothing has failed since.
        round: Where its flow stood when it last began to look at the store.
        since: When its flow asked for the step.
        told: Whether it reported that a refresh token may be sent twice.
    """

    node: Node
    memory: flow.Memory
    status: str = RUNNING
    wake: float = 0.0
    seen: int = -1
    runs: int = 1
    started: float = 0.0
    known: int = -1
    got: int = -1
    lease: Lease | None = None
    lease_end: float = 0.0
    unsaved: bool = False
    is_second: bool = False
    slow: bool = False
    revoked: bool = False
    declined: bool = False
    round: Node | None = None
    told: bool = False
    since: float = 0.0


class Fault(NamedTuple):
    kind: str
    process: int
    #: The kind of the step at which it happened.
    step: str
    #: Whether it is one of the cases in which a refresh token may be sent twice.
    excuses: bool = False


class World(NamedTuple):
    now: float
    store: Store
    server: Server
    processes: tuple[Process, ...]
    faults: tuple[Fault, ...] = ()

    def excuses(self):
        return any(fault.excuses for fault in self.faults)


class Configuration(NamedTuple):
    """What is explored.

    Attributes:
        server: The server when all begins.
        store: The store when all begins.
        roles: The processes.
        window: Seconds before expiry within which a token is stale.
        faults: Which may happen.
        budget: How many may happen.
        excused: Whether the beginning itself excuses a second use of a refresh token.
        needed: How many token requests are needed without a fault, at most; `None`: no matter.
    """

    name: str
    server: Server
    store: Store
    roles: tuple[Role, ...]
    window: float = 600.0
    faults: tuple[str, ...] = FAULTS
    budget: int = 1
    excused: bool = False
    needed: int | None = 1


class Violation(NamedTuple):
    promise: str
    configuration: str
    schedule: tuple[str, ...]
    detail: str = ""

    def __str__(self):
        steps = "\n".join(f"    {number:2}. {line}" for number, line in enumerate(self.schedule, 1))
        return f"{self.promise} [{self.configuration}] {self.detail}\n{steps}"


class Found(NamedTuple):
    worlds: int
    schedules_ended: int
    violations: dict[str, Violation]


class Broken(Exception):
    """A promise was broken in the step that is being explored."""

    def __init__(self, promise, detail=""):
        super().__init__(promise)
        self.promise, self.detail = promise, detail


class Checker:
    """Explores one configuration."""

    def __init__(self, configuration, *, stop_at=None, limit=None, exact=False):
        self.configuration, self.exact = configuration, exact
        self.for_user = configuration.server.kind in flow_users
        self.stop_at, self.limit = stop_at, limit
        self._roots = {}
        self._broken = []

    def explore(self):
        configuration = self.configuration
        processes = []
        for role in configuration.roles:
            known = generation(role.memory.token.access_token) if role.memory.token else -1
            processes.append(Process(self._root(role, role.memory), role.memory, known=known))
        first = World(0.0, configuration.store, configuration.server, tuple(processes))
        for index in range(len(processes)):
            first = self._advance(first, index, first.processes[index], 0.0, BEGIN)
        came_from, seen = {first: None}, {self._key(first)}
        queue = deque([first])
        violations = {}
        ended = 0
        while queue:
            world = queue.popleft()
            alone = True
            for label, act in self._choices(world):
                alone = False
                then = self._try(act)
                if self._broken:
                    self._report(violations, (*trace(came_from, world), line(label)))
                if then is not None and (key := self._key(then)) not in seen:
                    seen.add(key)
                    came_from[then] = (world, label)
                    queue.append(then)
            if alone:
                ended += 1
                self._try(lambda at_end=world: self._ended(at_end))
                if self._broken:
                    self._report(violations, (*trace(came_from, world), "all is over"))
            if self.stop_at in violations:
                break
            if self.limit is not None and len(came_from) > self.limit:
                break
        return Found(len(came_from), ended, violations)

    def _key(self, world):
        """What makes two worlds the same: processes that are about to do the same may change places."""
        roles = self.configuration.roles
        if self.exact or any(role != roles[0] for role in roles):
            return world
        marked = [(hash(process), process, ()) for process in world.processes]
        for fault in world.faults:
            number, process, faults = marked[fault.process]
            what = (*faults, fault._replace(process=0))
            marked[fault.process] = (hash((number, what)), process, what)
        marked.sort(key=first_of)
        return world.now, world.store, world.server, tuple(marked)

    def _try(self, act):
        try:
            return act()
        except Broken as broken:  # what comes of it is not looked at
            self._broken.append(broken)
            return None

    def _report(self, violations, schedule):
        for broken in self._broken:
            violation = Violation(broken.promise, self.configuration.name, schedule, broken.detail)
            violations.setdefault(broken.promise, violation)
        self._broken.clear()

    # ---- what may happen next

    def _choices(self, world):
        # Time does not jump over what a process that runs, or sleeps for a moment, is about to do.
        one_runs = any(process.status in (RUNNING, ASLEEP) for process in world.processes)
        for index, process in enumerate(world.processes):
            name = f"P{index + 1}"
            status = process.status
            if status == RUNNING:
                yield (name, "", process.node.step), lambda i=index, p=process: self._perform(world, i, p)
                if len(world.faults) < self.configuration.budget:
                    yield from self._faults(world, index, process, name)
            elif status == PAUSED:
                if not one_runs or world.now >= process.wake:
                    yield (name, "goes on", None), lambda i=index, p=process: self._go_on(world, i, p)
            elif status == ASLEEP:
                # A pause before the next attempt; nothing else has to happen first.
                yield (name, "wakes", None), lambda i=index, p=process: self._wake(world, i, p)
            elif status == POLLING and (not one_runs or world.store.changes != process.seen):
                yield (name, "looks again", None), lambda i=index, p=process: self._wake(world, i, p)

    def _faults(self, world, index, process, name):
        step, allowed = process.node.step, self.configuration.faults
        kind = type(step).__name__
        is_token_request = kind == "Send" and step.request.url == flow.TOKEN
        if "crash" in allowed and (process.lease is not None or process.unsaved):
            fault = Fault("crash", index, kind, process.unsaved)
            crashed = process._replace(status=CRASHED, node=DEAD)
            yield (name, "CRASHES before", step), lambda: self._with(world, index, crashed, fault)
        if "pause" in allowed and process.lease is not None:
            fault = Fault("pause", index, kind, process.unsaved or is_token_request)
            paused = process._replace(status=PAUSED, wake=process.lease_end)
            yield (name, "PAUSES before", step), lambda: self._with(world, index, paused, fault)
        if "slow" in allowed and process.lease is not None and not process.slow and world.now < process.lease_end:
            fault = Fault("slow", index, kind)
            slow = process._replace(slow=True)
            yield (name, "BECOMES SLOW before", step), lambda: self._with(world, index, slow, fault)
        what = "network" if kind == "Send" else "store"
        for when in ("before", "after"):
            if f"{what} {when}" in allowed and not (when == "after" and kind == "Load"):
                fault = Fault(f"{what} {when}", index, kind, is_token_request and when == "after")
                yield (
                    (name, f"FAILS {when} it is done:", step),
                    lambda f=fault, w=when: self._perform(world, index, process, fault=f, when=w),
                )

    # ---- what then happens

    def _with(self, world, index, process, fault=None):
        processes = (*world.processes[:index], process, *world.processes[index + 1 :])
        faults = world.faults if fault is None else (*world.faults, fault)
        return world._replace(processes=processes, faults=faults)

    def _go_on(self, world, index, process):
        world = world._replace(now=max(world.now, process.wake))
        return self._with(world, index, process._replace(status=RUNNING))

    def _wake(self, world, index, process):
        now = world.now
        if process.wake - now >= 1.0:
            now = process.wake
        if process.status == POLLING and world.store.changes == process.seen:
            now = max(process.wake, world.store.lease_end)
        was, polled = world.now, process.status == POLLING
        process = process._replace(status=RUNNING, wake=0.0, seen=-1, declined=False)
        world = world._replace(now=now)
        if polled and now == was and process.round is not None and not self.exact:
            return self._with(world, index, process._replace(node=process.round))
        process = process._replace(round=None)
        if process.node.step is None:  # another flow begins
            process = process._replace(started=now)
        return self._advance(world, index, process, now, BEGIN)

    def _perform(self, world, index, process, fault=None, when=None):
        step = process.node.step
        kind = type(step).__name__
        now, store, server = world.now, world.store, world.server
        if process.slow and process.lease is not None and now < process.lease_end:
            limit = step.request.timeout if kind == "Send" else STORE_LIMIT
            if kind == "Send":
                self._check_request(world, index, process, step)
            now = now + max(0.0, limit - 0.1)
        if kind == "Send":
            if not process.slow:
                self._check_request(world, index, process, step)
            if when == "before":
                answer = Answer("network")
            else:
                server, process, answer = self._answer(world, index, process, step, now, fault)
                if when == "after":
                    answer = Answer("network")
        else:
            self._check_step(world, index, process, step)
            if when == "before":
                answer = Answer("store")
            else:
                store, answer, lease = store.perform(step, now)
                process = self._remember(process, step, store, answer, lease, when)
                if when == "after" and answer.kind == "ok":
                    answer = Answer("store")
        if answer.kind in ("store", "network"):
            process = process._replace(declined=False)
        if kind not in ("Load", "Acquire") or process.lease is not None or answer.kind != "ok":
            process = process._replace(round=None)
        world = world._replace(now=now, store=store, server=server)
        if fault is not None:
            world = world._replace(faults=(*world.faults, fault))
        return self._advance(world, index, process, now, answer)

    def _remember(self, process, step, store, answer, lease, when):
        kind = type(step).__name__
        if kind == "Save" and answer.kind == "ok" and read(step.value).generation >= process.got:
            process = process._replace(unsaved=False)
        if kind in ("Load", "Acquire") and when is None:
            found = answer.value if kind == "Load" else answer.value[1]
            if found is not None and read(found.value).generation > process.known:
                process = process._replace(known=read(found.value).generation)
        if lease is False:
            return process
        if when == "after" or kind != "Acquire":
            return process._replace(lease=None)
        return process._replace(lease=lease, lease_end=store.lease_end, declined=lease is None)

    def _answer(self, world, index, process, step, now, fault):
        before = world.server
        server, status, fields, issued = before.answer(step.request.url, step.request.body, now)
        if server.twice > before.twice:
            process = process._replace(is_second=True)
            excused = self.configuration.excused or world.excuses() or (fault is not None and fault.excuses)
            if not excused:
                raise Broken("a refresh token is sent once", f"{before.kind}")
        if issued >= 0 and fault is None:
            lasting = server.rotates
            process = process._replace(got=issued, known=max(process.known, issued), unsaved=lasting or process.unsaved)
        return server, process, Answer("response", (status, dumps(fields), http_date(EPOCH + int(now))))

    def _advance(self, world, index, process, now, answer):
        node = process.node.advance(now, answer)
        if not process.told and not TELLING.isdisjoint(node.events):
            process = process._replace(told=True)
        if node.outcome is not None:
            return self._outcome(world, index, process, node)
        step = node.step
        if type(step).__name__ == "Sleep":
            status = POLLING if process.declined else ASLEEP
            if status == POLLING:
                process = process._replace(seen=world.store.changes)
            return self._with(world, index, process._replace(node=node, status=status, wake=now + step.seconds))
        process = process._replace(node=node, since=now)
        if process.round is None:
            process = process._replace(round=node)
        return self._with(world, index, process)

    def _outcome(self, world, index, process, node):
        role, outcome, memory = self.configuration.roles[index], node.outcome, node.memory
        self._check_outcome(world, index, process, role, outcome, memory)
        excused = any(fault.process == index and fault.step in LEASES for fault in world.faults)
        if process.lease is not None and world.store.holds(process.lease, world.now) and not excused:
            left = world.store.lease_end - world.now
            self._broken.append(Broken("a lease is given back", f"it is held for {left:.1f} s more"))
        again = isinstance(outcome, TokenStoreError | TokenTransportError) and process.runs < role.runs
        revoked = process.revoked or (role.does == "revoke" and not isinstance(outcome, BaseException))
        process = process._replace(memory=memory, revoked=revoked, unsaved=False, lease=None, slow=False)
        if again:
            root = self._root(role, memory)
            process = process._replace(
                node=root, status=ASLEEP, wake=world.now + AGAIN, runs=process.runs + 1, started=world.now + AGAIN
            )
        else:
            process = process._replace(node=DEAD, status=DONE)
        return self._with(world, index, process)

    def _root(self, role, memory):
        key = (role.does, memory, role.refused, role.ahead)
        root = self._roots.get(key)
        if root is None:
            begin, window, for_user = flow.FLOWS[role.does], self.configuration.window, self.for_user

            def make():
                clock = flow.ModelClock(role.ahead)
                running = Later(begin, for_user, memory, clock, window, role.refused)
                return running, lambda outcome: running.after(outcome), clock

            root = self._roots[key] = Node(make)
        return root

    # ---- the promises

    def _check_request(self, world, index, process, step):
        if step.request.url != flow.TOKEN or process.lease is None:
            return
        if any(fault.kind == "pause" and fault.process == index for fault in world.faults):
            return
        if self.for_user and not world.store.has_intent():
            self._broken.append(Broken("an intent is saved before a refresh token is sent"))
        left = process.lease_end - process.since
        if step.request.timeout > left - STORE_LIMIT + 0.2:
            detail = f"{step.request.timeout:.1f} s, {left:.1f} s left"
            self._broken.append(Broken("a token request leaves time to save its answer", detail))

    def _check_step(self, world, index, process, step):
        if type(step).__name__ == "Save" and step.lease is None:
            self._broken.append(Broken("nothing is saved without a lease"))

    def _check_outcome(self, world, index, process, role, outcome, memory):
        took = world.now - process.started
        is_late = took > flow.policy(self.configuration.window).timeout + 1.0
        stood = any(fault.kind in ("pause", "slow") for fault in world.faults)
        if is_late and not stood:
            raise Broken("a flow ends by its deadline", f"{took:.1f} s")
        if role.does == "refresh":
            if isinstance(outcome, Token):
                self._check_given(world, process, role, generation(outcome.access_token))
            elif isinstance(outcome, AuthorizationRequired):
                self._check_alarm(world, process)
            elif not isinstance(outcome, KrauthError):
                raise Broken("a flow ends with a token or an error", repr(outcome))
            if not world.faults and isinstance(outcome, TokenStoreError | TokenTransportError):
                raise Broken("without a fault nothing fails", repr(outcome))

    def _check_given(self, world, process, role, given):
        server, now = world.server, world.now
        if given < process.known and not self._is_a_draw(world, given):
            raise Broken("no caller is given an older token than the newest known", f"a{given}, a{process.known} known")
        if role.refused == f"a{given}" and process.got != given:
            raise Broken("no caller is given the refused token", f"a{given}")
        ends = dict(server.live)
        knows_the_time = role.ahead == 0.0 or process.got >= 0 or role.memory.skew is not None
        if given in ends and ends[given] <= now and knows_the_time:
            raise Broken("no caller is given an expired token", f"a{given}")
        if server.rotates and not self.configuration.excused:
            stored = world.store.saved()
            if stored.generation < given and not stored.is_revoked:
                raise Broken("a token is durable before it is used", f"a{given}, the store has a{stored.generation}")
        if any(other.revoked for other in world.processes) and server.family_revoked:
            began = [other for other in world.processes if other.revoked]
            if began and process.started > max(other.started for other in began):
                raise Broken("a revoked token is given to no one", f"a{given}")

    def _is_a_draw(self, world, given):
        """Whether two tokens were obtained at the same time, since a process was paused, and either will do."""
        server = world.server
        if given <= self.configuration.server.issued:
            return False
        if server.kind in MACHINES:
            return server.kind == "client" or any(fault.kind == "pause" for fault in world.faults)
        return given in server.good or (server.kind == "static" and server.accepts(given, world.now))

    def _check_alarm(self, world, process):
        server, store = world.server, world.store
        if not server.good or any(other.revoked for other in world.processes):
            return
        stored, alarm = store.saved(), "a user is asked to authorize only when it is needed"
        if stored.is_revoked:
            return
        if stored.refresh in server.good:
            raise Broken(alarm, f"the store has r{stored.refresh}, which is good")
        late = {fault.process for fault in world.faults if fault.excuses}
        for number, other in enumerate(world.processes):
            if number in late and other is not process:
                continue  # it stood still, or its answer was lost: no other can know what it has
            if other.status == CRASHED or (other.status == PAUSED and other is not process):
                continue
            if self.configuration.excused and other is not process:
                continue  # the store fell back behind it: no one but itself can know
            held = other.memory.newest.token
            hands = {generation(held.refresh_token)} if held is not None else set()
            if other.unsaved or other is process:
                hands.add(other.got)
            if hands & set(server.good):
                raise Broken(alarm, f"r{max(hands)} is good, a process has it")

    def _ended(self, world):
        server, store = world.server, world.store
        kinds = {fault.kind for fault in world.faults}
        alive = [process for process in world.processes if process.status == DONE]
        stored = store.saved()
        if any(process.revoked for process in world.processes):
            if not stored.is_revoked:
                raise Broken("a revocation is not undone", f"the store has a{stored.generation}")
            if any(process.got in server.good for process in alive):
                raise Broken("what is revoked in the store is revoked at the server", f"{server.good} are good")
        elif server.rotates and server.good and not stored.is_revoked:
            received = [process.got for process in alive if process.got in server.good]
            # A number above the store's: the process saves its token before it does anything else.
            waiting = [held.token for process in alive if (held := process.memory.newest).number > stored.number]
            hands = {stored.refresh, *(generation(token.refresh_token) for token in waiting if token is not None)}
            if received and not hands & set(server.good):
                lost = f"r{max(received)}, the store has r{stored.refresh}"
                raise Broken("no refresh token is lost while its owner lives", lost)
        excused = any(fault.kind.startswith("store") and fault.step in LEASES for fault in world.faults)
        if store.owner and world.now < store.lease_end and not kinds & {"crash", "pause"} and not excused:
            raise Broken("a lease is given back", f"it is held for {store.lease_end - world.now:.1f} s more")
        if server.twice and not self.configuration.excused and not any(process.told for process in world.processes):
            raise Broken("a second use of a refresh token shows in the log")
        needed = self.configuration.needed
        if needed is not None:
            allowed = needed + (2 if world.faults else 0)
            if server.requests > allowed:
                raise Broken("requests are bounded", f"{server.requests}, {needed} needed")


class Later:
    """A generator that is made when it is first sent something: by then its clock is right."""

    def __init__(self, begin, *arguments):
        self._begin, self._arguments, self._running = begin, arguments, None

    def send(self, value):
        if self._running is None:
            self._running, self.after = self._begin(*self._arguments)
        return self._running.send(value)

    def throw(self, error):
        return self._running.throw(error)


first_of = operator.itemgetter(0)


class _Dead:
    step = outcome = None


DEAD: Any = _Dead()
#: Events that tell of a refresh token that is, or may be, sent twice.
TELLING = frozenset({"sent_again", "conflict", "lease_lost"})
#: A fault at one of these can leave a lease: its answer, or the word that it is given back, was lost.
LEASES = ("Acquire", "Release")
flow_users = ("reuse", "rotation", "grace", "static")


def dumps(fields, _cache={}):  # noqa: B006
    key = tuple(fields.items())
    if key not in _cache:
        import json

        _cache[key] = json.dumps(fields).encode()
    return _cache[key]


def trace(came_from, world):
    lines = []
    while (step := came_from[world]) is not None:
        world, label = step
        lines.append(line(label))
    return lines[::-1]


def show(step):
    """A step in a few letters."""
    kind = type(step).__name__
    if kind == "Save":
        saved = read(step.value)
        token = f"a{saved.generation}/" + (f"r{saved.refresh}" if saved.refresh >= 0 else "–")
        words = ["Save", "revoked" if saved.is_revoked else "no token" if saved.generation < 0 else token]
        words += [f"number {saved.number}"]
        words += ["with an intent"] * ('"intent_at"' in step.value) + ["with a pause"] * ('"pause"' in step.value)
        words += ["and release"] * step.release + ["without a lease"] * (step.lease is None)
        return " ".join(words)
    if kind == "Send":
        body = step.request.body.decode()
        what = next((part for part in body.split("&") if part.startswith(("refresh_token=", "token="))), "")
        return f"Send {step.request.url.rpartition('/')[2]} {what.rpartition('=')[2]}".rstrip()
    return kind


def line(label):
    name, words, step = label
    return " ".join(word for word in (name, words, show(step) if step is not None else "") if word)
