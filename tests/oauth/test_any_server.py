"""`OAuth2Auth`: any RFC 6749 server by configuration, and by its own metadata."""

import base64
import contextlib
import functools
import json
import sys
import time
from email.utils import formatdate
from urllib.parse import parse_qs, unquote_plus

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import krauth_requests
from krauth import (
    ConfigurationError,
    InvalidClientError,
    InvalidTokenResponse,
    KrauthError,
    MemoryStore,
    TokenTransportError,
)
from krauth._values import guard
from loopback import Reply, Server

from .conftest import parameter

#: What form-encoding exists for (RFC 6749 §2.3.1, appendix B).
ODD_ID, ODD_SECRET = "a:b c/민", "p%20+&=:~é한 \\"


@pytest.fixture
def server():
    """A server that gives a token for anything, and answers JSON to the rest; `documents` are its other answers."""
    with Server() as server:
        server.documents = {}

        def answer(seen):
            if seen.target in server.documents:
                document = server.documents[seen.target]
                return document if isinstance(document, Reply) else Reply.json(document)
            if seen.method == "POST" and "token" in seen.path:
                return Reply.json({"access_token": "t", "token_type": "bearer", "expires_in": 60, "refresh_token": "r"})
            return Reply(404) if "well-known" in seen.path else Reply.json({"active": True})

        server.answer = answer
        yield server


@pytest.fixture
def make(server, stack):
    def make(client_id="client", client_secret="secret-of-the-client", **settings):
        defaults = {
            "token_endpoint": f"{server.url}/token",
            "authorization_endpoint": f"{server.url}/authorize",
            "revocation_endpoint": f"{server.url}/revoke",
            "introspection_endpoint": f"{server.url}/introspect",
            "api_origins": server.url,
            "store": MemoryStore(),
        }
        return stack.OAuth2Auth(client_id, client_secret, **{**defaults, **settings})

    return make


def form(seen):
    assert seen.header("Content-Type") == "application/x-www-form-urlencoded"
    return {name: values[0] for name, values in parse_qs(seen.body.decode(), keep_blank_values=True).items()}


def basic(seen):
    scheme, _, value = seen.header("Authorization").partition(" ")
    assert scheme == "Basic"
    return tuple(unquote_plus(part) for part in base64.b64decode(value).decode("ascii").split(":"))


def signed_in(stack, auth):
    request = auth.authorization_request()
    stack.method(auth, "authorize", f"{request.redirect_uri}?code=abc&state={request.state}", request)
    return auth


def everywhere(stack, auth):
    """Use every endpoint that authenticates the client."""
    stack.method(auth, "introspect")
    stack.method(auth, "revoke")


def test_client_secret_post(server, stack, make):
    """`client_secret_post`, the default: id and secret in the body of every request, and nowhere else."""
    everywhere(stack, make(ODD_ID, ODD_SECRET))
    assert {seen.path for seen in server.seen} == {"/token", "/introspect", "/revoke"}
    for seen in server.seen:
        assert (form(seen)["client_id"], form(seen)["client_secret"]) == (ODD_ID, ODD_SECRET)
        assert seen.header("Authorization") is None
        assert "?" not in seen.target


def test_client_secret_basic(server, stack, make):
    """`client_secret_basic`: id and secret are form-encoded before they become user name and password."""
    everywhere(stack, make(ODD_ID, ODD_SECRET, client_auth="client_secret_basic"))
    assert len(server.seen) == 3
    for seen in server.seen:
        assert basic(seen) == (ODD_ID, ODD_SECRET)
        assert not {"client_id", "client_secret"} & form(seen).keys()


def test_public_client(server, stack, make):
    """A client without a secret sends its client_id with code, refresh token, revocation and introspection."""
    auth = make("public", None, user="mina", redirect_uri="http://127.0.0.1:1/cb")
    everywhere(stack, signed_in(stack, auth))
    for seen in server.seen:
        assert form(seen)["client_id"] == "public"
        assert "client_secret" not in form(seen)
        assert seen.header("Authorization") is None


