"""Echo, redirect, stream: what tests want and no provider has; both providers mount them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .reply import answer_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def digest(request: web.Request) -> dict[str, Any]:
    """Describe the body that arrived: its length, SHA-256 and content type."""
    body = await request.read()
    return {
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "contentType": request.content_type if "Content-Type" in request.headers else None,
    }


async def echo(request: web.Request) -> web.Response:
    """Say what arrived; header values stay here, since some of them are credentials."""
    return answer_json(
        {
            "method": request.method,
            "path": request.path,
            "query": {name: request.query.getall(name) for name in request.query},
            "headers": sorted({name.lower() for name in request.headers}),
            **await digest(request),
        }
    )


async def redirect(request: web.Request) -> web.Response:
    """Redirect to `?to=URL` with `&status=` 301, 302 (default), 303, 307 or 308."""
    status, to = request.query.get("status", "302"), request.query.get("to")
    if to is None or not to.isprintable() or not status.isdecimal() or int(status) not in _REDIRECTS:
        return answer_json({"message": "to=URL and status=301|302|303|307|308"}, status=400)
    return web.Response(status=int(status), headers={"Location": to})


async def stream(request: web.Request) -> web.Response:
    """Answer in `?chunks=` chunks (at most 1,000) of `&size=` bytes (at most 1 MiB), length not announced."""
    try:
        chunks = min(1_000, int(request.query.get("chunks", "3")))
        size = min(1 << 20, int(request.query.get("size", "1024")))
    except ValueError:
        return answer_json({"message": "chunks and size are whole numbers"}, status=400)

    async def body() -> AsyncIterator[bytes]:
        for index in range(chunks):
            yield bytes([ord("a") + index % 26]) * size

    return web.Response(body=body(), content_type="application/octet-stream")


def routes(prefix: str) -> list[web.RouteDef]:
    """Mount the three under `prefix`."""
    return [
        web.route("*", f"{prefix}/v1/echo", echo),
        web.route("*", f"{prefix}/v1/redirect", redirect),
        web.get(f"{prefix}/v1/stream", stream),
    ]
