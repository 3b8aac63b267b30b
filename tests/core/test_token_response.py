"""What token endpoints answer, good and bad, and the error that each answer becomes."""

import copy
import json
import pickle
from email.utils import formatdate
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import krauth
import krauth.provider
from krauth import (
    AuthorizationError,
    AuthorizationRequired,
    ConfigurationError,
    HTTPResponse,
    InvalidClientError,
    InvalidGrantError,
    InvalidTokenResponse,
    IPNotAllowedError,
    KrauthError,
    RateLimitError,
    StateMismatch,
    StoreConflict,
    Token,
    TokenEndpointError,
    TokenError,
    TokenServerError,
    TokenStoreError,
    TokenTransportError,
)
from krauth._oauth.grants import MAX_LIFETIME
from krauth._values.exceptions import without_frames
from krauth.meloming import MelomingCredentials
from krauth.naver import NaverCredentials
from krauth.oauth2 import OAuth2Credentials

NOW = 1_700_000_000.0
NAVER_SECRET = "$2a$04$abcdefghijklmnopqrstuu"
JSON = {"Content-Type": "application/json;charset=UTF-8"}
NAVER = NaverCredentials("client", NAVER_SECRET)
MELOMING = MelomingCredentials("client", "s3cr3t")
USER = MelomingCredentials("client", "s3cr3t", user="kim")
OAUTH2 = OAuth2Credentials(
    "client", "s3cr3t", token_endpoint="https://a.example.com/token", api_origins="https://api.example.com"
)
GOOD = {"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}
EVERYBODY = pytest.mark.parametrize("credentials", [NAVER, MELOMING, OAUTH2], ids=lambda c: c.provider)


def respond(data, status=200, headers=JSON):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return HTTPResponse(status, headers, body)


def refusal(credentials, *args, **kwargs):
    with pytest.raises(KrauthError) as caught:
        credentials.process_token_response(respond(*args, **kwargs), NOW)
    return caught.value


# Good ones.


@EVERYBODY
@pytest.mark.parametrize(
    "headers",
    [
        JSON,
        {},
        {"content-type": "application/json"},
        {"CONTENT-TYPE": "Application/JSON"},
        {"Content-Type": "text/x+json"},
        {"Content-Type": "text/html; charset=utf-8"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/octet-stream"},
        {"Content-Type": ""},
        {"Content-Type": "\x1b\r\nnonsense" * 1000},
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 299])
def test_good_response(credentials, headers, status):
    """A JSON object with a token is one, under any 2xx and content type; it lives from when its request was sent."""
    token = credentials.process_token_response(respond(GOOD, status, headers), NOW)
    assert token == Token("t0ken", NOW + 3600, NOW)


@pytest.mark.parametrize("remaining", [10799, 6757, 1, 10800])
def test_expires_in_is_what_remains(remaining):
    """Naver returns an old token with the time that remains, which is believed and never taken for three hours."""
    token = NAVER.process_token_response(respond({**GOOD, "expires_in": remaining}), NOW)
    assert token.expires_in(NOW) == remaining


@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER", " Bearer ", "", None])
def test_token_type_in_any_case(token_type):
    """RFC 6749 §5.1: the token type is case insensitive; none that is named means Bearer."""
    unnamed = {name: value for name, value in GOOD.items() if name != "token_type"}
    assert OAUTH2.process_token_response(respond(unnamed), NOW).token_type == "Bearer"
    assert OAUTH2.process_token_response(respond({**GOOD, "token_type": token_type}), NOW).token_type == "Bearer"


LIFETIMES = {
    "3600": 3600.0,
    " 3600 ": 3600.0,
    3600.5: 3600.5,
    "3600.5": 3600.5,
    0.001: 0.001,
    10**12: MAX_LIFETIME,
    10**400: MAX_LIFETIME,
    1e300: MAX_LIFETIME,
    MAX_LIFETIME + 1: MAX_LIFETIME,
}


@EVERYBODY
@pytest.mark.parametrize("value", LIFETIMES, ids=lambda value: str(value)[:20])
def test_generous_lifetimes(credentials, value):
    """Strings and fractions are read as meant, and what is beyond ten years as ten years."""
    token = credentials.process_token_response(respond({**GOOD, "expires_in": value}), NOW)
    assert token.expires_at == NOW + LIFETIMES[value]


UNREADABLE = ["null", '""', '"abc"', "true", "false", "NaN", "Infinity", "-Infinity", '"NaN"', '"inf"', "[]", "{}"]
UNREADABLE += ["[3600]", '"1e999"', "-1e400", '"0x10"', '"one hour"', '{"seconds": 3600}']


@EVERYBODY
@pytest.mark.parametrize("raw", [None, *UNREADABLE])
def test_missing_lifetime(credentials, raw):
    """Without expires_in, or with one that can't be read, the token is used until it is refused."""
    lifetime = "" if raw is None else f', "expires_in": {raw}'
    body = f'{{"access_token": "t", "token_type": "Bearer"{lifetime}}}'.encode()
    token = credentials.process_token_response(respond(body), NOW)
    assert token.expires_at is None
    assert token.state(NOW + 10**9, 1800) is krauth.TokenState.FRESH


@EVERYBODY
@pytest.mark.parametrize("raw", ["0", "-1", "0.0", "-0", '"-5"', '"0"', "-" + "9" * 400])
def test_expired_on_arrival(credentials, raw, caplog):
    """A token that has expired already is handed over, expired, with a warning: one call may try it."""
    body = b'{"access_token": "t0ken", "token_type": "Bearer", "expires_in": %s}' % raw.encode()
    token = credentials.process_token_response(respond(body), NOW)
    assert (token.access_token, token.expires_at) == ("t0ken", NOW)
    assert token.state(NOW) is krauth.TokenState.EXPIRED
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("krauth", "WARNING")
    assert "expires_in" in record.message
    assert "t0ken" not in record.message


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.lists(st.integers(), max_size=2)))
def test_any_lifetime(value):
    """Whatever expires_in is, there is a token, which lives for ten years at most or until it is refused."""
    token = OAUTH2.process_token_response(respond({**GOOD, "expires_in": value}), NOW)
    assert token.expires_at is None or NOW <= token.expires_at <= NOW + MAX_LIFETIME


