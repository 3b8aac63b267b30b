"""Tokens, policies, records and the memory store: values, their states, and what they never show."""

import contextlib
import copy
import dataclasses
import json
import math
import pickle
import pprint
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krauth import ConfigurationError, MemoryStore, RefreshPolicy, StoreConflict, Token, TokenState, TokenStoreError
from krauth._engine.source import Snapshot
from krauth._values.record import Record
from krauth._values.secret import Secret, hide
from krauth.naver import NaverCredentials
from krauth.stores import ANY
from krauth.testing import FakeClock

NOW = 1_700_000_000.0
NAVER_WINDOW = NaverCredentials("c", "$2a$04$abcdefghijklmnopqrstuu").window
TOKEN = Token("s3cr3t-access", NOW + 3600, NOW, "Bearer", "read", "s3cr3t-refresh", NOW + 7 * 86400)
TIMES = st.floats(0, 4e9)


# State.


@pytest.mark.parametrize(
    ("remaining", "window", "state"),
    [
        (10_800, 1800, TokenState.FRESH),
        (1800.001, 1800, TokenState.FRESH),
        (1800, 1800, TokenState.STALE),  # Naver: "while 30 minutes or more remain" it gives no other, with less it does
        (0.001, 1800, TokenState.STALE),
        (0.001, 0, TokenState.FRESH),
        (0, 0, TokenState.EXPIRED),
        (0, 1800, TokenState.EXPIRED),
        (-1, 1800, TokenState.EXPIRED),
    ],
)
def test_state(remaining, window, state):
    """A token is fresh until its window begins, stale until its last moment, and expired from then on."""
    token = Token("t", NOW + remaining, NOW)
    assert token.state(NOW, window) is state
    assert token.expires_in(NOW) == pytest.approx(remaining, abs=1e-6)


def test_unknown_lifetime():
    """A token whose end is not known is fresh until it is refused."""
    token = Token("t", None, NOW)
    assert token.expires_in(NOW) == math.inf
    assert token.state(NOW + 1e9, 1e8) is TokenState.FRESH


def test_states_are_all_named():
    """There are four states, of which a token that is there has three."""
    assert [state.name for state in TokenState] == ["MISSING", "FRESH", "STALE", "EXPIRED"]


# The window.


@pytest.mark.parametrize(
    ("policy", "lifetime", "documented", "window"),
    [
        ({}, 10_800, NAVER_WINDOW, 1800),
        ({}, 1801, NAVER_WINDOW, 1800),
        ({}, 1800, NAVER_WINDOW, 900),
        ({}, 10, NAVER_WINDOW, 5),
        ({}, 3600, None, 600),
        ({}, 1000, None, 200),
        ({}, 86_400, None, 600),
        ({"window": 60}, 10_800, NAVER_WINDOW, 60),
        ({"window": 0}, 10_800, NAVER_WINDOW, 0),
        ({"window": 10_800}, 10_800, NAVER_WINDOW, 5400),
        ({"window": 1e9}, 3600, None, 1800),
    ],
)
def test_window(policy, lifetime, documented, window):
    """The window is the user's, else the provider's, else a fifth of the lifetime up to ten minutes."""
    assert RefreshPolicy(**policy).window_for(lifetime, documented) == window


def test_naver_window():
    """For Naver the boundary is exactly 30 minutes: asking earlier brings the same token again."""
    assert NAVER_WINDOW == 1800.0


@given(
    st.none() | st.floats(0, 1e9),
    st.floats(1e-6, 1e9),
    st.none() | st.just(1800.0),
)
def test_window_is_shorter_than_the_lifetime(window, lifetime, documented):
    """A new token is never stale at once, whatever window was asked for."""
    assert 0 <= RefreshPolicy(window=window).window_for(lifetime, documented) < lifetime


@given(st.floats(1801, 10_800), st.floats(0, 0.999999))
def test_jitter_comes_after_the_boundary(lifetime, chance):
    """Jitter delays a refresh and never brings it forward, nor beyond the token's end."""
    with FakeClock(NOW) as clock:
        snapshot = Snapshot.of(Token("t", NOW + lifetime, NOW), 1, 1800.0, 90.0 * chance, clock)
        assert NOW + lifetime - 1800 <= snapshot.fresh_wall + 1e-6
        assert snapshot.fresh_wall <= snapshot.good_wall == NOW + lifetime
        assert snapshot.fresh_mono - clock.monotonic() == pytest.approx(snapshot.fresh_wall - NOW)


def test_values_are_immutable():
    """Tokens, records and policies are values: one user of a value can't change it for others."""
    for value, name in ((TOKEN, "access_token"), (Record(TOKEN), "token"), (RefreshPolicy(), "window")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)
        with pytest.raises((AttributeError, TypeError)):
            value.another = 1
        assert value == dataclasses.replace(value)
        assert hash(value) == hash(dataclasses.replace(value))
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(value, name)
        assert value != object()


