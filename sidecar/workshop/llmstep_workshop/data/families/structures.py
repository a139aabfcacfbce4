# ruff: noqa: E501
# fmt: off
"""Lists, sets, options, products, `Fin`, `Bool`, and `simp` at hypotheses.

One case stands on one line, however long: as a table a family can be read and compared.
"""

from __future__ import annotations

import random

from llmstep_workshop.data.families.goals import (
    NAMES,
    TYPES,
    Case,
    GoalDraft,
    declare,
    draw_integer_like,
    draw_letters,
    draw_universe,
)


def lists(rng: random.Random) -> Case:
    """Length, append, reverse, map, membership."""
    t = rng.choice(TYPES)
    base = ((t, draw_universe(rng)),)
    x, y = rng.choice((("xs", "ys"), ("l", "l'"), ("l₁", "l₂"), ("as", "bs"), ("s", "t"), ("L", "M")))
    z = rng.choice(("zs", "l₃", "cs", "r"))
    a = rng.choice(("a", "x", "b"))
    f = rng.choice(("f", "g"))
    h = rng.choice(NAMES)
    one, two = ((x, f"List {t}"),), ((x, f"List {t}"), (y, f"List {t}"))
    three = (*two, (z, f"List {t}"))
    fun = ((f, f"{t} → {t}"),)
    elem = ((a, t),)
    options: list[Case] = [
        (GoalDraft((*base, *two), f"({x} ++ {y}).length = {x}.length + {y}.length"),
         ["simp", "exact List.length_append", "rw [List.length_append]", f"induction {x} <;> simp_all", f"induction {x}", "simp [List.length_append]"]),
        (GoalDraft((*base, *three), f"{x} ++ {y} ++ {z} = {x} ++ ({y} ++ {z})"),
         ["simp", f"exact List.append_assoc {x} {y} {z}", "rw [List.append_assoc]", f"induction {x}"]),
        (GoalDraft((*base, *one), f"{x} ++ [] = {x}"), ["simp", f"exact List.append_nil {x}", f"induction {x}", "rw [List.append_nil]"]),
        (GoalDraft((*base, *one), f"[] ++ {x} = {x}"), ["rfl", "simp", f"exact List.nil_append {x}"]),
        (GoalDraft((*base, *one), f"{x}.reverse.reverse = {x}"), ["simp", f"exact List.reverse_reverse {x}"]),
        (GoalDraft((*base, *one), f"{x}.reverse.length = {x}.length"), ["simp", "exact List.length_reverse", "rw [List.length_reverse]"]),
        (GoalDraft((*base, *two), f"({x} ++ {y}).reverse = {y}.reverse ++ {x}.reverse"), ["simp", "exact List.reverse_append", f"induction {x} <;> simp_all"]),
        (GoalDraft((*base, *fun, *one), f"(List.map {f} {x}).length = {x}.length"), ["simp", f"exact List.length_map {f}", "rw [List.length_map]", f"induction {x} <;> simp_all"]),
        (GoalDraft((*base, *fun, *one), f"({x}.map {f}).length = {x}.length"), ["simp", f"exact List.length_map {f}"]),
        (GoalDraft((*base, *fun, *two), f"List.map {f} ({x} ++ {y}) = List.map {f} {x} ++ List.map {f} {y}"), ["simp", "exact List.map_append", f"induction {x} <;> simp_all"]),
        (GoalDraft((*base, *one), f"List.map id {x} = {x}"), ["simp", f"exact List.map_id {x}", f"induction {x} <;> simp_all"]),
        (GoalDraft((*base, *elem, *one), f"({a} :: {x}).length = {x}.length + 1"), ["rfl", "simp", "exact List.length_cons"]),
        (GoalDraft((*base, *elem, *one), f"{a} :: {x} ≠ []"), ["simp", f"exact List.cons_ne_nil {a} {x}", f"intro {h}"]),
        (GoalDraft((*base, *elem), f"{a} ∈ [{a}]"), ["simp", "exact List.mem_singleton_self " + a]),
        (GoalDraft((*base, *elem, *one), f"{a} ∈ {a} :: {x}"), ["simp", "exact List.mem_cons_self", "apply List.mem_cons_self"]),
        (GoalDraft((*base, *elem, *two, (h, f"{a} ∈ {x}")), f"{a} ∈ {x} ++ {y}"), [f"exact List.mem_append_left _ {h}", f"simp [{h}]", f"exact List.mem_append.mpr (Or.inl {h})"]),
        (GoalDraft((*base, *elem, *two, (h, f"{a} ∈ {x} ++ {y}")), f"{a} ∈ {x} ∨ {a} ∈ {y}"), [f"simpa using {h}", f"exact List.mem_append.mp {h}"]),
        (GoalDraft((*base, *elem, ("b", t), (h, f"{a} ∈ [b]")), f"{a} = b"), [f"simpa using {h}", f"exact List.mem_singleton.mp {h}", f"simp at {h}"]),
        (GoalDraft((*base, *one, (h, f"{x}.length = 0")), f"{x} = []"), [f"exact List.length_eq_zero_iff.mp {h}", f"simpa using {h}", f"cases {x} <;> simp_all", f"cases {x}"]),
        (GoalDraft((*base, *one, (h, f"{x} ≠ []")), f"0 < {x}.length"), [f"exact List.length_pos_iff.mpr {h}", f"cases {x} <;> simp_all", f"cases {x}"]),
        (GoalDraft((*base, *fun, *elem, *one), f"List.map {f} ({a} :: {x}) = {f} {a} :: List.map {f} {x}"), ["rfl", "simp", "exact List.map_cons"]),
        (GoalDraft((*base, ("p", f"{t} → Bool"), *one), f"(List.filter p {x}).length ≤ {x}.length"), [f"exact List.length_filter_le p {x}", "apply List.length_filter_le"]),
        (GoalDraft((*base, ("head", t), ("tail", f"List {t}"), ("tail_ih", "tail ++ [] = tail")), "head :: tail ++ [] = head :: tail"), ["simp", "simp [tail_ih]", "simp_all"]),
    ]
    return rng.choice(options)


