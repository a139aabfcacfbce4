"""Whether a model may have seen the proofs it is tested on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmstep_workshop.evaluation.theorems import Theorem

# Names that miniF2F gives its problems, e.g. mathd_algebra_478, amc12a_2021_p3, imo_1959_p1.
_MINIF2F_NAME = re.compile(
    r"(?:mathd_(?:algebra|numbertheory)|amc1[02][ab]?|aime|imo|algebra|numbertheory|induction)_\w+"
)
_MOST_OF_THEM = 0.5


def is_minif2f(theorems: Sequence[Theorem]) -> bool:
    """Whether these look like miniF2F: by the file's name, or by most theorems' names."""
    if any("minif2f" in theorem.file.lower().replace("_", "") for theorem in theorems):
        return True
    named = sum(bool(_MINIF2F_NAME.fullmatch(theorem.name)) for theorem in theorems)
    return named > _MOST_OF_THEM * len(theorems)


def warn_about(model: str, theorems: Sequence[Theorem]) -> str:
    """What to know before believing the pass rate; empty if there is nothing to tell."""
    if model == "builtin" and is_minif2f(theorems):
        return (
            "the built-in model was trained on Mathlib and Compfiles, which holds proofs of "
            "problems of miniF2F: its pass rate here says little about new problems "
            "(docs/model-card.md)"
        )
    return ""
