"""What is sent twice and what is not: bodies of every kind, responses of every kind, one retry at most."""

import io
import logging
from urllib.parse import quote

import pytest

from krauth import RefreshPolicy
from loopback import Reply, Server

CONTENT = b"0123456789" * 5000


class Pipe(io.RawIOBase):
    """A file that can be read once."""

    def __init__(self, content):
        self._rest = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._rest.readinto(buffer)


class Tape(Pipe):
    """A file that knows where it is, and can't go back: `tell` works, `seek` does not."""

    def tell(self):
        return self._rest.tell()


def at(offset):
    opened = io.BytesIO(CONTENT)
    opened.seek(offset)
    return opened


@pytest.fixture
def on_disk(tmp_path):
    """Open a file with `CONTENT`, closed after the test."""
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    with path.open("rb") as opened:
        yield opened


REPLAYABLE = {
    "no body": lambda disk: {},
    "bytes": lambda disk: {"content": CONTENT},
    "form": lambda disk: {"form": {"a": "b", "c": "d e"}},
    "json": lambda disk: {"json": {"a": [1, 2, 3]}},
    "multipart": lambda disk: {"files": {"f": ("f.bin", io.BytesIO(CONTENT))}},
    "multipart from disk": lambda disk: {"files": {"f": ("f.bin", disk)}},
    "file": lambda disk: {"file": io.BytesIO(CONTENT)},
    "file on disk": lambda disk: {"file": disk},
    "file at an offset": lambda disk: {"file": at(70)},
}
ONE_SHOT = {
    "generator": lambda: {"chunks": [CONTENT[:100], CONTENT[100:]]},
    "pipe": lambda: {"file": Pipe(CONTENT)},
    "tape": lambda: {"file": Tape(CONTENT)},
}


def skip_what_the_library_cannot(stack, body, kind):
    if "file" in body and not stack.takes_files:
        pytest.skip("an async httpx client takes no file as a body, without auth either")
    if kind == "file at an offset" and stack.library_name == "httpx":
        pytest.skip("httpx announces the length of the whole file, without auth either")


@pytest.mark.parametrize("kind", REPLAYABLE)
def test_a_body_that_can_be_sent_again_is(stack, world, client, on_disk, kind):
    """After a 401 and a refresh the very same body is sent once more, whole, and the call succeeds."""
    body = REPLAYABLE[kind](on_disk)
    skip_what_the_library_cannot(stack, body, kind)
    stack.token(client.auth)
    world.revoke()
    assert client.post(f"{world.home.url}/x", **body).status == 200
    first, second = world.home.seen
    assert first.body == second.body
    assert first.header("Content-Type") == second.header("Content-Type")
    assert first.header("Content-Length") == second.header("Content-Length")
    assert len(world.issued) == 2
    if "file" in body:
        assert first.body == (CONTENT[70:] if kind == "file at an offset" else CONTENT)


@pytest.mark.parametrize("kind", ONE_SHOT)
def test_a_body_that_can_be_read_once_is_sent_once(stack, world, client, kind, caplog):
    """After a 401 a stream is not sent again: the 401 is the answer, the log says so, and the next call is fine."""
    body = ONE_SHOT[kind]()
    skip_what_the_library_cannot(stack, body, kind)
    caplog.set_level(logging.INFO, "krauth")
    stack.token(client.auth)
    world.revoke()
    answer = client.post(f"{world.home.url}/x", **body)
    assert (answer.status, answer.json()) == (401, {"code": "AUTHENTICATION_REQUIRED"})
    assert [seen.body for seen in world.home.seen] == [CONTENT]
    assert "could not repeat the request" in caplog.text
    assert client.post(f"{world.home.url}/x", **ONE_SHOT[kind]()).status == 200
    assert world.home.seen[-1].body == CONTENT
    assert len(world.issued) == 2


def test_a_one_shot_body_is_not_risked_on_a_stale_token(stack, world):
    """A token about to be refreshed is good enough for a call that can be repeated, not for a stream."""
    auth = world.auth(stack, refresh=RefreshPolicy(window=1800, jitter=0, keep_warm=False))
    stack.token(auth)
    snapshot = auth._tokens.snapshot
    snapshot.fresh_mono = snapshot.fresh_wall = 0.0  # stale from now on
    with stack.client(auth) as client:
        assert client.post(f"{world.home.url}/x", chunks=[b"a", b"b"]).status == 200
    assert len(world.issued) == 2
    assert len(world.home.seen) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["read at once", "streamed"])
