"""Runs all tests in two processes beside each other: `tools/test.py RUNNER…`, for example `python -m pytest -q`.

Ends with one line that counts both. What each printed is in build/tests-1.log and build/tests-2.log.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Those that start servers and other programs; all others are the second half.
FIRST = ["tests/oauth", "tests/interop", "tests/sandbox", "tests/stores", "tests/conformance"]
PROGRESS = re.compile(r"[.sxFE]+( +\[ *\d+%\])?")


def main() -> int:
    """Run both halves, print what they printed, and return the worse exit code."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    folders = sorted(path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/*/test_*.py"))
    second = [*dict.fromkeys(folder for folder in folders if folder not in FIRST), "examples/providers/tests"]
    logs = [build / "tests-1.log", build / "tests-2.log"]
    running = []
    for half, log in zip((FIRST, second), logs, strict=True):
        with log.open("w") as file:
            command = [*sys.argv[1:], *half]
            running.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT))  # noqa: S603
    codes = [process.wait() for process in running]
    counts = dict.fromkeys(("passed", "failed", "error", "skipped"), 0)
    for log in logs:
        lines = log.read_text(errors="replace").splitlines()
        print("\n".join(line for line in lines if not PROGRESS.fullmatch(line)))
        for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", lines[-1] if lines else ""):
            counts[word] += int(number)
    print(f"{counts['passed']} passed, {counts['failed'] + counts['error']} failed, {counts['skipped']} skipped")
    return max(map(abs, codes))


if __name__ == "__main__":
    sys.exit(main())
