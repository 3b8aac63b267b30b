"""The Naver emulator against the documents, spoken to in plain HTTP."""

import base64
import hashlib
import json
import re
import threading
import time
from datetime import datetime
from email.utils import parsedate_to_datetime

import bcrypt
import pytest
import requests

from krauth_sandbox import Sandbox

SAMPLE_SECRET = "$2a$10$abcdefghijklmnopqrstuv"
SAMPLE_SIGN = "JDJhJDEwJGFiY2RlZmdoaWprbG1ub3BxcnN0dXVCVldZSk42T0VPdEx1OFY0cDQxa2IuTnpVaUEzbmsy"
SAMPLE_TIMESTAMP = 1643961623299


def sign(client_id, secret, timestamp, encode=base64.b64encode):
    return encode(bcrypt.hashpw(f"{client_id}_{timestamp}".encode(), secret.encode())).decode()


def fields(sandbox, *, seller=None, timestamp=None, **changes):
    timestamp = int(time.time() * 1000) if timestamp is None else timestamp
    form = {
        "client_id": sandbox.naver_client_id,
        "timestamp": str(timestamp),
        "client_secret_sign": sign(sandbox.naver_client_id, sandbox.naver_client_secret, timestamp),
        "grant_type": "client_credentials",
        "type": "SELF" if seller is None else "SELLER",
    }
    if seller is not None:
        form["account_id"] = seller
    form.update(changes)
    return {name: value for name, value in form.items() if value is not None}


def ask(sandbox, form=None, *, base=None, **kwargs):
    url = (base or sandbox.naver_url) + "/v1/oauth2/token"
    return requests.post(url, data=fields(sandbox) if form is None else form, timeout=5, **kwargs)


def token(sandbox, **kwargs):
    response = ask(sandbox, fields(sandbox, **kwargs))
    assert response.status_code == 200, response.text
    return response.json()["access_token"]


def call(sandbox, access_token, path="/v1/seller/account", method="GET", **kwargs):
    headers = {"Authorization": f"Bearer {access_token}", **kwargs.pop("headers", {})}
    return requests.request(method, sandbox.naver_url + path, headers=headers, timeout=5, **kwargs)


def invalid_names(response):
    assert response.status_code == 400, response.text
    body = response.json()
    assert set(body) == {"code", "message", "timestamp", "invalidInputs", "data"}
    assert all(set(item) == {"name", "type", "message"} for item in body["invalidInputs"])
    assert response.headers["GNCP-GW-Trace-ID"]
    return [item["name"] for item in body["invalidInputs"]]


# ---- the signature ---------------------------------------------------------------------------------------


def test_published_vector():
    """The document's sample secret, cost 10 and spare bits included, passes at the document's own moment."""
    with Sandbox(naver_client_id="aaaabbbbcccc", naver_client_secret=SAMPLE_SECRET) as sandbox:
        sandbox.naver.clock_offset = SAMPLE_TIMESTAMP / 1000 - time.time() + 1
        form = {
            "client_id": "aaaabbbbcccc",
            "timestamp": str(SAMPLE_TIMESTAMP),
            "client_secret_sign": SAMPLE_SIGN,
            "grant_type": "client_credentials",
            "type": "SELF",
        }
        answer = ask(sandbox, form)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Date"].startswith("Fri, 04 Feb 2022")
        # An implementation that leaves the spare bits as they came in signs the same.
        unmasked = base64.b64decode(SAMPLE_SIGN).replace(b"rstuuB", b"rstuvB")
        assert ask(sandbox, form | {"client_secret_sign": base64.b64encode(unmasked).decode()}).status_code == 200
        # The salt of another secret does not.
        other = base64.b64decode(SAMPLE_SIGN).replace(b"$abc", b"$abd")
        assert invalid_names(ask(sandbox, form | {"client_secret_sign": base64.b64encode(other).decode()})) == [
            "client_secret_sign"
        ]


