"""Lifecycle, faults, records and the control path, which both emulators share."""

import gc
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests

import krauth_sandbox
from krauth_sandbox import RecordedRequest, Sandbox

pytest_plugins = ["pytester"]

HEADER = {"X-Krauth-Sandbox": "1"}


@pytest.fixture(params=["naver", "meloming"])
def provider(request, sandbox):
    """One emulator with its token URL, a token request and an API URL."""
    return Provider(sandbox, request.param)


class Provider:
    def __init__(self, sandbox, name):
        self.name = name
        self.sandbox = sandbox
        self.emulator = getattr(sandbox, name)
        self.origin = sandbox.naver_url.removesuffix("/external") if name == "naver" else sandbox.meloming_url
        base = sandbox.naver_url if name == "naver" else sandbox.meloming_url
        self.token_url = base + ("/v1/oauth2/token" if name == "naver" else "/oauth/token")
        self.api_url = base + "/v1/echo"

    def ask(self, **kwargs):
        return requests.post(self.token_url, data=self.form(), timeout=5, **kwargs)

    def form(self):
        if self.name == "meloming":
            return {
                "grant_type": "client_credentials",
                "client_id": self.sandbox.meloming_client_id,
                "client_secret": self.sandbox.meloming_client_secret,
            }
        import base64

        import bcrypt

        now = int(time.time() * 1000)
        password = f"{self.sandbox.naver_client_id}_{now}".encode()
        hashed = bcrypt.hashpw(password, self.sandbox.naver_client_secret.encode())
        return {
            "grant_type": "client_credentials",
            "client_id": self.sandbox.naver_client_id,
            "timestamp": now,
            "client_secret_sign": base64.b64encode(hashed).decode(),
            "type": "SELF",
        }

    def call(self, access_token, **kwargs):
        return requests.get(self.api_url, headers={"Authorization": f"Bearer {access_token}"}, timeout=5, **kwargs)

    def control(self, action, method="POST", **query):
        headers = {} if method == "GET" else HEADER
        url = f"{self.origin}/_sandbox/{action}"
        return requests.request(method, url, params=query, headers=headers, timeout=5)


def code_of(answer):
    body = answer.json()
    return body.get("code") or body.get("error")


# ---- faults ----------------------------------------------------------------------------------------------


