"""The pictures of the README are what the script makes of a screen and of a recording."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "pictures"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    pytest.importorskip("pty", reason="recordings need a terminal")
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_texts(name: str) -> list[str]:
    drawing = ElementTree.fromstring((FOLDER / name).read_text(encoding="utf-8"))
    return ["".join(found.itertext()) for found in drawing.iter(f"{SVG}text")]


def read_cast() -> tuple[dict, list[tuple[float, str]]]:
    header, *events = map(json.loads, (FOLDER / "demo.cast").read_text("utf-8").splitlines())
    assert {event[1] for event in events} == {"o"}
    return header, [(moment, text) for moment, _, text in events]


def test_every_picture_is_small_and_shown_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for picture in FOLDER.iterdir():
        assert f"docs/pictures/{picture.name}" in readme
        assert picture.stat().st_size < 40_000


def test_a_suggestion_that_is_listed_stands_in_the_proof_afterwards() -> None:
    texts = read_texts("suggestion.svg")
    listed = [text.partition("🎉 ")[2] for text in texts if text.startswith("[apply] 🎉")]
    assert 'llmstep ""' in texts
    assert texts[-1] in listed
    assert texts.count("import LLMstep") == 2


def test_the_moving_picture_is_the_cast(pictures: ModuleType) -> None:
    header, events = read_cast()
    assert (header["version"], header["width"], header["height"]) == (2, 100, 24)
    moments = [moment for moment, _ in events]
    assert moments == sorted(moments)
    assert "".join(text for _, text in events).count("⊢") >= 7
    drawn = (FOLDER / "demo.svg").read_text(encoding="utf-8")
    assert pictures.draw_recording(events, header["title"]) == drawn
    assert "not checked by lean" in " ".join(read_texts("demo.svg")).lower()


def test_pauses_are_cut_and_lines_come_when_they_came(pictures: ModuleType) -> None:
    events = [*pictures.shorten_pauses([(60.0, "a\r\n"), (60.5, "\x1b[1mb & c\x1b[0m\r\n")])]
    assert events == [(1.5, "a\r\n"), (2.0, "\x1b[1mb & c\x1b[0m\r\n")]
    drawing = pictures.draw_recording(events, "t")
    ElementTree.fromstring(drawing)
    assert re.findall(r"animation-delay:([\d.]+)s", drawing) == ["1.5", "2.0"]
    assert "b &amp; c" in drawing


def test_a_long_recording_scrolls_to_its_last_line(pictures: ModuleType) -> None:
    lines = pictures.DEMO_ROWS + 3
    drawing = pictures.draw_recording([(1.0, "x\r\n" * lines)], "t")
    assert f"to{{transform:translateY({-3 * pictures.LINE:g}px)}}" in drawing


def test_a_wide_character_takes_two_cells_and_colours_part_texts(pictures: ModuleType) -> None:
    cells = [*pictures.lay_out(" 🎉a")]
    assert [cell.character for cell in cells] == [" ", "🎉", "", "a"]
    cells.append(pictures.Cell("z", "#ff0000"))
    first, second = map(ElementTree.fromstring, pictures.draw_row(cells, 10, x=0))
    assert (first.text, first.attrib["x"], first.attrib["textLength"]) == ("🎉a", "8", "24")
    assert (second.text, second.attrib["x"]) == ("z", "32")
    assert second.attrib["style"] == "fill:#ff0000"


def test_a_command_is_recorded_as_it_writes(pictures: ModuleType) -> None:
    program = "print('one', flush=True); print('two')"
    events = pictures.record([pictures.sys.executable, "-c", program])
    assert pictures.clean("".join(text for _, text in events)).split() == ["one", "two"]
    with pytest.raises(AssertionError):
        pictures.record([pictures.sys.executable, "-c", "raise SystemExit(3)"])
