"""What the vendors' documents, and reports about their APIs, say: one test for each fact, named after it.

The table in `docs/vendors.md` says where each fact comes from and how sure it is.
"""

import json
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

import krauth
import krauth.naver
from krauth import (
    HTTPResponse,
    InvalidClientError,
    IPNotAllowedError,
    RateLimitError,
    Token,
    TokenEndpointError,
    TokenServerError,
)
from krauth.meloming import MelomingCredentials
from krauth.naver import NaverCredentials
from krauth.testing import FakeClock

NAVER_SECRET = "$2a$04$abcdefghijklmnopqrstuu"
SECRET = "s3cr3t-value"
KEY = "mlm_test_s3cr3tkey"
NOW = 1_700_000_000.0
NAVER = NaverCredentials("client", NAVER_SECRET)
SELLER = NaverCredentials("client", NAVER_SECRET, "ncp_1")
MELOMING = MelomingCredentials("client", SECRET)
USER = MelomingCredentials("client", SECRET, user="mina", redirect_uri="https://app.example/callback")


def answer(data, status=200, **headers):
    fields = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return HTTPResponse(status, fields, json.dumps(data).encode())


def form(request):
    return {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}


def refused(credentials, response, token=None):
    with pytest.raises(TokenEndpointError) as caught:
        credentials.process_token_response(response, NOW, token)
    return caught.value


def gateway(status, code, **headers):
    """What Naver's gateway answers."""
    body = {"code": code, "message": "words", "timestamp": "2024-01-01T00:00:00.000+09:00", "traceId": "t^1^2"}
    return answer(body, status, **headers)


# Naver: token requests.


def test_naver_token_requests_are_forms_in_the_body():
    """Parameters go into the body as a form, and nothing into the URL: a query string gets 415, or the penalty."""
    for credentials in (NAVER, SELLER):
        request = credentials.prepare_token_request(NOW)
        assert (request.method, urlsplit(request.url).query) == ("POST", "")
        assert request.url == "https://api.commerce.naver.com/external/v1/oauth2/token"
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_naver_timestamp_is_milliseconds():
    """The timestamp has 13 digits, and the signature is made over the very number that is sent."""
    fields = form(NAVER.prepare_token_request(NOW))
    assert len(fields["timestamp"]) == 13
    signature = krauth.naver.sign("client", NAVER_SECRET, int(fields["timestamp"]))
    assert fields["client_secret_sign"] == signature


def test_naver_refuses_a_timestamp_in_the_future():
    """A timestamp is a little old, since one that is ahead of the server by a millisecond is refused."""
    assert int(form(NAVER.prepare_token_request(NOW))["timestamp"]) <= NOW * 1000 - 500


def test_naver_timestamp_is_by_the_servers_clock(core):
    """Where the machine's clock is wrong, a refused request is signed once more with the time of `Date`."""
    from email.utils import formatdate

    sent = []

    def server(request):
        sent.append(int(form(request)["timestamp"]) / 1000)
        date = formatdate(NOW, usegmt=True)
        if not NOW - 300 <= sent[-1] <= NOW:  # five minutes
            return answer({"code": "BAD_REQUEST", "message": "m"}, 400, Date=date)
        return answer({"access_token": "t", "expires_in": 10_800, "token_type": "Bearer"}, Date=date)

    with FakeClock(NOW + 7200):
        auth = core.NaverAuth("client", NAVER_SECRET, token_transport=server, store=krauth.MemoryStore())
        assert auth.token().access_token == "t"
    assert len(sent) == 2


def test_naver_account_id_goes_with_seller_only():
    """`account_id` makes the type SELLER; with SELF none is sent."""
    own, sellers = form(NAVER.prepare_token_request(NOW)), form(SELLER.prepare_token_request(NOW))
    assert (own["type"], "account_id" in own) == ("SELF", False)
    assert (sellers["type"], sellers["account_id"]) == ("SELLER", "ncp_1")


