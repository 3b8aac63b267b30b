"""What the command line prints of a server's words: one line each, and nothing that a terminal acts on or hides."""

import json

import pytest
from click.testing import CliRunner

from krauth import Token
from krauth._oauth.endpoints import TokenInfo
from krauth_cli._failure import Failure, printable, to_json

HOSTILE = ["\x1b[2J", "\x9b31m", "\u202egpj.exe", "a\r\nkrauth: all is well", "\u2066\u200b\u2028", "\0\x07\x7f"]


@pytest.mark.parametrize("text", HOSTILE)
def test_json_for_a_terminal(text):
    """JSON keeps Korean readable, shows what a terminal would act on, and still says the same."""
    data = {"범위": text, "list": [text, {text: text}]}
    for indent in (None, 2):
        printed = to_json(data, indent)
        assert json.loads(printed) == data
        assert "범위" in printed
        assert all(line.isprintable() for line in printed.split("\n"))
        assert len(printed.split("\n")) == len(to_json({"범위": "a", "list": ["a", {"a": "a"}]}, indent).split("\n"))


@pytest.mark.parametrize("text", HOSTILE)
def test_values_in_failures(text, capsys):
    """No value in a message forges a line below it."""
    Failure("there are several tokens, one for each of these scopes: {scopes}; use --scope", scopes=text).show()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("arguments", [["introspect"], ["introspect", "--json"]], ids=" ".join)
def test_claims(text, arguments, monkeypatch):
    """A server's claims about a token are printed so that they can neither forge a line nor move the cursor."""
    from krauth_cli import _session
    from krauth_cli._main import krauth

    info = TokenInfo(True, "read", claims={"active": True, "scope": text, "note": text, text: 1})

    class Client:
        def __init__(self, *_):
            pass

        def __getattr__(self, name):
            return lambda *_, **__: self

        def stored(self):
            return self, object()

        def introspect(self):
            return info

    monkeypatch.setattr(_session, "Client", Client)
    monkeypatch.setattr(_session, "_token_of", lambda *_: None, raising=False)
    result = CliRunner().invoke(krauth, [*arguments, "meloming"], env={"LANG": "en_US.UTF-8"})
    assert result.exit_code == 0, result.output
    assert all(line.isprintable() for line in result.output.split("\n")), result.output


def test_a_server_that_repeats_a_token_in_its_words():
    """What a server says of a scope or a user is printed, and shown in a repr, without the secrets in it."""
    token = Token("canary7f3a-access", None, 0.0, scope="read canary7f3a-access", refresh_token="canary7f3a+refresh/=")
    info = TokenInfo(True, scope=token.scope, sub=f"of {token.refresh_token}", claims={"note": token.access_token})
    assert printable(token.scope) == "read <secret>"
    assert "canary7f3a" not in f"{token!r} {info!r}"
    assert "claims" not in repr(info)