def test_fail_token_counts_down(provider):
    """The next N token requests fail as ordered, the one after succeeds, and all are counted."""
    provider.emulator.fail_token(503, times=2, headers={"Retry-After": "7"})
    answers = [provider.ask() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert (provider.emulator.token_requests, provider.emulator.tokens_issued) == (3, 1)


def test_faults_queue_and_last_until_cleared(provider):
    """Faults come in the order they were made, times=None lasts until clear_faults, kinds are apart."""
    good = provider.ask().json()["access_token"]
    provider.emulator.fail_api(500)
    provider.emulator.fail_api(429, times=None)
    assert [provider.call(good).status_code for _ in range(4)] == [500, 429, 429, 429]
    assert provider.ask().status_code == 200
    provider.emulator.clear_faults()
    assert provider.call(good).status_code == 200


DEFAULTS = [
    ("naver", "api", 401, "GW.AUTHN"),
    ("naver", "api", 403, "GW.IP_NOT_ALLOWED"),
    ("naver", "api", 404, "GW.NOT_FOUND"),
    ("naver", "api", 429, "GW.RATE_LIMIT"),
    ("naver", "api", 500, "GW.INTERNAL_SERVER_ERROR"),
    ("naver", "api", 503, "GW.BLOCK.01"),
    ("naver", "token", 504, "GW.TIMEOUT.01"),
    ("naver", "token", 400, "BAD_REQUEST"),
    ("meloming", "api", 401, "AUTHENTICATION_REQUIRED"),
    ("meloming", "api", 403, "PERMISSION_DENIED"),
    ("meloming", "api", 429, "RATE_LIMIT_EXCEEDED"),
    ("meloming", "token", 400, "invalid_grant"),
    ("meloming", "token", 401, "invalid_client"),
    ("meloming", "token", 500, "server_error"),
]


@pytest.mark.parametrize(("name", "where", "status", "code"), DEFAULTS)
def test_default_bodies_are_the_documented_ones(sandbox, name, where, status, code):
    """A fault without a body answers as the provider's own table says."""
    provider = Provider(sandbox, name)
    getattr(provider.emulator, f"fail_{where}")(status)
    answer = provider.ask() if where == "token" else provider.call("x")
    assert (answer.status_code, code_of(answer)) == (status, code)
    if name == "naver":
        assert answer.headers["GNCP-GW-Trace-ID"]


@pytest.mark.parametrize(
    ("body", "text"),
    [("not json", "not json"), (b"\xff", "\xff"), ({"a": 1}, '{"a": 1}'), ([], "[]"), ("", "")],
)
def test_bodies_of_faults(provider, body, text):
    """Text and bytes as they are, the rest as JSON; a 200 may lie as well."""
    provider.emulator.fail_token(200, body=body)
    answer = provider.ask()
    assert (answer.status_code, answer.content.decode("latin-1")) == (200, text)


def test_dropped_connections(provider):
    """No answer at all; unprocessed nothing has happened, processed the token was issued."""
    for processed in (False, True):
        provider.emulator.drop_token(processed=processed)
        with pytest.raises(requests.ConnectionError):
            provider.ask()
        assert provider.emulator.tokens_issued == int(processed)
    assert provider.ask().status_code == 200
    provider.emulator.drop_api(times=1)
    with pytest.raises(requests.ConnectionError):
        provider.call("x")
    assert [record.status for record in provider.emulator.requests] == [0, 0, 200, 0]


def test_delays(provider):
    """token_delay and api_delay hold back their own kind only."""
    good = provider.ask().json()["access_token"]
    provider.emulator.token_delay = 0.3
    began = time.monotonic()
    assert provider.call(good).status_code == 200
    between = time.monotonic()
    provider.ask()
    ended = time.monotonic()
    assert between - began < 0.3 <= ended - between
    provider.emulator.token_delay, provider.emulator.api_delay = 0, 30
    with pytest.raises(requests.Timeout):
        requests.get(provider.api_url, headers={"Authorization": f"Bearer {good}"}, timeout=0.1)


# ---- records ---------------------------------------------------------------------------------------------


def test_records_hold_everything_and_print_no_secret(provider):
    """method, path, query, headers, body, status are there for a test; the repr has none of the secrets."""
    good = provider.ask().json()["access_token"]
    headers = {"Authorization": f"Bearer {good}", "X-API-Key": provider.sandbox.meloming_api_key}
    requests.get(provider.api_url + "?code=s3cret&x=1", headers=headers, timeout=5)
    asked, called = provider.emulator.requests
    assert (asked.method, asked.status, asked.provider) == ("POST", 200, provider.name)
    assert b"grant_type=client_credentials" in asked.body
    assert abs(asked.at - time.time()) < 5
    assert called.query["code"] == "s3cret"
    assert called.headers["authorization"] == f"Bearer {good}"
    shown = repr([asked, called])
    for secret in (good, "s3cret", provider.sandbox.meloming_api_key, asked.body.decode()):
        assert secret not in shown
    assert "Authorization" in shown
    with pytest.raises(AttributeError):
        asked.status = 1


def test_reprs_hide_credentials(sandbox):
    """Neither the sandbox nor an emulator prints a credential."""
    shown = repr(sandbox) + repr(sandbox.naver) + repr(sandbox.meloming) + str(sandbox.naver.tokens())
    Provider(sandbox, "naver").ask()
    shown += str(sandbox.naver._tokens.live()) + str(sandbox.naver.tokens())
    for secret in (sandbox.naver_client_secret, sandbox.meloming_client_secret, sandbox.meloming_api_key):
        assert secret not in shown
    assert sandbox.naver_client_secret not in repr(sandbox.meloming._clients)
    assert sandbox.meloming_client_secret not in repr(sandbox.meloming._clients)


# ---- control over HTTP -----------------------------------------------------------------------------------


def test_state(provider):
    """Counters, switches and faults as JSON; the control path itself is not counted."""
    provider.ask()
    provider.emulator.fail_api(503, times=2)
    state = provider.control("state", "GET").json()
    assert (state["provider"], state["token_requests"], state["tokens_issued"]) == (provider.name, 1, 1)
    assert state["faults"] == {"api": [{"fault": 503, "times": 2}]}
    assert len(provider.emulator.requests) == 1


def test_control_drives_every_switch(provider):
    """What test code does with methods, curl does with POST."""
    good = provider.ask().json()["access_token"]
    provider.control("fail", where="api", status="429", times="always", retry_after="3")
    assert provider.call(good).headers["Retry-After"] == "3"
    provider.control("clear")
    provider.control("revoke")
    assert provider.call(good).status_code == 401
    provider.control("drop", where="token")
    with pytest.raises(requests.ConnectionError):
        provider.ask()
    assert provider.control("clock", offset="3600").json()["clock_offset"] == 3600
    provider.control("delay", where="api", seconds="0.5")
    assert provider.emulator.api_delay == 0.5
    assert provider.control("switch", speed="60", enforce_rate_limit="on").json()["speed"] == 60
    assert provider.emulator.enforce_rate_limit is True
    assert provider.control("reset").json()["token_requests"] == 0
    good = provider.ask().json()["access_token"]
    assert provider.call(good).status_code == 200
    provider.control("advance", seconds="10801")
    assert provider.call(good).status_code == 401


def test_control_fail_takes_its_body(provider):
    """The body of the control request becomes the body of the failure."""
    requests.post(
        f"{provider.origin}/_sandbox/fail?where=token&status=418", json={"short": "stout"}, headers=HEADER, timeout=5
    )
    answer = provider.ask()
    assert (answer.status_code, answer.json()) == (418, {"short": "stout"})


@pytest.mark.parametrize(
    ("action", "query"),
    [
        ("fail", {}),
        ("fail", {"status": "abc"}),
        ("fail", {"status": "99"}),
        ("fail", {"status": "500", "where": "moon"}),
        ("fail", {"status": "500", "times": "0"}),
        ("clock", {"offset": "nan"}),
        ("clock", {"offset": "1e300"}),
        ("clock", {"offset": "-1e300"}),
        ("clock", {"offset": "1e12"}),
        ("clock", {"offset": "-2e9"}),
        ("clock", {"offset": "9" * 5000}),
        ("clock", {"ofset": "5"}),
        ("delay", {"seconds": "1e300"}),
        ("delay", {"seconds": "-1"}),
        ("fail", {"status": "500", "retry_after": "1\r\nX: y"}),
        ("fail", {"status": "500", "retry_after": "나중"}),
        ("fail", {"status": "9" * 5000}),
        ("fail", {"status": "500", "times": "9" * 5000}),
        ("fail", {"code": "GW.NONE"}),
        ("advance", {"seconds": "1e300"}),
        ("advance", {"seconds": "inf"}),
        ("switch", {"speed": "1e300"}),
        ("switch", {"speed": "1e-300"}),
        ("switch", {"lifetime": "0"}),
        ("switch", {"redirect_uris": "http://x/"}),
        ("advance", {"seconds": "-1"}),
        ("switch", {}),
        ("switch", {"revoke_all": "x"}),
        ("switch", {"speed": "0"}),
        ("revoke", {"what": "some"}),
    ],
)
def test_control_refuses_nonsense(provider, action, query):
    """400 with a reason, never a 500, and everything works as before."""
    answer = provider.control(action, **query)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert provider.control("state", "GET").status_code == 200
    assert provider.call(provider.ask().json()["access_token"]).status_code == 200


EXTREMES = [
    ("clock", {"offset": "250000000000"}),
    ("clock", {"offset": "-1600000000"}),
    ("advance", {"seconds": "3e9"}),
    ("switch", {"speed": "1000000"}),
    ("switch", {"speed": "0.000001"}),
    ("switch", {"lifetime": "1000000000"}),
    ("fail", {"where": "api", "status": "204"}),
    ("fail", {"where": "api", "status": "599", "retry_after": "-"}),
]


@pytest.mark.parametrize(("action", "query"), EXTREMES)
def test_the_outermost_values_still_make_answers(provider, action, query):
    """What control takes never makes an answer a 500."""
    assert provider.control(action, **query).status_code == 200
    provider.call("x")
    provider.ask()
    assert provider.control("state", "GET").status_code == 200
    assert 500 not in [record.status for record in provider.emulator.requests]


@pytest.mark.parametrize("value", [float("nan"), 1e300, -1e300, 10**400])
def test_code_can_not_set_an_impossible_clock(provider, value):
    """The attribute refuses what control refuses."""
    with pytest.raises(ValueError, match="between"):
        provider.emulator.clock_offset = value
    assert provider.ask().status_code == 200


def test_control_provider_switches(sandbox):
    """Each provider's own switches, values checked."""
    naver, meloming = Provider(sandbox, "naver"), Provider(sandbox, "meloming")
    assert naver.control("switch", ip_allowed="false", punish_malformed="yes").json()["ip_allowed"] is False
    assert meloming.control("switch", rotation="0", error_shape="nested").json()["error_shape"] == "nested"
    assert meloming.control("switch", error_shape="round").status_code == 400
    assert sandbox.meloming.rotation is False


def test_control_reissues_secrets(provider):
    """A program in any language gets the new secret, which is in no URL and in no state."""
    old = provider.form()
    assert provider.control("reissue").status_code == 200
    assert provider.control("credentials", "GET").status_code == 403
    names = {"naver": "NAVER_COMMERCE_CLIENT_SECRET", "meloming": "MELOMING_CLIENT_SECRET"}
    found = requests.get(f"{provider.origin}/_sandbox/credentials", headers=HEADER, timeout=5).json()
    assert found[names[provider.name]] == provider.emulator.client_secret
    assert requests.post(provider.token_url, data=old, timeout=5).status_code == (
        400 if provider.name == "naver" else 500
    )
    assert provider.ask().status_code == 200
    own = "$2a$04$abcdefghijklmnopqrstuu"
    requests.post(f"{provider.origin}/_sandbox/reissue", data=own, headers=HEADER, timeout=5)
    assert provider.emulator.client_secret == own
    assert own not in provider.control("state", "GET").text


def test_revoke_access_alone(sandbox):
    """what=access leaves refresh tokens: a 401 that a refresh ends."""
    meloming = Provider(sandbox, "meloming")
    good = meloming.ask().json()["access_token"]
    meloming.control("revoke", what="access")
    assert meloming.call(good).status_code == 401


# ---- lifecycle -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
def test_starts_and_stops_quickly_and_cleanly():
    """Two servers go up and down at once, with a request still hanging, and leave nothing behind."""
    before = {*threading.enumerate()}
    began = time.monotonic()
    with Sandbox() as sandbox:
        provider = Provider(sandbox, "naver")
        sandbox.naver.token_delay = 60
        entered = threading.Event()
        failures = []

        def hang():
            entered.set()
            with pytest.raises(requests.ConnectionError):
                provider.ask()
            failures.append(True)

        thread = threading.Thread(target=hang)
        thread.start()
        entered.wait()
        while sandbox.naver.token_requests == 0:
            time.sleep(0.001)
    thread.join()
    assert failures
    assert time.monotonic() - began < 2
    assert {*threading.enumerate()} <= before  # threads of earlier tests may have ended
    gc.collect()


def test_outage_and_return():
    """stop and start: the same ports, the same tokens."""
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="started"):
        _ = sandbox.naver_url
    sandbox.start()
    try:
        with pytest.raises(RuntimeError, match="already"):
            sandbox.start()
        provider = Provider(sandbox, "naver")
        good = provider.ask().json()["access_token"]
        sandbox.stop()
        sandbox.stop()
        with pytest.raises(requests.ConnectionError):
            provider.ask()
        sandbox.start()
        assert provider.call(good).status_code == 200
    finally:
        sandbox.stop()