@pytest.mark.parametrize("scope", [["read", "write"], "read write"])
def test_scope(scope):
    """The granted scope is kept, as the RFC's string or as a list."""
    assert MELOMING.process_token_response(respond({**GOOD, "scope": scope}), NOW).scope == "read write"


def test_rotation():
    """A new refresh token replaces the old one and lives seven days; without one the old stays with its own end."""
    first = USER.process_token_response(respond({**GOOD, "refresh_token": "r1"}), NOW)
    assert (first.refresh_token, first.refresh_expires_at) == ("r1", NOW + 7 * 86400)
    kept = USER.process_token_response(respond(GOOD), NOW + 10, first)
    assert (kept.refresh_token, kept.refresh_expires_at) == ("r1", NOW + 7 * 86400)
    same = USER.process_token_response(respond({**GOOD, "refresh_token": "r1"}), NOW + 10, first)
    assert (same.refresh_token, same.refresh_expires_at) == ("r1", None)  # perhaps prolonged: its end is not known
    rotated = USER.process_token_response(respond({**GOOD, "refresh_token": "r2"}), NOW + 10, first)
    assert (rotated.refresh_token, rotated.refresh_expires_at) == ("r2", NOW + 10 + 7 * 86400)


@pytest.mark.parametrize("value", ["", None, 7, [], "\ud800", "a\nb"])
def test_unusable_refresh_token(value):
    """A refresh token that could never be sent does not replace one that can."""
    first = USER.process_token_response(respond({**GOOD, "refresh_token": "r1"}), NOW)
    assert USER.process_token_response(respond({**GOOD, "refresh_token": value}), NOW, first).refresh_token == "r1"


@pytest.mark.parametrize("credentials", [MELOMING, OAUTH2], ids=lambda c: c.provider)
def test_refresh_token_of_client_credentials(credentials):
    """Client credentials need no refresh token: one that comes unasked is not kept, so that it can't be stolen."""
    token = credentials.process_token_response(respond({**GOOD, "refresh_token": "r1"}), NOW)
    assert token.refresh_token is None


# Bad ones.

BAD_ANSWERS = {
    "empty": (b"", "empty body"),
    "html": (b"<html>login</html>", "not a JSON object"),
    "truncated": (b'{"access_token": "t0ken", "expi', "not a JSON object"),
    "array": (b'[{"access_token": "t0ken"}]', "not a JSON object"),
    "null": (b"null", "not a JSON object"),
    "string": (b'"t0ken"', "not a JSON object"),
    "form": (b"access_token=t0ken&token_type=Bearer", "not a JSON object"),
    "not utf-8": (b'{"access_token": "t0ken\xff"}', "not a JSON object"),
    "deep": (b'{"access_token":' + b"[" * 100_000, "not a JSON object"),
    "huge number": (b'{"expires_in":' + b"9" * 10_000 + b"}", "not a JSON object"),
    "no token": ({"token_type": "Bearer", "expires_in": 1}, "access_token"),
    "null token": ({**GOOD, "access_token": None}, "access_token"),
    "empty token": ({**GOOD, "access_token": ""}, "access_token"),
    "number": ({**GOOD, "access_token": 5}, "access_token"),
    "list": ({**GOOD, "access_token": ["t0ken"]}, "access_token"),
    "line break": ({**GOOD, "access_token": "t0ken\r\nX-Evil: 1"}, "access_token"),
    "blank": ({**GOOD, "access_token": "t0ken x"}, "access_token"),
    "not ascii": ({**GOOD, "access_token": "t0ken가"}, "access_token"),
    "surrogate": ({**GOOD, "access_token": "t0ken\ud800"}, "access_token"),
    "mac": ({**GOOD, "token_type": "mac"}, "token_type"),
    "dpop": ({**GOOD, "token_type": "DPoP"}, "token_type"),
    "type list": ({**GOOD, "token_type": ["Bearer"]}, "token_type"),
    "type number": ({**GOOD, "token_type": 0}, "token_type"),
}


