"""The 401 path: a call whose token the server refuses, the refresh and the call again; CPU time beside the same by hand."""

from __future__ import annotations

import json
import sys
from typing import Any

from . import server, subjects
from .measure import child, compare, timed

SUBJECTS = {
    subjects.STATIC: subjects.static,
    subjects.BY_HAND: subjects.by_hand,
    "krauth requests": subjects.krauth_requests,
    "krauth httpx": subjects.krauth_httpx,
}


def subject(base: str, rounds: int) -> dict[str, Any]:
    """Measure in this process. The server's tokens are valid once: each call but the first finds its token refused."""
    calls = {name: make(base, subjects.CLIENT, subjects.old(subjects.CLIENT)) for name, make in SUBJECTS.items()}

    def measured(name: str) -> float:
        seconds, status = 0.0, 0

        def call() -> None:
            nonlocal status
            status = calls[name]()

        seconds = timed(call)
        assert status == 200, f"{name}: {status}"
        return seconds

    names: dict[str, Any] = {name: (lambda name=name: measured(name)) for name in SUBJECTS}
    return compare(names, baseline=subjects.BY_HAND, rounds=rounds)


def run(*, full: bool) -> dict[str, Any]:
    """Return `{scheme: {subject: {seconds, ratio}}}`."""
    found = {}
    with server.running() as handle:
        for scheme, base in (("https", handle.https), ("http", handle.http)):
            handle.reset(once=1)
            found[scheme] = child("refused", base, 200 if full else 60, env=handle.env)
    return found


if __name__ == "__main__":
    print(json.dumps(subject(sys.argv[1], int(sys.argv[2]))))
