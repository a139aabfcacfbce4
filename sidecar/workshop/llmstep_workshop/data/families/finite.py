# ruff: noqa: E501
# fmt: off
"""`Fin`, `Option`, `Bool`, and propositions that `decide` evaluates.

One case stands on one line, however long: as a table a family can be read and compared.
"""

from __future__ import annotations

import math
import random

from llmstep_workshop.data.families.goals import (
    TYPES,
    Case,
    GoalDraft,
    declare,
    draw_names,
    draw_universe,
)


def fin(rng: random.Random) -> Case:
    """Bounds, equality and small cases of `Fin`."""
    t = rng.choice(("ℕ", "Nat"))
    n, m = rng.choice((("n", "m"), ("k", "n"), ("n", "k")))
    i, j = rng.choice((("i", "j"), ("a", "b"), ("x", "y")))
    h, k = draw_names(rng, 2)
    c = rng.randint(2, 6)
    one, two = ((n, t), (i, f"Fin {n}")), ((n, t), (i, f"Fin {n}"), (j, f"Fin {n}"))
    options: list[Case] = [
        (GoalDraft(one, f"↑{i} < {n}"), [f"exact {i}.isLt", f"exact {i}.2", "omega"]),
        (GoalDraft(one, f"↑{i} ≤ {n}"), ["omega", f"exact Nat.le_of_lt {i}.isLt", f"exact {i}.isLt.le"]),
        (GoalDraft(one, f"0 < {n}"), [f"exact Nat.lt_of_le_of_lt (Nat.zero_le _) {i}.isLt", f"have := {i}.isLt; omega"]),
        (GoalDraft((*one, (m, t), (h, f"{n} ≤ {m}")), f"↑{i} < {m}"), ["omega", f"exact Nat.lt_of_lt_of_le {i}.isLt {h}"]),
        (GoalDraft((*two, (h, f"↑{i} = ↑{j}")), f"{i} = {j}"), [f"exact Fin.ext {h}", "ext", "omega", "apply Fin.ext"]),
        (GoalDraft((*two, (h, f"{i} ≠ {j}")), f"¬{j} = {i}"), [f"exact {h}.symm", f"exact Ne.symm {h}", f"intro {k}"]),
        (GoalDraft(((i, "Fin 0"),), "False"), [f"exact {i}.elim0", f"exact Fin.elim0 {i}"]),
        (GoalDraft(declare([i, j], "Fin 1"), f"{i} = {j}"), ["exact Subsingleton.elim _ _", "ext; omega", "ext"]),
        (GoalDraft(((i, "Fin 2"),), f"{i} = 0 ∨ {i} = 1"), [f"match {i} with | 0 => simp | 1 => simp", "decide +revert", f"revert {i}; decide"]),
        (GoalDraft(((i, f"Fin {c}"),), f"↑{i} < {c + 1}"), ["omega", f"exact Nat.lt_succ_of_lt {i}.isLt"]),
        (GoalDraft((), f"∀ ({i} : Fin {c}), ↑{i} < {c}"), ["decide", f"intro {i}", f"exact fun {i} => {i}.isLt"]),
        (GoalDraft(((n, t), ("f", f"Fin {n} → {t}"), *declare([i, j], f"Fin {n}"), (h, f"{i} = {j}")), f"f {i} = f {j}"), [f"rw [{h}]", f"exact congrArg f {h}", f"subst {h}"]),
    ]
    return rng.choice(options)


def option(rng: random.Random) -> Case:
    """`some`, `none`, `map`, `bind`, `getD`, `isSome`."""
    t = rng.choice(TYPES)
    base = ((t, draw_universe(rng)),)
    o = rng.choice(("o", "x", "m", "oa"))
    a, b = rng.choice((("a", "b"), ("u", "v"), ("y", "z")))
    h, k = draw_names(rng, 2)
    opt = (*base, (o, f"Option {t}"))
    fun = (("f", f"{t} → {t}"),)
    split = f"cases {o}"
    options: list[Case] = [
        (GoalDraft(opt, f"{o} = none ∨ ∃ {a}, {o} = some {a}"), [split, f"cases {o} with | none => exact Or.inl rfl | some {a} => exact Or.inr ⟨{a}, rfl⟩", f"cases {o} <;> simp"]),
        (GoalDraft((*opt, (h, f"{o}.isSome = true")), f"∃ {a}, {o} = some {a}"), [f"exact Option.isSome_iff_exists.mp {h}", split, f"cases {o} <;> simp_all"]),
        (GoalDraft((*opt, (h, f"∀ ({a} : {t}), {o} ≠ some {a}")), f"{o} = none"), [split, f"cases {o} with | none => rfl | some {a} => exact absurd rfl ({h} {a})", f"cases {o} <;> simp_all"]),
        (GoalDraft((*opt, (a, t), (h, f"{o} = some {a}")), f"{o} ≠ none"), [f"simp [{h}]", f"rw [{h}]", f"subst {h}", f"intro {k}"]),
        (GoalDraft((*opt, (a, t), (h, f"{o} = some {a}"), (k, f"{o} = none")), "False"), [f"simp [{h}] at {k}", f"rw [{h}] at {k}", f"subst {h}", "simp_all"]),
        (GoalDraft((*opt, *declare([a, b], t), (h, f"{o} = some {a}"), (k, f"{o} = some {b}")), f"{a} = {b}"), [f"exact Option.some.inj ({h}.symm.trans {k})", f"rw [{h}] at {k}", "simp_all", f"subst {h}"]),
        (GoalDraft((*base, *fun, (a, t)), f"Option.map f (some {a}) = some (f {a})"), ["rfl", "simp"]),
        (GoalDraft((*base, *fun), "Option.map f none = none"), ["rfl", "simp"]),
        (GoalDraft((*opt, *fun, (h, f"Option.map f {o} = none")), f"{o} = none"), [f"simpa using {h}", split, f"cases {o} <;> simp_all"]),
        (GoalDraft(opt, f"{o}.bind some = {o}"), [f"cases {o} <;> rfl", split, "simp"]),
        (GoalDraft((*base, *declare([a, b], t)), f"(some {a}).getD {b} = {a}"), ["rfl", "simp"]),
        (GoalDraft((*base, (b, t)), f"none.getD {b} = {b}"), ["rfl", "simp"]),
        (GoalDraft((*base, (a, t)), f"(some {a}).isSome = true"), ["rfl", "simp"]),
        (GoalDraft((*base, *declare([a, b], t), (h, f"{a} = {b}")), f"some {a} = some {b}"), [f"rw [{h}]", f"exact congrArg some {h}", f"subst {h}", f"simp [{h}]"]),
        (GoalDraft((*opt, (h, f"{o} = none")), f"{o}.isNone = true"), [f"simp [{h}]", f"subst {h}", f"rw [{h}]"]),
    ]
    return rng.choice(options)