def test_a_policy_is_a_dataclass_to_those_who_ask():
    """What programs do with dataclasses works with our values, although no dataclass made them."""
    policy = RefreshPolicy(60.0, attempts=5)
    assert dataclasses.asdict(policy) == {
        field.name: getattr(policy, field.name) for field in dataclasses.fields(policy)
    }
    assert [field.name for field in dataclasses.fields(RefreshPolicy)] == list(RefreshPolicy.__match_args__)
    assert dataclasses.fields(RefreshPolicy)[4].default == 10.0
    assert eval(repr(policy)) == policy == pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy)
    assert pprint.pformat(policy) == repr(policy)
    match policy:
        case RefreshPolicy(window, attempts=attempts):
            assert (window, attempts) == (60.0, 5)
    with pytest.raises(ConfigurationError):
        dataclasses.replace(policy, attempts=0)
    with pytest.raises(TypeError, match="no_such"):
        dataclasses.replace(policy, no_such=0)


def test_a_dataclass_may_derive_from_a_policy():
    """A program that adds a field to a policy, or a method, gets what it would get of a dataclass."""

    @dataclasses.dataclass(frozen=True)
    class Mine(RefreshPolicy):
        shop: str = "mina"

    class Plain(RefreshPolicy):
        def window_for(self, lifetime, documented=None):
            return 1.0

    assert Mine(attempts=2, shop="a") == dataclasses.replace(Mine(attempts=2), shop="a") != Mine(attempts=2)
    assert Mine().timeout == 30.0
    with pytest.raises(ConfigurationError):
        Mine(attempts=0)
    assert dataclasses.replace(Plain(), attempts=2) == Plain(attempts=2) != RefreshPolicy(attempts=2)


# What is never shown.


@pytest.mark.parametrize(
    "value", [TOKEN, Record(TOKEN, NOW), [TOKEN], {"token": TOKEN}], ids=["token", "record", "list", "dict"]
)
def test_repr_shows_no_secret(value):
    """However a token is printed, neither access nor refresh token is seen."""
    for text in (repr(value), str(value), f"{value!r}"):
        assert "s3cr3t" not in text
        assert "with refresh token" in text
        assert "1700003600" in text


@pytest.mark.parametrize("write", [lambda token: f"Bearer {token}", "Bearer {}".format, lambda t: format(t, ">40")])
def test_a_token_is_not_formatted(write):
    """A header that would hold `<Token …>` instead of the access token is an error that names `.access_token`."""
    with pytest.raises(TypeError, match=r"\.access_token"):
        write(TOKEN)


