"""The Meloming emulator against the document and the RFCs, spoken to in plain HTTP."""

import base64
import hashlib
import re
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

REDIRECT_URI = "http://127.0.0.1:43210/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def ask(sandbox, form, *, as_json=False, client=True, **kwargs):
    if client:
        form = {
            "client_id": sandbox.meloming_client_id,
            "client_secret": sandbox.meloming_client_secret,
            **form,
        }
    form = {name: value for name, value in form.items() if value is not None}
    body = {"json": form} if as_json else {"data": form}
    return requests.post(sandbox.meloming_url + "/oauth/token", timeout=5, **body, **kwargs)


def own_token(sandbox, **form):
    return ask(sandbox, {"grant_type": "client_credentials", **form}).json()["access_token"]


def authorization_url(sandbox, **changes):
    query = {
        "response_type": "code",
        "client_id": sandbox.meloming_client_id,
        "redirect_uri": REDIRECT_URI,
        "scope": "read write",
        "state": "st&te=1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    query = {name: value for name, value in query.items() if value is not None}
    return f"{sandbox.meloming_url}/oauth/authorize?{urlencode(query)}"


def answered(callback):
    return {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}


def code(sandbox, **changes):
    return answered(sandbox.meloming.approve(authorization_url(sandbox, **changes)))["code"]


def exchange(sandbox, value, **changes):
    form = {
        "grant_type": "authorization_code",
        "code": value,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
        **changes,
    }
    return ask(sandbox, form)


def refresh(sandbox, value, **form):
    return ask(sandbox, {"grant_type": "refresh_token", "refresh_token": value, **form})


def api(sandbox, path, access_token=None, method="GET", *, key=None, **kwargs):
    headers = {}
    if access_token is not None:
        headers["Authorization"] = f"Bearer {access_token}"
    if key is not None:
        headers["X-API-Key"] = key
    return requests.request(method, sandbox.meloming_url + path, headers=headers, timeout=5, **kwargs)


def refused(response, status, error):
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    assert set(response.json()) == {"error", "error_description"}
    return response


# ---- /oauth/token ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [False, True])
def test_client_credentials_in_form_and_json(sandbox, as_json):
    """The documented answer, member for member, for both content types; no refresh token."""
    answer = ask(sandbox, {"grant_type": "client_credentials", "scope": "read"}, as_json=as_json)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "read")
    me = api(sandbox, "/v1/me", body["access_token"]).json()
    assert me == {"type": "client", "clientId": sandbox.meloming_client_id, "scope": "read"}


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "client_credentials", "client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_secret": None}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": None}, 401, "invalid_client"),
        ({"grant_type": "password", "username": "u", "password": "p"}, 400, "unsupported_grant_type"),
        ({}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "a  b"}, 400, "invalid_scope"),
        ({"grant_type": "authorization_code"}, 400, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "unknown"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, 400, "invalid_grant"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_error_table(sandbox, form, status, error, as_json):
    """The document's error table, in the shape of RFC 6749 §5.2."""
    answer = refused(ask(sandbox, form, as_json=as_json), status, error)
    assert "wrong" not in answer.text


def test_token_requests_that_no_server_should_take(sandbox):
    """Credentials in the URL, other content types, repeated or non-string parameters."""
    url = sandbox.meloming_url + "/oauth/token"
    form = {
        "grant_type": "client_credentials",
        "client_id": sandbox.meloming_client_id,
        "client_secret": sandbox.meloming_client_secret,
    }
    for answer in (
        requests.post(url, params=form, timeout=5),
        requests.post(url, params={"scope": "read"}, data=form, timeout=5),
        requests.post(url, data=urlencode(form), headers={"Content-Type": "text/plain"}, timeout=5),
        requests.post(url, data=[*form.items(), ("scope", "a"), ("scope", "b")], timeout=5),
        requests.post(url, json={**form, "scope": ["read"]}, timeout=5),
        requests.post(url, data="{", headers={"Content-Type": "application/json"}, timeout=5),
    ):
        refused(answer, 400, "invalid_request")
    assert sandbox.meloming.tokens_issued == 0


def test_credentials_in_a_header_are_a_switch(sandbox):
    """The document shows client_secret_post; Basic is understood when switched on."""
    auth = (sandbox.meloming_client_id, sandbox.meloming_client_secret)
    form = {"grant_type": "client_credentials"}
    refused(ask(sandbox, form, client=False, auth=auth), 401, "invalid_client")
    sandbox.meloming.accept_basic = True
    assert ask(sandbox, form, client=False, auth=auth).status_code == 200


def test_known_scopes_can_be_limited(sandbox):
    """Any scope by default; with `scopes` set, an unknown one is invalid_scope."""
    form = {"grant_type": "client_credentials", "scope": "songbook:write"}
    assert ask(sandbox, form).json()["scope"] == "songbook:write"
    sandbox.meloming.scopes = frozenset({"read", "write"})
    refused(ask(sandbox, form), 400, "invalid_scope")
    assert ask(sandbox, {"grant_type": "client_credentials"}).json()["scope"] == "read write"


# ---- the code flow ---------------------------------------------------------------------------------------


def test_code_flow(sandbox):
    """Consent, callback with code and state, exchange, a call in the user's name."""
    callback = sandbox.meloming.approve(authorization_url(sandbox), username="노래하는 멜로")
    assert callback.startswith(REDIRECT_URI + "?")
    assert set(answered(callback)) == {"code", "state"}
    assert answered(callback)["state"] == "st&te=1"
    answer = exchange(sandbox, answered(callback)["code"])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    me = api(sandbox, "/v1/me", body["access_token"]).json()
    assert (me["type"], me["username"]) == ("user", "노래하는 멜로")


def test_plain_and_absent_challenge(sandbox):
    """`plain` works and is the default method; PKCE is optional for a client with a secret."""
    for method in ("plain", None):
        value = code(sandbox, code_challenge=VERIFIER, code_challenge_method=method)
        assert exchange(sandbox, value).status_code == 200
    value = code(sandbox, code_challenge=None, code_challenge_method=None)
    assert exchange(sandbox, value, code_verifier=None).status_code == 200


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, {"code_verifier": None}),
        ({}, {"code_verifier": secrets.token_urlsafe(32)}),
        ({}, {"code_verifier": "short"}),
        ({}, {"code_verifier": CHALLENGE}),
        ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, {"code_verifier": CHALLENGE}),
        ({"code_challenge": None, "code_challenge_method": None}, {"code_verifier": VERIFIER}),
        ({}, {"redirect_uri": REDIRECT_URI + "/"}),
        ({}, {"redirect_uri": None}),
    ],
)
def test_what_a_code_is_bound_to(sandbox, asked, sent):
    """Verifier and redirect_uri must match, a verifier needs a challenge, and the attempt spends the code."""
    value = code(sandbox, **asked)
    refused(exchange(sandbox, value, **sent), 400, "invalid_grant")
    refused(exchange(sandbox, value), 400, "invalid_grant")


