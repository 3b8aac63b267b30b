"""A server that repeats what it was sent: no error of any endpoint shows it, in whatever form it comes back."""

import base64
import html
import json
from urllib.parse import parse_qsl, quote_plus

import pytest

from krauth import HTTPResponse, KrauthError, Token
from krauth._oauth.authorization import AuthorizationRequest, prepare_code_request
from krauth._oauth.client import OAuth2Credentials
from krauth._oauth.endpoints import (
    prepare_introspection_request,
    prepare_revocation_request,
    process_introspection_response,
    process_revocation_response,
)
from krauth._values.secret import Secret
from krauth.meloming import MelomingCredentials
from krauth.naver import NaverCredentials

SECRET = "canary7f3a+of/the=client&x"
NAVER_SECRET = "$2a$04$canary7f3aaaaaaaaaaaau"
TOKEN = Token("canary7f3a-access", 5.0, 0.0, refresh_token="canary7f3a+refresh/token=")
SIGN_IN = AuthorizationRequest(
    "https://h.example/a", "s", "canary7f3a-verifier-0123456789", "https://me.example/cb", "k"
)
NOW = 1_700_000_000.0


def oauth2(**settings):
    where = {
        name: f"https://h.example/{name}"
        for name in ("token_endpoint", "revocation_endpoint", "introspection_endpoint")
    }
    return OAuth2Credentials(
        "client",
        SECRET,
        api_origins="https://api.example",
        user="mina",
        redirect_uri="https://me.example/cb",
        **where,
        **settings,
    )


def token_errors(credentials, request):
    def process(response):
        credentials.process_token_response(response, NOW, TOKEN)

    return request, process


POST, BASIC = oauth2(), oauth2(client_auth="client_secret_basic")
NAVER = NaverCredentials("client", NAVER_SECRET)
MELOMING = MelomingCredentials("client", SECRET, user="mina")
#: Name → a request with secrets, and what reads its answer.
EXCHANGES = {
    "refresh": lambda: token_errors(POST, POST.prepare_token_request(NOW, TOKEN)),
    "refresh with Basic": lambda: token_errors(BASIC, BASIC.prepare_token_request(NOW, TOKEN)),
    "code": lambda: token_errors(POST, prepare_code_request(POST, Secret("canary7f3a-code"), SIGN_IN)),
    "Naver": lambda: token_errors(NAVER, NAVER.prepare_token_request(NOW)),
    "revoke": lambda: (
        prepare_revocation_request(POST, TOKEN.refresh_token, "refresh_token"),
        lambda response: process_revocation_response(POST, response, NOW),
    ),
    "revoke at Meloming": lambda: (
        prepare_revocation_request(MELOMING, TOKEN.refresh_token, "refresh_token"),
        lambda response: process_revocation_response(MELOMING, response, NOW),
    ),
    "introspect": lambda: (
        prepare_introspection_request(POST, TOKEN.access_token, "access_token"),
        lambda response: process_introspection_response(POST, response, NOW),
    ),
}


def fields_of(request):
    text = request.body.decode()
    return json.loads(text) if text.startswith("{") else dict(parse_qsl(text))


def joined(request):
    return " ".join(f"{name}={value}" for name, value in fields_of(request).items())


