"""The six ways to send a request, made alike for the demo: a `Client` is one library's client with one auth in it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.metadata
import importlib.util
import ssl
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Send = Callable[[str, str, bytes | None], "tuple[int, bytes]"]
    AsyncSend = Callable[[str, str, bytes | None], Awaitable["tuple[int, bytes]"]]

_T = TypeVar("_T")

#: Seconds for a call of the demo; all of it is on loopback.
TIMEOUT: Final = 15.0
_JSON: Final = {"Content-Type": "application/json"}


class Answer(NamedTuple):
    """The answer of one call, and how long it took (seconds)."""

    status: int
    body: bytes
    seconds: float


class Stack(NamedTuple):
    """A library, used one way."""

    name: str
    library: str
    is_async: bool
    #: How many callers at once the demo puts on it: threads, or asyncio tasks.
    crowd: int

    @property
    def is_installed(self) -> bool:
        """Whether the library is there; one that is there and does not import is a failure, no reason to skip."""
        return importlib.util.find_spec(self.library) is not None

    @property
    def version(self) -> str:
        """The library's version."""
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(self.library)
        return "?"

    def auth(self, class_name: str, *arguments: Any, **settings: Any) -> Any:
        """Make an auth object of this stack, with a new token store unless one is given."""
        from krauth import MemoryStore

        if class_name != "MelomingAPIKey":
            settings.setdefault("store", MemoryStore())
        return getattr(importlib.import_module(f"krauth_{self.library}"), class_name)(*arguments, **settings)

    @contextmanager
    def open(self, auth: Any) -> Iterator[Client]:
        """Open a client with this auth in it."""
        client = _CLIENTS[self.name](auth)
        try:
            yield client
        finally:
            client.close()


STACKS: Final = (
    Stack("requests", "requests", False, 32),
    Stack("httpx", "httpx", False, 32),
    Stack("httpx async", "httpx", True, 100),
    Stack("httpx2", "httpx2", False, 32),
    Stack("httpx2 async", "httpx2", True, 100),
    Stack("aiohttp", "aiohttp", True, 100),
)


class Client(ABC):
    """A client that calls, one call at a time or many at once."""

    @abstractmethod
    def call(self, method: str, url: str, body: bytes | None = None) -> Answer:
        """Send a request."""

    @abstractmethod
    def at_once(self, count: int, method: str, url: str) -> list[Answer]:
        """Send a request from each of `count` threads or tasks at the same moment."""

    @abstractmethod
    def keep_calling(self, callers: int, pace: float, go_on: Callable[[], bool], url: str) -> list[Answer]:
        """Let callers GET every `pace` seconds, as long as `go_on()`."""

    @abstractmethod
    def close(self) -> None:
        """Close the client."""


class _SyncClient(Client):
    def __init__(self, send: Send, close: Callable[[], None]) -> None:
        self._send, self._close = send, close

    def close(self) -> None:
        self._close()

    def call(self, method: str, url: str, body: bytes | None = None) -> Answer:
        began = time.perf_counter()
        status, text = self._send(method, url, body)
        return Answer(status, text, time.perf_counter() - began)

    def at_once(self, count: int, method: str, url: str) -> list[Answer]:
        start = threading.Barrier(count)

        def one(_: int) -> Answer:
            start.wait(TIMEOUT)
            return self.call(method, url)

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count)))

    def keep_calling(self, callers: int, pace: float, go_on: Callable[[], bool], url: str) -> list[Answer]:
        def one(_: int) -> list[Answer]:
            answers: list[Answer] = []
            while go_on():
                answers.append(answer := self.call("GET", url))
                time.sleep(max(0.0, pace - answer.seconds))
            return answers

        with ThreadPoolExecutor(callers) as pool:
            return [answer for answers in pool.map(one, range(callers)) for answer in answers]


