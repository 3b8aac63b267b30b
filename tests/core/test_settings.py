"""Settings that cannot work are refused when an auth object is made, before any request, and by name."""

import traceback
from pathlib import Path

import pytest

import krauth
from krauth import ConfigurationError, KrauthError, RefreshPolicy
from krauth.naver import NaverCredentials
from krauth.provider import hide

NAVER_SECRET = "$2a$04$abcdefghijklmnopqrstuu"
SECRET = "s3cr3t-value"
OURS = str(Path(krauth.__file__).parent)
KEY = "mlm_live_s3cr3tkey"

#: Settings of text → the word for what is wrong with it.
BAD_TEXTS = {
    "": "; ",
    "odd\n": "strip",
    " odd": "strip",
    "odd\t": "strip",
    "\u00a0odd": "strip",
    "odd\nly": "line break",
    "odd\0ly": "NUL",
    "odd\x1bly": "control character",
    "odd\u2028ly": "control character",
    "odd\ud800ly": "control character",
    b"odd": "string, not bytes",
    7: "string, not int",
    True: "string, not bool",
    1.5: "string, not float",
    ("odd",): "string, not tuple",
}
#: URLs to which a credential must not be sent → what the message says.
BAD_URLS = {
    "": "must be a URL",
    None: "must be a URL",
    7: "must be a URL",
    b"https://api.example.com": "must be a URL",
    ("https://api.example.com",): "must be a URL",
    "api.example.com": "absolute",
    "/external": "absolute",
    "//api.example.com": "absolute",
    "https:/api.example.com": "absolute",
    "https://": "absolute",
    "https://:443": "absolute",
    "ftp://api.example.com": "absolute",
    "wss://api.example.com": "absolute",
    "ws://localhost": "absolute",
    "file:///etc/passwd": "absolute",
    "https://api.example.com:port": "absolute",
    "https://api.example.com:99999": "absolute",
    "https://api.example.com\\x": "absolute",
    "https://api.example.com\n": "absolute",
    " https://api.example.com": "absolute",
    "https://api.exa mple.com": "absolute",
    "https://[::1": "absolute",
    "https://api.example.com?a=b": "query",
    "https://api.example.com?": "query",
    "https://api.example.com/#x": "fragment",
    "https://api.example.com/#": "fragment",
    "https://kim:hunter2@api.example.com": "password",
    "https://kim@api.example.com": "user name",
    "http://kim:hunter2@localhost": "password",
    "http://api.example.com": "https",
    "http://192.168.0.1:8080": "https",
    "http://localhost.example.com": "https",
    "http://127.0.0.1.example.com": "https",
    "http://0.0.0.0": "https",
    "http://127.1": "https",
    "http://2130706433": "https",
    "http://[::2]": "https",
    "HTTP://API.EXAMPLE.COM": "https",
}
LOOPBACK = [
    "http://localhost",
    "http://LOCALHOST:8080/x",
    "http://localhost./",
    "http://127.0.0.1:1",
    "http://127.8.8.8",
    "http://[::1]:1",
    "http://sandbox.localhost:1",
    "https://api.example.com:8443/path",
]


def refused(make, *secrets, name, word, hidden):
    with pytest.raises(ConfigurationError) as caught:
        make()
    message = str(caught.value)
    assert name in message
    assert word in message, message
    assert len(message) > len(name) + 10
    if secrets and hidden:
        hidden(caught.value, *secrets)
    return message


def oauth2_settings(**changes):
    return {
        "client_id": "client",
        "client_secret": SECRET,
        "token_endpoint": "https://auth.example.com/token",
        "api_origins": "https://api.example.com",
    } | changes


