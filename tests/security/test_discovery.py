"""What a server says in its metadata never has the exemptions that a user has."""

import json

import pytest

from krauth import ConfigurationError, HTTPResponse
from krauth._oauth.metadata import process_metadata
from krauth._values.origin import parse_origin
from krauth.oauth2 import fetch_metadata

ISSUER = "https://login.example.com"


def document(issuer=ISSUER, **more):
    data = {"issuer": issuer, "token_endpoint": f"{issuer}/token", **more}
    return HTTPResponse(200, {}, json.dumps(data).encode())


NOT_PUBLIC = [
    "http://127.0.0.1/t",
    "http://localhost:8080/t",
    "http://app.localhost/t",
    "http://[::1]/t",
    "https://127.0.0.1/t",
    "https://localhost/t",
    "https://169.254.169.254/latest",
    "https://10.0.0.1/t",
    "https://192.168.1.1/t",
    "https://172.16.0.1/t",
    "https://100.64.0.1/t",
    "https://0.0.0.0/t",
    "https://[fe80::1]/t",
    "https://[fc00::1]/t",
    "https://[::ffff:127.0.0.1]/t",
    "https://[2002:7f00:1::]/t",
    "https://[64:ff9b::7f00:1]/t",
    "https://127.1/t",
    "https://2130706433/t",
    "https://0x7f000001/t",
    "https://127.0.0.0x1/t",
    "https://vault/t",
    "https://db.internal/t",
    "https://printer.local/t",
    "https://router.home.arpa/t",
    "http://other.example.com/t",
    "http://login.example.com/t",
]
PUBLIC = [
    "https://login.example.com/t",
    "https://tokens.example.net:8443/t",
    "https://8.8.8.8/t",
    "https://[2606:4700::1]/t",
]
NAMES = ["token_endpoint", "authorization_endpoint", "revocation_endpoint", "introspection_endpoint"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("url", NOT_PUBLIC)
def test_no_server_points_at_what_only_this_machine_reaches(name, url):
    """Loopback, link-local, private and plain http endpoints are the user's to name, not a remote server's."""
    with pytest.raises(ConfigurationError, match=name):
        process_metadata(ISSUER, document(**{name: url}))
    given = {name: "https://login.example.com/mine"}
    assert name not in process_metadata(ISSUER, document(**{name: url}), given)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("url", PUBLIC)
def test_public_endpoints(name, url):
    """Endpoints of the issuer's own origin, and public https ones elsewhere, are taken."""
    assert process_metadata(ISSUER, document(**{name: url}))[name] == url


@pytest.mark.parametrize("url", NOT_PUBLIC)
def test_not_public(url):
    """What only a private network or this machine reaches is told by its name or address alone."""
    assert not parse_origin(url).is_public or url.startswith("http:")


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9000", "https://10.1.2.3", "https://keycloak.internal"])
def test_an_issuer_of_ones_own(issuer):
    """An issuer on this machine or in a private network is the user's choice; its own endpoints go with it."""
    assert process_metadata(issuer, document(issuer))["token_endpoint"] == f"{issuer}/token"
    with pytest.raises(ConfigurationError, match="token_endpoint"):
        process_metadata(issuer, document(issuer, token_endpoint="http://127.0.0.1:6379/"))


@pytest.mark.parametrize(
    "value", [7, [], {}, "", "token", "javascript:alert(1)", "https://a.example/\n", "https://" + "a" * 5000]
)
@pytest.mark.parametrize("name", NAMES)
def test_no_endpoints(name, value):
    """What is no URL is an error that says so, and not ignored: the server means something by it."""
    with pytest.raises(ConfigurationError, match=name):
        process_metadata(ISSUER, document(**{name: value}))


METHODS = "token_endpoint_auth_methods_supported"


@pytest.mark.parametrize(
    ("offered", "given", "wanted"),
    [
        (["client_secret_basic"], {"client_auth": "client_secret_post"}, "denies client_auth"),
        (["private_key_jwt"], {"client_auth": "client_secret_basic"}, "denies client_auth"),
        (["private_key_jwt", "tls_client_auth"], {}, "offers no client_auth"),
        (["client_secret_post"], {"client_auth": "client_secret_post"}, None),
        (["client_secret_basic"], {"client_secret": None}, None),
        (None, {"client_auth": "client_secret_post"}, None),
    ],
)
def test_client_authentication_that_is_denied(offered, given, wanted):
    """A way to authenticate that the metadata denies is an error before anything is sent."""
    given = {"client_secret": "s3cret-s3cret", **given}
    if wanted is None:
        assert "client_auth" not in process_metadata(ISSUER, document(**{METHODS: offered}), given)
    else:
        with pytest.raises(ConfigurationError, match=wanted):
            process_metadata(ISSUER, document(**{METHODS: offered}), given)


@pytest.mark.parametrize("methods", [[], ["plain"], ["s256"], [7]])
def test_pkce_that_is_denied(methods):
    """A server that says it has no PKCE with S256 is refused for users (RFC 9700 §2.1.1), and not for the client."""
    answer = document(code_challenge_methods_supported=methods)
    with pytest.raises(ConfigurationError, match="PKCE"):
        process_metadata(ISSUER, answer, {"user": "mina"})
    assert process_metadata(ISSUER, answer)
    for says in ({}, {"code_challenge_methods_supported": ["plain", "S256"]}):
        assert process_metadata(ISSUER, document(**says), {"user": "mina"})


def test_an_answer_that_is_none():
    """A `token_transport` that returns no `HTTPResponse` is named, as it is for token requests."""
    with pytest.raises(ConfigurationError, match="token_transport returned NoneType"):
        fetch_metadata(lambda request: None, ISSUER, {})
