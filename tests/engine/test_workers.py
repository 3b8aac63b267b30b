"""The threads that refresh, with real threads: how many, for how long, and what no task can do to them."""

from __future__ import annotations

import functools
import gc
import logging
import re
import sys
import threading
import time
import weakref
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import requests

import krauth
import krauth.testing
import krauth_requests
from krauth import ConfigurationError, HTTPRequest, HTTPResponse, MemoryStore, TokenTransportError
from krauth._engine import process
from krauth._engine.workers import NoThread, Workers

PATIENCE = 20.0
SELLERS = 200


def mine(workers):
    """The threads of these workers, by what they run: other tests have workers, too."""
    targets = {workers._work, workers._keep_time}
    return [thread for thread in threading.enumerate() if getattr(thread, "_target", None) in targets]


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_no_thread_exists_before_there_is_work_or_long_after():
    """A process that refreshes nothing has no thread of ours; idle ones end."""
    workers = Workers(idle=0.02)
    assert mine(workers) == []
    done = threading.Event()
    workers.submit(done.set)
    workers.after(0.0, done.set)
    assert done.wait(PATIENCE)
    until(lambda: mine(workers) == [])
    again = threading.Event()
    workers.submit(again.set)
    assert again.wait(PATIENCE)


def test_what_a_caller_waits_for_goes_first():
    """In one lane an urgent task goes ahead of those that wait already, behind earlier urgent ones, and none is lost."""
    workers, order, gate, done = Workers(lane_limit=1, idle=0.02), [], threading.Event(), threading.Event()
    workers.submit(gate.wait)
    for name in "abc":
        workers.submit(functools.partial(order.append, name))
    workers.submit(functools.partial(order.append, "first"), urgent=True)
    workers.after(0.0, functools.partial(order.append, "second"), urgent=True)
    until(lambda: workers.waiting(None) == 5)
    workers.submit(done.set)
    gate.set()
    assert done.wait(PATIENCE)
    assert order == ["first", "second", "a", "b", "c"]
    assert workers.waiting(None) == 0


def test_a_caller_does_not_wait_behind_a_storm():
    """A first token, and a token that ended meanwhile, are obtained before refreshes for which no caller waits."""
    gate, seen = threading.Event(), []

    def send(request):
        if request.url.endswith("/token"):
            seen.append(dict(parse_qsl(request.body.decode()))["client_id"])
            if len(seen) > SELLERS:
                gate.wait(PATIENCE)
        body = b'{"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}'
        return HTTPResponse(200, {}, body.replace(b'"t"', b'"t%d"' % len(seen)))

    def make(name):
        settings = {"token_endpoint": "https://a.example/token", "api_origins": "https://a.example"}
        return krauth_requests.OAuth2Auth(name, "a-client-secret", token_transport=send, **settings)

    with krauth.testing.FakeClock() as clock, krauth.testing.reset():
        auths = [make(f"seller-{number}") for number in range(SELLERS)]
        for auth in auths:
            auth.token()
        clock.advance(3300)
        for auth in auths:  # all are due, and 64 of them are under way
            auth.token()
        until(lambda: len(seen) == SELLERS + 64)
        last = auths[-1]
        clock.advance(400)  # and now they are over
        waiting = [threading.Thread(target=auth.token, daemon=True) for auth in (last, make("new"))]
        for thread in waiting:
            thread.start()
        until(lambda: process.workers._lanes and any(len(lane.urgent) == 2 for lane in process.workers._lanes.values()))
        gate.set()
        for thread in waiting:
            thread.join(PATIENCE)
        until(lambda: len(seen) == 2 * SELLERS + 1)
    assert {last.client_id, "new"} <= set(seen[SELLERS + 64 : SELLERS + 64 + 66])


def test_a_timer_without_an_end_stops_no_other():
    """A token whose server names no lifetime is kept warm for ever: the timers of other tokens go on."""
    workers, done = Workers(idle=0.02), threading.Event()
    workers.after(float("inf"), lambda: None)
    workers.after(0.05, done.set)
    assert done.wait(PATIENCE)
    assert workers._timer_runs
    workers.after(0.0, done.clear)
    until(lambda: not done.is_set())


