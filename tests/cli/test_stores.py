"""`krauth stores` and `krauth tokens`: everything that helps, and no value."""

import json
import time
from types import SimpleNamespace

import pytest

from krauth import MemoryStore, Token, _plugins
from krauth._values.record import Record
from krauth.naver import NaverCredentials

SECRET = "$2a$04$abcdefghijklmnopqrstuu"


def test_the_installed_stores(run):
    """Schemes and the plugin behind each."""
    lines = dict(line.split() for line in run("stores").stdout.splitlines())
    assert lines["memory://"] == "krauth"
    assert lines["sqlite://"] == "krauth_stores"
    assert json.loads(run("stores", "--json").stdout)["schemes"]["redis"] == "krauth_stores"


def test_plugins_that_cannot_be_used_are_listed_with_the_reason(run, monkeypatch):
    """Broken and disputed ones; what they say can't take over the terminal."""
    found = SimpleNamespace(
        factories={"memory": (None, "krauth"), "vault": (None, "vault-b")},
        disputed={"vault": ["vault-a", "vault-b"]},
        broken={"old-plugin": "ImportError: no module\x1b[2J named 'x'"},
    )
    monkeypatch.setattr(_plugins, "plugins", lambda: found)
    result = run("stores")
    assert result.exit_code == 0
    assert "disputed by vault-a, vault-b: uninstall all but one" in result.stdout
    assert "plugin old-plugin could not be loaded: ImportError: no module [2J named 'x'" in result.stdout
    assert json.loads(run("stores", "--json").stdout)["broken"] == found.broken


@pytest.fixture
def store(monkeypatch):
    """A store with an entry in every state, opened by its URL."""
    now = time.time()

    def token(left, **more):
        return Token("C4NARY-access", now + left, now + left - 10800, refresh_token="C4NARY-refresh", **more)

    store = MemoryStore()
    naver = NaverCredentials("client", SECRET).key
    for key, record in {
        naver: Record(token(1700)),  # inside Naver's thirty minutes
        "meloming|fresh": Record(token(1700, scope="read", refresh_expires_at=now + 7 * 86400 - 60)),
        "meloming|expired": Record(token(-90)),
        "meloming|intent": Record(token(-90), intent_at=now - 5),
        "oauth2|eternal": Record(Token("C4NARY-access", None, now)),
    }.items():
        store.save(key, record.to_text())
    store.save("other", "C4NARY: not a record")
    monkeypatch.setitem(_plugins._opened, "test://", store)
    return store


def test_tokens_are_listed_by_state(run, store):
    """Fresh, stale, expired, intent, unreadable; never a value."""
    rows = {row["key"]: row for row in json.loads(run("tokens", "--store", "test://", "--json").stdout)}
    assert {key.partition("=")[0]: row["state"] for key, row in rows.items()} == {
        "naver|https://api.commerce.naver.com|client_id": "stale",
        "meloming|fresh": "fresh",
        "meloming|expired": "expired",
        "meloming|intent": "intent",
        "oauth2|eternal": "fresh",
        "other": "unreadable",
    }
    assert rows["meloming|fresh"]["refresh_token"] is True
    text = run("tokens", KRAUTH_STORE="test://")
    assert "expired    1 min 30 s ago, refresh token" in text.stdout
    assert "refresh begun 5 s ago" in text.stdout
    assert "refresh token for 6 d 23 h, scope read" in text.stdout
    assert "C4NARY" not in text.output
    assert "C4NARY" not in json.dumps(rows)


def test_nothing_there(run):
    """An empty store says so, and why memory always is."""
    assert run("tokens", "--store", "memory://").stdout.startswith("no tokens")


@pytest.mark.parametrize(
    ("url", "code"), [("nope://:C4NARY@host", 2), ("C4NARY", 2), ("redis://:C4NARY@127.0.0.1:1/0", 1)]
)
def test_a_store_that_cannot_be_opened(run, url, code):
    """One line; the URL, which may hold a password, is not quoted."""
    result = run("tokens", "--store", url)
    assert result.exit_code == code
    assert result.stderr.startswith("krauth: ")
    assert "C4NARY" not in result.output