def test_responses_arrive_whole(stack, world, client, stream):
    """A large response arrives whole, at once or in pieces, with and without a refresh before it."""
    world.home.answer = lambda seen: Reply(200, {}, [CONTENT] * 10) if seen.bearer in world.good else world.refusal()
    for _ in range(2):
        assert client.get(f"{world.home.url}/big", stream=stream).content == CONTENT * 10
        world.revoke()
    assert len(world.issued) == 2


def test_head(stack, world, client):
    """A 401 to HEAD, which can't say why, is taken to be about the token, once."""
    stack.token(client.auth)
    world.revoke()
    answer = client.call("HEAD", f"{world.home.url}/x")
    assert (answer.status, answer.content) == (200, b"")
    assert [seen.method for seen in world.home.seen] == ["HEAD", "HEAD"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods(stack, world, client, method):
    """Every method is repeated after a refresh, once."""
    stack.token(client.auth)
    world.revoke()
    assert client.call(method, f"{world.home.url}/x").status == 200
    assert [seen.method for seen in world.home.seen] == [method] * 2


def test_post_then_get_then_401_repeats_only_the_get(stack, world, client):
    """POST → 303 → GET → 401: the POST has taken effect, only the GET is repeated."""
    stack.token(client.auth)

    def answer(seen):
        if seen.method == "POST":
            world.revoke()
            return Reply(303, {"Location": "/result"})
        return world.api(seen)

    world.home.answer = answer
    assert client.post(f"{world.home.url}/order", content=b"one book", follow=True).status == 200
    assert [(seen.method, seen.path) for seen in world.home.seen] == [
        ("POST", "/order"),
        ("GET", "/result"),
        ("GET", "/result"),
    ]
    assert [seen.body for seen in world.home.seen] == [b"one book", b"", b""]
    assert len(world.issued) == 2


def test_307_then_401_repeats_the_second_post(stack, world, client):
    """POST → 307 → POST → 401: the second POST is repeated, body and all, the first is not."""
    stack.token(client.auth)

    def answer(seen):
        if seen.path == "/first":
            world.revoke()
            return Reply(307, {"Location": "/second"})
        return world.api(seen)

    world.home.answer = answer
    assert client.post(f"{world.home.url}/first", content=b"one book", follow=True).status == 200
    assert [(seen.path, seen.body) for seen in world.home.seen] == [
        ("/first", b"one book"),
        ("/second", b"one book"),
        ("/second", b"one book"),
    ]


def test_after_a_refresh_later_hops_carry_the_new_token(stack, world, client):
    """401 → refresh → 302 → own origin: the hop carries the new token, not the one that was refused."""
    stack.token(client.auth)
    world.revoke()
    assert client.get(f"{world.home.url}/r?to={quote('/end')}", follow=True).status == 200
    assert [seen.bearer for seen in world.home.seen] == [world.issued[0], world.issued[1], world.issued[1]]


def test_never_more_than_one_retry(stack, world, client):
    """An API that refuses every token gets two requests per call at most, and the token endpoint one."""
    world.home.answer = lambda seen: world.refusal()
    answer = client.get(f"{world.home.url}/x")
    assert (answer.status, answer.json()) == (401, {"code": "AUTHENTICATION_REQUIRED"})
    assert len(world.home.seen) == 2
    assert len(world.issued) == 2
    for _ in range(3):  # the newest token is refused too: no use in asking for another with every call
        assert client.get(f"{world.home.url}/x").status == 401
    assert len(world.issued) == 2
    assert len(world.home.seen) == 5


def test_the_same_token_again_is_not_tried_again(stack, world):
    """If the server hands out the very token that was refused, the call is not repeated."""
    same = b'{"access_token": "the-same", "token_type": "Bearer", "expires_in": 3600}'

    def issue(request):
        world.issued.append("the-same")
        from krauth import HTTPResponse

        return HTTPResponse(200, {}, same)

    with stack.client(world.auth(stack, token_transport=issue)) as client:
        assert client.get(f"{world.home.url}/x").status == 401
    assert len(world.home.seen) == 1
    assert len(world.issued) == 2


NOT_ABOUT_THE_TOKEN = {
    "INVALID_API_KEY": (401, {"code": "INVALID_API_KEY"}),
    "INVALID_API_KEY, nested": (401, {"error": {"code": "INVALID_API_KEY"}}),
    "invalid_client": (401, {"error": "invalid_client"}),
    "PERMISSION_DENIED": (403, {"code": "PERMISSION_DENIED"}),
    "GW.IP_NOT_ALLOWED": (403, {"code": "GW.IP_NOT_ALLOWED"}),
    "a 401 without a code": (401, {"message": "no"}),
    "a 401 that is a list": (401, [1]),
    "a 403 with the token's code": (403, {"code": "AUTHENTICATION_REQUIRED"}),
    "a 400": (400, {"code": "AUTHENTICATION_REQUIRED"}),
    "a 407": (407, {"code": "AUTHENTICATION_REQUIRED"}),
}


@pytest.mark.parametrize("kind", NOT_ABOUT_THE_TOKEN)
def test_errors_that_a_new_token_cannot_cure(stack, world, client, kind):
    """They are handed back as they came: no refresh, no second request."""
    status, body = NOT_ABOUT_THE_TOKEN[kind]
    world.home.answer = lambda seen: Reply.json(body, status)
    answer = client.post(f"{world.home.url}/x", content=b"abc")
    assert (answer.status, answer.json()) == (status, body)
    assert len(world.home.seen) == 1
    assert len(world.issued) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["read at once", "streamed"])
