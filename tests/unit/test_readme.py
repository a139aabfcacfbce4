from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmstep.cli import COMMANDS
from llmstep.commands.workshop import WORKSHOP
from llmstep.config import SOURCES, TABLE, Settings
from llmstep.sources.sources import Sources

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


def test_the_first_example_is_answered_with_the_lemma_above_it() -> None:
    block = README.partition("```lean\n")[2].partition("```")[0]
    text = block.rpartition('llmstep ""')[0]
    goal = "g : Nat → Nat\nhg : ∀ (n : Nat), g n ≤ g (n + 1)\nk : Nat\n⊢ g k ≤ g (k + 2)"
    assert "example (g : Nat → Nat) (hg : ∀ n, g n ≤ g (n + 1)) (k : Nat) : g k ≤ g (k + 2)" in text
    evidence = Sources(Settings(project=False)).gather(goal, text)
    scored = [(tactic, estimate.score) for tactic, estimate in evidence.propose()]
    offered = [tactic for tactic, _ in evidence.choose(scored, 24)]
    (step,) = re.findall(r"`(exact two_steps[^`]*)`", README)
    assert step in offered[:3]
