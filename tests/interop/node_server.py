"""`oidc-provider` on Node, installed by `npm ci` into a cache folder; a process of its own for the time of a block."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

SOURCE = Path(__file__).parent / "node"
PATIENCE = 120.0


def installed():
    """Return a folder with the server and what it needs; skip the test where that can't be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("no Node here (node and npm)")
    files = [SOURCE / name for name in ("package.json", "package-lock.json", "server.mjs")]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]
    cache = Path(os.environ.get("KRAUTH_TEST_CACHE") or Path(tempfile.gettempdir()) / f"krauth-tests-{os.getuid()}")
    folder = cache / f"node-{digest}"
    if not folder.exists():
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as fresh:
            for path in files:
                shutil.copy(path, fresh)
            done = subprocess.run(
                [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
                cwd=fresh,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            if done.returncode != 0:
                pytest.skip(f"npm could not install oidc-provider: {done.stderr[-300:]}")
            try:
                Path(fresh).rename(folder)
            except OSError:  # another run was faster
                assert folder.exists()
            Path(fresh).mkdir(exist_ok=True)  # for the clean-up
    return node, folder


class NodeServer:
    """The server; `approve` goes through its pages as a user would."""

    def __init__(self, client_id, client_secret, redirect_uris):
        self._client = {"client_id": client_id, "client_secret": client_secret, "redirect_uris": redirect_uris}

    def __enter__(self):
        node, folder = installed()
        self._process = subprocess.Popen(
            [node, "server.mjs"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "CLIENT": json.dumps(self._client)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in self._process.stdout:
            if line.startswith("issuer "):
                self.issuer = line.split()[1]
                return self
        self.__exit__()
        pytest.skip(f"this Node can't run oidc-provider (exit code {self._process.returncode})")

    def __exit__(self, *exc_info):
        self._process.stdin.close()  # it ends with its stdin
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()

    def forget(self, access_token):
        """Refuse an access token from now on, and leave its refresh token alone."""
        self._process.stdin.write(f"{access_token}\n")
        self._process.stdin.flush()
        assert "forgotten\n" in iter(self._process.stdout.readline, "")  # after whatever else it has to say

    def approve(self, url):
        with requests.Session() as person:
            person.trust_env = False
            answer = person.get(url, allow_redirects=False, timeout=10)
            for _ in range(20):
                if answer.is_redirect:
                    target = urljoin(answer.url, answer.headers["Location"])
                    if not target.startswith(self.issuer):
                        return target
                    answer = person.get(target, allow_redirects=False, timeout=10)
                else:
                    form = Form(answer.text)
                    assert form.action, answer.text
                    target = urljoin(answer.url, form.action)
                    answer = person.post(target, form.filled("melo"), allow_redirects=False, timeout=10)
        raise AssertionError("the pages lead nowhere")


class Form(HTMLParser):
    """The first form of a page."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = values.get("action")
        elif tag == "input" and values.get("name"):
            self.fields[values["name"]] = values.get("value")

    def filled(self, text):
        return {name: text if value is None else value for name, value in self.fields.items()}
