"""The hot path's tests of an origin let nothing through that reading the whole URL would not."""

import httpx
import pytest
import yarl
from hypothesis import example, given
from hypothesis import strategies as st

from krauth._values.origin import Origin, parse_origin, url_authorities, url_prefixes, url_triples

HOSTS = ["api.example.com", "api.example.com.", "API.Example.com", "evil.example", "127.0.0.1", "[::1]", "[0:0::1]"]
USERS = ["", "kim@", "api.example.com@", "api.example.com:443@", "kim:pw@"]
PORTS = ["", ":", ":443", ":80", ":8443", ":0443"]
URLS = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["https", "http", "wss", "ws", "HTTPS"]),
    st.sampled_from(USERS),
    st.sampled_from(HOSTS),
    st.sampled_from(PORTS),
    st.sampled_from(["", "/", "/x@api.example.com", "?https://api.example.com/", "#@api.example.com"]),
)
ORIGINS = [
    Origin("https", "api.example.com", 443),
    Origin("https", "api.example.com", 8443),
    Origin("http", "127.0.0.1", 80),
    Origin("http", "127.0.0.1", 8443),
    Origin("https", "::1", 443),
    Origin("http", "::1", 8443),
]


def fast(origin, url):
    """Whom the three tests let through: as a text (requests), in two parts (aiohttp), in three (httpx)."""
    two, three = yarl.URL(url), httpx.URL(url)
    yield url.startswith(url_prefixes((origin,)))
    yield (two.scheme, two.host_port_subcomponent) in url_authorities((origin,))
    yield (three.scheme, three.host, three.port) in url_triples((origin,))


@pytest.mark.parametrize("origin", ORIGINS, ids=str)
@given(url=URLS)
@example(url="https://api.example.com/")
@example(url="https://api.example.com:8443/")
@example(url="http://127.0.0.1/")
@example(url="http://[::1]:8443/")
def test_fast_is_never_wrong(origin, url):
    """What the short tests accept is of the origin; scheme, host and port all count."""
    if any(fast(origin, url)):
        assert parse_origin(url) == origin


@pytest.mark.parametrize("origin", ORIGINS, ids=str)
def test_fast_is_not_in_vain(origin):
    """The URL as one writes it passes all three."""
    assert list(fast(origin, f"{origin}/v1/orders?x=1")) == [True] * 3