def test_seller_signature_in_both_base64_alphabets(sandbox):
    """The Java sample is URL-safe, the Python sample standard: one function, both accepted."""
    now = int(time.time() * 1000)
    secret = sandbox.naver_client_secret
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        made = sign(sandbox.naver_client_id, secret, now, encode)
        assert ask(sandbox, fields(sandbox, timestamp=now, client_secret_sign=made)).status_code == 200


def bad_signs(sandbox, now):
    client_id, secret = sandbox.naver_client_id, sandbox.naver_client_secret
    return {
        "another secret": sign(client_id, bcrypt.gensalt(4, prefix=b"2a").decode(), now),
        "another cost": sign(client_id, secret.replace("$04$", "$05$"), now),
        "another timestamp": sign(client_id, secret, now - 1),
        "another client": sign("somebody", secret, now),
        "no Base64": bcrypt.hashpw(f"{client_id}_{now}".encode(), secret.encode()).decode(),
        "the secret itself": base64.b64encode(secret.encode()).decode(),
        "not ASCII": base64.b64encode("서명".encode()).decode(),
    }


def test_bad_signatures(sandbox):
    """Whatever is wrong with a signature, the answer names client_secret_sign in the reported words."""
    now = int(time.time() * 1000)
    for why, made in bad_signs(sandbox, now).items():
        answer = ask(sandbox, fields(sandbox, timestamp=now, client_secret_sign=made))
        assert invalid_names(answer) == ["client_secret_sign"], why
        message = answer.json()["invalidInputs"][0]["message"]
        assert message == "client_secret_sign 항목이 유효하지 않습니다."
        assert made not in answer.text
    assert sandbox.naver.tokens_issued == 0


def test_a_malformed_secret_is_refused_unquoted():
    """A sandbox cannot be made with a secret that no shell would have left alone, and does not repeat it."""
    with pytest.raises(ValueError, match="bcrypt salt") as caught:
        Sandbox(naver_client_secret="a$04$mangled")
    assert "mangled" not in str(caught.value)


# ---- the timestamp ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "shift", "accepted"),
    [
        (0, 0, True),
        (0, -299_000, True),
        (0, -301_000, False),
        (0, 700, True),
        (0, 2_000, False),
        (600, 0, False),
        (-600, 0, False),
        (600, 599_000, True),
    ],
)
def test_timestamp_window(sandbox, offset, shift, accepted):
    """Five minutes past and (almost) nothing ahead, by the server's clock and no other."""
    sandbox.naver.clock_offset = offset
    answer = ask(sandbox, fields(sandbox, timestamp=int(time.time() * 1000) + shift))
    if accepted:
        assert answer.status_code == 200, answer.text
    else:
        assert invalid_names(answer) == ["timestamp"]
    ahead = parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()
    assert offset - 2 <= ahead <= offset + 1


def test_seconds_instead_of_milliseconds(sandbox):
    """A timestamp in seconds lies in 1970."""
    assert invalid_names(ask(sandbox, fields(sandbox, timestamp=int(time.time())))) == ["timestamp"]


# ---- the form --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"client_id": "unknown"}, ["client_id"]),
        ({"client_id": None}, ["client_id"]),
        ({"timestamp": None}, ["timestamp"]),
        ({"timestamp": "yesterday"}, ["timestamp"]),
        ({"timestamp": "1643961623299.5"}, ["timestamp"]),
        ({"client_secret_sign": ""}, ["client_secret_sign"]),
        ({"grant_type": "password"}, ["grant_type"]),
        ({"type": "self"}, ["type"]),
        ({"type": "SELF", "account_id": "krauth-seller-1"}, ["account_id"]),
        ({"type": "SELF", "account_id": ""}, ["account_id"]),
        ({"type": "SELLER"}, ["account_id"]),
        ({"type": "SELLER", "account_id": "nobody"}, ["account_id"]),
        ({"timestamp": None, "type": None}, ["timestamp", "type"]),
    ],
)
def test_refused_fields(sandbox, changes, names):
    """Each field that cannot be right is named in invalidInputs."""
    form = {name: value for name, value in {**fields(sandbox), **changes}.items() if value is not None}
    assert invalid_names(ask(sandbox, form)) == names


