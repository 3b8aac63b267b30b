"""The pure half of a sign-in: what goes into the address, and what any string at all as a callback leads to."""

import re
import string
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krauth import AuthorizationError, MemoryStore
from krauth._oauth.authorization import prepare_authorization_request, process_authorization_response
from krauth._oauth.pkce import make_code_challenge, make_code_verifier
from krauth.oauth2 import OAuth2Credentials
from stacks import BY_NAME

from .conftest import changed

CLIENT = OAuth2Credentials(
    "client",
    token_endpoint="https://login.example/token",
    authorization_endpoint="https://login.example/authorize",
    api_origins="https://api.example",
    user="mina",
    redirect_uri="https://app.example/callback?app=1",
    scope="read write",
)
#: Characters that a URL may hold, and some that it may not.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)) | st.sampled_from("&=?#%+ \\\r\n\x00"))


def test_challenge_of_the_rfc():
    """RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert make_code_challenge(verifier, "S256") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert make_code_challenge(verifier, "plain") == verifier


def test_verifiers():
    """RFC 7636 §4.1: 43 to 128 unreserved characters, never the same twice."""
    made = {make_code_verifier() for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier) for verifier in made)


def test_address():
    """The address holds what RFC 6749 §4.1.1 and RFC 7636 §4.3 ask for, each once, and no secret."""
    request = prepare_authorization_request(CLIENT)
    pairs = parse_qsl(urlsplit(request.url).query, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    assert dict(pairs) == {
        "response_type": "code",
        "client_id": "client",
        "redirect_uri": "https://app.example/callback?app=1",
        "scope": "read write",
        "state": request.state,
        "code_challenge": make_code_challenge(request.code_verifier, "S256"),
        "code_challenge_method": "S256",
    }
    assert len(request.state) >= 43


@given(TEXT)
def test_any_text_as_a_callback(text):
    """Whatever text comes as a callback, it is refused in one way: AuthorizationError."""
    with pytest.raises(AuthorizationError) as caught:
        process_authorization_response(CLIENT, text, prepare_authorization_request(CLIENT))
    assert str(caught.value).isprintable()


@given(TEXT, st.sampled_from(["code", "error", "error_description", "iss", "state", "error_uri", "x"]))
def test_any_text_in_a_callback(text, name):
    """Whatever text comes in a parameter beside the right state, a code comes out as it was sent, or an error."""
    request = prepare_authorization_request(CLIENT)
    callback = f"https://app.example/callback?app=1&{urlencode({'state': request.state, name: text})}"
    if name == "code" and text:
        assert process_authorization_response(CLIENT, callback, request).reveal() == text
    else:
        with pytest.raises(AuthorizationError) as caught:
            process_authorization_response(CLIENT, callback, request)
        assert str(caught.value).isprintable()


@given(st.text(string.printable, min_size=1))
def test_codes_are_opaque(code):
    """A code is taken as it is, whatever it is made of, in both spellings of a blank."""
    request = prepare_authorization_request(CLIENT)
    for spelt in (quote(code, safe=""), urlencode({"": code})[1:]):
        callback = f"https://app.example/callback?app=1&code={spelt}&state={request.state}"
        assert process_authorization_response(CLIENT, callback, request).reveal() == code


def test_url_objects():
    """The URL classes of web frameworks are taken as well as strings."""
    from yarl import URL

    request = prepare_authorization_request(CLIENT)
    callback = changed(request.redirect_uri, code="c", state=request.state)
    assert process_authorization_response(CLIENT, URL(callback), request).reveal() == "c"


def test_no_way_to_the_server():
    """A sign-in that could not begin to be exchanged (an async client without its event loop) can be tried again."""
    stack = BY_NAME["httpx-asyncio"]
    with stack.client() as client:
        auth = stack.OAuth2Auth(
            "client",
            token_endpoint="http://127.0.0.1:9/token",
            authorization_endpoint="http://127.0.0.1:9/authorize",
            api_origins="http://127.0.0.1:9",
            user="mina",
            redirect_uri="http://127.0.0.1:9/callback",
            store=MemoryStore(),
            token_transport=client.native,
        )
        request = auth.authorization_request()
        callback = changed(request.redirect_uri, code="c", state=request.state)
        for _ in range(2):
            with pytest.raises(ValueError, match="call from async code first"):
                auth.authorize(callback, request)
        with pytest.raises(Exception, match="not sent again"):
            stack.run(auth.aauthorize, callback, request)
