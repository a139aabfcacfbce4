# ruff: noqa: E501
# fmt: off
"""`subst`, and `simp` at hypotheses.

One case stands on one line, however long: as a table a family can be read and compared.
"""

from __future__ import annotations

import random

from llmstep_workshop.data.families.goals import (
    TYPES,
    Case,
    GoalDraft,
    declare,
    draw_integer_like,
    draw_letters,
    draw_names,
    draw_universe,
)


def substitution(rng: random.Random) -> Case:
    """A variable that a hypothesis gives the value of."""
    t = rng.choice((*TYPES, "ℕ", "Nat", "ℤ", "Int"))
    number = t not in TYPES
    base = () if number else ((t, draw_universe(rng)),)
    a, b, c = draw_letters(rng, 3)
    h, k = draw_names(rng, 2)
    f, p = rng.choice(("f", "g")), rng.choice(("P", "Q", "p"))
    fun, pred, rel = ((f, f"{t} → {t}"),), ((p, f"{t} → Prop"),), (("R", f"{t} → {t} → Prop"),)
    one, two, three = declare([a], t), declare([a, b], t), declare([a, b, c], t)
    gone = [f"subst {h}", f"subst {h}", f"cases {h}"]
    n = rng.randint(0, 9)
    options: list[Case] = [
        (GoalDraft((*base, *fun, *two, (h, f"{a} = {b}")), f"{f} ({f} {a}) = {f} ({f} {b})"), [*gone, f"rw [{h}]", f"simp [{h}]"]),
        (GoalDraft((*base, *fun, *two, (h, f"{b} = {f} {a}")), f"{f} {b} = {f} ({f} {a})"), [*gone, f"rw [{h}]"]),
        (GoalDraft((*base, *rel, *three, (h, f"{a} = {b}"), (k, f"R {a} {c}")), f"R {b} {c}"), [f"subst {h}", f"exact {h} ▸ {k}", f"rwa [← {h}]", f"rwa [{h}] at {k}"]),
        (GoalDraft((*base, *rel, *three, (h, f"{a} = {b}"), (k, f"R {c} {b}")), f"R {c} {a}"), [f"subst {h}", f"rwa [{h}]", f"rw [{h}]"]),
        (GoalDraft((*base, *pred, *three, (h, f"{a} = {b}"), (k, f"{b} = {c}"), ("hp", f"{p} {a}")), f"{p} {c}"), [f"subst {h} {k}", f"subst {h}", f"subst {k}", f"rw [← {k}, ← {h}]", f"rwa [← {k}, ← {h}]"]),
        (GoalDraft((*base, *pred, *two, (h, f"{a} = {b} ∧ {p} {a}")), f"{p} {b}"), [f"obtain ⟨rfl, {k}⟩ := {h}", f"rcases {h} with ⟨rfl, {k}⟩", f"exact {h}.1 ▸ {h}.2"]),
        (GoalDraft((*base, *fun, (b, t), (h, f"∃ {a}, {f} {a} = {b}"), (k, f"∀ (y : {t}), {f} ({f} y) = {f} y")), f"{f} {b} = {b}"), [f"obtain ⟨{a}, rfl⟩ := {h}", f"rcases {h} with ⟨{a}, rfl⟩"]),
        (GoalDraft((*base, *fun, (a, t), (k, f"∀ (y : {t}), {f} ({f} y) = {f} y")), f"{f} ({f} {a}) = {f} {a}"), [f"exact {k} {a}", f"rw [{k}]", f"apply {k}"]),
        (GoalDraft((*base, *pred, *two, (h, f"{a} = {b} ∨ {p} {b}"), (k, f"{p} {a}")), f"{p} {b}"), [f"rcases {h} with rfl | {h}", f"obtain rfl | {h} := {h}", f"cases {h}"]),
        (GoalDraft((*base, *pred, *two, (k, f"{p} {a}")), f"{a} = {b} → {p} {b}"), ["rintro rfl", f"intro {h}", f"exact fun {h} => {h} ▸ {k}"]),
        (GoalDraft((*base, *fun, *two), f"{a} = {b} → {f} {a} = {f} {b}"), ["rintro rfl", f"intro {h}", f"exact congrArg {f}", f"exact fun {h} => congrArg {f} {h}"]),
        (GoalDraft((*base, *pred, *one, (h, f"{p} {a}")), f"∃ {b}, {b} = {a} ∧ {p} {b}"), [f"exact ⟨{a}, rfl, {h}⟩", f"refine ⟨{a}, rfl, ?_⟩", f"refine ⟨_, rfl, {h}⟩"]),
        (GoalDraft((*base, *pred, *one, (h, f"∃ {b}, {b} = {a} ∧ {p} {b}")), f"{p} {a}"), [f"obtain ⟨{b}, rfl, {k}⟩ := {h}", f"rcases {h} with ⟨{b}, rfl, {k}⟩", f"simpa using {h}"]),
    ]
    if number:
        options += [
            (GoalDraft((*one, (h, f"{a} = {n}")), f"{a} + {a} = {n + n}"), [f"subst {h}", "omega", f"rw [{h}]", f"simp [{h}]"]),
            (GoalDraft((*two, (h, f"{a} = {n}"), (k, f"{b} = {a} + 1")), f"{b} = {n + 1}"), ["omega", f"subst {h} {k}", f"subst {h}", f"rw [{k}, {h}]"]),
            (GoalDraft((*two, (h, f"{a} = {n}"), (k, f"{b} * {a} = 0")), f"{b} * {n} = 0"), [f"subst {h}", f"rw [← {h}]", f"rw [{h}] at {k}", f"rwa [{h}] at {k}"]),
        ]
    return rng.choice(options)


