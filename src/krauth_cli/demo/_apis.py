"""The two APIs of the demo, and how their requests are counted. `_scenes` and `_expiry` use it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from .._failure import printable
from ._clients import TIMEOUT, Stack

if TYPE_CHECKING:
    from krauth_sandbox import Emulator, RecordedRequest, Sandbox


class Provider(NamedTuple):
    """What the scenes need to know of one API."""

    name: str
    read_path: str
    write_path: str
    #: Seconds that its tokens live, as documented.
    lifetime: float

    def url(self, sandbox: Sandbox, path: str | None = None) -> str:
        """Return the URL of a call."""
        return (sandbox.naver_url if self.name == "naver" else sandbox.meloming_url) + (path or self.read_path)

    def emulator(self, sandbox: Sandbox) -> Emulator:
        """Return the server, with its counters and switches."""
        return sandbox.naver if self.name == "naver" else sandbox.meloming

    def auth(self, stack: Stack, sandbox: Sandbox, *, secret: str | None = None, **settings: Any) -> Any:
        """Make an auth object of the stack; `secret` in place of the right one."""
        if self.name == "naver":
            return stack.auth(
                "NaverAuth",
                sandbox.naver_client_id,
                secret or sandbox.naver_client_secret,
                base_url=sandbox.naver_url,
                **settings,
            )
        return stack.auth(
            "MelomingOAuth",
            sandbox.meloming_client_id,
            secret or sandbox.meloming_client_secret,
            base_url=sandbox.meloming_url,
            **settings,
        )


NAVER: Final = Provider("naver", "/v1/seller/account", "/v2/products", 10_800.0)
MELOMING: Final = Provider("meloming", "/v1/channels/1", "/v1/channels/1/songs", 3_600.0)
PROVIDERS: Final = (NAVER, MELOMING)


@dataclass
class Trial:
    """A stack and its own sandbox, so that no other stack adds to the counts."""

    stack: Stack
    sandbox: Sandbox


class Watch:
    """What an emulator has seen since the watch was made."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self._token_requests, self._api_requests = emulator.token_requests, emulator.api_requests
        self._tokens_issued, self._records = emulator.tokens_issued, len(emulator.requests)

    @property
    def token_requests(self) -> int:
        """How many requests reached the token endpoint."""
        return self.emulator.token_requests - self._token_requests

    @property
    def api_requests(self) -> int:
        """How many requests reached the API."""
        return self.emulator.api_requests - self._api_requests

    @property
    def tokens_issued(self) -> int:
        """How many new tokens were issued."""
        return self.emulator.tokens_issued - self._tokens_issued

    @property
    def records(self) -> list[RecordedRequest]:
        """The requests, oldest first; good for the first 2,000 after a reset."""
        return self.emulator.requests[self._records :]


def is_token_request(record: RecordedRequest) -> bool:
    """Tell a token request from a call."""
    return record.method == "POST" and record.path.endswith(("/oauth2/token", "/oauth/token"))


def probe(url: str, token: str) -> tuple[int, str]:
    """GET a URL with a token and nothing else in between; return status and the code in the body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", parts.path, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        data = json.loads(response.read())
        return response.status, str(data.get("code", ""))
    finally:
        connection.close()


def describe(error: Exception) -> str:
    """Return an error in a line."""
    return printable(f"{type(error).__name__}: {error}")
