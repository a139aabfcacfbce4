from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmstep.cli import COMMANDS
from llmstep.commands.workshop import WORKSHOP
from llmstep.config import SOURCES, TABLE

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "RELEASING.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings_table() -> str:
    rows = ["| setting | default | environment | meaning |", "|---|---|---|---|"]
    for row in TABLE:
        default = "the model's" if row.default is None else f"`{row.default}`"
        default = "empty" if row.default == "" else default
        default = "all" if row.default == SOURCES else default
        rows.append(f"| `{row.name}` | {default} | `{row.variable}` | {row.meaning} |")
    return "\n".join(rows)


def test_the_settings_table_is_the_programs() -> None:
    assert settings_table() in README


def test_every_command_it_names_exists_and_none_is_left_out() -> None:
    named = set(re.findall(r"\bllmstep ([a-z]+)\b", README.split("## On the command line")[1]))
    assert {*COMMANDS, *WORKSHOP} - named <= {"demo"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_local_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text(encoding="utf-8"))
    missing = [link for link in links if not (path.parent / link).exists()]
    assert missing == []