def test_code_lives_a_minute(sandbox):
    """A code a minute old is invalid_grant."""
    value = code(sandbox)
    sandbox.advance(61)
    refused(exchange(sandbox, value), 400, "invalid_grant")
    value = code(sandbox)
    sandbox.advance(58)
    assert exchange(sandbox, value).status_code == 200


def test_reused_code_revokes_its_tokens(sandbox):
    """RFC 6749 §4.1.2: the second use of a code ends what the first has brought."""
    value = code(sandbox)
    body = exchange(sandbox, value).json()
    refused(exchange(sandbox, value), 400, "invalid_grant")
    assert api(sandbox, "/v1/me", body["access_token"]).status_code == 401
    refused(refresh(sandbox, body["refresh_token"]), 400, "invalid_grant")


def test_public_client(sandbox):
    """Without a secret: the code flow with PKCE, and nothing else."""
    public = {"client_id": sandbox.meloming_public_client_id, "client_secret": None}
    value = code(sandbox, client_id=sandbox.meloming_public_client_id)
    refused(exchange(sandbox, value), 400, "invalid_grant")  # another client's code, left unspent
    body = exchange(sandbox, value, **public).json()
    assert refresh(sandbox, body["refresh_token"], **public).status_code == 200
    refused(ask(sandbox, {"grant_type": "client_credentials", **public}), 400, "unauthorized_client")
    bare = {"code_challenge": None, "code_challenge_method": None}
    url = authorization_url(sandbox, client_id=sandbox.meloming_public_client_id, **bare)
    assert answered(sandbox.meloming.approve(url))["error"] == "invalid_request"


# ---- refresh ---------------------------------------------------------------------------------------------


