"""The one place where the model meets the engine: how a process begins a refresh, and what it remembers of it.

Everything else here knows only that a flow is a generator of steps. A change of the engine changes this module alone.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import NamedTuple

from krauth import RefreshPolicy, TokenState
from krauth._engine import refresh, user_flows
from krauth._oauth.client import OAuth2Credentials
from krauth._values.clock import Clock
from krauth._values.exceptions import AuthorizationRequired
from krauth._values.record import Record
from krauth._values.token import Token

EPOCH = 1_800_000_000.0
TOKEN, REVOKE = "https://auth.example/token", "https://auth.example/revoke"
LIFETIME, WINDOW = 3600.0, 600.0


class ModelClock(Clock):
    """The clock of one process. The model sets `now`, seconds since it began, before every step."""

    __slots__ = ("ahead", "now")

    def __init__(self, ahead=0.0):
        self.now, self.ahead = 0.0, ahead

    def time(self):
        return EPOCH + self.now + self.ahead

    def monotonic(self):
        return 1_000_000.0 + self.now


class Memory(NamedTuple):
    """What a process knows between two refreshes."""

    token: Token | None = None
    unsaved: bool = False
    spent: str | None = None
    server_ahead: float | None = None


def half():
    return 0.5


@functools.cache
def credentials(for_user):
    return OAuth2Credentials(
        "client",
        "secret-of-the-client",
        token_endpoint=TOKEN,
        revocation_endpoint=REVOKE,
        api_origins="https://api.example",
        user="mina" if for_user else None,
    )


@functools.cache
def policy(window):
    return RefreshPolicy(window=window, jitter=0)


def token(generation, now, *, expires, for_user, dead=False):
    """The token of a generation that ends at `expires`, both in seconds since the model began."""
    return Token(
        f"a{generation}",
        EPOCH + expires,
        EPOCH + now,
        refresh_token=f"r{generation}" if for_user and not dead else None,
        refresh_expires_at=EPOCH + 30 * 86400.0 if dead else None,
    )


def record(held, *, number=None, intent_at=None, revoked_at=None):
    return Record(held, intent_at, revoked_at).to_text()


@functools.lru_cache(100_000)
def read(text):
    """What a saved text means: `(generation, generation of the refresh token, is it revoked)`; -1 for none."""
    found = Record.from_text(text)
    held = found.token
    if held is None:
        return -1, -1, found.revoked_at is not None
    return generation(held.access_token), generation(held.refresh_token), found.revoked_at is not None


def generation(name):
    return -1 if name is None else int(name[1:])


def refreshing(for_user, memory, clock, window, refused):
    """Begin a refresh. Return its generator, and a function from its outcome to what the process knows then."""
    own = credentials(for_user)
    held = memory.token
    usable = TokenState.MISSING if held is None else held.state(clock.time(), window)
    skew = {} if memory.server_ahead is None else {own.token_endpoint: memory.server_ahead}
    renewal = refresh.Renewal(
        own, policy(window), clock, skew, held, usable, refused, memory.unsaved, memory.spent, jitter=half
    )

    def after(outcome):
        ahead = skew.get(own.token_endpoint)
        if isinstance(outcome, Token):
            return Memory(outcome, server_ahead=ahead)
        if isinstance(outcome, AuthorizationRequired) and outcome.revoked:
            return Memory(server_ahead=ahead)
        if renewal.unsaved and renewal.current is not None:
            return Memory(renewal.current, True, renewal.spent, ahead)
        return Memory(memory.token, memory.unsaved, memory.spent, ahead)

    return refresh.renew(renewal), after


def revoking(for_user, memory, clock, window, refused):
    """Begin a revocation, as `refreshing`."""
    flow = user_flows.revoke(credentials(for_user), clock, policy(window), memory.token)
    return flow, lambda outcome: memory if isinstance(outcome, BaseException) else Memory()


FLOWS = {"refresh": refreshing, "revoke": revoking}


def pending(memory):
    """The token that the process will save before it does anything else, or `None`."""
    return memory.token if memory.unsaved else None


def with_refresh(held, number):
    return replace(held, refresh_token=f"r{number}")


def remembered(held, number):
    """What a process knows that obtained or loaded a token, whose number was so."""
    return Memory(held)


def by(memory, ahead):
    """The same memory in a process whose clock is `ahead` seconds ahead of the server's: it has measured that."""
    if memory.token is None:
        return memory
    return memory._replace(token=memory.token.shifted(ahead), server_ahead=-ahead)
