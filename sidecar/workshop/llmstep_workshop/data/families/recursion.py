# ruff: noqa: E501
# fmt: off
"""Induction over naturals and lists: the goal, its base case and its step.

One case stands on one line, however long: as a table a family can be read and compared.
"""

from __future__ import annotations

import random

from llmstep_workshop.data.families.goals import TYPES, Case, GoalDraft, declare, draw_universe


def natural_induction(rng: random.Random) -> Case:
    """Functions given by their values at 0 and at a successor."""
    t = rng.choice(("ℕ", "Nat", "Nat"))
    n = rng.choice(("n", "m", "k", "a"))
    ih = rng.choice(("ih", "ih", f"{n}_ih", f"h{n}"))
    f = rng.choice(("f", "g", "s", "u"))
    h0, hs = rng.choice((("h0", "hs"), ("h₀", "h₁"), ("hzero", "hsucc"), ("base", "step")))
    c, d = rng.randint(2, 7), rng.randint(0, 6)
    x = next(name for name in ("n", "k", "m") if name != n)
    # The value at 0, the value at a successor, the closed form, and what ends the induction step.
    linear = f"{c} * {{n}} + {d}" if d else f"{c} * {{n}}"
    start, step, closed, end = rng.choice((
        (f"{d}", f"{f} {x} + {c}", linear, "omega"),
        ("0", f"{f} {x} + 2 * {x} + 1", "{n} * {n}", ""),
        ("1", f"{c} * {f} {x}", f"{c} ^ {{n}}", ""),
        (f"{d}", f"{f} {x}", f"{d}", "rfl"),
    ))
    value = closed.replace("{n}", n)
    after = closed.replace("{n}", f"({n} + 1)")
    rules = ((f, f"{t} → {t}"), (h0, f"{f} 0 = {start}"), (hs, f"∀ ({x} : {t}), {f} ({x} + 1) = {step}"))
    kind = rng.randrange(5)
    if kind == 0:
        tactics = [f"induction {n}", f"induction {n}", f"induction' {n} with {n} {ih}"]
        if end:
            finish = f"rw [{hs}, {ih}]" + ("; omega" if end == "omega" else "")
            tactics.append(f"induction {n} with | zero => simp [{h0}] | succ {n} {ih} => {finish}")
        return GoalDraft((*rules, (n, t)), f"{f} {n} = {value}"), tactics
    if kind == 1:
        return GoalDraft(rules, f"{f} 0 = {start}", "zero"), [f"exact {h0}", f"rw [{h0}]", f"simp [{h0}]", "assumption"]
    if kind == 2:
        return GoalDraft((*rules, (n, t), (ih, f"{f} {n} = {value}")), f"{f} ({n} + 1) = {after}", "succ"), [
            f"rw [{hs}, {ih}]", f"rw [{hs}]", f"simp only [{hs}, {ih}]", f"rw [{hs} {n}, {ih}]"]
    if kind == 3:
        return GoalDraft(rules, f"∀ ({n} : {t}), {f} {n} = {value}"), [f"intro {n}", f"intro {n}; induction {n}"]
    here = step.replace(f"{f} {x}", f"{f} {n}").replace(f"* {x}", f"* {n}")
    return GoalDraft((*rules, (n, t)), f"{f} ({n} + 1) = {here}"), [
        f"exact {hs} {n}", f"rw [{hs}]", f"apply {hs}", f"simp only [{hs}]"]


