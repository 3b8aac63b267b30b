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
#: library → what → how it is made. Each is compared with two requests by hand with the same library.
SUBJECTS: dict[str, dict[str, Any]] = {
    stack: {
        **({subjects.STATIC: subjects.static} if stack == "requests" else {}),
        f"{subjects.BY_HAND}, {stack}": partial(subjects.by_hand, stack=stack),
        f"krauth {stack}": partial(subjects.krauth, stack),
        f"krauth {stack}, token_transport={client}": partial(subjects.krauth, stack, lent=True),
    }
    for stack, client in (("requests", "session"), ("httpx", "client"))
}


def measure(stack: str, base: str, seconds: float) -> dict[str, Any]:
    """Measure in this process. The server's tokens are valid once: each call but the first finds its token refused."""
    made = SUBJECTS[stack]
    calls = {what: make(base, subjects.CLIENT, subjects.old(subjects.CLIENT)) for what, make in made.items()}

    def checked(what: str) -> None:
        assert calls[what]() == 200, what

    measured = {what: (lambda what=what: timed(lambda: checked(what))) for what in made}
    return compare(measured, baseline=f"{subjects.BY_HAND}, {stack}", seconds=seconds)


def run(size: int) -> dict[str, Any]:
    """Return one row for each subject: `{stack, what, https, http}`."""
    rows = {what: {"stack": stack, "what": what} for stack, made in SUBJECTS.items() for what in made}
    with server.running() as handle:
        for scheme in ("https", "http"):
            say(f"  {scheme}")
            for stack in SUBJECTS:
                handle.reset(once=1)
                found = child("refused", stack, getattr(handle, scheme), SECONDS[size] / 2, env=handle.env)
                for what, one in found.items():
                    rows[what][scheme] = one
    return {"rows": [*rows.values()]}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