def test_repeated_field(sandbox):
    """A field that comes twice is refused."""
    assert invalid_names(ask(sandbox, [*fields(sandbox).items(), ("type", "SELF")])) == ["type"]


def test_415_for_anything_but_a_form_in_the_body(sandbox):
    """Parameters in the query string, or in JSON, get 415."""
    url = sandbox.naver_url + "/v1/oauth2/token"
    form = fields(sandbox)
    answers = [
        requests.post(url, params=form, timeout=5),
        requests.post(url, params={"type": "SELF"}, data=form, timeout=5),
        requests.post(url, json=form, timeout=5),
        requests.post(url, files={"client_id": "x"}, timeout=5),
    ]
    assert [answer.status_code for answer in answers] == [415] * 4
    assert requests.get(url, timeout=5).status_code == 404
    assert (sandbox.naver.token_requests, sandbox.naver.tokens_issued) == (5, 0)


# ---- the penalty -----------------------------------------------------------------------------------------


def is_punished(answer):
    """429 GW.QUOTA_LIMIT in the vendor's words, with the HOURS headers, and no Retry-After."""
    return (
        answer.status_code == 429
        and (answer.json()["code"], answer.json()["message"])
        == ("GW.QUOTA_LIMIT", "할당된 시간당 요청량을 초과하였습니다.")
        and answer.headers["GNCP-GW-Quota-Period"] == "HOURS"
        and {"GNCP-GW-Quota-Limit", "GNCP-GW-Quota-Remaining"} <= set(answer.headers)
        and "Retry-After" not in answer.headers
    )


MALFORMED = {
    "a field that can't be right": lambda sandbox: ask(sandbox, fields(sandbox, type="x")),
    "a missing field": lambda sandbox: ask(sandbox, fields(sandbox, timestamp=None, type=None)),
    "JSON": lambda sandbox: requests.post(sandbox.naver_url + "/v1/oauth2/token", json=fields(sandbox), timeout=5),
    "the query string": lambda sandbox: in_the_url(sandbox),
}


def in_the_url(sandbox):
    return requests.post(sandbox.naver_url + "/v1/oauth2/token", params=fields(sandbox), timeout=5)


@pytest.mark.parametrize("how", MALFORMED)
def test_a_malformed_token_request_is_punished(sandbox, how):
    """One token an hour, API calls refused too, until an hour has passed without another malformed request."""
    sandbox.naver.punish_malformed = True
    good = token(sandbox)
    assert MALFORMED[how](sandbox).status_code in {400, 415}
    assert is_punished(ask(sandbox))
    assert is_punished(call(sandbox, good))
    sandbox.advance(3_599)
    assert is_punished(call(sandbox, good))
    sandbox.advance(2)
    assert call(sandbox, good).status_code == 200
    assert [ask(sandbox).status_code for _ in range(2)] == [200, 200]


def test_the_penalty_lasts_while_malformed_requests_come(sandbox):
    """Another program's requests prolong it: one token in each hour, and none besides."""
    sandbox.naver.malformed_elsewhere = True
    for _ in range(3):
        assert [ask(sandbox).status_code for _ in range(2)] == [200, 429]
        sandbox.advance(3_601)
    sandbox.naver.malformed_elsewhere = False
    assert [ask(sandbox).status_code for _ in range(2)] == [200, 200]
    sandbox.naver.punish_malformed = True
    for _ in range(3):
        ask(sandbox, fields(sandbox, type="x"))
        sandbox.advance(1_900)
    assert sandbox.naver.punished


