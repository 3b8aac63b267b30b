"""The published figures: `test_site` holds the pages, plots and READMEs against the result file, these tests the file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from benchmarks import report  # noqa: E402

RESULT = json.loads(report.RESULT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", ["stampede", "latency", "scale"])
def test_no_call_of_ours_fails(part):
    """No published run has a caller of krauth that failed, or a second token request where one is enough."""
    rows = RESULT["parts"][part]["rows"]
    if part == "scale":
        assert {row["failed"] for row in rows} == {0}
        return
    mine = [row for row in rows if row["what"].startswith("krauth")]
    if part == "latency":
        assert {row["failed"] for row in mine} == {0}
    else:
        assert {tuple(one) for row in mine for one in row.values() if isinstance(one, list)} == {(1, 0)}


def test_the_readmes_quote_the_result_file():
    """A figure that changes in the file changes in what is made from it: both pages, both READMEs and the plots."""
    changed = json.loads(json.dumps(RESULT))
    changed["parts"]["scale"]["bytes"]["with_token"] = 98765 * 1024
    for row in changed["parts"]["cold_start"]["rows"]:
        row["instructions"] = {"count": 1, "ratio": 87.65}
    made = {path.relative_to(ROOT).as_posix(): text for path, text in report.pages(result=changed).items()}
    assert all(made[f"docs/deployment{suffix}.md"].count("87.65") == 6 for suffix in ("", ".ko"))
    quoting = {name for name, text in made.items() if "98765.0 KiB" in text}
    assert quoting >= {
        "README.md",
        "README.ko.md",
        "docs/benchmarks.md",
        "docs/benchmarks.ko.md",
        "docs/many-sellers.md",
    }


def test_what_costs_more_is_told():
    """A peer that is cheaper in instructions alone, or a seller's POST by hand, stands where krauth costs more."""
    changed = json.loads(json.dumps(RESULT))
    for row in changed["parts"]["cold_start"]["rows"]:
        row["instructions"] = {"ratio": 1.0 if row["what"] == "Authlib" else 2.0}
    (row,) = (row for row in changed["parts"]["scale"]["rows"] if row["way"] == "http")
    row |= {"floor": row["storm"]["cpu"] - 1e-9, "first": row["first"] | {"cpu": 0.0}}
    told = {
        (row["where"], row["ours"].partition(" (")[0][:12], row["other"][:7]) for row in report.slower(changed["parts"])
    }
    assert ("cold start, requests", "krauth reque", "Authlib") in told
    assert {one for one in told if "http, 1,000" in one[0]} == {("sellers, http, 1,000", "krauth, stor", "by hand")}


def test_a_run_without_valgrind_makes_pages():
    """Without instructions there are dashes in the table, and the page about deployment keeps its sentence."""
    changed = json.loads(json.dumps(RESULT))
    for row in changed["parts"]["cold_start"]["rows"]:
        row.pop("instructions", None)
    made = report.pages(changed)
    for suffix in ("", ".ko"):
        page = report.DOCS / f"deployment{suffix}.md"
        assert made[page] == page.read_text(encoding="utf-8")
    rows = [line for line in made[report.DOCS / "benchmarks.md"].splitlines() if line.startswith("| httpx | krauth")]
    assert [row.split(" | ")[4] for row in rows] == ["–", "–"]
