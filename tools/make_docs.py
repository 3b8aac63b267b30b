"""Write the parts of the documentation that come from the code: errors, events, figures, llms.txt.

    python tools/make_docs.py           # write them
    python tools/make_docs.py --check   # say which are out of date, and exit with 1
    python tools/make_docs.py --stage   # arrange docs/ for mkdocs in build/docs, Korean as the first language

The error tables of the providers, the exceptions, every message that the library raises, the kinds of events: the pages
can't say anything else than the code does.
"""

# ruff: noqa: E501  prose in two languages, a sentence a line
from __future__ import annotations

import ast
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from krauth import meloming, naver  # noqa: E402
from krauth._oauth import authorization  # noqa: E402
from krauth._values import event, exceptions  # noqa: E402
from krauth._values.korean import KINDS  # noqa: E402
from krauth._values.language import catalogue  # noqa: E402

#: The vendor's own messages (API reference of the Naver Commerce API).
NAVER_WORDS = {
    "GW.AUTHN": "요청을 보낼 권한이 없습니다.",
    "GW.IP_NOT_ALLOWED": "호출이 허용되지 않은 IP입니다.",
    "GW.NOT_FOUND": "요청하신 리소스를 찾을 수 없습니다.",
    "GW.RATE_LIMIT": "요청이 많아 서비스를 일시적으로 사용할 수 없습니다.",
    "GW.QUOTA_LIMIT": "할당된 시간당 요청량을 초과하였습니다.",
    "GW.PROXY": "작업 중 오류가 발생하였습니다.",
    "GW.INTERNAL_SERVER_ERROR": "작업 중 오류가 발생하였습니다.",
    "GW.BLOCK": "서비스를 일시적으로 사용할 수 없습니다.",
    "GW.TIMEOUT": "요청 대기 시간이 초과되었습니다.",
}
#: A kind of event in Korean.
EVENTS = {
    "obtained": "토큰을 발급받았습니다",
    "refreshed": "토큰을 갱신했습니다",
    "reused": "토큰을 요청했지만 같은 토큰을 다시 받았습니다",
    "adopted": "다른 프로세스가 갱신한 토큰을 이어받았습니다",
    "refused": "API가 토큰을 거절했습니다",
    "attempt_failed": "토큰 요청이 실패해 다시 보냅니다",
    "refresh_failed": "토큰을 갱신하지 못했습니다",
    "not_before": "지난 토큰 요청이 실패해서 지금은 보내지 않습니다",
    "lease_lost": "갱신이 끝나기 전에 저장소의 lease가 끝났습니다",
    "conflict": "그사이 다른 프로세스가 저장소의 항목을 바꾸었습니다",
    "sent_again": "다른 프로세스가 이미 보냈을 수 있는 리프레시 토큰을 보냅니다",
    "store_failed": "토큰 저장소가 실패해서 저장소 없이 계속합니다",
    "unsaved": "새 리프레시 토큰을 저장하지 못해 메모리에 두었습니다",
    "not_resent": "토큰을 갱신했지만 요청을 다시 보낼 수 없습니다",
    "withheld": "인증 정보를 보내지 않았습니다",
    "authorized": "사용자가 승인했습니다",
    "uncured": "거절된 토큰을 대신할 토큰을 얻지 못해 401을 그대로 반환했습니다",
    "narrowed": "서버가 요청보다 좁은 권한을 주었습니다",
    "revoked": "토큰을 폐기했습니다",
}
ENGLISH = {
    "title": "Errors",
    "intro": "Every error of krauth is a `krauth.KrauthError`. Each message says what happened and what to do, and holds no"
    " secret.\nThis page is made from the code: it lists every class, every code of the vendors, and every message.",
    "classes": "Classes",
    "class head": "| class | meaning | what to do |",
    "attributes": "A `TokenEndpointError` has `.status` (HTTP), `.code` (the vendor's), `.error` and `.error_description`"
    " (RFC 6749), `.trace_id` (what\nthe vendor's support asks for) and `.retry_after` (seconds). Answers of the API itself"
    " are not turned into exceptions.",
    "naver": "Codes of the Naver Commerce API",
    "naver head": "| status | code | the vendor's words | what to do |",
    "fields": "When Naver refuses a field of the token request, `invalidInputs` names it:",
    "fields head": "| field | what to do |",
    "meloming": "Codes of the Meloming OpenAPI",
    "meloming head": "| status | code | what to do |",
    "any": "any other, or none",
    "callback": "Errors of a sign-in (RFC 6749 §4.1.2.1)",
    "callback head": "| error | what to do |",
    "messages": "All messages",
    "messages intro": "`…` stands for what the message names. Search this page for a few words of your message.",
    "messages head": "| class | message |",
    "events head": "| kind | level | what happened |",
}
KOREAN = {
    "title": "오류",
    "intro": "krauth의 모든 오류는 `krauth.KrauthError`입니다. 메시지마다 무엇이 잘못됐고 어떻게 하면 되는지 알려 주며 시크릿은 들어 있지"
    " 않습니다.\n이 페이지는 코드에서 만들었습니다. 모든 클래스, API별 오류 코드, 모든 메시지가 있습니다.",
    "classes": "클래스",
    "class head": "| 클래스 | 의미 | 조치 |",
    "attributes": "`TokenEndpointError`에는 `.status`(HTTP), `.code`(API의 코드), `.error`와 `.error_description`(RFC 6749),"
    " `.trace_id`(고객지원이 묻는 값),\n`.retry_after`(초)가 있습니다. API 응답 자체는 예외로 바꾸지 않습니다.",
    "naver": "네이버 커머스API의 코드",
    "naver head": "| 상태 | 코드 | 네이버의 메시지 | 조치 |",
    "fields": "네이버가 토큰 요청의 항목을 거절하면 `invalidInputs`에 그 이름이 있습니다.",
    "fields head": "| 항목 | 조치 |",
    "meloming": "멜로밍 OpenAPI의 코드",
    "meloming head": "| 상태 | 코드 | 조치 |",
    "any": "그 밖의 코드, 또는 없음",
    "callback": "로그인의 오류(RFC 6749 §4.1.2.1)",
    "callback head": "| 오류 | 조치 |",
    "messages": "모든 메시지",
    "messages intro": "예외 메시지는 영어입니다. `…`는 메시지마다 달라지는 부분입니다. 받은 메시지의 몇 단어로 이 페이지를 검색하십시오.",
    "messages head": "| 클래스 | 메시지 | 조치 |",
    "events head": "| 종류 | 수준 | 일어난 일 |",
}


