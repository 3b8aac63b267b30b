"""The inspector in a real browser: live with JavaScript, usable without, and closed to pages of other sites."""

import contextlib
import http.server
import threading
import time
from urllib.parse import urlsplit

import pytest
import requests
from selenium.common.exceptions import StaleElementReferenceException

PATIENCE = 20


@pytest.fixture(autouse=True)
def _fresh(sandbox):
    sandbox.reset()


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def driver(request, launch):
    return launch(javascript=request.param)


def root(sandbox):
    return sandbox.naver_url.removesuffix("external")


def until(condition):
    """Wait for the page to follow, and return what it said at last."""
    limit, found = time.monotonic() + PATIENCE, None
    while not found and time.monotonic() < limit:
        with contextlib.suppress(StaleElementReferenceException):  # the page replaced it in this moment
            found = condition()
        if not found:
            threading.Event().wait(0.05)
    assert found
    return found


def token(sandbox):
    form = {
        "grant_type": "client_credentials",
        "client_id": sandbox.meloming_client_id,
        "client_secret": sandbox.meloming_client_secret,
    }
    return requests.post(sandbox.meloming_url + "/oauth/token", data=form, timeout=5).json()["access_token"]


def text_of(driver, name):
    return driver.find_element("id", name).text


def press(driver, do):
    """Open what hides the button, and press it."""
    button = driver.find_element("css selector", f'button[name=do][value="{do}"]')
    driver.implicitly_wait(0)
    for details in button.find_elements("xpath", "ancestor::details[not(@open)]"):
        details.find_element("tag name", "summary").click()
    driver.implicitly_wait(PATIENCE)
    button.click()


def test_live(launch, sandbox):
    """Tokens, countdowns, requests and switches follow by themselves, and nothing is complained about."""
    driver = launch()
    driver.get_log("browser")
    driver.get(root(sandbox))
    assert "No token" in text_of(driver, "tokens")
    good = token(sandbox)
    until(lambda: sandbox.meloming_client_id in text_of(driver, "tokens"))
    first = driver.find_element("css selector", "#tokens time").text
    assert first.startswith(("00:59:5", "01:00:00"))
    until(lambda: driver.find_element("css selector", "#tokens time").text < first)
    requests.get(sandbox.meloming_url + "/v1/me", headers={"Authorization": "Bearer x"}, timeout=5)
    until(lambda: "The token was not issued here." in text_of(driver, "requests"))
    sandbox.advance(3_000)
    until(lambda: driver.find_element("css selector", "#tokens time").text.startswith("00:09:"))
    sandbox.meloming.fail_api(503, times=None)
    summary = driver.find_element("css selector", "#faults-meloming summary")
    summary.click()
    until(lambda: "503 (API, always)" in text_of(driver, "queued-meloming"))
    assert good not in driver.page_source
    assert not driver.find_element("css selector", ".noscript").is_displayed()
    assert driver.get_log("browser") == []


def test_an_outage_is_told(launch, sandbox):
    """When the sandbox stops the page says so, and goes on when it is back."""
    driver = launch()
    driver.get(root(sandbox))
    sandbox.stop()
    try:
        until(lambda: driver.find_element("id", "offline").is_displayed())
    finally:
        sandbox.start()
    until(lambda: not driver.find_element("id", "offline").is_displayed())
    driver.get_log("browser")


def test_buttons(driver, sandbox):
    """A fault, a switch, the clock and a field: pressed in the browser, they reach the emulator."""
    driver.get(root(sandbox))
    press(driver, "naver/fail?where=token&times=always&code=GW.TIMEOUT.01")
    until(lambda: sandbox.naver.state()["faults"])
    until(lambda: "GW.TIMEOUT.01 (Token endpoint, always)" in text_of(driver, "queued-naver"))
    press(driver, "naver/clear?")
    until(lambda: not sandbox.naver.state()["faults"])
    press(driver, "naver/switch?ip_allowed=false")
    until(lambda: not sandbox.naver.ip_allowed)
    pressed = 'button[value="naver/switch?ip_allowed=false"][aria-pressed=true]'
    until(lambda: driver.find_elements("css selector", pressed))
    press(driver, "both/clock?offset=400")
    until(lambda: sandbox.naver.clock_offset == sandbox.meloming.clock_offset == 400)
    until(lambda: "+400 s" in text_of(driver, "clock"))
    field = driver.find_element("css selector", "input[name=offset]")
    field.send_keys("-77\n")
    until(lambda: sandbox.naver.clock_offset == -77)
    until(lambda: text_of(driver, "notice") == "Done.")
    field = driver.find_element("css selector", "input[name=offset]")
    field.clear()
    field.send_keys("1e300\n")
    until(lambda: text_of(driver, "notice").startswith("Not done:"))
    assert sandbox.naver.clock_offset == -77