def order_induction(rng: random.Random) -> Case:
    """Predicates and orders along the naturals."""
    t = rng.choice(("ℕ", "Nat"))
    n, m = rng.choice((("n", "m"), ("a", "b"), ("k", "n")))
    p = rng.choice(("P", "p", "Q"))
    f = rng.choice(("f", "g"))
    h0, hs = rng.choice((("h0", "hs"), ("h₀", "h₁"), ("hzero", "hsucc"), ("base", "step")))
    ih = rng.choice(("ih", f"{n}_ih", "hn"))
    x = rng.choice(("i", "j", "l"))
    prop = ((p, f"{t} → Prop"), (h0, f"{p} 0"), (hs, f"∀ ({x} : {t}), {p} {x} → {p} ({x} + 1)"))
    mono = ((f, f"{t} → {t}"), (hs, f"∀ ({x} : {t}), {f} {x} ≤ {f} ({x} + 1)"))
    strict = ((f, f"{t} → {t}"), (hs, f"∀ ({x} : {t}), {f} {x} < {f} ({x} + 1)"))
    options: list[Case] = [
        (GoalDraft((*prop, (n, t)), f"{p} {n}"), [f"induction {n} with | zero => exact {h0} | succ {n} {ih} => exact {hs} {n} {ih}", f"induction {n}", f"exact Nat.rec {h0} {hs} {n}", f"induction' {n} with {n} {ih}"]),
        (GoalDraft(prop, f"∀ ({n} : {t}), {p} {n}"), [f"intro {n}", f"exact fun {n} => Nat.rec {h0} {hs} {n}"]),
        (GoalDraft((*prop, (n, t), (ih, f"{p} {n}")), f"{p} ({n} + 1)", "succ"), [f"exact {hs} {n} {ih}", f"apply {hs}", f"exact {hs} _ {ih}"]),
        (GoalDraft(prop, f"{p} 0", "zero"), [f"exact {h0}", "assumption"]),
        (GoalDraft(prop, f"{p} 1"), [f"exact {hs} 0 {h0}", f"apply {hs}"]),
        (GoalDraft(prop, f"{p} 2"), [f"exact {hs} 1 ({hs} 0 {h0})", f"apply {hs}"]),
        (GoalDraft((*mono, (n, t)), f"{f} 0 ≤ {f} {n}"), [f"induction {n} with | zero => exact Nat.le_refl _ | succ {n} {ih} => exact Nat.le_trans {ih} ({hs} {n})", f"induction {n}", f"induction' {n} with {n} {ih}"]),
        (GoalDraft((*mono, (n, t), (ih, f"{f} 0 ≤ {f} {n}")), f"{f} 0 ≤ {f} ({n} + 1)", "succ"), [f"exact Nat.le_trans {ih} ({hs} {n})", f"have h := {hs} {n}", f"exact {ih}.trans ({hs} {n})", f"have := {hs} {n}; omega"]),
        (GoalDraft(mono, f"{f} 0 ≤ {f} 0", "zero"), ["exact Nat.le_refl _", "rfl", "omega", "simp"]),
        (GoalDraft((*strict, (n, t)), f"{n} ≤ {f} {n}"), [f"induction {n} with | zero => omega | succ {n} {ih} => have := {hs} {n}; omega", f"induction {n}", f"induction' {n} with {n} {ih}"]),
        (GoalDraft((*strict, (n, t), (ih, f"{n} ≤ {f} {n}")), f"{n} + 1 ≤ {f} ({n} + 1)", "succ"), [f"have := {hs} {n}; omega", f"have h := {hs} {n}", f"exact Nat.succ_le_of_lt (Nat.lt_of_le_of_lt {ih} ({hs} {n}))"]),
        (GoalDraft((*mono, *declare([n, m], t), ("h", f"{n} ≤ {m}")), f"{f} {n} ≤ {f} {m}"), ["induction h with | refl => exact Nat.le_refl _ | step _ ih => exact Nat.le_trans ih (" + hs + " _)", "induction h", f"induction {m}"]),
        (GoalDraft(((n, t), ("h", f"{n} ≠ 0")), f"∃ {m}, {n} = {m} + 1"), ["exact Nat.exists_eq_succ_of_ne_zero h", f"cases {n}", f"exact ⟨{n} - 1, by omega⟩", f"cases {n} with | zero => contradiction | succ {m} => exact ⟨{m}, rfl⟩"]),
        (GoalDraft(((n, t), ("h", f"0 < {n}")), f"{n} - 1 + 1 = {n}"), ["omega", "exact Nat.sub_add_cancel h", f"cases {n}"]),
    ]
    return rng.choice(options)


