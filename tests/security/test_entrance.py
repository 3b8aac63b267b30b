"""The guard at the entrance: what is a token, a time, a setting, whichever way it comes in."""

import json
import math

import pytest

from krauth import ConfigurationError, RefreshPolicy, Token
from krauth._values.checks import MAX_SETTING, MAX_TOKEN, is_count, is_time, require_client_id, require_text
from krauth._values.exceptions import KrauthError
from krauth._values.record import Record

HOSTILE_TOKENS = {
    "CRLF": "good\r\nX-Evil: 1",
    "NUL": "good\0",
    "blank": "two words",
    "Korean": "토큰",
    "surrogate": "\ud800",
    "escape": "\x1b[31m",
    "empty": "",
    "long": "a" * (MAX_TOKEN + 1),
    "bytes": b"good",
    "number": 7,
    "list": ["good"],
}
HOSTILE_TIMES = {
    "400 digits": 10**400,
    "NaN": math.nan,
    "infinite": math.inf,
    "minus infinite": -math.inf,
    "the year 9999": 253402300799.0,
    "text": "soon",
    "bool": True,
    "object": {},
}


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
@pytest.mark.parametrize("value", HOSTILE_TOKENS.values(), ids=HOSTILE_TOKENS)
def test_no_token(name, value):
    """A text that can't be a token is none, and the error quotes nothing of it."""
    if name == "refresh_token" and value in ("two words", "토큰"):
        Token("a", None, 0.0, refresh_token=value)  # it travels in a form, where any printable text can
        return
    with pytest.raises(ConfigurationError) as caught:
        Token(**{"access_token": "a", "expires_at": None, "obtained_at": 0.0} | {name: value})
    assert name in str(caught.value)
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize("name", ["expires_at", "obtained_at", "refresh_expires_at"])
@pytest.mark.parametrize("value", HOSTILE_TIMES.values(), ids=HOSTILE_TIMES)
def test_no_time(name, value):
    """What is no number of seconds within reason is no time."""
    assert not is_time(value)
    with pytest.raises(ConfigurationError, match=name):
        Token(**{"access_token": "a", "expires_at": None, "obtained_at": 0.0} | {name: value})


@pytest.mark.parametrize("value", [-1, 1.5, True, "1", None, 1 << 53, math.nan])
def test_no_count(value):
    """A count is a whole number from 0 that every program reads alike."""
    assert not is_count(value)
    assert is_count(0)


def stored(**fields):
    token = {"access_token": "a", "expires_at": 5.0, "obtained_at": 0.0}
    return {"format": 1, "token": token} | fields


RECORDS = {
    **{
        f"access_token: {name}": stored(token={"access_token": value, "obtained_at": 0})
        for name, value in HOSTILE_TOKENS.items()
        if not isinstance(value, bytes)
    },
    **{
        f"{field}: {name}": stored(token={"access_token": "a", "expires_at": 5.0, "obtained_at": 0.0} | {field: value})
        for field in ("expires_at", "obtained_at", "refresh_expires_at")
        for name, value in HOSTILE_TIMES.items()
    },
    **{f"intent_at: {name}": stored(intent_at=value) for name, value in HOSTILE_TIMES.items()},
    **{f"revoked_at: {name}": stored(revoked_at=value) for name, value in HOSTILE_TIMES.items()},
    "scope: line break": stored(token={"access_token": "a", "obtained_at": 0, "scope": "a\nb"}),
    "scope: long": stored(token={"access_token": "a", "obtained_at": 0, "scope": "a" * 5000}),
    "proof: surrogate": stored(proof="\ud800.x"),
    "proof: long": stored(proof="a" * (MAX_TOKEN + 1)),
    "audience: line break": stored(audience="https://a.example\n"),
    "pause: surrogate": stored(pause={"until": 5.0, "times": 0, "why": "\ud800", "kind": "RateLimitError"}),
    "a list": [],
    "a number": 5,
    "no format": {},
    "token: list": stored(token=[]),
    "token: text": stored(token="a"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_bad_record_is_an_error_of_krauth(name):
    """A record that can't be used raises an error of krauth that quotes nothing: never OverflowError and its like."""
    text = json.dumps(RECORDS[name])
    with pytest.raises(KrauthError) as caught:
        Record.from_text(text)
    assert "Evil" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("field", ["window", "jitter", "timeout", "attempt_timeout", "attempts"])
@pytest.mark.parametrize(
    "value", [*HOSTILE_TIMES.values(), 10**12, -1], ids=[*HOSTILE_TIMES, "30,000 years", "negative"]
)
def test_no_policy(field, value):
    """A policy is checked when it is made."""
    with pytest.raises(ConfigurationError, match=field):
        RefreshPolicy(**{field: value})


SECRETS = {
    "a bcrypt salt": "$2a$04$abcdefghijklmnopqrstuu",
    "a bcrypt salt of another kind": "$2b$10$abcdefghijklmnopqrstuu",
    "an API key": "mlm_live_abcdefgh",
    "another API key": "sk_test_abcdefgh",
    "a JSON Web Token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
    "a private key": "-----BEGIN PRIVATE KEY----- abc",
    "a header field": "Bearer abc",
}


@pytest.mark.parametrize("value", SECRETS.values(), ids=SECRETS)
def test_a_secret_in_the_place_of_an_id(value):
    """A client_id that has the shape of a secret is refused at construction, and not quoted."""
    with pytest.raises(ConfigurationError, match="looks like a secret") as caught:
        require_client_id(value)
    assert value[3:] not in str(caught.value)


@pytest.mark.parametrize("value", ["6dklAbCdEf12", "app", "client@example.com", "0oa1b2c3", "live_test", "a" * 200])
def test_ids(value):
    """What has no such shape is an id."""
    assert require_client_id(value) == value


def test_settings_are_bounded():
    """No setting is longer than 8,192 characters: a whole file pasted in its place is a mistake."""
    assert require_text("a" * MAX_SETTING, "user") == "a" * MAX_SETTING
    with pytest.raises(ConfigurationError, match="longer than"):
        require_text("a" * (MAX_SETTING + 1), "user")
