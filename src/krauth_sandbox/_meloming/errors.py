"""The API's error codes with their statuses, and the shapes in which they may come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._ground.reply import answer_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._ground.reply import Reply, Wrong

# code → (status, message), the document's "인증 에러 처리" and the errors that every API has.
ERRORS: Final[dict[str, tuple[int, str]]] = {
    "BAD_REQUEST": (400, "요청이 올바르지 않습니다."),
    "AUTHENTICATION_REQUIRED": (401, "인증 정보가 누락되었거나 유효하지 않습니다."),
    "INVALID_API_KEY": (401, "API Key가 유효하지 않습니다."),
    "PERMISSION_DENIED": (403, "리소스에 대한 권한이 부족합니다."),
    "NOT_FOUND": (404, "리소스를 찾을 수 없습니다."),
    "RATE_LIMIT_EXCEEDED": (429, "요청 한도를 초과했습니다."),
    "INTERNAL_ERROR": (500, "일시적인 오류가 발생했습니다."),
}
CODE_OF_STATUS: Final = {status: code for code, (status, _) in reversed(ERRORS.items())}
OAUTH_ERROR_OF_STATUS: Final = {
    400: "invalid_grant",
    401: "invalid_client",
    403: "access_denied",
    429: "temporarily_unavailable",
    503: "temporarily_unavailable",
}
# "The JSON shape of an API error is not published: accept all three." An error without a code has its message only.
SHAPES: Final[dict[str, Callable[[str | None, str], dict[str, Any]]]] = {
    "code": lambda code, message: _known(code=code, message=message),
    "error": lambda code, message: {"error": code, "message": message} if code else {"error": message},
    "nested": lambda code, message: {"error": _known(code=code, message=message)},
}


def refuse(shape: str, code: str, problem: Wrong | None = None, *, status: int | None = None) -> Reply:
    """Answer with an error of the API, in one of the `SHAPES`."""
    documented, message = ERRORS[code]
    reply = answer_json(SHAPES[shape](code, message), status=status or documented, wrong=problem)
    if code == "AUTHENTICATION_REQUIRED":
        reply.headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 §3
    return reply


def _known(**members: str | None) -> dict[str, str]:
    return {name: value for name, value in members.items() if value is not None}
