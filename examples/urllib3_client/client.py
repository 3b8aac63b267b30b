"""A client on urllib3 alone, as openapi-generator makes them: krauth gives the header fields and says when to repeat.

client = Client(NaverAuth.from_env())
print(client.request("GET", client.auth.base_url + "/v1/seller/account").json())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import urllib3

if TYPE_CHECKING:
    from krauth.provider import OriginAuth

__all__ = ["Client"]


class Client:
    """Sends requests with the credential of an auth object.

    Args:
        auth: Of any of krauth's packages; its blocking methods are used.
        pool: A configured pool; `None`: one with urllib3's defaults.
    """

    def __init__(self, auth: OriginAuth, pool: urllib3.PoolManager | None = None) -> None:
        self.auth = auth
        self.pool = pool or urllib3.PoolManager()

    def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, and once more after a refusal that other header fields may help against."""
        fields = self.auth.headers(method, url, body)
        answer = self._send(method, url, body, {**(headers or {}), **fields})
        again = self.auth.refused(method, url, answer.status, answer.headers, answer.data, fields)
        if again is not None:
            answer = self._send(method, url, body, {**(headers or {}), **again})
        return answer

    def _send(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        # Without redirects: urllib3 would carry an API key along to another server. A caller that follows one calls
        # `request` with the new URL; it gets header fields of its own, or none.
        settings: dict[str, Any] = {"redirect": False, "retries": False, "timeout": 10.0}
        return self.pool.request(method, url, body=body, headers=headers, **settings)
