"""Keys of stores, and what binds a user's entry to a client: who may have which token."""

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krauth._oauth.credentials import (
    endpoint_parts,
    fingerprint,
    former_fingerprint,
    make_key,
    make_proof,
    matches_proof,
)
from krauth._values.secret import Secret


def key_of(endpoint):
    return make_key("oauth2", endpoint, ("client_id", "a"), *endpoint_parts(endpoint))


ENDPOINTS = [
    "https://h.example",
    "https://h.example/t",
    "https://h.example?tenant=a",
    "https://h.example?tenant=b",
    "https://h.example/?tenant=a%26x",
    "https://h.example?x=/t",
    "https://h.example/t?x=1",
    "https://h.example/t%3Fx=1",
    "https://h.example/t|query=x",
    "https://h.example/T",
    "https://h.example/t/",
    "https://h.example:8443/t",
]


def test_different_endpoints_have_different_keys():
    """Keys are built from parsed parts: no two endpoints that differ in path or query share one."""
    assert len({key_of(endpoint) for endpoint in ENDPOINTS}) == len(ENDPOINTS)


@given(st.text(min_size=1), st.text(min_size=1))
def test_parts_do_not_run_into_each_other(one, two):
    """Whatever a part holds, it is encoded: another list of parts never makes the same key."""
    assert make_key("p", "https://h.example", ("a", one), ("b", two)) != make_key(
        "p", "https://h.example", ("a", one + two)
    )
    assert ("|b=" in make_key("p", "https://h.example", ("a", one))) is False


def test_a_fingerprint_is_slow_salted_and_tells_nothing():
    """A fingerprint takes milliseconds, and is no hash that a table could hold."""
    began = time.perf_counter()
    one = fingerprint("tulip42", salt=f"client {began}")
    took = time.perf_counter() - began
    assert took > 0.002
    assert one != fingerprint("tulip42", salt="another client")
    assert one != fingerprint("tulip43", salt=f"client {began}")
    assert one == fingerprint("tulip42", salt=f"client {began}")
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        assert one not in hashlib.new(algorithm, b"tulip42").hexdigest()
    assert one != former_fingerprint("tulip42")


def test_the_same_secret_is_stretched_once():
    """A thousand auth objects of one application cost one fingerprint."""
    fingerprint("of-all-sellers", salt="client")
    began = time.perf_counter()
    for _ in range(1000):
        fingerprint("of-all-sellers", salt="client")
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("secret", [Secret("tulip42"), Secret("비밀"), None], ids=["secret", "Korean", "public"])
def test_proofs(secret):
    """A proof is matched by its secret and by no other, is salted, and holds nothing of it."""
    proof = make_proof(secret)
    assert matches_proof(proof, secret)
    assert not matches_proof(proof, Secret("wrong"))
    assert not matches_proof(proof, None if secret else Secret("public client"))
    assert make_proof(secret) != proof
    assert "tulip42" not in proof
    assert proof.isascii()
    assert proof.isprintable()


@pytest.mark.parametrize("proof", ["", ".", "x", "x.", "x.y.z", "한글.x", "a" * 5000])
def test_no_proofs(proof):
    """What is no proof is matched by nothing, and breaks nothing."""
    assert not matches_proof(proof, Secret("tulip42"))
    assert not matches_proof(proof, None)


def test_an_entry_of_an_older_krauth_has_no_proof():
    """A token that was saved before there were proofs is handed out as before."""
    assert matches_proof(None, Secret("tulip42"))
