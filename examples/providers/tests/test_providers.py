"""Each provider in each stack, against an emulator that knows only the vendor's document."""

import ast
import importlib
import json
import time
from pathlib import Path

import emulators
import pytest
from emulators import ACCESS_KEY, SECRET_KEY
from korean_apis import coupang, kakao, ncloud, searchad, upbit

from krauth import (
    AuthorizationRequired,
    ConfigurationError,
    InvalidClientError,
    MemoryStore,
    RateLimitError,
)
from krauth.testing import FakeClock
from loopback import Reply, Server
from stacks import STACKS

FOLDER = Path(__file__).parents[1] / "korean_apis"
MODULES = [path for path in sorted(FOLDER.glob("*.py")) if path.stem != "__init__"]
SIGN_IN = {"user": "u", "redirect_uri": "https://app.example.com/callback"}


def settings(server, **more):
    return {"base_url": server.url, "store": MemoryStore(), **more}


#: Name of the class → emulator, and arguments for a server.
MAKERS = {
    "CoupangAuth": (emulators.Coupang, lambda server: ((ACCESS_KEY, SECRET_KEY), {"base_url": server.url})),
    "NcloudAuth": (emulators.Ncloud, lambda server: ((ACCESS_KEY, SECRET_KEY), {"api_origins": server.url})),
    "SearchAdAuth": (emulators.SearchAd, lambda server: ((ACCESS_KEY, SECRET_KEY, 1234567), {"base_url": server.url})),
    "UpbitAuth": (emulators.Upbit, lambda server: ((ACCESS_KEY, SECRET_KEY), {"base_url": server.url})),
    "TossAuth": (emulators.Toss, lambda server: (("test_sk_canary-5ecret",), {"base_url": server.url})),
    "KISAuth": (emulators.KIS, lambda server: ((ACCESS_KEY, SECRET_KEY), settings(server))),
    "KiwoomAuth": (emulators.Kiwoom, lambda server: ((ACCESS_KEY, SECRET_KEY), settings(server))),
    "Cafe24Auth": (
        emulators.Cafe24,
        lambda server: (
            ("shop1", "app", "canary-5ecret"),
            settings(server, redirect_uri=SIGN_IN["redirect_uri"], scope="mall.read_product, mall.read_order"),
        ),
    ),
    "OAuth2Auth": (
        emulators.Kakao,
        lambda server: (
            ("app", "canary-5ecret"),
            {
                "token_endpoint": f"{server.url}/oauth/token",
                "authorization_endpoint": f"{server.url}/oauth/authorize",
                "api_origins": server.url,
                "store": MemoryStore(),
                **SIGN_IN,
            },
        ),
    ),
}
CALLS = [
    ("GET", "/v1/accounts"),
    ("GET", "/v1/accounts"),  # once more: what may be sent once, a nonce for example, is new
    ("GET", ""),
    ("GET", "/a%20b/%ED%95%9C?ids=1,2&q=%ED%95%9C%20%2F&states[]=wait&states[]=done"),
    ("POST", "/v1/orders"),
    ("DELETE", "/v1/order?uuid=1"),
]
SIGNING = ("CoupangAuth", "NcloudAuth", "SearchAdAuth")
TOKENS = ("KISAuth", "KiwoomAuth", "Cafe24Auth", "OAuth2Auth")


#: The six clients; what a provider does does not depend on the event loop, so that one loop is enough.
CLIENTS = [stack for stack in STACKS if "trio" not in stack.name]
#: For what is decided without an HTTP library: the same code runs in all clients.
one_client = pytest.mark.parametrize("stack", CLIENTS[:1], ids=str)


@pytest.fixture(params=CLIENTS, ids=str)
def stack(request):
    return request.param


class Provider:
    """An auth object of one class and one stack, its emulator, and a client."""

    def __init__(self, stack, name, server):
        self.stack, self.server = stack, server
        emulator, arguments = MAKERS[name]
        self.emulator = server.answer = emulator(server)
        here = stack.package if name == "OAuth2Auth" else importlib.import_module(f"korean_apis.{stack.library_name}")
        given, named = arguments(server)
        self.auth = getattr(here, name)(*given, **named)
        if isinstance(self.emulator, emulators.Signed):
            request = self.auth.authorization_request()
            callback = f"{SIGN_IN['redirect_uri']}?code=the-code&state={request.state}"
            stack.method(self.auth, "authorize", callback, request)


