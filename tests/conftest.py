"""What all tests share: the stacks, one running sandbox, a store, and the events that observers are told.

Nothing is imported before a test asks for it: the core's tests run where no HTTP library is installed.
"""

import signal
import time

import pytest

from stacks import STACKS


def pytest_configure(config):
    """A shell starts a command in the background with SIGINT ignored, and tests send that signal."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=STACKS, ids=repr)
def stack(request):
    """Every stack; a directory that tests fewer says which."""
    return request.param


@pytest.fixture(scope="session")
def running():
    """The one sandbox of the run."""
    from krauth_sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    """The running sandbox, as it was in its first moment."""
    from krauth._engine import process

    process.skew._known.clear()  # measured with fake clocks, for other servers at this address
    running.reset()
    running.speed = 1.0
    yield running
    running.reset()


@pytest.fixture
def store():
    """A store of the test alone: equal credentials in the process's default store would share their tokens."""
    from krauth import MemoryStore

    return MemoryStore()


@pytest.fixture
def events():
    """All events of the test, as they come."""
    from krauth import _plugins, hookimpl
    from krauth._engine import process

    class Seen(list):
        """Observers are told in a thread of their own: reading waits until they have been told all."""

        def __iter__(self):
            tellers, end = process.tellers, time.monotonic() + 20
            while tellers._lanes:
                assert time.monotonic() < end, "the observers are not told"
                time.sleep(0.002)
            return super().__iter__()

    class Observer:
        def __init__(self):
            self.seen = Seen()

        @hookimpl
        def krauth_token_event(self, event):
            self.seen.append(event)

    list(Seen())  # the events of the test before
    observer = Observer()
    manager = _plugins.plugins().manager
    manager.register(observer)
    yield observer.seen
    manager.unregister(observer)