def test_what_is_not_malformed_is_not_punished(sandbox):
    """A wrong secret, an unknown seller and a late timestamp are refused, and nothing else follows."""
    sandbox.naver.punish_malformed = True
    for changes in ({"client_id": "x"}, {"client_secret_sign": "x"}, {"timestamp": 10**12}):
        assert ask(sandbox, {**fields(sandbox), **changes}).status_code == 400
    assert not sandbox.naver.punished
    assert [ask(sandbox).status_code for _ in range(2)] == [200, 200]


def test_the_penalty_may_spare_the_api(sandbox):
    """With penalty_reaches_api off, only the token endpoint is concerned; without punish_malformed, nothing is."""
    good = token(sandbox)
    assert ask(sandbox, fields(sandbox, type="x")).status_code == 400
    assert not sandbox.naver.punished
    sandbox.naver.punish_malformed, sandbox.naver.penalty_reaches_api = True, False
    ask(sandbox, fields(sandbox, type="x"))
    assert is_punished(ask(sandbox))
    assert call(sandbox, good).status_code == 200


def test_parameters_in_the_url_are_a_switch(sandbox):
    """Reports disagree: 415 without a body, or 200 and the penalty."""
    good = token(sandbox)
    refused = in_the_url(sandbox)
    assert (refused.status_code, refused.content) == (415, b"")
    sandbox.naver.query_string = "punish"
    answer = in_the_url(sandbox)
    assert (answer.status_code, answer.json()["access_token"]) == (200, good)
    assert "punished" not in answer.text
    assert is_punished(ask(sandbox))
    assert is_punished(call(sandbox, good))


def test_speed_shortens_the_penalty(sandbox):
    """At speed 3600 the hour is a second."""
    sandbox.naver.punish_malformed = True
    sandbox.speed = 3600
    ask(sandbox, fields(sandbox, type="x"))
    assert sandbox.naver.punished
    sandbox.advance(1.1)
    assert not sandbox.naver.punished


# ---- the application -------------------------------------------------------------------------------------


def test_a_reissued_secret_kills_the_old_one_at_once(sandbox):
    """The old secret signs nothing any more; tokens that were issued with it live on."""
    form, good = fields(sandbox), token(sandbox)
    old = sandbox.naver_client_secret
    new = sandbox.naver.reissue_secret()
    assert sandbox.naver_client_secret == new != old
    assert invalid_names(ask(sandbox, form)) == ["client_secret_sign"]
    assert "reissue" in str(sandbox.naver.requests[-1].wrong)
    assert token(sandbox) == good
    assert call(sandbox, good).status_code == 200
    with pytest.raises(ValueError, match="bcrypt salt"):
        sandbox.naver.reissue_secret("mangled")


def test_an_application_lapses_after_180_days(sandbox):
    """Then neither token requests nor tokens are good, until it is renewed by hand."""
    sandbox.advance(179 * 86_400)
    good = token(sandbox)
    assert call(sandbox, good).status_code == 200
    sandbox.advance(86_400 - 7_200)
    good = token(sandbox)
    sandbox.advance(7_201)
    assert invalid_names(ask(sandbox)) == ["client_id"]
    assert call(sandbox, good).json()["code"] == "GW.AUTHN"
    sandbox.naver.renew_application()
    assert call(sandbox, good).status_code == 200
    sandbox.naver.lapsed = True
    assert invalid_names(ask(sandbox)) == ["client_id"]
    sandbox.naver.renew_application()
    assert ask(sandbox).status_code == 200


def test_the_wrong_kind_of_application(sandbox):
    """A data solution's token: 403 GW.AUTHN; a missing API group: 401 GW.AUTHN. Both with a good token."""
    good = token(sandbox)
    sandbox.naver.application_kind = "data_solution"
    answer = call(sandbox, good)
    assert (answer.status_code, answer.json()["code"]) == (403, "GW.AUTHN")
    sandbox.naver.application_kind, sandbox.naver.api_group = "store", False
    answer = call(sandbox, good)
    assert (answer.status_code, answer.json()["code"]) == (401, "GW.AUTHN")


