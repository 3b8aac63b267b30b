"""The web apps in `examples/`, as they are: sign-in, a call on behalf of the user, sign-out, and what goes wrong."""

import re
import sqlite3

import pytest
import requests

from webapps import APPS, EXAMPLES, running_app

from .conftest import changed, sent


@pytest.fixture(scope="module", params=APPS)
def app(request, running, tmp_path_factory):
    with running_app(request.param, running, tmp_path_factory.mktemp(request.param)) as app:
        app.name = request.param
        yield app


class Browser(requests.Session):
    """A person's browser: keeps cookies, follows redirects, can go through the consent page."""

    def __init__(self, app, sandbox):
        super().__init__()
        self.trust_env = False
        self.app, self.sandbox = app, sandbox

    def open(self, path="/"):
        return self.get(self.app.url + path, timeout=20)

    def begin(self):
        """Press the button, and return where it leads."""
        answer = self.post(f"{self.app.url}/login", allow_redirects=False, timeout=20)
        assert answer.status_code == 303
        return answer.headers["Location"]

    def sign_in(self, username):
        return self.get(self.sandbox.meloming.approve(self.begin(), username), timeout=20)

    def sign_out(self):
        return self.post(f"{self.app.url}/logout", timeout=20)


@pytest.fixture
def browser(app, sandbox):
    opened = []

    def make():
        opened.append(Browser(app, sandbox))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def entries(app):
    """How many tokens there are in the app's store."""
    with sqlite3.connect(app.store.removeprefix("sqlite:///")) as db:
        (count,) = db.execute("SELECT count(*) FROM krauth_tokens WHERE value LIKE '%access_token%'").fetchone()
    db.close()
    return count


def test_sign_in_and_out(app, sandbox, browser):
    """A user signs in, sees their own name, which only a call on their behalf can tell, and signs out."""
    visitor = browser()
    assert "Sign in with Meloming" in visitor.open().text
    page = visitor.sign_in("melo & <b>")
    assert page.url == f"{app.url}/"
    assert "<b id='name'>melo &amp; &lt;b&gt;</b>" in page.text
    assert "melo" in visitor.open().text
    assert "Sign in with Meloming" in visitor.sign_out().text
    assert [fields["token_type_hint"] for fields in sent(sandbox, "/oauth/revoke")] == ["refresh_token", "access_token"]


def test_users_are_apart(app, sandbox, browser):
    """Two users at the same time each see themselves; their tokens lie side by side in SQLite."""
    before = entries(app) if sandbox.meloming.token_requests else 0
    one, two = browser(), browser()
    one.sign_in("melo")
    two.sign_in("ming")
    assert "melo" in one.open().text
    assert "ming" in two.open().text
    assert entries(app) >= before + 2
    two.sign_out()
    assert "melo" in one.open().text


def test_one_token_for_many_requests(app, sandbox, browser):
    """An auth object per request costs no token request: the token is shared."""
    visitor = browser()
    visitor.sign_in("melo")
    before = sandbox.meloming.token_requests
    for _ in range(5):
        assert "melo" in visitor.open().text
    assert sandbox.meloming.token_requests == before


def test_refreshed_by_itself(app, sandbox, browser):
    """A token that the API refuses is refreshed without the user noticing."""
    visitor = browser()
    visitor.sign_in("melo")
    sandbox.meloming.revoke_access_tokens()
    assert "melo" in visitor.open().text
    assert sent(sandbox)[-1]["grant_type"] == "refresh_token"


def test_callback_of_another_user(app, sandbox, browser):
    """A user who is lured to another user's callback (login CSRF) is not signed in as that user."""
    attacker, victim = browser(), browser()
    callback = sandbox.meloming.approve(attacker.begin(), "attacker")
    for prepared in (False, True):
        if prepared:
            victim.begin()
        answer = victim.get(callback, timeout=20)
        assert answer.status_code == 400
        assert "start again" in answer.text
        assert "Sign in with Meloming" in victim.open().text
    assert sandbox.meloming.token_requests == 0


def test_callback_twice(app, sandbox, browser):
    """A callback that is opened again (back button) is refused, and the user stays signed in."""
    visitor = browser()
    callback = sandbox.meloming.approve(visitor.begin())
    visitor.get(callback, timeout=20)
    assert visitor.get(callback, timeout=20).status_code == 400
    assert "melo" in visitor.open().text
    assert sandbox.meloming.token_requests == 1


def test_two_tabs(app, sandbox, browser):
    """With two tabs the one begun last counts; the other one says to start again."""
    visitor = browser()
    first, second = visitor.begin(), visitor.begin()
    callbacks = [sandbox.meloming.approve(url, name) for url, name in ((first, "melo"), (second, "ming"))]
    assert "ming" in visitor.get(callbacks[1], timeout=20).text
    assert visitor.get(callbacks[0], timeout=20).status_code == 400
    assert "ming" in visitor.open().text


def test_user_says_no(app, sandbox, browser):
    """The user's no, and whatever else is wrong, is shown as text, and never as markup."""
    visitor = browser()
    answer = visitor.get(sandbox.meloming.approve(visitor.begin(), deny=True), timeout=20)
    assert answer.status_code == 400
    assert "access_denied" in answer.text
    callback = sandbox.meloming.approve(visitor.begin(), deny=True)
    answer = visitor.get(changed(callback, error_description="<script>alert(1)</script>"), timeout=20)
    assert "<script>" not in answer.text


def test_revoked_elsewhere(app, sandbox, browser):
    """A user whose token is over finds the button again, not an error."""
    visitor = browser()
    visitor.sign_in("melo")
    sandbox.revoke_all()
    assert "Sign in with Meloming" in visitor.open().text
    assert "ming" in visitor.sign_in("ming").text


def test_cookie(app, browser):
    """The session's cookie is out of reach of scripts and of other sites' posts."""
    answer = browser().post(f"{app.url}/login", allow_redirects=False, timeout=20)
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize("name", ["flask_app", "fastapi_app"])
def test_restart(name, sandbox, tmp_path, running):
    """Users stay signed in when the app is started anew: their tokens are in SQLite, their sessions in cookies."""
    with running_app(name, running, tmp_path) as app:
        visitor = Browser(app, sandbox)
        visitor.sign_in("melo")
        port = int(app.url.rpartition(":")[2])
    with running_app(name, running, tmp_path, port):
        assert "melo" in visitor.open().text
    visitor.close()
    assert sandbox.meloming.token_requests == 1


@pytest.mark.parametrize("name", APPS)
def test_worth_copying(name):
    """Each app is short, uses public names only, and holds no secret."""
    text = (EXAMPLES / name / "app.py").read_text()
    assert len(text.splitlines()) < 100
    assert not re.search(r"import.*\b_[a-z]", text)
    assert "krauth._" not in text
