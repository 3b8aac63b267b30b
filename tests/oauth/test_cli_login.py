"""`krauth login`, `whoami`, `introspect`, `logout`: real processes, a sandbox, and a script for the browser."""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from click.testing import CliRunner

from krauth_cli._callback import Receiver, preferred_language
from krauth_cli._main import krauth as command
from loopback import Reply, Server

from .conftest import changed, parameter, sent

pytestmark = pytest.mark.process

KRAUTH = [sys.executable, "-c", "from krauth_cli import main; main()"]
PATIENCE = 20.0


@pytest.fixture
def environ(sandbox, tmp_path):
    """The environment of the command: its own home, and a Meloming client in it."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "PYTHONPATH") if name in os.environ}
    return {
        **kept,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "MELOMING_BASE_URL": sandbox.meloming_url,
        "MELOMING_CLIENT_ID": sandbox.meloming_client_id,
        "MELOMING_CLIENT_SECRET": sandbox.meloming_client_secret,
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture
def krauth(environ):
    """Run the command to its end."""

    def run(*arguments, code=0, stdin="", **variables):
        done = subprocess.run(
            [*KRAUTH, *arguments],
            env={**environ, **variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def quick(environ, monkeypatch):
    """Run the command in this process, where nothing but its words and its exit code matters."""

    def run(*arguments, code=0, stdin=None, **variables):
        for name in [name for name in os.environ if name.startswith(("MELOMING_", "KRAUTH_"))]:
            monkeypatch.delenv(name)
        done = CliRunner().invoke(command, arguments, input=stdin, env={**environ, **variables})
        assert done.exit_code == code, done.output
        return done

    return run


class Login:
    """A `krauth login` that runs, read line by line."""

    def __init__(self, process):
        self.process = process
        self.err = ""
        self._lines = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stderr:
            with self._lines:
                self.err += line
                self._lines.notify()
        with self._lines:
            self.err += "\0"
            self._lines.notify()

    @property
    def url(self):
        """The address that it prints."""
        pattern = re.compile(r"^ +(http\S+)$", re.MULTILINE)
        with self._lines:
            assert self._lines.wait_for(lambda: pattern.search(self.err) or "\0" in self.err, PATIENCE)
        found = pattern.search(self.err)
        assert found, self.err
        return found[1]

    @property
    def port(self):
        return urlsplit(parameter(self.url, "redirect_uri")).port

    def ask(self, target, host=None, method="GET", **headers):
        """Send it a request as some program on the machine would."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": host or f"127.0.0.1:{self.port}", **headers}.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()

    def visit(self, url, **headers):
        parts = urlsplit(url)
        return self.ask(f"{parts.path}?{parts.query}", **headers)

    def ended(self, code=0):
        out = self.process.stdout.read()
        assert self.process.wait(PATIENCE) == code, self.err
        return out


