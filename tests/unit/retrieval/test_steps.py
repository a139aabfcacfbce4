"""Steps with their local names marked."""

from __future__ import annotations

import pytest

from llmstep.retrieval.steps import LOCAL, ROLE, Locals, mark_step, plain, words


def marked(step: str, *names: str) -> str:
    return mark_step(step, dict.fromkeys(names, "")).replace(LOCAL, "|")


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


def test_a_role_stands_with_its_name() -> None:
    step = mark_step("exact hf.comp hg", {"hf": "0a", "hg": ""})
    assert step.replace(LOCAL, "|").replace(ROLE, ":") == "exact |hf:0a|.comp |hg|"
    assert plain(step) == "exact hf.comp hg"


def test_without_roles_a_step_fits_where_its_names_are() -> None:
    step = mark_step("exact hf.comp hg", {"hf": "", "hg": ""})
    assert Locals.of({"hf": "1", "hg": "2", "x": "3"}).adapt(step) == "exact hf.comp hg"
    assert Locals.of({"hf": "1"}).adapt(step) is None
    assert Locals.of({}).adapt(mark_step("simp", {"hf": ""})) == "simp"


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        ({"hf": "1", "hg": "2"}, "exact hf.comp (hg.trans hf)"),  # the same names and roles
        ({"h": "1", "h'": "2"}, "exact h.comp (h'.trans h)"),  # other names
        ({"hg": "1", "hf": "2"}, "exact hg.comp (hf.trans hg)"),  # the same names, swapped
        ({"hf": "8", "hg": "9"}, "exact hf.comp (hg.trans hf)"),  # no such roles
        ({"hf": "8", "x": "2"}, "exact hf.comp (x.trans hf)"),  # one by name, one by role
        ({"h": "1"}, None),  # nothing plays the second role
        ({"hg": "1"}, None),  # the first role's name is what the second would keep
        ({"h✝": "1", "hg": "2"}, None),  # what is inaccessible cannot be named
    ],
)
def test_names_follow_their_roles(here: dict[str, str], expected: str | None) -> None:
    step = mark_step("exact hf.comp (hg.trans hf)", {"hf": "1", "hg": "2"})
    assert Locals.of(here).adapt(step) == expected


def test_words_are_dotted_names() -> None:
    assert words("rw [Nat.add_comm, h.symm, «my name»]") == [
        "rw",
        "Nat.add_comm",
        "h.symm",
        "«my name»",
    ]
