"""A request with curl-cffi: krauth gives the header fields and says when to repeat.

with curl_cffi.Session() as session:
    print(send(session, NaverAuth.from_env(), "GET", "https://api.commerce.naver.com/external/v1/seller/account"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import curl_cffi

    from krauth.provider import OriginAuth

__all__ = ["asend", "send"]

# Without redirects: libcurl would carry an API key along to another server.
SETTINGS: dict[str, Any] = {"allow_redirects": False, "timeout": 10}


def send(
    session: curl_cffi.Session[Any], auth: OriginAuth, method: Any, url: str, body: bytes | None = None
) -> curl_cffi.Response:
    """Send a request, and once more after a refusal that other header fields may help against."""
    fields = auth.headers(method, url, body)
    answer = session.request(method, url, data=body, headers=fields, **SETTINGS)
    again = auth.refused(method, url, answer.status_code, dict(answer.headers), answer.content, fields)
    return answer if again is None else session.request(method, url, data=body, headers=again, **SETTINGS)


async def asend(
    session: curl_cffi.AsyncSession[Any], auth: OriginAuth, method: Any, url: str, body: bytes | None = None
) -> curl_cffi.Response:
    """Send a request without blocking; see `send`."""
    fields = await auth.aheaders(method, url, body)
    answer = await session.request(method, url, data=body, headers=fields, **SETTINGS)
    again = await auth.arefused(method, url, answer.status_code, dict(answer.headers), answer.content, fields)
    return answer if again is None else await session.request(method, url, data=body, headers=again, **SETTINGS)