def closed(rng: random.Random) -> Case:
    """Statements without variables, true ones only: `decide`, `rfl`, `simp`, `norm_num`."""
    a, b, c = rng.randint(0, 30), rng.randint(1, 30), rng.randint(2, 12)
    values = rng.sample(range(12), rng.randint(2, 4))
    listed = "[" + ", ".join(map(str, values)) + "]"
    outside = next(v for v in range(13) if v not in values)
    p, q = rng.choice((True, False)), rng.choice((True, False))
    both, either = (str(v).lower() for v in (p and q, p or q))
    left, right = str(p).lower(), str(q).lower()
    x = rng.choice(("x", "n", "k", "i"))
    options: list[tuple[str, list[str]]] = [
        (f"{a} + {b} = {a + b}", ["rfl", "decide", "norm_num", "simp"]),
        (f"{a} * {b} = {a * b}", ["rfl", "decide", "norm_num"]),
        (f"{a + b} - {b} = {a}", ["rfl", "decide", "norm_num", "omega"]),
        (f"{a} % {c} = {a % c}", ["rfl", "decide", "norm_num", "omega"]),
        (f"{a} / {c} = {a // c}", ["rfl", "decide", "norm_num", "omega"]),
        (f"{c} ^ 2 = {c * c}", ["rfl", "decide", "norm_num"]),
        (f"{a} < {a + b}", ["decide", "omega", "norm_num", "simp"]),
        (f"¬{a + b} ≤ {a}", ["decide", "omega", "norm_num", "simp"]),
        (f"{a} ≠ {a + b}", ["decide", "omega", "norm_num", "simp"]),
        (f"{c} ∣ {c * b}", ["decide", "omega", "norm_num", f"exact ⟨{b}, rfl⟩", f"exact Dvd.intro {b} rfl"]),
        (f"¬{c} ∣ {c * b + 1}", ["decide", "omega", "norm_num"]),
        (f"Nat.gcd {c * 2} {c * 3} = {c}", ["rfl", "decide", "norm_num"]),
        (f"Nat.gcd {a + 1} {b} = {math.gcd(a + 1, b)}", ["decide", "rfl", "norm_num"]),
        (f"{rng.choice(values)} ∈ {listed}", ["decide", "simp"]),
        (f"{outside} ∉ {listed}", ["decide", "simp"]),
        (f"{listed}.length = {len(values)}", ["rfl", "decide", "simp"]),
        (f"{listed}.reverse = [{', '.join(map(str, reversed(values)))}]", ["rfl", "decide", "simp"]),
        (f"{listed} ++ [{outside}] = [{', '.join(map(str, [*values, outside]))}]", ["rfl", "decide", "simp"]),
        (f"{listed}.head? = some {values[0]}", ["rfl", "decide", "simp"]),
        (f"List.map (fun {x} => {x} + 1) {listed} = [{', '.join(str(v + 1) for v in values)}]", ["rfl", "decide", "simp"]),
        (f"({left} && {right}) = {both}", ["rfl", "decide", "simp"]),
        (f"({left} || {right}) = {either}", ["rfl", "decide", "simp"]),
        (f"(!{left}) = {str(not p).lower()}", ["rfl", "decide", "simp"]),
        ("∀ (a b : Bool), (a && b) = (b && a)", ["decide", "intro a b", "exact Bool.and_comm"]),
        ("∀ (a b : Bool), (!(a || b)) = (!a && !b)", ["decide", "intro a b", "simp"]),
        ("∀ (a : Bool), a = true ∨ a = false", ["decide", "intro a", "simp"]),
        (f"∀ {x} < {c}, {x} * {x} < {c * c}", ["decide", f"intro {x} h"]),
        (f"∀ {x} ∈ {listed}, {x} < 12", ["decide", "simp", f"intro {x} h"]),
        (f"∃ {x} ∈ {listed}, {x} = {values[-1]}", ["decide", "simp", f"exact ⟨{values[-1]}, by simp, rfl⟩"]),
        (f"(if {a} < {a + b} then 1 else 0) = 1", ["rfl", "decide", "simp", "norm_num"]),
        ("¬False", ["decide", "exact id", "simp", "intro h"]),
        ("True ∧ ¬False", ["decide", "simp", "constructor", "trivial", "exact ⟨trivial, id⟩"]),
    ]
    target, tactics = rng.choice(options)
    return GoalDraft((), target), tactics
