"""The words of the page of benchmarks, in English and in Korean; `{names}` are values of the result file."""

from __future__ import annotations

from typing import NamedTuple


class Chapter(NamedTuple):
    """One part of the page: heading, how it was measured, what it means; the columns of its table; its plot."""

    english: tuple[str, str, str]
    korean: tuple[str, str, str]
    #: key in a row → form of its cells, and the head in English and in Korean
    columns: dict[str, tuple[str, str, str]]
    #: title, unit, how a bar is named, key of its value, a factor
    plot: tuple[str, str, str, str, float]


HEAD = (
    """# Benchmarks

`make bench` measured these figures and made this page from [`result.json`](benchmarks/result.json); do not edit. It takes less than
ten minutes on two quiet cores. The parts of this page took {minutes} minutes; the load average before them was {load} on {cpus} cores.

Figures are CPU time, and two things that are compared took turns in the same run. *×* is the ratio within a round, brackets hold
quartiles. Another program on the machine changes seconds more than ratios{busy}.

Requests go over https, with a CA bundle of the usual size; http stands beside it where it differs. The last line of each chapter
names the module that measures it.

- Machine: {cpu}, {system}, {python}
- Versions: {versions}
""",
    """# 벤치마크

`make bench`가 측정하고 [`result.json`](benchmarks/result.json)으로 만든 문서이므로 직접 고치지 마십시오. 다른 작업이 없는 코어 2개에서 10분이 걸리지 않습니다.
이 문서의 측정에는 {minutes}분이 걸렸고, 시작하기 전의 평균 부하는 코어 {cpus}개에 {load}이었습니다.

CPU 시간을 재며, 비교하는 두 대상은 같은 실행에서 번갈아 측정합니다. *×*는 같은 회차에서 잰 두 값의 비율이고, 괄호 안은 사분위수입니다. 컴퓨터에서 다른 프로그램이 돌면 비율보다
초 단위 값이 더 많이 달라집니다{busy}.

요청은 보통 크기의 CA 번들을 사용해 HTTPS로 보내며, 차이가 있는 곳에는 HTTP 값도 적었습니다. 항목의 마지막 줄은 측정한 모듈입니다.

- 컴퓨터: {cpu}, {system}, {python}
- 버전: {versions}
""",
)
BUSY = (
    ". Other programs ran during this run: read its figures as orders of magnitude",
    ". 이번 측정 동안 다른 프로그램이 돌았으므로 대략적인 크기로만 보십시오",
)
FOOT = (
    "`benchmarks/{part}.py`, {at}, commit {commit}, {took} s",
    "`benchmarks/{part}.py`, {at}, 커밋 {commit}, {took}초",
)
#: In the chapter about sellers, where 100,000 were not measured.
FEWER = (
    " This run stopped at {most}: 100,000 over https take longer than ten minutes, and `make bench-full` measures them.",
    " 이번 측정은 {most}개까지입니다. HTTPS로 100,000개는 10분보다 오래 걸리며, `make bench-full`이 잽니다.",
)
WHAT = ("text", "what", "무엇")
STACK = ("text", "library", "라이브러리")
CHAPTERS = {
    "hot_path": Chapter(
        (
            "Hot path: one call with a fresh token",
            "CPU time of the auth code alone, driven as its library drives it, without network. *Static bearer* sets the same"
            " header fields by hand, as the documents of the libraries do. *Same duties, by hand* also looks at the origin of the"
            " request, at both clocks and at the status of the answer, with constants: it is the least for these duties. In"
            " requests a hook sees the answer; the rows that include it are the whole cost of a call.",
            "For you: with a fresh token a call costs at most {token} µs more than a header set by hand, with an API key"
            " {API_key} µs, with both {token_and_API_key} µs. For comparison: a whole call with a static bearer over https takes"
            " {call} µs of CPU.",
        ),
        (
            "유효한 토큰이 있을 때의 호출 하나",
            "네트워크를 뺀 인증 코드만의 CPU 시간이며, HTTP 라이브러리가 부르는 방식 그대로 호출합니다. *고정 토큰*은 라이브러리 문서의 예처럼 같은 헤더를 직접 붙입니다."
            " *같은 일, 직접 작성*은 요청의 출처, 두 시계, 응답의 상태 코드까지 상수로 확인하는 코드이며, 같은 일에 드는 최소 비용입니다. requests에서는 훅이 응답을 확인하므로,"
            " 훅을 포함한 행이 호출 하나의 전체 비용입니다.",
            "사용자에게 뜻하는 것: 유효한 토큰이 있을 때 호출 하나에 더 드는 시간은 헤더를 직접 붙일 때와 비교해 최대 {token} µs이고, API 키는 {API_key} µs, 둘을 함께 쓰면"
            " {token_and_API_key} µs입니다. 고정 토큰으로 HTTPS 호출을 한 번 하는 데에는 CPU 시간이 모두 {call} µs 듭니다.",
        ),
        {
            "kind": ("text", "credential", "인증 정보"),
            "stack": STACK,
            "what": WHAT,
            "seconds": ("µs", "CPU µs", "CPU µs"),
            "ratio": ("ratio", "× static bearer", "× 고정 토큰"),
        },
        ("One call with a fresh token", "× static bearer of the same library", "{stack}: {what}", "ratio", 1),
    ),
    "cold_start": Chapter(
        (
            "Cold start: from the import to the first 200",
            "CPU time, user and system, of a whole process: it imports the library, obtains a token and makes one call. The ratio is"
            " to a process that sends a static bearer. *token_transport* is the one line with which token requests use the client"
            " that the program has anyway, so the CA bundle is read once. *Import*: what the adapter adds to its library.",
            "For you (serverless functions, command-line tools): × a static bearer, requests: {start_requests}; httpx: {start_httpx}."
            " The import of an adapter adds {imports} ms.",
        ),
        (
            "콜드 스타트: import부터 첫 200 응답까지",
            "프로세스 전체의 CPU 시간(사용자 + 시스템)입니다. 라이브러리를 import하고, 토큰을 받고, API를 한 번 호출합니다. 비율은 고정 토큰을 보내는 프로세스와의 비교입니다."
            " *token_transport*는 프로그램이 이미 가진 클라이언트로 토큰 요청을 보내게 하는 한 줄이며, 이때 CA 번들을 한 번만 읽습니다. *import*는 어댑터가 라이브러리에 더하는 시간입니다.",
            "사용자에게 뜻하는 것(서버리스 함수, 명령줄 도구): 고정 토큰의 몇 배인지, requests: {start_requests}. httpx: {start_httpx}. 어댑터를 import하는 데에는 {imports} ms가"
            " 더 듭니다.",
        ),
        {
            "stack": STACK,
            "what": WHAT,
            "https.seconds": ("ms", "https, CPU ms", "https, CPU ms"),
            "https.ratio": ("ratio", "× static bearer", "× 고정 토큰"),
            "http.seconds": ("ms", "http, CPU ms", "http, CPU ms"),
            "http.ratio": ("ratio", "× static bearer", "× 고정 토큰"),
            "import": ("ms", "import, CPU ms", "import, CPU ms"),
        },
        ("From the import to the first 200, over https", "× static bearer", "{stack}: {what}", "https.ratio", 1),
    ),
    "stampede": Chapter(
        (
            "Stampede: all callers need a token at once",
            "Token requests / **callers that failed** (an exception, or an answer other than 200), over https. The token endpoint"
            " takes 50 ms. *401*: the server refuses a token that has not expired. The processes of krauth share a store. A dash: the"
            " library has no such case, or each process holds a token of its own.",
            "For you: token requests of krauth for one token, in threads, tasks, event loops and processes: {ours_asked} at most; callers"
            " that failed: {ours_failed} at most. The others: {others_asked} and {others_failed}.",
        ),
        (
            "동시 요청: 모든 호출이 한꺼번에 토큰을 필요로 할 때",
            "HTTPS로 잰 토큰 요청 수 / **실패한 호출 수**(예외, 또는 200이 아닌 응답)입니다. 토큰 엔드포인트는 50 ms가 걸립니다. *401*은 만료되지 않은 토큰을 서버가 거부하는"
            " 경우입니다. krauth의 프로세스들은 저장소를 함께 씁니다. 줄표(–)는 라이브러리에 그런 경우가 없거나, 프로세스마다 따로 토큰을 가진 경우입니다.",
            "사용자에게 뜻하는 것: 스레드, 태스크, 이벤트 루프, 프로세스에서 krauth를 쓴 호출은 토큰 하나에 토큰 요청을 최대 {ours_asked}번 보냈고, 최대 {ours_failed}개가"
            " 실패했습니다. 다른 코드는 최대 {others_asked}번 보냈고, 최대 {others_failed}개가 실패했습니다.",
        ),
        {
            "shape": ("text", "callers", "호출하는 쪽"),
            "what": WHAT,
            "expired": ("pair", "expired", "만료"),
            "401": ("pair", "401", "401"),
            "single-use refresh token": ("pair", "single-use refresh token", "일회용 리프레시 토큰"),
        },
        ("All callers meet an expired token", "token requests (1 is enough)", "{shape}: {what}", "expired.0", 1),
    ),
    "latency": Chapter(
        (
            "Latency across a refresh, beside 200 stuck sellers",
            "24 calls a second from 4 threads or as many tasks, over https, on a fixed schedule, while a token of 30 minutes"
            " expires and is refreshed; the wall clock runs 300 times as fast, and the token endpoint takes 80 ms. In the same process"
            " 200 other sellers wait for a token endpoint that never answers. *Waited*: calls that took longer than 40 ms. *Control*:"
            " the slowest call with a static bearer in the same process; where it is slow too, the machine was busy. Dashes: one stuck"
            " seller held the lock or the event loop that all sellers share, and the run did not end within 40 s.",
            "For you: of {n} calls of krauth during a refresh, beside sellers that hang, at most {failed} failed, and at most {waited}"
            " took longer than 40 ms; with a static bearer {static_waited}. The others: {others_waited}.",
        ),
        (
            "멈춘 판매자 200개 옆에서, 토큰이 갱신되는 동안의 지연 시간",
            "30분짜리 토큰이 만료되고 갱신되는 동안 스레드 4개, 또는 태스크가 정해진 시각에 초당 24번 HTTPS로 호출합니다. 벽시계는 300배 빠르게 가고, 토큰"
            " 엔드포인트는 80 ms가 걸립니다. 같은 프로세스에서 다른 판매자 200개가 응답하지 않는 토큰 엔드포인트를 기다립니다. *대기*는 40 ms보다 오래 걸린 호출입니다. *대조*는"
            " 같은 프로세스에서 고정 토큰을 쓴 호출 가운데 가장 느린 것이며, 이 값도 크면 컴퓨터가 바빴다는 뜻입니다. 줄표(–)는 멈춘 판매자 하나가 모두가 함께 쓰는 잠금이나 이벤트 루프를 붙잡아"
            " 측정이 40초 안에 끝나지 않았다는 뜻입니다.",
            "사용자에게 뜻하는 것: 멈춘 판매자 옆에서 토큰이 갱신되는 동안 krauth를 쓴 호출 {n}개 가운데 최대 {failed}개가 실패했고, 최대 {waited}개가 40 ms보다 오래"
            " 걸렸습니다. 고정 토큰은 {static_waited}개입니다. 다른 코드: {others_waited}.",
        ),
        {
            "shape": ("text", "callers", "호출하는 쪽"),
            "what": WHAT,
            "p50": ("ms", "p50 ms", "p50 ms"),
            "p99": ("ms", "p99 ms", "p99 ms"),
            "p999": ("ms", "p99.9 ms", "p99.9 ms"),
            "max": ("ms", "max ms", "최대 ms"),
            "waited": ("count", "waited", "대기"),
            "failed": ("count", "failed", "실패"),
            "token": ("count", "token requests", "토큰 요청"),
            "control": ("ms", "control: max ms", "대조: 최대 ms"),
        },
        ("Latency across a refresh, 200 stuck sellers next door", "p99, ms", "{shape}: {what}", "p99", 1e3),
    ),
    "refused": Chapter(
        (
            "The 401 path",
            "A call whose token the server refuses: the 401, a token request and the call again. CPU time of the whole process. By hand"
            " all three go over one connection that stays open; krauth opens a new connection for each token request, unless"
            " `token_transport=` names a client. requests-oauthlib, Authlib and httpx-auth hand the 401 to the caller, see the"
            " stampede. *Static bearer*: one call without a 401.",
            "For you: a 401 costs, beside two requests by hand: {refused}, once for each refused token.",
        ),
        (
            "401을 받았을 때",
            "서버가 토큰을 거부한 호출입니다. 401 응답, 토큰 요청, 다시 보내는 호출까지 프로세스 전체의 CPU 시간을 쟀습니다. 직접 작성한 코드는 열려 있는 연결 하나로 셋을 모두 보냅니다."
            " krauth는 `token_transport=`로 클라이언트를 주지 않으면 토큰 요청마다 새 연결을 엽니다. requests-oauthlib, Authlib, httpx-auth는 401을 그대로 반환합니다(동시 요청 표"
            " 참고). *고정 토큰*은 401이 없는 호출 하나입니다.",
            "사용자에게 뜻하는 것: 401 하나에 드는 CPU 시간은 직접 작성한 코드와 비교해 {refused}이며, 거부된 토큰마다 한 번만 듭니다.",
        ),
        {
            "what": WHAT,
            "https.seconds": ("ms", "https, CPU ms", "https, CPU ms"),
            "https.ratio": ("ratio", "× by hand", "× 직접 작성"),
            "http.seconds": ("ms", "http, CPU ms", "http, CPU ms"),
            "http.ratio": ("ratio", "× by hand", "× 직접 작성"),
        },
        ("A call that meets a 401, over https", "CPU ms", "{what}", "https.seconds", 1e3),
    ),
    "scale": Chapter(
        (
            "Sellers: first tokens and storms in one process",
            "`NaverAuth.for_account` for each seller. *First tokens*: 16 threads ask for the tokens of all sellers. *Storm*: all tokens are"
            " due at once, and one thread makes a call with each while they are refreshed. Each token request of Naver is signed with"
            " bcrypt (cost 4), so one signature, measured before, between and after in the same process, is the least that a token can"
            " cost. *function*: the token endpoint answers in the process; then the rest is krauth alone. *http, https*: a new connection"
            " for each token request. *One session*: `token_transport=requests.Session()`, whose connections stay open.{fewer}",
            "For you: {most} sellers in one process, {with_token} KiB each with a token ({idle} KiB without); {sellers_failed} callers failed. A"
            " token costs at most, beside its signature: {ways}.",
        ),
        (
            "판매자 수: 한 프로세스의 첫 토큰과 동시 갱신",
            "판매자마다 `NaverAuth.for_account`를 씁니다. *첫 토큰*은 스레드 16개가 모든 판매자의 토큰을 요청합니다. *동시 갱신*은 모든 토큰의 갱신 시점이 한꺼번에 오고, 갱신하는 동안"
            " 스레드 하나가 판매자마다 한 번씩 호출합니다. 네이버의 토큰 요청은 bcrypt(cost 4)로 서명하므로, 같은 프로세스에서 앞, 사이, 뒤에 잰 서명 하나가 토큰 하나의 최소"
            " 비용입니다. *함수*는 토큰 엔드포인트가 같은 프로세스 안에서 응답하며, 나머지는 krauth만의 비용입니다. *http, https*는 토큰 요청마다 새 연결을 엽니다. *세션 하나*는 연결을"
            " 열어 두는 `token_transport=requests.Session()`입니다.{fewer}",
            "사용자에게 뜻하는 것: 한 프로세스에 판매자 {most}개, 하나가 토큰까지 {with_token} KiB(토큰 없이 {idle} KiB)를 차지하고, 실패한 호출은 {sellers_failed}개입니다. 토큰 하나에 서명과 비교해"
            " 최대 {ways}가 듭니다.",
        ),
        {
            "way": ("text", "token endpoint", "토큰 엔드포인트"),
            "count": ("count", "sellers", "판매자"),
            "limit": ("ms", "one signature, CPU ms", "서명 하나, CPU ms"),
            "first.wall": ("s", "first tokens: s", "첫 토큰: 초"),
            "first.cpu": ("ms", "CPU ms each", "하나당 CPU ms"),
            "first.ratio": ("times", "× signature", "× 서명"),
            "storm.wall": ("s", "storm: s", "동시 갱신: 초"),
            "storm.cpu": ("ms", "CPU ms each", "하나당 CPU ms"),
            "storm.ratio": ("times", "× signature", "× 서명"),
            "call.p50": ("ms", "a call in the storm: p50 ms", "동시 갱신 중의 호출: p50 ms"),
            "call.p99": ("ms", "p99 ms", "p99 ms"),
            "failed": ("count", "failed", "실패"),
        },
        (
            "CPU time of a token in a storm",
            "× one bcrypt signature, measured in the same run",
            "{way}, {count:,}",
            "storm.ratio",
            1,
        ),
    ),
    "stores": Chapter(
        (
            "What a store costs",
            "One *look* of a new auth object at a token that another process obtained; one *refresh*; one *rotation*, a refresh with a"
            " single-use refresh token, before which an intent is saved. All through the whole engine, with a token endpoint that"
            " answers in the process. Round trips and waits for the disk (`fsync`, `fdatasync`) are system calls of the client,"
            " counted by `strace`. Redis runs with `appendfsync always`. [Token stores](stores.md#what-it-costs) has the other stores.",
            "For you: a refresh takes {refresh}, in a worker thread, and calls go on meanwhile. With a fresh token in memory no store is"
            " asked.",
        ),
        (
            "저장소의 비용",
            "*조회*는 다른 프로세스가 받은 토큰을 새 인증 객체가 한 번 읽는 것이고, *갱신*은 토큰을 한 번 갱신하는 것이며, *교체*는 한 번만 쓸 수 있는 리프레시 토큰으로 갱신하는 것으로 그"
            " 전에 의도를 저장합니다. 모두 엔진 전체를 거치며, 토큰 엔드포인트는 같은 프로세스 안에서 응답합니다. 왕복과 디스크 대기(`fsync`, `fdatasync`)는 `strace`로 센 클라이언트의"
            " 시스템 호출입니다. Redis는 `appendfsync always`로 돌립니다. 다른 저장소는 [토큰 저장소](stores.ko.md#비용)에 있습니다.",
            "사용자에게 뜻하는 것: 갱신 한 번에 {refresh}가 들지만, 작업 스레드에서 하므로 그동안에도 호출은 계속됩니다. 유효한 토큰이 메모리에 있으면 저장소를 읽지 않습니다.",
        ),
        {
            "store": ("text", "store", "저장소"),
            "operation": ("text", "operation", "작업"),
            "sent": ("count", "round trips", "왕복"),
            "fsyncs": ("count", "waits for the disk", "디스크 대기"),
            "wall": ("ms", "ms", "ms"),
            "cpu": ("ms", "CPU ms", "CPU ms"),
        },
        ("One look, one refresh and one rotation in a store", "ms", "{store}: {operation}", "wall", 1e3),
    ),
}
SHORT = {
    "hot_path": ("hot path", "호출 하나"),
    "cold_start": ("cold start", "콜드 스타트"),
    "refused": ("401", "401"),
    "latency": ("latency", "지연 시간"),
}
SLOWER = (
    (
        "Where krauth costs more",
        "Each row of this run in which a peer, or two requests by hand, cost less than krauth.",
        "what",
        "the other",
    ),
    (
        "krauth가 더 드는 곳",
        "이번 측정에서 다른 라이브러리나 직접 작성한 코드가 krauth보다 적게 든 경우를 모두 적었습니다.",
        "무엇",
        "상대",
    ),
)
#: Not measured here but counted in virtual time, by `python -m tests.fleet`; drawn by `tools/draw_fleet.py`.
FLEET = (
    """
## A fleet that shares a store

![Growth with the number of processes](benchmarks/fleet.svg)

**For you: a token costs one request, however many processes there are, and an outage costs a thousand processes what it
costs ten.** Clocks that are ten minutes wrong cost each fast process one request more. The page of the
[protocol](protocol.md#what-a-fleet-costs) has the figures and says how they were counted.
""",
    """
## 저장소를 함께 쓰는 여러 프로세스

![프로세스 수에 따른 증가](benchmarks/fleet.svg)

**사용자에게 뜻하는 것: 프로세스가 아무리 많아도 토큰 하나에 요청 하나가 들고, 장애 때 프로세스 천 개의 요청 수는 열 개일 때와 같습니다.** 시계가 10분 틀리면 빠른
프로세스마다 요청이 하나 더 듭니다. 값과 세는 방법은 [프로토콜](protocol.md#what-a-fleet-costs) 문서에 있습니다.
""",
)
#: What other files quote: file → what is replaced, and by what.
QUOTES = {
    "README.md": (
        r"- \*\*Cheap\.\*\*.*?\n\n",
        "- **Cheap.** With a fresh token a call costs at most {token} µs more than a static bearer written by hand, with an API key"
        " {API_key} µs, with both {token_and_API_key} µs. Importing an adapter takes {imports} ms more than its library, and a seller's"
        " auth object, token included, holds {with_token} KiB ([docs/benchmarks.md](docs/benchmarks.md): {date}, {python} on {cpu}).",
    ),
    "README.ko.md": (
        r"- \*\*가볍습니다\.\*\*.*?\n\n",
        "- **가볍습니다.** 쓸 수 있는 토큰이 있을 때 호출 한 번에 더 드는 시간은 헤더를 직접 붙일 때와 비교해 최대 {token} µs이고, API 키는 {API_key} µs, 둘을 함께"
        " 쓰면 {token_and_API_key} µs입니다. 어댑터를 import하는 데에는 HTTP 라이브러리만 쓸 때보다 {imports} ms가 더 걸리며, 판매자별 인증 객체는 토큰까지 합쳐"
        " {with_token} KiB를 차지합니다([docs/benchmarks.ko.md](docs/benchmarks.ko.md), {date}, {python}, {cpu}).",
    ),
    "docs/many-sellers.md": (r"\([\d.]+ KiB with its token\)", "({with_token} KiB with its token)"),
    "docs/many-sellers.ko.md": (r"\(토큰까지 [\d.]+ KiB\)", "(토큰까지 {with_token} KiB)"),
}
#: What stands in the cells of tables, the longer first.
KOREAN = {
    "same duties, by hand": "같은 일, 직접 작성", "its response hook included": "응답 훅 포함", "static bearer": "고정 토큰",
    "two requests by hand": "요청 두 번, 직접 작성", "single-use refresh token": "일회용 리프레시 토큰", "token and API key": "토큰과 API 키",
    "API key": "API 키",
    "rotation": "교체", "refresh": "갱신", "look": "조회", "threads": "스레드", "tasks": "태스크", "loops": "루프", "processes": "프로세스",
    "one session": "세션 하나", "function": "함수",
}  # fmt: skip
