"""What to do about Meloming's errors, in Korean: the English remedy of `krauth.meloming`, and the Korean one beside it."""

from __future__ import annotations

from typing import Final

# ruff: noqa: E501
#: A remedy as `krauth.meloming` writes it (up to its first gap), or a part of a message → Korean.
REMEDIES: Final[dict[str, str]] = {
    # `krauth.meloming.ERRORS`
    "the token is missing or not valid": "토큰이 없거나 유효하지 않습니다.",
    "check the API key (MELOMING_API_KEY); a new token cannot help": "API 키(MELOMING_API_KEY)를 확인하십시오. 새 토큰으로는 해결되지 않습니다.",
    "check client_id and client_secret (MELOMING_CLIENT_ID, MELOMING_CLIENT_SECRET)": "client_id와 시크릿(MELOMING_CLIENT_ID, MELOMING_CLIENT_SECRET)을 확인하십시오.",
    "the code or refresh token is spent, expired or revoked: the user has to authorize again": "인가 코드나 리프레시 토큰이 이미 사용되었거나 만료·폐기되었습니다. 사용자가 다시 로그인해야 합니다.",
    "the grant is not offered to this client; check its registration": "이 클라이언트에 허용되지 않은 grant입니다. 등록 내용을 확인하십시오.",
    "the user or client may not do this on this channel; check the channel's rights": "이 채널에서 허용되지 않은 작업입니다. 채널 권한을 확인하십시오.",
    "Meloming names no code for this; check each thing that the request carried: ": "멜로밍이 이유를 알려 주지 않았습니다. 요청에 담은 값을 하나씩 확인하십시오.",
    "too many requests; the free plan allows 60 a minute and 10,000 a month, the pro plan 300 a minute and 100,000 a month: wait, share one token store between processes, or change the plan": "요청이 너무 많습니다. 무료 요금제는 분당 60건·월 10,000건, 프로 요금제는 분당 300건·월 100,000건입니다. 기다리거나, 프로세스끼리 토큰 저장소를 공유하거나, 요금제를 바꾸십시오.",
    "the server failed, which Meloming also answers to an application that is not active and to a stale client_secret: this is tried again by itself; if it stays, check both in the developer center": "서버 오류입니다. 멜로밍은 비활성 애플리케이션이나 오래된 시크릿에도 이렇게 응답합니다. 자동으로 다시 시도하며, 계속되면 개발자 센터에서 두 가지를 확인하십시오.",
    # Settings
    "api_key does not look like one": "API 키의 형식이 아닙니다. mlm_live_ 또는 mlm_test_로 시작해야 합니다. 개발자 센터에서 다시 복사하십시오.",
    "api_key is empty": "MELOMING_API_KEY를 설정하십시오.",
    "version must be a version of the API": "version에 '2026-01-11' 같은 API 버전을 지정하십시오.",
}