MAKERS = {
    "NaverAuth": lambda core, **settings: core.NaverAuth(
        **{"client_id": "client", "client_secret": NAVER_SECRET, **settings}
    ),
    "MelomingOAuth": lambda core, **settings: core.MelomingOAuth(
        **{"client_id": "client", "client_secret": SECRET, "api_key": KEY, **settings}
    ),
    "MelomingAPIKey": lambda core, **settings: core.MelomingAPIKey(**{"api_key": KEY, **settings}),
    "OAuth2Auth": lambda core, **settings: core.OAuth2Auth(**oauth2_settings(**settings)),
}
TEXT_SETTINGS = [
    ("NaverAuth", "client_id"),
    ("NaverAuth", "account_id"),
    ("MelomingOAuth", "client_id"),
    ("MelomingOAuth", "client_secret"),
    ("MelomingOAuth", "user"),
    ("OAuth2Auth", "client_id"),
    ("OAuth2Auth", "client_secret"),
    ("OAuth2Auth", "user"),
]
URL_SETTINGS = [
    ("NaverAuth", "base_url"),
    ("MelomingOAuth", "base_url"),
    ("MelomingAPIKey", "base_url"),
    ("OAuth2Auth", "token_endpoint"),
    ("OAuth2Auth", "api_origins"),
    ("OAuth2Auth", "authorization_endpoint"),
    ("OAuth2Auth", "revocation_endpoint"),
    ("OAuth2Auth", "introspection_endpoint"),
]


@pytest.mark.parametrize("kind", MAKERS)
def test_good_settings(kind, core):
    """The settings from which the bad ones below differ in one thing are good, and nothing is sent with them."""
    assert MAKERS[kind](core)


@pytest.mark.parametrize("value", BAD_TEXTS, ids=ascii)
@pytest.mark.parametrize(("kind", "name"), TEXT_SETTINGS)
def test_bad_text(kind, name, value, core, assert_hidden):
    """An identifier or secret that is empty, padded, unprintable or no string is refused, and no secret is shown."""
    secrets = [NAVER_SECRET, SECRET, KEY]
    if name == "client_secret" and "odd" in str(value):
        secrets.append("odd")
    refused(
        lambda: MAKERS[kind](core, **{name: value}), *secrets, name=name, word=BAD_TEXTS[value], hidden=assert_hidden
    )


def is_bad(name, url):
    if name.endswith("_endpoint"):  # may have a query (RFC 6749 §3.1), and most may be left out
        return "?" not in str(url) and (url is not None or name == "token_endpoint")
    return name != "api_origins" or not isinstance(url, tuple)  # may be several


@pytest.mark.parametrize(
    ("kind", "name", "url"),
    [(kind, name, url) for kind, name in URL_SETTINGS for url in BAD_URLS if is_bad(name, url)],
    ids=ascii,
)
def test_bad_url(kind, name, url, core, assert_hidden):
    """A URL that is relative, plain http off this machine, ambiguous, or holds what it must not is refused."""
    word = BAD_URLS[url]
    if name == "api_origins" and url == b"https://api.example.com":
        word = "api_origins"
    message = refused(
        lambda: MAKERS[kind](core, **{name: url}), NAVER_SECRET, SECRET, KEY, name=name, word=word, hidden=assert_hidden
    )
    for part in ("hunter2", "kim", "a=b", "/x"):
        assert part not in message


@pytest.mark.parametrize("url", LOOPBACK)
@pytest.mark.parametrize(("kind", "name"), URL_SETTINGS)
def test_good_url(kind, name, url, core):
    """Plain http is good enough to this machine itself, as a sandbox or a test needs it, and https anywhere."""
    assert MAKERS[kind](core, **{name: url})


def test_plain_http_says_why(core):
    """The refusal of plain http says what it would cost and where it is allowed."""
    with pytest.raises(ConfigurationError, match=r"must use https.*reads the credential.*only to this machine"):
        core.NaverAuth("client", NAVER_SECRET, base_url="http://api.commerce.naver.com/external")


