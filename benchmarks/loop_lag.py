"""Part 5: how long an asyncio event loop stands still while a process's first token is fetched, and without."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from . import server, subjects
from .measure import spread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Work = Callable[[], Awaitable[object]]

TICK = 0.001
#: A bcrypt hash of cost 10 takes some 60 ms of CPU, the token endpoint as long as `DELAY`.
SECONDS = 0.35
DELAY = 0.05
SECRET = "$2a$10$abcdefghijklmnopqrstuu"
#: name → library; each makes its token requests by its default way.
SUBJECTS = {
    "krauth httpx": "httpx",
    "krauth httpx2": "httpx2",
    "krauth aiohttp": "aiohttp",
    "Authlib (httpx2)": "httpx2",
    "httpx-auth": "httpx",
    "bcrypt on the loop": "httpx",
}


class Server(server.Server):
    """Answers at Naver's token endpoint, too."""

    def answer(self, head: bytes, body: bytes) -> None:
        super().answer(head.replace(b" /external/v1/oauth2/token ", b" /token ", 1), body)


@contextlib.contextmanager
def running() -> Iterator[server.Handle]:
    """Run the server in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", __name__, "server"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield server.Handle(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.terminate()
        process.wait()


async def worst_lag(work: Work | None) -> float:
    """Return by how much the latest of the ticks came late, while `work` runs."""
    found = [0.0]
    working = asyncio.Event()

    async def tick() -> None:
        ends = time.perf_counter() + SECONDS
        while (before := time.perf_counter()) < ends or working.is_set():
            await asyncio.sleep(TICK)
            found.append(time.perf_counter() - before - TICK)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.05)
    if work is not None:
        working.set()
        await work()
        working.clear()
    await ticking
    return max(found)


async def warm(library: Any, base: str) -> None:
    """What the first request of any process costs, imports mostly, is not the token's."""
    if library.__name__ == "aiohttp":
        async with library.ClientSession() as session, session.get(base + "/_counts") as response:
            await response.read()
    else:
        async with library.AsyncClient() as client:
            await client.get(base + "/_counts")


def make(name: str, base: str) -> Work:
    """Return what obtains the first token: an API call, or for the hash alone that."""
    if name.startswith("krauth"):
        auth = importlib.import_module(name.replace(" ", "_")).NaverAuth("id", SECRET, base_url=base + "/external")
        return subjects.ASYNC[name][0](base, subjects.CLIENT, auth, wire=True)
    if name in subjects.ASYNC:
        return subjects.ASYNC[name][0](base, subjects.CLIENT, wire=True)

    async def work() -> None:
        import bcrypt

        bcrypt.hashpw(b"id_1700000000000", SECRET.encode())

    return work


async def subject(name: str, base: str) -> tuple[float, float]:
    """Return the worst lag of a control run, and of one with a fetch."""
    work = make(name, base)
    await warm(importlib.import_module(SUBJECTS[name]), base)
    found = await worst_lag(None), await worst_lag(work)
    if aclose := getattr(work, "aclose", None):
        await aclose()
    return found


def run(*, full: bool) -> dict[str, Any]:
    """Return per subject the spread, over processes, of the worst tick with a fetch, without, and the difference."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in SUBJECTS}
    with running() as handle:
        for _ in range(15 if full else 5):
            for name, pairs in found.items():
                handle.reset(delay=DELAY)
                done = subprocess.run(
                    [sys.executable, "-m", __name__, name, handle.base],
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                    env={**os.environ, "NO_PROXY": "*"},
                )
                assert handle.counts()["token"] == (name in subjects.ASYNC)
                pairs.append(tuple(json.loads(done.stdout)))
    return {
        name: {
            "control": spread(control for control, _ in pairs),
            "fetch": spread(fetch for _, fetch in pairs),
            "difference": spread(fetch - control for control, fetch in pairs),
        }
        for name, pairs in found.items()
    }


if __name__ == "__main__":
    if sys.argv[1] == "server":
        server.Server = Server  # type: ignore[misc]
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(server.main())
    else:
        print(json.dumps(asyncio.run(subject(sys.argv[1], sys.argv[2]))))
