"""What a file states: names, binders and conclusions as others have to know them."""

from __future__ import annotations

import pytest

from llmstep.lean_text.document import LeanDocument
from llmstep.lean_text.statements import Statement


def statements(text: str) -> list[Statement]:
    return [
        s
        for declaration in LeanDocument(text).declarations(last=True)
        for s in declaration.statements()
    ]


def only(text: str) -> Statement:
    (statement,) = statements(text)
    return statement


@pytest.mark.parametrize(
    ("text", "binders", "conclusion"),
    [
        ("theorem t (a b : ℕ) : a + b = b + a := by\n  omega", "(a b : ℕ)", "a + b = b + a"),
        (
            "lemma t {p : ℕ → Prop}\n    (h : ∀ n, p n) :\n    p 0 := h 0",
            "{p : ℕ → Prop} (h : ∀ n, p n)",
            "p 0",
        ),
        ("theorem t (x : ℝ) : |x| ≤ 1 ∨ |x| > 1 := le_or_gt ..", "(x : ℝ)", "|x| ≤ 1 ∨ |x| > 1"),
        ("theorem t (x : ℝ) :\n    |x| ≤ 1 := f\n", "(x : ℝ)", "|x| ≤ 1"),
        ("theorem t : ∀ n : ℕ, 0 ≤ n\n  | 0 => le_rfl\n  | n + 1 => foo", "", "∀ n : ℕ, 0 ≤ n"),
        ("theorem t : let x := 2; x = 2 := rfl", "", "let x := 2; x = 2"),
        ("theorem t : {x : ℕ | 0 < x} = s := rfl", "", "{x : ℕ | 0 < x} = s"),
        ("theorem t (h : p := by simp) : q := h", "(h : p := by simp)", "q"),
        ("theorem t -- a (comment\n  (a : A) /- b : B := -/ : C := c", "(a : A)", "C"),
        ('theorem t (h : s = "a : b := c") : d := e', '(h : s = "a : b := c")', "d"),
        ("theorem t (c : c = ':') : d := e", "(c : c = ':')", "d"),
        ("theorem t.{u} {α : Type u} : α = α := rfl", "{α : Type u}", "α = α"),
        ("axiom t (p : Prop) : p ∨ ¬p", "(p : Prop)", "p ∨ ¬p"),
    ],
)
def test_binders_and_conclusion(text: str, binders: str, conclusion: str) -> None:
    found = only(text)
    assert (found.name, found.binders, found.conclusion) == ("t", binders, conclusion)


@pytest.mark.parametrize(
    ("text", "conclusion"),
    [
        ("def double (n : ℕ) : ℕ := 2 * n", "double n = 2 * n"),
        ("abbrev Good {α : Type} (s : Set α) := s.Nonempty", "Good s = s.Nonempty"),
        ("def fact : ℕ → ℕ\n  | 0 => 1\n  | n + 1 => (n + 1) * fact n", "fact 0 = 1"),
        ("def f (n : ℕ) : ℕ := by\n  exact n", "ℕ"),
        ("def big : ℕ :=\n" + "  1 +\n" * 200 + "  1", "ℕ"),
    ],
)
def test_a_definition_with_a_short_body_is_an_equation(text: str, conclusion: str) -> None:
    assert only(text).conclusion == conclusion


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("namespace A\ntheorem t : p := q", ["A.t"]),
        ("namespace A.B\ntheorem t : p := q\nend A.B\ntheorem u : p := q", ["A.B.t", "u"]),
        ("namespace A.B\nend B\ntheorem t : p := q", ["A.t"]),
        ("namespace A\nnamespace B\nend A.B\ntheorem t : p := q", ["t"]),
        ("namespace A\nsection B\ntheorem t : p := q\nend B\nend A", ["A.t"]),
        ("namespace A\ntheorem _root_.t : p := q", ["t"]),
        ("namespace A\nopen B in theorem t : p := q", ["A.t"]),
        ("@[simp]\n@[to_additive]\nprotected theorem A.t : p := q", ["A.t"]),
        ("@[simp] lemma «a b» : p := q", ["a b"]),
        ("instance : Foo ℕ := ⟨1⟩\ninstance foo : Foo ℤ := ⟨1⟩", ["foo"]),
        ("instance (priority := 100) foo : Foo ℤ := ⟨1⟩", ["foo"]),
        ("example : p := q\n/-\ntheorem a : p := q\n-/", []),
        ("noncomputable section\ntheorem t : p := q\nend\ntheorem u : p := q", ["t", "u"]),
        (
            "mutual\ntheorem a : p := q\ntheorem b : p := q\nend\ntheorem c : p := q",
            ["a", "b", "c"],
        ),
    ],
)
def test_full_names(text: str, names: list[str]) -> None:
    assert [s.name for s in statements(text)] == names


