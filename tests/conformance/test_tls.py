"""Token requests over TLS: whom they trust, which CA bundle is read and how often."""

import gc
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme
from urllib3.connection import HTTPSConnection

from faults import Faulty, Reply
from krauth import HTTPRequest, MemoryStore, RefreshPolicy, TokenTransportError
from stacks import BY_NAME

POLICY = RefreshPolicy(attempts=1, timeout=8, attempt_timeout=5)
TOKEN = Reply(json.dumps({"access_token": "t", "token_type": "Bearer", "expires_in": 3600}).encode())
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def answer(peer, reply):
    peer.send(reply.whole)


def make(stack, server, transport=None):
    return stack.MelomingOAuth(
        "app",
        "some-client-secret",
        base_url=server.url,
        store=MemoryStore(),
        refresh=POLICY,
        token_transport=transport,
    )


def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


BAD = {
    "expired": (
        lambda ca: ca.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)),
        "certificate has expired",
    ),
    "another host": (lambda ca: ca.issue_cert("api.example.com"), "(IP address mismatch|it is for another host)"),
    "another authority": (lambda ca: trustme.CA().issue_cert("127.0.0.1"), "unable to get local issuer certificate"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_certificate_that_is_no_good(stack, world, authority, bad):
    """The secret is not sent to a server whose certificate is no good, and OpenSSL's own reason is named."""
    issue, reason = BAD[bad]
    with (
        Faulty(answer, TOKEN, tls=tls(issue(authority))) as server,
        stack.client(verify=world.ca_file) as client,
        pytest.raises(TokenTransportError, match=rf"certificate verify failed: {reason}"),
    ):
        stack.token(make(stack, server, client.native))
    assert server.requests == []


def test_plain_http_on_the_port_of_tls(stack):
    """A server that speaks no TLS is called that; nothing of it is quoted."""
    with Faulty(lambda peer, reply: peer.send(b"HTTP/1.1 400 Say-TLS\r\n\r\n"), asks=False) as server:
        with pytest.raises(TokenTransportError, match=r"no answer from .*\(.*(wrong version number|broken)") as caught:
            stack.token(make(stack, server))
    assert "Say-TLS" not in str(caught.value)


# The own transports, which make a client for each token request.


@pytest.fixture
def bundle(tmp_path, monkeypatch, world):
    """The file that the environment names as CA bundle; it holds the suite's authority."""
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(world.ca_file).read_bytes())
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(path))
    return path


@pytest.fixture(params=["requests", "httpx", "httpx2"])
def reader(request):
    """The stacks that read the bundle for each client; aiohttp reads it when it is imported."""
    return BY_NAME[request.param]


def test_the_bundle_is_read_once(reader, bundle, server_tls, monkeypatch):
    """Ten token requests read the CA bundle once: that takes twenty times as long as a signature."""
    read = []
    load = ssl.SSLContext.load_verify_locations

    def counting(self, *args, **kwargs):
        read.append(args)
        return load(self, *args, **kwargs)

    with Faulty(answer, TOKEN, tls=server_tls) as server:
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counting)
        for _ in range(10):
            reader.token(make(reader, server))
        assert len(server.requests) == 10
    assert len(read) <= 1


def test_threads_that_begin_at_once_read_the_bundle_once(reader, bundle, server_tls, monkeypatch):
    """Eight threads whose first token requests begin together read the CA bundle once."""
    read, begun, statuses = [], threading.Barrier(8), []
    load = ssl.SSLContext.load_verify_locations

    def slowly(*args, **kwargs):
        read.append(args)
        time.sleep(0.05)
        return load(*args, **kwargs)

    with Faulty(answer, TOKEN, tls=server_tls) as server:
        send = reader.TokenTransport().open()

        def work():
            begun.wait(8)
            statuses.append(send(HTTPRequest("POST", server.url, {}, b"a=b", timeout=8)).status)

        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", slowly)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert (statuses, len(read)) == ([200] * 8, 1)


def test_the_own_transport_keeps_no_connection(stack):
    """A connection is closed when its token request is over, not when Python collects garbage the next time."""
    gc.collect()
    gc.disable()
    try:
        with Faulty(answer, TOKEN) as server:
            for _ in range(10):
                stack.token(make(stack, server))
            assert len(server.requests) == 10
            assert server.left(10)
    finally:
        gc.enable()


def test_a_bundle_that_changed_is_read_again(reader, bundle, server_tls):
    """After the CA bundle was replaced, the new one decides: a server it does not vouch for is refused."""
    good = bundle.read_bytes()
    with Faulty(answer, TOKEN, tls=server_tls) as server:
        reader.token(make(reader, server))
        trustme.CA().cert_pem.write_to_path(bundle)
        with pytest.raises(TokenTransportError, match="certificate verify failed"):
            reader.token(make(reader, server))
        bundle.write_bytes(good)
        os.utime(bundle, ns=(1, 1))
        reader.token(make(reader, server))
        assert len(server.requests) == 2


