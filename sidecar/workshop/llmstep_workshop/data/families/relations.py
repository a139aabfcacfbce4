# ruff: noqa: E501
# fmt: off
"""Equality, order, functions.

One case stands on one line, however long: as a table a family can be read and compared.
"""

from __future__ import annotations

import random

import attrs

from llmstep_workshop.data.families.goals import (
    NAMES,
    TYPES,
    Case,
    GoalDraft,
    declare,
    draw_field,
    draw_letters,
    draw_names,
    draw_universe,
)


def equality(rng: random.Random) -> Case:
    """Symmetry, transitivity, rewriting, substitution, congruence."""
    t = rng.choice((*TYPES, "ℕ", "Nat", "ℤ", "ℝ", "Int"))
    base = ((t, draw_universe(rng)),) if t in TYPES else ()
    a, b, c = draw_letters(rng, 3)
    h, k = draw_names(rng, 2)
    f = rng.choice(("f", "g"))
    three = declare([a, b, c], t)
    two = declare([a, b], t)
    fun = ((f, f"{t} → {t}"),)
    pred = rng.choice(("P", "p", "Q"))
    options: list[Case] = [
        (GoalDraft((*base, *two, (h, f"{a} = {b}")), f"{b} = {a}"),
         [f"exact {h}.symm", f"rw [{h}]", f"exact Eq.symm {h}", "symm", f"subst {h}", f"simp [{h}]"]),
        (GoalDraft((*base, *three, (h, f"{a} = {b}"), (k, f"{b} = {c}")), f"{a} = {c}"),
         [f"rw [{h}, {k}]", f"exact {h}.trans {k}", f"exact Eq.trans {h} {k}", f"simp [{h}, {k}]",
          f"subst {h}"]),
        (GoalDraft((*base, *three, (h, f"{a} = {b}"), (k, f"{c} = {b}")), f"{a} = {c}"),
         [f"rw [{h}, {k}]", f"exact {h}.trans {k}.symm"]),
        (GoalDraft((*base, *fun, *two, (h, f"{a} = {b}")), f"{f} {a} = {f} {b}"),
         [f"rw [{h}]", f"exact congrArg {f} {h}", f"subst {h}", f"simp [{h}]", "congr"]),
        (GoalDraft((*base, (pred, f"{t} → Prop"), *two, (h, f"{a} = {b}"), (k, f"{pred} {a}")), f"{pred} {b}"),
         [f"rwa [← {h}]", f"subst {h}", f"exact {h} ▸ {k}", f"rw [← {h}]"]),
        (GoalDraft((*base, (pred, f"{t} → Prop"), *two, (h, f"{a} = {b}"), (k, f"{pred} {b}")), f"{pred} {a}"),
         [f"rwa [{h}]", f"subst {h}", f"rw [{h}]", f"exact {h} ▸ {k}"]),
        (GoalDraft((*base, *two, (h, f"{a} ≠ {b}")), f"{b} ≠ {a}"),
         [f"exact {h}.symm", f"exact Ne.symm {h}", f"intro {k}"]),
        (GoalDraft((*base, (a, t)), f"{a} = {a}"), ["rfl", "exact rfl"]),
        (GoalDraft((*base, *fun, (a, t), (h, f"∀ (x : {t}), {f} x = x")), f"{f} ({f} {a}) = {a}"),
         [f"rw [{h}, {h}]", f"simp [{h}]", f"simp only [{h}]"]),
        (GoalDraft((*base, *fun, *two, (h, f"∀ (x y : {t}), {f} x = {f} y → x = y"), (k, f"{f} {a} = {f} {b}")), f"{a} = {b}"),
         [f"exact {h} {a} {b} {k}", f"exact {h} _ _ {k}", f"apply {h}"]),
        (GoalDraft((*base, *two, (h, f"{a} = {b} ∨ {b} = {a}")), f"{a} = {b}"),
         [f"rcases {h} with {h} | {h}", f"cases {h}", f"obtain {h} | {h} := {h}"]),
    ]
    return rng.choice(options)