def cell(text: str) -> str:
    """Return text fit for a cell of a table."""
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("{carried}", "…")
    return text.replace("'$2a$04$…'", "'$2a$04$…'").replace("*", "\\*")


def remedy(english: str, kind: str = "") -> str:
    """Return the Korean remedy for an English one, or for its class."""
    found = [korean for start, korean in catalogue().items() if start in english]
    return found[0] if found else KINDS.get(kind, KINDS["KrauthError"])


def rule(head: str) -> str:
    """Return the head of a table and the line below it."""
    return f"{head}\n|{'---|' * (head.count('|') - 1)}"


def kinds() -> list[type[exceptions.KrauthError]]:
    """Return every public class of errors, in the order of the module."""
    found = [thing for thing in vars(exceptions).values() if isinstance(thing, type)]
    return [thing for thing in found if issubclass(thing, exceptions.KrauthError) and thing.__name__[0] != "_"]


def messages() -> list[tuple[str, str]]:
    """Return every message in the source of the library: class and text, with `…` for what is filled in."""
    names = {kind.__name__ for kind in kinds()}
    found = set()
    for path in sorted((ROOT / "src").glob("*krauth*/**/*.py")):
        if "krauth_cli" in path.parts or "krauth_sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", None) in names:
                text = words(node.args[0])
                if len(re.sub(r"[…\W]", "", text)) > 8:
                    found.add((node.func.id, re.sub(r"(… ?)+…", "…", text)))  # type: ignore[attr-defined]
    return sorted(found)


