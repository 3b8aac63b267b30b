"""One running `Sandbox` for all stacks, put back to its first moment for each test."""

import pytest


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
