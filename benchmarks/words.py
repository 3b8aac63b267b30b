"""The words of the page of benchmarks, in English and in Korean: for each part heading, how it was measured, its meaning.

`{names}` are values of the result file; `report` fills them in.
"""

from __future__ import annotations

HEAD = (
    """# Benchmarks

Made by `python -m benchmarks` from [`{file}`](benchmarks/{file}); do not edit. `make bench` measures anew: about ten minutes
on an idle machine with two cores. These parts were measured one after another ({minutes} minutes in all), on a machine with
much other load, while the library was still changed: read them as orders of magnitude, and measure before you quote. Beside
stuck sellers, the rows of httpx-auth come from a run with a higher load, and those of krauth with httpx are older than the
mend that took the limit of connections from its own client. Figures are CPU time, and two things that are compared took turns in the same run. *×* is the ratio within a round, brackets hold its
quartiles. Seconds of wall time tell more about the machine than about the code. Requests go over https, with a CA bundle of
the usual size; http stands beside it where it differs. The modules of `benchmarks/` say how each figure was taken.

- Machine: {cpu}, {cpus} CPUs, {system}, {python}
- Versions: {versions}
""",
    """# 벤치마크

`python -m benchmarks`가 [`{file}`](benchmarks/{file})에서 만든 문서이므로 직접 고치지 마십시오. `make bench`로 다시 측정할 수 있고, 다른 작업이 없는 2코어
컴퓨터에서 10분쯤 걸립니다. 이 수치는 다른 작업이 많은 컴퓨터에서, 라이브러리를 고치는 동안 항목별로 차례로 잰 것입니다(모두 {minutes}분). 대략적인 크기로만 보고, 인용하기 전에
다시 측정하십시오. 멈춘 판매자 옆에서 잰 표에서 httpx-auth 행은 부하가 더 높은 실행의 값이고, krauth의 httpx 행은 자체 클라이언트의 연결 수 제한을 없애기 전의 값입니다. CPU 시간을 재고, 비교하는 두 대상은 같은 실행에서
번갈아 측정합니다. *×*는 같은 회차에서 잰 두 값의 비율이고, 괄호 안은 사분위수입니다. 실제 경과 시간(초)은 코드보다 컴퓨터를 더 많이 반영합니다. 요청은 보통
크기의 CA 번들을 사용해 HTTPS로 보내며, 차이가 있는 곳에는 HTTP 값도 적었습니다.

- 컴퓨터: {cpu}, CPU {cpus}개, {system}, {python}
- 버전: {versions}
""",
)
MOMENT = (
    "{at}, commit {commit}, {took} s, load average before: {load}",
    "{at}, 커밋 {commit}, {took}초, 시작할 때의 평균 부하: {load}",
)
CHAPTERS = {
    "hot_path": (
        (
            "Hot path: one call with a fresh token",
            "CPU time of the auth code alone, driven as its library drives it, without network. *Static bearer* sets the same"
            " header fields by hand, as the documents of the libraries do. *Same duties, by hand* also looks at the origin of the"
            " request, at both clocks and at the status of the answer, with constants: no auth object with these duties can do"
            " less. In requests a hook sees the answer; the rows that include it are the whole cost of a call.",
            "For you: with a fresh token a call costs at most {token} µs more than a header set by hand, with an API key"
            " {API_key} µs, with both {token_and_API_key} µs. A request over the network takes a thousand times as long.",
        ),
        (
            "유효한 토큰이 있을 때의 호출 하나",
            "네트워크를 뺀 인증 코드만의 CPU 시간이며, HTTP 라이브러리가 부르는 방식 그대로 호출합니다. *고정 토큰*은 라이브러리 문서의 예처럼 같은 헤더를 직접 붙입니다."
            " *같은 일, 직접 작성*은 요청의 출처, 두 시계, 응답의 상태 코드까지 상수로 확인하는 코드입니다. 같은 일을 하는 인증 객체라면 이보다 적게 들 수 없습니다."
            " requests에서는 훅이 응답을 확인하므로, 훅을 포함한 행이 호출 하나의 전체 비용입니다.",
            "사용자에게 뜻하는 것: 유효한 토큰이 있을 때 호출 하나에 더 드는 시간은 헤더를 직접 붙일 때와 비교해 최대 {token} µs이고, API 키는 {API_key} µs, 둘을 함께 쓰면"
            " {token_and_API_key} µs입니다. 네트워크 요청 하나는 그 천 배쯤 걸립니다.",
        ),
    ),
    "cold_start": (
        (
            "Cold start: from the import to the first 200",
            "CPU time, user and system, of a whole process: it imports the library, obtains a token and makes one call. The ratio is"
            " to a process that sends a static bearer. *token_transport* is the one line with which token requests use the client"
            " that the program has anyway, so the CA bundle is read once.",
            "For you (serverless functions, command-line tools): krauth costs {krauth_requests}× a static bearer in requests and"
            " {krauth_httpx}× in httpx; with `token_transport=` {krauth_requests_token_transport_session}× and"
            " {krauth_httpx_token_transport_client}×. requests-oauthlib costs {requests_oauthlib}×, httpx-auth {httpx_auth}×."
            " Importing an adapter takes {imports} ms.",
        ),
        (
            "콜드 스타트: import부터 첫 200 응답까지",
            "프로세스 전체의 CPU 시간(사용자 + 시스템)입니다. 라이브러리를 import하고, 토큰을 받고, API를 한 번 호출합니다. 비율은 고정 토큰을 보내는 프로세스와의 비교입니다."
            " *token_transport*는 프로그램이 이미 가진 클라이언트로 토큰 요청을 보내게 하는 한 줄이며, 이때 CA 번들을 한 번만 읽습니다.",
            "사용자에게 뜻하는 것(서버리스 함수, 명령줄 도구): krauth는 고정 토큰과 비교해 requests에서 {krauth_requests}배, httpx에서 {krauth_httpx}배가 들고,"
            " `token_transport=`를 쓰면 {krauth_requests_token_transport_session}배와 {krauth_httpx_token_transport_client}배입니다. requests-oauthlib는"
            " {requests_oauthlib}배, httpx-auth는 {httpx_auth}배입니다. 어댑터를 import하는 데에는 {imports} ms가 더 듭니다.",
        ),
    ),
    "stampede": (
        (
            "Stampede: all callers need a token at once",
            "Token requests / **callers that failed** (an exception, or an answer other than 200): the highest of the runs, over https."
            " The token endpoint takes 50 ms. *401*: the server refuses a token that has not expired. A dash: the library has no such"
            " case, or each process holds a token of its own.",
            "For you: krauth makes {token_requests} token request, in threads, tasks, event loops and processes that share a store,"
            " and {failed} callers fail. A single-use refresh token is spent once.",
        ),
        (
            "동시 요청: 모든 호출이 한꺼번에 토큰을 필요로 할 때",
            "토큰 요청 수 / **실패한 호출 수**(예외, 또는 200이 아닌 응답)이며, 여러 번 실행한 값 가운데 가장 큰 것입니다. HTTPS로 측정했습니다. 토큰 엔드포인트는 50 ms가 걸립니다."
            " *401*은 만료되지 않은 토큰을 서버가 거부하는 경우입니다. 줄표(–)는 라이브러리에 그런 경우가 없거나, 프로세스마다 따로 토큰을 가진 경우입니다.",
            "사용자에게 뜻하는 것: 스레드, 태스크, 이벤트 루프, 저장소를 함께 쓰는 프로세스 어디에서나 krauth의 토큰 요청은 {token_requests}번이고, 실패한 호출은 {failed}개입니다."
            " 한 번만 쓸 수 있는 리프레시 토큰도 한 번만 씁니다.",
        ),
    ),
    "latency": (
        (
            "Latency across a refresh, beside 200 stuck sellers",
            "24 calls a second from 4 threads (async: a task each), over https, on a fixed schedule, while a token of 30 minutes"
            " expires and is refreshed; the wall clock runs 240 times as fast, and the token endpoint takes 100 ms. In the same process"
            " 200 other sellers wait for a token endpoint that never answers. *Waited*: calls that took longer than 40 ms. *Control*:"
            " the slowest call with a static bearer in the same process; where it is slow too, the machine was busy. *All*: one stuck"
            " seller held the lock or the event loop that all sellers share, and the run did not end within 200 s.",
            "For you: a refresh happens while calls go on with the old token, and an endpoint that hangs does not stop other sellers:"
            " {failed} calls failed, and at most {waited} of {n} waited for longer than 40 ms. Compare p99 with the static bearer of the same table, because the machine was shared.",
        ),
        (
            "멈춘 판매자 200개 옆에서, 토큰이 갱신되는 동안의 지연 시간",
            "30분짜리 토큰이 만료되고 갱신되는 동안 스레드 4개(비동기는 호출마다 태스크 하나)가 정해진 시각에 초당 24번 HTTPS로 호출합니다. 벽시계는 240배 빠르게 가고, 토큰"
            " 엔드포인트는 100 ms가 걸립니다. 같은 프로세스에서 다른 판매자 200개가 응답하지 않는 토큰 엔드포인트를 기다립니다. *대기*는 40 ms보다 오래 걸린 호출입니다. *대조*는"
            " 같은 프로세스에서 고정 토큰을 쓴 호출 가운데 가장 느린 것이며, 이 값도 크면 컴퓨터가 바빴다는 뜻입니다. *모두*는 멈춘 판매자 하나가 모두가 함께 쓰는 잠금이나 이벤트 루프를 붙잡아 측정이"
            " 200초 안에 끝나지 않았다는 뜻입니다.",
            "사용자에게 뜻하는 것: 갱신하는 동안에도 호출은 이전 토큰으로 계속되고, 응답하지 않는 엔드포인트는 다른 판매자를 멈추지 않습니다. 실패한 호출은 {failed}개이고, 40 ms보다 오래 기다린 호출은 {n}개 가운데 최대 {waited}개입니다. 다른"
            " 프로그램도 쓰는 컴퓨터이므로 p99는 같은 표의 고정 토큰과 비교하십시오.",
        ),
    ),
    "refused": (
        (
            "The 401 path",
            "A call whose token the server refuses: the 401, a token request and the call again. CPU time of the whole process. By hand"
            " all three go over one connection that stays open. requests-oauthlib, Authlib and httpx-auth hand the 401 to the caller,"
            " see the stampede. *Static bearer*: one call without a 401.",
            "For you: a 401 costs {requests}× (requests) and {httpx}× (httpx) of what it costs by hand, once for each refused token:"
            " krauth opens a new connection for each token request.",
        ),
        (
            "401을 받았을 때",
            "서버가 토큰을 거부한 호출입니다. 401 응답, 토큰 요청, 다시 보내는 호출까지 프로세스 전체의 CPU 시간을 쟀습니다. 직접 작성한 코드는 열려 있는 연결 하나로 셋을 모두 보냅니다."
            " requests-oauthlib, Authlib, httpx-auth는 401을 그대로 반환합니다(동시 요청 표 참고). *고정 토큰*은 401이 없는 호출 하나입니다.",
            "사용자에게 뜻하는 것: 401 하나에 드는 CPU 시간은 직접 작성한 코드의 {requests}배(requests), {httpx}배(httpx)이며, 거부된 토큰마다 한 번만 듭니다. krauth는 토큰 요청마다"
            " 새 연결을 열기 때문입니다.",
        ),
    ),
    "scale": (
        (
            "Sellers: first tokens and storms in one process",
            "`NaverAuth.for_account` for each seller. *First tokens*: 16 threads ask for the tokens of all sellers. *Storm*: all tokens are"
            " due at once, and one thread makes a call with each while they are refreshed. Each token request of Naver is signed with"
            " bcrypt (cost 4), so one signature, measured before, between and after in the same process, is the least that a token can"
            " cost. *function*: the token endpoint answers in the process; then the rest is krauth alone. Over http and https the client"
            " makes a new connection for each token request.",
            "For you: {most} sellers fit into one process, {with} KiB each with a token ({idle} KiB without), and {failed} callers failed. A"
            " token costs at most {function}× its signature besides the network, and {https}× with https ({https_ms} ms of CPU); the"
            " rest is the new connection and its TLS handshake.",
        ),
        (
            "판매자 수: 한 프로세스의 첫 토큰과 동시 갱신",
            "판매자마다 `NaverAuth.for_account`를 씁니다. *첫 토큰*은 스레드 16개가 모든 판매자의 토큰을 요청합니다. *동시 갱신*은 모든 토큰의 갱신 시점이 한꺼번에 오고, 갱신하는 동안"
            " 스레드 하나가 판매자마다 한 번씩 호출합니다. 네이버의 토큰 요청은 bcrypt(cost 4)로 서명하므로, 같은 프로세스에서 앞, 사이, 뒤에 잰 서명 하나가 토큰 하나의 최소"
            " 비용입니다. *function*은 토큰 엔드포인트가 같은 프로세스 안에서 응답하며, 나머지는 krauth만의 비용입니다. HTTP와 HTTPS에서는 토큰 요청마다 새 연결을 엽니다.",
            "사용자에게 뜻하는 것: 한 프로세스에서 판매자 {most}개를 쓸 수 있고, 하나가 토큰까지 {with} KiB(토큰 없이 {idle} KiB)를 차지하며, 실패한 호출은 {failed}개입니다. 토큰 하나는"
            " 네트워크를 빼면 서명의 최대 {function}배, HTTPS로는 {https}배(CPU {https_ms} ms)가 들며, 나머지는 새 연결과 TLS 핸드셰이크입니다.",
        ),
    ),
    "stores": (
        (
            "What a store costs",
            "One *look* of a new auth object at a token that another process obtained; one *refresh*; one *rotation*, a refresh with a"
            " single-use refresh token, before which an intent is saved. All through the whole engine, with a token endpoint that"
            " answers in the process. Round trips and waits for the disk (`fsync`, `fdatasync`) are system calls of the client,"
            " counted by `strace`; those of a server are not in it. Transactions of SQLite are those that write.",
            "For you: with a fresh token in memory no store is asked. A refresh in SQLite waits for the disk, in a worker thread, and"
            " calls go on meanwhile.",
        ),
        (
            "저장소의 비용",
            "*확인*은 다른 프로세스가 받은 토큰을 새 인증 객체가 한 번 읽는 것이고, *갱신*은 토큰을 한 번 갱신하는 것이며, *교체*는 한 번만 쓸 수 있는 리프레시 토큰으로 갱신하는 것으로 그"
            " 전에 의도를 저장합니다. 모두 엔진 전체를 거치며, 토큰 엔드포인트는 같은 프로세스 안에서 응답합니다. 왕복과 디스크 대기(`fsync`, `fdatasync`)는 `strace`로 센 클라이언트의"
            " 시스템 호출이며, 서버의 것은 들어 있지 않습니다. SQLite의 트랜잭션은 쓰기만 셌습니다.",
            "사용자에게 뜻하는 것: 유효한 토큰이 메모리에 있으면 저장소를 읽지 않습니다. SQLite의 갱신은 작업 스레드에서 디스크를 기다리고, 그동안에도 호출은 계속됩니다.",
        ),
    ),
}
SLOWER = (
    (
        "Where krauth costs more",
        "Each row of this run, over https, in which a peer or code by hand costs less than krauth.",
    ),
    (
        "krauth가 더 드는 곳",
        "이번 측정에서 다른 라이브러리나 직접 작성한 코드가 krauth보다 적게 든 경우를 모두 적었습니다(HTTPS).",
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
#: What stands in the cells of tables, the longer first.
KOREAN = (
    ("same duties, by hand", "같은 일, 직접 작성"), ("its response hook included", "응답 훅 포함"), ("× static bearer", "× 고정 토큰"),
    ("static bearer", "고정 토큰"), ("two requests by hand", "요청 두 번, 직접 작성"), ("single-use refresh token", "일회용 리프레시 토큰"),
    ("token and API key", "토큰과 API 키"), ("CPU ms more than its library", "라이브러리보다 더 드는 CPU ms"), ("one signature, CPU ms", "서명 하나, CPU ms"),
    ("a call in the storm: p50 ms", "동시 갱신 중의 호출: p50 ms"), ("first tokens: s", "첫 토큰: 초"), ("storm: s", "동시 갱신: 초"), ("CPU ms each", "하나당 CPU ms"),
    ("× signature", "× 서명"), ("transactions", "트랜잭션"), ("round trips", "왕복"), ("waits for the disk", "디스크 대기"), ("token endpoint", "토큰 엔드포인트"),
    ("token requests", "토큰 요청"), ("200 stuck sellers", "멈춘 판매자 200개"), ("next door", "있음"), ("alone", "없음"), ("control: max ms", "대조: 최대 ms"),
    ("cold start", "콜드 스타트"), ("hot path", "호출 하나"), ("credential", "인증 정보"), ("API key", "API 키"), ("sellers", "판매자"), ("callers", "호출하는 쪽"),
    ("expired", "만료"), ("waited", "대기"), ("failed", "실패"), ("operation", "작업"), ("rotation", "교체"), ("refresh", "갱신"), ("look", "확인"),
    ("stack", "라이브러리"), ("store", "저장소"), ("the other", "상대"), ("what", "무엇"), ("× by hand", "× 직접 작성"), ("threads", "스레드"), ("tasks", "태스크"),
    ("loops", "루프"), ("processes", "프로세스"),
)  # fmt: skip