@pytest.mark.parametrize(
    ("secret", "word"),
    [
        ("", "empty"),
        (None, "empty"),
        ("a4bcdefghijklmnopqrstuu", "single quotes"),
        ("$2a$03$abcdefghijklmnopqrstuu", "bcrypt salt"),
        (NAVER_SECRET + "\n", "strip"),
        (NAVER_SECRET.encode(), "not bytes"),
        ("'" + NAVER_SECRET + "'", "without quotes"),
    ],
)
def test_naver_secret(secret, word, core, assert_hidden):
    """A mangled Naver secret is refused at once, by the class that users see, with advice and without the value."""
    hidden = [NAVER_SECRET, "bcdefghijklmnop"]
    refused(lambda: core.NaverAuth("client", secret), *hidden, name="client_secret", word=word, hidden=assert_hidden)


def test_naver_client_id_length():
    """A client_id with which no signature could be made is refused before any request."""
    with pytest.raises(ConfigurationError, match="client_id is too long"):
        NaverCredentials("a" * 59, NAVER_SECRET)
    assert NaverCredentials("a" * 58, NAVER_SECRET)


def test_account_id_hint(core):
    """An empty account_id is not taken for the own shop: the message says how that is written."""
    with pytest.raises(ConfigurationError, match="account_id is empty; leave it out for your own shop"):
        core.NaverAuth("client", NAVER_SECRET, account_id="")
    with pytest.raises(ConfigurationError, match="account_id"):
        core.NaverAuth("client", NAVER_SECRET).for_account("")


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("", "MELOMING_API_KEY"),
        (None, "MELOMING_API_KEY"),
        ("s3cr3tkey", "mlm_live_ or mlm_test_"),
        ("mlm_s3cr3tkey", "mlm_live_ or mlm_test_"),
        ("mlm_prod_s3cr3tkey", "mlm_live_ or mlm_test_"),
        ("MLM_LIVE_s3cr3tkey", "mlm_live_ or mlm_test_"),
        ("Bearer mlm_live_s3cr3tkey", "mlm_live_ or mlm_test_"),
        ("mlm_live_", "mlm_live_ or mlm_test_"),
        (KEY + "\n", "white space"),
        (" " + KEY, "white space"),
        ("mlm_live_s3cr3tkey s3cr3tkey", "white space"),
        ("mlm_live_s3cr3tkey\0", "white space"),
        ("mlm_live_s3cr3tkey가", "copy it again"),
        (KEY.encode(), "not bytes"),
        (7, "not int"),
    ],
)
def test_api_key(key, word, core, assert_hidden):
    """An API key without its prefix, or that could not stand in a header field, is refused and not shown."""
    makers = [lambda: core.MelomingAPIKey(key)]
    if key is not None:  # an OAuth client may do without
        makers.append(lambda: core.MelomingOAuth("client", SECRET, api_key=key))
    for make in makers:
        refused(make, "s3cr3tkey", SECRET, name="api_key", word=word, hidden=assert_hidden)


QUOTED = ["'{}'", '"{}"', "`{}`", "\u2018{}\u2019", "\u201c{}\u201d", "'{}\""]


@pytest.mark.parametrize("quotes", QUOTED)
@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("NaverAuth", "client_id", "5gv2kWj7lB1c"),
        ("NaverAuth", "client_secret", NAVER_SECRET),
        ("MelomingOAuth", "client_id", "5gv2kWj7lB1c"),
        ("MelomingOAuth", "client_secret", SECRET),
        ("MelomingOAuth", "api_key", KEY),
        ("MelomingAPIKey", "api_key", KEY),
    ],
)
def test_quotes_around_a_value(kind, name, value, quotes, core, assert_hidden):
    """A value that a program read with its quotes (docker --env-file) is refused with advice, before any request."""
    quoted = quotes.format(value)
    refused(lambda: MAKERS[kind](core, **{name: quoted}), value, name=name, word="without quotes", hidden=assert_hidden)


def test_a_quote_in_a_value(core):
    """A password of another server may hold any quote, and one of Meloming may begin with one."""
    assert core.MelomingOAuth("client", "'" + SECRET)
    for quotes in QUOTED:
        assert core.OAuth2Auth(**oauth2_settings(client_secret=quotes.format(SECRET)))


