"""Servers, names, certificates and stacks for the suite; what they are for is told in `world`."""

import ssl

import pytest
import trustme

from loopback import Server, names
from world import World

HOSTS = ["127.0.0.1", "127.0.0.2", "localhost", "api.test", "xn--bcher-kva.test", "evil.test"]


@pytest.fixture(scope="session")
def authority():
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="session")
def server_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*HOSTS, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context


@pytest.fixture(scope="session")
def _world(authority, server_tls, tmp_path_factory):
    ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    with (
        Server() as home,
        Server(tls=server_tls) as home_tls,
        Server() as away,
        Server(tls=server_tls) as away_tls,
        Server("127.0.0.2") as other,
    ):
        yield World(home, home_tls, away, away_tls, other, str(ca_file))


@pytest.fixture
def world(_world):
    _world.reset()
    return _world


@pytest.fixture
def named(world):
    """Let names lead to the servers: `https://api.test` to `home_tls`, `https://evil.test` to `away_tls`."""

    def at(server):
        return (server.host, server.port)

    table = {
        ("api.test", 443): at(world.home_tls),
        ("api.test", 8443): at(world.away_tls),
        ("api.test", 80): at(world.away),
        ("xn--bcher-kva.test", 443): at(world.home_tls),
        ("evil.test", 443): at(world.away_tls),
        ("localhost", world.home.port): at(world.home),
        ("localhost.", world.home.port): at(world.home),
        ("localhost", 80): at(world.home),
        ("localhost", 443): at(world.away_tls),
    }
    with names(table):
        yield


@pytest.fixture
def client(stack, world):
    """A client of the stack that trusts the suite's CA, with an auth for `home`."""
    with stack.client(world.auth(stack), verify=world.ca_file) as opened:
        yield opened
