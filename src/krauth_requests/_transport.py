"""Token requests over requests: on a session of our own, or one that the user hands over."""

from __future__ import annotations

import copy
import io
import os
import queue
from contextlib import suppress
from http.client import HTTPResponse as _HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, ClassVar

import requests
from requests.adapters import HTTPAdapter, Retry
from requests.cookies import RequestsCookieJar
from urllib3 import Timeout
from urllib3.connection import HTTPSConnection

import krauth
from krauth._auth.transport import Transport
from krauth._values.messages import leaving

if TYPE_CHECKING:
    from collections.abc import Callable

    from krauth import HTTPRequest, HTTPResponse
    from krauth._auth.answer import Deadline


class TokenTransport(Transport):
    """Sends token requests over requests: no redirects, no auth, no hooks, bounded in time and size.

    Args:
        session: A configured session (proxies, CA bundle, mounted adapters), also the very one that carries the
            auth. `None`: the transport makes a session.
    """

    library: ClassVar = requests
    client_names = ("Session",)

    def __init__(self, session: requests.Session | None = None) -> None:
        super().__init__(session)

    @property
    def tells_leaving(self) -> bool:
        """True: a session may have a lock around `send`, and the caller may hold it."""
        return True

    def _send(self, request: HTTPRequest, deadline: Deadline) -> HTTPResponse:
        from krauth._auth.answer import Collector, TimeLeft

        # Prepared apart from the session: neither its auth, hooks, headers and cookies nor a .netrc is for this.
        headers = {**request.headers, "Accept-Encoding": "identity"}
        prepared = requests.PreparedRequest()
        prepared.prepare(method=request.method, url=request.url, headers=headers, data=request.body)
        if self._given is None:
            prepared.headers["Connection"] = "close"  # the next token request is hours away
        session = _lent(self._given or _own_session(request.url), prepared.url, deadline)
        settings: Any = session.merge_environment_settings(request.url, {}, True, None, None)
        verify = settings["verify"]
        if isinstance(verify, str) and not os.path.exists(verify):
            raise krauth.TokenTransportError(
                f"the CA bundle {verify} does not exist; check REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and session.verify"
            )
        uses_socks = "socks" in str(requests.utils.select_proxy(request.url, settings["proxies"])).lower()
        connect: Any = deadline.left() if uses_socks else TimeLeft(deadline.left)  # PySocks wants a float
        timeout: Any = Timeout(connect=connect, read=deadline.seconds)
        collector = Collector(deadline)
        try:
            with session.send(prepared, timeout=timeout, allow_redirects=False, **settings) as response:
                for chunk in _raw_chunks(response):
                    collector.add(chunk)
                headers = response.headers if not response._content_consumed else {}
                return krauth.HTTPResponse(response.status_code, response.headers, collector.decoded(headers))
        finally:
            if self._given is None:
                session.close()


def _raw_chunks(response: requests.Response) -> Any:
    """Return the body in parts, not decoded: a decoder makes a gigabyte of a kilobyte before a bound can be checked."""
    raw: Any = response.raw
    if response._content_consumed:  # type: ignore[attr-defined]  # an adapter of the user's read it
        return [response.content]
    if hasattr(raw, "stream"):
        return raw.stream(16384, decode_content=False)
    return iter(lambda: raw.read(16384), b"")


def _own_session(url: str) -> requests.Session:
    # For one request: urllib3 would keep its connection and use it again, which RFC 9112 §9.6 forbids after "close";
    # servers that close without saying so would break the next one off.
    session = requests.Session()
    is_https = url.startswith("https:")
    session.mount("https://" if is_https else "http://", HTTPAdapter(pool_maxsize=1))
    session.trust_env = is_https  # plain http goes to this machine only, so without a proxy
    return session


# A session for one token request. Nothing of the user's is changed: there are other threads at work on it.


