"""The canary test: every secret of the suite holds one word, and that word turns up nowhere but on the wire."""

import contextlib
import copy
import functools
import json
import logging
import pickle
import queue
import traceback

import pytest
from rich.traceback import Traceback

from krauth import HTTPResponse, MemoryStore, RefreshPolicy
from krauth.testing import FakeClock
from loopback import Reply
from world import API_KEY, CANARY, CLIENT_SECRET


@pytest.fixture
def said(caplog):
    """Collect each text; what every library logs at DEBUG is looked at in the end."""
    caplog.set_level(logging.DEBUG)
    texts, logged = [], queue.SimpleQueue()
    handler = logging.Handler()
    handler.emit = logged.put
    logging.getLogger().addHandler(handler)
    yield texts.append
    # A failure is logged by a worker thread, after the callers that waited for it have gone on.
    records = [logged.get(timeout=10)]
    logging.getLogger().removeHandler(handler)
    while not logged.empty():
        records.append(logged.get())
    for text in [*texts, *(f"{record.name} {record.getMessage()} {record.args}" for record in records)]:
        assert CANARY not in text


def everything_about(error, *, by_pytest=True):
    """Return an exception in all the ways in which programs show exceptions; pytest's takes a while."""
    yield from (repr(error), str(error), repr(vars(error)), repr(error.args))
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    # What rich shows, without the colours, which take it seconds.
    trace = Traceback.extract(type(error), error, error.__traceback__, show_locals=True, locals_max_string=None)
    for stack in trace.stacks:
        yield stack.exc_value
        yield from (f"{name} = {value}" for frame in stack.frames for name, value in (frame.locals or {}).items())
    information = pytest.ExceptionInfo.from_exception(error)
    for style in ("long", "short") if by_pytest else ():
        yield str(information.getrepr(showlocals=True, style=style, truncate_locals=False))
    while error is not None:
        yield repr(vars(error))
        error = error.__cause__ or error.__context__


def dump(value, depth=6):
    """Show an object as tools that walk `vars()` do."""
    if depth == 0 or not hasattr(value, "__dict__"):
        if isinstance(value, dict) and depth:
            return "{" + ", ".join(f"{dump(k, depth - 1)}: {dump(v, depth - 1)}" for k, v in value.items()) + "}"
        return repr(value)
    return f"{value!r} {dump(vars(value), depth - 1)}"


FAILURES = {
    "wrong secret": lambda seen: Reply.json({"error": "invalid_client"}, 401),
    "server error": lambda seen: Reply(500, {}, b"oops"),
    "redirect": lambda seen: Reply(307, {"Location": "https://evil.test/"}),
    "not json": lambda seen: Reply(200, {}, b"hello"),
    "echo": lambda seen: Reply(400, {}, seen.body),
    "a token of another type": lambda seen: Reply.json({"access_token": f"{CANARY}-t", "token_type": "mac"}),
    "a token that is no token": lambda seen: Reply.json({"access_token": f"{CANARY} \r\n", "token_type": "Bearer"}),
    "hangs up": lambda seen: Reply(raw=[]),
    "garbage": lambda seen: Reply(raw=[b"\x00\x01\x02\r\n\r\n"]),
}


@pytest.mark.parametrize("given", [False, True], ids=["own client", "given client"])
@pytest.mark.parametrize("kind", FAILURES)
def test_failed_token_requests(stack, world, said, kind, given):
    """However a token request fails, neither the exception nor its traceback nor any log shows a secret."""
    world.home.answer = FAILURES[kind]
    with stack.client() as client:
        client.auth = world.auth(
            stack,
            token_transport=client.native if given else None,
            store=MemoryStore(),
            refresh=RefreshPolicy(attempts=1, timeout=5),
        )
        try:
            client.post(f"{world.home.url}/x", content=b"abc")
        except Exception as error:
            for text in everything_about(error, by_pytest=kind == "wrong secret"):
                said(text)
        else:
            pytest.fail("it should have failed")
        said(dump(client.auth))


def test_a_refresh_that_fails(stack, world, said):
    """When the token was refused and no other can be had, the refused one is not shown either."""
    answers = [
        world.issue,
        lambda request: HTTPResponse(400, {}, b'{"error": "invalid_scope"}'),
        lambda request: HTTPResponse(400, {}, b'{"error": "invalid_grant"}'),
    ]
    auth = world.auth(stack, token_transport=lambda request: answers.pop(0)(request))
    with stack.client(auth) as client:
        assert client.get(f"{world.home.url}/x").status == 200
        world.revoke()
        assert client.get(f"{world.home.url}/x").status == 401
        said(repr(auth))
        try:
            stack.token(auth)
        except Exception as error:
            for text in everything_about(error):
                said(text)


