"""`krauth sandbox`, as a process: what it prints, what it logs, how it stops."""

import contextlib
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from .conftest import KRAUTH

pytestmark = [pytest.mark.process, pytest.mark.slow]


@contextlib.contextmanager
def started(*arguments):
    """Run it until it has said everything that it says at first; hand over the process and what it said."""
    process = subprocess.Popen(
        [KRAUTH, "sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        yield process, "".join(said)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_it_is_told_to_stop(tmp_path, number):
    """What it prints can be pasted into a shell; requests are logged without secrets; it stops cleanly."""
    with started("--speed", "60") as (process, said):
        (tmp_path / "env.sh").write_text("".join(line for line in said.splitlines(True) if line.startswith("export")))
        done = subprocess.run(
            [
                "bash",
                "-c",
                f". {tmp_path}/env.sh && {KRAUTH} token naver --show --json && {KRAUTH} token meloming && env",
            ],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        token = done.stdout.partition('"access_token": "')[2].partition('"')[0]
        variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        process.send_signal(number)
        out, log = process.communicate(timeout=10)
    assert process.returncode == 0
    assert out.strip() == ""
    lines = log.splitlines()
    assert "  naver     POST   /external/v1/oauth2/token  200" in lines[0]
    assert "  meloming  POST   /oauth/token  200" in lines[1]
    assert lines[-1] == "sandbox stopped; it answered 2 requests"
    secrets = [variables[name] for name in variables if name.endswith(("SECRET", "API_KEY"))]
    assert len(secrets) >= 3
    assert not [value for value in [token, *secrets] if value in log]


def test_a_port_that_is_taken():
    """One line that says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([KRAUTH, "sandbox", "--naver-port", port], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.startswith("krauth: the sandbox could not start")
    assert done.stderr.count("\n") == 1


def test_without_aiohttp(run, monkeypatch):
    """Says what to install."""
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "aiohttp" else find(name, *more)
    )
    result = run("sandbox")
    assert (result.exit_code, result.stderr) == (
        2,
        "krauth: the sandbox needs aiohttp: pip install 'krauth[cli,sandbox]'\n",
    )


def test_a_path_is_no_way_into_the_terminal(krauth_sandbox):
    """Control characters of a request's path are not printed, nor is its query."""
    import http.client

    from krauth_cli._sandbox import _line

    port = int(krauth_sandbox.naver_url.split(":")[2].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/external/%1b%5b2J%0d%0aforged?code=C4NARY")
    connection.getresponse().read()
    connection.close()
    line = _line(krauth_sandbox.naver.requests[-1])
    assert "\n" not in line
    assert "\x1b[2J" not in line
    assert "C4NARY" not in line


def test_what_arrives_is_found_again_after_a_reset():
    """The log follows the emulator's bounded memory by identity."""
    from krauth_cli._sandbox import _after

    one, two, three = "one", "two", "three"
    assert _after([one, two, three], two) == [three]
    assert _after([one, two, three], three) == []
    assert _after([three], two) == [three]
    assert _after([one], None) == [one]


def test_sellers_users_clients_by_option(tmp_path):
    """Options and a settings file say who exists; options win; the printed text names them."""
    (tmp_path / "s.toml").write_text('[naver.sellers]\nold = "x"\n[meloming]\nusers = ["melo", "밍밍"]\n', "utf-8")
    options = ["--seller", "shop", "--seller", "b=uid-b", "--client", "web", "--public-client", "spa"]
    options += ["--redirect-uri", "https://mine.example/cb", "--naver-client-id", "my-app", "--host", "box.internal"]
    with started("--config", str(tmp_path / "s.toml"), *options) as (_, said):
        assert "# Naver sellers: shop, b\n" in said
        assert "export NAVER_COMMERCE_CLIENT_ID=my-app\n" in said
        assert "export NAVER_COMMERCE_ACCOUNT_ID=shop " in said
        assert "export MELOMING_CLIENT_ID=web\n" in said
        assert "spa: a public client" in said
        assert "# Meloming users: melo, 밍밍\n" in said


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--config", "nothing.toml"], "can't be read"),
        (["--seller", "=uid"], "needs an account id"),
        (["--speed", "0.0000000001"], "between"),
    ],
)
def test_options_that_can_not_be_right(run, arguments, word):
    """Exit code 2 and one line."""
    result = run("sandbox", *arguments)
    assert result.exit_code == 2
    assert word in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_not_utf_8_is_not_quoted(run, tmp_path):
    """Nor is one that is not TOML."""
    path = tmp_path / "s.toml"
    for content in (b"C4NARY\xff", b"C4NARY"):
        path.write_bytes(content)
        result = run("sandbox", "--config", str(path))
        assert result.exit_code == 2
        assert "C4NARY" not in result.stderr


def test_korean(monkeypatch):
    """Where the locale is Korean, the text, the log and the end are; the faults of a request, too."""
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    with started() as (process, said):
        assert "# krauth 샌드박스: 이 컴퓨터 전용" in said
        assert "다른 터미널에서 써 보기" in said
        url = next(line for line in said.splitlines() if "MELOMING_BASE_URL=" in line).partition("=")[2]
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(url + "/v1/me", timeout=10)
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=10)
    assert "401  Authorization 헤더가 없습니다." in log
    assert "요청 1건에 응답했습니다" in log
