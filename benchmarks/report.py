"""Makes the pages and their plots from `docs/benchmarks/result.json`, and what READMEs quote.

The words are in `page.md` and `page.ko.md`. A line `@part | …` there becomes one line for each row of that part; a line
`@busy …` or `@fewer …` stays where that is so.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from typing import TYPE_CHECKING, Any

from . import plots
from .hot_path import FLOOR, HOOKED, KINDS, OURS
from .measure import ROOT
from .subjects import STATIC

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rows = list[dict[str, Any]]

DOCS = ROOT / "docs"
RESULT = DOCS / "benchmarks" / "result.json"
PAGES = {"page.md": "benchmarks.md", "page.ko.md": "benchmarks.ko.md"}
#: How a figure is written.
FORMS: dict[str, Callable[[Any], str]] = {
    "": str,
    "µs": lambda value: f"{value * 1e6:.2f}",
    "ms": lambda value: f"{value * 1e3:,.{1 if value >= 0.01 else 2}f}",
    "s": "{:,.1f}".format,
    "count": "{:,g}".format,
    "times": "{:.2f}×".format,
    "bare": "{:.2f}".format,
    "ratio": lambda value: "{1:.2f}× [{0:.2f}–{2:.2f}]".format(*value),
    "median": lambda value: f"{value[1]:.2f}×",
    "pair": lambda value: "{:,} / **{:,}**".format(*value),
}
#: part → title, unit, the name of a bar, its value
PLOTS: dict[str, tuple[str, str, str, Callable[[Any], float]]] = {
    "hot_path": ("One call with a fresh token", "× static bearer of the same library", "{stack}: {what}", lambda row: row["ratio"][1]),
    "cold_start": ("From the import to the first 200, over https", "× static bearer", "{stack}: {what}", lambda row: row["https"]["ratio"][1]),
    "stampede": ("All callers meet an expired token", "token requests (1 is enough)", "{shape}: {what}", lambda row: row["expired"][0]),
    "latency": ("Latency across a refresh, 200 stuck sellers next door", "p99, ms", "{shape}: {what}", lambda row: row["p99"] * 1e3),
    "refused": ("A call that meets a 401, over https", "CPU ms", "{what}", lambda row: row["https"]["seconds"] * 1e3),
    "scale": ("CPU time of a token in a storm", "× one bcrypt signature of the same run", "{way}, {count:,}", lambda row: row["storm"]["ratio"]),
    "stores": ("One look, one refresh and one rotation in a store", "ms", "{store}: {operation}", lambda row: row["wall"] * 1e3),
}  # fmt: skip
#: part → its name, the columns that are equal in rows that compete, how a row is written, its costs
NONE = {"ratio": math.nan, "seconds": math.nan}
COSTS: dict[str, tuple[Any, ...]] = {
    "hot_path": ("hot path", ("kind", "stack"), "{what} {ratio:median}", PLOTS["hot_path"][3]),
    "cold_start": ("cold start", ("stack",), "{what} {https[ratio]:median} (instructions {instructions[ratio]:times})",
        PLOTS["cold_start"][3], lambda row: row.get("instructions", NONE)["ratio"]),
    "refused": ("401", ("stack",), "{what} {https[ratio]:median}", PLOTS["refused"][3]),
    "latency": ("latency", ("shape",), "{what}, p99 {p99:ms} ms", lambda row: row.get("p99", math.nan)),
    "scale": ("sellers", ("way", "count"), "{what} {cpu:ms} ms", lambda row: row.get("cpu") or math.nan),
}  # fmt: skip
#: These are no peers: they have fewer duties, or are a measure.
CONTROLS = (STATIC, FLOOR, FLOOR + HOOKED)
#: What other files quote: file → what is replaced, and by what.
QUOTES = {
    "README.md": (
        r"- \*\*Cheap\.\*\*.*?\n\n",
        "- **Cheap.** With a fresh token a call costs at most {token} µs more than a static bearer written by hand, with an API key {API_key} µs, with both {token_and_API_key} µs. Importing an adapter takes {imports} ms more than its library, and a seller's auth object, token included, holds {with_token} KiB ([docs/benchmarks.md](docs/benchmarks.md): {date}, {python} on {cpu}).",
    ),
    "README.ko.md": (
        r"- \*\*가볍습니다\.\*\*.*?\n\n",
        "- **가볍습니다.** 쓸 수 있는 토큰이 있을 때 호출 한 번에 더 드는 시간은 헤더를 직접 붙일 때와 비교해 최대 {token} µs이고, API 키는 {API_key} µs, 둘을 함께 쓰면 {token_and_API_key} µs입니다. 어댑터를 import하는 데에는 HTTP 라이브러리만 쓸 때보다 {imports} ms가 더 걸리며, 판매자별 인증 객체는 토큰까지 합쳐 {with_token} KiB를 차지합니다([docs/benchmarks.ko.md](docs/benchmarks.ko.md), {date}, {python}, {cpu}).",
    ),
    "docs/deployment.md": (
        r"From the import to the first 200 .*?\n\n",
        "From the import to the first 200 over https, a program then takes {cold[krauth requests, token_transport=client]:bare} times the instructions of one with a static token, instead of {cold[krauth requests]:bare} (requests), and {cold[krauth httpx, token_transport=client]:bare} times instead of {cold[krauth httpx]:bare} (httpx); requests-oauthlib takes {cold[requests-oauthlib]:bare}, httpx-auth {cold[httpx-auth]:bare} ([benchmarks](benchmarks.md)).",
    ),
    "docs/deployment.ko.md": (
        r"그러면 import부터 .*?\n\n",
        "그러면 import부터 https의 첫 200 응답까지 실행하는 명령 수가 고정 토큰을 쓰는 프로그램의 {cold[krauth requests]:bare}배에서 {cold[krauth requests, token_transport=client]:bare}배로(requests), {cold[krauth httpx]:bare}배에서 {cold[krauth httpx, token_transport=client]:bare}배로(httpx) 줄어듭니다. requests-oauthlib는 {cold[requests-oauthlib]:bare}배, httpx-auth는 {cold[httpx-auth]:bare}배입니다([벤치마크](benchmarks.ko.md)).",
    ),
    "docs/many-sellers.md": (r"\([\d.]+ KiB with its token\)", "({with_token} KiB with its token)"),
    "docs/many-sellers.ko.md": (r"\(토큰까지 [\d.]+ KiB\)", "(토큰까지 {with_token} KiB)"),
}
#: What stands in the cells of tables, the longer first.
KOREAN = {
    "same duties, by hand": "같은 일, 직접 작성", "its response hook included": "응답 훅 포함", "static bearer": "고정 토큰",
    "two requests by hand": "요청 두 번, 직접 작성", "token and API key": "토큰과 API 키", "API key": "API 키", "cold start": "콜드 스타트",
    "hot path": "호출 하나", "latency": "지연 시간", "rotation": "교체", "refresh": "갱신", "look": "조회", "first tokens": "첫 토큰", "storm": "동시 갱신", "sellers": "판매자",
    "instructions": "명령 수", "by hand": "직접 작성", "threads": "스레드", "tasks": "태스크",
    "loops": "루프", "processes": "프로세스", "one session": "세션 하나", "function": "함수", "| token |": "| 토큰 |",
}  # fmt: skip


class Figure:
    """What stands in a row, for `str.format`: `{https[ratio]:ratio}`; a dash for nothing."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def __getitem__(self, name: str) -> Figure:
        return Figure((self.found or {}).get(name))

    def __format__(self, form: str) -> str:
        return "–" if self.found is None else FORMS[form](self.found)


