"""What each kind of credential sends, how its tokens are keyed, and what it makes of a refused call."""

import base64
import copy
import itertools
import json
import pickle
from urllib.parse import parse_qsl

import pytest

from krauth import AuthorizationRequired, Token
from krauth._oauth.credentials import make_key
from krauth._values.origin import Origin
from krauth.meloming import MelomingCredentials
from krauth.naver import BACKDATING, NaverCredentials, sign
from krauth.oauth2 import OAuth2Credentials
from krauth.testing import FakeClock

NAVER_SECRET = "$2a$04$abcdefghijklmnopqrstuu"
OTHER_NAVER_SECRET = "$2a$04$ABCDEFGHIJKLMNOPQRSTUu"
SECRET = "s3cr3t/with+odd&chars=%"
NOW = 1_700_000_000.0
FORM = "application/x-www-form-urlencoded"


def form(request):
    """The body's fields in order; everything else a token request must be is asserted here."""
    assert request.method == "POST"
    assert request.headers["Content-Type"] == FORM
    assert request.headers["Accept"] == "application/json"
    assert not set("?#@") & set(request.url)
    assert isinstance(request.body, bytes)
    pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def oauth2(client_id="client", client_secret=SECRET, **changes):
    settings = {"token_endpoint": "https://auth.example.com/token", "api_origins": "https://api.example.com"}
    return OAuth2Credentials(client_id, client_secret, **{**settings, **changes})


# Token requests.


def test_naver_self_request():
    """SELF sends exactly the documented fields in the body, and no account_id."""
    request = NaverCredentials("client", NAVER_SECRET).prepare_token_request(NOW)
    assert request.url == "https://api.commerce.naver.com/external/v1/oauth2/token"
    timestamp = str(int((NOW - BACKDATING) * 1000))
    assert form(request) == {
        "client_id": "client",
        "timestamp": timestamp,
        "client_secret_sign": sign("client", NAVER_SECRET, int(timestamp)),
        "grant_type": "client_credentials",
        "type": "SELF",
    }
    assert set(request.headers) == {"Content-Type", "Accept"}
    assert NAVER_SECRET.encode() not in request.body


def test_naver_seller_request():
    """SELLER sends the same and the account_id, encoded."""
    request = NaverCredentials("client", NAVER_SECRET, "ncp&1=가").prepare_token_request(NOW)
    fields = form(request)
    assert (fields.pop("type"), fields.pop("account_id")) == ("SELLER", "ncp&1=가")
    own = form(NaverCredentials("client", NAVER_SECRET).prepare_token_request(NOW))
    del own["type"]
    assert fields == own


def test_naver_timestamp_is_not_in_the_future():
    """The timestamp is a little old, because a server refuses one that is ahead of it by a millisecond."""
    for now in (NOW, NOW + 0.0004, NOW + 0.9999):
        timestamp = int(form(NaverCredentials("client", NAVER_SECRET).prepare_token_request(now))["timestamp"])
        assert now - 5 <= timestamp / 1000 < now


@pytest.mark.parametrize(
    ("base_url", "endpoint", "origin"),
    [
        ("https://api.commerce.naver.com/partner", "https://api.commerce.naver.com/partner/v1/oauth2/token", None),
        ("https://api.commerce.naver.com/partner/", "https://api.commerce.naver.com/partner/v1/oauth2/token", None),
        ("http://127.0.0.1:8080/external", "http://127.0.0.1:8080/external/v1/oauth2/token", ("127.0.0.1", 8080)),
        ("http://localhost:1", "http://localhost:1/v1/oauth2/token", ("localhost", 1)),
        ("http://[::1]:81/x", "http://[::1]:81/x/v1/oauth2/token", ("::1", 81)),
    ],
)
def test_naver_base_url(base_url, endpoint, origin):
    """The token endpoint lies below the base URL, and the token belongs to the base URL's origin."""
    credentials = NaverCredentials("client", NAVER_SECRET, "ncp_1", base_url)  # an agency has none of its own
    assert credentials.prepare_token_request(NOW).url == credentials.token_endpoint == endpoint
    expected = Origin("http", *origin) if origin else Origin("https", "api.commerce.naver.com", 443)
    assert credentials.origins == (expected,)


