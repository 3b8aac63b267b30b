"""The one place where the model meets the engine: how a process begins a refresh, and what it remembers of it.

Everything else here knows only that a flow is a generator of steps. A change of the engine changes this module alone.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import NamedTuple

from krauth import AuthorizationRequired, RefreshPolicy, TokenState
from krauth._engine import knowledge, refresh
from krauth._engine.rules import NOTHING, NumberedToken
from krauth._engine.user_flows import UserFlows
from krauth._oauth.client import OAuth2Credentials
from krauth._values.clock import Clock, Skews, _Skew
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

    elapsed = monotonic


class Memory(NamedTuple):
    """What a process knows between two refreshes.

    Attributes:
        token: The token that callers are given while it is good.
        newest: The newest token known, with its number.
        skew: What it has measured of the server's clock, or `None`.
    """

    token: Token | None = None
    newest: NumberedToken = NOTHING
    skew: _Skew | None = None


class ModelCredentials(OAuth2Credentials):
    """Real credentials; their proof is made without chance, and at once."""

    __slots__ = ()

    def binding(self):
        return ("proof", self.audience) if self.uses_refresh_token else (None, None)

    def is_bound_to(self, proof, audience):
        return True


class MeasuredSkew(Skews):
    """What one process has measured of the server's clock, begun with what it had measured before."""

    def __init__(self, known):
        super().__init__()
        if known is not None:
            self._known[TOKEN] = known

    @property
    def known(self):
        return self._known.get(TOKEN)


def half():
    return 0.5


@functools.cache
def credentials(for_user):
    return ModelCredentials(
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


def with_refresh(held, generation):
    return replace(held, refresh_token=f"r{generation}")


def record(held, *, number, intent_at=None, revoked_at=None):
    return Record(held, intent_at, revoked_at, number=number).to_text()


class Saved(NamedTuple):
    """What a saved text means; -1: there is none."""

    generation: int
    refresh: int
    is_revoked: bool
    number: int


NOT_SAVED = Saved(-1, -1, False, 0)


@functools.lru_cache(100_000)
def read(text):
    found = Record.from_text(text)
    held = found.token
    access, refresh = (held.access_token, held.refresh_token) if held is not None else (None, None)
    return Saved(generation(access), generation(refresh), found.revoked_at is not None, found.number or 0)


def generation(name):
    return -1 if name is None else int(name[1:])


def remembered(held, number):
    """What a process knows that obtained or loaded a token, whose number was so."""
    return Memory(held, NumberedToken(held, number))


def by(memory, ahead):
    """The same memory in a process whose clock is `ahead` seconds ahead of the server's: it has measured that."""
    if memory.token is None:
        return memory
    shifted = memory.token.shifted(ahead)
    return Memory(shifted, NumberedToken(shifted, memory.newest.number), _Skew(-ahead, -ahead, float("-inf")))


def refreshing(for_user, memory, clock, window, refused, jitter=half):
    """Begin a refresh. Return its generator, and a function from its outcome to `(token or error, memory)`."""
    held = memory.token
    usable = TokenState.MISSING if held is None else held.state(clock.time(), window)
    skew = MeasuredSkew(memory.skew)
    start = knowledge.Start(
        credentials(for_user), policy(window), clock, skew, {}, memory.newest, usable, refused, jitter=jitter
    )

    def after(outcome):
        held, error = outcome.newest, outcome.error
        if error is None:
            return held.token or "no token", Memory(held.token, held, skew.known)
        if isinstance(error, AuthorizationRequired) and error.revoked:
            return error, Memory(None, NumberedToken(None, held.number), skew.known)
        return error, Memory(memory.token, held if held != NOTHING else memory.newest, skew.known)

    return refresh.refresh(start), after


def revoking(for_user, memory, clock, window, refused):
    """Begin a revocation, as `refreshing`."""
    own = credentials(for_user)
    skew = MeasuredSkew(memory.skew)
    flows = UserFlows(own, policy(window), clock, skew, memory.newest)

    def after(outcome):
        if isinstance(outcome, BaseException):
            return outcome, memory._replace(skew=skew.known)
        return "revoked", Memory(None, outcome, skew.known)

    return flows.revoke(own), after


FLOWS = {"refresh": refreshing, "revoke": revoking}
