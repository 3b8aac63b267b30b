"""Bounds of one token request, used by the adapters' transports: how long it waits, how much of an answer is read."""

from __future__ import annotations

import math
import os
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from .._values.checks import printable
from .._values.exceptions import TokenTransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Bytes of a token response that are read at most, before and after decoding.
MAX_BYTES = 1 << 20
#: Seconds in which an answer that has arrived is read although the time to wait for it is over.
LATE = 0.5
#: Content codings that are undone one after the other at most.
MAX_CODINGS = 4
#: Coding → `wbits` of zlib. Token requests ask for `identity`; these two cost nothing to understand.
_CODINGS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}


_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # a thread that stayed in the parent may hold it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let one thread at a time read a CA bundle: threads that begin together can all use what the first one has read.

    A thread waits for a second at most: another thread may read from a disk that hangs.
    """
    lock = _lock
    is_held = lock.acquire(timeout=1.0)
    try:
        yield
    finally:
        if is_held:
            lock.release()


class Deadline:
    """When the waiting of one attempt ends.

    A timeout of a library counts from each socket operation: a server that sends a byte a second outlasts it. This one
    counts from the begin of the attempt. It ends waiting, and not the reading of what has arrived: a process that was
    stopped (SIGSTOP, a debugger, a busy machine) finds a whole answer in its socket, and that answer may hold the only
    copy of a new refresh token.

    Args:
        seconds: How long the attempt may take.
    """

    __slots__ = ("_at", "_last_read", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._at = monotonic() + seconds
        self._last_read: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return monotonic() >= self._at

    def left(self) -> float:
        """Return the seconds that are left to connect and to send, more than 0.

        Raises:
            TimeoutError: None are.
        """
        left = self._at - monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def left_to_read(self) -> float:
        """Return the seconds that are left to wait for more of an answer; 0: read only what has arrived.

        Raises:
            TimeoutError: That is over, too.
        """
        now = monotonic()
        if now < self._at:
            return self._at - now
        if self._last_read is None:
            self._last_read = now + LATE
        if now > self._last_read:
            raise TimeoutError
        return 0.0


class TimeLeft:
    """A number of seconds that is asked for anew whenever it is used, as a timeout of a blocking HTTP library.

    The libraries hand a timeout on to `socket.settimeout`, once for each read: so each read waits no longer than the
    whole attempt may. `settimeout` takes any object with `__index__`, so the seconds are rounded up. Everything else
    that can be done with a number can be done with this one.

    Args:
        ask: Returns the seconds that are left, or raises `TimeoutError`.
    """

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[], float]) -> None:
        self._ask = ask

    def __index__(self) -> int:
        return math.ceil(self._ask())

    def __float__(self) -> float:
        return self._ask()

    __int__ = __index__


def _as_float(name: str) -> Callable[..., object]:
    def method(self: TimeLeft, *others: object) -> object:
        return getattr(float(self), name)(*others)

    return method


for _name in ("lt", "le", "gt", "ge", "eq", "ne", "bool", "hash", "str", "repr", "format"):
    setattr(TimeLeft, f"__{_name}__", _as_float(f"__{_name}__"))
for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "round"):
    setattr(TimeLeft, f"__{_name}__", _as_float(f"__{_name}__"))


class Collector:
    """Gathers the body of a token response within bounds of size and time."""

    __slots__ = ("_chunks", "_deadline", "_size")

    def __init__(self, deadline: Deadline) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._deadline = deadline

    def add(self, chunk: bytes) -> None:
        """Take a chunk, as it came from the connection: not decoded.

        Raises:
            TokenTransportError: The body is too large.
            TimeoutError: The attempt took too long.
        """
        self._size += len(chunk)
        if self._size > MAX_BYTES:
            raise _too_large()
        self._chunks.append(chunk)
        self._deadline.left_to_read()

    def decoded(self, headers: Mapping[str, str]) -> bytes:
        """Return the whole body, with the content codings of `headers` undone.

        Raises:
            TokenTransportError: It is too large when it is decoded, is broken, or has a coding that was not asked for.
        """
        body = b"".join(self._chunks)
        codings = [
            coding.strip().lower()
            for name, value in headers.items()
            if name.lower() == "content-encoding"
            for coding in str(value).split(",")
        ]
        codings = [coding for coding in codings if coding not in ("", "identity")]
        if not body or not codings:
            return body
        if len(codings) > MAX_CODINGS or not all(coding in _CODINGS for coding in codings):
            named = printable(", ".join(codings), 60)
            raise _unusable(f"compressed its answer ({named}), although the request asks for none; check proxies")
        for coding in reversed(codings):
            body = _inflate(body, _CODINGS[coding])
        return body


def _inflate(body: bytes, formats: tuple[int, ...]) -> bytes:
    import zlib  # seldom needed

    for wbits in formats:
        parts, size, rest = [], 0, body
        try:
            while rest:  # gzip: one member after the other
                stream = zlib.decompressobj(wbits)
                parts.append(stream.decompress(rest, MAX_BYTES + 1 - size))
                size += len(parts[-1])
                if size > MAX_BYTES:
                    raise _too_large()
                if not stream.eof:
                    raise _unusable("sent a compressed answer that is not whole")
                rest = stream.unused_data
            return b"".join(parts)
        except zlib.error:
            continue
    raise _unusable("sent an answer that is not compressed as it says")


def _too_large() -> TokenTransportError:
    return _unusable(f"sent more than {MAX_BYTES >> 20} MiB, which is no token; check base_url")


def _unusable(what: str) -> TokenTransportError:
    error = TokenTransportError(f"the token endpoint {what}")
    error.transient = False
    return error
