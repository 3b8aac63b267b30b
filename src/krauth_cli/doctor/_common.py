"""What both vendors' token endpoints have: a clock, a status, a lifetime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ._seen import line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._seen import Line, Seen

#: Seconds that two clocks may be apart, in addition to half of the round trip and the rounding of `Date`.
_TOLERANCE: Final = 2.0


def clock(token: Seen) -> Iterator[Line]:
    """Compare this machine's clock with the server's."""
    offset = token.offset
    if offset is None:
        yield line("clock", "differs", "clock_none")
        return
    allowed = _TOLERANCE + token.seconds / 2
    if abs(offset) <= allowed:
        yield line("clock", "ok", "clock_ok", seconds=f"{allowed:.0f}")
    else:
        phrase = "clock_behind" if offset > 0 else "clock_ahead"
        yield line("clock", "differs", phrase, seconds=f"{abs(offset):.0f}")


def answer(token: Seen) -> Iterator[Line]:
    """Compare status and type of a token answer."""
    kind = token.data.get("token_type")
    if token.status != 200:
        yield line("token", "differs", "token_status", status=token.status)
    elif kind != "Bearer":
        yield line("token", "differs", "token_type", type=kind)
    else:
        yield line("token", "ok", "token_ok", status=token.status, type=kind, ms=f"{1000 * token.seconds:.0f}")


def members(token: Seen, required: frozenset[str], optional: frozenset[str] = frozenset()) -> Iterator[Line]:
    """Compare which members a token answer has."""
    got = set(token.data)
    if more := sorted(got - required - optional):
        yield line("members", "differs", "members_more", names=", ".join(more))
    elif less := sorted(required - got):
        yield line("members", "differs", "members_less", names=", ".join(less))
    else:
        yield line("members", "ok", "members_ok")


def seconds_of(token: Seen) -> int | None:
    """Return expires_in where it is a whole number of seconds above 0."""
    value = token.data.get("expires_in")
    return value if type(value) is int and value > 0 else None
