"""Who may ask the sandbox: programs on this machine and its own pages, and no page of another site."""

import pytest
import requests

from krauth_sandbox import Sandbox
from krauth_sandbox._server.doors import is_home

CONTROL = {"X-Krauth-Sandbox": "1"}
NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
FOREIGN = {
    "DNS rebinding": {"Host": "evil.example"},
    "DNS rebinding, with a port": {"Host": "evil.example:{port}"},
    "a name that begins like ours": {"Host": "127.0.0.1.evil.example"},
    "a name that ends like ours": {"Host": "evillocalhost"},
    "user information": {"Host": "127.0.0.1@evil.example"},
    "no name": {"Host": ""},
    "brackets": {"Host": "["},
    "a page": {"Origin": "https://evil.example"},
    "a page that hides its origin": {"Origin": "null"},
    "an extension": {"Origin": "chrome-extension://abc"},
    "an image": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
}


@pytest.fixture(params=["naver", "meloming"])
def port(request, sandbox):
    url = sandbox.naver_url if request.param == "naver" else sandbox.meloming_url
    return int(url.split(":")[2].split("/")[0])


def emulator(sandbox, port):
    return sandbox.naver if f":{port}/" in sandbox.naver_url else sandbox.meloming


@pytest.mark.parametrize("path", ["/", "/_sandbox/state", "/_sandbox/reset", "/external/v1/echo", "/oauth/authorize"])
@pytest.mark.parametrize("why", FOREIGN)
def test_foreign_pages_get_nothing(sandbox, port, path, why):
    """Every path answers 403 or 421, does nothing, and keeps what it was asked in the record."""
    headers = {name: value.format(port=port) for name, value in FOREIGN[why].items()}
    emulator(sandbox, port).fail_api(503)
    for method in ("GET", "POST", "OPTIONS"):
        answer = requests.request(
            method, f"http://127.0.0.1:{port}{path}", headers={**CONTROL, **headers}, timeout=5, allow_redirects=False
        )
        assert answer.status_code in {403, 421}
        assert "Access-Control-Allow-Origin" not in answer.headers
    state = emulator(sandbox, port).state()
    assert state["api_requests"] == 0
    assert state["faults"] == {"api": [{"fault": 503, "times": 1}]}
    assert [record.status for record in emulator(sandbox, port).requests] == [answer.status_code] * 3
    assert emulator(sandbox, port).requests[0].wrong


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost"},
        {"Host": "app.localhost:8000"},
        {"Host": "[::1]:8000"},
        {"Host": "127.8.8.8"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "http://localhost:3000"},
        NAVIGATION,
    ],
)
def test_this_machine_is_answered(sandbox, port, headers):
    """Programs, pages of this machine, and links that a person follows from anywhere."""
    answer = requests.get(f"http://127.0.0.1:{port}/_sandbox/state", headers=headers, timeout=5)
    assert answer.status_code == 200


ACTIONS = ["revoke", "reissue", "renew", "fail", "drop", "clear", "delay", "clock", "advance", "switch", "reset"]


@pytest.mark.parametrize("action", ACTIONS)
def test_control_needs_its_header(sandbox, port, action):
    """Without a header that only a program can send, nothing is done and the answer says what is missing."""
    query = {"status": "503", "seconds": "1", "offset": "5", "speed": "7"}
    before = emulator(sandbox, port).state()
    answer = requests.post(f"http://127.0.0.1:{port}/_sandbox/{action}", params=query, timeout=5)
    assert answer.status_code == 403
    assert "X-Krauth-Sandbox" in answer.json()["error"]
    after = emulator(sandbox, port).state()
    assert {**after, "date": 0} == {**before, "date": 0}


def test_every_action_is_in_the_list_above():
    """No action is forgotten."""
    from krauth_sandbox._server.control import _ACTIONS

    assert sorted(_ACTIONS) == sorted(ACTIONS)


def test_no_preflight_is_answered(sandbox, port):
    """A page that asks whether it may send the header is not allowed to."""
    for path in ("/_sandbox/reset", "/external/v1/echo", "/v1/echo"):
        answer = requests.options(
            f"http://127.0.0.1:{port}{path}",
            headers={"Origin": "http://localhost:3000", "Access-Control-Request-Headers": "x-krauth-sandbox"},
            timeout=5,
        )
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_name_can_be_allowed():
    """`hosts`: more names for the sandbox."""
    with Sandbox(hosts=["sandbox.internal"]) as sandbox:
        for name, status in (("sandbox.internal:80", 200), ("other.internal", 421)):
            headers = {"Host": name}
            assert requests.get(sandbox.meloming_url + "/v1/echo", headers=headers, timeout=5).status_code == status
    assert not is_home("sandbox.internal")
