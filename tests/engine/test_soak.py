"""A soak: memory, descriptors and threads stay flat over many refreshes, failures and auth objects.

`make soak` runs it for ten minutes; the tests run it for a few seconds.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time

import aiohttp
import httpx
import pytest
import requests

import krauth_aiohttp
import krauth_httpx
import krauth_requests
from krauth import KrauthError, MemoryStore, RefreshPolicy, testing

ONCE = RefreshPolicy(attempts=1)
SECONDS = float(os.environ.get("KRAUTH_SOAK_SECONDS", "6"))


def used():
    """Resident memory in bytes, open descriptors, threads."""
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd")), threading.active_count()


def one_round(sandbox, number):
    """Auth objects of three stacks, a 401, a failing token endpoint, and all of it thrown away."""
    url = f"{sandbox.naver_url}/v1/seller/account"
    settings = {"base_url": sandbox.naver_url, "store": MemoryStore()}
    client = (sandbox.naver_client_id, sandbox.naver_client_secret)
    with requests.Session() as session:
        session.trust_env = False
        session.auth = krauth_requests.NaverAuth(*client, **settings)
        assert session.get(url).status_code == 200
        sandbox.naver.revoke_access_tokens()
        assert session.get(url).status_code == 200
    with httpx.Client(auth=krauth_httpx.NaverAuth(*client, **settings), trust_env=False) as one:
        assert one.get(url).status_code == 200

    async def main():
        auth = krauth_aiohttp.NaverAuth(*client, **{**settings, "store": MemoryStore()})
        async with aiohttp.ClientSession(middlewares=(auth,)) as session, session.get(url) as response:
            assert response.status == 200

    asyncio.run(main())
    with pytest.raises(KrauthError):
        krauth_requests.NaverAuth(
            *client, base_url="http://127.0.0.1:9/external", refresh=ONCE, store=MemoryStore()
        ).token()
    testing.reset()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="there is no /proc here")
def test_memory_descriptors_and_threads_stay_flat(sandbox, monkeypatch):
    """The second half of the time needs no more than the first."""
    monkeypatch.setattr(logging.getLogger("krauth"), "propagate", False)  # pytest keeps what is logged
    for number in range(10):
        one_round(sandbox, number)
    end, marks, rounds = time.monotonic() + SECONDS, [], 0
    middle = time.monotonic() + SECONDS / 2
    while time.monotonic() < end:
        one_round(sandbox, rounds)
        rounds += 1
        if not marks and time.monotonic() > middle:
            marks.append(used())
    marks.append(used())
    (memory, files, threads), (memory_after, files_after, threads_after) = marks[0], marks[-1]
    print(
        f"{rounds} rounds in {SECONDS:.0f} s: {memory / 1e6:.1f} → {memory_after / 1e6:.1f} MB,"
        f" {files} → {files_after} descriptors, {threads} → {threads_after} threads"
    )
    assert memory_after <= memory * 1.02 + 4e6
    assert files_after <= files + 4
    assert threads_after <= threads + 4
