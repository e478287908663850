"""Draws the ratios as bars in an SVG file: left of the line tandemdb is faster, right of it sqlite3.

select by key   ████│            0.35
group by        █████│           0.40
LIKE scan            │███        1.80
"""

from __future__ import annotations

import math
from html import escape

from benchmarks.measure import Measurement, geometric_mean

ROW, LEFT, WIDTH, TOP = 18, 230, 640, 46
LOWEST, HIGHEST = 0.05, 20.0


def draw(found: list[Measurement]) -> str:
    """Return the text of an SVG picture, on a logarithmic scale from 0.05 to 20."""
    shown = [one for one in found if one.equal]
    height = TOP + ROW * len(shown) + 24
    mean = geometric_mean([one.ratio for one in shown])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH + LEFT}" height="{height}" fill="white"/>',
        f'<text x="8" y="18" font-weight="bold">Time of tandemdb / time of sqlite3 (geometric mean {mean:.2f})</text>',
    ]
    for mark in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        x = place(mark)
        parts.append(
            f'<line x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{height - 16}" stroke="{"#555" if mark == 1 else "#ddd"}"/>'
        )
        parts.append(f'<text x="{x}" y="{TOP - 12}" text-anchor="middle" fill="#555">{mark:g}</text>')
    for row, one in enumerate(shown):
        parts += bar(one, TOP + row * ROW)
    return "\n".join([*parts, "</svg>\n"])


def bar(one: Measurement, y: int) -> list[str]:
    """A bar from 1 to the ratio, a tick at the hand-written limit, the name and the number."""
    start, end = sorted((place(1.0), place(one.ratio)))
    colour = "#2a7f4f" if one.ratio <= 1 else "#b5462f"
    parts = [
        f'<text x="8" y="{y + 12}">{escape(one.workload.name)}</text>',
        f'<rect x="{start}" y="{y + 2}" width="{max(end - start, 1):.1f}" height="{ROW - 6}" fill="{colour}"/>',
        f'<text x="{WIDTH + LEFT - 8}" y="{y + 12}" text-anchor="end">{one.ratio:.2f}</text>',
    ]
    if math.isfinite(one.limit):
        x = place(one.limit)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{x}" y2="{y + ROW - 2}" stroke="black" stroke-width="2"/>')
    return parts


def place(ratio: float) -> float:
    share = math.log(min(max(ratio, LOWEST), HIGHEST) / LOWEST) / math.log(HIGHEST / LOWEST)
    return round(LEFT + share * (WIDTH - 50), 1)