def test_a_call_that_fails_on_the_way(stack, world):
    """When the API itself hangs up, the library's frames hold the request's headers; krauth's own frames hold none."""
    world.home.answer = lambda seen: Reply(raw=[])
    with stack.client(world.auth(stack)) as client:
        try:
            client.post(f"{world.home.url}/x", content=b"abc")
        except Exception as error:
            frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
        else:
            pytest.fail("it should have failed")
    for frame in frames:
        if "/src/krauth" in frame.filename:
            assert CANARY not in str(frame.locals)


def test_calls_that_succeed(stack, world, said):
    """Calls, refreshes, redirects, one-shot bodies and refusals leave no secret in any log."""
    with stack.client(world.auth(stack), follow=True, verify=world.ca_file) as client:
        assert client.post(f"{world.home.url}/x", content=b"abc").status == 200
        world.revoke()
        assert client.get(f"{world.home.url}/r?to={world.away.url}/end").status == 200
        world.revoke()
        assert client.post(f"{world.home.url}/x", chunks=[b"a"]).status == 401
        world.home.answer = lambda seen: world.refusal("INVALID_API_KEY")
        assert client.get(f"{world.home.url}/x").status == 401
        said(dump(client.auth))


def test_what_objects_say_of_themselves(stack, world, said):
    """repr, str, format and `vars` of auth objects and what they hold show no secret."""
    auth = world.auth(stack)
    key = stack.MelomingAPIKey(API_KEY)
    oauth = stack.OAuth2Auth(
        "app", CLIENT_SECRET, token_endpoint=f"{world.home.url}/t", api_origins=world.home.url, store=world.store
    )
    naver = stack.NaverAuth("id", "$2a$04$canary7f3aaaaaaaaaaaau", store=world.store)
    token = stack.token(auth)
    for thing in (auth, key, oauth, naver, token, auth._tokens, auth._tokens.credentials, auth._transport, world.store):
        for text in (
            repr(thing),
            str(thing),
            f"{thing!s}",
            f"{thing!r}",
            dump(thing) if thing is not world.store else "",
        ):
            said(text)
            assert "canary7f3aaaa" not in text
    said(
        json.dumps(
            {"auth": auth}, default=lambda value: repr(vars(value)) if hasattr(value, "__dict__") else repr(value)
        )
    )


def test_pickles_are_refused(stack, world):
    """An auth object, and a client that holds one, is not pickled: the error says what to do instead."""
    for auth in (world.auth(stack), stack.MelomingAPIKey(API_KEY)):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="from_env"):
                pickle.dumps(auth, protocol)
        assert copy.copy(auth) is auth
        assert copy.deepcopy({"auth": auth})["auth"] is auth
    if stack.library_name == "requests":
        session = stack.library.Session()
        session.auth = world.auth(stack)
        with pytest.raises(TypeError, match="from_env"):
            pickle.dumps(session)


@pytest.mark.parametrize(
    "arguments",
    [
        ("MelomingOAuth", ("", CLIENT_SECRET), {}),
        ("MelomingOAuth", ("app", CLIENT_SECRET + "\n"), {}),
        ("MelomingOAuth", ("app", CLIENT_SECRET), {"api_key": f"{CANARY}-no-prefix"}),
        ("MelomingOAuth", ("app", CLIENT_SECRET), {"api_key": API_KEY, "base_url": "http://api.example.com"}),
        ("MelomingOAuth", ("app", CLIENT_SECRET), {"token_transport": 5}),
        ("MelomingAPIKey", (f"{CANARY}-no-prefix",), {}),
        ("MelomingAPIKey", (API_KEY,), {"base_url": "http://api.example.com"}),
        ("NaverAuth", ("id", f"{CANARY}-no-salt"), {}),
        ("NaverAuth", ("", "$2a$04$" + "canary-7f3a"), {}),
        ("OAuth2Auth", ("app", CLIENT_SECRET), {"token_endpoint": "nowhere", "api_origins": "https://a.example"}),
    ],
    ids=lambda arguments: arguments[0],
)
def test_bad_settings(stack, said, arguments):
    """An error at construction shows no secret, not even in a traceback with local variables."""
    name, args, settings = arguments
    make = functools.partial(getattr(stack, name), *args, **settings)
    del args, settings, arguments
    try:
        make()
    except ValueError as error:
        # Without the frame of this test, which has to hold the secret.
        error.__traceback__ = error.__traceback__.tb_next
        for text in everything_about(error):
            said(text)
    else:
        pytest.fail("it should have failed")
    logging.getLogger("krauth").debug("said nothing")


def test_a_fake_clock_shows_nothing(stack, world, said):
    """An expired token is in no event either."""
    with FakeClock() as clock:
        auth = world.auth(stack)
        stack.token(auth)
        clock.advance(4000)
        stack.token(auth)
        said(repr(auth))
        with contextlib.suppress(AttributeError):
            said(repr(auth._tokens.snapshot))
    logging.getLogger("krauth").debug("said nothing")