def test_meloming_client_credentials_request():
    """Meloming's client credentials travel in a form body, with the scope only where one was given."""
    request = MelomingCredentials("client", SECRET).prepare_token_request(NOW)
    assert request.url == "https://openapi.meloming.com/oauth/token"
    expected = {"grant_type": "client_credentials", "client_id": "client", "client_secret": SECRET}
    assert form(request) == expected
    request = MelomingCredentials("client", SECRET, scope=" read  write ").prepare_token_request(NOW)
    assert form(request) == {**expected, "scope": "read write"}
    request = MelomingCredentials("client", SECRET, base_url="http://localhost:9/x/").prepare_token_request(NOW)
    assert request.url == "http://localhost:9/x/oauth/token"


def test_meloming_refresh_request():
    """With a user the refresh token is spent, and without one the user is asked to authorize: nothing is sent."""
    credentials = MelomingCredentials("client", SECRET, user="kim")
    token = Token("access", NOW + 3600, NOW, refresh_token="refresh&1")
    assert form(credentials.prepare_token_request(NOW, token)) == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh&1",
        "client_id": "client",
        "client_secret": SECRET,
    }
    dead = Token("access", NOW, NOW - 3600, refresh_token="refresh", refresh_expires_at=NOW)
    for last in (None, Token("access", NOW + 3600, NOW), dead):
        with pytest.raises(AuthorizationRequired, match=r"'kim'.*authorization_request") as caught:
            credentials.prepare_token_request(NOW, last)
        assert "refresh&1" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "fields", "authorization"),
    [
        ({}, {"client_id": "client", "client_secret": SECRET}, None),
        ({"client_auth": "client_secret_post"}, {"client_id": "client", "client_secret": SECRET}, None),
        # RFC 6749 §2.3.1: both halves are form-encoded first.
        ({"client_auth": "client_secret_basic"}, {}, "client:s3cr3t%2Fwith%2Bodd%26chars%3D%25"),
    ],
)
def test_client_authentication(settings, fields, authorization):
    """The client authenticates in the one way that was chosen, and in no other besides."""
    request = oauth2(**settings).prepare_token_request(NOW)
    assert form(request) == {"grant_type": "client_credentials", **fields}
    header = request.headers.get("Authorization")
    assert (header and base64.b64decode(header.removeprefix("Basic ")).decode()) == authorization


def test_public_client():
    """A client without a secret, which only acts for users, sends its client_id alone."""
    credentials = oauth2(client_secret=None, user="kim")
    request = credentials.prepare_token_request(NOW, Token("a", None, NOW, refresh_token="r"))
    assert form(request) == {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "client"}
    assert "Authorization" not in request.headers


def test_api_origins():
    """The token of an OAuth 2.0 client may go to the origins that were named, not to the token endpoint's."""
    assert oauth2().origins == (Origin("https", "api.example.com", 443),)
    several = oauth2(api_origins=["https://a.example.com/v1", "https://A.example.com:443", "https://b.example.com:444"])
    assert several.origins == (Origin("https", "a.example.com", 443), Origin("https", "b.example.com", 444))
    assert MelomingCredentials("c", SECRET).origins == (Origin("https", "openapi.meloming.com", 443),)


@pytest.mark.parametrize(
    "credentials",
    [
        NaverCredentials("client", NAVER_SECRET),
        MelomingCredentials("client", SECRET),
        oauth2(),
        oauth2(client_auth="client_secret_basic"),
    ],
    ids=lambda credentials: type(credentials).__name__,
)
def test_nothing_shows_a_secret(credentials):
    """Neither credentials nor their requests show the secret, and neither can be pickled by accident."""
    request = credentials.prepare_token_request(NOW)
    shown = f"{credentials!r} {credentials} {request!r} {request.url} {credentials.client_secret!r}"
    for secret in (NAVER_SECRET, SECRET, NAVER_SECRET[7:]):
        assert secret not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(credentials)
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(credentials.client_secret)
    assert not hasattr(credentials, "__dict__")