def trace_of(credentials):
    """The trace id that an error of these credentials has: Naver alone documents one."""
    return "trace-1" if credentials is NAVER else None


def has_trace(credentials, error):
    assert error.trace_id == trace_of(credentials)
    assert ("trace-1" in str(error)) is (credentials is NAVER)


@EVERYBODY
@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answers(credentials, name):
    """An answer of 200 that is no token response is named as what came, with its trace id and without the token."""
    data, word = BAD_ANSWERS[name]
    error = refusal(credentials, data, headers={**JSON, "GNCP-GW-Trace-ID": "trace-1"})
    assert type(error) is InvalidTokenResponse
    assert word in str(error)
    assert "200 (application/json" in str(error)
    has_trace(credentials, error)
    assert (error.status, error.code, error.retry_after) == (200, None, None)
    assert "t0ken" not in str(error)
    assert not error.transient


@EVERYBODY
@pytest.mark.parametrize("status", [200, 201, 204, 206])
@pytest.mark.parametrize("media_type", ["text/html; charset=utf-8", "text/plain", None])
@pytest.mark.parametrize("body", [b"", b"<html>"])
def test_what_came(credentials, status, media_type, body):
    """An answer without a JSON object is named by its status and content type: a proxy's page is seen as such."""
    error = refusal(credentials, body, status, {} if media_type is None else {"Content-Type": media_type})
    assert type(error) is InvalidTokenResponse
    assert f"{status} ({media_type or 'no content type'})" in str(error)
    assert "base_url" in str(error)


@pytest.mark.parametrize("token_type", ["MAC", "mac", "DPoP", "N_A", "Bearer2"])
def test_other_token_types_are_named(token_type):
    """A token that krauth can't use is refused with the name of its type (RFC 6749 §7.1), and nothing else of it."""
    error = refusal(OAUTH2, {**GOOD, "token_type": token_type})
    assert type(error) is InvalidTokenResponse
    assert repr(token_type) in str(error)
    assert "t0ken" not in str(error)


KEEPING = {
    "no access token": {"access_token": None},
    "unusable access token": {"access_token": "a\nb"},
    "empty access token": {"access_token": ""},
    "a number": {"access_token": 7},
    "mac": {"token_type": "mac"},
    "an error beside it": {"access_token": None, "error": "server_error"},
}


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("name", KEEPING)
def test_a_refresh_token_is_kept(name, status, assert_hidden):
    """A new refresh token that comes without a usable access token is in the error: the old one may be spent."""
    answer = respond({**GOOD, "refresh_token": "r-new", **KEEPING[name]}, status)
    for previous in (None, Token("t", NOW, NOW, refresh_token="r-old")):
        with pytest.raises(InvalidTokenResponse) as caught:
            USER.process_token_response(answer, NOW, previous)
        assert caught.value.refresh_token.reveal() == "r-new"
        assert copy.copy(caught.value).refresh_token is None
        assert pickle.loads(pickle.dumps(caught.value)).refresh_token is None
        assert_hidden(without_frames(caught.value), "r-new", "r-old")
    with pytest.raises(TokenEndpointError) as caught:  # it is not new
        USER.process_token_response(answer, NOW, Token("t", NOW, NOW, refresh_token="r-new"))
    assert getattr(caught.value, "refresh_token", None) is None
    with pytest.raises(TokenEndpointError) as caught:  # client credentials need none
        OAUTH2.process_token_response(answer, NOW)
    assert getattr(caught.value, "refresh_token", None) is None


def test_hostile_content_type():
    """A content type that attacks the log arrives on one line and bounded."""
    error = refusal(OAUTH2, b"<html>", headers={"Content-Type": "text/x\x1b[31m\r\n" + "y" * 5000})
    assert str(error).isprintable()
    assert len(str(error)) < 300


@EVERYBODY
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_redirects(credentials, status):
    """A redirect is not followed, whatever else it says, since the request carries the client's secret."""
    error = refusal(credentials, GOOD, status, {**JSON, "Location": "https://evil.example.com/?x"})
    assert type(error) is InvalidTokenResponse
    assert error.status == status
    assert "redirect" in str(error)
    assert "evil.example.com" not in str(error)


STATUSES = {
    400: (TokenEndpointError, False),
    401: (InvalidClientError, False),  # at Meloming: TokenEndpointError
    403: (TokenEndpointError, False),
    404: (TokenEndpointError, False),
    405: (TokenEndpointError, False),
    415: (TokenEndpointError, False),
    429: (RateLimitError, True),
    500: (TokenServerError, True),
    502: (TokenServerError, True),
    503: (TokenServerError, True),
    504: (TokenServerError, True),
    599: (TokenServerError, True),
}


