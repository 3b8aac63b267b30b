"""The figures that the documents quote are those of the committed result file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
RESULT = json.loads((ROOT / "docs" / re.search(r"\((benchmarks/[\w-]+\.json)\)", PAGE)[1]).read_text(encoding="utf-8"))
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md")}


def figures(part):
    return RESULT["parts"][part]["data"]


def extra(kind):
    """Microseconds that a call of ours costs more than one with headers set by hand, of every stack."""
    found = figures("hot_path")[kind]
    hooked = "krauth, its response hook included"
    for subjects in found.values():
        mine = subjects.get(hooked, subjects["krauth"])
        yield (mine["seconds"]["median"] - subjects["static bearer"]["seconds"]["median"]) * 1e6


def quoted(text, pattern):
    return [float(number.replace(",", "")) for number in re.search(pattern, text, re.DOTALL).groups()]


@pytest.mark.parametrize("name", READMES)
def test_what_the_readme_says_of_speed(name):
    """Cost of a call, of an import, of an object: as measured, rounded up; with date, Python and machine."""
    (line,) = [line for line in READMES[name].split("\n- ") if re.search(r"docs/benchmarks[.\w]*md", line)]
    token, key, both = quoted(line, r"([\d.]+) µs.*?([\d.]+) µs.*?([\d.]+) µs")
    assert max(extra("token")) <= token <= max(extra("token")) + 0.3
    assert max(extra("API key")) <= key <= max(extra("API key")) + 1.5
    assert max(extra("token and API key")) <= both <= max(extra("token and API key")) + 1.5
    low, high = quoted(line, r"([\d.]+)[–~]([\d.]+) ms")
    imports = [one["seconds"]["median"] * 1e3 for name, one in figures("startup")["imports"].items() if imported(name)]
    assert low <= min(imports) + 0.5
    assert max(imports) <= high <= max(imports) + 1.0
    (kib,) = quoted(line, r"([\d.]+) KiB")
    assert abs(max(one["bytes_each_with_token"] for one in figures("scale") if one["count"] >= 1000) / 1024 - kib) < 0.1
    assert RESULT["machine"]["python"].split()[1] in line
    assert RESULT["parts"]["hot_path"]["at"][:10] in line
    assert RESULT["machine"]["cpu"] in line


def imported(name):
    return name.startswith("krauth_") and "," not in name


def test_the_page_says_what_the_file_says():
    """The page was made from this very file."""
    for part in RESULT["parts"].values():
        assert part["at"] in PAGE
        assert str(part["commit"]) in PAGE
    for stack, subjects in figures("hot_path")["token"].items():
        for what, one in subjects.items():
            assert f"| {stack} | {what} | {one['seconds']['median'] * 1e6:.2f} | {one['ratio']['median']:.2f}×" in PAGE