def test_there_are_never_more_threads_than_the_limit_and_nothing_is_lost():
    """A hundred tasks on three threads: each runs once."""
    workers, gate, ran = Workers(limit=3, idle=0.05), threading.Event(), []
    for number in range(100):
        workers.submit(lambda number=number: (gate.wait(PATIENCE), ran.append(number)))
    assert [thread.daemon for thread in mine(workers)] == [True] * 3
    gate.set()
    until(lambda: len(ran) == 100)
    assert sorted(ran) == list(range(100))


def test_an_idle_thread_is_used_before_another_is_started():
    """One task after the other needs one thread."""
    workers, seen = Workers(idle=5), set()
    for _ in range(20):
        done = threading.Event()
        workers.submit(lambda done=done: (seen.add(threading.get_ident()), done.set()))
        assert done.wait(PATIENCE)
        until(lambda: workers._idle == 1)
    assert len(seen) == 1


def test_a_busy_thread_does_not_keep_a_task_waiting():
    """While there is room a new task gets a new thread."""
    workers, gate, done = Workers(idle=0.05), threading.Event(), threading.Event()
    workers.submit(lambda: gate.wait(PATIENCE))
    workers.submit(done.set)
    assert done.wait(PATIENCE)
    gate.set()


def test_an_idle_thread_is_not_counted_twice():
    """Two tasks that come at once, one of which blocks, with one idle thread: the other gets a thread of its own."""
    workers = Workers(idle=5)
    for _ in range(20):
        first = threading.Event()
        workers.submit(first.set)
        assert first.wait(PATIENCE)
        until(lambda: workers._idle == workers._threads)
        gate, done = threading.Event(), threading.Event()
        for _ in range(workers._idle):
            workers.submit(lambda gate=gate: gate.wait(PATIENCE))
        workers.submit(done.set)
        assert done.wait(5)
        gate.set()


def test_tasks_from_many_threads_all_run():
    """Two thousand tasks submitted by eight threads, with threads ending all the while: none is lost."""
    workers, count, lock = Workers(limit=4, idle=0.0005), [0], threading.Lock()

    def task():
        with lock:
            count[0] += 1

    def submit():
        for number in range(250):
            workers.submit(task) if number % 2 else workers.after(0.0, task)

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    until(lambda: count[0] == 2000)


def test_a_task_that_raises_costs_no_thread(caplog):
    """However many tasks fail, those that follow find a thread, and the log says what failed."""
    workers, done = Workers(limit=2, idle=5), threading.Event()
    with caplog.at_level(logging.ERROR, "krauth"):
        for _ in range(10):
            workers.submit(lambda: 1 / 0)
        workers.submit(done.set)
        assert done.wait(PATIENCE)
    assert "ZeroDivisionError" in caplog.text


def test_an_idle_thread_keeps_nothing_alive():
    """What a task held can be collected once it has run, though its thread lives on."""

    class Held:
        pass

    workers, held, done = Workers(idle=10 * PATIENCE), Held(), threading.Event()
    gone = weakref.ref(held)
    workers.submit(lambda held=held: done.set())
    workers.after(0.0, lambda held=held: None)
    del held
    assert done.wait(PATIENCE)
    until(lambda: (gc.collect(), gone() is None)[1])


def test_timers_fire_in_the_order_of_their_times_from_one_thread():
    """Set in any order, also while the thread already waits for a later one."""
    workers, fired, done = Workers(limit=1, idle=0.2), [], threading.Event()
    workers.after(0.15, lambda: (fired.append("late"), done.set()))
    workers.after(0.05, lambda: fired.append("early"))
    workers.after(0.1, lambda: fired.append("middle"))
    assert [thread.daemon for thread in mine(workers) if thread.name == "krauth-timer"] == [True]
    assert done.wait(PATIENCE)
    assert fired == ["early", "middle", "late"]


