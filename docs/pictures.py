"""Makes the README's pictures: a suggestion before and after it is taken, and the demo as it runs.

The first is the screen of a real Neovim on Lean's own language server, with the built-in model; the
second is what ``llmstep demo`` writes, with the pauses it makes, as a moving picture and as a cast
for asciinema. It runs in an environment set up for the tests, on Linux.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pictures"
CELL, LINE, MARGIN = 8.0, 18.0, 12.0
PAPER, INK, SOFT = "#14161b", "#e0e2ea", "#9b9ea4"
STYLE = (
    f".paper{{fill:{PAPER}}}text{{fill:{INK};font:13px ui-monospace,Menlo,Consolas,monospace;"
    f"white-space:pre}}.note{{fill:{SOFT}}}"
)
PROOF = """import LLMstep

theorem both (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  ‸
"""
COLUMNS, ROWS = 64, 9
DEMO_COLUMNS, DEMO_ROWS = 100, 24
# A cast is watched: what takes longer than this is shown as this.
LONGEST_PAUSE_SECONDS = 1.5


@attrs.frozen
class Cell:
    """A character of a screen, empty behind a wide one, and its colour."""

    character: str
    colour: str = INK


def main() -> int:
    """Make all pictures."""
    sys.path.insert(0, str(ROOT))
    FOLDER.mkdir(exist_ok=True)
    screens = [*capture_editor()]
    write("suggestion.svg", draw_screens(screens, "A suggestion before and after it is taken"))
    events = record([sys.executable, "-m", "llmstep", "demo", "-n", "3"])
    write("demo.cast", format_cast(events, "llmstep demo"))
    write("demo.svg", draw_recording(events, "llmstep demo"))
    return 0


def write(name: str, text: str) -> None:
    """Write one file and say so."""
    (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"docs/pictures/{name}: {len(text.encode()) / 1000:.0f} kB")


def capture_editor() -> Iterator[tuple[str, list[list[Cell]]]]:
    """What Neovim shows of a call with its suggestions, and of the proof when one was taken."""
    from tests.editors.drivers.bed import make_servers
    from tests.editors.drivers.neovim import Neovim

    with tempfile.TemporaryDirectory(prefix="llmstep-picture-") as name:
        folder = Path(name)
        servers = make_servers(folder)
        # All that is scripted in the tests is the program's own here.
        for variable in ("LLMSTEP_SOURCES", "LLMSTEP_ECHO_SCRIPT"):
            servers.environ.pop(variable)
        editor = Neovim(servers, folder)
        try:
            editor.prepare_screen(COLUMNS, ROWS)
            editor.show(folder / "Both.lean", PROOF, ("lean",))
            editor.type('llmstep ""')
            editor.wait_for_message("Try these:", "🎉")
            editor.move(3, 4)
            yield 'llmstep ""', [*read_cells(editor.read_screen(COLUMNS, ROWS, shows="Try these"))]
            taken = next(title for title in editor.list_actions() if " exact " in title)
            editor.take_action(taken)
            step = taken.removeprefix("Try this: ").partition(" (")[0]
            editor.wait_for_text(PROOF.replace("‸", step))
            editor.settle()
            yield "one click", [*read_cells(editor.read_screen(COLUMNS, ROWS, hides="Try these"))]
        finally:
            editor.close()


def read_cells(rows: Sequence[Sequence[Sequence[Any]]]) -> Iterator[list[Cell]]:
    """Cells of a screen from characters and colours as numbers; marks of empty lines are left."""
    for row in rows:
        cells = [
            Cell(character, INK if colour is None else f"#{colour:06x}")
            for character, colour in row
        ]
        if "".join(cell.character for cell in cells).strip() != "~":
            yield cells


def draw_screens(screens: Sequence[tuple[str, list[list[Cell]]]], title: str) -> str:
    """Screens one below the other, each with a line above it."""
    from llmstep_workshop.svg import drawing, element, text

    width = COLUMNS * CELL + 2 * MARGIN
    parts, y = [], 0.0
    for words, rows in screens:
        y += LINE
        parts.append(element("text", text(words), class_="note", x=MARGIN, y=y + 4))
        y += 10
        height = len(rows) * LINE + 2 * MARGIN
        parts.append(element("rect", class_="paper", x=0, y=y, width=width, height=height, rx=8))
        for number, row in enumerate(rows, 1):
            parts += draw_row(row, y + MARGIN + number * LINE - 5)
        y += height + 8
    return drawing(width, y, title, *parts, style=STYLE)


def draw_row(row: Sequence[Cell], y: float, x: float = MARGIN) -> Iterator[str]:
    """Texts of one colour each; their width is the screen's, whatever font shows them."""
    from llmstep_workshop.svg import element, text

    column = 0
    for colour, group in groupby(row, lambda cell: cell.colour):
        cells = [*group]
        words = "".join(cell.character for cell in cells)
        begin = len(words) - len(words.lstrip())
        end = len(cells) - (len(words) - len(words.rstrip()))
        if words.strip():
            yield element(
                "text",
                text(words.strip()),
                x=x + (column + begin) * CELL,
                y=y,
                textLength=(end - begin) * CELL,
                lengthAdjust="spacingAndGlyphs",
                style=None if colour == INK else f"fill:{colour}",
            )
        column += len(cells)


def record(command: list[str]) -> list[tuple[float, str]]:
    """Run a command on a terminal of its own; when it wrote what, in seconds and text."""
    with tempfile.TemporaryDirectory(prefix="llmstep-picture-") as home:
        pid, screen = pty.fork()
        if pid == 0:
            environ = {**os.environ, "LLMSTEP_HOME": home, "TERM": "xterm"}
            environ |= {"COLUMNS": str(DEMO_COLUMNS), "LINES": str(DEMO_ROWS)}
            os.execve(command[0], command, environ)
        begin, events, pending = time.monotonic(), [], b""
        while True:
            select.select([screen], [], [])
            try:
                data = os.read(screen, 65536)
            except OSError:  # Linux's way to say that the other side was closed
                data = b""
            if not data:
                break
            pending += data
            whole = pending.rfind(b"\n") + 1
            if whole:
                events.append((time.monotonic() - begin, pending[:whole].decode()))
                pending = pending[whole:]
        os.close(screen)
        _, status = os.waitpid(pid, 0)
    assert status == 0, events
    return [*shorten_pauses(events)]


def shorten_pauses(events: Iterable[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """The same with no pause longer than a watcher wants."""
    before = now = 0.0
    for moment, text in events:
        now += min(moment - before, LONGEST_PAUSE_SECONDS)
        before = moment
        yield round(now, 3), text


def format_cast(events: Sequence[tuple[float, str]], title: str) -> str:
    """The recording in asciinema's format, version 2."""
    header = {"version": 2, "width": DEMO_COLUMNS, "height": DEMO_ROWS, "title": title}
    lines: list[Any] = [header, *([moment, "o", text] for moment, text in events)]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def draw_recording(events: Sequence[tuple[float, str]], title: str) -> str:
    """The recording as a picture that moves: lines come, and old ones go up."""
    from llmstep_workshop.svg import drawing, element

    lines = [(moment, line) for moment, text in events for line in clean(text).splitlines()]
    end = events[-1][0] + 0.1
    width, height = DEMO_COLUMNS * CELL + 2 * MARGIN, DEMO_ROWS * LINE + 2 * MARGIN
    steps, rows = [], []
    for number, (moment, line) in enumerate(lines, 1):
        row = "".join(draw_row([*lay_out(line)], number * LINE - 5))
        if row:
            rows.append(f'<g class="l" style="animation-delay:{moment}s">{row}</g>')
        hidden = max(0, number - DEMO_ROWS)
        steps.append(f"{100 * moment / end:.2f}%{{transform:translateY({-hidden * LINE:g}px)}}")
    style = (
        f"{STYLE}.l{{opacity:0;animation:l 0s linear forwards}}@keyframes l{{to{{opacity:1}}}}"
        f".s{{animation:s {end:.2f}s step-end forwards}}@keyframes s{{{''.join(steps)}"
        f"to{{transform:translateY({-max(0, len(lines) - DEMO_ROWS) * LINE:g}px)}}}}"
    )
    paper = element("rect", class_="paper", x=0, y=0, width=width, height=height, rx=8)
    window = {"y": MARGIN, "width": width, "height": DEMO_ROWS * LINE}
    scrolled = element("svg", element("g", *rows, class_="s"), x=0, **window)
    return drawing(width, height, title, paper, scrolled, style=style)


def clean(text: str) -> str:
    """Text without a terminal's control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")


def lay_out(line: str) -> Iterator[Cell]:
    """The cells a terminal puts a line in; a wide character takes two."""
    for character in line[:DEMO_COLUMNS]:
        yield Cell(character)
        if unicodedata.east_asian_width(character) in ("W", "F"):
            yield Cell("")


if __name__ == "__main__":
    sys.exit(main())
