"""The inspector over HTTP: what it shows, what it hides, what its buttons do, and who may press them."""

import ast
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import requests

import krauth_sandbox
from krauth_sandbox._ground.reply import wrong
from krauth_sandbox._ground.wrongs import WRONGS
from krauth_sandbox._inspector.words import SWITCHES, WORDS, Words

from .test_meloming import authorization_url, code, exchange, own_token
from .test_naver import call, token


class Page(HTMLParser):
    """The forms, the ids and the visible text of a page."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.buttons, self.ids, self.links = [], [], set(), {}
        self.words = []
        self._hidden = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        got = dict(attributes)
        self.ids.add(got.get("id"))
        self._hidden = tag in {"style", "script"}
        if tag == "form":
            self.forms.append({})
        elif tag == "input":
            self.forms[-1][got["name"]] = got.get("value", "")
        elif tag == "button":
            self.buttons.append((got["value"], self.forms[-1], got.get("aria-pressed")))
        elif tag == "a":
            self.links[got.get("id")] = got["href"]

    def handle_data(self, data):
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(params=["naver", "meloming"])
def root(request, sandbox):
    """Both ports serve the same page."""
    return sandbox.naver_url.removesuffix("external") if request.param == "naver" else sandbox.meloming_url + "/"


def look(root, **query):
    answer = requests.get(root, params=query, headers={"Accept-Language": "en"}, timeout=5)
    assert answer.status_code == 200
    return Page(answer.text)


def press(root, do, page=None, **fields):
    """Press the button that does this."""
    page = page or look(root)
    form = next((form for value, form, _ in page.buttons if value == do), None)
    if form is None:
        raise AssertionError(f"there is no button {do}")
    return requests.post(root, data={**form, "do": do, **fields}, timeout=5)


def secrets_of(sandbox):
    found = [sandbox.naver_client_secret, sandbox.meloming_client_secret]
    found += [sandbox.meloming_api_key, sandbox.meloming_test_api_key]
    for emulator in (sandbox.naver, sandbox.meloming):
        found += [one.value for one in emulator.tokens()]
    return found


def test_no_secret_is_shown_unless_asked(sandbox, root):
    """Tokens, secrets, keys, codes and signatures stay out of the page; asked for, they are there."""
    good = token(sandbox)
    call(sandbox, good)
    value = code(sandbox)
    exchange(sandbox, value)
    sent = [field for record in sandbox.naver.requests for name, field in parse_qsl(record.body.decode())]
    secret = [*secrets_of(sandbox), value, *(field for field in sent if len(field) > 40)]
    assert len(secret) > 8
    for query in ({}, {"lang": "ko"}, {"show": "x"}, {"show": ""}):
        text = requests.get(root, params=query, timeout=5).text
        assert not [one for one in secret if one in text]
    page = look(root)
    shown = requests.get(root.rstrip("/") + page.links["secrets"], timeout=5).text
    assert good in shown
    assert sandbox.meloming_client_secret in shown
    assert sandbox.naver_client_secret in shown
    assert value not in shown


def test_tokens_requests_and_what_was_wrong(sandbox, root):
    """Live tokens with the seconds left, and the last requests with a sentence for each."""
    good = token(sandbox, seller=sandbox.naver_account_id)
    own_token(sandbox)
    call(sandbox, "unknown", "/v1/seller/account?code=C4NARY")
    sandbox.naver.drop_api()
    with pytest.raises(requests.ConnectionError):
        call(sandbox, good)
    page = look(root)
    assert "SELLER krauth-seller-1" in page.text
    assert "02:59:5" in page.text
    assert "GET /external/v1/seller/account 401 The token was not issued here." in page.text
    assert "dropped Nothing: this fault was switched on here." in page.text
    assert "C4NARY" not in page.text
    korean = Page(requests.get(root, params={"lang": "ko"}, timeout=5).text)
    assert "여기에서 발급한 토큰이 아닙니다." in korean.text
    sandbox.revoke_all()
    assert "No token is good at the moment." in look(root).text


def test_hostile_names_are_text(sandbox, root):
    """Paths, user names, scopes and versions are escaped, and control characters are shown as such."""
    evil = "<img src=x onerror=alert(1)>"
    requests.get(sandbox.naver_url + f"/{evil}%1b%5b2J%e2%80%ae", headers={"Meloming-Version": evil}, timeout=5)
    sandbox.meloming.approve(authorization_url(sandbox, scope="<b>&"), username=evil)
    exchange(sandbox, code(sandbox, scope="<b>&"))
    text = requests.get(root, params={"show": "secrets", "lang": "<i>"}, timeout=5).text
    assert "<img" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;img" in text


def test_the_page_keeps_to_itself(root):
    """It is stored nowhere, framed by no page, loads nothing, and runs no script but its own."""
    answer = requests.get(root, timeout=5)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy)[1]
    assert answer.text.count(f'<script nonce="{nonce}"') == answer.text.count("<script") == 1
    assert answer.headers["Cache-Control"] == "no-store"
    assert "http" not in " ".join(re.findall(r'(?:src|href)="([^"]*)"', answer.text))
    assert requests.get(root, timeout=5).headers["Content-Security-Policy"] != policy


def test_looking_is_not_counted(sandbox, root):
    """Neither the page nor the icon that browsers ask for is a request of the API."""
    look(root)
    assert requests.get(root + "favicon.ico", timeout=5).status_code == 204
    assert (sandbox.naver.requests, sandbox.meloming.requests) == ([], [])
    assert (sandbox.naver.api_requests, sandbox.meloming.api_requests) == (0, 0)


def test_every_button_works(sandbox, root):
    """Each button of the page is taken, in both languages, whatever was pressed before."""
    for language in ("en", "ko"):
        page = look(root, lang=language)
        assert len(page.buttons) > 150
        for do, form, _ in page.buttons:
            if set(form) - {"token", "lang", "show"}:
                continue  # a field wants a value; tested below
            answer = requests.post(root, data={**form, "do": do}, timeout=5, allow_redirects=False)
            assert answer.status_code == 303, (do, Page(answer.text).text)
            anchor = answer.headers["Location"].partition("#")[2]
            assert anchor in page.ids, anchor
        sandbox.reset()


def test_every_field_works(sandbox, root):
    """Each number field takes a value, and refuses nonsense with a sentence and status 400."""
    page = look(root)
    fields = [
        (do, form, next(iter(set(form) - {"token", "lang", "show"}))) for do, form, _ in page.buttons if len(form) > 3
    ]
    assert len(fields) > 10
    for do, form, name in fields:
        value = "201" if name == "token_status" else "5"
        answer = requests.post(root, data={**form, "do": do, name: value}, timeout=5)
        assert answer.status_code == 200, do
        answer = requests.post(root, data={**form, "do": do, name: "1e300"}, timeout=5)
        assert (answer.status_code, "Not done:" in answer.text) == (400, True), do
    assert sandbox.naver.clock_offset == 5


def test_what_buttons_do(sandbox, root):
    """A fault, a switch, the clock, a revocation: seen at the emulator, and on the page."""
    good = token(sandbox)
    press(root, "naver/fail?where=api&times=always&code=GW.PROXY.03")
    assert call(sandbox, good).json()["code"] == "GW.PROXY.03"
    assert "Switched on: GW.PROXY.03 (API, always)" in look(root).text
    press(root, "naver/clear?")
    assert call(sandbox, good).status_code == 200
    page = look(root)
    assert ("naver/switch?ip_allowed=true", "true") in [(do, pressed) for do, _, pressed in page.buttons]
    press(root, "naver/switch?ip_allowed=false")
    assert ("naver/switch?ip_allowed=true", "false") in [(do, pressed) for do, _, pressed in look(root).buttons]
    assert sandbox.naver.ip_allowed is False
    press(root, "both/clock?offset=400")
    assert (sandbox.naver.clock_offset, sandbox.meloming.clock_offset) == (400, 400)
    press(root, "naver/advance?seconds=10800")
    assert sandbox.naver.tokens() == []
    press(root, "meloming/fail?where=token&code=Invalid+redirect_uri")
    answer = requests.post(sandbox.meloming_url + "/oauth/token", data={"x": "y"}, timeout=5)
    assert (answer.status_code, answer.json()) == (401, {"message": "Invalid redirect_uri"})
    old = sandbox.naver_client_secret
    press(root, "naver/reissue?")
    assert sandbox.naver_client_secret != old


def test_buttons_need_the_pages_token(sandbox, root):
    """A form that another page or an older sandbox made does nothing."""
    for forged in ({}, {"token": ""}, {"token": "x"}, {"token": "\ud55c"}):
        answer = requests.post(root, data={"do": "naver/switch?ip_allowed=false", **forged}, timeout=5)
        assert answer.status_code == 403
        assert "older than the sandbox" in answer.text
    assert sandbox.naver.ip_allowed is True
    good = look(root).buttons[0][1]["token"]
    for body, kind in ((f"token={good}&do=x", "text/plain"), ("token=%ff", None), (b"x" * 20_000, None)):
        headers = {"Content-Type": kind or "application/x-www-form-urlencoded"}
        assert requests.post(root, data=body, headers=headers, timeout=5).status_code == 400


@pytest.mark.parametrize(
    "do", ["", "x", "naver", "naver/", "naver/state?", "moon/reset?", "naver/switch?", "naver/switch?_lock=1", "/?"]
)
def test_unknown_actions(root, do):
    """400 and a page that says so."""
    answer = requests.post(root, data={"token": look(root).buttons[0][1]["token"], "do": do}, timeout=5)
    assert answer.status_code == 400
    assert Page(answer.text).text


@pytest.mark.parametrize(("accept", "asked", "language"), [("ko", "", "ko"), ("en", "", "en"), ("en", "ko", "ko")])
def test_language(root, accept, asked, language):
    """The browser's language, unless another is asked for; each page leads to the other."""
    answer = requests.get(root, params={"lang": asked}, headers={"Accept-Language": accept}, timeout=5)
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["Content-Language"] == language
    assert f"lang={'en' if language == 'ko' else 'ko'}" in Page(answer.text).links["language"]


