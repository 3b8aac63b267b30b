"""Plugins: found by entry point, and every way in which one can be wrong."""

import importlib
import importlib.metadata
import re
import runpy
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

import krauth
from krauth import ConfigurationError
from krauth._plugins import Plugins
from krauth.hookspecs import hookimpl
from krauth_stores import _STORES
from krauth_stores._pyinstaller import hook_dirs

pytestmark = pytest.mark.process

GOOD = """
    import krauth
    @krauth.hookimpl
    def krauth_register_token_stores(register):
        register({scheme!r}, lambda url: krauth.MemoryStore())
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a plugin of one module, as pip would."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def install(name, source):
        names.append(name)
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[krauth]\n{name} = {name}\n")
        importlib.invalidate_caches()

    yield install
    for name in names:
        sys.modules.pop(name, None)


def test_ours_come_by_the_same_way():
    """Our stores are bound by our plugin, through the hook that all plugins use."""
    found = {scheme: plugin for scheme, (_, plugin) in Plugins().factories.items()}
    ours = dict.fromkeys(_STORES, "krauth_stores")
    assert found == {"memory": "krauth", **ours}


def test_a_program_that_is_packed(monkeypatch):
    """Our stores are there without the metadata of packages; a store of theirs that is broken is told as such."""
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **group: [])
    assert Plugins().open("sqlite:///unused.db").path.endswith("unused.db")
    monkeypatch.setitem(sys.modules, "krauth_stores", None)  # left out by the packer
    with pytest.raises(ConfigurationError, match="no installed plugin offers token stores under sqlite://"):
        Plugins().open("sqlite:///unused.db")


def test_a_plugin(install):
    """A plugin that is installed is found, and its store opened by URL."""
    install("krauth_vault", GOOD.format(scheme="vault"))
    plugins = Plugins()
    assert isinstance(plugins.open("vault://somewhere"), krauth.MemoryStore)
    assert plugins.factories["vault"][1] == "krauth_vault"


def test_an_unknown_scheme(install):
    """The message names every scheme there is, and shows no password."""
    install("krauth_vault", GOOD.format(scheme="vault"))
    says = (
        r"no installed plugin offers token stores under volt://; there are: "
        + re.escape(", ".join(f"{scheme}://" for scheme in sorted([*_STORES, "memory", "vault"])))
        + "$"
    )
    with pytest.raises(ConfigurationError, match=says):
        Plugins().open("volt://user:s3cr3t@host")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def (", "SyntaxError"),
        ("raise SystemError('boom')", "SystemError: boom"),
        (
            "import krauth\n@krauth.hookimpl\ndef krauth_register_token_store(register): ...",
            "unknown hook 'krauth_register_token_store'",
        ),
        (
            "import krauth\n@krauth.hookimpl\ndef krauth_register_token_stores(registry): ...",
            "hookimpl definition.*registry|Argument.*registry",
        ),
        (
            "import krauth\n@krauth.hookimpl\ndef krauth_register_token_stores(register): register('vault')",
            "TypeError",
        ),
    ],
    ids=["import", "syntax", "raises", "misspelt hook", "misspelt argument", "fails when asked"],
)
def test_a_broken_plugin(source, says, install):
    """It breaks no other store; who wants its scheme is told the plugin's name, and what is wrong with it."""
    install("krauth_broken", source)
    plugins = Plugins()
    assert isinstance(plugins.open("memory://"), krauth.MemoryStore)
    assert plugins.open("sqlite:///unused.db").path.endswith("unused.db")
    with pytest.raises(ConfigurationError) as caught:
        plugins.open("vault://x")
    message = str(caught.value)
    assert re.search(rf"plugin 'krauth_broken' could not be loaded \(.*({says})", message, re.DOTALL)
    assert "sqlite://" in message


def test_two_plugins_claim_one_scheme(install):
    """Neither is chosen by chance: the message names both; other schemes work."""
    install("krauth_vault_one", GOOD.format(scheme="vault"))
    install("krauth_vault_two", GOOD.format(scheme="VAULT://"))
    plugins = Plugins()
    says = "more than one plugin offers token stores under vault://: krauth_vault_one, krauth_vault_two"
    with pytest.raises(ConfigurationError, match=says):
        plugins.open("vault://x")
    plugins.open("memory://")


def test_a_plugin_claims_one_of_our_schemes(install):
    """Another plugin's `sqlite://` does not quietly take the place of ours."""
    install("krauth_zz", GOOD.format(scheme="sqlite"))
    with pytest.raises(ConfigurationError, match="sqlite://: krauth_stores, krauth_zz"):
        Plugins().open("sqlite:///tokens.db")


def test_a_factory_that_returns_something_else(install):
    """The message names the plugin."""
    install("krauth_odd", GOOD.format(scheme="odd").replace("krauth.MemoryStore()", "{}"))
    with pytest.raises(ConfigurationError, match="plugin 'krauth_odd' opened odd:// with a dict"):
        Plugins().open("odd://")


def test_registered_by_hand():
    """A program registers a plugin of its own without being installed."""

    class Mine:
        @hookimpl
        def krauth_register_token_stores(self, register):
            register("mine", lambda url: krauth.MemoryStore())

    plugins = Plugins()
    plugins.register(Mine(), "mine")
    assert plugins.open("mine://")


@pytest.mark.parametrize(
    ("scheme", "library", "extra"),
    [
        ("redis", "redis", "redis"),
        ("rediss", "redis", "redis"),
        ("unix", "redis", "redis"),
        ("redis+cluster", "redis", "redis"),
        ("rediss+sentinel", "redis", "redis"),
        ("keyring", "keyring", "keyring"),
        ("encrypted+memory", "cryptography", "encryption"),
    ],
)
def test_a_missing_library(scheme, library, extra):
    """The message names the extra that installs it; other programs do not need it."""
    script = f"""
        import sys
        from krauth._plugins import open_store
        open_store("sqlite:///unused.db")
        assert not {{"redis", "keyring", "cryptography"}} & sys.modules.keys(), "imported although no program asked"
        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == {library!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        sys.meta_path.insert(0, Missing())
        try:
            open_store("{scheme}://x")
        except Exception as error:
            print(type(error).__name__, error)
    """
    run = [sys.executable, "-c", textwrap.dedent(script)]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert said.startswith("ConfigurationError")
    assert f"pip install 'krauth[{extra}]'" in said
    assert f"package '{library}'" in said


def test_the_hook_of_pyinstaller(monkeypatch):
    """It names every module that a store of ours is in, and takes the metadata along."""
    hooks = types.ModuleType("PyInstaller.utils.hooks")
    hooks.copy_metadata = lambda name: [(f"{name}.dist-info", ".")]
    for name in ("PyInstaller", "PyInstaller.utils"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", hooks)
    (folder,) = hook_dirs()
    found = runpy.run_path(str(Path(folder) / "hook-krauth.py"))
    modules = {f"krauth_stores.{path.stem}" for path in Path(folder).parent.glob("[a-z]*.py")}
    tools = {"krauth_stores.repair", "krauth_stores.salvage"}
    assert set(found["hiddenimports"]) == {"krauth_stores", *modules - tools}
    assert found["datas"] == [("krauth.dist-info", ".")]
