"""The clocks of APIs: how far each is ahead of ours. Measured only where a refusal blames the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._values.clock import current_clock, parse_http_date

if TYPE_CHECKING:
    from .._values.origin import Origin

#: Seconds: a `Date` further off than this is no time that a certificate would have let through.
MAX_SKEW = 366 * 86400.0

#: API origin → seconds that its clock is ahead of ours.
_ahead: dict[Origin, float] = {}


def time_of(origins: tuple[Origin, ...]) -> float:
    """Return seconds since the epoch, by the clock of an API as far as it is known."""
    return current_clock().time() + (_ahead.get(origins[0], 0.0) if _ahead and origins else 0.0)


def measure(origins: tuple[Origin, ...], date: str | None) -> bool:
    """Take the time from the `Date` of an answer; false if there is none, or if that time was used already."""
    at = parse_http_date(date)
    if at is None:
        return False
    # `Date` has whole seconds and was written before now: the time that is made with this is never in the future.
    ahead = at - current_clock().time()
    if abs(ahead) > MAX_SKEW or abs(ahead - _ahead.get(origins[0], 0.0)) < 2.0:
        return False
    for origin in origins:
        _ahead[origin] = ahead
    return True


def forget(origins: tuple[Origin, ...]) -> None:
    """Forget the clock of an API: a request that was signed with its time was refused, too."""
    for origin in origins:
        _ahead.pop(origin, None)


def reset() -> None:
    """Forget all clocks; for tests."""
    _ahead.clear()
