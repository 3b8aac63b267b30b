"""`redis://host:6379/0`: one token for a fleet of machines. Scripts do what must happen at once (`_SAVE`, `_ACQUIRE`).

How durable an entry is, is up to the server: for rotating refresh tokens run it with `appendonly yes`.
"""

from __future__ import annotations

import ssl
import urllib.parse
import uuid
from typing import TYPE_CHECKING, Any

import redis
import redis.backoff
import redis.exceptions
import redis.retry

from krauth import ConfigurationError, StoreConflict, TokenStore, TokenStoreError
from krauth.stores import ANY, Lease, Stored

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """Open `redis://`, `rediss://` (TLS) or `unix://`; `?prefix=` is ours, other options are redis-py's."""
    parts = urllib.parse.urlsplit(url)
    options = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    prefix = next((value for name, value in options if name == "prefix"), PREFIX)
    rest = urllib.parse.urlencode([option for option in options if option[0] != "prefix"])
    try:
        pool = redis.ConnectionPool.from_url(
            parts._replace(query=rest).geturl(),
            decode_responses=True,
            socket_connect_timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            retry=redis.retry.Retry(redis.backoff.ExponentialBackoff(cap=0.5, base=0.05), RETRIES),
            health_check_interval=30,
        )
        pool.connection_class(**pool.connection_kwargs)  # knows its options; does not connect
        return RedisStore(redis.Redis(connection_pool=pool), prefix=prefix)
    except (ValueError, TypeError, redis.RedisError):
        pass
    # Outside, without the cause: it may quote the part of the URL in which the password is.
    raise ConfigurationError(
        f"this {parts.scheme}:// URL can't be used: write {parts.scheme}://[user:password@]host:port/number,"
        " or unix://[user:password@]/path/to/socket?db=number, with special characters of user and password"
        " percent-encoded; options after ? are 'prefix' and those of redis-py"
    )


class RedisStore(TokenStore):
    """Keeps tokens in Redis 5 or newer, or what speaks its protocol and runs Lua.

    Args:
        client: A synchronous client with `decode_responses=True`; give it socket timeouts.
        prefix: Begins the name of every Redis key.
    """

    def __init__(self, client: redis.Redis, *, prefix: str = PREFIX) -> None:
        self._client = client
        self._prefix = prefix
        self._save, self._acquire, self._release = map(client.register_script, (_SAVE, _ACQUIRE, _RELEASE))
        #: key → owner of a lease that the server may hold for us without our knowing, as no answer came: a paused
        #: server does later what it was asked. The next to ask is this owner, and need not wait for that lease to end.
        self._unsure: dict[str, str] = {}
        options = client.connection_pool.connection_kwargs
        self._where = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"

    def load(self, key: str) -> Stored | None:
        """Return the entry, or `None`."""
        value, version = self._call(self._client.hmget, self._name(key, "token"), ["value", "version"])
        return None if value is None or version is None else Stored(value, version)

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
        answer = self._call(self._save, names, [value, new, version or "", owner, expires, then])
        if answer == "lease":
            raise StoreConflict("the lease was lost before the token could be saved")
        if answer == "version":
            raise StoreConflict("another process saved a token in the meantime")
        return new

    def delete(self, key: str) -> None:
        """Delete the entry, if there is one."""
        self._call(self._client.delete, self._name(key, "token"))

    def acquire(self, key: str, seconds: float) -> Lease | None:
        """Return a lease on `key`, or `None` while another holds it."""
        return self.acquire_and_load(key, seconds)[0]

    def acquire_and_load(self, key: str, seconds: float) -> tuple[Lease | None, Stored | None]:
        """Ask for a lease and return the entry, in one round trip."""
        owner = self._unsure.pop(key, None) or uuid.uuid4().hex
        names = [self._name(key, what) for what in ("lease", "fence", "token")]
        try:
            fence, value, version = self._call(self._acquire, names, [owner, max(1, int(seconds * 1000))])
        except TokenStoreError:
            self._unsure[key] = owner
            raise
        lease = None if fence is None else Lease(key, owner, int(fence))
        return lease, None if value is None or version is None else Stored(value, version)

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        names = [self._name(lease.key, "lease"), self._name(lease.key, "fence")]
        try:
            self._call(self._release, names, [lease.owner])
        except TokenStoreError:
            self._unsure[lease.key] = lease.owner
            raise

    def keys(self) -> list[str]:
        """Return all keys."""
        start, end = f"{self._prefix}{{", "}:token"
        escaped = "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in start)
        names: list[str] = self._call(lambda: list(self._client.scan_iter(f"{escaped}*{end}", count=1000)))
        return sorted({name[len(start) : -len(end)] for name in names})

    def close(self) -> None:
        """Close the connections; they are opened again when needed."""
        self._client.close()
        self._client.connection_pool.disconnect()

    def __repr__(self) -> str:
        return f"<RedisStore {self._where} prefix={self._prefix!r}>"

    def _name(self, key: str, what: str) -> str:
        return f"{self._prefix}{{{key}}}:{what}"  # in braces: all of a key's are on one node of a cluster

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return function(*args)
        except redis.RedisError as error:
            message = f"the token store in Redis at {self._where} {_cause(error)}"
        # Outside, without the cause: what a server says may quote the command, and so a token.
        raise TokenStoreError(message)


#: error → what it means; the first that fits. By class, not by text: what a server says may quote a token.
_CAUSES: list[tuple[type[redis.RedisError], str]] = [
    (redis.AuthenticationError, "refused user or password, or wants one: check the URL, redis://user:password@host"),
    (redis.BusyLoadingError, "is still loading its data; it is tried again with the next call"),
    (
        redis.exceptions.NoPermissionError,
        "does not let this user do that; on keys with our prefix it needs hmget, hget, hset, get, set, del, persist,"
        " pexpire, pexpireat, and besides time, scan, eval, evalsha, script|load",
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


def _cause(error: redis.RedisError) -> str:
    if isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError):
        return "shows a certificate that is not trusted here; name its CA in the URL: ?ssl_ca_certs=/path/to/ca.pem"
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return cause
    code = str(error).partition(" ")[0]
    code = code if code.isalpha() and code.isupper() else "ERR"
    return _CODES.get(code, f"refused a command ({type(error).__name__}, {code}); see the log of the server")
