"""What happened to a token, told to the log and to observer plugins; never a secret. Emitted by `_source`."""

from __future__ import annotations

import contextlib
import logging
from typing import NamedTuple

logger = logging.getLogger("krauth")

#: kind → (log level, sentence).
SENTENCES: dict[str, tuple[int, str]] = {
    "obtained": (logging.INFO, "obtained a token, {lifetime}"),
    "refreshed": (logging.INFO, "renewed the token, {lifetime}"),
    "reused": (logging.INFO, "asked for a token and was given the same one again, {lifetime}"),
    "adopted": (logging.INFO, "took over the token that another process renewed, {lifetime}"),
    "refused": (logging.INFO, "the API refused the token ({detail})"),
    "refresh_failed": (logging.WARNING, "could not renew the token: {detail}"),
    "store_failed": (logging.WARNING, "the token store failed, going on without it: {detail}"),
    "unsaved": (logging.ERROR, "a new refresh token could not be saved, keeping it in memory: {detail}"),
    "not_resent": (logging.WARNING, "renewed the token, but could not repeat the request: {detail}"),
    "authorized": (logging.INFO, "the user authorized, {lifetime}"),
    "narrowed": (logging.WARNING, "the server granted less than was asked for: {detail}"),
    "revoked": (logging.INFO, "revoked the token"),
}


class TokenEvent(NamedTuple):
    """Something that happened to a token.

    Attributes:
        kind: One of `obtained`, `refreshed`, `reused`, `adopted`, `refused`, `refresh_failed`, `store_failed`,
            `unsaved`, `not_resent`, `authorized`, `narrowed`, `revoked`.
        provider: `"naver"`, `"meloming"`, `"oauth2"` or a plugin's.
        key: The store key: who, where and for what; holds no secret.
        at: Seconds since the epoch.
        expires_in: Seconds that the token lives on, where there is one and it is known.
        detail: A sentence, or `None`.
        error: The exception, or `None`.
    """

    kind: str
    provider: str
    key: str
    at: float
    expires_in: float | None = None
    detail: str | None = None
    error: BaseException | None = None

    def __str__(self) -> str:
        lifetime = "lifetime unknown" if self.expires_in is None else f"good for {self.expires_in:.0f} s"
        sentence = SENTENCES[self.kind][1].format(lifetime=lifetime, detail=self.detail or "no details")
        return f"{self.key}: {sentence}"


def write(event: TokenEvent) -> None:
    """Tell the log."""
    with contextlib.suppress(Exception):  # a broken log filter must not cost a token
        logger.log(SENTENCES[event.kind][0], "%s", event)
