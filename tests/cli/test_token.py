"""`krauth token` against a real server on loopback."""

import importlib.util
import json

import pytest

PROVIDERS = ["naver", "meloming"]


def issued(sandbox):
    """Every secret that the sandbox knows of or was sent."""
    found = {sandbox.naver_client_secret, sandbox.meloming_client_secret}
    for record in [*sandbox.naver.requests, *sandbox.meloming.requests]:
        fields = dict(pair.split("=", 1) for pair in record.body.decode().split("&") if "=" in pair)
        found |= {fields[name] for name in ("client_secret_sign", "client_secret") if name in fields}
    found |= set(sandbox.naver._tokens._known) | set(sandbox.meloming._vault._access)
    return {value for value in found if value}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_token_is_masked(run, env, krauth_sandbox, provider):
    """Four characters, the length, and when it expires; no secret."""
    result = run("token", provider, **env)
    assert result.exit_code == 0, result.output
    assert "… (" in result.stdout
    assert "expires  in " in result.stdout
    assert getattr(krauth_sandbox, provider).token_requests == 1
    assert not [value for value in issued(krauth_sandbox) if value in result.output]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_show_prints_the_token(run, env, krauth_sandbox, provider):
    """And only then is it anywhere."""
    value = json.loads(run("token", provider, "--show", "--json", **env).stdout)["access_token"]
    assert value in issued(krauth_sandbox)
    assert value in run("token", provider, "--show", **env).stdout
    hidden = json.loads(run("token", provider, "--json", **env).stdout)
    assert "access_token" not in hidden
    assert value not in json.dumps(hidden)
    assert hidden["expires_in"] > 3000


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_header_field_for_curl(run, env, krauth_sandbox, provider):
    """--header prints one line, good for `curl -H @-`, and excludes the other forms."""
    line = run("token", provider, "--header", **env).stdout
    name, _, value = line.rstrip("\n").partition(": ")
    assert name == "Authorization"
    assert value.removeprefix("Bearer ") in issued(krauth_sandbox)
    for other in ("--show", "--json"):
        result = run("token", provider, "--header", other, **env)
        assert (result.exit_code, result.stdout) == (2, "")


def test_options_reach_the_server(run, env, krauth_sandbox):
    """--account-id makes it SELLER, --scope is asked for, --base-url wins over the environment."""
    env = {**env, "NAVER_COMMERCE_BASE_URL": "https://nowhere.invalid"}
    seller = krauth_sandbox.naver_account_id
    run("token", "naver", "--account-id", seller, "--base-url", krauth_sandbox.naver_partner_url, **env)
    record = krauth_sandbox.naver.requests[-1]
    assert record.path == "/partner/v1/oauth2/token"
    assert b"type=SELLER" in record.body
    assert f"account_id={seller}".encode() in record.body
    result = run("token", "meloming", "--scope", "songbook:read", "--json", **env)
    assert json.loads(result.stdout)["scope"] == "songbook:read"


def test_a_store_keeps_the_token_for_the_next_time(run, env, krauth_sandbox, tmp_path):
    """The second command, as a new process would, finds it there."""
    from krauth import _plugins

    env["KRAUTH_STORE"] = f"sqlite:///{tmp_path}/tokens.db"
    first = json.loads(run("token", "naver", "--json", **env).stdout)
    _plugins._opened.pop(env["KRAUTH_STORE"]).close()
    second = json.loads(run("token", "naver", "--json", **env).stdout)
    assert (first["from_store"], second["from_store"]) == (False, True)
    assert krauth_sandbox.naver.token_requests == 1
    assert "from     the token store" in run("token", "naver", **env).stdout
    _plugins._opened.pop(env["KRAUTH_STORE"]).close()


@pytest.mark.parametrize("library", ["requests", "httpx", "httpx2", "aiohttp"])
def test_any_one_library_will_do(run, env, monkeypatch, library):
    """Whichever HTTP library is installed sends the token request."""
    find = importlib.util.find_spec
    others = {"requests", "httpx", "httpx2", "aiohttp"} - {library}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name in others else find(name, *more))
    assert run("token", "naver", **env).exit_code == 0


def test_no_library_at_all(run, env, monkeypatch):
    """Says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    result = run("token", "naver", **env)
    assert result.exit_code == 2
    assert "pip install 'krauth[requests]'" in result.stderr


def test_a_wrong_secret(run, env, krauth_sandbox):
    """Exit code 1; message and trace id on stderr, no secret."""
    wrong = "$2a$04$" + "C4NARY" * 3 + "abcu"
    result = run("token", "naver", **{**env, "NAVER_COMMERCE_CLIENT_SECRET": wrong})
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("krauth: token request refused: 400")
    assert result.stderr.count("trace id krs-") == 1
    assert result.stderr.count("\n") == 1
    result = run("token", "meloming", **{**env, "MELOMING_CLIENT_SECRET": "C4NARY"})
    assert result.exit_code == 1
    assert "invalid_client" in result.stderr
    assert "C4NARY" not in result.output
    assert not [value for value in issued(krauth_sandbox) if value in result.output]


def test_no_server_listens(run, env, krauth_sandbox):
    """Exit code 1 and the reason."""
    krauth_sandbox.stop()
    result = run("token", "meloming", **env)
    assert result.exit_code == 1
    assert "no answer from" in result.stderr


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"NAVER_COMMERCE_CLIENT_ID": ""}, "NAVER_COMMERCE_CLIENT_ID is not set"),
        ({"NAVER_COMMERCE_CLIENT_SECRET": "a4$C4NARY"}, "single quotes"),
        ({"NAVER_COMMERCE_BASE_URL": "http://shop.example"}, "https"),
        ({"KRAUTH_STORE": "nonsense://C4NARY@host"}, "no installed plugin"),
    ],
)
def test_a_wrong_setting(run, env, krauth_sandbox, change, word):
    """Exit code 2, before any request, the value not quoted."""
    result = run("token", "naver", **{**env, **change})
    assert result.exit_code == 2
    assert word in result.stderr
    assert "C4NARY" not in result.output
    assert krauth_sandbox.naver.token_requests == 0


def test_the_log_is_shown_on_request(run, env, krauth_sandbox):
    """-v shows what krauth did, without secrets."""
    result = run("-v", "token", "naver", **env)
    assert "INFO" in result.stderr
    assert "obtained a token" in result.stderr
    assert not [value for value in issued(krauth_sandbox) if value in result.output]