def test_naver_agencies_use_partner_and_seller_only():
    """Below `/partner` there are sellers' tokens only; for the agency itself nothing is signed or sent."""
    agency = NaverCredentials("client", NAVER_SECRET, base_url="https://api.commerce.naver.com/partner")
    with pytest.raises(krauth.ConfigurationError, match="for_account"):
        agency.prepare_token_request(NOW)
    request = agency.for_account("ncp_1").prepare_token_request(NOW)
    assert request.url == "https://api.commerce.naver.com/partner/v1/oauth2/token"
    assert form(request)["type"] == "SELLER"


def test_naver_answers_an_agency_on_external_with_ip_not_allowed():
    """`GW.IP_NOT_ALLOWED` has two causes, and its message names both; it is never tried again by itself."""
    error = refused(NAVER, gateway(403, "GW.IP_NOT_ALLOWED"))
    assert (type(error), error.transient) == (IPNotAllowedError, False)
    for part in ("allow-list", "token_transport", "agency", "/partner"):
        assert part in str(error)


def test_naver_kills_a_reissued_secret_at_once(core):
    """A secret that was replaced where it is kept is read again, and the key of its tokens is another one."""
    kept = [NAVER_SECRET]
    mine = core.NaverAuth("client", lambda: kept[0])._tokens.credentials
    before, key = mine.identity, mine.key
    kept[0] = "$2a$04$ABCDEFGHIJKLMNOPQRSTUu"
    assert mine.reread_secret(before)
    assert (mine.client_secret.reveal(), mine.key != key) == (kept[0], True)


# Naver: token answers.


@pytest.mark.parametrize("remaining", [10799, 6757, 6485, 6483])
def test_naver_expires_in_is_what_remains(remaining):
    """`expires_in` is the time that remains of a token that may be old, and is never taken for three hours."""
    token = NAVER.process_token_response(answer({"access_token": "t", "expires_in": remaining}), NOW)
    assert token.expires_at == NOW + remaining


@pytest.mark.parametrize("status", [200, 201])
def test_naver_may_answer_201(status):
    """201 is the vendor's general answer to a POST that worked: a token is one under any 2xx."""
    data = {"access_token": "t", "expires_in": 10_800, "token_type": "Bearer"}
    assert NAVER.process_token_response(answer(data, status), NOW).access_token == "t"


def test_naver_returns_the_same_token_while_30_minutes_remain(core):
    """A refresh begins when 30 minutes remain, never earlier; jitter comes after that boundary."""
    sent = []
    again = threading.Event()

    def server(request):
        sent.append(request)
        if len(sent) == 2:
            again.set()
        return answer({"access_token": f"t{len(sent)}", "expires_in": 10_800, "token_type": "Bearer"})

    with FakeClock(NOW) as clock:
        auth = core.NaverAuth("client", NAVER_SECRET, token_transport=server, store=krauth.MemoryStore())
        auth.token()
        clock.advance(9_000 - 1)
        auth.token()
        assert len(sent) == 1
        clock.advance(1 + 1_800 / 20)  # the jitter is a twentieth of the window at most
        assert auth.token().access_token == "t1"
        assert again.wait(10)


# Naver: refusals.


def judge(credentials, status, body, headers=None, method="GET"):
    return credentials.judge(method, status, headers or {}, json.dumps(body).encode())


def test_naver_401_gw_authn_is_worth_one_new_token():
    """401 `GW.AUTHN` is the only refusal after which a new token may help; the remedy names what else it can mean."""
    verdict = judge(NAVER, 401, {"code": "GW.AUTHN", "message": "m", "timestamp": "t", "traceId": "i"})
    assert verdict.refresh
    assert "API group" in verdict.remedy
    for status, code in (
        (403, "GW.IP_NOT_ALLOWED"),
        (404, "GW.NOT_FOUND"),
        (429, "GW.RATE_LIMIT"),
        (500, "GW.PROXY.01"),
    ):
        assert not judge(NAVER, status, {"code": code}).refresh


