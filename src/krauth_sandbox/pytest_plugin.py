"""The pytest fixture `krauth_sandbox`, a fresh `Sandbox` per test; imports `_sandbox` when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from krauth_sandbox import Sandbox


@pytest.fixture
def krauth_sandbox() -> Iterator[Sandbox]:
    """Start both emulators on free loopback ports, hand over the `Sandbox`, stop it after the test."""
    # Imported here, not above: this plugin is loaded into every pytest run of everyone who installed krauth.
    from krauth_sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox
