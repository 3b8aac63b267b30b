"""A credential is never withheld in silence: one warning and one event per object and origin, and DEBUG for each."""

import logging
from urllib.parse import quote

import pytest

from krauth.provider import use_origins
from world import API_KEY, CANARY


@pytest.fixture
def said(caplog):
    """Return krauth's own records of a level; no secret is in any."""
    caplog.set_level(logging.DEBUG, "krauth")

    def said(level):
        records = [one for one in caplog.records if one.name == "krauth" and one.levelno == level]
        texts = [record.getMessage() for record in records]
        assert not any(CANARY in text for text in texts)
        return texts

    return said


def auths(stack, world):
    class Signing(stack.AdapterAuth):
        extra_names = ("X-Signature",)

        def __init__(self):
            use_origins(self, world.home.url)

        def extra_headers(self, method, url):
            return {"X-Signature": CANARY}

    return {
        "token and key": world.auth(stack),
        "token": world.auth(stack, api_key=None),
        "key": stack.MelomingAPIKey(API_KEY, base_url=world.home.url),
        "signature": Signing(),
    }


@pytest.mark.parametrize("kind", ["token and key", "token", "key", "signature"])
def test_a_401_from_another_origin(stack, world, said, events, kind):
    """A 401 from an origin that is not covered is explained once, naming both origins and the setting."""
    world.away.answer = world.other.answer = lambda seen: world.refusal()
    with stack.client(auths(stack, world)[kind]) as client:
        for url in (world.away.url, world.away.url, world.other.url, world.away.url):
            assert client.get(f"{url}/x").status == 401
        warnings = said(logging.WARNING)
        assert len(warnings) == 2
        for text, url in zip(warnings, (world.away.url, world.other.url), strict=True):
            assert f"{url} answered 401" in text
            assert world.home.url in text
            assert "base_url=" in text
            assert "api_origins=" in text
        assert len(said(logging.DEBUG)) == 4
        client.get(f"{world.home.url}/open")
    wait_for(lambda: sum(event.kind == "withheld" for event in events) == 2)


def wait_for(condition):
    import time

    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)  # an observer hears in a thread of its own; there is nothing to wait for


def test_a_401_after_a_redirect(stack, world, said):
    """The same where a redirect led away: the server it led to answers 401."""
    world.away.answer = lambda seen: world.refusal()
    with stack.client(world.auth(stack), follow=True) as client:
        for _ in range(2):
            assert client.get(f"{world.home.url}/r?to={quote(world.away.url)}").status == 401
    (text,) = [text for text in said(logging.WARNING) if "base_url=" in text]
    assert f"{world.away.url} answered 401" in text


def test_plain_http_to_the_own_host(stack, world, named, said):
    """A call over http to an API that is configured with https is explained: it looks the same to the eye."""
    world.away.answer = lambda seen: world.refusal()
    with stack.client(world.auth(stack, "https://api.test"), verify=world.ca_file) as client:
        assert client.get("http://api.test/x").status == 401
    (text,) = said(logging.WARNING)
    assert "http://api.test answered 401" in text
    assert "https://api.test" in text
    world.assert_nothing_got_away()


def test_what_works_is_not_explained(stack, world, said):
    """Another server that does not ask for a credential gets no warning, however often it is called."""
    with stack.client(world.auth(stack), follow=True) as client:
        client.get(f"{world.away.url}/x")
        client.get(f"{world.home.url}/r?to={quote(world.away.url)}")
    assert said(logging.WARNING) == []


def test_by_hand(stack, world, said):
    """`headers` and `refused` say it, too."""
    auth = world.auth(stack)
    sent = auth.headers("GET", f"{world.away.url}/x")
    for _ in range(2):
        assert auth.refused("GET", f"{world.away.url}/x", 401, {}, b"", sent) is None
    assert len(said(logging.WARNING)) == 1
    assert len(said(logging.DEBUG)) == 1