def test_naver_403_gw_authn_is_the_wrong_kind_of_application():
    """403 `GW.AUTHN` costs no refresh and says that the application is of the wrong kind."""
    verdict = judge(NAVER, 403, {"code": "GW.AUTHN"})
    assert not verdict.refresh
    assert "wrong kind of application" in verdict.remedy


@pytest.mark.parametrize("code", [f"GW.PROXY.0{n}" for n in range(1, 6)] + ["GW.INTERNAL_SERVER_ERROR"])
def test_naver_500_is_passing(code):
    """The gateway's failures are tried again."""
    error = refused(NAVER, gateway(500, code))
    assert (type(error), error.transient) == (TokenServerError, True)


@pytest.mark.parametrize("number", [1, 2])
def test_naver_503_and_504_are_passing(number):
    """A blocked or late gateway is tried again."""
    for status, kind in ((503, "BLOCK"), (504, "TIMEOUT")):
        error = refused(NAVER, gateway(status, f"GW.{kind}.0{number}"))
        assert (type(error), error.transient) == (TokenServerError, True)


def test_naver_rate_limit_may_come_without_retry_after():
    """429 `GW.RATE_LIMIT` pauses for a second at least, also where no Retry-After says so."""
    error = refused(NAVER, gateway(429, "GW.RATE_LIMIT"))
    assert (type(error), error.retry_after, error.pause) == (RateLimitError, None, 1.0)


@pytest.mark.parametrize("period", ["HOURS", None])
def test_naver_punishes_malformed_token_requests(period):
    """The penalty is known by its code; it pauses the whole application, and its message names the cause."""
    headers = {} if period is None else {"GNCP_GW_Quota_Period": period}
    error = refused(NAVER, gateway(429, "GW.QUOTA_LIMIT", **headers))
    assert (type(error), error.transient) == (RateLimitError, True)
    assert (error.pause, error.application_wide) == (300.0, True)
    for part in ("penalty", "malformed", "registered IP", "one token an hour"):
        assert part in str(error)


def test_naver_penalty_is_told_by_its_header_too():
    """Where a proxy replaced the body, `GNCP-GW-Quota-Period: HOURS` tells of the penalty; without it a 429 is short."""
    page = HTTPResponse(429, {"GNCP-GW-Quota-Period": "HOURS"}, b"<html>")
    error = refused(NAVER, page)
    assert (error.pause, error.application_wide) == (300.0, True)
    error = refused(NAVER, HTTPResponse(429, {}, b"<html>"))
    assert (type(error), error.pause, error.application_wide) == (RateLimitError, 1.0, False)


def test_naver_quota_of_seconds_is_a_second():
    """A solution's quota of a second is over after a second, and concerns one token."""
    error = refused(NAVER, gateway(429, "GW.QUOTA_LIMIT", GNCP_GW_Quota_Period="SECONDS"))
    assert (error.pause, error.application_wide) == (1.0, False)


def test_naver_quota_of_a_round_is_a_data_solutions():
    """A data solution's quota of a round pauses its application, and is not called a penalty."""
    error = refused(NAVER, gateway(429, "GW.QUOTA_LIMIT", GNCP_GW_Quota_Period="ROUND"))
    assert (error.pause, error.application_wide) == (300.0, True)
    assert "penalty" not in str(error)


