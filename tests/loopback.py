"""Real servers on loopback for tests: an HTTP server that answers what it is told, a forward proxy, a few names.

Everything listens on a free port of 127.0.0.0/8, in threads of its own, and is gone when its `with` block ends.
"""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    tls: bool

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    @property
    def bearer(self) -> str | None:
        value = self.header("Authorization")
        return value.removeprefix("Bearer ") if value else None

    @property
    def everything(self) -> str:
        """All that an eavesdropping server could keep."""
        fields = "\n".join(f"{name}: {value}" for name, value in self.headers)
        return f"{self.method} {self.target}\n{fields}\n\n{self.body.decode('latin-1')}"


@dataclass
class Reply:
    """What a server is to answer. `raw` replaces all of it; the connection is closed after that."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""
    raw: Iterable[bytes] | None = None
    #: Called with the connection once the head has been answered (a websocket, say).
    then: Callable[[Any], None] | None = None

    @classmethod
    def json(cls, data: Any, status: int = 200, **headers: str) -> Reply:
        fields = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return cls(status, fields, json.dumps(data).encode())


Answerer = Callable[[Seen], Reply]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    timeout = 20
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle(self) -> None:
        # A client may leave at any moment, and a TLS one with an alert.
        with contextlib.suppress(OSError, ssl.SSLError, ValueError):
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        if (self.headers.get("Expect") or "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        seen = Seen(self.command, self.path, list(self.headers.items()), b"", self.server.is_tls)
        early = self.server.early and self.server.early(seen)
        if early:
            body: Any = early.body
            self.wfile.write(b"HTTP/1.1 %d Early\r\nContent-Length: %d\r\n\r\n%s" % (early.status, len(body), body))
            self.wfile.flush()
        seen.body = self._body()
        self.server.seen.append(seen)
        if early:
            return
        reply = self.server.answer(seen)
        if reply.raw is not None:
            self.close_connection = True
            for chunk in reply.raw:
                self.wfile.write(chunk)
                self.wfile.flush()
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value.encode().decode("latin-1"))
        if reply.then is not None:
            self.end_headers()
            self.wfile.flush()
            self.close_connection = True
            reply.then(self)
            return
        if isinstance(reply.body, bytes):
            if "Content-Length" not in reply.headers and reply.status not in (101, 204, 304):
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in reply.body:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _body(self) -> bytes:
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(socketserver.ThreadingTCPServer):
    """Answers every request with what `answer` returns, and keeps it in `seen`."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.answer: Answerer = lambda seen: Reply(404)
        #: Answers, or not, before the body has been read.
        self.early: Callable[[Seen], Reply | None] | None = None
        self.is_tls = tls is not None
        self._tls = tls
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, 0), _Handler)
        self.host, self.port = self.server_address[:2]
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.is_tls else ''}://{host}:{self.port}"

    def get_request(self) -> Any:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            # The handshake is left to the connection's own thread.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class Proxy(Server):
    """A forward proxy: absolute-form requests and CONNECT. `seen` holds what a proxy can see."""

    #: Where to connect instead of to the host and port that were asked for.
    routes: dict[str, tuple[str, int]]

    def __init__(self) -> None:
        super().__init__()
        self.answer = self._forward
        self.routes = {}

    def _forward(self, seen: Seen) -> Reply:
        if seen.method == "CONNECT":
            return Reply(200, {}, then=functools.partial(self._tunnel, seen.target))
        import http.client

        parts = urlsplit(seen.target)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
        try:
            kept = {k: v for k, v in seen.headers if k.lower() not in ("proxy-connection", "connection", "host")}
            connection.request(
                seen.method,
                parts._replace(scheme="", netloc="").geturl() or "/",
                seen.body,
                {**kept, "Host": parts.netloc.rpartition("@")[2], "X-Forwarded-For": "127.0.0.1"},
            )
            response = connection.getresponse()
            body = response.read()
            dropped = ("transfer-encoding", "connection", "content-length")
            return Reply(response.status, {k: v for k, v in response.getheaders() if k.lower() not in dropped}, body)
        finally:
            connection.close()

    def _tunnel(self, target: str, handler: Any) -> None:
        host, _, port = target.rpartition(":")
        address = self.routes.get(target, (host.strip("[]"), int(port)))
        near = handler.connection
        with socket.create_connection(address, 10) as far:
            near.settimeout(None)
            far.settimeout(None)

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := far.recv(65536):
                        near.sendall(data)
                with contextlib.suppress(OSError):
                    near.shutdown(socket.SHUT_RDWR)

            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            with contextlib.suppress(OSError):
                while data := near.recv(65536):
                    far.sendall(data)
            with contextlib.suppress(OSError):
                far.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@contextlib.contextmanager
def names(table: dict[tuple[str, int], tuple[str, int]]) -> Iterator[None]:
    """Let `(name, port)` lead to `(address, port)` on loopback, for every library in this process.

    Names resolve to an address of 127.0.0.0/8 each, and connections to it on a port of the table are made to where
    the table says: so a server on a free port can be `https://api.test` on port 443.
    """
    addresses = {name: f"127.77.0.{number}" for number, name in enumerate(dict.fromkeys(n for n, _ in table), 1)}
    ports = {(addresses[name], port): target for (name, port), target in table.items()}
    getaddrinfo, connect = socket.getaddrinfo, socket.socket.connect

    def patched_getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        with contextlib.suppress(AttributeError):
            text = text.lower().encode("idna").decode() if not text.isascii() else text.lower()
        return getaddrinfo(addresses.get(text, host), port, *args, **kwargs)

    def patched_connect(self: socket.socket, address: Any) -> None:
        return connect(self, ports.get(address[:2], address) if isinstance(address, tuple) else address)

    socket.getaddrinfo = patched_getaddrinfo  # type: ignore[assignment]
    socket.socket.connect = patched_connect  # type: ignore[method-assign]
    try:
        yield
    finally:
        socket.getaddrinfo = getaddrinfo
        del socket.socket.connect  # the C type's own shows again


def has_ipv6() -> bool:
    """Whether servers can be had on `::1`."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def query(seen: Seen) -> dict[str, str]:
    """Return the query's fields."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(seen.target).query).items()}
