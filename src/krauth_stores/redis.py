"""`redis://host:6379/0`: one token for a fleet of machines; `redis+cluster://…` and `redis+sentinel://…` likewise.

Scripts do what must happen at once (`_SAVE`, `_ACQUIRE`). All keys of an entry are in one slot of a cluster.

How durable an entry is, is up to the server: for rotating refresh tokens run it with `appendonly yes`.
"""

from __future__ import annotations

import os
import re
import ssl
import urllib.parse
import uuid
from typing import TYPE_CHECKING, Any, TypeAlias

import redis
import redis.backoff
import redis.cluster
import redis.connection
import redis.exceptions
import redis.retry
import redis.sentinel

from krauth import ConfigurationError, StoreConflict, TokenStore, TokenStoreError
from krauth.stores import ANY, Lease, Stored

from ._locks import ForkableLock
from ._texts import refuse_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable

_Client: TypeAlias = "redis.Redis | redis.cluster.RedisCluster"

_ERRORS = (redis.RedisError, redis.exceptions.RedisClusterException)

PREFIX = "krauth:"
#: Seconds for a connection, and for an answer; `?socket_timeout=…` in the URL changes the latter.
TIMEOUT = 2.0
#: How often a command is sent again when the connection breaks. Each may be repeated: versions and owners are ours.
RETRIES = 2

# Each script begins with what can fail and ends with what can't: Redis undoes nothing when a script stops halfway.
# KEYS: entry, fence, lease.
# ARGV: value, new version, expected version ("*": any, "": none), lease owner or "", expiry in milliseconds or "",
# "release" or "".
_SAVE = """
local present = redis.call('HGET', KEYS[1], 'version') or ''
if present ~= ARGV[2] then  -- else: the answer to an earlier attempt was lost
  if ARGV[4] ~= '' and redis.call('HGET', KEYS[2], 'owner') ~= ARGV[4] then return 'lease' end
  if ARGV[3] ~= '*' and present ~= ARGV[3] then return 'version' end
  local value = redis.call('HGET', KEYS[1], 'value')
  redis.call('HSET', KEYS[1], 'value', ARGV[1], 'version', ARGV[2])
  local expiry
  if ARGV[5] == '' then expiry = redis.pcall('PERSIST', KEYS[1])
  else expiry = redis.pcall('PEXPIREAT', KEYS[1], ARGV[5]) end
  if type(expiry) == 'table' and expiry.err then
    if value then redis.call('HSET', KEYS[1], 'value', value, 'version', present) else redis.call('DEL', KEYS[1]) end
    return expiry
  end
end
if ARGV[6] ~= '' then
  if redis.call('GET', KEYS[3]) == ARGV[4] then redis.call('DEL', KEYS[3]) end
  if redis.call('HGET', KEYS[2], 'owner') == ARGV[4] then redis.call('HSET', KEYS[2], 'owner', '') end
end
return 'saved'
"""
# KEYS: lease, fence, entry. ARGV: owner, ms. Returns the fence or false, and the entry's value and version.
# The fence outlives the lease: the holder of a lease that ended, and after which no other was granted, may still save.
# A fence that is gone refuses. It grows with the clock, so also past a flushed or restored database.
_ACQUIRE = """
local entry = redis.call('HMGET', KEYS[3], 'value', 'version')
local last = tonumber(redis.call('HGET', KEYS[2], 'number') or 0) or 0
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  -- One that is ours: the answer to an earlier attempt was lost.
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {false, entry[1], entry[2]} end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local time = redis.call('TIME')
local fence = math.max(last + 1, time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[2], 'owner', ARGV[1], 'number', string.format('%.0f', fence))
redis.call('PEXPIRE', KEYS[2], ARGV[2] + 3600000)
return {string.format('%.0f', fence), entry[1], entry[2]}
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
if redis.call('HGET', KEYS[2], 'owner') == ARGV[1] then redis.call('HSET', KEYS[2], 'owner', '') end
"""


def open_url(url: str) -> RedisStore:
    """Open the store at a URL; `?prefix=` is ours, other options are redis-py's.

    `redis://host:6379/0`, `rediss://` (TLS) and `unix:///path?db=0` name one server, `redis+cluster://host,host,host`
    some nodes of a cluster, `redis+sentinel://host,host,host/service/0` sentinels and the name that they watch.
    """
    parts = urllib.parse.urlsplit(url)
    options = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    prefix = next((value for name, value in options if name == "prefix"), PREFIX)
    kind, _, topology = parts.scheme.partition("+")
    try:
        make, where = _TOPOLOGIES[topology](
            kind, parts, urllib.parse.urlencode([option for option in options if option[0] != "prefix"])
        )
        return RedisStore(make, prefix=prefix, where=where)
    except (ValueError, TypeError, KeyError, *_ERRORS):
        pass
    # Outside, without the cause: it may quote the part of the URL in which the password is.
    raise ConfigurationError(
        f"this {parts.scheme}:// URL can't be used: write redis://[user:password@]host:port/number,"
        " unix://[user:password@]/path/to/socket?db=number, redis+cluster://[user:password@]host:port,host:port or"
        " redis+sentinel://[user:password@]host:port,host:port/service/number (rediss… for TLS), with special"
        " characters of user and password percent-encoded; the number of the database consists of digits;"
        " options after ? are 'prefix' and those of redis-py"
    )


