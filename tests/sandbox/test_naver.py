"""The Naver emulator against the documents, spoken to in plain HTTP."""

import base64
import hashlib
import json
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


def test_punishment_is_switched_and_lasts_an_hour(sandbox):
    """With punish_malformed one malformed request brings issuance down to one an hour."""
    assert ask(sandbox, fields(sandbox, type="x")).status_code == 400
    assert [ask(sandbox).status_code for _ in range(2)] == [200, 200]

    sandbox.naver.punish_malformed = True
    sandbox.naver.fail_token(503)
    assert ask(sandbox).status_code == 503
    assert ask(sandbox).status_code == 200
    requests.post(sandbox.naver_url + "/v1/oauth2/token", params=fields(sandbox), timeout=5)
    answer = ask(sandbox)
    assert (answer.status_code, answer.json()["code"]) == (429, "GW.QUOTA_LIMIT")
    sandbox.advance(3601)
    assert [ask(sandbox).status_code for _ in range(2)] == [200, 429]


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


def test_partner_base_is_the_same_server(sandbox):
    """Agencies use /partner where sellers use /external."""
    answer = ask(sandbox, base=sandbox.naver_partner_url)
    assert answer.json()["access_token"] == token(sandbox)
    headers = {"Authorization": f"Bearer {token(sandbox)}"}
    url = sandbox.naver_partner_url + "/v1/seller/account"
    assert requests.get(url, headers=headers, timeout=5).status_code == 200


def test_accounts_are_configurable():
    """naver_accounts replaces the sellers that exist."""
    with Sandbox(naver_accounts={"shop": "uid-1"}) as sandbox:
        assert (sandbox.naver_account_id, sandbox.naver_account_uid) == ("shop", "uid-1")
        assert call(sandbox, token(sandbox, seller="shop")).json()["accountUid"] == "uid-1"
        assert invalid_names(ask(sandbox, fields(sandbox, seller="krauth-seller-1"))) == ["account_id"]


# ---- the API ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer unknown", "Basic dTpw", "bearer"])
def test_gw_authn_shape(sandbox, header):
    """No bearer, or one nobody issued: 401 in exactly the documented shape."""
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
    """Off by default; on, the burst is what the header says, and there is no Retry-After."""
    good = token(sandbox)
    sandbox.naver.enforce_rate_limit, sandbox.naver.burst_capacity = True, 2
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {good}"
        url = sandbox.naver_url + "/v1/seller/account"
        answers = [session.get(url, timeout=5) for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["code"] == "GW.RATE_LIMIT"
    assert "Retry-After" not in refused[0].headers


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
