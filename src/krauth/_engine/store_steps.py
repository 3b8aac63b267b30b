"""The store during one flow: the record that was read, the lease, and whether the flow may do without the store.

All times in a record are by the token endpoint's clock. They are turned into ours here, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._values.exceptions import StoreConflict, TokenStoreError
from .._values.record import Record
from .._values.value import Value, replace
from .rules import LEASE_MARGIN, useless_at
from .steps import Acquire, Emit, Load, Release, Save

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._oauth.credentials import Credentials
    from .._values.clock import Clock
    from .._values.token import RefreshPolicy
    from ..stores import Lease, Stored
    from .steps import Flow


class Taken(Value):
    """A lease that was taken.

    Attributes:
        lease: The lease; `None`: the store failed, and the flow goes on without it.
        at: When it was taken, monotonic seconds of a clock that goes on while the machine is suspended.
    """

    __match_args__ = __slots__ = _names = ("lease", "at")

    lease: Lease | None
    at: float

    def __init__(self, lease: Lease | None, at: float) -> None:
        self._hold(lease, at)


class Seen(Value):
    """What an entry held when it was last read or saved.

    Attributes:
        record: Its record, all times by our clock; `None`: there is none, or it can't be read.
        version: What the next save has to find; `None`: no entry.
    """

    __match_args__ = __slots__ = _names = ("record", "version")

    record: Record | None
    version: str | None

    def __init__(self, record: Record | None = None, version: str | None = None) -> None:
        self._hold(record, version)


#: Nothing was read yet, or there is no entry.
UNSEEN: Final = Seen()
#: In place of a lease where the store failed and the flow goes on without it: it never ends.
DOWN: Final = Taken(None, float("inf"))


class StoreSteps:
    """One entry of the store, as one flow sees it."""

    __slots__ = (
        "_ahead",
        "_clock",
        "_key",
        "_may_do_without",
        "_seconds",
        "_seen",
        "_taken",
    )

    def __init__(
        self,
        credentials: Credentials,
        policy: RefreshPolicy,
        clock: Clock,
        ahead: Callable[[], float],
        *,
        key: str | None = None,
        requests: int = 1,
        required: bool = False,
    ) -> None:
        """Begin with nothing read.

        Args:
            credentials: Of the token.
            policy: How long a request may take, and whether the store may be done without.
            clock: Read, never waited on.
            ahead: Returns the seconds that the token endpoint's clock is ahead of ours, as last measured.
            key: The entry; `None`: the entry of the credentials. Any other can be done without.
            requests: How many requests are sent under one lease.
            required: Whether a store that fails is an error in every case.
        """
        self._clock, self._key, self._ahead = clock, key, ahead
        # A refresh token that was spent is lost if its successor is not saved. All other tokens can be had again.
        required = required or credentials.uses_refresh_token or policy.require_store
        self._may_do_without = key is not None or not required
        self._seconds = requests * policy.attempt_timeout + LEASE_MARGIN
        self._seen = UNSEEN
        self._taken: Taken | None = None

    @property
    def record(self) -> Record | None:
        """The entry as it was last read or saved, by our clock; `None` where there is none."""
        return self._seen.record

    def load(self) -> Flow[None]:
        """Read the entry into `record`; an unreadable one counts as none, and the next token is saved over it."""
        if self._taken is not DOWN:
            try:
                stored: Stored | None = yield Load(self._key)
            except TokenStoreError as error:
                yield from self._do_without(error)
            else:
                yield from self._read(stored)
                if stored is None and self._key is None:
                    yield from self._read_former()

    def acquire(self) -> Flow[bool]:
        """Take the lease and read the entry; true also where the store is down and may be done without."""
        if self._taken is not DOWN:
            at = self._clock.elapsed()  # before: the lease began later, if at all
            try:
                lease, stored = yield Acquire(self._seconds, self._key)
            except TokenStoreError as error:
                yield from self._do_without(error)
            else:
                self._taken = Taken(lease, at) if lease is not None else None
                if lease is None:
                    return False
                # Where there was no entry and is none, the record that an older krauth left is still the newest.
                if stored is not None or self._seen.version is not None:
                    yield from self._read(stored)
        return True

    @property
    def has_lease(self) -> bool:
        """Whether the lease was taken and not given back, or the flow needs none; it may have ended."""
        return self._taken is not None

    @property
    def lease_left(self) -> float:
        """Seconds of the lease that are left, by a clock that goes on while the machine is suspended."""
        return 0.0 if self._taken is None else self._taken.at + self._seconds - self._clock.elapsed()

    def save(self, record: Record, *, release: bool = False) -> Flow[None]:
        """Save a record under the lease, over the version that was read; `release`: and give the lease back.

        Raises:
            StoreConflict: The lease was lost, or the entry has changed. The lease is given back.
            TokenStoreError: The store failed. The lease is kept.
        """
        if self._taken is DOWN:
            return
        end = useless_at(record, self._clock.time())
        text = _shifted(record, self._ahead()).to_text()
        try:
            lease = self._taken.lease if self._taken is not None else None
            version: str = yield Save(text, self._seen.version, lease, end, release, self._key)
        except StoreConflict:
            yield from self.release()
            raise
        except TokenStoreError as error:
            yield from self._do_without(error)
        else:
            self._seen = Seen(record, version)
            if release:
                self._taken = None

    def release(self) -> Flow[None]:
        """Give the lease back; it ends by itself should that fail."""
        taken = self._taken
        self.abandon()
        if taken is not None and taken.lease is not None:
            try:
                yield Release(taken.lease)
            except TokenStoreError as error:
                yield Emit("store_failed", None, error)

    def abandon(self) -> None:
        """Keep the lease until it ends by itself: a token that it protects is not durable yet."""
        if self._taken is not DOWN:
            self._taken = None

    def _read(self, stored: Stored | None) -> Flow[None]:
        self._seen = UNSEEN if stored is None else Seen(None, stored.version)
        if stored is not None:
            try:
                self._seen = Seen(_shifted(Record.from_text(stored.value), -self._ahead()), stored.version)
            except TokenStoreError as error:
                yield Emit("store_failed", None, error)

    def _read_former(self) -> Flow[None]:
        """Read what an older krauth saved under another key; the next token is saved under the new one."""
        stored: Stored | None = yield Load(former=True)
        if stored is not None:
            yield from self._read(stored)
            self._seen = Seen(self._seen.record)  # the new key has no entry yet

    def _do_without(self, error: TokenStoreError) -> Flow[None]:
        if not self._may_do_without:
            raise error
        yield from self.release()  # the other processes need not wait for its end
        self._taken, self._seen = DOWN, UNSEEN
        yield Emit("store_failed", None, error)


def _shifted(record: Record, seconds: float) -> Record:
    if seconds == 0.0:
        return record
    return replace(
        record,
        token=record.token and record.token.shifted(seconds),
        intent_at=None if record.intent_at is None else record.intent_at + seconds,
        revoked_at=None if record.revoked_at is None else record.revoked_at + seconds,
        pause=record.pause and replace(record.pause, until=record.pause.until + seconds),
    )
