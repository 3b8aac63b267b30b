"""What the engine's tests share: a token endpoint, a store and workers that do exactly what the test says, when it says."""

from __future__ import annotations

import contextlib
import json
import random
from collections import deque
from email.utils import formatdate
from urllib.parse import parse_qs

from krauth import HTTPRequest, HTTPResponse, RefreshPolicy, StoreConflict, TokenStoreError, TokenTransportError
from krauth._engine.source import TokenSource
from krauth._values.record import Record
from krauth._values.token import Token
from krauth.naver import NaverCredentials
from krauth.oauth2 import OAuth2Credentials
from krauth.stores import ANY, Lease, Stored, TokenStore
from krauth.testing import FakeClock

ENDPOINT = "https://auth.example/token"
NAVER_SECRET = "$2a$04$abcdefghijklmnopqrstuu"
NOW = 1_800_000_000.0


def machine(secret="s3cret-of-the-machine", **settings):
    """Client credentials: nothing is spent."""
    settings = {"token_endpoint": ENDPOINT, "api_origins": "https://api.example"} | settings
    return OAuth2Credentials("client", secret, **settings)


def person(user="mina", **settings):
    """A user's credentials: each token costs a refresh token."""
    settings = {"token_endpoint": ENDPOINT, "api_origins": "https://api.example"} | settings
    return OAuth2Credentials("client", settings.pop("secret", "s3cret-of-the-client"), user=user, **settings)


class Alone(NaverCredentials):
    """Naver's credentials for tests of one token: without the entry that all tokens of an application share."""

    __slots__ = ()
    application = None


def naver(secret=NAVER_SECRET, account_id=None):
    return Alone("client", secret, account_id)


class Clock(FakeClock):
    """The library's fake clock, begun at a round figure."""

    def __init__(self):
        super().__init__(NOW)


class Workers:
    """Runs what it is given when the test says so; its timers follow the fake clock."""

    def __init__(self, clock):
        self.clock = clock
        self.tasks = deque()
        self.timers = []
        self._order = 0

    def submit(self, task, lane=None, urgent=False):
        self.tasks.append(task)

    @contextlib.contextmanager
    def computing(self):
        yield

    def after(self, seconds, task, lane=None, urgent=False):
        self._order += 1
        self.timers.append((self.clock.monotonic() + seconds, self._order, task))

    def step(self):
        """Run the oldest task."""
        self.tasks.popleft()()

    def run(self, limit=10_000):
        """Run all tasks, and those that come of them; timers only when they are due."""
        for _ in range(limit):
            due = sorted((t for t in self.timers if t[0] <= self.clock.monotonic()), key=lambda t: t[:2])
            for timer in due:
                self.timers.remove(timer)
                self.tasks.append(timer[2])
            if not self.tasks:
                return
            self.step()
        raise AssertionError("the engine never comes to rest")

    def next_timer(self):
        return min(self.timers, key=lambda t: t[:2])[0] if self.timers else None

    def pass_time(self, seconds):
        """Let time pass, with every timer at its time."""
        end = self.clock.monotonic() + seconds
        for _ in range(100_000):
            self.run()
            at = self.next_timer()
            if at is None or at > end:
                break
            self.clock.advance(at - self.clock.monotonic())
        else:
            raise AssertionError("timers beget timers without end")
        self.clock.advance(end - self.clock.monotonic())
        self.run()

    def finish(self, run):
        """Let time pass until a run has ended, and return what came of it."""
        self.run()
        while not run.future.done():
            at = self.next_timer()
            assert at is not None, "a run waits for nothing"
            self.clock.advance(max(0.0, at - self.clock.monotonic()))
            self.run()
        return run.future.result(0)


def answer(status=200, body=None, /, headers=None, **fields):
    """An answer of the token endpoint: `answer(access_token="a")`, `answer(503)`, `answer(400, {"error": …})`."""
    if body is None and status == 200:
        body = {"access_token": "a", "token_type": "Bearer", "expires_in": 3600} | fields
    raw = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
    return HTTPResponse(status, {"content-type": "application/json"} | (headers or {}), raw)


def http_date(seconds):
    return formatdate(seconds, usegmt=True)


