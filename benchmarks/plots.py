"""Makes the plots: one bar for each row of a table, as SVG without a library."""

from __future__ import annotations

import math
from html import escape

#: Ours, the controls, the others.
COLORS = {"krauth": "#1f6feb", "static": "#8b949e", "same duties": "#8b949e", "": "#d29922"}
ROW, LEFT, WIDE, TOP = 20, 10, 380, 48


def bars(title: str, unit: str, values: dict[str, float]) -> str:
    """Return a picture of bars; the axis is logarithmic where the largest is 30 times the smallest."""
    least, most = min(values.values()), max(values.values())
    if is_log := least > 0 and most > 30 * least:
        unit += ", logarithmic"
    names = LEFT + 6.3 * max(map(len, values))
    shapes = [f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>']
    shapes += [f'<text x="{LEFT}" y="34" fill="#57606a">{escape(unit)}</text>']
    for number, (name, value) in enumerate(values.items()):
        share = math.log(value / least * 2) / math.log(most / least * 2) if is_log else value / (most or 1)
        who = name if any("krauth" in other for other in values) else "krauth"  # where there is no other, all is ours
        color, y = next(color for word, color in COLORS.items() if word in who), TOP + ROW * number
        shapes += [
            f'<text x="{names:.0f}" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{names + 6:.0f}" y="{y + 2}" width="{WIDE * share:.1f}" height="{ROW - 6}" fill="{color}"/>',
            f'<text x="{names + 10 + WIDE * share:.0f}" y="{y + 13}">{value:.3g}</text>',
        ]
    size = f'width="{names + WIDE + 60:.0f}" height="{TOP + ROW * len(values) + 8}"'
    paper = '<rect width="100%" height="100%" fill="white"/>'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    return f"{start}<title>{escape(title)}</title>{paper}{''.join(shapes)}</svg>\n"
