"""Sellers, users, clients and redirect URIs: by argument, and by a settings file."""

import subprocess

import pytest

from krauth_sandbox import Sandbox

FILE = """
speed = 60
hosts = ["sandbox.internal"]

[naver]
port = 0
client_id = "my-app"
client_secret = '$2a$04$abcdefghijklmnopqrstuu'

[naver.sellers]
"shop one" = "ncp_1one"
shop-2 = "ncp_1two"

[meloming]
users = ["노래", "ming"]
redirect_uris = ["https://mine.example/cb"]
rotation = false

[meloming.clients]
web = "it's s3cret"
worker = true
spa = false
"""


def test_a_settings_file(tmp_path):
    """What stands in the file is what the sandbox accepts; arguments win over it."""
    path = tmp_path / "sandbox.toml"
    path.write_text(FILE, "utf-8")
    sandbox = Sandbox.from_file(path, speed=7, meloming_users=["else"])
    assert (sandbox.naver_client_id, sandbox.naver_client_secret) == ("my-app", "$2a$04$abcdefghijklmnopqrstuu")
    assert sandbox.naver.accounts == {"shop one": "ncp_1one", "shop-2": "ncp_1two"}
    assert (sandbox.naver_account_id, sandbox.naver_account_uid) == ("shop one", "ncp_1one")
    assert (sandbox.meloming_client_id, sandbox.meloming_client_secret) == ("web", "it's s3cret")
    assert sandbox.meloming_public_client_id == "spa"
    assert set(sandbox.meloming.clients) == {"web", "worker", "spa"}
    assert len(sandbox.meloming.clients["worker"]) > 20
    assert sandbox.meloming_redirect_uris == ["https://mine.example/cb"]
    assert (sandbox.meloming.rotation, sandbox.meloming.usernames, sandbox.speed) == (False, ["else"], 7)
    sandbox.reset()
    assert sandbox.meloming.usernames == ["else"]
    with sandbox:
        exports = "\n".join(line for line in sandbox.describe().splitlines() if line.startswith("export "))
        script = exports + '\nprintf "%s\\n" "$NAVER_COMMERCE_ACCOUNT_ID" "$MELOMING_CLIENT_SECRET"'
        seen = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True).stdout
        assert seen == "shop one\nit's s3cret\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed = ", "not TOML"),
        ("speed = 0", "speed in the file must be a number"),
        ("speed = true", "speed in the file must be a number"),
        ("sped = 1", "'sped'; known are speed"),
        ("[naver]\nsecret = 'x'", "'naver.secret'; known are"),
        ("naver = 1", "'naver'"),
        ("[naver]\nport = 65536", "a port from 0 to 65535"),
        ("[naver]\nsellers = {}", "at least one"),
        ("[naver.sellers]\na = 1", "account id = account uid"),
        ("[naver]\nclient_secret = 'C4NARY'", "bcrypt salt"),
        ("[meloming]\nusers = 'melo'", "a list of texts"),
        ('[meloming]\nusers = ["\\u001b[2J"]', "a list of texts"),
        ("[meloming.clients]\na = 1", "client id = secret"),
        ("[meloming.clients]\na = ''", "client id = secret"),
    ],
)
def test_a_file_that_can_not_be_right(tmp_path, text, message):
    """One sentence says what is wrong, and quotes no value."""
    path = tmp_path / "sandbox.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        Sandbox.from_file(path)
    assert "C4NARY" not in str(caught.value)


def test_clients_by_argument():
    """A given secret, a random one, none; the defaults are there where no client is named."""
    sandbox = Sandbox(meloming_clients={"a": "s", "b": True, "c": None, "d": False})
    assert (sandbox.meloming_client_id, sandbox.meloming_public_client_id) == ("a", "c")
    assert [secret is None for secret in sandbox.meloming.clients.values()] == [False, True, False, True]
    sandbox = Sandbox(meloming_client_id="mine", meloming_client_secret="own", meloming_clients={"mine": True})
    assert sandbox.meloming.clients["mine"] == "own"
    assert Sandbox().meloming_client_id.startswith("mlm-app-")