class Server:
    """A token endpoint: issues numbered tokens, or does what it is told to (`say`, `down`)."""

    def __init__(self, clock, *, lifetime=3600.0, rotates=True, reissues_below=None):
        self.clock, self.lifetime, self.rotates, self.reissues_below = clock, lifetime, rotates, reissues_below
        self.requests: list[HTTPRequest] = []
        self.script = deque()
        self.down = None
        self.before = None
        self.live = {}
        self.issued = 0
        self.refresh_tokens = {}  # refresh token → "good" | "spent"
        self.refresh_sent = []
        self.abused = False

    @property
    def count(self):
        return len(self.requests)

    def now(self):
        """The time that tokens live by."""
        return self.clock.monotonic()

    def say(self, *answers):
        """Answer the next requests so: an `HTTPResponse`, an exception, or a callable."""
        self.script.extend(answers)

    def authorize(self):
        """A user signs in; return the token that this brings."""
        return self._issue(refresh=True)

    def revoke(self):
        self.live.clear()

    def accepts(self, access_token):
        return self.live.get(access_token, -1.0) > self.now()

    def _issue(self, refresh):
        self.issued += 1
        name = f"access-{self.issued}"
        self.live[name] = self.now() + self.lifetime
        refresh_token = None
        if refresh:
            refresh_token = f"refresh-{self.issued}"
            self.refresh_tokens[refresh_token] = "good"
        now = self.clock.time()
        return Token(name, now + self.lifetime, now, refresh_token=refresh_token)

    def __call__(self, request):
        self.requests.append(request)
        if self.before is not None:
            self.before()
        form = {k: v[0] for k, v in parse_qs(request.body.decode()).items()}
        sent = form.get("refresh_token")
        if sent is not None:
            self.refresh_sent.append(sent)
        said = self.script.popleft() if self.script else self.down
        if callable(said) and not isinstance(said, HTTPResponse):
            said = said(request)
        if isinstance(said, BaseException):
            raise said
        if said is not None:
            return said
        if form["grant_type"] == "refresh_token":
            if self.refresh_tokens.get(sent) != "good":
                self.abused = self.abused or self.refresh_tokens.get(sent) == "spent"
                return answer(400, {"error": "invalid_grant"})
            if self.rotates:
                self.refresh_tokens[sent] = "spent"
            token = self._issue(self.rotates)
        else:
            token = self._again() or self._issue(False)
        fields = {"access_token": token.access_token, "expires_in": self.live[token.access_token] - self.now()}
        if token.refresh_token:
            fields["refresh_token"] = token.refresh_token
        return answer(**fields)

    def _again(self):
        if self.reissues_below is None or not self.live:
            return None
        name, end = max(self.live.items(), key=lambda item: item[1])
        left = end - self.now()
        return Token(name, self.clock.time() + left, self.clock.time()) if left >= self.reissues_below else None


class Store(TokenStore):
    """A shared store on the fake clock, with every way to fail a test can think of."""

    def __init__(self, clock, *, blocking=True):
        self.clock = clock
        self.blocking = blocking
        self.entries = {}
        self.ends = {}
        self.leases = {}
        self.down = False
        self.refuses_saves = False
        self.calls = []
        self._count = 0

    def _called(self, name, *rest):
        self.calls.append((name, *rest))
        if self.down or (self.refuses_saves and name == "save"):
            raise TokenStoreError("the store is down")

    def load(self, key):
        self._called("load")
        return self._present(key)

    def save(self, key, value, *, version=ANY, lease=None, expires_at=None):
        self._called("save", json.loads(value))
        present = self._present(key)
        if version != ANY and (present.version if present else None) != version:
            raise StoreConflict("another version is there")
        if lease is not None and not self._holds(lease):
            raise StoreConflict("the lease was lost")
        self._count += 1
        self.entries[key] = Stored(value, f"v{self._count}")
        self.ends[key] = expires_at
        return self.entries[key].version

    def delete(self, key):
        self._called("delete")
        self.entries.pop(key, None)

    def acquire(self, key, seconds):
        self._called("acquire")
        held = self.leases.get(key)
        if held is not None and held[1] > self.clock.monotonic():
            return None
        self._count += 1
        lease = Lease(key, f"owner-{self._count}", self._count)
        self.leases[key] = (lease, self.clock.monotonic() + seconds)
        return lease

    def release(self, lease):
        self._called("release")
        if self._holds(lease):
            del self.leases[lease.key]

    def _present(self, key):
        end = self.ends.get(key)
        return None if end is not None and end <= self.clock.time() else self.entries.get(key)

    def _holds(self, lease):
        held = self.leases.get(lease.key)
        return held is not None and held[0] == lease and held[1] > self.clock.monotonic()

    # What a sibling process does.

    def put(self, key, token, intent_at=None, number=None):
        self._count += 1
        self.entries[key] = Stored(Record(token, intent_at, number=number).to_text(), f"v{self._count}")
        self.ends[key] = None

    def token(self, key):
        stored = self.entries.get(key)
        return Record.from_text(stored.value).token if stored else None

    def record(self, key):
        return Record.from_text(self.entries[key].value)


class Rig:
    """One process: a source over a store, a server and workers, all on one fake clock."""

    def __init__(self, credentials=None, *, policy=None, clock=None, store=None, server=None, **server_settings):
        self.clock = clock or Clock()
        self.workers = Workers(self.clock)
        self.server = server or Server(self.clock, **server_settings)
        self.store = store or Store(self.clock)
        self.credentials = credentials or machine()
        self.policy = policy or RefreshPolicy(jitter=0)
        self.opened = 0
        self.events = []
        self.source = self.make_source()

    def make_source(self):
        source = TokenSource(self.credentials, self.store, self.policy, clock=self.clock, workers=self.workers)
        return source

    @property
    def way(self):
        return self

    is_bounded = False
    tells_leaving = False

    def open(self):
        self.opened += 1
        return self.server

    def peek(self):
        snapshot = self.source.peek(self)
        return snapshot and snapshot.token.access_token

    def start(self, refused=None):
        return self.source.start(self, refused=refused)

    def get(self, refused=None):
        """Do as a caller does: peek, else wait; return the access token or raise."""
        if refused is None and (found := self.peek()) is not None:
            return found
        outcome = self.workers.finish(self.start(refused))
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome.token.access_token

    @property
    def failure(self):
        return self.source._memory.failure_of(self)

    def stored(self):
        return self.store.token(self.credentials.key)


def users(**settings):
    """A rig whose user has signed in."""
    rig = Rig(person(), **settings)
    token = rig.server.authorize()
    rig.store.put(rig.credentials.key, token)
    return rig


def never():
    """A transport that must not be used."""

    def send(request):
        raise AssertionError("a token request was sent")

    return send


NETWORK = TokenTransportError("no route to host")
half = random.Random(0).random
