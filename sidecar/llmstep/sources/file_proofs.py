"""The proofs of the user's own file: what is stated, and the steps it was proved by."""

from __future__ import annotations

import functools
import heapq
import math
from collections.abc import Callable, Collection, Mapping, Sequence

import attrs

from llmstep.lean_text.declarations import PROVED, Declaration
from llmstep.lean_text.document import read_document
from llmstep.lean_text.proofs import split_steps
from llmstep.sources.features import name_roles, text_features
from llmstep.sources.steps import mark_step, words

_MOST_PROOFS = 1000


@attrs.frozen(eq=False)
class FileProof:
    """One proof of the file: the features of its statement, and its steps in order.

    Local names are marked; a proof by a short term is the step ``exact`` of it.
    """

    features: frozenset[str]
    steps: tuple[str, ...]


def read_proofs(text_before: str) -> list[FileProof]:
    """The proofs with at least one step before the declaration that the text ends in."""
    declarations = [d for d in read_document(text_before).declarations() if d.keyword in PROVED]
    proofs = map(learn_proof, declarations[-_MOST_PROOFS:])
    return [proof for proof in proofs if proof.steps]


def file_words(text_before: str) -> frozenset[str]:
    """The identifiers of a file; those above the command that the text ends in are read once."""
    end = read_document(text_before).finished_end
    return _words_of(text_before[:end]).union(words(text_before[end:]))


@functools.lru_cache(maxsize=4)
def _words_of(text: str) -> frozenset[str]:
    return frozenset(words(text))


@functools.lru_cache(maxsize=4 * _MOST_PROOFS)
def learn_proof(declaration: Declaration) -> FileProof:
    """What a declaration teaches; kept for as long as its file is."""
    given, types = declaration.statement.binders, declaration.types
    roles = name_roles(types, [declaration.target, given])
    steps = tuple(mark_step(step, roles) for step in split_steps(declaration.proof))
    return FileProof(text_features(given, declaration.target, types), steps)


def nearest_proofs(
    proofs: Sequence[FileProof],
    features: frozenset[str],
    weigh: Callable[[Collection[str]], Mapping[str, float]] | None,
    count: int,
) -> list[tuple[FileProof, float]]:
    """The proofs whose statements are most like a goal, each with the cosine of the two.

    Without squared weights all features count alike; of proofs that are alike the later ones are
    taken.
    """
    every = features | _features_of(tuple(proofs))
    weights = weigh(every) if weigh else dict.fromkeys(every, 1.0)
    weight_of = weights.__getitem__
    length = sum(map(weight_of, features))
    found: list[tuple[float, int]] = []
    for number, proof in enumerate(proofs):
        common = sum(map(weight_of, proof.features & features))
        if common > 0.0:
            own = sum(map(weight_of, proof.features))
            found.append((common / math.sqrt(own * length), number))
    return [(proofs[number], cosine) for cosine, number in heapq.nlargest(count, found)]


@functools.lru_cache(maxsize=8)
def _features_of(proofs: tuple[FileProof, ...]) -> frozenset[str]:
    """The features of all; the same as long as no proof is added."""
    return frozenset().union(*(proof.features for proof in proofs))