ECHOES = {
    "the body as it is": lambda request: request.body.decode(),
    "its values": joined,
    "its values in JSON": lambda request: json.dumps(fields_of(request)),
    "its values in HTML": lambda request: html.escape(joined(request)),
    "encoded once more": lambda request: quote_plus(joined(request)),
    "the header fields": lambda request: str(dict(request.headers)),
}
PLACES = {
    "error_description": lambda text: {"error": "invalid_client", "error_description": text},
    "message": lambda text: {"code": "BAD_REQUEST", "message": text},
    "error": lambda text: {"error": text},
    "nested": lambda text: {"error": {"code": text, "message": text}},
    "trace id": lambda text: {"error": "invalid_grant", "traceId": text},
    "all": lambda text: dict.fromkeys(["error", "code", "message", "error_description", "traceId", "scope"], text),
}


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
def test_echoes(exchange, echo, place, status):
    """Neither message nor attribute of any error shows a secret of the request that the server repeats."""
    request, process = exchange()
    headers = {"GNCP-GW-Trace-ID": echo(request), "Content-Type": "application/json"}
    response = HTTPResponse(status, headers, json.dumps(place(echo(request))).encode())
    try:
        process(response)
    except KrauthError as error:
        shown = f"{error} {error!r} {vars(error)!r}"
        pair = base64.b64encode(f"client:{quote_plus(SECRET)}".encode()).decode()
        for secret in ("7f3a", pair, fields_of(request).get("client_secret_sign") or pair):
            assert secret not in shown
        assert shown.isprintable()
    else:
        assert status == 200


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_short_code(place):
    """A code too short to be blotted out takes the server's whole text with it."""
    request, process = token_errors(POST, prepare_code_request(POST, Secret("qx7Zk"), SIGN_IN))
    with pytest.raises(KrauthError) as failure:
        process(HTTPResponse(400, {}, json.dumps(place(joined(request))).encode()))
    assert "qx7Zk" not in f"{failure.value} {vars(failure.value)!r}"


@pytest.mark.parametrize(
    "body",
    [
        {"error": f"invalid token: {TOKEN.access_token}"},
        {"error": TOKEN.access_token},
        {"code": TOKEN.access_token},
        {"error": {"code": f"Invalid API key {TOKEN.access_token}"}},
        {"code": "GW.AUTHN\x1b[2J"},
    ],
)
def test_what_an_api_says_of_a_token(body):
    """The code of a refused call is a code or nothing; it goes to the log."""
    for credentials in (POST, NAVER, MELOMING):
        verdict = credentials.judge("GET", 401, {}, json.dumps(body).encode())
        assert verdict.code is None
        challenge = {"WWW-Authenticate": f'Bearer error="{TOKEN.access_token}"'}
        assert credentials.judge("GET", 401, challenge, b"").code is None


@pytest.mark.parametrize("exp", [10**400, float("nan"), float("inf"), -(10**30), "soon", True, [], 1e12])
def test_introspection_times(exp):
    """An `exp` that is no time is left out; the answer counts all the same."""
    body = json.dumps({"active": True, "exp": exp, "sub": "a\nb", "username": "x" * 9999, "scope": ["read"]}).encode()
    info = process_introspection_response(POST, HTTPResponse(200, {}, body), NOW)
    assert (info.active, info.exp, info.sub, info.username, info.scope) == (True, None, None, None, None)


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_date_that_no_clock_shows(date):
    """A `Date` of the year 9999 or 1970 shortens no token and makes no endless pause."""

    class Server(OAuth2Credentials):
        token_time_zone = "UTC"

    server = Server("client", SECRET, token_endpoint="https://h.example/t", api_origins="https://a.example")
    body = json.dumps({"access_token": "t", "token_type": "Bearer", "expires_at": NOW + 600}).encode()
    token = server.process_token_response(HTTPResponse(200, {"Date": date}, body), NOW)
    assert token.expires_at == NOW + 600
    with pytest.raises(KrauthError) as caught:
        server.process_token_response(HTTPResponse(503, {"Date": date, "Retry-After": date}, b""), NOW)
    assert 0 <= caught.value.retry_after <= 1e9


HOSTILE = {
    "long": "a" * 20_000,
    "line break": "a\r\nX-Evil: 1",
    "Korean": "토큰",
    "list": ["a"],
    "number": 7,
    "empty": "",
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_no_access_token(value):
    """An answer whose access token could not stand in a header field is no token response."""
    body = json.dumps({"access_token": value, "token_type": "Bearer"}).encode()
    with pytest.raises(KrauthError) as caught:
        POST.process_token_response(HTTPResponse(200, {}, body), NOW)
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize("value", [value for name, value in HOSTILE.items() if name != "Korean"])
def test_no_refresh_token_and_no_scope(value):
    """A refresh token or scope that can't be right costs no access token: it is left out."""
    body = json.dumps({"access_token": "t", "token_type": "Bearer", "refresh_token": value, "scope": value}).encode()
    token = POST.process_token_response(HTTPResponse(200, {}, body), NOW, TOKEN)
    assert token.refresh_token == TOKEN.refresh_token
    assert token.scope in (None, "", "a")
