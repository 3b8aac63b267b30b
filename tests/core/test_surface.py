"""What the package shows, what importing it costs, and that the core works with no HTTP library at all."""

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import krauth

pytestmark = pytest.mark.process

HERE = Path(__file__)
SRC = Path(krauth.__file__).parent
LIBRARIES = ["requests", "httpx", "httpx2", "aiohttp"]
ADAPTERS = {f"krauth_{library}": library for library in LIBRARIES}

#: DESIGN.md §3, "Core" and "Errors".
CONTRACT = {
    "AuthorizationRequest",
    "AuthorizationRequired",
    "ConfigurationError",
    "HTTPRequest",
    "HTTPResponse",
    "InvalidTokenResponse",
    "KrauthError",
    "MemoryStore",
    "RefreshPolicy",
    "StateMismatch",
    "StoreConflict",
    "Token",
    "TokenEndpointError",
    "TokenState",
    "TokenStore",
    "TokenStoreError",
    "TokenTransportError",
    "hookimpl",
    "hookspec",
}


def python(code, *args, **env):
    """Run a program in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *args],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **env},
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def imported(statement, names):
    """Return which of the modules a statement brings in, in a fresh interpreter."""
    return json.loads(
        python(
            f"""
            import sys, json
            {statement}
            print(json.dumps([name for name in {list(names)!r} if name in sys.modules]))
            """
        )
    )


def test_all_is_sorted_and_complete():
    """`__all__` is sorted, holds no name twice, names only what is there, and holds the whole contract."""
    assert krauth.__all__ == sorted(set(krauth.__all__))
    for name in krauth.__all__:
        assert getattr(krauth, name) is not None
    assert set(krauth.__all__) >= CONTRACT


def test_nothing_public_is_left_out():
    """Every public name that the package brings into being is in `__all__`."""
    tree = ast.parse((SRC / "__init__.py").read_text(encoding="utf-8"))
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
        if not (alias.asname or alias.name).startswith("_")
    }
    assert names <= set(krauth.__all__)
    assert set(krauth.__all__) - names == {"__version__"}


def test_every_error_is_public():
    """Every error that krauth raises can be imported from `krauth`, and so be caught by name."""
    from krauth._values import exceptions as _exceptions

    errors = {
        name
        for name, value in vars(_exceptions).items()
        if isinstance(value, type) and value.__module__ == _exceptions.__name__
    }
    assert errors <= set(krauth.__all__)
    for name in errors:
        assert name in _exceptions.__doc__


def test_unknown_names():
    """A name that is not there is an AttributeError that says so, also for a lazily imported package."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        krauth.nonsense  # noqa: B018
    assert python("from krauth import *; print(hookimpl, TokenEvent, AuthorizationRequest, Token)")


def test_provider_modules():
    """The names that the contract gives to submodules are there."""
    import krauth.naver
    import krauth.testing

    assert callable(krauth.naver.sign)
    assert callable(krauth.testing.FakeClock)
    assert krauth.testing.TokenStoreContract
    assert krauth.testing.ProviderContract


def test_names_that_come_late_are_as_good_as_any():
    """What is imported when asked for is listed, is found as an attribute, and is then there for good."""
    code = "import krauth; print(*dir(krauth)); krauth.stores.MemoryStore; krauth.Token; print('Token' in vars(krauth))"
    listed, there = python(code).splitlines()
    assert {*krauth.__all__, "stores"} <= set(listed.split())
    assert there == "True"
    with pytest.raises(AttributeError, match="nothing"):
        _ = krauth.nothing


@pytest.mark.parametrize("package", ADAPTERS)
def test_adapters_show_the_same_names(package):
    """All adapters export the same names, sorted, among them those of the contract."""
    pytest.importorskip(ADAPTERS[package])
    code = f"import {package} as p; assert all(getattr(p, n) for n in p.__all__); print(*p.__all__)"
    names = python(code).split()
    assert names == sorted(names)
    assert set(names) >= {"MelomingAPIKey", "MelomingOAuth", "NaverAuth", "OAuth2Auth", "TokenTransport"}
    if package != "krauth_requests":
        assert names == python(code.replace(package, "krauth_requests")).split()


def test_packages_are_typed():
    """Every package says that it brings its types."""
    for package in sorted(SRC.parent.glob("krauth*")):
        if package.is_dir() and (package / "__init__.py").exists():
            assert (package / "py.typed").exists(), package


