"""Redirects: the credential reaches its own origin and nothing else, whatever the way, the status and the moment."""

import contextlib
from urllib.parse import quote

import pytest

from krauth.provider import use_origins
from loopback import Reply, Server, has_ipv6
from world import CANARY

STATUSES = [301, 302, 303, 307, 308]

# name → (base of the API, where the first call goes, where its redirect leads, whether that is the API's own origin).
# {home} and the like are host:port.
CASES = {
    "same origin": ("http://{home}", "http://{home}", "http://{home}/end", True),
    "same origin, relative": ("http://{home}", "http://{home}", "/end", True),
    "same origin, protocol-relative": ("http://{home}", "http://{home}", "//{home}/end", True),
    "same origin over TLS": ("https://{home_tls}", "https://{home_tls}", "https://{home_tls}/end", True),
    "other port": ("http://{home}", "http://{home}", "http://{away}/end", False),
    "other port, protocol-relative": ("http://{home}", "http://{home}", "//{away}/end", False),
    "other address": ("http://{home}", "http://{home}", "http://{other}/end", False),
    "other name of the same server": ("http://{home}", "http://{home}", "http://localhost:{home_port}/end", None),
    "other port over TLS": ("https://{home_tls}", "https://{home_tls}", "https://{away_tls}/end", False),
    "https to http": ("https://{home_tls}", "https://{home_tls}", "http://{away}/end", False),
    "http to https": ("http://{home}", "http://{home}", "https://{away_tls}/end", False),
    "default port written out": ("https://api.test", "https://api.test", "https://api.test:443/end", True),
    "default port left out": ("https://api.test:443", "https://api.test:443", "https://api.test/end", True),
    "another scheme's default port": ("https://api.test", "https://api.test", "http://api.test/end", False),
    "default ports, http to https": ("http://localhost", "http://localhost", "https://localhost/end", False),
    "another port of the same name": ("https://api.test", "https://api.test", "https://api.test:8443/end", False),
    "another name": ("https://api.test", "https://api.test", "https://evil.test/end", False),
    "upper case": ("https://api.test", "https://api.test", "HTTPS://API.TEST/end", True),
    "upper case base": ("HTTPS://API.TEST", "https://api.test", "https://api.test/end", True),
    "IDN": ("https://bücher.test", "https://bücher.test", "https://xn--bcher-kva.test/end", True),
    "IDN, A-label base": ("https://xn--bcher-kva.test", "https://bücher.test", "https://xn--bcher-kva.test/end", True),
    "user name that looks like the API": ("http://{home}", "http://{home}", "http://{home}@{away}/end", False),
    "user name and password of the API": ("http://{home}", "http://{home}", "http://127.0.0.1:80@{away}/end", False),
    "user name at the API": ("http://{home}", "http://{home}", "http://u:p@{home}/end", True),
    "host that begins like the API": ("https://api.test", "https://api.test", "https://api.test@evil.test/end", False),
}


def fill(text, world):
    places = {
        name: getattr(world, name).url.partition("://")[2] for name in ("home", "home_tls", "away", "away_tls", "other")
    }
    return text.format(**places, home_port=world.home.port)


@pytest.fixture(params=[False, True], ids=["at once", "after a refresh"])
def refreshed(request):
    """Whether the first call of the chain is refused, so that the redirect follows a retry."""
    return request.param


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_redirects(stack, world, named, case, refreshed):
    """On each of 301, 302, 303, 307 and 308 both headers go along to the own origin, and to no other."""
    base, start, location, own = (fill(part, world) if isinstance(part, str) else part for part in case)
    with stack.client(world.auth(stack, base), verify=world.ca_file, follow=True) as client:
        for status in STATUSES:
            if refreshed:
                world.revoke()
            seen_before = len(world.calls())
            method = "POST" if status in (303, 307) else "GET"
            answer = client.call(
                method,
                f"{start}/r?status={status}&to={quote(location)}",
                content=b"abc" if method == "POST" else None,
            )
            last = [*world.calls()][-1] if own is not False else None
            if own and "u:p@" in location and stack.library_name == "aiohttp":
                # aiohttp makes an Authorization of a user name in a URL, and the middleware takes it for the user's.
                assert (answer.status, last.header("Authorization")[:6]) == (401, "Basic "), status
            elif own:
                assert (answer.status, last.path) == (200, "/end"), status
                assert last.bearer in world.good, status
                assert last.header("X-API-Key"), status
            elif own is None:  # the same server by another name: it sees that nothing came along
                assert (answer.status, last.path) == (401, "/end"), status
                assert last.header("Authorization") is None
                assert last.header("X-API-Key") is None
            else:
                assert answer.status == 200, status
            assert len(world.calls()) - seen_before <= (3 if refreshed else 2) + (own is not False), status
        if own is False:
            foreign = world.away.seen + world.away_tls.seen + world.other.seen
            assert len(foreign) == len(STATUSES)
            assert all("x-api-key" not in {name.lower() for name, _ in seen.headers} for seen in foreign)
    world.assert_nothing_got_away()
    assert len(world.issued) == (len(STATUSES) if refreshed else 1)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_an_address_of_ipv6(stack, world, refreshed):
    """An API at `[::1]` gets its credential, however its address is written; its port's neighbour gets nothing."""
    with Server("::1") as six, Server("::1") as neighbour:
        six.answer, neighbour.answer = world.api, world.foreign
        with stack.client(world.auth(stack, six.url), follow=True) as client:
            for base, location, status in (
                (six.url, "/end", 200),
                (six.url.replace("::1", "0:0:0:0:0:0:0:1"), "/end", 200),
                (six.url, f"{neighbour.url}/end", 200),
                (six.url, f"{world.home.url}/end", 401),
            ):
                if refreshed:
                    world.revoke()
                answer = client.get(f"{base}/r?status=307&to={quote(location)}")
                assert answer.status == status, (base, location)
        assert [seen.bearer in world.issued for seen in six.seen if seen.path == "/end"] == [True] * 2
        for seen in [*neighbour.seen, *world.home.seen]:
            assert CANARY not in seen.everything


