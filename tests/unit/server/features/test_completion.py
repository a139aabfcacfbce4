"""Names inside proofs and between the quotes, from a file and a small library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmstep.config import Settings
from llmstep.lean_text.statements import Statement
from llmstep.service.lookups import Lookups
from llmstep.sources.index_writer import write_index
from llmstep.sources.name_completion import NameQuestion
from llmstep.sources.sources import Sources
from llmstep.sources.steps import ProofStep

from ..conftest import Connection
from .test_features import Editor

pytestmark = pytest.mark.asyncio

LABELS = {"completion": {"completionItem": {"labelDetailsSupport": True}}}
STATEMENTS = [
    Statement("Nat.add_comm", "theorem", "(n m : ℕ)", "n + m = m + n", "Init.Nat"),
    Statement("Nat.add_assoc", "theorem", "(n m k : ℕ)", "n + m + k = n + (m + k)", "Init.Nat"),
    Statement("Nat.hidden", "theorem", "", "True", "Init.Nat", private=True),
    Statement("List.length_append", "theorem", "", "(s ++ t).length = s.length + t.length", "Init"),
    Statement("Foo.add_comm'", "lemma", "", "a + b = b + a", "Mathlib.Foo"),
    Statement("add_left_comm", "lemma", "", "a + (b + c) = b + (a + c)", "Mathlib.Bar"),
]
STEPS = ["rw [Nat.add_comm]"] * 3 + ["linarith"] * 5 + ["omega"] * 4 + ["zify"]
FILE = """import Mathlib
open Nat

