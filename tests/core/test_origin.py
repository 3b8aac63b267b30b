"""Which URLs belong to an origin: a credential goes where these rules say, and nowhere else."""

import string
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krauth import ConfigurationError
from krauth._values.origin import Origin, check_base_url, make_origin, normalise_host, parse_origin, url_prefixes

API = Origin("https", "api.example.com", 443)

SAME = [
    "https://api.example.com",
    "https://api.example.com/",
    "https://api.example.com:443/x?y#z",
    "https://api.example.com:0443/",
    "https://api.example.com:/",
    "HTTPS://API.Example.COM/",
    "https://api.example.com./",
    "https://api。example。com/",  # the other full stops of IDNA
    "https://api．example｡com/",
    "https://api.example.com。/",
    "https://ＡＰＩ.example.com/",
    "https://api.example.com?x",
    "https://api.example.com#x",
    "https://api.example.com/@evil.example",
    "https://api.example.com/?@evil.example",
    "https://api.example.com?@evil.example",
    "https://api.example.com#@evil.example",
    "https://kim:pw@api.example.com/",  # the host is still the API's
    "https://evil.example@api.example.com/",
    "wss://api.example.com/",
    "wss://api.example.com:443",
]
OTHER = [
    "http://api.example.com/",
    "http://api.example.com:443/",
    "ws://api.example.com/",
    "ws://api.example.com:443/",
    "https://api.example.com:80/",
    "https://api.example.com:8443/",
    "https://api.example.com:44/",
    "https://example.com/",
    "https://x.api.example.com/",
    "https://api.example.com.evil.example/",
    "https://api.example.comevil/",
    "https://api.example.co/",
    "https://evil.example/api.example.com",
    "https://evil.example/https://api.example.com/",
    "https://evil.example?https://api.example.com/",
    "https://evil.example#https://api.example.com/",
    "https://api.example.com@evil.example/",
    "https://api.example.com:443@evil.example/",
    "https://api.example.com:x@evil.example:443/",
    "https://kim@api.example.com@evil.example/",
    "https://evil.example?@api.example.com",
    "https://evil.example#@api.example.com",
    "https://evil.example/@api.example.com",
    "https://api%2eexample.com/",
    "https://api.example.com%2f@evil.example/",
    "https://api.example.com%2eevil.example/",
    "https://%61pi.example.com/",
    "https://api.example.com%00/",
    "https://api-example.com/",
    "https://apі.example.com/",  # Cyrillic і
    "https://api.example.com../",
    "https://.api.example.com/",
    "https://[::1]/",
    "https://127.0.0.1/",
]
#: URLs that have no origin at all: a request to such a URL gets no credential.
NONE = [
    "",
    "/",
    "x",
    "api.example.com",
    "//api.example.com/",
    "https:",
    "https://",
    "https:///api.example.com",
    "https:api.example.com",
    "https:/api.example.com",
    "https://:443/",
    "https://@/",
    "https://kim@/",
    "https://./",
    "ftp://api.example.com/",
    "file://api.example.com/",
    "data:text/plain,https://api.example.com/",
    "javascript://api.example.com/",
    "https+x://api.example.com/",
    "https://api.example.com:x/",
    "https://api.example.com:-1/",
    "https://api.example.com:+443/",
    "https://api.example.com:65536/",
    "https://api.example.com:４４３/",
    "https://api.example.com:443:443/",
    "https://[::1/",
    "https://::1]/",
    "https://[api.example.com]/",
    "https://[::1]x/",
    "https://[::1].evil.example/",
    "https://evil.example[::1]/",
    "https://evil.example[::1]:443/",
    "https://[::1][::2]/",
    "https:\\\\api.example.com/",
    "https://evil.example\\@api.example.com/",
    "https://api.example.com\\@evil.example/",
    "https://api.example.com\\.evil.example/",
    "https://api.example.com/\\",
    " https://api.example.com/",
    "https://api.example.com/ ",
    "https://api.example.com /",
    "\thttps://api.example.com/",
    "https://api.exa\tmple.com/",
    "https://api.exa\nmple.com/",
    "https://api.example.com\r\n/",
    "https://api.example.com/\0",
    "ht\ntps://api.example.com/",
    "https://evil.example℀@api.example.com/",  # NFKC makes a/c of it
    "https://api.example.com／evil/",  # NFKC makes a slash of it
    "https://api.example.com＠evil.example/",
    "https://api.example.com：443/",
    "https://xn--api\ud800.example.com/",
]


@pytest.mark.parametrize("url", SAME, ids=ascii)
def test_same_origin(url):
    """However a URL of the API is written, it is one of the API."""
    assert parse_origin(url) == API


@pytest.mark.parametrize("url", OTHER, ids=ascii)
def test_other_origin(url):
    """However a URL pretends to be one of the API, it is another's."""
    assert parse_origin(url) not in (API, None)


