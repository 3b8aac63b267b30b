"""A request with pycurl: krauth gives the header fields and says when to repeat.

print(send(NaverAuth.from_env(), "GET", "https://api.commerce.naver.com/external/v1/seller/account"))
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pycurl

if TYPE_CHECKING:
    from krauth.provider import OriginAuth

__all__ = ["send"]


def send(auth: OriginAuth, method: str, url: str, body: bytes = b"") -> tuple[int, bytes]:
    """Send a request, and once more after a refusal that other header fields may help against."""
    fields = auth.headers(method, url, body)
    status, headers, answer = _once(method, url, body, fields)
    again = auth.refused(method, url, status, headers, answer, fields)
    if again is not None:
        status, headers, answer = _once(method, url, body, again)
    return status, answer


def _once(method: str, url: str, body: bytes, fields: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    curl, answer, headers = pycurl.Curl(), io.BytesIO(), {}

    def keep(line: bytes) -> None:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers[name.strip()] = value.strip()

    try:
        # Without FOLLOWLOCATION: libcurl would carry an API key along to another server.
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in fields.items()])
        if body:
            curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.TIMEOUT, 10)
        curl.setopt(pycurl.HEADERFUNCTION, keep)
        curl.setopt(pycurl.WRITEDATA, answer)
        curl.perform()
        return curl.getinfo(pycurl.RESPONSE_CODE), headers, answer.getvalue()
    finally:
        curl.close()