@pytest.mark.parametrize("version", ["", " 2026", "2026\n", "2026-01-11; x", "x" * 65, 2026, "버전", b"2026-01-11"])
def test_bad_version(version, core, assert_hidden):
    """A version that could not stand in a header field is refused by both of Meloming's classes."""
    for kind in ("MelomingOAuth", "MelomingAPIKey"):
        refused(lambda kind=kind: MAKERS[kind](core, version=version), name="version", word="ersion", hidden=None)


@pytest.mark.parametrize("kind", ["MelomingOAuth", "MelomingAPIKey"])
def test_version_of_the_api(kind, core):
    """`version=` is the Meloming-Version of every request, named so that no redirect carries it elsewhere."""
    auth = MAKERS[kind](core, version="2026-01-11")
    assert dict(auth.extra_headers("GET", "")) == {"Meloming-Version": "2026-01-11", "X-API-Key": KEY}
    assert set(auth.extra_names) == {"Meloming-Version", "X-API-Key"}
    assert auth.version == "2026-01-11"
    assert MAKERS[kind](core).version is None
    assert set(MAKERS[kind](core).extra_names) == {"X-API-Key"}
    assert dict(core.MelomingOAuth("client", SECRET, version="1").extra_headers("GET", "")) == {"Meloming-Version": "1"}


def test_an_agency_has_sellers_only(core):
    """An agency's object is a base for `for_account`; used itself it says so, and nothing is sent or signed."""
    sent = []

    def answer(request):
        sent.append(request)
        return krauth.HTTPResponse(200, {}, b'{"access_token": "t", "token_type": "Bearer", "expires_in": 10800}')

    for host in ("https://api.commerce.naver.com", "http://127.0.0.1:5"):
        base = core.NaverAuth(
            "client", NAVER_SECRET, base_url=f"{host}/partner/", token_transport=answer, store=krauth.MemoryStore()
        )
        with pytest.raises(ConfigurationError, match=r"agency.*SELLER.*for_account\("):
            base.token()
        assert not sent
        assert base.for_account("ncp_1").token().access_token == "t"
        assert b"type=SELLER&account_id=ncp_1" in sent.pop().body
    own = core.NaverAuth("client", NAVER_SECRET, token_transport=answer, store=krauth.MemoryStore())
    assert own.token().access_token == "t"


# Secrets that are read where they are kept.


class SecretStr:
    """What pydantic's looks like."""

    def __init__(self, value):
        self.value = value

    def get_secret_value(self):
        return self.value

    def __repr__(self):
        return "SecretStr('**********')"


GIVEN = {
    "a string": lambda value: value,
    "an object": SecretStr,
    "a function": lambda value: lambda: value,
    "a function that returns an object": lambda value: lambda: SecretStr(value),
    "a function that returns a hidden one": lambda value: lambda: hide(value),
}
NAMED = {"NaverAuth": NAVER_SECRET, "MelomingOAuth": SECRET, "OAuth2Auth": SECRET}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("kind", NAMED)
def test_how_a_secret_may_be_given(kind, given, core):
    """A client secret may be a string, anything with get_secret_value(), or a callable that returns either."""
    auth = MAKERS[kind](core, client_secret=GIVEN[given](NAMED[kind]))
    assert credentials(auth).client_secret.reveal() == NAMED[kind]
    assert credentials(auth).key == credentials(MAKERS[kind](core)).key
    assert NAMED[kind] not in repr(vars(auth)) + repr(auth)


def fail():
    raise LookupError("no such entry")


