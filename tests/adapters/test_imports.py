"""What the import of an adapter brings along."""

import importlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["krauth_requests", "krauth_httpx", "krauth_httpx2", "krauth_aiohttp"])
def test_import_brings_along_nothing_dear(package):
    """An adapter loads one provider, and neither asyncio, where its library does not, nor what a token request needs."""
    bare = package.removeprefix("krauth_")
    code = (
        f"import sys, {bare}; a = set(sys.modules); from {package} import NaverAuth as auth;"
        " print(*sorted(set(sys.modules) - a))"
    )
    added = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not added & {"asyncio", "bcrypt", "pluggy", "importlib.metadata", "sqlite3", "unittest", "email.utils"}
    assert not added & {"dataclasses", "inspect", "ast", "concurrent.futures", "krauth._engine.source", "krauth.stores"}
    assert not added & {"krauth._oauth.client", "krauth._oauth.grants", "krauth._values.clock", "krauth.meloming"}
    assert {name.partition(".")[0] for name in added} <= {
        *("krauth", "_krauth_httpx", package),
        *("secrets", "_hashlib", "json"),
    }
    assert not added & {"krauth._oauth.client_secret", "krauth._auth.transport", f"{package}._transport"}
    assert len(added) <= 21


@pytest.mark.parametrize("package", ["krauth_requests", "krauth_httpx2"])
def test_an_api_key_loads_nothing_of_oauth(package):
    """An API key that is imported and made brings along no module that is about tokens."""
    bare = package.removeprefix("krauth_")
    code = (
        f"import sys, {bare}; a = set(sys.modules); from {package} import MelomingAPIKey;"
        " MelomingAPIKey('mlm_test_key'); print(*sorted(set(sys.modules) - a))"
    )
    added = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert f"{package}._meloming_key" in added
    rooms = ("krauth._oauth", "krauth._engine", "krauth._plugins", "krauth.stores", "krauth._auth.transport")
    assert not [name for name in added if name.startswith(rooms)]
    assert not added & {"krauth.meloming", "krauth._auth.user_auth", "krauth._values.clock", "krauth._values.token"}


@pytest.mark.parametrize("package", ["krauth_requests", "krauth_httpx", "krauth_httpx2", "krauth_aiohttp"])
def test_all_names_are_there(package):
    """Names that are imported when they are asked for are listed, found each time as one object, and no others are."""
    module = importlib.import_module(package)
    assert {*module.__all__} <= {*dir(module)}
    for name in module.__all__:
        assert getattr(module, name) is getattr(module, name)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Nothing'"):
        module.Nothing  # noqa: B018


def test_a_first_token_loads_no_more_than_it_needs():
    """To obtain a token loads neither asyncio nor the flows of users, and for Naver no OAuth client and no plugin.

    No observer is installed here, so the first event loads no plugin either.
    """
    code = """if True:
        import requests, sys
        library = set(sys.modules)
        from krauth import HTTPResponse
        from krauth_requests import NaverAuth

        body = b'{"access_token": "t0ken", "expires_in": 10800, "token_type": "Bearer"}'
        secret = "$2a$04$abcdefghijklmnopqrstuu"
        NaverAuth("client", secret, token_transport=lambda request: HTTPResponse(200, {}, body)).token()
        from krauth._engine import process
        done = process.threading.Event()
        process.tellers.submit(done.set, "observers")  # that thread has looked for plugins now
        assert done.wait(20)
        print(*set(sys.modules) - library)
    """
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "krauth._engine.source" in loaded
    assert not loaded & {"asyncio", "dataclasses", "inspect", "html", "pluggy", "krauth.hookspecs"}
    assert not loaded & {"krauth_stores", "sqlite3"}
    assert not loaded & {"krauth._engine.user_flows", "krauth._engine.revoking", "krauth._engine.keep_warm"}
    assert not loaded & {"krauth._oauth.authorization", "krauth._oauth.endpoints", "krauth._oauth.client"}


def test_a_first_token_compiles_no_pattern():
    """To compile a pattern takes as long as to load a small module, so what a first token needs is told without one."""
    code = """if True:
        import re, requests
        compiled, compile = [], re._compiler.compile
        re._compiler.compile = lambda pattern, *flags: [compiled.append(pattern), compile(pattern, *flags)][1]
        from krauth import HTTPResponse
        from krauth_requests import OAuth2Auth

        body = b'{"access_token": "t0ken", "expires_in": 10800, "token_type": "Bearer"}'
        where = {"token_endpoint": "https://a.example/token", "api_origins": "https://a.example"}
        OAuth2Auth("0b6e2c5e-9a51", "a-secret", **where, token_transport=lambda request: HTTPResponse(200, {}, body)).token()
        print(compiled)
        re.compile("this one is")
        print(compiled)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['this one is']"]