# ---- the words -------------------------------------------------------------------------------------------

SOURCE = Path(krauth_sandbox.__file__).parent
#: A call → which of its arguments is the problem.
CALLS = {"wrong": 0, "OAuthError": 1, "FormError": 0}
#: Texts that a record never holds: a `problem` or "switched on here" takes their place.
NEVER = {"ordered by the sandbox", "client authentication failed", "the body is not a form"}


def texts():
    """Return every constant text of the source that may be a problem."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            index = 1 if (path.name, node.func.id) == ("doors.py", "_refuse") else CALLS.get(node.func.id)
            if index is not None and len(node.args) > index and isinstance(node.args[index], ast.Constant):
                found.add(node.args[index].value)
    return found


def test_every_wrong_has_korean_words():
    """None is missing, and none is left over."""
    assert texts() - NEVER == set(WRONGS)
    for english, korean in WRONGS.items():
        assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", korean)), english


def test_every_switch_has_words(sandbox):
    """None is missing, and none is left over."""
    emulators = (sandbox.naver, sandbox.meloming)
    assert {n for one in emulators for n, s in one.switches().items() if s.parse is not None} == set(SWITCHES)


def test_both_languages_fill_the_same_gaps():
    """Each phrase is there in both, with the same gaps."""
    for english, korean in WORDS.values():
        assert english
        assert korean
        assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", korean)), english


def test_values_of_a_wrong_are_no_templates():
    """Braces in a value are braces."""
    problem = wrong("Missing, repeated or impossible: {names}. Naver punishes this.", names="{x} {0}")
    assert "{x} {0}" in str(problem)
    assert "{x} {0}" in Words("ko").wrong(problem)