@pytest.mark.parametrize("location", ["http://{away}/end", "http://{home}/end", "//{away}/end"])
def test_redirects_that_are_not_followed(stack, world, location, refreshed):
    """With redirects off, the 3xx itself is the answer and no other server hears of the call."""
    with stack.client(world.auth(stack), follow=False) as client:
        for status in STATUSES:
            if refreshed:
                world.revoke()
            answer = client.get(f"{world.home.url}/r?status={status}&to={quote(fill(location, world))}")
            assert answer.status == status
    assert {seen.path for seen in world.home.seen} == {"/r"}
    assert world.away.seen == []


def test_header_fields_without_a_name_are_not_attached(stack, world):
    """What a provider does not name in `extra_names` can't be taken off a redirect: so it is not sent at all."""

    class Forgetful(stack.AdapterAuth):
        def __init__(self):
            use_origins(self, world.home.url)

        def extra_headers(self, method, url):
            return {"X-Signature": CANARY}

    world.home.answer = world.foreign
    with stack.client(Forgetful(), follow=True) as client:
        client.get(f"{world.home.url}/r?status=302&to={quote(world.away.url)}")
    assert len(world.home.seen) == len(world.away.seen) == 1
    for seen in (*world.home.seen, *world.away.seen):
        assert CANARY not in seen.everything


def test_header_fields_without_a_name_are_not_attached_to_a_retry(stack, world):
    """Nor are they when a refused request is repeated and then redirected."""

    class Forgetful(stack.MelomingOAuth):
        def extra_headers(self, method, url):
            return {"X-Signature": f"{CANARY}-signature"}

    auth = Forgetful("app", "secret", base_url=world.home.url, store=world.store, token_transport=world.issue)
    with stack.client(auth, follow=True) as client:
        client.get(f"{world.home.url}/x")
        world.revoke()
        client.get(f"{world.home.url}/r?status=302&to={quote(world.away.url)}")
    assert len(world.issued) == 2
    assert len(world.away.seen) == 1
    for seen in (*world.home.seen, *world.away.seen):
        assert seen.header("X-Signature") is None


def test_there_and_back_again(stack, world, refreshed):
    """A→B→A: B is sent nothing of ours, and the call succeeds at A."""
    back = f"{world.home.url}/end"
    there = f"{world.away.url}/r?status=307&to={quote(back)}"
    with stack.client(world.auth(stack), follow=True) as client:
        client.get(f"{world.home.url}/x")
        if refreshed:
            world.revoke()
        answer = client.get(f"{world.home.url}/r?status=307&to={quote(there)}")
    world.assert_nothing_got_away()
    assert world.home.seen[-1].path == "/end"
    assert len(world.issued) == 1 + refreshed
    if refreshed and stack.library_name.startswith("httpx"):
        # One flow around all hops, and its one retry is spent.
        assert answer.status == 401
    else:
        assert answer.status == 200
        assert world.home.seen[-1].bearer in world.good
        assert len(world.away.seen) == 1


