"""The consent page and the error page, in Korean and English; `consent` decides which of them to show."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WORDS: Final[dict[str, dict[str, str]]] = {
    "ko": {
        "consent_title": "멜로밍 샌드박스 – 권한 요청",
        "consent_lead": "{client}에서 회원님의 계정에 대한 다음 권한을 요청합니다.",
        "username": "사용자 이름",
        "allow": "허용",
        "deny": "거부",
        "destination": "결정하시면 다음 주소로 이동합니다:",
        "error_title": "멜로밍 샌드박스 – 인증 요청 오류",
        "client_id": "client_id가 올바르지 않습니다. 등록된 애플리케이션인지 확인하세요.",
        "redirect_uri": "redirect_uri가 올바르지 않습니다. 등록된 Redirect URI와 정확히 일치해야 합니다.",
        "csrf": "동의 양식이 만료되었거나 이 브라우저에서 열린 것이 아닙니다. 처음부터 다시 시도하세요.",
        "form": "동의 양식이 올바르지 않습니다. 사용자 이름을 입력하고 허용 또는 거부를 선택하세요.",
    },
    "en": {
        "consent_title": "Meloming sandbox – permission request",
        "consent_lead": "{client} requests these permissions on your account.",
        "username": "Username",
        "allow": "Allow",
        "deny": "Deny",
        "destination": "Your decision takes you to:",
        "error_title": "Meloming sandbox – bad authorization request",
        "client_id": "client_id is not valid. Check that the application is registered.",
        "redirect_uri": "redirect_uri is not valid. It must equal a registered redirect URI exactly.",
        "csrf": "This consent form has expired, or was not opened in this browser. Start again.",
        "form": "The consent form is incomplete. Enter a username and choose Allow or Deny.",
    },
}

_STYLE = """
*{word-break:keep-all;overflow-wrap:anywhere}
:root{color-scheme:light dark}
body{font:16px/1.6 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}
h1{font-size:1.3rem}label{display:block;margin:1rem 0 .25rem}
input{font:inherit;padding:.4rem;width:100%;box-sizing:border-box}
button{font:inherit;padding:.5rem 1.2rem;margin:1.2rem .6rem 0 0}
"""

_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{style}</style></head>
<body><main><h1>{title}</h1>
{content}
</main></body></html>
"""


def consent_page(
    language: str,
    *,
    client: str,
    scope: str,
    redirect_uri: str,
    hidden: Mapping[str, str],
    usernames: Sequence[str],
) -> str:
    """Write the page on which a user allows or denies; a plain form, so it works without JavaScript."""
    words = _WORDS[language]
    scopes = "".join(f"<li><code>{escape(item)}</code></li>" for item in scope.split(" "))
    inputs = "".join(f'<input type="hidden" name="{escape(n)}" value="{escape(v)}">' for n, v in hidden.items())
    options = "".join(f'<option value="{escape(name)}">' for name in usernames)
    first = escape(usernames[0]) if usernames else ""
    content = f"""<p>{words["consent_lead"].format(client=f"<strong>{escape(client)}</strong>")}</p>
<ul>{scopes}</ul>
<p>{words["destination"]} <code>{escape(redirect_uri)}</code></p>
<form method="post" action="/oauth/authorize">{inputs}
<label for="username">{words["username"]}</label>
<input id="username" name="username" list="usernames" value="{first}" maxlength="64" autocomplete="off">
<datalist id="usernames">{options}</datalist>
<button type="submit" name="decision" value="allow">{words["allow"]}</button>
<button type="submit" name="decision" value="deny">{words["deny"]}</button>
</form>"""
    return _PAGE.format(language=language, title=words["consent_title"], style=_STYLE, content=content)


def error_page(language: str, problem: str) -> str:
    """Write the page for a request that must not be redirected anywhere."""
    words = _WORDS[language]
    content = f'<p data-problem="{escape(problem)}">{words[problem]}</p>'
    return _PAGE.format(language=language, title=words["error_title"], style=_STYLE, content=content)