@pytest.mark.parametrize("url", NONE, ids=ascii)
def test_no_origin(url):
    """A URL that is none, or could be read in two ways, has no origin."""
    assert parse_origin(url) is None


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("API.example.COM", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("[2001:DB8::0:1]", "2001:db8::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("멜로밍.한국", "xn--2o2bp0bfzb.xn--3e0b707e"),
        ("XN--3E0B707E", "xn--3e0b707e"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example。", "xn--bcher-kva.example"),
        ("", ""),
        (".", ""),
        ("\ud800", ""),
        ("가" * 70, ""),
    ],
)
def test_normal_host(host, normal):
    """Equal hosts have one spelling: lower case, ASCII, the shortest form of an address; what is no host has none."""
    assert normalise_host(host) == normal


@pytest.mark.parametrize(
    ("parts", "origin"),
    [
        (("https", "api.example.com", None), API),
        (("https", "api.example.com", 443), API),
        (("HTTPS", "API.EXAMPLE.COM", 443), API),
        (("wss", "api.example.com", None), API),
        (("http", "::1", None), Origin("http", "::1", 80)),
        (("ws", "[::1]", 8080), Origin("http", "::1", 8080)),
        (("https", "api.example.com", 0), Origin("https", "api.example.com", 0)),
        (("ftp", "api.example.com", 21), None),
        (("", "api.example.com", None), None),
        (("https", "", None), None),
    ],
)
def test_parts(parts, origin):
    """An origin made of the parts that an HTTP library shows is the one of the whole URL."""
    assert make_origin(*parts) == origin


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("HTTPS://api.example.com:443/x", "https://api.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
    ],
)
def test_text(url, text):
    """An origin is written as RFC 6454 §6.2 serialises it, and reading that gives it back."""
    assert str(parse_origin(url)) == text
    assert parse_origin(text) == parse_origin(url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.255.254", "::1", "a.localhost"])
def test_loopback(host):
    """This machine itself may be spoken to in plain http."""
    assert Origin("http", host, 80).is_loopback
    assert Origin("http", host, 80).is_secure


@pytest.mark.parametrize(
    "host",
    [
        "localhost.example",
        "xlocalhost",
        "127.0.0.1.example",
        "128.0.0.1",
        "0.0.0.0",
        "::",
        "::2",
        "10.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "api.example.com",
        "169.254.169.254",
    ],
)
def test_not_loopback(host):
    """Nothing that merely looks like this machine is taken for it."""
    assert not Origin("http", host, 80).is_secure
    assert Origin("https", host, 443).is_secure


LABEL = st.text(string.ascii_letters + string.digits, min_size=1, max_size=10)
HOST = st.lists(LABEL, min_size=2, max_size=4).map(".".join).filter(lambda host: not host[-1].isdigit())
REST = st.text(st.characters(exclude_characters="\\", min_codepoint=33, exclude_categories=["Cs"]), max_size=20)


@given(HOST, st.integers(1, 65535), st.sampled_from(["https", "http"]), REST)
def test_any_url_of_an_origin(host, port, scheme, rest):
    """Whatever path, query and fragment follow, a URL that is put together from an origin has that origin."""
    origin = Origin(scheme, host.lower(), port)
    for start in ("/", "?", "#"):
        assert parse_origin(f"{scheme}://{host}:{port}{start}{rest}") == origin
        assert parse_origin(f"{origin}{start}{rest}") == origin
    assert make_origin(scheme, host.upper(), port) == origin
    assert f"{origin}/{rest}".startswith(url_prefixes((origin,)))


@given(st.text(max_size=40) | st.text("htps:/.@?#\\[]%ae1。", max_size=30).map(lambda rest: "https://" + rest))
def test_any_text(text):
    """No text makes the rules fail, and what they read as an origin is what the standard library reads."""
    origin = parse_origin(text)
    if origin is None:
        return
    parts = urlsplit(text)
    assert origin.scheme == {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    assert origin.host == normalise_host(parts.hostname)
    assert normalise_host(origin.host) in (origin.host, origin.host.removesuffix("."))
    assert origin.host.isascii()
    assert "\\" not in text


@given(st.text("api.example.com@:/?#\\。%2eE \t", max_size=40))
def test_prefixes_agree_with_parsing(rest):
    """The short test for the hot path never lets through what reading the whole URL would not."""
    url = "https://api.example.com" + rest
    if url.startswith(url_prefixes((API,))):
        assert parse_origin(url) in (API, None)
        assert urlsplit(url).hostname == "api.example.com"


@given(st.text(max_size=20) | st.text("abc.[]:%。1", max_size=20))
def test_any_host(host):
    """No host makes the rules fail, and normalising twice changes nothing."""
    normal = normalise_host(host)
    assert normal.isascii()
    assert normalise_host(normal) in (normal, normal.removesuffix("."))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com/a/b//", "https://api.example.com/a/b"),
        ("http://localhost:8080/x", "http://localhost:8080/x"),
    ],
)
def test_base_url(url, expected):
    """A base URL comes back without its trailing slash, so that a path can follow."""
    assert check_base_url(url) == expected


@pytest.mark.parametrize("url", ["http://api.example.com", "https://a:b@api.example.com", "nonsense"])
def test_base_url_is_refused_each_time(url):
    """A bad base URL is refused the second time too, under the name of the setting that it was given for."""
    for name in ("base_url", "token_endpoint", "base_url"):
        with pytest.raises(ConfigurationError, match=f"^{name} must"):
            check_base_url(url, name)
