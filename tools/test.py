"""Runs all tests in four processes beside each other: `tools/test.py RUNNER…`, for example `python -m pytest -q`.

Many tests wait for a deadline, so that four processes keep two cores busy. Ends with one line that counts all.
What each process printed is in build/tests-N.log.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: What each process runs; all that is not named here comes last. Each takes about the same time.
PARTS = [
    [
        "tests/conformance/test_faults.py",
        "tests/conformance/test_suspended.py",
        "tests/security",
        "tests/cli",
    ],
    ["tests/conformance", "tests/model", "tests/fleet"],
    ["tests/stores", "tests/oauth", "tests/interop", "tests/docs", "tests/sandbox"],
]
PROGRESS = re.compile(r"[.sxFE]+( +\[ *\d+%\])?")


def parts() -> list[list[str]]:
    """Return what each process runs, as arguments of pytest."""
    named = [name for part in PARTS for name in part]
    folders = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/*/test_*.py")}
    rest = [*sorted(folders - set(named)), "examples/providers/tests"]
    return [without_twins(part, named) for part in [*PARTS, rest]]


def without_twins(part: list[str], named: list[str]) -> list[str]:
    """Leave out of a folder the files that another process runs."""
    twins = [name for name in named if name not in part and name.startswith(tuple(f"{each}/" for each in part))]
    return [*part, *(f"--ignore={name}" for name in twins)]


def main() -> int:
    """Run all parts, print what they printed, and return the worst exit code."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    running, started = [], time.monotonic()
    for number, part in enumerate(parts(), 1):
        log = build / f"tests-{number}.log"
        with log.open("w") as file:
            command = [*sys.argv[1:], *part]
            running.append((log, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT)))  # noqa: S603
    codes = [process.wait() for _, process in running]
    counts = dict.fromkeys(("passed", "failed", "error", "skipped"), 0)
    for log, _ in running:
        lines = log.read_text(errors="replace").splitlines()
        print("\n".join(line for line in lines if not PROGRESS.fullmatch(line)))
        summary = next(
            (line for line in reversed(lines) if re.search(r"\d+ (passed|failed|error).* in [\d.]+s", line)), ""
        )
        for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", summary):
            counts[word] += int(number)
    failed, seconds = counts["failed"] + counts["error"], time.monotonic() - started
    print(f"{counts['passed']} passed, {failed} failed, {counts['skipped']} skipped in {seconds:.0f} s")
    return max(map(abs, codes))


if __name__ == "__main__":
    sys.exit(main())