# Keys.

KEYS = {
    "naver": NaverCredentials("client", NAVER_SECRET),
    "naver, another client": NaverCredentials("client2", NAVER_SECRET),
    "naver, another secret": NaverCredentials("client", OTHER_NAVER_SECRET),
    "naver, a seller": NaverCredentials("client", NAVER_SECRET, "1"),
    "naver, another seller": NaverCredentials("client", NAVER_SECRET, "2"),
    "naver, a forger": NaverCredentials("client", NAVER_SECRET, "1|type=SELF"),
    "naver, agency": NaverCredentials("client", NAVER_SECRET, base_url="https://api.commerce.naver.com/partner"),
    "naver, another host": NaverCredentials("client", NAVER_SECRET, base_url="https://proxy.example.com/external"),
    "naver, another port": NaverCredentials("client", NAVER_SECRET, base_url="http://localhost:1/external"),
    "naver, yet another port": NaverCredentials("client", NAVER_SECRET, base_url="http://localhost:2/external"),
    "meloming": MelomingCredentials("client", SECRET),
    "meloming, another client": MelomingCredentials("client2", SECRET),
    "meloming, another secret": MelomingCredentials("client", SECRET + "2"),
    "meloming, a scope": MelomingCredentials("client", SECRET, scope="read"),
    "meloming, another scope": MelomingCredentials("client", SECRET, scope="read write"),
    "meloming, a user": MelomingCredentials("client", SECRET, user="kim"),
    "meloming, another user": MelomingCredentials("client", SECRET, user="lee"),
    "meloming, a user with scope": MelomingCredentials("client", SECRET, user="kim", scope="read"),
    "meloming, a forger": MelomingCredentials("client", SECRET, user="kim|scope=read"),
    "meloming, another host": MelomingCredentials("client", SECRET, base_url="https://proxy.example.com"),
    "meloming, another path": MelomingCredentials("client", SECRET, base_url="https://proxy.example.com/test"),
    "oauth2": oauth2(),
    "oauth2, another path": oauth2(token_endpoint="https://auth.example.com/tenant/token"),
    "oauth2, another secret": oauth2(client_secret="other"),
    "oauth2, a user": oauth2(user="kim"),
}


def test_keys_differ():
    """Whatever makes two tokens different makes their keys different, and no name can be made up to collide."""
    keys = {name: credentials.key for name, credentials in KEYS.items()}
    for (one, key), (other, second) in itertools.combinations(keys.items(), 2):
        assert key != second, (one, other)
    identities = [credentials.identity for credentials in KEYS.values()]
    assert len(set(identities)) == len(identities)


@pytest.mark.parametrize("name", KEYS)
def test_keys_are_fit_for_any_store(name):
    """A key is short printable ASCII without blanks, holds no secret, and says who and where."""
    credentials = KEYS[name]
    key = credentials.key
    assert key.isascii()
    assert key.isprintable()
    assert " " not in key
    assert len(key) <= 512
    for secret in (SECRET, NAVER_SECRET, OTHER_NAVER_SECRET, NAVER_SECRET[7:], "s3cr3t"):
        assert secret not in key
    assert key.startswith(f"{credentials.provider}|http")
    assert "client" in key


def test_equal_settings_have_equal_keys():
    """Settings that mean the same make the same key, however they are written."""
    naver = KEYS["naver"].key
    assert NaverCredentials("client", NAVER_SECRET).key == naver
    assert NaverCredentials("client", NAVER_SECRET, None, "https://API.commerce.naver.com:443/external/").key == naver
    assert MelomingCredentials("client", SECRET, base_url="https://openapi.meloming.com/").key == KEYS["meloming"].key
    assert MelomingCredentials("client", SECRET, scope="").key == KEYS["meloming"].key
    assert MelomingCredentials("client", SECRET, scope="read  write").key == KEYS["meloming, another scope"].key