def test_rotation_and_reuse_detection(sandbox):
    """A refresh brings a new refresh token; the old one, used again, ends the family."""
    first = exchange(sandbox, code(sandbox)).json()
    second = refresh(sandbox, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    third = refresh(sandbox, second["refresh_token"]).json()
    assert api(sandbox, "/v1/me", third["access_token"]).status_code == 200
    refused(refresh(sandbox, first["refresh_token"]), 400, "invalid_grant")
    refused(refresh(sandbox, third["refresh_token"]), 400, "invalid_grant")
    assert api(sandbox, "/v1/me", third["access_token"]).status_code == 401


def test_reuse_without_detection(sandbox):
    """Switched off, a spent refresh token is refused and its family lives."""
    sandbox.meloming.reuse_detection = False
    first = exchange(sandbox, code(sandbox)).json()
    second = refresh(sandbox, first["refresh_token"]).json()
    refused(refresh(sandbox, first["refresh_token"]), 400, "invalid_grant")
    assert refresh(sandbox, second["refresh_token"]).status_code == 200


def test_without_rotation(sandbox):
    """Switched off, the answer omits refresh_token and the old one goes on."""
    sandbox.meloming.rotation = False
    first = exchange(sandbox, code(sandbox)).json()
    for _ in range(2):
        answer = refresh(sandbox, first["refresh_token"])
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()


def test_lifetimes(sandbox):
    """An access token lives an hour, a refresh token seven days."""
    body = exchange(sandbox, code(sandbox)).json()
    sandbox.advance(3_590)
    assert api(sandbox, "/v1/me", body["access_token"]).status_code == 200
    sandbox.advance(11)
    assert api(sandbox, "/v1/me", body["access_token"]).status_code == 401
    sandbox.advance(6 * 86_400)
    body = refresh(sandbox, body["refresh_token"]).json()
    sandbox.advance(7 * 86_400 + 1)
    refused(refresh(sandbox, body["refresh_token"]), 400, "invalid_grant")


def test_refresh_scope_and_client(sandbox):
    """A refresh may narrow the scope, never widen it, and never change hands."""
    body = exchange(sandbox, code(sandbox)).json()
    narrow = refresh(sandbox, body["refresh_token"], scope="read").json()
    assert narrow["scope"] == "read"
    wide = refresh(sandbox, narrow["refresh_token"]).json()
    assert wide["scope"] == "read write"
    refused(refresh(sandbox, wide["refresh_token"], scope="read admin"), 400, "invalid_scope")
    thief = {"client_id": sandbox.meloming_public_client_id, "client_secret": None}
    refused(refresh(sandbox, wide["refresh_token"], **thief), 400, "invalid_grant")
    assert refresh(sandbox, wide["refresh_token"]).status_code == 200


# ---- the consent page ------------------------------------------------------------------------------------


def page(session, url, **headers):
    return session.get(url, headers=headers, allow_redirects=False, timeout=5)


def ticket(text):
    return re.search(r'name="consent" value="([^"]+)"', text)[1]


def test_deny(sandbox):
    """A user who denies sends back access_denied with the state, and no code."""
    got = answered(sandbox.meloming.approve(authorization_url(sandbox), deny=True))
    assert (got["error"], got["state"]) == ("access_denied", "st&te=1")
    assert "code" not in got


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": None},
        {"redirect_uri": "https://127.0.0.1:43210/callback"},
        {"redirect_uri": "http://localhost:43210/callback"},
        {"redirect_uri": "http://127.0.0.1/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example:80/callback"},
        {"redirect_uri": "http://127.0.0.1:80@evil.example:80/callback"},
        {"redirect_uri": "http://127.0.0.1:43210/callback#fragment"},
        {"redirect_uri": "https://app.example/callback/"},
    ],
)
def test_wrong_client_or_redirect_uri_is_never_redirected(sandbox, changes):
    """RFC 6749 §4.1.2.1: an error page, no Location."""
    with requests.Session() as session:
        answer = page(session, authorization_url(sandbox, **changes))
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert "data-problem" in answer.text
    with pytest.raises(ValueError, match="redirect_uri"):
        sandbox.meloming.approve(authorization_url(sandbox, **changes))


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://127.0.0.1:1/",
        "http://127.0.0.1:65535/a/b?c=d",
        "http://[::1]:8000/cb",
        "https://app.example/callback",
    ],
)
def test_redirect_uris_that_work(sandbox, redirect_uri):
    """Loopback on any port and path (RFC 8252 §7.3), registered ones exactly; an own query survives."""
    callback = sandbox.meloming.approve(authorization_url(sandbox, redirect_uri=redirect_uri))
    assert callback.startswith(redirect_uri)
    assert {"code", "state"} <= set(answered(callback))
    sandbox.meloming.allow_loopback = False
    sandbox.meloming_redirect_uris[:] = ["https://other.example/"]
    with pytest.raises(ValueError, match="redirect_uri"):
        sandbox.meloming.approve(authorization_url(sandbox, redirect_uri=redirect_uri))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"code_challenge_method": "S512"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"scope": "a  b"}, "invalid_scope"),
    ],
)
def test_other_problems_are_redirected(sandbox, changes, error):
    """With a good client and redirect_uri the client is told of the error, state included."""
    got = answered(sandbox.meloming.approve(authorization_url(sandbox, **changes)))
    assert (got["error"], got["state"]) == (error, "st&te=1")


