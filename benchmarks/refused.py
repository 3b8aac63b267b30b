"""The 401 path: a call whose token the server refuses, the refresh and the call again; CPU time beside the same by hand."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Any

from . import server, subjects
from .measure import child, compare, say, timed

#: seconds for each scheme
SECONDS = (0.0, 5.0, 30.0)
SUBJECTS = {
    subjects.STATIC: subjects.static,
    **{what: subjects.BLOCKING[what] for what in (subjects.BY_HAND, "krauth requests", "krauth httpx")},
    "krauth requests, token_transport=session": partial(subjects.krauth, "requests", lent=True),
    "krauth httpx, token_transport=client": partial(subjects.krauth, "httpx", lent=True),
}


def measure(base: str, seconds: float) -> dict[str, Any]:
    """Measure in this process. The server's tokens are valid once: each call but the first finds its token refused."""
    calls = {what: make(base, subjects.CLIENT, subjects.old(subjects.CLIENT)) for what, make in SUBJECTS.items()}

    def checked(what: str) -> None:
        assert calls[what]() == 200, what

    measured = {what: (lambda what=what: timed(lambda: checked(what))) for what in SUBJECTS}
    return compare(measured, baseline=subjects.BY_HAND, seconds=seconds)


def run(size: int) -> dict[str, Any]:
    """Return one row for each subject: `{what, https, http}`."""
    found = {}
    with server.running() as handle:
        for scheme in ("https", "http"):
            say(f"  {scheme}")
            handle.reset(once=1)
            found[scheme] = child("refused", getattr(handle, scheme), SECONDS[size], env=handle.env)
    return {"rows": [{"what": what, **{scheme: found[scheme][what] for scheme in found}} for what in SUBJECTS]}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], float(sys.argv[2]))))
