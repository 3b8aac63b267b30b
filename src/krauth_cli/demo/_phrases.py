"""What the demo says, in English and Korean. `_scenes` and `_report` name phrases, never write them."""

from __future__ import annotations

from typing import Final

from .._language import LANGUAGES

#: name → (English, Korean)
PHRASES: Final[dict[str, tuple[str, str]]] = {
    "title": ("krauth {version} demo", "krauth {version} 데모"),
    "intro": (
        "Six ways to send a request, two APIs, and an embedded sandbox of both APIs on 127.0.0.1."
        " Requests and tokens are counted by the sandbox's servers, not by krauth.",
        "요청을 보내는 여섯 가지 방법, 두 가지 API, 그리고 두 API를 모두 흉내 내는 내장 샌드박스(127.0.0.1)입니다."
        " 요청과 토큰 수는 krauth가 아니라 샌드박스 서버가 직접 센 값입니다.",
    ),
    "library": ("sent with", "라이브러리"),
    "naver": ("Naver", "네이버"),
    "meloming": ("Meloming", "멜로밍"),
    "ok": ("ok", "정상"),
    "failed": ("FAILED", "실패"),
    "skipped": ("skipped", "건너뜀"),
    "not_installed": (
        "not installed: pip install 'krauth[{library}]'",
        "설치되어 있지 않습니다: pip install 'krauth[{library}]'",
    ),
    # The observed requests.
    "trace_token": ("token", "토큰 발급"),
    "nothing": ("no request", "요청 없음"),
    "counted_calls": ("{calls} calls, {tokens} token requests", "호출 {calls}회, 토큰 요청 {tokens}건"),
    "counted_calls_1": ("{calls} calls, {tokens} token request", "호출 {calls}회, 토큰 요청 {tokens}건"),
    "counters": ("(token requests: {tokens}, calls: {calls})", "(토큰 요청 {tokens}건, 호출 {calls}건)"),
    "not_200": ("{bad} of {calls} failed", "{calls}건 중 {bad}건 실패"),
    # 1
    "obtain": ("The first call", "첫 호출"),
    "obtain_note": (
        "The program does not ask for a token. krauth signs and sends the token request, then the call.",
        "토큰을 따로 요청하지 않아도 krauth가 서명해서 발급받은 뒤 호출을 보냅니다.",
    ),
    "obtain_claim": ("The first call obtains a token and succeeds", "첫 호출에서 토큰을 발급받아 성공합니다"),
    "obtain_seen": ("1 token request each, then 200", "토큰 요청 1건씩, 이어서 200"),
    # 2
    "reuse": ("The next {calls} calls", "이어지는 호출 {calls}회"),
    "reuse_note": (
        "The token is in memory: calls cost nothing extra.",
        "토큰이 메모리에 있으므로 추가 비용이 없습니다.",
    ),
    "reuse_claim": ("Further calls reuse the token", "이후 호출은 토큰을 재사용합니다"),
    "reuse_seen": ("{calls} calls, 0 token requests", "호출 {calls}회, 토큰 요청 0건"),
    # 3
    "refresh": ("Tokens expire while calls go on", "호출이 이어지는 동안 토큰 만료"),
    "refresh_note": (
        "The sandbox's clock runs fast: Naver's three hours and Meloming's one pass in {lifetime} s. Its token"
        " endpoints now take {delay} s to answer, so that a call that waits for a token would show.",
        "샌드박스의 시계를 빠르게 돌립니다. 네이버의 3시간과 멜로밍의 1시간이 {lifetime}초 만에 지나갑니다."
        " 토큰 발급에는 일부러 {delay}초가 걸리게 했으므로, 기다린 호출이 있다면 드러납니다.",
    ),
    "refresh_start": (
        "{clients} clients start calling, {rate} calls a second together",
        "클라이언트 {clients}개가 호출을 시작합니다(합계 초당 {rate}회)",
    ),
    "refresh_first": (
        "the first token is being refreshed in the background; calls go on",
        "첫 토큰이 백그라운드에서 갱신되고, 호출은 계속됩니다",
    ),
    "refresh_all": ("all {clients} tokens have been refreshed", "토큰 {clients}개가 모두 갱신되었습니다"),
    "refresh_dead": (
        "the old tokens have expired: used by hand, Naver's gets 401 {code}",
        "이전 토큰이 만료되었습니다. 네이버의 이전 토큰을 직접 써 보면 401 {code}",
    ),
    "refresh_end": ("the calls end; none of them noticed a refresh", "호출을 마칩니다. 갱신을 알아챈 호출은 없습니다"),
    "refresh_end_bad": ("the calls end", "호출을 마칩니다"),
    "refresh_claim": (
        "An expiring token is refreshed in the background, and no call waits",
        "만료가 가까운 토큰은 백그라운드에서 갱신되고, 기다리는 호출은 없습니다",
    ),
    "refresh_seen": (
        "{calls} calls, {waited} waited, {bad} failed; slowest {ms} ms",
        "호출 {calls}회, 대기 {waited}, 실패 {bad}; 최대 {ms} ms",
    ),
    "refresh_bad": ("new tokens: {refreshed}, not 1", "새 토큰 {refreshed}개(1개여야 함)"),
    "refresh_during": (
        "{during} calls answered while a token was on its way",
        "토큰 발급 중에도 {during}회 응답",
    ),
    # 4
    "recover": ("Every token is revoked at the server", "서버에서 모든 토큰 폐기"),
    "recover_note": (
        "krauth cannot know. The old tokens, used by hand, get {naver} and {meloming}."
        " Then a read at Naver and a write at Meloming:",
        "krauth는 이 사실을 알 수 없습니다. 이전 토큰을 직접 써 보면 {naver}, {meloming}입니다."
        " 이제 네이버에서 조회를, 멜로밍에서 쓰기를 호출합니다.",
    ),
    "recover_claim": (
        "After 401: one new token, one retry, success",
        "401을 받으면 토큰을 한 번 새로 발급받아 한 번 재시도하고 성공합니다",
    ),
    "recover_seen": ("401 → token → 200 or 201, body intact", "401 → 토큰 발급 → 200 또는 201, 본문 유지"),
    "body_lost": ("body not intact", "본문 훼손"),
    # 5
    "crowd": ("Many callers at once, and no token yet", "토큰 없이 동시에 호출"),
    "crowd_note": (
        "32 threads, or 100 asyncio tasks, share one client; each wants a token at the same moment.",
        "스레드 32개 또는 asyncio 태스크 100개가 클라이언트 하나를 함께 쓰면서 동시에 토큰을 필요로 합니다.",
    ),
    "crowd_claim": (
        "32 threads or 100 tasks at once: one token request",
        "스레드 32개, 태스크 100개가 동시에 호출해도 토큰 요청은 1건입니다",
    ),
    "crowd_seen": ("1 token request each, all answers 200", "토큰 요청 1건씩, 응답은 모두 200"),
    # 6
    "refuse": ("A wrong secret", "잘못된 시크릿"),
    "refuse_note": (
        "One token request, no retry, and no call without a token. This is what the caller reads:",
        "토큰 요청은 1건, 재시도는 없으며 토큰 없이 호출하지도 않습니다. 호출한 쪽이 받는 메시지입니다.",
    ),
    "refuse_row": ("1 token request, 0 calls, no secret shown", "토큰 요청 1건, 호출 0건, 시크릿 노출 없음"),
    "refuse_row_bad": (
        "{error}; {tokens} token requests, {calls} calls, secret shown in: {leaks}",
        "{error}; 토큰 요청 {tokens}건, 호출 {calls}건, 시크릿 노출: {leaks}",
    ),
    "none": ("nothing", "없음"),
    "no_error": ("no error", "오류 없음"),
    "refuse_claim": (
        "A wrong secret: one request, a message that helps, no secret in message, traceback or debug log",
        "시크릿이 틀리면 요청은 1건뿐이고, 해결 방법을 알려 주며, 메시지·트레이스백·디버그 로그에 시크릿이 없습니다",
    ),
    "refuse_seen": ("InvalidClientError, 1 request, no secret shown", "InvalidClientError, 요청 1건, 시크릿 노출 없음"),
    # 7
    "open": (
        "Meloming: open reads, protected writes, an API key beside",
        "멜로밍: 공개 조회, 인증이 필요한 쓰기, API 키 병행",
    ),
    "open_note": (
        "With anonymous_reads=True and api_key=…; what the server received of each credential:",
        "anonymous_reads=True와 api_key=…를 사용하며, 서버가 실제로 받은 인증 정보입니다.",
    ),
    "open_row": ("read: {read}  write: {write}", "조회: {read}  쓰기: {write}"),
    "key": ("key", "키"),
    "bearer": ("token", "토큰"),
    "no_credential": ("no credential", "인증 정보 없음"),
    "open_claim": (
        "Reads need no token, a write gets one, the API key rides beside",
        "조회에는 토큰이 필요 없고, 쓰기에는 발급받으며, API 키를 함께 보냅니다",
    ),
    "open_seen": ("read: key, 0 token requests; write: key + token", "조회: 키, 토큰 요청 0건; 쓰기: 키 + 토큰"),
    # The end.
    "summary": ("The claims, and what the sandbox saw", "약속한 것과 샌드박스가 확인한 것"),
    "claimed": ("claimed", "약속"),
    "seen": ("seen", "확인"),
    "result": ("result", "결과"),
    "all_good": (
        "All {claims} claims hold, for each of {stacks} ways to call, in {seconds} s.",
        "{stacks}가지 호출 방법 모두에서 약속 {claims}가지가 지켜졌습니다({seconds}초).",
    ),
    "some_bad": (
        "{bad} of {claims} claims do not hold: see the lines marked {mark}.",
        "약속 {claims}가지 중 {bad}가지가 지켜지지 않았습니다. ‘{mark}’ 표시가 있는 줄을 확인하십시오.",
    ),
    "next": (
        "Next: krauth sandbox keeps the sandbox running for your own code.",
        "다음: krauth sandbox 명령으로 샌드박스를 계속 띄워 두고 직접 써 볼 수 있습니다.",
    ),
}


class Phrases:
    """The phrases of one language."""

    def __init__(self, language: str) -> None:
        self._index = LANGUAGES.index(language)

    def __call__(self, name: str, **values: object) -> str:
        """Return a phrase with its gaps filled."""
        return PHRASES[name][self._index].format(**values)
