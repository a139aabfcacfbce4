from __future__ import annotations

import attrs

from llmstep_workshop.evaluation.exposure import is_minif2f, warn_about
from llmstep_workshop.evaluation.theorems import Theorem, find_theorems


def theorem(name: str) -> Theorem:
    return next(iter(find_theorems(f"theorem {name} : 1 = 1 := by sorry\n", "N.lean")))


def test_the_built_in_model_is_warned_about_on_minif2f() -> None:
    by_name = [theorem("mathd_algebra_478"), theorem("amc12a_2021_p3"), theorem("other")]
    by_file = [attrs.evolve(theorem("x"), file="data/minif2f.jsonl")]
    assert is_minif2f(by_name)
    assert is_minif2f(by_file)
    assert not is_minif2f([theorem("add_comm"), theorem("imo_1959_p1")])
    assert "Compfiles" in warn_about("builtin", by_name)
    assert warn_about("my-model", by_name) == warn_about("builtin", [theorem("t")]) == ""
