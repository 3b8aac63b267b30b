"""`min_interval`: a server that issues one token a minute is asked once a minute, by all that share a store."""

import json
import threading

import pytest

from krauth import HTTPResponse, MemoryStore, RateLimitError, RefreshPolicy
from krauth.provider import Credentials, OriginAuth, hide, make_key, parse_origin, prepare_form_request, use_credentials
from krauth.testing import FakeClock

from .conftest import NoStack


class Broker(Credentials):
    __slots__ = ()
    provider = "broker"
    min_interval = 60.0

    def __init__(self):
        self.client_id, self.token_endpoint = "app", "https://api.example.com/token"
        self.origins = (parse_origin(self.token_endpoint),)
        self.key = make_key("broker", self.token_endpoint, ("client_id", "app"))

    def prepare_token_request(self, now, token=None):
        return prepare_form_request(self.token_endpoint, {"client_id": "app"})


class BrokerAuth(NoStack, OriginAuth):
    def __init__(self, server, store, **policy):
        use_credentials(self, Broker(), store=store, refresh=RefreshPolicy(**policy), token_transport=server)


class Server:
    """Issues one token in 60 s, and refuses with 403 until then, as KIS does."""

    def __init__(self, clock, lifetime=3600):
        self.clock, self.lifetime, self.sent, self.lock = clock, lifetime, [], threading.Lock()

    def __call__(self, request):
        with self.lock:
            self.sent.append(self.clock.time())
            if len(self.sent) > 1 and self.sent[-1] - self.sent[-2] < 60:
                return HTTPResponse(403, {}, b'{"code": "EGW00133"}')
            data = {"access_token": f"t{len(self.sent)}", "token_type": "Bearer", "expires_in": self.lifetime}
            return HTTPResponse(200, {}, json.dumps(data).encode())


def another(auth, refused):
    """Obtain a token in the place of one that the API refused."""
    return auth._tokens.obtain(auth._transport, refused=hide(refused)).token.access_token


def test_the_engine_says_until_when():
    """A token that is wanted sooner than the server gives one costs no request: the error says how long to wait."""
    with FakeClock() as clock:
        server, store = Server(clock), MemoryStore()
        auths = [BrokerAuth(server, store, attempts=attempts) for attempts in (1, 2)]  # two sources, one store
        assert [auth.token().access_token for auth in auths] == ["t1", "t1"]
        clock.advance(15)
        for auth in auths:
            with pytest.raises(RateLimitError, match="one token in 60 s") as caught:
                another(auth, "t1")
            assert caught.value.retry_after == pytest.approx(45, abs=1)
        assert len(server.sent) == 1
        clock.advance(46)
        assert [another(auth, "t1") for auth in auths] == ["t2", "t2"]
        assert len(server.sent) == 2


def test_the_engine_waits_where_there_is_time():
    """Where the interval ends before the caller's timeout, the caller waits for it and gets its token."""
    with FakeClock() as clock:
        server = Server(clock)
        auth = BrokerAuth(server, MemoryStore(), timeout=30)
        auth.token()
        clock.advance(59.9)
        threading.Timer(0.02, clock.advance, [5]).start()
        assert another(auth, "t1") == "t2"
        assert server.sent[1] - server.sent[0] >= 60


def test_a_refusal_is_not_repeated_before_the_interval():
    """A token request that was refused counts, too: the next one is sent a minute later."""
    with FakeClock() as clock:
        server, store = Server(clock), MemoryStore()
        server.sent.append(clock.time() - 1)  # another program was faster
        auth = BrokerAuth(server, store)
        for _ in range(5):
            with pytest.raises(Exception, match="EGW00133"):
                auth.token()
            clock.advance(10)
        assert len(server.sent) == 2
        clock.advance(15)
        assert auth.token().access_token == "t3"


def test_a_token_that_is_forgotten_counts():
    """The server counts its token requests: `forget` drops the token, and does not end the interval."""
    with FakeClock() as clock:
        server = Server(clock)
        auth = BrokerAuth(server, MemoryStore())
        auth.token()
        clock.advance(15)
        auth.forget()
        with pytest.raises(RateLimitError, match="one token in 60 s"):
            auth.token()
        clock.advance(46)
        assert auth.token().access_token == "t2"
        assert len(server.sent) == 2


def test_others_have_no_interval():
    """Without `min_interval` a token is asked for whenever one is wanted."""
    assert Credentials.min_interval == 0
