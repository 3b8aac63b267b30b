"""A process that can open no more files: errors say so, nobody waits, and it goes on when files are free again."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

CODE = """if True:
    import importlib, resource, sys, threading, time
    package, is_first, *client, base = sys.argv[1:]
    from krauth import RefreshPolicy
    module = importlib.import_module(package)
    policy = RefreshPolicy(attempts=1, timeout=8)
    auth = module.OAuth2Auth(*client, token_endpoint=f"{base}/oauth/token", api_origins=base, refresh=policy)
    if not int(is_first):
        auth.token()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    began, found = time.monotonic(), []

    def call():
        try:
            found.append(repr(auth.refresh()))
        except Exception as error:
            found.append((type(error).__name__, str(error), [*getattr(error, "__notes__", [])]))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    time.sleep(1.5)  # failures are remembered for a second
    print([found, took, auth.refresh().state(time.time()).value])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("locale", ["C.UTF-8", "ko_KR.UTF-8"])
@pytest.mark.parametrize("is_first", [0, 1])
@pytest.mark.parametrize("package", ["krauth_requests", "krauth_httpx", "krauth_httpx2", "krauth_aiohttp"])
def test_a_refresh_without_a_free_descriptor(sandbox, monkeypatch, package, is_first, locale):
    """It is the process's first error, and what an error loads can't be loaded: it is told in English then.

    Where it is the first token, too, the modules of a token request can't be loaded.
    """
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setenv("NO_PROXY", "*")
    client = sandbox.meloming_client_id, sandbox.meloming_client_secret
    command = [sys.executable, "-W", "ignore", "-c", CODE, package, str(is_first), *client, sandbox.meloming_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found, took, state = eval(done.stdout)
    assert took < 3
    assert state == "fresh"
    assert len(found) == 4
    for kind, message, notes in found:
        assert (kind, notes) == ("TokenTransportError", [])
        assert message.startswith("the token could not be refreshed: " if is_first else "no answer from http://")
        assert "Too many open files; close the responses" in message
