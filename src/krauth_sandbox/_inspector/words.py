"""What the inspector says, in English and Korean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .._ground.reply import Wrong

#: name → (English, Korean).
WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("krauth sandbox", "krauth 샌드박스"),
    "lead": (
        "Both APIs on this machine. Nothing here is real, and the credentials are worth nothing.",
        "두 API를 이 컴퓨터에서 흉내 냅니다. 실제 데이터는 없으며 인증 정보는 아무 가치가 없습니다.",
    ),
    "other_language": ("한국어", "English"),
    "offline": ("The sandbox does not answer.", "샌드박스가 응답하지 않습니다."),
    "reload": ("Refresh", "새로고침"),
    "done": ("Done.", "적용했습니다."),
    "refused": ("Not done: {reason}", "적용하지 못했습니다: {reason}"),
    "stale": (
        "This page is older than the sandbox. Load it again.",
        "샌드박스가 다시 시작되었습니다. 페이지를 새로고침하십시오.",
    ),
    "tokens": ("Live tokens", "유효한 토큰"),
    "no_tokens": ("No token is good at the moment.", "현재 유효한 토큰이 없습니다."),
    "provider": ("API", "API"),
    "kind": ("Kind", "종류"),
    "access": ("access", "액세스"),
    "refresh": ("refresh", "리프레시"),
    "whom": ("For", "대상"),
    "scope": ("Scope", "권한 범위"),
    "token": ("Token", "토큰"),
    "left": ("Expires in", "남은 시간"),
    "revoke_all": ("Revoke every {name} token", "{name} 토큰 모두 폐기"),
    "revoke_access": ("Revoke {name} access tokens only", "{name} 액세스 토큰만 폐기"),
    "requests": ("Last requests", "최근 요청"),
    "no_requests": ("No request has arrived yet.", "아직 들어온 요청이 없습니다."),
    "at": ("Time", "시각"),
    "request": ("Request", "요청"),
    "status": ("Status", "상태 코드"),
    "dropped": ("dropped", "연결 끊김"),
    "wrong": ("Problem", "문제점"),
    "nothing_wrong": ("Nothing", "없음"),
    "counts": (
        "{name}: {token_requests} token requests, {tokens_issued} tokens issued, {api_requests} API calls",
        "{name}: 토큰 요청 {token_requests}회, 토큰 발급 {tokens_issued}개, API 호출 {api_requests}회",
    ),
    "clock": ("Clock", "시계"),
    "server_time": ("{name} believes that it is {time}", "{name} 서버의 현재 시각: {time}"),
    "offset": ("Set the servers' clocks", "서버 시계 맞추기"),
    "offset_right": ("Right", "정확한 시각"),
    "offset_by": ("{seconds} s off", "{seconds}초 차이"),
    "advance": ("Let time pass for every token", "모든 토큰의 시간 흐르게 하기"),
    "seconds": ("Seconds", "초"),
    "set": ("Set", "설정"),
    "go": ("Pass", "흐르게 하기"),
    "hours": ("{n} h", "{n}시간"),
    "half_hours": ("2 h 31 min", "2시간 31분"),
    "days": ("{n} d", "{n}일"),
    "faults": ("Faults of {name}", "{name} 장애"),
    "faults_lead": (
        "Each button makes the next request of its kind fail; “always” lasts until you clear.",
        "버튼을 누르면 다음 요청이 실패합니다. ‘계속’은 지울 때까지 이어집니다.",
    ),
    "queued": ("Switched on: {list}", "켜져 있음: {list}"),
    "queued_none": ("No fault is switched on.", "켜져 있는 장애가 없습니다."),
    "clear": ("Clear faults and delays", "장애와 지연 모두 지우기"),
    "fault": ("Answer", "응답"),
    "token_endpoint": ("Token endpoint", "토큰 엔드포인트"),
    "api": ("API", "API"),
    "once": ("once", "한 번"),
    "always": ("always", "계속"),
    "drop": ("no answer", "응답 없음"),
    "drop_processed": ("no answer, but done", "처리 후 응답 없음"),
    "delay": ("3 s late", "3초 지연"),
    "switches": ("Switches of {name}", "{name} 설정"),
    "true": ("Yes", "예"),
    "false": ("No", "아니요"),
    "reissue": ("Reissue the client secret", "클라이언트 시크릿 재발급"),
    "renew": ("Renew the application", "애플리케이션 갱신"),
    "reset": ("Start over: forget everything", "처음으로: 모두 지우기"),
    "credentials": ("Credentials", "인증 정보"),
    "show": ("Show secrets and tokens", "시크릿과 토큰 표시"),
    "hide": ("Hide secrets and tokens", "시크릿과 토큰 숨기기"),
    "hidden": ("hidden ({n} characters)", "숨김({n}자)"),
    "paste": ("Environment variables", "환경 변수"),
}

#: A switch → (English, Korean).
SWITCHES: Final[dict[str, tuple[str, str]]] = {
    "speed": ("Token lifetimes are divided by this", "토큰 유효기간을 이 값으로 나눕니다"),
    "token_delay": ("Seconds before the token endpoint answers", "토큰 엔드포인트 응답 지연(초)"),
    "api_delay": ("Seconds before an API call is answered", "API 응답 지연(초)"),
    "clock_offset": ("Seconds that the server's clock is ahead", "서버 시계가 앞선 시간(초)"),
    "enforce_rate_limit": ("Answer 429 beyond the rate limit", "호출 한도를 넘으면 429로 응답"),
    "ip_allowed": ("The caller's IP address is registered", "호출 IP가 등록되어 있음"),
    "application_kind": ("Kind of application", "애플리케이션 종류"),
    "api_group": ("The application has the API group", "API 그룹 권한이 있음"),
    "lapsed": ("The application has lapsed (180 days)", "애플리케이션이 만료됨(180일)"),
    "punish_malformed": (
        "Punish malformed token requests (one token an hour)",
        "규격에 맞지 않는 토큰 요청에 제재 적용(시간당 토큰 1개)",
    ),
    "malformed_elsewhere": (
        "Another program keeps the penalty alive",
        "다른 프로그램 때문에 제재가 계속됨",
    ),
    "penalty_reaches_api": ("The penalty reaches API calls", "제재가 API 호출에도 적용됨"),
    "query_string": ("Token parameters in the URL", "URL에 담긴 토큰 요청 파라미터"),
    "timestamp_window": ("Seconds that a timestamp may be old", "timestamp 허용 시간(초)"),
    "future_tolerance": ("Seconds that a timestamp may be ahead", "미래 timestamp 허용 시간(초)"),
    "replenish_rate": ("Requests a second for each API", "API별 초당 호출 수"),
    "quota_period": ("Quota period", "할당량 주기"),
    "quota_limit": ("API calls in a quota period", "주기당 API 호출 수"),
    "trace_ids": ("Shape of trace ids", "추적 ID 형식"),
    "same_token": ("The same token again while it is good", "유효한 동안 같은 토큰을 다시 발급"),
    "lifetime": ("Seconds that a new token lives", "새 토큰의 유효기간(초)"),
    "token_status": ("Status of a token answer", "토큰 응답의 상태 코드"),
    "rotation": ("A refresh brings a new refresh token", "갱신할 때 리프레시 토큰 교체"),
    "reuse_detection": (
        "A spent refresh token revokes its whole family",
        "사용한 리프레시 토큰을 다시 쓰면 관련 토큰 모두 폐기",
    ),
    "application_active": ("The application is active", "애플리케이션이 활성 상태임"),
    "plan": ("Plan", "요금제"),
    "rate_limit": ("Requests a minute, in place of the plan's", "분당 호출 수(요금제 대신)"),
    "month_limit": ("Requests a month, in place of the plan's", "월간 호출 수(요금제 대신)"),
    "send_iss": ("Send iss with authorization responses (RFC 9207)", "인가 응답에 iss 포함(RFC 9207)"),
    "accept_basic": ("Accept client credentials in a header", "헤더의 클라이언트 인증 정보 허용"),
    "error_shape": ("Shape of API errors", "API 오류 형식"),
    "allow_loopback": ("Accept any loopback redirect URI", "루프백 Redirect URI 모두 허용"),
}


class Words:
    """The words of one language, `en` or `ko`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._index = 1 if language == "ko" else 0

    def __call__(self, name: str, /, **values: object) -> str:
        """Return a phrase with its gaps filled."""
        return WORDS[name][self._index].format(**values)

    def switch(self, name: str) -> str:
        """Return what a switch is about."""
        return SWITCHES[name][self._index]

    def wrong(self, problem: Wrong) -> str:
        """Return the sentence for a problem."""
        return problem.told(self.language)
