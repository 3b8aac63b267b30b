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
    "wrong": ("What was wrong", "문제점"),
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

#: What was wrong with a request: English → Korean.
WRONGS: Final[dict[str, str]] = {
    "Nothing: this fault was switched on here.": "요청에는 문제가 없습니다. 여기에서 켠 장애입니다.",
    "The Host header names another server. Address the sandbox as 127.0.0.1 or localhost.": (
        "Host 헤더가 다른 서버를 가리킵니다. 127.0.0.1이나 localhost로 호출하십시오."
    ),
    "A web page of another site has sent this request (Origin header).": (
        "다른 사이트의 웹 페이지가 보낸 요청입니다(Origin 헤더)."
    ),
    "A web page of another site has embedded this address (Sec-Fetch-Site header).": (
        "다른 사이트의 웹 페이지에 이 주소가 포함되어 있습니다(Sec-Fetch-Site 헤더)."
    ),
    "There is nothing at this path, or not for this method.": "이 경로가 없거나 이 메서드를 지원하지 않습니다.",
    "There is no Authorization header.": "Authorization 헤더가 없습니다.",
    "The Authorization header does not hold a bearer token.": "Authorization 헤더에 Bearer 토큰이 없습니다.",
    "The token was not issued here.": "여기에서 발급한 토큰이 아닙니다.",
    "The token was revoked.": "폐기된 토큰입니다.",
    "The token has expired.": "만료된 토큰입니다.",
    "There is no application with this client_id.": "client_id에 해당하는 애플리케이션이 없습니다.",
    # Naver
    "The caller's IP address is not registered (switch).": "호출 IP가 등록되어 있지 않습니다(설정).",
    "An agency's application must use /partner, not /external.": (
        "대행사 애플리케이션은 /external이 아니라 /partner를 사용해야 합니다."
    ),
    "On /partner the type must be SELLER, with an account_id.": (
        "/partner에서는 type이 SELLER여야 하며 account_id가 필요합니다."
    ),
    "Too many calls of this API.": "이 API를 너무 자주 호출했습니다.",
    "The quota of the application is used up.": "애플리케이션의 할당량을 모두 사용했습니다.",
    "The penalty for malformed token requests lasts: one token an hour, no API calls.": (
        "규격에 맞지 않는 토큰 요청에 대한 제재 중입니다. 토큰은 시간당 1개만 발급되고 API는 호출할 수 없습니다."
    ),
    "The application is of the wrong kind for this API.": "이 API를 쓸 수 없는 종류의 애플리케이션입니다.",
    "The application lacks the API group of this call.": "애플리케이션에 이 호출의 API 그룹 권한이 없습니다.",
    "The application has lapsed; it must be renewed every 180 days.": (
        "애플리케이션이 만료되었습니다. 180일마다 갱신해야 합니다."
    ),
    "The parameters stand in the URL; they belong in the body. Naver punishes this.": (
        "파라미터가 URL에 있습니다. 본문에 담아야 합니다. 네이버의 제재 대상입니다."
    ),
    "The parameters stand in the URL, which brings the penalty; they belong in the body.": (
        "파라미터가 URL에 있어 제재가 시작되었습니다. 본문에 담아야 합니다."
    ),
    "Content-Type is not application/x-www-form-urlencoded. Naver punishes this.": (
        "Content-Type이 application/x-www-form-urlencoded가 아닙니다. 네이버의 제재 대상입니다."
    ),
    "The body is not a form in UTF-8. Naver punishes this.": (
        "본문이 UTF-8 폼 형식이 아닙니다. 네이버의 제재 대상입니다."
    ),
    "Missing, repeated or impossible: {names}. Naver punishes this.": (
        "빠졌거나 중복되었거나 잘못된 항목: {names}. 네이버의 제재 대상입니다."
    ),
    "There is no seller with this account_id.": "account_id에 해당하는 판매자가 없습니다.",
    "timestamp is in seconds; it must be in milliseconds.": "timestamp가 초 단위입니다. 밀리초여야 합니다.",
    "timestamp lies {seconds} s in the future.": "timestamp가 {seconds}초 미래입니다.",
    "timestamp is {seconds} s old; {limit} s are allowed.": (
        "timestamp가 {seconds}초 지났습니다. {limit}초까지 허용됩니다."
    ),
    "client_secret_sign is not Base64 of ASCII characters.": "client_secret_sign이 올바른 Base64가 아닙니다.",
    "client_secret_sign does not hold a bcrypt hash (60 characters).": (
        "client_secret_sign에 bcrypt 해시(60자)가 없습니다."
    ),
    "client_secret_sign was made with another client_secret.": (
        "client_secret_sign이 다른 client_secret으로 만들어졌습니다."
    ),
    "client_secret_sign was made with the secret from before the reissue.": (
        "client_secret_sign이 재발급 이전의 시크릿으로 만들어졌습니다."
    ),
    "client_secret_sign was made for another client_id or timestamp.": (
        "client_secret_sign이 다른 client_id나 timestamp로 만들어졌습니다."
    ),
    "client_id and timestamp are longer than the 72 bytes that bcrypt reads.": (
        "client_id와 timestamp가 bcrypt가 읽는 72바이트보다 깁니다."
    ),
    # Meloming
    "The application is not active (switch).": "애플리케이션이 활성 상태가 아닙니다(설정).",
    "The client secret is the one from before the reissue.": "재발급 이전의 클라이언트 시크릿입니다.",
    "client_secret is missing.": "client_secret이 없습니다.",
    "client_secret is not that of the client.": "client_secret이 이 클라이언트의 것이 아닙니다.",
    "redirect_uri is not registered.": "redirect_uri가 등록되어 있지 않습니다.",
    "X-API-Key is not an API key of this sandbox.": "X-API-Key가 이 샌드박스의 API Key가 아닙니다.",
    "Too many calls for the plan of this application.": "애플리케이션 요금제의 호출 한도를 넘었습니다.",
    "The scope of the token allows no writing.": "토큰의 권한 범위에 쓰기 권한이 없습니다.",
    "The user may not change this channel.": "이 채널을 변경할 권한이 없습니다.",
    "There is no such channel or song.": "해당 채널이나 노래가 없습니다.",
    "The consent form has expired, or was not opened in this browser.": (
        "동의 양식이 만료되었거나 이 브라우저에서 열린 것이 아닙니다."
    ),
    "The consent form is not complete.": "동의 양식이 올바르지 않습니다.",
    "{name} is missing.": "{name} 항목이 없습니다.",
    "parameters belong in the body, not in the URL": "파라미터는 URL이 아니라 본문에 담아야 합니다.",
    "a parameter came more than once": "같은 파라미터가 두 번 이상 있습니다.",
    "Content-Type must be a form or JSON": "Content-Type은 폼이나 JSON이어야 합니다.",
    "Content-Type must be application/json": "Content-Type은 application/json이어야 합니다.",
    "the form is not UTF-8": "폼이 UTF-8이 아닙니다.",
    "the body is not JSON": "본문이 JSON이 아닙니다.",
    "the body is not a JSON object of strings": "본문이 문자열로 된 JSON 객체가 아닙니다.",
    "grant_type is not supported": "지원하지 않는 grant_type입니다.",
    "a public client has no client_credentials grant": (
        "시크릿이 없는 클라이언트는 client_credentials를 쓸 수 없습니다."
    ),
    "scope is malformed": "scope 형식이 올바르지 않습니다.",
    "scope names something this server does not know": "scope에 이 서버가 모르는 값이 있습니다.",
    "scope is wider than what was granted": "scope가 허용된 것보다 넓습니다.",
    "the code is unknown or belongs to another client": "코드를 알 수 없거나 다른 클라이언트의 코드입니다.",
    "the code was used before; its tokens are revoked": "이미 사용한 코드입니다. 이 코드로 발급한 토큰은 폐기됩니다.",
    "the code has expired": "만료된 코드입니다.",
    "redirect_uri is not the one the code was issued to": "redirect_uri가 코드를 발급한 주소와 다릅니다.",
    "code_verifier is missing or malformed": "code_verifier가 없거나 형식이 올바르지 않습니다.",
    "code_verifier does not match the code_challenge": "code_verifier가 code_challenge와 맞지 않습니다.",
    "code_verifier was sent, but the code was issued without a code_challenge": (
        "code_challenge 없이 발급한 코드인데 code_verifier를 보냈습니다."
    ),
    "the refresh token is unknown or belongs to another client": (
        "리프레시 토큰을 알 수 없거나 다른 클라이언트의 토큰입니다."
    ),
    "the refresh token was used before, revoked, or has expired": (
        "이미 사용했거나 폐기되었거나 만료된 리프레시 토큰입니다."
    ),
    "response_type is missing": "response_type이 없습니다.",
    "response_type must be code": "response_type은 code여야 합니다.",
    "code_challenge is missing": "code_challenge가 없습니다.",
    "code_challenge or code_challenge_method is not valid": (
        "code_challenge나 code_challenge_method가 올바르지 않습니다."
    ),
    "a public client must send a code_challenge": "시크릿이 없는 클라이언트는 code_challenge를 보내야 합니다.",
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
        """Return what was wrong with a request."""
        text = WRONGS.get(problem.text, problem.text) if self._index else problem.text
        return text.format(**dict(problem.values))
