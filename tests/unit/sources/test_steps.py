"""Steps with their local names marked."""

from __future__ import annotations

import pytest

from llmstep.lean_text.scope import NameScope
from llmstep.sources.steps import (
    LOCAL,
    OPENED,
    ROLE,
    Surroundings,
    mark_namespaces,
    mark_step,
    plain,
    short_names,
    words,
)


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
    assert Surroundings.of({"hf": "1", "hg": "2", "x": "3"}).adapt(step) == "exact hf.comp hg"
    assert Surroundings.of({"hf": "1"}).adapt(step) is None
    assert Surroundings.of({}).adapt(mark_step("simp", {"hf": ""})) == "simp"


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
    assert Surroundings.of(here).adapt(step) == expected


KNOWN = {
    "Set.inter_comm",
    "Set",
    "Set.Foo.bar",
    "A.B.c",
    "A.c",
    "mem_iff",
    "Set.mem_iff",
    "Set.ext",
}


@pytest.mark.parametrize(
    ("step", "declaration", "expected"),
    [
        ("rw [inter_comm, h.symm]", "Set.foo", "rw [Set.~inter_comm, h.symm]"),
        ("exact Foo.bar", "Set.foo", "exact Set.~Foo.bar"),
        ("exact c", "A.B.foo", "exact A.B.~c"),  # the innermost
        ("exact c", "A.D.foo", "exact A.~c"),
        ("exact mem_iff", "Set.foo", "exact mem_iff"),  # there is one in no namespace
        ("exact inter_comm", "foo", "exact inter_comm"),
        ("exact h.inter_comm", "Set.foo", "exact h.inter_comm"),
        ("ext; ext", "Set.foo", "ext; ext"),  # tactics
        ("simp <;> c", "A.foo", "simp <;> c"),
        ("c; exact c", "A.foo", "c; exact A.~c"),
    ],
)
def test_names_are_completed_by_the_namespace_they_stand_in(
    step: str, declaration: str, expected: str
) -> None:
    marked = mark_namespaces(step, declaration, KNOWN)
    assert marked.replace(OPENED, "~") == expected
    assert plain(marked) == step
    assert [name for _, name in short_names(marked)] == [
        word.partition("~")[2].rstrip(",]") for word in expected.split() if "~" in word
    ]


def test_a_local_name_is_not_completed() -> None:
    marked = mark_step("exact inter_comm.trans h₁", {"inter_comm": "0a"})
    assert mark_namespaces(marked, "Set.foo", KNOWN) == marked


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (None, "c"),
        (NameScope(), "A.B.c"),
        (NameScope(frozenset({"A"})), "B.c"),
        (NameScope(frozenset({"A", "A.B"})), "c"),
        (NameScope(frozenset({"Kin"})), "c"),
        (NameScope(frozenset({"Other"})), "A.B.c"),
        (NameScope(declared=frozenset({"c"})), "c"),
    ],
)
def test_a_name_is_written_as_short_as_it_can_be(scope: NameScope | None, expected: str) -> None:
    here = Surroundings.of({}, scope, {"A.B.c", "Kin.c"}.__contains__)
    assert here.adapt(mark_namespaces("exact c", "A.B.foo", KNOWN)) == f"exact {expected}"


def test_words_are_dotted_names() -> None:
    assert words("rw [Nat.add_comm, h.symm, «my name»]") == [
        "rw",
        "Nat.add_comm",
        "h.symm",
        "«my name»",
    ]
