"""`python -m benchmarks.compare OLD.json NEW.json`: is anything worse? Compares ratios and counts, never times."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What is compared → how much more is noise.
TOLERANCES = {"hot_path": 0.15, "stampede": 0.0, "latency": 0.0, "startup": 0.3, "scale": 0.1}

Figures = dict[str, float]


def ours(data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, one) for name, one in data.items() if name.startswith("krauth"))


def middle(value: Any) -> float | None:
    """Return a figure, or the median of a spread; `None` for what is neither."""
    found = value.get("median") if isinstance(value, dict) else value
    return found if isinstance(found, int | float) else None


def figures(part: str, data: Any) -> Figures:
    """Return what is compared of one part."""
    found: dict[str, Any] = {}
    if part == "hot_path":
        for kind, stacks in (data if "token" in data else {"token": data}).items():
            for stack, subjects in stacks.items():
                found |= {f"{kind}, {stack}: {name}, ratio": one.get("ratio") for name, one in ours(subjects)}
    elif part == "stampede":
        for shape, subjects in data.items():
            for name, scenarios in ours(subjects):
                for scenario, one in scenarios.items():
                    for key in ("token_requests", "failed"):
                        found[f"{shape}: {name}, {scenario}, {key}"] = one.get(key)
    elif part == "latency":
        for name, one in ours(data.get("subjects", {})):
            runs = one if isinstance(one, list) else [one]
            found |= {f"{name}, {key}": sum(run.get(key, 0) for run in runs) for key in ("waited", "refused")}
            found[f"{name}, failed"] = sum(run["n"] - run["statuses"].get("200", 0) for run in runs)
    elif part == "startup":
        imports = data.get("imports", {})
        found = {f"{name}, share": one.get("share") for name, one in ours(imports) if name.startswith("krauth_")}
    elif part == "scale":
        for one in data:
            for key in ("bytes_each_idle", "bytes_each_with_token"):
                found[f"{one.get('count')} objects, {key}"] = one.get(key)
    return {name: value for name, one in found.items() if (value := middle(one)) is not None}


def compare(old: dict[str, Any], new: dict[str, Any]) -> tuple[list[str], bool]:
    """Return the lines to print, and whether anything is worse."""
    lines, is_worse = [], False
    for part, tolerance in TOLERANCES.items():
        before, after = old["parts"].get(part), new["parts"].get(part)
        if before is None or after is None:
            lines.append(f"{part}: missing in the {'old' if before is None else 'new'} file, skipped")
            continue
        if part == "latency" and before["data"].get("settings") != after["data"].get("settings"):
            lines.append("latency: measured with other settings, so that counts do not compare, skipped")
            continue
        was, now = figures(part, before["data"]), figures(part, after["data"])
        lines += [f"{part} | {name}: in one of the files only, skipped" for name in sorted(was.keys() ^ now.keys())]
        for name in filter(now.__contains__, was):
            verdict = "worse" if now[name] > was[name] * (1 + tolerance) else "better"
            if verdict == "worse" or now[name] < was[name] * (1 - tolerance):
                lines.append(f"{part} | {name} | {was[name]:g} | {now[name]:g} | {verdict}")
                is_worse |= verdict == "worse"
    return lines, is_worse


def main(old: str, new: str) -> int:
    lines, is_worse = compare(json.loads(Path(old).read_text()), json.loads(Path(new).read_text()))
    print(*lines, *([] if is_worse else ["nothing is worse"]), sep="\n")
    return int(is_worse)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
