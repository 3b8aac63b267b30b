"""One received request as evidence for a test; the emulator writes these, secrets stay out of the repr."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .reply import Wrong

# Header values that may be printed; every other one is shown by name alone.
_PRINTABLE = frozenset({"accept", "content-length", "content-type", "host", "user-agent"})


@dataclass(frozen=True, slots=True, repr=False)
class RecordedRequest:
    """A request as it arrived; `status` is the answer's, 0 where the connection was dropped instead."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int
    provider: str
    at: float
    """Seconds since the epoch, by this machine's own clock (never offset)."""
    wrong: Wrong | None = None
    """What the emulator found wrong with it, for the inspector; `str` of it is an English sentence."""

    def __repr__(self) -> str:
        # "API Key를 로그에 기록" is forbidden. Queries and bodies may also hold codes and tokens.
        headers = {k: v if k.lower() in _PRINTABLE else "…" for k, v in self.headers.items()}
        return (
            f"RecordedRequest({self.provider} {self.method} {self.path} -> {self.status}, "
            f"query={sorted(self.query)}, headers={headers}, body=<{len(self.body)} bytes>)"
        )
