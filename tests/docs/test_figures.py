"""The figures that the READMEs quote are those of the committed result file; `test_site` holds the pages against it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from benchmarks import report  # noqa: E402

PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
RESULT = json.loads((ROOT / "docs" / re.search(r"\((benchmarks/[\w-]+\.json)\)", PAGE)[1]).read_text(encoding="utf-8"))
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md")}


def data(part):
    return RESULT["parts"][part]["data"]


def quoted(text, pattern):
    return [float(number.replace(",", "")) for number in re.search(pattern, text, re.DOTALL).groups()]


@pytest.mark.parametrize("name", READMES)
def test_the_readme_quotes_the_measured_figures(name):
    """The cost of a call, of an import and of a seller is as measured, rounded up, with date, Python and machine."""
    (line,) = [line for line in READMES[name].split("\n- ") if re.search(r"docs/benchmarks[.\w]*md", line)]
    line = " ".join(line.split())
    figures = quoted(line, r"([\d.]+) µs.*?([\d.]+) µs.*?([\d.]+) µs")
    for kind, figure in zip(("token", "API key", "token and API key"), figures, strict=True):
        most = max(report.extra(data("hot_path"), kind))
        assert most <= figure <= most + 0.6
    low, high = quoted(line, r"([\d.]+)[–~]([\d.]+) ms")
    imports = [one["median"] * 1e3 for one in data("cold_start")["imports"].values()]
    assert low <= min(imports) + 0.5
    assert max(imports) <= high <= max(imports) + 1.0
    (kib,) = quoted(line, r"([\d.]+) KiB")
    assert abs(data("scale")["bytes"]["with token"] / 1024 - kib) < 0.1
    assert RESULT["machine"]["python"].split()[1] in line
    assert RESULT["parts"]["hot_path"]["at"][:10] in line
    assert RESULT["machine"]["cpu"] in line


@pytest.mark.parametrize("part", RESULT["parts"])
def test_no_call_of_ours_fails(part):
    """No published run has a caller of krauth that failed, or a second token request where one is enough."""
    found = data(part)
    if part == "stampede":
        mine = [
            one for row in found if row["what"].startswith("krauth") for one in row.values() if isinstance(one, dict)
        ]
        assert {(one["token_requests"], one["failed"]) for one in mine} == {(1, 0)}
    elif part == "latency":
        mine = [one for name, each in found.items() if name.startswith("krauth") for one in each.values()]
        assert {one["failed"] for one in mine} == {0}
    elif part == "scale":
        assert {one["failed"] for one in found["rows"]} == {0}
