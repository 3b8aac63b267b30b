"""The refresh protocol in every interleaving of two and three processes, with at most one fault at any step.

`make soak` looks at everything; here is what a minute allows. A violation is shown with a shortest schedule.
"""

from __future__ import annotations

import os

import pytest

from .checker import Checker
from .configurations import STARTS, configuration, every
from .servers import KINDS

FULL = "KRAUTH_MODEL_FULL" in os.environ
NO_FAULT = ()
CLOCKS = (600.0, -600.0, 60.0)


def configurations():
    """What is looked at: everything, or at least each server, each start and each fault once."""
    if FULL:
        yield from every()
        yield from every(aheads=CLOCKS)
        yield from every(("reuse", "rotation", "grace", "static"), revokes=True)
        yield from every(processes=3, faults=NO_FAULT)
        yield from every(("reuse", "client", "naver"), ("expired",), processes=3)
        return
    yield from every(("reuse",))
    yield from every(("rotation",), ("expired", "spent, intent left", *BEHIND[:1]))
    yield from every(("grace", "static"), ("expired", *BEHIND[:1]))
    yield from every(("client", "single", "naver"), ("missing", "refused", "sibling newer"))
    yield from every(KINDS, ("stale",), aheads=CLOCKS, faults=NO_FAULT)
    yield from every(("reuse", "naver"), ("stale", "missing"), aheads=CLOCKS, faults=("store before", "network after"))
    yield from every(("reuse", "rotation"), ("expired",), revokes=True)
    yield from every(processes=3, faults=NO_FAULT)


BEHIND = [start for start in STARTS if "behind" in start]


@pytest.mark.parametrize("one", list(configurations()), ids=lambda one: one.name.replace(" ", "-"))
def test_the_promises_hold_in_every_interleaving(one):
    """No refresh token is sent twice or lost, no old token is given out, no false alarm, no lease left, few requests."""
    found = Checker(one).explore()
    assert found.worlds > 1
    assert not found.violations, "\n".join(map(str, found.violations.values()))


@pytest.mark.parametrize("kind", ["reuse", "client"])
def test_what_is_left_out_changes_no_verdict(kind):
    """The search that leaves out what adds no behaviour finds the same as the one that does not, and ends sooner."""
    one = configuration(kind, "expired", faults=("crash", "pause", "store before"))
    short, exact = Checker(one).explore(), Checker(one, exact=True).explore()
    assert set(short.violations) == set(exact.violations)
    assert short.worlds < exact.worlds
