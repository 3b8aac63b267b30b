"""The doors from end to end: hostile records, clocks and callers against real servers on loopback."""

import json
from email.utils import formatdate
from urllib.parse import parse_qsl

import pytest

from krauth import KrauthError, MemoryStore, RefreshPolicy, Token
from krauth._values.clock import SYSTEM
from krauth._values.record import Pause, Record
from krauth.naver import NaverCredentials
from loopback import Reply, Server
from stacks import BY_NAME

NAVER_SECRET = "$2a$04$abcdefghijklmnopqrstuu"
SECRET = "canary7f3a-the-clients"


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.fixture(params=["requests", "httpx2-trio", "aiohttp"])
def stack(request):
    """A blocking stack, one under trio and one under asyncio: the engine is the same for all."""
    return BY_NAME[request.param]


@pytest.fixture(autouse=True)
def _fresh(server):
    from krauth._engine import process

    process.skew._known.clear()
    server.seen.clear()


def issue(seen):
    return Reply.json({"access_token": f"new-token-{len(seen.body)}", "token_type": "Bearer", "expires_in": 3600})


def fields(seen):
    return dict(parse_qsl(seen.body.decode()))


HOSTILE = {
    "a token with a line break": {"access_token": "good\r\nX-Evil: 1"},
    "a token with NUL": {"access_token": "good\0"},
    "a token in Korean": {"access_token": "토큰"},
    "a surrogate": {"access_token": "\ud800"},
    "a token without end": {"access_token": "a" * 100_000},
    "an expiry of 400 digits": {"expires_at": 10**400},
    "obtained in 400 digits": {"obtained_at": -(10**400)},
    "an expiry that is no number": {"expires_at": float("nan")},
    "a refresh token with a line break": {"refresh_token": "a\nb"},
    "a list": {"access_token": ["a"]},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_record_counts_as_none(stack, server, events, what):
    """A record that can't be used is reported, replaced by the next token, and nothing of it is sent."""
    server.answer = issue
    store = MemoryStore()
    auth = stack.NaverAuth("client", NAVER_SECRET, base_url=server.url, store=store)
    key = auth._tokens.credentials.key
    now = SYSTEM.time()
    token = {"access_token": "good", "expires_at": now + 3600, "obtained_at": now} | HOSTILE[what]
    store.save(key, json.dumps({"format": 1, "token": token}))
    auth = stack.NaverAuth("client", NAVER_SECRET, base_url=server.url, store=store)
    assert stack.token(auth).access_token.startswith("new-token")
    assert len(server.seen) == 1
    assert "good" not in Record.from_text(store.load(key).value).token.access_token


@pytest.mark.parametrize(
    ("stack", "date"),
    [
        ("requests", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("httpx2-trio", "Thu, 01 Jan 1970 00:00:01 GMT"),
        ("aiohttp", "Sat, 01 Jan 2050 00:00:00 GMT"),
    ],
    indirect=["stack"],
)
def test_a_wrong_date_does_no_lasting_harm(stack, server, date):
    """One `Date` of the year 9999 with a 503 does not keep a process from signing its requests."""
    answers = [Reply(503, {"Date": date}), Reply(503, {"Date": date})]
    now = SYSTEM.time()

    def answer(seen):
        if answers:
            return answers.pop(0)
        late = abs(int(fields(seen)["timestamp"]) / 1000 - now) > 300
        refused = {"code": "BAD_REQUEST", "invalidInputs": [{"name": "timestamp"}]}
        reply = Reply.json(refused, 400) if late else issue(seen)
        reply.headers["Date"] = formatdate(usegmt=True)
        return reply

    server.answer = answer
    settings = {"base_url": server.url, "store": MemoryStore(), "refresh": RefreshPolicy(attempts=3, timeout=10)}
    auth = stack.NaverAuth("client", NAVER_SECRET, **settings)
    assert stack.token(auth).access_token.startswith("new-token")


def test_a_token_that_an_older_krauth_saved_is_found(stack, server):
    """After an upgrade the token that is there already is used, and none is obtained."""
    server.answer = issue
    store = MemoryStore()
    credentials = NaverCredentials("client", NAVER_SECRET, None, server.url)
    now = SYSTEM.time()
    (former,) = credentials.former_keys
    store.save(former, Record(Token("saved-by-an-older-krauth", now + 9000, now)).to_text())
    auth = stack.NaverAuth("client", NAVER_SECRET, base_url=server.url, store=store)
    assert stack.token(auth).access_token == "saved-by-an-older-krauth"
    assert not server.seen


# A user's token belongs to the client that it was obtained with.


def make(stack, server, store, secret=SECRET, **settings):
    settings = {"token_endpoint": f"{server.url}/token", "api_origins": server.url, "user": "mina", **settings}
    refresh = RefreshPolicy(attempts=1, timeout=5)
    return stack.OAuth2Auth("client", secret, store=store, refresh=refresh, **settings)


@pytest.fixture
def signed_in(stack, server):
    """A store in which mina has signed in, with a server that knows one secret and rotates refresh tokens."""
    store = MemoryStore()
    good = [SECRET]

    def answer(seen):
        if fields(seen).get("client_secret") not in good:
            return Reply.json({"error": "invalid_client"}, 401)
        return Reply.json(
            {
                "access_token": "minas-new-token",
                "token_type": "Bearer",
                "expires_in": 3600,
                "refresh_token": "minas-next",
            }
        )

    server.answer = answer
    now = SYSTEM.time()
    auth = make(stack, server, store)
    stack.method(auth, "set_token", Token("minas-token", now + 3600, now, refresh_token="minas-refresh"))
    assert stack.token(make(stack, server, store)).access_token == "minas-token"
    assert not server.seen
    return store, good


@pytest.mark.parametrize("secret", ["canary7f3a-a-wrong-one", None], ids=["wrong", "none"])
def test_a_wrong_secret_gets_no_users_token(stack, server, signed_in, secret):
    """Who names client_id and user with a wrong or no secret is not handed the token: the server decides."""
    store, _ = signed_in
    wrong = make(stack, server, store, secret)
    for auth in (wrong, wrong, make(stack, server, store, secret)):
        with pytest.raises(KrauthError) as caught:
            stack.token(auth)
        assert "minas" not in str(caught.value)
    assert stack.token(make(stack, server, store)).access_token == "minas-token"  # and mina is still signed in


def test_a_replaced_secret_signs_no_user_out(stack, server, signed_in):
    """After the secret was replaced, a refresh with the new one decides, and the proof moves with it."""
    store, good = signed_in
    good[:] = ["canary7f3a-the-new-one"]
    assert stack.token(make(stack, server, store, good[0])).access_token == "minas-new-token"
    assert len(server.seen) == 1
    assert stack.token(make(stack, server, store, good[0], scope=None)).access_token == "minas-new-token"
    assert len(server.seen) == 1


def test_other_origins_get_no_users_token(stack, server, signed_in):
    """A caller that names other API origins is not handed the token that was obtained for the first ones."""
    store, _ = signed_in
    owner = make(stack, server, store)
    assert stack.token(owner).access_token == "minas-token"  # it is in memory, too
    other = make(stack, server, store, api_origins=["https://evil.example", server.url])
    try:
        assert stack.token(other).access_token != "minas-token"
    except KrauthError as error:
        assert "minas" not in str(error)


def test_a_namespace_is_a_world_of_its_own(stack, server, signed_in):
    """A tenant with another namespace finds no token of this one, and its own stays apart."""
    store, _ = signed_in
    with pytest.raises(KrauthError):
        stack.token(make(stack, server, store, namespace="other"))


@pytest.mark.parametrize("until", [1e10, 9e10])
def test_a_pause_that_never_ends(stack, server, until):
    """A stored pause that is longer than any that krauth makes keeps no process from asking."""
    server.answer = issue
    store = MemoryStore()
    key = NaverCredentials("client", NAVER_SECRET, None, server.url).key
    store.save(key, Record(pause=Pause(until, 1, "canary", "TokenServerError", 503)).to_text())
    auth = stack.NaverAuth("client", NAVER_SECRET, base_url=server.url, store=store)
    assert stack.token(auth).access_token.startswith("new-token")