def test_without_javascript(launch, sandbox):
    """The page is whole, can be refreshed by a link, and shows a button's effect where it was pressed."""
    driver = launch(javascript=False)
    driver.get(root(sandbox))
    token(sandbox)
    driver.find_element("link text", "Refresh").click()
    assert sandbox.meloming_client_id in text_of(driver, "tokens")
    press(driver, "meloming/drop?where=api&processed=true")
    until(lambda: driver.current_url.endswith("#queued-meloming"))
    assert "drop (API, 1)" in text_of(driver, "queued-meloming")
    assert driver.find_element("id", "faults-meloming").get_attribute("open")
    driver.refresh()
    assert sandbox.meloming.state()["faults"]["api"] == [{"fault": "drop", "times": 1}]


def test_secrets_are_shown_when_asked(driver, sandbox):
    """A link shows them, the same link hides them again, and a pressed button keeps the choice."""
    good = token(sandbox)
    driver.get(root(sandbox))
    assert good not in driver.page_source
    assert sandbox.naver_client_secret not in driver.page_source
    driver.find_element("id", "secrets").click()
    until(lambda: good in text_of(driver, "tokens"))
    until(lambda: sandbox.naver_client_secret in text_of(driver, "credentials"))
    press(driver, "both/clock?offset=0")
    until(lambda: text_of(driver, "notice") == "Done.")
    until(lambda: good in text_of(driver, "tokens"))
    driver.find_element("id", "secrets").click()
    until(lambda: good not in driver.page_source)


def test_korean(launch, sandbox):
    """A Korean browser gets Korean, and English by a link; Korean words are not torn."""
    driver = launch("ko")
    requests.get(sandbox.naver_url + "/v1/echo", timeout=5)
    driver.get(root(sandbox))
    assert driver.find_element("tag name", "h1").text == "krauth 샌드박스"
    assert "Authorization 헤더가 없습니다." in text_of(driver, "requests")
    assert driver.find_element("tag name", "body").value_of_css_property("word-break") == "keep-all"
    driver.find_element("id", "language").click()
    until(lambda: driver.find_element("tag name", "h1").text == "krauth sandbox")
    assert "There is no Authorization header." in text_of(driver, "requests")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_mode(launch, sandbox, scheme):
    """Inspector and consent page follow what the system prefers."""
    driver = launch()
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        query = f"response_type=code&client_id={sandbox.meloming_client_id}&redirect_uri=http://127.0.0.1:1/"
        for url in (root(sandbox), f"{sandbox.meloming_url}/oauth/authorize?{query}"):
            driver.get(url)
            color = driver.find_element("tag name", "h1").value_of_css_property("color")
            light = int(color.split("(")[1].split(",")[0])
            assert (light > 200) == (scheme == "dark"), (url, color)
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# ---- pages of other sites --------------------------------------------------------------------------------

ATTACK = """<!doctype html><title>evil</title><body>
<iframe name=frame></iframe>
<script>
const root = new URLSearchParams(location.search).get('root');
const tries = [];
const attempt = promise => tries.push(promise.then(answer => answer.text(), () => ''));
for (const mode of ['no-cors', 'cors']) {
  attempt(fetch(root + '_sandbox/reset', {method: 'POST', mode}));
  attempt(fetch(root + '_sandbox/state', {mode}));
  attempt(fetch(root + '_sandbox/credentials', {mode}));
  attempt(fetch(root, {mode}));
  attempt(fetch(root + 'external/v1/echo', {mode}));
}
attempt(fetch(root + '_sandbox/reset', {method: 'POST', headers: {'X-Krauth-Sandbox': '1'}}));
const image = new Image();
tries.push(new Promise(done => { image.onload = image.onerror = () => done(''); }));
image.src = root + 'external/v1/echo';
const form = document.createElement('form');
form.method = 'post'; form.action = root; form.target = 'frame';
form.innerHTML = '<input name=do value="naver/switch?ip_allowed=false"><input name=token value=x>';
document.body.append(form); form.submit();
Promise.all(tries).then(texts => {
  const result = document.createElement('pre');
  result.id = 'result'; result.textContent = JSON.stringify(texts); document.body.append(result);
});
</script>"""


class Evil(http.server.BaseHTTPRequestHandler):
    """A web site that attacks the sandbox of its visitors."""

    def do_GET(self):
        page = ATTACK.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *arguments):
        pass


def test_pages_of_other_sites(launch, sandbox):
    """Fetches, forms, images and preflights of a foreign page change nothing, count nothing and read nothing."""
    driver = launch()
    sandbox.naver.clock_offset = 77
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        driver.get(f"http://evil.example:{server.server_port}/?root={root(sandbox)}")
        result = driver.find_element("id", "result").text
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert set(result) <= set('[]",')
    assert len(sandbox.naver.requests) >= 5
    assert {record.status for record in sandbox.naver.requests} <= {403, 421}
    assert (sandbox.naver.clock_offset, sandbox.naver.ip_allowed, sandbox.naver.api_requests) == (77, True, 0)
    driver.get_log("browser")


def test_a_name_that_leads_here(launch, sandbox):
    """DNS rebinding: under a foreign name, neither the page nor the state is to be had."""
    driver = launch()
    port = urlsplit(sandbox.naver_url).port
    for path in ("", "_sandbox/state", "external/v1/echo"):
        driver.get(f"http://evil.example:{port}/{path}")
        assert "names another server" in driver.page_source
        assert "token_requests" not in driver.page_source
    driver.get_log("browser")
