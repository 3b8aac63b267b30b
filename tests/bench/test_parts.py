"""The parts of the benchmarks that can be wrong in silence: how times are compared, how system calls are counted, the server."""

from __future__ import annotations

import itertools
import json
import ssl
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from benchmarks import cold_start, hot_path, measure, scale, server, stores, subjects  # noqa: E402


def test_a_ratio_is_of_the_same_round():
    """A machine that gets slower in each round changes no ratio."""
    seconds = {name: itertools.count(1).__next__ for name in ("ours", "static")}
    subjects = {"ours": lambda: 3.0 * seconds["ours"](), "static": lambda: 2.0 * seconds["static"]()}
    found = measure.compare(subjects, baseline="static", seconds=0.01)
    assert found["ours"]["ratio"] == [1.5, 1.5, 1.5]
    assert found["static"]["seconds"] > 2.0


def test_percentiles():
    """The slowest of a thousand is the maximum, and the tenth slowest is p99."""
    found = measure.percentiles(float(number) for number in range(1000))
    assert (found["n"], found["p50"], found["p99"], found["max"]) == (1000, 500.0, 990.0, 999.0)


def test_system_calls_are_counted_between_the_marks():
    """What comes before an operation and after its end is not counted to it."""
    trace = """
    10 fsync(3) = 0
    10 rmdir("/krauth-mark/refresh") = -1 ENOENT
    11 sendto(4, "EVALSHA"...) = 7
    12 fdatasync(3) = 0
    11 sendto(4, "EVALSHA"...) = 7
    10 rmdir("/krauth-mark/end") = -1 ENOENT
    11 sendto(4, "PING"...) = 7
    10 rmdir("/krauth-mark/look") = -1 ENOENT
    """
    found = stores.count(trace)
    assert found["refresh"] == {"sent": 2, "fsyncs": 1}
    assert found["look"] == {"sent": 0, "fsyncs": 0}


def test_instructions_are_compared_with_those_of_the_static_bearer(monkeypatch):
    """The count is what valgrind says on stderr; without valgrind there is none."""
    wanted = {("httpx", cold_start.STATIC): "600,000,000", ("httpx", "httpx-auth"): "900,000,000"}

    def program(code, base, env, *before):
        (said,) = (count for (library, what), count in wanted.items() if cold_start.PROGRAMS[library][what] == code)
        return "200", f"==7== Cachegrind\n==7== \n==7== I   refs:      {said}\n" if before[0] == "/bin/valgrind" else ""

    monkeypatch.setattr(cold_start, "program", program)
    monkeypatch.setattr(cold_start.shutil, "which", {"valgrind": "/bin/valgrind"}.get)
    found = cold_start.instructions([*wanted], SimpleNamespace(https="", env={}))
    assert [*found.values()] == [{"count": 600_000_000, "ratio": 1.0}, {"count": 900_000_000, "ratio": 1.5}]
    monkeypatch.setattr(cold_start.shutil, "which", {}.get)
    assert cold_start.instructions([*wanted], SimpleNamespace(https="", env={})) == {}


@pytest.fixture(scope="module")
def handle():
    """The server of the benchmarks, and a TLS context that trusts it."""
    pytest.importorskip("trustme")
    with server.running() as running:
        running.context = ssl.create_default_context(cafile=running.env["SSL_CERT_FILE"])
        yield running


def test_the_server_counts_and_refuses(handle):
    """A token is good until its end, over https too; each request and each refusal is counted."""
    handle.reset(once=1)
    form = Request(f"{handle.https}/token", b"grant_type=client_credentials")
    token = json.loads(urlopen(form, context=handle.context, timeout=10).read())["access_token"]
    call = Request(f"{handle.https}/api", headers={"Authorization": f"Bearer {token}"})
    assert urlopen(call, context=handle.context, timeout=10).status == 200
    with pytest.raises(HTTPError, match="401") as caught:
        urlopen(call, context=handle.context, timeout=10)
    caught.value.close()
    assert handle.counts() | {"connections": 0} == {"token": 1, "api": 2, "refused": 1, "connections": 0}


@pytest.mark.parametrize(("way", "connections"), [("http", 3), ("https", 3), ("https, one session", 0)])
def test_the_floor_of_a_seller_verifies_and_connects_as_krauth_does(handle, monkeypatch, way, connections):
    """By hand, too, a POST goes over a new connection, or over the session's, and trusts no server without its CA."""
    base = getattr(handle, way.partition(",")[0])
    if way == "https":
        monkeypatch.setattr(subjects, "trust", ssl.create_default_context)
        with pytest.raises(scale.requests.exceptions.SSLError):
            scale.by_hand(way, base)
    monkeypatch.setattr(subjects, "trust", lambda: handle.context)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", handle.env["REQUESTS_CA_BUNDLE"])
    handle.reset()
    post, before = scale.by_hand(way, base), handle.counts()
    assert all(post(number).startswith("at-") for number in range(3))
    assert handle.counts()["token"] - before["token"] == 3
    assert handle.counts()["connections"] - before["connections"] - 2 == connections  # two are of `counts`


@pytest.mark.parametrize("stack", ["requests", "httpx async", "aiohttp"])
@pytest.mark.parametrize("kind", hot_path.KINDS)
def test_all_contestants_of_the_hot_path_send_the_same_fields(stack, kind):
    """A comparison with a subject that sends nothing would be void."""
    fields = dict.fromkeys(hot_path.KINDS[kind], "value")
    prepare, subjects, drives = hot_path.STACKS[stack](kind, fields, peers=False)
    for name, subject in subjects.items():
        (request,) = batch = prepare(1)
        drives[name](subject, batch)
        assert all(request.headers.get(field) for field in fields), name
