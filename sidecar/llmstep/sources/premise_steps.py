"""A premise becomes steps: what one would write with a lemma, by what it says and the goal.

Each statement gives one to a few forms. Which of them is likely is for `mixing` to weigh; here the
shape of its conclusion decides which make sense at all.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from llmstep.lean_text.statements import Statement
from llmstep.lean_text.vocabulary import symbols
from llmstep.sources.binders import Argument, Signature, read_signature
from llmstep.sources.goal_view import Fact, GoalView, covered, fit
from llmstep.sources.proposition import (
    Proposition,
    head_of,
    is_variable,
    read_proposition,
    tokens_of,
)

_MOST_FORMS = 4
_ORDERS = symbols("≤ < = ⊆ ∣ ↔")
_LEAST_FIT = 0.3


@attrs.frozen
class PremiseStep:
    """A step that names a premise, of one of ``mixing.FORMS``.

    `fit` is how well the premise fits what it is used on, in (0, 1]; `filled` the share of the
    proofs it takes that hypotheses give.
    """

    tactic: str
    form: str
    fit: float
    filled: float = 1.0


def premise_steps(statement: Statement, written: str, view: GoalView) -> list[PremiseStep]:
    """The steps that make sense with a premise that is written so, the likeliest forms first."""
    signature = read_signature(statement)
    steps: dict[str, PremiseStep] = {}
    for step in _forms(statement, signature, written, view):
        steps.setdefault(step.tactic, step)
    return list(steps.values())[:_MOST_FORMS]


def _forms(
    statement: Statement, signature: Signature, written: str, view: GoalView
) -> Iterator[PremiseStep]:
    says = signature.conclusion
    if statement.kind in ("def", "abbrev", "instance") and says.relation != "=":
        if statement.kind != "instance" and _mentions(view, statement.name):
            yield PremiseStep(f"unfold {written}", "simp", 0.5)
            yield PremiseStep(f"simp [{written}]", "simp", 0.5)
        return
    bound: dict[str, str] = {}
    fits = fit(says, view.target, bound)
    if fits >= _LEAST_FIT:
        yield from _closing(signature, written, view, bound, fits)
    if says.relation == "↔":
        yield from _by_equivalence(signature, written, view)
    if says.relation in ("=", "↔"):
        yield from _rewriting(says, written, view)
    if fits < _LEAST_FIT and says.relation in _ORDERS:
        yield from _chained(says, signature, written, view)
    if says.relation in ("∃", "∧") and fits < _LEAST_FIT:
        terms, filled, _ = _fill(signature, view, {})
        if filled == 1.0:
            pattern = "⟨x, hx⟩" if says.relation == "∃" else "⟨h₁, h₂⟩"
            yield PremiseStep(f"obtain {pattern} := {_apply(written, terms)}", "obtain", 0.5)
    elif fits < _LEAST_FIT and signature.arguments:
        terms, filled, proofs = _fill(signature, view, {})
        if filled == 1.0 and proofs:
            yield PremiseStep(f"have := {_apply(written, terms)}", "have", 0.3)


def _closing(
    signature: Signature, written: str, view: GoalView, bound: dict[str, str], fits: float
) -> Iterator[PremiseStep]:
    terms, filled, proofs = _fill(signature, view, bound)
    if filled == 1.0:
        yield PremiseStep(f"exact {_apply(written, terms)}", "exact", fits)
        if terms:
            yield PremiseStep(f"apply {written}", "apply", fits)
        return
    yield PremiseStep(f"apply {written}", "apply", fits, filled)
    yield PremiseStep(f"refine {_apply(written, terms)}", "refine", fits, filled)
    if len(proofs) > 0 and filled > 0:
        yield PremiseStep(f"apply {_apply(written, _leading(terms))}", "apply", fits, filled)


def _by_equivalence(signature: Signature, written: str, view: GoalView) -> Iterator[PremiseStep]:
    says = signature.conclusion
    for side, other, end in ((says.left, says.right, "2"), (says.right, says.left, "1")):
        bound: dict[str, str] = {}
        fits = fit(read_proposition(side), view.target, bound)
        if fits < _LEAST_FIT or is_variable(side):
            continue
        terms, filled, _ = _fill(signature, view, bound)
        if filled < 1.0:
            continue
        term = f"{_enclose(_apply(written, terms))}.{end}"
        source = _find_fact(read_proposition(other), view, dict(bound))
        if source is not None:
            yield PremiseStep(f"exact {term} {source.name}", "iff", fits)
        if end == "2":
            yield PremiseStep(f"rw [{written}]", "rw", fits)
        yield PremiseStep(f"refine {term} ?_", "iff", fits, 0.0)


def _rewriting(says: Proposition, written: str, view: GoalView) -> Iterator[PremiseStep]:
    for side, other, form, arrow in (
        (says.left, says.right, "rw", ""),
        (says.right, says.left, "rw_back", "← "),
    ):
        share = covered(side, view.words)
        if share > 0.0:
            yield PremiseStep(f"rw [{arrow}{written}]", form, share)
            if form == "rw" and not is_variable(other):
                yield PremiseStep(f"simp [{written}]", "simp", share)
        elif form == "rw":
            for fact in view.facts:
                share = covered(side, frozenset(tokens_of(fact.text)))
                if share == 1.0:
                    yield PremiseStep(f"rw [{written}] at {fact.name}", "rw_at", share)
                    break


def _chained(
    says: Proposition, signature: Signature, written: str, view: GoalView
) -> Iterator[PremiseStep]:
    """Steps by transitivity, where one side of an order is that of the target."""
    target = view.target
    if target.relation not in ("≤", "<", "⊆", "=", "∣") or says.relation not in (
        target.relation,
        "≤" if target.relation == "<" else target.relation,
    ):
        return
    for mine, theirs, shape in (
        (says.left, target.left, "refine {}.trans ?_"),
        (says.right, target.right, "refine le_trans ?_ {}"),
    ):
        if is_variable(mine) or head_of(mine) != head_of(theirs):
            continue
        if shape.startswith("refine le") and target.relation != "≤":
            continue
        terms, filled, _ = _fill(signature, view, {})
        if filled == 1.0:
            yield PremiseStep(shape.format(_enclose(_apply(written, terms))), "trans", 0.5)


def _fill(
    signature: Signature, view: GoalView, bound: dict[str, str]
) -> tuple[list[str], float, list[str]]:
    """What to write for each explicit argument.

    Also the share of the proofs among them that hypotheses give, and these hypotheses.
    """
    terms: list[str] = []
    proofs: list[str] = []
    wanted = 0
    for argument in signature.arguments:
        if argument.is_proof:
            wanted += 1
            fact = _find_fact(read_proposition(argument.type), view, bound, set(proofs))
            if fact is not None:
                proofs.append(fact.name)
            terms.append(fact.name if fact is not None else "?_")
        else:
            terms.append(_find_value(argument, view, bound))
    return terms, len(proofs) / wanted if wanted else 1.0, proofs


def _find_fact(
    wanted: Proposition, view: GoalView, bound: dict[str, str], taken: set[str] | None = None
) -> Fact | None:
    best: tuple[float, Fact] | None = None
    for fact in view.facts:
        if taken and fact.name in taken:
            continue
        fits = fit(wanted, fact.says, dict(bound))
        if fits >= _LEAST_FIT and (best is None or fits > best[0]):
            best = (fits, fact)
    if best is None:
        return None
    fit(wanted, best[1].says, bound)
    return best[1]


def _find_value(argument: Argument, view: GoalView, bound: dict[str, str]) -> str:
    if argument.inferred or argument.name in bound:
        return "_"
    fitting = [name for name, type_ in view.variables.items() if type_ == argument.type]
    if argument.name in fitting:
        return argument.name
    return fitting[-1] if len(fitting) == 1 else "_"


def _leading(terms: list[str]) -> list[str]:
    """The terms up to the last that says something; `apply` asks for the others."""
    kept = list(terms)
    while kept and kept[-1] in ("_", "?_"):
        kept.pop()
    return ["_" if term == "?_" else term for term in kept]


def _mentions(view: GoalView, name: str) -> bool:
    return name.rpartition(".")[2] in view.words


def _apply(written: str, terms: list[str]) -> str:
    return " ".join([written, *terms])


def _enclose(term: str) -> str:
    return f"({term})" if " " in term else term