def test_port_in_use():
    """A taken port is an OSError at start, and leaves nothing running."""
    before = {*threading.enumerate()}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            Sandbox(meloming_port=taken.getsockname()[1]).start()
    assert {*threading.enumerate()} <= before


def test_reset_restores_the_first_moment(sandbox):
    """Switches, faults, counters, records and tokens are gone."""
    naver = Provider(sandbox, "naver")
    good = naver.ask().json()["access_token"]
    sandbox.naver.ip_allowed = False
    sandbox.naver.fail_token(500, times=None)
    sandbox.meloming.rotation = False
    sandbox.speed = 9
    sandbox.reset()
    assert (sandbox.naver.token_requests, sandbox.naver.requests, sandbox.speed) == (0, [], 1.0)
    assert sandbox.meloming.rotation is True
    assert naver.call(good).status_code == 401
    assert naver.ask().status_code == 200


def test_a_request_from_before_a_reset_leaves_no_record(sandbox):
    """A slow request that arrived before a reset is answered after it, and is none of the requests since."""
    naver = Provider(sandbox, "naver")
    sandbox.naver.token_delay = 0.5
    thread = threading.Thread(target=naver.ask)
    thread.start()
    while sandbox.naver.token_requests == 0:
        time.sleep(0.001)
    sandbox.reset()
    thread.join()
    assert sandbox.naver.requests == []
    naver.ask()
    assert len(sandbox.naver.requests) == 1


