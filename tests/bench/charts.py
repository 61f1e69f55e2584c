"""Pictures of what was measured, as SVG, with nothing but the standard library."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from contestants import faster_codec

COLOURS = {"rust": "#b7410e", "raft-rs": "#4c72b0", "etcd 3.6": "#3f8f58", "etcd 3.7": "#8172b2"}
OTHER = "#777777"
GRID, INK = "#dddddd", "#222222"

WIDTH = 960
# Of the bars: where they begin, how long a ratio of 1 is, and at which ratio they are cut off.
BARS, UNIT, MOST = 130, 23.0, 32
# Of one diagram.
LEFT, PLOT_WIDTH, PLOT_HEIGHT, DIAGRAM_HEIGHT = 80.0, 370.0, 200.0, 310.0

Targets = Mapping[tuple[str, str], Mapping[str, float]]


def svg(width: int, height: int, body: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]) + "\n"


def text(x: float, y: float, content: str, anchor: str = "start", colour: str = INK, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{style}>{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, style: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{style}/>'


def report(figures: dict[str, Any], peers: tuple[str, ...], targets: Targets) -> str:
    """Bars of how often our time fits into that of each peer, then a curve for each way in which cost can grow."""
    body, y = bars(figures["workloads"], peers, targets)
    diagrams = list(figures.get("growth", {}).values())
    for number, growth in enumerate(diagrams):
        body += curves(growth, 480.0 * (number % 2), y + 40 + DIAGRAM_HEIGHT * (number // 2))
    y += 40 + DIAGRAM_HEIGHT * math.ceil(len(diagrams) / 2) if diagrams else 0
    return svg(WIDTH, int(y) + 10, body)


def bars(workloads: dict[str, Any], peers: tuple[str, ...], targets: Targets) -> tuple[list[str], float]:
    """Also says where they end."""
    body = [text(10, 20, "Time of each peer divided by ours: Rust, default configurations; longer is better for us")]
    body[0] = body[0].replace("<text ", '<text font-weight="bold" ')
    top = 58.0
    for place, peer in enumerate(peers):
        x = BARS + 120.0 * place
        body.append(f'<rect x="{x}" y="30" width="10" height="10" fill="{COLOURS.get(peer, OTHER)}"/>')
        body.append(text(x + 15, 39, peer))
    body.append(line(BARS + 120 * len(peers), 30, BARS + 120 * len(peers), 40, INK, ' stroke-width="2"'))
    body.append(text(BARS + 120 * len(peers) + 8, 39, "target"))
    y, front = top + 6, []
    for workload, results in workloads.items():
        shown = [peer for peer in peers if "rust" in results and peer in results]
        if not shown:
            continue
        front.append(text(BARS - 8, y + 6 * len(shown) + 4, workload, "end"))
        for peer in shown:
            ratio = results[faster_codec(results, peer)]["ns"] / results["rust"]["ns"]
            width = min(ratio, MOST) * UNIT
            front.append(
                f'<rect x="{BARS}" y="{y:.0f}" width="{width:.1f}" height="11" fill="{COLOURS.get(peer, OTHER)}"/>'
            )
            front.append(text(BARS + width + 5, y + 10, f"{ratio:.1f}" + (" (cut off)" if ratio > MOST else "")))
            if target := targets.get((workload, "rust"), {}).get(peer):
                x = BARS + target * UNIT
                front.append(line(x, y - 1, x, y + 12, INK, ' stroke-width="2"'))
            y += 12
        y += 9
    for ratio in (1, 5, 10, 15, 20, 25, 30):
        x = BARS + ratio * UNIT
        body.append(line(x, top, x, y, INK if ratio == 1 else GRID, ' stroke-dasharray="3"' if ratio == 1 else ""))
        body.append(text(x, top - 3, str(ratio), "middle"))
    return body + front, y


def curves(growth: dict[str, Any], left: float, top: float) -> list[str]:
    """One diagram, both axes logarithmic."""
    points = [(float(size), ns) for curve in growth["curves"].values() for size, ns in curve.items() if ns > 0]
    if not points:
        return []
    low_x, high_x = (math.log10(limit(p[0] for p in points)) for limit in (min, max))
    # Not less than a decade, so that noise does not look like a slope.
    low_y, high_y = (math.log10(limit(p[1] for p in points)) for limit in (min, max))
    margin = max(0.08, (1 - (high_y - low_y)) / 2)
    low_y, high_y, high_x = low_y - margin, high_y + margin, max(high_x, low_x + 0.1)
    left, bottom = left + LEFT, top + 40 + PLOT_HEIGHT

    def x(size: float) -> float:
        return left + (math.log10(size) - low_x) / (high_x - low_x) * PLOT_WIDTH

    def y(ns: float) -> float:
        return bottom - (math.log10(ns) - low_y) / (high_y - low_y) * PLOT_HEIGHT

    middle = f' transform="rotate(-90 {left - 58:.1f} {bottom - PLOT_HEIGHT / 2:.1f})"'
    body = [
        text(left, top, growth["title"], style=' font-weight="bold"'),
        text(left + PLOT_WIDTH / 2, bottom + 36, growth["x"], "middle"),
        text(left - 58, bottom - PLOT_HEIGHT / 2, growth["y"], "middle", style=middle),
        f'<rect x="{left:.1f}" y="{top + 40:.1f}" width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}" fill="none" '
        f'stroke="{GRID}"/>',
    ]
    for mark in marks(low_y, high_y):
        body.append(line(left, y(mark), left + PLOT_WIDTH, y(mark), GRID))
        body.append(text(left - 6, y(mark) + 4, f"{mark:,.0f}" if mark >= 1 else f"{mark:g}", "end"))
    free = -math.inf
    for size in sorted({p[0] for p in points}):
        body.append(line(x(size), bottom, x(size), bottom + 4, INK))
        if x(size) - free >= 24:
            body.append(text(x(size), bottom + 18, short(size), "middle"))
            free = x(size)
    for place, (name, curve) in enumerate(growth["curves"].items()):
        colour = COLOURS.get(name, OTHER)
        corners = [(x(float(size)), y(ns)) for size, ns in curve.items() if ns > 0]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in corners]
        body.append(f'<rect x="{left + 85 * place:.1f}" y="{top + 16:.1f}" width="10" height="10" fill="{colour}"/>')
        body.append(text(left + 85 * place + 15, top + 25, name))
    return body


def marks(low: float, high: float) -> list[float]:
    """Round numbers between two powers of ten: 1, 2, 5, 10, .. or, over many decades, 1, 10, .."""
    digits = (1, 2, 5) if high - low < 2.5 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    return [digit * 10.0**power for power in powers for digit in digits if low <= math.log10(digit) + power <= high]


def short(size: float) -> str:
    """1k is a thousand, or 1,024 of what is counted by these."""
    for unit, factor, binary in (("m", 1e6, 1 << 20), ("k", 1e3, 1 << 10)):
        if size >= factor:
            return f"{size / factor:g}{unit}" if size % factor == 0 else f"{size / binary:g}{unit}"
    return f"{size:g}"
