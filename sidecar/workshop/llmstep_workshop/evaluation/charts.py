"""The report's plots as inline SVG; colours come from the page's CSS variables.

Series ``i`` is drawn in ``var(--series-i)``; text and lines take the page's own colours, so that a
plot reads in light and in dark alike. Every mark carries its value as a tooltip (``<title>``).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from llmstep_workshop.svg import drawing, element, polyline, text

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
class ChartLine:
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
        middle = y + len(group.bars) * (_BAR + _GAP) / 2 + 3
        label = text(_shorten(group.label, 22))
        parts.append(element("text", label, x=_LABELS - 10, y=middle, text_anchor="end"))
        for bar in group.bars:
            parts += _draw_bar(bar, y, scale)
            y += _BAR + _GAP
        y += _GROUP_GAP
    axis = element("line", class_="axis", x1=_LABELS, y1=0, x2=_LABELS, y2=y - _GROUP_GAP)
    return drawing(_WIDTH, y, title, *parts, axis)


def _draw_bar(bar: Bar, y: float, scale: float) -> list[str]:
    length = max(bar.value * scale, 1.0)
    end = _LABELS + length
    words = text(bar.text or f"{bar.value:.3f}")
    place = {"x": _LABELS, "y": y, "width": length, "height": _BAR, "rx": 2}
    parts = [element("rect", element("title", words), fill=colour(bar.series), **place)]
    if bar.low is not None and bar.high is not None:
        low, high = (_LABELS + value * scale for value in (bar.low, bar.high))
        middle = y + _BAR / 2
        path = f"M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8"
        parts.append(element("path", class_="whisker", d=path))
        end = max(end, high)
    return [*parts, element("text", words, class_="value", x=end + 6, y=y + _BAR - 4)]


def draw_lines(lines: Sequence[ChartLine], top: float, title: str, x_label: str) -> str:
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
        parts.append(element("line", class_="grid", x1=_MARGIN, y1=y, x2=_WIDTH - _MARGIN, y2=y))
        parts.append(element("text", f"{value:.2f}", x=_MARGIN - 8, y=y + 4, text_anchor="end"))
    for index in range(0, count, max(1, count // 8)):
        x, _ = place(index, 0)
        parts.append(element("text", str(index + 1), x=x, y=bottom + 16, text_anchor="middle"))
    below = {"x": _WIDTH / 2, "y": _LINE_HEIGHT - 4, "text_anchor": "middle"}
    parts.append(element("text", text(x_label), **below))
    for line in lines:
        parts += _draw_line(line, [place(i, value) for i, value in enumerate(line.values)])
    return drawing(_WIDTH, _LINE_HEIGHT, title, *parts)


def _draw_line(line: ChartLine, points: Sequence[tuple[float, float]]) -> list[str]:
    dashes = "5 4" if line.dashed else None
    ink = colour(line.series)
    parts = [polyline(points, fill="none", stroke=ink, stroke_width=2, stroke_dasharray=dashes)]
    for index, ((x, y), value) in enumerate(zip(points, line.values, strict=True), start=1):
        title = element("title", text(f"{line.name}, {index}: {value:.3f}"))
        parts.append(element("circle", title, cx=x, cy=y, r=3, fill=ink))
    return parts


def _shorten(words: str, length: int) -> str:
    return words if len(words) <= length else words[: length - 1] + "…"
