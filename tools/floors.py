"""Print the lower bounds of pyproject.toml as constraints: `name==lowest`, one a line.

    python tools/floors.py > constraints-floors.txt

`make floors` runs the tests with exactly these versions. A test holds the file to pyproject.toml.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def floors() -> dict[str, str]:
    """Return name → lowest version, of every dependency and extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    found = {}
    for line in [*project["dependencies"], *extras]:
        match = re.fullmatch(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)", line)
        if match is None:
            if not line.startswith("krauth["):
                raise SystemExit(f"pyproject.toml: {line!r} has no lower bound")
            continue
        if found.setdefault(match[1], match[2]) != match[2]:
            raise SystemExit(f"pyproject.toml: {match[1]} has two lower bounds")
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


if __name__ == "__main__":
    print("# Made by tools/floors.py from pyproject.toml; `make floors` runs the tests with these.")
    for name, version in floors().items():
        print(f"{name}=={version}")