@pytest.fixture
def login(environ):
    """Start `krauth login`; what still runs at the end is ended."""
    started = []

    def start(*arguments, **variables):
        process = subprocess.Popen(
            [*KRAUTH, "login", *arguments],
            env={**environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Login(process)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                stream.close()


@pytest.fixture
def signed_in(sandbox, login):
    """Sign in by pasting, and return the output."""

    def sign_in(*arguments, username="melo", **variables):
        running = login("meloming", "--paste", *arguments, **variables)
        running.process.stdin.write(sandbox.meloming.approve(running.url, username) + "\n")
        running.process.stdin.flush()
        return running.ended()

    return sign_in


def secrets_of(sandbox):
    """Everything secret that travelled: the client's, codes, verifiers, tokens."""
    found = {sandbox.meloming_client_secret}
    for fields in sent(sandbox):
        found |= {fields[name] for name in ("code", "code_verifier", "refresh_token") if name in fields}
    vault = sandbox.meloming._vault
    return found | set(vault._access) | set(vault._refresh)


def test_login_by_browser(login, krauth, tmp_path):
    """The browser is opened, comes back to loopback, sees a page; the token is in the default store, 0600."""
    browser = tmp_path / "browser.py"
    browser.write_text(
        textwrap.dedent(
            f"""
            import sys, urllib.request
            sys.path[:0] = {[p for p in sys.path if p]!r}
            from krauth_sandbox._meloming.approve import approve
            with urllib.request.urlopen(approve(sys.argv[1], "melo", deny=False)) as response:
                open({str(tmp_path / "page.html")!r}, "w").write(response.read().decode())
            """
        )
    )
    running = login("meloming", BROWSER=f"{sys.executable} {browser} %s")
    out = running.ended()
    assert "Opening a browser" in running.err
    assert "Signed in" in (tmp_path / "page.html").read_text()
    assert "me at meloming" in out
    assert "yes, within 6 d 23 h" in out
    database = tmp_path / "data" / "krauth" / "tokens.db"
    assert database.exists()
    if os.name == "posix":
        assert database.stat().st_mode & 0o077 == 0
    assert "usable" in krauth("whoami", "meloming").stdout


def test_used_by_a_program(sandbox, signed_in, tmp_path):
    """What `krauth login` saved, a program uses by naming user and store."""
    import requests

    from krauth_requests import MelomingOAuth

    url = f"sqlite:///{tmp_path}/tokens.db"
    signed_in("--user", "mina", "--store", url)
    auth = MelomingOAuth(
        sandbox.meloming_client_id,
        sandbox.meloming_client_secret,
        user="mina",
        base_url=sandbox.meloming_url,
        store=url,
    )
    with requests.Session() as session:
        assert session.get(f"{sandbox.meloming_url}/v1/me", auth=auth, timeout=PATIENCE).json()["username"] == "melo"


def test_public_client(sandbox, login):
    """A client without a secret signs in as one with."""
    settings = {"MELOMING_CLIENT_ID": sandbox.meloming_public_client_id, "MELOMING_CLIENT_SECRET": ""}
    running = login("meloming", "--no-browser", **settings)
    assert running.visit(sandbox.meloming.approve(running.url))[0] == 200
    running.ended()
    assert "client_secret" not in sent(sandbox)[0]


class Here(Login):
    """A receiver in this process, asked as `Login` is."""

    def __init__(self, receiver):
        self.receiver = receiver

    @property
    def port(self):
        return self.receiver.server_address[1]


@pytest.fixture
def receiver():
    """A receiver that waits for the state `right`, and says yes."""
    with Receiver() as receiver:
        receiver.calls = []
        receiver.start("right", lambda url: not receiver.calls.append(url))
        yield Here(receiver)
        receiver.shutdown()


@pytest.mark.parametrize(
    ("header", "language", "words"),
    [
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko", "로그인되었습니다"),
        ("en-US,en;q=0.9,ko;q=0.8", "en", "Signed in"),
        ("", "en", "Signed in"),
    ],
)
def test_page(receiver, header, language, words):
    """The page is in the browser's language, small, self-contained, and may not be framed, cached or leaked."""
    status, headers, page = receiver.ask("/callback?code=c&state=right", Accept_Language=header)
    assert status == 200
    assert words in page
    assert f'<html lang="{language}">' in page
    assert "http" not in page
    assert "<script" not in page
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"


def test_callback_taken_once(receiver):
    """The callback is taken once, also when it comes again before the page is there."""
    target = "/callback?code=c&state=right"
    assert receiver.ask(target)[0] == 200
    assert receiver.ask(target)[0] == 410
    assert receiver.receiver.calls == [f"http://127.0.0.1:{receiver.port}{target}"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost", "127.0.0.1", "127.0.0.1:1", " "])
def test_foreign_host(receiver, host):
    """A callback under a foreign name (DNS rebinding) is refused, code and state notwithstanding."""
    assert receiver.ask("/callback?code=c&state=right", host=host)[0] == 421
    assert receiver.receiver.calls == []
    assert receiver.ask("/callback?code=c&state=right")[0] == 200


@pytest.mark.parametrize(
    ("header", "language"),
    [("ko", "ko"), ("en,ko", "en"), ("ko,en", "ko"), ("fr", "en"), ("ko;q=0.1,en;q=0.9", "en"), ("ko;q=x", "en")],
)
def test_preferred_language(header, language):
    """Korean where the browser prefers it, English otherwise."""
    assert preferred_language(header) == language


def test_strays(sandbox, login):
    """Favicons, other paths, other methods, silent connections and forged states harm nothing: the sign-in goes on."""
    running = login("meloming", "--no-browser")
    callback = sandbox.meloming.approve(running.url)
    with socket.create_connection(("127.0.0.1", running.port)):  # a browser's speculative connection
        assert running.ask("/favicon.ico")[0] == 404
        assert running.ask("/")[0] == 404
        assert running.ask("//evil.example/callback")[0] == 404
        assert running.ask("/callback", method="POST")[0] == 501
        for state in ("", "guessed", None):
            assert running.visit(changed(callback, state=state))[0] == 400
        assert running.visit(callback + "&state=x")[0] == 400
        assert running.visit(callback, host="evil.example")[0] == 421
        assert sandbox.meloming.token_requests == 0
        assert running.visit(callback)[0] == 200
    running.ended()
    assert sandbox.meloming.token_requests == 1


def test_loopback_only(sandbox, login):
    """The receiver listens on 127.0.0.1 and on no other address, not even another of loopback."""
    running = login("meloming", "--no-browser")
    for address in ("127.0.0.2", "::1"):
        with pytest.raises(OSError, match=r"."):
            socket.create_connection((address, running.port), 1).close()
    running.visit(sandbox.meloming.approve(running.url))
    running.ended()
    with pytest.raises(OSError, match=r"."):  # and the port is closed when it is over
        socket.create_connection(("127.0.0.1", running.port), 1).close()


def test_no_open_redirect(sandbox, login):
    """The receiver redirects nowhere, whatever its query says, and repeats nothing of it."""
    running = login("meloming", "--no-browser")
    callback = sandbox.meloming.approve(running.url)
    for extra in ("&next=https://evil.example", "&redirect_uri=//evil.example", "&x=%3Cscript%3E"):
        status, headers, page = running.visit(changed(callback, state="x") + extra)
        assert status == 400
        assert "Location" not in headers
        assert "evil" not in page
        assert "script" not in page
    running.visit(callback)
    running.ended()


def test_two_logins_at_once(sandbox, login):
    """Two sign-ins at the same time listen on ports of their own, and neither takes the other's callback."""
    one, two = login("meloming", "--no-browser", "--user", "a"), login("meloming", "--no-browser", "--user", "b")
    assert one.port != two.port
    callbacks = [sandbox.meloming.approve(running.url) for running in (one, two)]
    parts = urlsplit(callbacks[1])
    assert one.ask(f"{parts.path}?{parts.query}")[0] == 400
    assert one.visit(callbacks[0])[0] == 200
    assert two.visit(callbacks[1])[0] == 200
    assert "a at meloming" in one.ended()
    assert "b at meloming" in two.ended()


def test_user_says_no(sandbox, login):
    """The user's no ends the command with a sentence and exit code 1; the page says that the terminal knows why."""
    running = login("meloming", "--no-browser")
    status, _, page = running.visit(sandbox.meloming.approve(running.url, deny=True))
    assert status == 400
    assert "Not signed in" in page
    running.ended(code=1)
    assert "access_denied" in running.err


def test_server_fails(sandbox, login):
    """A server that fails at the last step ends the command with what to do; the code is sent once."""
    running = login("meloming", "--no-browser")
    callback = sandbox.meloming.approve(running.url)
    sandbox.meloming.fail_token(503)
    assert running.visit(callback)[0] == 400
    running.ended(code=1)
    assert "let the user start again" in running.err
    assert sandbox.meloming.token_requests == 1


def test_timeout(login):
    """No browser comes: the command ends in time and says what else to try."""
    began = time.monotonic()
    running = login("meloming", "--no-browser", "--timeout", "1")
    running.ended(code=1)
    assert time.monotonic() - began < PATIENCE
    assert "the browser did not come back within 1 s" in running.err
    assert "--paste" in running.err


def test_given_port(sandbox, login, krauth):
    """A given port is used; one that is taken is an error that says so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "can't listen on port" in krauth("login", "meloming", "--port", str(port), code=2).stderr
    running = login("meloming", "--no-browser", "--port", str(port))
    assert running.port == port
    running.visit(sandbox.meloming.approve(running.url))
    running.ended()


def test_registered_redirect_uri(sandbox, login, krauth):
    """A registered loopback URI is used to the letter; one of another machine needs --paste."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"http://localhost:{port}/signed/in"
    sandbox.meloming_redirect_uris.append(uri)
    running = login("meloming", "--no-browser", "--redirect-uri", uri)
    assert parameter(running.url, "redirect_uri") == uri
    callback = sandbox.meloming.approve(running.url)
    assert running.visit(callback)[0] == 421  # not under the name that is registered
    assert running.visit(callback, host=f"localhost:{port}")[0] == 200
    running.ended()
    refused = krauth("login", "meloming", "--redirect-uri", "https://app.example/callback", code=2)
    assert "--paste" in refused.stderr


def test_paste(sandbox, signed_in, krauth):
    """Without a browser the user pastes the address; a registered URI of another machine will do."""
    out = signed_in("--redirect-uri", "https://app.example/callback")
    assert "signed in" in out
    assert json.loads(krauth("whoami", "meloming", "--json").stdout)["state"] == "usable"


@pytest.mark.parametrize(
    ("pasted", "says"),
    [("", "no address"), ("http://127.0.0.1:8400/callback?code=x&state=y\n", "state"), ("nonsense\n", "state")],
)
def test_wrong_paste(quick, sandbox, pasted, says):
    """What is not the address of this sign-in is refused with a sentence."""
    refused = quick("login", "meloming", "--paste", stdin=pasted, code=1)
    assert says in refused.stderr
    assert sandbox.meloming.token_requests == 0


def test_no_browser_to_be_found(sandbox, login):
    """Where no browser can be opened the address is printed, and the sign-in goes on."""
    running = login("meloming", BROWSER="/nonexistent/browser %s", PATH="")
    running.visit(sandbox.meloming.approve(running.url))
    running.ended()
    assert "No browser could be opened" in running.err


def test_no_secret_in_output(sandbox, login, krauth):
    """No output of any of the commands, with -v too, holds a secret, a code or a token."""
    running = login("meloming", "--no-browser")
    callback = sandbox.meloming.approve(running.url)
    running.visit(callback)
    texts = [running.ended(), running.err]
    secrets = secrets_of(sandbox)
    for words in (["whoami"], ["whoami", "--json"], ["introspect"], ["introspect", "--json"], ["logout"]):
        done = krauth("-v", words[0], "meloming", *words[1:])
        texts += [done.stdout, done.stderr]
    assert len(secrets) >= 5
    for text in texts:
        for secret in secrets:
            assert secret not in text


def test_whoami(sandbox, signed_in, quick):
    """`whoami` answers from the store: no user yet, then which user and for how long; it sends nothing."""
    assert (
        "no user me is signed in to meloming; sign in: krauth login meloming\n"
        in quick("whoami", "meloming", code=1).stderr
    )
    signed_in("--scope", "read", "--user", "me")
    before = len(sandbox.meloming.requests)
    facts = json.loads(quick("whoami", "meloming", "--json").stdout)  # finds the one with a scope
    assert (facts["user"], facts["scope"], facts["state"], facts["refreshable"]) == ("me", "read", "usable", True)
    assert facts["refresh_expires_at"] - facts["expires_at"] > 6 * 86400
    assert facts["store"].startswith("sqlite:///")
    text = quick("whoami", "meloming").stdout
    assert "usable, for 59 min" in text
    assert "yes, within 6 d 23 h" in text
    assert len(sandbox.meloming.requests) == before
    assert "krauth login meloming --user other" in quick("whoami", "meloming", "--user", "other", code=1).stderr


def test_several_scopes(signed_in, quick):
    """Where there are tokens of several scopes, the command asks which instead of guessing."""
    signed_in("--scope", "read")
    signed_in("--scope", "read write")
    assert "read, read write; use --scope" in quick("whoami", "meloming", code=1).stderr
    assert json.loads(quick("whoami", "meloming", "--scope", "read", "--json").stdout)["scope"] == "read"


def test_introspect(sandbox, signed_in, quick):
    """`introspect` says what the server says; the exit code says whether the token is active."""
    assert "sign in: krauth login meloming" in quick("introspect", "meloming", code=1).stderr
    signed_in(username="ming")
    assert "ming" in quick("introspect", "meloming").stdout
    assert json.loads(quick("introspect", "meloming", "--json").stdout)["username"] == "ming"
    sandbox.revoke_all()
    assert json.loads(quick("introspect", "meloming", "--json", code=1).stdout) == {"active": False}


def test_logout(sandbox, signed_in, quick):
    """`logout` revokes and forgets; again it has nothing to do, and a failure can be repeated."""
    assert "no user me is signed in" in quick("logout", "meloming").stdout
    signed_in()
    sandbox.stop()
    try:
        quick("logout", "meloming", code=1)
    finally:
        sandbox.start()
    assert "usable" in quick("whoami", "meloming").stdout
    assert "signed out" in quick("logout", "meloming").stdout
    assert [fields["token_type_hint"] for fields in sent(sandbox, "/oauth/revoke")] == ["refresh_token", "access_token"]
    assert "no user me is signed in" in quick("logout", "meloming").stdout
    quick("whoami", "meloming", code=1)


def test_logout_local(sandbox, signed_in, quick, tmp_path):
    """`logout --local` forgets without a request, and leaves a mark for the processes that hold the token."""
    where = ("--store", f"sqlite:///{tmp_path}/tokens.db")
    signed_in(*where)
    before = len(sandbox.meloming.requests)
    quick("logout", "meloming", "--local", *where)
    assert len(sandbox.meloming.requests) == before
    quick("whoami", "meloming", *where, code=1)
    (entry,) = json.loads(quick("tokens", "list", "--json", *where).stdout)
    assert entry["state"] == "empty"


@pytest.fixture
def server():
    """Another OAuth 2.0 server, with metadata, that lets every user in."""
    with Server() as server:

        def answer(seen):
            if seen.path == "/.well-known/oauth-authorization-server":
                names = ("authorization", "token", "revocation", "introspection")
                return Reply.json({"issuer": server.url, **{f"{n}_endpoint": f"{server.url}/{n}" for n in names}})
            if seen.path == "/token":
                answer = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 600, "refresh_token": "rt-1"}
                return Reply.json(answer, Connection="close")
            return Reply.json({"active": True, "username": "ada"}, Connection="close")

        server.answer = answer
        yield server


def callback_of(url):
    return f"{parameter(url, 'redirect_uri')}?code=c-1&state={quote(parameter(url, 'state'))}"


@pytest.mark.parametrize("by", ["file", "file with endpoints", "options"])
def test_any_server(server, login, quick, tmp_path, by):
    """Any OAuth 2.0 server: by a TOML file or by options, by its issuer or by its endpoints."""
    config = tmp_path / "example.toml"
    endpoints = "\n".join(
        f'{n}_endpoint = "{server.url}/{n}"' for n in ("authorization", "token", "revocation", "introspection")
    )
    issuer = f'issuer = "{server.url}"'
    config.write_text(
        f"""
        client_id = "cli"
        client_secret_env = "EXAMPLE_SECRET"
        scope = "profile"
        user = "ada"
        {endpoints if by == "file with endpoints" else issuer}
        api_origins = ["https://api.example.com"]
        """
    )
    target = [str(config)]
    variables = {"EXAMPLE_SECRET": "s3cret-of-cli"}
    if by == "options":
        target = ["--issuer", server.url, "--client-id", "cli", "--scope", "profile", "--user", "ada"]
        variables = {"KRAUTH_CLIENT_SECRET": "s3cret-of-cli"}
    running = login(*target, "--no-browser", **variables)
    assert parameter(running.url, "scope") == "profile"
    assert running.visit(callback_of(running.url))[0] == 200
    assert "ada at http://127.0.0.1" in running.ended()
    assert "s3cret-of-cli" not in running.err
    assert "ada" in quick("whoami", *target, **variables).stdout
    assert "ada" in quick("introspect", *target, **variables).stdout
    assert "signed out ada" in quick("logout", *target, **variables).stdout
    revoked = [parse_qs(seen.body.decode())["token"] for seen in server.seen if seen.path == "/revocation"]
    assert revoked == [["rt-1"], ["at-1"]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('client_secret = "s3cret"', "must not be in a file"),
        ('api_key = "s3cret"', "must not be in a file"),
        ('clientid = "s3cret"', "the file sets clientid"),
        ("client_id = 7", "client_id in the file must be a str"),
        ("s3cret = ", "no TOML"),
        ('client_id = "x"', "the server is missing"),
        ('issuer = "https://login.example.com"', "client_id is missing"),
        ('client_id = "x"\nclient_secret_env = "NOT_SET"\nissuer = "https://a.example"', "NOT_SET is not set"),
        ('client_id = "x"\ntoken_endpoint = "http://login.example.com/t"', "must use https"),
    ],
)
def test_files_that_cannot_work(quick, tmp_path, text, says):
    """A file that can't work is refused with exit code 2, what is wrong, and nothing of a secret in it."""
    config = tmp_path / "bad.toml"
    config.write_text(text)
    refused = quick("login", str(config), "--no-browser", code=2)
    assert says in refused.stderr
    assert "s3cret" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "krauth login meloming"),
        (["melomimg"], "no file of that name"),
        (["meloming", "--store", "memory://"], "forgets the token"),
        (["meloming", "--issuer", "https://a.example"], "takes no issuer"),
        (["meloming", "--port", "1", "--redirect-uri", "http://127.0.0.1:1/"], "exclude each other"),
        (["meloming", "extra", "s3cret"], "options only"),
        (["meloming", "--client-secret", "s3cret"], "no secret"),
        (["meloming", "--store", "sqlite:////proc/none/tokens.db"], "token store"),
    ],
    ids=repr,
)
def test_misuse(quick, arguments, says):
    """What can't work is refused before the user is sent anywhere, and never repeats what may be a secret."""
    refused = quick("login", *arguments, "--no-browser", code=1 if "sqlite" in arguments[-1:].__repr__() else 2)
    assert says in refused.stderr
    assert "s3cret" not in refused.stderr


@pytest.mark.parametrize("name", ["MELOMING_CLIENT_ID"])
def test_client_missing(quick, name):
    """A client that is not configured is named by its variable."""
    assert name in quick("login", "meloming", "--no-browser", code=2, **{name: ""}).stderr


def test_store_password_is_not_shown():
    """The store that is printed shows neither user name nor password nor options."""
    from krauth_cli._client import Client

    client = Client("meloming", {"store": "redis://me:pa@ss@cache.example:6379/0?x=y"})
    assert client.shown_store == "redis://cache.example:6379/0"


def test_modules_are_small_to_import():
    """`krauth --help` imports neither HTTP library nor server."""
    code = (
        "import sys\nfrom krauth_cli._main import krauth\n"
        "print({'requests', 'httpx', 'aiohttp', 'http.server', 'krauth_cli._login'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout.strip() == "set()"
    assert Path(__file__).exists()