@pytest.mark.parametrize(
    ("variables", "theorem", "binders"),
    [
        ("variable (a : A) (b : B)", "t : p a := q", "(a : A)"),
        ("variable (a b : A)", "t : p b := q", "(b : A)"),
        ("variable {α : Type*} [Group α] (a : α)", "t : p a := q", "{α : Type*} [Group α] (a : α)"),
        ("variable {α β : Type*} [Group β]", "t (x : α) : p x := q", "{α : Type*} (x : α)"),
        ("variable (a : A)", "t (a : B) : p a := q", "(a : B)"),
        ("variable (a : A)\nvariable {a}", "t : p a := q", "{a : A}"),
        ("variable (a b : A)\nvariable {a}", "t : p a b := q", "{a : A} (b : A)"),
        ("variable (h : c)\ninclude h", "t : p := q", "(h : c)"),
        (
            "variable {α : Type*} [Foo α]\nomit [Foo α] in",
            "t (a : α) : p a := q",
            "{α : Type*} (a : α)",
        ),
        ("section\nvariable (a : A)\nend", "t : p a := q", ""),
        ("variable (a : A) in", "t : p a := q", "(a : A)"),
    ],
)
def test_section_variables(variables: str, theorem: str, binders: str) -> None:
    found = only(f"{variables}\ntheorem {theorem}")
    assert sorted(found.binders.split(") ")) == sorted(binders.split(") ")) or (
        found.binders == binders
    )


def test_a_variable_for_one_declaration_is_gone_with_the_next() -> None:
    first, second = statements("variable (a : A) in\ntheorem t : p a := q\n\ntheorem u : p a := q")
    assert (first.binders, second.binders) == ("(a : A)", "")


def test_fields_of_a_structure() -> None:
    text = """structure Foo (α : Type) [Group α] extends Bar α where
  /-- Doc. -/
  one : α
  two (a : α) : a * one = a
  protected three : ∀ a : α,
      a = one := by simp
  four five : α
deriving Repr

theorem after : p := q
"""
    found = {s.name: s for s in statements(text)}
    assert list(found) == ["Foo.one", "Foo.two", "Foo.three", "Foo.four", "Foo.five", "after"]
    two = found["Foo.two"]
    assert two.binders == "{α : Type} [Group α] (self : Foo α) (a : α)"
    assert (two.conclusion, two.kind) == ("a * one = a", "field")
    assert found["Foo.three"].conclusion == "∀ a : α, a = one"
    assert found["Foo.two"].line == 3


def test_a_class_takes_itself_as_an_instance() -> None:
    (found,) = statements("class Foo (α : Type) where\n  le_one : ∀ a : α, a ≤ one\n")
    assert found.binders == "{α : Type} [self : Foo α]"


def test_constructors() -> None:
    text = (
        "inductive Even : ℕ → Prop\n  | zero : Even 0\n"
        "  | step (n : ℕ) (h : Even n) : Even (n + 2)\n"
    )
    zero, step = statements(text)
    assert (zero.name, zero.conclusion, zero.kind) == ("Even.zero", "Even 0", "constructor")
    assert (step.binders, step.conclusion) == ("(n : ℕ) (h : Even n)", "Even (n + 2)")


def test_private_and_protected() -> None:
    one, two = statements("private theorem a : p := q\nprotected theorem A.b : p := q")
    assert (one.private, one.protected, two.private, two.protected) == (True, False, False, True)


def test_the_proof_and_the_types_of_a_declaration() -> None:
    text = "theorem t (a b : ℕ) [Foo a] (h : a = b := rfl) : b = a := by -- so\n  exact h.symm\n"
    (found,) = LeanDocument(text).declarations(last=True)
    assert found.types == {"a": "ℕ", "b": "ℕ", "h": "a = b"}
    assert found.proof == "by \n  exact h.symm"


def test_a_whole_file_is_read_without_lines_that_are_no_commands() -> None:
    text = 'def s := "\ntheorem no : p := q\n"\n\ntheorem yes : p := q\n'
    assert [s.name for s in statements(text)] == ["s", "yes"]
