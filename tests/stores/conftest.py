"""A real Redis for the tests of token stores: started on a free loopback port, ended by its pid."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import redis

from krauth._plugins import plugins
from krauth.testing import TokenStoreContract

PASSWORD = "p4ss:w@rd/of?redis#1"
QUOTED = "p4ss%3Aw%40rd%2Fof%3Fredis%231"
#: A file system in memory, where there is one: how often a store waits for its disk is counted, not waited for.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


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


@pytest.fixture
def tmp_path():
    """A folder, in memory where that can be had."""
    with tempfile.TemporaryDirectory(prefix="krauth-", dir=MEMORY) as folder:
        yield Path(folder).resolve()


@pytest.fixture(scope="session")
def redis_server():
    needed("redis-server", "redis-server")
    with tempfile.TemporaryDirectory(prefix="krauth-redis-", dir=MEMORY) as folder:
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


DATABASE_PASSWORD = "p4ss:w@rd/of?sql#1"
DATABASE_QUOTED = "p4ss%3Aw%40rd%2Fof%3Fsql%231"


class DatabaseServer:
    """A real PostgreSQL or MariaDB on a free loopback port, in a folder that nothing remains of."""

    def __init__(self, folder, account):
        self.folder, self.port = folder, free_ports(1)[0]
        # Both refuse to run as root.
        self.account = {"user": account, "group": account, "extra_groups": []} if os.geteuid() == 0 else {}
        if self.account:
            shutil.chown(folder, account, account)
        self.url = f"sql+{self.name}://krauth:{DATABASE_QUOTED}@127.0.0.1:{self.port}/krauth"
        self.prepare()
        self.start()

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, **self.account)
        assert done.returncode == 0, done.stderr + done.stdout

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder, **self.account)
        eventually(self.answers, 60, 0.05)

    def answers(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.folder, "log")) as log:
                pytest.fail(f"{self.name} ended: {log.read()[-2000:]}")
        try:
            self.execute("SELECT 1")
        except Exception:
            return False
        return True

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(self.at_once)
        self.process.wait(30)

    stop = kill


class PostgreSQL(DatabaseServer):
    name = "postgresql"
    at_once = signal.SIGQUIT  # its children end with it

    def prepare(self):
        with open(os.path.join(self.folder, "password"), "w") as file:
            file.write(DATABASE_PASSWORD)
        os.chmod(file.name, 0o644)
        options = ["-A", "scram-sha-256", f"--pwfile={file.name}", "-E", "UTF8", "--locale=C", "--no-sync"]
        self.run(postgres_program("initdb"), "-D", f"{self.folder}/data", "-U", "krauth", *options)

    def command(self):
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "300",
            "shared_buffers": "16MB",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [postgres_program("postgres"), "-D", f"{self.folder}/data", "-p", str(self.port), *options]

    def execute(self, statement, database="krauth"):
        import psycopg

        options = {"host": "127.0.0.1", "port": self.port, "user": "krauth", "password": DATABASE_PASSWORD}
        try:
            connection = psycopg.connect(**options, dbname=database, autocommit=True, connect_timeout=5)
        except psycopg.OperationalError:
            with psycopg.connect(**options, dbname="postgres", autocommit=True, connect_timeout=5) as admin:
                admin.execute("CREATE DATABASE krauth")
            connection = psycopg.connect(**options, dbname=database, autocommit=True, connect_timeout=5)
        with connection:
            result = connection.execute(statement)
            return result.fetchall() if result.description else []


class MariaDB(DatabaseServer):
    name = "mysql"
    at_once = signal.SIGKILL

    def prepare(self):
        self.run(
            *("mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db"),
            *("--auth-root-authentication-method=normal", "--skip-name-resolve"),
        )
        with open(os.path.join(self.folder, "init.sql"), "w") as file:
            file.write(
                "CREATE DATABASE IF NOT EXISTS krauth;\n"
                f"CREATE USER IF NOT EXISTS krauth@'127.0.0.1' IDENTIFIED BY '{DATABASE_PASSWORD}';\n"
                "GRANT ALL ON *.* TO krauth@'127.0.0.1' WITH GRANT OPTION;\n"
            )
        os.chmod(file.name, 0o644)

    def command(self):
        return [
            *("mariadbd", "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}"),
            *("--bind-address=127.0.0.1", f"--socket={self.folder}/socket", f"--init-file={self.folder}/init.sql"),
            *("--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=16M", "--max-connections=300"),
            *("--innodb-log-file-size=4M", "--innodb-data-file-path=ibdata1:4M:autoextend"),
            *("--skip-name-resolve", f"--pid-file={self.folder}/pid", "--default-time-zone=+09:00"),
        ]

    def execute(self, statement, database="krauth"):
        import pymysql

        options = {"user": "krauth", "password": DATABASE_PASSWORD, "autocommit": True, "connect_timeout": 5}
        connection = pymysql.connect(host="127.0.0.1", port=self.port, database=database, **options)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()


def postgres_program(name):
    """Return the path of a program of PostgreSQL's server, which Debian has on no path."""
    found = shutil.which(name) or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))[-1:]), None)
    if found is None:
        needed(name, "postgresql")
    return os.path.realpath(found)


def _database(kind, account):
    if os.geteuid() == 0 and account not in {user.pw_name for user in pwd.getpwall()}:
        account = "nobody"
    with tempfile.TemporaryDirectory(prefix="krauth-sql-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        server = kind(folder, account)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def postgresql():
    postgres_program("initdb")
    yield from _database(PostgreSQL, "postgres")


@pytest.fixture(scope="session")
def mariadb():
    needed("mariadbd", "mariadb-server")
    yield from _database(MariaDB, "mysql")


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request):
    """Each of them; without our tables; afterwards it runs."""
    server = request.getfixturevalue(request.param)
    for table in ("krauth_tokens", "krauth_leases"):
        server.execute(f"DROP TABLE IF EXISTS {table}")
    yield server
    server.process.send_signal(signal.SIGCONT)
    if server.process.poll() is not None:
        server.start()


@pytest.fixture
def opened():
    """Open stores by URL, and close them after the test."""
    stores = []

    def open_store(store):
        stores.append(plugins().open(store) if isinstance(store, str) else store)
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


class ContractByURL(TokenStoreContract):
    """The contract for a store that is opened by the URL of a server."""

    #: The fixture that starts the server.
    server: str

    @pytest.fixture(autouse=True)
    def place(self, request):
        self.url = request.getfixturevalue(self.server).url

    def make_store(self):
        return plugins().open(self.url)
