"""What to do about Naver's errors, in Korean: the English remedy of `krauth.naver`, and the Korean one beside it."""

from __future__ import annotations

from typing import Final

# ruff: noqa: E501
#: A remedy as `krauth.naver` writes it (up to its first gap), or a part of a message → Korean.
REMEDIES: Final[dict[str, str]] = {
    # `krauth.naver.ERRORS`
    "the token is not accepted; if a new one is not either, check that the application has the API group of this call and is of the right type (SELF or SELLER)": "토큰이 거절되었습니다. 새 토큰도 거절되면 애플리케이션에 이 API 그룹이 추가되어 있는지, 타입(SELF 또는 SELLER)이 맞는지 확인하십시오.",
    "this is the wrong kind of application for this API (a data solution's, for example), and a new token does not help; use the application that the API belongs to": "이 API에 맞지 않는 종류의 애플리케이션(예: 데이터 솔루션)입니다. 새 토큰으로는 해결되지 않으므로 API에 맞는 애플리케이션을 쓰십시오.",
    "the caller's IP address is not on the application's allow-list (API center > application > API call IP); the token endpoint checks it too: if your calls leave through a proxy or a fixed IP, send token requests the same way with token_transport=<your client or session>. An agency's application gets this answer on /external: give it base_url='https://api.commerce.naver.com/partner'": "호출한 IP가 허용 목록에 없습니다(API 센터 > 애플리케이션 > API 호출 IP). 토큰 발급에서도 IP를 확인하므로, 프록시나 고정 IP로 호출한다면 token_transport=<쓰는 클라이언트나 세션>으로 토큰 요청도 같은 경로로 보내십시오. 대행사 애플리케이션이 /external을 호출해도 이 응답이 오므로 base_url='https://api.commerce.naver.com/partner'를 쓰십시오.",
    "there is no such API; check base_url (…/external, or …/partner for agencies) and path": "그런 API가 없습니다. base_url(…/external, 대행사는 …/partner)과 경로를 확인하십시오.",
    "too many requests; wait, and share one token store between processes": "요청이 너무 많습니다. 잠시 기다리고, 프로세스끼리 토큰 저장소 하나를 공유하십시오.",
    "this is Naver's penalty for malformed token requests: one token an hour, for the whole application. The cause is a program at a registered IP address that sends such requests, for example with the parameters in the query string instead of the body; find and stop it. The penalty ends by itself some time after the last malformed request; until then token requests of this application pause for 5 minutes at least, and longer with each refusal": "규격에 맞지 않는 토큰 요청에 대한 네이버의 제한입니다. 애플리케이션 전체가 한 시간에 토큰을 한 번만 발급받습니다. 등록된 IP의 어떤 프로그램이 그런 요청(예: 파라미터를 본문이 아니라 쿼리 문자열로 보내는 요청)을 보내고 있으니 찾아서 멈추십시오. 마지막 잘못된 요청 이후 시간이 지나면 저절로 풀리며, 그때까지 이 애플리케이션의 토큰 요청은 5분 이상 간격을 두고 보냅니다.",
    "the quota of this round of the data solution is used up; token requests of the whole application pause for 5 minutes at least, and longer with each refusal": "데이터솔루션의 이번 회차 요청량을 모두 썼습니다. 이 애플리케이션의 토큰 요청은 5분 이상 간격을 두고 보냅니다.",
    "the quota of this second is used up; wait a second, and share one token store between processes": "초당 요청량을 넘었습니다. 1초 기다리고, 프로세스끼리 토큰 저장소 하나를 공유하십시오.",
    "the gateway failed; this is tried again by itself": "게이트웨이 오류입니다. 자동으로 다시 시도합니다.",
    # The fields of a token request
    "the signature is not accepted: check that client_secret belongs to this client_id, and that the shell did not eat its $ signs (single quotes keep them)": "전자서명이 거절되었습니다. 시크릿이 이 client_id의 것인지, 셸이 $를 지우지 않았는지 확인하십시오(작은따옴표로 감싸면 유지됩니다).",
    "there is no such application: check client_id": "그런 애플리케이션이 없습니다. client_id를 확인하십시오.",
    "the timestamp is not accepted: set this machine's clock (NTP); Naver allows five minutes": "timestamp가 거절되었습니다. 이 컴퓨터의 시계를 맞추십시오(NTP). 네이버는 5분까지 허용합니다.",
    "the seller is not accepted: check account_id, and that the seller has subscribed to your solution": "판매자가 거절되었습니다. account_id가 맞는지, 판매자가 솔루션을 구독 중인지 확인하십시오.",
    "this application has no such tokens: leave account_id out for your own shop, give it for other sellers": "이 애플리케이션으로는 발급할 수 없는 타입입니다. 내 스토어라면 account_id를 빼고, 다른 판매자라면 account_id를 지정하십시오.",
    # Settings
    "client_secret does not look like one: it must be the 29 characters of a bcrypt salt": "네이버 시크릿의 형식이 아닙니다. $2a$04$와 22자로 된 29자여야 합니다. 셸이나 .env 파일이 $를 지웠을 수 있으니 작은따옴표로 감싸십시오.",
    "client_secret holds \\$": "시크릿의 $ 앞에 역슬래시가 남아 있습니다. 시크릿을 읽는 프로그램에서는 역슬래시 없이 $만 적으십시오.",
    "client_secret holds $$": "시크릿에 $가 두 번씩 들어 있습니다. docker compose 밖에서는 $를 한 번만 적으십시오.",
    "client_secret holds %24": "시크릿의 $가 URL 형식(%24)으로 바뀌었습니다. API 센터에서 다시 복사하십시오.",
    "client_secret is cut off": "시크릿이 29자보다 짧습니다. 전체를 다시 복사하십시오. $ 뒤가 변수로 바뀌어 사라졌다면 작은따옴표로 감싸십시오.",
    "client_secret is too long": "시크릿이 29자보다 깁니다. 다시 복사하십시오.",
    "client_secret has lost its beginning": "시크릿의 앞부분($2a$04$)이 사라졌습니다. 셸이나 .env 파일이 변수로 바꾼 것이니 작은따옴표로 감싸십시오.",
    "timestamp must be": "timestamp는 13자리 밀리초여야 합니다.",
    "timestamp is in seconds": "timestamp가 초 단위입니다. 13자리 밀리초로 바꾸십시오.",
    "an agency (base_url": "대행사는 판매자의 토큰만 발급받습니다. account_id=…를 지정하거나 for_account('<판매자>')를 쓰십시오.",
    "client_id and client_secret are swapped": "client_id와 client_secret이 서로 바뀌었습니다.",
    "account_id is empty": "판매자의 ID를 지정하거나, 내 스토어라면 account_id를 빼십시오.",
    "client_secret is empty": "시크릿을 작은따옴표로 감싸 NAVER_COMMERCE_CLIENT_SECRET에 설정하십시오.",
}