def sets(rng: random.Random) -> Case:
    """⊆, ∩, ∪ of sets and finite sets."""
    t = rng.choice(TYPES)
    box = rng.choice(("Set", "Set", "Finset"))
    base: tuple[tuple[str, str], ...] = ((t, rng.choice(("Type u_1", "Type*", "Type"))),)
    if box == "Finset":
        base = (*base, ("inst✝", f"DecidableEq {t}"))
    s, u, v = rng.choice((("s", "t", "u"), ("A", "B", "C"), ("S", "T", "U")))
    if t in (s, u, v):
        s, u, v = "s", "t", "u"
    x = rng.choice(("x", "a", "y"))
    hx, h = f"h{x}", rng.choice(NAMES)
    sets = declare([s, u, v], f"{box} {t}")
    point = ((x, t),)
    options: list[tuple[tuple[tuple[str, str], ...], str, list[str]]] = [
        ((), f"{s} ∩ {u} ⊆ {s}", [f"intro {x} {hx}", f"exact {box}.inter_subset_left", "simp"]),
        ((), f"{s} ⊆ {s} ∪ {u}", [f"intro {x} {hx}", f"exact {box}.subset_union_left", "simp"]),
        ((), f"{s} ∩ {u} = {u} ∩ {s}", [f"ext {x}", f"exact {box}.inter_comm {s} {u}", f"rw [{box}.inter_comm]"]),
        ((), f"{s} ∪ {u} = {u} ∪ {s}", [f"ext {x}", f"exact {box}.union_comm {s} {u}", f"rw [{box}.union_comm]"]),
        ((), f"{s} ∩ ({u} ∪ {v}) = {s} ∩ {u} ∪ {s} ∩ {v}", [f"ext {x}", f"exact {box}.inter_union_distrib_left {s} {u} {v}"]),
        ((), f"{s} ⊆ {s}", ["rfl", "exact subset_rfl", f"exact fun _ {h} => {h}"]),
        ((), f"∅ ⊆ {s}", ["simp", f"exact {box}.empty_subset {s}"]),
        (((h, f"{s} ⊆ {u}"),), f"{s} ∩ {v} ⊆ {u} ∩ {v}", [f"intro {x} {hx}", f"rintro {x} ⟨hs, hv⟩", "gcongr", f"exact {box}.inter_subset_inter_left {h}" if box == "Finset" else f"exact Set.inter_subset_inter_left {v} {h}"]),
        (((h, f"{s} ⊆ {u}"), *point, (hx, f"{x} ∈ {s}")), f"{x} ∈ {u}", [f"exact {h} {hx}", f"apply {h}"]),
        (((h, f"{s} ⊆ {u}"), ("h'", f"{u} ⊆ {v}")), f"{s} ⊆ {v}", [f"exact {h}.trans h'", f"intro {x} {hx}", f"exact fun {x} {hx} => h' ({h} {hx})"]),
        (((h, f"{s} ⊆ {u}"), ("h'", f"{u} ⊆ {s}")), f"{s} = {u}", [f"exact subset_antisymm {h} h'", f"ext {x}", f"exact {box}.Subset.antisymm {h} h'"]),
    ]
    member: list[tuple[tuple[tuple[str, str], ...], str, list[str]]] = [
        ((*point, (hx, f"{x} ∈ {s} ∩ {u}")), f"{x} ∈ {s}", [f"exact {hx}.1", f"obtain ⟨h₁, h₂⟩ := {hx}"]),
        ((*point, (hx, f"{x} ∈ {s} ∩ {u}")), f"{x} ∈ {u}", [f"exact {hx}.2", f"exact {hx}.right"]),
        ((*point, (hx, f"{x} ∈ {s} ∩ {u}")), f"{x} ∈ {u} ∩ {s}", [f"exact ⟨{hx}.2, {hx}.1⟩", f"exact {hx}.symm", "constructor"]),
        ((*point, (hx, f"{x} ∈ {s}")), f"{x} ∈ {s} ∪ {u}", [f"exact Or.inl {hx}", "left", f"exact Set.mem_union_left {u} {hx}"]),
        ((*point, (hx, f"{x} ∈ {s} ∪ {u}")), f"{x} ∈ {u} ∪ {s}", [f"rcases {hx} with {hx} | {hx}", f"exact {hx}.symm", f"cases {hx}"]),
        ((*point, ("h₁", f"{x} ∈ {s}"), ("h₂", f"{x} ∈ {u}")), f"{x} ∈ {s} ∩ {u}", ["exact ⟨h₁, h₂⟩", "constructor"]),
        (point, f"{x} ∈ {s} ∩ {u} ↔ {x} ∈ {u} ∩ {s}", ["constructor", "simp [and_comm]", "tauto", "aesop"]),
    ]
    facts, target, tactics = rng.choice(options + member if box == "Set" else options)
    return GoalDraft((*base, *sets, *facts), target), tactics


