"""Measure and write the pages: `python -m benchmarks [--smoke | --full] [--only PART,…]`, or `--report` alone.

The figures of a run are collected in `build/benchmarks.json`, one part after the other. When all parts are there, they are
published: `docs/benchmarks/result.json`, the pages that quote it, and the plots. `--smoke` publishes nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
import traceback
import warnings

from . import cold_start, hot_path, latency, refused, report, scale, stampede, stores
from .measure import FULL, NORMAL, ROOT, SMOKE, machine, moment, say

#: part → the seconds that it took on two quiet cores; on slower ones all of them take ten minutes
PARTS = {hot_path: 30, cold_start: 80, stampede: 60, latency: 120, refused: 12, scale: 115, stores: 5}
NAMES = {module.__name__.rpartition(".")[2]: module for module in PARTS}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--smoke", dest="size", action="store_const", const=SMOKE, help="each part for a moment")
    size.add_argument("--full", dest="size", action="store_const", const=FULL, help="100,000 sellers, too: hours")
    size.set_defaults(size=NORMAL)
    parser.add_argument("--only", help="parts that are measured anew, the rest is kept: " + ", ".join(NAMES))
    parser.add_argument("--report", action="store_true", help="measure nothing; write the pages from the result file")
    options = parser.parse_args()
    if options.report:
        report.write()
        return 0
    warnings.simplefilter("ignore")  # the peers'; ours are errors in the tests
    draft = ROOT / "build" / ("smoke.json" if options.size == SMOKE else "benchmarks.json")
    draft.parent.mkdir(exist_ok=True)
    result = {"machine": machine(), "parts": {}}
    if unknown := {*(options.only or "").split(",")} - {*NAMES, ""}:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.only and draft.exists():
        kept = json.loads(draft.read_text(encoding="utf-8"))
        result = kept if kept["machine"] == result["machine"] else result
    failed = []
    for name in (options.only or ",".join(NAMES)).split(","):
        say(f"{name}, about {PARTS[NAMES[name]]} s")
        began, started = moment(), time.monotonic()
        try:
            data = NAMES[name].run(options.size)
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        result["parts"][name] = {**began, "took": round(time.monotonic() - started), **data}
        draft.write_text(json.dumps(rounded(result), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"failed: {', '.join(failed)}; measure them again with --only" if failed else "done")
    if options.size == SMOKE:
        report.pages(result)
    elif set(result["parts"]) == set(NAMES) and not failed:
        shutil.copy(draft, report.RESULT)
        report.write()
    return len(failed)


def rounded(value: object) -> object:
    """Return the value with floats of four digits, which is more than any of them is good for."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {str(key): rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    sys.exit(main())
