"""The loss curves of a run as one SVG file, readable on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmstep_workshop.svg import drawing, element, polyline, text

Point = tuple[int, float, float, float | None]

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 40, 45
_SMOOTHING = 0.9
_MOST_POINTS = 600
_STYLE = """\
text { font: 12px sans-serif; fill: #333; }
.grid { stroke: #ddd; }
.raw { fill: none; stroke: #9bbce0; stroke-opacity: 0.6; }
.train { fill: none; stroke: #1f6fbf; stroke-width: 2; }
.valid { fill: none; stroke: #c2491d; stroke-width: 2; }
circle { fill: #c2491d; }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd; }
  .grid { stroke: #444; }
}
"""


def draw_curves(title: str, curve: Sequence[Point]) -> str:
    """Draw training loss, its running mean, and validation loss against steps.

    Args:
        title: Heading.
        curve: (step, seconds, training loss, validation loss or None) in order of steps; losses in
            nats per token.

    Returns:
        The text of an SVG file; with fewer than two points it says that there is nothing yet.
    """
    head = element("text", text(title), x=_LEFT, y=20)
    train = [(step, loss) for step, _, loss, _ in curve if math.isfinite(loss)]
    valid = [(step, value) for step, _, _, value in curve if value is not None]
    steps = sorted({step for step, _ in train + valid})
    if len(steps) < 2:
        nothing = element("text", "no losses measured yet", x=_LEFT, y=60)
        return drawing(_WIDTH, _HEIGHT, title, head, nothing, style=_STYLE)
    parts = [head]
    mean = _smooth(train)
    # The first losses of a new model are far above the rest and would flatten it.
    shown = [loss for _, loss in mean + valid]
    low, high, tick = _round_range(min(shown), max(shown))

    def place(point: tuple[int, float]) -> tuple[float, float]:
        x = (point[0] - steps[0]) / (steps[-1] - steps[0])
        y = (high - min(max(point[1], low), high)) / (high - low)
        return (
            _LEFT + x * (_WIDTH - _LEFT - _RIGHT),
            _TOP + y * (_HEIGHT - _TOP - _BOTTOM),
        )

    for number in range(round((high - low) / tick) + 1):
        value = low + number * tick
        y = place((steps[0], value))[1]
        parts.append(element("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y))
        parts.append(element("text", f"{value:g}", x=_LEFT - 8, y=y + 4, text_anchor="end"))
    for step, anchor in ((steps[0], "start"), (steps[-1], "end")):
        x = place((step, low))[0]
        below = {"x": x, "y": _HEIGHT - _BOTTOM + 20, "text_anchor": anchor}
        parts.append(element("text", f"{step:,}", **below))
    key = "step; loss in nats per token: training (blue, pale: single batches), validation (red)"
    parts.append(element("text", key, x=_WIDTH / 2, y=_HEIGHT - 8, text_anchor="middle"))
    for name, points in (("raw", train), ("train", mean), ("valid", valid)):
        parts.append(polyline(map(place, _thin(points)), class_=name))
    for x, y in map(place, valid):
        parts.append(element("circle", cx=x, cy=y, r=3))
    return drawing(_WIDTH, _HEIGHT, title, *parts, style=_STYLE)


def _smooth(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """A running mean that weighs the first points like all others."""
    smoothed: list[tuple[int, float]] = []
    total = weight = 0.0
    for step, loss in points:
        total, weight = _SMOOTHING * total + loss, _SMOOTHING * weight + 1.0
        smoothed.append((step, total / weight))
    return smoothed


def _thin(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Few enough points for a small file, the last one among them."""
    stride = -(-len(points) // _MOST_POINTS)
    return [*points[:-1:stride], *points[-1:]] if stride > 1 else list(points)


def _round_range(low: float, high: float) -> tuple[float, float, float]:
    """A range that holds both, cut at round numbers, and the distance of its grid lines."""
    span = max(high - low, 1e-3)
    tick = 10.0 ** math.floor(math.log10(span))
    tick = next(t for t in (tick / 5, tick / 2, tick, 2 * tick) if span / t <= 6)
    first = math.floor(low / tick)
    last = max(math.ceil(high / tick), first + 1)
    return first * tick, last * tick, tick
