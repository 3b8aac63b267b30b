"""Checks of the contracts, used by `_store_contract` and `_provider_contract`."""

from __future__ import annotations


def check(condition: bool, failure: str) -> None:
    """Raise `AssertionError` where a promise does not hold."""
    if not condition:  # not an assert: pytest rewrites those of test modules only, and -O drops them
        raise AssertionError(failure)


def skip(why: str) -> None:
    """Skip the running test."""
    import pytest

    pytest.skip(why)
