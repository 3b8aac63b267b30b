"""Servers on loopback that answer as no server should: byte by byte, for ever, cut off, as a bomb.

    with Faulty(FAULTS["drip in header"], reply) as server:
        …                                     # send requests to server.url
        assert server.left(2)                 # the client has closed its connections

A fault is a function from a `Peer` (one connection, its request already read) and a `Reply` (what a good server would
answer) to nothing. It says what goes over the wire. `DRIPS` never end by themselves; a client has to end them.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

#: Seconds between two bytes of a drip: no timeout of a library, which counts from byte to byte, ever ends it.
PAUSE = 0.02


@dataclass
class Reply:
    """What a good server would answer."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def head(self, *, length: int | None = None, **more: str) -> bytes:
        fields = {
            "Content-Type": "application/json",
            **self.headers,
            **{k.replace("_", "-"): v for k, v in more.items()},
        }
        if "Transfer-Encoding" not in fields:
            fields["Content-Length"] = str(len(self.body) if length is None else length)
        lines = [f"HTTP/1.1 {self.status} Fine", *(f"{name}: {value}" for name, value in fields.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    @property
    def whole(self) -> bytes:
        return self.head() + self.body


class Gone(Exception):
    """The client has closed the connection, or the server ends."""


class Peer:
    """One connection of a client."""

    def __init__(self, connection: socket.socket, stop: threading.Event) -> None:
        self.connection, self.stop = connection, stop

    def send(self, data: bytes) -> None:
        try:
            self.connection.sendall(data)
        except (OSError, ValueError) as error:
            raise Gone from error

    def drip(self, data: bytes) -> None:
        """Send a byte at a time until the client leaves; the last byte goes on for ever."""
        at = 0
        while True:
            self.send(data[at : at + 1])
            at = min(at + 1, len(data) - 1)
            if self.stop.wait(PAUSE):
                raise Gone

    def pour(self, data: bytes) -> None:
        """Send the same over and over until the client leaves."""
        while not self.stop.is_set():
            self.send(data)
        raise Gone

    def wait(self) -> None:
        """Say nothing until the client leaves."""
        with contextlib.suppress(OSError, ValueError):
            while self.connection.recv(65536):
                pass
        raise Gone

    def reset(self) -> None:
        """Break the connection off with a RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def read_request(self) -> bytes | None:
        """Return one request with its body, or `None` when the client left without a whole one."""
        data = b""
        with contextlib.suppress(OSError, ValueError):
            while b"\r\n\r\n" not in data:
                if not (more := self.connection.recv(65536)):
                    return None
                data += more
            head, _, body = data.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
            length = int(fields.get(b"content-length", b"0"))
            while len(body) < length:
                if not (more := self.connection.recv(65536)):
                    return None
                body += more
            return head + b"\r\n\r\n" + body
        return None


Fault = Callable[[Peer, Reply], None]


class Faulty:
    """Listens on a free port of 127.0.0.1; every connection of it has a thread.

    Args:
        fault: What is done with each request.
        reply: What a good server would answer.
        tls: `None`: plain http. Else the handshake is made with this context.
        asks: Whether a request is read before the fault begins; false for faults of the TLS handshake.
        requests: Every request as it came.
    """

    def __init__(
        self, fault: Fault, reply: Reply | None = None, *, tls: ssl.SSLContext | None = None, asks: bool = True
    ) -> None:
        self.fault, self.reply, self._tls, self._asks = fault, reply or Reply(), tls, asks
        self.requests: list[bytes] = []
        self.connections = 0
        self._open = 0
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls or not self._asks else ''}://{self.host}:{self.port}"

    def left(self, seconds: float) -> bool:
        """Wait until the client has closed every connection; false when it has not within `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open == 0, seconds)

    def __enter__(self) -> Faulty:
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        for sock in (self._listener, *self._peers):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, function: Any, *args: Any) -> None:
        thread = threading.Thread(target=function, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._open += 1
                self.connections += 1
            self._peers.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(Gone, OSError):
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                    self._peers.append(connection)
                peer = Peer(connection, self._stop)
                while True:
                    if self._asks:
                        if (request := peer.read_request()) is None:
                            break
                        self.requests.append(request)
                    self.fault(peer, self.reply)
        finally:
            connection.close()
            with self._changed:
                self._open -= 1
                self._changed.notify_all()


def bomb(coding: str) -> bytes:
    """Return some kilobytes that become 128 MiB or more when this coding ("gzip, gzip" for a double one) is undone."""
    return _bomb(coding)


@functools.cache
def _bomb(coding: str) -> bytes:
    codings = [one.strip() for one in coding.split(",")]
    size, block = 128 << 20, bytes(1 << 20)
    first = codings[0]
    if first == "gzip":
        stream = zlib.compressobj(9, wbits=31)
        data = b"".join(stream.compress(block) for _ in range(size >> 20)) + stream.flush()
    elif first == "deflate":
        stream = zlib.compressobj(9)
        data = b"".join(stream.compress(block) for _ in range(size >> 20)) + stream.flush()
    elif first == "br":
        import brotli

        packer = brotli.Compressor(quality=5)
        data = b"".join(packer.process(block) for _ in range(size >> 20)) + packer.finish()
    else:
        import zstandard

        packer = zstandard.ZstdCompressor().compressobj()
        data = b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()
    for _ in codings[1:]:
        data = gzip.compress(data, 9)
    return data


def _bombs(coding: str) -> Fault:
    def fault(peer: Peer, reply: Reply) -> None:
        data = bomb(coding)
        peer.send(reply.head(length=len(data), Content_Encoding=coding) + data)

    return fault


def _half(peer: Peer, reply: Reply) -> None:
    peer.send(reply.whole[: len(reply.whole) - len(reply.body) // 2 - 1])


def _then_reset(data: Callable[[Reply], bytes]) -> Fault:
    def fault(peer: Peer, reply: Reply) -> None:
        peer.send(data(reply))
        time.sleep(PAUSE)  # or the RST overtakes the data
        peer.reset()

    return fault


def _drips(before: Callable[[Reply], bytes], data: bytes) -> Fault:
    def fault(peer: Peer, reply: Reply) -> None:
        peer.send(before(reply))
        peer.drip(data)

    return fault


def _falls_silent(before: Callable[[Reply], bytes]) -> Fault:
    def fault(peer: Peer, reply: Reply) -> None:
        peer.send(before(reply))
        peer.wait()

    return fault


def _pours(before: Callable[[Reply], bytes], data: bytes) -> Fault:
    def fault(peer: Peer, reply: Reply) -> None:
        peer.send(before(reply))
        peer.pour(data)

    return fault


def _hangs_up(data: Callable[[Reply], bytes]) -> Fault:
    def fault(peer: Peer, reply: Reply) -> None:
        peer.send(data(reply))
        raise Gone

    return fault


def _answers(data: Callable[[Reply], bytes]) -> Fault:
    return lambda peer, reply: peer.send(data(reply))


def _nothing(reply: Reply) -> bytes:
    return b""


def _chunked(reply: Reply) -> bytes:
    return reply.head(Transfer_Encoding="chunked")


def _interim(status: int) -> bytes:
    return b"HTTP/1.1 %d Soon\r\nLink: </x>; rel=preload\r\n\r\n" % status


def _until_close(reply: Reply) -> bytes:
    return b"HTTP/1.0 %d Fine\r\nContent-Type: application/json\r\n\r\n" % reply.status


#: These never end by themselves, and are never silent for long (but for the silent ones).
DRIPS: dict[str, Fault] = {
    "half-open": lambda peer, reply: peer.wait(),
    "drip in status line": _drips(_nothing, b"HTTP/1.1 200 Fiiiii"),
    "drip in header": _drips(lambda reply: b"HTTP/1.1 200 Fine\r\n", b"X-Slow: aaaa"),
    "drip of headers": _drips(lambda reply: b"HTTP/1.1 200 Fine\r\n", b"A: b\r\n" * 4 + b"X: a"),
    "drip in body": _drips(lambda reply: reply.head(length=100_000), b"  "),
    "drip in body until close": _drips(_until_close, b"  "),
    "silence in body": _falls_silent(lambda reply: reply.head(length=100_000)),
    "silence until close": _falls_silent(_until_close),
    "drip in chunk": _drips(lambda reply: _chunked(reply) + b"ffff\r\n", b"  "),
    "drip in chunk size": _drips(_chunked, b"1;a=bbbb"),
    "storm of 100": lambda peer, reply: _storm(peer, _interim(100) * 50, 0.02),
    "storm of 103": lambda peer, reply: _storm(peer, _interim(103) * 50, 0.02),
    "slow storm of 102": lambda peer, reply: _storm(peer, _interim(102), PAUSE),
}


def _storm(peer: Peer, data: bytes, pause: float) -> None:
    while not peer.stop.wait(pause):
        peer.send(data)
    raise Gone


#: Answers that are no answers: they end at once.
BREAKS: dict[str, Fault] = {
    "closed without answer": _hangs_up(_nothing),
    "reset in header": _then_reset(lambda reply: reply.head()[:30]),
    "reset in body": _then_reset(lambda reply: reply.whole[:-3]),
    "closed in header": _hangs_up(lambda reply: reply.head()[:30]),
    "closed in body": _hangs_up(lambda reply: reply.whole[:-3]),
    "closed in chunk": _hangs_up(lambda reply: _chunked(reply) + b"ff\r\n" + reply.body),
    "length that is no number": _hangs_up(lambda reply: reply.whole.replace(b"Length: ", b"Length: x")),
    "chunk size that is no number": _hangs_up(lambda reply: _chunked(reply) + b"zz\r\n" + reply.body),
    "no header": _hangs_up(lambda reply: reply.body + b"\r\n\r\n"),
    "no blank line": _hangs_up(lambda reply: reply.head()[:-2] + reply.body),
    "not HTTP": _hangs_up(lambda reply: b"SSH-2.0-OpenSSH_9.6\r\n" + reply.body + b"\r\n\r\n"),
    "body in a header": _hangs_up(lambda reply: b"HTTP/1.1 200 Fine\r\n" + reply.body + b"\r\n\r\n"),
    "body in the status": _hangs_up(lambda reply: b"HTTP/1.1 " + reply.body + b" Fine\r\n\r\n"),
}
#: Whole answers that are too much.
FLOODS: dict[str, Fault] = {
    "endless chunks": _pours(_chunked, b"4000\r\n" + b" " * 16384 + b"\r\n"),
    "endless body": _pours(lambda reply: reply.head(length=1 << 40), b" " * 65536),
}
BOMBS: dict[str, Fault] = {
    f"bomb of {coding}": _bombs(coding) for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip", "br, gzip")
}
#: Whole answers, in unusual ways, that have to be understood.
ODD: dict[str, Fault] = {
    "103 first": _answers(lambda reply: _interim(103) + reply.whole),
    "100 and 102 first": _answers(lambda reply: _interim(100) + _interim(102) + reply.whole),
    "without a length": _hangs_up(
        lambda reply: b"HTTP/1.0 200 Fine\r\nContent-Type: application/json\r\n\r\n" + reply.body
    ),
    "one byte chunks": _answers(
        lambda reply: _chunked(reply) + b"".join(b"1\r\n%c\r\n" % byte for byte in reply.body) + b"0\r\n\r\n"
    ),
    "gzip": _answers(lambda reply: _encoded(reply, "gzip", gzip.compress(reply.body))),
    "deflate": _answers(lambda reply: _encoded(reply, "deflate", zlib.compress(reply.body))),
    "raw deflate": _answers(lambda reply: _encoded(reply, "deflate", zlib.compress(reply.body, wbits=-15))),
    "gzip twice": _answers(lambda reply: _encoded(reply, "gzip, gzip", gzip.compress(gzip.compress(reply.body)))),
    "gzip in two parts": _answers(
        lambda reply: _encoded(reply, "gzip", gzip.compress(reply.body[:5]) + gzip.compress(reply.body[5:]))
    ),
}


def _encoded(reply: Reply, coding: str, body: bytes) -> bytes:
    return reply.head(length=len(body), Content_Encoding=coding) + body


def drip_tls(peer: Peer, reply: Reply) -> None:
    """Begin a TLS record and send a byte of it at a time; for a server with `asks=False`."""
    peer.drip(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb\x03\x03\x00")


_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_PING = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"x" * 8
_STATUS_200 = b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88"


def _ping_storm(peer: Peer, reply: Reply) -> None:
    peer.send(_SETTINGS)
    _storm(peer, _PING * 20, 0.02)


#: The same in HTTP/2 frames (RFC 9113 §4.1), for a server with `asks=False` and TLS that offers "h2".
HTTP2_DRIPS: dict[str, Fault] = {
    "half-open": DRIPS["half-open"],
    "drip in HEADERS": _drips(lambda reply: _SETTINGS, b"\x00\x40\x00\x01\x04\x00\x00\x00\x01\x88\x40"),
    "drip in DATA": _drips(lambda reply: _SETTINGS + _STATUS_200, b"\x00\x40\x00\x00\x00\x00\x00\x00\x01  "),
    "storm of PING": _ping_storm,
}
FAULTS: dict[str, Fault] = {**DRIPS, **BREAKS, **FLOODS, **BOMBS, **ODD}
