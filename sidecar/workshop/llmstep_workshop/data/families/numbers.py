# ruff: noqa: E501
# fmt: off
"""Arithmetic over naturals, integers and ordered fields; induction.

One case stands on one line, however long: as a table a family can be read and compared.
"""

from __future__ import annotations

import random

from llmstep_workshop.data.families.goals import (
    Case,
    GoalDraft,
    declare,
    draw_field,
    draw_integer_like,
    draw_letters,
    draw_names,
    draw_natural,
)


def linear_integer(rng: random.Random) -> Case:
    """Linear arithmetic that `omega` decides."""
    t = draw_integer_like(rng)
    a, b, c = draw_letters(rng, 3)
    h, k = draw_names(rng, 2)
    n, m = rng.randint(1, 12), rng.randint(1, 12)
    two, three = declare([a, b], t), declare([a, b, c], t)
    up = rng.choice((f"{a} < {b} + {n}", f"{a} + 1 ≤ {b} + {n}", f"{a} ≤ {b} + {n}", f"{a} < {b} + 1"))
    natural = t in ("ℕ", "Nat")
    exact = [f"exact Nat.lt_succ_of_le {h}"] if natural and up.endswith("+ 1") else []
    options: list[Case] = [
        (GoalDraft((*two, (h, f"{a} ≤ {b}")), up), ["omega", "omega", *exact]),
        (GoalDraft((*two, (h, f"{a} + {n} = {b} + {n}")), f"{a} = {b}"), ["omega", f"simpa using {h}", f"exact Nat.add_right_cancel {h}" if natural else "omega"]),
        (GoalDraft((*two, (h, f"{a} + {n} = {b}"), (k, f"{b} = {n + m}")), f"{a} = {m}"), ["omega"]),
        (GoalDraft((*three, (h, f"{a} + {b} = {c}"), (k, f"{b} = {n}")), f"{a} + {n} = {c}"), ["omega", f"rw [← {k}, {h}]", f"subst {k}"]),
        (GoalDraft((*two, (h, f"{a} < {b}")), f"{a} + 1 ≤ {b}"), ["omega", f"exact {h}"] if natural else ["omega"]),
        (GoalDraft((*two, (h, f"{n + 1} * {a} = {n + 1} * {b}")), f"{a} = {b}"), ["omega"]),
        (GoalDraft((*two, (h, f"{a} = 2 * {b} + 1")), f"{a} % 2 = 1"), ["omega"]),
        (GoalDraft((*two, (h, f"{a} % {n + 1} = 0"), (k, f"{b} % {n + 1} = 0")), f"({a} + {b}) % {n + 1} = 0"), ["omega"]),
        (GoalDraft((*three, (h, f"{a} ≤ {b}"), (k, f"{b} < {c}")), f"{a} < {c} + {n}"), ["omega"]),
        (GoalDraft((*two, (h, f"{a} ≠ {b}")), f"{a} < {b} ∨ {b} < {a}"), ["omega", f"exact lt_or_gt_of_ne {h}"]),
        (GoalDraft((*two, (h, f"¬{a} = {b}"), (k, f"{a} ≤ {b}")), f"{a} < {b}"), ["omega"]),
        (GoalDraft((*declare([a], t), (h, f"{a} > {n + m}")), f"{a} > {n}"), ["omega"]),
        (GoalDraft((*declare([a], t), (h, f"{a} < {n}"), (k, f"{n} ≤ {a}")), rng.choice(("False", f"{a} = 0"))), ["omega", "exfalso"]),
        (GoalDraft((*two, (h, f"{a} - {b} = {n}"), (k, f"{b} ≤ {a}")), f"{a} = {b} + {n}"), ["omega"]),
        (GoalDraft((*declare([a], t), (h, f"{n} < {a}")), f"{a} ≠ 0" if natural else f"0 < {a}"), ["omega"]),
    ]
    return rng.choice(options)