def test_client_secret_basic_unencoded(server, stack, make):
    """`client_secret_basic_unencoded`: user name and password as they are, for servers that decode nothing."""
    everywhere(stack, make("a b+c", ODD_SECRET, client_auth="client_secret_basic_unencoded"))
    for seen in server.seen:
        value = seen.header("Authorization").removeprefix("Basic ")
        assert base64.b64decode(value).decode() == f"a b+c:{ODD_SECRET}"
        assert not {"client_id", "client_secret"} & form(seen).keys()


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture(scope="module")
def keys():
    """Private keys of all kinds, by the algorithm that suits them: `(private in some form, public)`."""
    made = {
        "RS256": rsa.generate_private_key(65537, 2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "ES512": ec.generate_private_key(ec.SECP521R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    return {algorithm: (pem(key), key.public_key()) for algorithm, key in made.items()}


def assertions(server):
    """The client assertions that came, and their claims once the signature is gone."""
    for seen in server.seen:
        assert form(seen)["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assert "client_secret" not in form(seen)
        assert seen.header("Authorization") is None
        yield form(seen)["client_assertion"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_private_key_jwt(server, stack, make, keys, algorithm):
    """`private_key_jwt` (RFC 7523): a new signed assertion with every request, by the algorithm that suits the key."""
    private, public = keys[algorithm]
    everywhere(stack, make("app", private, client_auth="private_key_jwt", key_id="key-1"))
    tokens = list(assertions(server))
    assert len(tokens) == 3
    for token in tokens:
        claims = jwt.decode(token, public, algorithms=[algorithm], audience=f"{server.url}/token")
        assert (claims["iss"], claims["sub"]) == ("app", "app")
        assert claims["exp"] - claims["iat"] == 60
        assert jwt.get_unverified_header(token)["kid"] == "key-1"
    assert len({jwt.decode(token, options={"verify_signature": False})["jti"] for token in tokens}) == 3


def test_forms_of_a_private_key(server, stack, make, keys):
    """A private key may be a JWK, or PEM in one line as a .env file holds it; algorithm and audience may be chosen."""
    private, public = keys["RS256"]
    loaded = serialization.load_pem_private_key(private.encode(), None)
    jwk = {**jwt.algorithms.RSAAlgorithm.to_jwk(loaded, as_dict=True), "kid": "from-jwk", "alg": "RS256"}
    for given in (json.dumps(jwk), private.replace("\n", "\\n"), lambda: private):
        server.seen.clear()
        chosen = {"assertion_algorithm": "PS256", "assertion_audience": "https://as.example"}
        stack.token(make("app", given, client_auth="private_key_jwt", **chosen))
        (token,) = assertions(server)
        assert jwt.decode(token, public, algorithms=["PS256"], audience="https://as.example")["iss"] == "app"


def test_client_secret_jwt(server, stack, make):
    """`client_secret_jwt` (RFC 7523): the secret signs, and is never sent."""
    secret = "a secret of at least thirty-two bytes"
    everywhere(stack, make("app", secret, client_auth="client_secret_jwt"))
    for token in assertions(server):
        assert jwt.decode(token, secret, algorithms=["HS256"], audience=f"{server.url}/token")["sub"] == "app"
        assert secret not in server.seen[0].everything


def hours_ahead(server):
    """Let the server's clock be two hours ahead, and let it refuse an assertion that is by another clock."""
    plain = server.answer

    def answer(seen):
        claims = jwt.decode(form(seen)["client_assertion"], options={"verify_signature": False})
        now = time.time() + 7200
        date = {"Date": formatdate(now, usegmt=True)}
        if not claims["iat"] - 5 <= now <= claims["exp"]:
            return Reply(401, date, b'{"error": "invalid_client"}')
        return Reply(plain(seen).status, date, plain(seen).body)

    server.answer = answer


def test_an_assertion_is_signed_anew_when_the_clock_is_wrong(server, stack, make, keys):
    """An assertion that is refused while the server's clock differs is made once more by the server's time."""
    private, _ = keys["ES256"]
    hours_ahead(server)
    assert stack.token(make("app", private, client_auth="private_key_jwt")).access_token == "t"
    assert len(server.seen) == 2


def test_every_assertion_is_by_the_servers_time(server, keys):
    """A code that was refused for the clock is not sent again; the next sign-in, introspection and revocation succeed."""
    private, _ = keys["ES256"]
    hours_ahead(server)
    auth = krauth_requests.OAuth2Auth(
        "app",
        private,
        client_auth="private_key_jwt",
        user="mina",
        redirect_uri="http://127.0.0.1:1/cb",
        token_endpoint=f"{server.url}/token",
        authorization_endpoint=f"{server.url}/authorize",
        revocation_endpoint=f"{server.url}/revoke",
        introspection_endpoint=f"{server.url}/introspect",
        api_origins=server.url,
        store=MemoryStore(),
    )

    def sign_in():
        request = auth.authorization_request()
        return auth.authorize(f"{request.redirect_uri}?code=abc&state={request.state}", request)

    with pytest.raises(InvalidClientError, match="the code is not sent again"):
        sign_in()
    assert sign_in().access_token == "t"
    assert auth.introspect().active
    auth.revoke()
    assert [seen.path for seen in server.seen] == ["/token", "/token", "/introspect", "/revoke", "/revoke"]


def test_without_pyjwt(make, monkeypatch, keys):
    """Where PyJWT is not installed, an assertion is refused at construction with the extra that brings it."""
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(ConfigurationError, match=r"krauth\[jwt\]"):
        make("app", keys["ES256"][0], client_auth="private_key_jwt")


PARAMETERS = {"audience": "https://api.example", "resource": ["https://a.example", "https://b.example"]}


def test_token_parameters(server, stack, make):
    """`token_parameters` go with token requests of every grant, several values of one name (RFC 8707) included."""
    stack.token(make(token_parameters=PARAMETERS))
    auth = make(user="mina", redirect_uri="http://127.0.0.1:1/cb", token_parameters=PARAMETERS)
    signed_in(stack, auth)
    auth._tokens.snapshot = None
    stack.method(auth, "introspect")
    for seen in server.seen:
        values = parse_qs(seen.body.decode())
        if seen.path == "/token":
            assert (values["audience"], values["resource"]) == (["https://api.example"], PARAMETERS["resource"])
            assert len(values["grant_type"]) == 1
        else:
            assert "audience" not in values
    assert {form(seen).get("grant_type") for seen in server.seen} >= {"client_credentials", "authorization_code"}


def test_token_headers(server, stack, make):
    """`token_headers` go with every request to the server's endpoints, and with none to the API."""
    auth = make(token_headers={"X-Tenant": "acme", "X-Key": "k3y-of-the-gateway"}, client_auth="client_secret_basic")
    everywhere(stack, auth)
    assert {seen.path for seen in server.seen} == {"/token", "/introspect", "/revoke"}
    for seen in server.seen:
        assert (seen.header("X-Tenant"), seen.header("X-Key")) == ("acme", "k3y-of-the-gateway")
        assert seen.header("Authorization").startswith("Basic ")
    with stack.client(make(token_headers={"X-Tenant": "acme"})) as client:
        client.get(f"{server.url}/x")
    assert server.seen[-1].header("X-Tenant") is None
    assert "k3y" not in repr(auth) + repr(vars(auth)) + repr(auth._client)


def test_a_token_belongs_to_its_parameters(make):
    """Tokens of different audiences have different keys; a user's key outlives a header's value, which may rotate."""
    person = {"user": "mina", "redirect_uri": "http://127.0.0.1:1/cb"}
    several = [
        {},
        {"token_parameters": {"audience": "a"}},
        {"token_parameters": {"audience": "b"}},
        {"token_parameters": {"audience": ["b"]}},
        {"token_headers": {"X-Tenant": "a"}},
        {"token_headers": {"X-Tenant": "b"}},
    ]
    for more, distinct in (({}, 6), (person, 4)):
        made = [make(**settings, **more)._client for settings in several]
        assert len({one.key for one in made}) == distinct
        assert len({one.identity for one in made}) == 6


def test_insufficient_scope_costs_no_refresh(server, stack, make):
    """A 401 whose WWW-Authenticate says that the scope is too small is handed back at once (RFC 6750 §3)."""
    plain = server.answer
    challenge = {"WWW-Authenticate": 'Bearer realm="x", error="insufficient_scope", scope="write"'}

    def answer(seen):
        return plain(seen) if seen.path == "/token" else Reply(401, challenge, b"<html>")

    server.answer = answer
    auth = signed_in(stack, make(user="mina", redirect_uri="http://127.0.0.1:1/cb"))
    with stack.client(auth) as client:
        assert [client.get(f"{server.url}/x").status for _ in range(3)] == [401] * 3
    assert [seen.path for seen in server.seen].count("/token") == 1


ODD_ANSWERS = {
    "status 201": (201, {}, {}),
    "status 206": (206, {}, {}),
    "text/plain": (200, {"Content-Type": "text/plain"}, {}),
    "text/html": (200, {"Content-Type": "text/html; charset=utf-8"}, {}),
    "no token_type": (200, {}, {"token_type": None}),
    "no expires_in": (200, {}, {"expires_in": None}),
    "expires_in is text": (200, {}, {"expires_in": "soon"}),
    "expires_in is over": (200, {}, {"expires_in": -5}),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_odd_but_whole_answer_signs_no_user_out(server, stack, make, name, caplog):
    """A server that rotates, and answers oddly: the code and each refresh token are used once, and none is lost."""
    status, headers, changes = ODD_ANSWERS[name]
    issued = ["the-code"]

    def answer(seen):
        fields = form(seen)
        spent = fields.get("refresh_token") or fields["code"]
        if spent != issued[-1]:
            return Reply.json({"error": "invalid_grant"}, 400)
        issued.append(f"refresh-{len(issued)}")
        data = {"access_token": f"t{len(issued)}", "token_type": "Bearer", "expires_in": 0, "refresh_token": issued[-1]}
        body = {key: value for key, value in {**data, **changes}.items() if value is not None}
        return Reply(status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode())

    server.answer = answer
    auth = make(user="mina", redirect_uri="http://127.0.0.1:1/cb")
    request = auth.authorization_request()
    callback = f"{request.redirect_uri}?code=the-code&state={request.state}"
    assert stack.method(auth, "authorize", callback, request).access_token == "t2"
    tokens = [stack.token(auth).access_token for _ in range(3)]
    is_over = changes.get("expires_in", 0) in (0, -5)
    assert tokens == (["t3", "t4", "t5"] if is_over else ["t2"] * 3)
    assert ("expired" in caplog.text) is is_over


UNUSABLE = {
    "mac": {"token_type": "mac"},
    "no access token": {"access_token": None},
    "an access token with a line break": {"access_token": "a\nb"},
}


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("when", ["at the refresh", "at the sign-in"])
def test_a_refresh_token_without_an_access_token_is_kept(server, stack, make, name, when, monkeypatch):
    """A server that rotates answers without a usable access token: the new refresh token is saved, and used next."""
    # A source that failed lives on for a while, and one of another test has a secret as short as "a", as "mac" has.
    monkeypatch.setattr(guard, "_short", ())
    issued, odd = ["the-code"], [when == "at the sign-in"]

    def answer(seen):
        fields = form(seen)
        spent = fields.get("refresh_token") or fields["code"]
        if spent != issued[-1]:
            return Reply.json({"error": "invalid_grant"}, 400)
        issued.append(f"refresh-{len(issued)}")
        data = {"access_token": f"t{len(issued)}", "token_type": "Bearer", "expires_in": 0, "refresh_token": issued[-1]}
        data |= UNUSABLE[name] if odd[0] else {}
        return Reply.json({key: value for key, value in data.items() if value is not None})

    server.answer = answer
    auth = make(user="mina", redirect_uri="http://127.0.0.1:1/cb")
    request = auth.authorization_request()
    callback = f"{request.redirect_uri}?code=the-code&state={request.state}"
    with contextlib.suppress(InvalidTokenResponse):
        stack.method(auth, "authorize", callback, request)
    if when == "at the refresh":
        odd[0] = True
        with pytest.raises(InvalidTokenResponse, match="token_type 'mac'" if name == "mac" else "access_token"):
            stack.token(auth)
    odd[0] = False
    auth._tokens.forget_failures()
    assert stack.token(auth).access_token == f"t{len(issued)}"
    assert len(issued) == (4 if when == "at the refresh" else 3)


def test_introspection_is_a_form(server, stack, make):
    """Elsewhere than at Meloming introspection and revocation are the RFCs' forms."""
    auth = make()
    everywhere(stack, auth)
    assert form(server.seen[1])["token"] == "t"
    assert form(server.seen[1])["token_type_hint"] == "access_token"


@pytest.mark.parametrize(
    "settings",
    [
        {"client_secret": None},
        {"client_auth": "private_key_jwt"},
        {"client_auth": "client_secret_basic_unencoded", "client_id": "a:b"},
        {"client_auth": "none"},
        {"token_parameters": {"code": "x"}},
        {"token_headers": {"Host": "x"}},
        {"token_endpoint": "http://login.example.com/token"},
        {"token_endpoint": "https://user:password@login.example.com/token"},
        {"token_endpoint": "https://login.example.com/token#x"},
        {"token_endpoint": "https://login.example.com/to ken?a b"},
        {"token_endpoint": "/token"},
        {"token_endpoint": None},
        {"api_origins": []},
        {"api_origins": 7},
        {"api_origins": "http://api.example.com"},
        {"revocation_endpoint": "ftp://x"},
        {"issuer": ""},
        {"user": ""},
        {"redirect_uri": 7},
        {"scope": 7},
    ],
    ids=repr,
)
def test_settings_that_cannot_work(make, settings):
    """A setting that can't work is refused when the auth object is made, with a sentence that names it."""
    with pytest.raises(ConfigurationError) as caught:
        make(**settings)
    assert any(word in str(caught.value) for word in (*settings, "client_secret"))
    assert "password" not in str(caught.value).replace("user name or password", "")


@pytest.mark.parametrize("name", ["revoke", "introspect"])
def test_endpoint_not_configured(stack, make, name):
    """What the server has no endpoint for is refused with the name of the setting."""
    auth = make(revocation_endpoint=None, introspection_endpoint=None)
    with pytest.raises(ConfigurationError, match="_endpoint="):
        stack.method(auth, name)


@pytest.mark.parametrize("missing", ["user", "redirect_uri", "authorization_endpoint"])
def test_authorizing_needs(make, missing):
    """Without user, redirect_uri or authorization_endpoint there is no sign-in, and the error names which."""
    settings = {"user": "mina", "redirect_uri": "http://127.0.0.1:1/cb"}
    auth = make(**{**settings, missing: None})
    with pytest.raises(ConfigurationError, match=f"{missing}="):
        auth.authorization_request()


def test_endpoints_as_they_are(server, stack, make):
    """Endpoints keep their trailing slash and their query: some servers know them under no other name."""
    auth = make(
        token_endpoint=f"{server.url}/o/token/?p=policy",
        authorization_endpoint=f"{server.url}/o/authorize/?p=policy",
        revocation_endpoint=f"{server.url}/o/revoke_token/",
        user="mina",
        redirect_uri="http://127.0.0.1:1/cb",
    )
    url = auth.authorization_request().url
    assert url.startswith(f"{server.url}/o/authorize/?p=policy&response_type=code&")
    stack.method(signed_in(stack, auth), "revoke")
    assert [seen.target for seen in server.seen][:2] == ["/o/token/?p=policy", "/o/revoke_token/"]


def test_endpoint_with_a_parameter_of_ours(make):
    """An authorization endpoint whose query sets a parameter of the protocol is refused: it would come twice."""
    auth = make(authorization_endpoint="https://a.example/auth?state=1", user="u", redirect_uri="http://127.0.0.1:1/")
    with pytest.raises(ConfigurationError, match="must not set state"):
        auth.authorization_request()


def test_several_api_origins(server, stack, make):
    """The token goes to the origins that were named, and to no other, the authorization server's included."""
    with Server() as api, Server() as other:
        api.answer = other.answer = lambda seen: Reply.json({})
        auth = make(api_origins=[f"{api.url}/v1", "https://b.example"])
        with stack.client(auth) as client:
            client.get(f"{api.url}/x")
            client.get(f"{other.url}/x")
            client.get(f"{server.url}/x")
        assert api.seen[0].bearer == "t"
        assert other.seen[0].bearer is None
        assert server.seen[-1].header("Authorization") is None


def test_revocation_of_refresh_tokens_only(server, stack, make):
    """A server that can't revoke access tokens (unsupported_token_type) has done enough."""
    auth = signed_in(stack, make(user="mina", redirect_uri="http://127.0.0.1:1/cb"))
    plain = server.answer

    def answer(seen):
        if seen.path == "/revoke" and form(seen)["token_type_hint"] == "access_token":
            return Reply.json({"error": "unsupported_token_type"}, 400)
        return plain(seen)

    server.answer = answer
    stack.method(auth, "revoke")
    assert [form(seen)["token"] for seen in server.seen if seen.path == "/revoke"] == ["r", "t"]


# RFC 8414.


def discover(stack, issuer, **settings):
    settings = {"client_id": "client", "client_secret": "secret-of-the-client", "store": MemoryStore(), **settings}
    if stack.is_async:

        async def run():
            return await stack.OAuth2Auth.adiscover(issuer, **settings)

        return stack.run(run)
    return stack.OAuth2Auth.discover(issuer, **settings)


def metadata(server, issuer, **more):
    names = ("token", "authorization", "revocation", "introspection")
    return {"issuer": issuer, **{f"{name}_endpoint": f"{server.url}/{name}" for name in names}, **more}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("", "/.well-known/oauth-authorization-server"),
        ("/", "/.well-known/oauth-authorization-server"),
        ("/tenant/1", "/.well-known/oauth-authorization-server/tenant/1"),
        ("/tenant/1/", "/.well-known/oauth-authorization-server/tenant/1"),
        ("/realm", "/realm/.well-known/openid-configuration"),
    ],
)
def test_discover(server, stack, path, place):
    """The endpoints come from the server's metadata, wherever RFC 8414 or OpenID Connect puts it."""
    issuer = server.url + path
    server.documents[place] = metadata(server, issuer)
    auth = discover(stack, issuer, api_origins=server.url, user="mina", redirect_uri="http://127.0.0.1:1/cb")
    assert auth.authorization_request().url.startswith(f"{server.url}/authorization?")
    everywhere(stack, signed_in(stack, auth))
    assert {"/token", "/revocation", "/introspection"} <= {seen.path for seen in server.seen}


@pytest.mark.parametrize("change", ["/", "X", "/.", "?", " "])
def test_issuer_is_compared_exactly(server, stack, change):
    """Metadata that names any other issuer, be it by a slash, is refused (RFC 8414 §3.3)."""
    server.documents["/.well-known/oauth-authorization-server"] = metadata(server, server.url + change)
    with pytest.raises(ConfigurationError, match="another issuer"):
        discover(stack, server.url, api_origins=server.url)


def test_page_instead_of_metadata(server, stack):
    """A server that answers every path with its page does not keep the other place from being asked."""
    page = Reply(200, {"Content-Type": "text/html"}, b"<html>")
    server.documents["/.well-known/oauth-authorization-server"] = page
    server.documents["/.well-known/openid-configuration"] = metadata(server, server.url)
    assert discover(stack, server.url, api_origins=server.url)._client.token_endpoint == f"{server.url}/token"


@pytest.mark.parametrize(
    "document",
    [
        Reply(404),
        Reply(500),
        Reply(200, {}, b"<html>"),
        Reply(302, {"Location": "/elsewhere"}),
        {"token_endpoint": "https://a.example/token"},
        {"issuer": None},
    ],
    ids=repr,
)
def test_no_metadata(server, stack, document):
    """Where there is no metadata that can be used, the error says so; redirects are not followed."""
    server.documents["/.well-known/oauth-authorization-server"] = document
    with pytest.raises(ConfigurationError, match=r"metadata|issuer"):
        discover(stack, server.url, api_origins=server.url)
    assert "/elsewhere" not in {seen.path for seen in server.seen}


@pytest.mark.parametrize("endpoint", ["http://login.example.com/token", "javascript:alert(1)", "token", 7, None])
def test_endpoint_that_leaks(server, stack, endpoint):
    """Metadata can't talk the client into a token endpoint without https."""
    document = {**metadata(server, server.url), "token_endpoint": endpoint}
    server.documents["/.well-known/oauth-authorization-server"] = document
    with pytest.raises(ConfigurationError, match="token_endpoint"):
        discover(stack, server.url, api_origins=server.url)


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (None, "client_secret_basic"),
        (["client_secret_basic"], "client_secret_basic"),
        (["client_secret_post"], "client_secret_post"),
        (["client_secret_basic", "client_secret_post"], "client_secret_post"),
        ("nonsense", "client_secret_post"),
    ],
    ids=repr,
)
def test_client_auth_from_metadata(server, stack, methods, expected):
    """How the client authenticates is what the server says; without a word, what RFC 8414 says: basic."""
    document = metadata(server, server.url)
    if methods is not None:
        document["token_endpoint_auth_methods_supported"] = methods
    server.documents["/.well-known/oauth-authorization-server"] = document
    assert discover(stack, server.url, api_origins=server.url)._client.client_auth == expected
    given = functools.partial(discover, stack, server.url, api_origins=server.url, client_auth="client_secret_post")
    if methods == ["client_secret_basic"]:
        with pytest.raises(ConfigurationError, match="denies client_auth"):
            given()
    else:
        assert given()._client.client_auth == "client_secret_post"


def test_iss_required_by_metadata(server, stack):
    """A server whose metadata announces `iss` is held to it: a callback without, or with another, is refused."""
    document = metadata(server, server.url, authorization_response_iss_parameter_supported=True)
    server.documents["/.well-known/oauth-authorization-server"] = document
    auth = discover(stack, server.url, api_origins=server.url, user="mina", redirect_uri="http://127.0.0.1:1/cb")
    request = auth.authorization_request()
    callback = f"{request.redirect_uri}?code=abc&state={request.state}"
    for bad in (callback, f"{callback}&iss={server.url}/", f"{callback}&iss="):
        with pytest.raises(KrauthError, match="iss"):
            stack.method(auth, "authorize", bad, request)
    stack.method(auth, "authorize", f"{callback}&iss={server.url}", request)
    assert parameter(callback, "code") == form(server.seen[-1])["code"]


def test_discovery_without_a_server(stack):
    """A server that can't be reached is a TokenTransportError, also with a transport of the user's own."""

    def cut(request):
        raise OSError("cut")

    for transport in (None, cut):
        with pytest.raises(TokenTransportError):
            discover(stack, "http://127.0.0.1:9", api_origins="https://api.example", token_transport=transport)


@pytest.mark.parametrize("issuer", ["", "login.example.com", "http://login.example.com", "https://a.example/?x=1"])
def test_issuer_that_cannot_be(stack, issuer):
    """An issuer that is no https URL is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="issuer"):
        discover(stack, issuer, api_origins="https://api.example")


def test_secret_is_nowhere(server, stack, make):
    """No repr, error or URL of a generic client holds its secret."""
    auth = make(client_secret="secret-of-the-client")
    server.documents = {}
    server.answer = lambda seen: Reply.json({"error": "invalid_client", "error_description": "no"}, 401)
    with pytest.raises(KrauthError) as caught:
        stack.token(auth)
    for text in (repr(auth), repr(auth._client), str(caught.value), json.dumps([seen.target for seen in server.seen])):
        assert "secret-of-the-client" not in text
