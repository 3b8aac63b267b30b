"""Naver's answers beside its documents. The vendor's facts that are compared: the quotations are its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from . import _common
from ._seen import line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._seen import Line, Seen

#: A read that changes nothing, that every application may make, and whose answer is not looked into.
READ: Final = "/v1/seller/account"
_LIFETIME: Final = 10_800
#: "While 30 minutes or more remain, the server returns the same token again."
_SAME: Final = 1_800
_MEMBERS: Final = frozenset({"access_token", "expires_in", "token_type"})
_TRACE: Final = "GNCP-GW-Trace-ID"
_SHAPES: Final = {
    "cr3-000000-aaaaaa^ms^n": re.compile(r"[a-z0-9]+-[0-9a-z]+-[0-9a-z]+\^[0-9]{13}\^[0-9]+"),
    "22 base64url^ms^n": re.compile(r"[A-Za-z0-9_-]{22}\^[0-9]{13}\^[0-9]+"),
}
_RATE: Final = "GNCP-GW-RateLimit-"
_QUOTA: Final = "GNCP-GW-Quota-"
_PERIODS: Final = frozenset({"SECONDS", "ROUND"})
_FAILED, _BLOCKED = "작업 중 오류가 발생하였습니다.", "서비스를 일시적으로 사용할 수 없습니다."
#: The closed list of gateway codes, with the vendor's messages.
_MESSAGES: Final = {
    "GW.AUTHN": "요청을 보낼 권한이 없습니다.",
    "GW.IP_NOT_ALLOWED": "호출이 허용되지 않은 IP입니다.",
    "GW.NOT_FOUND": "요청하신 리소스를 찾을 수 없습니다.",
    "GW.RATE_LIMIT": "요청이 많아 서비스를 일시적으로 사용할 수 없습니다.",
    "GW.QUOTA_LIMIT": "할당된 시간당 요청량을 초과하였습니다.",
    "GW.INTERNAL_SERVER_ERROR": _FAILED,
    **{f"GW.PROXY.0{number}": _FAILED for number in range(1, 6)},
    **{f"GW.BLOCK.0{number}": _BLOCKED for number in (1, 2)},
    **{f"GW.TIMEOUT.0{number}": "요청 대기 시간이 초과되었습니다." for number in (1, 2)},
}


def check(token: Seen, again: Seen | None, read: Seen | None) -> Iterator[Line]:
    """Compare the answers: of the token endpoint, of a second token request, of the read."""
    yield from _common.clock(token)
    yield from _trace_id(token)
    if 200 <= token.status < 300 and token.is_object:
        yield from _common.answer(token)
        yield from _common.members(token, _MEMBERS)
        yield from _expires_in(token)
        yield from _same_token(token, again)
    for seen in filter(None, (token, read)):
        yield from _error(seen)
    yield from _ip([seen for seen in (token, again, read) if seen is not None])
    yield from _quota(token if read is None else read)
    if read is not None:
        yield from _rate(read)


def _trace_id(token: Seen) -> Iterator[Line]:
    value = token.header(_TRACE)
    if value is None:
        yield line("trace_id", "differs", "trace_none")
        return
    shape = next((name for name, pattern in _SHAPES.items() if pattern.fullmatch(value)), None)
    if shape is None:
        yield line("trace_id", "differs", "trace_odd", value=value)
    else:
        yield line("trace_id", "ok", "trace_ok", value=value, shape=shape)


def _expires_in(token: Seen) -> Iterator[Line]:
    # "`expires_in` is the time that remains, not always 10 800"
    seconds = _common.seconds_of(token)
    if seconds is None or seconds > _LIFETIME:
        value = repr(token.data.get("expires_in"))
        yield line("expires_in", "differs", "expires_odd", value=value, expected=f"1–{_LIFETIME}")
    elif seconds < _SAME:
        yield line("expires_in", "differs", "expires_late", seconds=seconds, limit=_SAME)
    else:
        yield line("expires_in", "ok", "expires_new" if _is_new(seconds) else "expires_old", seconds=seconds)


def _same_token(token: Seen, again: Seen | None) -> Iterator[Line]:
    seconds = _common.seconds_of(token)
    if again is None:
        seen = seconds is not None and seconds >= _SAME and not _is_new(seconds)
        yield line("same_token", "ok" if seen else "note", "same_seen" if seen else "same_unknown")
    elif again.data.get("access_token") == token.data.get("access_token"):
        yield line("same_token", "ok", "same_ok")
    else:
        yield line("same_token", "differs", "same_new", limit=_SAME)


def _is_new(seconds: int) -> bool:
    return seconds > _LIFETIME - 10


def _error(seen: Seen) -> Iterator[Line]:
    code, message = seen.code, seen.data.get("message")
    # The token endpoint has errors of another kind, with `invalidInputs`.
    if seen.status < 400 or code is None or not code.startswith("GW."):
        return
    if code not in _MESSAGES:
        yield line("error", "differs", "error_code", code=code)
    elif message != _MESSAGES[code]:
        yield line("error", "differs", "error_message", code=code, message=message)
    else:
        yield line("error", "ok", "error_ok", code=code)


def _ip(answers: list[Seen]) -> Iterator[Line]:
    if any(seen.code == "GW.IP_NOT_ALLOWED" for seen in answers):
        yield line("ip", "failed", "ip_refused")
    elif len(answers) > 1:
        yield line("ip", "ok", "ip_ok")


def _quota(seen: Seen) -> Iterator[Line]:
    period, limit, remaining = (seen.header(_QUOTA + name) for name in ("Period", "Limit", "Remaining"))
    if period == "HOURS":
        yield line("quota", "failed", "quota_penalty")
    elif period in _PERIODS:
        yield line("quota", "note", "quota_known", period=period, limit=limit, remaining=remaining)
    elif period is not None:
        yield line("quota", "differs", "quota_odd", period=period)
    else:
        yield line("quota", "ok", "quota_none")


def _rate(read: Seen) -> Iterator[Line]:
    names = ("Replenish-Rate", "Burst-Capacity", "Remaining")
    values = {name: read.header(_RATE + name) for name in names}
    if missing := [_RATE + name for name, value in values.items() if value is None]:
        yield line("rate", "differs", "rate_none", names=", ".join(missing))
        return
    if odd := [_RATE + name for name, value in values.items() if not (value or "").isdecimal()]:
        yield line("rate", "differs", "rate_odd", names=", ".join(odd))
        return
    rate, capacity = values["Replenish-Rate"], values["Burst-Capacity"]
    # "Burst-Capacity = 2 × Replenish-Rate"
    kept = (capacity or "")[:12] == str(2 * int((rate or "")[:12]))
    phrase = "rate_ok" if kept else "rate_capacity"
    yield line("rate", "ok" if kept else "differs", phrase, rate=rate, capacity=capacity)
