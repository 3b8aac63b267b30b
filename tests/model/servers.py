"""Authorization servers as immutable values: `answer` returns the next server and what it says.

A generation is a number: the server issues `a0`/`r0`, `a1`/`r1`, … The kinds:

- `reuse`: a refresh token is good once; a second use revokes everything (RFC 9700 §4.14.2).
- `rotation`: a refresh token is good once; a second use is refused, and has no other effect.
- `grace`: as `reuse`, but for some seconds a second use is answered like the first, with tokens of its own.
- `static`: one refresh token for ever, which no answer repeats.
- `client`: client credentials; each request brings another token.
- `single`: client credentials; a new token ends the one before.
- `naver`: client credentials; the same token again while 30 minutes or more remain.
"""

from __future__ import annotations

import functools
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import parse_qs

USERS = ("reuse", "rotation", "grace", "static")
MACHINES = ("client", "single", "naver")
KINDS = USERS + MACHINES
#: Seconds: how long a token lives, and within which a second use is answered by `grace`.
LIFETIME, GRACE = 3600.0, 30.0
#: Seconds: Naver issues a new token when less than this remains.
REISSUES_BELOW = 1800.0


class Server(NamedTuple):
    """An authorization server.

    Attributes:
        kind: See above.
        issued: The newest generation.
        good: Generations whose refresh token is good.
        spent: `(generation, when)` of refresh tokens that were used.
        live: `(generation, when it ends)` of access tokens that the API accepts.
        family_revoked: Whether all tokens of the user were revoked.
        twice: How often a refresh token was used that had been used before.
    """

    kind: str
    issued: int = 0
    good: tuple[int, ...] = (0,)
    spent: tuple[tuple[int, float], ...] = ()
    live: tuple[tuple[int, float], ...] = ()
    family_revoked: bool = False
    twice: int = 0
    requests: int = 0

    @property
    def rotates(self):
        return self.kind in ("reuse", "rotation", "grace")

    def accepts(self, generation, now):
        return any(one == generation and now < end for one, end in self.live)

    def answer(self, url, body, now):
        """Return `(server, status, fields, generation that was issued or -1)`."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if url.endswith("/revoke"):
            name = form["token"]
            if name[0] == "r":
                return self._replace(good=(), live=(), family_revoked=True), 200, {}, -1
            live = tuple(one for one in self.live if one[0] != int(name[1:]))
            return self._replace(live=live), 200, {}, -1
        server = self._replace(requests=self.requests + 1)
        if form["grant_type"] == "refresh_token":
            return server._refresh(int(form["refresh_token"][1:]), now)
        if self.kind == "naver":
            for generation, end in self.live:
                if end - now >= REISSUES_BELOW:
                    return server, 200, fields(generation, end - now), generation
        return server._issue(now, self.kind != "single")

    def _refresh(self, generation, now):
        if self.kind == "static":
            return self._issue(now, True) if self.good else (self, 400, {"error": "invalid_grant"}, -1)
        used = dict(self.spent)
        server = self._replace(twice=self.twice + (generation in used))
        if generation in self.good:
            server = server._replace(
                good=tuple(one for one in self.good if one != generation), spent=(*self.spent, (generation, now))
            )
            return server._issue(now, True, refreshes=True)
        if self.kind == "grace" and not self.family_revoked and now - used.get(generation, -1e9) < GRACE:
            return server._issue(now, True, refreshes=True)
        if self.kind in ("reuse", "grace") and generation in used:
            server = server._replace(good=(), live=(), family_revoked=True)
        return server, 400, {"error": "invalid_grant"}, -1

    def _issue(self, now, keeps, refreshes=False):
        new = self.issued + 1
        live = (*(self.live if keeps else ()), (new, now + LIFETIME))
        server = self._replace(issued=new, live=live, good=(*self.good, new) if refreshes else self.good)
        return server, 200, fields(new, LIFETIME, refreshes), new


def fields(generation, expires_in, refreshes=False):
    answer = {"access_token": f"a{generation}", "token_type": "Bearer", "expires_in": expires_in}
    return answer | {"refresh_token": f"r{generation}"} if refreshes else answer


@functools.lru_cache(1000)
def http_date(seconds):
    return formatdate(seconds, usegmt=True)
