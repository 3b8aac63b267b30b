"""Many processes, one store: one token request for all; killed, stopped and woken; and Redis failing under load."""

import collections
import concurrent.futures
import dataclasses
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import requests

import krauth_requests
from krauth import AuthorizationRequired
from krauth._plugins import plugins
from krauth._values.record import Record
from krauth.stores import Stored

from .conftest import eventually

pytestmark = [pytest.mark.process, pytest.mark.slow]

PROCESSES, THREADS = 16, 3
KILLS = int(os.environ.get("KRAUTH_SOAK_KILLS", "10"))
REDIRECT_URI = "http://127.0.0.1:43210/callback"


class Fleet:
    """`fleet.py`, running."""

    def __init__(self):
        command = [sys.executable, str(Path(__file__).with_name("fleet.py"))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def order(self, **job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def fleet():
    fleet = Fleet()
    yield fleet
    fleet.close()


class Place:
    """A store that processes share, and a way to end a lease without waiting for its time."""

    def __init__(self, url, end_lease):
        self.url, self.end_lease = url, end_lease


@pytest.fixture(params=["sqlite", "redis", "postgresql", "mariadb"])
def place(request, tmp_path):
    if request.param == "sqlite":
        path = tmp_path / "tokens.db"

        def end_lease(key):
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute("UPDATE krauth_leases SET ends_at = 0, ends_up = 0 WHERE key = ?", (key,))

        return Place(f"sqlite:///{path}", end_lease)
    if request.param != "redis":
        database = request.getfixturevalue(request.param)
        for table in ("krauth_tokens", "krauth_leases"):
            database.execute(f"DROP TABLE IF EXISTS {table}")

        def end_lease(key):
            database.execute("UPDATE krauth_leases SET ends_at = 0")

        return Place(database.url, end_lease)
    server, url = request.getfixturevalue("redis_server"), request.getfixturevalue("redis_url")

    def end_lease(key):
        with server.client() as client:
            client.delete(f"krauth:{{{key}}}:lease")

    return Place(url, end_lease)


@pytest.fixture
def opened(place):
    """Open the place as another process would; closed after the test."""
    stores = []

    def open_it():
        stores.append(plugins().open(place.url))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


def naver(sandbox, place, **job):
    return job | {
        "provider": "naver",
        "client": [sandbox.naver_client_id, sandbox.naver_client_secret],
        "base_url": sandbox.naver_url,
        "url": f"{sandbox.naver_url}/v1/seller/account",
        "store": place.url,
    }


def meloming(sandbox, place, **job):
    return job | {
        "provider": "meloming",
        "client": [sandbox.meloming_client_id, sandbox.meloming_client_secret],
        "user": "melo",
        "redirect_uri": REDIRECT_URI,
        "base_url": sandbox.meloming_url,
        "url": f"{sandbox.meloming_url}/v1/me",
        "revoke": f"{sandbox.meloming_url}/_sandbox/revoke?what=access",
        "store": place.url,
    }


def user_auth(sandbox, store):
    client = sandbox.meloming_client_id, sandbox.meloming_client_secret
    options = {"user": "melo", "redirect_uri": REDIRECT_URI, "base_url": sandbox.meloming_url}
    return krauth_requests.MelomingOAuth(*client, store=store, **options)


def sign_in(sandbox, auth):
    request = auth.authorization_request()
    auth.authorize(sandbox.meloming.approve(request.url), request)


def expire(store):
    """Make the stored access token one whose time is up."""
    (key,) = store.keys()
    stored = store.load(key)
    token = dataclasses.replace(Record.from_text(stored.value).token, expires_at=time.time() - 1)
    store.save(key, Record(token).to_text(), version=stored.version)


def test_a_missing_token_costs_one_request(fleet, sandbox, place):
    """16 processes with 3 threads each, and auth objects of their own, start with an empty store at the same moment."""
    fleet.order(**naver(sandbox, place, task="token", processes=PROCESSES, threads=THREADS))
    results = fleet.answer()
    assert len(results) == PROCESSES * THREADS
    assert len(set(results)) == 1, set(results)
    assert sandbox.naver.token_requests == 1


def test_a_refused_token_costs_one_request(fleet, sandbox, place, opened):
    """All of them find a token in the store that the server has revoked: it is replaced once, no call fails."""
    auth = krauth_requests.NaverAuth(
        sandbox.naver_client_id, sandbox.naver_client_secret, base_url=sandbox.naver_url, store=opened()
    )
    auth.token()
    sandbox.naver.revoke_access_tokens()
    fleet.order(**naver(sandbox, place, task="call", processes=PROCESSES, threads=THREADS))
    assert fleet.answer() == [200] * PROCESSES * THREADS
    assert sandbox.naver.token_requests == 2


def test_a_refresh_token_is_spent_once(fleet, sandbox, place, opened):
    """All of them find an expired token with a single-use refresh token: one refreshes, none fails, and no token is lost."""
    auth = user_auth(sandbox, opened())
    sign_in(sandbox, auth)
    expire(opened())
    before = sandbox.meloming.token_requests
    fleet.order(**meloming(sandbox, place, task="token", processes=PROCESSES, threads=THREADS))
    results = fleet.answer()
    assert len(results) == PROCESSES * THREADS
    assert len(set(results)) == 1, set(results)
    assert sandbox.meloming.token_requests == before + 1
    expire(opened())
    assert user_auth(sandbox, opened()).token()  # the one that was saved is the one in force


def test_a_holder_that_wakes_late(fleet, place, opened):
    """A process that is stopped under its lease, and goes on after another has saved, changes nothing."""
    fleet.order(task="sleep", store=place.url, seconds=0.3)
    pid, _ = fleet.answer()
    store = opened()
    lease = eventually(lambda: store.acquire("key", 60))
    version = store.save("key", "newer", lease=lease)
    eventually(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    os.kill(pid, signal.SIGCONT)
    assert fleet.answer() == "refused"
    assert store.load("key") == Stored("newer", version)


def test_killed_at_any_moment(fleet, sandbox, place, opened):
    """After SIGKILL in the middle of rotations: a whole record is in the store, and the next start goes on from it.

    Where the server had rotated and the answer was lost, the user has to sign in again and is told why: no client can
    know a refresh token that it never received.
    """
    sign_in(sandbox, user_auth(sandbox, opened()))
    (key,) = opened().keys()
    random.seed(20260101)
    outcomes = collections.Counter()
    watched = opened()
    for number in range(KILLS):
        fleet.order(**meloming(sandbox, place, task="rotate"))
        pid, said = fleet.answer()
        assert said == ".", "the process could not use what is in the store"
        if number % 4 == 3:  # in a rotation, however slow this machine is
            eventually(lambda: Record.from_text(watched.load(key).value).intent_at, pause=0)
        else:
            time.sleep(random.uniform(0, 0.05))  # the random moment
        os.kill(pid, signal.SIGKILL)
        fleet.answer()
        store = opened()
        record = Record.from_text(store.load(key).value)
        assert record.token is not None
        when = "in a rotation" if record.intent_at else "between two"
        place.end_lease(key)  # as if its time had passed
        auth = user_auth(sandbox, store)
        try:
            with requests.Session() as session:
                assert session.get(f"{sandbox.meloming_url}/v1/me", auth=auth, timeout=60).status_code == 200
            outcomes[when, "went on"] += 1
        except AuthorizationRequired as error:
            outcomes[when, str(error)] += 1
            sign_in(sandbox, auth)
        store.close()
    print(dict(outcomes))
    assert outcomes["between two", "went on"] > 0
    assert any(when == "in a rotation" for when, _ in outcomes), "no kill hit a rotation"
    assert all(when == "in a rotation" and "interrupted" in what for when, what in outcomes if what != "went on")


def test_redis_fails_under_load(sandbox, redis_server, redis_url):
    """Redis is paused, killed, restarted and flushed while threads call an API and tokens die: none fails."""
    store = plugins().open(f"{redis_url}?socket_timeout=0.1&socket_connect_timeout=0.1")
    client = sandbox.naver_client_id, sandbox.naver_client_secret
    auth = krauth_requests.NaverAuth(*client, base_url=sandbox.naver_url, store=store)
    faults = [redis_server.pause, redis_server.resume, redis_server.kill, redis_server.start, redis_server.flush]

    def call(_):
        with requests.Session() as session:
            return session.get(f"{sandbox.naver_url}/v1/seller/account", auth=auth, timeout=60).status_code

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        for fault in faults:
            for during in (True, False):  # while the calls are under way, and before they begin
                sandbox.naver.revoke_access_tokens()
                before = sandbox.naver.token_requests
                calls = [threads.submit(call, number) for number in range(8)]
                if during:
                    fault()
                assert [call.result(60) for call in calls] == [200] * 8, fault
                assert sandbox.naver.token_requests <= before + 1, fault
    store.close()
