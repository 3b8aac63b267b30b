"""A real Redis for the tests of token stores: started on a free loopback port, ended by its pid."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest
import redis

PASSWORD = "p4ss:w@rd/of?redis#1"
QUOTED = "p4ss%3Aw%40rd%2Fof%3Fredis%231"


def eventually(probe, seconds=10.0, pause=0.01):
    """Return the first true answer of `probe`."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(pause)
    return answer


def needed(command, package):
    """Skip where a program is missing; in CI, fail."""
    if shutil.which(command) is None:
        reason = f"{command} is not installed (apt-get install {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def free_ports(count):
    """Return ports of 127.0.0.1 that nothing listens on."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class RedisServer:
    """A Redis that can be restarted, paused and resumed; every write is on its disk before it answers."""

    def __init__(self, folder):
        self.folder = folder
        self.socket_path = os.path.join(folder, "redis.sock")
        (self.port,) = free_ports(1)
        self.url = f"redis://:{QUOTED}@127.0.0.1:{self.port}/0"
        self.process = None
        self.start()

    def start(self):
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--requirepass", PASSWORD]
        command += ["--unixsocket", self.socket_path, "--logfile", os.path.join(self.folder, "log")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def _answers(self):
        assert self.process.poll() is None, "redis-server ended"
        try:
            with self.client() as client:
                return client.ping()
        except redis.RedisError:
            return False

    def client(self):
        return redis.Redis(port=self.port, password=PASSWORD, decode_responses=True, socket_timeout=5)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def flush(self):
        """Forget everything, the scripts included."""
        with self.client() as client:
            client.flushall()
            client.script_flush()

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def stop(self):
        if self.process.poll() is None:
            self.resume()
            self.process.terminate()
            self.process.wait(10)


@pytest.fixture(scope="session")
def redis_server():
    needed("redis-server", "redis-server")
    with tempfile.TemporaryDirectory(prefix="krauth-redis-") as folder:
        server = RedisServer(folder)
        yield server
        server.stop()


@pytest.fixture
def redis_url(redis_server):
    """Its URL; afterwards it runs, and is empty."""
    yield redis_server.url
    redis_server.resume()
    if redis_server.process.poll() is not None:
        redis_server.start()
    with redis_server.client() as client:
        client.flushall()
