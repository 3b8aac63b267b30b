"""What a token source remembers of failures, and for how long. Pure; `now` is monotonic seconds."""

from __future__ import annotations

import random

from .._values.exceptions import AuthorizationRequired
from .._values.value import Value, replace
from .rules import asked_pause, is_about_the_way, is_transient

#: Seconds that callers are given a failure instead of a new refresh: at first, and at most; doubled with each.
MEMORY, MAX_MEMORY = 1.0, 60.0
#: The same for a passing failure: short, since callers should not feel it for long after it has passed.
MAX_TRANSIENT_MEMORY = 5.0
#: Seconds after a failed background refresh before the next: at first, and at most; doubled, with jitter.
BACKGROUND, MAX_BACKGROUND = 5.0, 300.0
#: Seconds without a refresh after a refusal of a token that was refreshed because of a refusal: at first, and at most;
#: doubled with each.
#: Short, since a token that is really revoked meanwhile stays in use for as long.
HOPELESS, MAX_HOPELESS = 5.0, 300.0
#: Ways to the server of which failures are remembered at once.
MAX_WAYS = 8


class Failure(Value):
    """The last failure.

    Attributes:
        error: What callers without a usable token are given, until `until`; no refresh begins for them.
        until: Monotonic seconds.
        retry_at: When the next background refresh may begin, monotonic seconds.
        times: How many came before it in a row.
        way: The way to the server that it is about; `None`: it is about the token, on every way.
    """

    __match_args__ = __slots__ = _names = ("error", "until", "retry_at", "times", "way")

    error: BaseException
    until: float
    retry_at: float
    times: int
    way: object | None

    def __init__(self, error: BaseException, until: float, retry_at: float, times: int, way: object | None) -> None:
        self._hold(error, until, retry_at, times, way)

    @classmethod
    def after(cls, before: Failure | None, error: BaseException, now: float, way: object) -> Failure:
        """Return the memory of an error that follows on `before`."""
        times = before.times + 1 if before else 0
        doubled = 2.0 ** min(times, 10)
        memory = min(MEMORY * doubled, MAX_TRANSIENT_MEMORY if is_transient(error) else MAX_MEMORY)
        if isinstance(error, AuthorizationRequired):
            # The user may authorize in another process any moment, and where no request was sent it cost none.
            memory = 0.0 if error.__cause__ is None else MEMORY
        asked = asked_pause(error, times)
        pause = min(BACKGROUND * doubled, MAX_BACKGROUND) * random.uniform(0.5, 1.0)  # noqa: S311
        about = way if is_about_the_way(error) else None
        return cls(error, now + max(memory, asked), now + max(pause, asked), times, about)


class Hopeless(Value):
    """A refusal of a new token: until `until` no other token is obtained because of a refusal.

    It is a time, not a token: where every call of an API is refused, each caller holds another token by then.
    """

    __match_args__ = __slots__ = _names = ("until", "pause")

    until: float
    pause: float

    def __init__(self, until: float, pause: float) -> None:
        self._hold(until, pause)

    @classmethod
    def after(cls, before: Hopeless | None, now: float) -> Hopeless:
        """Return the memory of such a refusal; it lasts longer when one follows soon on another."""
        if before is not None and before.until > now:
            return before  # one of many callers that were refused together
        again = before is not None and before.until + MAX_HOPELESS > now
        pause = min(before.pause * 2, MAX_HOPELESS) if before is not None and again else HOPELESS
        return cls(now + pause, pause)


class Memory(Value):
    """What a source remembers in addition to its token. It is replaced as a whole, so forgetting is one assignment.

    Attributes:
        number: No token with this number or a lower one is taken any more.
        failures: The last failure of each way, the newest last.
        hopeless: A refusal of a new token.
        identity: Of the credentials that failed; another one, with a new client secret, may succeed at once.
    """

    __match_args__ = __slots__ = _names = ("number", "failures", "hopeless", "identity")

    number: int
    failures: tuple[Failure, ...]
    hopeless: Hopeless | None
    identity: object

    def __init__(
        self,
        number: int = 0,
        failures: tuple[Failure, ...] = (),
        hopeless: Hopeless | None = None,
        identity: object = None,
    ) -> None:
        self._hold(number, failures, hopeless, identity)

    def failure_of(self, way: object) -> Failure | None:
        """Return the failure that concerns callers with this way to the server."""
        return next((f for f in reversed(self.failures) if f.way is None or f.way is way), None)

    def failed(self, error: BaseException, now: float, way: object) -> Memory:
        """Return the memory with one more failure."""
        failure = Failure.after(self.failure_of(way), error, now, way)
        others = tuple(f for f in self.failures if f.way is not failure.way)
        return replace(self, failures=(*others, failure)[-MAX_WAYS:])


#: Nothing is remembered; one for all sources that never failed.
NO_MEMORY = Memory()