def natural_identity(rng: random.Random) -> Case:
    """Identities of natural numbers, and closed ones."""
    t = draw_natural(rng)
    a, b, c = draw_letters(rng, 3)
    n, m = rng.randint(0, 40), rng.randint(0, 40)
    one, two, three = declare([a], t), declare([a, b], t), declare([a, b, c], t)
    options: list[Case] = [
        (GoalDraft(one, f"{a} + 0 = {a}"), ["rfl", "simp", "omega", f"exact Nat.add_zero {a}", "exact add_zero " + a]),
        (GoalDraft(one, f"0 + {a} = {a}"), ["simp", "omega", f"exact Nat.zero_add {a}", "rw [Nat.zero_add]", f"induction {a}"]),
        (GoalDraft(one, f"{a} * 1 = {a}"), ["simp", "omega", f"exact Nat.mul_one {a}", "ring"]),
        (GoalDraft(one, f"0 * {a} = 0"), ["simp", f"exact Nat.zero_mul {a}", "omega", "ring"]),
        (GoalDraft(two, f"{a} + {b} = {b} + {a}"), ["omega", f"exact Nat.add_comm {a} {b}", "ring", "rw [Nat.add_comm]", "apply Nat.add_comm"]),
        (GoalDraft(two, f"{a} * {b} = {b} * {a}"), [f"exact Nat.mul_comm {a} {b}", "ring", "rw [Nat.mul_comm]", "apply Nat.mul_comm"]),
        (GoalDraft(three, f"{a} + {b} + {c} = {a} + ({b} + {c})"), ["omega", f"exact Nat.add_assoc {a} {b} {c}", "ring", "rw [Nat.add_assoc]"]),
        (GoalDraft(three, f"{a} + {b} + {c} = {a} + {c} + {b}"), ["omega", "ring", f"exact Nat.add_right_comm {a} {b} {c}"]),
        (GoalDraft(three, f"{a} * ({b} + {c}) = {a} * {b} + {a} * {c}"), [f"exact Nat.mul_add {a} {b} {c}", "ring", "rw [Nat.mul_add]", "exact Nat.left_distrib _ _ _"]),
        (GoalDraft(one, f"{a} ≤ {a} + {n}"), ["omega", "simp", f"exact Nat.le_add_right {a} {n}"]),
        (GoalDraft(one, f"{a} < {a} + {n + 1}"), ["omega", "simp"]),
        (GoalDraft(one, f"{a} ≠ {a} + {n + 1}"), ["omega", "simp"]),
        (GoalDraft(one, f"0 < {a} + {n + 1}"), ["omega", "exact Nat.succ_pos _", "simp", "positivity"]),
        (GoalDraft(one, f"{a} - {a} = 0"), ["omega", "simp", f"exact Nat.sub_self {a}"]),
        (GoalDraft(two, f"{a} + {b} - {b} = {a}"), ["omega", "simp", "exact Nat.add_sub_cancel"]),
        (GoalDraft(two, f"{a} ≤ {b} ∨ {b} < {a}"), ["omega", "omega", f"exact le_or_gt {a} {b}"]),
        (GoalDraft(one, f"{a} = 0 ∨ 0 < {a}"), ["omega", f"exact Nat.eq_zero_or_pos {a}", f"cases {a}"]),
        (GoalDraft((), f"{n} + {m} = {n + m}"), ["rfl", "norm_num", "decide", "simp"]),
        (GoalDraft((), f"{n} * {m} = {n * m}"), ["rfl", "norm_num", "decide", "simp"]),
        (GoalDraft((), f"{n} < {n + m + 1}"), ["norm_num", "decide", "omega", "simp"]),
        (GoalDraft((), f"{n} ≠ {n + m + 1}"), ["norm_num", "decide", "omega", "simp"]),
        (GoalDraft((), f"∃ {a}, {a} + {n} = {n + m}"), [f"exact ⟨{m}, rfl⟩", f"use {m}", f"exact ⟨{m}, by norm_num⟩", f"refine ⟨{m}, ?_⟩"]),
        (GoalDraft((), f"∃ {a} : {t}, {a} > {n}"), [f"exact ⟨{n + 1}, by omega⟩", f"use {n + 1}", f"exact ⟨{n + 1}, by decide⟩"]),
        (GoalDraft((), f"∀ ({a} : {t}), 0 ≤ {a}"), [f"intro {a}", "exact Nat.zero_le", "simp", f"exact fun {a} => Nat.zero_le {a}"]),
        (GoalDraft((), f"∀ ({a} {b} : {t}), {a} + {b} = {b} + {a}"), [f"intro {a} {b}", "exact Nat.add_comm", f"intro {a} {b}"]),
        (GoalDraft((), f"∀ ({a} {b} : {t}), {a} < {b} → {a} ≤ {b}"), [f"intro {a} {b} h", "exact fun _ _ => Nat.le_of_lt", f"intro {a} {b} hab"]),
    ]
    return rng.choice(options)


