"""What httpx's and httpx2's requests and responses have in common, as far as krauth uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, MutableMapping


class URL(Protocol):
    """A URL."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...


class Request(Protocol):
    """A request: mutable until it is sent."""

    method: str
    url: URL
    headers: MutableMapping[str, str]
    extensions: Mapping[str, Any]
    stream: object

    def read(self) -> bytes: ...


class Response(Protocol):
    """A response whose body may not have been read yet."""

    status_code: int
    headers: MutableMapping[str, str]
    extensions: Mapping[str, Any]
    stream: Any
    is_closed: bool
    http_version: str
    is_stream_consumed: bool

    @property
    def request(self) -> Request: ...
    @property
    def content(self) -> bytes: ...
    def read(self) -> bytes: ...
    async def aread(self) -> bytes: ...
    def iter_raw(self) -> Iterator[bytes]: ...
    def aiter_raw(self) -> AsyncGenerator[bytes, None]: ...
    def close(self) -> None: ...
    async def aclose(self) -> None: ...