def is_ours(row: dict[str, Any]) -> bool:
    return row["what"].startswith(OURS)


def listed(form: str, rows: Rows) -> str:
    return "; ".join(form.format_map(Figure(row)).replace(" (instructions –)", "") for row in rows)


def extra(rows: Rows, kind: str) -> str:
    """Return the most microseconds that a call of ours takes more than one with header fields set by hand."""
    plain = {row["stack"]: row["seconds"] for row in rows if (row["kind"], row["what"]) == (kind, STATIC)}
    mine = {row["stack"]: row["seconds"] - plain[row["stack"]] for row in rows if row["kind"] == kind and is_ours(row)}
    return f"{max(mine.values()) * 1e6:.1f}"


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that the sentences name."""
    parts, machine = result["parts"], result["machine"]
    hot, cold, storms, waits, refused, sold, stored = (parts[part]["rows"] for part in PLOTS)
    say = (
        machine
        | parts
        | {kind.replace(" ", "_"): extra(hot, kind) for kind in KINDS}
        | {"load": parts["hot_path"]["load"]}
    )
    say["versions"] = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    say["minutes"] = f"{sum(part['took'] for part in parts.values()) / 60:.0f}"
    say |= {"busy": say["load"] > machine["cpus"], "date": parts["hot_path"]["at"][:10]}
    say["call"] = next(f"{row['https']['seconds'] * 1e6:,.0f}" for row in refused if row["what"] == STATIC)
    imports = sorted(row["import"] * 1e3 for row in cold if "import" in row)
    say["imports"] = f"{imports[0]:.1f}–{imports[-1]:.1f}"
    say["cold"] = Figure({row["what"]: row["instructions"]["ratio"] for row in cold if "instructions" in row})
    for stack in ("requests", "httpx"):
        others = [row for row in cold if row["stack"] == stack and row["what"] != STATIC]
        say[f"start_{stack}"] = listed(COSTS["cold_start"][2], others)
    for who, mine in (("ours", True), ("others", False)):
        pairs = [one for row in storms if is_ours(row) is mine for one in row.values() if isinstance(one, list)]
        for at, name in enumerate(("asked", "failed")):
            say[f"{who}_{name}"] = f"{max((one[at] for one in pairs), default=0):,}"
    calls = [row for row in waits if row["what"] != STATIC]
    for name, key in (("calls", "n"), ("failed", "failed"), ("waited", "waited")):
        say[name] = max(row.get(key, 0) for row in calls if is_ours(row))
    say["static_waited"] = max((row["waited"] for row in waits if row["what"] == STATIC), default=0)
    say["others_waited"] = listed("{what} ({shape}) {waited:count}", [row for row in calls if not is_ours(row)])
    say["cost_refused"] = listed(COSTS["refused"][2], [row for row in refused if is_ours(row)])
    say |= {name: f"{size / 1024:.1f}" for name, size in parts["scale"]["bytes"].items()}
    say["counted"] = f"{counted:.2f}×" if (counted := parts["scale"].get("instructions")) else ""
    ways: dict[str, dict[str, Any]] = {}
    for row in sold:
        most = ways.setdefault(row["way"], {"way": row["way"]})
        for one in (row["first"], row["storm"]):
            most |= {name: max(most.get(name, 0.0), one[name]) for name in ("ratio", "to_floor") if name in one}
    say["ways"] = listed("{way} {ratio:times} / {to_floor:times}", [*ways.values()])
    count = max(row["count"] for row in sold)
    costs = [row["first"]["cpu"] + row["storm"]["cpu"] for row in sold if row["way"] == "https"]
    say["need"] = f"{costs[-1] * 100_000 / 60:.0f}"
    say |= {
        "most": f"{count:,}",
        "fewer": count < 100_000,
        "whole": count >= 100_000,
        "sellers_failed": sum(row["failed"] for row in sold),
    }
    return say | {"refresh": listed("{store} {wall:ms} ms", [row for row in stored if row["operation"] == "refresh"])}


def contestants(part: str, rows: Rows) -> Rows:
    """Return the rows without controls. A row of sellers becomes three: first tokens, storm, and the same by hand."""
    if part != "scale":
        return [row for row in rows if row["what"] not in CONTROLS]
    who = {"krauth, first tokens": "first", "krauth, storm": "storm", "by hand": "floor"}
    costs = [(row, what, row.get(name)) for row in rows for what, name in who.items()]
    return [row | {"what": what, "cpu": cost["cpu"] if isinstance(cost, dict) else cost} for row, what, cost in costs]


def slower(parts: dict[str, Any]) -> Rows:
    """Return where krauth costs more than a peer or than code by hand: what, krauth, the other."""
    found = []
    for part, (name, group, form, *costs) in COSTS.items():
        rows = contestants(part, parts[part]["rows"])
        for mine in filter(is_ours, rows):
            for other in rows:
                same = all(mine[one] == other[one] for one in group) and not is_ours(other)
                if same and any(cost(other) < cost(mine) for cost in costs):  # never so where a cost is missing
                    where = ", ".join((name, *(f"{mine[one]:,}" if one == "count" else mine[one] for one in group)))
                    found.append({"where": where, "ours": listed(form, [mine]), "other": listed(form, [other])})
    return found


def page(result: dict[str, Any], template: str) -> str:
    """Return the page in one language."""
    say, lines = figures(result), []
    rows = {part: one["rows"] for part, one in result["parts"].items()} | {"slower": slower(result["parts"])}
    for line in (ROOT / "benchmarks" / template).read_text(encoding="utf-8").splitlines():
        name, _, rest = line.removeprefix("@").partition(" ")
        if not line.startswith("@"):
            made = [line.format_map(say)]
        elif name in rows:
            made = [rest.format_map(Figure(row)) for row in rows[name]]
        else:
            made = [rest.format_map(say)] if say[name] else []
        for text in made:
            for english, korean in KOREAN.items() if ".ko." in template and line.startswith(("@", "**")) else ():
                text = text.replace(english, korean)
            lines.append(text)
    return "\n".join(lines) + "\n"


def pages(result: dict[str, Any] | None = None) -> dict[Path, str]:
    """Return what is made from a result, the published one by default: both pages, the plots, the files that quote."""
    result = result or json.loads(RESULT.read_text(encoding="utf-8"))
    found = {DOCS / name: page(result, template) for template, name in PAGES.items()}
    for part, (title, unit, name, value) in PLOTS.items():
        rows = [row for row in result["parts"][part]["rows"] if len(row) > 2 and row.get("kind", "token") == "token"]
        bars = {name.format(**row): value(row) for row in rows}
        found[DOCS / "benchmarks" / f"{part}.svg"] = plots.bars(title, unit, bars)
    for file, (pattern, words) in QUOTES.items():
        text, said = (ROOT / file).read_text(encoding="utf-8"), words.format_map(figures(result))
        if re.search(r"–(?!\d)", said):  # a figure is missing: valgrind was not there
            said = re.search(pattern, text, re.DOTALL)[0]  # type: ignore[index]
        elif pattern.endswith(r"\n\n"):  # a paragraph
            wide, indent = 90 if ".ko." in file else 118, "  " if said.startswith("- ") else ""
            said = textwrap.fill(said, wide, subsequent_indent=indent, break_on_hyphens=False) + "\n\n"
        found[ROOT / file] = re.sub(pattern, said, text, flags=re.DOTALL)
    return found


def write() -> None:
    """Write the pages and the plots."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
