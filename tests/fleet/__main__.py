"""Print how the figures grow with the fleet: `python -m fleet` from `tests`."""

from __future__ import annotations

import sys

from .simulation import Fleet, Scenario

HOUR = 3600.0
SCENARIOS = {
    "calm, user's token": Scenario(),
    "calm, Naver": Scenario("naver", 12.0),
    "clocks ±10 min": Scenario(hours=24.0, clocks=600.0),
    "clocks ±10 min, Naver": Scenario("naver", 24.0, clocks=600.0),
    "0.2 % of store steps fail": Scenario(store_faults=0.002),
    "an hour of 503": Scenario(hours=3.0, outage=(1.5 * HOUR, 2.5 * HOUR)),
    "an hour of 503, Retry-After: 120": Scenario(hours=3.0, outage=(1.5 * HOUR, 2.5 * HOUR), retry_after=120.0),
}
SIZES = (10, 100, 1_000, 10_000)


def main(sizes=SIZES):
    print(
        "| what | processes | requests per needed refresh | waited | failed | sign-outs | requests a minute | recovery, s: first / half |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, scenario in SCENARIOS.items():
        for size in sizes:
            found = Fleet(size, scenario).run()
            recovery = f"{found.recovery[0]:.0f} / {found.recovery[1]:.0f}" if scenario.outage[1] else "–"
            rate = f"{found.per_minute:.1f}" if scenario.outage[1] else "–"
            per_needed = f"{found.per_needed:.2f}" if not scenario.outage[1] else "–"
            print(
                f"| {name} | {size} | {per_needed} | {found.waited} | {found.failed} | {found.sign_outs} | {rate} | {recovery} |",
                flush=True,
            )


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or SIZES)
