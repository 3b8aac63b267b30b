"""`python -m benchmarks [--full] [--only PART,…] [--update FILE] [--report FILE]`."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import time
import warnings
from pathlib import Path

from . import hot_path, latency, loop_lag, machine, pieces, report, scale, stampede, startup, stores, whole_requests

PARTS = {
    "hot_path": hot_path.run,
    "pieces": pieces.run,
    "whole_requests": whole_requests.run,
    "stampede": stampede.run,
    "latency": latency.run,
    "loop_lag": loop_lag.run,
    "startup": startup.run,
    "scale": scale.run,
    "stores": stores.run,
}
DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="longer runs: three quarters of an hour instead of one")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas: " + ", ".join(PARTS))
    parser.add_argument("--update", type=Path, help="a result file whose other parts are kept")
    parser.add_argument("--report", type=Path, help="measure nothing; write docs/benchmarks.md from this result file")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers'; ours are errors in the tests
    if options.report:
        report.write(options.report, DOCS)
        return
    result = json.loads(options.update.read_text()) if options.update else {"parts": {}}
    where = machine.describe()
    if result.setdefault("machine", where) != where:
        parser.error(f"{options.update} was measured on another machine, or with other versions: begin a new file")
    path = options.update
    if path is None:
        kind = "full" if options.full else "quick"
        path = DOCS / "benchmarks" / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}-{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in options.only.split(","):
        settle()
        before, started = machine.moment(), time.perf_counter()
        print(f"{name} …", end=" ", flush=True, file=sys.stderr)
        data = PARTS[name](full=options.full)
        took = round(time.perf_counter() - started, 1)
        print(f"{took} s", file=sys.stderr)
        result["parts"][name] = {**before, "took_seconds": took, "full": options.full, "data": data}
        path.write_text(json.dumps(rounded(result), indent=1, ensure_ascii=False) + "\n")
    report.write(path, DOCS)


def settle(seconds: float = 60.0) -> None:
    """Wait until the part before has cooled off: it would be measured too."""
    ends = time.monotonic() + seconds
    while os.getloadavg()[0] > 1.0 and time.monotonic() < ends:
        time.sleep(1.0)


def rounded(value: object) -> object:
    """Return the value with floats of five digits, which is more than any of them is good for."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {str(key): rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    main()