macro "crunch" : tactic => `(tactic¦ simp)

theorem own_add (a b : ℕ) : a + b = b + a := by
  crunch
  crunch

theorem t (x y : ℕ) (hxy : x + y = 3) : y + x = 3 := by
  intro z
  have hz : z = z := rfl
"""


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    steps = [ProofStep("n : ℕ\n⊢ n = n", step) for step in STEPS]
    write_index(tmp_path / "i", steps, STATEMENTS, fewest_rows=1)
    sources = Sources(Settings(library=str(tmp_path / "i"), project=False))
    for _ in range(500):  # the names are sorted on a thread of their own
        if sources.complete_names(NameQuestion("zz", "")).complete:
            break
        time.sleep(0.01)
    yield sources
    sources.close()


@pytest.fixture
def editor(connection: Connection, sources: Sources) -> Iterator[Editor]:
    lookups = Lookups(sources)
    open_service = connection.server._session._open_service

    def serve(settings: Settings) -> Any:
        service: Any = open_service(settings)
        service.lookups = lookups
        return service

    connection.server._session._open_service = serve
    yield Editor(connection)
    lookups.close()


async def items(editor: Editor, text: str, **capabilities: Any) -> list[dict[str, Any]]:
    place = await editor.open(text, **capabilities)
    editor.connection.give("textDocument/completion", place, id=9)
    for _ in range(500):
        for message in editor.connection.sent:
            if message.get("id") == 9:
                editor.connection.sent.remove(message)
                return message["result"]["items"]
        await asyncio.sleep(0.01)
    raise AssertionError("no answer")


async def labels(editor: Editor, text: str) -> list[str]:
    found = await items(editor, text)
    return [item["label"] for item in sorted(found, key=lambda item: item["sortText"])]


@pytest.mark.parametrize(
    "text",
    [
        "def x : Nat := l|",
        "def x : Nat :=\n  l|",
        "def x : Nat :=\n  let y := 1\n  l|",
        "theorem t (l|",
        "theorem t : l|",
        "variable {l|",
        "theorem t : a := by\n  exact l|",
        "theorem t : a := by\n  simp [foo, l|",
        "theorem t : a := by\n  rw [l|",
        "theorem t : a := by\n  intro l|",
        "theorem t : a := by\n  have l|",
        "theorem t : a := by\n  have h : l|",
        "theorem t : a := by\n  simp at l|",
        "theorem t : a := by\n  exact fun l|",
        "theorem t : a := by\n  -- l|",
        'theorem t : a := by\n  exact "l|"',
        "theorem t : a := by\n  conv => l|",
        "theorem t : a := by\n  simp\n\nl|",
        "open l|",
        "namespace l|",
        "#check l|",
        "structure S where\n  l|",
        "instance : Foo where\n  l|",
        "def f : Nat → Nat\n  ¦ 0 => l|",
    ],
)
async def test_the_tactic_is_offered_nowhere_else(editor: Editor, text: str) -> None:
    assert 'llmstep ""' not in await labels(editor, text)


@pytest.mark.parametrize(
    "text",
    [
        "theorem t : a := by l|",
        "theorem t : a := by\n  l|",
        "theorem t : a := by\n  simp; l|",
        "theorem t : a := by\n  constructor\n  · l|",
        "theorem t : a := by\n  cases h with\n  ¦ inl h => l|",
        "theorem t : a := by\n  have h : b := by l|",
        "theorem t : a := foo (by l|",
        "theorem t : a := by\n  all_goals l|",
        "theorem t : a := by\n  · simp\n  l|",
    ],
)
async def test_the_tactic_is_offered_first_where_one_can_stand(editor: Editor, text: str) -> None:
    found = await labels(editor, text)
    assert found[0] == 'llmstep ""'
    assert "linarith" in found


async def test_tactics_come_from_file_library_and_lean(editor: Editor) -> None:
    assert (await labels(editor, FILE + "  cr|"))[:1] == ["crunch"]
    assert (await labels(editor, FILE + "  o|"))[:2] == ["omega", "obtain"]
    # What core Lean has not, a file that imports core alone is not offered.
    core = FILE.replace("import Mathlib", "import Init")
    assert "linarith" in await labels(editor, FILE + "  li|")
    assert "linarith" not in await labels(editor, core + "  li|")


async def test_lemmas_come_from_file_and_library_as_they_must_be_written(editor: Editor) -> None:
    found = await labels(editor, FILE + "  exact own|")
    assert found == ["own_add"]
    found = await labels(editor, FILE + "  rw [add|")  # `open Nat`
    assert found[0] == "add_comm"
    assert set(found) == {"add_comm", "add_assoc", "add_left_comm", "Foo.add_comm'"}
    assert await labels(editor, FILE + "  rw [Nat.add_a|") == ["Nat.add_assoc"]
    assert await labels(editor, FILE + "  rw [Nat.|") == ["Nat.add_comm", "Nat.add_assoc"]
    assert await labels(editor, FILE + "  rw [length_a|") == ["List.length_append"]
    core = FILE.replace("import Mathlib", "import Init")
    assert await labels(editor, core + "  rw [add_left|") == []


async def test_an_item_says_what_it_states_and_replaces_what_was_typed(editor: Editor) -> None:
    (item,) = await items(editor, FILE + "  rw [Nat.add_a|", textDocument=LABELS)
    assert item["detail"] == "(n m k : ℕ) : n + m + k = n + (m + k)"
    assert item["labelDetails"]["description"] == "Init.Nat"
    assert item["kind"] <= 18  # what a client has that names no kinds
    line = FILE.count("\n")
    begin, end = ({"line": line, "character": c} for c in (6, 15))
    assert item["textEdit"] == {"newText": "Nat.add_assoc", "range": {"start": begin, "end": end}}
    assert item["filterText"].startswith("Nat.add_a")
    (item,) = await items(editor, FILE + "  exact 𝕜 length_a|")
    assert item["filterText"] == "length_append"
    assert item["textEdit"]["range"]["start"]["character"] == 11


async def test_without_label_details_the_rest_says_where_a_name_is_from(editor: Editor) -> None:
    (item,) = await items(editor, FILE + "  rw [Nat.add_a|")
    assert "labelDetails" not in item
    assert item["documentation"].endswith("Init.Nat")
    tactic = next(i for i in await items(editor, FILE + "  li|") if i["label"] == "linarith")
    assert tactic["detail"]


@pytest.mark.parametrize(
    "text",
    [
        "  -- rw [add|",
        '  exact "add|"',
        "  intro add|",
        "  exact fun add|",
        "  obtain ⟨add|",
        "  exact x.add|",
        "  exact a|",
        "  simp [2.|",
    ],
)
async def test_no_lemma_in_comments_strings_binders_and_of_one_letter(
    editor: Editor, text: str
) -> None:
    assert await labels(editor, FILE + text) == []


async def test_no_lemma_outside_of_proofs(editor: Editor) -> None:
    assert await labels(editor, "def x := own|") == []
    assert await labels(editor, "theorem t : add|") == []


async def test_the_quotes_are_completed_as_the_step_itself_would_be(editor: Editor) -> None:
    assert "simp" in await labels(editor, FILE + '  llmstep "si|"')
    assert "omega" in await labels(editor, FILE + '  llmstep "|"')
    found = await labels(editor, FILE + '  llmstep "exact h|"')
    assert found[:2] == ["hz", "hxy"]
    found = await labels(editor, FILE + '  llmstep "rw [add_c|"')
    assert found[0] == "add_comm"
    (item,) = await items(editor, FILE + '  llmstep "exact own|"')
    # The cursor ends between the quotes: only what was typed of the name is replaced.
    assert item["textEdit"]["newText"] == "own_add"
    assert item["textEdit"]["range"]["end"] == editor.position
    assert 'llmstep ""' not in await labels(editor, FILE + '  llmstep "l|"')


async def test_whole_steps_are_offered_where_the_text_tells_the_goal(editor: Editor) -> None:
    head = "theorem u (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n"
    found = {item["label"]: item for item in await items(editor, head + '  llmstep "exact |"')}
    step = found["exact ⟨hp, hq⟩"]
    assert "not checked by Lean" in step["detail"]
    assert step["textEdit"]["range"]["start"]["character"] == 11  # behind the quote
    assert step["textEdit"]["range"]["end"] == editor.position
    # Behind `simp` nobody but Lean knows the goal.
    assert "exact ⟨hp, hq⟩" not in await labels(editor, head + '  simp\n  llmstep "exact |"')


@pytest.mark.parametrize(
    "text", ['  -- llmstep "si|"', '  exact llmstep "si|"', '  foollmstep "si|"']
)
async def test_other_quotes_are_left_alone(editor: Editor, text: str) -> None:
    assert await labels(editor, FILE + text) == []


async def test_the_setting_leaves_the_tactic_alone(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_COMPLETE_NAMES", "off")
    assert await labels(editor, FILE + "  l|") == ['llmstep ""']
    monkeypatch.undo()


async def test_a_completion_that_hangs_can_be_withdrawn(
    editor: Editor, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "complete_names", lambda _question: time.sleep(1))
    place = await editor.open(FILE + "  exact own|")
    editor.connection.give("textDocument/completion", place, id=9)
    editor.connection.give("$/cancelRequest", {"id": 9})
    assert (await editor.connection.answer(9))["error"]["code"] == -32800
