"""Redis: restarted, paused, flushed, locked down; and what its errors never say."""

import logging
import socket
import threading
import time
import traceback

import pytest
import redis
import trustme

from krauth import ConfigurationError, StoreConflict, TokenStoreError
from krauth._plugins import plugins
from krauth.stores import Stored
from krauth_stores.redis import RedisStore

from .conftest import QUOTED, eventually

SECRET = "an-access-token-that-nobody-may-see"


@pytest.fixture
def store(redis_url):
    store = plugins().open(redis_url)
    yield store
    store.close()


@pytest.fixture
def opened():
    """Open stores, and close them after the test."""
    stores = []

    def open_store(url):
        stores.append(plugins().open(url))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def everything(error):
    """All that a log would show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error.__context__) + repr(error.__cause__)


# ---- faults of the server -------------------------------------------------------------------------------------


def test_a_restart(store, redis_server):
    """A server that was killed and started again has the entry, and the store finds it without being told."""
    version = store.save("key", "value")
    lease = store.acquire("key", 60)
    redis_server.kill()
    with pytest.raises(TokenStoreError, match=f"Redis at 127.0.0.1:{redis_server.port} can't be reached"):
        store.load("key")
    redis_server.start()
    assert store.load("key") == Stored("value", version)
    store.save("key", "newer", version=version, lease=lease)


def test_a_pause(opened, redis_server, redis_url):
    """A server that does not answer costs a bounded time; nothing that is not known to be saved is reported saved."""
    store = opened(f"{redis_url}?socket_timeout=0.2")
    version = store.save("key", "value")
    redis_server.pause()
    began = time.monotonic()
    with pytest.raises(TokenStoreError, match=f"127.0.0.1:{redis_server.port} did not answer in time"):
        store.save("key", SECRET, version=version)
    assert time.monotonic() - began < 5
    redis_server.resume()
    assert store.load("key").value in ("value", SECRET)  # it may have reached the server, and not the other way


@pytest.mark.parametrize("what", ["acquire", "release"])
def test_a_lease_that_is_granted_too_late(what, opened, redis_server, redis_url):
    """A server that wakes grants a lease that no caller waits for any more: that lease does not lock its caller out."""
    store, other = opened(f"{redis_url}?socket_timeout=0.1"), opened(redis_url)
    lease = store.acquire("key", 60)
    if what == "acquire":
        store.release(lease)
    redis_server.pause()
    with pytest.raises(TokenStoreError, match="did not answer"):
        store.acquire("key", 60) if what == "acquire" else store.release(lease)
    redis_server.resume()
    again = eventually(lambda: store.acquire("key", 60))
    assert again.fence > lease.fence
    assert store.acquire("key", 60) is None
    assert other.acquire("key", 60) is None
    store.save("key", "value", lease=again)
    store.release(again)
    assert other.acquire("key", 60)


def test_a_flush(store, redis_server):
    """After everything was deleted a writer from before is refused, and leases go on growing."""
    before = store.acquire("key", 60)
    version = store.save("key", "value", lease=before)
    with redis_server.client() as client:
        client.flushall()
        client.script_flush()
    assert store.load("key") is None
    with pytest.raises(StoreConflict):
        store.save("key", "stale", version=version)
    with pytest.raises(StoreConflict):
        store.save("key", "stale", lease=before)
    after = store.acquire("key", 60)
    assert after.fence > before.fence
    store.save("key", "new", version=None, lease=after)
    with pytest.raises(StoreConflict):
        store.save("key", "stale", lease=before)


class Cutter:
    """Passes bytes to a server and back; when told to, it cuts the line just before the next answer gets back."""

    def __init__(self, port):
        self.target = port
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            near, _ = self.listener.accept()
            with near, socket.create_connection(("127.0.0.1", self.target)) as far:
                while data := near.recv(1 << 20):
                    if data == b"stop":
                        return
                    far.sendall(data)
                    answer = far.recv(1 << 20)
                    if self.cuts and b"EVALSHA" in data:
                        self.cuts -= 1
                        break
                    near.sendall(answer)

    def stop(self):
        with socket.create_connection(("127.0.0.1", self.port)) as end:
            end.sendall(b"stop")
        self.thread.join(10)
        self.listener.close()


def test_an_answer_that_is_lost(opened, redis_server, redis_url):
    """A change whose answer was lost is not taken for another process's doing when it is asked for again."""
    cutter = Cutter(redis_server.port)
    store = opened(redis_url.replace(f":{redis_server.port}", f":{cutter.port}"))
    try:
        version = store.save("key", "first", version=None)  # the scripts are loaded now
        cutter.cuts = 1
        lease = store.acquire("key", 60)
        assert lease is not None
        cutter.cuts = 2
        version = store.save("key", "second", version=version, lease=lease)
        assert cutter.cuts == 0
        assert store.load("key") == Stored("second", version)
        store.release(lease)
    finally:
        store.close()
        cutter.stop()


