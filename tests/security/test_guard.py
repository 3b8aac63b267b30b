"""The guard at the exit: what an exception or an event says, whatever it was made of."""

import base64
import copy
import gc
import html
import json
import logging
import pickle
import time
import traceback
from typing import get_args
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

import krauth
from krauth import HTTPRequest, HTTPResponse, KrauthError, Token, TokenEndpointError, TokenEvent, TokenStoreError
from krauth._oauth.grants import prepare_form_request, prepare_json_request
from krauth._values import event as events
from krauth._values import guard
from krauth._values.exceptions import AuthorizationError, without_frames
from krauth._values.secret import Secret

SECRETS = {
    "token": "canary7f3aAbCdEfGh",
    "bcrypt salt": "$2a$04$canary7f3aaaaaaaaaaaau",
    "blanks and signs": "canary 7f3a+/=&?\"'\\<>%",
    "Korean": "카나리아-7f3a-비밀번호",
}
FORMS = {
    "plain": str,
    "in a sentence": lambda secret: f"Invalid API key {secret}.",
    "in a form": lambda secret: f"client_id=a&client_secret={quote_plus(secret)}&x=1",
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded in lower case": lambda secret: quote(secret, safe="").lower() if "%" in quote(secret) else secret,
    "in JSON": lambda secret: json.dumps({"client_secret": secret}),
    "in JSON as UTF-8": lambda secret: json.dumps({"client_secret": secret}, ensure_ascii=False),
    "in HTML": html.escape,
    "twice": lambda secret: secret + secret,
    "among others": lambda secret: "x" * 1000 + secret,
}


def texts_of(error):
    return " ".join([str(error), repr(error), repr(error.args), repr(vars(error))])


def holds(text, secret):
    """Whether any part of a secret that tells it is in a text."""
    parts = {secret, quote_plus(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], html.escape(secret)}
    return any(part in text or part.lower() in text.lower() for part in parts) or "7f3a" in text


MAKERS = {
    "KrauthError": KrauthError,
    "a subclass of a plugin": type("PluginError", (krauth.TokenStoreError,), {}),
    "not a text": lambda text: KrauthError(ValueError(text)),
    "description": lambda text: TokenEndpointError("no", error_description=text),
    "code": lambda text: TokenEndpointError("no", code=text, error=text),
    "trace id": lambda text: TokenEndpointError("no", trace_id=text),
    "authorization": lambda text: AuthorizationError("no", error=text, error_description=text),
    "args set later": lambda text: later("args", (text,)),
    "attribute set later": lambda text: later("error_description", text),
    "note": lambda text: noted(text),
}


def later(name, value):
    error = TokenEndpointError("no")
    setattr(error, name, value)
    return error


def noted(text):
    error = KrauthError("no")
    error.add_note(text)
    return error


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_exception_tells_a_secret(secret, form, make):
    """A secret in any form is blotted out of every text of an exception, however it got there."""
    held = Secret(secret)
    error = make(form(secret))
    assert held
    assert not holds(texts_of(error), secret)
    assert not holds("".join(traceback.format_exception(copy.copy(error))), secret)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_event_tells_a_secret(secret, form):
    """An event's key, detail and error pass the guard too, also when the event is made from another."""
    held = Secret(secret)
    one = TokenEvent("refused", "naver", form(secret), 0.0, detail=form(secret), error=KrauthError(form(secret)))
    assert held
    for event in (one, one._replace(detail=form(secret)), TokenEvent._make([*one[:5], form(secret), *one[6:]])):
        assert not holds(f"{event} {event!r} {texts_of(event.error)}", secret)


HOLDERS = {
    "token": lambda secret: Token(secret, None, 0.0),
    "refresh token": lambda secret: Token("a", None, 0.0, refresh_token=secret),
    "form": lambda secret: prepare_form_request("https://a.example/t", {"refresh_token": secret, "code": secret}),
    "JSON": lambda secret: prepare_json_request("https://a.example/t", {"token": secret}),
    "signature": lambda secret: prepare_form_request("https://a.example/t", {"client_secret_sign": secret}),
    "header": lambda secret: HTTPRequest("POST", "https://a.example/t", {"X-API-Key": secret}),
    "Bearer": lambda secret: HTTPRequest("POST", "https://a.example/t", {"Authorization": f"Bearer {secret}"}),
}


@pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)
def test_what_holds_a_secret_makes_it_known(make):
    """A token and each secret of a token request are known to the guard while the object exists, and no longer."""
    secret = "only-here-" + base64.urlsafe_b64encode(id(make).to_bytes(12)).decode()
    held = make(secret)
    assert secret not in str(KrauthError(f"echo {secret}"))
    assert "echo" in str(KrauthError(f"echo {secret}"))
    del held
    gc.collect()
    assert secret in str(KrauthError(f"echo {secret}"))


def test_basic_authentication_is_blotted():
    """An echoed `Authorization: Basic …` is blotted out with and without its scheme."""
    pair = base64.b64encode(b"client:canary7f3a-secret").decode()
    request = HTTPRequest("POST", "https://a.example/t", {"Authorization": f"Basic {pair}"})
    assert request
    assert pair not in str(KrauthError(f"bad header Basic {pair}"))
    assert pair not in str(KrauthError(f"bad credentials {pair}"))


@pytest.mark.parametrize("secret", ["secret", "s", "client", "invalid", "client_secret"])
def test_a_short_secret_is_not_blotted(secret):
    """Blotting out "secret" would garble `invalid_client` and tell it: a server's free text is left out instead."""
    held = Secret(secret)
    error = TokenEndpointError(
        "token request refused: 401 invalid_client; check client_secret",
        code="invalid_client",
        error="invalid_client",
        error_description=f"wrong password: {secret}",
    )
    assert held
    assert error.error == error.code == "invalid_client"
    assert str(error) == "token request refused: 401 invalid_client; check client_secret"
    assert error.error_description is None
    assert TokenEndpointError("no", code=secret).code is None


@pytest.mark.parametrize("code", ["invalid_client", "GW.AUTHN", "GW.PROXY.01", "access-denied", "a" * 64])
def test_codes(code):
    """What looks like a code is one."""
    assert TokenEndpointError("no", code=code).code == code


@pytest.mark.parametrize("code", ["", "a" * 65, "two words", "\x1b[31m", "a\n", "é", "a<b>", "a;b", 7, None, ["a"]])
def test_no_codes(code):
    """What does not look like a code is none: it is free text, and may be anything."""
    assert TokenEndpointError("no", code=code).code is None


