"""Answers ordered in advance: the queue that the emulator asks before it answers by itself."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["token", "api", "other"]
"""The token endpoint, what a credential opens, and the rest: consent, revocation, introspection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with `status` and never let the provider see the request."""

    status: int
    body: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    code: str | None = None
    """The provider's error code, where the status has more than one."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer; with `processed` the provider has done its work by then."""

    processed: bool = False


Fault = Answer | Drop


class Faults:
    """Faults by kind of request, first in first out, each for a number of requests or until cleared."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[tuple[Fault, int | None]]] = {}
        self._lock = threading.Lock()

    def add(self, kind: Kind, fault: Fault, times: int | None) -> None:
        """Queue `fault` for the next `times` requests of `kind`; None means until `clear`."""
        if times is not None and times < 1:
            raise ValueError("times must be at least 1, or None for 'until cleared'")
        with self._lock:
            self._queues.setdefault(kind, deque()).append((fault, times))

    def take(self, kind: Kind) -> Fault | None:
        """Return the fault that is due for this request, and count it down."""
        with self._lock:
            queue = self._queues.get(kind)
            if not queue:
                return None
            fault, left = queue[0]
            if left is not None:
                if left > 1:
                    queue[0] = (fault, left - 1)
                else:
                    queue.popleft()
            return fault

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._queues.clear()

    def pending(self) -> dict[str, list[dict[str, Any]]]:
        """Describe the faults that are still queued, for `GET /_sandbox/state`."""
        with self._lock:
            return {
                kind: [{"fault": _name(f), "times": times} for f, times in queue]
                for kind, queue in self._queues.items()
                if queue
            }


def _name(fault: Fault) -> Any:
    if isinstance(fault, Drop):
        return "drop"
    return fault.status if fault.code is None else fault.code
