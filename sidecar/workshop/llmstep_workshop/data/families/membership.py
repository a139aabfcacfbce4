# ruff: noqa: E501
# fmt: off
"""Membership in sets and finite sets: intersections, differences, images, intervals.

One case stands on one line, however long: as a table a family can be read and compared.
"""

from __future__ import annotations

import random

from llmstep_workshop.data.families.goals import TYPES, Case, GoalDraft, declare, draw_names


def set_membership(rng: random.Random) -> Case:
    """Elements of sets given by operations and by conditions."""
    t, u = rng.sample(TYPES, 2)
    s, v, w = rng.choice((("s", "t", "u"), ("S", "R", "U"), ("s", "t", "r")))
    x, y = rng.choice((("x", "y"), ("a", "b"), ("z", "y")))
    h, k = draw_names(rng, 2)
    hx = f"h{x}"
    base = ((t, rng.choice(("Type u_1", "Type*", "Type"))),)
    sets = (*base, *declare([s, v, w], f"Set {t}"))
    at = (*sets, (x, t))
    fun = (*base, (u, "Type u_2"), ("f", f"{t} → {u}"), (s, f"Set {t}"), (w, f"Set {u}"))
    n = rng.randint(1, 9)
    options: list[Case] = [
        (GoalDraft((*at, (h, f"{x} ∈ {s} ∩ {v}")), f"{x} ∈ {v}"), [f"exact {h}.2", f"exact Set.mem_of_mem_inter_right {h}", f"obtain ⟨hs, ht⟩ := {h}"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s}"), (k, f"{x} ∈ {v}")), f"{x} ∈ {s} ∩ {v}"), [f"exact ⟨{h}, {k}⟩", f"exact Set.mem_inter {h} {k}", "constructor"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s} \\ {v}")), f"{x} ∉ {v}"), [f"exact {h}.2", f"exact Set.notMem_of_mem_diff {h}", f"obtain ⟨hs, ht⟩ := {h}"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s} \\ {v}")), f"{x} ∈ {s}"), [f"exact {h}.1", f"exact Set.mem_of_mem_diff {h}"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s}"), (k, f"{x} ∉ {v}")), f"{x} ∈ {s} \\ {v}"), [f"exact ⟨{h}, {k}⟩", f"exact Set.mem_diff_of_mem {h} {k}"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s}ᶜ")), f"{x} ∉ {s}"), [f"exact {h}", f"simpa using {h}"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s} ∩ ({v} ∪ {w})")), f"{x} ∈ {s} ∩ {v} ∪ {s} ∩ {w}"), [f"obtain ⟨hs, ht | hu⟩ := {h}", f"rcases {h} with ⟨hs, ht | hu⟩", "rwa [← Set.inter_union_distrib_left]"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s} ∪ {v}"), (k, f"{x} ∉ {s}")), f"{x} ∈ {v}"), [f"exact {h}.resolve_left {k}", f"rcases {h} with {h} | {h}", f"simpa [{k}] using {h}"]),
        (GoalDraft((*sets, (h, f"{s} ⊆ {v}"), (k, f"{v} ⊆ {w}"), (x, t), (hx, f"{x} ∈ {s}")), f"{x} ∈ {w}"), [f"exact {k} ({h} {hx})", f"apply {k}", f"exact ({h}.trans {k}) {hx}"]),
        (GoalDraft((*sets, (h, f"{s} ⊆ {v}"), (k, f"{s} ⊆ {w}")), f"{s} ⊆ {v} ∩ {w}"), [f"exact Set.subset_inter {h} {k}", f"intro {x} {hx}", f"exact fun {x} {hx} => ⟨{h} {hx}, {k} {hx}⟩"]),
        (GoalDraft((*sets, (h, f"{s} ⊆ {w}"), (k, f"{v} ⊆ {w}")), f"{s} ∪ {v} ⊆ {w}"), [f"exact Set.union_subset {h} {k}", f"rintro {x} (hs | ht)", f"intro {x} {hx}"]),
        (GoalDraft(sets, f"{s} ∩ {v} ⊆ {s} ∪ {v}"), [f"intro {x} {hx}", f"rintro {x} ⟨hs, ht⟩", f"exact fun {x} {hx} => Or.inl {hx}.1"]),
        (GoalDraft(sets, f"{s} ∩ {v} = {v} ∩ {s}"), [f"ext {x}", f"exact Set.inter_comm {s} {v}", "rw [Set.inter_comm]"]),
        (GoalDraft((*sets, (h, f"{s} ⊆ {v}")), f"{s} ∩ {v} = {s}"), [f"exact Set.inter_eq_left.mpr {h}", f"ext {x}", f"simpa using {h}"]),
        (GoalDraft(at, f"{x} ∈ {s} ∩ {v} ↔ {x} ∈ {s} ∧ {x} ∈ {v}"), ["rfl", "exact Iff.rfl", "simp", f"exact Set.mem_inter_iff {x} {s} {v}"]),
        (GoalDraft(at, f"{x} ∈ {s} ∪ {v} ↔ {x} ∈ {s} ∨ {x} ∈ {v}"), ["rfl", "exact Iff.rfl", "simp", f"exact Set.mem_union {x} {s} {v}"]),
        (GoalDraft((*base, *declare([x, y], t), (h, f"{x} ∈ {{{y}}}")), f"{x} = {y}"), [f"exact {h}", f"simpa using {h}", f"exact Set.mem_singleton_iff.mp {h}"]),
        (GoalDraft((*fun, (x, t), (h, f"{x} ∈ {s}")), f"f {x} ∈ f '' {s}"), [f"exact ⟨{x}, {h}, rfl⟩", f"exact Set.mem_image_of_mem f {h}"]),
        (GoalDraft((*fun, (y, u), (h, f"{y} ∈ f '' {s}")), f"∃ {x} ∈ {s}, f {x} = {y}"), [f"exact {h}", f"obtain ⟨{x}, {hx}, rfl⟩ := {h}", f"rcases {h} with ⟨{x}, {hx}, rfl⟩", f"simpa using {h}"]),
        (GoalDraft((*fun, (h, f"{s} ⊆ f ⁻¹' {w}")), f"f '' {s} ⊆ {w}"), [f"rintro _ ⟨{x}, {hx}, rfl⟩", f"exact Set.image_subset_iff.mpr {h}", f"intro {y} h{y}"]),
        (GoalDraft((*fun, (x, t), (h, f"{x} ∈ f ⁻¹' {w}")), f"f {x} ∈ {w}"), [f"exact {h}", f"simpa using {h}", f"exact Set.mem_preimage.mp {h}"]),
        (GoalDraft((*fun, (x, t), (h, f"f {x} ∈ {w}")), f"{x} ∈ f ⁻¹' {w}"), [f"exact {h}", f"simpa using {h}", f"exact Set.mem_preimage.mpr {h}"]),
        (GoalDraft((*base, ("p", f"{t} → Prop"), (x, t), (h, f"p {x}")), f"{x} ∈ {{{y} | p {y}}}"), [f"exact {h}", f"simpa using {h}", f"simp [{h}]"]),
        (GoalDraft((*base, ("p", f"{t} → Prop"), (x, t), (h, f"{x} ∈ {{{y} | p {y}}}")), f"p {x}"), [f"exact {h}", f"simpa using {h}", f"rwa [Set.mem_setOf_eq] at {h}"]),
        (GoalDraft(((x, "ℝ"), (h, f"{x} ∈ Set.Icc 0 {n}")), f"0 ≤ {x}"), [f"exact {h}.1", f"obtain ⟨h0, h1⟩ := {h}", f"exact (Set.mem_Icc.mp {h}).1"]),
        (GoalDraft(((x, "ℝ"), (h, f"{x} ∈ Set.Ioo 0 {n}")), f"{x} < {n}"), [f"exact {h}.2", f"obtain ⟨h0, h1⟩ := {h}", f"exact (Set.mem_Ioo.mp {h}).2"]),
        (GoalDraft(((x, "ℝ"), (h, f"0 ≤ {x}"), (k, f"{x} ≤ {n}")), f"{x} ∈ Set.Icc 0 {n}"), [f"exact ⟨{h}, {k}⟩", "constructor", f"exact Set.mem_Icc.mpr ⟨{h}, {k}⟩"]),
        (GoalDraft((*sets, (h, f"{s}.Nonempty"), (k, f"{s} ⊆ {v}")), f"{v}.Nonempty"), [f"exact {h}.mono {k}", f"obtain ⟨{x}, {hx}⟩ := {h}"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s}")), f"{s}.Nonempty"), [f"exact ⟨{x}, {h}⟩", f"use {x}"]),
    ]
    return rng.choice(options)


