"""What krauth is doing in this process, for operators: refreshes under way and remembered failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .._values.clock import Stopwatch
from .._values.guard import shown_key
from .._values.token import TokenState
from . import process
from .driver import store_errors

if TYPE_CHECKING:
    from .._values.event import Cause


class RunHealth(NamedTuple):
    """A refresh under way.

    Attributes:
        key: Of whose token; holds no secret.
        seconds: Since it began.
        waits: Whether it still waits for a worker thread.
        cause: `"expiry"`, `"refusal"`, `"keep_warm"` or `None`.
    """

    key: str
    seconds: float
    waits: bool
    cause: Cause | None


class FailureHealth(NamedTuple):
    """A remembered failure.

    Attributes:
        key: Of whose token; holds no secret.
        seconds: For which callers without a token are still given it instead of a token request.
        times: How many there were in a row.
        error: The failure.
    """

    key: str
    seconds: float
    times: int
    error: str


class StoreHealth(NamedTuple):
    """A token store that has failed.

    Attributes:
        store: The name of its class.
        seconds: Since it last failed.
        times: How often it failed in a row; 0: it has worked since.
        error: The last failure.
    """

    store: str
    seconds: float
    times: int
    error: str


class Health(NamedTuple):
    """What krauth is doing in this process.

    Attributes:
        runs: Refreshes under way, the longest first.
        failures: Failures that are remembered, the one that is remembered longest first.
        workers: Worker threads.
        tokens: Keys of tokens in memory that are good.
        stores: Token stores that have failed, the one that failed last first.
    """

    runs: tuple[RunHealth, ...]
    failures: tuple[FailureHealth, ...]
    workers: int
    tokens: tuple[str, ...]
    stores: tuple[StoreHealth, ...]


def health() -> Health:
    """Return what krauth is doing in this process: runs, remembered failures, threads, tokens in memory, stores."""
    runs, failures, tokens = [], [], []
    for one in process.sources():
        key, now = shown_key(one.credentials.local_key), one.monotonic()
        if (run := one.run) is not None:
            runs.append(RunHealth(key, Stopwatch.now() - run.created_at, run.begun.waits, run.cause))
        failures += [FailureHealth(key, f.until - now, f.times + 1, str(f.error)) for f in one.failures]
        if one.state in (TokenState.FRESH, TokenState.STALE):
            tokens.append(key)
    runs.sort(key=lambda run: -run.seconds)
    failures.sort(key=lambda failure: -failure.seconds)
    stores = [
        StoreHealth(type(store).__name__, Stopwatch.now() - last.at, last.times, last.error)
        for store, last in list(store_errors.items())
    ]
    stores.sort(key=lambda store: store.seconds)
    return Health(tuple(runs), tuple(failures), process.workers.threads, tuple(sorted(tokens)), tuple(stores))


def forget_failures() -> None:
    """Forget all remembered failures of this process, so that the next calls try again at once.

    What the token store remembers for all processes stays: `krauth tokens delete` removes an entry.
    """
    for one in process.sources():
        one.forget_failures()
