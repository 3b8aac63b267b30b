"""How things are measured: interleaved rounds in one process, compared by the ratio within each round.

A ratio of two figures taken a moment apart survives a busy machine; a figure alone does not.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Run = Callable[[Any], object]

T = TypeVar("T")


def spread(values: Iterable[float]) -> dict[str, float]:
    """Return median, quartiles and range."""
    found = sorted(values)
    low, _, high = statistics.quantiles(found, n=4) if len(found) > 1 else (found[0],) * 3
    return {"median": statistics.median(found), "q1": low, "q3": high, "min": found[0], "max": found[-1]}


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """Return p50, p99, p99.9 and the maximum."""
    found = sorted(values)

    def at(share: float) -> float:
        return found[min(len(found) - 1, int(share * len(found)))]

    return {"n": len(found), "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": found[-1]}


class Contestant:
    """One thing to measure: `prepare(n)` makes what `run` then uses up, outside the time that counts."""

    def __init__(self, name: str, prepare: Callable[[int], Any], run: Run) -> None:
        self.name, self.prepare, self.run = name, prepare, run

    def seconds(self, calls: int) -> float:
        """Return the seconds per call, of `calls` in a row: this thread's CPU time, so that others' does not count."""
        material = self.prepare(calls)
        started = time.thread_time()
        self.run(material)
        return (time.thread_time() - started) / calls


def shuffled(values: Iterable[T], seed: int) -> list[T]:
    """Return the values in an order that is any, and the same in every run."""
    order = list(values)
    random.Random(seed).shuffle(order)
    return order


def compare(contestants: list[Contestant], *, baseline: str, calls: int, rounds: int) -> dict[str, Any]:
    """Return per contestant the seconds per call and the ratio to the baseline of the same round, with spreads.

    Many short rounds: most of them pass without interruption, and the median is of those.
    """
    times: dict[str, list[float]] = {one.name: [] for one in contestants}
    for one in contestants:
        for _ in range(3):
            one.seconds(calls)  # warm
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            # Another order each round: whoever comes after a slow one finds a cache that it left behind.
            for one in shuffled(contestants, number):
                times[one.name].append(one.seconds(calls))
            if number % 50 == 49:
                gc.collect()
    finally:
        gc.enable()
    return {
        name: {
            "seconds": spread(found),
            "ratio": spread(a / b for a, b in zip(found, times[baseline], strict=True)),
        }
        for name, found in times.items()
    }


def medians(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the median ratios of `compare`."""
    return {name: found["ratio"]["median"] for name, found in result.items()}
