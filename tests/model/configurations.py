"""Where the model begins: what the server issued, what the store holds, and what each process knows and wants.

Time 0 is now. `a0`/`r0` is the first token; where another has been issued since, it is `a1`/`r1`.
"""

from __future__ import annotations

from . import flow
from .checker import FAULTS, Configuration, Role, Store
from .servers import KINDS, LIFETIME, USERS, Server

#: When a token that is so ends, seconds from now.
ENDS = {"fresh": 3000.0, "stale": 300.0, "expired": -100.0}


def _server(kind, newest, ends, *, dead=False, refused=False):
    """A server that has issued the generations up to `newest`, whose access token ends at `ends`."""
    live = () if refused else ((newest, ends),)
    good = (0,) if kind == "static" else () if kind not in USERS else (newest,)
    spent = tuple((earlier, -5000.0) for earlier in range(newest)) if kind in USERS and kind != "static" else ()
    return Server(kind, newest, () if dead else good, spent, live, family_revoked=dead)


def _stored(held, **fields):
    return Store(flow.record(held, **fields), 1, None, count=1, changes=1)


def configuration(kind, start, *, processes=2, revokes=False, aheads=(0.0, 0.0, 0.0), faults=FAULTS, budget=1, runs=3):
    """Return where `start` begins with a server of a kind, or `None` where that can't be."""
    for_user = kind in USERS
    window = 1800.0 if kind == "naver" else 600.0

    def token(generation, state, **settings):
        ends = ENDS[state] if window == 600.0 or state != "stale" else 1700.0
        name = 0 if kind == "static" else generation
        made = flow.token(generation, ends - LIFETIME, expires=ends, for_user=for_user, **settings)
        if kind == "static" and made.refresh_token:
            made = flow.with_refresh(made, name)
        return made

    nothing = flow.Memory()
    refused, excused, needed = None, False, 1
    ends = ENDS["expired"]
    match start:
        case "missing":
            memory = [nothing] * processes
            store = _stored(token(0, "expired"), number=1) if for_user else Store()
            server = _server(kind, 0, ends)
        case "stale":
            held = token(0, "stale")
            memory, store = [flow.remembered(held, 1)] * processes, _stored(held, number=1)
            server = _server(kind, 0, held.expires_at - flow.EPOCH)
        case "expired":
            held = token(0, "expired")
            memory, store, server = (
                [flow.remembered(held, 1)] * processes,
                _stored(held, number=1),
                _server(kind, 0, ends),
            )
        case "refused":
            held, refused = token(0, "fresh"), "a0"
            memory, store = [flow.remembered(held, 1)] * processes, _stored(held, number=1)
            server = _server(kind, 0, ENDS["fresh"], refused=kind != "naver")
            if kind == "naver":  # it goes on returning the token that the API refuses
                server = server._replace(live=((0, ENDS["fresh"]),))
                needed = processes
        case "sibling newer":
            old, new = token(0, "expired"), token(1, "fresh")
            memory, store = [flow.remembered(old, 1)] * processes, _stored(new, number=2)
            server, needed = _server(kind, 1, ENDS["fresh"]), 0
        case "sibling newer, and over":
            old, new = token(0, "expired"), token(1, "expired")
            memory, store = [flow.remembered(old, 1)] * processes, _stored(new, number=2)
            server = _server(kind, 1, ends)
        case "refused, sibling newer":
            old, new, refused = token(0, "fresh"), token(1, "fresh"), "a0"
            memory, store = [flow.remembered(old, 1)] * processes, _stored(new, number=2)
            server, needed = _server(kind, 1, ENDS["fresh"]), 0
        case "intent left":  # by a process that ended before it sent the request
            if not for_user:
                return None
            held = token(0, "expired")
            memory, store = [nothing] * processes, _stored(held, number=1, intent_at=flow.EPOCH - 50.0)
            server = _server(kind, 0, ends)
        case "spent, intent left":  # by a process that ended before it saved the answer
            if kind not in ("reuse", "rotation", "grace"):
                return None
            held, excused, needed = token(0, "expired"), True, None
            memory, store = [nothing] * processes, _stored(held, number=1, intent_at=flow.EPOCH - 50.0)
            server = _server(kind, 1, ends)
        case "dead":
            if not for_user:
                return None
            held = token(0, "expired", dead=True)
            memory, store = [flow.remembered(token(0, "expired"), 1)] * processes, _stored(held, number=1)
            server, needed = _server(kind, 0, ends, dead=True), 0
        case "revoked":
            if not for_user:
                return None
            held = token(0, "stale")
            memory, store = (
                [flow.remembered(held, 1)] * processes,
                _stored(None, number=2, revoked_at=flow.EPOCH - 50.0),
            )
            server, needed = _server(kind, 0, ends, dead=True), 0
        case "store one write behind":
            old, new = token(0, "expired"), token(1, "expired")
            memory, store = [flow.remembered(new, 2)] * processes, _stored(old, number=1)
            server = _server(kind, 1, ends)
        case "store one write behind, one process too":
            if not for_user:
                return None
            old, new, excused, needed = token(0, "expired"), token(1, "expired"), True, 2
            memory = [flow.remembered(new, 2), *[flow.remembered(old, 1)] * (processes - 1)]
            store, server = _stored(old, number=1), _server(kind, 1, ends)
        case "store empty":
            if not for_user:
                return None
            held = token(0, "expired")
            memory, store, server = [flow.remembered(held, 1)] * processes, Store(), _server(kind, 0, ends)
        case _:
            raise ValueError(start)
    if kind == "single":
        server = server._replace(live=server.live[-1:])
    roles = [
        Role("refresh", flow.by(one, ahead), refused, ahead, runs) for one, ahead in zip(memory, aheads, strict=False)
    ]
    name = f"{kind}, {start}, {processes} processes"
    if any(aheads):
        name += f", clocks {' '.join(f'{ahead:+.0f}' for ahead in aheads[:processes])} s"
    if revokes:
        roles[-1] = roles[-1]._replace(does="revoke", refused=None)
        name += ", the last one revokes"
        needed = None
    return Configuration(name, server, store, tuple(roles), window, faults, budget, excused, needed)


STARTS = (
    "missing",
    "stale",
    "expired",
    "refused",
    "sibling newer",
    "sibling newer, and over",
    "refused, sibling newer",
    "intent left",
    "spent, intent left",
    "dead",
    "revoked",
    "store one write behind",
    "store one write behind, one process too",
    "store empty",
)


def every(kinds=KINDS, starts=STARTS, **settings):
    for kind in kinds:
        for start in starts:
            made = configuration(kind, start, **settings)
            if made is not None:
                yield made
