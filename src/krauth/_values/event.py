"""What happened to a token, told to the log and to observer plugins; never a secret."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from .exceptions import bare
from .guard import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger("krauth")

#: All kinds of events. What each means is in `SENTENCES`.
Kind = Literal[
    "obtained",
    "refreshed",
    "reused",
    "adopted",
    "refused",
    "attempt_failed",
    "refresh_failed",
    "not_before",
    "lease_lost",
    "conflict",
    "sent_again",
    "store_failed",
    "unsaved",
    "uncured",
    "not_resent",
    "withheld",
    "authorized",
    "narrowed",
    "revoked",
]
#: Why a token was asked for: the last one ends, it was refused, or the policy keeps a token at hand without traffic.
Cause = Literal["expiry", "refusal", "keep_warm"]

#: kind → (log level, sentence).
SENTENCES: dict[Kind, tuple[int, str]] = {
    "obtained": (logging.INFO, "obtained a token, {lifetime}"),
    "refreshed": (logging.INFO, "refreshed the token, {lifetime}"),
    "reused": (logging.INFO, "asked for a token and was given the same one again, {lifetime}"),
    "adopted": (logging.INFO, "took over the token that another process refreshed, {lifetime}"),
    "refused": (logging.INFO, "the API refused the token ({detail})"),
    "attempt_failed": (logging.INFO, "a token request failed and is sent again: {detail}"),
    "refresh_failed": (logging.WARNING, "could not refresh the token: {detail}"),
    "not_before": (logging.INFO, "sends no token request for now, since the last one failed: {detail}"),
    "lease_lost": (logging.WARNING, "the lease in the token store ended before the refresh did: {detail}"),
    "conflict": (logging.INFO, "another process changed the entry in the token store meanwhile: {detail}"),
    "sent_again": (logging.WARNING, "sends a refresh token that another process may have sent: {detail}"),
    "store_failed": (logging.WARNING, "the token store failed, going on without it: {detail}"),
    "unsaved": (logging.ERROR, "a new refresh token could not be saved, keeping it in memory: {detail}"),
    "uncured": (logging.WARNING, "the API refused the token, and its answer is handed back: {detail}"),
    "not_resent": (logging.WARNING, "refreshed the token, but could not repeat the request: {detail}"),
    "withheld": (logging.WARNING, "sent no credential: {detail}"),
    "authorized": (logging.INFO, "the user authorized, {lifetime}"),
    "narrowed": (logging.WARNING, "the server granted less than was asked for: {detail}"),
    "revoked": (logging.INFO, "revoked the token"),
}
#: Of a kind that is not in the table: it is told all the same, since the rest of the event may matter.
_UNKNOWN = (logging.ERROR, "{kind}, a kind of event that this krauth does not know: {detail}")


class _Fields(NamedTuple):
    kind: Kind
    provider: str
    key: str
    at: float
    expires_in: float | None
    detail: str | None
    error: BaseException | None
    duration: float | None
    attempt: int | None
    status: int | None
    cause: Cause | None


class TokenEvent(_Fields):
    """Something that happened to a token. Texts pass the guard when the event is made; so does the error.

    Args:
        kind: What happened, one of `Kind`.
        provider: `"naver"`, `"meloming"`, `"oauth2"` or a plugin's.
        key: Who, where and for what: the store key without what tells secrets apart, and with the client_id shortened.
        at: Seconds since the epoch.
        expires_in: Seconds that the token lives on, where there is one and it is known.
        detail: A sentence, or `None`.
        error: The exception, without frames and without other libraries' texts, or `None`.
        duration: Seconds that the token request took, or `None`.
        attempt: Which token request this was in the refresh, from 1, or `None`.
        status: The HTTP status of the answer, or `None`.
        cause: Why a token was asked for: `"expiry"`, `"refusal"`, `"keep_warm"`, or `None` (by hand).
    """

    __slots__ = ()

    def __new__(
        cls,
        kind: Kind,
        provider: str,
        key: str,
        at: float,
        expires_in: float | None = None,
        detail: str | None = None,
        error: BaseException | None = None,
        duration: float | None = None,
        attempt: int | None = None,
        status: int | None = None,
        cause: Cause | None = None,
    ) -> Self:
        """Make an event."""
        return super().__new__(
            cls,
            kind,
            provider,
            clean(key),
            at,
            expires_in,
            None if detail is None else clean(detail),
            None if error is None else bare(error),
            duration,
            attempt,
            status,
            cause,
        )

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> Self:  # type: ignore[override]  # of a NamedTuple, said loosely
        return cls(*iterable)  # `_replace` comes this way, and would go round the guard

    def __str__(self) -> str:
        lifetime = "lifetime unknown" if self.expires_in is None else f"good for {self.expires_in:.0f} s"
        sentence = SENTENCES.get(self.kind, _UNKNOWN)[1]
        return f"{self.key}: {sentence.format(kind=self.kind, lifetime=lifetime, detail=self.detail or 'no details')}"


def is_logged(kind: Kind) -> bool:
    """Whether the log takes an event of a kind."""
    try:
        return logger.isEnabledFor(_level(kind))
    except Exception:  # noqa: BLE001  a logger class of the program's; `write` leaves its errors out, too
        return True


def _level(kind: Kind) -> int:
    return SENTENCES.get(kind, _UNKNOWN)[0]


def write(event: TokenEvent) -> None:
    """Tell the log."""
    with contextlib.suppress(Exception):  # a broken log filter must not cost a token
        logger.log(_level(event.kind), "%s", event)
