"""Makes the pages and their plots from `docs/benchmarks/result.json`, and what READMEs quote.

The words are in `page.md` and `page.ko.md`. A line `@part | …` there becomes one line for each row of that part; a line
`@busy …` or `@fewer …` stays where that is so.
"""

from __future__ import annotations

import json
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
#: part → its name, the columns that are equal in rows that compete, how a row and its cost are written
COSTS = {
    "hot_path": ("hot path", ("kind", "stack"), "{what} {ratio:median}"),
    "cold_start": ("cold start", ("stack",), "{what} {https[ratio]:median}"),
    "refused": ("401", (), "{what} {https[ratio]:median}"),
    "latency": ("latency", ("shape",), "{what}, p99 {p99:ms} ms"),
}
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
    "docs/many-sellers.md": (r"\([\d.]+ KiB with its token\)", "({with_token} KiB with its token)"),
    "docs/many-sellers.ko.md": (r"\(토큰까지 [\d.]+ KiB\)", "(토큰까지 {with_token} KiB)"),
}
#: What stands in the cells of tables, the longer first.
KOREAN = {
    "same duties, by hand": "같은 일, 직접 작성", "its response hook included": "응답 훅 포함", "static bearer": "고정 토큰",
    "two requests by hand": "요청 두 번, 직접 작성", "token and API key": "토큰과 API 키", "API key": "API 키", "cold start": "콜드 스타트",
    "hot path": "호출 하나", "latency": "지연 시간", "rotation": "교체", "refresh": "갱신", "look": "조회", "threads": "스레드", "tasks": "태스크",
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
    return "; ".join(form.format_map(Figure(row)) for row in rows)


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
    ways: dict[str, float] = {}
    for row in sold:
        ways[row["way"]] = max(ways.get(row["way"], 0.0), row["first"]["ratio"], row["storm"]["ratio"])
    say["ways"] = "; ".join(f"{way} {most:.2f}×" for way, most in ways.items())
    count = max(row["count"] for row in sold)
    costs = [row["first"]["cpu"] + row["storm"]["cpu"] for row in sold if row["way"] == "https"]
    say["need"] = f"{costs[-1] * 100_000 / 60:.0f}"
    say |= {"most": f"{count:,}", "fewer": count < 100_000, "sellers_failed": sum(row["failed"] for row in sold)}
    return say | {"refresh": listed("{store} {wall:ms} ms", [row for row in stored if row["operation"] == "refresh"])}


def slower(parts: dict[str, Any]) -> Rows:
    """Return where krauth costs more than a peer or than code by hand: what, krauth, the other."""
    found = []
    for part, (name, group, form) in COSTS.items():
        cost = PLOTS[part][3]
        rows = [row for row in parts[part]["rows"] if row["what"] not in CONTROLS and "–" not in listed(form, [row])]
        for mine in filter(is_ours, rows):
            for other in rows:
                same = all(mine[one] == other[one] for one in group)
                if same and not is_ours(other) and cost(other) < cost(mine):
                    where = ", ".join((name, *(mine[one] for one in group)))
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
        said = words.format_map(figures(result))
        if said.startswith("- "):
            wide = 90 if ".ko." in file else 118
            said = textwrap.fill(said, wide, subsequent_indent="  ", break_on_hyphens=False) + "\n\n"
        found[ROOT / file] = re.sub(pattern, said, (ROOT / file).read_text(encoding="utf-8"), flags=re.DOTALL)
    return found


def write() -> None:
    """Write the pages and the plots."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
