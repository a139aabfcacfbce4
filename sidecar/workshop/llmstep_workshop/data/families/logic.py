# ruff: noqa: E501
# fmt: off
"""Propositional and first-order logic.

One case stands on one line, however long: as a table a family can be read and compared.
"""

from __future__ import annotations

import random

from llmstep_workshop.data.families.goals import (
    NAMES,
    PREDICATES,
    TYPES,
    Case,
    GoalDraft,
    declare,
    draw_names,
    draw_universe,
)


def conjunction(rng: random.Random) -> Case:
    """∧ and ∨ of what is known."""
    props = rng.choice((["p", "q"], ["P", "Q"], ["a", "b"], ["A", "B"], ["p", "q", "r"]))
    left, right = rng.sample(props, 2)
    named = rng.random() < 0.6
    hl, hr = (f"h{left.lower()}", f"h{right.lower()}") if named else draw_names(rng, 2)
    facts = [(hl, left), (hr, right)]
    rng.shuffle(facts)
    context = (*declare(props, "Prop"), *facts)
    kind = rng.randrange(4)
    if kind == 0:
        tactics = [f"exact ⟨{hl}, {hr}⟩", "constructor", f"exact And.intro {hl} {hr}",
                   f"refine ⟨{hl}, {hr}⟩", "constructor <;> assumption"]
        return GoalDraft(context, f"{left} ∧ {right}"), tactics
    if kind == 1:
        tactics = [f"exact Or.inl {hl}", "left", f"exact .inl {hl}", "exact Or.inl ‹_›"]
        return GoalDraft(context, f"{left} ∨ {right}"), tactics[:3]
    if kind == 2:
        h = draw_names(rng, 1)[0]
        goal = GoalDraft((*declare(props, "Prop"), (h, f"{left} ∧ {right}")), f"{right} ∧ {left}")
        return goal, [f"exact ⟨{h}.2, {h}.1⟩", f"exact {h}.symm", "constructor",
                      f"exact And.comm.mp {h}", f"obtain ⟨{hl}, {hr}⟩ := {h}"]
    h = draw_names(rng, 1)[0]
    goal = GoalDraft((*declare(props, "Prop"), (h, f"{left} ∨ {right}")), f"{right} ∨ {left}")
    return goal, [f"exact {h}.symm", f"exact Or.symm {h}", f"cases {h}",
                  f"rcases {h} with {hl} | {hr}", f"exact Or.comm.mp {h}"]


def implication(rng: random.Random) -> Case:
    """Chains of → and ↔, contraposition, contradiction."""
    props = rng.choice((["p", "q", "r"], ["P", "Q", "R"], ["a", "b", "c"], ["A", "B", "C"]))
    p, q, r = rng.sample(props, 3)
    f, g, x = rng.choice((("hpq", "hqr", "hp"), ("h₁", "h₂", "h₃"), ("h1", "h2", "h3"),
                          ("f", "g", "x"), ("hf", "hg", "hx")))
    base = declare(sorted(props), "Prop")
    kind = rng.randrange(7)
    if kind == 0:
        return GoalDraft((*base, (f, f"{p} → {q}"), (x, p)), q), [f"exact {f} {x}", f"apply {f}"]
    if kind == 1:
        goal = GoalDraft((*base, (f, f"{p} → {q}"), (g, f"{q} → {r}"), (x, p)), r)
        return goal, [f"exact {g} ({f} {x})", f"apply {g}", f"exact ({g} ∘ {f}) {x}"]
    if kind == 2:
        goal = GoalDraft((*base, (f, f"{p} → {q}"), (g, f"{q} → {r}")), f"{p} → {r}")
        return goal, [f"intro {x}", f"exact {g} ∘ {f}", f"exact fun {x} => {g} ({f} {x})"]
    if kind == 3:
        goal = GoalDraft((*base, (f, f"{p} → {q}"), (g, f"¬{q}")), f"¬{p}")
        return goal, [f"intro {x}", f"exact fun {x} => {g} ({f} {x})", f"exact mt {f} {g}"]
    if kind == 4:
        return GoalDraft((*base, (x, p), (g, f"¬{p}")), rng.choice((q, "False"))), [
            f"exact absurd {x} {g}", "contradiction", f"exact ({g} {x}).elim"]
    if kind == 5:
        h = rng.choice(NAMES)
        goal = GoalDraft((*base, (h, f"{p} ↔ {q}"), (x, p)), q)
        return goal, [f"exact {h}.mp {x}", f"exact {h}.1 {x}", f"rwa [← {h}]", f"rw [← {h}]"]
    h = rng.choice(NAMES)
    goal = GoalDraft((*base, (h, f"{p} ↔ {q}")), rng.choice((f"{q} ↔ {p}",)))
    return goal, [f"exact {h}.symm", f"exact Iff.symm {h}", f"rw [{h}]", "constructor"]