# ---- what is on the server ------------------------------------------------------------------------------------


def test_dead_entries_are_dropped_by_the_server(store, redis_server):
    """An entry gets the server's expiry, and loses it when a later save has none; nothing of a lease stays."""
    with redis_server.client() as client:
        store.save("key", "value", expires_at=time.time() + 1000)
        assert 990_000 < client.pttl("krauth:{key}:token") <= 1_000_000
        store.save("key", "value")
        assert client.pttl("krauth:{key}:token") == -1
        lease = store.acquire("key", 15)
        assert 14_000 < client.pttl("krauth:{key}:lease") <= 15_000
        assert client.pttl("krauth:{key}:fence") > 15_000
        store.release(lease)
        assert sorted(client.keys("*")) == ["krauth:{key}:fence", "krauth:{key}:token"]


def test_what_can_fail_fails_first(store, redis_server):
    """A fence of a wrong type grants no lease; a save whose expiry is refused saves nothing."""
    with redis_server.client() as client:
        client.set("krauth:{key}:fence", "text")
        with pytest.raises(TokenStoreError, match="something else under our key names"):
            store.acquire("key", 60)
        assert client.get("krauth:{key}:lease") is None
        client.delete("krauth:{key}:fence")
        version = store.save("key", "value", expires_at=time.time() + 1000)
        client.execute_command("ACL", "SETUSER", "default", "-pexpireat")
        try:
            for key, before in (("key", Stored("value", version)), ("new", None)):
                with pytest.raises(TokenStoreError):
                    store.save(key, SECRET, expires_at=time.time() + 2000)
                assert store.load(key) == before
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+@all")
        assert 990_000 < client.pttl("krauth:{key}:token") <= 1_000_000


@pytest.mark.parametrize("end", [1e300, float("inf"), float("nan"), -1e300])
def test_a_time_that_is_none(end, store, redis_server):
    """An absurd expiry is no expiry."""
    version = store.save("key", "value", expires_at=end)
    assert store.load("key") == Stored("value", version)


@pytest.mark.parametrize("byte", [b"\xff", b"\xed\xa0\x80"])
@pytest.mark.parametrize("client", ["of the URL", "that decodes", "of bytes"])
def test_a_byte_that_is_no_text(byte, client, store, redis_server, redis_url):
    """It is never shown in an error, whichever client reads it; other entries are read and listed."""
    if client != "of the URL":
        store = RedisStore(redis.Redis.from_url(redis_url, decode_responses=client == "that decodes"))
    store.save("key", "value")
    store.save("other", "value")
    with redis_server.client() as admin:
        admin.hset("krauth:{key}:token", "value", SECRET.encode() + byte)
    if client == "that decodes":
        with pytest.raises(TokenStoreError, match="no text; delete the entry") as caught:
            store.load("key")
        assert SECRET not in everything(caught.value)
    else:
        assert "\ufffd" in store.load("key").value
    assert store.load("other").value == "value"
    assert store.keys() == ["key", "other"]
    store.save("key", "new")
    assert store.load("key").value == "new"
    store.close()