@EVERYBODY
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"code": 5}', b"\xff"], ids=ascii)
def test_error_statuses(credentials, status, body):
    """Without a code the status alone decides the type, and whether trying again can help."""
    error = refusal(credentials, body, status, {"Content-Type": "text/html"})
    kind, transient = STATUSES[status]
    if (credentials, status) == (MELOMING, 401):
        kind = TokenEndpointError  # seen: a wrong redirect_uri
    assert type(error) is kind
    assert error.transient is transient
    assert (error.status, error.code, error.error, error.error_description) == (status, None, None, None)
    assert str(status) in str(error)
    assert (status in (404, 405, 415)) == ("base_url" in str(error))


NAVER_ERRORS = [
    (401, "GW.AUTHN", InvalidClientError, "right type"),
    (403, "GW.IP_NOT_ALLOWED", IPNotAllowedError, "token_transport"),
    (404, "GW.NOT_FOUND", TokenEndpointError, "/partner"),
    (429, "GW.RATE_LIMIT", RateLimitError, "one token store"),
    (429, "GW.QUOTA_LIMIT", RateLimitError, "one token an hour"),
    (403, "GW.AUTHN", TokenEndpointError, "wrong kind of application"),
    *((500, f"GW.PROXY.0{number}", TokenServerError, "by itself") for number in range(1, 6)),
    (500, "GW.INTERNAL_SERVER_ERROR", TokenServerError, "by itself"),
    *((503, f"GW.BLOCK.0{number}", TokenServerError, "by itself") for number in (1, 2)),
    *((504, f"GW.TIMEOUT.0{number}", TokenServerError, "by itself") for number in (1, 2)),
    (429, "GW.NEW", RateLimitError, "wait"),
    (500, "GW.NEW", TokenServerError, "by itself"),
    (400, "GW.NEW", TokenEndpointError, "server's words"),
]
MELOMING_ERRORS = [
    (401, "invalid_client", InvalidClientError, "MELOMING_CLIENT_SECRET"),
    (400, "invalid_grant", InvalidGrantError, "authorize again"),
    (400, "unsupported_grant_type", TokenEndpointError, "registration"),
    (401, "INVALID_API_KEY", TokenEndpointError, "MELOMING_API_KEY"),
    (403, "PERMISSION_DENIED", TokenEndpointError, "channel"),
    (401, "NEW", TokenEndpointError, "client_id, client_secret"),
    (429, "NEW", RateLimitError, "300 a minute and 100,000 a month"),
    (500, "INTERNAL_ERROR", TokenServerError, "not active"),
    (500, "NEW", TokenServerError, "by itself"),
]
RFC_ERRORS = [
    (400, "invalid_client", InvalidClientError, "client_secret"),
    (401, "invalid_client", InvalidClientError, "client_secret"),
    (400, "invalid_grant", InvalidGrantError, "authorize again"),
    (400, "unauthorized_client", InvalidClientError, "registration"),
    (400, "invalid_request", TokenEndpointError, "scope and redirect_uri"),
    (400, "invalid_scope", TokenEndpointError, "scope="),
    (400, "unsupported_grant_type", TokenEndpointError, "grant"),
    (200, "invalid_client", InvalidClientError, "client_secret"),  # seen in the wild
    (429, "invalid_request", RateLimitError, "wait"),
    (503, "temporarily_unavailable", TokenServerError, "by itself"),
]
ERROR_ROWS = [
    *((NAVER, *row) for row in NAVER_ERRORS),
    *((MELOMING, *row) for row in MELOMING_ERRORS),
    *((OAUTH2, *row) for row in RFC_ERRORS),
]


@pytest.mark.parametrize("shape", ["code", "error", "nested"])
@pytest.mark.parametrize(
    ("credentials", "status", "code", "kind", "remedy"),
    ERROR_ROWS,
    ids=[f"{row[0].provider}-{row[1]}-{row[2]}" for row in ERROR_ROWS],
)
def test_error_table(credentials, status, code, kind, remedy, shape):
    """Each code becomes its type and remedy, with the server's words, in all three shapes that servers use."""
    if shape == "code":
        data = {"code": code, "message": "the words"}
        if status == 200:
            data["error"], shape = code, "error"
    elif shape == "error":
        data = {"error": code, "error_description": "the words"}
    else:
        data = {"error": {"code": code, "message": "the words"}}
    error = refusal(credentials, data, status, {**JSON, "gncp-gw-trace-id": "trace-1"})
    assert type(error) is kind
    assert (error.status, error.code, error.error_description) == (status, code, "the words")
    has_trace(credentials, error)
    assert error.error == (code if shape == "error" else None)
    assert error.transient is (kind in (RateLimitError, TokenServerError))
    for part in (str(status), code, "the words", remedy):
        assert part in str(error)


