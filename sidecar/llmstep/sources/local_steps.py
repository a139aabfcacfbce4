"""Steps by what the goal itself holds: a hypothesis, a part of one, two of them together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from llmstep.lean_text.vocabulary import symbols
from llmstep.sources.goal_view import GoalView
from llmstep.sources.premise_steps import PremiseStep
from llmstep.sources.proposition import (
    Proposition,
    is_variable,
    read_proposition,
    tokens_of,
)

_MOST_STEPS = 16
_SYMMETRIC = symbols("= ↔ ≠")
# What a strict order, or an equation, says besides: projection, and relation it proves.
_WEAKER = {
    "<": (("le", "≤", False), ("ne", "≠", False), ("ne'", "≠", True)),
    "=": (("le", "≤", False), ("ge", "≤", True)),
}
_TRANSITIVE = symbols("= ≤ < ↔ ⊆ ∣")


def local_steps(view: GoalView) -> list[PremiseStep]:
    """The steps that a goal's own hypotheses suggest, those that close it first."""
    found: dict[str, PremiseStep] = {}
    for step in itertools.chain(_closing(view), _advancing(view)):
        found.setdefault(step.tactic, step)
    return list(found.values())[:_MOST_STEPS]


def _closing(view: GoalView) -> Iterator[PremiseStep]:
    target = view.target
    proofs = {fact.text: fact.name for fact in reversed(view.facts)}
    for fact in view.facts:
        for term, says in _parts(fact.name, fact.text, 3):
            if _same(says, view.text):
                yield _exact(term)
            elif _proves(read_proposition(says), target):
                yield from map(_exact, _turned(term, read_proposition(says), target))
            elif says == "False":
                yield _exact(f"{term}.elim")
            elif (proof := proofs.get(_negated(says))) is not None:
                yield PremiseStep(f"exact absurd {proof} {term}", "exact", 1.0)
    yield from _from_implications(view, proofs)
    yield from _from_pairs(view)
    if target.relation == "∧":
        left, right = proofs.get(target.left), proofs.get(target.right)
        if left and right:
            yield _exact(f"⟨{left}, {right}⟩")
    if target.relation == "∨":
        for side, word in ((target.left, "inl"), (target.right, "inr")):
            if side in proofs:
                yield _exact(f"Or.{word} {proofs[side]}")
    if target.relation == "↔":
        forth = proofs.get(f"{target.left} → {target.right}")
        back = proofs.get(f"{target.right} → {target.left}")
        if forth and back:
            yield _exact(f"⟨{forth}, {back}⟩")


def _from_implications(view: GoalView, proofs: dict[str, str]) -> Iterator[PremiseStep]:
    for fact in view.facts:
        says = fact.says
        if says.relation == "↔":
            for side, other, word in (
                (says.left, says.right, "mpr"),
                (says.right, says.left, "mp"),
            ):
                if _same(side, view.text):
                    proof = proofs.get(other)
                    if proof:
                        yield _exact(f"{fact.name}.{word} {proof}")
                    yield PremiseStep(f"apply {fact.name}.{word}", "apply", 1.0, 0.0)
        if not says.assumptions and not says.bound:
            continue
        bound = _match(says.conclusion, view.text, set(says.bound))
        if bound is None:
            continue
        terms = [bound.get(name, "_") for name in says.bound]
        told = [_substitute(text, bound) for text in says.assumptions]
        known = [proofs.get(text) for text in told]
        if all(known):
            terms += [name for name in known if name]
            term = " ".join([fact.name, *map(_enclose, terms)])
            yield _exact(term)
        else:
            yield PremiseStep(f"apply {fact.name}", "apply", 1.0, 0.0)


def _from_pairs(view: GoalView) -> Iterator[PremiseStep]:
    """Transitivity over two hypotheses."""
    target = view.target
    if target.relation not in _TRANSITIVE:
        return
    for first in view.facts:
        if first.says.relation not in _TRANSITIVE or not _same(first.says.left, target.left):
            continue
        for second in view.facts:
            joined = _same(first.says.right, second.says.left)
            relations = {first.says.relation, second.says.relation}
            if (
                joined
                and _same(second.says.right, target.right)
                and (
                    relations == {target.relation} or (target.relation == "<" and "<" in relations)
                )
            ):
                yield _exact(f"{first.name}.trans {second.name}")