@pytest.mark.parametrize(
    ("accept", "language", "word"),
    [
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko", "허용"),
        ("en-US,en;q=0.9", "en", "Allow"),
        ("ko;q=0.2, en;q=0.3", "en", "Deny"),
    ],
)
def test_page_speaks_korean_and_english(sandbox, accept, language, word):
    """The page follows Accept-Language, runs no script, and is stored nowhere."""
    with requests.Session() as session:
        answer = page(session, authorization_url(sandbox, scope='<b>"&'), **{"Accept-Language": accept})
        # `"` is no scope character: back with invalid_scope. A tame one gets the page.
        assert answer.status_code == 302
        answer = page(session, authorization_url(sandbox, scope="<b>&"), **{"Accept-Language": accept})
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    assert word in answer.text
    assert "<script" not in answer.text
    assert "<b>" not in answer.text
    assert "&lt;b&gt;&amp;" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "http://127.0.0.1:43210" in answer.headers["Content-Security-Policy"]


def test_consent_cannot_be_forged(sandbox):
    """A decision counts once, in the browser that got the page, with its ticket."""
    url = sandbox.meloming_url + "/oauth/authorize"
    with requests.Session() as victim, requests.Session() as stranger:
        mine = ticket(page(victim, authorization_url(sandbox)).text)
        form = {"consent": mine, "decision": "allow", "username": "melo"}

        def post(session, **changes):
            return session.post(url, data={**form, **changes}, allow_redirects=False, timeout=5)

        page(stranger, authorization_url(sandbox))
        assert post(stranger).status_code == 400
        assert post(victim, consent="forged").status_code == 400
        assert post(victim, decision="maybe").status_code == 400
        assert post(victim, username=" ").status_code == 400
        accepted = post(victim)
        assert accepted.status_code == 303
        assert "code" in answered(accepted.headers["Location"])
        assert post(victim).status_code == 400


def test_iss_is_a_switch(sandbox):
    """RFC 9207's `iss`, for answers good and bad."""
    sandbox.meloming.send_iss = True
    for deny in (False, True):
        got = answered(sandbox.meloming.approve(authorization_url(sandbox), deny=deny))
        assert got["iss"] == sandbox.meloming_url


# ---- revocation and introspection --------------------------------------------------------------------------


def post_json(sandbox, path, body):
    return requests.post(sandbox.meloming_url + path, json=body, timeout=5)


def test_introspection(sandbox):
    """What a live token is; of any other just that it is not."""
    body = exchange(sandbox, code(sandbox)).json()
    said = post_json(sandbox, "/oauth/introspect", {"token": body["access_token"]}).json()
    assert set(said) == {"active", "sub", "scope", "exp", "client_id", "username"}
    assert said["active"] is True
    assert (said["username"], said["client_id"]) == ("melo", sandbox.meloming_client_id)
    assert 3_590 < said["exp"] - sandbox.meloming.wall() <= 3_600
    said = post_json(sandbox, "/oauth/introspect", {"token": own_token(sandbox)}).json()
    assert "username" not in said
    sandbox.advance(3_601)
    for value in (body["access_token"], "unknown"):
        hint = {"token": value, "token_type_hint": "access_token"}
        assert post_json(sandbox, "/oauth/introspect", hint).json() == {"active": False}
    assert post_json(sandbox, "/oauth/introspect", {"token": body["refresh_token"]}).json()["active"] is True


