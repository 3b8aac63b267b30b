"""What token endpoints answer, good and bad, and the error that each answer becomes."""

import copy
import json
import pickle
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

import krauth
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
    ],
)
def test_good_response(credentials, headers):
    """The token lives from when its request was sent for as long as the server says."""
    token = credentials.process_token_response(respond(GOOD, headers=headers), NOW)
    assert token == Token("t0ken", NOW + 3600, NOW)


@pytest.mark.parametrize("remaining", [10799, 6757, 1, 10800])
def test_expires_in_is_what_remains(remaining):
    """Naver returns an old token with the time that remains, which is believed and never taken for three hours."""
    token = NAVER.process_token_response(respond({**GOOD, "expires_in": remaining}), NOW)
    assert token.expires_in(NOW) == remaining


@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER"])
def test_token_type_in_any_case(token_type):
    """RFC 6749 §5.1: the token type is case insensitive."""
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


@EVERYBODY
@pytest.mark.parametrize("answer", [{}, {"expires_in": None}])
def test_missing_lifetime(credentials, answer):
    """Without expires_in the token is used until it is refused."""
    data = {"access_token": "t", "token_type": "Bearer", **answer}
    token = credentials.process_token_response(respond(data), NOW)
    assert token.expires_at is None
    assert token.state(NOW + 10**9, 1800) is krauth.TokenState.FRESH


@EVERYBODY
@pytest.mark.parametrize(
    "raw",
    [
        "0",
        "-1",
        "0.0",
        "-0",
        "true",
        "false",
        "NaN",
        "Infinity",
        "-Infinity",
        '"abc"',
        '""',
        '"NaN"',
        '"inf"',
        '"-5"',
        "[]",
        "{}",
        "[3600]",
        '"1e999"',
        '"0"',
        "-1e400",
        '"0x10"',
    ],
)
def test_absurd_lifetimes(credentials, raw):
    """A lifetime that is over, no number, or infinite is an error that names expires_in, and not a token."""
    body = b'{"access_token": "t0ken", "token_type": "Bearer", "expires_in": %s}' % raw.encode()
    error = refusal(credentials, body)
    assert type(error) is InvalidTokenResponse
    assert "expires_in" in str(error)
    assert "t0ken" not in str(error)
    assert error.status == 200


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.lists(st.integers(), max_size=2)))
def test_any_lifetime(value):
    """Whatever expires_in is, there is either a token that lives on for at most ten years, or InvalidTokenResponse."""
    try:
        token = OAUTH2.process_token_response(respond({**GOOD, "expires_in": value}), NOW)
    except InvalidTokenResponse:
        return
    assert NOW < token.expires_at <= NOW + MAX_LIFETIME or 0 < value < 1e-6


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
    """Client credentials need no refresh token: one that comes unasked is not kept for somebody to steal."""
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
    "no type": ({"access_token": "t0ken", "expires_in": 1}, "token_type"),
    "null type": ({**GOOD, "token_type": None}, "token_type"),
    "mac": ({**GOOD, "token_type": "mac"}, "token_type"),
    "dpop": ({**GOOD, "token_type": "DPoP"}, "token_type"),
    "type list": ({**GOOD, "token_type": ["Bearer"]}, "token_type"),
}


@EVERYBODY
@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answers(credentials, name):
    """An answer of 200 that is no token response is named as what it is, with its trace id and without the token."""
    data, word = BAD_ANSWERS[name]
    error = refusal(credentials, data, headers={**JSON, "GNCP-GW-Trace-ID": "trace-1"})
    assert type(error) is InvalidTokenResponse
    assert word in str(error)
    assert "trace-1" in str(error)
    assert (error.status, error.trace_id, error.code, error.retry_after) == (200, "trace-1", None, None)
    assert "t0ken" not in str(error)
    assert not error.transient


@EVERYBODY
@pytest.mark.parametrize(
    "media_type", ["text/html; charset=utf-8", "text/plain", "application/xml", "application/jsonp"]
)
def test_wrong_content_type(credentials, media_type):
    """What is not declared as JSON is not read as a token: a proxy's page is named as such."""
    error = refusal(credentials, GOOD, headers={"Content-Type": media_type})
    assert type(error) is InvalidTokenResponse
    assert media_type.partition(";")[0] in str(error)
    assert "base_url" in str(error)


def test_hostile_content_type():
    """A content type that attacks the log arrives on one line and bounded."""
    error = refusal(OAUTH2, GOOD, headers={"Content-Type": "text/x\x1b[31m\r\n" + "y" * 5000})
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


@EVERYBODY
@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_other_successes(credentials, status):
    """Only 200 brings a token."""
    error = refusal(credentials, GOOD if status != 204 else b"", status)
    assert type(error) is InvalidTokenResponse
    assert str(status) in str(error)


STATUSES = {
    400: (TokenEndpointError, False),
    401: (InvalidClientError, False),
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
    assert (error.status, error.code, error.error_description, error.trace_id) == (status, code, "the words", "trace-1")
    assert error.error == (code if shape == "error" else None)
    assert error.transient is (kind in (RateLimitError, TokenServerError))
    for part in (str(status), code, "the words", remedy, "trace-1"):
        assert part in str(error)


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
    assert error.code.isprintable()


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
            is_fit = token.access_token != "" and status == 200
        assert is_fit


@pytest.mark.parametrize(
    ("credentials", "secret"),
    [(NAVER, NAVER_SECRET), (MELOMING, "s3cr3t"), (OAUTH2, "s3cr3t"), (USER, "s3cr3t"), (USER, "r3fresh")],
)
@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_a_server_that_repeats_secrets(credentials, secret, status, assert_hidden):
    """A server that repeats the secret it refuses does not get it into an error."""
    text = "x" * 290 + f"wrong: {secret}"  # cut in the middle it would show too
    last = Token("t", NOW, NOW, refresh_token="r3fresh")
    for data in (
        {"error": f"no {secret}", "error_description": text},
        {"error": {"code": f"no {secret}", "message": text}},
        {"error": "e", "code": secret, "message": f"{secret} {secret}", "traceId": secret},
        {"error": "e", "code": "c", "message": text, "invalidInputs": [{"name": "client_id", "message": text}]},
    ):
        with pytest.raises(TokenEndpointError) as caught:
            credentials.process_token_response(respond(data, status), NOW, last)
        assert_hidden(without_frames(caught.value), secret[:10])  # frames are removed by whoever called


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