def simplify_at(rng: random.Random) -> Case:
    """Hypotheses that `simp` brings into a usable form."""
    t = draw_integer_like(rng)
    ty = rng.choice(TYPES)
    base = ((ty, draw_universe(rng)),)
    a, b, c = draw_letters(rng, 3)
    h, k = draw_names(rng, 2)
    n = rng.randint(1, 20)
    p, q = rng.choice((("p", "q"), ("P", "Q"), ("A", "B")))
    props, two = declare([p, q], "Prop"), declare([a, b], t)
    els = declare([a, b], ty)
    v = rng.choice(("xs", "l", "s"))
    options: list[Case] = [
        (GoalDraft((*two, (h, f"{a} + {n} = {b} + {n}")), f"{a} = {b}"), [f"simp at {h}", f"simpa using {h}", "omega"]),
        (GoalDraft((*two, (h, f"{a} + 0 = {b} * 1")), f"{a} = {b}"), [f"simp at {h}", f"simpa using {h}", "omega"]),
        (GoalDraft((*two, (h, f"{n} + {a} < {n} + {b}")), f"{a} < {b}"), [f"simp at {h}", f"simpa using {h}", "omega"]),
        (GoalDraft((*props, (h, f"{p} ∧ True")), p), [f"simp at {h}", f"exact {h}.1", f"simpa using {h}", "simp_all"]),
        (GoalDraft((*props, (h, f"{p} ∨ False")), p), [f"simp at {h}", f"simpa using {h}", "simp_all"]),
        (GoalDraft((*props, (h, f"¬¬{p}")), p), [f"simp at {h}", f"simpa using {h}", f"exact Classical.not_not.mp {h}", f"by_cases {k} : {p}"]),
        (GoalDraft((*props, (h, f"¬({p} ∨ {q})")), f"¬{p}"), [f"simp at {h}", f"exact fun {k} => {h} (Or.inl {k})", f"intro {k}", f"exact (not_or.mp {h}).1", "simp_all"]),
        (GoalDraft((*props, (h, f"True → {p}")), p), [f"simp at {h}", f"exact {h} trivial", f"simpa using {h}"]),
        (GoalDraft((*props, (h, f"{p} ↔ True")), p), [f"simp at {h}", f"exact {h}.mpr trivial", f"simpa using {h}"]),
        (GoalDraft((*props, (h, f"{p} ↔ False"), (k, p)), q), [f"simp at {h}", f"exact ({h}.mp {k}).elim", "simp_all"]),
        (GoalDraft((*props, (h, p), (k, f"{p} → {q}")), q), [f"simp [{h}] at {k}", f"exact {k} {h}", "simp_all"]),
        (GoalDraft((*base, *els, (h, f"some {a} = some {b}")), f"{a} = {b}"), [f"simp at {h}", f"simpa using {h}", f"injection {h}"]),
        (GoalDraft((*base, *els, (h, f"({a}, {b}) = ({b}, {a})")), f"{a} = {b}"), [f"simp at {h}", f"exact (Prod.mk.inj {h}).1", f"cases {h}", f"injection {h}"]),
        (GoalDraft((*base, (a, ty), (h, f"{a} ∈ []")), "False"), [f"simp at {h}", f"cases {h}"]),
        (GoalDraft((*base, (a, ty), (v, f"List {ty}"), (h, f"{a} :: {v} = []")), "False"), [f"simp at {h}", "contradiction", f"cases {h}"]),
        (GoalDraft((*base, *els, (v, f"List {ty}"), (h, f"{a} ∈ {b} :: {v}"), (k, f"{a} ∉ {v}")), f"{a} = {b}"), [f"simp [{k}] at {h}", f"simpa [{k}] using {h}", f"cases {h}", "simp_all"]),
        (GoalDraft((*base, *els, (h, f"¬{a} = {b}")), f"{a} ≠ {b}"), [f"exact {h}", "assumption", f"simpa using {h}"]),
        (GoalDraft((*two, (h, f"¬{a} ≤ {b}")), f"{b} < {a}"), [f"simp at {h}", "omega", f"simpa using {h}"]),
        (GoalDraft((*two, (c, t), (h, f"{a} = {b}"), (k, f"{b} + {c} = {n}")), f"{a} + {c} = {n}"), [f"rw [{h}]", f"simp [{h}, {k}]", "omega", f"rw [← {h}] at {k}", "simp_all"]),
        (GoalDraft((*declare([a], "Bool"), (h, f"(!{a}) = true")), f"{a} = false"), [f"simp at {h}", f"simpa using {h}", f"cases {a} <;> simp_all"]),
        (GoalDraft((*declare([a, b], "Bool"), (h, f"({a} && {b}) = true")), f"{a} = true"), [f"simp at {h}", "simp_all", f"cases {a} <;> simp_all"]),
    ]
    return rng.choice(options)
