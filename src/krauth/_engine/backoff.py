"""What a token source remembers of what went wrong, and for how long. Pure; `now` is monotonic seconds."""

from __future__ import annotations

import random
from typing import NamedTuple

from .._values.exceptions import AuthorizationRequired, TokenStoreError

#: Seconds that callers are given a failure instead of a new renewal: at first, and at most; doubled with each.
MEMORY, MAX_MEMORY = 1.0, 60.0
#: The same for a passing failure: short, since what has passed should not be felt for long.
MAX_TRANSIENT_MEMORY = 5.0
#: Seconds after a failed background renewal before the next: at first, and at most; doubled, with jitter.
BACKGROUND, MAX_BACKGROUND = 5.0, 300.0
#: Seconds of `Retry-After` that are honoured at most: an hour, Naver's penalty for malformed token requests.
MAX_ASKED = 3600.0
#: Seconds without renewal for a refusal after one that did not cure: at first, and at most; doubled with each. Short,
#: since a token that is really revoked meanwhile stays so for as long.
INCURABLE, MAX_INCURABLE = 5.0, 300.0


class Failure(NamedTuple):
    """The last failure.

    Attributes:
        error: What callers without a usable token are given, until `until`; no renewal begins for them.
        until: Monotonic seconds.
        retry_at: When the next background renewal may begin, monotonic seconds.
        times: How many came before it in a row.
    """

    error: BaseException
    until: float
    retry_at: float
    times: int

    @classmethod
    def after(cls, before: Failure | None, error: BaseException, now: float) -> Failure:
        """Return the memory of an error that follows on `before`."""
        times = before.times + 1 if before else 0
        doubled = 2.0 ** min(times, 10)
        transient = isinstance(error, TokenStoreError) or getattr(error, "transient", False)
        memory = min(MEMORY * doubled, MAX_TRANSIENT_MEMORY if transient else MAX_MEMORY)
        if isinstance(error, AuthorizationRequired):
            # The user may authorize in another process any moment, and where no request was sent it cost none.
            memory = 0.0 if error.__cause__ is None else MEMORY
        asked = min(getattr(error, "retry_after", None) or 0.0, MAX_ASKED)
        pause = min(BACKGROUND * doubled, MAX_BACKGROUND) * random.uniform(0.5, 1.0)  # noqa: S311
        return cls(error, now + max(memory, asked), now + max(pause, asked), times)


class Incurable(NamedTuple):
    """A refusal that a new token did not cure: until `until` no other token is asked for on account of refusals.

    It is a time, not a token: where every call of an API is refused, each caller holds another token by then.
    """

    until: float
    pause: float

    @classmethod
    def after(cls, before: Incurable | None, now: float) -> Incurable:
        """Return the memory of such a refusal; it lasts longer when one follows soon on another."""
        if before is not None and before.until > now:
            return before  # one of many callers that were refused together
        again = before is not None and before.until + MAX_INCURABLE > now
        pause = min(before.pause * 2, MAX_INCURABLE) if before is not None and again else INCURABLE
        return cls(now + pause, pause)
