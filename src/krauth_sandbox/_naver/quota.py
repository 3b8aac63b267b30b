"""What limits an application: its quota, where it has one, and the penalty for malformed token requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .._ground.limits import RateWindow

if TYPE_CHECKING:
    from .._ground.clock import TokenClock

# Reported: "issuance falls to one an hour".
HOUR: Final = 3_600.0
#: The names that `GNCP-GW-Quota-Period` has been seen with, and the seconds of each. How long a round of the data
#: solutions takes is not published; an hour is this emulator's choice.
PERIODS: Final = {"SECONDS": 1.0, "ROUND": HOUR, "HOURS": HOUR}


@dataclass(frozen=True, slots=True)
class Quota:
    """What the headers `GNCP-GW-Quota-{Period,Limit,Remaining}` say."""

    period: str
    limit: int
    remaining: int

    @property
    def headers(self) -> dict[str, str]:
        """Return the header fields."""
        return {
            "GNCP-GW-Quota-Period": self.period,
            "GNCP-GW-Quota-Limit": str(self.limit),
            "GNCP-GW-Quota-Remaining": str(self.remaining),
        }


class QuotaCounter:
    """Counts API calls against the quota of an application, by the token clock."""

    def __init__(self, clock: TokenClock) -> None:
        self._clock = clock
        self._windows: dict[str, RateWindow] = {}

    def take(self, period: str, limit: int) -> bool:
        """Count a call; False where the quota is used up."""
        return self._window(period).take() <= limit

    def look(self, period: str, limit: int) -> Quota:
        """Return the rest of the quota."""
        return Quota(period, limit, max(0, limit - self._window(period).used))

    def _window(self, period: str) -> RateWindow:
        return self._windows.setdefault(period, RateWindow(PERIODS[period], self._clock.now))


class Penalty:
    """One token an hour after a malformed token request, until an hour has passed without another one.

    Reported: "it lasts while any program at a registered IP still calls out of specification". That it ends an hour
    after the last such call is this emulator's choice.
    """

    def __init__(self, clock: TokenClock) -> None:
        self._clock = clock
        self._malformed_at: float | None = None
        self._granted_at: float | None = None

    def malformed(self) -> None:
        """Note a malformed token request that is punished."""
        self._malformed_at = self._clock.now()

    def granted(self) -> None:
        """Note a token request that got a token."""
        self._granted_at = self._clock.now()

    def lasts(self, hour: float) -> bool:
        """Tell whether the last malformed request is less than an hour (of `hour` seconds) ago."""
        return self._malformed_at is not None and self._clock.now() - self._malformed_at < hour

    def grants(self, hour: float) -> bool:
        """Tell whether the token of this hour is still to be had."""
        return self._granted_at is None or self._clock.now() - self._granted_at >= hour
