"""What cannot run, as far as the goal's form tells: such a step takes no place in a list.

Each rule is one that hardly any true step breaks (counted on held-out steps of libraries:
docs/sources.md has the figures). Where the form of a goal cannot be read, nothing is ruled out.
"""

from __future__ import annotations

from collections.abc import Callable

from llmstep.lean_text.vocabulary import symbols
from llmstep.prompts.goal import Goal
from llmstep.sources.goal_view import GoalView, view_goal
from llmstep.sources.proposition import tokens_of

# What unfolds to an arrow although it does not look so.
_ARROW_RELATIONS = symbols("⊆ ≠ ∉ ⊂ ≤ ⊇")
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
# Of tactics that look at the target's outermost symbol: with which ones they fail, and why.
_FAILS_ON: dict[str, tuple[frozenset[str], str]] = {
    "ext": (symbols("≤ < ≥ > ∈ ∉ ∃ ∧ ∨ ↔ ¬ ∣ ⊆ ≠"), "`ext` needs an equation, not `{}`"),
    "rfl": (symbols("< > ∃ ∃! ∧ ∨ ≠ ¬"), "`{}` is not reflexive"),
    "symm": (symbols("≤ < ≥ > ∃ ∧ ∈ ⊆ ∣"), "`{}` is not symmetric"),
    "left": (symbols("= < ≤ ∧ ↔ ∃ ≠"), "`{}` has no two sides to choose from"),
}
_FAILS_ON |= {"funext": _FAILS_ON["ext"], "right": _FAILS_ON["left"]}


def why_impossible(tactic: str, goal: Goal, view: GoalView | None = None) -> str:
    """Why a tactic cannot run on a goal; empty if nothing speaks against it.

    Args:
        tactic: Its text.
        goal: The goal.
        view: The same, if it has been read.
    """
    view = view or view_goal(goal)
    if not view.text:
        return ""
    head, rest, *_ = *tactic.split(None, 1), "", ""
    if head in _FAILS_ON:
        relations, why = _FAILS_ON[head]
        relation = view.target.relation
        return why.format(relation) if relation in relations else ""
    rule = _RULES.get(head)
    return rule(rest, view) if rule else ""


def _intro(_: str, view: GoalView) -> str:
    target = view.target
    if target.assumptions or target.bound or target.relation in ("¬", "→", "∀ᵐ", "∀ᶠ"):
        return ""
    if view.text.startswith(("let ", "have ", "∀", "¬")) or target.relation in _ARROW_RELATIONS:
        return ""
    if target.relation in ("=", "∃", "∃!", "∧", "∨", "↔", "<", ">", "≥", "∣"):
        return f"the goal is no implication but `{target.relation}`"
    return ""


def _constructor(_: str, view: GoalView) -> str:
    relation = view.target.relation
    if relation in ("=", "<", ">", "∨", "≠") and view.target.left:
        return f"`{relation}` has not one constructor to use"
    return ""


def _use(_: str, view: GoalView) -> str:
    relation = view.target.relation
    if relation in ("=", "≤", "<", "↔", "≠", "∨", "→") or view.target.assumptions:
        return f"`{relation or '→'}` asks for no witness"
    return ""


def _swap(_: str, view: GoalView) -> str:
    return "there is one goal"


def _classical(rest: str, view: GoalView) -> str:
    return "" if rest else "it does nothing by itself"


def _exact(rest: str, view: GoalView) -> str:
    name = rest.strip()
    if view.variables.get(name) in ("Prop", "Type", "Type u", "Type u_1", "Type*"):
        return f"`{name}` is no proof"
    return ""


def _heads_only(heads: frozenset[str]) -> Callable[[str, GoalView], str]:
    def rule(_: str, view: GoalView) -> str:
        target = view.target
        if target.bound or target.assumptions or target.relation in ("∀ᵐ", "∀ᶠ"):
            return ""
        if target.left_head not in heads and not heads.intersection(tokens_of(target.left)[:4]):
            return f"the goal is none of {', '.join(sorted(heads)[:3])}, ..."
        return ""

    return rule


def _positivity(_: str, view: GoalView) -> str:
    target = view.target
    if target.relation in ("≤", "<") and target.left.strip() == "0":
        return ""
    if target.relation in ("≥", ">") and target.right.strip() == "0":
        return ""
    if target.relation == "≠" and "0" in (target.left.strip(), target.right.strip()):
        return ""
    return "the goal is not of the form `0 ≤ a`, `0 < a` or `a ≠ 0`"


def _unfold(rest: str, view: GoalView) -> str:
    if " at " in f" {rest} ":
        return ""
    names = [name.rpartition(".")[2] for name in rest.split()]
    if names and not any(name in view.words or name in view.text for name in names):
        return "nothing mentions it"
    return ""


_RULES: dict[str, Callable[[str, GoalView], str]] = {
    "intro": _intro,
    "intros": _intro,
    "rintro": _intro,
    "constructor": _constructor,
    "use": _use,
    "exists": _use,
    "swap": _swap,
    "classical": _classical,
    "exact": _exact,
    "fun_prop": _heads_only(_FUN_PROP),
    "measurability": _heads_only(_MEASURABILITY | _FUN_PROP),
    "continuity": _heads_only(_CONTINUITY),
    "positivity": _positivity,
    "unfold": _unfold,
}
