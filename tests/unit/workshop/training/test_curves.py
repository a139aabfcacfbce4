from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep_workshop.training.curves import Point, draw_curves

SVG = "{http://www.w3.org/2000/svg}"


def read_lines(text: str) -> dict[str, list[tuple[float, float]]]:
    lines = {}
    for line in ET.fromstring(text).iter(f"{SVG}polyline"):
        pairs = (pair.split(",") for pair in line.attrib["points"].split())
        lines[line.attrib["class"]] = [(float(x), float(y)) for x, y in pairs]
    return lines


def test_falling_losses_are_falling_lines() -> None:
    curve: list[Point] = [(step, step * 1.5, 8.0 / step, None) for step in range(1, 101)]
    curve += [(50, 75.0, 0.2, 1.0), (100, 150.0, 0.1, 0.9)]
    text = draw_curves("a <model> & more", curve)
    assert "a &lt;model&gt; &amp; more" in text
    lines = read_lines(text)
    heights = [y for _, y in lines["train"]][:100]
    assert heights == sorted(heights)
    (x1, y1), (x2, y2) = lines["valid"]
    assert x1 < x2
    assert y1 < y2
    assert len(list(ET.fromstring(text).iter(f"{SVG}circle"))) == 2
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("curve", [[], [(1, 0.1, 3.0, None)], [(5, 1.0, 3.0, 2.0)]])
def test_a_run_that_has_just_begun_has_nothing_to_draw(curve: list[Point]) -> None:
    assert "no losses measured yet" in draw_curves("new", curve)


def test_a_long_run_makes_a_small_file() -> None:
    curve: list[Point] = [(step, 0.0, 2.0 + math.sin(step), None) for step in range(50_000)]
    text = draw_curves("long", curve)
    assert len(text) < 60_000
    assert all(len(points) <= 602 for points in read_lines(text).values())


@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**6),
            st.just(0.0),
            st.floats(0, 1e4) | st.just(math.inf),
            st.none() | st.floats(0, 1e4),
        ),
        max_size=30,
    )
)
def test_every_curve_lies_within_the_frame(curve: list[Point]) -> None:
    curve.sort(key=lambda point: point[0])
    text = draw_curves("any", curve)
    assert not re.search(r"\b(nan|inf)\b", text.split("</style>")[1])
    for points in read_lines(text).values():
        assert all(59 <= x <= 701 and 39 <= y <= 356 for x, y in points)