def test_revocation(sandbox):
    """An access token goes alone, a refresh token takes its family, an unknown one is no error."""
    body = exchange(sandbox, code(sandbox)).json()
    assert post_json(sandbox, "/oauth/revoke", {"token": body["access_token"]}).status_code == 200
    assert api(sandbox, "/v1/me", body["access_token"]).status_code == 401
    body = refresh(sandbox, body["refresh_token"]).json()
    hint = {"token": body["refresh_token"], "token_type_hint": "refresh_token"}
    assert post_json(sandbox, "/oauth/revoke", hint).status_code == 200
    assert api(sandbox, "/v1/me", body["access_token"]).status_code == 401
    refused(refresh(sandbox, body["refresh_token"]), 400, "invalid_grant")
    assert post_json(sandbox, "/oauth/revoke", {"token": "unknown"}).status_code == 200


@pytest.mark.parametrize("path", ["/oauth/revoke", "/oauth/introspect"])
def test_json_bodies_only(sandbox, path):
    """The document shows JSON bodies here, unlike RFC 7009 and 7662: a form is refused."""
    refused(requests.post(sandbox.meloming_url + path, data={"token": "x"}, timeout=5), 415, "invalid_request")
    refused(post_json(sandbox, path, {}), 400, "invalid_request")


# ---- /v1 -------------------------------------------------------------------------------------------------

SHAPES = {
    "code": lambda body: body["code"],
    "error": lambda body: body["error"],
    "nested": lambda body: body["error"]["code"],
}


def test_what_needs_what(sandbox):
    """The document's table: reads are open, writes need a token, bad credentials fail anywhere."""
    user, reader = own_token(sandbox), own_token(sandbox, scope="read")
    key, test_key = sandbox.meloming_api_key, sandbox.meloming_test_api_key
    songs = "/v1/channels/1/songs"
    ok, auth, bad_key, denied = 200, "AUTHENTICATION_REQUIRED", "INVALID_API_KEY", "PERMISSION_DENIED"
    rows = [
        ("GET", "/v1/channels/1", None, None, ok),
        ("GET", songs, None, key, ok),
        ("GET", songs, None, test_key, ok),
        ("GET", songs, user, key, ok),
        ("GET", songs, None, "mlm_live_wrong", bad_key),
        ("GET", songs, "wrong", None, auth),
        ("GET", songs, "wrong", key, auth),
        ("GET", songs, user, "", bad_key),
        ("GET", "/v1/me", None, key, auth),
        ("GET", "/v1/channels/404", None, None, "NOT_FOUND"),
        ("GET", "/v1/nothing", None, None, "NOT_FOUND"),
        ("POST", songs, None, None, auth),
        ("POST", songs, None, key, auth),
        ("POST", songs, "wrong", key, auth),
        ("POST", songs, user, "wrong", bad_key),
        ("POST", songs, reader, None, denied),
        ("POST", songs, user, key, 201),
        ("POST", "/v1/channels/403/songs", user, None, denied),
        ("PATCH", "/v1/channels/1", user, None, ok),
        ("PATCH", "/v1/channels/403", user, None, denied),
        ("DELETE", songs + "/9999", user, None, "NOT_FOUND"),
    ]
    statuses = {auth: 401, bad_key: 401, denied: 403, "NOT_FOUND": 404}
    for shape, read in SHAPES.items():
        sandbox.meloming.error_shape = shape
        for method, path, access_token, key_sent, expected in rows:
            answer = api(sandbox, path, access_token, method, key=key_sent)
            row = (shape, method, path, answer.status_code, answer.text)
            assert answer.status_code == statuses.get(expected, expected), row
            if expected in statuses:
                assert read(answer.json()) == expected, row


def test_songs_are_kept(sandbox):
    """POST, PATCH, DELETE change what GET shows."""
    good = own_token(sandbox, scope="songbook:write")
    body = '{"title": "밤편지"}'.encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {good}"}
    url = sandbox.meloming_url + "/v1/channels/7/songs"
    made = requests.post(url, data=body, headers=headers, timeout=5).json()
    assert (made["title"], made["sha256"]) == ("밤편지", hashlib.sha256(body).hexdigest())
    song = f"/v1/channels/7/songs/{made['id']}"
    assert api(sandbox, song, good, "PATCH", json={"title": "가을 아침", "id": "x"}).json()["title"] == "가을 아침"
    assert api(sandbox, song).json() == {"id": made["id"], "title": "가을 아침"}
    assert len(api(sandbox, "/v1/channels/7/songs").json()["songs"]) == 1
    assert api(sandbox, song, good, "DELETE").status_code == 204
    assert api(sandbox, song).status_code == 404


