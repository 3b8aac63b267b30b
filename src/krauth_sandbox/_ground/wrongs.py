"""The problems of requests in Korean, by the English text in the code; a test finds gaps."""

from __future__ import annotations

from typing import Final

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
    "X-API-Key is not an API key of this sandbox.": "X-API-Key가 이 샌드박스의 API 키가 아닙니다.",
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
    "scope is wider than the granted one": "scope가 허용된 것보다 넓습니다.",
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
