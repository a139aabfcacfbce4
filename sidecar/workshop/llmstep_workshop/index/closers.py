"""Learn which closers fit which goals: the weights of ``models/portfolio.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from llmstep.prompts.goal import parse_goal
from llmstep.sources.portfolio import Closer, goal_traits
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.index.logistic import fit_logistic

# Tactics that prove a goal of the right kind without being told how.
CLOSERS = (
    *("rfl", "trivial", "assumption", "contradiction", "decide", "omega", "simp", "simp_all"),
    *("grind", "norm_cast", "infer_instance", "aesop", "linarith", "nlinarith", "norm_num"),
    *("ring", "positivity", "field_simp", "tauto", "gcongr", "fun_prop", "bound", "abel"),
    *("group", "continuity", "measurability", "constructor", "ext"),
)
# A closer used less often is not learned, and a trait of fewer goals teaches nothing.
FEWEST_USES = 30
_FEWEST_GOALS = 300
_RIDGE = 1e-4
_NEGLIGIBLE = 0.2


def learn_closers(rows: Sequence[Row]) -> tuple[Closer, ...]:
    """Fit one logistic regression per closer: how likely an author used it, by the goal's traits.

    Closers that the rows use fewer than `FEWEST_USES` times are left out.

    Raises:
        TrainingDataError: The rows use none of the closers that often.
    """
    used: Counter[frozenset[str]] = Counter()
    closed: dict[str, Counter[frozenset[str]]] = {tactic: Counter() for tactic in CLOSERS}
    for row in rows:
        traits = goal_traits(parse_goal(row.state))
        used[traits] += 1
        if row.tactic in closed:
            closed[row.tactic][traits] += 1
    frequency: Counter[str] = Counter()
    for traits, count in used.items():
        frequency.update(dict.fromkeys(traits, count))
    names = sorted(trait for trait, count in frequency.items() if count >= _FEWEST_GOALS)
    place = {name: index for index, name in enumerate(names)}
    kinds = list(used)
    values = np.zeros((2 * len(kinds), len(names) + 1))
    values[:, -1] = 1.0
    for index, traits in enumerate(kinds):
        places = [place[trait] for trait in traits if trait in place]
        values[index, places] = values[len(kinds) + index, places] = 1.0
    labels = np.arange(2 * len(kinds)) >= len(kinds)
    total = np.array([used[kind] for kind in kinds], dtype=np.float64)
    found: list[Closer] = []
    for tactic in CLOSERS:
        hits = np.array([closed[tactic][kind] for kind in kinds], dtype=np.float64)
        if hits.sum() < FEWEST_USES:
            continue
        importance = np.concatenate([total - hits, hits]) * (2 * len(kinds) / total.sum())
        weights = fit_logistic(values, labels, _RIDGE, importance)
        by_trait = {
            name: round(float(weight), 2)
            for name, weight in zip(names, weights[:-1], strict=True)
            if abs(weight) >= _NEGLIGIBLE
        }
        found.append(Closer(tactic, round(float(weights[-1]), 2), by_trait))
    if not found:
        raise TrainingDataError(
            f"none of the closers occurs {FEWEST_USES} times in these rows",
            hint=f"Give more rows; closers are the bare tactics {', '.join(CLOSERS[:7])}, ...",
        )
    return tuple(found)
