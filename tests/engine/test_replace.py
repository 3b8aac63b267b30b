"""A token that comes or goes another way than by a refresh."""

from __future__ import annotations

import pytest

from krauth import (
    AuthorizationRequired,
)
from krauth._engine.rules import Held
from krauth._values.token import Token

from ._rig import NOW, Rig, answer, person


def test_a_token_that_came_another_way_is_used_at_once():
    """After a sign-in the new token is there, and failures are forgotten."""
    rig = Rig(person())
    with pytest.raises(AuthorizationRequired):
        rig.get()
    rig.source.replace(Held(Token("signed-in", NOW + 3600, NOW, refresh_token="r"), 7))
    assert rig.peek() == "signed-in"


def test_a_refresh_of_an_age_gone_by_changes_nothing():
    """What a refresh under way brings does not replace the token of a sign-in that came meanwhile."""
    rig = Rig()
    rig.start()
    rig.source.replace(Held(Token("signed-in", NOW + 3600, NOW), 7))
    rig.workers.run()
    assert rig.peek() == "signed-in"


def test_a_failure_of_an_age_gone_by_is_not_remembered():
    """A refresh that fails after a sign-in does not stand in the new token's way."""
    rig = Rig()
    rig.server.down = answer(400)
    rig.start()
    rig.source.replace(Held(Token("signed-in", NOW + 3600, NOW), 7))
    rig.workers.run()
    rig.server.down = None
    rig.store.entries.clear()  # a real sign-in saves its token over the failure
    assert rig.get(refused="signed-in") == "access-1"


def test_a_token_that_was_revoked_is_gone():
    """`replace(None)`: the next caller waits for another."""
    rig = Rig()
    rig.get()
    rig.source.replace(Held(None, 7))
    assert rig.peek() is None