def test_credentials_look_like_the_providers(sandbox):
    """A cost-4 bcrypt salt, prefixed API keys, loopback addresses."""
    assert sandbox.naver_client_secret.startswith("$2a$04$")
    assert len(sandbox.naver_client_secret) == 29
    assert sandbox.meloming_api_key.startswith("mlm_live_")
    assert sandbox.meloming_test_api_key.startswith("mlm_test_")
    assert sandbox.naver_url.startswith("http://127.0.0.1:")
    assert sandbox.naver_url.endswith("/external")


def test_describe_is_pasteable(sandbox):
    """A POSIX shell that reads the exports gets the credentials unharmed."""
    exports = "\n".join(line for line in sandbox.describe().splitlines() if line.startswith("export "))
    names = [
        "NAVER_COMMERCE_CLIENT_SECRET",
        "NAVER_COMMERCE_ACCOUNT_ID",
        "MELOMING_CLIENT_SECRET",
        "MELOMING_API_KEY",
    ]
    script = exports + "\nprintf '%s\\n' " + " ".join(f'"${name}"' for name in names)
    seen = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True).stdout.split("\n")
    assert seen[:4] == [
        sandbox.naver_client_secret,
        sandbox.naver_account_id,
        sandbox.meloming_client_secret,
        sandbox.meloming_api_key,
    ]
    for url in (sandbox.naver_url, sandbox.naver_partner_url, sandbox.meloming_url):
        assert url in sandbox.describe()