HOSTILE = {
    "\x1b[2J\x1b]0;owned\x07": "\\x1b[2J\\x1b]0;owned\\x07",
    "a\r\nINFO krauth: all is well": "a\\r\\nINFO krauth: all is well",
    "\x9b31m": "\\x9b31m",
    "\u202egpj.exe": "\\u202egpj.exe",
    "\u2066a\u2069\u200f": "\\u2066a\\u2069\\u200f",
    "a\u2028b\u2029c\x85d": "a\\u2028b\\u2029c\\x85d",
    "\0\x7f\b": "\\x00\\x7f\\x08",
    "zero\u200bwidth\ufeff": "zero\\u200bwidth\\ufeff",
    "\ud800": "\\ud800",
    "한글　띄어쓰기\u00a0끝": "한글 띄어쓰기 끝",
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_control_characters_are_shown(hostile):
    """Escape sequences, line breaks and characters that turn the direction of a text are shown, and act on nothing."""
    assert str(KrauthError(hostile)) == HOSTILE[hostile]
    assert TokenEndpointError("no", error_description=hostile).error_description == HOSTILE[hostile]
    event = TokenEvent("refused", "naver", hostile, 0.0, detail=hostile)
    assert (event.key, event.detail) == (HOSTILE[hostile], HOSTILE[hostile])
    assert str(event).isprintable()


@given(st.text())
def test_every_message_is_one_printable_line(text):
    """Whatever a text holds, what is shown prints, is one line, and passes the guard unchanged a second time."""
    shown = str(KrauthError(text))
    assert shown.isprintable()
    assert str(KrauthError(str(shown))) == shown
    shown.encode()


@pytest.mark.parametrize("size", [2001, 70_000, 1_000_000])
def test_messages_are_bounded(size):
    """No server makes a message longer than 2,000 characters, and no secret is cut in half by the bound."""
    held = Secret("canary7f3a" * 30)
    for filler in ("x" * size, "canary7f3a" * 30 * (size // 300)):
        for prefix in ("", "y" * 1850):
            text = str(KrauthError(prefix + filler))
            assert len(text) <= guard.MAX_TEXT
            assert "canary7f3a" not in text
            assert len(TokenEndpointError("no", error_description=prefix + filler).error_description) <= guard.MAX_WORDS
    assert held


def test_many_secrets_cost_little():
    """The guard forgets secrets without users, shares equal ones, and searches a text without a look at each secret."""
    gc.collect()
    tokens = [Token(f"token-number-{number:012}", None, 0.0) for number in range(5000)]
    same = [Token("one-token-for-all", None, 0.0) for _ in range(5000)]
    assert len({id(token._known) for token in same}) == 1
    assert "token-number-000000004711" not in str(KrauthError("token-number-000000004711"))
    del tokens, same
    more = [Token(f"another-token-{number:012}", None, 0.0) for number in range(12_000)]
    assert len(guard._index) < 2 * len(more) + 5000


def test_a_copy_is_not_searched_again(monkeypatch):
    """A thousand callers that are given the same failure get copies, and the text passes the guard once."""
    error = TokenEndpointError("no", error_description="words")
    monkeypatch.setattr(guard, "blot", None)
    assert str(copy.copy(error)) == "no"


def test_a_pickled_error_needs_nothing_of_the_guard():
    """An error that travels between processes holds plain texts."""
    data = pickle.dumps(TokenEndpointError("no", error_description="words"))
    assert b"guard" not in data
    assert pickle.loads(data).error_description == "words"


# Causes.


class Quoting(Exception):
    """An exception that quotes what it read, as those of HTTP libraries do."""

    def __init__(self, data):
        super().__init__(f"illegal header line: {data!r}")
        self.request = data


class Odd(Exception):
    """An exception whose text needs what it was made with."""

    def __init__(self, host):
        self.host = host

    def __str__(self):
        return f"cannot connect to {self.host}"


FOREIGN = {
    "quoting": lambda text: Quoting(text),
    "odd": lambda text: Odd(text),
    "decoding": lambda text: UnicodeDecodeError("utf-8", text.encode(), 0, 1, "invalid"),
    "value": lambda text: ValueError(f"invalid literal for int(): {text}"),
    "key": lambda text: KeyError(text),
    "group": lambda text: ExceptionGroup(text, [Quoting(text)]),
    "a subclass of OSError": lambda text: type("ClientOSError", (OSError,), {})(1, text),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_foreign_exceptions_are_told_by_name(make):
    """The causes of an error keep their class and lose their texts, their frames and what they hold."""
    text = "canary7f3a-of-an-answer"  # new: the guard has never seen it
    try:
        try:
            raise make(text)
        except Exception as error:
            raise KrauthError("the token request failed") from without_frames(error)
    except KrauthError as error:
        raised = error
    event = TokenEvent("refresh_failed", "naver", "k", 0.0, error=raised)
    links = [event.error, without_frames(raised)]
    for link in links:
        links += [other for other in (link.__cause__, link.__context__) if other is not None and other not in links]
    assert len(links) >= 3
    for link in links:
        shown = "".join([str(link), repr(link), repr(vars(link)), *traceback.format_exception(link)])
        assert text not in shown
        assert link.__traceback__ is None
    assert type(raised.__cause__).__name__ in (type(make(text)).__name__, "ForeignError")
    if isinstance(raised.__cause__, guard.ForeignError):
        assert type(make(text)).__name__ in str(raised.__cause__)


def test_the_systems_errors_keep_their_text():
    """ "Connection refused" helps, and the operating system quotes no server."""
    cause = without_frames(ConnectionRefusedError(111, "Connection refused"))
    assert isinstance(cause, ConnectionRefusedError)
    assert cause.errno == 111
    assert "Connection refused" in str(cause)


def test_an_event_has_no_frames_and_leaves_the_error_as_it_is():
    """Observers get no frame, whose local variables may hold a record; the caller's exception keeps its traceback."""

    def fail():
        record = "canary7f3a"
        raise KrauthError(f"no {len(record)}")

    with pytest.raises(KrauthError) as caught:
        fail()
    event = TokenEvent("refresh_failed", "naver", "k", 0.0, error=caught.value)
    assert event.error.__traceback__ is None
    assert type(event.error) is KrauthError
    assert str(event.error) == "no 10"
    assert caught.value.__traceback__ is not None


def test_chains_that_turn_back_or_never_end():
    """A chain of causes that leads back to itself, or is thousands long, is cut."""
    one, two = KrauthError("one"), ValueError("two")
    one.__cause__, two.__context__ = two, one
    assert str(without_frames(one)) == "one"
    assert str(TokenEvent("refused", "p", "k", 0.0, error=one).error) == "one"
    head = link = KrauthError("head")
    for _ in range(5000):
        link.__context__ = link = KrauthError("link")
    without_frames(head)
    TokenEvent("refused", "p", "k", 0.0, error=head)


# Kinds.


def test_every_kind_has_its_sentence():
    """The kinds are listed once; the table has a row for each and no other."""
    assert set(events.SENTENCES) == set(get_args(events.Kind))


@pytest.mark.parametrize("kind", [*get_args(events.Kind), "refrshed"])
def test_every_kind_is_told(kind, caplog):
    """An event of each kind reaches the log with its detail or lifetime; a mistyped kind does not vanish."""
    caplog.set_level(logging.DEBUG, "krauth")
    event = TokenEvent(kind, "naver", "naver|k", 0.0, expires_in=60.0, detail="the detail")
    events.write(event)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == str(event)
    assert message.startswith("naver|k: ")
    if kind == "refrshed":
        assert "refrshed" in message


def test_what_an_event_may_carry():
    """Duration, attempt, status and cause are optional fields at the end."""
    event = TokenEvent("refreshed", "naver", "k", 0.0, duration=0.25, attempt=2, status=200, cause="expiry")
    assert (event.duration, event.attempt, event.status, event.cause) == (0.25, 2, 200, "expiry")
    assert TokenEvent("refreshed", "naver", "k", 0.0)[7:] == (None, None, None, None)


def test_keys_are_shown_without_what_tells_secrets():
    """An event shows a client_id shortened, as it may be a secret in the wrong place, and no fingerprint."""
    key = "naver|https://a.example|client_id=%242a%2404%24zyxwvutsrqponmlkjihgfu|type=SELF|secret=0123456789abcdef"
    event = TokenEvent("obtained", "naver", key, 0.0)
    assert event.key == "naver|https://a.example|client_id=%242a%…fu|type=SELF"
    key = "oauth2|https://a.example|client_id=a|path=t|parameters=0123456789abcdef|headers=0123456789abcdef"
    assert TokenEvent("obtained", "oauth2", key, 0.0).key == "oauth2|https://a.example|client_id=a|path=t"


def test_a_key_in_a_message_is_shown_like_any_other():
    """A store that quotes a key tells no fingerprint with it."""
    error = TokenStoreError(
        "the entry oauth2|https://a.example|client_id=a|secret=0123456789abcdef in x; 'k|secret=0f'."
    )
    assert str(error) == "the entry oauth2|https://a.example|client_id=a in x; 'k'."
    for end in ("|x", ", ", ";", " ", ":", "'", '"', ")", "]", "\n", "\u3000"):
        text = f"(|client_id=0123456789abcdef|proof=0f{end}a|secret|secretive=1|application=a=b"
        assert guard.shown_key(text) == f"(|client_id=012345…ef{end}a|secret|secretive=1|application=a=b"


def test_every_secret_parameter_of_a_request_is_known():
    """However its name is written, and also where a field is sent twice; a value without a secret's name stays."""
    body = b"CLIENT_SECRET=first-secret&%63lient_secret=second%2Dsecret&toKen=third-secret&client_secret&name=harmless"
    request = HTTPRequest("POST", "https://a.example/t", {}, body)
    assert (
        str(TokenStoreError("first-secret second-secret third-secret harmless"))
        == "<secret> <secret> <secret> harmless"
    )
    del request


# Objects.


@pytest.mark.parametrize(
    "value",
    [
        HTTPRequest("POST", "https://a.example/", {"Authorization": "canary7f3a"}, b"client_secret=canary7f3a"),
        HTTPResponse(200, {"Set-Cookie": "canary7f3a"}, b"canary7f3a"),
        krauth.stores.Stored("canary7f3a", "v1"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_messages_are_not_pickled(value):
    """A request, an answer and a store's entry end up in no cache or queue; a copy is the same object."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(value, protocol)
    assert copy.copy(value) == value
    assert copy.deepcopy(value) == value
    assert "canary7f3a" not in f"{value!r} {value!s}"


@pytest.mark.process
def test_a_failing_comparison_in_pytest_shows_nothing(tmp_path):
    """`assert token == other` in a user's test fails without a word of either."""
    import subprocess
    import sys

    (tmp_path / "helper.py").write_text(
        "from krauth import *\nfrom krauth._values.record import Record\nfrom krauth.stores import Stored\n"
        "from krauth._engine.steps import Save\nfrom krauth._oauth.endpoints import TokenInfo\n"
        "MAKE = [\n"
        "    lambda part: Token(part, 5.0, 0.0, refresh_token=part),\n"
        "    lambda part: HTTPRequest('POST', 'https://a.example/', {'A': part}, part.encode()),\n"
        "    lambda part: HTTPResponse(200, {'A': part}, part.encode()),\n"
        "    lambda part: Stored(part, 'v1'),\n"
        "    lambda part: Record(Token(part, 5.0, 0.0)),\n"
        "    lambda part: Save(part, 'v1', None, None),\n"
        "    lambda part: TokenInfo(True, claims={'note': part}),\n"
        "]\n"
        "def make(number, part):\n"
        "    return MAKE[number]('canary' + '7f3a' + part)\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\nfrom helper import make\n"
        "@pytest.mark.parametrize('number', range(7))\n"
        "def test(number):\n    one, two = make(number, 'a'), make(number, 'b')\n    assert one == two\n"
    )
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", "--showlocals", "test_it.py"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert shown.count("assert one == two") == shown.count("FAILED test_it.py::test[") == 7
    assert "canary7f3a" not in shown


def test_a_sign_in_under_way():
    """A sign-in under way is compared and shown without its secret half, and the guard knows that half."""
    from krauth import AuthorizationRequest

    one, two = (
        AuthorizationRequest("https://a.example", "s", f"canary7f3a-{part}-verifier", "u", "k") for part in "ab"
    )
    assert one != two
    assert one == AuthorizationRequest.from_dict(one.to_dict()) == pickle.loads(pickle.dumps(one))
    assert "canary" not in repr(one)
    assert one.code_verifier not in str(KrauthError(f"invalid verifier {one.code_verifier}"))


def test_a_trace_for_a_bug_report_holds_no_value(caplog):
    """A task of krauth's that fails is logged by class and lines of code, without the exception and its frames."""
    import threading

    from krauth._engine.workers import Workers

    done = threading.Event()

    def fail():
        record = "canary7f3a"
        try:
            raise ValueError(record)
        finally:
            done.set()

    workers = Workers()
    with caplog.at_level(logging.DEBUG, "krauth"):
        workers.submit(fail)
        assert done.wait(10)
        found = []
        for _ in range(1000):  # the line is written after the task has ended
            if found := [one for one in caplog.records if "unexpectedly" in one.getMessage()]:
                break
            time.sleep(0.01)
    (record,) = found
    assert "ValueError" in record.getMessage()
    assert "raise ValueError(record)" in record.getMessage()
    assert "canary7f3a" not in record.getMessage()
    assert record.exc_info is None


def test_settings_are_no_secrets():
    """A name or an id is hidden from the frames of its check, and not blotted out of other messages meanwhile."""
    hidden = Secret("seller-of-this-name", known=False)
    assert "seller-of-this-name" in str(KrauthError("no account seller-of-this-name"))
    assert repr(hidden) == "<secret>"
