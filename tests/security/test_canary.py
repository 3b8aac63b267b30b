"""The canary test: secrets of every shape go through every failure, and nothing that leaves the process holds one.

What leaves: exceptions with their chain and local variables, log records at DEBUG of every library (as a handler that
renders the frames of `exc_info` sees them), events with their errors, reprs, pickles.
"""

import base64
import html
import json
import logging
import pickle
import traceback
from urllib.parse import parse_qsl, quote, quote_plus

import pytest

from krauth import KrauthError, MemoryStore, RefreshPolicy, Token, hookimpl, register_plugin
from krauth._engine.rules import NumberedToken
from krauth._plugins import plugins
from loopback import Reply, Server

#: Naver's shape, one with signs that every encoding changes, one of a JSON Web Token's length.
NAVER_SECRET = "$2a$04$canary7f3aaaaaaaaaaaau"
SECRETS = {"signs": 'canary7f3a+/=&?"\\<>%~', "long": "canary7f3a" + "Ab3" * 300}
API_KEY = "mlm_live_canary7f3a+/=&"


def forms_of(secret):
    """A secret as it may be written: plain, in a form, in a URL, in JSON, HTML, a repr, Base64."""
    return {
        secret,
        quote_plus(secret),
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        html.escape(secret),
        repr(secret)[1:-1],
        base64.b64encode(secret.encode()).decode().rstrip("="),
        base64.b64encode(f"client:{quote_plus(secret)}".encode()).decode(),
    }


class Said:
    """Everything that leaves, as text."""

    def __init__(self):
        self.texts = []
        #: What HTTP libraries log at DEBUG of what they send. What they log of answers is out of krauth's hands.
        self.logged_by_others = []

    def exception(self, error):
        seen = []
        while error is not None and error not in seen:
            seen.append(error)
            self.texts += [str(error), repr(error), repr(error.args), repr(vars(error))]
            for frame in traceback.TracebackException.from_exception(error, capture_locals=True).stack:
                if "/src/" in frame.filename and "krauth" in frame.filename:
                    self.texts += [f"{name}={value}" for name, value in (frame.locals or {}).items()]
            error = error.__cause__ or error.__context__
        if isinstance(seen[0], KrauthError):
            self.texts.append(repr(pickle.dumps(seen[0])))

    @hookimpl
    def krauth_token_event(self, event):
        self.texts += [repr(event), str(event)]
        if event.error is not None:
            self.exception(event.error)
            link = event.error
            while link is not None:
                assert link.__traceback__ is None
                link = link.__cause__ or link.__context__

    def record(self, record):
        if not record.name.startswith("krauth"):
            if not record.getMessage().startswith("receive_"):
                self.logged_by_others.append(record.getMessage())
            return
        self.texts += [record.getMessage(), repr(record.args)]
        if record.exc_info:
            self.exception(record.exc_info[1])

    def assert_silent(self, *secrets):
        assert self.texts
        for secret in secrets:
            for form in forms_of(secret):
                for text in [*self.texts, *self.logged_by_others]:
                    assert form not in text, text.replace(form, "(the secret)")
        for text in self.texts:
            assert "7f3a" not in text, text