def once_in_all_clients(first, *others):
    """Return pairs of client and class: `first` in every client, the others in one."""
    return [pytest.param(stack, first, id=f"{stack}-{first}") for stack in CLIENTS] + [
        pytest.param(CLIENTS[0], name, id=f"{CLIENTS[0]}-{name}") for name in others if name != first
    ]


@pytest.fixture
def make(stack):
    with Server() as server:
        yield lambda name: Provider(stack, name, server)


@pytest.fixture(params=MAKERS)
def provider(request, make):
    return make(request.param)


def code_lines(path):
    """Return how many lines hold code, docstrings, comments and blank lines apart."""
    tree = ast.parse(path.read_text())
    lines = {number for number, line in enumerate(path.read_text().splitlines(), 1) if line.split("#")[0].strip()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_page_of_public_names(path):
    """A provider is 80 lines at most, imports no name with an underscore, and rewrites no answer."""
    assert code_lines(path) <= 80
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", None) != "__future__":
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            assert not any(part.startswith("_") for name in names for part in name.split(".")), path
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            assert isinstance(node.value, ast.Name), path
            assert node.value.id == "self", path
        if isinstance(node, ast.FunctionDef):
            assert node.name not in ("judge", "process_token_response", "read_token"), path


def test_credited(provider):
    """The vendor's server takes every request: each method, any target, and a JSON body as it is sent."""
    body = {"market": "KRW-BTC", "side": "bid", "한": "글 &+%", "price": "100.0", "ids": ["1", "2"]}
    url = provider.server.url
    with provider.stack.client(provider.auth) as client:
        for method, target in CALLS:
            assert client.call(method, url + target).json()["said"] == "ok", (method, target)
        assert client.post(f"{url}/v1/orders", json=body).json()["said"] == "ok"
    assert json.loads(provider.server.seen[-1].body) == body


@pytest.mark.parametrize(("stack", "name"), once_in_all_clients("KISAuth", *MAKERS))
def test_redirects(make, name):
    """A redirect on the server is credited anew; one to another server takes nothing along."""
    provider = make(name)
    with Server() as foreign, provider.stack.client(provider.auth, follow=True) as client:
        foreign.answer = lambda seen: Reply.json({})
        assert client.get(f"{provider.server.url}/redirect?to=/ncc/adgroups").json()["said"] == "ok"
        client.get(f"{provider.server.url}/redirect?to={foreign.url}/x")
        client.get(f"{foreign.url}/y")
        assert len(foreign.seen) == 2
        for seen in foreign.seen:
            assert all(seen.header(name) is None for name in provider.emulator.names)
            assert "canary" not in seen.everything
            assert ACCESS_KEY not in seen.everything


@pytest.mark.parametrize(("stack", "name"), once_in_all_clients("KiwoomAuth", *MAKERS))
def test_denied(make, name):
    """A refusal that stands is handed back as it came, once."""
    provider = make(name)
    status, body = provider.emulator.denial
    with provider.stack.client(provider.auth) as client:
        client.get(f"{provider.server.url}/x")
        provider.server.seen.clear()
        provider.server.answer = lambda seen: Reply(status, {"Content-Type": "application/json"}, body)
        answer = client.get(f"{provider.server.url}/x")
    assert (answer.status, answer.content) == (status, body)
    assert len(provider.server.seen) == 1


@pytest.mark.parametrize(("stack", "name"), once_in_all_clients("CoupangAuth", *SIGNING))
@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_clocks(make, name, ahead):
    """A refusal that blames the clock is signed anew by the API's time, once; later requests are right at once."""
    provider = make(name)
    provider.emulator.ahead = ahead
    with provider.stack.client(provider.auth) as client:
        for _ in range(2):
            assert client.get(f"{provider.server.url}/x").json()["said"] == "ok"
    assert len(provider.server.seen) == 3


@pytest.mark.parametrize(("stack", "name"), once_in_all_clients("KiwoomAuth", "Cafe24Auth", "OAuth2Auth"))
def test_expired(make, name):
    """A token that the server takes no longer is refreshed, and the request repeated, once."""
    provider = make(name)
    with provider.stack.client(provider.auth) as client:
        assert client.get(f"{provider.server.url}/x").json()["said"] == "ok"
        provider.emulator.revoke()
        assert client.post(f"{provider.server.url}/x", json={"a": 1}).json()["said"] == "ok"
    assert len(provider.emulator.asked) == 2


@one_client
@pytest.mark.parametrize(
    ("name", "lifetime"), [("KISAuth", 86400), ("KiwoomAuth", 86400), ("Cafe24Auth", 7200), ("OAuth2Auth", 21599)]
)
def test_lifetimes(make, name, lifetime):
    """The end of a token is read as the document writes it, in Korean time where it names no zone."""
    provider = make(name)
    token = provider.stack.token(provider.auth)
    assert abs(token.expires_at - time.time() - lifetime) < 5


@one_client
@pytest.mark.parametrize("status", [500, 200])
def test_kis_asks_once_a_minute(make, status):
    """KIS gives one token a minute: a refusal within it is handed back; after it the token is refreshed."""
    with FakeClock() as clock:
        provider = make("KISAuth")
        provider.emulator.expired = (status, provider.emulator.expired[1])
        with provider.stack.client(provider.auth) as client:
            assert client.get(f"{provider.server.url}/x").json()["said"] == "ok"
            provider.emulator.revoke()
            clock.advance(10)
            assert client.get(f"{provider.server.url}/x").json()["msg_cd"] == "EGW00123"
            assert len(provider.emulator.asked) == 1
            clock.advance(51)
            assert client.get(f"{provider.server.url}/x").json()["said"] == "ok"
            assert len(provider.emulator.asked) == 2


@one_client
def test_kis_another_program_was_faster(make):
    """The answer of KIS to a second token request within a minute is a `RateLimitError` with its code."""
    provider = make("KISAuth")
    provider.emulator.closed_until = time.monotonic() + 3600
    with pytest.raises(RateLimitError, match="EGW00133"):
        provider.stack.token(provider.auth)


@one_client
def test_kis_header_fields_of_the_caller(make):
    """The caller's `tr_id` and `hashkey` are sent as they are given."""
    provider = make("KISAuth")
    with provider.stack.client(provider.auth) as client:
        client.post(f"{provider.server.url}/x", json={}, headers={"tr_id": "TTTC0802U", "hashkey": "abc"})
    seen = provider.server.seen[-1]
    assert (seen.header("tr_id"), seen.header("hashkey")) == ("TTTC0802U", "abc")


@one_client
@pytest.mark.parametrize(
    ("name", "error", "code"), [("KISAuth", InvalidClientError, "EGW00105"), ("KiwoomAuth", InvalidClientError, "8001")]
)
def test_wrong_secret(make, name, error, code):
    """A token request with a wrong secret is an error with the vendor's code, and without the secret."""
    provider = make(name)
    wrong = type(provider.auth)(ACCESS_KEY, "canary-wrong", base_url=provider.server.url, store=MemoryStore())
    with pytest.raises(error) as caught:
        provider.stack.token(wrong)
    assert caught.value.code == code
    assert "canary" not in str(caught.value)


@one_client
@pytest.mark.parametrize(
    "said",
    [
        {"return_code": 3, "return_msg": "인증에 실패했습니다[8050:지정단말기 인증에 실패했습니다]"},
        {
            "return_code": 2,
            "return_msg": "입력 값 오류입니다[8030:투자구분(실전/모의)이 달라서 Appkey를 사용할수가 없습니다]",
        },
        {"return_code": 3, "return_msg": "존재하지 않는 종목코드입니다"},
    ],
)
def test_kiwoom_refuses_for_another_reason(make, said):
    """Kiwoom's `return_code` 3 alone costs no token: the code within the sentence says whether the token is at fault."""
    provider = make("KiwoomAuth")
    with provider.stack.client(provider.auth) as client:
        assert client.get(f"{provider.server.url}/x").json()["said"] == "ok"
        provider.emulator.expired = (200, said)
        provider.emulator.good = "another"
        assert client.get(f"{provider.server.url}/x").json() == said
    assert len(provider.emulator.asked) == 1


@one_client
@pytest.mark.parametrize(
    "refusal", [(200, {"return_code": 8005, "return_msg": ""}), (500, {"return_code": 8103}), (401, {})]
)
def test_kiwoom_refuses_as_the_vendors_client_expects(make, refusal):
    """The codes that the vendor's own client looks for in `return_code`, and a bare 401, lead to one new token."""
    provider = make("KiwoomAuth")
    provider.emulator.expired = refusal
    with provider.stack.client(provider.auth) as client:
        for _ in range(2):
            assert client.get(f"{provider.server.url}/x").json()["said"] == "ok"
            provider.emulator.revoke()
    assert len(provider.emulator.asked) == 2


@one_client
def test_kis_goes_by_the_date(make, monkeypatch):
    """The end of a KIS token is the date in the answer, whatever `expires_in` says."""
    provider = make("KISAuth")
    issue = provider.emulator.issue

    def count_wrong(seen):
        reply = issue(seen)
        return Reply.json({**json.loads(reply.body), "expires_in": 7776000})

    monkeypatch.setattr(provider.emulator, "issue", count_wrong)
    assert abs(provider.stack.token(provider.auth).expires_at - time.time() - 86400) < 5


@one_client
def test_cafe24_rotates(make):
    """Each refresh spends the refresh token of the one before; one that was spent is refused."""
    provider = make("Cafe24Auth")
    first = provider.stack.token(provider.auth)
    second = provider.stack.method(provider.auth, "refresh")
    third = provider.stack.method(provider.auth, "refresh")
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert third.refresh_token == provider.emulator.refresh_token
    assert abs(third.refresh_expires_at - time.time() - 14 * 86400) < 5
    assert third.scope == "mall.read_product mall.read_order"


@one_client
def test_cafe24_a_host_for_each_mall(stack):
    """A mall's token goes to its own host alone, and a mall's name can't name another host."""
    here = importlib.import_module(f"korean_apis.{stack.library_name}")
    auth = here.Cafe24Auth("shop1", "app", "canary-5ecret", redirect_uri="https://app.example.com/cb", scope="a, b")
    assert auth.base_url == "https://shop1.cafe24api.com"
    url = auth.authorization_request().url
    assert url.startswith("https://shop1.cafe24api.com/api/v2/oauth/authorize?")
    assert "scope=a%2Cb&" in url
    assert stack.method(auth, "headers", "GET", "https://shop2.cafe24api.com/x") == {}
    for wrong in ("evil.example/", "shop1.evil", "", "Shop", "shop1\n"):
        with pytest.raises(ConfigurationError, match="mall_id"):
            here.Cafe24Auth(wrong, "app", "canary-5ecret")


@one_client
def test_kakao_keeps_its_refresh_token(make):
    """A refresh without a new refresh token leaves the old one in force; once it is refused, the user is asked to sign in."""
    provider = make("OAuth2Auth")
    first = provider.stack.token(provider.auth)
    second = provider.stack.method(provider.auth, "refresh")
    assert second.refresh_token == first.refresh_token
    assert second.access_token != first.access_token
    provider.emulator.refresh_token = "another"
    provider.emulator.revoke()
    with provider.stack.client(provider.auth) as client, pytest.raises(AuthorizationRequired, match="refresh token"):
        client.get(f"{provider.server.url}/x")


@one_client
def test_kakao_settings(stack):
    """`kakao.SETTINGS` are arguments of `OAuth2Auth`, with a client secret and without."""
    for secret in ("canary-5ecret", None):
        auth = stack.OAuth2Auth("app", secret, **kakao.SETTINGS, **SIGN_IN)
        assert auth.base_url == "https://kapi.kakao.com"


def test_upbit_bodies(make):
    """Numbers are hashed as they are written; a form, and what has no documented way, is refused before it is sent."""
    assert upbit.parameters(b'{"a": 1.10, "b": true, "c": ["x", 1e3], "d": ""}') == "a=1.10&b=true&c[]=x&c[]=1e3&d="
    provider = make("UpbitAuth")
    with provider.stack.client(provider.auth) as client:
        for body in ({"form": {"a": "b"}}, {"json": {"a": None}}, {"json": {"a": {"b": "c"}}}, {"json": ["a"]}):
            with pytest.raises(ConfigurationError, match="Upbit"):
                client.post(f"{provider.server.url}/x", **body)
    assert provider.server.seen == []


@one_client
def test_toss_client_key(stack):
    """A client key in the place of the secret key is refused at once, and not shown."""
    here = importlib.import_module(f"korean_apis.{stack.library_name}")
    with pytest.raises(ConfigurationError, match="client key") as caught:
        here.TossAuth("test_ck_canary")
    assert "canary" not in str(caught.value)


def test_known_signatures():
    """Signatures that were computed by openssl come out."""
    # printf '1700000000000.GET./ncc/campaigns' | openssl dgst -sha256 -hmac 'AQAAAAB-secret-key==' -binary | base64
    signature = searchad.sign("AQAAAAB-secret-key==", "1700000000000", "GET", "/ncc/campaigns")
    assert signature == "9iIVczcaDzLqNlhYxPTeI/oY48ALzSnOx1Pkj7RTlxk="
    # printf 'GET /photos/puppy.jpg?query1=&query2\n1505290625682\nKEY' | openssl dgst -sha256 -hmac SECRET -binary | base64
    signature = ncloud.sign("SECRET", "KEY", "1505290625682", "GET", "/photos/puppy.jpg?query1=&query2")
    assert signature == "txvhGErqaT+jUiZwx5QFEBJn2mV+yh0S43+NV/KJbGs="
    # printf '180911T020304ZGET/v2/xa=1&b=2' | openssl dgst -sha256 -hmac SECRET
    signature = coupang.sign("SECRET", "180911T020304Z", "GET", "/v2/x", "a=1&b=2")
    assert signature == "e091777127d31d18724aff53c196d348cf82f41753e1d1ffe94233c547be1928"


@one_client
@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("CoupangAuth", ["COUPANG_ACCESS_KEY", "COUPANG_SECRET_KEY"]),
        ("NcloudAuth", ["NCLOUD_ACCESS_KEY", "NCLOUD_SECRET_KEY"]),
        ("SearchAdAuth", ["NAVER_SEARCHAD_API_KEY", "NAVER_SEARCHAD_SECRET_KEY", "NAVER_SEARCHAD_CUSTOMER_ID"]),
        ("UpbitAuth", ["UPBIT_ACCESS_KEY", "UPBIT_SECRET_KEY"]),
        ("TossAuth", ["TOSS_SECRET_KEY"]),
        ("KISAuth", ["KIS_APP_KEY", "KIS_APP_SECRET"]),
        ("KiwoomAuth", ["KIWOOM_APP_KEY", "KIWOOM_SECRET_KEY"]),
    ],
)
def test_from_env(stack, monkeypatch, name, variables):
    """`from_env` reads the documented variables, and says which is missing; what can't be right is refused at once."""
    cls = getattr(importlib.import_module(f"korean_apis.{stack.library_name}"), name)
    for variable in variables:
        with pytest.raises(ConfigurationError, match=variable):
            cls.from_env()
        monkeypatch.setenv(variable, "canary-5ecret" if "SECRET" in variable else "0100000000key")
    assert "canary" not in repr(cls.from_env())
    settings = "api_origins" if name == "NcloudAuth" else "base_url"
    with pytest.raises(ConfigurationError):
        cls.from_env(**{settings: "http://api.example.com"})
    monkeypatch.setenv(variables[-1 if name != "SearchAdAuth" else 1], "white space\n")
    with pytest.raises(ConfigurationError):
        cls.from_env()
