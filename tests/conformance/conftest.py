"""Two origins of the API (plain and TLS), foreign servers, names for them, and credentials that must not get about."""

import itertools
import json
import ssl
from urllib.parse import urlsplit

import pytest
import trustme
from loopback import Reply, Server, names, query
from stacks import STACKS

from krauth import HTTPResponse, MemoryStore

#: Every secret of the suite begins with this, so that a search for it finds them all.
CANARY = "canary-7f3a"
API_KEY = f"mlm_live_{CANARY}-key"
CLIENT_SECRET = f"{CANARY}-client-secret"
HOSTS = ["127.0.0.1", "127.0.0.2", "localhost", "api.test", "xn--bcher-kva.test", "evil.test"]


@pytest.fixture(params=STACKS, ids=repr)
def stack(request):
    return request.param


class World:
    """`home` and `home_tls` are the API's own servers, `away` and `away_tls` belong to somebody else."""

    def __init__(self, home, home_tls, away, away_tls, other, ca_file):
        self.home, self.home_tls, self.away, self.away_tls, self.other = home, home_tls, away, away_tls, other
        self.servers = [home, home_tls, away, away_tls, other]
        self.ca_file = ca_file
        self.reset()

    def reset(self):
        self._numbers = itertools.count(1)
        self.good, self.issued = set(), []
        self.store = MemoryStore()
        for server in self.servers:
            server.seen.clear()
            server.answer = self.foreign
        self.home.answer = self.home_tls.answer = self.api

    # The API.

    def issue(self, request):
        """Be the token endpoint, as a `token_transport`."""
        token = f"{CANARY}-token-{next(self._numbers)}"
        self.issued.append(token)
        self.good = {token}
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
        return HTTPResponse(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def revoke(self):
        self.good = set()

    def api(self, seen):
        """Be the API: 401 without a good token; `/r?to=URL&status=307` redirects, `/open` needs nothing."""
        if seen.path != "/open" and seen.bearer not in self.good:
            return self.refusal()
        return self.foreign(seen)

    @staticmethod
    def refusal(code="AUTHENTICATION_REQUIRED", status=401):
        return Reply.json({"code": code}, status)

    @staticmethod
    def foreign(seen):
        fields = query(seen)
        if "to" in fields:
            return Reply(int(fields.get("status", "302")), {"Location": fields["to"]}, b"elsewhere")
        return Reply.json({"method": seen.method, "length": len(seen.body)})

    # Credentials.

    def auth(self, stack, base_url=None, **settings):
        """Make an auth of the stack with a token and an API key, for `home` by default."""
        defaults = {
            "client_id": "app",
            "client_secret": CLIENT_SECRET,
            "api_key": API_KEY,
            "store": self.store,
            "token_transport": self.issue,
        }
        return stack.MelomingOAuth(base_url=base_url or self.home.url, **{**defaults, **settings})

    # Assertions.

    def calls(self, *, to=None):
        """Return the requests that reached the API's servers, or `to`."""
        return [seen for server in ([to] if to else [self.home, self.home_tls]) for seen in server.seen]

    def assert_nothing_got_away(self):
        """No foreign server saw any secret in any part of any request."""
        for server in (self.away, self.away_tls, self.other):
            for seen in server.seen:
                assert CANARY not in seen.everything, f"{server.url} was sent a secret"


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
    }
    with names(table):
        yield


@pytest.fixture
def client(stack, world):
    """A client of the stack that trusts the suite's CA, with an auth for `home`."""
    with stack.client(world.auth(stack), verify=world.ca_file) as opened:
        yield opened


def port_of(url):
    return urlsplit(url).port