def test_a_users_key_outlives_the_clients_secret():
    """A user's token stays where it is when the client's secret is replaced, but the two do not share a refresh."""
    new = MelomingCredentials("client", SECRET + "2", user="kim")
    assert new.key == KEYS["meloming, a user"].key
    assert new.identity != KEYS["meloming, a user"].identity


def test_client_authentication_is_part_of_the_identity():
    """A corrected client_auth does not wait for the refresh, or the remembered failure, of a wrong one."""
    assert oauth2(client_auth="client_secret_basic").identity != oauth2().identity


def test_long_keys():
    """Settings of any length make keys that stores can take, and that still differ."""
    long = "가" * 300
    first, second = (make_key("oauth2", "https://a.example.com", ("user", long + tail)) for tail in "12")
    assert first != second
    assert len(first) <= 512
    assert first.isascii()
    assert make_key("oauth2", "https://a.example.com", ("user", long + "1")) == first


# Judgement of refused calls, row by row as in PROVIDERS.md.


def naver_body(code):
    return {"code": code, "message": "m", "timestamp": "2024-01-01T00:00:00.000+09:00", "traceId": "t"}


SHAPES = {
    "code": lambda code: {"code": code},
    "error": lambda code: {"error": code},
    "nested": lambda code: {"error": {"code": code, "message": "m"}},
    "code and message": naver_body,
}

NAVER_ROWS = [
    (401, "GW.AUTHN", True, "API group"),
    (403, "GW.IP_NOT_ALLOWED", False, "token_transport"),
    (404, "GW.NOT_FOUND", False, "base_url"),
    (429, "GW.RATE_LIMIT", False, "wait"),
    (429, "GW.QUOTA_LIMIT", False, "one token an hour"),
    *((500, f"GW.PROXY.0{number}", False, "by itself") for number in range(1, 6)),
    (500, "GW.INTERNAL_SERVER_ERROR", False, "by itself"),
    (503, "GW.BLOCK.01", False, "by itself"),
    (503, "GW.BLOCK.02", False, "by itself"),
    (504, "GW.TIMEOUT.01", False, "by itself"),
    (504, "GW.TIMEOUT.02", False, "by itself"),
    # Not in the table: nothing is done.
    (401, "GW.UNKNOWN", False, None),
    (403, "GW.AUTHN", False, "wrong kind of application"),
    (400, "GW.AUTHN", False, None),
    (401, "gw.authn", False, None),
    (401, "AUTHENTICATION_REQUIRED", False, None),
]

MELOMING_ROWS = [
    (401, "AUTHENTICATION_REQUIRED", True, "token"),
    (401, "INVALID_API_KEY", False, "MELOMING_API_KEY"),
    (401, "invalid_client", False, "MELOMING_CLIENT_SECRET"),
    (400, "invalid_grant", False, "authorize again"),
    (400, "unsupported_grant_type", False, "registration"),
    (403, "PERMISSION_DENIED", False, "channel"),
    (401, "SOMETHING_ELSE", False, None),
    (403, "AUTHENTICATION_REQUIRED", False, None),
    (401, "GW.AUTHN", False, None),
]

OAUTH2_ROWS = [
    (401, "invalid_token", True, "expired"),
    (401, "invalid_grant", True, "expired"),
    (403, "invalid_token", False, None),
    (401, "anything", True, None),
    (401, "invalid_client", False, "client_secret"),
    (401, "invalid_request", False, "malformed"),
    (401, "unauthorized_client", False, "registration"),
    (401, "insufficient_scope", False, "scope="),
    (403, "insufficient_scope", False, "scope="),
]

ROWS = [
    *((NaverCredentials("client", NAVER_SECRET), *row) for row in NAVER_ROWS),
    *((MelomingCredentials("client", SECRET), *row) for row in MELOMING_ROWS),
    *((oauth2(), *row) for row in OAUTH2_ROWS),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("credentials", "status", "code", "refresh", "remedy"), ROWS, ids=[f"{r[0].provider}-{r[1]}-{r[2]}" for r in ROWS]
)
def test_judge(credentials, status, code, refresh, remedy, shape):
    """Each code of the provider's table, in every shape of error body, leads to what the table says, and no other."""
    verdict = credentials.judge("GET", status, {}, json.dumps(SHAPES[shape](code)).encode())
    assert (verdict.refresh, verdict.code) == (refresh, code)
    if remedy is None:
        assert verdict.remedy is None
    else:
        assert remedy in verdict.remedy