def tautology(rng: random.Random) -> Case:
    """Goals that hold for all propositions."""
    p, q = rng.choice((("p", "q"), ("P", "Q"), ("a", "b"), ("A", "B")))
    base = declare([p, q], "Prop")
    h = rng.choice(("h", "hp", "hpq", "h₁", "H"))
    options: list[tuple[str, list[str]]] = [
        (f"{p} → {p}", [f"intro {h}", "exact id", f"exact fun {h} => {h}"]),
        (f"{p} → {q} → {p}", [f"intro {h} _", f"exact fun {h} _ => {h}", f"intro {h}"]),
        (f"{p} ∧ {q} → {p}", [f"intro {h}", f"exact fun {h} => {h}.1", "rintro ⟨hp, _⟩",
                              "exact And.left"]),
        (f"{p} ∧ {q} → {q} ∧ {p}", [f"intro {h}", "rintro ⟨hp, hq⟩", "exact And.symm",
                                    f"exact fun {h} => ⟨{h}.2, {h}.1⟩"]),
        (f"{p} ∧ {q} ↔ {q} ∧ {p}", ["exact And.comm", "constructor", "exact and_comm", "tauto",
                                    "rw [and_comm]"]),
        (f"{p} ∨ {q} ↔ {q} ∨ {p}", ["exact Or.comm", "constructor", "exact or_comm", "tauto"]),
        (f"{p} ∨ {q} → {q} ∨ {p}", [f"intro {h}", "rintro (hp | hq)", "exact Or.symm", "tauto"]),
        (f"¬({p} ∧ ¬{p})", [f"intro {h}", "rintro ⟨hp, hnp⟩", "tauto", "simp",
                            f"exact fun {h} => {h}.2 {h}.1"]),
        (f"¬¬{p} → {p}", [f"intro {h}", "exact Classical.not_not.mp", "exact not_not.mp", "tauto",
                          f"exact fun {h} => Classical.byContradiction {h}"]),
        (f"{p} → ¬¬{p}", [f"intro {h} hn", "exact not_not_intro", f"intro {h}",
                          f"exact fun {h} hn => hn {h}"]),
        (f"({p} → {q}) → ¬{q} → ¬{p}", [f"intro {h} hnq hp", "exact mt", f"intro {h} hnq",
                                        "intro hpq hnq hp", "tauto"]),
        (f"{p} ∨ ¬{p}", ["exact Classical.em " + p, "exact em " + p, f"by_cases {h} : {p}",
                         "apply Classical.em", "tauto"]),
        (f"¬({p} ∨ {q}) ↔ ¬{p} ∧ ¬{q}", ["exact not_or", "constructor", "tauto", "simp"]),
    ]
    target, tactics = rng.choice(options)
    return GoalDraft(base, target), tactics


