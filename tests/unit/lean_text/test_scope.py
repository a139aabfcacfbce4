"""What is open, and what is declared, where a text ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.lean_text.document import read_document
from llmstep.lean_text.scope import NameScope, Scope


def read_name_scope(text: str) -> NameScope:
    return read_document(text).names()


END = "\n\nexample : True := by\n  "


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("import Mathlib", set()),
        ("open Set Filter", {"Set", "Filter"}),
        ("open scoped Topology", set()),
        ("open Set (inter_comm union_comm)", set()),
        ("open Set hiding inter_comm", {"Set"}),
        ("open Set renaming inter_comm → foo", {"Set"}),
        ("namespace A.B", {"A", "A.B"}),
        ("namespace A\nnamespace B", {"A", "A.B"}),
        ("namespace A\nnamespace B\nend B", {"A"}),
        ("namespace A\nopen B", {"A", "B", "A.B"}),
        ("section\nopen Set\nend", set()),
        ("section Foo\nopen Set", {"Set"}),
        ("-- open Set", set()),
        ("/-\nopen Set\n-/", set()),
        ("theorem A.foo : True := by\n  open Set in simp", set()),
    ],
)
def test_namespaces_that_are_open(text: str, opened: set[str]) -> None:
    assert read_name_scope(text + END).opened == opened


def test_the_declaration_at_the_end_has_what_opens_for_it_alone() -> None:
    text = "namespace A\n\nopen Set in\n/-- Text. -/\ntheorem B.C.foo : 1 = 1 := by\n  "
    assert read_name_scope(text).opened == {"A", "A.B", "A.B.C", "Set", "A.Set"}


def test_names_that_the_text_declares() -> None:
    text = "theorem foo : p := q\n\n@[simp] private lemma Bar.baz : p := q\n\ndef two := 2" + END
    assert read_name_scope(text).declared == {"foo", "Bar.baz", "two"}


def test_a_text_without_commands_says_nothing() -> None:
    assert read_name_scope("") == read_name_scope("  exact foo") == NameScope()


@given(st.text(alphabet="open namespace end section theorem \n.:=ABx(/-)", max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    assert "" not in read_name_scope(text).opened


def scope_of(text: str) -> NameScope:
    return read_name_scope(text + END)


@pytest.mark.parametrize(
    ("text", "name", "written"),
    [
        ("", "A.b", "A.b"),
        ("open A", "A.b", "b"),
        ("namespace A", "A.b", "b"),
        ("namespace A", "A.B.c", "B.c"),
        ("namespace A.B", "A.c", "c"),
        ("open A", "A.B.c", "B.c"),
        ("open A (b)", "A.b", "b"),
        ("open A (b)", "A.c", "A.c"),
        ("open A hiding b", "A.b", "A.b"),
        ("open A hiding b", "A.c", "c"),
        ("open A renaming b → c", "A.b", "c"),
        ("open scoped A", "A.b", "A.b"),
        ("section\nopen A\nend", "A.b", "A.b"),
        ("open A in\ntheorem t : p := q", "A.b", "A.b"),
        ("namespace A\nopen B", "A.B.c", "c"),
        # Two meanings are one too many; the innermost namespace wins.
        ("theorem b : p := q\nopen A", "A.b", "A.b"),
        ("theorem A.b : p := q\nnamespace A", "b", "_root_.b"),
        ("theorem A.b : p := q\nopen A", "b", "_root_.b"),
        ("theorem A.B.c : p := q\nnamespace A.B", "A.c", "A.c"),
        ("theorem B.c : p := q\nopen A B", "A.c", "A.c"),
        ("export A (b)", "A.b", "b"),
    ],
)
def test_how_a_name_is_written(text: str, name: str, written: str) -> None:
    assert scope_of(text).write(name) == written


def test_what_a_written_name_may_stand_for() -> None:
    text = (
        "open Set Nat hiding succ\nopen Real (sqrt)\nnamespace A\nnamespace B\ntheorem t : p := by "
    )
    names = read_name_scope(text)
    inner, outer, root, *opened = names.readings("foo")
    assert (inner, outer, root) == ("A.B.foo", "A.foo", "foo")
    assert "Set.foo" in opened
    assert next(names.readings("sqrt")) == "Real.sqrt"
    assert [*names.readings("_root_.foo")] == ["foo"]
    assert [*NameScope().readings("Set.foo")] == ["Set.foo"]


def test_a_protected_name_keeps_its_last_namespace() -> None:
    assert scope_of("open A").write("A.b", protected=True) == "A.b"
    assert scope_of("namespace A").write("A.B.c", protected=True) == "B.c"


def test_a_local_name_comes_first() -> None:
    assert scope_of("open A").write("A.b", taken={"b"}) == "A.b"
    assert scope_of("").write("b", taken={"b"}) == "_root_.b"
    assert scope_of("").write("A.b", taken={"A"}) == "_root_.A.b"


def test_names_that_are_known_elsewhere_count() -> None:
    scope = scope_of("namespace A")
    assert scope.write("b", knows={"A.b"}.__contains__) == "_root_.b"
    assert scope.write("A.b", knows={"b"}.__contains__) == "b"


def test_an_instance_of_a_variable_that_was_declared_again_is_not_used() -> None:
    scope = Scope()
    for line in ("variable {α : Type} [Preorder α]", "variable {α : Type} [PartialOrder α]"):
        scope = scope.extended("variable", line)
    assert [group.text for group in scope.used_variables(["α"])] == [
        "{α : Type}",
        "[PartialOrder α]",
    ]


def test_a_variable_whose_brackets_change_keeps_its_place() -> None:
    scope = Scope().extended("variable", "variable (a b c : Nat)")
    scope = scope.extended("variable", "variable {b}")
    texts = [group.text for group in scope.used_variables(["a", "b", "c"])]
    assert texts == ["(a : Nat)", "{b : Nat}", "(c : Nat)"]