def _lent(session: requests.Session, url: Any, deadline: Deadline) -> Any:
    """Return a session that shares everything with `session` but its cookies, and sends one request in bounded time."""
    lent: Any = _twin(session)
    lent.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    adapter: Any = session.get_adapter(url)
    once = _SentOnce(_lent_adapter(adapter, deadline) if isinstance(adapter, HTTPAdapter) else adapter)
    lent.get_adapter = lambda url: once
    return lent


def _lent_adapter(adapter: Any, deadline: Deadline) -> Any:
    lent = _twin(adapter)
    lent.max_retries = Retry(0, read=False)  # as requests has it by default; our request may spend a refresh token
    for name in ("get_connection_with_tls_context", "get_connection"):  # before requests 2.32: the second only
        if (get := getattr(adapter, name, None)) is not None:
            setattr(lent, name, _with_lent_pool(get, deadline))
    return lent


def _with_lent_pool(get: Callable[..., Any], deadline: Deadline) -> Callable[..., Any]:
    def get_connection(*args: Any, **kwargs: Any) -> Any:
        pool = get(*args, **kwargs)
        if not all(hasattr(pool, name) for name in ("pool", "_new_conn", "conn_kw")):
            return pool  # a stranger's
        if type(pool.pool).__module__.startswith("urllib3") and not isinstance(pool.pool, queue.Queue):
            # urllib3-future, which niquests installs in urllib3's place: its connections are no http.client's. Each
            # operation is bounded, not their sum; a caller waits no longer than `RefreshPolicy.timeout` all the same.
            return pool
        lent, kind = _twin(pool), type(pool)
        lent.pool = _Connections(pool.pool, deadline) if pool.pool is not None else None
        lent.conn_kw = dict(pool.conn_kw)
        # Not `ConnectionCls`: vcrpy asks whether a connection is an instance of it. The function must not hold `pool`:
        # urllib3 closes the connections of a pool when the last reference to it is gone.
        lent._new_conn = lambda: _bounded(kind._new_conn(lent), deadline)
        return lent

    return get_connection


def _twin(thing: Any) -> Any:
    """Return a shallow copy. `copy.copy` would ask `__getstate__`, which leaves out what a subclass added."""
    twin = object.__new__(type(thing))
    twin.__dict__.update(thing.__dict__)
    return twin


