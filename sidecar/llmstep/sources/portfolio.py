"""Strong closers by the shape of the goal: what one would try before thinking.

On most goals a handful of tactics is worth trying first. ``models/portfolio.json`` holds for each
the log-odds that an author used it, as a sum over traits of the goal: relation and symbols of the
target, types of the variables, forms of the hypotheses. `llmstep index portfolio` learns them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from llmstep import paths
from llmstep.errors import ModelFileError
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.vocabulary import symbols
from llmstep.limits import raise_limit
from llmstep.prompts.goal import Goal, Hypothesis
from llmstep.user_files import read_json_value

FILE_NAME = "portfolio.json"


# First components of the modules that come with Lean itself.
_CORE_MODULES = symbols("Init Std Lean Lake")
# Imports that bring no tactic of Mathlib.
_CORE = _CORE_MODULES | {"LLMstep", "Batteries"}
_IMPORT = late_pattern(
    r"^[^\S\n]*(?:public\s+)?(?:meta\s+)?import\s+(?:all\s+)?([^\s.]+)", re.MULTILINE
)
_SYMBOL = late_pattern(
    r"∃!|<;>|:=|∑|∏|∫|[=≠<>≤≥∣∈∉⊆⊂∧∨¬↔→∀∃+*^%≡≃∩∪⊔⊓⁻∘↦‖∅⊤⊥]|(?<= )[-/](?= )|\d+|\|"
)
_WORD = late_pattern(r"[^\W\d][\w'.]*|[ℕℤℚℝℂ]")
_RELATION = late_pattern(r"[=≠<>≤≥∣∈∉⊆⊂≡≃]")
_SPELLING = {"ℕ": "Nat", "ℤ": "Int", "ℚ": "Rat", "ℝ": "Real", "ℂ": "Complex"}
_TYPES = symbols(
    """
    Nat Int Rat Real Complex Fin List Set Finset Bool Prop Option ZMod Multiset Polynomial Matrix
    Fintype Finite Group CommGroup Ring CommRing Field CommSemiring Semiring Monoid CommMonoid
    LinearOrder PartialOrder Preorder Lattice TopologicalSpace MetricSpace Category Module String
    """
)
_WORDS_OF_TARGET = symbols(
    """
    True False Continuous Measurable Differentiable Injective Surjective Bijective Even Odd
    Prime Coprime Monotone StrictMono IsOpen IsClosed Tendsto Nonempty Subsingleton Nontrivial
    card length succ abs sqrt log exp sin cos min max map filter range sum id
    """
)
# Tactics that Mathlib or a library below it defines, by their first words: of no use without it.
MATHLIB_TACTICS = symbols(
    """
    abel abel_nf aesop apply_fun borelize bound cancel_denoms cases' choose compute_degree congr!
    congrm continuity contrapose contrapose! convert convert! convert_to econstructor fconstructor
    field field_simp fin_cases finiteness fun_prop gcongr group induction' inhabit interval_cases
    itauto lift linarith linear_combination linear_combination' measurability mod_cases module
    monicity mono move_add move_mul nlinarith noncomm_ring nontriviality norm_num norm_num1 nth_rw
    nth_rewrite peel positivity push_neg qify rcongr reduce_mod_char refine_lift rify ring ring1
    ring1_nf ring_nf rsuffices set simp_rw slice_lhs slice_rhs split_ifs swap_var tauto tfae_finish
    tfae_have unfold_projs use use! wlog zify
    """
)
_FEW, _MANY = 3, 8
LOWEST_LOG_ODDS = -7.0


@attrs.frozen
class Closer:
    """A tactic: its log-odds on a goal without any trait, and what each trait adds to them."""

    tactic: str
    bias: float
    weights: Mapping[str, float]

    def log_odds(self, traits: Iterable[str]) -> float:
        """How likely it is the step on a goal with these traits."""
        return self.bias + sum(self.weights.get(trait, 0.0) for trait in traits)


@attrs.frozen
class Portfolio:
    """The closers, in the file's order."""

    closers: tuple[Closer, ...]

    def choose(self, goal: Goal) -> dict[str, float]:
        """Every closer that may run here with its log-odds."""
        traits = goal_traits(goal)
        return {closer.tactic: closer.log_odds(traits) for closer in self.closers}


@functools.cache
def load_portfolio(path: Path | None = None) -> Portfolio:
    """Read the portfolio, by default the one that comes with the package.

    Raises:
        ModelFileError: The file is missing or damaged.
    """
    path = path or paths.models_dir() / FILE_NAME
    try:
        values = read_json_value(path)
        closers = tuple(
            Closer(
                tactic=str(entry["tactic"]),
                bias=float(entry["bias"]),
                weights={str(k): float(v) for k, v in entry["weights"].items()},
            )
            for entry in values["closers"]
        )
        return Portfolio(closers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise_limit(error)
        raise ModelFileError(
            f"{path}: the portfolio cannot be read: {error!r}",
            hint="Restore the file, or leave `portfolio` out of the setting `sources`.",
        ) from error


def imports_core_only(text_before: str) -> bool:
    """Whether a file's text shows that Mathlib is out of reach: it imports, and core only."""
    found = _IMPORT.findall(text_before)
    return bool(found) and all(name in _CORE for name in found)


def is_core_module(module: str) -> bool:
    """Whether a module comes with Lean itself."""
    return module.partition(".")[0] in _CORE_MODULES


def goal_traits(goal: Goal) -> frozenset[str]:
    """The traits of a goal that the closers' weights speak of."""
    target = goal.target.removeprefix("⊢").strip()
    traits = {f"target {symbol}" for symbol in _symbols(target)}
    traits |= {f"target {word}" for word in _words(target) if word in _WORDS_OF_TARGET}
    relation = _RELATION.search(target)
    traits.add(f"relation {relation[0] if relation else 'none'}")
    types = {word for h in goal.hypotheses for word in _words(h.type) if word in _TYPES}
    types |= {word for word in _words(target) if word in _TYPES}
    traits |= {f"type {word}" for word in types}
    facts = [h for h in goal.hypotheses if _states_fact(h)]
    traits |= {f"given {symbol}" for h in facts for symbol in _symbols(h.type)}
    traits |= {"given False" for h in facts if h.type.strip() == "False"}
    if any(" ".join(h.type.split()) == " ".join(target.split()) for h in facts):
        traits.add("given target")
    traits.add("no variables" if not goal.hypotheses else "variables")
    traits.add("no facts" if not facts else "few facts" if len(facts) < _FEW else "facts")
    words = len(target.split())
    traits.add("short" if words <= _FEW else "middle" if words <= _MANY else "long")
    return frozenset(traits)


def _states_fact(hypothesis: Hypothesis) -> bool:
    return any(name.startswith(("h", "H", "ih", "this")) for name in hypothesis.names)


def _symbols(text: str) -> set[str]:
    found: list[str] = _SYMBOL.findall(text)
    return {"numeral" if s.isdigit() and len(s) > 1 else s for s in found}


def _words(text: str) -> list[str]:
    found: list[str] = _WORD.findall(text)
    return [_SPELLING.get(part, part) for word in found for part in word.split(".")]
