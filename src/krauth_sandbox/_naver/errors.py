"""The vendor's error codes with their statuses and its own messages; a closed list."""

from __future__ import annotations

from typing import Final

_FAILED: Final = "작업 중 오류가 발생하였습니다."
_BLOCKED: Final = "서비스를 일시적으로 사용할 수 없습니다."
_LATE: Final = "요청 대기 시간이 초과되었습니다."

#: code → (status, message). Where a status has several codes, the first is the one for `fail_…(status)`.
ERRORS: Final[dict[str, tuple[int, str]]] = {
    "GW.AUTHN": (401, "요청을 보낼 권한이 없습니다."),
    "GW.IP_NOT_ALLOWED": (403, "호출이 허용되지 않은 IP입니다."),
    "GW.NOT_FOUND": (404, "요청하신 리소스를 찾을 수 없습니다."),
    "GW.RATE_LIMIT": (429, "요청이 많아 서비스를 일시적으로 사용할 수 없습니다."),
    "GW.QUOTA_LIMIT": (429, "할당된 시간당 요청량을 초과하였습니다."),
    "GW.INTERNAL_SERVER_ERROR": (500, _FAILED),
    **{f"GW.PROXY.0{number}": (500, _FAILED) for number in range(1, 6)},
    **{f"GW.BLOCK.0{number}": (503, _BLOCKED) for number in (1, 2)},
    **{f"GW.TIMEOUT.0{number}": (504, _LATE) for number in (1, 2)},
}
CODE_OF_STATUS: Final = {status: code for code, (status, _) in reversed(ERRORS.items())}