def finset_membership(rng: random.Random) -> Case:
    """Elements of finite sets; ranges, filters, images, cards, sums."""
    t = rng.choice(TYPES)
    s, v = rng.choice((("s", "t"), ("S", "R"), ("A", "B")))
    v = "u" if v == t or s == t else v
    s = "s" if s == t else s
    x, y = rng.choice((("x", "y"), ("a", "b")))
    h, k = draw_names(rng, 2)
    base = ((t, rng.choice(("Type u_1", "Type*", "Type"))), ("inst✝", f"DecidableEq {t}"))
    sets = (*base, *declare([s, v], f"Finset {t}"))
    at = (*sets, (x, t))
    i, n = rng.choice((("i", "n"), ("k", "n"), ("j", "m")))
    number = rng.randint(2, 9)
    members = rng.sample(range(10), 3)
    listed = "{" + ", ".join(map(str, members)) + "}"
    options: list[Case] = [
        (GoalDraft((*at, (h, f"{x} ∈ {s} ∩ {v}")), f"{x} ∈ {s}"), [f"exact (Finset.mem_inter.mp {h}).1", f"exact Finset.mem_of_mem_inter_left {h}", f"rw [Finset.mem_inter] at {h}", f"simp at {h}"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s}"), (k, f"{x} ∈ {v}")), f"{x} ∈ {s} ∩ {v}"), [f"exact Finset.mem_inter.mpr ⟨{h}, {k}⟩", f"simp [{h}, {k}]", f"exact Finset.mem_inter_of_mem {h} {k}", "rw [Finset.mem_inter]"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s}")), f"{x} ∈ {s} ∪ {v}"), [f"exact Finset.mem_union_left {v} {h}", f"simp [{h}]", f"exact Finset.mem_union.mpr (Or.inl {h})"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s} ∪ {v}")), f"{x} ∈ {s} ∨ {x} ∈ {v}"), [f"exact Finset.mem_union.mp {h}", f"simpa using {h}"]),
        (GoalDraft((*at, (h, f"{x} ∈ {s} \\ {v}")), f"{x} ∉ {v}"), [f"exact (Finset.mem_sdiff.mp {h}).2", f"simp at {h}", f"rw [Finset.mem_sdiff] at {h}"]),
        (GoalDraft((*sets, *declare([x, y], t), (h, f"{x} ∈ insert {y} {s}")), f"{x} = {y} ∨ {x} ∈ {s}"), [f"exact Finset.mem_insert.mp {h}", f"simpa using {h}"]),
        (GoalDraft(at, f"{x} ∈ insert {x} {s}"), ["simp", f"exact Finset.mem_insert_self {x} {s}"]),
        (GoalDraft((*sets, (h, f"{s} ⊆ {v}"), (x, t), (k, f"{x} ∈ {s}")), f"{x} ∈ {v}"), [f"exact {h} {k}", f"apply {h}"]),
        (GoalDraft((*sets, (h, f"{s} ⊆ {v}")), f"{s}.card ≤ {v}.card"), [f"exact Finset.card_le_card {h}", "gcongr"]),
        (GoalDraft((*base, ("p", f"{t} → Prop"), ("inst✝¹", "DecidablePred p"), (s, f"Finset {t}"), (x, t), (h, f"{x} ∈ Finset.filter p {s}")), f"p {x}"), [f"exact (Finset.mem_filter.mp {h}).2", f"simp at {h}", f"rw [Finset.mem_filter] at {h}"]),
        (GoalDraft((*base, ("p", f"{t} → Prop"), ("inst✝¹", "DecidablePred p"), (s, f"Finset {t}")), f"Finset.filter p {s} ⊆ {s}"), [f"exact Finset.filter_subset p {s}", f"intro {x} h{x}", "simp"]),
        (GoalDraft((*declare([i, n], "ℕ"), (h, f"{i} ∈ Finset.range {n}")), f"{i} < {n}"), [f"exact Finset.mem_range.mp {h}", f"simpa using {h}", f"rwa [Finset.mem_range] at {h}"]),
        (GoalDraft((*declare([i, n], "ℕ"), (h, f"{i} < {n}")), f"{i} ∈ Finset.range {n}"), [f"exact Finset.mem_range.mpr {h}", f"simpa using {h}", "rw [Finset.mem_range]", f"simp [{h}]"]),
        (GoalDraft((*declare([i, n], "ℕ"), (h, f"{i} ∈ Finset.Icc 1 {n}")), f"1 ≤ {i}"), [f"exact (Finset.mem_Icc.mp {h}).1", f"simp at {h}", f"rw [Finset.mem_Icc] at {h}"]),
        (GoalDraft((), f"{members[0]} ∈ {listed}"), ["simp", "norm_num"]),
        (GoalDraft((), f"{listed}.card = 3"), ["rfl", "decide", "simp"]),
        (GoalDraft(((n, "ℕ"),), f"(Finset.range {n}).card = {n}"), ["simp", f"exact Finset.card_range {n}"]),
        (GoalDraft((("f", "ℕ → ℕ"), (n, "ℕ")), f"∑ {i} ∈ Finset.range ({n} + 1), f {i} = ∑ {i} ∈ Finset.range {n}, f {i} + f {n}"), [f"exact Finset.sum_range_succ f {n}", "rw [Finset.sum_range_succ]", "simp [Finset.sum_range_succ]"]),
        (GoalDraft(((n, "ℕ"),), f"∑ {i} ∈ Finset.range {n}, {number} = {number} * {n}"), ["simp [mul_comm]", "rw [Finset.sum_const, Finset.card_range, smul_eq_mul, mul_comm]"]),
        (GoalDraft((), f"∑ {i} ∈ Finset.range {number}, {i} = {number * (number - 1) // 2}"), ["rfl", "decide", "simp [Finset.sum_range_succ]", "norm_num [Finset.sum_range_succ]"]),
        (GoalDraft((*base, *declare([s, v], f"Finset {t}")), f"{s} ∩ {v} = {v} ∩ {s}"), [f"exact Finset.inter_comm {s} {v}", f"ext {x}", "rw [Finset.inter_comm]"]),
        (GoalDraft((*base, (s, f"Finset {t}"), (h, f"{s}.card = 0")), f"{s} = ∅"), [f"exact Finset.card_eq_zero.mp {h}", f"simpa using {h}"]),
    ]
    return rng.choice(options)
