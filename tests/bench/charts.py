"""Pictures of what was measured, as SVG, with nothing but the standard library."""

from __future__ import annotations

import math
from html import escape
from typing import Any

COLOURS = {"rust": "#b7410e", "raft-rs": "#4c72b0", "etcd 3.6": "#55a868", "etcd 3.7": "#8172b2"}
OTHER = "#777777"


def svg(width: int, height: int, body: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]) + "\n"


def text(x: float, y: float, content: str, anchor: str = "start", colour: str = "#222222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(content)}</text>'


def report(figures: dict[str, Any], peers: tuple[str, ...]) -> str:
    """Bars of how often a peer's time ours fits into, then curves of how cost grows."""
    body = [text(10, 20, "time of each peer divided by ours (default configurations; a line at 1)")]
    y = 36.0
    for workload, results in figures["workloads"].items():
        if "rust" not in results:
            continue
        body.append(text(130, y + 20, workload, "end"))
        for peer in peers:
            if peer not in results:
                continue
            ratio = results[peer]["ns"] / results["rust"]["ns"]
            width = min(ratio, 30) * 16
            body.append(f'<rect x="140" y="{y:.0f}" width="{width:.1f}" height="9" fill="{COLOURS.get(peer, OTHER)}"/>')
            body.append(text(145 + width, y + 9, f"{ratio:.1f}"))
            y += 10
        y += 8
    body.append(f'<line x1="156" x2="156" y1="30" y2="{y:.0f}" stroke="#222222" stroke-dasharray="3"/>')
    for place, peer in enumerate(peers):
        body.append(text(560, 60 + 16 * place, peer, colour=COLOURS.get(peer, OTHER)))
    for number, growth in enumerate(figures.get("growth", {}).values()):
        left, top = 20 + 360 * (number % 2), y + 30 + 250 * (number // 2)
        body += curves(growth, left, top)
    y += 250 * math.ceil(len(figures.get("growth", {})) / 2) + 30
    return svg(740, int(y), body)


def curves(growth: dict[str, Any], left: float, top: float) -> list[str]:
    """One diagram, both axes logarithmic."""
    width, height = 280.0, 170.0
    points = [(float(size), ns) for curve in growth["curves"].values() for size, ns in curve.items() if ns > 0]
    if not points:
        return []
    low_x, high_x = (math.log10(limit(p[0] for p in points)) for limit in (min, max))
    low_y = math.floor(math.log10(min(p[1] for p in points)))
    high_y = math.ceil(math.log10(max(p[1] for p in points)))
    high_x, high_y = max(high_x, low_x + 1), max(high_y, low_y + 1)

    def x(size: float) -> float:
        return left + 50 + (math.log10(size) - low_x) / (high_x - low_x) * width

    def y(ns: float) -> float:
        return top + height - (math.log10(ns) - low_y) / (high_y - low_y) * height

    body = [text(left + 50, top - 8, f"ns over {growth['axis']}")]
    for power in range(low_y, high_y + 1):
        body.append(
            f'<line x1="{left + 50}" x2="{left + 50 + width}" y1="{y(10**power):.1f}" y2="{y(10**power):.1f}" '
            'stroke="#dddddd"/>'
        )
        body.append(text(left + 45, y(10**power) + 4, f"{10**power:,}", "end"))
    for size in sorted({p[0] for p in points}):
        body.append(text(x(size), top + height + 16, short(size), "middle"))
    for place, (name, curve) in enumerate(growth["curves"].items()):
        colour = COLOURS.get(name, OTHER)
        line = " ".join(f"{x(float(size)):.1f},{y(ns):.1f}" for size, ns in curve.items())
        body.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body.append(text(left + 50 + 70 * place, top + height + 34, name, colour=colour))
    return body


def short(size: float) -> str:
    for unit, factor in (("m", 1e6), ("k", 1e3)):
        if size >= factor:
            return f"{size / factor:g}{unit}" if size % factor == 0 else f"{size / 1024:g}k"
    return f"{size:g}"