def induction(rng: random.Random) -> Case:
    """Goals that need induction, and their steps."""
    t = draw_natural(rng)
    n = rng.choice(("n", "m", "k"))
    ih = rng.choice(("ih", "ih", "n_ih", "hn", "h"))
    f = rng.choice(("f", "g", "s"))
    kind = rng.randrange(6)
    if kind == 0:
        base = ((f, f"{t} → {t}"), ("h0", f"{f} 0 = 0"), ("hs", f"∀ (n : {t}), {f} (n + 1) = {f} n + 1"), (n, t))
        return GoalDraft(base, f"{f} {n} = {n}"), [f"induction {n}", f"induction {n} <;> simp_all",
                                              f"induction' {n} with {n} {ih}"]
    if kind == 1:
        base = ((f, f"{t} → {t}"), ("h0", f"{f} 0 = 0"), ("hs", f"∀ (n : {t}), {f} (n + 1) = {f} n + 1"),
                (n, t), (ih, f"{f} {n} = {n}"))
        return GoalDraft(base, f"{f} ({n} + 1) = {n} + 1"), [f"rw [hs, {ih}]", f"simp [hs, {ih}]", "rw [hs]"]
    if kind == 2:
        p = rng.choice(("P", "p"))
        base = ((p, f"{t} → Prop"), ("h0", f"{p} 0"), ("hs", f"∀ (n : {t}), {p} n → {p} (n + 1)"), (n, t))
        return GoalDraft(base, f"{p} {n}"), [f"induction {n}", f"induction {n} with | zero => exact h0 | succ {n} {ih} => exact hs {n} {ih}",
                                        f"induction {n} <;> simp_all", f"exact Nat.rec h0 hs {n}"]
    if kind == 3:
        p = rng.choice(("P", "p"))
        base = ((p, f"{t} → Prop"), ("h0", f"{p} 0"), ("hs", f"∀ (n : {t}), {p} n → {p} (n + 1)"), (n, t), (ih, f"{p} {n}"))
        return GoalDraft(base, f"{p} ({n} + 1)"), [f"exact hs {n} {ih}", "apply hs", f"exact hs _ {ih}"]
    if kind == 4:
        lhs, step = rng.choice((("0 + {n}", "{n}"), ("{n} * 0", "0"), ("1 * {n}", "{n}"), ("0 * {n}", "0")))
        return GoalDraft(declare([n], t), f"{lhs} = {step}".replace("{n}", n)), [
            "simp", "omega", f"induction {n}", f"induction {n} <;> simp_all", f"cases {n} <;> simp"]
    c = rng.randint(2, 5)
    return GoalDraft(declare([n], t), f"{n} < {c} ^ {n}"), [
        f"induction {n}", "exact Nat.lt_pow_self (by norm_num)", f"induction' {n} with {n} {ih}"]


