"""The beginning of a refusal's body, read in time and decoded step by step, within bounds; used by the adapters."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from .settings import MAX_JUDGED_BODY

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Connection(Protocol):
        """A socket, plain or under TLS."""

        def shutdown(self, how: int, /) -> object: ...


#: Content codings that are undone one after the other at most.
MAX_CODINGS = 4


class Watch:
    """Breaks a connection off where reading goes on for too long.

    The timeout of a library counts from byte to byte, and a user may have set none.

    Args:
        connection: The socket, or `None` where there is nothing to watch.
        seconds: After which it is broken off, unless `end` was called.

    Attributes:
        broke_off: Whether it broke the connection off: then only a part of the body was read.
    """

    __slots__ = ("_connection", "_lock", "broke_off")

    def __init__(self, connection: Connection | None, seconds: float) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.broke_off = False
        if connection is not None:
            from .._engine.process import after

            after(seconds, self._break_off, "refusals")  # no thread to be had: the timeout of the user's client counts

    def end(self) -> None:
        """Let the connection live."""
        with self._lock:
            self._connection = None

    def _break_off(self) -> None:
        with self._lock:
            if self._connection is not None:
                self.broke_off = True
                with contextlib.suppress(OSError):
                    self._connection.shutdown(2)  # socket.SHUT_RDWR


def decode_body(coding: str | None, body: bytes) -> bytes | None:
    """Return a whole body without its content codings (RFC 9110 §8.4); `None`: it is too long, or can't be decoded.

    A kilobyte may hold a gigabyte: no step of the decoding gives more than `MAX_JUDGED_BODY` and one byte.
    """
    codings = [name.strip().lower() for name in (coding or "").split(",")]
    codings = [name for name in codings if name not in ("", "identity")]
    if len(codings) > MAX_CODINGS or len(body) > MAX_JUDGED_BODY:
        return None
    for name in reversed(codings):
        try:
            decoded = _DECODERS[name](body) if body else body
        except Exception:  # noqa: BLE001  an unknown name, or an exception type of one decoder
            return None
        if decoded is None or len(decoded) > MAX_JUDGED_BODY:
            return None
        body = decoded
    return body


def is_too_long(length: str | None) -> bool:
    """Whether a `Content-Length` announces more than is judged."""
    return length is not None and length.isdecimal() and (len(length) > 9 or int(length) > MAX_JUDGED_BODY)


def _gzip(body: bytes) -> bytes:
    return _inflate(body, 31)


def _deflate(body: bytes) -> bytes:
    import zlib

    try:
        return _inflate(body, 15)
    except zlib.error:  # without the wrapper of RFC 1950, as some servers send it
        return _inflate(body, -15)


def _inflate(body: bytes, wbits: int) -> bytes:
    import zlib

    parts: list[bytes] = []
    left = MAX_JUDGED_BODY + 1
    while body and left > 0:  # gzip: one member after the other
        stream = zlib.decompressobj(wbits)
        parts.append(stream.decompress(body, left))
        left -= len(parts[-1])
        body = stream.unused_data
    return b"".join(parts)


def _brotli(body: bytes) -> bytes:
    stream = _import("brotli", "brotlicffi").Decompressor()
    try:
        return bytes(stream.process(body, output_buffer_limit=MAX_JUDGED_BODY + 1))
    except TypeError:  # brotli below 1.2: a step is as long as what one byte of input adds
        found = b""
        for number in range(len(body)):
            found += stream.process(body[number : number + 1])
            if len(found) > MAX_JUDGED_BODY:
                break
        return found


def _zstd(body: bytes) -> bytes:
    module = _import("compression.zstd", "backports.zstd", "zstandard")
    if module.__name__ == "zstandard":
        import io

        reader = module.ZstdDecompressor().stream_reader(io.BytesIO(body), read_across_frames=True)
        return bytes(reader.read(MAX_JUDGED_BODY + 1))
    return bytes(module.ZstdDecompressor().decompress(body, MAX_JUDGED_BODY + 1))


def _import(*names: str) -> Any:
    """Return the first of these modules that is installed: that which the HTTP libraries decode with."""
    import importlib

    for name in names[:-1]:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return importlib.import_module(names[-1])


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
