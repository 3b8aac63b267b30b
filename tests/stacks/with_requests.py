"""requests."""

from __future__ import annotations

from typing import Any

from .base import Answer, Client, Stack, iter_once


class RequestsStack(Stack):
    @property
    def error(self) -> type[Exception]:
        return self.library.RequestException

    @property
    def timeout_error(self) -> Any:
        # While a body is read, requests calls a timeout a ConnectionError.
        return (self.library.Timeout, self.library.ConnectionError)

    @property
    def client_class(self) -> type[Client]:
        return RequestsClient


class RequestsClient(Client):
    def _open(self) -> Any:
        session = self.stack.library.Session()
        session.trust_env = self.trust_env
        session.headers.update(self.headers)
        if self.verify:
            session.verify = self.verify
        if self.proxy:
            session.proxies = {"http": self.proxy, "https": self.proxy}
        if self.hook:
            session.hooks["response"].append(lambda response, **_: self.hook(response.status_code))
        for name, value in self.options.items():
            setattr(session, name, value)
        return session

    def _call(
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
        self.native.auth = self.auth
        data = next((body for body in (content, form, file) if body is not None), None)
        response = self.native.request(
            method,
            url,
            headers=headers,
            data=iter_once(chunks) if chunks is not None else data,
            json=json,
            files=files,
            auth=auth,
            allow_redirects=self.follow if follow is None else follow,
            timeout=timeout or self.timeout,
            stream=stream,
            **(native or {}),
        )
        with response:
            body = b"".join(response.iter_content(1000)) if stream else response.content
            history = [earlier.status_code for earlier in response.history]
            return Answer(response.status_code, response.headers, body, response.url, history, response)
