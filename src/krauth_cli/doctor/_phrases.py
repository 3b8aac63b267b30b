"""What the doctor says, in English and Korean."""

from __future__ import annotations

from typing import Final

#: name → (English, Korean).
PHRASES: Final[dict[str, tuple[str, str]]] = {
    # verdicts
    "ok": ("ok", "정상"),
    "note": ("note", "참고"),
    "differs": ("differs", "다름"),
    "failed": ("failed", "실패"),
    # names of lines
    "clock": ("clock", "시계"),
    "token": ("token", "토큰"),
    "members": ("members", "응답 항목"),
    "expires_in": ("expires_in", "expires_in"),
    "same_token": ("same token", "같은 토큰"),
    "caching": ("caching", "캐시"),
    "trace_id": ("trace id", "추적 ID"),
    "ip": ("IP address", "IP 주소"),
    "read": ("read", "조회"),
    "rate": ("rate limit", "호출 한도"),
    "quota": ("quota", "할당량"),
    "error": ("error", "오류"),
    # clock
    "clock_ok": (
        "this machine's clock is right, within {seconds} s",
        "이 컴퓨터의 시계가 정확합니다(오차 {seconds}초 이내)",
    ),
    "clock_behind": (
        "this machine's clock is {seconds} s behind the server's: set it (NTP)",
        "이 컴퓨터의 시계가 서버보다 {seconds}초 느립니다. 시계를 맞추십시오(NTP)",
    ),
    "clock_ahead": (
        "this machine's clock is {seconds} s ahead of the server's: set it (NTP)",
        "이 컴퓨터의 시계가 서버보다 {seconds}초 빠릅니다. 시계를 맞추십시오(NTP)",
    ),
    "clock_none": ("the answer has no Date header", "응답에 Date 헤더가 없습니다"),
    # token
    "token_ok": ("status {status}, {type}, in {ms} ms", "상태 코드 {status}, {type}, {ms} ms"),
    "token_status": ("status {status}; the documents say 200", "상태 코드 {status}. 문서에는 200입니다"),
    "token_type": (
        "token_type is {type}; the documents say Bearer",
        "token_type이 {type}입니다. 문서에는 Bearer입니다",
    ),
    "token_refused": ("{reason}", "{reason}"),
    "members_ok": ("those of the documents", "문서와 같습니다"),
    "members_more": ("not in the documents: {names}", "문서에 없는 항목: {names}"),
    "members_less": ("missing: {names}", "없는 항목: {names}"),
    "expires_new": ("{seconds} s: a new token", "{seconds}초: 새 토큰"),
    "expires_old": ("{seconds} s: a token that was issued before", "{seconds}초: 앞서 발급된 토큰"),
    "expires_odd": (
        "{value}; the documents say a whole number of seconds, {expected}",
        "{value}. 문서에는 초 단위 정수({expected})입니다",
    ),
    "expires_late": (
        "{seconds} s; with less than {limit} s left the documents promise a new token",
        "{seconds}초. 문서에는 {limit}초 미만이면 새 토큰을 발급합니다",
    ),
    "same_ok": ("a second request brought the same token", "두 번째 요청에서 같은 토큰을 받았습니다"),
    "same_new": (
        "a second request brought another token; the documents promise the same one for {limit} s and more",
        "두 번째 요청에서 다른 토큰을 받았습니다. 문서에는 {limit}초 이상 남으면 같은 토큰입니다",
    ),
    "same_seen": (
        "this token was issued before, so the server returns it again",
        "앞서 발급된 토큰이므로 같은 토큰을 다시 주고 있습니다",
    ),
    "same_unknown": (
        "not looked at: --again makes a second token request",
        "확인하지 않았습니다. --again을 쓰면 토큰을 한 번 더 요청합니다",
    ),
    "caching_ok": ("no-store, as RFC 6749 wants", "no-store(RFC 6749)"),
    "caching_none": (
        "Cache-Control does not say no-store (RFC 6749 §5.1)",
        "Cache-Control에 no-store가 없습니다(RFC 6749 §5.1)",
    ),
    # trace id
    "trace_ok": ("{value}, in the shape {shape}", "{value}, {shape} 형식"),
    "trace_none": (
        "there is none; the documents say GNCP-GW-Trace-ID",
        "없습니다. 문서에는 GNCP-GW-Trace-ID가 있습니다",
    ),
    "trace_odd": ("{value}: not one of the known shapes", "{value}: 알려진 형식이 아닙니다"),
    # IP
    "ip_ok": ("allowed, at the token endpoint and at the API", "허용됨(토큰 엔드포인트와 API)"),
    "ip_refused": (
        "not allowed: register the address that your calls leave from",
        "허용되지 않았습니다. 호출이 나가는 IP를 등록하십시오",
    ),
    # read
    "read_ok": ("GET {path}: {status}", "GET {path}: {status}"),
    "read_refused": ("GET {path}: {status} {code}{remedy}", "GET {path}: {status} {code}{remedy}"),
    "read_odd": ("GET {path}: {status}, and no JSON object", "GET {path}: {status}, JSON 객체가 아닙니다"),
    # limits
    "rate_ok": ("{rate} a second, {capacity} at once", "초당 {rate}회, 한 번에 {capacity}회"),
    "rate_none": ("headers are missing: {names}", "헤더가 없습니다: {names}"),
    "rate_capacity": (
        "{capacity} at once for {rate} a second; the documents say twice the rate",
        "초당 {rate}회에 한 번에 {capacity}회. 문서에는 초당 횟수의 두 배입니다",
    ),
    "rate_odd": ("a header is not a whole number: {names}", "정수가 아닌 헤더: {names}"),
    "rate_plan": ("{limit} a minute: the {plan} plan", "분당 {limit}회: {plan} 요금제"),
    "rate_no_plan": ("{limit} a minute; known plans have {known}", "분당 {limit}회. 알려진 요금제는 {known}입니다"),
    "quota_none": ("no quota, as for an application of an own store", "할당량 없음(자사 스토어 애플리케이션)"),
    "quota_known": ("{remaining} of {limit} left, period {period}", "{limit} 중 {remaining} 남음, 주기 {period}"),
    "quota_penalty": (
        "period HOURS: Naver's penalty. A program at a registered IP sends malformed token requests; find and stop it",
        "주기 HOURS: 네이버의 제재입니다. 등록된 IP에서 규격에 맞지 않는 토큰 요청을 보내는 프로그램을 찾아 멈추십시오",
    ),
    "quota_odd": ("period {period} is not in the documents", "주기 {period}: 문서에 없습니다"),
    # errors
    "error_ok": ("{code}, with the documented message", "{code}, 문서의 메시지와 같음"),
    "error_code": ("{code} is not in the vendor's list of codes", "{code}: 공급사의 코드 목록에 없습니다"),
    "error_message": (
        "{code} with another message than the documented one: {message}",
        "{code}의 메시지가 문서와 다릅니다: {message}",
    ),
    # the end
    "end_ok": ("Everything is as documented.", "모두 문서와 같습니다."),
    "end_differs": ("Differences from the documents: {n}.", "문서와 다른 점: {n}가지."),
    "end_failed": ("The check could not be finished.", "점검을 끝내지 못했습니다."),
}


class Phrases:
    """The phrases of one language, `en` or `ko`."""

    def __init__(self, language: str) -> None:
        self._index = 1 if language == "ko" else 0

    def __call__(self, name: str, /, **values: object) -> str:
        """Return a phrase with its gaps filled."""
        return PHRASES[name][self._index].format(**values)
