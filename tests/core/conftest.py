"""What the core's tests share: nothing here, or beside it, needs an HTTP library."""

import os
import traceback
from pathlib import Path

import pytest
from hypothesis import settings

import krauth
from krauth._auth.transport import Transport
from krauth.meloming import MelomingAPIKeyBase, MelomingOAuthBase
from krauth.naver import NaverAuthBase
from krauth.oauth2 import OAuth2AuthBase

settings.register_profile("core", settings.default, deadline=None)
settings.register_profile("core-again", settings.default, deadline=None, max_examples=10)
# The run without HTTP libraries repeats everything to see what is imported, not what is computed.
settings.load_profile("core-again" if "KRAUTH_BLOCKED" in os.environ else "core")

OURS = str(Path(krauth.__file__).parent)


class NoNetwork(Transport):
    def open(self):
        return no_network


class NoStack:
    """Stands in for an adapter: token requests travel through a callable only."""

    @classmethod
    def transport_class(cls):
        return NoNetwork


def no_network(request):
    raise AssertionError("a request was sent")


class NaverAuth(NoStack, NaverAuthBase):
    pass


class MelomingOAuth(NoStack, MelomingOAuthBase):
    pass


class MelomingAPIKey(NoStack, MelomingAPIKeyBase):
    pass


class OAuth2Auth(NoStack, OAuth2AuthBase):
    pass


class Core:
    NaverAuth = NaverAuth
    MelomingOAuth = MelomingOAuth
    MelomingAPIKey = MelomingAPIKey
    OAuth2Auth = OAuth2Auth


@pytest.fixture
def core():
    """The public classes without any HTTP library."""
    return Core


def chain_of(error):
    """The error and everything it was caused by or raised in the context of, suppressed or not."""
    seen, queue = [], [error]
    while queue:
        link = queue.pop()
        if link is not None and link not in seen:
            seen.append(link)
            queue += [link.__cause__, link.__context__]
    return seen


def show(value):
    try:
        return repr(value)
    except Exception as error:  # an object that is only half made
        return repr(error)


@pytest.fixture
def assert_hidden():
    """Assert that a secret is in no message of an error's chain and in no local variable of krauth's frames."""

    def check(error, *secrets):
        assert secrets
        for link in chain_of(error):
            texts = [str(link), repr(link), repr(link.args), repr(vars(link))]
            for frame, _ in traceback.walk_tb(link.__traceback__):
                if frame.f_code.co_filename.startswith(OURS):
                    texts += [f"{name}={show(value)}" for name, value in frame.f_locals.items()]
            for secret in secrets:
                for text in texts:
                    assert secret not in text

    return check
