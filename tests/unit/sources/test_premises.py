"""Statements at hand, ranked for a goal, and rankings joined."""

from __future__ import annotations

from llmstep.lean_text.statements import Statement
from llmstep.prompts.goal import parse_goal
from llmstep.sources.premises import PremiseTable, fuse, merge
from llmstep.sources.statement_features import goal_query

TABLE = [
    Statement("dist_symm", "lemma", "", "d[X ; μ # Y ; ν] = d[Y ; ν # X ; μ]"),
    Statement("Entropy.nonneg", "lemma", "", "0 ≤ H[X ; μ]"),
    Statement("Entropy.comp_le", "lemma", "", "H[f ∘ X ; μ] ≤ H[X ; μ]"),
    Statement("", "instance", "", "Foo α"),
]


def test_the_statement_that_says_it_comes_first() -> None:
    table = PremiseTable(TABLE)
    assert len(table) == 3
    ranked = table.rank(goal_query(parse_goal("⊢ 0 ≤ H[Z ; ν]")), 2)
    assert ranked[0][0].name == "Entropy.nonneg"
    assert ranked[0][1] > ranked[1][1] > 0
    ranked = table.rank(goal_query(parse_goal("⊢ H[g ∘ Z ; ν] ≤ H[Z ; ν]")), 3)
    assert ranked[0][0].name == "Entropy.comp_le"
    assert PremiseTable([]).rank(goal_query(parse_goal("⊢ p")), 3) == []


def test_fused_rankings_favour_what_several_name() -> None:
    a, b, c = TABLE[:3]
    fused = fuse({"library": (1.0, [a, b]), "file": (1.0, [b, c])}, 3)
    assert fused[0].statement == b
    assert fused[0].ranks == {"library": 2, "file": 1}
    assert [premise.worth for premise in fused] == sorted((p.worth for p in fused), reverse=True)
    assert [p.statement for p in fuse({"library": (1.0, [a, b]), "file": (3.0, [c])}, 1)] == [c]


def test_rankings_of_several_libraries_are_joined_by_rank_and_size() -> None:
    def ranking(prefix: str, scores: list[float]) -> list[tuple[Statement, float]]:
        return [
            (Statement(f"{prefix}{at}", "theorem", "", "p"), score)
            for at, score in enumerate(scores)
        ]

    large, small = ranking("large", [5.0, 4.0, 3.9]), ranking("small", [90.0, 80.0, 70.0])
    merged = [s.name for s, _ in merge([(200_000, large), (100, small)], 9)]
    assert merged[:3] == ["large0", "large1", "large2"]
    assert merged[3:] == ["small0", "small1", "small2"]
    alike = [s.name for s, _ in merge([(100, large), (100, small)], 4)]
    assert alike == ["large0", "small0", "large1", "small1"]
    assert merge([(7, large), (9, [])], 2) == large[:2]
    assert merge([], 3) == []
    twice = merge([(100, large), (100, large[::-1])], 9)
    assert [s.name for s, _ in twice] == ["large0", "large2", "large1"]
