"""The project: what the source distribution holds, declared floors, workflows that call make targets."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_floors_are_those_of_pyproject():
    """constraints-floors.txt is what tools/floors.py prints."""
    done = subprocess.run([sys.executable, ROOT / "tools" / "floors.py"], capture_output=True, text=True, check=True)
    assert (ROOT / "constraints-floors.txt").read_text(encoding="utf-8") == done.stdout


def test_pins_fit_together():
    """Each version in constraints.txt is one that the other packages take, so that a fresh environment can be made."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in lines) if pin}
    for name in pins:
        try:
            wanted = [Requirement(text) for text in importlib.metadata.requires(name) or ()]
        except importlib.metadata.PackageNotFoundError:
            continue
        for other in wanted:
            pin = pins.get(canonicalize_name(other.name))
            if pin is not None and (other.marker is None or other.marker.evaluate({"extra": ""})):
                assert other.specifier.contains(pin, prereleases=True), f"{name} wants {other}, not {pin}"


@pytest.mark.slow
def test_the_source_distribution_is_whole(tmp_path):
    """It holds every tracked file, so that `make demo`, `test`, `lint` and `docs` work in it."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", tmp_path, ROOT],
        capture_output=True,
        check=True,
    )
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name for name in done.stdout.splitlines() if name not in names and not name.startswith(".")} == set()


def test_the_long_description_leads_somewhere(monkeypatch):
    """On an index no link is relative; each leads to a file of the repository at this version, and so do the Project-URLs."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    hatch_build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hatch_build)
    metadata = {"version": "0.1.0"}
    monkeypatch.setenv("KRAUTH_REPOSITORY_URL", "https://git.example/krauth/")
    hatch_build.CustomMetadataHook(str(ROOT), {}).update(metadata)
    links = [*re.findall(r"\]\(([^)\s]+)\)", metadata["readme"]["text"]), *metadata["urls"].values()]
    start = "https://git.example/krauth/blob/v0.1.0/"
    assert [link for link in links if not link.startswith("https://")] == []
    assert [link for link in links if link.startswith(start) and not (ROOT / link.removeprefix(start)).exists()] == []
    monkeypatch.delenv("KRAUTH_REPOSITORY_URL")
    metadata = {"version": "0.1.0"}
    hatch_build.CustomMetadataHook(str(ROOT), {}).update(metadata)
    assert metadata["readme"]["text"] == (ROOT / "README.md").read_text(encoding="utf-8")
    assert "urls" not in metadata


def test_change_fragments():
    """Each has a kind that there is, and sentences without a bullet: towncrier would put the file aside or print it odd."""
    kinds = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]["fragment"])
    for path in (ROOT / "changes").iterdir():
        if path.name != "README.md":
            assert re.fullmatch(rf"(\+[\w-]+|\d+)\.({'|'.join(kinds)})\.md", path.name), path.name
            assert re.fullmatch(r"(?![#*-] ).*[.)]\n", path.read_text(encoding="utf-8"), re.DOTALL), path.name


def test_workflows_call_targets_that_exist():
    """CI repeats what a maintainer types."""
    found = set()
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert "permissions:" in text
        found |= {word for line in re.findall(r"make (?:-C \S+ )?([a-z ]+)", text) for word in line.split()}
    assert {"floors", "docs", "wheel", "test", "demo", "lint", "fragment"} <= found & TARGETS
