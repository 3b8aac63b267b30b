"""`krauth demo`: it holds what it says end to end, and says so when it does not."""

import importlib.util
import inspect
import json
import re
import signal
import subprocess
import threading

import pytest
from rich.cells import cell_len

import krauth_sandbox
from krauth._values.language import default_language
from krauth_cli.demo import _apis, _clients, _expiry, _report, _scenes
from krauth_cli.demo._clients import STACKS, Answer
from krauth_cli.demo._phrases import PHRASES, Phrases

from .conftest import KRAUTH, python

pytestmark = [pytest.mark.process, pytest.mark.slow]

#: The demo as it is, in a process of its own, whose sandboxes write down every secret that they see.
WITNESSED = """
import json, sys, krauth_sandbox
from urllib.parse import parse_qs

seen = set()

class Witness(krauth_sandbox.Sandbox):
    def reset(self):
        self.note()
        super().reset()
    def stop(self):
        self.note()
        super().stop()
    def note(self):
        seen.update((self.naver_client_secret, self.meloming_client_secret, self.meloming_api_key))
        for record in [*self.naver.requests, *self.meloming.requests]:
            seen.add(record.headers.get("Authorization", "Bearer -").removeprefix("Bearer "))
            fields = parse_qs(record.body.decode("utf-8", "replace"))
            seen.update(fields[name][0] for name in ("client_secret", "client_secret_sign") if name in fields)

krauth_sandbox.Sandbox = Witness
from krauth_cli import main
path = sys.argv.pop()
try:
    main()
finally:
    with open(path, "w") as file:
        file.write(json.dumps(sorted(seen - {"-"})))
"""


def test_the_whole_demo_in_korean(tmp_path):
    """Every claim holds for every stack; plain text in 80 columns, in the locale's language, and no secret in it."""
    done = python(WITNESSED, "demo", str(tmp_path / "seen"), LC_ALL="ko_KR.UTF-8", PYTHONUTF8="1", COLUMNS="80")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    out = done.stdout
    assert "\x1b" not in out
    assert max(map(cell_len, out.splitlines())) <= 80
    assert "6가지 호출 방법 모두에서 약속 7가지가 지켜졌습니다" in out
    assert out.count("정상 6/6") == 7
    assert "실패 │" not in out
    assert out.count("401 → 토큰 발급 → 200") >= 6
    assert out.count("호출 100회, 토큰 요청 1건") == 6
    assert "401 GW.AUTHN" in out
    secrets = json.loads((tmp_path / "seen").read_text())
    assert len(secrets) > 100
    assert not [value for value in secrets if value in out]


@pytest.fixture
def quick(monkeypatch):
    """The demo without the scene that takes seven seconds, and with two stacks."""
    monkeypatch.setattr(_scenes.Scenes, "refresh", lambda self: None)
    monkeypatch.setattr(_clients, "STACKS", (STACKS[0], STACKS[-1]))


