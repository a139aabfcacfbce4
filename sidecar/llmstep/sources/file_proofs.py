"""The proofs of the user's own file: what is stated, and the steps it was proved by."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import attrs

from llmstep.lean_text.declarations import PROVED, Declaration
from llmstep.lean_text.document import read_document
from llmstep.lean_text.proofs import split_steps
from llmstep.sources.features import text_features
from llmstep.sources.hypothesis_roles import name_roles
from llmstep.sources.steps import mark_step

_MOST_PROOFS = 1000


@attrs.frozen(eq=False)
class FileProof:
    """One proof of the file.

    Attributes:
        features: Of its statement, comparable with those of a goal.
        steps: The tactics of its proof in order, local names marked; a proof by a short term is
            the step ``exact`` of it.
    """

    features: frozenset[str]
    steps: tuple[str, ...]


def read_proofs(text_before: str) -> list[FileProof]:
    """The proofs with at least one step before the declaration that the text ends in."""
    declarations = [d for d in read_document(text_before).declarations() if d.keyword in PROVED]
    proofs = map(learn_proof, declarations[-_MOST_PROOFS:])
    return [proof for proof in proofs if proof.steps]


@functools.lru_cache(maxsize=4 * _MOST_PROOFS)
def learn_proof(declaration: Declaration) -> FileProof:
    """What a declaration teaches; kept for as long as its file is."""
    given, types = declaration.statement.binders, declaration.types
    roles = name_roles(types, [declaration.target, given])
    steps = tuple(mark_step(step, roles) for step in split_steps(declaration.proof))
    return FileProof(text_features(given, declaration.target, types), steps)


def compare_proofs(
    declarations: Sequence[FileProof],
    features: frozenset[str],
    weigh: Callable[[Collection[str]], Mapping[str, float]] | None,
) -> Iterable[tuple[FileProof, float]]:
    """The declarations that share a feature with a goal, with the cosine of the two.

    Args:
        declarations: Proofs of the file.
        features: Of the goal.
        weigh: The squared weights of features; all are 1 if ``None``.
    """
    every = set(features).union(*(declaration.features for declaration in declarations))
    weights = weigh(every) if weigh else dict.fromkeys(every, 1.0)
    length = sum(weights[feature] for feature in features)
    for declaration in declarations:
        common = sum(weights[feature] for feature in declaration.features & features)
        if common > 0.0:
            own = sum(weights[feature] for feature in declaration.features)
            yield declaration, common / math.sqrt(own * length)