def _options(kind: str, parts: urllib.parse.SplitResult, path: str, query: str) -> dict[str, Any]:
    """Return redis-py's arguments: those in the URL, else ours."""
    user, at, _ = parts.netloc.rpartition("@")
    options: dict[str, Any] = {"socket_connect_timeout": TIMEOUT, "socket_timeout": TIMEOUT}
    parse: Any = redis.connection.parse_url  # it has no types
    options |= parse(f"{kind}://{user}{at}localhost{path}?{query}")
    for name in ("host", "port", "connection_class"):
        options.pop(name, None)
    # A byte that is no text makes an entry that is no token, not an error that quotes the entry.
    return {"encoding_errors": "replace", **options, "decode_responses": True}


def _retry() -> redis.retry.Retry:
    return redis.retry.Retry(redis.backoff.ExponentialBackoff(cap=0.5, base=0.05), RETRIES)


def _one(kind: str, parts: urllib.parse.SplitResult, query: str) -> tuple[Callable[[], _Client], str]:
    if kind != "unix" and not re.fullmatch("(/[0-9]*)?", parts.path):
        raise ValueError(parts.path)  # redis-py would take database 0
    pool = redis.ConnectionPool.from_url(
        parts._replace(query=query).geturl(),
        encoding_errors="replace",
        decode_responses=True,
        socket_connect_timeout=TIMEOUT,
        socket_timeout=TIMEOUT,
        retry=_retry(),
        health_check_interval=30,
    )
    pool.connection_class(**pool.connection_kwargs)  # knows its options; does not connect
    return lambda: redis.Redis(connection_pool=pool), _address(pool.connection_kwargs)


def _cluster(kind: str, parts: urllib.parse.SplitResult, query: str) -> tuple[Callable[[], _Client], str]:
    if parts.path not in ("", "/", "/0"):
        raise ValueError(parts.path)  # a cluster has no other database
    hosts = _hosts(parts, 6379)
    options = _options(kind, parts, "", query)
    options.pop("db", None)
    _connection_of(kind)(**options)

    def make() -> _Client:
        node: Any = redis.cluster.ClusterNode  # it has no types
        nodes = [node(host, port) for host, port in hosts]
        return redis.cluster.RedisCluster(startup_nodes=nodes, retry=_retry(), **options | _tls(kind))

    return make, f"the cluster of {_listed(hosts)}"


