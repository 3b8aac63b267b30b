"""A token endpoint and an API on loopback, in a process of its own, that counts what it is asked.

`python -m benchmarks.server` prints its port. As little work per request as can be: it shares the machine with what
is measured. Lifetimes are divided by `speed`; `delay` is real seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULTS = {"delay": 0.0, "lifetime": 3600.0, "speed": 1.0, "single_use": 0.0}


class State:
    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.reset({})

    def reset(self, settings: dict[str, str]) -> None:
        self.settings = {**DEFAULTS, **{name: float(value) for name, value in settings.items()}}
        self.valid: dict[str, float] = {"at-forever": float("inf")}
        self.refresh = {"rt-0"}
        self.counts = {"token": 0, "refused_token": 0, "api": 0, "refused_api": 0}

    def token(self, body: bytes) -> tuple[int, dict[str, Any]]:
        self.counts["token"] += 1
        fields = dict(parse_qsl(body.decode()))
        rotated = None
        if fields.get("grant_type") == "refresh_token":
            spent = fields.get("refresh_token", "")
            if spent not in self.refresh:
                self.counts["refused_token"] += 1
                return 400, {"error": "invalid_grant"}
            if self.settings["single_use"]:
                self.refresh.discard(spent)
                rotated = f"rt-{next(self.numbers)}"
                self.refresh.add(rotated)
            else:
                rotated = spent
        access = f"at-{next(self.numbers)}"
        self.valid[access] = time.monotonic() + self.settings["lifetime"] / self.settings["speed"]
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": int(self.settings["lifetime"])}
        return 200, answer | ({"refresh_token": rotated} if rotated else {})

    def api(self, head: bytes) -> int:
        self.counts["api"] += 1
        lowered = head.lower()
        at = lowered.find(b"\r\nauthorization: bearer ")
        if at >= 0:
            token = head[at + 24 : head.index(b"\r\n", at + 24)].decode("latin-1")
            if self.valid.get(token, 0.0) > time.monotonic():
                return 200
        self.counts["refused_api"] += 1
        return 401


class Server(asyncio.Protocol):
    state = State()

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[: end + 2]
            length = 0
            at = head.lower().find(b"\r\ncontent-length:")
            if at >= 0:
                length = int(head[at + 17 : head.index(b"\r\n", at + 17)])
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        state = self.state
        path, _, query = head.split(b" ", 2)[1].decode().partition("?")
        if path.startswith("/api"):
            self.write(state.api(head), b'{"ok":true}')
        elif path == "/token":
            status, answer = state.token(body)
            asyncio.get_running_loop().call_later(
                state.settings["delay"], self.write, status, json.dumps(answer).encode()
            )
        elif path == "/_reset":
            state.reset(dict(parse_qsl(query)))
            self.write(200, b"{}")
        else:
            self.write(200, json.dumps(state.counts).encode())

    def write(self, status: int, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (status, len(body), body)
        )


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Handle:
    """The running server, seen from whoever measures."""

    def __init__(self, base: str) -> None:
        self.base = base

    def reset(self, **settings: float) -> None:
        """Forget tokens and counts, and set `DEFAULTS` anew."""
        self._get("/_reset?" + "&".join(f"{name}={value}" for name, value in settings.items()))

    def counts(self) -> dict[str, int]:
        """Return what was asked since the last reset."""
        return json.loads(self._get("/_counts"))

    def _get(self, path: str) -> bytes:
        with urlopen(self.base + path, timeout=10) as response:
            return response.read()


@contextlib.contextmanager
def running() -> Iterator[Handle]:
    """Run the server in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.server"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Handle(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