PENALTIES = {
    "HOURS": (300.0, True, "malformed token requests"),
    "": (300.0, True, "malformed token requests"),
    None: (300.0, True, "malformed token requests"),
    "DAYS": (300.0, True, "malformed token requests"),
    "ROUND": (300.0, True, "round"),
    "SECONDS": (1.0, False, "second"),
    "seconds ": (1.0, False, "second"),
}


@pytest.mark.parametrize("period", PENALTIES)
def test_how_long_a_quota_pauses_and_whom(period):
    """How long to pause, and for whom, follows from Naver's code and the period that its header names."""
    headers = JSON if period is None else {**JSON, "gncp-gw-quota-period": period}
    error = refusal(NAVER, {"code": "GW.QUOTA_LIMIT", "message": "m"}, 429, headers)
    pause, application_wide, word = PENALTIES[period]
    assert (type(error), error.transient, error.retry_after) == (RateLimitError, True, None)
    assert (error.pause, error.application_wide) == (pause, application_wide)
    assert word in str(error)
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.pause, twin.application_wide) == (pause, application_wide)


def test_the_penalty_is_explained():
    """The message of the penalty names its cause, how it ends, and what krauth does meanwhile."""
    message = str(refusal(NAVER, {"code": "GW.QUOTA_LIMIT"}, 429, {**JSON, "GNCP-GW-Quota-Period": "HOURS"}))
    for part in ("penalty", "registered IP", "query string", "ends by itself", "5 minutes"):
        assert part in message


@EVERYBODY
def test_most_refusals_name_no_pause(credentials):
    """An error pauses nothing by itself: only a provider's table, or a 429, asks for that."""
    for status in (400, 401, 403, 404, 500, 503):
        error = refusal(credentials, {}, status)
        assert (error.pause, error.application_wide) == (0.0, False)
    assert refusal(credentials, {}, 429).pause == 1.0


@pytest.mark.parametrize(
    ("credentials", "token", "carried"),
    [
        (MELOMING, None, "client_id, client_secret"),
        (MelomingCredentials("c", "s3cr3t", scope="read"), None, "client_id, client_secret, scope"),
        (USER, None, "client_id, client_secret, code, redirect_uri, code_verifier"),
        (USER, Token("t", NOW, NOW, refresh_token="r3fresh"), "client_id, client_secret, refresh_token"),
        (MelomingCredentials("c", user="kim"), None, "client_id, code, redirect_uri, code_verifier"),
    ],
)
def test_an_unnamed_401_states_no_cause(credentials, token, carried):
    """A 401 "Invalid redirect_uri" is not explained as a wrong secret: the message names all that was sent."""
    with pytest.raises(TokenEndpointError) as caught:
        credentials.process_token_response(respond({"message": "Invalid redirect_uri"}, 401), NOW, token)
    assert type(caught.value) is TokenEndpointError
    assert "Invalid redirect_uri" in str(caught.value)
    assert str(caught.value).endswith(f": {carried}")


# Other servers' ways of writing.


class Other(OAuth2Credentials):
    __slots__ = ()
    provider = "other"
    token_fields: ClassVar = {
        "access_token": ("token", "data.accessToken"),
        "expires_at": ("expires_dt", "data.expiresAt"),
        "refresh_token": "data.refreshToken",
        "refresh_token_expires_at": "data.refreshExpiresAt",
        "error": ("return_code", "msg_cd"),
        "error_description": ("return_msg", "msg1"),
    }
    token_time_zone = "KST"
    errors: ClassVar = {
        (200, "3"): krauth.provider.Rule("the token is over", refresh=True),
        (500, "EGW00123"): krauth.provider.Rule("the token is over", refresh=True),
        (None, "8030"): krauth.provider.Rule("another kind of account", error=InvalidClientError),
    }


def other(**settings):
    return Other(
        "client",
        "s3cr3t",
        token_endpoint="https://a.example.com/token",
        api_origins="https://api.example.com",
        **settings,
    )


#: 2023-11-15 08:13:20 in Korea, an hour after NOW.
HOUR = NOW + 3600
MOMENTS = {
    "20231115081320": HOUR,
    " 20231115081320 ": HOUR,
    "2023-11-15 08:13:20": HOUR,
    "2023-11-15T08:13:20.000": HOUR,
    "2023-11-14T23:13:20Z": HOUR,
    "2023-11-14T23:13:20+00:00": HOUR,
    HOUR: HOUR,
    str(int(HOUR)): HOUR,
    int(HOUR) * 1000: HOUR,
    str(int(HOUR) * 1000): HOUR,
    "soon": None,
    "": None,
    True: None,
    float("inf"): None,
    float("nan"): None,
    10**300: None,
    "9" * 5000: None,
    "99999999999999": None,
    "0000-00-00": None,
}


