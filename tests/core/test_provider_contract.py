"""`ProviderContract`: the providers of krauth pass it, and each fault of a provider fails the test that is named for it."""

import hashlib
import hmac
import json

import pytest

from krauth import HTTPResponse
from krauth.provider import OriginAuth, Rule, hide, use_origins
from krauth.testing import ProviderContract

from .conftest import MelomingAPIKey, MelomingOAuth, NaverAuth, NoStack

SECRET = "canary-5ecret-of-a-provider"
TESTS = [name for name in dir(ProviderContract) if name.startswith("test_")]


class Signing(NoStack, OriginAuth):
    """A provider without a fault."""

    extra_names = ("X-Time", "X-Signature")
    errors = {(401, "TIME"): Rule("set the clock", clock=True)}  # noqa: RUF012

    def __init__(self):
        self._key = hide(SECRET)
        use_origins(self, "https://api.example.com")

    def extra_headers(self, method, url):
        at = str(int(self.server_time()))
        message = f"{at}.{method}.{url}".encode()
        return {"X-Time": at, "X-Signature": hmac.new(self._key.reveal().encode(), message, hashlib.sha256).hexdigest()}


class Contract(ProviderContract):
    url = "https://api.example.com/v1/orders"
    secrets = (SECRET,)
    signs = True
    expired = (401, b'{"code": "TIME"}')
    cls = Signing

    def make_auth(self):
        return self.cls()

    make_other = make_auth


class TestSigning(Contract):
    pass


class TestNaver(ProviderContract):
    url = "https://api.commerce.naver.com/external/v1/orders"
    secrets = ("$2a$04$abcdefghijklmnopqrstuv", "canary-token")
    expired = (401, b'{"code": "GW.AUTHN"}')
    denied = (403, b'{"code": "GW.IP_NOT_ALLOWED"}')
    issued = 0

    def issue(self, request):
        self.issued += 1
        answer = {"access_token": f"canary-token-{self.issued}", "token_type": "Bearer", "expires_in": 10800}
        return HTTPResponse(200, {}, json.dumps(answer).encode())

    def make_auth(self):
        return NaverAuth("aaaabbbbcccc", self.secrets[0], token_transport=self.issue)

    def make_other(self):
        return self.make_auth().for_account("seller")


class TestMeloming(TestNaver):
    url = "https://openapi.meloming.com/v1/channels"
    secrets = ("canary-meloming", "canary-token")
    expired = (401, b'{"code": "AUTHENTICATION_REQUIRED"}')
    denied = (401, b'{"code": "INVALID_API_KEY"}')

    def make_auth(self):
        return MelomingOAuth("app", self.secrets[0], token_transport=self.issue)

    def make_other(self):
        return MelomingOAuth("app", self.secrets[0], user="other", token_transport=self.issue)


class TestKey(ProviderContract):
    url = "https://openapi.meloming.com/v1/channels"
    secrets = ("mlm_live_canary-key-of-a-user",)

    def make_auth(self):
        return MelomingAPIKey(self.secrets[0])


class Undeclared(Signing):
    def extra_headers(self, method, url):
        return {**super().extra_headers(method, url), "X-Key": "abc"}


class Everywhere(Signing):
    def covers_url(self, url):
        return True


class Prefixed(Signing):
    def covers_url(self, url):
        return url.startswith("https://api.example.com")


class Frozen(Signing):
    extra_headers = lambda self, method, url: {"X-Time": "1", "X-Signature": "2"}  # noqa: E731


class Forgetful(Signing):
    errors = {}  # noqa: RUF012


class Endless(Signing):
    def refused(self, method, url, status, headers, body, sent):
        self.count = getattr(self, "count", 0) + 1
        return {"X-Time": str(self.count)} if status == 401 and self.covers_url(url) else None


class Eager(Signing):
    errors = {(403, None): Rule(clock=True), **Signing.errors}  # noqa: RUF012
    judged_statuses = frozenset({401, 403})


class Brittle(Signing):
    def judge(self, method, status, headers, body):
        json.loads(body)
        return super().judge(method, status, headers, body)


class Open(Signing):
    def __init__(self):
        super().__init__()
        self.key = SECRET


class Pickled(Signing):
    def __reduce__(self):
        return Pickled, ()


class Broken(Signing):
    def extra_headers(self, method, url):
        return {"X-Time": "1\r\nX-Evil: 2"}


class Sharing(MelomingOAuth):
    def __init__(self):
        super().__init__("app", SECRET)


FAULTS = {
    Sharing: "test_accounts_are_apart",
    Undeclared: "test_redirects",
    Everywhere: "test_other_origins",
    Prefixed: "test_other_origins",
    Frozen: "test_replay",
    Forgetful: "test_a_refusal_is_repeated_once",
    Endless: "test_a_refusal_is_repeated_once",
    Eager: "test_a_refusal_that_stands",
    Brittle: "test_any_answer_is_judged",
    Open: "test_nothing_shows_a_secret",
    Pickled: "test_nothing_shows_a_secret",
    Broken: "test_a_call_is_credited",
}


def run(cls, name):
    contract = type("Contract", (Contract,), {"cls": cls})()
    contract.setup_method()
    try:
        getattr(contract, name)()
    finally:
        contract.teardown_method()


@pytest.mark.parametrize("cls", FAULTS)
def test_faults(cls):
    """A provider with a fault fails the test of its kind."""
    with pytest.raises((AssertionError, ValueError)):
        run(cls, FAULTS[cls])


def test_each_test_finds_something():
    """No test of the contract passes whatever a provider does."""
    assert sorted(set(FAULTS.values())) == sorted(TESTS)


def test_rows_of_an_error_table_are_values():
    """Rules with equal fields are equal, and the repr of one shows the fields that are set."""
    row = Rule("slow down", pause=1.0, by_header=("Period", {"SECONDS": Rule(refresh=True)}))
    twin = Rule("slow down", pause=1.0, by_header=("Period", {"SECONDS": Rule(refresh=True)}))
    assert row == twin
    assert hash(row) == hash(twin)
    assert row not in (row.with_error(ValueError), Rule("slow down", pause=1.0), "slow down")
    assert row.with_error(ValueError).with_error(None) == row
    assert eval(repr(row)) == row