def test_a_text_that_is_no_text(store):
    """A lone surrogate is refused; the error does not hold the text."""
    with pytest.raises(TokenStoreError, match="lone surrogate") as caught:
        store.save("key", f"{SECRET}\ud800")
    assert SECRET not in everything(caught.value)


def test_one_refresh_is_two_round_trips(store, redis_server):
    """The lease with the entry, and the token with the release."""
    store.save("key", "value")  # the script is known now
    store.release(store.acquire("key", 15))
    with redis_server.client() as client:
        before = client.info("commandstats")
        lease, stored = store.acquire_and_load("key", 15)
        store.save_and_release("key", "new", version=stored.version, lease=lease)
        after = client.info("commandstats")
    calls = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert calls["cmdstat_evalsha"] == 2
    assert not calls.get("cmdstat_script|load", 0)


def test_prefixes_are_apart(opened, redis_url):
    """Two programs with a prefix each share a server and see nothing of each other."""
    one, other = opened(f"{redis_url}?prefix=one:"), opened(f"{redis_url}?prefix=o?e:")
    one.save("key", "value")
    assert other.load("key") is None
    assert other.keys() == []
    assert other.acquire("key", 60)
    assert one.acquire("key", 60)
    assert one.keys() == ["key"]


def test_a_client_of_ones_own(redis_server, redis_url):
    """A configured redis-py client can be handed over."""
    with redis_server.client() as client:
        store = RedisStore(client, prefix="mine:")
        store.save("key", "value")
        assert client.hget("mine:{key}:token", "value") == "value"
        assert repr(store) == f"<RedisStore localhost:{redis_server.port} prefix='mine:'>"


# ---- messages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrange", "says"),
    [
        (["CONFIG", "SET", "maxmemory", "1"], "out of memory"),
        (["SET", "krauth:{key}:token", "text"], "something else under our key names"),
        (["ACL", "SETUSER", "default", "-hset"], "does not let this user|refused a command"),
        (["ACL", "SETUSER", "default", "-evalsha"], "does not let this user"),
        (["REPLICAOF", "127.0.0.1", "1"], "is a replica"),
    ],
)
def test_what_a_server_refuses(arrange, says, store, redis_server, caplog):
    """Each refusal is told in our words: the server's may quote the command, and so the token."""
    caplog.set_level(logging.DEBUG)
    with redis_server.client() as client:
        client.execute_command(*arrange)
        try:
            with pytest.raises(TokenStoreError, match=says) as caught:
                store.save("key", SECRET)
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+@all")
            client.execute_command("REPLICAOF", "NO", "ONE")
            client.execute_command("CONFIG", "SET", "maxmemory", "0")
    assert SECRET not in everything(caught.value) + caplog.text
    assert redis_server.url not in str(caught.value)


def test_a_command_that_the_server_does_not_know(store, redis_url, monkeypatch):
    """Its answer quotes the arguments; ours does not."""
    client = store._connected()
    monkeypatch.setattr(client, "evalsha", lambda sha, number, *args: client.execute_command("NOSUCH", *args))
    with pytest.raises(redis.ResponseError, match=SECRET):
        client.execute_command("NOSUCH", SECRET)
    with pytest.raises(TokenStoreError, match=r"refused a command \(ResponseError, ERR\)") as caught:
        store.save("key", SECRET)
    assert SECRET not in everything(caught.value)


def test_a_wrong_password(opened, redis_server):
    """It is not shown, nor is the right one."""
    store = opened(f"redis://:{SECRET}@127.0.0.1:{redis_server.port}/0")
    with pytest.raises(TokenStoreError, match="refused user or password") as caught:
        store.load("key")
    assert SECRET not in everything(caught.value) + repr(store)
    with pytest.raises(TokenStoreError, match="wants one: check the URL"):
        opened(f"redis://127.0.0.1:{redis_server.port}/0").load("key")