def test_rate_limit_headers(sandbox):
    """X-RateLimit-* on every call; 429 with Retry-After once enforced and used up."""
    answer = api(sandbox, "/v1/channels/1")
    assert answer.headers["X-RateLimit-Limit"] == "60"
    assert int(answer.headers["X-RateLimit-Remaining"]) <= 59
    assert int(answer.headers["X-RateLimit-Reset"]) > 0
    sandbox.meloming.rate_limit, sandbox.meloming.enforce_rate_limit = 0, True
    answer = api(sandbox, "/v1/channels/1")
    assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert int(answer.headers["Retry-After"]) > 0


def test_echo_and_redirect_are_reads(sandbox):
    """GET needs nothing here, POST a token."""
    assert api(sandbox, "/v1/echo").json()["method"] == "GET"
    assert api(sandbox, "/v1/echo", method="POST").status_code == 401
    assert api(sandbox, "/v1/echo", own_token(sandbox), "POST", data=b"abc").json()["length"] == 3
    answer = api(sandbox, "/v1/redirect", params={"to": "/v1/echo"})
    assert answer.json()["path"] == "/v1/echo"


def test_challenge_of_the_rfc():
    """The tests' own pair is RFC 7636's."""
    assert base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode() == CHALLENGE


# ---- as users of the API report it -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_a_redirect_uri_that_is_not_registered_is_a_401_without_a_code(sandbox, shape):
    """Reported: 401 "Invalid redirect_uri". The code is not spent by it."""
    sandbox.meloming.error_shape = shape
    value = code(sandbox)
    answer = exchange(sandbox, value, redirect_uri="https://not.registered/")
    assert (answer.status_code, "Invalid redirect_uri" in answer.text) == (401, True)
    body = answer.json()
    assert body in (
        {"message": "Invalid redirect_uri"},
        {"error": "Invalid redirect_uri"},
        {"error": {"message": "Invalid redirect_uri"}},
    )
    assert str(sandbox.meloming.requests[-1].wrong) == "redirect_uri is not registered."
    assert exchange(sandbox, value).status_code == 200


def test_an_application_that_is_not_active_is_a_500(sandbox):
    """Reported: 500 INTERNAL_ERROR, for every grant, until it is active again; tokens live on."""
    good, value = own_token(sandbox), code(sandbox)
    sandbox.meloming.application_active = False
    for answer in (ask(sandbox, {"grant_type": "client_credentials"}), exchange(sandbox, value)):
        assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert api(sandbox, "/v1/me", good).status_code == 200
    sandbox.meloming.renew_application()
    assert exchange(sandbox, value).status_code == 200


def test_a_reissued_secret_is_dead_at_once(sandbox):
    """Reported: the old one gets 500 INTERNAL_ERROR; one that was never right gets 401 invalid_client."""
    old, good = sandbox.meloming_client_secret, own_token(sandbox)
    new = sandbox.meloming.reissue_secret()
    assert sandbox.meloming_client_secret == new != old
    answer = ask(sandbox, {"grant_type": "client_credentials", "client_secret": old})
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    refused(ask(sandbox, {"grant_type": "client_credentials", "client_secret": "x"}), 401, "invalid_client")
    assert own_token(sandbox) != good
    assert api(sandbox, "/v1/me", good).status_code == 200


def test_versions_are_recorded(sandbox):
    """How many requests came with which Meloming-Version, at the API and at the OAuth endpoints alike."""
    version = {"Meloming-Version": "2026-01-11"}
    requests.get(sandbox.meloming_url + "/v1/echo", headers=version, timeout=5)
    form = {"client_id": "x", "grant_type": "client_credentials"}
    requests.post(sandbox.meloming_url + "/oauth/token", data=form, headers=version, timeout=5)
    requests.post(sandbox.meloming_url + "/oauth/revoke", json={"token": "x"}, timeout=5)
    assert sandbox.meloming.versions == {"2026-01-11": 2, "": 1}
    assert sandbox.meloming.state()["versions"] == {"2026-01-11": 2, "": 1}
    assert [record.headers.get("meloming-version") for record in sandbox.meloming.requests] == [
        "2026-01-11",
        "2026-01-11",
        None,
    ]


