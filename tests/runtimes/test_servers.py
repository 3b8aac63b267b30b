"""Web servers: gunicorn, whose workers are forked from a process that has a token already, and uvicorn."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.runtimes

SERVERS = {
    "gunicorn sync": ("gunicorn", "--preload", "--workers", "2", "tiny:wsgi"),
    "gunicorn gthread": ("gunicorn", "--preload", "--workers", "2", "--threads", "4", "tiny:wsgi"),
    "gunicorn gevent": ("gunicorn", "--preload", "--worker-class", "gevent", "--workers", "2", "tiny:wsgi"),
    "uvicorn": ("uvicorn", "--workers", "2", "tiny_asgi:asgi"),
}


@pytest.mark.parametrize("name", SERVERS)
def test_workers_share_one_refresh(name, world, port):
    """All workers use the token from before the fork; when it is refused, one token request serves them all."""
    program, *words = SERVERS[name]
    place = ("--bind", f"127.0.0.1:{port}") if program == "gunicorn" else ("--host", "127.0.0.1", "--port", port)
    world.serve(program, *place, *words, port=port, EARLY="1")
    pids = set()
    for _ in range(50):
        accounts, found = world.answers(port, 16)
        assert len(accounts) == 1
        pids |= found
        if len(pids) == 2:
            break
    assert len(pids) == 2
    before = world.token_requests
    assert before == 1
    world.sandbox.revoke_all()
    world.answers(port, 64)
    assert world.token_requests == before + 1
