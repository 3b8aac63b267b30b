"""Processes that work through jobs: multiprocessing, Celery, RQ."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.runtimes


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_multiprocessing(method, world):
    """All processes of a pool share the token that the store holds, however they come to be."""
    accounts, processes = world.run(sys.executable, world.here / "pool.py", method, EARLY="1").split()
    assert accounts == "1"
    assert int(processes) > 1
    assert world.token_requests == 1


def test_celery_prefork(world, redis_url, monkeypatch):
    """Workers that Celery forks share one token and one refresh."""
    broker = redis_url.replace("unix://", "redis+socket://")
    places = {"BROKER": broker, "EARLY": "1"}
    _, log = world.start("celery", "-A", "jobs", "worker", "--concurrency", "2", "--loglevel", "WARNING", **places)
    celery = pytest.importorskip("celery")
    client = celery.Celery(broker=broker, backend=broker)

    def ask(count):
        results = [client.send_task("account") for _ in range(count)]
        return [result.get(timeout=60, interval=0.02).split() for result in results]

    try:
        assert len({account for account, _ in ask(8)}) == 1
        assert world.token_requests == 1
        world.sandbox.revoke_all()
        answers = ask(40)
        assert len({account for account, _ in answers}) == 1
        assert len({pid for _, pid in answers}) == 2, log.read_text()
        assert world.token_requests == 2
    finally:
        client.close()


def test_rq(world, redis_url):
    """RQ forks a process for each job: each finds the token in the store."""
    redis, rq = pytest.importorskip("redis"), pytest.importorskip("rq")
    with redis.Redis.from_url(redis_url) as connection:
        queue = rq.Queue(connection=connection)
        jobs = [queue.enqueue("tiny.account") for _ in range(4)]
        world.run("rq", "worker", "--burst", "--url", redis_url)
        answers = [job.return_value(refresh=True).split() for job in jobs]
    assert len({account for account, _ in answers}) == 1
    assert len({pid for _, pid in answers}) == 4
    assert world.token_requests == 1