@pytest.fixture
def tls_port(redis_server, tmp_path):
    """The same server, on a TLS port as well; a CA of ours is beside it."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    issued.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "tls-cert-file": tmp_path / "server.pem",
        "tls-key-file": tmp_path / "key.pem",
        "tls-ca-cert-file": tmp_path / "ca.pem",
        "tls-auth-clients": "no",
        "tls-port": port,
    }
    with redis_server.client() as client:
        try:
            client.config_set(*[part for name, value in settings.items() for part in (name, str(value))])
        except redis.ResponseError as error:
            pytest.skip(f"this redis-server was built without TLS: {error}")
        yield port
        client.config_set("tls-port", 0)


def test_over_tls(opened, tls_port, tmp_path):
    """`rediss://` is spoken over TLS to a server whose certificate is right, and to no other."""
    base = f"rediss://:{QUOTED}@127.0.0.1:{tls_port}/0"
    store = opened(f"{base}?ssl_ca_certs={tmp_path / 'ca.pem'}")
    version = store.save("key", "value")
    assert store.load("key") == Stored("value", version)
    lease = store.acquire("key", 5.0)
    store.save("key", "newer", version=version, lease=lease)
    store.release(lease)
    trustme.CA().cert_pem.write_to_path(tmp_path / "another.pem")
    for untrusted in (base, f"{base}?ssl_ca_certs={tmp_path / 'another.pem'}"):
        with pytest.raises(TokenStoreError, match="certificate that is not trusted.*ssl_ca_certs"):
            opened(untrusted).load("key")


def test_no_server_there(opened):
    """An address where no server is: the message has it, without user and password."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        store = opened(f"redis://user:{SECRET}@127.0.0.1:{port}/0")
        with pytest.raises(TokenStoreError, match=f"127.0.0.1:{port} can't be reached") as caught:
            store.load("key")
    assert SECRET not in everything(caught.value) + repr(store)
    missing = opened(f"unix://user:{SECRET}@/nowhere/redis.sock")
    with pytest.raises(TokenStoreError, match=r"Redis at /nowhere/redis\.sock can't be reached") as caught:
        missing.load("key")
    assert SECRET not in everything(caught.value) + repr(missing)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://user:{SECRET}/half@127.0.0.1:6379/0",  # an unquoted slash: the rest is taken for a port
        f"redis://:{SECRET}@127.0.0.1:{SECRET}/0",
        f"redis://:{SECRET}@127.0.0.1:6379/0?no_such_option=1",
        f"redis://:{SECRET}@127.0.0.1:6379/0?socket_timeout=soon",
        f"redis://:{SECRET}@127.0.0.1:6379/abc",
        f"redis://:{SECRET}@127.0.0.1:6379/0/1",
        f"redis://:{SECRET}@127.0.0.1:6379/-1",
        f"redis+cluster://:{SECRET}@127.0.0.1:6379/1",
        f"redis+cluster://:{SECRET}@127.0.0.1:6379,:7000/0",
        f"redis+cluster://:{SECRET}@127.0.0.1:6379/0?no_such_option=1",
        f"redis+sentinel://:{SECRET}@127.0.0.1:26379",
        f"redis+sentinel://:{SECRET}@127.0.0.1:26379/name/abc",
        f"redis+sentinel://:{SECRET}@127.0.0.1:{SECRET}/name",
        f"redis+nothing://:{SECRET}@127.0.0.1:6379/0",
    ],
)
def test_urls_that_cannot_be_used(url):
    """They are refused when the store is opened, and not quoted."""
    with pytest.raises(ConfigurationError, match="percent-encoded") as caught:
        plugins().open(url)
    assert SECRET not in everything(caught.value)