async def coroutine():
    return SECRET


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (lambda: None, "empty"),
        (lambda: "", "empty"),
        (lambda: 7, "not int"),
        (lambda: NAVER_SECRET.encode(), "not bytes"),
        (lambda: SecretStr(None), "empty"),
        (SecretStr(NAVER_SECRET + "\n"), "strip"),
        (fail, "could not be read: LookupError"),
        (coroutine, "coroutine function"),
    ],
)
@pytest.mark.parametrize("kind", NAMED)
def test_a_secret_that_can_not_be_had(kind, given, word, core, assert_hidden):
    """What comes out of a callable is checked as a string would be, when the auth object is made."""
    refused(
        lambda: MAKERS[kind](core, client_secret=given),
        NAVER_SECRET,
        SECRET,
        name="client_secret",
        word=word,
        hidden=assert_hidden,
    )


OTHERS = {"NaverAuth": "$2a$04$ABCDEFGHIJKLMNOPQRSTUu", "MelomingOAuth": "an0ther", "OAuth2Auth": "an0ther"}


@pytest.mark.parametrize("kind", NAMED)
def test_a_secret_is_read_again(kind, core, caplog, assert_hidden):
    """After a refusal the secret is read again: a new one makes another identity and key; a bad one changes nothing."""
    kept = SecretStr(NAMED[kind])
    mine = credentials(MAKERS[kind](core, client_secret=lambda: kept))
    before, key = mine.identity, mine.key
    assert not mine.reread_secret(before)
    for bad in (None, "", 7):
        kept.value = bad
        assert not mine.reread_secret(before)
        assert "could not be read again" in caplog.records[-1].message
        assert NAMED[kind] not in caplog.text
    kept.value = OTHERS[kind]
    assert mine.reread_secret(before)
    assert mine.reread_secret(before)  # another thread was faster
    assert mine.client_secret.reveal() == OTHERS[kind]
    new = credentials(MAKERS[kind](core, client_secret=lambda: OTHERS[kind]))
    assert (mine.identity, mine.key) == (new.identity, new.key)
    assert mine.key != key
    fixed = credentials(MAKERS[kind](core, client_secret=OTHERS[kind]))
    assert not fixed.reread_secret(fixed.identity)
    # They share an entry of the store, and not a refresh: the one that can't read its secret again would keep the other.
    assert (fixed.key, fixed.identity != mine.identity) == (mine.key, True)


def test_siblings_share_a_secret(core):
    """A secret that one seller's object has read again is in force for the sellers beside it."""
    kept = SecretStr(NAVER_SECRET)
    base = core.NaverAuth("client", kept)
    one, other = (credentials(base.for_account(name)) for name in "12")
    kept.value = OTHERS["NaverAuth"]
    before = other.identity
    assert one.reread_secret(one.identity)
    assert other.client_secret.reveal() == kept.value
    assert other.identity != before


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((kind, name) for kind in NAMED for name in ("client_secret", "client_id")),
        ("NaverAuth", "account_id"),
        *((kind, name) for kind in ("MelomingOAuth", "OAuth2Auth") for name in ("user", "scope", "redirect_uri")),
        ("MelomingOAuth", "api_key"),
        ("MelomingOAuth", "version"),
        ("MelomingAPIKey", "api_key"),
        *((kind, "base_url") for kind in (*NAMED, "MelomingAPIKey")),
        *((kind, name) for kind in NAMED for name in ("store", "token_transport")),
    ],
)
def test_a_setting_is_not_assigned(kind, name, core):
    """Assigning a setting, which would change nothing, is refused with what to do instead."""
    auth = MAKERS[kind](core)
    with pytest.raises(AttributeError, match=f"{name} can't be assigned"):
        setattr(auth, name, "x")
    if name == "client_secret":
        with pytest.raises(AttributeError, match="callable"):
            auth.client_secret = "x"
    if name in ("client_secret", "api_key"):
        assert not hasattr(auth, name)
    else:
        getattr(auth, name)


