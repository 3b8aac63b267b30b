"""One running `Sandbox` for all stacks, put back to its first moment for each test."""

import pytest

from krauth import MemoryStore
from krauth_sandbox import Sandbox
from stacks import STACKS


@pytest.fixture(params=STACKS, ids=repr)
def stack(request):
    return request.param


@pytest.fixture(scope="session")
def running():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    return running


@pytest.fixture
def store():
    """A store of the test's own: equal credentials in the process's default store would share their tokens."""
    return MemoryStore()


@pytest.fixture
def naver(stack, sandbox, store):
    """Make a `NaverAuth` of the stack for the sandbox."""

    def make(**settings):
        defaults = {
            "client_id": sandbox.naver_client_id,
            "client_secret": sandbox.naver_client_secret,
            "base_url": sandbox.naver_url,
            "store": store,
        }
        return stack.NaverAuth(**{**defaults, **settings})

    return make


@pytest.fixture
def meloming(stack, sandbox, store):
    """Make a `MelomingOAuth` of the stack for the sandbox."""

    def make(**settings):
        defaults = {
            "client_id": sandbox.meloming_client_id,
            "client_secret": sandbox.meloming_client_secret,
            "base_url": sandbox.meloming_url,
            "store": store,
        }
        return stack.MelomingOAuth(**{**defaults, **settings})

    return make
