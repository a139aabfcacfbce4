"""Plots as inline SVG: no library, no script, colours from the page's CSS variables.

Series ``i`` is drawn in ``var(--series-i)``; text and lines take the page's own colours, so that a
plot reads in light and in dark alike. Every mark carries its value as a tooltip (``<title>``).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import attrs

SERIES = 8

_WIDTH = 640
_LABELS = 170
_VALUES = 125
_BAR = 16
_GAP = 3
_GROUP_GAP = 12
_LINE_HEIGHT = 240
_MARGIN = 44


@attrs.frozen
class Bar:
    """One bar: its series, value, the interval around it, and the words behind it."""

    series: int
    value: float
    low: float | None = None
    high: float | None = None
    text: str = ""


@attrs.frozen
class BarGroup:
    """Bars under one label."""

    label: str
    bars: tuple[Bar, ...]


@attrs.frozen
class Line:
    """One line: its series, name, and the y values at x = 1, 2, ..."""

    series: int
    name: str
    values: tuple[float, ...]
    dashed: bool = False


def colour(series: int) -> str:
    """The CSS colour of a series; they repeat after `SERIES`."""
    return f"var(--series-{series % SERIES})"


def draw_bars(groups: Sequence[BarGroup], top: float, title: str) -> str:
    """Horizontal bars from 0 to ``top``, grouped.

    Args:
        groups: At least one group.
        top: Value at the right end; more than 0.
        title: What is shown, for readers who do not see the plot.
    """
    scale = (_WIDTH - _LABELS - _VALUES) / top
    parts: list[str] = []
    y = 4
    for group in groups:
        height = len(group.bars) * (_BAR + _GAP)
        parts.append(
            f'<text x="{_LABELS - 10}" y="{y + height / 2 + 3:g}" text-anchor="end">'
            f"{escape(_shorten(group.label, 24))}</text>"
        )
        for bar in group.bars:
            parts.append(_draw_bar(bar, y, scale))
            y += _BAR + _GAP
        y += _GROUP_GAP
    parts.append(f'<line class="axis" x1="{_LABELS}" y1="0" x2="{_LABELS}" y2="{y - _GROUP_GAP}"/>')
    return _svg(y, title, parts)


def _draw_bar(bar: Bar, y: float, scale: float) -> str:
    end = _LABELS + max(bar.value * scale, 1)
    words = bar.text or f"{bar.value:.3f}"
    parts = [
        f'<rect x="{_LABELS}" y="{y}" width="{end - _LABELS:.1f}" height="{_BAR}" rx="2" '
        f'fill="{colour(bar.series)}"><title>{escape(words)}</title></rect>'
    ]
    if bar.low is not None and bar.high is not None:
        low, high = (_LABELS + value * scale for value in (bar.low, bar.high))
        middle = y + _BAR / 2
        parts.append(
            f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8'
            f'M{high:.1f} {middle - 4}v8"/>'
        )
        end = max(end, high)
    parts.append(f'<text class="value" x="{end + 6:.1f}" y="{y + _BAR - 4}">{escape(words)}</text>')
    return "".join(parts)


def draw_lines(lines: Sequence[Line], top: float, title: str, x_label: str) -> str:
    """Lines over x = 1, 2, ..., y from 0 to ``top``; their names stand in the page's legend.

    Args:
        lines: At least one, of equal length.
        top: Value at the upper end; more than 0.
        title: What is shown.
        x_label: What x counts.
    """
    count = max(len(line.values) for line in lines)
    bottom = _LINE_HEIGHT - 36
    width = _WIDTH - 2 * _MARGIN

    def place(index: int, value: float) -> tuple[float, float]:
        across = _MARGIN + (width * index / (count - 1) if count > 1 else width / 2)
        return across, bottom - (bottom - 12) * value / top

    parts: list[str] = []
    for step in range(5):
        value = top * step / 4
        _, y = place(0, value)
        parts.append(
            f'<line class="grid" x1="{_MARGIN}" y1="{y:.1f}" x2="{_WIDTH - _MARGIN}" y2="{y:.1f}"/>'
            f'<text x="{_MARGIN - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>'
        )
    for index in range(0, count, max(1, count // 8)):
        x, _ = place(index, 0)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{index + 1}</text>')
    parts.append(
        f'<text x="{_WIDTH / 2}" y="{_LINE_HEIGHT - 4}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
    )
    parts += [_draw_line(line, [place(i, v) for i, v in enumerate(line.values)]) for line in lines]
    return _svg(_LINE_HEIGHT, title, parts)


def _draw_line(line: Line, points: Sequence[tuple[float, float]]) -> str:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
    marks = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour(line.series)}">'
        f"<title>{escape(line.name)}, {index}: {value:.3f}</title></circle>"
        for index, ((x, y), value) in enumerate(zip(points, line.values, strict=True), start=1)
    )
    return (
        f'<path d="{path}" fill="none" stroke="{colour(line.series)}" stroke-width="2"{dashes}/>'
        f"{marks}"
    )


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