def options_and_products(rng: random.Random) -> Case:
    """`Option`, `Prod`, `Fin`, `Bool`."""
    t, u = rng.sample(TYPES, 2)
    base = ((t, draw_universe(rng)),)
    pair = ((t, "Type u_1"), (u, "Type u_2"))
    a, b = draw_letters(rng, 2)
    h = rng.choice(NAMES)
    o, p = rng.choice(("o", "x", "m")), rng.choice(("p", "q", "z"))
    n = rng.choice(("n", "k"))
    i = rng.choice(("i", "j"))
    v, w = rng.choice((("a", "b"), ("b", "c"), ("x", "y"), ("p", "q")))
    bools = declare([v, w], "Bool")
    options: list[Case] = [
        (GoalDraft((*base, *declare([a, b], t), (h, f"some {a} = some {b}")), f"{a} = {b}"), [f"simpa using {h}", f"exact Option.some.inj {h}", f"cases {h}", f"injection {h}"]),
        (GoalDraft((*base, *declare([a], t)), f"some {a} ≠ none"), ["simp", f"intro {h}", f"exact Option.some_ne_none {a}"]),
        (GoalDraft((*base, *declare([a], t), (h, f"some {a} = none")), "False"), [f"cases {h}", f"simp at {h}", "contradiction"]),
        (GoalDraft((*base, (o, f"Option {t}"), (h, f"{o} ≠ none")), f"∃ y, {o} = some y"), [f"cases {o}", f"exact Option.ne_none_iff_exists'.mp {h}", f"cases {o} <;> simp_all"]),
        (GoalDraft((*base, (o, f"Option {t}")), f"{o}.map id = {o}"), [f"cases {o} <;> rfl", "simp", f"cases {o}"]),
        (GoalDraft((*pair, (p, f"{t} × {u}")), f"({p}.1, {p}.2) = {p}"), ["rfl", "simp", f"cases {p}"]),
        (GoalDraft((*pair, *declare([a], t), *declare([b], u)), f"({a}, {b}).1 = {a}"), ["rfl", "simp"]),
        (GoalDraft((*pair, ("x", f"{t} × {u}"), ("y", f"{t} × {u}"), ("h₁", "x.1 = y.1"), ("h₂", "x.2 = y.2")), "x = y"), ["exact Prod.ext h₁ h₂", "ext", "cases x", "apply Prod.ext"]),
        (GoalDraft(((n, "ℕ"), (i, f"Fin {n}")), f"↑{i} < {n}"), [f"exact {i}.isLt", f"exact {i}.2", "omega", "simp"]),
        (GoalDraft(((n, "Nat"), (i, f"Fin {n}")), f"↑{i} < {n} + 1"), ["omega", f"exact Nat.lt_succ_of_lt {i}.isLt"]),
        (GoalDraft(((n, "ℕ"), (i, f"Fin {n}"), ("l", f"Fin {n}"), (h, f"↑{i} = ↑l")), f"{i} = l"), [f"exact Fin.ext {h}", "ext", "omega"]),
        (GoalDraft(bools, f"({v} && {w}) = ({w} && {v})"), [f"cases {v} <;> cases {w} <;> rfl", f"exact Bool.and_comm {v} {w}", "decide +revert", f"cases {v}"]),
        (GoalDraft(bools, f"({v} || {w}) = ({w} || {v})"), [f"cases {v} <;> cases {w} <;> rfl", f"exact Bool.or_comm {v} {w}", f"cases {v}"]),
        (GoalDraft(bools, f"(!({v} && {w})) = (!{v} || !{w})"), [f"cases {v} <;> cases {w} <;> rfl", "simp", f"cases {v} <;> simp"]),
        (GoalDraft(bools[:1], f"(!!{v}) = {v}"), [f"cases {v} <;> rfl", "simp", f"exact Bool.not_not {v}"]),
        (GoalDraft((*bools[:1], (h, f"{v} ≠ true")), f"{v} = false"), [f"simpa using {h}", f"cases {v} <;> simp_all", f"cases {v}"]),
    ]
    return rng.choice(options)


