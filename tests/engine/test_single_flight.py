"""Who waits for what: one refresh for all callers, whatever becomes of it."""

from __future__ import annotations

import threading

import pytest

from krauth import (
    ConfigurationError,
    RefreshPolicy,
)
from krauth._engine import process

from ._rig import Rig


def test_all_who_have_no_token_wait_for_the_same_refresh():
    """A thousand callers without a token share one run and one request."""
    rig = Rig()
    runs = {rig.start() for _ in range(1000)}
    assert len(runs) == 1
    assert rig.opened == 1
    rig.workers.run()
    assert rig.server.count == 1
    assert rig.peek() == "access-1"


def test_a_fresh_token_is_given_without_lock_or_work():
    """While the token is fresh `peek` takes no lock, starts nothing and sends nothing."""
    rig = Rig()
    rig.get()
    with process.lock:
        assert rig.peek() == "access-1"
    assert not rig.workers.tasks
    assert rig.server.count == 1


def test_nothing_is_obtained_before_a_caller_asks():
    """Making a source sends nothing, not even with `keep_warm`."""
    rig = Rig(policy=RefreshPolicy(keep_warm=True))
    rig.source.keep_warm(rig)
    rig.workers.pass_time(100_000)
    assert rig.server.count == 0


def test_a_caller_who_comes_after_the_end_gets_the_token_at_once():
    """`start` with a fresh token there returns a run that is over."""
    rig = Rig()
    rig.get()
    run = rig.start()
    assert run.future.done()
    assert run.future.result(0).token.access_token == "access-1"


def test_a_transport_is_opened_where_the_caller_runs_and_only_if_a_refresh_begins():
    """Those who join a refresh lend no transport."""
    rig = Rig()
    for _ in range(5):
        rig.start()
    assert rig.opened == 1


def test_callers_from_many_threads_decide_one_after_the_other():
    """Two threads that find no token at the same moment do not both begin a refresh."""
    rig = Rig()
    both = threading.Event()

    class Slow:
        way = rig

        def open(self):
            rig.opened += 1
            if rig.opened > 3:
                both.set()
            both.wait(0.5)
            return rig.server

    runs = []
    threads = [threading.Thread(target=lambda: runs.append(rig.source.start(Slow()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(run) for run in runs}) == 1
    rig.workers.run()
    assert rig.server.count == 1


def test_a_transport_that_cannot_be_opened_harms_only_who_brought_it():
    """A `ConfigurationError` from one caller's transport leaves no run behind for others to wait on."""
    rig = Rig()

    class Foreign:
        way = "another"

        def open(self):
            raise ConfigurationError("an async client without its loop")

    with pytest.raises(ConfigurationError):
        rig.source.start(Foreign())
    assert rig.get() == "access-1"


def test_a_refresh_that_is_interrupted_before_it_begins_leaves_no_caller_waiting(monkeypatch):
    """KeyboardInterrupt in the moment between announcing a run and beginning it does not block those who come later."""
    rig = Rig()
    with monkeypatch.context() as patch:
        patch.setattr(rig.workers, "submit", lambda task, lane, urgent: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rig.start()
    rig.clock.advance(2)
    assert rig.get() == "access-1"


def test_a_refresh_that_hangs_is_given_up_after_its_time():
    """A transport that never returns costs those who wait their patience, and the source nothing for ever."""
    rig = Rig()
    hung = rig.start()
    rig.workers.tasks.clear()  # it never comes back
    rig.clock.advance(rig.policy.queue_timeout + rig.policy.timeout + rig.policy.attempt_timeout + 4)
    assert rig.start() is hung
    rig.clock.advance(2)
    assert rig.get() == "access-1"


def test_a_hung_refresh_that_ends_late_after_all_spoils_nothing():
    """What a refresh that was given up brings at last does not replace a newer token."""
    rig = Rig()
    rig.start()
    late = list(rig.workers.tasks)
    rig.workers.tasks.clear()
    rig.clock.advance(200)
    assert rig.get() == "access-1"
    rig.workers.tasks.extend(late)
    rig.workers.run()
    assert rig.peek() == "access-1"
    assert rig.server.count == 1