def list_induction(rng: random.Random) -> Case:
    """Lists: cons, append, length, map, reverse, membership."""
    t = rng.choice(TYPES)
    base = ((t, draw_universe(rng)),)
    xs, x = rng.choice((("xs", "x"), ("l", "a"), ("as", "a"), ("L", "b")))
    ys = rng.choice(("ys", "l'", "bs", "zs"))
    ih = rng.choice(("ih", "tail_ih", "ih"))
    f, g = "f", "g"
    one, two = declare([xs], f"List {t}"), declare([xs, ys], f"List {t}")
    step = (*base, (x, t), *one)
    maps = declare([f, g], f"{t} → {t}")
    cases = f"induction {xs} with | nil => {{}} | cons {x} {xs} {ih} => {{}}"
    options: list[Case] = [
        (GoalDraft((*base, *one), f"{xs} ++ [] = {xs}"), [cases.format("rfl", f"rw [List.cons_append, {ih}]"), f"induction {xs}", cases.format("rfl", f"simp [{ih}]"), "simp"]),
        (GoalDraft((*step, (ih, f"{xs} ++ [] = {xs}")), f"{x} :: {xs} ++ [] = {x} :: {xs}", "cons"), [f"rw [List.cons_append, {ih}]", f"simp [{ih}]", "simp"]),
        (GoalDraft((*base, *two), f"({xs} ++ {ys}).length = {xs}.length + {ys}.length"), [cases.format("simp", f"simp [{ih}]; omega"), f"induction {xs}", "simp", "exact List.length_append"]),
        (GoalDraft((*step, (ys, f"List {t}"), (ih, f"({xs} ++ {ys}).length = {xs}.length + {ys}.length")), f"({x} :: {xs} ++ {ys}).length = ({x} :: {xs}).length + {ys}.length", "cons"), ["simp; omega", "simp only [List.cons_append, List.length_cons, " + ih + "]; omega"]),
        (GoalDraft((*base, *maps, *one), f"List.map {g} (List.map {f} {xs}) = List.map ({g} ∘ {f}) {xs}"), ["simp", cases.format("rfl", f"simp [{ih}]"), f"induction {xs}", "exact List.map_map"]),
        (GoalDraft((*base, *maps, *one, ("h", f"∀ (y : {t}), {f} y = {g} y")), f"List.map {f} {xs} = List.map {g} {xs}"), [cases.format("rfl", f"simp [h, {ih}]"), f"induction {xs}", "rw [funext h]", "simp [h]"]),
        (GoalDraft((*step, *maps, ("h", f"∀ (y : {t}), {f} y = {g} y"), (ih, f"List.map {f} {xs} = List.map {g} {xs}")), f"List.map {f} ({x} :: {xs}) = List.map {g} ({x} :: {xs})", "cons"), [f"rw [List.map_cons, List.map_cons, h, {ih}]", f"simp [h, {ih}]", f"simp only [List.map_cons, h, {ih}]"]),
        (GoalDraft((*base, *two, (x, t), ("h", f"{x} ∈ {xs}")), f"{x} ∈ {xs} ++ {ys}"), ["exact List.mem_append_left _ h", "simp [h]", "exact List.mem_append.mpr (Or.inl h)"]),
        (GoalDraft((*base, *two, (x, t), ("h", f"{x} ∈ {ys}")), f"{x} ∈ {xs} ++ {ys}"), ["exact List.mem_append_right _ h", "simp [h]", "exact List.mem_append.mpr (Or.inr h)"]),
        (GoalDraft((*base, *declare([x, "y"], t), *one, ("h", f"{x} ∈ y :: {xs}")), f"{x} = y ∨ {x} ∈ {xs}"), ["simpa using h", "exact List.mem_cons.mp h", "cases h"]),
        (GoalDraft((*base, *one, ("h", f"{xs} ≠ []")), f"∃ y ys, {xs} = y :: ys"), ["exact List.exists_cons_of_ne_nil h", f"cases {xs}", f"cases {xs} with | nil => contradiction | cons y ys => exact ⟨y, ys, rfl⟩"]),
        (GoalDraft((*base, *one), f"{xs}.length = 0 ↔ {xs} = []"), ["exact List.length_eq_zero_iff", "constructor", "simp", f"cases {xs} <;> simp"]),
        (GoalDraft((*base, (x, t), *two, ("h", f"{x} :: {xs} = {x} :: {ys}")), f"{xs} = {ys}"), ["simpa using h", "injection h", "exact (List.cons.inj h).2", "cases h", "injection h with _ h"]),
        (GoalDraft((*base, *declare([x, "y"], t), ("h", f"[{x}] = [y]")), f"{x} = y"), ["simpa using h", "exact (List.cons.inj h).1", "cases h"]),
        (GoalDraft((*base, *two, ("ws", f"List {t}"), ("h", f"{xs} ++ {ys} = {xs} ++ ws")), f"{ys} = ws"), ["simpa using h", "exact List.append_cancel_left h"]),
        (GoalDraft((*base, (f, f"{t} → Bool"), *one, (x, t), ("h", f"{x} ∈ List.filter {f} {xs}")), f"{x} ∈ {xs}"), ["exact (List.mem_filter.mp h).1", "exact List.mem_of_mem_filter h", "simp at h", "rw [List.mem_filter] at h"]),
        (GoalDraft((*base, (f, f"{t} → {t}"), *one, (x, t), ("h", f"{x} ∈ {xs}")), f"{f} {x} ∈ List.map {f} {xs}"), ["exact List.mem_map_of_mem h", f"exact List.mem_map.mpr ⟨{x}, h, rfl⟩"]),
        (GoalDraft((*base, *one), f"List.take {xs}.length {xs} = {xs}"), ["simp", "exact List.take_length"]),
        (GoalDraft((*base, *one), f"List.drop 0 {xs} = {xs}"), ["rfl", "simp"]),
    ]
    return rng.choice(options)