def test_client_secret_may_be_left_out_with_a_user_only(core):
    """A client without a secret can't act for itself."""
    for make in (
        lambda **settings: core.MelomingOAuth("client", **settings),
        lambda **settings: core.OAuth2Auth(**oauth2_settings(client_secret=None, **settings)),
    ):
        with pytest.raises(ConfigurationError, match=r"client_secret is missing.*user="):
            make()
        assert make(user="kim")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (
            {"client_auth": "client_secret"},
            "client_auth must be one of client_secret_post, client_secret_basic, .*private_key_jwt, none",
        ),
        ({"client_auth": None}, "client_auth must be one of"),
        ({"client_auth": "client_secret_basic_unencoded", "client_id": "a:b"}, "client_id must not hold a colon"),
        ({"client_auth": "private_key_jwt"}, "client_secret does not hold a private key"),
        ({"client_auth": "private_key_jwt", "client_secret": "-----BEGIN PRIVATE KEY-----\nx"}, "private key"),
        ({"client_auth": "private_key_jwt", "client_secret": "{}"}, "private key"),
        ({"client_auth": "client_secret_jwt", "assertion_algorithm": "none"}, "HS256"),
        ({"client_auth": "client_secret_jwt", "assertion_algorithm": "RS256"}, "HS256"),
        ({"token_parameters": ["audience"]}, "token_parameters must be a dict"),
        ({"token_parameters": {"scope": "read"}}, "token_parameters must not set scope"),
        ({"token_parameters": {"grant_type": "password"}}, "token_parameters must not set grant_type"),
        ({"token_parameters": {"audience": None}}, "token_parameters.'audience'. is empty"),
        ({"token_parameters": {"resource": ["a", 7]}}, "token_parameters.'resource'. must be a string"),
        ({"token_parameters": {"": "x"}}, "token_parameter is empty"),
        ({"token_headers": "X: y"}, "token_headers must be a dict"),
        ({"token_headers": {"X Y": "z"}}, "token_headers holds a name"),
        ({"token_headers": {"Authorization": "x"}}, "token_headers must not set Authorization"),
        ({"token_headers": {"content-TYPE": "x"}}, "token_headers must not set content-TYPE"),
        ({"token_headers": {"X-Y": "a\r\nZ: 1"}}, "token_headers.'X-Y'. holds a line break"),
        ({"token_headers": {"X-Y": "가"}}, "must be ASCII"),
        ({"client_auth": ["none"]}, "client_auth must be one of"),
        ({"client_auth": "none"}, "client_auth='none'.*leave client_secret out"),
        ({"api_origins": []}, "api_origins is empty"),
        ({"api_origins": None}, "api_origins must be a URL or several"),
        ({"api_origins": ["https://api.example.com", "http://api.example.com"]}, "api_origins must use https"),
        ({"api_origins": ["https://api.example.com", None]}, "api_origins must be a URL"),
        ({"scope": ["read", "write"]}, "scope must be a string, not list"),
        ({"scope": 7}, "scope must be a string, not int"),
        ({"scope": "read\0"}, "scope holds"),
        ({"scope": "read \ud800"}, "scope holds"),
        ({"redirect_uri": ""}, "redirect_uri"),
        ({"redirect_uri": 7}, "redirect_uri"),
        ({"issuer": 7}, "issuer"),
        ({"store": 7}, "store must be a TokenStore or a URL"),
        ({"store": "tokens.db"}, "store must be a TokenStore or a URL"),
        ({"store": "nosuch://x"}, "no installed plugin.*nosuch://"),
        ({"refresh": 1800}, "refresh must be a krauth.RefreshPolicy"),
        ({"token_transport": 7}, "token_transport must be .* not int"),
    ],
)
def test_other_settings(settings, match, core, assert_hidden):
    """Whatever else can't be right is refused at construction too, by name, without showing the secret."""
    with pytest.raises(ConfigurationError, match=match) as caught:
        core.OAuth2Auth(**oauth2_settings(**settings))
    assert_hidden(caught.value, SECRET)


def test_configuration_errors_are_value_errors():
    """A bad setting can be caught as the built-in ValueError, or with all of krauth's errors."""
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(ConfigurationError, KrauthError)


# The environment.