@pytest.mark.parametrize("value", MOMENTS, ids=lambda value: str(value)[:30])
def test_an_absolute_expiry(value):
    """A moment is read as a number, 14 digits or ISO 8601, in the zone that the provider names, or as missing."""
    token = other().process_token_response(respond({"token": "t", "expires_dt": value}), NOW)
    assert token.expires_at == MOMENTS[value]


def test_a_moment_without_zone():
    """A local time without a zone is no expiry: the token is used until it is refused."""
    token = OAUTH2.process_token_response(respond({**GOOD, "expires_in": None, "expires_at": "20231115081320"}), NOW)
    assert token.expires_at is None
    token = OAUTH2.process_token_response(respond({**GOOD, "expires_in": None, "expires_at": HOUR}), NOW)
    assert token.expires_at == HOUR


def test_a_named_format_and_zone():
    """A provider may name any format of `strptime` and any zone."""
    read = krauth.provider.process_token_response
    answer = respond({"token": "t", "until": "15.11.2023 23h13m20"})
    names = {"access_token": "token", "expires_at": "until"}
    for zone, expected in (("UTC", 24), ("Asia/Seoul", 15), ("Asia/Tokyo", 15)):
        token = read(answer, NOW, errors={}, token_fields=names, time_zone=zone, time_format="%d.%m.%Y %Hh%Mm%S")
        assert token.expires_at == HOUR + expected * 3600


def test_a_moment_is_by_the_servers_clock():
    """The seconds that remain are counted by the server's clock where it tells, since ours may be wrong."""
    headers = {**JSON, "Date": formatdate(NOW - 600, usegmt=True)}
    token = other().process_token_response(respond({"token": "t", "expires_dt": "20231115081320"}, 200, headers), NOW)
    assert token.expires_at == NOW + 4200


def test_nested_fields():
    """Fields in nested objects are found by their dotted path, refresh token and its end included."""
    data = {"accessToken": "t", "expiresAt": HOUR, "refreshToken": "r", "refreshExpiresAt": "20231115081320"}
    token = other(user="kim").process_token_response(respond({"data": data, "return_code": 0}), NOW)
    assert token == Token("t", HOUR, NOW, refresh_token="r", refresh_expires_at=HOUR)


@pytest.mark.parametrize("data", [None, 7, "x", [], {}, {"accessToken": {}}, {"accessToken": None}])
def test_nested_fields_that_are_not_there(data):
    """A path that leads nowhere is a missing field."""
    error = refusal(other(), {"data": data})
    assert type(error) is InvalidTokenResponse


def test_numeric_codes():
    """A number is a code where the provider names its field, under status 200 as well."""
    error = refusal(other(), {"return_code": 8030, "return_msg": "the words"})
    assert type(error) is InvalidClientError
    assert (error.code, error.error_description, error.status) == ("8030", "the words", 200)
    body = json.dumps({"return_code": 3, "return_msg": "m"}).encode()
    assert other().judge("GET", 200, {}, body) == (True, "3", "the token is over")
    assert other().judge("GET", 500, {}, b'{"msg_cd": "EGW00123"}') == (True, "EGW00123", "the token is over")
    assert other().judge("GET", 200, {}, b'{"return_code": 0}') == (False, "0", None)
    assert OAUTH2.judge("GET", 401, {}, b'{"code": 3}') == (True, None, None)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"said": "refused[8005:the token is over]", "return_code": 3}, "8005"),
        ({"said": "no such share", "return_code": 3}, "3"),
        ({"said": "8005"}, "8005"),
        ({"said": "", "return_code": True}, None),
        ({"said": ["[8005:"]}, None),
        ({"said": "x" * 2000 + "[8005:"}, None),
    ],
)
def test_codes_in_a_sentence(told, code):
    """`error_pattern` finds the code within a sentence; without a match the next field is asked."""
    names = {"error": ("said", "return_code"), "error_pattern": r"\[(\d{4}):"}
    assert krauth.provider.error_code(told, names) == code


@pytest.mark.parametrize("field", ["refresh_token_expires_in", "refresh_expires_in"])
@pytest.mark.parametrize(("value", "end"), [(100, NOW + 100), ("100", NOW + 100), (0, None), (-1, None), ("x", None)])
def test_end_of_a_refresh_token(field, value, end):
    """A server may say how long its refresh token lives; 0 means that it does not."""
    person = OAuth2Credentials(
        "c", "s3cr3t", token_endpoint="https://a.example.com/t", api_origins="https://a.example.com", user="kim"
    )
    token = person.process_token_response(respond({**GOOD, "refresh_token": "r", field: value}), NOW)
    assert (token.refresh_token, token.refresh_expires_at) == ("r", end)
    told = USER.process_token_response(respond({**GOOD, "refresh_token": "r", field: 100}), NOW)
    assert told.refresh_expires_at == NOW + 100  # the server knows better than the document
    prolonged = person.process_token_response(respond({**GOOD, field: 500}), NOW + 10, token)
    assert (prolonged.refresh_token, prolonged.refresh_expires_at) == ("r", NOW + 510)


