"""A client secret that is replaced while the process runs: secret managers, pydantic, .env files."""

import threading

import dotenv
import pydantic
import pydantic_settings
import pytest

from krauth import InvalidClientError, MemoryStore, RefreshPolicy, TokenServerError
from stacks import BY_NAME


@pytest.fixture(params=["requests", "httpx-asyncio"])
def stack(request):
    """One that blocks and one that does not: secrets are read again by the engine, whatever the library."""
    return BY_NAME[request.param]


class Manager:
    """A secret manager: gives out the current version, and counts how often it is asked."""

    def __init__(self, secret):
        self.secret, self.asked = secret, 0

    def __call__(self):
        self.asked += 1
        return self.secret


@pytest.fixture(params=["naver", "meloming"])
def provider(request, sandbox, stack):
    """How to make an auth object of a provider with a secret from somewhere, and how the vendor replaces the secret."""
    if request.param == "naver":

        def make(secret, **settings):
            return stack.NaverAuth(
                sandbox.naver_client_id,
                secret,
                base_url=sandbox.naver_url,
                **{"store": MemoryStore(), "refresh": RefreshPolicy(attempts=1), **settings},
            )

        make.reissue = sandbox.naver.reissue_secret
        make.current = lambda: sandbox.naver_client_secret
        make.count = lambda: sandbox.naver.token_requests
        make.error = InvalidClientError
    else:

        def make(secret, **settings):
            return stack.MelomingOAuth(
                sandbox.meloming_client_id,
                secret,
                base_url=sandbox.meloming_url,
                **{"store": MemoryStore(), "refresh": RefreshPolicy(attempts=1), **settings},
            )

        make.reissue = sandbox.meloming.reissue_secret
        make.current = lambda: sandbox.meloming_client_secret
        make.count = lambda: sandbox.meloming.token_requests
        make.error = TokenServerError  # reported: 500 INTERNAL_ERROR for a stale secret
    return make


def test_a_secret_managers_rotation(provider, stack):
    """The vendor reissues the secret: the next token request is refused, the secret is read again, the call succeeds."""
    manager = Manager(provider.current())
    auth = provider(manager)
    stack.token(auth)
    assert manager.asked == 1
    manager.secret = provider.reissue()
    auth._tokens.forget_failures()
    before = provider.count()
    assert stack.method(auth, "refresh").access_token
    assert (manager.asked, provider.count() - before) == (2, 2)
    assert stack.method(auth, "refresh").access_token
    assert (manager.asked, provider.count() - before) == (2, 3)


def test_a_secret_that_is_not_replaced_yet(provider, stack):
    """While the manager still gives the dead secret, the refusal is reported; once it gives the new one, calls succeed."""
    manager = Manager(provider.current())
    auth = provider(manager)
    new = provider.reissue()
    with pytest.raises(provider.error):
        stack.token(auth)
    asked = manager.asked
    with pytest.raises(provider.error):  # remembered: neither the server nor the manager is asked again
        stack.token(auth)
    assert manager.asked == asked
    manager.secret = new
    auth._tokens.forget_failures()  # or a second later
    assert stack.token(auth).access_token


def test_siblings_recover_with_it(sandbox, stack):
    """Once one seller's object has read the new secret, those of other sellers use it, also after a failure of theirs."""
    manager = Manager(sandbox.naver_client_secret)
    base = stack.NaverAuth(sandbox.naver_client_id, manager, base_url=sandbox.naver_url, store=MemoryStore())
    names = list(sandbox.naver.accounts)[:2]
    one, other = (base.for_account(name) for name in names)
    new = sandbox.naver.reissue_secret()
    for auth in (one, other):
        with pytest.raises(InvalidClientError):
            stack.token(auth)
    manager.secret = new
    one._tokens.forget_failures()
    stack.token(one)
    asked, before = manager.asked, sandbox.naver.token_requests
    assert stack.token(other).access_token  # at once, although its failure was remembered
    assert (manager.asked, sandbox.naver.token_requests - before) == (asked, 1)


