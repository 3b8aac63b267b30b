"""`examples/urllib3_client` against the sandbox: a client that sends by itself, with what krauth gives it."""

import importlib.util
from pathlib import Path

import pytest

import krauth_requests

PATH = Path(__file__).parents[2] / "examples" / "urllib3_client" / "client.py"


@pytest.fixture
def make():
    spec = importlib.util.spec_from_file_location("urllib3_client", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Client


def test_naver(make, sandbox, store):
    """A call gets a token; a revoked one costs one refresh and one repetition, body and all."""
    auth = krauth_requests.NaverAuth(
        sandbox.naver_client_id, sandbox.naver_client_secret, base_url=sandbox.naver_url, store=store
    )
    client = make(auth)
    assert client.request("GET", f"{auth.base_url}/v1/echo").status == 200
    sandbox.naver.revoke_access_tokens()
    answer = client.request("POST", f"{auth.base_url}/v1/echo", body=b"abc", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.json()["length"]) == (200, 3)
    assert sandbox.naver.token_requests == 2


def test_api_key(make, sandbox):
    """An API key goes to its own server alone."""
    auth = krauth_requests.MelomingAPIKey(sandbox.meloming_api_key, base_url=sandbox.meloming_url)
    client = make(auth)
    assert client.request("GET", f"{auth.base_url}/v1/echo").status == 200
    assert sandbox.meloming.requests[-1].headers["X-API-Key"] == sandbox.meloming_api_key
    client.request("GET", f"{sandbox.naver_url}/v1/echo")
    assert "X-API-Key" not in sandbox.naver.requests[-1].headers