def test_agencies(sandbox):
    """/partner takes SELLER and refuses SELF; /external refuses an agency's application, tokens and calls alike."""
    seller = fields(sandbox, seller=sandbox.naver_account_id)
    good = ask(sandbox, seller, base=sandbox.naver_partner_url).json()["access_token"]
    assert invalid_names(ask(sandbox, base=sandbox.naver_partner_url)) == ["type"]
    sandbox.naver.application_kind = "agency"
    for answer in (ask(sandbox, seller), ask(sandbox), call(sandbox, good)):
        assert (answer.status_code, answer.json()["code"]) == (403, "GW.IP_NOT_ALLOWED")
    assert ask(sandbox, seller, base=sandbox.naver_partner_url).json()["access_token"] == good
    url = sandbox.naver_partner_url + "/v1/seller/account"
    assert requests.get(url, headers={"Authorization": f"Bearer {good}"}, timeout=5).status_code == 200


# ---- the token -------------------------------------------------------------------------------------------


def test_response_and_sameness_boundary(sandbox):
    """The same token while 30 minutes remain, a new one below, the old one good until its own end."""
    first = ask(sandbox).json()
    assert set(first) == {"access_token", "expires_in", "token_type"}
    assert first["token_type"] == "Bearer"
    assert first["expires_in"] in {10_799, 10_800}

    sandbox.advance(8_995)
    again = ask(sandbox).json()
    assert again["access_token"] == first["access_token"]
    assert 1_795 <= again["expires_in"] <= 1_805

    sandbox.advance(10)
    new = ask(sandbox).json()
    assert new["access_token"] != first["access_token"]
    assert sandbox.naver.tokens_issued == 2
    assert call(sandbox, first["access_token"]).status_code == 200

    sandbox.advance(1_800)
    assert call(sandbox, first["access_token"]).status_code == 401
    assert call(sandbox, new["access_token"]).status_code == 200


def test_speed_scales_lifetime_and_boundary(sandbox):
    """At speed 60 three hours are three minutes, and the boundary is 30 seconds."""
    sandbox.speed = 60
    first = ask(sandbox).json()
    assert first["expires_in"] in {179, 180}
    sandbox.advance(145)
    assert ask(sandbox).json()["access_token"] == first["access_token"]
    sandbox.advance(6)
    assert ask(sandbox).json()["access_token"] != first["access_token"]
    sandbox.advance(30)
    assert call(sandbox, first["access_token"]).status_code == 401


def test_one_token_per_resource(sandbox):
    """SELF, each seller: a token each; a seller's id and uid are the same resource."""
    own, seller = token(sandbox), token(sandbox, seller=sandbox.naver_account_id)
    assert token(sandbox, seller=sandbox.naver_account_uid) == seller
    assert len({own, seller, token(sandbox, seller="krauth-seller-2")}) == 3
    account = call(sandbox, seller).json()
    assert set(account) == {"accountId", "accountUid", "grade"}
    assert account["accountId"] == sandbox.naver_account_id
    assert account["accountUid"] == sandbox.naver_account_uid
    assert call(sandbox, own).json()["accountUid"] != sandbox.naver_account_uid


def test_accounts_are_configurable():
    """naver_accounts replaces the sellers that exist."""
    with Sandbox(naver_accounts={"shop": "uid-1"}) as sandbox:
        assert (sandbox.naver_account_id, sandbox.naver_account_uid) == ("shop", "uid-1")
        assert call(sandbox, token(sandbox, seller="shop")).json()["accountUid"] == "uid-1"
        assert invalid_names(ask(sandbox, fields(sandbox, seller="krauth-seller-1"))) == ["account_id"]


