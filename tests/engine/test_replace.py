"""A token that comes or goes another way than by a refresh."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from krauth import AuthorizationRequired, ConfigurationError, TokenStoreError
from krauth._engine.rules import NumberedToken
from krauth._oauth.authorization import AuthorizationRequest
from krauth._values.record import MAX_NUMBER, Record
from krauth._values.secret import Secret
from krauth._values.token import Token

from ._rig import NOW, Rig, answer, machine, person

ENDPOINTS = {"revocation_endpoint": "https://auth.example/revoke"}
SIGN_IN = AuthorizationRequest("https://auth.example/a", "state", "verifier-0123456789", "https://app.example/", "key")


def test_a_token_that_came_another_way_is_used_at_once():
    """After a sign-in the new token is there, and failures are forgotten."""
    rig = Rig(person())
    with pytest.raises(AuthorizationRequired):
        rig.get()
    rig.source.replace(NumberedToken(Token("signed-in", NOW + 3600, NOW, refresh_token="r"), 7))
    assert rig.peek() == "signed-in"


def test_a_refresh_of_an_age_gone_by_changes_nothing():
    """What a refresh under way brings does not replace the token of a sign-in that came meanwhile."""
    rig = Rig()
    rig.start()
    rig.source.replace(NumberedToken(Token("signed-in", NOW + 3600, NOW), 7))
    rig.workers.run()
    assert rig.peek() == "signed-in"


def test_a_failure_of_an_age_gone_by_is_not_remembered():
    """A refresh that fails after a sign-in does not stand in the new token's way."""
    rig = Rig()
    rig.server.down = answer(400)
    rig.start()
    rig.source.replace(NumberedToken(Token("signed-in", NOW + 3600, NOW), 7))
    rig.workers.run()
    rig.server.down = None
    rig.store.entries.clear()  # a real sign-in saves its token over the failure
    assert rig.get(refused="signed-in") == "access-1"


def test_a_token_that_was_revoked_is_gone():
    """`replace(None)`: the next caller waits for another."""
    rig = Rig()
    rig.get()
    rig.source.replace(NumberedToken(None, 7))
    assert rig.peek() is None


def revoked(requests):
    """The tokens that a server was asked to revoke."""
    forms = [parse_qs(request.body.decode()) for request in requests if request.url.endswith("/revoke")]
    return [form["token"][0] for form in forms]


def after_the_lease(rig, change):
    """Answer a request after the lease has ended and a sibling has changed the entry."""

    def late(request):
        rig.clock.advance(100)
        change()
        return answer(access_token="late", refresh_token="refresh-late")

    return late


def test_a_token_that_came_while_another_was_revoked_is_revoked_too():
    """The lease ends during the revocation, and a sibling refreshes: the sibling's token does not live on, forgotten."""
    rig = Rig(person(**ENDPOINTS))
    rig.store.put(rig.credentials.key, Token("old", NOW + 3600, NOW, refresh_token="refresh-old"), number=1)
    new = Token("new", NOW + 3600, NOW, refresh_token="refresh-new")
    rig.server.down = answer(200, {})
    rig.server.say(after_the_lease(rig, lambda: rig.store.put(rig.credentials.key, new, number=2)))
    run = rig.source.perform(rig, lambda flows: flows.revoke(rig.credentials))
    assert rig.workers.finish(run) is None
    assert revoked(rig.server.requests) == ["refresh-old", "old", "refresh-new", "new"]
    assert rig.store.record(rig.credentials.key).revoked_at


def test_a_revocation_wins_over_a_sign_in_that_began_before():
    """The token of a sign-in that took longer than its lease is revoked, where the user's token was revoked meanwhile."""
    rig = Rig(person(**ENDPOINTS))

    def revoke():
        rig.store.save(rig.credentials.key, Record(revoked_at=NOW, number=5).to_text())

    rig.server.down = answer(200, {})
    rig.server.say(after_the_lease(rig, revoke))
    run = rig.source.perform(rig, lambda flows: flows.exchange(rig.credentials, Secret("code"), SIGN_IN))
    with pytest.raises(AuthorizationRequired, match="revoked meanwhile"):
        raise rig.workers.finish(run)
    assert revoked(rig.server.requests) == ["refresh-late", "late"]
    assert rig.store.record(rig.credentials.key).number == 5


def test_a_sign_in_that_fails_gives_the_lease_back():
    """Whatever a transport of the user's does, the next sign-in need not wait for the end of the lease."""
    rig = Rig(person(**ENDPOINTS))
    rig.server.down = "no answer"
    run = rig.source.perform(rig, lambda flows: flows.exchange(rig.credentials, Secret("code"), SIGN_IN))
    with pytest.raises(ConfigurationError, match="returned str"):
        raise rig.workers.finish(run)
    assert rig.store.acquire(rig.credentials.key, 10) is not None


@pytest.mark.parametrize("flow", ["forget", "put", "revoke"])
def test_a_store_that_fails_is_told_also_of_a_clients_own_token(flow):
    """A client-credentials token can be used without the store; forgotten, replaced or revoked it can't be."""
    rig = Rig(machine(**ENDPOINTS))
    rig.get()
    rig.store.down = True
    given = {"put": [Token("by-hand", NOW + 60, NOW)], "revoke": [rig.credentials]}.get(flow, [])
    run = rig.source.perform(rig, lambda flows: getattr(flows, flow)(*given))
    assert isinstance(rig.workers.finish(run), TokenStoreError)
    assert rig.peek() == "access-1"
    assert not revoked(rig.server.requests)


@pytest.mark.parametrize("make", [person, machine])
def test_a_forged_number_keeps_no_later_record_from_being_read(make):
    """After the last number the numbers begin anew."""
    rig = Rig(make(**ENDPOINTS))
    old = Token("old", NOW - 1, NOW - 9, refresh_token="refresh-old")
    rig.server.refresh_tokens["refresh-old"] = "good"
    rig.store.put(rig.credentials.key, old, number=MAX_NUMBER - 1)
    assert rig.get() == "access-1"
    assert rig.store.record(rig.credentials.key).number == 1
    assert rig.get(refused="access-1") == "access-2"
    assert rig.store.record(rig.credentials.key).number == 2
