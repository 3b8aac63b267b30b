"""The store during one flow: the record that was read, the lease, and whether the flow may do without the store.

All times in a record are by the token endpoint's clock. They are turned into ours here, and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from .._values.exceptions import StoreConflict, TokenStoreError
from .._values.record import Record
from .rules import LEASE_MARGIN, useless_at
from .steps import Acquire, Emit, Load, Release, Save

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._oauth.credentials import Credentials
    from .._values.clock import Clock
    from .._values.token import RefreshPolicy
    from ..stores import Lease, Stored
    from .steps import Flow


class Taken(NamedTuple):
    """A lease that was taken, and when: monotonic seconds of a clock that goes on while the machine is suspended."""

    lease: Lease
    at: float


class StoreSteps:
    """One entry of the store, as one flow sees it.

    Attributes:
        record: The entry as it was last read, by our clock; `None` where there is none.
        is_down: The store failed, and the flow goes on without it.
    """

    __slots__ = (
        "_ahead",
        "_clock",
        "_former_keys",
        "_key",
        "_may_do_without",
        "_seconds",
        "_taken",
        "_version",
        "is_down",
        "record",
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
        self._former_keys = credentials.former_keys if key is None else ()
        self._version: str | None = None
        self._taken: Taken | None = None
        self.record: Record | None = None
        self.is_down = False

    def load(self) -> Flow[None]:
        """Read the entry into `record`; an unreadable one counts as none, and the next token is saved over it."""
        if not self.is_down:
            try:
                stored: Stored | None = yield Load(self._key)
            except TokenStoreError as error:
                yield from self._do_without(error)
            else:
                yield from self._read(stored)
                if stored is None:
                    yield from self._read_former()

    def acquire(self) -> Flow[bool]:
        """Take the lease and read the entry; true also where the store is down and may be done without."""
        if not self.is_down:
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
                if stored is not None or self._version is not None:
                    yield from self._read(stored)
        return True

    @property
    def has_lease(self) -> bool:
        """Whether the lease was taken and not given back; it may have ended."""
        return self._taken is not None or self.is_down

    @property
    def lease_left(self) -> float:
        """Seconds of the lease that are left, by a clock that goes on while the machine is suspended."""
        if self.is_down:
            return float("inf")
        return 0.0 if self._taken is None else self._taken.at + self._seconds - self._clock.elapsed()

    def save(self, record: Record, *, release: bool = False) -> Flow[None]:
        """Save a record under the lease, over the version that was read; `release`: and give the lease back.

        Raises:
            StoreConflict: The lease was lost, or the entry has changed. The lease is given back.
            TokenStoreError: The store failed. The lease is kept.
        """
        if self.is_down:
            return
        end = useless_at(record, self._clock.time())
        text = _shifted(record, self._ahead()).to_text()
        try:
            lease = self._taken.lease if self._taken is not None else None
            self._version = yield Save(text, self._version, lease, end, release, self._key)
        except StoreConflict:
            yield from self.release()
            raise
        except TokenStoreError as error:
            yield from self._do_without(error)
        else:
            self.record = record
            if release:
                self._taken = None

    def release(self) -> Flow[None]:
        """Give the lease back; it ends by itself should that fail."""
        taken, self._taken = self._taken, None
        if taken is not None:
            try:
                yield Release(taken.lease)
            except TokenStoreError as error:
                yield Emit("store_failed", None, error)

    def abandon(self) -> None:
        """Keep the lease until it ends by itself: a token that it protects is not durable yet."""
        self._taken = None

    def _read(self, stored: Stored | None) -> Flow[None]:
        self._version = stored.version if stored else None
        try:
            self.record = _shifted(Record.from_text(stored.value), -self._ahead()) if stored else None
        except TokenStoreError as error:
            self.record = None
            yield Emit("store_failed", None, error)

    def _read_former(self) -> Flow[None]:
        """Read what an older krauth saved under another key; the next token is saved under the new one."""
        for key in self._former_keys:
            stored: Stored | None = yield Load(key)
            if stored is not None:
                yield from self._read(stored)
                self._version = None
                return

    def _do_without(self, error: TokenStoreError) -> Flow[None]:
        if not self._may_do_without:
            raise error
        yield from self.release()  # the other processes need not wait for its end
        self.is_down, self.record = True, None
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
