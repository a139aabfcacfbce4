from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest

from llmstep.config import Settings
from llmstep_workshop.data.rows import Row, read_rows
from llmstep_workshop.evaluation.charts import Bar, BarGroup, ChartLine, draw_bars, draw_lines
from llmstep_workshop.evaluation.comparison import Comparison, Variant, compare_variants, draw_rows
from llmstep_workshop.evaluation.page import render_page

ECHO = Settings(model="echo", n=4, cache=False, sources=("model",))
# Elements without an end tag.
VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Notes the tags that are open, and every address a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


@pytest.fixture
def comparison(scripted: Path) -> Comparison:
    file = draw_rows(scripted, read_rows(scripted), None, 0)
    other = Settings(model="echo", n=1, cache=False, sources=("model",))
    variants = [Variant("first <model>", ECHO), Variant("second", other)]
    return compare_variants([*variants, Variant("none", Settings(model="/no.gguf"))], [file])


def test_the_page_is_whole_and_fetches_nothing(comparison: Comparison) -> None:
    page = render_page(comparison)
    reader = read(page)
    assert reader.fetched == []
    assert "<script" not in page
    assert "http" not in re.sub(r"<!DOCTYPE html>", "", page)
    assert "prefers-color-scheme: dark" in page
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)


def test_the_page_is_made_for_a_thousand_pixels(comparison: Comparison) -> None:
    style = render_page(comparison).split("</style>")[0]
    assert "max-width: 1000px" in style
    assert "box-sizing: border-box" in style
    # Cells wrap; only figures that belong together stay on one line.
    cells = re.search(r"th, td \{[^}]*\}", style)
    assert cells is not None
    assert "nowrap" not in cells[0]
    assert "svg { width: 100%" in style


MEASURE = """<script>
const beyond = (box) => box.scrollWidth - box.clientWidth
const inside = [...document.querySelectorAll(".wide")].map(beyond)
document.body.dataset.measured =
  `${innerWidth} wide, ${beyond(document.documentElement)} beyond, ${Math.max(...inside)} inside`
</script>"""


def test_a_browser_of_a_thousand_pixels_has_nothing_to_scroll(
    scripted: Path, tmp_path: Path
) -> None:
    """Five models with long names on two files: more columns than a report usually has."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    other = scripted.with_name("rows-of-a-much-longer-name-than-usual.jsonl")
    shutil.copy(scripted, other)
    files = [draw_rows(file, read_rows(file), None, 0) for file in (scripted, other)]
    variants = [
        Variant(f"a-model-with-a-long-name-{n}-q8_0.gguf", attrs.evolve(ECHO, n=n + 1))
        for n in range(5)
    ]
    page = tmp_path / "page.html"
    shown = render_page(compare_variants(variants, files)).replace("</body>", MEASURE + "</body>")
    assert MEASURE in shown
    page.write_text(shown, encoding="utf-8")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    size = ["--window-size=1000,900", f"--user-data-dir={tmp_path / 'browser'}"]
    seen = subprocess.run(
        [browser, *quiet, *size, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall(r'data-measured="([^"]*)"', seen.stdout) == ["1000 wide, 0 beyond, 0 inside"]


def test_models_rows_and_failures_stand_on_it(comparison: Comparison) -> None:
    text = read(render_page(comparison)).text
    for words in (
        "first <model>",
        "Left out, as it could not be loaded: none",
        "rows.jsonl",
        "exact@4",
        "Against first <model>, row by row",
        "Where they differ",
        "n ≤ n + 1",
        "failed on 1",
        "row 4 of rows.jsonl: the model <failed>",
    ):
        assert words in text
    # The two find the same but for the row where the second place matters.
    assert "Where they differ (rows: 1, shown: 1)" in text


def test_a_page_for_one_model_compares_nothing(scripted: Path) -> None:
    file = draw_rows(scripted, [Row("⊢ p", "exact h")], None, 0)
    page = render_page(compare_variants([Variant("only", ECHO)], [file]))
    assert "1 row<" in page
    assert "Against" not in read(page).text


def test_bars_show_value_interval_and_words() -> None:
    groups = [BarGroup("<a>", (Bar(0, 0.5, 0.25, 0.75), Bar(9, 0.0, text="none & nothing")))]
    root = ElementTree.fromstring(draw_bars(groups, 1.0, 'a "title"'))
    assert root.attrib["aria-label"] == 'a "title"'
    bars = root.findall("rect")
    assert [bar.attrib["fill"] for bar in bars] == ["var(--series-0)", "var(--series-1)"]
    assert float(bars[0].attrib["width"]) > 100 * float(bars[1].attrib["width"])
    texts = [element.text for element in root.iter("text")]
    assert texts == ["<a>", "0.500", "none & nothing"]
    assert len(root.findall("path")) == 1


@pytest.mark.parametrize("values", [(0.5,), (0.0, 1.0), tuple(i / 64 for i in range(64))])
def test_lines_have_a_mark_for_each_value(values: tuple[float, ...]) -> None:
    svg = draw_lines(
        [ChartLine(0, "a <b>", values), ChartLine(1, "c", values, True)], 1.0, "t", "k"
    )
    root = ElementTree.fromstring(svg)
    circles = root.findall("circle")
    assert len(circles) == 2 * len(values)
    heights = [float(circle.attrib["cy"]) for circle in circles[: len(values)]]
    assert heights == sorted(heights, reverse=True)
    title = circles[0].find("title")
    assert title is not None
    assert title.text == f"a <b>, 1: {values[0]:.3f}"
    assert svg.count("stroke-dasharray") == 1
