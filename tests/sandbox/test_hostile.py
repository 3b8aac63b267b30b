"""The sandbox answers every input: no request and no control call makes it fail."""

import http.client
import json
import time
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from krauth_sandbox._server.control import _ACTIONS

from .test_meloming import answered, authorization_url
from .test_naver import fields

RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
HOSTILE = ["\x00", "%", "%ff", "한글", "\u202e", "{0.__class__}", "'\"<>", "9" * 5000, "-1", "1e999", "nan", "\r\nX: y"]
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
PATHS = ["/external/v1/oauth2/token", "/partner/v1/oauth2/token", "/external/v1/seller/account", "/external/v1/echo"]
PATHS += [
    "/oauth/token",
    "/oauth/authorize",
    "/oauth/revoke",
    "/oauth/introspect",
    "/v1/me",
    "/v1/channels/1/songs",
    "/",
]
TYPES = ["application/x-www-form-urlencoded", "application/json", "multipart/form-data", "x", ""]


def send(port, method, target, body=b"", **headers):
    """Send bytes as they are, and return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ports(sandbox):
    return [int(url.split(":")[2].split("/")[0]) for url in (sandbox.naver_url, sandbox.meloming_url)]


def is_well(sandbox):
    for port in ports(sandbox):
        status, body = send(port, "GET", "/_sandbox/state")
        assert status == 200
        json.loads(body)
        assert send(port, "GET", "/")[0] == 200


@RELAXED
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]),
    path=st.sampled_from(PATHS),
    query=st.dictionaries(TEXTS, TEXTS, max_size=4),
    kind=st.sampled_from(TYPES),
    body=st.one_of(
        st.binary(max_size=80), st.dictionaries(TEXTS, TEXTS, max_size=5).map(lambda d: urlencode(d).encode())
    ),
    authorization=st.sampled_from([None, "", "Bearer", "Bearer x", "Basic !", "Basic Og==", "Bearer " + "x" * 4000]),
)
@example("POST", "/external/v1/oauth2/token", {"\ud800": "x"}, TYPES[0], b"", None)
@example("GET", "/oauth/authorize", {"client_id": "\udfff"}, "", b"", None)
@example("POST", "/oauth/token", {}, "application/json", b"[" * 50_000, None)
@example("POST", "/v1/channels/1/songs", {}, "application/json", b"[" * 50_000, None)
def test_no_request_is_an_error_of_ours(sandbox, method, path, query, kind, body, authorization):
    """Status 500 is only what a provider would answer, and none of these brings it."""
    pairs = [
        (quote(n.encode("utf-8", "surrogatepass")), quote(v.encode("utf-8", "surrogatepass"))) for n, v in query.items()
    ]
    target = path + ("?" + "&".join(f"{n}={v}" for n, v in pairs) if pairs else "")
    headers = {"Content-Type": kind, "Authorization": authorization}
    for port in ports(sandbox):
        status, _ = send(port, method, target, body, **{n: v for n, v in headers.items() if v is not None})
        assert status < 500
    is_well(sandbox)


@RELAXED
@given(
    values=st.dictionaries(
        st.sampled_from(["client_id", "timestamp", "client_secret_sign", "type", "account_id"]), TEXTS
    )
)
def test_no_field_of_a_token_request_is_an_error_of_ours(sandbox, values):
    """Each is refused by name, whatever it holds, also where parameters in the URL are taken."""
    for mode in ("refuse", "punish"):
        sandbox.naver.query_string = mode
        form = {**fields(sandbox, timestamp=int(time.time() * 1000)), **values}
        body = "&".join(f"{n}={quote(v.encode('utf-8', 'surrogatepass'))}" for n, v in form.items())
        port = ports(sandbox)[0]
        for target, sent in (("", body.encode()), (f"?{body}", b"")):
            status, _ = send(port, "POST", f"/external/v1/oauth2/token{target}", sent, **{"Content-Type": TYPES[0]})
            assert status in {200, 400, 415, 429}


@RELAXED
@given(
    action=st.sampled_from(sorted(_ACTIONS)),
    parameters=st.dictionaries(
        st.sampled_from(
            [
                "where",
                "status",
                "times",
                "retry_after",
                "code",
                "seconds",
                "offset",
                "what",
                "processed",
                "speed",
                "lifetime",
                "trace_ids",
                "quota_limit",
                "rate_limit",
                "plan",
                "usernames",
                "_lock",
                "clock_offset",
            ]
        ),
        st.one_of(TEXTS, st.integers().map(str), st.floats().map(str)),
        max_size=3,
    ),
    body=st.binary(max_size=30),
)
def test_no_control_call_is_an_error_of_ours(sandbox, action, parameters, body):
    """200 or 400, and every accepted switch leads to answers, not to errors."""
    for port in ports(sandbox):
        query = "&".join(f"{n}={quote(v.encode('utf-8', 'surrogatepass'))}" for n, v in parameters.items())
        status, said = send(port, "POST", f"/_sandbox/{action}?{query}", body, **{"X-Krauth-Sandbox": "1"})
        assert status in {200, 400}, said
    is_well(sandbox)
    sandbox.reset()


@pytest.mark.parametrize("state", ["%", "%25", "%2525", "a&b=c", "a+b", "한글", "\x7f", "%ff"])
def test_state_comes_back_as_it_was(sandbox, state):
    """RFC 6749 §4.1.2: the exact value received from the client."""
    callback = sandbox.meloming.approve(authorization_url(sandbox, state=state))
    assert answered(callback)["state"] == state