def simp_at(rng: random.Random) -> Case:
    """Hypotheses that `simp` turns into the goal."""
    t = draw_integer_like(rng)
    a, b = draw_letters(rng, 2)
    h = rng.choice(NAMES)
    n = rng.randint(1, 20)
    two = declare([a, b], t)
    left, right, target = rng.choice((
        (f"{a} + 0", b, f"{a} = {b}"), (f"0 + {a}", b, f"{a} = {b}"), (f"{a} * 1", b, f"{a} = {b}"),
        (f"1 * {a}", f"{b} + 0", f"{a} = {b}"), (f"{a} + {n}", f"{b} + {n}", f"{a} = {b}"),
        (f"{a}", f"{b} * 1", f"{a} = {b}"), (f"{a} + 0 + 0", b, f"{b} = {a}"),
    ))
    tactics = [f"simp at {h}", "omega", f"simpa using {h}" if target.startswith(a) else f"simpa using {h}.symm"]
    kind = rng.randrange(4)
    if kind == 0:
        goal = GoalDraft((*two, (h, f"{a} = {b} ∧ True")), f"{a} = {b}")
        return goal, [f"exact {h}.1", f"simp at {h}", f"simpa using {h}", f"exact {h}.left"]
    if kind == 1:
        goal = GoalDraft((*two, (h, f"False ∨ {a} = {b}")), f"{a} = {b}")
        return goal, [f"simpa using {h}", f"simp at {h}", f"exact {h}.resolve_left id"]
    return GoalDraft((*two, (h, f"{left} = {right}")), target), tactics
