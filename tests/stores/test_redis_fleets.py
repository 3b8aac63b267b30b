"""Redis Cluster (three nodes and a replica) and Sentinel, real ones on loopback: contract, slot migration, failover."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time

import pytest
import redis
import redis.sentinel
import trustme

from krauth import ConfigurationError, TokenStoreError
from krauth.stores import Stored
from krauth_stores.redis import RedisStore

from .conftest import ContractByURL, eventually, free_ports, needed

pytestmark = [pytest.mark.slow, pytest.mark.process]

PASSWORD = "p4ss:w@rd"
QUOTED = "p4ss%3Aw%40rd"


class Node:
    """A redis-server in a folder, with a password, that nothing remains of."""

    def __init__(self, folder, port, *options):
        self.port = port
        self.folder = os.path.join(folder, str(port))
        os.mkdir(self.folder)
        self.options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            self.folder,
            "--save",
            "",
            "--daemonize",
            "no",
        ]
        self.options += ["--logfile", os.path.join(self.folder, "log"), *options]
        self.process = None

    def start(self, *arguments):
        command = ["redis-server", *arguments, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        eventually(self.answers)

    def answers(self):
        assert self.process.poll() is None, "redis-server ended"
        with contextlib.suppress(redis.RedisError):
            return self.command("PING")

    def command(self, *command):
        password = PASSWORD if "--requirepass" in self.options else None
        with redis.Redis(port=self.port, password=password, decode_responses=True, socket_timeout=5) as client:
            return client.execute_command(*command)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)


SLOTS = [(0, 5460), (5461, 10922), (10923, 16383)]


class Cluster:
    """Three primaries; the first has a replica."""

    def __init__(self, folder):
        ports = free_ports(8)
        common = ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--cluster-enabled", "yes"]
        common += [
            "--cluster-node-timeout",
            "1500",
            "--cluster-replica-validity-factor",
            "0",
            "--repl-diskless-sync-delay",
            "0",
        ]
        self.nodes = [
            Node(folder, port, *common, "--cluster-port", str(bus))
            for port, bus in zip(ports[:4], ports[4:], strict=True)
        ]
        for node in self.nodes:
            node.start()
        self.ids = [node.command("CLUSTER", "MYID") for node in self.nodes]
        for number, (first, last) in enumerate(SLOTS):
            self.nodes[number].command("CLUSTER", "ADDSLOTSRANGE", first, last)
            self.nodes[number].command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node, bus in list(zip(self.nodes, ports[4:], strict=True))[1:]:
            self.nodes[0].command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for node in self.nodes:
            eventually(lambda node=node: len(node.command("CLUSTER", "NODES").split("\n")) >= 4, 20)
        eventually(self.replicates, 20)
        for node in self.nodes:
            eventually(lambda node=node: "cluster_state:ok" in str(node.command("CLUSTER", "INFO")), 20)
        self.hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self.url = f"redis+cluster://:{QUOTED}@{self.hosts}"

    def replicates(self):
        with contextlib.suppress(redis.RedisError):  # it does not know the primary yet
            self.nodes[3].command("CLUSTER", "REPLICATE", self.ids[0])
            return True

    def stop(self):
        for node in self.nodes:
            node.stop()


@pytest.fixture(scope="module")
def cluster():
    needed("redis-server", "redis-server")
    with tempfile.TemporaryDirectory(prefix="krauth-cluster-") as folder:
        cluster = Cluster(folder)
        yield cluster
        cluster.stop()


class Sentinels:
    """A primary, its replica, and one sentinel that fails over when the primary is silent for half a second."""

    def __init__(self, folder):
        first, second, watcher = free_ports(3)
        common = ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0"]
        self.nodes = [Node(folder, port, *common) for port in (first, second)]
        for node in self.nodes:
            node.start()
        self.nodes[1].command("REPLICAOF", "127.0.0.1", first)
        eventually(lambda: self.nodes[1].command("INFO", "replication")["master_link_status"] == "up", 20)
        self.sentinel = Node(folder, watcher)
        config = os.path.join(self.sentinel.folder, "sentinel.conf")
        with open(config, "w") as file:
            file.write(
                f"sentinel monitor tokens 127.0.0.1 {first} 1\nsentinel auth-pass tokens {PASSWORD}\n"
                "sentinel down-after-milliseconds tokens 500\nsentinel failover-timeout tokens 3000\n"
            )
        self.sentinel.start(config, "--sentinel")
        self.url = f"redis+sentinel://:{QUOTED}@127.0.0.1:{watcher}/tokens/0"
        eventually(self.knows_the_replica, 20)

    def knows_the_replica(self):
        return len(self.sentinel.command("SENTINEL", "REPLICAS", "tokens")) == 1

    def primary(self):
        _, port = self.sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "tokens")
        return int(port)

    def stop(self):
        for node in (self.sentinel, *self.nodes):
            node.stop()


@pytest.fixture(scope="module")
def sentinels():
    needed("redis-server", "redis-server")
    with tempfile.TemporaryDirectory(prefix="krauth-sentinel-") as folder:
        sentinels = Sentinels(folder)
        yield sentinels
        sentinels.stop()


class TestCluster(ContractByURL):
    server = "cluster"


class TestSentinel(ContractByURL):
    server = "sentinels"


def refresh(store, key, text):
    """What one refresh does; returns the version."""
    lease, stored = store.acquire_and_load(key, 15)
    assert lease is not None
    return store.save_and_release(key, text, version=stored.version if stored else None, lease=lease)


def test_all_slots(cluster, opened):
    """Entries of every node are saved, loaded and listed; with a client that is handed over, too."""
    client = redis.cluster.RedisCluster(
        host="127.0.0.1", port=cluster.nodes[1].port, password=PASSWORD, decode_responses=True
    )
    for store in (opened(cluster.url), opened(RedisStore(client, prefix="mine:"))):
        keys = [f"slots|{number}" for number in range(20)]
        versions = {key: refresh(store, key, key) for key in keys}
        assert {key: store.load(key) for key in keys} == {key: Stored(key, versions[key]) for key in keys}
        assert set(keys) <= set(store.keys())
        assert PASSWORD not in repr(store)
        assert "the cluster of" in repr(store)


def test_one_node_of_a_cluster(cluster, opened):
    """A URL of one server that is a node of a cluster: the message says how to write it."""
    store = opened(f"redis://:{QUOTED}@127.0.0.1:{cluster.nodes[1].port}/0")
    with pytest.raises(TokenStoreError, match=r"is a node of a cluster.*write redis\+cluster://"):
        for number in range(20):
            store.save(f"key{number}", "value")


def test_a_client_that_reads_from_replicas(cluster):
    """They may hold an older token: refused."""
    strategy = redis.cluster.LoadBalancingStrategy.ROUND_ROBIN
    with redis.cluster.RedisCluster(
        host="127.0.0.1", port=cluster.nodes[0].port, password=PASSWORD, load_balancing_strategy=strategy
    ) as client:
        with pytest.raises(ConfigurationError, match="reads from replicas"):
            RedisStore(client)


def test_a_slot_that_moves(cluster, opened):
    """While the slot of an entry moves to another node, refreshes go on, and none is lost."""
    store, key = opened(cluster.url), "moving"
    refresh(store, key, "0")
    slot = store._connected().keyslot(f"krauth:{{{key}}}:token")
    source = next(number for number, (first, last) in enumerate(SLOTS) if first <= slot <= last)
    target = 1 if source != 1 else 2
    counted, stop, failures = [0], threading.Event(), []

    def go_on():
        while not stop.is_set():
            try:
                lease, stored = store.acquire_and_load(key, 15)
                store.save_and_release(key, str(int(stored.value) + 1), version=stored.version, lease=lease)
                counted[0] += 1
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        for there, back in ((target, source), (source, target)):
            at = counted[0]
            cluster.nodes[there].command("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.ids[back])
            cluster.nodes[back].command("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.ids[there])
            names = cluster.nodes[back].command("CLUSTER", "GETKEYSINSLOT", slot, 100)
            migrate = ["MIGRATE", "127.0.0.1", cluster.nodes[there].port, "", 0, 5000, "AUTH", PASSWORD, "KEYS"]
            cluster.nodes[back].command(*migrate, *names)
            for number in (there, back, *(other for other in range(3) if other not in (there, back))):
                cluster.nodes[number].command("CLUSTER", "SETSLOT", slot, "NODE", cluster.ids[there])
            eventually(lambda at=at: counted[0] > at + 5)
    finally:
        stop.set()
        thread.join(30)
    assert not failures, failures[0]
    assert store.load(key).value == str(counted[0])


def test_a_node_that_dies(cluster, opened):
    """Its replica takes over within seconds: the saved entries are there, and refreshes go on."""
    store = opened(f"{cluster.url}?socket_timeout=0.5")
    keys = [f"dies|{number}" for number in range(12)]
    versions = {key: refresh(store, key, "before") for key in keys}
    eventually(lambda: cluster.nodes[3].command("INFO", "replication")["master_link_status"] == "up", 20)
    on_it = [key for key in keys if store._connected().keyslot(f"krauth:{{{key}}}:token") <= SLOTS[0][1]]
    assert on_it
    cluster.nodes[0].command("WAIT", 1, 5000)
    cluster.nodes[0].stop()

    def served():
        with contextlib.suppress(TokenStoreError):
            return store.load(on_it[0])

    assert eventually(served, 30) == Stored("before", versions[on_it[0]])
    for key in keys:
        assert store.load(key) == Stored("before", versions[key])
        refresh(store, key, "after")
        assert store.load(key).value == "after"


def test_a_failover_of_sentinels(sentinels, opened):
    """The primary dies: the store finds the new one without being told; an old lease is not forgotten."""
    client = redis.sentinel.Sentinel([("127.0.0.1", sentinels.sentinel.port)]).master_for(
        "tokens", password=PASSWORD, socket_timeout=0.5, decode_responses=True
    )
    stores = [opened(f"{sentinels.url}?socket_timeout=0.5"), opened(RedisStore(client))]
    assert all("tokens, watched by" in repr(store) and PASSWORD not in repr(store) for store in stores)
    version = refresh(stores[0], "key", "before")
    assert stores[1].load("key") == Stored("before", version)
    lease = stores[0].acquire("held", 60)
    assert sentinels.primary() == sentinels.nodes[0].port
    sentinels.nodes[0].command("WAIT", 1, 5000)
    sentinels.nodes[0].stop()

    def served(store):
        with contextlib.suppress(TokenStoreError):
            return store.load("key")

    for store in stores:
        assert eventually(lambda store=store: served(store), 30) == Stored("before", version)
    assert sentinels.primary() == sentinels.nodes[1].port
    assert stores[1].acquire("held", 60) is None
    stores[0].save("held", "value", lease=lease)
    refresh(stores[0], "key", "after")
    assert stores[1].load("key").value == "after"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+cluster://:{}@127.0.0.1:{port}", "can't be reached"),
        ("redis+sentinel://:{}@127.0.0.1:{port}/tokens", "no primary that the sentinels know of"),
    ],
)
def test_no_server_there(url, says, opened):
    """Opening connects to nothing; using says which, without the password."""
    (port,) = free_ports(1)
    store = opened(url.format(QUOTED, port=port))
    began = time.monotonic()
    with pytest.raises(TokenStoreError, match=says) as caught:
        store.load("key")
    assert time.monotonic() - began < 10
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert PASSWORD not in str(caught.value) + repr(store)


# Over TLS.


def over_tls(folder, port, *options, **more):
    """A redis-server, or a sentinel, that speaks TLS alone; its certificate is in the folder."""
    settings = {
        "port": "0",
        "tls-port": str(port),
        "bind": "127.0.0.1",
        "tls-cert-file": f"{folder}/server.pem",
        "tls-key-file": f"{folder}/server.pem",
        "tls-ca-cert-file": f"{folder}/ca.pem",
        "tls-auth-clients": "no",
        "tls-replication": "yes",
        "dir": str(folder),
    } | more
    path = folder / f"{port}.conf"
    path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    return subprocess.Popen(["redis-server", str(path), *options], stdout=subprocess.DEVNULL, cwd=folder)


def test_cluster_and_sentinel_over_tls(tmp_path, opened):
    """`rediss+cluster://` and `rediss+sentinel://` speak TLS to every node and sentinel, and only to those they trust."""
    needed("redis-server", "redis-server")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "another.pem")
    node, bus, primary, sentinel = free_ports(4)
    cluster = {"cluster-enabled": "yes", "tls-cluster": "yes", "cluster-port": bus, "cluster-config-file": "nodes"}
    watched = {"sentinel monitor mine 127.0.0.1": f"{primary} 1"}
    servers = [
        over_tls(tmp_path, node, **cluster),
        over_tls(tmp_path, primary),
        over_tls(tmp_path, sentinel, "--sentinel", **watched),
    ]
    try:
        with redis.Redis("127.0.0.1", node, ssl=True, ssl_ca_certs=str(tmp_path / "ca.pem")) as client:
            eventually(lambda: quietly(client.ping))
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            eventually(lambda: re.search(r"cluster_state\W+ok", str(client.execute_command("CLUSTER", "INFO"))))
        for place in (f"rediss+cluster://127.0.0.1:{node}", f"rediss+sentinel://127.0.0.1:{sentinel}/mine"):
            store = opened(f"{place}?ssl_ca_certs={tmp_path}/ca.pem")
            version = eventually(lambda store=store: quietly(lambda: store.save("key", "value")))
            lease, found = store.acquire_and_load("key", 5.0)
            assert found == Stored("value", version)
            store.save_and_release("key", "newer", version=version, lease=lease)
            assert store.load("key").value == "newer"
            with pytest.raises(TokenStoreError):
                opened(f"{place}?ssl_ca_certs={tmp_path}/another.pem").load("key")
    finally:
        for server in servers:
            server.kill()
            server.wait(10)


def quietly(function):
    """Return what a function returns, or `None` while the server is not there yet."""
    with contextlib.suppress(redis.RedisError, TokenStoreError):
        return function()