def real(rng: random.Random) -> Case:
    """Identities and inequalities of an ordered field."""
    t = draw_field(rng)
    a, b, c = draw_letters(rng, 3)
    h, k = draw_names(rng, 2)
    n, m = rng.randint(2, 12), rng.randint(1, 12)
    one, two, three = declare([a], t), declare([a, b], t), declare([a, b, c], t)
    options: list[Case] = [
        (GoalDraft((*one, (h, f"{n} * {a} + {m} = {n * 3 + m}")), f"{a} = 3"), ["linarith", "nlinarith"]),
        (GoalDraft((*one, (h, f"{a} + {m} = {n + m}")), f"{a} = {n}"), ["linarith", f"simpa using {h}"]),
        (GoalDraft((*two, (h, f"{a} + {b} = {n}"), (k, f"{a} - {b} = {m}")), f"{a} = {n + m} / 2"), ["linarith"]),
        (GoalDraft((*two, (h, f"{a} ≤ {b}")), f"{a} - {b} ≤ 0"), ["linarith", f"exact sub_nonpos.mpr {h}"]),
        (GoalDraft((*two, (h, f"{a} < {b}")), f"0 < {b} - {a}"), ["linarith", f"exact sub_pos.mpr {h}"]),
        (GoalDraft((*two, (h, f"0 < {a}"), (k, f"0 < {b}")), f"0 < {a} * {b}"), ["positivity", f"exact mul_pos {h} {k}", "nlinarith"]),
        (GoalDraft((*two, (h, f"0 ≤ {a}"), (k, f"0 ≤ {b}")), f"0 ≤ {a} * {b}"), ["positivity", f"exact mul_nonneg {h} {k}"]),
        (GoalDraft((*two, (h, f"0 < {a}"), (k, f"0 < {b}")), f"0 < {a} + {b}"), ["positivity", "linarith", f"exact add_pos {h} {k}"]),
        (GoalDraft(one, f"0 ≤ {a} ^ 2"), ["positivity", f"exact sq_nonneg {a}", "apply sq_nonneg"]),
        (GoalDraft(two, f"0 ≤ {a} ^ 2 + {b} ^ 2"), ["positivity", f"nlinarith [sq_nonneg {a}, sq_nonneg {b}]"]),
        (GoalDraft(two, f"2 * {a} * {b} ≤ {a} ^ 2 + {b} ^ 2"), [f"nlinarith [sq_nonneg ({a} - {b})]", f"linarith [sq_nonneg ({a} - {b})]", "nlinarith", f"exact two_mul_le_add_sq {a} {b}"]),
        (GoalDraft(two, f"{a} * {b} ≤ ({a} ^ 2 + {b} ^ 2) / 2"), [f"nlinarith [sq_nonneg ({a} - {b})]"]),
        (GoalDraft(three, f"{a} * {b} + {b} * {c} + {c} * {a} ≤ {a} ^ 2 + {b} ^ 2 + {c} ^ 2"),
         [f"nlinarith [sq_nonneg ({a} - {b}), sq_nonneg ({b} - {c}), sq_nonneg ({c} - {a})]"]),
        (GoalDraft(two, f"({a} + {b}) ^ 2 = {a} ^ 2 + 2 * {a} * {b} + {b} ^ 2"), ["ring", "ring_nf"]),
        (GoalDraft(two, f"({a} - {b}) ^ 2 = {a} ^ 2 - 2 * {a} * {b} + {b} ^ 2"), ["ring", "ring_nf"]),
        (GoalDraft(two, f"({a} + {b}) * ({a} - {b}) = {a} ^ 2 - {b} ^ 2"), ["ring", "ring_nf"]),
        (GoalDraft(three, f"{a} * ({b} + {c}) = {a} * {b} + {a} * {c}"), ["ring", f"exact mul_add {a} {b} {c}", "rw [mul_add]"]),
        (GoalDraft(two, f"{a} * {b} + {n} * {a} = {a} * ({b} + {n})"), ["ring"]),
        (GoalDraft(three, f"{a} + {b} + {c} = {c} + {b} + {a}"), ["ring", "linarith", "abel"]),
        (GoalDraft((*one, (h, f"{a} ≠ 0")), f"{a} / {a} = 1"), [f"exact div_self {h}", "field_simp", f"simp [{h}]"]),
        (GoalDraft((*one, (h, f"{a} ≠ 0")), f"{a} * {a}⁻¹ = 1"), [f"exact mul_inv_cancel₀ {h}", "field_simp", f"simp [{h}]"]),
        (GoalDraft((), f"({n} : {t}) + {m} = {n + m}"), ["norm_num"]),
        (GoalDraft((), f"({n} : {t}) / {n * 2} = 1 / 2"), ["norm_num"]),
        (GoalDraft((), f"(0 : {t}) < {m}"), ["norm_num", "positivity"]),
        (GoalDraft((), f"({m} : {t}) < {m + n}"), ["norm_num"]),
        (GoalDraft((*one, (h, f"{a} = {m}")), f"{a} ^ 2 = {m * m}"), [f"rw [{h}]", f"subst {h}", f"norm_num [{h}]", f"simp [{h}]"]),
        (GoalDraft((*one, (h, f"{a} ^ 2 = 0")), f"{a} = 0"), [f"exact pow_eq_zero_iff (two_ne_zero) |>.mp {h}", f"simpa using {h}", "nlinarith"]),
        (GoalDraft((*two, (h, f"{a} = {m} * {b}"), (k, f"{b} = {n}")), f"{a} = {m * n}"), [f"rw [{h}, {k}]", "linarith", f"subst {k}"]),
        (GoalDraft(one, f"|{a}| ≥ 0"), [f"exact abs_nonneg {a}", "positivity"]),
        (GoalDraft(two, f"|{a} + {b}| ≤ |{a}| + |{b}|"), [f"exact abs_add_le {a} {b}", "apply abs_add_le"]),
        (GoalDraft((*two, (h, f"{a} * {b} = 0")), f"{a} = 0 ∨ {b} = 0"), [f"exact mul_eq_zero.mp {h}", f"simpa using {h}"]),
        (GoalDraft((("f", f"{t} → {t}"), (h, f"∀ x, f x = {n} * x + {m}")), f"f {n} = {n * n + m}"), [f"rw [{h}]", f"norm_num [{h}]", f"simp [{h}]"]),
        (GoalDraft((("f", f"{t} → {t}"), (h, f"∀ x, f x = {n} * x - {m}")), f"f 1 = {n - m}"), [f"rw [{h}]", f"norm_num [{h}]"]),
    ]
    return rng.choice(options)


