"""Makes the pages and their plots from `docs/benchmarks/result.json`, and what READMEs quote; the words are in `words`."""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING, Any

from . import plots
from .hot_path import FLOOR, HOOKED, KINDS, OURS
from .measure import ROOT
from .subjects import STATIC
from .words import BUSY, CHAPTERS, FEWER, FLEET, FOOT, HEAD, KOREAN, QUOTES, SHORT, SLOWER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rows = list[dict[str, Any]]

DOCS = ROOT / "docs"
RESULT = DOCS / "benchmarks" / "result.json"
#: How a cell is written.
FORMS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "µs": lambda value: f"{value * 1e6:.2f}",
    "ms": lambda value: f"{value * 1e3:,.{1 if value >= 0.01 else 2}f}",
    "s": "{:,.1f}".format,
    "count": "{:,g}".format,
    "times": "{:.2f}×".format,
    "ratio": lambda value: "{1:.2f}× [{0:.2f}–{2:.2f}]".format(*value),
    "ms ms": lambda value: FORMS["ms"](value) + " ms",
    "pair": lambda value: "{:,} / **{:,}**".format(*value),
}
#: part → the columns that are equal in rows that compete, the column of what a row costs, its form
COSTS = {
    "hot_path": (("kind", "stack"), "ratio", "times"),
    "cold_start": (("stack",), "https.ratio", "times"),
    "refused": ((), "https.ratio", "times"),
    "latency": (("shape",), "p99", "ms ms"),
}
#: These are no peers: they have fewer duties, or are a measure.
CONTROLS = (STATIC, FLOOR, FLOOR + HOOKED)


def cell(row: dict[str, Any], key: str) -> Any:
    """Return what stands in a row, `None` for nothing; `a.b` is b within a."""
    found: Any = row
    for name in key.split("."):
        found = found[int(name)] if isinstance(found, list) else (found or {}).get(name)
    return found


def cost(row: dict[str, Any], key: str) -> Any:
    """Return a figure; of quartiles it is the median."""
    found = cell(row, key)
    return found[1] if isinstance(found, list) else found


def is_ours(row: dict[str, Any]) -> bool:
    return row["what"].startswith(OURS)


def word(text: str, language: int) -> str:
    if language and text == "token":
        return "토큰"
    for english, korean in KOREAN.items() if language else ():
        text = text.replace(english, korean)
    return text


def pairs(rows: Rows, key: str, form: str, language: int) -> str:
    """Return a list: what each row is about, and its figure."""
    found = []
    for row in rows:
        figure, name = cost(row, key), ": ".join(row[one] for one in ("shape", "what", "store", "way") if one in row)
        found.append(f"{word(name, language)} {'–' if figure is None else FORMS[form](figure)}")
    return "; ".join(found)


def extra(rows: Rows, kind: str) -> float:
    """Return the most microseconds that a call of ours takes more than one with header fields set by hand."""
    plain = {row["stack"]: row["seconds"] for row in rows if (row["kind"], row["what"]) == (kind, STATIC)}
    mine = {row["stack"]: row["seconds"] - plain[row["stack"]] for row in rows if row["kind"] == kind and is_ours(row)}
    return max(mine.values()) * 1e6


def figures(parts: dict[str, Any], language: int) -> dict[str, str]:
    """Return the figures that the sentences name."""
    rows: dict[str, Rows] = {part: parts[part]["rows"] for part in CHAPTERS}
    say = {kind.replace(" ", "_"): f"{extra(rows['hot_path'], kind):.1f}" for kind in KINDS}
    say["call"] = next(f"{row['https']['seconds'] * 1e6:,.0f}" for row in rows["refused"] if row["what"] == STATIC)
    imports = [row["import"] * 1e3 for row in rows["cold_start"] if "import" in row]
    say["imports"] = f"{min(imports):.1f}–{max(imports):.1f}"
    for stack in ("requests", "httpx"):
        found = [row for row in rows["cold_start"] if row["stack"] == stack and row["what"] != STATIC]
        say[f"start_{stack}"] = pairs(found, "https.ratio", "times", language)
    for who, mine in (("ours", True), ("others", False)):
        found = [row for row in rows["stampede"] if is_ours(row) is mine]
        each = [one for row in found for one in row.values() if isinstance(one, list)]
        for at, name in enumerate(("asked", "failed")):
            say[f"{who}_{name}"] = f"{max((one[at] for one in each), default=0):,}"
    calls = [row for row in rows["latency"] if row["what"] != STATIC]
    say |= {key: str(max(row.get(key, 0) for row in calls if is_ours(row))) for key in ("n", "failed", "waited")}
    say["static_waited"] = str(max((row["waited"] for row in rows["latency"] if row["what"] == STATIC), default=0))
    say["others_waited"] = pairs([row for row in calls if not is_ours(row)], "waited", "count", language)
    say["refused"] = pairs([row for row in rows["refused"] if is_ours(row)], "https.ratio", "times", language)
    say |= {name: f"{size / 1024:.1f}" for name, size in parts["scale"]["bytes"].items()}
    sold = {row["way"]: {"way": row["way"], "ratio": 0.0} for row in rows["scale"]}
    for row in rows["scale"]:
        sold[row["way"]]["ratio"] = max(sold[row["way"]]["ratio"], row["first"]["ratio"], row["storm"]["ratio"])
    say["ways"] = pairs([*sold.values()], "ratio", "times", language)
    count = max(row["count"] for row in rows["scale"])
    say |= {"most": f"{count:,}", "sellers_failed": str(sum(row["failed"] for row in rows["scale"]))}
    say["fewer"] = FEWER[language].format(**say) if count < 100_000 else ""
    found = [row for row in rows["stores"] if row["operation"] == "refresh"]
    return say | {"refresh": pairs(found, "wall", "ms ms", language), "date": parts["scale"]["at"][:10]}


