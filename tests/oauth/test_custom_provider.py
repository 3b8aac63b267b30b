"""`examples/custom_provider`: a credential that signs each request, from public names only, on every stack."""

import ast
import base64
import hashlib
import hmac
import importlib
import sys
import time
from pathlib import Path

import pytest

import krauth.provider
from krauth import ConfigurationError
from loopback import Reply, Server
from stacks import STACKS

FOLDER = Path(__file__).parents[2] / "examples" / "custom_provider"
API_KEY, SECRET_KEY, CUSTOMER = "0100000000api-key", "AQAAAAB-secret-key==", "1234567"
FIELDS = ("X-Timestamp", "X-API-KEY", "X-Customer", "X-Signature")


def verify(seen):
    """What the server itself makes of a request: nothing of krauth's is used. Returns a problem, or `None`."""
    values = {name: seen.header(name) for name in FIELDS}
    if None in values.values():
        return "unsigned"
    if (values["X-API-KEY"], values["X-Customer"]) != (API_KEY, CUSTOMER):
        return "unknown"
    if abs(time.time() * 1000 - int(values["X-Timestamp"])) > 300_000:
        return "late"
    path = seen.target.split("?", 1)[0]
    message = values["X-Timestamp"] + "." + seen.method + "." + path
    expected = hmac.new(SECRET_KEY.encode(), message.encode("latin-1"), hashlib.sha256).digest()
    return None if base64.b64encode(expected).decode() == values["X-Signature"] else "forged"


@pytest.fixture
def server():
    with Server() as server:

        def answer(seen):
            if seen.path == "/redirect":
                _, _, to = seen.target.partition("?to=")
                return Reply(302, {"Location": to})
            problem = verify(seen)
            return Reply.json({"problem": problem}, 403 if problem else 200)

        server.answer = answer
        yield server


@pytest.fixture
def package(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("naver_searchad")
    for name in [name for name in sys.modules if name.partition(".")[0] == "naver_searchad"]:
        del sys.modules[name]


@pytest.fixture
def make(server, package):
    def make(stack, **settings):
        module = importlib.import_module(f"naver_searchad.{stack.library_name}")
        return module.SearchAdAuth(API_KEY, SECRET_KEY, CUSTOMER, **{"base_url": server.url, **settings})

    return make


@pytest.fixture(params=STACKS, ids=str)
def stack(request):
    return request.param


def test_only_public_names():
    """The example imports nothing with an underscore, and touches no attribute with one but its own."""
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module != "__future__":
                names = [node.module or "", *(alias.name for alias in node.names)]
                assert not any(part.startswith("_") for name in names for part in name.split(".")), path
            if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                assert isinstance(node.value, ast.Name), path
                assert node.value.id == "self", path


def test_provider_surface():
    """`krauth.provider` exports sorted names that exist, each with a docstring where it can have one."""
    names = krauth.provider.__all__
    assert names == sorted(names)
    for name in names:
        value = getattr(krauth.provider, name)
        assert name == "ErrorTable" or value.__doc__, name


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/ncc/campaigns"),
        ("GET", ""),
        ("GET", "/a%20b/%ED%95%9C?ids=1,2&q=%ED%95%9C%20%2F"),
        ("POST", "/ncc/campaigns"),
        ("DELETE", "/ncc/campaigns?ids=1"),
    ],
)
def test_signed(server, stack, make, method, target):
    """Every request carries a signature that a server which knows only the document accepts."""
    with stack.client(make(stack)) as client:
        assert client.call(method, server.url + target).json() == {"problem": None}


def test_signed_anew(server, stack, make):
    """Each sending is signed for itself: another path, another signature."""
    with stack.client(make(stack)) as client:
        for path in ("/a", "/b", "/a"):
            assert client.get(server.url + path).status == 200
    signatures = [seen.header("X-Signature") for seen in server.seen]
    assert signatures[0] != signatures[1]


def test_redirect_elsewhere(server, stack, make):
    """A redirect to another server takes neither key nor signature along."""
    with Server() as foreign:
        foreign.answer = lambda seen: Reply.json({})
        with stack.client(make(stack), follow=True) as client:
            client.get(f"{server.url}/redirect?to={foreign.url}/x")
        (seen,) = foreign.seen
        assert all(seen.header(name) is None for name in FIELDS)
        for secret in (API_KEY, SECRET_KEY, CUSTOMER):
            assert secret not in seen.everything


def test_redirect_on_the_server(server, stack, make):
    """A redirect on the same server is signed anew, for where it goes."""
    with stack.client(make(stack), follow=True) as client:
        answer = client.get(f"{server.url}/redirect?to=/ncc/adgroups")
    assert answer.json()["problem"] is None


def test_other_origins(server, stack, make):
    """A request to another server through the same client is not signed."""
    with Server() as foreign:
        foreign.answer = lambda seen: Reply.json({})
        with stack.client(make(stack)) as client:
            client.get(f"{foreign.url}/ncc/campaigns")
        assert all(foreign.seen[0].header(name) is None for name in FIELDS)


def test_refused(server, stack, make):
    """A refusal is handed back as it came, once: a new signature would not cure it."""
    server.answer = lambda seen: Reply.json({"code": 401, "message": "no"}, 401)
    with stack.client(make(stack)) as client:
        assert client.get(f"{server.url}/x").status == 401
    assert len(server.seen) == 1


def test_silent(server, stack, make):
    """No repr or error shows a key, and what can't be right is refused at once."""
    auth = make(stack)
    for secret in (API_KEY, SECRET_KEY):
        assert secret not in repr(auth)
    assert server.url in repr(auth)
    for settings in ({"base_url": "http://api.searchad.naver.com"}, {"base_url": "x"}):
        with pytest.raises(ConfigurationError):
            make(stack, **settings)
    with pytest.raises(ConfigurationError, match="secret_key"):
        type(auth)(API_KEY, "white space\n", CUSTOMER)


def test_from_env(package, make, monkeypatch):
    """`from_env` reads the documented variables, and says which is missing."""
    module = importlib.import_module("naver_searchad.requests")
    with pytest.raises(ConfigurationError, match="NAVER_SEARCHAD_API_KEY"):
        module.SearchAdAuth.from_env()
    for name, value in (("API_KEY", API_KEY), ("SECRET_KEY", SECRET_KEY), ("CUSTOMER_ID", CUSTOMER)):
        monkeypatch.setenv(f"NAVER_SEARCHAD_{name}", value)
    assert module.SearchAdAuth.from_env().extra_headers("GET", "https://api.searchad.naver.com/x")["X-Customer"]


def test_known_signature(package):
    """A signature computed by hand (openssl dgst -sha256 -hmac) comes out."""
    # printf '1700000000000.GET./ncc/campaigns' | openssl dgst -sha256 -hmac 'AQAAAAB-secret-key==' -binary | base64
    expected = "9iIVczcaDzLqNlhYxPTeI/oY48ALzSnOx1Pkj7RTlxk="
    assert package.sign(SECRET_KEY, "1700000000000", "GET", "/ncc/campaigns") == expected
