"""What to do about the library's errors, in Korean: its own English remedy, and the Korean one beside it.

The command line prints them below the English message, and the documentation's page of errors shows them. Tests find a
remedy of the error tables, or a class of error, that has none.
"""

from __future__ import annotations

from typing import Final

# ruff: noqa: E501
#: A remedy as the library writes it (up to its first gap) → Korean.
REMEDIES: Final[dict[str, str]] = {
    # Naver: `krauth.naver.ERRORS`
    "the token is not accepted; if a new one is not either, check that the application has the API group of this call and is of the right type (SELF or SELLER)": "토큰이 거절되었습니다. 새 토큰도 거절되면 애플리케이션에 이 API 그룹이 추가되어 있는지, 타입(SELF 또는 SELLER)이 맞는지 확인하십시오.",
    "this is the wrong kind of application for this API (a data solution's, for example), and a new token does not help; use the application that the API belongs to": "이 API에 맞지 않는 종류의 애플리케이션(예: 데이터 솔루션)입니다. 새 토큰으로는 해결되지 않으므로 API에 맞는 애플리케이션을 쓰십시오.",
    "the caller's IP address is not on the application's allow-list (API center > application > API call IP); the token endpoint checks it too: if your calls leave through a proxy or a fixed IP, send token requests the same way with token_transport=<your client or session>. An agency's application gets this answer on /external: give it base_url='https://api.commerce.naver.com/partner'": "호출한 IP가 허용 목록에 없습니다(API 센터 > 애플리케이션 > API 호출 IP). 토큰 발급에서도 IP를 확인하므로, 프록시나 고정 IP로 호출한다면 token_transport=<쓰는 클라이언트나 세션>으로 토큰 요청도 같은 길로 보내십시오. 대행사 애플리케이션이 /external을 호출해도 이 응답이 오므로 base_url='https://api.commerce.naver.com/partner'를 쓰십시오.",
    "there is no such API; check base_url (…/external, or …/partner for agencies) and path": "그런 API가 없습니다. base_url(…/external, 대행사는 …/partner)과 경로를 확인하십시오.",
    "too many requests; wait, and share one token store between processes": "요청이 너무 많습니다. 잠시 기다리고, 프로세스끼리 토큰 저장소 하나를 공유하십시오.",
    "this is Naver's penalty for malformed token requests: one token an hour, for the whole application. The cause is a program at a registered IP address that sends such requests, for example with the parameters in the query string instead of the body; find and stop it. The penalty ends by itself some time after the last malformed request; until then token requests of this application pause for 5 minutes at least, and longer with each refusal": "규격에 맞지 않는 토큰 요청에 대한 네이버의 제한입니다. 애플리케이션 전체가 한 시간에 토큰을 한 번만 발급받습니다. 등록된 IP의 어떤 프로그램이 그런 요청(예: 파라미터를 본문이 아니라 쿼리 문자열로 보내는 요청)을 보내고 있으니 찾아서 멈추십시오. 마지막 잘못된 요청 이후 시간이 지나면 저절로 풀리며, 그때까지 이 애플리케이션의 토큰 요청은 5분 이상 간격을 두고 보냅니다.",
    "the gateway failed; this is tried again by itself": "게이트웨이 오류입니다. 자동으로 다시 시도합니다.",
    # Naver: the fields of a token request
    "the signature is not accepted: check that client_secret belongs to this client_id, and that the shell did not eat its $ signs (single quotes keep them)": "전자서명이 거절되었습니다. 시크릿이 이 client_id의 것인지, 셸이 $를 지우지 않았는지 확인하십시오(작은따옴표로 감싸면 유지됩니다).",
    "there is no such application: check client_id": "그런 애플리케이션이 없습니다. client_id를 확인하십시오.",
    "the timestamp is not accepted: set this machine's clock (NTP); Naver allows five minutes": "timestamp가 거절되었습니다. 이 컴퓨터의 시계를 맞추십시오(NTP). 네이버는 5분까지 허용합니다.",
    "the seller is not accepted: check account_id, and that the seller has subscribed to your solution": "판매자가 거절되었습니다. account_id가 맞는지, 판매자가 솔루션을 구독 중인지 확인하십시오.",
    "this application has no such tokens: leave account_id out for your own shop, give it for other sellers": "이 애플리케이션으로는 발급할 수 없는 타입입니다. 내 스토어라면 account_id를 빼고, 다른 판매자라면 account_id를 지정하십시오.",
    # Meloming: `krauth.meloming.ERRORS`
    "the token is missing or not valid": "토큰이 없거나 유효하지 않습니다.",
    "check the API key (MELOMING_API_KEY); a new token cannot help": "API 키(MELOMING_API_KEY)를 확인하십시오. 새 토큰으로는 해결되지 않습니다.",
    "check client_id and client_secret (MELOMING_CLIENT_ID, MELOMING_CLIENT_SECRET)": "client_id와 시크릿(MELOMING_CLIENT_ID, MELOMING_CLIENT_SECRET)을 확인하십시오.",
    "the code or refresh token is spent, expired or revoked: the user has to authorize again": "인가 코드나 리프레시 토큰이 이미 사용되었거나 만료·폐기되었습니다. 사용자가 다시 로그인해야 합니다.",
    "the grant is not offered to this client; check its registration": "이 클라이언트에 허용되지 않은 grant입니다. 등록 내용을 확인하십시오.",
    "the user or client may not do this on this channel; check the channel's rights": "이 채널에서 허용되지 않은 작업입니다. 채널 권한을 확인하십시오.",
    "Meloming names no code for this; check each thing that the request carried: ": "멜로밍이 이유를 알려 주지 않았습니다. 요청에 담은 값을 하나씩 확인하십시오.",
    "too many requests; the free plan allows 60 a minute and 10,000 a month, the pro plan 300 a minute and 100,000 a month: wait, share one token store between processes, or change the plan": "요청이 너무 많습니다. 무료 요금제는 분당 60건·월 10,000건, 프로 요금제는 분당 300건·월 100,000건입니다. 기다리거나, 프로세스끼리 토큰 저장소를 공유하거나, 요금제를 바꾸십시오.",
    "the server failed, which Meloming also answers to an application that is not active and to a stale client_secret: this is tried again by itself; if it stays, check both in the developer center": "서버 오류입니다. 멜로밍은 비활성 애플리케이션이나 오래된 시크릿에도 이렇게 응답합니다. 자동으로 다시 시도하며, 계속되면 개발자 센터에서 두 가지를 확인하십시오.",
    # RFC 6749 §4.1.2.1: the errors of a sign-in
    "the user, or the server, said no": "사용자나 서버가 거절했습니다. 사용자가 다시 시작하게 하십시오.",
    "the server found the request malformed; check redirect_uri and scope": "서버가 요청을 이해하지 못했습니다. redirect_uri와 scope를 확인하십시오.",
    "the client may not use this grant; check its registration": "이 클라이언트는 이 grant를 쓸 수 없습니다. 등록 내용을 확인하십시오.",
    "the server does not offer the authorization code grant": "서버가 Authorization Code 방식을 지원하지 않습니다. 서버 문서를 확인하십시오.",
    "the client may not ask for this scope; check scope=…": "요청할 수 없는 scope입니다. scope=…를 확인하십시오.",
    "the server failed; let the user try again": "서버 오류입니다. 사용자가 다시 시도하게 하십시오.",
    "the server is overloaded; let the user try again later": "서버가 혼잡합니다. 사용자가 잠시 뒤에 다시 시도하게 하십시오.",
    # Settings, the frequent ones
    "is not set: export ": "환경 변수가 설정되어 있지 않습니다. 시크릿은 작은따옴표로 감싸 export하십시오.",
    "client_secret does not look like one: it must be the 29 characters of a bcrypt salt": "네이버 시크릿의 형식이 아닙니다. $2a$04$와 22자로 된 29자여야 합니다. 셸이나 .env 파일이 $를 지웠을 수 있으니 작은따옴표로 감싸십시오.",
    "begins or ends with white space": "값의 앞뒤에 공백이나 줄바꿈이 있습니다. 지우십시오.",
    "timestamp must be": "timestamp는 13자리 밀리초여야 합니다.",
    "timestamp is in seconds": "timestamp가 초 단위입니다. 13자리 밀리초로 바꾸십시오.",
    "api_key does not look like one": "API 키의 형식이 아닙니다. mlm_live_ 또는 mlm_test_로 시작해야 합니다. 개발자 센터에서 다시 복사하십시오.",
    "no installed plugin": "이 URL의 저장소를 제공하는 플러그인이 없습니다. krauth stores로 설치된 저장소를 확인하십시오.",
}

