"""One running `Sandbox` for the sandbox's own tests, put back to its first moment for each."""

import pytest

from krauth_sandbox import Sandbox


@pytest.fixture(scope="session")
def running():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    return running
