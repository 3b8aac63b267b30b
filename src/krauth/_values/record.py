"""Record: what a store keeps under one key, as versioned JSON."""

from __future__ import annotations

import json
from typing import Any

from .checks import MAX_TOKEN, is_line
from .exceptions import TokenStoreError
from .token import Token
from .value import Value

FORMAT = 1
#: Numbers of tokens are smaller: a larger one is not read alike by every program (RFC 8259 §6).
MAX_NUMBER = 1 << 53


class Pause(Value):
    """Why no token request may be sent for a while, and until when: one process learns it for all.

    Attributes:
        until: Seconds since the epoch, by the token endpoint's clock.
        times: How many failures in a row there were before this one.
        why: The error's message.
        kind: The name of the error's class.
        status: The HTTP status, or `None`.
        code: The provider's code, or `None`.
    """

    __match_args__ = __slots__ = _names = ("until", "times", "why", "kind", "status", "code")

    until: float
    times: int
    why: str
    kind: str
    status: int | None
    code: str | None

    def __init__(
        self, until: float, times: int, why: str, kind: str, status: int | None = None, code: str | None = None
    ) -> None:
        self._hold(until, times, why, kind, status, code)


class Record(Value):
    """What a store keeps under one key. All times are by the token endpoint's clock, seconds since the epoch.

    Attributes:
        token: The newest token that was saved, or `None`: forgotten, revoked, or not obtained yet.
        intent_at: When a process last set out to spend `token.refresh_token`, or `None`.
        revoked_at: When the token was revoked, or `None`.
        number: The token's number: the number of the token before it plus 1. Which of two tokens is newer is told
            by their numbers and never by clocks. `None` in a record of an older krauth.
        pause: Why no token request may be sent for a while, or `None`.
        proof: Proves which client secret the token was obtained with, without telling it; or `None`.
        audience: The origins that the token was obtained for, or `None`.
    """

    __match_args__ = __slots__ = _names = ("token", "intent_at", "revoked_at", "number", "pause", "proof", "audience")

    token: Token | None
    intent_at: float | None
    revoked_at: float | None
    number: int | None
    pause: Pause | None
    proof: str | None
    audience: str | None

    def __init__(
        self,
        token: Token | None = None,
        intent_at: float | None = None,
        revoked_at: float | None = None,
        number: int | None = None,
        pause: Pause | None = None,
        proof: str | None = None,
        audience: str | None = None,
    ) -> None:
        self._hold(token, intent_at, revoked_at, number, pause, proof, audience)

    def to_text(self) -> str:
        """Return the record as versioned JSON."""
        data: dict[str, Any] = {"format": FORMAT}
        for name in self._names:
            value = getattr(self, name)
            if isinstance(value, Token | Pause):
                value = {field: part for field in value._names if (part := getattr(value, field)) is not None}
            if value is not None:
                data[name] = value
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Record:
        """Read a record; unknown fields are left out, so that an older version can read a newer one's.

        Raises:
            TokenStoreError: It is not a record, or of a format this version does not know.
        """
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise TokenStoreError(
                    f"the stored token has format {data['format']!r}, this krauth reads format {FORMAT};"
                    " use the krauth that wrote it, or delete the entry"
                )
            token, pause = data.pop("token", None), data.pop("pause", None)
            return cls(
                None if token is None else Token(**{"expires_at": None} | _known(Token, token)),
                pause=None if pause is None else Pause(**_known(Pause, pause)),
                **_known(cls, data),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise TokenStoreError("the stored token can't be read; delete the entry to start anew") from None


_NUMBERS = {"expires_at", "obtained_at", "refresh_expires_at", "intent_at", "revoked_at", "until"}
_WHOLE = {"number", "times", "status"}


def _known(kind: type[Value], data: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `data` that `kind` has, each checked for its type."""
    found = {name: data[name] for name in kind._names if data.get(name) is not None}
    for name, value in found.items():
        if name in _WHOLE:
            fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_NUMBER
        elif name in _NUMBERS:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            fits = is_number and abs(value) < 1e11  # false for NaN, too
        else:
            fits = value == "" or is_line(value, MAX_TOKEN)
        if not fits:
            raise ValueError(name)
    return found
