"""The whole flow in a real browser: consent page, loopback receiver and a web app, as people meet them."""

import os
import re
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest

from webapps import running_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE = 20


@pytest.fixture
def login(sandbox, tmp_path):
    """Start `krauth login`; return the process and the address that it prints."""
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", "from krauth_cli import main; main()", "login", "meloming", "--no-browser"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "KRAUTH_STORE": f"sqlite:///{tmp_path}/tokens.db",
                "MELOMING_BASE_URL": sandbox.meloming_url,
                "MELOMING_CLIENT_ID": sandbox.meloming_client_id,
                "MELOMING_CLIENT_SECRET": sandbox.meloming_client_secret,
                **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        for line in process.stderr:
            if found := re.match(r"^ +(http\S+)$", line):
                watchdog.cancel()
                return process, found[1]
        raise AssertionError("no address was printed")

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        process.stdout.close()
        process.stderr.close()


def decide(driver, username="melo", decision="allow"):
    """Fill in the consent page and press a button of it."""
    field = driver.find_element("name", "username")
    field.clear()
    field.send_keys(username)
    driver.find_element("css selector", f"button[name=decision][value={decision}]").click()


@pytest.mark.parametrize(("language", "words"), [("en", "Signed in"), ("ko", "로그인되었습니다")])
def test_krauth_login(launch, sandbox, login, language, words):
    """`krauth login`: the browser goes to the consent page and comes back to a page in the user's language."""
    driver = launch(language)
    process, url = login()
    driver.get(url)
    assert urlsplit(driver.current_url).netloc == urlsplit(sandbox.meloming_url).netloc
    decide(driver)
    assert driver.find_element("id", "done").text.startswith(words)
    assert process.wait(PATIENCE) == 0
    assert "me at meloming" in process.stdout.read()


def test_consent_without_javascript(launch, sandbox, login):
    """The consent page and the receiver's page work in a browser that runs no scripts."""
    driver = launch(javascript=False)
    driver.get("data:text/html,<title>off</title><script>document.title='on'</script>")
    assert driver.title == "off"
    process, url = login()
    driver.get(url)
    decide(driver)
    assert driver.find_element("id", "done")
    assert process.wait(PATIENCE) == 0


def test_user_says_no(browser, login):
    """The user presses the other button: the page and the terminal say so."""
    process, url = login()
    browser.get(url)
    decide(browser, decision="deny")
    assert "Not signed in" in browser.find_element("id", "failed").text
    assert process.wait(PATIENCE) == 1
    assert "access_denied" in process.stderr.read()


def test_foreign_host(browser, sandbox, login):
    """A page whose name was made to lead to loopback (DNS rebinding) gets nothing out of the receiver."""
    process, url = login()
    before = sandbox.meloming.token_requests
    callback = sandbox.meloming.approve(url)
    browser.get(callback.replace("127.0.0.1", "evil.example"))
    assert browser.find_element("id", "nothing")
    assert process.poll() is None
    assert sandbox.meloming.token_requests == before
    browser.get(callback)
    assert browser.find_element("id", "done")
    assert process.wait(PATIENCE) == 0


def test_two_tabs(browser, login):
    """Two sign-ins in two tabs at the same time each come back to their own process."""
    (one, first), (two, second) = login(), login()
    browser.get(first)
    tab = browser.current_window_handle
    browser.switch_to.new_window("tab")
    browser.get(second)
    decide(browser, "ming")
    assert browser.find_element("id", "done")
    assert two.wait(PATIENCE) == 0
    assert one.poll() is None
    browser.close()
    browser.switch_to.window(tab)
    decide(browser, "melo")
    assert browser.find_element("id", "done")
    assert one.wait(PATIENCE) == 0


def test_web_app(browser, sandbox, tmp_path):
    """An example app: sign in, see one's own name, go back, sign out, sign in as another."""
    with running_app("flask_app", sandbox, tmp_path) as app:
        for name in ("melo", "밍"):
            browser.get(app.url)
            browser.find_element("id", "login").click()
            decide(browser, name)
            assert browser.find_element("id", "name").text == name
            assert browser.current_url == f"{app.url}/"
            browser.refresh()
            assert browser.find_element("id", "name").text == name
            browser.find_element("id", "logout").click()
            assert browser.find_element("id", "login")
        browser.find_element("id", "login").click()
        decide(browser, decision="deny")
        assert "access_denied" in browser.find_element("id", "error").text
