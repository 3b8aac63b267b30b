"""One running `Sandbox` for the whole directory, put back to its first moment for each test that asks for it."""

import pytest

from krauth_sandbox import Sandbox


@pytest.fixture(scope="session")
def running():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    yield running
    running.reset()
