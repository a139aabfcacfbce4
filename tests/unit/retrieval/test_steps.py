"""Steps with their local names marked."""

from __future__ import annotations

import pytest

from llmstep.retrieval.steps import LOCAL, fits, mark_step, plain, words


def marked(step: str, *names: str) -> str:
    return mark_step(step, names).replace(LOCAL, "|")


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("exact foo", "exact |foo|"),
        ("exact foo.symm", "exact |foo|.symm"),
        ("exact Bar.foo", "exact Bar.foo"),
        ("exact foo'", "exact foo'"),
        ("exact foobar", "exact foobar"),
        ("rw [foo, ← foo]", "rw [|foo|, ← |foo|]"),
    ],
)
def test_a_name_is_marked_as_a_whole_word(step: str, expected: str) -> None:
    assert marked(step, "foo") == expected


def test_short_names_are_local_unless_the_step_introduces_them() -> None:
    assert marked("exact h₁.trans hx") == "exact |h₁|.trans |hx|"
    assert marked("exact mul_comm a b") == "exact mul_comm |a| |b|"
    assert marked("intro h") == "intro h"
    assert marked("rcases foo with ⟨a, b⟩", "foo") == "rcases |foo| with ⟨a, b⟩"
    assert marked("exact fun h ↦ h") == "exact fun h ↦ h"


def test_a_step_fits_where_its_names_are() -> None:
    step = mark_step("exact hf.comp hg", ["hf", "hg"])
    assert fits(step, {"hf", "hg", "x"})
    assert not fits(step, {"hf"})
    assert fits(mark_step("simp", ["hf"]), set())
    assert plain(step) == "exact hf.comp hg"


def test_words_are_dotted_names() -> None:
    assert words("rw [Nat.add_comm, h.symm, «my name»]") == [
        "rw",
        "Nat.add_comm",
        "h.symm",
        "«my name»",
    ]