NO_CODE = [
    b"",
    b"<html>401</html>",
    b"[]",
    b"null",
    b'"GW.AUTHN"',
    b"GW.AUTHN AUTHENTICATION_REQUIRED",
    b'{"code": 401}',
    b'{"code": null, "error": null}',
    b'{"code": ["GW.AUTHN"]}',
    b'{"error": {"code": {}}}',
    b'{"message": "GW.AUTHN"}',
    b"\xff\xfe\xff",
    b'{"code": "GW.AUTHN"',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", NO_CODE, ids=lambda body: ascii(body[:24]))
def test_judge_without_code(body):
    """A 401 without a code costs Naver and Meloming no refresh, and any other server's 401 is about the token."""
    assert NaverCredentials("client", NAVER_SECRET).judge("POST", 401, {}, body) == (False, None, None)
    assert MelomingCredentials("client", SECRET).judge("POST", 401, {}, body) == (False, None, None)
    assert oauth2().judge("POST", 401, {}, body) == (True, None, None)
    assert oauth2().judge("POST", 403, {}, body) == (False, None, None)


@pytest.mark.parametrize(
    "credentials", [NaverCredentials("c", NAVER_SECRET), MelomingCredentials("c", SECRET), oauth2()]
)
def test_judge_head(credentials):
    """An answer to HEAD has no body to name a code, so that its 401 is worth one new token, and nothing else is."""
    assert credentials.judge("HEAD", 401, {}, b"").refresh
    for status in (400, 403, 404, 429, 500):
        assert not credentials.judge("HEAD", status, {}, b"").refresh


def test_a_servers_code_is_fit_for_a_log():
    """A code that is really an attack on the log is no code."""
    body = json.dumps({"code": "X\r\nroot logged in\x1b[31m" + "y" * 1000}).encode()
    assert NaverCredentials("client", NAVER_SECRET).judge("GET", 401, {}, body).code is None


def test_an_auth_object_is_one_thing(core):
    """An auth object may be copied with whatever holds it and stays the same, is never pickled, and shows no secret."""
    for auth, secret in (
        (core.NaverAuth("client", NAVER_SECRET), NAVER_SECRET),
        (core.MelomingOAuth("client", SECRET, api_key="mlm_test_s3cr3t"), "s3cr3t"),
        (core.MelomingAPIKey("mlm_live_s3cr3t"), "s3cr3t"),
    ):
        assert copy.copy(auth) is auth
        assert copy.deepcopy({"auth": auth})["auth"] is auth
        assert secret not in repr(auth) + repr(vars(auth))
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(auth)


def test_environment_of_a_key(core):
    """An API key says whether it is for live or for test data."""
    assert core.MelomingAPIKey("mlm_live_abc_def").environment == "live"
    assert core.MelomingAPIKey("mlm_test_live_x").environment == "test"


def test_for_account(core):
    """A sibling for another seller shares all but the seller."""
    base = "http://localhost:5/partner"
    mine = core.NaverAuth("client", NAVER_SECRET, base_url=base)
    sibling = mine.for_account("ncp_1")
    assert sibling._tokens.credentials.key == NaverCredentials("client", NAVER_SECRET, "ncp_1", base).key
    assert sibling._tokens.store is mine._tokens.store
    assert sibling._transport is mine._transport
    assert sibling.for_account(None)._tokens is mine._tokens


def test_for_account_under_another_clock(core):
    """A sibling that is made inside `FakeClock` never sends the token of the seller that it was made from."""
    mine = core.NaverAuth("client", NAVER_SECRET, base_url="http://localhost:5/partner")
    with FakeClock():
        assert mine.for_account("ncp_1")._token_only is None