def test_a_user_stays_signed_in(sandbox, stack, store):
    """A replaced secret costs a user nothing: the refresh token is sent once more, with the new secret."""
    manager = Manager(sandbox.meloming_client_secret)
    auth = stack.MelomingOAuth(
        sandbox.meloming_client_id,
        manager,
        user="mina",
        redirect_uri="https://app.example/callback",
        base_url=sandbox.meloming_url,
        store=store,
    )
    request = auth.authorization_request()
    stack.method(auth, "authorize", sandbox.meloming.approve(request.url), request)
    manager.secret = sandbox.meloming.reissue_secret()
    assert stack.method(auth, "refresh").refresh_token


def test_a_sign_in_with_a_dead_secret(sandbox, stack, store):
    """A code that was sent with a dead secret is not sent again; the next sign-in uses the new secret."""
    manager = Manager(sandbox.meloming_client_secret)
    settings = {"user": "mina", "redirect_uri": "https://app.example/callback", "store": store}
    auth = stack.MelomingOAuth(sandbox.meloming_client_id, manager, base_url=sandbox.meloming_url, **settings)
    manager.secret = sandbox.meloming.reissue_secret()
    before = sandbox.meloming.token_requests
    request = auth.authorization_request()
    with pytest.raises(TokenServerError, match="start again"):
        stack.method(auth, "authorize", sandbox.meloming.approve(request.url), request)
    assert sandbox.meloming.token_requests - before == 1
    request = auth.authorization_request()
    assert stack.method(auth, "authorize", sandbox.meloming.approve(request.url), request).refresh_token


def test_a_manager_that_fails(provider, stack, caplog):
    """A manager that can't be reached leaves the secret in force, and says so in the log, without the secret."""
    manager = Manager(provider.current())
    auth = provider(manager)
    provider.reissue()

    def fail():
        raise ConnectionError("no route")

    manager.__class__ = type("Broken", (Manager,), {"__call__": lambda self: fail()})
    with pytest.raises(provider.error):
        stack.token(auth)
    assert "could not be read again" in caplog.text
    assert "ConnectionError" in caplog.text


def test_a_callable_never_runs_on_an_event_loop(provider, stack):
    """A callable is called in a worker thread when a secret is read again: it may block."""
    threads = []
    manager = Manager(provider.current())

    def read():
        threads.append(threading.current_thread().name)
        return manager()

    auth = provider(read)
    stack.token(auth)
    manager.secret = provider.reissue()
    stack.method(auth, "refresh")
    assert threads[1:]
    assert all(name.startswith("krauth") for name in threads[1:])


def test_pydantic_settings(provider, stack, monkeypatch):
    """A `SecretStr` of pydantic-settings is taken as it is, or read again from settings that are loaded anew."""
    monkeypatch.setenv("APP_CLIENT_SECRET", provider.current())

    class Settings(pydantic_settings.BaseSettings):
        model_config = pydantic_settings.SettingsConfigDict(env_prefix="app_")
        client_secret: pydantic.SecretStr

    fixed, fresh = provider(Settings().client_secret), provider(lambda: Settings().client_secret)
    assert stack.token(fresh).access_token
    monkeypatch.setenv("APP_CLIENT_SECRET", provider.reissue())
    assert stack.method(fresh, "refresh").access_token
    with pytest.raises(provider.error):
        stack.token(fixed)


@pytest.mark.parametrize("quotes", ["'", ""])
def test_dotenv(provider, stack, tmp_path, quotes):
    """A `.env` file is read again as python-dotenv reads it, `$` signs and single quotes included."""
    path = tmp_path / ".env"
    path.write_text(f"CLIENT_SECRET={quotes}{provider.current()}{quotes}\n")
    auth = provider(lambda: dotenv.dotenv_values(path, interpolate=bool(quotes))["CLIENT_SECRET"])
    assert stack.token(auth).access_token
    path.write_text(f"CLIENT_SECRET={quotes}{provider.reissue()}{quotes}\n")
    assert stack.method(auth, "refresh").access_token


def test_another_object_with_the_new_secret(provider, stack):
    """An object that is made with the new secret obtains its token at once, whatever another has learnt."""
    store = MemoryStore()
    old = provider(provider.current(), store=store)
    new = provider.reissue()
    with pytest.raises(provider.error):
        stack.token(old)
    assert stack.token(provider(new, store=store)).access_token
