from __future__ import annotations

import pytest

from llmstep.prompts.statement import find_statement, state_goal

FILE = "import Mathlib\n\nopen Nat\n\n"


@pytest.mark.parametrize(
    "statement",
    [
        "theorem t (p : Prop) (h : p) : p := by",
        "example : 1 = 1 := by -- begin",
        "private lemma x :\n    a = b :=\n  by",
    ],
)
def test_at_the_beginning_of_a_proof_the_files_own_statement_is_taken(statement: str) -> None:
    found = find_statement(f"{FILE}{statement}\n  ")
    assert found is not None
    file, theorem = found
    assert (file, theorem) == (FILE, statement)


@pytest.mark.parametrize(
    "text", ["", FILE, f"{FILE}theorem t : p := by\n  simp\n  ", "theorem t : p := foo_by"]
)
def test_elsewhere_there_is_none(text: str) -> None:
    assert find_statement(text) is None


def test_a_goal_becomes_a_theorem() -> None:
    goal = "case h\nα : Type u_1\ninst✝¹ : Group α\nx y : α\nh✝ : x = y\nn : Nat := 3\n⊢ x * y = 1"
    assert state_goal(goal) == (
        "theorem goal\n    (α : Type _)\n    [Group α]\n    (x y : α)\n    (h_old : x = y)\n"
        "    (n : Nat) :\n    x * y = 1 := by"
    )
