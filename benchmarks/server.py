"""A token endpoint and an API on loopback, over http and over https, in a process of its own that counts its requests.

The server does as little work as possible, because it shares the machine with the program that is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
#: delay: seconds that the token endpoint takes. lifetime: seconds, divided by speed. single_use: refresh tokens rotate.
#: once: an access token is good for one request.
DEFAULTS = {"delay": 0.0, "lifetime": 3600.0, "speed": 1.0, "single_use": 0.0, "once": 0.0}


class State:
    """What the server knows: its settings, the tokens that are good, and how often it was asked."""

    number = 0

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = DEFAULTS | {name: float(value) for name, value in settings.items()}
        self.valid, self.refresh = {"at-forever": float("inf")}, "rt-0"
        self.counts = {"token": 0, "api": 0, "refused": 0, "connections": 0}

    def token(self, body: bytes) -> tuple[int, dict[str, Any]]:
        self.counts["token"] += 1
        State.number += 1
        fields, access, lifetime = dict(parse_qsl(body.decode())), f"at-{self.number}", self.settings["lifetime"]
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": int(lifetime)}
        if fields.get("grant_type") == "refresh_token":
            if fields.get("refresh_token") != self.refresh:
                return 400, {"error": "invalid_grant"}
            if self.settings["single_use"]:
                self.refresh = f"rt-{self.number}"
            answer["refresh_token"] = self.refresh
        self.valid[access] = time.monotonic() + lifetime / self.settings["speed"]
        return 200, answer

    def api(self, head: bytes) -> int:
        self.counts["api"] += 1
        token = head.lower().partition(b"\r\nauthorization: bearer ")[2].partition(b"\r\n")[0].decode()
        if self.valid.get(token, 0.0) > time.monotonic():
            if self.settings["once"] and token != "at-forever":
                del self.valid[token]
            return 200
        self.counts["refused"] += 1
        return 401


class Server(asyncio.Protocol):
    state = State({})

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""
        self.state.counts["connections"] += 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[: end + 2]
            _, found, rest = head.lower().partition(b"\r\ncontent-length:")
            whole = end + 4 + (int(rest.partition(b"\r\n")[0]) if found else 0)
            if len(self.buffer) < whole:
                return
            body, self.buffer = self.buffer[end + 4 : whole], self.buffer[whole:]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        path, _, query = head.split(b" ", 2)[1].decode().partition("?")
        if path.startswith("/api"):
            self.write(self.state.api(head), {"code": "AUTHENTICATION_REQUIRED"})
        elif path.endswith("/token") and not path.startswith("/stuck"):  # a stuck one never answers
            delay = self.state.settings["delay"]
            asyncio.get_running_loop().call_later(delay, self.write, *self.state.token(body))
        elif path == "/_reset":
            Server.state = State(dict(parse_qsl(query)))
            self.write(200, {})
        elif path == "/_counts":
            self.write(200, self.state.counts)

    def write(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % (status, len(body)) + body)


async def main(folder: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(folder, "server.pem"))
    make = asyncio.get_running_loop().create_server
    servers = [await make(Server, "127.0.0.1", 0, backlog=2048, ssl=how) for how in (None, context)]
    print(*(one.sockets[0].getsockname()[1] for one in servers), flush=True)
    await asyncio.gather(*(one.serve_forever() for one in servers))


class Handle:
    """The running server: `http` and `https` are its addresses, `env` makes a child process trust it."""

    def __init__(self, http: str, https: str, bundle: Path) -> None:
        self.ports = (http, https)
        self.http, self.https = f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}"
        allowed = {"OAUTHLIB_INSECURE_TRANSPORT": "1", "AUTHLIB_INSECURE_TRANSPORT": "1", "NO_PROXY": "*"}
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.env = kept | allowed | {"REQUESTS_CA_BUNDLE": str(bundle), "SSL_CERT_FILE": str(bundle)}

    def reset(self, **settings: float) -> None:
        """Forget tokens and counts, and set `DEFAULTS` anew."""
        self._get("/_reset?" + "&".join(f"{name}={value}" for name, value in settings.items()))

    def counts(self) -> dict[str, int]:
        """Return the requests since the last reset."""
        return json.loads(self._get("/_counts"))

    def _get(self, path: str) -> bytes:
        with urlopen(self.http + path, timeout=60) as response:
            return response.read()


@contextlib.contextmanager
def running() -> Iterator[Handle]:
    """Run the server; its CA stands at the end of a CA bundle of the usual size, as a company's own CA does."""
    import certifi
    import trustme

    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "bundle.pem")
        bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + authority.cert_pem.bytes())
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(Path(folder, "server.pem"))
        command = [sys.executable, "-m", "benchmarks.server", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            try:
                yield Handle(*process.stdout.readline().split(), bundle)
            finally:
                process.terminate()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1]))
