"""What `krauth sandbox` prints at first: addresses, credentials to paste into a shell, and the switches."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: name → (English, Korean).
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": (
        "krauth sandbox: loopback only, nothing here is real",
        "krauth 샌드박스: 이 컴퓨터 전용, 모두 가짜 데이터",
    ),
    "page": ("Open this page to look inside", "내부를 볼 수 있는 페이지"),
    "token": ("Naver Commerce API, token endpoint", "네이버 커머스API 토큰 엔드포인트"),
    "agencies": ("Naver Commerce API, base URL of agencies", "네이버 커머스API 대행사 base URL"),
    "consent": ("Meloming OpenAPI, consent page", "멜로밍 OpenAPI 동의 페이지"),
    "paste": (
        "Paste this. The single quotes matter: without them the shell eats the $ of the secret.",
        "셸에 붙여 넣으십시오. 작은따옴표가 없으면 셸이 시크릿의 $를 지웁니다.",
    ),
    "self": ("leave it out for type=SELF", "type=SELF라면 생략"),
    "test_key": ("test key", "테스트 키"),
    "sellers": ("Naver sellers", "네이버 판매자"),
    "users": ("Meloming users", "멜로밍 사용자"),
    "clients": ("More Meloming clients", "다른 멜로밍 클라이언트"),
    "public": ("a public client (PKCE)", "시크릿이 없는 클라이언트(PKCE)"),
    "switches": (
        "Switches, on either port: every answer is the state that it led to. The header keeps web pages out.",
        "설정은 어느 포트로든 바꿀 수 있으며 응답은 바뀐 상태입니다. 헤더는 웹 페이지의 호출을 막습니다.",
    ),
}
_SWITCHES: Final = (
    "{naver}/_sandbox/revoke",
    "{meloming}/_sandbox/revoke?what=access",
    "{naver}/_sandbox/fail?where=token&status=503&times=2",
    "{naver}/_sandbox/fail?where=api&code=GW.PROXY.03&times=always",
    "{naver}/_sandbox/drop?where=token&times=1",
    "{naver}/_sandbox/delay?where=token&seconds=2",
    "{naver}/_sandbox/clear",
    "{naver}/_sandbox/clock?offset=400",
    "{naver}/_sandbox/advance?seconds=9001",
    "{naver}/_sandbox/switch?ip_allowed=false&punish_malformed=true",
    "{meloming}/_sandbox/switch?rotation=false&error_shape=nested",
    "{naver}/_sandbox/reissue",
    "{naver}/_sandbox/reset",
)


def describe(
    language: str,
    *,
    naver: str,
    meloming: str,
    variables: Mapping[str, str],
    sellers: Sequence[str],
    users: Sequence[str],
    clients: Mapping[str, str | None],
    test_api_key: str,
) -> str:
    """Return the text; lines that begin with `export` can be pasted into a POSIX shell."""
    word = {name: texts[1 if language == "ko" else 0] for name, texts in _WORDS.items()}
    notes = {
        "NAVER_COMMERCE_ACCOUNT_ID": word["self"],
        "MELOMING_API_KEY": f"{word['test_key']}: {test_api_key}",
    }
    lines = [
        f"# {word['title']}",
        f"# {word['page']}: {naver}/",
        f"# {word['token']}: {naver}/external/v1/oauth2/token",
        f"# {word['agencies']}: {naver}/partner",
        f"# {word['consent']}: {meloming}/oauth/authorize",
        "",
        f"# {word['paste']}",
        *(
            f"export {name}={_quoted(name, value)}" + (f"   # {notes[name]}" if name in notes else "")
            for name, value in variables.items()
        ),
        "",
        f"# {word['sellers']}: {', '.join(sellers)}",
        f"# {word['users']}: {', '.join(users)}",
        f"# {word['clients']}:",
        *(f"#   {name}: {word['public'] if secret is None else secret}" for name, secret in clients.items()),
        "",
        f"# {word['switches']}",
        f"curl {naver}/_sandbox/state",
        *(f"curl -H X-Krauth-Sandbox:1 -X POST '{url.format(naver=naver, meloming=meloming)}'" for url in _SWITCHES),
        "",
    ]
    return "\n".join(lines)


def _quoted(name: str, value: str) -> str:
    """Return a value for a POSIX shell; secrets are in single quotes whether they need them or not."""
    if name.endswith(("_SECRET", "_KEY")):
        return "'" + value.replace("'", "'\"'\"'") + "'"
    return shlex.quote(value)