def _advancing(view: GoalView) -> Iterator[PremiseStep]:
    for fact in view.facts:
        says = fact.says
        if says.assumptions or says.bound:
            continue
        if says.relation == "=" and not is_variable(says.left):
            if set(tokens_of(says.left)) <= view.words:
                yield PremiseStep(f"rw [{fact.name}]", "rw", 1.0)
        elif says.relation == "=" and says.left in view.words:
            yield PremiseStep(f"rw [{fact.name}]", "rw", 0.8)
        if says.relation == "∨":
            yield PremiseStep(f"cases {fact.name}", "obtain", 0.5)
        elif says.relation == "∃":
            name = says.left.split()[0] if says.left else "x"
            yield PremiseStep(f"obtain ⟨{name}, h{name}⟩ := {fact.name}", "obtain", 1.0)
        elif says.relation == "∧":
            yield PremiseStep(f"obtain ⟨h₁, h₂⟩ := {fact.name}", "obtain", 0.5)


def _parts(term: str, says: str, depth: int) -> Iterator[tuple[str, str]]:
    """What a proof gives: itself and the parts of conjunctions, each with what it says."""
    yield term, says
    proposition = read_proposition(says)
    if depth and proposition.relation == "∧" and not (proposition.assumptions or proposition.bound):
        yield from _parts(f"{term}.1", proposition.left, depth - 1)
        yield from _parts(f"{term}.2", proposition.right, depth - 1)


def _proves(says: Proposition, target: Proposition) -> bool:
    return bool(
        says.relation
        and target.relation
        and not (says.assumptions or says.bound)
        and {says.left, says.right} == {target.left, target.right}
    )


def _turned(term: str, says: Proposition, target: Proposition) -> Iterator[str]:
    """A proof of the same two sides, turned into one of the target."""
    mirrored = says.left != target.left
    if says.relation == target.relation and says.relation in _SYMMETRIC and mirrored:
        yield f"{term}.symm"
    # `a ≥ b` is `b ≤ a`.
    swapped = {"≥": "≤", ">": "<"}
    own, wanted = (swapped.get(p.relation, p.relation) for p in (says, target))
    own_mirrored = mirrored != ((says.relation in swapped) != (target.relation in swapped))
    if own == wanted and not own_mirrored and says.relation != target.relation:
        yield term
    for projection, relation, turns in _WEAKER.get(own, ()):
        if relation == wanted and turns == own_mirrored:
            yield f"{term}.{projection}"
    if own == "↔" and target.relation == "→":
        yield f"{term}.{'mpr' if mirrored else 'mp'}"


def _negated(says: str) -> str:
    """What `¬ p`, or `p → False`, denies; empty for other propositions."""
    proposition = read_proposition(says)
    if proposition.relation == "¬" and not proposition.assumptions:
        return read_proposition(proposition.left).conclusion
    if proposition.conclusion == "False" and len(proposition.assumptions) == 1:
        return proposition.assumptions[0]
    return ""


def _match(pattern: str, text: str, variables: set[str]) -> dict[str, str] | None:
    """What the variables stand for where a pattern says the text; ``None`` if it does not."""
    bound: dict[str, str] = {}
    own, said = tokens_of(pattern), tokens_of(text)
    at = 0
    for index, token in enumerate(own):
        if token not in variables:
            if at >= len(said) or said[at] != token:
                return None
            at += 1
            continue
        end = at + 1
        if at < len(said) and said[at] in ("(", "⟨", "["):
            depth = 0
            for end in range(at, len(said)):
                depth += (said[end] in "([⟨") - (said[end] in ")]⟩")
                if depth == 0:
                    break
            end += 1
        elif index == len(own) - 1 and set(said[at + 1 :: 2]) == {"."}:
            end = len(said)  # `x.1`, or another dotted name
        if at >= len(said):
            return None
        value = " ".join(said[at:end])
        value = value.replace("( ", "(").replace(" )", ")").replace(" . ", ".")
        if bound.setdefault(token, value) != value:
            return None
        at = end
    return bound if at == len(said) else None


def _substitute(text: str, bound: dict[str, str]) -> str:
    return " ".join(bound.get(word, word) for word in text.split(" "))


def _same(says: str, other: str) -> bool:
    return bool(says) and _bare(says) == _bare(other)


def _bare(text: str) -> str:
    text = text.strip()
    proposition = read_proposition(text) if text.startswith("(") else None
    return proposition.conclusion if proposition and not proposition.assumptions else text


def _exact(term: str) -> PremiseStep:
    return PremiseStep(f"exact {term}", "exact", 1.0)


def _enclose(term: str) -> str:
    return term if " " not in term or term.startswith(("(", "⟨")) else f"({term})"
