"""Goals of theorems, told from their text."""

from __future__ import annotations

from llmstep_workshop.data.reconstruction.theorem_goals import scan_goals


def goals(text: str, *, auto_bound: bool = True, mathlib: bool = False) -> list[str]:
    found = scan_goals(text, auto_bound=auto_bound, mathlib=mathlib)
    return [theorem.goal.render() for theorem in found]


def test_a_theorem_has_the_variables_that_it_mentions() -> None:
    text = """
variable {α β : Type*} [Inhabited α] [Inhabited β] (r : α → α → Prop) (x : β)
theorem t (a : α) : r a a := by
  simp
"""
    assert goals(text) == ["α : Type u_1\ninst✝ : Inhabited α\nr : α → α → Prop\na : α\n⊢ r a a"]


def test_an_example_has_all_variables() -> None:
    text = "variable (p q : Prop)\nexample (hp : p) : p := by\n  exact hp\n"
    assert goals(text) == ["p q : Prop\nhp : p\n⊢ p"]


def test_a_variable_that_is_declared_again_hides_the_older_one_and_its_instances() -> None:
    text = """
variable {α : Type*} [Preorder α]
variable {α : Type*} [PartialOrder α]
theorem t (a : α) : a = a := by
  rfl
"""
    assert goals(text) == ["α : Type u_2\ninst✝ : PartialOrder α\na : α\n⊢ a = a"]


def test_universes_are_counted_over_all_variables() -> None:
    text = "variable {α : Type*} {β : Type*}\ntheorem t (b : β) : b = b := by\n  rfl\n"
    assert goals(text) == ["β : Type u_2\nb : β\n⊢ b = b"]
    text = "universe u\ntheorem t {α : Type u} (a : α) : a = a := by\n  rfl\n"
    assert goals(text) == ["α : Type u\na : α\n⊢ a = a"]


def test_letters_that_nobody_bound_come_first() -> None:
    text = "theorem t (xs : List α) (h : xs = y) : y = xs := by\n  simp\n"
    assert goals(text) == ["α : Type u_1\ny xs : List α\nh : xs = y\n⊢ y = xs"]
    assert goals("theorem t (hp : p) : p := by\n  exact hp\n") == ["p : Prop\nhp : p\n⊢ p"]
    text = "theorem t (x : α) (p : α → Prop) (h : p x) : p x := by\n  exact h\n"
    assert goals(text)[0].startswith("α : Sort u_1\nx : α\n")


def test_the_types_of_unbound_names_come_from_the_files_definitions() -> None:
    text = """
def f (a b : Bool) : Bool := a || b
theorem t : f b1 b2 = f b2 b1 := by
  simp
"""
    assert goals(text) == ["b1 b2 : Bool\n⊢ f b1 b2 = f b2 b1"]


def test_nothing_is_bound_where_auto_implicit_is_off() -> None:
    text = "theorem t (xs : List α) : xs = xs := by\n  rfl\n"
    assert goals(text, auto_bound=False) == ["xs : List α\n⊢ xs = xs"]
    assert goals("set_option autoImplicit false\n" + text) == ["xs : List α\n⊢ xs = xs"]


def test_mathlib_writes_number_types_by_their_signs() -> None:
    text = "theorem t (n : Nat) : n = n := by\n  rfl\n"
    assert goals(text, mathlib=True) == ["n : ℕ\n⊢ n = n"]


def test_names_that_cannot_be_written_bear_a_dagger() -> None:
    text = "theorem t (n : Nat) (_ : 0 < n) (n : Nat) [Inhabited α] : n = n := by\n  rfl\n"
    [goal] = goals(text)
    assert "n✝ : Nat\nx✝ : 0 < n✝\nn : Nat\ninst✝ : Inhabited α" in goal


def test_what_has_a_default_value_is_left_out() -> None:
    assert goals("theorem t (h : p := by simp) : p := by\n  exact h\n") == []
