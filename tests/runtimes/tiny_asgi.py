"""The tiny app as an ASGI app, on httpx: one client for each worker process."""

from __future__ import annotations

import os

import httpx

from krauth_httpx import NaverAuth

AUTH = NaverAuth.from_env(store=os.environ["KRAUTH_STORE"])
CLIENT = httpx.AsyncClient(auth=AUTH, base_url=AUTH.base_url, timeout=60)


async def asgi(scope, receive, send):
    """Ask who the seller is, and answer with that and with the process."""
    if scope["type"] != "http":
        return
    response = await CLIENT.get("/v1/seller/account")
    response.raise_for_status()
    body = f"{response.json()['accountUid']} {os.getpid()}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