VARIABLES = {
    "NAVER_COMMERCE_CLIENT_ID": "env-client",
    "NAVER_COMMERCE_CLIENT_SECRET": NAVER_SECRET,
    "MELOMING_CLIENT_ID": "env-client",
    "MELOMING_CLIENT_SECRET": SECRET,
    "MELOMING_API_KEY": KEY,
}


@pytest.fixture
def env(monkeypatch):
    for name in (*VARIABLES, "NAVER_COMMERCE_ACCOUNT_ID", "NAVER_COMMERCE_BASE_URL", "MELOMING_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def credentials(auth):
    return auth._tokens.credentials


def test_from_env(env, core):
    """Everything is read from the documented variables."""
    naver = credentials(core.NaverAuth.from_env())
    assert (naver.client_id, naver.client_secret.reveal(), naver.type) == ("env-client", NAVER_SECRET, "SELF")
    meloming = core.MelomingOAuth.from_env()
    assert credentials(meloming).client_secret.reveal() == SECRET
    assert dict(meloming.extra_headers("GET", "")) == {"X-API-Key": KEY}
    assert dict(core.MelomingAPIKey.from_env().extra_headers("GET", "")) == {"X-API-Key": KEY}


def test_from_env_account(env, core):
    """NAVER_COMMERCE_ACCOUNT_ID makes the type SELLER, and an argument wins over it."""
    env.setenv("NAVER_COMMERCE_ACCOUNT_ID", "ncp_1")
    assert credentials(core.NaverAuth.from_env()).account_id == "ncp_1"
    assert credentials(core.NaverAuth.from_env(account_id="ncp_2")).account_id == "ncp_2"
    assert credentials(core.NaverAuth.from_env(account_id=None)).type == "SELF"
    env.setenv("NAVER_COMMERCE_ACCOUNT_ID", "")
    assert credentials(core.NaverAuth.from_env()).type == "SELF"


def test_from_env_base_url(env, core):
    """NAVER_COMMERCE_BASE_URL and MELOMING_BASE_URL say where the APIs are, and an argument wins over them."""
    env.setenv("NAVER_COMMERCE_BASE_URL", "http://127.0.0.1:5/external")
    env.setenv("MELOMING_BASE_URL", "http://127.0.0.1:6")
    assert credentials(core.NaverAuth.from_env()).token_endpoint == "http://127.0.0.1:5/external/v1/oauth2/token"
    assert credentials(core.MelomingOAuth.from_env()).token_endpoint == "http://127.0.0.1:6/oauth/token"
    assert str(core.MelomingAPIKey.from_env()._origins[0]) == "http://127.0.0.1:6"
    other = "http://127.0.0.1:7"
    for auth in (kind.from_env(base_url=other) for kind in (core.NaverAuth, core.MelomingOAuth, core.MelomingAPIKey)):
        assert str(auth._origins[0]) == other
    env.setenv("NAVER_COMMERCE_BASE_URL", "http://api.example.com")
    with pytest.raises(ConfigurationError, match="base_url must use https"):
        core.NaverAuth.from_env()
    env.setenv("NAVER_COMMERCE_BASE_URL", "")
    assert credentials(core.NaverAuth.from_env()).base_url == "https://api.commerce.naver.com/external"


def test_from_env_arguments_win(env, core):
    """What is passed wins over the environment, also where it is wrong: nothing else is used silently."""
    assert credentials(core.NaverAuth.from_env(client_id="mine")).client_id == "mine"
    for kind in (core.NaverAuth, core.MelomingOAuth):
        with pytest.raises(ConfigurationError, match="client_id is empty"):
            kind.from_env(client_id="")
    for kind, name in (
        (core.NaverAuth, "client_secret"),
        (core.MelomingOAuth, "client_secret"),
        (core.MelomingOAuth, "api_key"),
        (core.MelomingAPIKey, "api_key"),
    ):
        with pytest.raises(ConfigurationError, match=f"{name} is empty"):
            kind.from_env(**{name: ""})


@pytest.mark.parametrize(
    ("kind", "variable"),
    [
        ("NaverAuth", "NAVER_COMMERCE_CLIENT_ID"),
        ("NaverAuth", "NAVER_COMMERCE_CLIENT_SECRET"),
        ("MelomingOAuth", "MELOMING_CLIENT_ID"),
        ("MelomingOAuth", "MELOMING_CLIENT_SECRET"),
        ("MelomingAPIKey", "MELOMING_API_KEY"),
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_from_env_missing(kind, variable, value, env, core, assert_hidden):
    """A variable that is missing or empty is named, with the quotes that keep a value whole."""
    env.delenv(variable) if value is None else env.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"{variable} is not set.*{variable}='") as caught:
        getattr(core, kind).from_env()
    assert_hidden(caught.value, SECRET, NAVER_SECRET, KEY)


def test_from_env_optional(env, core):
    """A Meloming client may do without an API key, and with a user without a secret."""
    env.delenv("MELOMING_API_KEY")
    env.delenv("MELOMING_CLIENT_SECRET")
    auth = core.MelomingOAuth.from_env(user="kim")
    assert credentials(auth).client_secret is None
    assert dict(auth.extra_headers("GET", "")) == {}


def test_from_env_hides_what_it_was_given(env, core, assert_hidden):
    """An error on the way shows neither the environment's secrets nor those that were passed."""
    for make in (
        lambda: core.NaverAuth.from_env(base_url="http://x.example.com"),
        lambda: core.NaverAuth.from_env(client_secret=NAVER_SECRET + " "),
        lambda: core.MelomingOAuth.from_env(base_url="http://x.example.com", api_key=KEY, client_secret=SECRET),
        lambda: core.MelomingOAuth.from_env(api_key="x" + KEY),
        lambda: core.MelomingAPIKey.from_env(api_key="x" + KEY),
    ):
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert_hidden(caught.value, SECRET, NAVER_SECRET, KEY)


# The policy.


@pytest.mark.parametrize("name", ["window", "jitter", "timeout", "attempt_timeout", "attempts"])
@pytest.mark.parametrize("value", [-1, -0.001, float("nan"), float("inf"), "30", True, [1], b"1", 1j])
def test_bad_policy(name, value):
    """A number of seconds that is none is refused by name when the policy is made."""
    with pytest.raises(ConfigurationError, match=rf"RefreshPolicy\({name}=…\) must be"):
        RefreshPolicy(**{name: value})


@pytest.mark.parametrize("settings", [{"timeout": 0}, {"attempt_timeout": 0}, {"attempts": 0}, {"attempts": 1.5}])
def test_policy_needs_time(settings):
    """A policy under which no token could ever be had is refused."""
    with pytest.raises(ConfigurationError, match="RefreshPolicy"):
        RefreshPolicy(**settings)


@pytest.mark.parametrize(
    "settings", [{}, {"window": 0}, {"jitter": 0.0}, {"window": 60, "jitter": 1.5}, {"timeout": 0.1}, {"attempts": 1}]
)
def test_good_policy(settings):
    """Zero seconds of window or jitter, and one attempt, are choices."""
    assert RefreshPolicy(**settings)


def test_traceback_with_locals_can_be_rendered(core):
    """A tool that renders local variables, the half-made auth object among them, neither fails nor sees the secret."""
    for make in (
        lambda: core.NaverAuth("", NAVER_SECRET),
        lambda: core.MelomingOAuth("client", SECRET, api_key="x"),
        lambda: core.MelomingAPIKey("x" + KEY),
        lambda: core.OAuth2Auth(**oauth2_settings(api_origins=[])),
    ):
        with pytest.raises(ConfigurationError) as caught:
            make()
        rendered = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        frames = [frame for frame in rendered.stack if frame.filename.startswith(OURS)]
        assert frames
        for secret in (NAVER_SECRET, SECRET, KEY):
            assert secret not in "".join(traceback.StackSummary.from_list(frames).format())
