"""Naver's penalty for malformed token requests: what an application, a fleet of it included, sends while it lasts."""

import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from krauth import HTTPResponse, MemoryStore, RateLimitError
from krauth.testing import FakeClock
from stacks import BY_NAME

NAVER_SECRET = "$2a$04$abcdefghijklmnopqrstuu"


class Endpoint:
    """A token endpoint under the penalty, with the header fields that are given; it may grant one token first."""

    def __init__(self, clock, headers, grants=0):
        self.clock, self.grants, self.sent, self.lock = clock, grants, [], threading.Lock()
        self.headers = {"Content-Type": "application/json", **headers}

    def __call__(self, request):
        with self.lock:
            self.sent.append(self.clock.monotonic())
            self.grants -= 1
            if self.grants >= 0:
                return HTTPResponse(200, {}, b'{"access_token": "t", "token_type": "Bearer", "expires_in": 10800}')
        return HTTPResponse(429, self.headers, b'{"code": "GW.QUOTA_LIMIT", "message": "m"}')


@pytest.mark.parametrize("period", [{"GNCP-GW-Quota-Period": "HOURS"}, {}], ids=["HOURS", "unnamed"])
@pytest.mark.parametrize("is_given", [True, False], ids=["a store", "the process's memory"])
@pytest.mark.parametrize("grants", [0, 1])
def test_ten_minutes_of_the_penalty(period, is_given, grants):
    """20 sellers, 5 threads, 10 minutes: at most 3 token requests; all callers without a token are told why."""
    with FakeClock() as clock:
        endpoint, store = Endpoint(clock, period, grants), MemoryStore() if is_given else None
        client_id = f"client-{len(period)}-{grants}"
        base = BY_NAME["requests"].NaverAuth(client_id, NAVER_SECRET, store=store, token_transport=endpoint)
        sellers = [base.for_account(f"ncp_{number}") for number in range(20)]
        told, granted = set(), set()

        def call(auth):
            try:
                auth.token()
            except RateLimitError as error:
                told.add("penalty" in str(error))
            else:
                granted.add(auth)

        with ThreadPoolExecutor(5) as pool:
            for _ in range(60):
                list(pool.map(call, sellers))
                clock.advance(10)
        assert (told, len(granted)) == ({True}, grants)
        assert 1 <= len(endpoint.sent) <= 3


def test_the_penalty_is_tried_again_with_growing_pauses():
    """A penalty that lasts for a day costs a handful of requests; a token after it makes the next failure a first one."""
    with FakeClock() as clock:
        endpoint = Endpoint(clock, {"GNCP-GW-Quota-Period": "HOURS"})
        auth = BY_NAME["requests"].NaverAuth("client", NAVER_SECRET, store=MemoryStore(), token_transport=endpoint)
        for _ in range(24 * 60):
            with pytest.raises(RateLimitError):
                auth.token()
            clock.advance(60)
        gaps = [after - before for before, after in zip(endpoint.sent, endpoint.sent[1:], strict=False)]
        assert gaps[0] < gaps[1] < gaps[2]
        assert max(gaps) <= 3700
        assert len(endpoint.sent) <= 30


def test_a_quota_of_seconds_is_over_after_a_second():
    """A solution's quota per second costs a caller a second, and pauses no other seller."""
    with FakeClock() as clock:
        endpoint = Endpoint(clock, {"GNCP-GW-Quota-Period": "SECONDS"})
        base = BY_NAME["requests"].NaverAuth("client", NAVER_SECRET, store=MemoryStore(), token_transport=endpoint)
        for auth in (base.for_account("1"), base.for_account("2")):
            before = len(endpoint.sent)
            with pytest.raises(RateLimitError):
                auth.token()
            assert len(endpoint.sent) > before


PROGRAM = """
    import sys, time
    from concurrent.futures import ThreadPoolExecutor
    import krauth
    from krauth_requests import NaverAuth

    client_id, client_secret, base_url, store, *sellers = sys.argv[1:]
    base = NaverAuth(client_id, client_secret, base_url=base_url, store=store)

    def call(auth):
        until = time.monotonic() + 3
        while time.monotonic() < until:
            try:
                auth.token()
            except krauth.RateLimitError:
                pass

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(call, [base, *map(base.for_account, sellers)] * 3))
"""


@pytest.mark.process
def test_processes_share_the_penalty(sandbox, tmp_path):
    """Three processes with several sellers each, over one store, send 3 token requests at most between them."""
    sandbox.naver.malformed_elsewhere = True
    arguments = [sandbox.naver_client_id, sandbox.naver_client_secret, sandbox.naver_url, f"sqlite:///{tmp_path}/t.db"]
    arguments += list(sandbox.naver.accounts)
    running = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert 1 <= sandbox.naver.token_requests <= 3