def _sentinel(kind: str, parts: urllib.parse.SplitResult, query: str) -> tuple[Callable[[], _Client], str]:
    found = re.fullmatch("/([^/]+)(/[0-9]*)?", parts.path)
    if found is None:
        raise ValueError(parts.path)
    service = urllib.parse.unquote(found[1])
    hosts = _hosts(parts, 26379)
    own = {"sentinel_username": "username", "sentinel_password": "password"}
    given = urllib.parse.parse_qsl(query, keep_blank_values=True)
    rest = urllib.parse.urlencode([option for option in given if option[0] not in own])
    options = _options(kind, parts, found[2] or "", rest)
    _connection_of(kind)(**options)
    theirs = {name: value for name, value in options.items() if name.startswith(("ssl_", "socket_"))}
    theirs |= {"retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0)}  # the primary's connection tries again
    theirs |= _tls(kind) | {own[name]: value for name, value in given if name in own}

    def make() -> _Client:
        sentinel: Any = redis.sentinel.Sentinel  # it has no types
        more = {"retry": _retry(), "health_check_interval": 30, **options, **_tls(kind)}
        client: redis.Redis = sentinel(hosts, sentinel_kwargs=theirs).master_for(service, **more)
        return client

    return make, f"{service}, watched by the sentinels at {_listed(hosts)},"


_TOPOLOGIES = {"": _one, "cluster": _cluster, "sentinel": _sentinel}


def _tls(kind: str) -> dict[str, Any]:
    return {"ssl": True} if kind == "rediss" else {}


def _connection_of(kind: str) -> type[redis.Connection]:
    return {"redis": redis.Connection, "rediss": redis.SSLConnection}[kind]


def _hosts(parts: urllib.parse.SplitResult, port: int) -> list[tuple[str, int]]:
    hosts = []
    for one in parts.netloc.rpartition("@")[2].split(","):
        host = urllib.parse.urlsplit(f"//{one}")
        if not host.hostname:
            raise ValueError(one)
        hosts.append((host.hostname, host.port or port))
    return hosts


def _listed(hosts: list[tuple[str, int]]) -> str:
    return ", ".join(f"{host}:{port}" for host, port in hosts)


def _address(options: dict[str, Any]) -> str:
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")


def _described(client: _Client) -> str:
    if isinstance(client, redis.cluster.RedisCluster):
        return f"the cluster of {', '.join(sorted(client.nodes_manager.startup_nodes))}"
    pool = client.connection_pool
    if isinstance(pool, redis.sentinel.SentinelConnectionPool):
        return f"{pool.service_name}, watched by sentinels,"
    return _address(pool.connection_kwargs)


class RedisStore(TokenStore):
    """Keeps tokens in Redis 5 or newer, or what speaks its protocol and runs Lua.

    Args:
        client: A synchronous client: `redis.Redis`, `RedisCluster`, or a sentinel's `master_for`. Give it socket
            timeouts. A function that returns one is called when the store is first used.
        prefix: Begins the name of every Redis key.
        where: What messages call the server. By default its address, without user and password.

    Raises:
        ConfigurationError: The client reads from replicas, which may hold an older token.
    """

    def __init__(
        self, client: _Client | Callable[[], _Client], *, prefix: str = PREFIX, where: str | None = None
    ) -> None:
        self._make: Callable[[], _Client] | None = None
        self._client: _Client | None = None
        self._pid = os.getpid()
        self._lock = ForkableLock()
        if isinstance(client, redis.Redis | redis.cluster.RedisCluster):
            self._client = _checked(client)
        else:
            self._make = client
        self._prefix = prefix
        #: key → owner of a lease that the server may hold for us without our knowing, as no answer came: a paused
        #: server does later what it was asked. The next to ask is this owner, and need not wait for that lease to end.
        self._unsure: dict[str, str] = {}
        self._where = where if where is not None or self._client is None else _described(self._client)

    def load(self, key: str) -> Stored | None:
        """Return the entry, or `None`."""
        name = self._name(key, "token")
        return _stored(*self._call(lambda client: client.hmget(name, ["value", "version"])))

    def save(
        self,
        key: str,
        value: str,
        *,
        version: str | None = ANY,
        lease: Lease | None = None,
        expires_at: float | None = None,
    ) -> str:
        """Save an entry and return its new version; see `TokenStore.save`."""
        return self._saved(key, value, version, lease, expires_at, "")

    def save_and_release(
        self, key: str, value: str, *, version: str | None, lease: Lease, expires_at: float | None = None
    ) -> str:
        """Save an entry under a lease and give the lease back, in one round trip."""
        return self._saved(key, value, version, lease, expires_at, "release")

    def _saved(
        self, key: str, value: str, version: str | None, lease: Lease | None, expires_at: float | None, then: str
    ) -> str:
        new = uuid.uuid4().hex
        owner = lease.owner if lease else ""
        # A time that no double of milliseconds holds (also inf and nan) is as good as none.
        expires = int(expires_at * 1000) if expires_at is not None and abs(expires_at) < 9e12 else ""
        names = [self._name(key, what) for what in ("token", "fence", "lease")]
        refuse_surrogates(value)
        answer = _text(self._run(_SAVE, names, [value, new, version or "", owner, expires, then]))
        if answer == "lease":
            raise StoreConflict("the lease was lost before the token could be saved")
        if answer == "version":
            raise StoreConflict("another process saved a token in the meantime")
        return new

    def delete(self, key: str) -> None:
        """Delete the entry, if there is one."""
        self._call(lambda client: client.delete(self._name(key, "token")))

    def acquire(self, key: str, seconds: float) -> Lease | None:
        """Return a lease on `key`, or `None` while another holds it."""
        return self.acquire_and_load(key, seconds)[0]

    def acquire_and_load(self, key: str, seconds: float) -> tuple[Lease | None, Stored | None]:
        """Ask for a lease and return the entry, in one round trip."""
        owner = self._unsure.pop(key, None) or uuid.uuid4().hex
        names = [self._name(key, what) for what in ("lease", "fence", "token")]
        try:
            fence, value, version = self._run(_ACQUIRE, names, [owner, max(1, int(seconds * 1000))])
        except TokenStoreError:
            self._unsure[key] = owner
            raise
        lease = None if fence is None else Lease(key, owner, int(fence))
        return lease, _stored(value, version)

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        names = [self._name(lease.key, "lease"), self._name(lease.key, "fence")]
        try:
            self._run(_RELEASE, names, [lease.owner])
        except TokenStoreError:
            self._unsure[lease.key] = lease.owner
            raise

    def keys(self) -> list[str]:
        """Return all keys."""
        start, end = f"{self._prefix}{{", "}:token"
        escaped = "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in start)
        found = self._call(lambda client: list(client.scan_iter(f"{escaped}*{end}", count=1000)))
        return sorted({str(_text(name))[len(start) : -len(end)] for name in found})

    def close(self) -> None:
        """Close the connections; they are opened again when needed."""
        with self._lock:
            client = self._client
            if self._make is not None:
                self._client = None
        if client is None:
            return
        client.close()
        if not isinstance(client, redis.cluster.RedisCluster):
            client.connection_pool.disconnect()

    def __repr__(self) -> str:
        return f"<RedisStore {self._where} prefix={self._prefix!r}>"

    def _name(self, key: str, what: str) -> str:
        return f"{self._prefix}{{{key}}}:{what}"  # in braces: all of a key's are on one node of a cluster

    def _connected(self) -> _Client:
        with self._lock:
            if self._make is not None and (self._client is None or self._pid != os.getpid()):
                # A client of a cluster has locks that may be held where the process is forked.
                self._client, self._pid = _checked(self._make()), os.getpid()
            assert self._client is not None
            return self._client

    def _run(self, script: str, names: list[str], arguments: list[Any]) -> Any:
        return self._call(lambda client: client.register_script(script)(names, arguments))

    def _call(self, function: Callable[[_Client], Any]) -> Any:
        try:
            return function(self._connected())
        except _ERRORS as error:
            message = _cause(error)
        except UnicodeError:  # of a client that was handed over; the error holds the entry
            message = "has an entry that is no text; delete the entry to start anew"
        # Outside, without the cause: what a server says may quote the command, and so a token.
        raise TokenStoreError(f"the token store in Redis at {self._where} {message}")


def _checked(client: _Client) -> _Client:
    if getattr(client, "read_from_replicas", False) or getattr(client, "load_balancing_strategy", None):
        raise ConfigurationError(
            "this RedisCluster reads from replicas, which may hold an older token than the primary: make one without"
            " read_from_replicas and load_balancing_strategy"
        )
    return client


def _text(answer: Any) -> Any:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer


def _stored(value: Any, version: Any) -> Stored | None:
    return None if value is None or version is None else Stored(_text(value), _text(version))


#: error → what it means; the first that fits. By class, not by text: what a server says may quote a token.
_CAUSES: list[tuple[type[Exception], str]] = [
    (redis.AuthenticationError, "refused user or password, or wants one: check the URL, redis://user:password@host"),
    (redis.BusyLoadingError, "is still loading its data; it is tried again with the next call"),
    (
        redis.exceptions.NoPermissionError,
        "does not let this user do that; on keys with our prefix it needs hmget, hget, hset, get, set, del, persist,"
        " pexpire, pexpireat, and besides time, scan, eval, evalsha, script|load",
    ),
    (
        redis.exceptions.MovedError,
        "is a node of a cluster, and the entry is on another node: write redis+cluster:// in the URL",
    ),
    (
        redis.sentinel.MasterNotFoundError,
        "has no primary that the sentinels know of; is the name right, does a sentinel run, does a failover last?",
    ),
    (
        redis.exceptions.ClusterDownError,
        "is down: some of its slots are served by no node; a failover is tried again with the next call",
    ),
    (
        redis.exceptions.RedisClusterException,
        "can't be reached as a cluster: no node that is named in the URL answers, or they don't run in cluster mode,"
        " or some slots are served by no node",
    ),
    (redis.ReadOnlyError, "is a replica, which can't be written to; the URL has to name the primary"),
    (redis.OutOfMemoryError, "is out of memory; raise maxmemory, or keep tokens in another Redis than a cache"),
    (redis.TimeoutError, "did not answer in time; is it overloaded, paused, or behind a firewall?"),
    (
        redis.ConnectionError,
        "can't be reached, or broke the connection off; does it run, and are host, port and TLS right?",
    ),
]
_CODES = {
    "MISCONF": "can't write its snapshot to disk and refuses to save; see the log of the server",
    "WRONGTYPE": "has something else under our key names; choose another ?prefix=",
}


def _cause(error: Exception) -> str:
    if isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError):
        return "shows a certificate that is not trusted here; name its CA in the URL: ?ssl_ca_certs=/path/to/ca.pem"
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return cause
    code = str(error).partition(" ")[0]
    code = code if code.isalpha() and code.isupper() else "ERR"
    return _CODES.get(code, f"refused a command ({type(error).__name__}, {code}); see the log of the server")