def test_a_bundle_of_the_same_size_and_time(reader, bundle, server_tls):
    """A CA bundle that is replaced by one of the same size, with its old time (`cp -p`, `rsync -t`, images), is read again."""
    good, bad = bundle.read_bytes(), trustme.CA().cert_pem.bytes()
    size = max(len(good), len(bad)) + 1
    bundle.write_bytes(good.ljust(size, b"\n"))
    os.utime(bundle, ns=(1, 1))
    with Faulty(answer, TOKEN, tls=server_tls) as server:
        reader.token(make(reader, server))
        new = bundle.with_name("new.pem")
        new.write_bytes(bad.ljust(size, b"\n"))
        os.utime(new, ns=(1, 1))
        new.replace(bundle)
        with pytest.raises(TokenTransportError, match="certificate verify failed"):
            reader.token(make(reader, server))
        assert len(server.requests) == 1


def test_a_bundle_that_is_missing_is_named(reader, bundle, server_tls):
    """A CA bundle that does not exist is named with the variable that names it."""
    bundle.unlink()
    with Faulty(answer, TOKEN, tls=server_tls) as server:
        with pytest.raises(TokenTransportError, match=rf"{bundle}.*(REQUESTS_CA_BUNDLE|SSL_CERT_FILE)"):
            reader.token(make(reader, server))
    assert server.requests == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the names")
def test_a_directory_of_certificates(reader, bundle, server_tls, tmp_path, monkeypatch):
    """A directory with hashed names stands in for the bundle; a server that no certificate in it vouches for is refused."""
    folder = tmp_path / "certs"
    folder.mkdir()
    shutil.copy(bundle, folder)
    subprocess.run(["openssl", "rehash", folder], check=True)
    monkeypatch.delenv("SSL_CERT_FILE")
    for name in ("SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(folder))
    with Faulty(answer, TOKEN, tls=server_tls) as server:
        reader.token(make(reader, server))
        for path in folder.iterdir():
            path.unlink()
        with pytest.raises(TokenTransportError, match="certificate verify failed"):
            reader.token(make(reader, server))
        assert len(server.requests) == 1


def test_a_given_session_reads_the_bundle_once(bundle, server_tls, monkeypatch):
    """Token requests over a session read its CA bundle once for all connections, and again after it has changed."""
    requests, read = BY_NAME["requests"], []
    load = ssl.SSLContext.load_verify_locations
    closing = Reply(TOKEN.body, headers={"Connection": "close"})
    with Faulty(answer, closing, tls=server_tls) as server, requests.library.Session() as session:
        send = requests.TokenTransport(session).open()
        request = HTTPRequest("POST", server.url, {}, b"a=b", timeout=8)
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *args: (read.append(args), load(*args)))
        for _ in range(5):
            send(request)
        assert (len(read), server.connections) == (1, 5)
        pools = session.get_adapter(server.url).poolmanager.pools
        pool = pools[next(iter(pools.keys()))]
        connection = pool.pool.get()
        assert (connection.ssl_context, connection.ca_certs) == (None, str(bundle)), "the session's is left as it was"
        pool.pool.put(connection)
        trustme.CA().cert_pem.write_to_path(bundle)
        with pytest.raises(TokenTransportError, match="certificate verify failed"):
            send(request)


def test_a_session_that_decides_about_tls_is_lent_no_context(bundle):
    """A connection that has TLS settings of the user's, or no check of certificates, keeps them."""
    from krauth_requests._transport import _TLS_SETTINGS, _lend_context

    class Own(HTTPSConnection):
        def connect(self):
            """It may make a context of its own from `ca_certs`."""

    def made(kind=HTTPSConnection, **settings):
        connection = kind("127.0.0.1")
        vars(connection).update(cert_reqs="CERT_REQUIRED", ca_certs=str(bundle), **settings)
        return connection

    mine = [{name: False} for name in _TLS_SETTINGS]
    mine += [{"cert_reqs": "CERT_NONE"}, {"ca_certs": None}, {"ca_cert_dir": "/certs"}]
    kept = [made(Own), made(proxy=SimpleNamespace(scheme="https"))]
    for settings in mine:
        kept.append(made())
        vars(kept[-1]).update(settings)
    for connection in kept:
        before = dict(vars(connection))
        _lend_context(connection)
        assert vars(connection) == before
    connection = made()
    _lend_context(connection)
    assert connection.ssl_context.verify_mode is ssl.CERT_REQUIRED