#: A class of errors → what to do, for a message without one of the remedies above. The nearest class counts.
KINDS: Final[dict[str, str]] = {
    "AccessDenied": "사용자나 서버가 거절했습니다. 다시 로그인하십시오.",
    "AuthorizationError": "로그인을 마치지 못했습니다. 처음부터 다시 로그인하십시오.",
    "AuthorizationRequired": "사용자가 다시 로그인해야 합니다: krauth login",
    "ConfigurationError": "설정이 잘못되었습니다. 메시지에 나온 설정을 확인하십시오.",
    "IPNotAllowedError": "호출한 IP가 허용 목록에 없습니다. API 센터의 API 호출 IP를 확인하십시오.",
    "InvalidClientError": "client_id와 시크릿이 서로 맞는지 확인하십시오.",
    "InvalidGrantError": "인가 코드나 리프레시 토큰이 더 이상 유효하지 않습니다. 다시 로그인하십시오.",
    "InvalidTokenResponse": "서버의 응답이 토큰 응답이 아닙니다. base_url이나 token_endpoint를 확인하십시오.",
    "KrauthError": "메시지를 확인하십시오. 모든 오류를 잡을 때 씁니다.",
    "RateLimitError": "요청이 너무 많습니다. 잠시 기다린 뒤 다시 시도하십시오.",
    "StateMismatch": "다른 로그인의 응답이거나 위조된 응답입니다. 처음부터 다시 로그인하십시오.",
    "StoreConflict": "다른 프로세스가 먼저 저장했습니다. 다시 시도하십시오.",
    "TokenEndpointError": "서버가 토큰 발급을 거절했습니다. 고객지원에 문의할 때 trace id를 알려 주십시오.",
    "TokenError": "토큰을 얻지 못했습니다. 메시지를 확인하십시오.",
    "TokenServerError": "토큰 서버의 오류입니다. 잠시 뒤에 다시 시도하십시오.",
    "TokenStoreError": "토큰 저장소를 쓸 수 없습니다. 저장소의 주소와 권한을 확인하십시오.",
    "TokenTransportError": "토큰 서버에 연결하지 못했습니다. 네트워크와 프록시를 확인하십시오.",
}
