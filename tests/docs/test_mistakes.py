"""Mistakes that people make, and what they are told: each message names the mistake and the next step.

The table was made by trying to use the library as a new user would. A row is a mistake, and the words that its message
must hold: what is wrong, and what to do. No message quotes a secret.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import pickle
import sys

import aiohttp
import httpx
import httpx2
import pytest
import requests
from click.testing import CliRunner

import krauth
import krauth_aiohttp
import krauth_httpx
import krauth_httpx2
import krauth_requests
from krauth import MemoryStore, RefreshPolicy
from krauth.naver import sign
from krauth_cli._main import krauth as krauth_command
from krauth_sandbox import Sandbox

#: A secret of the right shape. Its 22 characters must not be in any message.
CANARY = "C4NARYC4NARYC4NARYC4Nu"
SECRET = f"$2a$04${CANARY}"
OTHER = "C4NARY-the-secret-of-a-client"
SIGNED_ATTEMPT = ("app", SECRET)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


def naver(**settings):
    return krauth_requests.NaverAuth(**{"client_id": "app", "client_secret": SECRET, **settings})


def meloming(**settings):
    return krauth_requests.MelomingOAuth(**{"client_id": "app", "client_secret": OTHER, **settings})


def oauth2(**settings):
    fixed = {"token_endpoint": "https://login.example/token", "api_origins": "https://api.example"}
    return krauth_requests.OAuth2Auth(**{"client_id": "app", "client_secret": OTHER, **fixed, **settings})


def user(**settings):
    return oauth2(user="mina", redirect_uri="https://app.example/callback", **settings)


def there(sandbox, package=krauth_requests, **settings):
    """A Naver auth object that works with the sandbox, but for the settings."""
    right = {"client_id": sandbox.naver_client_id, "client_secret": sandbox.naver_client_secret}
    return package.NaverAuth(**{**right, "base_url": sandbox.naver_url, "store": MemoryStore(), **settings})


def melo(sandbox, **settings):
    right = {"client_id": sandbox.meloming_client_id, "client_secret": sandbox.meloming_client_secret}
    return krauth_requests.MelomingOAuth(
        **{**right, "base_url": sandbox.meloming_url, "store": MemoryStore(), **settings}
    )


# ---- settings: keyword arguments, and the words of the error ---------------------------------------------------------

NAVER = {
    "client_id empty": ({"client_id": ""}, "client_id is empty", "set NAVER_COMMERCE_CLIENT_ID"),
    "client_id None": ({"client_id": None}, "client_id is empty", "set NAVER_COMMERCE_CLIENT_ID"),
    "client_id a number": ({"client_id": 5}, "must be a string, not int", "NAVER_COMMERCE_CLIENT_ID"),
    "client_id with a blank": ({"client_id": " app"}, "white space", "strip it"),
    "client_id with a line break": ({"client_id": "app\n"}, "a line break from a file?", "strip it"),
    "client_id too long": ({"client_id": "a" * 70}, "too long", "check that it is the application ID"),
    "client_id with NUL": ({"client_id": "a\0b"}, "NUL byte", "NAVER_COMMERCE_CLIENT_ID"),
    "id and secret swapped": ({"client_id": SECRET, "client_secret": "app"}, "are swapped"),
    "secret empty": ({"client_secret": ""}, "client_secret is empty", "in single quotes"),
    "secret None": ({"client_secret": None}, "client_secret is empty", "in single quotes"),
    "secret eaten by a shell": ({"client_secret": f"a4{CANARY}"}, "client_secret", "single quotes"),
    "secret half eaten": ({"client_secret": f"a$04${CANARY}"}, "lost its beginning", "single quotes"),
    "secret with quotes": ({"client_secret": f"'{SECRET}'"}, "still has quotes", "without quotes"),
    "secret with double quotes": ({"client_secret": f'"{SECRET}"'}, "still has quotes", "without quotes"),
    "secret with $$": ({"client_secret": SECRET.replace("$", "$$")}, "docker compose", "write each $ once"),
    "secret with a line break": ({"client_secret": SECRET + "\n"}, "line break", "strip it"),
    "secret as bytes": ({"client_secret": SECRET.encode()}, "must be a string, not bytes"),
    "secret a number": ({"client_secret": 4}, "must be a string, not int"),
    "secret with NUL": ({"client_secret": SECRET[:-1] + "\0"}, "NUL byte", "copy it again"),
    "account empty": ({"account_id": ""}, "account_id is empty", "leave it out for your own shop"),
    "account a number": ({"account_id": 7}, "must be a string, not int", "leave it out"),
    "accounts as a list": ({"account_id": ["a", "b"]}, "must be a string, not list", "leave it out"),
    "base_url http": ({"base_url": "http://api.commerce.naver.com"}, "must use https", "reads the credential"),
    "base_url without scheme": ({"base_url": "api.commerce.naver.com"}, "absolute http(s) URL", "such as 'https://"),
    "base_url with a query": ({"base_url": "https://a.example/?x=1"}, "no query and no fragment"),
    "base_url with a password": ({"base_url": f"https://u:{OTHER}@a.example"}, "must not hold a user name or password"),
    "base_url a number": ({"base_url": 1}, "must be a URL such as 'https://"),
    "base_url a URL object": ({"base_url": httpx.URL("https://a.example")}, "must be a URL such as", "not URL"),
    "id is a variable's name": (
        {"client_id": "$NAVER_COMMERCE_CLIENT_ID"},
        "no program has replaced",
        "the value there",
    ),
    "secret is a variable's name": ({"client_secret": "${NAVER_SECRET}"}, "no program has replaced", "single quotes"),
    "base_url empty": ({"base_url": ""}, "must be a URL such as 'https://"),
    "store a number": ({"store": 3}, "must be a TokenStore or a URL such as 'sqlite:///tokens.db'"),
    "store a file name": ({"store": "tokens.db"}, "must be a TokenStore or a URL such as 'sqlite:///tokens.db'"),
    "store a path": ({"store": "/var/lib/tokens.db"}, "a URL such as 'sqlite:///tokens.db'"),
    "store a class": ({"store": MemoryStore}, "must be a TokenStore or a URL"),
    "store unknown": ({"store": "mongo://host"}, "no installed plugin offers", "there are: encrypted://"),
    "store misspelt": ({"store": "sqlit:///tokens.db"}, "no installed plugin offers", "sqlite://"),
    "store with two slashes": ({"store": "sqlite://tokens.db"}, "can't be used", "write sqlite:///tokens.db"),
    "store sqlite memory": ({"store": "sqlite:///:memory:"}, "can't be shared", "memory:// is what you want"),
    "store keyring without name": ({"store": "keyring://"}, "lacks the service name", "write keyring://my-program"),
    "store encrypted what": ({"store": "encrypted://"}, "needs the store that it encrypts", "encrypted+sqlite:///"),
    "store without key": ({"store": "encrypted+memory://"}, "needs a key", "KRAUTH_ENCRYPTION_KEYS", "Make one with"),
    "refresh a dict": ({"refresh": {"window": 5}}, "refresh must be a krauth.RefreshPolicy"),
    "refresh a number": ({"refresh": 30}, "refresh must be a krauth.RefreshPolicy"),
    "transport the class": ({"token_transport": requests.Session}, "the class requests.Session itself", "an instance"),
    "transport an adapter": ({"token_transport": requests.adapters.HTTPAdapter()}, "an HTTP adapter", "mount it"),
    "transport of httpx": ({"token_transport": httpx.Client()}, "of another library", "a requests.Session"),
    "transport a URL": ({"token_transport": "http://proxy:3128"}, "for a proxy make a requests.Session"),
    "transport a dict": ({"token_transport": {"https": "http://proxy"}}, "for a proxy make a requests.Session"),
    "transport a coroutine": ({"token_transport": asyncio.sleep}, "a coroutine function", "write a plain function"),
    "transport a module": ({"token_transport": requests}, "the module requests", "hand over a requests.Session"),
}
MELOMING = {
    "no secret": ({"client_secret": None}, "client_secret is missing", "only with user=…"),
    "client_id None": ({"client_id": None}, "client_id is empty", "check where it is read from"),
    "client_id is an API key": ({"client_id": f"mlm_live_{OTHER}"}, "looks like a secret", "in each other's place?"),
    "API key without prefix": ({"api_key": "abc"}, "begins with mlm_live_ or mlm_test_", "copy it again"),
    "API key with a line break": ({"api_key": "mlm_live_x\n"}, "holds no white space", "copy it again"),
    "API key is the secret": ({"api_key": OTHER}, "does not look like one", "copy it again"),
    "redirect over http": ({"user": "u", "redirect_uri": "http://app.example/cb"}, "must use https", "carries a code"),
    "redirect a path": ({"user": "u", "redirect_uri": "/cb"}, "an absolute URI", "as registered"),
    "redirect with #": ({"user": "u", "redirect_uri": "https://a.example/#x"}, "without a fragment", "as registered"),
    "version empty": ({"version": ""}, "version is empty", "write it as in '2026-01-11'"),
    "version a number": ({"version": 3}, "must be a string, not int", "write it as in '2026-01-11'"),
    "scope a list": ({"scope": ["read"]}, "scope must be a string, not list"),
    "user a number": ({"user": 5}, "user must be a string, not int"),
    "secret is a variable's name": ({"client_secret": "${MELOMING_CLIENT_SECRET}"}, "no program has replaced"),
    "anonymous_reads a text": ({"anonymous_reads": "no"}, "anonymous_reads must be True or False, not str"),
    "user empty": ({"user": ""}, "user is empty", "check where it is read from"),
}
OAUTH2 = {
    "endpoint http": ({"token_endpoint": "http://login.example/token"}, "must use https"),
    "endpoint a path": ({"token_endpoint": "/token"}, "absolute http(s) URL such as 'https://api.example.com'"),
    "endpoint with password": ({"token_endpoint": f"https://a:{OTHER}@login.example"}, "no", "user name or password"),
    "origins none": ({"api_origins": []}, "api_origins is empty", "name the URLs"),
    "origins None": ({"api_origins": None}, "must be a URL or several", "such as 'https://api.example.com'"),
    "origins http": ({"api_origins": "http://api.example"}, "must use https"),
    "origins a star": ({"api_origins": "*"}, "absolute http(s) URL such as"),
    "origins with a star": ({"api_origins": "https://*.example"}, "name one host", "write each host out"),
    "origins numbers": ({"api_origins": [1]}, "must be a URL such as"),
    "client_auth unknown": ({"client_auth": "basic"}, "must be one of client_secret_post, client_secret_basic"),
    "client_auth none with secret": ({"client_auth": "none"}, "clients without a secret", "leave client_secret out"),
    "no secret": ({"client_secret": None}, "client_secret is missing", "user=…"),
    "endpoint with #": ({"authorization_endpoint": "https://a.example/#f"}, "without a fragment"),
    "parameters a list": ({"token_parameters": ["a"]}, "must be a dict from names to strings"),
    "parameters grant_type": ({"token_parameters": {"grant_type": "x"}}, "must not set grant_type", "krauth does"),
    "headers Authorization": ({"token_headers": {"Authorization": "x"}}, "must not set Authorization", "krauth does"),
    "headers no name": ({"token_headers": {"a b": "x"}}, "no header field's"),
}
POLICY = {
    "window below 0": ({"window": -1}, "window=…", "seconds, 0 or more"),
    "jitter no number": ({"jitter": float("nan")}, "jitter=…", "seconds, 0 or more"),
    "timeout 0": ({"timeout": 0}, "timeout=…", "seconds above 0"),
    "timeout a string": ({"timeout": "30"}, "timeout=…", "number of seconds"),
    "attempts 0": ({"attempts": 0}, "attempts=…", "whole number, 1 or more"),
    "attempts a half": ({"attempts": 1.5}, "attempts=…", "whole number"),
    "keep_warm a text": ({"keep_warm": "no"}, "keep_warm=…", "True or False"),
    "require_store a number": ({"require_store": 1}, "require_store=…", "True or False"),
    "attempt_timeout endless": ({"attempt_timeout": float("inf")}, "attempt_timeout=…", "seconds above 0"),
}
SIGNATURE = {
    "seconds": (1643961623, "is in seconds", "int(time.time() * 1000)"),
    "a float": (1.6e12, "a whole number of milliseconds", "int(time.time() * 1000)"),
    "a string": ("1643961623299", "a whole number of milliseconds", "int(time.time() * 1000)"),
    "microseconds": (1643961623299000, "13 digits", "int(time.time() * 1000)"),
    "below 0": (-5, "13 digits", "int(time.time() * 1000)"),
    "True": (True, "a whole number of milliseconds", "int(time.time() * 1000)"),
}


def rows(table, make):
    return [pytest.param(make, one, words, id=name) for name, (one, *words) in table.items()]


@pytest.mark.parametrize(
    ("make", "settings", "words"),
    [
        *rows(NAVER, naver),
        *rows(MELOMING, meloming),
        *rows(OAUTH2, oauth2),
        *rows(POLICY, RefreshPolicy),
        *rows(SIGNATURE, lambda timestamp: sign(*SIGNED_ATTEMPT, timestamp)),
    ],
)
def test_a_setting_that_cannot_work(make, settings, words, monkeypatch):
    """It is refused when the object is made, before any request."""
    monkeypatch.delenv("KRAUTH_ENCRYPTION_KEYS", raising=False)
    with pytest.raises(krauth.ConfigurationError) as caught:
        make(**settings) if isinstance(settings, dict) else make(settings)
    tells(caught.value, words)


def tells(error, words):
    text = str(error)
    for word in words:
        assert word in text, text
    assert CANARY not in text
    assert OTHER not in text


# ---- an auth object of one library on a client of another ------------------------------------------------------------


def on_requests(auth, url):
    requests.get(url, auth=auth, timeout=5)


def on_httpx(auth, url):
    httpx.get(url, auth=auth)


def on_httpx2(auth, url):
    httpx2.get(url, auth=auth)


def on_httpx_async(auth, url):
    async def main():
        async with httpx.AsyncClient(auth=auth) as client:
            await client.get(url)

    asyncio.run(main())


def on_aiohttp(auth, url):
    async def main():
        async with aiohttp.ClientSession(middlewares=(auth,)) as session, session.get(url):
            pass

    asyncio.run(main())


CLIENTS = {
    "requests": on_requests,
    "httpx": on_httpx,
    "httpx async": on_httpx_async,
    "httpx2": on_httpx2,
    "aiohttp": on_aiohttp,
}
PACKAGES = {
    "requests": krauth_requests,
    "httpx": krauth_httpx,
    "httpx2": krauth_httpx2,
    "aiohttp": krauth_aiohttp,
}
WRONG = [(package, client) for package in PACKAGES for client in CLIENTS if client.split()[0] != package]


@pytest.mark.parametrize(("package", "client"), WRONG)
def test_an_auth_object_of_another_library(sandbox, package, client):
    """The culprit is named, and the package to use instead."""
    auth = there(sandbox, PACKAGES[package])
    with pytest.raises((krauth.ConfigurationError, TypeError)) as caught:
        CLIENTS[client](auth, f"{sandbox.naver_url}/v1/seller/account")
    culprit = "middleware of aiohttp" if package == "aiohttp" else f"of krauth_{package} was handed to a client of"
    tells(caught.value, [culprit, f"krauth_{client.split()[0]}"])


def test_a_forgotten_comma_is_taken_for_what_it_means(sandbox):
    """`middlewares=auth` works as `middlewares=(auth,)` does, for a session and for one request."""

    async def main():
        auth, url = there(sandbox, krauth_aiohttp), f"{sandbox.naver_url}/v1/seller/account"
        async with aiohttp.ClientSession(middlewares=auth) as session, session.get(url) as one:
            pass
        async with aiohttp.ClientSession() as session, session.get(url, middlewares=auth) as two:
            return one.status, two.status

    assert asyncio.run(main()) == (200, 200)


@pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("place", ["session", "request", "both"])
def test_the_argument_auth_of_aiohttp(sandbox, place):
    """It takes Basic authentication only; the message names the argument to use."""

    async def main():
        auth, url = there(sandbox, krauth_aiohttp), f"{sandbox.naver_url}/v1/seller/account"
        whole = {} if place == "request" else {"auth": auth}
        one = {} if place == "session" else {"auth": auth}
        async with aiohttp.ClientSession(**whole) as session, session.get(url, **one):
            pass

    with pytest.raises(krauth.ConfigurationError) as caught:
        asyncio.run(main())
    tells(caught.value, ["NaverAuth as auth=…", "middlewares=(auth,)"])


# ---- what is noticed later -------------------------------------------------------------------------------------------


def callback(change):
    """A sign-in whose end is changed."""

    def play(sandbox):
        auth = melo(sandbox, user="mina", redirect_uri="https://app.example/callback")
        request = auth.authorization_request()
        change(auth, request, sandbox.meloming.approve(request.url), sandbox)

    return play


def twice(auth, request, back, _):
    auth.authorize(back, request)
    auth.authorize(back, request)


def denied(auth, request, _, sandbox):
    auth.authorize(sandbox.meloming.approve(request.url, deny=True), request)


def formatted(sandbox):
    return f"Bearer {there(sandbox).token()}"


def blocked(sandbox):
    """A blocking call on the event loop whose client would have to send."""

    async def main():
        async with httpx.AsyncClient() as client:
            there(sandbox, krauth_httpx, token_transport=client).token()

    asyncio.run(main())


def closed(sandbox):
    client = httpx.Client()
    client.close()
    there(sandbox, krauth_httpx, token_transport=client, refresh=RefreshPolicy(attempts=1)).token()


LATER = {
    "wrong secret": (
        lambda s: there(s, client_secret=SECRET).token(),
        "400",
        "client_secret belongs to this client_id",
    ),
    "wrong client_id": (lambda s: there(s, client_id="nobody").token(), "no such application", "check client_id"),
    "wrong seller": (
        lambda s: there(s, account_id="nobody").token(),
        "check account_id",
        "subscribed to your solution",
    ),
    "wrong path": (lambda s: there(s, base_url=s.naver_url + "/nope").token(), "404", "check base_url"),
    "agency itself": (
        lambda s: there(s, base_url=s.naver_partner_url).token(),
        "an agency",
        "give account_id=…, or use for_account",
    ),
    "wrong Meloming secret": (
        lambda s: melo(s, client_secret="wrong").token(),
        "401",
        "check client_id and client_secret",
    ),
    "no server": (
        lambda s: there(s, base_url="http://127.0.0.1:9/external", refresh=RefreshPolicy(attempts=1)).token(),
        "no answer from http://127.0.0.1:9",
        "refused",
    ),
    "transport returns text": (
        lambda s: there(s, token_transport=lambda request: "x").token(),
        "token_transport returned str",
        "not a krauth.HTTPResponse",
    ),
    "transport returns None": (
        lambda s: there(s, token_transport=lambda request: None).token(),
        "token_transport returned NoneType, not a krauth.HTTPResponse",
    ),
    "transport awaits": (
        lambda s: there(s, token_transport=functools.partial(asyncio.sleep)).token(),
        "token_transport returned coroutine",
        "a coroutine function can't be one",
    ),
    "transport takes nothing": (
        lambda s: there(s, token_transport=lambda: None, refresh=RefreshPolicy(attempts=1)).token(),
        "the token request to",
        "token_transport raised TypeError",
    ),
    "transport closed": (closed, "the client given as token_transport is closed"),
    "blocking on the loop": (blocked, "a blocking call on the event loop", "await auth.atoken()"),
    "token in an f-string": (formatted, "a Token is no text", "token.access_token"),
    "token after a %": (
        lambda s: requests.get(s.naver_url, headers={"Authorization": "Bearer %s" % there(s).token()}, timeout=5),  # noqa: UP031
        "<Token Bearer",
        "write token.access_token",
    ),
    "token pickled": (lambda s: pickle.dumps(there(s).token()), "not pickled", "share a token store"),
    "auth pickled": (lambda s: pickle.dumps(there(s)), "not pickled", "from_env()"),
    "secret assigned": (
        lambda s: setattr(there(s), "client_secret", "new"),
        "client_secret can't be assigned",
        "make a new auth object",
    ),
    "API key asked for a token": (lambda s: krauth_requests.MelomingAPIKey("mlm_live_abc").token(), "holds no token"),
    "API key refreshed": (lambda s: krauth_requests.MelomingAPIKey("mlm_live_abc").refresh(), "holds no token"),
    "API key forgotten": (lambda s: krauth_requests.MelomingAPIKey("mlm_live_abc").forget(), "holds no token"),
    "API key replaced by a token": (
        lambda s: krauth_requests.MelomingAPIKey("mlm_live_abc").set_token(krauth.Token("a", None, 0)),
        "holds no token",
    ),
    "API key empty": (lambda s: krauth_requests.MelomingAPIKey(""), "api_key is empty", "set MELOMING_API_KEY"),
    "API key None": (lambda s: krauth_requests.MelomingAPIKey(None), "api_key is empty", "set MELOMING_API_KEY"),
    "API key of another shape": (lambda s: krauth_requests.MelomingAPIKey("live_abc"), "mlm_live_", "copy it again"),
    "no variables, Naver": (lambda s: krauth_requests.NaverAuth.from_env(), "NAVER_COMMERCE_CLIENT_ID", "export"),
    "no variables, Meloming": (lambda s: krauth_requests.MelomingOAuth.from_env(), "MELOMING_CLIENT_ID", "export"),
    "no variables, key": (lambda s: krauth_requests.MelomingAPIKey.from_env(), "MELOMING_API_KEY", "export"),
    "sign-in without user": (lambda s: meloming().authorization_request(), "needs user=…"),
    "sign-in without redirect": (lambda s: meloming(user="u").authorization_request(), "needs redirect_uri=…"),
    "sign-in without endpoint": (lambda s: user().authorization_request(), "needs authorization_endpoint=…"),
    "sign-in with S 256": (
        lambda s: user(authorization_endpoint="https://a.example/auth").authorization_request(
            code_challenge_method="s256"
        ),
        "must be 'S256' or 'plain'",
    ),
    "sign-in with own state": (
        lambda s: user(authorization_endpoint="https://a.example/auth").authorization_request(
            parameters={"state": "x"}
        ),
        "must not set state",
        "krauth does",
    ),
    "URL before the method": (
        lambda s: there(s).headers(f"{s.naver_url}/v1/x", "GET"),
        "the method comes before the URL",
        "headers('GET', url)",
    ),
    "status a text": (
        lambda s: there(s).refused("GET", f"{s.naver_url}/v1/x", "401", {}, b"", {}),
        "status must be the number",
        "not str",
    ),
    "no fields of the request": (
        lambda s: there(s).refused("GET", f"{s.naver_url}/v1/x", 401, {}, b'{"code": "GW.AUTHN"}', None),
        "header fields must be a dict, or pairs",
        "not NoneType",
    ),
    "imported from the core": (
        lambda s: exec("from krauth import NaverAuth", {}),
        "in the package of your HTTP library",
        "from krauth_requests import NaverAuth",
    ),
    "revoke without endpoint": (lambda s: oauth2().revoke(), "no revocation endpoint", "give revocation_endpoint=…"),
    "introspect without endpoint": (
        lambda s: oauth2(token_transport=lambda request: pytest.fail("sent")).introspect(),
        "no introspection endpoint",
        "give introspection_endpoint=…",
    ),
    "discovery of nothing": (
        lambda s: krauth_requests.OAuth2Auth.discover(s.meloming_url, "a", OTHER, api_origins="https://a.example"),
        "no metadata (RFC 8414)",
        "give the endpoints",
    ),
    "call before sign-in": (
        lambda s: melo(s, user="new").token(),
        "user 'new' has to authorize",
        "authorization_request().url",
    ),
    "callback a query": (
        callback(lambda a, r, back, _: a.authorize(back.split("?")[1], r)),
        "state is missing",
        "let the user start again",
    ),
    "callback a code": (callback(lambda a, r, back, _: a.authorize("abc", r)), "state", "let the user start again"),
    "callback None": (callback(lambda a, r, back, _: a.authorize(None, r)), "let the user start again"),
    "callback without query": (
        callback(lambda a, r, back, _: a.authorize(back.split("?")[0], r)),
        "state is missing",
        "let the user start again",
    ),
    "callback of another tab": (
        callback(lambda a, r, back, _: a.authorize(back, a.authorization_request())),
        "another tab",
        "let the user start again",
    ),
    "session lost": (callback(lambda a, r, back, _: a.authorize(back, None)), "incomplete", "let the user start again"),
    "session half": (
        callback(lambda a, r, back, _: a.authorize(back, {"state": r.state})),
        "incomplete",
        "let the user start again",
    ),
    "URL kept instead": (callback(lambda a, r, back, _: a.authorize(back, r.url)), "incomplete", "start again"),
    "arguments swapped": (callback(lambda a, r, back, _: a.authorize(r, back)), "incomplete", "start again"),
    "callback twice": (callback(twice), "was used before", "let the user start again"),
    "callback of another user": (
        callback(
            lambda a, r, back, s: melo(s, user="ming", redirect_uri="https://app.example/callback").authorize(back, r)
        ),
        "for another client or user",
        "let the user start again",
    ),
    "user says no": (callback(denied), "access_denied", "said no"),
    **{
        f"{name}: the class": (
            lambda s, name=name: CLIENTS[name](PACKAGES[name].NaverAuth, s.naver_url),
            "the class NaverAuth instead of an object",
            "NaverAuth.from_env()",
        )
        for name in PACKAGES
    },
}


@pytest.mark.parametrize(
    ("play", "words"), [pytest.param(one, words, id=name) for name, (one, *words) in LATER.items()]
)
def test_a_mistake_that_is_noticed_later(sandbox, play, words, monkeypatch):
    """When the token is obtained, the user comes back, or the object is used for what it is not."""
    for name in ("NAVER_COMMERCE_CLIENT_ID", "MELOMING_CLIENT_ID", "MELOMING_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(
        (krauth.KrauthError, TypeError, AttributeError, ImportError, requests.exceptions.InvalidHeader)
    ) as caught:
        play(sandbox)
    tells(caught.value, words)


ASSIGNED = ["client_id", "client_secret", "base_url", "scope", "user", "redirect_uri", "store", "token_transport"]


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (naver, ["client_id", "client_secret", "base_url", "account_id", "store", "token_transport"]),
        (meloming, [*ASSIGNED, "api_key", "version", "anonymous_reads"]),
        (oauth2, [*ASSIGNED, "api_origins", "client_auth", "token_endpoint", "introspection_endpoint"]),
    ],
)
def test_a_setting_is_not_assigned(make, names):
    """An assignment would change nothing, so that it is refused and says what to do."""
    auth = make()
    for name in names:
        with pytest.raises(AttributeError, match="can't be assigned: .*new auth object|use for_account"):
            setattr(auth, name, "x")


def test_an_api_key_out_of_pydantic():
    """An object with `get_secret_value()` is an API key as it is a client secret."""
    key = type("SecretStr", (), {"get_secret_value": lambda self: "mlm_test_abc"})()
    assert krauth_requests.MelomingAPIKey(key).environment == "test"
    request = requests.Request("GET", "https://openapi.meloming.com/v1/me", auth=krauth_requests.MelomingAPIKey(key))
    assert request.prepare().headers["X-API-Key"] == "mlm_test_abc"


# ---- a library that is not installed ---------------------------------------------------------------------------------


class Unmarked:
    def krauth_token_event(self, event):
        pass


class Misspelt:
    @krauth.hookimpl
    def krauth_token_evnt(self, event):
        pass


class OtherArgument:
    @krauth.hookimpl
    def krauth_token_event(self, evt):
        pass


class Awaiting:
    @krauth.hookimpl
    async def krauth_token_event(self, event):
        pass


class Observer:
    @krauth.hookimpl
    def krauth_token_event(self, event):
        pass


PLUGINS = {
    "without mark": (Unmarked(), "plugin 'Unmarked'", "put @krauth.hookimpl before", "krauth_token_event"),
    "hook misspelt": (
        Misspelt(),
        "'krauth_token_evnt'",
        "the hooks are krauth_register_token_stores, krauth_token_event",
    ),
    "other argument": (OtherArgument(), "{'evt'} are declared", "the hooks are"),
    "coroutine function": (Awaiting(), "is a coroutine function", "write a plain function"),
    "the class": (Observer, "the class Observer itself", "register an object of it"),
}


@pytest.mark.parametrize(
    ("plugin", "words"), [pytest.param(one, words, id=name) for name, (one, *words) in PLUGINS.items()]
)
def test_a_plugin_that_would_never_be_called(plugin, words):
    """It is refused, and forgotten."""
    with pytest.raises(krauth.ConfigurationError) as caught:
        krauth.register_plugin(plugin)
    tells(caught.value, words)
    assert "evnt" not in str(caught.value).partition("the hooks are")[2]


MISSING = {
    "krauth_requests": ("requests", "pip install 'krauth[requests]'"),
    "krauth_httpx": ("httpx", "pip install 'krauth[httpx]'"),
    "krauth_httpx2": ("httpx2", "pip install 'krauth[httpx2]'"),
    "krauth_aiohttp": ("aiohttp", "pip install 'krauth[aiohttp]'"),
    "krauth_sandbox": ("aiohttp", "pip install 'krauth[sandbox]'"),
}


@pytest.mark.parametrize("name", ["NaverAuth", "TokenTransport"])
@pytest.mark.parametrize("package", MISSING)
def test_a_package_without_its_library(package, name, monkeypatch):
    """The message names the extra: of the adapters, and of the emulator, which the fixture `krauth_sandbox` starts."""
    library, command = MISSING[package]
    for module in [*sys.modules]:
        if module.partition(".")[0] == package:
            monkeypatch.delitem(sys.modules, module)
        elif module.partition(".")[0] == library:
            monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        getattr(importlib.import_module(package), "Sandbox" if package == "krauth_sandbox" else name)
    tells(caught.value, [f"{package} needs {library}, which is not installed", command])


# ---- the command line ------------------------------------------------------------------------------------------------

COMMANDS = {
    "tokn": ("no such command", "did you mean krauth token?"),
    "token": ("naver", "meloming"),
    "token naverr": ("no such command", "did you mean krauth token naver?"),
    "token naver": ("NAVER_COMMERCE_CLIENT_ID is not set", "export NAVER_COMMERCE_CLIENT_ID="),
    "token meloming": ("MELOMING_CLIENT_ID is not set", "export MELOMING_CLIENT_ID="),
    f"token naver --client-secret {SECRET}": ("takes no secret as an argument", "use the environment"),
    f"token naver {SECRET}": ("takes options only", "if that was a secret"),
    "token naver --stor x": ("No such option", "--store"),
    "sign": ("--client-id",),
    "sign --client-id app": ("NAVER_COMMERCE_CLIENT_SECRET",),
    "sign --client-id app --timestamp 5": ("NAVER_COMMERCE_CLIENT_SECRET",),
    "login": ("name the server", "krauth login meloming"),
    "login nowhere.toml": ("meloming, or a TOML file", "there is no file of that name"),
    "login meloming": ("MELOMING_CLIENT_ID",),
    "whoami": ("name the server", "krauth whoami meloming"),
    "logout": ("name the server", "krauth logout meloming"),
    "tokens list": ("Missing option '--store'",),
    "whoami meloming --store memory://": ("memory:// forgets the token", "name a store that keeps it"),
    "stores mongo": ("sql",),
    "tokens list --store tokens.db": ("a URL such as 'sqlite:///tokens.db'",),
    "tokens list --store sqlite:///nowhere/tokens.db": ("nowhere",),
    "tokens show --store mongo://host x": ("no installed plugin", "there are:"),
    "sandbox --naver-port eighty": ("--naver-port", "eighty"),
    "sandbox --config nowhere.toml": ("the settings file can't be read", "No such file"),
    "doctor": ("naver", "meloming"),
    "doctor naver": ("NAVER_COMMERCE_CLIENT_ID", "export"),
}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_that_cannot_work(line, tmp_path, monkeypatch):
    """It ends with 1 or 2, without a traceback, and says what to type."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("NAVER_COMMERCE_", "MELOMING_", "KRAUTH_", "LC_"))]:
        monkeypatch.delenv(name)
    result = CliRunner().invoke(krauth_command, line.split(), env={"LANG": "en_US.UTF-8"}, prog_name="krauth")
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), result.exception
    for word in COMMANDS[line]:
        assert word in result.output, result.output
    assert CANARY not in result.output


def test_the_table_is_large():
    """More mistakes are welcome, fewer are not."""
    tables = (NAVER, MELOMING, OAUTH2, POLICY, SIGNATURE, LATER, WRONG, MISSING, COMMANDS, PLUGINS)
    assert sum(map(len, tables)) >= 200