@pytest.mark.parametrize(
    "trace_id", ["cr3-000000-aaaaaa^1730711073284^6745261", "_aB-0123456789abcdefgh^1730711073284^67", None]
)
def test_naver_trace_ids_are_kept(trace_id):
    """A trace id of either shape is kept from the header, or from a gateway error's body; there may be none."""
    body = {"code": "GW.AUTHN", "message": "m"}
    error = refused(NAVER, answer(body, 401, **({"GNCP_GW_Trace_ID": trace_id} if trace_id else {})))
    assert error.trace_id == trace_id
    assert refused(NAVER, answer({**body, "traceId": trace_id}, 401)).trace_id == trace_id


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("client_secret_sign", InvalidClientError),
        ("client_id", InvalidClientError),
        ("timestamp", TokenEndpointError),
        ("account_id", TokenEndpointError),
        ("type", TokenEndpointError),
    ],
)
def test_naver_names_the_field_in_invalid_inputs(field, kind):
    """Where `invalidInputs` names a field, that field's remedy is given; the vendor publishes no codes for these."""
    inputs = [{"name": field, "type": "NotValid", "message": f"{field} 항목이 유효하지 않습니다"}]
    error = refused(NAVER, answer({"code": "BAD_REQUEST", "message": "m", "invalidInputs": inputs}, 400))
    assert type(error) is kind


# Meloming.


def test_meloming_api_keys_are_a_header_field(core):
    """An API key is `X-API-Key`, on its own or beside a token; its prefix tells live from test."""
    alone, beside = core.MelomingAPIKey(KEY), core.MelomingOAuth("client", SECRET, api_key=KEY)
    for auth in (alone, beside):
        assert dict(auth.extra_headers("GET", "https://openapi.meloming.com/v1/x")) == {"X-API-Key": KEY}
    assert alone.environment == "test"


def test_meloming_reads_need_no_credential(core):
    """`GET /v1/**` works without a credential: with `anonymous_reads` none is obtained for it."""
    auth = core.MelomingOAuth("client", SECRET, anonymous_reads=True)
    assert auth.peek("GET", True) is True
    assert auth.peek("POST", True) is False


def test_meloming_client_credentials_travel_in_the_body():
    """`client_secret_post`: id and secret are fields of the form."""
    request = MELOMING.prepare_token_request(NOW)
    assert request.url == "https://openapi.meloming.com/oauth/token"
    fields = form(request)
    assert fields == {"grant_type": "client_credentials", "client_id": "client", "client_secret": SECRET}
    assert "Authorization" not in request.headers