def test_a_timer_does_not_wait_for_a_later_one_that_was_set_before():
    """The thread that sleeps towards a distant time is woken by a near one."""
    workers, done = Workers(idle=0.05), threading.Event()
    workers.after(60, done.clear)
    workers.after(0.01, done.set)
    assert done.wait(5)


def test_a_timer_never_fires_early():
    """A backoff is at least as long as it says."""
    workers, at, done = Workers(idle=0.1), [], threading.Event()
    begun = time.monotonic()
    workers.after(0.1, lambda: (at.append(time.monotonic()), done.set()))
    assert done.wait(PATIENCE)
    assert at[0] - begun >= 0.1


@pytest.fixture
def no_more_threads(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    return monkeypatch


def test_without_a_thread_to_be_had_a_task_is_refused_and_leaves_nothing_behind(no_more_threads):
    """At shutdown, or with the system's threads used up, the driver is told; later tasks run as ever."""
    workers, ran = Workers(), threading.Event()
    with pytest.raises(NoThread):
        workers.submit(lambda: pytest.fail("it was refused"), "lane")
    no_more_threads.undo()
    workers.submit(ran.set, "lane")
    assert ran.wait(PATIENCE)


def test_without_a_thread_to_be_had_a_timer_is_refused_and_leaves_nothing_behind(no_more_threads):
    """A timer that can't be kept says so; it neither fires later on nor spoils the timers of better days."""
    workers, fired, done = Workers(idle=0.05), [], threading.Event()
    with pytest.raises(RuntimeError):
        workers.after(0.0, lambda: fired.append("too late"))
    no_more_threads.undo()
    workers.after(0.02, done.set)
    assert done.wait(PATIENCE)
    assert fired == []


def test_a_transport_that_waits_for_its_own_token_is_told_so():
    """A callable transport that sends through the client that carries the auth: an error at once, no deadlock."""

    def send(request: HTTPRequest):
        return requests.post(request.url, data=request.body, auth=auth, timeout=PATIENCE)

    auth = krauth_requests.MelomingOAuth(
        "client", "secret", base_url="http://127.0.0.1:9", store=MemoryStore(), token_transport=send
    )
    begun = time.monotonic()
    with pytest.raises((ConfigurationError, TokenTransportError), match="leaves its auth out|hand the client"):
        auth.token()
    assert time.monotonic() - begun < 5


def test_what_gevent_replaces_is_looked_up_when_it_is_used():
    """gevent may patch after our import, as gunicorn's gevent workers do with --preload: no name is bound too early.

    A queue that was bound before would stop all greenlets, the one that refreshes included.
    """
    bound = re.compile(
        r"^\s*from (?:threading|queue|_thread|select) import|^\s*from time import .*\bsleep\b", re.MULTILINE
    )
    source = Path(krauth.__file__).parents[1]
    ours = [path for path in source.glob("*krauth*/**/*.py") if path.parts[len(source.parts)] != "krauth_sandbox"]
    assert len(ours) > 60
    assert [path.name for path in ours if bound.search(path.read_text(encoding="utf-8"))] == []


def test_a_task_is_taken_once(caplog):
    """Short tasks of one lane, taken by many threads at once: each runs once, and no thread looks for one in vain."""
    workers, done, size = Workers(), [], 3000
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(size):
            workers.submit(functools.partial(done.append, number), "lane")
        deadline = time.monotonic() + 20
        while len(done) < size and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        sys.setswitchinterval(interval)
    assert sorted(done) == list(range(size))
    assert not caplog.records


def test_locks_that_were_replaced(monkeypatch):
    """eventlet, patched in after the first refresh, leaves a lock that can't wake a thread: the caller does the work."""
    workers, ran = Workers(), threading.Event()
    workers.submit(ran.set)
    assert ran.wait(PATIENCE)
    while not workers._idle:
        time.sleep(0.001)

    def notify():
        raise RuntimeError("cannot notify on un-acquired lock")

    monkeypatch.setattr(workers._wakeup, "notify", notify)
    done = []
    with pytest.raises(NoThread, match="eventlet"):
        workers.submit(lambda: done.append(1), "lane")
    assert workers.waiting("lane") == 0
    assert not done
