from __future__ import annotations

import pytest

from llmstep.prompts.mention import Mention
from llmstep_workshop.data.rows import Row
from llmstep_workshop.evaluation.candidates import Answer
from llmstep_workshop.evaluation.likelihood import Likelihood
from llmstep_workshop.evaluation.scores import RowScore, compare, score_row, summarise

ROW = Row("⊢ a = b", "rw  [h]\n  at k")


def test_blanks_do_not_count_and_places_begin_at_one() -> None:
    answer = Answer(
        ("simp", "rw [k]", "rw [h] at k"), 0.5, True, (("model",), ("model",), ("file", "model"))
    )
    score = score_row(7, ROW, answer)
    assert (score.number, score.head) == (7, "rw")
    assert (score.exact, score.headed) == (3, 2)
    assert (score.candidates, score.seconds, score.trimmed) == (3, 0.5, True)
    assert score.origins == ("file", "model")


def test_no_answer_finds_nothing() -> None:
    score = score_row(1, ROW, Answer((), 0.1))
    assert (score.exact, score.headed, score.candidates, score.best) == (None, None, 0, ())


def test_summary() -> None:
    rows = [
        RowScore(1, "rw", exact=1, headed=1, candidates=4, seconds=0.1, origins=("model",),
                 likelihood=Likelihood(2.0, 4)),
        RowScore(2, "rw", exact=3, headed=1, candidates=4, seconds=0.3, origins=("model", "file"),
                 likelihood=Likelihood(1.0, 2)),
        RowScore(3, "simp", headed=2, candidates=2, seconds=0.2, trimmed=True),
        RowScore(4, "exact", failure="broke"),
    ]  # fmt: skip
    scores = summarise(rows, 4)
    assert (scores.rows, scores.failures, scores.trimmed) == (4, 1, 1)
    assert (scores.exact_at_1, scores.exact_at_n) == (0.25, 0.5)
    assert (scores.head_at_1, scores.head_at_n) == (0.5, 0.75)
    assert scores.exact_curve == (0.25, 0.25, 0.5, 0.5)
    assert scores.head_curve == (0.5, 0.75, 0.75, 0.75)
    assert scores.nll == pytest.approx(0.5)
    assert scores.median_ms == pytest.approx(200)
    assert scores.rows_per_second == pytest.approx(5)
    assert scores.found_by == {"file": 0.25, "model": 0.5}
    first = scores.heads[0]
    assert (first.head, first.rows, first.exact, first.headed) == ("rw", 2, 1.0, 1.0)
    for name in ("exact_at_1", "exact_at_n", "head_at_1", "head_at_n", "nll"):
        assert scores.intervals[name].low <= getattr(scores, name) <= scores.intervals[name].high


def test_a_model_that_fails_on_all_rows_has_scores_all_the_same() -> None:
    scores = summarise([RowScore(1, "rw", failure="broke"), RowScore(2, "rw", failure="broke")], 2)
    assert (scores.failures, scores.exact_at_n, scores.rows_per_second) == (2, 0.0, 0.0)
    assert scores.nll is None
    assert "nll" not in scores.intervals


def test_models_are_compared_row_by_row() -> None:
    nothing = [RowScore(i, "rw") for i in range(40)]
    all_found = [RowScore(i, "rw", exact=2, headed=1) for i in range(40)]
    found = compare(nothing, all_found, 2)
    assert (found["exact_at_n"].low, found["head_at_n"].high) == pytest.approx((1, 1))
    # Beyond the candidates asked for nothing counts.
    assert compare(nothing, all_found, 1)["exact_at_n"].high == pytest.approx(0)
    mixed = [RowScore(i, "rw", exact=1 if i % 2 else None) for i in range(40)]
    swapped = [RowScore(i, "rw", exact=None if i % 2 else 1) for i in range(40)]
    around = compare(mixed, swapped, 1)["exact_at_n"]
    assert around.low < 0 < around.high


def test_rows_whose_lemma_is_among_their_premises_are_counted_by_themselves() -> None:
    shown = (Mention("other"), Mention("inter_comm"))
    rows = [
        Row("⊢ p", "rw [inter_comm]", lemmas=("Set.inter_comm",), premises=shown),
        Row("⊢ q", "rw [inter_comm]", lemmas=("Set.inter_comm",), premises=shown),
        Row("⊢ r", "rw [inter_comm]", lemmas=("Set.inter_comm",), premises=shown[:1]),
        Row("⊢ s", "simp", premises=shown),
    ]
    answers = [("simp", "exact (inter_comm s t).symm"), ("simp",), ("rw [inter_comm]",), ("simp",)]
    scored = [
        score_row(i, row, Answer(t, 0.1))
        for i, (row, t) in enumerate(zip(rows, answers, strict=True))
    ]
    scores = summarise(scored, 2)
    assert (scores.shown, scores.shown_at_n) == (2, 0.5)
    assert summarise(scored, 1).shown_at_n == 0.0
    assert summarise(scored[2:], 2).shown == 0
