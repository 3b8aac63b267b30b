"""Reads the beginning of a response's body, within bounds of size and time, and leaves the response as it was."""

from __future__ import annotations

import io
from inspect import iscoroutinefunction
from time import monotonic
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from krauth import ConfigurationError
from krauth._auth.judged_body import Watch, decode_body, is_too_long
from krauth._auth.settings import MAX_JUDGED_BODY

if TYPE_CHECKING:
    from requests import Response


def read_start(response: Response, seconds: float) -> bytes | None:
    """Return a body that is whole and small, decoded; `None` for any other. The user can still read it all.

    Args:
        response: Of requests; nothing of its body has been read, or all of it.
        seconds: After which no more is read.
    """
    state: Any = response
    if state._content is not False:  # read already, by a hook or a mock
        content = response.content
        return content if len(content) <= MAX_JUDGED_BODY else None
    raw = response.raw
    if iscoroutinefunction(getattr(raw, "read", None)):
        raise ConfigurationError(
            "an auth object of krauth_requests was handed to a client that awaits its answers, as niquests.AsyncSession"
            " does: take the header fields with `await auth.aheaders(method, url)` there"
        )
    if not isinstance(raw, HTTPResponse) or state._content_consumed:
        return None if state._content_consumed else _start_in_memory(response)
    if is_too_long(response.headers.get("Content-Length")):
        return None
    start, is_whole = Source(raw), False
    until = monotonic() + seconds
    # An answer that may be sound is never broken off: the user reads it as slowly as it comes.
    watch = Watch(_socket_of(raw) if response.status_code >= 300 else None, seconds)
    try:
        while start.size <= MAX_JUDGED_BODY and not (is_whole := not start.read_ahead()) and monotonic() < until:
            pass
    except (HTTPError, OSError, ValueError) as error:  # raised again when the user reads the response
        start.error = error
    finally:
        watch.end()
    if watch.broke_off:  # where no length is announced, that looks like the end of the body
        is_whole, start.error = False, start.error or TimeoutError("the body of the answer did not end in time")
    response.raw = HTTPResponse(
        body=start,
        headers=raw.headers,
        status=raw.status,
        version=raw.version,
        reason=raw.reason,
        preload_content=False,
        original_response=getattr(raw, "_original_response", None),  # where requests looks for cookies
        request_method=response.request.method,
        enforce_content_length=False,  # it was enforced, or will be, where the bytes come from
    )
    return decode_body(response.headers.get("Content-Encoding"), start.seen) if is_whole else None


def _socket_of(raw: Any) -> Any:
    """Return the socket that a body is read from, or `None` where there is none, as with a mock."""
    if (found := getattr(raw.connection, "sock", None)) is not None:
        return found
    for name in ("_fp", "fp", "raw", "_sock"):  # the connection let go of it: the body ends with it
        raw = getattr(raw, name, None)
    return raw if hasattr(raw, "shutdown") else None


def _start_in_memory(response: Response) -> bytes | None:
    """Read a body that an adapter keeps in memory, as vcrpy and mocks do."""
    raw: Any = response.raw
    try:
        if not raw.seekable():
            return None
        at = raw.tell()
        start = raw.read(MAX_JUDGED_BODY + 1)
        raw.seek(at)
    except (AttributeError, OSError, ValueError):
        return None
    return decode_body(response.headers.get("Content-Encoding"), start) if len(start) <= MAX_JUDGED_BODY else None


class Source(io.RawIOBase):
    """The bytes of a response as they came: first those that were read ahead, then the rest."""

    def __init__(self, raw: HTTPResponse) -> None:
        self._raw = raw
        self._chunks: list[bytes] = []
        self.size = 0
        self.error: BaseException | None = None
        self._rest: io.BytesIO | None = None

    def read_ahead(self) -> bool:
        """Read some more; false at the end."""
        read: Any = getattr(self._raw, "read1", None)  # urllib3 2.1 and later; it waits for no more than there is
        chunk = read(8192, decode_content=False) if read is not None else self._raw.read(1, decode_content=False)
        self._chunks.append(chunk)
        self.size += len(chunk)
        return bool(chunk)

    @property
    def seen(self) -> bytes:
        """The bytes read ahead."""
        return b"".join(self._chunks)

    def readable(self) -> bool:
        return True

    def read(self, amount: int | None = -1) -> bytes:
        if self._rest is None:
            self._rest = io.BytesIO(self.seen)
        limit = -1 if amount is None else amount
        found = self._rest.read(limit)
        if len(found) == limit or (found and limit > 0):
            return found
        if self.error is not None:
            raise self.error
        return found + (self._raw.read(None if limit < 0 else limit, decode_content=False) or b"")

    def close(self) -> None:
        """Close the response that the rest comes from."""
        if not self.closed:
            super().close()
            self._raw.close()
            self._raw.release_conn()
