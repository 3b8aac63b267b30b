"""Faults that are planted into the flow: the model has to find each, or its silence would mean nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from krauth import StoreConflict, TokenStoreError
from krauth._engine import knowledge, refresh, rules, store_steps
from krauth._engine.refresh import NumberedToken, _Refresh
from krauth._engine.steps import Acquire, Save
from krauth._engine.store_steps import Seen, StoreSteps, Taken
from krauth.stores import ANY, Lease

from .checker import Checker
from .configurations import configuration
from .servers import Server
from .test_protocol import configurations

save, release, acquire = StoreSteps.save, StoreSteps.release, StoreSteps.acquire
attempt, number_of, _after_invalid_grant = _Refresh._attempt, rules.number_of, _Refresh._after_invalid_grant
CLOCKS = (600.0, -600.0, 0.0)


def gives_the_lease_back_too_soon(patch):
    """A save that fails gives the lease back and is not repeated under it."""

    def faulty(self, record, *, release=False):
        try:
            yield from save(self, record, release=release)
        except TokenStoreError:
            yield from StoreSteps.release(self)
            raise

    def keep(self, *, release=True):
        yield from self._store.save(self._record(), release=release)
        return self.newest

    patch.setattr(StoreSteps, "save", faulty)
    patch.setattr(_Refresh, "_keep", keep)


def takes_whatever_is_stored_after_a_conflict(patch):
    """After a conflict the stored token is taken, whatever its number."""
    healthy = _Refresh._lease_again

    def faulty(self, mine):
        yield from healthy(self, mine)
        if self._store.record is not None and self._store.record.token is not None:
            self.newest = NumberedToken(self._store.record.token, number_of(self._store.record, mine))

    patch.setattr(_Refresh, "_lease_again", faulty)


def overwrites_after_a_conflict(patch):
    """A conflict is answered with a save that no lease protects."""

    def faulty(self, record, *, release=False):
        try:
            yield from save(self, record, release=release)
        except StoreConflict:
            self._seen = Seen(self.record, (yield Save(record.to_text(), ANY, None, None)))

    patch.setattr(StoreSteps, "save", faulty)


def takes_no_lease(patch):
    """Whether the lease is granted does not matter."""

    def faulty(self):
        at = self._clock.elapsed()
        lease, stored = yield Acquire(self._seconds, self._key)
        self._taken = Taken(lease or Lease("key", "nobody", -1), at)
        yield from self._read(stored)
        return True

    patch.setattr(StoreSteps, "acquire", faulty)


def does_not_look_again(patch):
    """The record that was read before the lease was taken is believed."""

    def faulty(self):
        record = self.record
        granted = yield from acquire(self)
        self._seen = Seen(record, self._seen.version)
        return granted

    patch.setattr(StoreSteps, "acquire", faulty)


def keeps_the_lease(patch):
    """The lease is left to end by itself."""

    def faulty(self):
        self._taken = None
        return
        yield

    patch.setattr(StoreSteps, "release", faulty)


def writes_no_intent(patch):
    """A refresh token is sent without a word to the others."""

    def faulty(self, record, *, release=False):
        if record.intent_at is None:
            yield from save(self, record, release=release)

    patch.setattr(StoreSteps, "save", faulty)


def sends_longer_than_the_lease(patch):
    """A request is not limited by what is left of the lease."""
    patch.setattr(StoreSteps, "lease_left", property(lambda self: 1000.0))


def believes_invalid_grant(patch):
    """`invalid_grant` is believed without a look at the store."""

    def faulty(self, error, *_):
        raise self._start.credentials.authorization_required("faulty") from error
        yield

    patch.setattr(_Refresh, "_after_invalid_grant", faulty)


def prefers_the_store(patch):
    """The stored token is gone on with, whatever its number."""

    def faulty(self):
        record = self._store.record
        if record is not None and record.token is not None:
            self.newest = NumberedToken(record.token, number_of(record, self.newest))
        return False

    patch.setattr(_Refresh, "_ours_is_newer", faulty)


def prefers_memory(patch):
    """The token in memory is gone on with, whatever its number."""

    def faulty(self):
        record = self._store.record
        if self.newest.token is None and record is not None:
            self.newest = NumberedToken(record.token, number_of(record, self.newest))
        return False

    patch.setattr(_Refresh, "_ours_is_newer", faulty)


def does_not_count(patch):
    """A new token has the number of the one before it."""
    patch.setattr(_Refresh, "_successor", lambda self, token: NumberedToken(token, self.newest.number))


def tells_newer_by_the_clock(patch):
    """Which of two tokens is newer is told by the clocks of two machines."""

    def faulty(record, held):
        if record is None or record.token is None or held.token is None:
            return number_of(record, held)
        difference = record.token.obtained_at - held.token.obtained_at
        return held.number + (difference > 0) - (difference < 0)

    for module in (knowledge, refresh):
        patch.setattr(module, "number_of", faulty)
    patch.setattr(store_steps, "_shifted", lambda record, seconds: record)


def ignores_the_servers_clock(patch):
    """Times in the store are by the clock of the process that wrote them."""
    patch.setattr(store_steps, "_shifted", lambda record, seconds: record)


def ignores_a_revocation(patch):
    """A mark of revocation counts as no entry."""
    read = StoreSteps._read

    def faulty(self, stored):
        yield from read(self, stored)
        if self.record is not None and self.record.revoked_at is not None:
            self._seen = Seen(None, self._seen.version)

    patch.setattr(StoreSteps, "_read", faulty)


def gives_out_before_it_saves(patch):
    """A token is used, and not saved."""

    def faulty(self, *, release=True):
        return self.newest
        yield

    patch.setattr(_Refresh, "_keep", faulty)


def adopts_the_refused_token(patch):
    """The token that the API refused is taken from the store again."""
    healthy = _Refresh._is_adoptable

    def faulty(self):
        record = self._store.record
        if record is not None and record.token is not None and record.token.access_token == self._start.refused:
            return True
        return healthy(self)

    patch.setattr(_Refresh, "_is_adoptable", faulty)


def never_adopts(patch):
    """Each process asks for a token for itself."""
    patch.setattr(_Refresh, "_is_adoptable", lambda self: False)


def marks_a_newer_token_dead(patch):
    """A refresh token that was refused is marked dead over whatever there is."""

    def faulty(self, error, spent, was_interrupted):
        dead = replace(spent, refresh_token=None)
        self.newest = NumberedToken(dead, self.newest.number + 5)
        yield from self._store.save(self._record())
        raise self._start.credentials.authorization_required("faulty") from error

    patch.setattr(_Refresh, "_after_invalid_grant", faulty)


ONCE = "a refresh token is sent once"
ALARM = "a user is asked to authorize only when it is needed"
LOST = "no refresh token is lost while its owner lives"
GIVEN_BACK = "a lease is given back"
PLANTED = [
    (gives_the_lease_back_too_soon, "reuse", "expired", {}, ONCE),
    (takes_whatever_is_stored_after_a_conflict, "rotation", "expired", {}, LOST),
    (overwrites_after_a_conflict, "reuse", "expired", {}, "nothing is saved without a lease"),
    (overwrites_after_a_conflict, "reuse", "expired", {"revokes": True}, "a revocation is not undone"),
    (takes_no_lease, "client", "expired", {}, "requests are bounded"),
    (does_not_look_again, "client", "expired", {}, "requests are bounded"),
    (keeps_the_lease, "reuse", "expired", {}, GIVEN_BACK),
    (writes_no_intent, "reuse", "expired", {}, "an intent is saved before a refresh token is sent"),
    (sends_longer_than_the_lease, "reuse", "expired", {}, "a token request leaves time to save its answer"),
    (believes_invalid_grant, "rotation", "expired", {}, ALARM),
    (prefers_the_store, "reuse", "store one write behind", {}, ONCE),
    (prefers_memory, "reuse", "sibling newer, and over", {}, ONCE),
    (does_not_count, "client", "expired", {}, "requests are bounded"),
    (tells_newer_by_the_clock, "reuse", "refused", {"aheads": CLOCKS}, ONCE),
    (
        ignores_the_servers_clock,
        "reuse",
        "sibling newer, and over",
        {"aheads": CLOCKS},
        "no caller is given an expired token",
    ),
    (ignores_a_revocation, "reuse", "expired", {"revokes": True}, "a revocation is not undone"),
    (gives_out_before_it_saves, "reuse", "expired", {}, "a token is durable before it is used"),
    (adopts_the_refused_token, "reuse", "refused", {}, "no caller is given the refused token"),
    (never_adopts, "naver", "sibling newer", {}, "requests are bounded"),
    (marks_a_newer_token_dead, "rotation", "store one write behind, one process too", {}, ALARM),
]


@pytest.mark.parametrize(
    ("plant", "kind", "start", "settings", "promise"), PLANTED, ids=[f"{row[0].__name__}-{row[4]}" for row in PLANTED]
)
def test_a_planted_fault_is_found(plant, kind, start, settings, promise, monkeypatch):
    """A flow with a known fault breaks the promise that the fault is about, and the model shows a schedule."""
    plant(monkeypatch)
    found = Checker(configuration(kind, start, **settings), stop_at=promise, limit=50_000).explore()
    assert promise in found.violations, (found.worlds, {one: str(v) for one, v in found.violations.items()})
    assert found.violations[promise].schedule


def test_a_healthy_flow_of_the_same_configurations_is_not_blamed():
    """Each configuration that shows a planted fault is in order without it; most are explored in `test_protocol`."""
    explored = {one.name for one in configurations()}
    for kind, start, settings in {(row[1], row[2], tuple(row[3].items())) for row in PLANTED}:
        one = configuration(kind, start, **dict(settings))
        if one.name not in explored:
            assert not Checker(one).explore().violations


def test_servers_differ_as_they_say():
    """The servers of the model answer a second use of a refresh token each in its own way."""
    body = b"grant_type=refresh_token&refresh_token=r0"
    verdicts = {}
    for kind in ("reuse", "rotation", "grace", "static"):
        server, _, _, _ = Server(kind).answer("https://auth.example/token", body, 0.0)
        server, status, _, _ = server.answer("https://auth.example/token", body, 1.0)
        verdicts[kind] = (status, server.family_revoked)
    assert verdicts == {"reuse": (400, True), "rotation": (400, False), "grace": (200, False), "static": (200, False)}