@pytest.mark.parametrize("announced", [True, False], ids=["length announced", "chunked"])
def test_a_401_with_a_huge_body_is_handed_back(stack, world, client, announced, stream):
    """A 401 whose body is beyond 64 KiB is no provider's error: it is handed back whole, and nothing is repeated."""
    huge = b"x" * 300_000
    body = huge if announced else [huge[:100_000]] * 3
    world.home.answer = lambda seen: Reply(401, {}, body)
    answer = client.get(f"{world.home.url}/x", stream=stream)
    assert answer.status == 401
    assert answer.content == huge
    assert len(world.home.seen) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["read at once", "streamed"])
def test_a_401_that_is_handed_back_can_still_be_read(stack, world, client, stream):
    """The part of a body that was read to judge a 401 is not lost to the user."""
    world.home.answer = lambda seen: Reply(401, {}, [b"not ", b"for ", b"you"])
    assert client.get(f"{world.home.url}/x", stream=stream).content == b"not for you"


def test_a_compressed_401_is_understood(stack, world, client):
    """The code is found in a compressed body too."""
    import gzip

    stack.token(client.auth)
    world.revoke()
    body = gzip.compress(b'{"code": "AUTHENTICATION_REQUIRED"}')
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    world.home.answer = lambda seen: Reply.json({"ok": 1}) if seen.bearer in world.good else Reply(401, headers, body)
    assert client.get(f"{world.home.url}/x").status == 200


@pytest.mark.parametrize("stream", [False, True], ids=["read at once", "streamed"])
def test_a_401_whose_body_breaks_off(stack, world, client, stream):
    """A 401 that breaks off fails as any response that breaks off, without a refresh, and the client goes on."""
    world.home.answer = lambda seen: Reply(
        raw=[b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 500\r\n\r\n", b'{"code": "AUTHENT']
    )
    with pytest.raises(stack.error):
        client.get(f"{world.home.url}/x", stream=stream)
    assert len(world.issued) == 1
    assert len(world.home.seen) == 1
    world.home.answer = world.api
    assert client.get(f"{world.home.url}/x").status == 200


@pytest.mark.parametrize("stream", [False, True], ids=["read at once", "streamed"])
def test_a_401_whose_body_never_ends(stack, world, client, stream):
    """A 401 whose body stalls ends with the user's own timeout."""
    import threading

    leave = threading.Event()

    def stall():
        yield b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 500\r\n\r\n{"
        leave.wait(10)

    world.home.answer = lambda seen: Reply(raw=stall())
    try:
        with pytest.raises(stack.timeout_error):
            client.get(f"{world.home.url}/x", stream=stream, timeout=0.15)
    finally:
        leave.set()
    assert len(world.issued) == 1


def test_an_early_401_to_a_large_upload(stack, world, client, tmp_path):
    """A server that refuses before it has read the upload is sent the whole of it once more."""
    if not stack.takes_files:
        pytest.skip("an async httpx client takes no file as a body")
    path = tmp_path / "large.bin"
    path.write_bytes(CONTENT * 200)
    stack.token(client.auth)
    world.revoke()
    world.home.early = lambda seen: None if seen.bearer in world.good else world.refusal()
    with path.open("rb") as opened:
        assert client.post(f"{world.home.url}/x", file=opened).status == 200
    assert world.home.seen[-1].body == CONTENT * 200


def test_connections_are_given_back(stack, world):
    """After a refresh and a retry the connection is free for the next call: one connection serves them all."""
    with Server() as server:
        peers = set()
        server.answer = world.api
        handle = server.process_request

        def count(request, address):
            peers.add(address)
            handle(request, address)

        server.process_request = count
        with stack.client(world.auth(stack, server.url)) as client:
            for _ in range(3):
                assert client.get(f"{server.url}/x").status == 200
                world.revoke()
            assert client.get(f"{server.url}/x", stream=True).status == 200
    assert len(peers) == 1