# ---- the API ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer unknown", "Basic dTpw", "bearer"])
def test_gw_authn_shape(sandbox, header):
    """No bearer, or one that was never issued: 401 in exactly the documented shape."""
    headers = {} if header is None else {"Authorization": header}
    answer = requests.get(sandbox.naver_url + "/v1/seller/account", headers=headers, timeout=5)
    assert answer.status_code == 401
    body = answer.json()
    assert set(body) == {"code", "message", "timestamp", "traceId"}
    assert body["code"] == "GW.AUTHN"
    assert body["message"] == "요청을 보낼 권한이 없습니다."
    assert body["timestamp"].endswith("+09:00")
    assert abs(datetime.fromisoformat(body["timestamp"]).timestamp() - time.time()) < 5
    assert answer.headers["gncp-gw-trace-id"] == body["traceId"]


def test_revoked_token(sandbox):
    """revoke_all ends a token at once, and the next request gets another."""
    old = token(sandbox)
    sandbox.revoke_all()
    assert call(sandbox, old).json()["code"] == "GW.AUTHN"
    assert call(sandbox, token(sandbox)).status_code == 200


def test_unknown_path(sandbox):
    """404 GW.NOT_FOUND, with or without a token, off the base path too."""
    urls = [
        sandbox.naver_url + "/v1/nothing",
        sandbox.naver_url.replace("/external", "") + "/v1/seller/account",
    ]
    for url in urls:
        answer = requests.get(url, timeout=5)
        assert (answer.status_code, answer.json()["code"]) == (404, "GW.NOT_FOUND")


def test_ip_not_allowed_everywhere(sandbox):
    """An address off the allow-list is refused at the token endpoint and at the API."""
    good = token(sandbox)
    sandbox.naver.ip_allowed = False
    for answer in (ask(sandbox), call(sandbox, good)):
        assert (answer.status_code, answer.json()["code"]) == (403, "GW.IP_NOT_ALLOWED")


def test_writes_say_what_arrived(sandbox):
    """POST and PUT tell length, digest and content type of the body; the rate limit shows in headers."""
    good = token(sandbox)
    body = json.dumps({"name": "상품"}).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = call(sandbox, good, "/v2/products", "POST", data=body, headers=headers)
    said = answer.json()
    assert said["product"] == {"name": "상품"}
    assert (said["length"], said["contentType"]) == (len(body), "application/json")
    assert said["sha256"] == hashlib.sha256(body).hexdigest()
    for name in ("Replenish-Rate", "Burst-Capacity", "Remaining"):
        assert answer.headers[f"GNCP-GW-RateLimit-{name}"].isdecimal()
    assert call(sandbox, good, "/v1/products/77", "PUT", json={}).json()["originProductNo"] == "77"
    listed = call(sandbox, good, "/v1/pay-order/seller/product-orders/last-changed-statuses").json()
    assert listed["data"]["count"] == len(listed["data"]["lastChangeStatuses"]) == 1


