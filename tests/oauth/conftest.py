"""What the tests of user tokens share: a sandbox, a user's auth object, and what observers were told."""

import contextlib
import json
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from stacks import BY_NAME

#: One of each way of calling; every stack shares the code below it.
WAYS = [BY_NAME[name] for name in ("requests", "httpx-asyncio", "aiohttp")]


@pytest.fixture(params=WAYS, ids=str)
def stack(request):
    return request.param


@pytest.fixture
def make(sandbox, stack, store):
    """Make a Meloming auth object of the stack for a user, over a store of the test's own."""

    def make(user="mina", **settings):
        settings = {"redirect_uri": "https://app.example/callback", "store": store, **settings}
        return stack.MelomingOAuth(
            sandbox.meloming_client_id,
            settings.pop("client_secret", sandbox.meloming_client_secret),
            user=user,
            base_url=sandbox.meloming_url,
            **settings,
        )

    return make


@pytest.fixture
def auth(make):
    return make()


@pytest.fixture
def sign_in(sandbox, stack):
    """Have a user authorize, as a browser would, and return the token."""

    def sign_in(auth, username="melo", **settings):
        request = auth.authorization_request(**settings)
        return stack.method(auth, "authorize", sandbox.meloming.approve(request.url, username), request)

    return sign_in


def kinds(events):
    return [event.kind for event in events]


def fields_of(record):
    """The fields of a recorded request's body, form or JSON."""
    if record.headers.get("Content-Type", "").startswith("application/json"):
        return json.loads(record.body)
    return {name: values[0] for name, values in parse_qs(record.body.decode()).items()}


def sent(sandbox, path="/oauth/token"):
    """Return the requests to an endpoint, as dicts of fields."""
    return [fields_of(record) for record in sandbox.meloming.requests if record.path == path]


def changed(url, **parameters):
    """The URL with query parameters set, or taken out where the value is None."""
    parts = urlsplit(url)
    pairs = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    pairs += [(name, value) for name, value in parameters.items() if value is not None]
    return parts._replace(query=urlencode(pairs)).geturl()


def parameter(url, name):
    return dict(parse_qsl(urlsplit(url).query)).get(name)


@contextlib.contextmanager
def never_sent(sandbox):
    """Assert that nothing in the block sends a token request."""
    before = sandbox.meloming.token_requests
    yield
    assert sandbox.meloming.token_requests == before
