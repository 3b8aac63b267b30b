"""What authors of providers may declare, in every stack: signed bodies, judged statuses, token fields, the API's clock."""

import base64
import email.utils
import gzip
import hashlib
import io
import json
import threading
import time

import pytest

from krauth import ConfigurationError, HTTPResponse
from krauth._auth.origin_auth import reset
from krauth.provider import (
    Credentials,
    OAuth2Credentials,
    OriginAuth,
    Rule,
    UserAuth,
    make_key,
    use_credentials,
    use_origins,
)
from loopback import Reply, Server
from world import CANARY

CONTENT = b"0123456789" * 5000
NAMES = ("X-Digest", "X-Time")


def digest(body):
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


class SigningBase(OriginAuth):
    """Signs method, URL and body, and the time."""

    extra_names = NAMES
    signs_body = True
    errors = {(401, "BAD_TIME"): Rule("set the clock", clock=True)}  # noqa: RUF012

    def __init__(self, origin):
        use_origins(self, origin)

    def extra_headers(self, method, url, body):
        assert isinstance(body, bytes)
        path = "/" + url.split("/", 3)[3]
        return {"X-Digest": digest(f"{method} {path} ".encode() + body), "X-Time": str(self.server_time())}


def signing(stack, world):
    class Signing(SigningBase, stack.AdapterAuth):
        pass

    return Signing(world.home.url)


def verify(seen):
    return seen.header("X-Digest") == digest(f"{seen.method} {seen.target} ".encode() + seen.body)


@pytest.fixture(autouse=True)
def _clocks():
    yield
    reset()


@pytest.fixture
def home(world):
    """Let the API verify each signature."""
    world.home.answer = lambda seen: world.foreign(seen) if verify(seen) else Reply.json({"code": "FORGED"}, 403)
    return world.home


# The body.

BODIES = {
    "none": dict,
    "bytes": lambda: {"content": CONTENT},
    "form": lambda: {"form": {"a": "b c", "한": "글"}},
    "json": lambda: {"json": {"a": [1, "한글"]}},
    "multipart": lambda: {"files": {"f": ("f.bin", io.BytesIO(CONTENT))}},
    "file": lambda: {"file": io.BytesIO(CONTENT)},
    "rest of a file": lambda: {"file": opened_at(70)},
}


def opened_at(offset):
    opened = io.BytesIO(CONTENT)
    opened.seek(offset)
    return opened


def skip_what_the_library_cannot(stack, kind):
    if "file" in kind and not stack.takes_files:
        pytest.skip("an async httpx client takes no file as a body")
    if kind == "rest of a file" and stack.library_name == "httpx":
        pytest.skip("httpx announces the length of the whole file, without auth either")


@pytest.mark.parametrize("kind", BODIES)
def test_the_body_is_signed(stack, world, home, kind):
    """What a provider signs is the body that is sent, whatever it was made from."""
    skip_what_the_library_cannot(stack, kind)
    with stack.client(signing(stack, world)) as client:
        method = "GET" if kind == "none" else "POST"
        assert client.call(method, f"{home.url}/x?q=1", **BODIES[kind]()).status == 200
    (seen,) = home.seen
    assert kind != "file" or seen.body == CONTENT
    assert kind != "rest of a file" or seen.body == CONTENT[70:]


