"""Every HTTP stack behind one blocking interface, so that a test is written once and runs on all of them.

    with stack.client(auth) as client:
        answer = client.call("POST", url, json={…})

A stack is a library and a way of using it: `requests`, `httpx` (sync), `httpx-asyncio`, `httpx-trio`, the same three of
`httpx2`, and `aiohttp`. The async ones run on an event loop of their own in a thread of their own, which goes on
between calls. `client.start(…)` returns a `concurrent.futures.Future`, whose `cancel()` cancels the task.
"""

from __future__ import annotations

from .with_aiohttp import AiohttpStack
from .with_httpx import HTTPXStack
from .with_requests import RequestsStack

STACKS = [
    RequestsStack("requests"),
    HTTPXStack("httpx"),
    HTTPXStack("httpx", "asyncio"),
    HTTPXStack("httpx", "trio"),
    HTTPXStack("httpx2"),
    HTTPXStack("httpx2", "asyncio"),
    HTTPXStack("httpx2", "trio"),
    AiohttpStack("aiohttp", "asyncio"),
]
BY_NAME = {stack.name: stack for stack in STACKS}