def test_from_a_foreign_origin_to_ours(stack, world):
    """A call that begins elsewhere and is led to our origin arrives there without our credential."""
    with stack.client(world.auth(stack), follow=True) as client:
        answer = client.get(f"{world.away.url}/r?status=302&to={quote(world.home.url + '/open')}")
        assert answer.status == 200
        stack.token(client.auth)
        # The other server chose method, path and body: it must not act in the user's name.
        evil = f"{world.away.url}/r?status=307&to={quote(world.home.url + '/order')}"
        assert client.post(evil, content=b"a thousand books").status == 401
        assert client.get(f"{world.home.url}/x").status == 200  # what follows is ours again
    led = [seen for seen in world.home.seen if seen.path in ("/open", "/order")]
    assert len(led) == 2
    assert all(CANARY not in seen.everything for seen in led)
    world.assert_nothing_got_away()


def test_from_a_foreign_origin_in_many_tasks(stack, world):
    """Chains that run at the same time through one auth object are told apart."""
    with stack.client(world.auth(stack), follow=True) as client:
        stack.token(client.auth)
        evil = f"{world.away.url}/r?status=307&to={quote(world.home.url + '/x')}"
        futures = [client.start("GET", evil if n % 2 else f"{world.home.url}/r?to=/x") for n in range(20)]
        assert [future.result(20).status for future in futures] == [200, 401] * 10


def test_a_foreign_401_changes_nothing(stack, world):
    """A 401 from a foreign origin, reached directly or by redirect, costs no refresh and gets no second request."""
    world.away.answer = lambda seen: world.refusal()
    with stack.client(world.auth(stack), follow=True) as client:
        assert client.get(f"{world.home.url}/r?status=302&to={quote(world.away.url)}").status == 401
        assert client.get(f"{world.away.url}/direct").status == 401
    assert len(world.issued) == 1
    assert len(world.away.seen) == 2
    world.assert_nothing_got_away()


def test_trailing_dot(stack, world, named):
    """`localhost.` is `localhost`: called directly it is given the credential, and a redirect to it succeeds."""
    base = f"http://localhost:{world.home.port}"
    with stack.client(world.auth(stack, base), follow=True) as client:
        assert client.get(f"http://localhost.:{world.home.port}/x").status == 200
        answer = client.get(f"{base}/r?to={quote(f'http://localhost.:{world.home.port}/end')}")
    assert answer.status == 200
    assert world.home.seen[-1].path == "/end"


@pytest.mark.parametrize(
    "url",
    ["http://LOCALHOST:{port}/x", "HTTP://localhost:{port}/x", "http://u:p@localhost:{port}/x"],
    ids=["upper-case host", "upper-case scheme", "user name"],
)
def test_spellings_of_the_first_url(stack, world, named, url):
    """However the origin is spelt in the call's own URL, it is recognised."""
    if "u:p" in url and stack.library_name == "aiohttp":
        pytest.skip("in aiohttp a user name in the URL is the user's own Authorization, and wins")
    with stack.client(world.auth(stack, f"http://localhost:{world.home.port}")) as client:
        assert client.get(url.format(port=world.home.port)).status == 200


@pytest.mark.parametrize(
    "location",
    [
        "http:////{away}/end",
        "////{away}/end",
        "///{away}/end",
        "http:/{away}/end",
        "http:{away}/end",
        "\\\\{away}\\end",
        "/\\{away}/end",
        "http://{home}\\@{away}/end",
        "http://{away}\\@{home}/end",
        "http://{away}#@{home}/end",
        "http://{away}?@{home}/end",
        "http://{home}%2f@{away}/end",
        "http://{home}%23@{away}/end",
        "http://{away}%00@{home}/end",
        " http://{away}/end",
        "http://{home};@{away}/end",
        "http://[::ffff:127.0.0.1]:{away_port}/end",
        "http://0x7f000001:{away_port}/end",
        "http://2130706433:{away_port}/end",
        "HtTp://{away}/end",
        "?to=http://{away}/end",
        "http://{away}.:/end",
        "http://{home}.{away}/end",
        "http://127.0.0.1:{away_port}0/end",
        "http://{home}@{home}@{away}/end",
    ],
)
def test_locations_that_parsers_disagree_on(stack, world, location):
    """Wherever the library goes with a hostile `Location`, our origin is the only one that is sent a credential."""
    location = location.format(
        home=world.home.url[7:], away=world.away.url[7:], away_port=world.away.port, home_port=world.home.port
    )
    world.home.answer = lambda seen: world.api(seen) if seen.path != "/hop" else Reply(302, {"Location": location})
    # Where it is no URL to the library there is no request, and no leak.
    with stack.client(world.auth(stack), follow=True) as client, contextlib.suppress(Exception):
        client.get(f"{world.home.url}/hop", timeout=3)
    world.assert_nothing_got_away()
