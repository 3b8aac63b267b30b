"""Plain http is for this machine alone: names that lead elsewhere are refused, and a proxy in between is named."""

import socket

import pytest

from krauth import ConfigurationError, MemoryStore
from krauth._auth import plain_http
from world import API_KEY


def resolving(monkeypatch, stack, *addresses):
    """Let every name have these addresses."""

    def answer(host, port, *args, **kwargs):
        if not addresses:
            raise socket.gaierror("no such name")
        family = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in addresses]
        return [(kind, socket.SOCK_STREAM, 6, "", (one, port)) for kind, one in zip(family, addresses, strict=True)]

    monkeypatch.setattr(stack.AdapterAuth, "resolve", staticmethod(answer))


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1"], ["127.0.0.53", "::1"]])
def test_a_name_below_localhost_that_leads_here(stack, monkeypatch, addresses):
    """`http://app.localhost` is fine where all its addresses are this machine's."""
    resolving(monkeypatch, stack, *addresses)
    assert stack.MelomingAPIKey(API_KEY, base_url="http://app.localhost:8000").base_url == "http://app.localhost:8000"


@pytest.mark.parametrize(
    "addresses", [["203.0.113.7"], ["127.0.0.1", "203.0.113.7"], ["10.0.0.1"], ["fe80::1%eth0"], []]
)
def test_a_name_below_localhost_that_leads_elsewhere(stack, monkeypatch, addresses):
    """Where it leads elsewhere, in part or nowhere, it is refused: API and token endpoint alike. Over https it may."""
    resolving(monkeypatch, stack, *addresses)
    with pytest.raises(ConfigurationError, match="does not lead to this machine"):
        stack.MelomingAPIKey(API_KEY, base_url="http://app.localhost:8000")
    settings = {"api_origins": "https://api.example.com", "store": MemoryStore()}
    with pytest.raises(ConfigurationError, match="does not lead to this machine"):
        stack.OAuth2Auth("app", "secret-value", token_endpoint="http://login.localhost/token", **settings)
    assert stack.OAuth2Auth("app", "secret-value", token_endpoint="https://login.localhost/token", **settings)


def test_other_hosts_are_not_looked_up(stack, monkeypatch):
    """No resolver is asked about an address, `localhost` or anything over https."""
    resolving(monkeypatch, stack, "203.0.113.7")
    for url in ("http://127.0.0.1:1", "http://localhost:1", "https://app.localhost", "https://api.example.com"):
        assert stack.MelomingAPIKey(API_KEY, base_url=url).base_url == url


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("exempt", ["", "example.com", "127.0.0.1", "*", "10.0.0.1, 127.0.0.1"])
def test_a_proxy_in_between(stack, monkeypatch, caplog, name, exempt):
    """With a proxy for http in the environment, one warning says that calls to this machine go through it."""
    monkeypatch.setattr(plain_http, "_warned_proxies", set())
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, "http://user:hunter22@proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    for _ in range(2):
        stack.MelomingAPIKey(API_KEY, base_url="http://127.0.0.1:8000")
        stack.MelomingAPIKey(API_KEY, base_url="https://127.0.0.1:8000")
    said = [record.getMessage() for record in caplog.records if "proxy" in record.getMessage()]
    assert len(said) == (exempt in ("", "example.com"))
    assert all(name in text and "NO_PROXY=127.0.0.1" in text and "hunter22" not in text for text in said)