def test_meloming_refresh_tokens_live_seven_days():
    """A refresh token's end is counted from when it came, and counted anew when another one comes."""
    data = {"access_token": "t", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r1"}
    first = USER.process_token_response(answer(data), NOW)
    assert first.refresh_expires_at == NOW + 7 * 86400
    second = USER.process_token_response(answer({**data, "refresh_token": "r2"}), NOW + 60, first)
    assert second.refresh_expires_at == NOW + 60 + 7 * 86400


@pytest.mark.parametrize(("came", "kept"), [(None, "r1"), ("r2", "r2")])
def test_meloming_may_rotate_refresh_tokens_or_not(came, kept):
    """The old refresh token goes on where none comes, and is replaced where one does."""
    before = Token("t", NOW, NOW, refresh_token="r1")
    data = {"access_token": "t2", "token_type": "Bearer", "expires_in": 3600, "refresh_token": came}
    assert USER.process_token_response(answer(data), NOW, before).refresh_token == kept


def test_meloming_revocation_and_introspection_are_json():
    """Both endpoints take JSON, and no client authentication is shown for them."""
    from krauth._oauth.endpoints import prepare_introspection_request, prepare_revocation_request

    for prepare, name in ((prepare_revocation_request, "revoke"), (prepare_introspection_request, "introspect")):
        request = prepare(USER, "t0ken", "access_token")
        assert request.url == f"https://openapi.meloming.com/oauth/{name}"
        assert request.headers["Content-Type"] == "application/json"
        assert json.loads(request.body) == {"token": "t0ken", "token_type_hint": "access_token"}
        assert "Authorization" not in request.headers


def test_meloming_introspection_fields_are_optional():
    """Of `active, sub, scope, exp, client_id, username` only `active` has to be there."""
    from krauth._oauth.endpoints import process_introspection_response

    info = process_introspection_response(USER, answer({"active": True}), NOW)
    assert (info.active, info.sub, info.scope, info.exp, info.client_id, info.username) == (True, *[None] * 5)


def test_meloming_authorization_uses_pkce_s256(core):
    """PKCE is optional for the server and `S256` for us."""
    auth = core.MelomingOAuth("client", SECRET, user="mina", redirect_uri="https://app.example/callback")
    query = parse_qs(urlsplit(auth.authorization_request().url).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43


@pytest.mark.parametrize("scope", ["read write", "profile:read channels:read songbook:write", "무엇이든"])
def test_meloming_scopes_are_free_strings(scope):
    """A scope is sent as the user writes it."""
    assert form(MelomingCredentials("c", SECRET, scope=scope).prepare_token_request(NOW))["scope"] == scope


def test_meloming_version_header(core):
    """`Meloming-Version` is sent with all requests where a version was chosen, and with none where not."""
    credentials = MelomingCredentials("c", SECRET, version="2026-01-11")
    assert credentials.prepare_token_request(NOW).headers["Meloming-Version"] == "2026-01-11"
    assert "Meloming-Version" not in MELOMING.prepare_token_request(NOW).headers
    auth = core.MelomingAPIKey(KEY, version="2026-01-11")
    assert auth.extra_headers("GET", "")["Meloming-Version"] == "2026-01-11"


def test_meloming_401_may_be_a_wrong_redirect_uri():
    """A 401 without a code is no statement about the secret: the message names all that the request carried."""
    error = refused(USER, answer({"message": "Invalid redirect_uri"}, 401))
    assert type(error) is TokenEndpointError
    assert "Invalid redirect_uri" in str(error)
    assert "redirect_uri, code_verifier" in str(error)


def test_meloming_500_internal_error_may_be_the_application():
    """500 `INTERNAL_ERROR` is tried again, and its message names an application that is not active, and the secret."""
    error = refused(MELOMING, answer({"error": {"code": "INTERNAL_ERROR"}}, 500))
    assert (type(error), error.transient) == (TokenServerError, True)
    assert "not active" in str(error)
    assert "client_secret" in str(error)


def test_meloming_limits_are_per_minute_and_month():
    """A 429 says what the plans allow, since waiting a minute does not help who has used up a month."""
    error = refused(MELOMING, answer({}, 429))
    assert type(error) is RateLimitError
    for part in ("60 a minute", "10,000 a month", "300 a minute", "100,000 a month"):
        assert part in str(error)


@pytest.mark.parametrize(
    ("status", "code", "refresh"),
    [
        (401, "AUTHENTICATION_REQUIRED", True),
        (401, "INVALID_API_KEY", False),
        (401, "invalid_client", False),
        (400, "invalid_grant", False),
        (400, "unsupported_grant_type", False),
        (403, "PERMISSION_DENIED", False),
    ],
)
@pytest.mark.parametrize("shape", ["code", "error", "nested"])
def test_meloming_errors_in_any_shape(status, code, refresh, shape):
    """The shape of an error is not published: the code is found in all three that are in use."""
    body = {"code": {"code": code}, "error": {"error": code}, "nested": {"error": {"code": code}}}[shape]
    verdict = judge(MELOMING, status, body)
    assert (verdict.refresh, verdict.code) == (refresh, code)


# Both.


def test_neither_credential_goes_into_a_url(core):
    """No URL that is requested holds a secret, a token or a key."""
    requests = [credentials.prepare_token_request(NOW) for credentials in (NAVER, SELLER, MELOMING)]
    requests.append(USER.prepare_token_request(NOW, Token("t", NOW, NOW, refresh_token="r3fresh")))
    for request in requests:
        for secret in (NAVER_SECRET, SECRET, KEY, "r3fresh", "client_secret"):
            assert secret not in request.url
