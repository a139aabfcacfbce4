"""Equations that ``simps`` makes of a definition."""

from __future__ import annotations

import pytest

from llmstep.lean_text.document import LeanDocument


def made(text: str) -> list[tuple[str, str]]:
    return [
        (s.name, s.conclusion) for d in LeanDocument(text).declarations(last=True) for s in d.made
    ]


def test_a_function() -> None:
    text = (
        "@[simps] def swap (α β : Type) : α × β ≃ β × α where\n"
        "  toFun x := (x.2, x.1)\n  invFun := fun x => (x.2, x.1)\n"
        "  left_inv x := by\n    simp\n  right_inv _ := rfl\n"
    )
    assert made(text) == [
        ("swap_apply", "swap α β x = (x.2, x.1)"),
        ("swap_symm_apply", "(swap α β).symm x = (x.2, x.1)"),
    ]


def test_fields_that_the_attribute_names() -> None:
    text = (
        "@[simps! -isSimp (attr := grind =) obj]\n"
        "def Own.shift (F : C ⥤ D) : C ⥤ D where\n"
        "  obj X := F.obj (s X)\n  map f := F.map f\n"
    )
    assert made(text) == [("Own.shift_obj", "(Own.shift F).obj X = F.obj (s X)")]


def test_the_additive_form_has_them_too() -> None:
    text = (
        "@[to_additive (attr := simps)]\ndef mulSwap : M →* M where\n  toFun x := 1 * x\n"
        "@[simps, to_additive]\ndef mulId : M →* M where\n  toFun x := x * 1\n"
    )
    names = [name for name, _ in made(text)]
    first = ["mulSwap_apply", "addSwap", "addSwap_apply"]
    assert names == [*first, "mulId_apply", "addId", "addId_apply"]


@pytest.mark.parametrize(
    "text",
    [
        "@[simps] def f : A ≃ B := other",
        "@[simp] def f : A where\n  toFun x := x\n",
        "@[simps] def f : A where\n  toFun := by\n    exact g\n",
        "@[simps] def f : A where\n  toFun _ := 1\n",
    ],
)
def test_what_the_text_does_not_tell(text: str) -> None:
    assert made(text) == []