CHALLENGES = {
    'Bearer error="insufficient_scope", scope="write"': (False, "insufficient_scope"),
    'Bearer realm="a", error = insufficient_scope': (False, "insufficient_scope"),
    'Basic realm="x", Bearer realm="error=invalid_token", ERROR="insufficient_scope"': (False, "insufficient_scope"),
    'Bearer error="invalid_token", error_description="error=\\"insufficient_scope\\""': (True, "invalid_token"),
    'Bearer error_description="no, error=insufficient_scope", error="invalid_token"': (True, "invalid_token"),
    'Bearer realm="a"': (True, None),
    "Bearer": (True, None),
    "Bearer " + "=" * 5000: (True, None),
    "Bearer " + 'a="' * 5000: (True, None),
    "": (True, None),
}


@pytest.mark.parametrize("challenge", CHALLENGES, ids=lambda value: value[:60])
@pytest.mark.parametrize("name", ["WWW-Authenticate", "www-authenticate"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_challenge_is_read(challenge, name, method):
    """A 401 whose WWW-Authenticate says that the scope is too small costs no refresh (RFC 6750 §3)."""
    verdict = OAUTH2.judge(method, 401, {name: challenge}, b"<html>")
    assert (verdict.refresh, verdict.code) == CHALLENGES[challenge]


def test_a_challenge_in_several_lines():
    """A library that keeps the lines of a field apart (aiohttp's multidict) is asked for all of them."""

    class Lines(dict):
        def getall(self, name, default=()):
            return ["Basic realm=x", 'Bearer error="insufficient_scope"'] if name == "WWW-Authenticate" else default

    assert not OAUTH2.judge("GET", 401, Lines({"WWW-Authenticate": "Basic realm=x"}), b"").refresh


def test_body_and_challenge_that_differ():
    """Where body and challenge name different codes, one that rules a new token out is enough."""
    challenge = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
    assert not OAUTH2.judge("GET", 401, challenge, b'{"error": "invalid_token"}').refresh
    assert not OAUTH2.judge("GET", 401, challenge, b'{"code": "E401"}').refresh
    assert OAUTH2.judge("GET", 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}, b'{"code": "E401"}').refresh


def test_trace_id_in_the_body():
    """Naver's trace id is kept from the body where the header field is missing, and the header's comes first."""
    data = {"code": "GW.AUTHN", "message": "m", "traceId": "in-body"}
    assert refusal(NAVER, data, 401).trace_id == "in-body"
    assert refusal(NAVER, data, 401, {**JSON, "GNCP-GW-Trace-ID": "in-header"}).trace_id == "in-header"


INPUTS = {
    "client_secret_sign": (InvalidClientError, "shell"),
    "client_id": (InvalidClientError, "no such application"),
    "timestamp": (TokenEndpointError, "NTP"),
    "account_id": (TokenEndpointError, "subscribed"),
    "type": (TokenEndpointError, "leave account_id out"),
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("status", [400, 403])
def test_invalid_inputs(name, status):
    """The field that Naver names in invalidInputs leads to that field's remedy."""
    message = f"{name} 항목이 유효하지 않습니다."
    data = {
        "code": "BAD_REQUEST",
        "message": "잘못된 요청입니다.",
        "timestamp": "2024-01-01T00:00:00.000+09:00",
        "invalidInputs": [{"name": name, "type": "NotValid", "message": message}],
        "data": None,
    }
    error = refusal(NAVER, data, status, {**JSON, "GNCP-GW-Trace-ID": "trace-1", "Retry-After": "7"})
    kind, remedy = INPUTS[name]
    assert type(error) is kind
    assert remedy in str(error)
    assert "trace-1" in str(error)
    assert (error.status, error.code, error.trace_id, error.retry_after) == (status, "BAD_REQUEST", "trace-1", 7.0)
    assert error.error_description == "잘못된 요청입니다."


@pytest.mark.parametrize(
    "inputs",
    [None, 5, "client_id", {}, [], [None], ["timestamp"], [{}], [{"name": 5}], [{"name": []}], [{"name": "x"}]],
)
def test_odd_invalid_inputs(inputs):
    """Whatever stands in invalidInputs, the error is that of status and code."""
    error = refusal(NAVER, {"code": "BAD_REQUEST", "message": "m", "invalidInputs": inputs}, 400)
    assert type(error) is TokenEndpointError
    assert error.code == "BAD_REQUEST"


def test_invalid_inputs_of_a_known_error():
    """invalidInputs do not turn a wrong IP address or a failing server into a wrong secret."""
    inputs = [{"name": "client_id"}]
    assert type(refusal(NAVER, {"code": "GW.IP_NOT_ALLOWED", "invalidInputs": inputs}, 403)) is IPNotAllowedError
    assert type(refusal(NAVER, {"code": "X", "invalidInputs": inputs}, 500)) is TokenServerError


@EVERYBODY
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(credentials, value, seconds, status):
    """Retry-After is read as seconds or as an HTTP date; what is neither is left out."""
    error = refusal(credentials, {}, status, JSON if value is None else {**JSON, "Retry-After": value})
    assert error.retry_after == seconds


def test_retry_after_is_bounded():
    """A Retry-After of more digits than time has is a large number, not a failure."""
    assert refusal(NAVER, {}, 429, {"Retry-After": "9" * 5000}).retry_after <= 10**9


def test_words_are_fit_for_a_log():
    """A server's words arrive on one line, bounded and without control characters."""
    words = "line\r\nroot logged in\x1b[31m\u2028" + "y" * 5000
    error = refusal(OAUTH2, {"error": "invalid_request\n\x00", "error_description": words}, 400)
    assert str(error).isprintable()
    assert len(str(error)) < 800
    assert error.error_description.isprintable()
    assert error.code is None  # what does not look like a code is none


@given(
    st.integers(200, 599),
    st.dictionaries(
        st.sampled_from(
            [
                "access_token",
                "token_type",
                "expires_in",
                "refresh_token",
                "scope",
                "error",
                "code",
                "invalidInputs",
                "message",
                "error_description",
                "traceId",
            ]
        ),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.just("Bearer"),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["code", "name"]), inner),
            max_leaves=4,
        ),
    ),
)
def test_any_json(status, data):
    """Whatever JSON a server sends, there is a usable token or a TokenEndpointError whose message is one line."""
    for credentials in (NAVER, MELOMING, USER, OAUTH2):
        try:
            token = credentials.process_token_response(respond(data, status), NOW)
        except TokenEndpointError as error:
            is_fit = str(error).isprintable()
        else:
            is_fit = token.access_token != "" and 200 <= status < 300
        assert is_fit