def test_the_demo_in_english_without_a_library(run, quick, monkeypatch):
    """A library that is not installed is shown as skipped, and nothing else changes."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "requests" else find(name, *more)
    )
    result = run("demo", "--lang", "en")
    assert result.exit_code == 0, result.output
    assert "skipped requests      not installed: pip install 'krauth[requests]'" in result.stdout
    assert result.stdout.count("ok 1/1") == 6
    assert "All 6 claims hold" in result.stdout


def test_a_library_that_does_not_import_is_a_failure(run, quick, monkeypatch):
    """Only a library that is not there is skipped."""

    def broken(auth):
        raise ImportError("broken on purpose")

    monkeypatch.setitem(_clients._CLIENTS, "requests", broken)
    result = run("demo", "--lang", "en")
    assert result.exit_code == 1
    assert "skipped" not in result.stdout
    assert "FAILED  requests      Naver: ImportError: broken on purpose" in result.stdout
    assert "FAILED 1/2" in result.stdout


def miscounting(monkeypatch):
    count = krauth_sandbox.Emulator.token_requests.fget
    monkeypatch.setattr(krauth_sandbox.Emulator, "token_requests", property(lambda self: 2 * count(self)))


def refusing(monkeypatch):
    reset = krauth_sandbox.Emulator.reset

    def refuse(self):
        reset(self)
        self.fail_api(403, times=None)

    monkeypatch.setattr(krauth_sandbox.Emulator, "reset", refuse)


def never_revoking(monkeypatch):
    monkeypatch.setattr(krauth_sandbox.NaverEmulator, "revoke_all", lambda self: None)


def down(monkeypatch):
    for scene in ("reuse", "recover", "crowd", "refuse", "open"):  # each token request is tried three times
        monkeypatch.setattr(_scenes.Scenes, scene, lambda self: None)
    start = krauth_sandbox.Sandbox.start

    def fall(self):
        start(self)
        self.stop()

    monkeypatch.setattr(krauth_sandbox.Sandbox, "start", fall)


def leaking(monkeypatch):
    from krauth.naver import NaverAuthBase

    monkeypatch.setattr(NaverAuthBase, "__repr__", lambda self: self._tokens.credentials.client_secret.reveal())


@pytest.mark.parametrize(
    ("break_it", "bad"),
    [(miscounting, "5 of 6"), (refusing, "5 of 6"), (never_revoking, "1 of 6"), (down, "1 of 1"), (leaking, "1 of 6")],
)
def test_what_is_not_as_stated_is_found(run, quick, monkeypatch, break_it, bad):
    """The exit code is 1, and so many claims are marked."""
    break_it(monkeypatch)
    result = run("demo", "--lang", "en")
    assert result.exit_code == 1
    assert f"{bad} claims do not hold" in result.stdout
    assert "FAILED" in result.stdout


def test_a_refresh_that_a_call_notices_is_found(krauth_sandbox):
    """A caller that waited, a call that failed, no new token or two: each breaks the claim."""

    def busy(*, issued=1, waited=0, status=200, error=None):
        client = _expiry.BusyClient(_apis.Trial(STACKS[0], krauth_sandbox), _apis.NAVER)
        client.watch = type("Watch", (), {"tokens_issued": issued})()
        client.waited, client.error, client.answers = waited, error, [Answer(200, b"", 0.01), Answer(status, b"", 0.01)]
        return client

    assert busy().kept
    assert not busy(issued=0).kept
    assert not busy(issued=2).kept
    assert not busy(waited=1).kept
    assert not busy(status=401).kept
    assert not busy(error="ValueError: x").kept


def test_ctrl_c_ends_the_demo_at_once():
    """No traceback, no waiting for the seven seconds."""
    process = subprocess.Popen(
        [KRAUTH, "demo", "--lang", "en"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    for line in process.stdout:
        if "clients start calling" in line:
            break
    process.send_signal(signal.SIGINT)
    killer = threading.Timer(6.0, process.kill)
    killer.start()
    _, err = process.communicate()
    killer.cancel()
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("name", PHRASES)
def test_both_languages_say_the_same(name):
    """Each phrase has the same gaps in both, and the Korean one is Korean or has no words."""
    english, korean = PHRASES[name]
    gaps = re.compile(r"{(\w+)}")
    assert set(gaps.findall(english)) == set(gaps.findall(korean))
    assert re.search("[가-힣]", korean) or english == korean


def test_no_phrase_is_left_over():
    """Each is used somewhere."""
    source = inspect.getsource(_scenes) + inspect.getsource(_report) + inspect.getsource(_expiry)
    unused = [name for name in PHRASES if not re.search(rf"[\"']{name}[\"']", source) and not name.endswith("_claim")]
    assert unused == []


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ko_KR.eucKR"}, "ko"),
        ({"LANG": ""}, "en"),
    ],
)
def test_the_language_is_the_locales(monkeypatch, environment, language):
    """In POSIX's order of variables."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_language() == language
    assert Phrases(language)("ok") == PHRASES["ok"][language == "ko"]


def test_output_that_cannot_hold_korean_does_not_fail(quick):
    """In an ASCII-only pipe there are question marks instead of a crash."""
    code = """
import sys
from krauth_cli import main
from krauth_cli.demo import _clients, _scenes
_clients.STACKS = _clients.STACKS[-1:]
for scene in ("reuse", "refresh", "recover", "crowd", "refuse", "open"):
    setattr(_scenes.Scenes, scene, lambda self: None)
main()
"""
    done = python(code, "demo", "--lang", "ko", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "?" in done.stdout
