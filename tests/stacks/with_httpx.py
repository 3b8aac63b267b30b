"""httpx and httpx2, which have one interface: sync, asyncio and trio."""

from __future__ import annotations

from typing import Any

from .base import Answer, Client, Stack, aiter_once, context, iter_once


class HTTPXStack(Stack):
    @property
    def takes_files(self) -> bool:  # type: ignore[override]
        return not self.is_async

    @property
    def error(self) -> type[Exception]:
        return self.library.HTTPError

    @property
    def timeout_error(self) -> Any:
        return self.library.TimeoutException

    @property
    def client_class(self) -> type[Client]:
        return HTTPXClient


class HTTPXClient(Client):
    def _open(self) -> Any:
        library, is_async = self.stack.library, self.stack.is_async
        options: dict[str, Any] = {
            "follow_redirects": self.follow,
            "trust_env": self.trust_env,
            "headers": self.headers,
            "timeout": self.timeout,
            "http2": self.http2,
            "verify": context(self.verify),
            **self.options,
        }
        if self.proxy:
            options["proxy"] = self.proxy
        if self.hook:

            async def ahook(response: Any) -> None:
                self.hook(response.status_code)

            def hook(response: Any) -> None:
                self.hook(response.status_code)

            options["event_hooks"] = {"response": [ahook if is_async else hook]}
        return (library.AsyncClient if is_async else library.Client)(**options)

    def _request(
        self,
        method: str,
        url: str,
        *,
        headers: Any = None,
        content: bytes | None = None,
        form: Any = None,
        json: Any = None,
        files: Any = None,
        file: Any = None,
        chunks: list[bytes] | None = None,
        timeout: float | None = None,
        native: Any = None,
        **_: Any,
    ) -> Any:
        if chunks is not None:
            content = aiter_once(chunks) if self.stack.is_async else iter_once(chunks)  # type: ignore[assignment]
        elif file is not None:
            content = file
        options = dict(native or {})
        if timeout is not None:
            options["timeout"] = timeout
        return self.native.build_request(
            method, url, headers=headers, content=content, data=form, json=json, files=files, **options
        )

    def _sending(self, auth: Any = None, follow: bool | None = None, **_: Any) -> dict[str, Any]:
        self.native.auth = self.auth
        options: dict[str, Any] = {"stream": True}
        if auth is not None:
            options["auth"] = auth
        if follow is not None:
            options["follow_redirects"] = follow
        return options

    def _call(self, method: str, url: str, *, stream: bool = False, **settings: Any) -> Answer:
        response = self.native.send(self._request(method, url, **settings), **self._sending(**settings))
        try:
            body = b"".join(response.iter_bytes()) if stream else response.read()
        finally:
            response.close()
        return self._answer(response, body)

    async def _acall(self, method: str, url: str, *, stream: bool = False, **settings: Any) -> Answer:
        response = await self.native.send(self._request(method, url, **settings), **self._sending(**settings))
        try:
            body = b"".join([chunk async for chunk in response.aiter_bytes()]) if stream else await response.aread()
        finally:
            await response.aclose()
        return self._answer(response, body)

    def _answer(self, response: Any, body: bytes) -> Answer:
        history = [earlier.status_code for earlier in response.history]
        return Answer(response.status_code, response.headers, body, str(response.url), history, response)