class _SentOnce:
    """An adapter that sends a token request once, even if a retry setting or a hook repeats it."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter
        self._outcome: Any = None

    def send(self, request: Any, **settings: Any) -> Any:
        """Send the request. A second call returns or raises the outcome of the first."""
        leaving.get()()
        if self._outcome is None:
            try:
                self._outcome = self._adapter.send(request, **settings)
            except Exception as error:
                self._outcome = copy.copy(error)  # without its traceback, whose frames hold this object
                raise
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


class _Connections:
    """The queue of a pool's idle connections, shared with the pool; connections are bounded while they are out."""

    def __init__(self, queue: Any, deadline: Deadline) -> None:
        self._queue, self._deadline = queue, deadline

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return an idle connection, or `None` for the pool to make one."""
        connection = self._queue.get(block=block, timeout=self._deadline.left() if block else timeout)
        return None if connection is None else _bounded(connection, self._deadline)

    def put(self, connection: Any, block: bool = True) -> None:
        """Take a connection back."""
        # vcrpy wraps a connection, and sets on the real one what is set on its own.
        for each in (connection, getattr(connection, "real_connection", None)):
            for name in ("response_class", "_new_conn"):
                vars(each).pop(name, None) if each is not None else None
        if (bundle := getattr(getattr(connection, "ssl_context", None), "read_from", None)) is not None:
            connection.ssl_context, connection.ca_certs = None, bundle
        self._queue.put(connection, block=block)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


def _bounded(connection: Any, deadline: Deadline) -> Any:
    """Let every read of this connection wait no longer than the attempt may; see `Deadline`."""
    connect: Any = getattr(connection, "_new_conn", None)

    def new_conn() -> Any:
        _lend_context(connection)
        sock = connect()
        sock.settimeout(deadline.left())  # for the TLS handshake, which is one operation
        return sock

    if connect is not None:
        connection._new_conn = new_conn
    connection.response_class = lambda sock, *args, **kwargs: _Response(sock, deadline, *args, **kwargs)
    return connection


#: What a connection has where the user decides about its TLS.
_TLS_SETTINGS = (
    *("ssl_context", "ca_cert_data", "cert_file", "key_file", "key_password", "assert_hostname", "assert_fingerprint"),
    *("ssl_version", "ssl_minimum_version", "ssl_maximum_version"),
)
#: CA bundle → which file it was, and a TLS context that has read it. No more than `_MOST` are kept.
_contexts: dict[str, tuple[tuple[int, ...], Any]] = {}
_MOST = 8


def _lend_context(connection: Any) -> None:
    """Give a connection that is about to open a TLS context that has read its CA bundle already.

    `_Connections.put` takes it back. urllib3 reads the bundle for each connection, 20 times the time of a signature.
    """
    bundle = getattr(connection, "ca_certs", None)
    # A directory costs nothing to name, and a context that has found a certificate in one never looks at it again.
    if not bundle or getattr(connection, "ca_cert_dir", None) or connection.cert_reqs != "CERT_REQUIRED":
        return
    # A `connect` of the user's may make a context of its own from `ca_certs`; without, it would trust the system's.
    if type(connection).connect is not HTTPSConnection.connect:
        return
    if any(getattr(connection, name, None) is not None for name in _TLS_SETTINGS):
        return
    if getattr(getattr(connection, "proxy", None), "scheme", None) == "https":  # it needs the name of the file, too
        return
    with suppress(OSError):  # urllib3 meets it again, and tells it in its own way
        connection.ssl_context = _context_for(bundle)
        connection.ca_certs = None


def _context_for(bundle: str) -> Any:
    found = os.stat(bundle)
    # Not the time and the size alone: a file can be replaced by one of the same size that came with its old time.
    state = found.st_dev, found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size
    context: Any = _known_context(bundle, state)
    if context is not None:
        return context
    from krauth._auth.answer import one_thread

    with one_thread():
        context = _known_context(bundle, state)
        if context is None:
            context = _read_context(bundle)
            for name in list(_contexts)[: 1 - _MOST]:
                _contexts.pop(name, None)
            _contexts[bundle] = state, context
    return context


def _read_context(bundle: str) -> Any:
    from ssl import CERT_REQUIRED

    from urllib3.util.ssl_ import create_urllib3_context

    # As `urllib3.connection` does it for each connection.
    context: Any = create_urllib3_context(cert_reqs=CERT_REQUIRED)
    context.load_verify_locations(bundle)
    context.read_from = bundle  # for `_Connections.put`
    set_protocols, known = context.set_alpn_protocols, list[str]()

    def set_once(protocols: list[str]) -> None:
        # urllib3 sets them for each connection. OpenSSL frees the old ones, which another thread may be copying.
        if protocols != known:
            known[:] = protocols
            set_protocols(protocols)

    context.set_alpn_protocols = set_once
    return context


def _known_context(bundle: str, state: tuple[int, ...]) -> Any:
    known, context = _contexts.get(bundle, (None, None))
    return context if known == state else None


class _Response(_HTTPResponse):
    """The standard library's response, which reads by a deadline and skips *every* interim answer (RFC 9110 §15.2)."""

    def __init__(self, sock: Any, deadline: Deadline, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach(), deadline))

    def begin(self) -> None:
        """Read the head. The standard library takes 102 and 103 for the answer itself."""
        super().begin()
        while 101 < self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _Reader(io.RawIOBase):
    """Reads from a socket, and waits no longer than is left."""

    def __init__(self, sock: Any, raw: Any, deadline: Deadline) -> None:
        self._sock, self._raw, self._deadline = sock, raw, deadline

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the bytes that have arrived, or wait for more until the deadline."""
        # 0 would make the socket one that does not block, whose readers expect other exceptions.
        self._sock.settimeout(max(self._deadline.left_to_read(), 0.001))
        count: int = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        """Close the socket's reader."""
        self._raw.close()
        super().close()