def first_order(rng: random.Random) -> Case:
    """∀ and ∃ over predicates."""
    t = rng.choice((*TYPES, "ℕ", "Nat"))
    base = () if t in ("ℕ", "Nat") else ((t, draw_universe(rng)),)
    p, q = rng.sample(PREDICATES, 2)
    x, a = rng.choice(("x", "y", "n", "k", "z")), rng.choice(("a", "b", "c", "w"))
    h, k = draw_names(rng, 2)
    hx, ha = f"h{x}", f"h{a}"
    pred = declare([p, q], f"{t} → Prop")
    binder = rng.choice((f"({x} : {t})", f"({x} : {t})", x))
    every, some = f"∀ {binder}, ", f"∃ {x}, "
    options: list[tuple[tuple[tuple[str, str], ...], str, list[str]]] = [
        (((h, f"{every}{p} {x}"), (a, t)), f"{p} {a}", [f"exact {h} {a}", f"apply {h}", f"exact {h} _"]),
        (((h, f"{every}{p} {x} → {q} {x}"), (a, t), (ha, f"{p} {a}")), f"{q} {a}",
         [f"exact {h} {a} {ha}", f"apply {h}", f"exact {h} _ {ha}"]),
        (((a, t), (ha, f"{p} {a}")), f"{some}{p} {x}",
         [f"exact ⟨{a}, {ha}⟩", f"use {a}", f"exact ⟨_, {ha}⟩", f"refine ⟨{a}, ?_⟩", f"exists {a}"]),
        (((a, t), (ha, f"{p} {a}"), (h, f"{q} {a}")), f"{some}{p} {x} ∧ {q} {x}",
         [f"exact ⟨{a}, {ha}, {h}⟩", f"use {a}", f"refine ⟨{a}, ?_, ?_⟩", f"exact ⟨_, {ha}, {h}⟩"]),
        (((h, f"{some}{p} {x} ∧ {q} {x}"),), f"{some}{p} {x}",
         [f"obtain ⟨{x}, {hx}, _⟩ := {h}", f"rcases {h} with ⟨{x}, {hx}, _⟩", f"cases {h}",
          f"exact {h}.imp fun _ {hx} => {hx}.1"]),
        (((h, f"{some}{p} {x}"), (k, f"{every}{p} {x} → {q} {x}")), f"{some}{q} {x}",
         [f"obtain ⟨{x}, {hx}⟩ := {h}", f"exact {h}.imp {k}", f"rcases {h} with ⟨{x}, {hx}⟩"]),
        (((k, f"{every}{p} {x} → {q} {x}"), (x, t), (hx, f"{p} {x}")), f"∃ {a}, {q} {a}",
         [f"exact ⟨{x}, {k} {x} {hx}⟩", f"use {x}", f"refine ⟨{x}, {k} {x} {hx}⟩"]),
        (((k, f"{every}{p} {x} → {q} {x}"),), f"(∃ {x}, {p} {x}) → ∃ {x}, {q} {x}",
         [f"rintro ⟨{x}, {hx}⟩", f"intro {h}", f"intro ⟨{x}, {hx}⟩"]),
        (((h, f"{every}{p} {x} ∧ {q} {x}"),), f"{every}{p} {x}",
         [f"intro {x}", f"exact fun {x} => ({h} {x}).1", f"intro {a}"]),
        (((h, f"{every}{p} {x} ∧ {q} {x}"), (x, t)), f"{p} {x}",
         [f"exact ({h} {x}).1", f"exact ({h} {x}).left", f"apply ({h} {x}).1"]),
        (((h, f"¬∃ {x}, {p} {x}"),), f"{every}¬{p} {x}",
         [f"intro {x} {hx}", f"exact fun {x} {hx} => {h} ⟨{x}, {hx}⟩", f"exact not_exists.mp {h}",
          f"push_neg at {h}", f"simpa using {h}"]),
        (((h, f"¬∃ {x}, {p} {x}"), (x, t), (hx, f"{p} {x}")), "False",
         [f"exact {h} ⟨{x}, {hx}⟩", f"apply {h}"]),
        (((h, f"{every}¬{p} {x}"),), f"¬∃ {x}, {p} {x}",
         [f"rintro ⟨{x}, {hx}⟩", f"intro {k}", f"intro ⟨{x}, {hx}⟩", "push_neg", f"simpa using {h}"]),
        (((h, f"∃ {x}, ¬{p} {x}"),), f"¬∀ {x}, {p} {x}",
         [f"intro {k}", f"obtain ⟨{x}, {hx}⟩ := {h}", "push_neg", f"simpa using {h}"]),
        ((), f"{every}{p} {x} → {p} {x}", [f"intro {x} {hx}", f"intro {x}", f"exact fun _ {h} => {h}",
                                          f"intro {x} {h}"]),
        ((), f"(∀ {x}, {p} {x} ∧ {q} {x}) ↔ (∀ {x}, {p} {x}) ∧ ∀ {x}, {q} {x}",
         ["constructor", "exact forall_and", f"refine ⟨fun {h} => ⟨fun {x} => ({h} {x}).1, fun {x} => ({h} {x}).2⟩, ?_⟩"]),
        ((), f"(∃ {x}, {p} {x} ∨ {q} {x}) ↔ (∃ {x}, {p} {x}) ∨ ∃ {x}, {q} {x}",
         ["constructor", "exact exists_or"]),
    ]
    facts, target, tactics = rng.choice(options)
    return GoalDraft((*base, *pred, *facts), target), tactics
