"""`docs/vendors.md` and the tests that it names."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "vendors.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`(test_\w+)::(test_\w+)`", PAGE))


def names_in(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_that_the_table_names_exists():
    """A fact is proved by a test that is there."""
    files = {path.stem: path for path in (ROOT / "tests").rglob("test_*.py")}
    for file, test in NAMED:
        assert test in names_in(files[file]), f"{file}::{test}"


def test_every_fact_that_is_tested_is_in_the_table():
    """A fact that has a test is told to the reader."""
    told = {test for file, test in NAMED if file == "test_vendor_facts"}
    assert told == names_in(ROOT / "tests" / "core" / "test_vendor_facts.py")


def test_every_row_says_how_sure_it_is():
    """No fact stands in the table without its source and its test."""
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| fact")]
    assert len(rows) > 40
    for row in rows:
        assert re.fullmatch(r"[SDMR](, [SDMR])*", row[1]), row[0]
        assert "::" in row[3], row[0]
