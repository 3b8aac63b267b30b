"""requests: a caller that holds a re-entrant lock around `send` gets its token, at once."""

import threading
import time

import pytest
import requests
import requests_mock

import krauth_requests
from krauth import MemoryStore, RefreshPolicy

TOKENS = ({"access_token": f"token-{number}", "token_type": "Bearer", "expires_in": 3600} for number in range(1000))
SECRET = "secret-value"


class Serialised(requests.Session):
    """A session that sends one request at a time, whatever the thread."""

    lock = threading.RLock()

    def send(self, *args, **kwargs):
        if not self.lock.acquire(timeout=5):
            raise requests.ConnectionError("the lock was not to be had")
        try:
            return super().send(*args, **kwargs)
        finally:
            self.lock.release()


def test_a_session_that_sends_one_request_at_a_time(sandbox):
    """A serialised session that is its own token transport gets over a 401 as any session is."""
    session = Serialised()
    session.trust_env = False
    session.auth = krauth_requests.MelomingOAuth(
        sandbox.meloming_client_id,
        sandbox.meloming_client_secret,
        base_url=sandbox.meloming_url,
        store=MemoryStore(),
        token_transport=session,
    )
    begun = time.monotonic()
    for _ in range(3):
        assert session.post(f"{sandbox.meloming_url}/v1/echo", json={}).status_code == 200
        sandbox.meloming.revoke_access_tokens()
    assert time.monotonic() - begun < 4
    assert sandbox.meloming.token_requests == 3


def test_requests_mock():
    """Under `requests_mock.Mocker`, which holds such a lock while it sends, a 401 costs one token request, at once."""
    with requests_mock.Mocker() as mock:
        mock.post("https://api.example.com/token", json=lambda request, context: next(TOKENS))
        mock.get("https://api.example.com/x", [{"status_code": 401}, {"status_code": 200}])
        session = requests.Session()
        session.auth = krauth_requests.OAuth2Auth(
            "app",
            SECRET,
            token_endpoint="https://api.example.com/token",
            api_origins="https://api.example.com",
            store=MemoryStore(),
        )
        begun = time.monotonic()
        assert session.get("https://api.example.com/x").status_code == 200
        assert time.monotonic() - begun < 4
        assert [call.method for call in mock.request_history] == ["POST", "GET", "POST", "GET"]


def test_a_users_token(sandbox):
    """A request that spends a refresh token is not sent in the caller's thread: the 401 is handed back, once, soon."""
    session = Serialised()
    session.trust_env = False
    session.auth = auth = krauth_requests.MelomingOAuth(
        sandbox.meloming_client_id,
        sandbox.meloming_client_secret,
        user="mina",
        redirect_uri="https://app.example/callback",
        base_url=sandbox.meloming_url,
        store=MemoryStore(),
        refresh=RefreshPolicy(attempt_timeout=2),
        token_transport=session,
    )
    request = auth.authorization_request()
    auth.authorize(sandbox.meloming.approve(request.url, "melo"), request)
    sandbox.meloming.revoke_access_tokens()
    begun = time.monotonic()
    assert session.get(f"{sandbox.meloming_url}/v1/me").status_code == 401
    assert time.monotonic() - begun < 5
    auth.token()
    assert session.get(f"{sandbox.meloming_url}/v1/me").status_code == 200
    assert sandbox.meloming.token_requests == 2


def test_many_threads(sandbox):
    """Twenty threads share one token request; the one that sends it is any of them."""
    auth = krauth_requests.MelomingOAuth(
        sandbox.meloming_client_id, sandbox.meloming_client_secret, base_url=sandbox.meloming_url, store=MemoryStore()
    )
    sandbox.meloming.token_delay = 0.05
    found = []
    threads = [threading.Thread(target=lambda: found.append(auth.token())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 20
    assert len(set(map(id, found))) == 1
    assert sandbox.meloming.token_requests == 1


def test_an_interrupted_caller(sandbox, monkeypatch):
    """Ctrl-C in the middle of the token request ends the call; the refresh goes on in a worker thread."""
    auth = krauth_requests.MelomingOAuth(
        sandbox.meloming_client_id, sandbox.meloming_client_secret, base_url=sandbox.meloming_url, store=MemoryStore()
    )
    send, main = auth._transport.open(), threading.current_thread()

    def interrupted(request):
        if threading.current_thread() is main:
            raise KeyboardInterrupt
        return send(request)

    with monkeypatch.context() as patch:
        patch.setattr(type(auth._transport), "open", lambda self: interrupted)
        with pytest.raises(KeyboardInterrupt):
            auth.obtain(refused="refused-before")
    assert auth.token().access_token
    assert sandbox.meloming.token_requests == 1