@pytest.mark.parametrize("kind", ["chunks", "pipe"])
def test_a_stream_is_refused_before_it_is_sent(stack, world, home, kind):
    """A body that can be read only once can't be signed: the error names provider and advice, and nothing is sent."""

    class Pipe(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            raise AssertionError("it was read")

    if kind == "pipe" and not stack.takes_files:
        pytest.skip("an async httpx client takes no file as a body")
    body = {"chunks": [b"a", b"b"]} if kind == "chunks" else {"file": Pipe()}
    with stack.client(signing(stack, world)) as client:
        with pytest.raises(ConfigurationError, match="Signing signs the body.*bytes, text"):
            client.post(f"{home.url}/x", **body)
        assert home.seen == []
        assert client.post(f"{home.url}/x", content=b"a").status == 200


@pytest.mark.parametrize("status", [302, 303, 307, 308])
def test_hops_at_home_are_signed_anew(stack, world, home, status):
    """A redirect within the API is signed for its own method, URL and body; one that leaves it carries no signature."""
    with stack.client(signing(stack, world), follow=True) as client:
        answer = client.post(f"{home.url}/r?status={status}&to=/end", content=b"abc")
        assert answer.status == 200
        method, length = ("POST", 3) if status in (307, 308) else ("GET", 0)
        assert answer.json() == {"method": method, "length": length}
        client.post(f"{home.url}/r?status={status}&to={world.away.url}", content=b"abc")
    assert len(world.away.seen) == 1
    assert all(world.away.seen[0].header(name) is None for name in NAMES)


def test_a_signature_in_authorization(stack, world, home):
    """A provider that signs in `Authorization` signs a redirect within the API anew, the second hop too."""

    class Signing(stack.AdapterAuth):
        extra_names = ("Authorization",)

        def __init__(self):
            use_origins(self, home.url)

        def extra_headers(self, method, url):
            return {"Authorization": f"HMAC {method} /{url.split('/', 3)[3]}"}

    home.answer = world.foreign
    with stack.client(Signing(), follow=True) as client:
        client.post(f"{home.url}/r?status=303&to=/r%3Fto%3D/end", content=b"abc")
        client.get(f"{home.url}/r?to={world.away.url}")
    for seen in home.seen:
        assert seen.header("Authorization") == f"HMAC {seen.method} {seen.target}"
    assert [seen.path for seen in home.seen[:3]] == ["/r", "/r", "/end"]
    assert world.away.seen[0].header("Authorization") is None


def test_the_users_own_authorization_and_a_signature(stack, world, home):
    """In aiohttp a user's own `Authorization` wins over a provider that signs in it; elsewhere the auth wins."""

    class Signing(stack.AdapterAuth):
        extra_names = ("Authorization", "X-Date")

        def __init__(self):
            use_origins(self, home.url)

        def extra_headers(self, method, url):
            return {"Authorization": "HMAC ours", "X-Date": "now"}

    home.answer = world.foreign
    with stack.client(Signing()) as client:
        client.get(f"{home.url}/x", headers={"Authorization": "Bearer mine"})
        client.get(f"{home.url}/x")
    mine, ours = home.seen
    assert mine.header("Authorization") == ("Bearer mine" if stack.library_name == "aiohttp" else "HMAC ours")
    assert (ours.header("Authorization"), ours.header("X-Date")) == ("HMAC ours", "now")


def test_by_hand(stack, world, home):
    """`headers` signs the body that it is given; `refused` signs the same one again."""
    auth = signing(stack, world)
    fields = auth.headers("POST", f"{home.url}/x", b"abc")
    assert fields["X-Digest"] == digest(b"POST /x abc")
    assert auth.headers("POST", f"{home.url}/x", "abc")["X-Digest"] == fields["X-Digest"]
    assert auth.headers("GET", f"{home.url}/x")["X-Digest"] == digest(b"GET /x ")
    date = email.utils.formatdate(time.time() + 300, usegmt=True)
    again = auth.refused("POST", f"{home.url}/x", 401, {"Date": date}, b'{"code": "BAD_TIME"}', fields)
    assert again["X-Digest"] == fields["X-Digest"]
    assert 295 < float(again["X-Time"]) - time.time() < 301


# The clock.


def clocked(home, ahead, *, says=None):
    """Let the API, whose clock is `ahead`, refuse a signature that is more than 60 s older or newer than its own time."""

    def answer(seen):
        now = time.time() + ahead
        late = abs(now - float(seen.header("X-Time"))) > 60
        headers = {"Date": says or email.utils.formatdate(now, usegmt=True)}
        reply = Reply.json({"code": "BAD_TIME"}, 401) if late else Reply.json({"length": len(seen.body)})
        reply.headers.update(headers)
        return reply

    home.answer = answer


@pytest.mark.parametrize("ahead", [-300, 300, 86400])
def test_the_clock_of_the_api(stack, world, home, ahead):
    """A refusal that blames the clock is signed anew once, with the API's time, and so is all that follows."""
    clocked(home, ahead)
    with stack.client(signing(stack, world)) as client:
        assert client.post(f"{home.url}/x", content=b"abc").json() == {"length": 3}
        assert client.post(f"{home.url}/x", content=b"abcd").json() == {"length": 4}
    assert len(home.seen) == 3
    assert all(verify(seen) for seen in home.seen)
    with stack.client(signing(stack, world)) as client:  # an object of the next request knows it, too
        assert client.get(f"{home.url}/x").status == 200
    assert len(home.seen) == 4


@pytest.mark.parametrize("says", ["Fri, 31 Dec 9999 23:59:59 GMT", "nonsense", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_date_that_can_not_be_right(stack, world, home, says):
    """A `Date` that is no time, or far off, moves no clock: the refusal is handed back."""
    clocked(home, 300, says=says)
    with stack.client(signing(stack, world)) as client:
        assert client.get(f"{home.url}/x").status == 401
    assert len(home.seen) == 1


def test_a_wrong_date_costs_one_retry(stack, world, home):
    """A `Date` that does not help is forgotten: it never outvotes the clock for good."""
    clocked(home, 300, says=email.utils.formatdate(time.time() - 7200, usegmt=True))
    auth = signing(stack, world)
    with stack.client(auth) as client:
        assert client.get(f"{home.url}/x").status == 401
    assert len(home.seen) == 2
    assert abs(auth.server_time() - time.time()) < 2


def test_a_stream_and_the_clock(stack, world, home, caplog):
    """A stream is not sent twice for the clock either; the log says so."""

    class Signing(stack.AdapterAuth):
        extra_names = ("X-Time",)
        errors = SigningBase.errors

        def __init__(self):
            use_origins(self, home.url)

        def extra_headers(self, method, url):
            return {"X-Time": str(self.server_time())}

    clocked(home, 300)
    with stack.client(Signing()) as client:
        assert client.post(f"{home.url}/x", chunks=[b"a", b"b"]).status == 401
        assert len(home.seen) == 1
        assert "could not repeat the request" in caplog.text
        assert client.post(f"{home.url}/x", chunks=[b"a", b"b"]).status == 200


# What a refusal looks like, and where the token goes.


class Tokens(OAuth2Credentials):
    """Any server of RFC 6749, with a table for its API."""

    errors = {  # noqa: RUF012
        (200, "3"): Rule("the token is over", refresh=True),
        (403, "EXPIRED"): Rule("the token is over", refresh=True),
        (400, "EXPIRED"): Rule("the token is over", refresh=True),
        (500, "EXPIRED"): Rule("the token is over", refresh=True),
    }
    token_fields = {"error": ("return_code", "code")}  # noqa: RUF012


def tokens(stack, world, credentials=Tokens, **attributes):
    class Auth(stack.AdapterAuth):
        def __init__(self):
            made = credentials("app", "secret", token_endpoint=f"{world.home.url}/t", api_origins=world.home.url)
            use_credentials(self, made, store=world.store, token_transport=world.issue)

    for name, value in attributes.items():
        setattr(Auth, name, value)
    return Auth()


def bearer_or(world, refusal):
    """Let the API answer with `refusal` where there is no good token."""
    return lambda seen: world.foreign(seen) if seen.bearer in world.good else refusal


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize("stream", [False, True], ids=["read at once", "streamed"])
def test_judged_statuses(stack, world, status, stream):
    """A status that a provider judges leads to a refresh as a 401 does; a 401 that it does not judge is not."""

    class Judged(Tokens):
        judged_statuses = frozenset({status})

    world.home.answer = bearer_or(world, Reply.json({"code": "EXPIRED"}, status))
    with stack.client(tokens(stack, world, Judged)) as client:
        stack.token(client.auth)
        world.revoke()
        assert client.post(f"{world.home.url}/x", content=b"abc", stream=stream).json()["length"] == 3
        assert len(world.issued) == 2
        world.home.answer = lambda seen: Reply.json({"code": "EXPIRED"}, 401)
        assert client.get(f"{world.home.url}/x", stream=stream).status == 401
    assert len(world.issued) == 2


def test_a_repeated_request_that_fails_for_another_reason(stack, world):
    """The new token is not taken for refused: the next refusal is followed by a refresh, without a pause."""
    world.home.answer = lambda seen: Reply.json({"code": "DENIED" if seen.bearer in world.good else "EXPIRED"}, 403)
    with stack.client(tokens(stack, world, judged_statuses=frozenset({403}))) as client:
        stack.token(client.auth)
        for issued in (2, 3):
            world.revoke()
            assert client.get(f"{world.home.url}/x").json() == {"code": "DENIED"}
            assert len(world.issued) == issued


def test_judged_statuses_of_the_auth_class(stack, world):
    """The statuses may be named on the auth class as well."""
    world.home.answer = bearer_or(world, Reply.json({"code": "EXPIRED"}, 403))
    with stack.client(tokens(stack, world, judged_statuses=frozenset({401, 403}))) as client:
        stack.token(client.auth)
        world.revoke()
        assert client.get(f"{world.home.url}/x").status == 200


@pytest.mark.parametrize("stream", [False, True], ids=["read at once", "streamed"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_refusal_with_status_200(stack, world, stream, coding):
    """An expired token that is answered with 200 and a code in the JSON body is refreshed; other bodies arrive whole."""

    class Kiwoom(Tokens):
        judged_statuses = frozenset({200, 401})
        judged_json = True

    large = json.dumps({"rows": ["x" * 100] * 3000}).encode()
    small = b'{"return_code": 0}'

    def answer(seen):
        found = large if seen.path == "/large" else small
        if seen.bearer not in world.good:
            found = b'{"return_code": 3}'
        coded = gzip.compress(found) if coding == "gzip" else found
        headers = {"Content-Type": "application/json;charset=UTF-8", "Content-Encoding": coding}
        return Reply(200, headers, [coded] if seen.path == "/chunked" else coded)

    world.home.answer = answer
    with stack.client(tokens(stack, world, Kiwoom)) as client:
        stack.token(client.auth)
        for path, content in (("/large", large), ("/small", small), ("/chunked", small)):
            world.revoke()
            assert client.get(f"{world.home.url}{path}", stream=stream).content == content
            assert client.get(f"{world.home.url}{path}", stream=stream).content == content
        assert len(world.issued) == 4
        world.home.answer = lambda seen: Reply.json({"return_code": 3})
        for _ in range(4):  # the newest token is refused too: no use in asking for another with every call
            assert client.get(f"{world.home.url}/x", stream=stream).json() == {"return_code": 3}
    assert len(world.issued) == 5


def test_a_sound_answer_that_takes_its_time(stack, world):
    """An answer with status 200 that takes longer than a refusal may is not broken off: it may be a placed order."""

    class Kiwoom(Tokens):
        judged_statuses = frozenset({200})
        judged_json = True

    limit = 0.03

    def slowly():
        for part in (b'{"order":', b" 1", b"}"):
            yield part
            threading.Event().wait(2 * limit)

    world.home.answer = lambda seen: Reply(200, {"Content-Type": "application/json"}, slowly())
    auth = tokens(stack, world, Kiwoom)
    auth.__class__ = type("Hasty", (type(auth),), {"judging_time": limit})
    with stack.client(auth) as client:
        assert client.post(f"{world.home.url}/orders").json() == {"order": 1}


def test_streams_of_json_are_not_held_up():
    """Lines of JSON that come one by one are no body to look into."""

    class Streams(OriginAuth):
        judged_json = True

    auth = Streams()
    assert auth.is_judged(200, {"Content-Type": "application/vnd.example+json; charset=utf-8"})
    for media_type in ("application/x-ndjson", "application/stream+json;charset=UTF-8", "Application/JSONL"):
        assert not auth.is_judged(200, {"Content-Type": media_type})


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", None])
def test_other_answers_are_not_looked_into(stack, world, content_type):
    """Only answers in JSON are looked into: a file that says the same words is a file."""

    class Kiwoom(Tokens):
        judged_statuses = frozenset({200})
        judged_json = True

    headers = {"Content-Type": content_type} if content_type else {}
    world.home.answer = lambda seen: Reply(200, headers, b'{"return_code": 3}')
    with stack.client(tokens(stack, world, Kiwoom)) as client:
        assert client.get(f"{world.home.url}/x").content == b'{"return_code": 3}'
    assert len(world.issued) == 1


def test_a_refusal_named_by_a_header(stack, world):
    """A refusal with status 200 may be told by a header field; the body is not touched then."""

    class Named(Tokens):
        judged_statuses = frozenset({200})
        judged_header = "X-Error"

        def judge(self, method, status, headers, body):
            assert body == b""
            return super().judge(method, status, headers, json.dumps({"code": headers.get("X-Error")}).encode())

    refusal = Reply.json({"any": "thing"}, X_Error="3")
    world.home.answer = bearer_or(world, refusal)
    with stack.client(tokens(stack, world, Named)) as client:
        assert client.get(f"{world.home.url}/x").status == 200
        world.revoke()
        assert client.get(f"{world.home.url}/x").json()["method"] == "GET"
    assert len(world.issued) == 2


def test_200_without_a_place_to_look(stack, world):
    """A provider that judges 200 and names no place to look is told so when it is made."""
    with pytest.raises(ConfigurationError, match="judged_header.*judged_json"):
        tokens(stack, world, judged_statuses=frozenset({200, 401}))


@pytest.mark.parametrize(
    ("header", "scheme", "before"),
    [("X-Access-Token", "Bearer", "Bearer "), ("Authorization", "Token", "Token "), ("X-Token", "", "")],
)
def test_where_the_token_goes(stack, world, header, scheme, before):
    """A token may go into another field, under another scheme or none; it is refreshed, and goes to no other server."""

    def answer(seen):
        value = seen.header(header) or ""
        is_good = value.startswith(before) and value.removeprefix(before) in world.good
        return world.foreign(seen) if is_good else world.refusal()

    world.home.answer = answer
    auth = tokens(stack, world, AnyRefusal, token_header=header, token_scheme=scheme)
    with stack.client(auth, follow=True) as client:
        assert client.get(f"{world.home.url}/r?to=/end").status == 200
        world.revoke()
        assert client.post(f"{world.home.url}/x", content=b"abc").status == 200
        assert client.get(f"{world.home.url}/r?to={world.away.url}").status == 200
        assert auth.headers("GET", f"{world.home.url}/x") == {header: before + world.issued[-1]}
        world.revoke()
        assert auth.refused("GET", f"{world.home.url}/x", 401, {}, b"", {header: before + world.issued[-1]})
    assert len(world.issued) == 3
    assert len(world.away.seen) == 1
    world.assert_nothing_got_away()


class AnyRefusal(OAuth2Credentials):
    """Any server of RFC 6749: each 401 is about the token."""


# How classes are put together.


@pytest.mark.parametrize("base", [OriginAuth, UserAuth, SigningBase])
def test_either_order_of_bases(stack, world, home, base):
    """A class for one stack may name its two bases in either order."""
    for bases in ((base, stack.AdapterAuth), (stack.AdapterAuth, base)):
        made = type("Made", bases, {"__init__": lambda self: use_origins(self, home.url)})()
        home.answer = world.foreign
        with stack.client(made) as client:
            assert client.get(f"{home.url}/x").status == 200
        assert isinstance(made, OriginAuth)
        assert (home.seen[-1].header("X-Digest") is not None) == (base is SigningBase)


def test_fields_that_are_the_same_for_all(stack, world, home):
    """With `fixed_headers`, `extra_headers` is called once; a subclass that replaces it is asked each time again."""
    asked = []

    class Fixed(stack.AdapterAuth):
        extra_names = ("X-Key",)
        fixed_headers = True

        def __init__(self):
            use_origins(self, home.url)

        def extra_headers(self, method, url):
            asked.append(url)
            return {"X-Key": CANARY}

    class Anew(Fixed):
        def extra_headers(self, method, url):
            return {"X-Key": url[-1]}

    home.answer = world.foreign
    fixed = Fixed()
    for auth in (fixed, Anew()):
        with stack.client(auth) as client:
            for path in "abc":
                client.get(f"{home.url}/{path}")
    assert len(asked) == 1
    assert [seen.header("X-Key") for seen in home.seen] == [CANARY] * 3 + list("abc")
    assert CANARY not in repr(vars(fixed))


def test_a_grant_of_its_own(stack, world):
    """`Credentials` of any grant work with the same declarations."""

    class Own(Credentials):
        errors = {(401, None): Rule("", refresh=True)}  # noqa: RUF012
        client_id = "app"
        token_endpoint = "https://login.example.com/t"

        def __init__(self, origins):
            self.origins = origins
            self.key = make_key("own", self.token_endpoint, ("client_id", self.client_id))

        def prepare_token_request(self, now, token):
            from krauth import HTTPRequest

            return HTTPRequest("POST", self.token_endpoint)

    from krauth.provider import parse_origin

    class Auth(stack.AdapterAuth):
        def __init__(self):
            use_credentials(self, Own((parse_origin(world.home.url),)), store=world.store, token_transport=issue)

    def issue(request):
        assert isinstance(world.issue(request), HTTPResponse)
        return HTTPResponse(200, {}, json.dumps({"access_token": world.issued[-1], "token_type": "bearer"}).encode())

    with Server(), stack.client(Auth()) as client:
        assert client.get(f"{world.home.url}/x").status == 200
        world.revoke()
        assert client.get(f"{world.home.url}/x").status == 200