@pytest.mark.parametrize("value", [TOKEN, Record(TOKEN), Secret("s3cr3t")], ids=["token", "record", "secret"])
def test_secrets_are_not_pickled(value):
    """Neither a token nor a secret ends up in a cache or a queue by accident."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(value, protocol)


def test_no_dict():
    """`vars()`, by which tools render objects, has nothing to show."""
    for value in (TOKEN, Secret("s3cr3t")):
        with pytest.raises(TypeError):
            vars(value)
    with pytest.raises(AttributeError):
        Secret("s3cr3t").__value  # noqa: B018


def test_copies():
    """A token may be copied along with whatever holds it: it is the same value."""
    assert copy.copy(TOKEN) is TOKEN
    assert copy.deepcopy([TOKEN])[0] is TOKEN


def test_secret():
    """A secret says only whether it is empty and whether it equals another."""
    assert Secret("s3cr3t") == Secret("s3cr3t")
    assert Secret("s3cr3t") != Secret("other")
    assert Secret("s3cr3t") != "s3cr3t"
    assert hash(Secret("s3cr3t")) == hash(Secret("s3cr3t"))
    assert Secret("s3cr3t")
    assert not Secret("")
    assert not isinstance(Secret("s3cr3t"), str)
    for shown in (repr(Secret("s3cr3t")), str(Secret("s3cr3t")), f"{Secret('s3cr3t')}", "%s" % Secret("s3cr3t")):  # noqa: UP031
        assert "s3cr3t" not in shown
    assert hide("s3cr3t") == Secret("s3cr3t")
    assert hide(Secret("s3cr3t")) == Secret("s3cr3t")
    assert hide(None) is None
    assert "s3cr3t" not in repr(hide(b"s3cr3t"))


# Records.

VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
LINES = st.text(st.characters(categories=["L", "M", "N", "P", "S"]), min_size=1, max_size=20)
TOKENS = st.builds(
    Token,
    access_token=VISIBLE,
    expires_at=st.none() | TIMES,
    obtained_at=TIMES,
    token_type=st.just("Bearer"),
    scope=st.none() | LINES,
    refresh_token=st.none() | LINES,
    refresh_expires_at=st.none() | TIMES,
)


@given(st.none() | TOKENS, st.none() | TIMES, st.none() | TIMES)
def test_record_round_trip(token, intent_at, revoked_at):
    """What is saved is what is loaded, in ASCII and on one line."""
    record = Record(token, intent_at, revoked_at)
    text = record.to_text()
    assert Record.from_text(text) == record
    assert text.isascii()
    assert "\n" not in text


def test_record_of_a_newer_version():
    """An older krauth reads what a newer one of the same format wrote, without what it does not know."""
    data = json.loads(Record(TOKEN, NOW).to_text())
    data["token"]["sender_constraint"] = {"jkt": "x"}
    data["token"]["seen_at"] = "2024"
    data["region"] = [1]
    assert Record.from_text(json.dumps(data)) == Record(TOKEN, NOW)


def test_record_is_versioned():
    """A record says which format it has, and one of another is refused by number, not misread."""
    data = json.loads(Record(TOKEN).to_text())
    assert data["format"] == 1
    for other in (2, 0, "1x", None):
        data["format"] = other
        with pytest.raises(TokenStoreError, match="format") as caught:
            Record.from_text(json.dumps(data))
        assert "s3cr3t" not in str(caught.value)
        assert "delete the entry" in str(caught.value)


def changed(**changes):
    data = json.loads(Record(TOKEN, NOW).to_text())
    data["token"].update(changes)
    return json.dumps(data)


GARBAGE = [
    "",
    " ",
    "s3cr3t",
    "null",
    "[]",
    "5",
    '"s3cr3t"',
    "{}",
    '{"token": {"access_token": "s3cr3t"}}',
    '{"format": 1, "token": "s3cr3t"}',
    '{"format": 1, "token": ["s3cr3t"]}',
    '{"format": 1, "token": {"access_token": "s3cr3t"}}',
    '{"format": 1, "token": {"obtained_at": 5}}',
    '{"format": 1, "intent_at": "s3cr3t"}',
    Record(TOKEN).to_text()[:-5],
    Record(TOKEN).to_text() + "x",
    "[" * 100_000,
    changed(access_token=5),
    changed(access_token=["s3cr3t"]),
    changed(access_token=None),
    changed(expires_at="s3cr3t"),
    changed(expires_at=True),
    changed(expires_at=float("nan")),
    changed(expires_at=float("inf")),
    changed(obtained_at="yesterday"),
    changed(obtained_at=None),
    changed(refresh_token=5),
    changed(refresh_expires_at=[5]),
    changed(scope=["read"]),
]


@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: ascii(text[-40:]))
def test_garbage_in_the_store(text):
    """Whatever else stands in a store is a TokenStoreError that says what to do, and shows nothing of it."""
    with pytest.raises(TokenStoreError, match="delete the entry") as caught:
        Record.from_text(text)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@given(st.text(max_size=50) | st.text('{}[]",:"format"1token', max_size=60))
def test_any_text_in_the_store(text):
    """No text in a store does worse than a TokenStoreError."""
    with contextlib.suppress(TokenStoreError):
        assert isinstance(Record.from_text(text), Record)


# The memory store (what all stores must do is in the contract suite).


def test_memory_store():
    """The memory store keeps texts under versions that are never used twice."""
    store = MemoryStore()
    assert store.load("k") is None
    first = store.save("k", "one", version=None)
    assert tuple(store.load("k")) == ("one", first)
    second = store.save("k", "two", version=first)
    with pytest.raises(StoreConflict):
        store.save("k", "three", version=first)
    with pytest.raises(StoreConflict):
        store.save("k", "three", version=None)
    assert store.load("k").value == "two"
    store.delete("k")
    store.delete("k")
    assert store.load("k") is None
    third = store.save("k", "one", version=ANY)
    assert len({first, second, third}) == 3
    assert store.keys() == ["k"]
    assert not store.blocking


def test_memory_store_leases():
    """One caller holds a lease at a time, a lost lease can't be saved under, and releasing a lost one changes nothing."""
    store = MemoryStore()
    lease = store.acquire("k", 60)
    assert store.acquire("k", 60) is None
    assert store.acquire("other", 60) is not None
    store.save("k", "one", lease=lease)
    store.release(lease)
    second = store.acquire("k", 60)
    assert second.fence > lease.fence
    store.release(lease)
    assert store.acquire("k", 60) is None
    with pytest.raises(StoreConflict):
        store.save("k", "two", lease=lease)
    assert store.load("k").value == "one"


def test_memory_store_forgets_the_dead():
    """An entry that is not needed any more is gone, by the clock that all read, and takes no memory for ever."""
    store = MemoryStore()
    with FakeClock(NOW) as clock:
        store.save("k", "one", expires_at=NOW + 10)
        assert store.load("k").value == "one"
        clock.advance(10)
        assert store.load("k") is None
        assert store.keys() == []
        store.save("k", "two", version=None)
        for number in range(5000):
            store.save(f"k{number}", "x", expires_at=clock.time() + random.random())
            clock.advance(1)
        assert len(store._entries) < 1100
        assert store.load("k").value == "two"


def test_memory_store_shows_no_texts():
    """Neither store nor entry shows what it keeps."""
    store = MemoryStore()
    store.save("k", "s3cr3t")
    assert "s3cr3t" not in repr(store) + repr(store.load("k"))


def test_policy_errors_name_the_setting():
    """A policy that can't be says which of its numbers is wrong."""
    with pytest.raises(ConfigurationError, match=r"RefreshPolicy\(window=…\) must be a number of seconds, 0 or more"):
        RefreshPolicy(window=-1)
