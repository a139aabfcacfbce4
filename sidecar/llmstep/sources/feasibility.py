"""What cannot run, as far as the goal's form tells: such a step takes no place in a list.

Each rule is one that hardly any true step breaks (counted on held-out steps of libraries:
docs/sources.md has the figures). Where the form of a goal cannot be read, nothing is ruled out.
"""

from __future__ import annotations

from collections.abc import Callable

from llmstep.lean_text.vocabulary import symbols
from llmstep.sources.goal_view import GoalView
from llmstep.sources.proposition import tokens_of

_NO_ARROWS = symbols("= ∃ ∃! ∧ ∨ ↔ < > ≥ ∣")
_FUN_PROP = symbols(
    """
    Continuous ContinuousAt ContinuousOn ContinuousWithinAt Differentiable DifferentiableAt
    DifferentiableOn DifferentiableWithinAt ContDiff ContDiffAt ContDiffOn Measurable
    AEMeasurable StronglyMeasurable AEStronglyMeasurable Integrable AnalyticAt AnalyticOn
    AnalyticOnNhd HasFDerivAt IsLinearMap IsContinuousLinearMap IsBoundedLinearMap Injective
    Surjective Bijective ContMDiff ContMDiffAt MDifferentiable UniformContinuous LipschitzWith
    """
)
_MEASURABILITY = symbols(
    """
    Measurable AEMeasurable MeasurableSet NullMeasurableSet StronglyMeasurable
    AEStronglyMeasurable MeasurableEmbedding
    """
)
_CONTINUITY = symbols("Continuous ContinuousAt ContinuousOn ContinuousWithinAt")

# What is behind the tactic's first word, and the goal, to whether it cannot run.
Rule = Callable[[str, GoalView], bool]


def is_impossible(tactic: str, view: GoalView) -> bool:
    """Whether a tactic cannot run on a goal."""
    head, rest, *_ = *tactic.split(None, 1), "", ""
    rule = _RULES.get(head)
    return rule is not None and view.text != "" and rule(rest, view)


def _intro(_: str, view: GoalView) -> bool:
    target = view.target
    if target.assumptions or target.bound or view.text.startswith(("let ", "have ", "∀", "¬")):
        return False
    # What unfolds to an arrow although it does not look so (`⊆`, `≠`, `≤`) is not among them.
    return target.relation in _NO_ARROWS


def _constructor(_: str, view: GoalView) -> bool:
    return view.target.left != "" and view.target.relation in ("=", "<", ">", "∨", "≠")


def _use(_: str, view: GoalView) -> bool:
    asks_none = view.target.relation in ("=", "≤", "<", "↔", "≠", "∨", "→")
    return asks_none or bool(view.target.assumptions)


def _exact(rest: str, view: GoalView) -> bool:
    """A proposition, or a type, is no proof."""
    return view.variables.get(rest.strip()) in ("Prop", "Type", "Type u", "Type u_1", "Type*")


def _positivity(_: str, view: GoalView) -> bool:
    target = view.target
    left_is_0, right_is_0 = target.left.strip() == "0", target.right.strip() == "0"
    return not (
        (target.relation in ("≤", "<") and left_is_0)
        or (target.relation in ("≥", ">") and right_is_0)
        or (target.relation == "≠" and (left_is_0 or right_is_0))
    )


def _unfold(rest: str, view: GoalView) -> bool:
    """Nothing mentions it."""
    if " at " in f" {rest} ":
        return False
    names = [name.rpartition(".")[2] for name in rest.split()]
    return bool(names) and not any(name in view.words or name in view.text for name in names)


def _fails_on(relations: str) -> Rule:
    failing = symbols(relations)
    return lambda _, view: view.target.relation in failing


def _needs(heads: frozenset[str]) -> Rule:
    def rule(_: str, view: GoalView) -> bool:
        target = view.target
        if target.bound or target.assumptions or target.relation in ("∀ᵐ", "∀ᶠ"):
            return False
        return target.left_head not in heads and not heads.intersection(tokens_of(target.left)[:4])

    return rule


_RULES: dict[str, Rule] = {
    **dict.fromkeys(("intro", "intros", "rintro"), _intro),
    **dict.fromkeys(("ext", "funext"), _fails_on("≤ < ≥ > ∈ ∉ ∃ ∧ ∨ ↔ ¬ ∣ ⊆ ≠")),
    **dict.fromkeys(("left", "right"), _fails_on("= < ≤ ∧ ↔ ∃ ≠")),
    **dict.fromkeys(("use", "exists"), _use),
    "constructor": _constructor,
    "rfl": _fails_on("< > ∃ ∃! ∧ ∨ ≠ ¬"),
    "symm": _fails_on("≤ < ≥ > ∃ ∧ ∈ ⊆ ∣"),
    "swap": lambda *_: True,  # there is one goal
    "classical": lambda rest, _: not rest,  # it does nothing by itself
    "exact": _exact,
    "fun_prop": _needs(_FUN_PROP),
    "measurability": _needs(_MEASURABILITY | _FUN_PROP),
    "continuity": _needs(_CONTINUITY),
    "positivity": _positivity,
    "unfold": _unfold,
}