HEAVY = ["bcrypt", "pluggy", "sqlite3", "redis", "keyring", "cryptography", "importlib.metadata", "click", "rich"]


def test_import_krauth_is_light():
    """`import krauth` loads no HTTP library, no network module and nothing that is needed only later."""
    network = ["ssl", "socket", "http.client", "urllib.request", "asyncio"]
    others = [*ADAPTERS, "krauth_stores", "krauth_sandbox", "krauth_cli"]
    assert imported("import krauth", [*LIBRARIES, *HEAVY, *network, *others]) == []


def test_import_core_is_light():
    """The whole core loads no HTTP library, and nothing that is needed only later."""
    names = [*LIBRARIES, *HEAVY, *ADAPTERS, "trio", "http.client", "urllib.request", "krauth_stores", "krauth_sandbox"]
    assert imported("import krauth.naver, krauth.meloming, krauth.oauth2, krauth.testing", names) == []


@pytest.mark.parametrize("package", ADAPTERS)
def test_import_adapter_is_light(package):
    """An adapter loads its own library, no other adapter's, and nothing that is needed only later."""
    library = ADAPTERS[package]
    pytest.importorskip(library)
    alone = set(imported(f"import {library}", [*LIBRARIES, *HEAVY]))  # what the library itself brings is its affair
    brought = set(imported(f"import {package}", [*LIBRARIES, *HEAVY, *ADAPTERS, "krauth_stores", "krauth_sandbox"]))
    assert brought - alone == {package}
    assert not {"bcrypt", "pluggy", "click", "rich", "sqlite3"} & (brought - alone)


def test_core_does_no_io_of_its_own():
    """No module of the core opens a file or asks `urllib.request`, which the import contract can't see."""
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("open", "input", "print", "exec", "eval"), path
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                assert not name.startswith(("urllib.request", "http.", "socket", "ssl", "sqlite3")), path


def test_core_obtains_a_token_without_any_http_library():
    """With no HTTP library installed the core obtains a token through a callable, and uses it again."""
    code = f"""
    import sys
    {BLOCK}
    from krauth import HTTPResponse
    from krauth._auth.transport import Transport
    from krauth.naver import NaverAuthBase

    class NaverAuth(NaverAuthBase):
        transport_class = classmethod(lambda cls: Transport)

    sent = []

    def send(request):
        sent.append(request)
        return HTTPResponse(200, {{}}, b'{{"access_token": "t0ken", "expires_in": 10800, "token_type": "Bearer"}}')

    auth = NaverAuth("client", "$2a$04$abcdefghijklmnopqrstuu", token_transport=send)
    assert auth.token().access_token == auth.token().access_token == "t0ken"
    assert NaverAuth("client", "$2a$04$abcdefghijklmnopqrstuu", token_transport=send).token() is auth.token()
    assert len(sent) == 1, sent
    assert not [name for name in {LIBRARIES!r} if name in sys.modules]
    print(auth)
    """
    assert "fresh" in python(code)


#: A finder that makes every HTTP library look as if it were not installed.
BLOCK = f"""class Block:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in {[*LIBRARIES, "urllib3", "httpcore", "idna"]!r}:
                raise ModuleNotFoundError(name, name=name)
    sys.meta_path.insert(0, Block())"""


#: Each takes seconds, and imports what the others import.
MANY_ROWS = {HERE.name, "test_token_response.py", "test_settings.py", "test_docstrings.py", "test_sign.py"}


@pytest.mark.skipif("KRAUTH_BLOCKED" in os.environ, reason="this is the inner run")
def test_core_tests_run_without_any_http_library():
    """The tests of the core pass where no HTTP library is installed; those of many rows are left out."""
    code = f"""
    import sys
    {BLOCK}
    import pytest
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:randomly", *sys.argv[1:]]))
    """
    out = python(
        code,
        *(str(path) for path in sorted(HERE.parent.glob("test_*.py")) if path.name not in MANY_ROWS),
        "--rootdir",
        str(HERE.parent.parent.parent),
        KRAUTH_BLOCKED="1",
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",  # the plugin of another library may need an HTTP library
        HYPOTHESIS_NO_PLUGINS="1",
    )
    assert int(re.search(r"(\d+) passed", out)[1]) > 600