def test_versions_are_bounded(sandbox):
    """However many a client sends, a hundred are told apart."""
    with requests.Session() as session:
        for number in range(130):
            session.get(sandbox.meloming_url + "/v1/echo", headers={"Meloming-Version": f"v{number}"}, timeout=5)
    assert len(sandbox.meloming.versions) == 101
    assert sum(sandbox.meloming.versions.values()) == 130


def test_plans(sandbox):
    """Free 60 a minute, pro 300; the month counts as well, and ends after 30 days."""
    assert api(sandbox, "/v1/echo").headers["X-RateLimit-Limit"] == "60"
    sandbox.meloming.plan = "pro"
    assert api(sandbox, "/v1/echo").headers["X-RateLimit-Limit"] == "300"
    assert sandbox.meloming.limits == (300, 100_000)
    sandbox.meloming.enforce_rate_limit, sandbox.meloming.month_limit = True, 0
    answer = api(sandbox, "/v1/echo")
    assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert int(answer.headers["Retry-After"]) > 60


def test_lifetime_is_a_switch(sandbox):
    """Another lifetime than the documented hour."""
    sandbox.meloming.lifetime = 7_200
    assert ask(sandbox, {"grant_type": "client_credentials"}).json()["expires_in"] == 7_200


WRONGS = [
    (lambda s: ask(s, {"grant_type": "client_credentials", "client_secret": "x"}), "client_secret is not that"),
    (lambda s: ask(s, {"grant_type": "client_credentials", "client_secret": None}), "client_secret is missing."),
    (lambda s: ask(s, {"grant_type": "client_credentials", "client_id": "x"}), "There is no application"),
    (lambda s: ask(s, {}), "grant_type is missing"),
    (lambda s: exchange(s, code(s), code_verifier=None), "code_verifier is missing or malformed"),
    (lambda s: api(s, "/v1/me"), "There is no Authorization header."),
    (lambda s: api(s, "/v1/me", "unknown"), "The token was not issued here."),
    (lambda s: api(s, "/v1/me", (own_token(s), s.advance(3_601))[0]), "The token has expired."),
    (lambda s: api(s, "/v1/me", (own_token(s), s.revoke_all())[0]), "The token was revoked."),
    (lambda s: api(s, "/v1/echo", key="mlm_live_x"), "X-API-Key is not an API key"),
    (lambda s: api(s, "/v1/channels/1", own_token(s, scope="read"), "PATCH"), "allows no writing"),
    (lambda s: api(s, "/v1/channels/403", own_token(s), "PATCH"), "may not change this channel"),
    (lambda s: api(s, "/v1/nothing"), "There is nothing at this path"),
    (lambda s: page(requests, authorization_url(s, client_id="x")), "There is no application"),
    (lambda s: page(requests, authorization_url(s, redirect_uri="https://evil.example/")), "not registered"),
    (lambda s: page(requests, authorization_url(s, scope="a  b")), "scope is malformed"),
]


@pytest.mark.parametrize(("do", "text"), WRONGS, ids=[f"{number} {text}" for number, (_, text) in enumerate(WRONGS)])
def test_the_record_says_what_was_wrong(sandbox, do, text):
    """Each refusal is explained in a sentence that quotes nothing that was sent."""
    assert do(sandbox).status_code >= 300
    assert text in str(sandbox.meloming.requests[-1].wrong)
    assert own_token(sandbox)
    assert sandbox.meloming.requests[-1].wrong is None


def test_the_consent_page_says_who_asks_whom(sandbox):
    """The application asks for permissions on the user's account; Korean words are not torn; dark mode is followed."""
    with requests.Session() as session:
        text = page(session, authorization_url(sandbox), **{"Accept-Language": "ko"}).text
    assert "회원님의 계정에 대한 다음 권한을 요청합니다" in text
    assert "대신하여" not in text
    assert "word-break:keep-all" in text
    assert "color-scheme:light dark" in text
    with requests.Session() as session:
        text = page(session, authorization_url(sandbox), **{"Accept-Language": "en"}).text
    assert "requests these permissions on your account" in text
