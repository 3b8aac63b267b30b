"""Draws docs/benchmarks/fleet.svg from the table of docs/protocol.md: what grows with a fleet, and what does not."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
TARGET = DOCS / "benchmarks" / "fleet.svg"
WIDTH, HEIGHT, LEFT, TOP = 640, 250, 60, 40
COLORS = ("#1b7f4b", "#b3541e", "#2f5fb3", "#7a3fa0")


def rows() -> dict[str, list[tuple[int, float, float]]]:
    """Return, for each scenario: processes, requests per needed refresh, requests a minute; NaN where there is none."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    for line in (DOCS / "protocol.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 8 and re.fullmatch(r"[\d,]+", cells[1]):
            ratio, minute = (math.nan if cell == "–" else float(cell) for cell in (cells[2], cells[6]))
            found.setdefault(cells[0], []).append((int(cells[1].replace(",", "")), ratio, minute))
    return found


def panel(x: int, title: str, top: float, lines: dict[str, list[tuple[int, float]]]) -> list[str]:
    """Return one panel: a logarithmic axis of processes, a linear one of a figure."""
    wide, high = 220, 150

    def point(count: int, value: float) -> tuple[float, float]:
        return x + (math.log10(count) - 1) / 3 * wide, TOP + high * (1 - value / top)

    drawn = [f'<text x="{x}" y="{TOP - 16}" font-weight="bold">{title}</text>']
    for step in range(5):
        value = top * step / 4
        y = TOP + high * (1 - step / 4)
        drawn.append(f'<line x1="{x}" y1="{y:.1f}" x2="{x + wide}" y2="{y:.1f}" stroke="#ccc"/>')
        drawn.append(f'<text x="{x - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for count in (10, 100, 1000, 10_000):
        at, _ = point(count, 0)
        drawn.append(f'<text x="{at:.1f}" y="{TOP + high + 16}" text-anchor="middle">{count:,}</text>')
    for number, (name, values) in enumerate(lines.items()):
        color = COLORS[number % len(COLORS)]
        points = [point(*value) for value in values]
        drawn.append(
            f'<polyline fill="none" stroke="{color}" stroke-width="2"'
            f' points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>'
        )
        drawn += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{color}"/>' for a, b in points]
        drawn.append(f'<text x="{x}" y="{TOP + high + 34 + 14 * number}" fill="{color}">{name}</text>')
    return drawn


def draw() -> str:
    """Return the picture."""
    found = rows()
    growth = {
        name: [(count, ratio) for count, ratio, _ in one] for name, one in found.items() if one[0][1] == one[0][1]
    }
    outage = {
        name: [(count, minute) for count, _, minute in one] for name, one in found.items() if one[0][2] == one[0][2]
    }
    shapes = [
        *panel(LEFT, "token requests per needed refresh", 2.0, growth),
        *panel(LEFT + 310, "token requests a minute in an outage", 12.0, outage),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT + 40}" font-family="sans-serif"'
        f' font-size="11"><title>Growth with the number of processes</title><rect width="100%" height="100%"'
        f' fill="white"/>{"".join(shapes)}</svg>\n'
    )


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(0 if TARGET.read_text(encoding="utf-8") == draw() else f"{TARGET.name} is not of this table")
    TARGET.write_text(draw(), encoding="utf-8")