class _AsyncClient(Client):
    def __init__(self, open_client: Callable[[], Awaitable[tuple[AsyncSend, Callable[[], Awaitable[None]]]]]) -> None:
        self._runner = asyncio.Runner()
        self._send, self._close = self._runner.run(_await(open_client()))

    def close(self) -> None:
        try:
            self._runner.run(_await(self._close()))
        finally:
            self._runner.close()

    async def _call(self, method: str, url: str, body: bytes | None = None) -> Answer:
        began = time.perf_counter()
        status, text = await self._send(method, url, body)
        return Answer(status, text, time.perf_counter() - began)

    def call(self, method: str, url: str, body: bytes | None = None) -> Answer:
        return self._runner.run(self._call(method, url, body))

    def at_once(self, count: int, method: str, url: str) -> list[Answer]:
        async def all_of_them() -> list[Answer]:
            return await asyncio.gather(*[self._call(method, url) for _ in range(count)])

        return self._runner.run(all_of_them())

    def keep_calling(self, callers: int, pace: float, go_on: Callable[[], bool], url: str) -> list[Answer]:
        async def one() -> list[Answer]:
            answers: list[Answer] = []
            while go_on():
                answers.append(answer := await self._call("GET", url))
                await asyncio.sleep(max(0.0, pace - answer.seconds))
            return answers

        async def all_of_them() -> list[Answer]:
            return [answer for answers in await asyncio.gather(*[one() for _ in range(callers)]) for answer in answers]

        return self._runner.run(all_of_them())


async def _await(awaitable: Awaitable[_T]) -> _T:
    return await awaitable


@cache
def _tls() -> ssl.SSLContext:
    # A client reads the CA bundle when it is made, 20 ms each; the demo makes dozens, and all of them speak http.
    return ssl.create_default_context()


def _requests(auth: Any) -> Client:
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=32))
    session.auth = auth

    def send(method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
        response = session.request(method, url, data=body, headers=_JSON if body else None, timeout=TIMEOUT)
        return response.status_code, response.content

    return _SyncClient(send, session.close)


def _httpx(library: str, auth: Any) -> Client:
    httpx: Any = importlib.import_module(library)
    client = httpx.Client(auth=auth, verify=_tls(), timeout=TIMEOUT)

    def send(method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
        response = client.request(method, url, content=body, headers=_JSON if body else None)
        return response.status_code, response.content

    return _SyncClient(send, client.close)


def _httpx_async(library: str, auth: Any) -> Client:
    httpx: Any = importlib.import_module(library)

    async def open_client() -> tuple[AsyncSend, Callable[[], Awaitable[None]]]:
        # httpcore looks at every connection for every response: with hundreds of them a crowd takes seconds. The
        # crowd meets before, in the auth.
        limits = httpx.Limits(max_connections=20)
        client = httpx.AsyncClient(auth=auth, verify=_tls(), timeout=TIMEOUT, limits=limits)

        async def send(method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
            response = await client.request(method, url, content=body, headers=_JSON if body else None)
            return response.status_code, response.content

        return send, client.aclose

    return _AsyncClient(open_client)


def _aiohttp(auth: Any) -> Client:
    import aiohttp

    async def open_client() -> tuple[AsyncSend, Callable[[], Awaitable[None]]]:
        session = aiohttp.ClientSession(
            middlewares=(auth,),
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        )

        async def send(method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
            async with session.request(method, url, data=body, headers=_JSON if body else None) as response:
                return response.status, await response.read()

        return send, session.close

    return _AsyncClient(open_client)


_CLIENTS: Final[dict[str, Callable[[Any], Client]]] = {
    "requests": _requests,
    "httpx": lambda auth: _httpx("httpx", auth),
    "httpx async": lambda auth: _httpx_async("httpx", auth),
    "httpx2": lambda auth: _httpx("httpx2", auth),
    "httpx2 async": lambda auth: _httpx_async("httpx2", auth),
    "aiohttp": _aiohttp,
}