def order(rng: random.Random) -> Case:
    """≤, <, max, min."""
    t = rng.choice(("ℝ", "ℕ", "Nat", "ℤ", "Int", "ℚ", "α"))
    base = (("α", "Type u_1"), ("inst✝", "LinearOrder α")) if t == "α" else ()
    a, b, c, d = draw_letters(rng, 4)
    h, k = draw_names(rng, 2)
    two, three = declare([a, b], t), declare([a, b, c], t)
    close = {"α": [], "ℝ": ["linarith"], "ℚ": ["linarith"]}.get(t, ["omega", "omega"])
    options: list[Case] = [
        (GoalDraft((*two, (h, f"{a} < {b}")), f"{a} ≤ {b}"), [f"exact {h}.le", f"exact le_of_lt {h}", *close]),
        (GoalDraft((*two, (h, f"{a} ≤ {b}"), (k, f"{b} ≤ {a}")), f"{a} = {b}"),
         [f"exact le_antisymm {h} {k}", "apply le_antisymm", *close]),
        (GoalDraft((*three, (h, f"{a} ≤ {b}"), (k, f"{b} ≤ {c}")), f"{a} ≤ {c}"),
         [f"exact le_trans {h} {k}", f"exact {h}.trans {k}", *close]),
        (GoalDraft((*three, (h, f"{a} < {b}"), (k, f"{b} ≤ {c}")), f"{a} < {c}"),
         [f"exact lt_of_lt_of_le {h} {k}", f"exact {h}.trans_le {k}", *close]),
        (GoalDraft((*three, (h, f"{a} ≤ {b}"), (k, f"{b} < {c}")), f"{a} < {c}"),
         [f"exact lt_of_le_of_lt {h} {k}", f"exact {h}.trans_lt {k}", *close]),
        (GoalDraft((*three, (h, f"{a} < {b}"), (k, f"{b} < {c}")), f"{a} < {c}"),
         [f"exact lt_trans {h} {k}", f"exact {h}.trans {k}", *close]),
        (GoalDraft((*two, (h, f"¬{a} < {b}")), f"{b} ≤ {a}"), [f"exact not_lt.mp {h}", f"push_neg at {h}", *close]),
        (GoalDraft((*two, (h, f"¬{a} ≤ {b}")), f"{b} < {a}"), [f"exact not_le.mp {h}", f"push_neg at {h}", *close]),
        (GoalDraft((*two, (h, f"{a} < {b}")), f"{a} ≠ {b}"), [f"exact {h}.ne", f"exact ne_of_lt {h}", *close[:1]] if t != "ℝ" else [f"exact {h}.ne", f"exact ne_of_lt {h}"]),
        (GoalDraft((*two, (h, f"{a} < {b}")), f"¬{b} ≤ {a}"), [f"exact not_le.mpr {h}", f"exact not_le_of_gt {h}", *close]),
        (GoalDraft(two, f"{a} ≤ max {a} {b}"), [f"exact le_max_left {a} {b}", "exact le_max_left _ _", "simp"]),
        (GoalDraft(two, f"min {a} {b} ≤ {b}"), [f"exact min_le_right {a} {b}", "exact min_le_right _ _", "simp"]),
        (GoalDraft(two, f"{a} ≤ {b} ∨ {b} ≤ {a}"), [f"exact le_total {a} {b}", "exact le_total _ _", *close[:1]] if close[:1] == ["omega"] else [f"exact le_total {a} {b}", "exact le_total _ _"]),
        (GoalDraft((*two, (h, f"{a} ≤ {b}")), f"max {a} {b} = {b}"), [f"exact max_eq_right {h}", f"simp [{h}]", f"simpa using {h}"]),
        (GoalDraft((*declare([a, b, c, d], t), (h, f"{a} = {b}"), (k, f"{c} = {d}")), f"({a}, {c}) = ({b}, {d})"),
         [f"rw [{h}, {k}]", f"simp [{h}, {k}]"]),
    ]
    goal, tactics = rng.choice(options)
    return attrs.evolve(goal, hypotheses=(*base, *goal.hypotheses)), tactics


def density(rng: random.Random) -> Case:
    """A value between two, below or above one."""
    t = draw_field(rng)
    a, b = draw_letters(rng, 2)
    h = rng.choice((*NAMES, f"h{a}{b}"))
    v = rng.choice([x for x in ("z", "c", "w", "m", "r") if x not in (a, b)])
    base = (*declare([a, b], t), (h, f"{a} < {b}"))
    kind = rng.randrange(5)
    if kind == 0:
        return GoalDraft(base, f"∃ {v}, {a} < {v} ∧ {v} < {b}"), [
            f"exact exists_between {h}", f"refine ⟨({a} + {b}) / 2, ?_, ?_⟩", f"use ({a} + {b}) / 2",
            f"exact ⟨({a} + {b}) / 2, by linarith, by linarith⟩",
            f"obtain ⟨{v}, h₁, h₂⟩ := exists_between {h}"]
    if kind == 1:
        target = rng.choice((f"{a} < ({a} + {b}) / 2", f"({a} + {b}) / 2 < {b}"))
        return GoalDraft(base, target), ["linarith"]
    if kind == 2:
        return GoalDraft(base, f"{a} < ({a} + {b}) / 2 ∧ ({a} + {b}) / 2 < {b}"), [
            "constructor <;> linarith", "constructor", "exact ⟨by linarith, by linarith⟩"]
    if kind == 3:
        n = rng.randint(1, 9)
        return GoalDraft(declare([a], t), f"∃ {v}, {a} < {v}"), [
            f"exact ⟨{a} + {n}, by linarith⟩", f"use {a} + {n}", f"exact exists_gt {a}"]
    return GoalDraft(declare([a], t), f"∃ {v}, {v} < {a}"), [
        f"exact ⟨{a} - 1, by linarith⟩", f"use {a} - 1", f"exact exists_lt {a}"]


def functions(rng: random.Random) -> Case:
    """Injective and surjective maps."""
    f, g = rng.choice((("f", "g"), ("g", "f"), ("φ", "ψ")))
    a, b, c = rng.choice((("α", "β", "γ"), ("A", "B", "C"), ("X", "Y", "Z")))
    base = ((a, "Type u_1"), (b, "Type u_2"), (c, "Type u_3"), (f, f"{a} → {b}"), (g, f"{b} → {c}"))
    hf, hg = f"h{f}", f"h{g}"
    word = rng.choice(("Injective", "Surjective"))
    prefix = rng.choice(("Function.", ""))
    context = (*base, (hf, f"{prefix}{word} {f}"), (hg, f"{prefix}{word} {g}"))
    if rng.random() < 0.5:
        intro = "intro x y h" if word == "Injective" else f"intro {c.lower() if c.isascii() else 'z'}"
        return GoalDraft(context, f"{prefix}{word} ({g} ∘ {f})"), [f"exact {hg}.comp {hf}", intro]
    if word == "Injective":
        goal = GoalDraft((*context, *declare(["x", "y"], a), ("h", f"{g} ({f} x) = {g} ({f} y)")), "x = y")
        return goal, [f"exact {hf} ({hg} h)", f"apply {hf}", f"apply {hf}; apply {hg}"]
    goal = GoalDraft((*context, ("z", c)), f"∃ x, {g} ({f} x) = z")
    return goal, [f"obtain ⟨y, rfl⟩ := {hg} z", f"rcases {hg} z with ⟨y, hy⟩"]
