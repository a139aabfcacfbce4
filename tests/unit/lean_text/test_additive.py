"""Additive forms of multiplicative statements."""

from __future__ import annotations

import pytest

from llmstep.lean_text.attributes import additive_name, additive_text, read_additive
from llmstep.lean_text.document import LeanDocument


@pytest.mark.parametrize(
    ("name", "additive"),
    [
        ("mul_comm", "add_comm"),
        ("inv_mul_cancel_left", "neg_add_cancel_left"),
        ("mul_le_of_le_one_left'", "add_le_of_nonpos_left'"),
        ("one_lt_of_lt_mul", "pos_of_lt_add"),
        ("eventuallyLE_one", "eventuallyLE_zero"),
        ("Finset.prod_comm", "Finset.sum_comm"),
        ("Subgroup.mul_mem", "AddSubgroup.add_mem"),
        ("MonoidHom.map_one", "AddMonoidHom.map_zero"),
        ("Prod.fst_mul", "Prod.fst_add"),
        ("LinearOrderedCommGroup", "LinearOrderedAddCommGroup"),
        ("Multipliable.tprod_mul", "Summable.tsum_add"),
        ("Function.mulSupport", "Function.support"),
        ("plain", "plain"),
    ],
)
def test_names(name: str, additive: str) -> None:
    assert additive_name(name) == additive


def test_a_name_that_the_attribute_gives() -> None:
    assert additive_name("Subgroup.mul_mem", "other") == "AddSubgroup.other"
    assert additive_name("Monoid.Own.mul", "Space.other") == "AddMonoid.Space.other"
    assert additive_name("mul", "Far.Space.other") == "Far.Space.other"


@pytest.mark.parametrize(
    ("lead", "given"),
    [
        ("@[to_additive] ", ""),
        ("@[simp, to_additive foo_bar] protected ", "foo_bar"),
        ("@[to_additive (attr := simp, norm_cast) Own.foo] ", "Own.foo"),
        ('@[to_additive "A text."] ', ""),
        ("@[to_additive (attr := simp)\n  foo, ext] ", "foo"),
        ("@[to_additive existing] ", None),
        ("@[to_additive existing foo] ", None),
        ("@[simp] ", None),
        ("@[to_additive_relevant_arg 2] ", None),
        ("", None),
    ],
)
def test_attributes(lead: str, given: str | None) -> None:
    assert read_additive(lead) == given


@pytest.mark.parametrize(
    ("text", "additive"),
    [
        ("a * b⁻¹ = (a * b)⁻¹ / 1", "a + -b = -(a + b) - 0"),
        ("a ^ (n + 1) = a * a ^ n", "(n + 1) • a = a + n • a"),
        ("[CommMonoid M] (h : 1 ≤ a)", "[AddCommMonoid M] (h : 0 ≤ a)"),
        ("∏ i ∈ s, f i = Prod.fst (g • x)", "∑ i ∈ s, f i = Prod.fst (g +ᵥ x)"),
        ("x = 10", "x = 10"),
    ],
)
def test_texts(text: str, additive: str) -> None:
    assert additive_text(text) == additive


def test_both_forms_are_stated() -> None:
    text = (
        "namespace Own\n"
        "@[to_additive (attr := simp)]\n"
        "theorem mul_one_mul [Monoid M] (a b : M) : a * 1 * b = a * b := by simp\n"
        "@[to_additive existing]\ntheorem one : 1 = 1 := rfl\n"
    )
    found = LeanDocument(text).statements(last=True)
    assert [s.name for s in found] == ["Own.mul_one_mul", "Own.add_zero_add", "Own.one"]
    assert found[1].binders == "[AddMonoid M] (a b : M)"
    assert found[1].conclusion == "a + 0 + b = a + b"