def slower(parts: dict[str, Any], language: int) -> list[list[str]]:
    """Return where krauth costs more than a peer or than code by hand: what, krauth, the other."""
    found = []
    for part, (group, key, form) in COSTS.items():
        rows = [row for row in parts[part]["rows"] if cost(row, key) and row["what"] not in CONTROLS]
        for mine, other in ((mine, other) for mine in rows for other in rows if is_ours(mine) and not is_ours(other)):
            same = [mine.get(name) for name in group] == [other.get(name) for name in group]
            if same and cost(other, key) < cost(mine, key):
                where = ", ".join((SHORT[part][language], *(word(mine[name], language) for name in group)))
                found.append([where, pairs([mine], key, form, language), pairs([other], key, form, language)])
    return found


def table(head: list[str], rows: list[list[str]], names: int) -> str:
    """Return a Markdown table; the first columns are names and stand at the left, figures at the right."""
    rule = "|".join(["---"] * names + ["---:"] * (len(head) - names))
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)])


def page(result: dict[str, Any], language: int) -> str:
    """Return the page in one language."""
    parts, machine = result["parts"], result["machine"]
    say, first = figures(parts, language), parts["hot_path"]
    about = {key: str(value) for key, value in machine.items()} | {"load": str(first["load"])}
    about["versions"] = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    about["minutes"] = f"{sum(part['took'] for part in parts.values()) / 60:.0f}"
    text = HEAD[language].format(**about, busy=BUSY[language] if first["load"] > machine["cpus"] else "")
    for part, chapter in CHAPTERS.items():
        heading, how, meaning = chapter.korean if language else chapter.english
        text += f"\n## {heading}\n\n{how.format(**say)}\n\n![{heading}](benchmarks/{part}.svg)\n\n**{meaning.format(**say)}**\n\n"
        forms = {key: FORMS[form] for key, (form, *_) in chapter.columns.items()}
        cells = [[(cell(row, key), write) for key, write in forms.items()] for row in parts[part]["rows"]]
        rows = [["–" if one is None else word(write(one), language) for one, write in row] for row in cells]
        names = [form for form, *_ in chapter.columns.values()].count("text")
        text += table([both[1 + language] for both in chapter.columns.values()], rows, names)
        text += f"\n\n*{FOOT[language].format(part=part, **parts[part])}*\n"
    heading, intro, what, other = SLOWER[language]
    return f"{text}\n## {heading}\n\n{intro}\n\n{table([what, OURS, other], slower(parts, language), 3)}\n{FLEET[language]}"


def pages(result: dict[str, Any] | None = None) -> dict[Path, str]:
    """Return what is made from a result, the published one by default: both pages, the plots, the files that quote."""
    result = result or json.loads(RESULT.read_text(encoding="utf-8"))
    found = {DOCS / "benchmarks.md": page(result, 0), DOCS / "benchmarks.ko.md": page(result, 1)}
    for part, chapter in CHAPTERS.items():
        title, unit, name, key, factor = chapter.plot
        rows = [
            row
            for row in result["parts"][part]["rows"]
            if cost(row, key) is not None and row.get("kind", "token") == "token"
        ]
        found[DOCS / "benchmarks" / f"{part}.svg"] = plots.bars(
            title, unit, {name.format(**row): cost(row, key) * factor for row in rows}
        )
    for file, (pattern, words) in QUOTES.items():
        said = words.format(**figures(result["parts"], ".ko." in file), **result["machine"])
        if said.startswith("- "):
            said = (
                textwrap.fill(said, 90 if ".ko." in file else 118, subsequent_indent="  ", break_on_hyphens=False)
                + "\n\n"
            )
        found[ROOT / file] = re.sub(pattern, said, (ROOT / file).read_text(encoding="utf-8"), flags=re.DOTALL)
    return found


def write() -> None:
    """Write the pages and the plots."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