@pytest.fixture
def said():
    """Collect what leaves, by events and by the log."""
    said = Said()

    class Handler(logging.Handler):
        def emit(self, record):
            said.record(record)

    class Failing:
        @hookimpl
        def krauth_token_event(self, event):
            raise ValueError("an observer of the user's fails")

    handler, root = Handler(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    observers = [said, Failing()]
    for observer in observers:
        register_plugin(observer)
    yield said
    for observer in observers:
        plugins().manager.unregister(observer)
    root.removeHandler(handler)
    root.setLevel(level)


def echo(seen):
    text = seen.body.decode()
    fields = json.loads(text) if text.startswith("{") else dict(parse_qsl(text))
    return " ".join([text, *fields.values(), str(fields), repr(list(seen.headers)), json.dumps(fields)])


def broken(text):
    return [b"HTTP/1.1 200 OK\r\n", text]


LEAK = b'{"access_token": "canary7f3a-never-seen", "token_type": "Bearer"}'
ANSWERS = {
    "echo in error_description": lambda seen: Reply.json(
        {"error": "invalid_client", "error_description": echo(seen)}, 401
    ),
    "echo in error": lambda seen: Reply.json({"error": echo(seen)}, 400),
    "echo in message and code": lambda seen: Reply.json({"code": echo(seen), "message": echo(seen)}, 500),
    "echo as text": lambda seen: Reply(403, {"Content-Type": "text/plain"}, echo(seen).encode()),
    "a token of another type": lambda seen: Reply.json({"access_token": "canary7f3a-x", "token_type": "mac"}),
    "a token with a line break": lambda seen: Reply.json(
        {"access_token": "canary7f3a\r\nX: 1", "token_type": "Bearer"}
    ),
    "no header": lambda seen: Reply(raw=[LEAK]),
    "no blank line": lambda seen: Reply(raw=broken(b"Content-Length: 5\r\n" + LEAK)),
    "a wrong length": lambda seen: Reply(raw=broken(b"Content-Length: 9999\r\n\r\n" + LEAK)),
    "a wrong chunk": lambda seen: Reply(raw=broken(b"Transfer-Encoding: chunked\r\n\r\n" + LEAK + b"\r\n")),
    "a bad header": lambda seen: Reply(raw=broken(b"X-" + LEAK + b"\r\n\r\n")),
    "a bad status line": lambda seen: Reply(raw=[b"HTTP/1.1 " + LEAK + b"\r\n\r\n"]),
    "a bad encoding": lambda seen: Reply(raw=broken(b"Content-Encoding: gzip\r\nContent-Length: 67\r\n\r\n" + LEAK)),
    "escapes": lambda seen: Reply.json({"error": "\x1b[2J", "message": "\r\nX: " + echo(seen)}, 400),
}


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("kind", ["naver", "meloming", "post", "basic"])
def test_failed_token_requests(stack, server, said, answer, kind):
    """However the token endpoint fails, and whatever it repeats, nothing that leaves holds a secret."""
    server.answer = ANSWERS[answer]
    settings = {"store": MemoryStore(), "refresh": RefreshPolicy(attempts=1, timeout=5)}
    secret = SECRETS["long" if len(answer) % 2 else "signs"]
    if kind == "naver":
        auth = stack.NaverAuth("client", NAVER_SECRET, base_url=server.url, **settings)
    elif kind == "meloming":
        auth = stack.MelomingOAuth("client", secret, api_key=API_KEY, base_url=server.url, **settings)
    else:
        where = {"token_endpoint": f"{server.url}/token", "api_origins": server.url}
        auth = stack.OAuth2Auth("client", secret, client_auth=f"client_secret_{kind}", **where, **settings)
    try:
        stack.token(auth)
    except KrauthError as error:
        error.__traceback__ = error.__traceback__.tb_next  # without this test's own frame
        said.exception(error)
    else:
        pytest.fail("it should have failed")
    said.texts.append(repr(auth))
    said.assert_silent(secret, NAVER_SECRET, API_KEY, *signatures(server))


def signatures(server):
    """What the requests carried besides: signatures and Basic credentials."""
    for seen in server.seen:
        yield from (value for name, value in parse_qsl(seen.body.decode()) if name == "client_secret_sign")
    server.seen.clear()


API = {
    "a sentence with the token": lambda token: Reply.json({"error": f"invalid token: {token}"}, 401),
    "the token as code": lambda token: Reply.json({"code": token}, 401),
    "the key as code": lambda token: Reply.json({"error": {"code": API_KEY, "message": API_KEY}}, 401),
    "a challenge": lambda token: Reply(401, {"WWW-Authenticate": f'Bearer error="{token}"'}, b"{}"),
    "escapes": lambda token: Reply.json({"code": f"\x1b[2J{token}"}, 401),
}


@pytest.mark.parametrize("answer", API)
def test_refused_calls(stack, server, said, answer):
    """What an API says of a token, and the code that it gives for it, reach log and observers without the token."""
    token = "canary7f3a-of-the-user.+/="
    server.answer = lambda seen: API[answer](token)

    auth = stack.MelomingOAuth("client", SECRETS["signs"], api_key=API_KEY, base_url=server.url, store=MemoryStore())
    auth._tokens.replace(NumberedToken(Token(token, 4e9, 1.7e9), 1))
    with stack.client(auth) as client:
        try:
            assert client.get(f"{server.url}/x").status == 401
        except KrauthError as error:
            error.__traceback__ = None
            said.exception(error)
    said.texts.append(repr(auth))
    said.assert_silent(token, API_KEY, SECRETS["signs"])
