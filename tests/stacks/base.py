"""One blocking interface for all HTTP stacks: `Stack`, `Client` and `Answer`; one module beside it per library."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json as jsonlib
import ssl
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

TIMEOUT = 10.0


@dataclass
class Answer:
    """What a call came to, whatever the stack."""

    status: int
    headers: Any
    content: bytes
    url: str
    history: list[int] = field(default_factory=list)
    response: Any = None

    def json(self) -> Any:
        return jsonlib.loads(self.content)


class Stack:
    """A library and a way of using it. The public classes are attributes: `stack.NaverAuth(…)`."""

    library_name: str
    is_async = False
    #: Whether a file object can be the body itself (multipart takes files in every stack).
    takes_files = True

    def __init__(self, library_name: str, backend: str | None = None) -> None:
        self.library_name = library_name
        self.backend = backend
        self.is_async = backend is not None
        both = library_name.startswith("httpx")
        self.name = f"{library_name}-{backend}" if both and backend else library_name

    def __getattr__(self, name: str) -> Any:
        if name[:1].isupper():  # NaverAuth, MelomingOAuth, MelomingAPIKey, OAuth2Auth, TokenTransport
            return getattr(self.package, name)
        raise AttributeError(name)

    @property
    def package(self) -> Any:
        """The adapter: `krauth_requests` or one of its siblings."""
        return importlib.import_module(f"krauth_{self.library_name}")

    @property
    def library(self) -> Any:
        return importlib.import_module(self.library_name)

    @property
    def error(self) -> type[Exception]:
        """The base of the library's own network errors."""
        raise NotImplementedError

    @property
    def timeout_error(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What a call that takes too long raises."""
        raise NotImplementedError

    @property
    def portal(self) -> Any:
        """The running event loop of an async stack."""
        return _portal(self.backend)

    def run(self, function: Any, *args: Any) -> Any:
        """Call a function of the user's where the stack's users' code runs: on its event loop, if it has one."""
        return self.portal.call(function, *args) if self.is_async else function(*args)

    def token(self, auth: Any) -> Any:
        """Return `auth.token()`, or what `auth.atoken()` gives."""
        return self.run(auth.atoken if self.is_async else auth.token)

    def method(self, auth: Any, name: str, *args: Any) -> Any:
        """Return what a method of an auth object returns, in its async form (`a…`) in an async stack."""
        return self.run(getattr(auth, f"a{name}" if self.is_async else name), *args)

    @contextlib.contextmanager
    def client(self, auth: Any = None, **options: Any) -> Any:
        """Open a client, see `Client`."""
        client = self.client_class(self, auth, **options)
        client.open()
        try:
            yield client
        finally:
            client.close()

    @property
    def client_class(self) -> type[Client]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name


@functools.cache
def _portal(backend: str) -> Any:
    import anyio.from_thread

    # Daemon, and never left: it goes with the process, as the tests' event loop would.
    ready: Future[Any] = Future()

    def serve() -> None:
        async def main() -> None:
            async with anyio.from_thread.BlockingPortal() as portal:
                ready.set_result(portal)
                await portal.sleep_until_stopped()

        anyio.run(main, backend=backend)

    threading.Thread(target=serve, name=f"stack-{backend}", daemon=True).start()
    return ready.result(10)


class Client:
    """A client or session of a stack. `native` is the library's own object.

    Args:
        auth: Of this stack; may be set later as well.
        follow: Whether redirects are followed.
        verify: Path of a CA bundle.
        proxy: URL of a proxy.
        trust_env: Whether environment and .netrc are looked at.
        headers: For every request.
        http2: Only in httpx.
        hook: Is called with the status of every response the library shows its event hooks.
        native: The library's own options for the client.
    """

    def __init__(
        self,
        stack: Stack,
        auth: Any = None,
        *,
        follow: bool = False,
        verify: str | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        headers: Any = None,
        timeout: float = TIMEOUT,
        hook: Any = None,
        http2: bool = False,
        native: dict[str, Any] | None = None,
    ) -> None:
        self.stack, self.auth, self.follow, self.verify, self.proxy = stack, auth, follow, verify, proxy
        self.trust_env, self.headers, self.timeout, self.hook = trust_env, dict(headers or {}), timeout, hook
        self.http2, self.options = http2, dict(native or {})
        self.native: Any = None

    def open(self) -> None:
        self.native = self.stack.run(self._open_async if self.stack.is_async else self._open)

    def close(self) -> None:
        if self.stack.is_async:
            self.stack.run(self.native.aclose if hasattr(self.native, "aclose") else self.native.close)
        else:
            self.native.close()

    async def _open_async(self) -> Any:
        return self._open()

    def _open(self) -> Any:
        raise NotImplementedError

    def call(self, method: str, url: str, **settings: Any) -> Answer:
        """Send a request, read the response, and return it.

        Args:
            method: HTTP method.
            url: Absolute URL.
            settings: Any of `headers`, `content` (bytes), `form` (dict), `json`, `files` (name → (file name, file)),
                `file` (an open file as the body), `chunks` (list of bytes, sent by a generator that can be read
                once), `auth` (per request), `follow`, `timeout`, `stream` (read the response in pieces), `native`
                (options of the library's own).
        """
        if self.stack.is_async:
            return self.stack.portal.call(functools.partial(self._acall, method, url, **settings))
        return self._call(method, url, **settings)

    def start(self, method: str, url: str, **settings: Any) -> Future[Answer]:
        """Begin a call and return its future; cancelling it cancels the task, in async stacks."""
        if self.stack.is_async:
            return self.stack.portal.start_task_soon(functools.partial(self._acall, method, url, **settings))
        executor = ThreadPoolExecutor(1)
        future = executor.submit(self._call, method, url, **settings)
        executor.shutdown(wait=False)
        return future

    def call_many(self, count: int, method: str, url: str, **settings: Any) -> list[Answer]:
        """Make `count` equal calls at the same time."""
        futures = [self.start(method, url, **settings) for _ in range(count)]
        return [future.result(TIMEOUT * 2) for future in futures]

    def get(self, url: str, **settings: Any) -> Answer:
        return self.call("GET", url, **settings)

    def post(self, url: str, **settings: Any) -> Answer:
        return self.call("POST", url, **settings)

    def _call(self, method: str, url: str, **settings: Any) -> Answer:
        raise NotImplementedError

    async def _acall(self, method: str, url: str, **settings: Any) -> Answer:
        raise NotImplementedError


def iter_once(chunks: list[bytes]) -> Any:
    """Return a generator: a body that can be read once."""
    yield from chunks


async def aiter_once(chunks: list[bytes]) -> Any:
    """Return an async generator: a body that can be read once."""
    for chunk in chunks:
        yield chunk


@functools.cache
def context(verify: str | None) -> Any:
    """Return a TLS context, made once: making one takes tens of milliseconds."""
    return ssl.create_default_context(cafile=verify)