def test_public_names():
    """`__all__` is sorted and complete."""
    assert krauth_sandbox.__all__ == sorted(krauth_sandbox.__all__)
    assert all(hasattr(krauth_sandbox, name) for name in krauth_sandbox.__all__)
    assert RecordedRequest.__slots__


def test_sandbox_never_imports_the_client():
    """The two must be able to disagree: importing the sandbox loads nothing of krauth."""
    script = (
        "import sys, krauth_sandbox; "
        "print([m for m in sys.modules if m == 'krauth' or m.startswith(('krauth.', 'krauth_')) "
        "and not m.startswith('krauth_sandbox')])"
    )
    seen = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert seen.strip() == "[]"


def test_plugin_is_free_until_used():
    """Loading the pytest plugin loads neither aiohttp nor the sandbox's servers."""
    script = "import sys, krauth_sandbox.pytest_plugin; print('aiohttp' in sys.modules)"
    seen = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert seen.strip() == "False"


def test_fixture(pytester):
    """`krauth_sandbox` is there without any import, running, and new for every test."""
    pytester.makepyfile(
        """
        import urllib.request
        seen = set()
        def test_one(krauth_sandbox):
            assert krauth_sandbox.naver.api_requests == 0
            urllib.request.urlopen(krauth_sandbox.meloming_url + "/v1/echo").close()
            seen.add(id(krauth_sandbox)); assert krauth_sandbox.meloming.api_requests == 1
        def test_two(krauth_sandbox):
            assert krauth_sandbox.meloming.api_requests == 0
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--assert=plain")  # two threads: CPython #106905
    result.assert_outcomes(passed=2)
