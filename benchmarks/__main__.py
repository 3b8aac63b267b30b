"""`python -m benchmarks [--full] [--only PART,…] [--update FILE] [--report FILE]`."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
import warnings
from pathlib import Path

from . import cold_start, hot_path, latency, refused, report, scale, stampede, stores
from .measure import ROOT, machine, moment

PARTS = {
    "hot_path": hot_path.run,
    "cold_start": cold_start.run,
    "stampede": stampede.run,
    "latency": latency.run,
    "refused": refused.run,
    "scale": scale.run,
    "stores": stores.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "--full", action="store_true", help="more rounds, and 100,000 sellers over https: an hour and more"
    )
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas: " + ", ".join(PARTS))
    parser.add_argument("--update", type=Path, help="a result file whose other parts are kept")
    parser.add_argument("--report", type=Path, help="measure nothing; write the pages from this result file")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers'; ours are errors in the tests
    if options.report:
        report.write(options.report)
        return
    result = json.loads(options.update.read_text()) if options.update else {"machine": machine(), "parts": {}}
    path = options.update or ROOT / "docs" / "benchmarks" / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}.json"
    if result["machine"] != machine():
        parser.error(f"{path} was measured on another machine, or with other versions: begin a new file")
    for name in options.only.split(","):
        print(f"{name} …", end=" ", flush=True, file=sys.stderr)
        began, started = moment(), time.perf_counter()
        data = PARTS[name](full=options.full)
        took = round(time.perf_counter() - started)
        print(f"{took} s", file=sys.stderr)
        result["parts"][name] = {**began, "took": took, "full": options.full, "data": data}
        path.write_text(json.dumps(rounded(result), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    report.write(path)


def rounded(value: object) -> object:
    """Return the value with floats of five digits, which is more than any of them is good for."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {str(key): rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    main()
