"""Meloming's answers beside its documents, and beside what its users report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import _common
from ._seen import line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._seen import Line, Seen

#: The document's own example of a read.
READ: Final = "/v1/channels/1"
_LIFETIME: Final = 3_600
# A refresh token comes only where a user is involved, and none is here.
_MEMBERS: Final = frozenset({"access_token", "expires_in", "scope", "token_type"})
_LIMIT: Final = "X-RateLimit-"
#: Requests a minute → plan, as reported.
_PLANS: Final = {"60": "free", "300": "pro"}


def check(token: Seen, again: Seen | None, read: Seen | None) -> Iterator[Line]:
    """Compare the answers: of the token endpoint, of a second token request, of the read."""
    yield from _common.clock(token)
    if 200 <= token.status < 300 and token.is_object:
        yield from _common.answer(token)
        yield from _common.members(token, _MEMBERS)
        yield from _expires_in(token)
        yield from _caching(token)
    if read is not None:
        yield from _rate(read)


def _expires_in(token: Seen) -> Iterator[Line]:
    seconds = _common.seconds_of(token)
    if seconds == _LIFETIME:
        yield line("expires_in", "ok", "expires_new", seconds=seconds)
    else:
        value = repr(token.data.get("expires_in"))
        yield line("expires_in", "differs", "expires_odd", value=value, expected=_LIFETIME)


def _caching(token: Seen) -> Iterator[Line]:
    stored = "no-store" not in (token.header("Cache-Control") or "").lower()
    yield line("caching", "differs" if stored else "ok", "caching_none" if stored else "caching_ok")


def _rate(read: Seen) -> Iterator[Line]:
    values = {name: read.header(_LIMIT + name) for name in ("Limit", "Remaining", "Reset")}
    if missing := [_LIMIT + name for name, value in values.items() if value is None]:
        yield line("rate", "differs", "rate_none", names=", ".join(missing))
        return
    limit = values["Limit"] or ""
    if limit in _PLANS:
        yield line("rate", "ok", "rate_plan", limit=limit, plan=_PLANS[limit])
    else:
        yield line("rate", "differs", "rate_no_plan", limit=limit, known=", ".join(_PLANS))