def words(node: ast.expr) -> str:
    """Return a string expression with `…` for its gaps."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(words(value) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return words(left) + words(right)
    return "…"


def errors(say: dict[str, str], korean: bool) -> str:
    """Return the page of errors."""

    def told(english: str) -> str:
        return cell(remedy(english) if korean else english)

    lines = [f"# {say['title']}", "", say["intro"], "", f"## {say['classes']}", "", rule(say["class head"])]
    for kind in kinds():
        meaning = (kind.__doc__ or "").strip().splitlines()[0]
        action = KINDS[kind.__name__] if korean else ACTIONS[kind.__name__]
        lines.append(f"| `{kind.__name__}` | {cell(meaning)} | {cell(action)} |")
    lines += ["", say["attributes"], "", f"## {say['naver']}", "", rule(say["naver head"])]
    for (status, code), row in naver.ERRORS.items():
        word = next((text for start, text in NAVER_WORDS.items() if code and code.startswith(start)), "")
        lines.append(f"| {status} | {f'`{code}`' if code else say['any']} | {word} | {told(row.remedy)} |")
    lines += ["", say["fields"], "", rule(say["fields head"])]
    lines += [f"| `{name}` | {told(text)} |" for name, text in naver._FIELD_REMEDIES.items()]
    lines += ["", f"## {say['meloming']}", "", rule(say["meloming head"])]
    for (status, code), row in meloming.ERRORS.items():
        lines.append(f"| {status} | {f'`{code}`' if code else say['any']} | {told(row.remedy)} |")
    lines += ["", f"## {say['callback']}", "", rule(say["callback head"])]
    lines += [f"| `{name}` | {told(text)} |" for name, text in authorization._ERRORS.items()]
    lines += ["", f"## {say['messages']}", "", say["messages intro"], "", rule(say["messages head"])]
    for kind, text in messages():
        more = f" {cell(remedy(text, kind))} |" if korean else ""
        lines.append(f"| `{kind}` | {cell(text)} |{more}")
    return "\n".join(lines) + "\n"


#: What to do about a class of errors, in English.
ACTIONS = {
    "KrauthError": "catch it to catch all",
    "ConfigurationError": "mend the setting that the message names",
    "TokenError": "see the class below it",
    "TokenTransportError": "check network and proxy; it is tried again by itself before it is raised",
    "TokenEndpointError": "read `.code` and the remedy; give `.trace_id` to the vendor's support",
    "InvalidClientError": "check that client_id and client_secret belong together",
    "InvalidGrantError": "let the user sign in again",
    "IPNotAllowedError": "register the IP address, or send token requests through the proxy that is registered",
    "RateLimitError": "wait `.retry_after` seconds; share one token store",
    "TokenServerError": "wait; it is tried again by itself before it is raised",
    "InvalidTokenResponse": "check base_url or token_endpoint",
    "AuthorizationRequired": "let the user sign in: `authorization_request()`",
    "AuthorizationError": "let the user start again",
    "AccessDenied": "let the user start again",
    "StateMismatch": "let the user start again, in one browser",
    "TokenStoreError": "check the store's address and rights",
    "StoreConflict": "none needed where krauth calls the store",
}


def between(page: str, name: str, text: str) -> str:
    """Return a page with the part between two comments replaced."""
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    head, _, rest = page.partition(start)
    return f"{head}{start}\n{text}\n\n{end}{rest.partition(end)[2]}"


def events(say: dict[str, str], korean: bool) -> str:
    """Return the table of events."""
    lines = [rule(say["events head"])]
    for kind, (level, sentence) in event.SENTENCES.items():
        english = sentence.replace(", {lifetime}", "").replace(" ({detail})", "").replace(": {detail}", "")
        name = {20: "INFO", 30: "WARNING", 40: "ERROR"}[level]
        lines.append(f"| `{kind}` | {name} | {EVENTS[kind] if korean else english} |")
    return "\n".join(lines)


def figures() -> dict[Path, str]:
    """Return the pages and plots of benchmarks, and the pages that quote figures, made from the result file."""
    from benchmarks import report

    return report.pages()


def llms() -> str:
    """Return llms.txt: what this is, and where each page is, for programs that read documentation."""
    lines = [
        "# krauth",
        "",
        "> Authentication for Korean commerce and content APIs (Naver Commerce, Meloming) and any OAuth 2.0",
    ]
    lines += [
        "> server, in requests, httpx, httpx2 and aiohttp. One auth object; tokens are obtained, reused and refreshed."
    ]
    for language, suffix in (("English", ""), ("한국어", ".ko")):
        lines += ["", f"## {language}", ""]
        for name in pages():
            path = DOCS / f"{name}{suffix}.md"
            if not path.exists():  # only in English so far
                continue
            text = path.read_text(encoding="utf-8")
            title = text.partition("\n")[0].removeprefix("# ")
            first = next((part for part in text.split("\n\n")[1:] if re.match(r"[\w`]", part)), title)
            sentence = re.match(r".*?[.](?= |$)", " ".join(first.split()))
            lines.append(f"- [{title}]({name}{suffix}.md): {sentence[0] if sentence else title}")
    return "\n".join(lines) + "\n"


def pages() -> list[str]:
    """Return the names of the pages, in the order of the navigation."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2].partition("\n\n")[0]
    return re.findall(r"([\w-]+)\.md", text)


def made() -> dict[Path, str]:
    """Return every file that is made here, with its text."""
    found = {DOCS / "errors.md": errors(ENGLISH, False), DOCS / "errors.ko.md": errors(KOREAN, True)}
    for name, say, korean in (("observability.md", ENGLISH, False), ("observability.ko.md", KOREAN, True)):
        found[DOCS / name] = between((DOCS / name).read_text(encoding="utf-8"), "events", events(say, korean))
    return found | figures()


def stage(target: Path) -> None:
    """Arrange the pages as mkdocs-static-i18n wants them: without a suffix stands the first language."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(DOCS, target, ignore=shutil.ignore_patterns("*.md"))
    for path in DOCS.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        if path.name.endswith(".ko.md"):
            (target / path.name.replace(".ko.md", ".md")).write_text(text.replace(".ko.md)", ".md)"), encoding="utf-8")
        else:
            (target / f"{path.stem}.en.md").write_text(text, encoding="utf-8")
            if not (DOCS / f"{path.stem}.ko.md").exists():  # only in English so far
                (target / path.name).write_text(text, encoding="utf-8")


def main() -> int:
    """Write the files, or say which differ."""
    if "--stage" in sys.argv:
        stage(ROOT / "build" / "docs")
        return 0
    check = "--check" in sys.argv
    stale = []
    for make in (made, lambda: {DOCS / "llms.txt": llms()}):  # llms.txt quotes the pages
        for path, text in make().items():
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            stale.append(path.name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"out of date: {', '.join(stale)}; run python tools/make_docs.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
