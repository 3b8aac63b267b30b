"""Where the time of a call with a fresh token goes: the operations that it is made of, each alone, in nanoseconds."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from . import hot_path
from .measure import spread

#: piece → statement
PIECES = {
    "set the header, requests": "prepared.headers['Authorization'] = header",
    "set the header, httpx": "request.headers['Authorization'] = header",
    "set the header, aiohttp": "headers[AUTHORIZATION] = header",
    "look at both clocks": "held.fresh_mono > source.monotonic() and held.fresh_wall > source.time()",
    "test the origin, requests": "url.startswith(auth._prefixes)",
    "test the origin, httpx": "(parts.scheme, parts.host, parts.port) in auth._triples",
    "test the origin, aiohttp": "(yarl.scheme, yarl.host_port_subcomponent) in auth._authorities",
    "look for the user's own header, aiohttp": "AUTHORIZATION not in headers",
    "append the response hook, requests": "hooks['response'].append(auth.handle_response); found.clear()",
}


CLOCKS = "look at both clocks"
#: stack → what ours does besides setting the header
OVER = {
    "requests": (CLOCKS, "test the origin, requests", "append the response hook, requests"),
    "httpx sync": (CLOCKS, "test the origin, httpx"),
    "aiohttp": (CLOCKS, "test the origin, aiohttp", "look for the user's own header, aiohttp"),
}


def run(*, full: bool) -> dict[str, Any]:
    """Return `{piece: spread of ns}`; the empty loop is taken off."""
    import httpx
    import requests
    from aiohttp.hdrs import AUTHORIZATION

    import krauth_requests

    auth = hot_path.ours(krauth_requests)
    source = auth._source
    request = httpx.Request("GET", hot_path.URL)
    captured = asyncio.run(hot_path.capture())
    found: list[Any] = []
    names = {
        "auth": auth,
        "source": source,
        "held": source.snapshot,
        "header": source.snapshot.header,
        "prepared": requests.Request("GET", hot_path.URL).prepare(),
        "request": request,
        "parts": getattr(request.url, "_uri_reference", request.url),
        "headers": captured.headers,
        "AUTHORIZATION": AUTHORIZATION,
        "yarl": captured.url,
        "url": hot_path.URL,
        "hooks": {"response": found},
        "found": found,
    }
    loops = {}
    for piece, statement in {"empty": "pass", **PIECES}.items():
        space: dict[str, Any] = {}
        exec(f"def loop({', '.join(names)}):\n for _ in range(1000):\n  {statement}", {}, space)
        loops[piece] = space["loop"]
    times: dict[str, list[float]] = {piece: [] for piece in loops}
    for _ in range(1000 if full else 200):
        for piece, loop in loops.items():
            started = time.thread_time()
            loop(**names)
            times[piece].append((time.thread_time() - started) * 1e6)
    empty = spread(times.pop("empty"))["median"]
    return {piece: spread(one - empty for one in found) for piece, found in times.items()}
