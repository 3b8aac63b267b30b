"""The world of the conformance suite: an API with two servers, foreign servers, and secrets that must not get about."""

import itertools
import json

from krauth import HTTPResponse, MemoryStore
from loopback import Reply, query

#: Every secret of the suite begins with this, so that a search for it finds them all.
CANARY = "canary-7f3a"
API_KEY = f"mlm_live_{CANARY}-key"
CLIENT_SECRET = f"{CANARY}-client-secret"


class World:
    """`home` and `home_tls` are the API's own servers, `away` and `away_tls` belong to another party."""

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
            server.answer, server.early = self.foreign, None
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
