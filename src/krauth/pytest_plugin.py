"""The pytest fixtures `krauth_static_token` and `krauth_reset`; they import `testing` when a test asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def krauth_static_token() -> Iterator[str]:
    """Let every auth object send a static token, which this is; no server is asked."""
    from krauth.testing import static_token

    with static_token() as token:
        yield token


@pytest.fixture
def krauth_reset() -> Iterator[None]:
    """Forget all tokens, failures and stores of the process before the test and after it."""
    from krauth.testing import reset

    with reset():
        yield
