"""The examples of the READMEs and of every page run as they stand, against the sandbox and its "paste this" block."""

from __future__ import annotations

import contextlib
import re
import shlex
from pathlib import Path

import pytest

from krauth_sandbox import Sandbox

ROOT = Path(__file__).parents[2]
READMES = ["README.md", "README.ko.md"]
PAGES = sorted(path.name for path in ROOT.glob("docs/*.md") if not path.name.endswith(".ko.md"))
#: The Korean pages hold the same code, which `test_site` sees to; the README of both languages is run.
DOCUMENTS = [*READMES, *(f"docs/{name}" for name in PAGES)]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def examples() -> list[object]:
    found = []
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{name}:{line}"))
    return found


def pasted(description: str) -> dict[str, str]:
    """What a shell makes of the lines that `krauth sandbox` says to paste."""
    words = (shlex.split(line, comments=True) for line in description.splitlines() if line.startswith("export "))
    return dict(word.split("=", 1) for line in words for word in line[1:])


@pytest.fixture
def plugins():
    """Plugins that an example registers are gone after it."""
    from krauth import _plugins

    manager = _plugins.plugins().manager
    before = set(manager.get_plugins())
    yield
    for plugin in set(manager.get_plugins()) - before:
        manager.unregister(plugin)


@pytest.mark.parametrize("code", examples())
def test_an_example_of_a_document_runs(code: str, tmp_path: Path, monkeypatch, plugins) -> None:
    """What a reader copies out of a document works without a change."""
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox, contextlib.ExitStack() as ending:
        for name, value in pasted(sandbox.describe()).items():
            monkeypatch.setenv(name, value)
        names: dict[str, object] = {"__name__": "example"}
        exec(compile(code, "example", "exec"), names)
        for name in ("client", "session", "proxied"):
            if hasattr(names.get(name), "close"):
                ending.callback(names[name].close)  # type: ignore[attr-defined]
        if "sign_in" in names and "callback" in names:
            sign_in_as_a_user_does(sandbox, names)


def sign_in_as_a_user_does(sandbox: Sandbox, names: dict[str, object]) -> None:
    session: dict[str, object] = {}
    url = names["sign_in"](session)  # type: ignore[operator]
    names["callback"](session, sandbox.meloming.approve(url))  # type: ignore[operator]
    assert session == {}
    assert names["auth"].token().access_token  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [*READMES, *(f"docs/{path.name}" for path in sorted(ROOT.glob("docs/*.md")))])
def test_links_lead_somewhere(name: str) -> None:
    """No link within the project is dead."""
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)\)", text) if not target.startswith("http")]
    folder = (ROOT / name).parent
    assert [target for target in targets if not (folder / target).exists()] == []


def test_the_readme_is_short() -> None:
    """It is the first impression, not the manual."""
    assert all(len((ROOT / name).read_text(encoding="utf-8").splitlines()) < 275 for name in READMES)
