"""docs/guarantees.md states nothing that no test of this suite proves."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


def rows():
    """Return the rows of all tables, without their headings."""
    return [
        line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| promise", "| what"))
    ]


def defined():
    """Return `module::function` for every test of the adapters."""
    return {
        f"{path.stem}::{node.name}"
        for folder in ("adapters", "conformance")
        for path in (ROOT / "tests" / folder).glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_row_names_a_test_that_exists():
    """Each row of the page ends in the tests that prove it, and all of them exist."""
    existing = defined()
    assert len(rows()) > 20
    for row in rows():
        named = re.findall(r"`(test_\w+::test_\w+)`", row.rsplit("|", 2)[1])
        assert named, f"no test proves: {row}"
        assert set(named) <= existing, f"no such test: {set(named) - existing}"


def test_the_tables_are_rectangular():
    """A row with a missing cell would promise nothing to one of the libraries."""
    widths = {row.count("|") for row in rows()}
    assert widths <= {4, 6}