def test_echo_redirect_stream(sandbox):
    """The endpoints that tests of redirects, bodies and streams lean on."""
    good = token(sandbox)
    said = call(sandbox, good, "/v1/echo?a=1&a=2", "PATCH", data=iter([b"ab", b"c"])).json()
    assert (said["method"], said["query"], said["length"]) == ("PATCH", {"a": ["1", "2"]}, 3)
    assert "authorization" in said["headers"]
    assert good not in json.dumps(said)
    target = "http://127.0.0.1:1/x"
    moved = call(sandbox, good, "/v1/redirect", params={"to": target, "status": "307"}, allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (307, target)
    assert call(sandbox, good, "/v1/redirect", params={"to": target, "status": "200"}).status_code == 400
    assert call(sandbox, good, "/v1/redirect", params={"to": "/a\r\nX: y"}).status_code == 400
    assert requests.get(sandbox.naver_url + "/v1/redirect", params={"to": target}, timeout=5).status_code == 401
    streamed = call(sandbox, good, "/v1/stream?chunks=3&size=5")
    assert streamed.content == b"aaaaabbbbbccccc"
    assert streamed.headers["Transfer-Encoding"] == "chunked"


def test_rate_limit_when_enforced(sandbox):
    """A bucket of twice the rate for each API: off by default, and on it refuses without a Retry-After."""
    good = token(sandbox)
    sandbox.naver.enforce_rate_limit, sandbox.naver.replenish_rate = True, 2
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {good}"
        url = sandbox.naver_url + "/v1/seller/account"
        answers = [session.get(url, timeout=5) for _ in range(12)]
        first = [answer.status_code for answer in answers[:4]]
        other = session.get(sandbox.naver_url + "/v1/echo", timeout=5)
    assert first == [200] * 4
    assert other.status_code == 200
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert (refused[0].json()["code"], refused[0].json()["message"]) == (
        "GW.RATE_LIMIT",
        "요청이 많아 서비스를 일시적으로 사용할 수 없습니다.",
    )
    assert "Retry-After" not in refused[0].headers
    assert refused[0].headers["GNCP-GW-RateLimit-Remaining"] == "0"
    for answer in answers:
        assert answer.headers["GNCP-GW-RateLimit-Replenish-Rate"] == "2"
        assert answer.headers["GNCP-GW-RateLimit-Burst-Capacity"] == "4"


@pytest.mark.parametrize(("period", "seconds"), [("SECONDS", 1), ("ROUND", 3600), ("HOURS", 3600)])
def test_quota(sandbox, period, seconds):
    """An own store has none and no headers; with one, the headers count down and 429 GW.QUOTA_LIMIT follows."""
    good = token(sandbox)
    assert not [name for name in call(sandbox, good).headers if "quota" in name.lower()]
    sandbox.naver.quota_period, sandbox.naver.quota_limit = period, 2
    # To the beginning of a period, so that none ends in between.
    sandbox.advance(seconds - sandbox.naver._clock.now() % seconds)
    first, second, third = (call(sandbox, good) for _ in range(3))
    assert [answer.headers["GNCP-GW-Quota-Remaining"] for answer in (first, second, third)] == ["1", "0", "0"]
    assert {answer.headers["GNCP-GW-Quota-Period"] for answer in (first, second, third)} == {period}
    assert {answer.headers["GNCP-GW-Quota-Limit"] for answer in (first, second, third)} == {"2"}
    assert (third.status_code, third.json()["code"]) == (429, "GW.QUOTA_LIMIT")
    sandbox.advance(seconds)
    assert call(sandbox, good).status_code == 200


SHAPES = {
    "old": r"krs-[0-9]{6}-[0-9a-f]{6}\^[0-9]{13}\^[0-9]+",
    "new": r"[A-Za-z0-9_-]{22}\^[0-9]{13}\^[0-9]+",
}


@pytest.mark.parametrize("shape", ["old", "new", "both", "none"])
def test_trace_ids(sandbox, shape):
    """The document's shape, that of 2025, both in turn, or none: in the header always, in gateway errors' bodies too."""
    sandbox.naver.trace_ids = shape
    answers = [call(sandbox, "unknown") for _ in range(4)]
    ids = [answer.headers.get("GNCP-GW-Trace-ID") for answer in answers]
    assert [answer.json().get("traceId") for answer in answers] == ids
    if shape == "none":
        assert ids == [None] * 4
        assert "GNCP-GW-Trace-ID" not in ask(sandbox).headers
        return
    shapes = [next(name for name, pattern in SHAPES.items() if re.fullmatch(pattern, one)) for one in ids]
    assert set(shapes) == ({"old", "new"} if shape == "both" else {shape})
    refused = ask(sandbox, fields(sandbox, client_id="x"))
    assert "traceId" not in refused.json()
    assert refused.headers["GNCP-GW-Trace-ID"]
    assert int(answers[0].headers["GNCP-GW-HttpClient-ResponseTime"]) >= 0


def test_every_code_has_the_vendors_message(sandbox):
    """The closed list of PROVIDERS: each code as a fault, with its status and its words, and no other code."""
    said = {
        "GW.AUTHN": (401, "요청을 보낼 권한이 없습니다."),
        "GW.IP_NOT_ALLOWED": (403, "호출이 허용되지 않은 IP입니다."),
        "GW.NOT_FOUND": (404, "요청하신 리소스를 찾을 수 없습니다."),
        "GW.RATE_LIMIT": (429, "요청이 많아 서비스를 일시적으로 사용할 수 없습니다."),
        "GW.QUOTA_LIMIT": (429, "할당된 시간당 요청량을 초과하였습니다."),
        "GW.INTERNAL_SERVER_ERROR": (500, "작업 중 오류가 발생하였습니다."),
        **{f"GW.PROXY.0{n}": (500, "작업 중 오류가 발생하였습니다.") for n in range(1, 6)},
        **{f"GW.BLOCK.0{n}": (503, "서비스를 일시적으로 사용할 수 없습니다.") for n in (1, 2)},
        **{f"GW.TIMEOUT.0{n}": (504, "요청 대기 시간이 초과되었습니다.") for n in (1, 2)},
    }
    assert dict(sandbox.naver.codes) == {code: status for code, (status, _) in said.items()}
    for code, (status, message) in said.items():
        sandbox.naver.fail_token(status, code=code)
        answer = ask(sandbox)
        assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (status, code, message)


def test_answers_that_differ_from_the_document(sandbox):
    """A new token each time, another lifetime, another 2xx: each is a switch."""
    sandbox.naver.same_token = False
    assert token(sandbox) != token(sandbox)
    sandbox.naver.lifetime = 20_000
    assert ask(sandbox).json()["expires_in"] > 10_800
    sandbox.naver.token_status = 201
    assert ask(sandbox).status_code == 201


WRONGS = [
    (lambda s: ask(s, fields(s, client_id="x")), "There is no application with this client_id."),
    (lambda s: ask(s, fields(s, timestamp=int(time.time()))), "timestamp is in seconds"),
    (lambda s: ask(s, fields(s, timestamp=int(time.time() * 1000) - 400_000)), "timestamp is 400 s old"),
    (lambda s: ask(s, fields(s, timestamp=int(time.time() * 1000) + 60_000)), "s in the future"),
    (lambda s: ask(s, fields(s, client_secret_sign="%")), "not Base64"),
    (lambda s: ask(s, fields(s, client_secret_sign="aGVsbG8=")), "does not hold a bcrypt hash"),
    (lambda s: ask(s, fields(s, seller="nobody")), "There is no seller"),
    (lambda s: ask(s, fields(s, type=None)), "Missing, repeated or impossible: type."),
    (lambda s: ask(s, base=s.naver_partner_url), "On /partner the type must be SELLER"),
    (in_the_url, "The parameters stand in the URL"),
    (lambda s: requests.get(s.naver_url + "/v1/echo", timeout=5), "There is no Authorization header."),
    (lambda s: requests.get(s.naver_url + "/v1/echo", auth=("a", "b"), timeout=5), "does not hold a bearer token"),
    (lambda s: call(s, "unknown"), "The token was not issued here."),
    (lambda s: call(s, (token(s), s.advance(10_801))[0]), "The token has expired."),
    (lambda s: call(s, (token(s), s.revoke_all())[0]), "The token was revoked."),
    (lambda s: call(s, token(s), "/v1/nothing"), "There is nothing at this path"),
]


@pytest.mark.parametrize(("do", "text"), WRONGS, ids=[text for _, text in WRONGS])
def test_the_record_says_what_was_wrong(sandbox, do, text):
    """Each refusal is explained in a sentence that quotes nothing that was sent."""
    assert do(sandbox).status_code >= 400
    assert text in str(sandbox.naver.requests[-1].wrong)
    assert token(sandbox)
    assert sandbox.naver.requests[-1].wrong is None


def test_concurrent_requests_get_one_token(sandbox):
    """Bcrypt runs beside the loop; still one resource has one token."""
    got = []
    threads = [threading.Thread(target=lambda: got.append(token(sandbox))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(got)) == 1
    assert (sandbox.naver.token_requests, sandbox.naver.tokens_issued) == (8, 1)
