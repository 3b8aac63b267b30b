"""Keys of stores, and what binds a user's entry to a client: who may have which token."""

import hashlib
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krauth import ConfigurationError, MemoryStore, TokenEvent
from krauth._engine.driver import key_in
from krauth._oauth.client import OAuth2Credentials
from krauth._oauth.credentials import (
    endpoint_parts,
    fingerprint,
    former_fingerprint,
    make_key,
    make_proof,
    matches_proof,
)
from krauth._plugins import default_store
from krauth._values.guard import shown_key
from krauth._values.secret import Secret
from krauth.meloming import MelomingCredentials
from krauth.naver import NaverCredentials


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


# Credentials.

NAVER_SECRET = "$2a$04$abcdefghijklmnopqrstuu"


def oauth2(**settings):
    defaults = {"token_endpoint": "https://h.example/t", "api_origins": "https://api.example"}
    return OAuth2Credentials("client", **{"client_secret": "tulip42-of-spring", **defaults, **settings})


def naver(**settings):
    return NaverCredentials("client", **{"client_secret": NAVER_SECRET, **settings})


def meloming(**settings):
    return MelomingCredentials("client", **{"client_secret": "tulip42-of-spring", **settings})


MAKERS = {"oauth2": oauth2, "naver": naver, "meloming": meloming}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_namespaces(make):
    """Tenants of one host have keys of their own, and never read an entry of before there were namespaces."""
    keys = {make(namespace=name).key for name in (None, "a", "b", "a|b", "테넌트")}
    assert len(keys) == 5
    assert make(namespace="a").former_keys == ()
    with pytest.raises(ConfigurationError, match="namespace"):
        make(namespace="")


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_old_key_is_known(make):
    """The key of before is still known, so that an upgrade obtains no token that is there already."""
    secret = NAVER_SECRET if make is naver else "tulip42-of-spring"
    (former,) = make().former_keys
    assert former.endswith(f"|secret={former_fingerprint(secret)}")
    assert former_fingerprint(secret) not in make().key
    assert former != make().key


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_ends_with_the_process_is_not_stretched(make, monkeypatch):
    """A token in the memory of the process costs no scrypt; its key still tells secrets, clients and scopes apart."""
    monkeypatch.setattr(hashlib, "scrypt", None)
    one, two = make(), make()
    other = make(client_secret=NAVER_SECRET[:-1] + "v" if make is naver else "another-secret-of-spring")
    assert one.identity == two.identity != other.identity
    assert one.local_key == two.local_key != other.local_key
    assert one.local_key != make(namespace="a").local_key
    assert shown_key(one.local_key) in repr(one)
    keys = {key_in(default_store, credentials) for credentials in (one, two, other)}
    assert keys == {one.local_key, other.local_key}


def test_another_process_has_other_local_keys():
    """A local key says nothing where the process's own secret is not known, so it is never one of a store that lasts."""
    code = (
        f"from krauth.naver import NaverCredentials as N; c = N('client', {NAVER_SECRET!r}); print(c.local_key, c.key)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert printed[0] != naver().local_key
    assert printed[1] == naver().key
    credentials = oauth2()
    assert key_in(MemoryStore(), credentials) == credentials.key != credentials.local_key


def test_tenants_by_query():
    """`?tenant=a` and `?tenant=b` are two servers; where the old key was that of both, no old entry is used."""
    one, two = (oauth2(token_endpoint=f"https://h.example?tenant={name}") for name in "ab")
    assert one.key != two.key
    assert one.former_keys == two.former_keys == ()
    assert oauth2(token_endpoint="https://h.example?x=/t").key != oauth2(token_endpoint="https://h.example/t").key
    assert "path=t%3Ftenant%3Da" in oauth2(token_endpoint="https://h.example/t?tenant=a").former_keys[0]


def test_users_keys_stay():
    """A user's key holds nothing of a secret, so it is the key of before, unless the endpoint has a query."""
    assert oauth2(user="mina").former_keys == ()
    assert oauth2(user="mina").key == oauth2(user="mina", client_secret="another-secret").key
    assert len(oauth2(user="mina", token_endpoint="https://h.example/t?x=1").former_keys) == 1


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_no_repr_and_no_event_shows_a_fingerprint(make):
    """What tells secrets apart in a store key is shown nowhere."""
    credentials = make()
    part = next(part for part in credentials.key.split("|") if part.startswith("secret="))
    event = TokenEvent("obtained", "p", credentials.key, 0.0)
    for text in (repr(credentials), str(event), event.key, repr(event)):
        assert part[7:] not in text
        assert "client_id=client" in text


def test_a_users_entry_is_bound():
    """A user's entry is bound to the client's secret and to the origins that its token may be sent to."""
    credentials = oauth2(user="mina", api_origins=["https://b.example", "https://a.example/x"])
    assert matches_proof(make_proof(credentials.proof_secret), Secret("tulip42-of-spring"))
    assert oauth2(user="mina", client_secret=None).proof_secret is None
    assert credentials.audience == "https://a.example https://b.example"
    assert credentials.is_audience("https://b.example https://a.example https://c.example")
    assert credentials.is_audience(None)
    assert not credentials.is_audience("https://a.example")
    assert not credentials.is_audience("https://b.example.evil.test https://a.example")
    assert not credentials.is_audience("")


@pytest.mark.parametrize("wrong", [NAVER_SECRET, "mlm_live_0123456789abcdef", "eyJhbGciOi.eyJzdWIi.abc"])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_secret_as_client_id(make, wrong):
    """A secret in the place of the client_id is refused by each class, and not quoted."""
    kinds = {oauth2: OAuth2Credentials, naver: NaverCredentials, meloming: MelomingCredentials}
    settings = {"token_endpoint": "https://h.example/t", "api_origins": "https://a.example"} if make is oauth2 else {}
    with pytest.raises(ConfigurationError, match="client_id") as caught:
        kinds[make](wrong, NAVER_SECRET, **settings)
    assert wrong[5:] not in str(caught.value)
