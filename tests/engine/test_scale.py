"""A fleet of keys: as many auth objects as sellers, in one process. `KRAUTH_SCALE` asks for more than the default."""

from __future__ import annotations

import gc
import os
import threading
import time
import tracemalloc
import weakref

import pytest

import krauth_requests
from krauth import MemoryStore
from krauth._engine import process

pytestmark = pytest.mark.slow

SELLERS = int(os.environ.get("KRAUTH_SCALE", "20000"))
#: Bytes per auth object, with its credentials, source and registry entry: 900 measured. A token, with its entry in the
#: memory store and what the guard knows of it, takes 1,060 more: 2 KiB are the limit of both.
IDLE, WITH_TOKEN = 960, 2048
SECRET = "$2a$04$abcdefghijklmnopqrstuu"


def fleet(number, **settings):
    first = krauth_requests.NaverAuth("client", SECRET, store=MemoryStore(), **settings)
    return [first.for_account(f"seller-{index}") for index in range(number)]


def test_as_many_auth_objects_as_sellers_cost_no_threads_and_leave_nothing_behind():
    """No thread for an idle object, creation in well under a millisecond, and an empty registry once they are gone."""
    threads = threading.active_count()
    begun = time.thread_time()  # of CPU: other processes of a test run take theirs
    auths = fleet(SELLERS)
    seconds = time.thread_time() - begun
    print(f"\n{SELLERS:,} auth objects in {seconds:.2f} s: {seconds / SELLERS * 1e6:.0f} µs each")
    registered = set(process.registry.values())
    sources = weakref.WeakSet(auth._source for auth in auths if auth._source in registered)
    assert len(sources) == SELLERS
    del registered
    assert threading.active_count() <= threads  # others' may have ended meanwhile
    assert seconds / SELLERS < 0.001
    gc.disable()
    try:
        del auths
        assert not sources
    finally:
        gc.enable()


def test_an_auth_object_is_small():
    """An auth object takes less than a kibibyte, and 2 KiB with its token and all that it alone holds."""
    from krauth import Token
    from krauth._plugins import plugins

    number, now = 600, time.time()
    tokens = [f"{index:040d}" for index in range(number)]
    plugins()  # else the observers' thread looks for them, and its memory counts
    fleet(1)[0].set_token(Token("x" * 40, now + 10_800.5, now))
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        auths = fleet(number)
        gc.collect()
        idle = (tracemalloc.get_traced_memory()[0] - before) / number
        for auth, token in zip(auths, tokens, strict=True):
            auth.set_token(Token(token, now + 10_800.5, now))
        gc.collect()
        with_token = (tracemalloc.get_traced_memory()[0] - before) / number
    finally:
        tracemalloc.stop()
    print(f"\n{idle:.0f} bytes per auth object, {with_token:.0f} with a token")
    assert idle <= IDLE
    assert with_token <= WITH_TOKEN


def test_keeping_a_fleet_warm_takes_one_thread():
    """However many sources refresh without traffic, one timer thread waits for all of them."""
    from krauth import RefreshPolicy, Token
    from krauth._engine.rules import NumberedToken

    gc.collect()
    auths = fleet(2000, refresh=RefreshPolicy(keep_warm=True))
    now = time.time()
    for auth in auths:
        auth._source.replace(NumberedToken(Token("token", now + 10_800, now), 1))
        auth._source.keep_warm(auth._transport)
    ours = process.workers._keep_time
    assert len([thread for thread in threading.enumerate() if getattr(thread, "_target", None) == ours]) == 1
