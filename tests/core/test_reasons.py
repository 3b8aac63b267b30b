"""Why a request got no answer: words from the class of an exception and from numbers, never from its text."""

import errno
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krauth._values.reasons import safe_reason


def chained(*links):
    """Return the first exception, which came from the second, which came from the third."""
    for outer, inner in zip(links, links[1:], strict=False):
        outer.__cause__ = inner
    return links[0]


def named(name, base=Exception, **attributes):
    return type(name, (base,), attributes)


def certificate_error(words):
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] text-of-the-wire")
    error.verify_message = words
    return error


#: (an exception, what is said of it)
REASONS = [
    (ConnectionRefusedError(errno.ECONNREFUSED, "wire"), "ConnectionRefusedError (Connection refused)"),
    (chained(named("ConnectError")("wire"), OSError(errno.EHOSTUNREACH, "wire")), "ConnectError (No route to host)"),
    (chained(named("ConnectError")("wire"), ExceptionGroup("wire", [ConnectionResetError(errno.ECONNRESET, "wire")])), "ConnectError (Connection reset by peer)"),
    (named("ConnectionError", OSError)(named("MaxRetryError")("wire", ConnectionRefusedError(errno.ECONNREFUSED, "wire"))), "ConnectionError"),
    (TimeoutError(), "TimeoutError (no answer in time)"),
    (named("ReadTimeout")("wire"), "ReadTimeout (no answer in time)"),
    (named("gaierror", OSError)(-2, "wire"), "gaierror (the host name can't be resolved; check the address and the DNS)"),
    (named("BadStatusLine")("wire"), "BadStatusLine (the answer is broken: not HTTP, or not whole)"),
    (named("RemoteProtocolError")("wire"), "RemoteProtocolError (the answer is broken: not HTTP, or not whole)"),
    (named("ServerDisconnectedError")("wire"), "ServerDisconnectedError (the server closed the connection without a whole answer)"),
    (chained(named("SSLError", OSError)("wire"), certificate_error("certificate has expired")), "SSLError (certificate verify failed: certificate has expired)"),
    (named("SSLError", OSError, reason="WRONG_VERSION_NUMBER")(1, "wire"), "SSLError (wrong version number)"),
    (named("ProxyError")("407 wire"), "ProxyError (the proxy answered 407; it wants a user name and a password)"),
    (chained(named("ProxyError")("wire"), OSError("Tunnel connection failed: 403 wire")), "ProxyError (the proxy answered 403)"),
    (named("ClientHttpProxyError", status=502)("wire"), "ClientHttpProxyError (the proxy answered 502)"),
    (ModuleNotFoundError("wire", name="socksio"), "ModuleNotFoundError (socksio can't be imported; install it)"),
    (ValueError("wire"), "ValueError"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "said"), REASONS, ids=[type(error).__name__ for error, _ in REASONS])
def test_reasons(error, said):
    """The class is named, and its meaning where it is known; no text of the exception is."""
    assert safe_reason(error).startswith(said)
    assert "wire" not in safe_reason(error)


@given(
    st.text(min_size=12),
    st.sampled_from(["HTTPError", "ProxyError", "SSLError", "ConnectTimeout", "Odd"]),
    st.booleans(),
)
def test_no_text_is_quoted(text, name, nested):
    """Whatever an exception says of itself, nothing of it is passed on, and the reason is one printable line."""
    error = named(name, OSError)(text)
    if nested:
        error = chained(named("Outer")(text, error), ValueError(text))
    said = safe_reason(error)
    assert text not in said
    assert said.isprintable()
    assert len(said) < 300


def test_a_ring_of_exceptions_ends():
    """Exceptions that name each other as cause do not keep the reader busy for ever."""
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    one.args = (other,)
    assert safe_reason(one) == "ValueError"
