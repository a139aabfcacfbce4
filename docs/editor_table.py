"""Writes the table of docs/editors.md from what the editors were seen to do in their tests.

python docs/editor_table.py           from tests/editors/observed.json, which is kept
python docs/editor_table.py --take    from the last run of tests/editors, which is kept then
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "editors.md"
KEPT = ROOT / "tests" / "editors" / "observed.json"
LATEST = ROOT / "build" / "editors" / "observed.json"
BEGIN = "<!-- made by editor_table.py -->\n"
END = "<!-- end of the table -->\n"

ROWS = {
    "version": "versions",
    "list": 'the list of suggestions, while `llmstep "ex"` is typed',
    "take": "a suggestion is taken as a code action",
    "lean sorry": "a step in the place of `sorry`, from Lean's server",
    "lean empty": "a step in an empty `by`, from Lean's server",
    "cancel": "typing withdraws the question",
    "lean restart": "answers again after its sidecar was killed",
    "both": "*the sidecar as second server*, beside Lean's",
    "call": 'completion of `llmstep ""`',
    "between": "then the cursor stands between the quotes",
    "word": "completion of the step's first word",
    "sorry": "the call in the place of `sorry`",
    "empty": "the call in an empty `by`",
    "grey": "asks for grey text (inline completion)",
    "restart": "after it was killed, it comes back",
}


def render_table(observed: dict[str, dict[str, str]]) -> str:
    """The table in Markdown: a column for each editor."""
    editors = list(observed)
    lines = [["", *editors], ["---"] * (len(editors) + 1)]
    for row, label in ROWS.items():
        cells = [observed[editor].get(row, "not seen") for editor in editors]
        lines.append([label, *(f"**{cell}**" if cell == "no" else cell for cell in cells)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def replace_table(page: str, table: str) -> str:
    """The page with this table between its two marks.

    Raises:
        ValueError: The page lacks a mark.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the table")
    return f"{head}{begin}{table}{end}{tail}"


def merge(kept: dict[str, dict[str, str]], latest: dict[str, dict[str, str]]) -> None:
    """Put what was seen last into what is kept; another version of an editor starts anew."""
    for editor, seen in latest.items():
        if kept.get(editor, {}).get("version") != seen["version"]:
            kept[editor] = {}
        kept[editor] |= seen


def main(arguments: list[str]) -> int:
    """Write the page."""
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    if "--take" in arguments:
        merge(kept, json.loads(LATEST.read_text(encoding="utf-8")))
        text = json.dumps(kept, indent=2, ensure_ascii=False)
        KEPT.write_text(text + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(replace_table(page, render_table(kept)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
