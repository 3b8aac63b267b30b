"""Makes `docs/benchmarks.md`, `docs/benchmarks.ko.md` and the plots from a result file; the words are in `words`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from .hot_path import HOOKED, KINDS, OURS
from .measure import ROOT
from .subjects import BY_HAND, STATIC
from .words import CHAPTERS, FLEET, HEAD, KOREAN, MOMENT, SLOWER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    #: values of the sentences, tables of (head, rows), and what the plot shows: title, unit, bars
    Chapter = tuple[dict[str, str], list[tuple[str, list[list[str]]]], tuple[str, str, dict[str, float]]]

DOCS = ROOT / "docs"


def ratio(one: dict[str, Any]) -> str:
    return f"{one['ratio']['median']:.2f}× [{one['ratio']['q1']:.2f}–{one['ratio']['q3']:.2f}]"


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}"


def between(values: Iterable[float], form: str = "{:.1f}") -> str:
    found = sorted(values)
    return f"{form.format(found[0])}–{form.format(found[-1])}"


def extra(data: dict[str, Any], kind: str) -> list[float]:
    """Return for each stack the microseconds that a call of ours takes more than one with headers set by hand."""
    found = []
    for one in data[kind].values():
        mine = one.get(OURS + HOOKED, one[OURS])
        found.append((mine["seconds"]["median"] - one[STATIC]["seconds"]["median"]) * 1e6)
    return found


def both(*schemes: dict[str, Any]) -> list[str]:
    return [cell for one in schemes for cell in (ms(one["seconds"]["median"]), ratio(one))]


def hot_path(data: Any) -> Chapter:
    rows, bars = [], {}
    for kind, stacks in data.items():
        for stack, subjects in stacks.items():
            for name, one in subjects.items():
                rows.append([kind, stack, name, f"{one['seconds']['median'] * 1e6:.2f}", ratio(one)])
                if kind == "token" and name != STATIC:
                    bars[f"{stack}: {name}"] = one["ratio"]["median"]
    values = {name.replace(" ", "_"): f"{max(extra(data, name)):.1f}" for name in KINDS}
    head = "credential | stack | what | CPU µs | × static bearer"
    return values, [(head, rows)], ("One call with a fresh token", "× static bearer of the same stack", bars)


def cold_start(data: Any) -> Chapter:
    rows, bars = [], {}
    for library, subjects in data["first"]["https"].items():
        for name, one in subjects.items():
            rows.append([library, name, *both(one, data["first"]["http"][library][name])])
            bars[f"{library}: {name}"] = one["ratio"]["median"]
    head = "stack | what | https, CPU ms | × static bearer | http, CPU ms | × static bearer"
    imports = [[f"`import {name}`", ms(one["median"])] for name, one in data["imports"].items()]
    values = {"imports": between(one["median"] * 1e3 for one in data["imports"].values())}
    for library in ("requests", "httpx"):
        for name, one in data["first"]["https"][library].items():
            values[re.sub(r"\W+", "_", name)] = f"{one['ratio']['median']:.2f}"
    tables = [(head, rows), ("what | CPU ms more than its library", imports)]
    return values, tables, ("From the import to the first 200, over https", "× static bearer", bars)


def stampede(data: Any) -> Chapter:
    names = [name for name in data[0] if name not in ("shape", "what")]
    rows, bars = [], {}
    for row in data:
        cells = [f"{row[one]['token_requests']} / **{row[one]['failed']}**" if one in row else "–" for one in names]
        rows.append([row["shape"], row["what"], *cells])
        if row["shape"] == "64 threads":
            bars[row["what"]] = row["expired"]["token_requests"]
    mine = [row[one] for row in data for one in names if one in row and row["what"].startswith(OURS)]
    values = {key: str(max(one[key] for one in mine)) for key in ("token_requests", "failed")}
    tables = [(f"callers | what | {' | '.join(names)}", rows)]
    return values, tables, ("64 threads meet an expired token", "token requests (1 is enough)", bars)


def latency(data: Any) -> Chapter:
    rows, bars = [], {}
    for name in sorted(data, key=lambda name: ("async" in name, "static" not in name, OURS not in name)):
        for where, one in data[name].items():
            if not one:
                rows.append([name, where, *["–"] * 4, "all", "all", "–", "–"])
                continue
            times = [ms(one[key]) for key in ("p50", "p99", "p999", "max")]
            rows.append(
                [name, where, *times, *(str(one[key]) for key in ("waited", "failed", "token")), ms(one["control"])]
            )
            bars[name] = one["p99"] * 1e3
    found = [one["next door"] for name, one in data.items() if name.startswith(OURS)]
    values = {key: str(max(one[key] for one in found)) for key in ("waited", "failed", "n")}
    heads = "what | 200 stuck sellers | p50 ms | p99 ms | p99.9 ms | max ms | waited | failed | token requests | control: max ms"
    return values, [(heads, rows)], ("Latency across a refresh, 200 stuck sellers next door", "p99, ms", bars)


def refused(data: Any) -> Chapter:
    rows = [[name, *both(data["https"][name], data["http"][name])] for name in data["https"]]
    values = {name.split()[1]: f"{one['ratio']['median']:.1f}" for name, one in data["https"].items() if OURS in name}
    head = "what | https, CPU ms | × by hand | http, CPU ms | × by hand"
    bars = {
        f"{scheme}: {name}": one["seconds"]["median"] * 1e3 for scheme in data for name, one in data[scheme].items()
    }
    return values, [(head, rows)], ("A call that meets a 401", "CPU ms", bars)


def scale(data: Any) -> Chapter:
    rows, bars = [], {}
    for one in data["rows"]:
        cells = [f"{one['limit'] * 1e3:.2f}"]
        for part in ("first", "storm"):
            cpu = one[part]["cpu"]
            cells += [f"{one[part]['wall']:,.1f}", f"{cpu * 1e3:.2f}", f"{cpu / one['limit']:.2f}×"]
            bars[f"{one['way']}, {one['count']:,}: {part}"] = cpu / one["limit"]
        rows.append([one["way"], f"{one['count']:,}", *cells, ms(one["call"]["p50"]), str(one["failed"])])
    each = [(one["way"], one[part]["cpu"], one["limit"]) for one in data["rows"] for part in ("first", "storm")]
    values = {way: f"{max(cpu / least for its, cpu, least in each if its == way):.1f}" for way, _, _ in each}
    values |= {name.partition(" ")[0]: f"{found / 1024:.1f}" for name, found in data["bytes"].items()}
    values["failed"] = str(sum(one["failed"] for one in data["rows"]))
    values["most"] = f"{max(one['count'] for one in data['rows']):,}"
    values["https_ms"] = f"{max(cpu for way, cpu, _ in each if way == 'https') * 1e3:.1f}"
    head = "token endpoint | sellers | one signature, CPU ms | first tokens: s | CPU ms each | × signature | storm: s | CPU ms each | × signature | a call in the storm: p50 ms | failed"
    return values, [(head, rows)], ("CPU time of one token", "× one bcrypt signature, measured in the same run", bars)


def stores(data: Any) -> Chapter:
    rows, bars = [], {}
    for name, operations in data.items():
        for operation, one in operations.items():
            counts = [f"{one[key]:g}" if key in one else "–" for key in ("transactions", "sent", "fsyncs")]
            rows.append([name, operation, *counts, ms(one["wall"]), ms(one["cpu"])])
            bars[f"{name}: {operation}"] = one["wall"] * 1e3
    head = "store | operation | transactions | round trips | waits for the disk | ms | CPU ms"
    return {}, [(head, rows)], ("One look and one refresh in a store", "ms", bars)


MAKERS = {one.__name__: one for one in (hot_path, cold_start, stampede, latency, refused, scale, stores)}


def slower(parts: dict[str, Any]) -> list[list[str]]:
    """Return where krauth costs more than a peer or than code by hand: what, krauth, the other, both over https."""
    rows = []
    data = {name: part["data"] for name, part in parts.items()}
    for library, subjects in data.get("cold_start", {"first": {"https": {}}})["first"]["https"].items():
        cost = {name: one["ratio"]["median"] for name, one in subjects.items()}
        rows += [
            [f"cold start, {library}", f"{mine} {cost[mine]:.2f}×", f"{name} {cost[name]:.2f}×"]
            for mine in cost
            if mine.startswith(OURS)
            for name in cost
            if not name.startswith((OURS, STATIC)) and cost[name] < cost[mine]
        ]
    for stack, subjects in data.get("hot_path", {"token": {}})["token"].items():
        rows += [
            [f"hot path, {stack}", f"{subjects[OURS]['ratio']['median']:.2f}×", f"{name} {one['ratio']['median']:.2f}×"]
            for name, one in subjects.items()
            if not name.startswith((OURS, STATIC, "same"))
            and one["ratio"]["median"] < subjects[OURS]["ratio"]["median"]
        ]
    for name, one in data.get("refused", {"https": {}})["https"].items():
        if name.startswith(OURS) and one["ratio"]["median"] > 1:
            rows.append(["401", f"{name} {one['ratio']['median']:.2f}×", f"{BY_HAND} 1.00×"])
    return rows


def table(heads: str, rows: list[list[str]], korean: bool) -> str:
    """Return a Markdown table; names are at the left, figures at the right."""

    def cell(text: str) -> str:
        if korean and text == "token":
            return "토큰"
        for english, translated in KOREAN if korean else ():
            text = text.replace(english, translated)
        return text

    head = heads.split(" | ")
    named = [any(letter.isalpha() for row in rows for letter in row[at].replace("×", "")) for at in range(len(head))]
    sides = [":" if at == 0 or name else "-" for at, name in enumerate(named)]
    rule = "|".join("---" if side == ":" else "---:" for side in sides)
    return "\n".join(
        [f"| {' | '.join(map(cell, head))} |", f"|{rule}|", *(f"| {' | '.join(map(cell, row))} |" for row in rows)]
    )


def pages(path: Path) -> dict[Path, str]:
    """Return both pages, made from a result file."""
    found = json.loads(path.read_text(encoding="utf-8"))
    where, parts = found["machine"], found["parts"]
    about = {
        "file": path.name,
        "versions": ", ".join(f"{name} {version}" for name, version in where["versions"].items()),
    }
    about |= {key: str(where[key]) for key in ("cpu", "cpus", "system", "python")}
    about["minutes"] = f"{sum(part['took'] for part in parts.values()) / 60:.0f}"
    made = {}
    for at, name in enumerate(("benchmarks.md", "benchmarks.ko.md")):
        text = HEAD[at].format(**about)
        for part, make in MAKERS.items():
            if part not in parts:
                continue
            values, tables, (title, _, _) = make(parts[part]["data"])
            heading, intro, meaning = CHAPTERS[part][at]
            text += f"\n## {heading}\n\n{intro.format(**values)}\n\n![{title}](benchmarks/{part}.svg)\n\n**{meaning.format(**values)}**\n\n"
            text += "\n\n".join(table(*one, korean=bool(at)) for one in tables)
            text += f"\n\n*{MOMENT[at].format(**parts[part])}*\n"
        heading, intro = SLOWER[at]
        text += f"\n## {heading}\n\n{intro}\n\n" + table("what | krauth | the other", slower(parts), bool(at)) + "\n"
        made[DOCS / name] = text + FLEET[at]
    return made


def plots(path: Path) -> None:
    """Draw the bars of each part: ours blue, controls grey, the others yellow."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "krauth"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    for part, one in json.loads(path.read_text(encoding="utf-8"))["parts"].items():
        _, _, (title, unit, bars) = MAKERS[part](one["data"])
        names = list(bars)[::-1]
        colors = [
            "#1f6feb"
            if OURS in name or part in ("scale", "stores")
            else "#8b949e"
            if "static" in name or "same" in name
            else "#d29922"
            for name in names
        ]
        figure, axes = pyplot.subplots(figsize=(8, 0.26 * len(names) + 1.1))
        axes.barh(names, [bars[name] for name in names], color=colors)
        for at, name in enumerate(names):
            axes.text(bars[name], at, f" {bars[name]:.3g}", va="center", fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(unit, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.set_xscale("log" if max(bars.values()) > 30 * max(1e-9, min(bars.values())) else "linear")
        axes.margins(x=0.12)
        axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        figure.savefig(DOCS / "benchmarks" / f"{part}.svg", metadata={"Date": None})
        pyplot.close(figure)


def write(path: Path) -> None:
    """Write the pages and the plots."""
    for page, text in pages(path).items():
        page.write_text(text, encoding="utf-8")
    plots(path)