@pytest.mark.parametrize(
    ("credentials", "secret"),
    [(NAVER, NAVER_SECRET), (MELOMING, "s3cr3t"), (OAUTH2, "s3cr3t"), (USER, "s3cr3t"), (USER, "r3fresh-token")],
)
@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_a_server_that_repeats_secrets(credentials, secret, status, assert_hidden):
    """A server that repeats the secret it refuses does not get it into an error."""
    text = "x" * 290 + f"wrong: {secret}"  # cut in the middle it would show too
    last = Token("t", NOW, NOW, refresh_token="r3fresh-token")
    for data in (
        {"error": f"no {secret}", "error_description": text},
        {"error": {"code": f"no {secret}", "message": text}},
        {"error": "e", "code": secret, "message": f"{secret} {secret}", "traceId": secret},
        {"error": "e", "code": "c", "message": text, "invalidInputs": [{"name": "client_id", "message": text}]},
    ):
        with pytest.raises(TokenEndpointError) as caught:
            credentials.process_token_response(respond(data, status), NOW, last)
        assert_hidden(without_frames(caught.value), secret[:10])  # the driver removes the frames


# The errors themselves.

ERRORS = [
    *(
        kind("words", status=403, code="C", error="e", error_description="d", trace_id="t", retry_after=3.0)
        for kind in (
            TokenEndpointError,
            InvalidClientError,
            InvalidGrantError,
            IPNotAllowedError,
            RateLimitError,
            TokenServerError,
            InvalidTokenResponse,
        )
    ),
    AuthorizationError("words", error="access_denied", error_description="d"),
    StateMismatch("words"),
    *(
        kind("words")
        for kind in (
            KrauthError,
            ConfigurationError,
            TokenError,
            TokenTransportError,
            AuthorizationRequired,
            TokenStoreError,
            StoreConflict,
        )
    ),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_survive(error, clone):
    """Every error can be copied and can cross to another process, with its words and all its attributes."""
    twin = clone(error)
    assert type(twin) is type(error)
    assert twin is not error
    assert (str(twin), vars(twin)) == (str(error), vars(error))


def test_error_tree():
    """The errors stand in the tree that the contract draws."""
    tree = {
        ConfigurationError: (KrauthError, ValueError),
        TokenError: (KrauthError,),
        TokenTransportError: (TokenError,),
        TokenEndpointError: (TokenError,),
        **dict.fromkeys(
            (InvalidClientError, InvalidGrantError, IPNotAllowedError, RateLimitError, TokenServerError),
            (TokenEndpointError,),
        ),
        InvalidTokenResponse: (TokenEndpointError,),
        AuthorizationRequired: (TokenError,),
        AuthorizationError: (KrauthError,),
        StateMismatch: (AuthorizationError,),
        TokenStoreError: (KrauthError,),
        StoreConflict: (TokenStoreError,),
    }
    for error, bases in tree.items():
        assert error.__bases__ == bases
    transient = {kind for kind in tree if getattr(kind, "transient", False)}
    assert transient == {TokenTransportError, RateLimitError, TokenServerError}
