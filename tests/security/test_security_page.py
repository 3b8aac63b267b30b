"""docs/security.md states nothing that no test proves, and leaves out no section of RFC 9700."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
#: RFC 9700, §2 and §4; what a client has nothing to do with is on the page all the same.
SECTIONS = [
    "2.1",
    "2.1.1",
    "2.1.2",
    "2.2.1",
    "2.2.2",
    "2.3",
    "2.4",
    "2.5",
    "2.6",
    *(f"4.{number}" for number in range(1, 18)),
]


def rows():
    return [line for line in PAGE.splitlines() if line.startswith("| ") and not re.match(r"\| (door|item|---) ", line)]


def defined():
    return {
        f"{path.stem}::{node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_row_names_tests_that_exist():
    """Each row names the tests that prove it; one without says that krauth does not offer the thing, or is a client."""
    existing = defined()
    assert len(rows()) > 30
    for row in rows():
        assert row.count("|") == 4, row
        what, proof = row.split("|")[2:4]
        named = re.findall(r"`(test_\w+::test_\w+)`", proof)
        assert named or what.strip().startswith(("Does not offer", "Is a client", "Uses no")), row
        assert set(named) <= existing, f"no such test: {set(named) - existing}"


def test_no_section_is_missing():
    """Every section of RFC 9700 that has a recommendation has a row."""
    listed = re.findall(r"§(\d(?:\.\d+)+)", " ".join(row.split("|")[1] for row in rows()))
    for section in SECTIONS:
        assert any(one == section or one.startswith(f"{section}.") for one in listed), section


def test_the_policy_links_to_the_page():
    """SECURITY.md says how to report, what is in scope and what users must do, and leads to the page."""
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for part in ("How to report", "in scope", "What you must do yourselves", "docs/security.md", "namespace="):
        assert part in policy
