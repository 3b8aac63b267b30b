"""aiohttp."""

from __future__ import annotations

from typing import Any

from .base import Answer, Client, Stack, aiter_once, context


class AiohttpStack(Stack):
    @property
    def error(self) -> type[Exception]:
        return self.library.ClientError

    @property
    def timeout_error(self) -> Any:
        return TimeoutError

    @property
    def client_class(self) -> type[Client]:
        return AiohttpClient


class AiohttpClient(Client):
    def _open(self) -> Any:
        aiohttp = self.stack.library
        options: dict[str, Any] = {"trust_env": self.trust_env, "headers": self.headers, "proxy": self.proxy}
        if self.verify:
            options["connector"] = aiohttp.TCPConnector(ssl=context(self.verify))
        if self.hook:

            async def ended(session: Any, context: Any, params: Any) -> None:
                self.hook(params.response.status)

            trace = aiohttp.TraceConfig()
            trace.on_request_end.append(ended)
            trace.on_request_redirect.append(ended)
            options["trace_configs"] = [trace]
        # Cookies of IP addresses too: the tests' servers have no names.
        options["cookie_jar"] = aiohttp.CookieJar(unsafe=True)
        return aiohttp.ClientSession(**{**options, **self.options})

    async def _acall(
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
        auth: Any = None,
        follow: bool | None = None,
        timeout: float | None = None,
        stream: bool = False,
        native: Any = None,
    ) -> Answer:
        aiohttp = self.stack.library
        options: dict[str, Any] = dict(native or {})
        data: Any = next((body for body in (content, form, file) if body is not None), None)
        if chunks is not None:
            data = aiter_once(chunks)
        if files is not None:
            data = aiohttp.FormData()
            for name, (file_name, opened) in files.items():
                data.add_field(name, opened, filename=file_name)
        # Per request, so that the session can be made before an auth whose token_transport it is.
        middlewares = [one for one in (self.auth,) if one is not None]
        if callable(auth):
            middlewares = [auth]
        elif auth is not None:
            options["auth"] = aiohttp.BasicAuth(*auth)
        async with self.native.request(
            method,
            url,
            headers=headers,
            data=data,
            json=json,
            allow_redirects=self.follow if follow is None else follow,
            timeout=aiohttp.ClientTimeout(total=timeout or self.timeout),
            **{"middlewares": middlewares, **options},
        ) as response:
            body = b"".join([part async for part in response.content.iter_any()]) if stream else await response.read()
            history = [earlier.status for earlier in response.history]
            return Answer(response.status, response.headers, body, str(response.url), history, response)
