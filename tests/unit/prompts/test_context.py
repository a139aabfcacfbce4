"""The file before the cursor, cut to a token budget."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.lean_text.commands import split_commands
from llmstep.prompts.context import cut_context, keep_end

FILE = """/-
Copyright: import nothing
theorem fake : False
-/
module
import Mathlib.A
public import Mathlib.B

open Set Function
namespace Foo
variable {α : Type*}
  (s : Set α)

section Bar
variable (t : Set α)
/-- A doc comment
theorem in_doc : False
-/
@[simp, to_additive
  "text"]
theorem a : 1 = 1 := by
  simp

open Classical in
/-- doc "-/
private noncomputable def b : String :=
  "
theorem in_string
  "
end Bar

theorem c : 2 = 2 := by
rfl

theorem d (h : p) : q := by
  have := 3
  """


def count(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]|\n", text))


def test_commands_with_what_stands_in_front_of_them() -> None:
    commands = split_commands(FILE)
    assert [c.keyword for c in commands] == [
        *("module", "import", "import", "open", "namespace", "variable", "section", "variable"),
        *("theorem", "def", "end", "theorem", "theorem"),
    ]
    texts = [FILE[c.start : c.end] for c in commands]
    assert texts[2] == "public import Mathlib.B\n\n"
    assert texts[8].startswith("/-- A doc comment")
    assert texts[8].endswith("simp\n\n")
    assert texts[9].startswith("open Classical in\n/-- doc")
    assert texts[11] == "theorem c : 2 = 2 := by\nrfl\n\n"


def test_a_file_that_fits_is_not_changed() -> None:
    cut = cut_context(FILE, count(FILE), count)
    assert cut == FILE


def test_the_nearest_declarations_stay_under_the_lines_in_scope() -> None:
    cut = cut_context(FILE, 75, count)
    assert cut == (
        "module\nimport Mathlib.A\npublic import Mathlib.B\nopen Set Function\nnamespace Foo\n"
        "variable {α : Type*}\n  (s : Set α)\n\n"
        "theorem c : 2 = 2 := by\nrfl\n\ntheorem d (h : p) : q := by\n  have := 3\n  "
    )


def test_a_section_that_is_still_open_keeps_its_lines() -> None:
    inner = FILE.replace("end Bar\n", "")
    assert "section Bar\nvariable (t : Set α)" in cut_context(inner, 90, count)


def test_inner_scope_lines_stay_longest() -> None:
    cut = cut_context(FILE, 40, count)
    assert cut.startswith("namespace Foo\nvariable {α : Type*}\n  (s : Set α)\n\ntheorem d")
    assert cut.endswith("have := 3\n  ")


def test_the_last_declaration_is_cut_at_a_line_if_it_alone_is_too_long() -> None:
    lines = "".join(f"  have h{i} : x = {i} := by simp\n" for i in range(100))
    cut = cut_context(f"open Foo\n\ntheorem a : p := by\n{lines}  ", 120, count)
    assert re.match(r"open Foo\n\n  have h\d+", cut)
    assert cut.endswith("  have h99 : x = 99 := by simp\n  ")
    assert 60 < count(cut) <= 120


def test_no_room() -> None:
    assert cut_context(FILE, 0, count) == ""
    assert cut_context("", 0, count) == ""


def test_a_growing_file_keeps_the_beginning_of_the_prompt() -> None:
    text = "import Foo\n\n" + "".join(
        f"theorem t{i} : a = {i} := by\n  rfl\n\n" for i in range(900)
    )
    starts = set()
    for step in range(20):
        cut = cut_context(text + f"theorem new{step} : p := by\n  ", 2000, count)
        assert 1000 < count(cut) <= 2000
        starts.add(cut[:300])
        text += f"theorem new{step} : p := by\n  exact foo {step}\n\n"
    assert len(starts) <= 3


def test_keep_end_prefers_the_start_of_a_line() -> None:
    assert keep_end("aa bb\ncc dd\nee ff", 7, count) == "cc dd\nee ff"
    assert keep_end("aa bb cc", 2, count) == "bb cc"
    assert keep_end("aa", 0, count) == ""


PIECES = st.sampled_from((
    "import A\n", "open B\n", "namespace C\n", "end C\n", "section\n", "end\n", "variable (x)\n",
    "theorem t : p := by\n  simp\n\n", "def d := 1\n", "/-- doc -/\n", "/- ", " -/\n", '"',
    "@[simp]\n", "@[foo", "-- theorem\n", "#eval 1\n", "example :\n", "  x\n", "\n", "open D in\n",
))  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join), st.integers(0, 60))
def test_properties_of_cutting(document: str, budget: int) -> None:
    cut = cut_context(document, budget, count)
    assert count(cut) <= budget
    tail = cut.rsplit("\n\n", 1)[-1]
    assert document.endswith(tail)
    commands = split_commands(document)
    assert all(a.end == b.start for a, b in itertools.pairwise(commands))
    if commands:
        assert commands[-1].end == len(document)


@pytest.mark.parametrize(
    "document",
    [
        FILE * 14_000,
        "x y " * 2_500_000,
        "theorem a : x :=\n" * 600_000,
        "/-" * 5_000_000,
        '"\n' * 5_000_000,
        "open Foo\n" * 1_000_000,
        "@[\n" * 3_000_000,
    ],
    ids=["file", "words", "theorems", "comments", "quotes", "opens", "attributes"],
)
def test_a_huge_document_costs_the_tokenizer_little(document: str) -> None:
    asked = 0

    def counting(text: str) -> int:
        nonlocal asked
        asked += len(text)
        return count(text)

    cut = cut_context(document, 2000, counting)
    assert count(cut) <= 2000
    assert asked < 400_000