def divisibility(rng: random.Random) -> Case:
    """∣, Even, Odd."""
    t = draw_integer_like(rng)
    a, b, c = draw_letters(rng, 3)
    h, k = draw_names(rng, 2)
    n = rng.randint(2, 12)
    two, three = declare([a, b], t), declare([a, b, c], t)
    options: list[Case] = [
        (GoalDraft((*three, (h, f"{a} ∣ {b}"), (k, f"{b} ∣ {c}")), f"{a} ∣ {c}"), [f"exact dvd_trans {h} {k}", f"exact {h}.trans {k}", f"exact Nat.dvd_trans {h} {k}" if t in ("ℕ", "Nat") else f"exact Int.dvd_trans {h} {k}"]),
        (GoalDraft((*three, (h, f"{a} ∣ {b}"), (k, f"{a} ∣ {c}")), f"{a} ∣ {b} + {c}"), [f"exact dvd_add {h} {k}", f"obtain ⟨x, hx⟩ := {h}"]),
        (GoalDraft((*three, (h, f"{a} ∣ {b}")), f"{a} ∣ {b} * {c}"), [f"exact Dvd.dvd.mul_right {h} {c}", f"exact dvd_mul_of_dvd_left {h} {c}", f"exact {h}.mul_right {c}"]),
        (GoalDraft(two, f"{a} ∣ {a} * {b}"), [f"exact dvd_mul_right {a} {b}", f"exact Dvd.intro {b} rfl", "simp", f"exact ⟨{b}, rfl⟩"]),
        (GoalDraft(declare([a], t), f"{a} ∣ {a}"), [f"exact dvd_refl {a}", "exact dvd_rfl", "simp"]),
        (GoalDraft(declare([a], t), f"{n} ∣ {n} * {a}"), [f"exact Dvd.intro {a} rfl", f"exact ⟨{a}, rfl⟩", "simp", "omega"]),
        (GoalDraft((*declare([a], t), (h, f"Even {a}")), f"∃ {b}, {a} = {b} + {b}"), [f"exact {h}", f"obtain ⟨{b}, hb⟩ := {h}"]),
        (GoalDraft((*two, (h, f"Even {a}"), (k, f"Even {b}")), f"Even ({a} + {b})"), [f"exact {h}.add {k}", f"exact Even.add {h} {k}", f"obtain ⟨x, hx⟩ := {h}"]),
        (GoalDraft((*two, (h, f"Odd {a}"), (k, f"Odd {b}")), f"Even ({a} + {b})"), [f"exact {h}.add_odd {k}", f"exact Odd.add_odd {h} {k}", f"obtain ⟨x, hx⟩ := {h}"]),
        (GoalDraft((), f"{n} ∣ {n * rng.randint(2, 15)}"), ["norm_num", "decide", "omega"]),
    ]
    return rng.choice(options)
