from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from llmstep.config import Settings
from llmstep.errors import GenerationError, LLMStepError
from llmstep_workshop.data.rows import Row, read_rows
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.evaluation.candidates import Answer, ServedCandidates
from llmstep_workshop.evaluation.comparison import Variant, answer_rows, compare_variants, draw_rows

ECHO = Settings(model="echo", n=4, cache=False, sources=("model",))


def test_drawing_rows_is_repeatable_and_keeps_their_places() -> None:
    rows = [Row(f"⊢ {i}", "rfl") for i in range(50)]
    whole = draw_rows(Path("a"), rows, None, 0)
    assert [number for number, _ in whole.rows] == list(range(1, 51))
    assert draw_rows(Path("a"), rows, 99, 0) == whole
    drawn = draw_rows(Path("a"), rows, 7, 1)
    assert len(set(drawn.rows)) == 7
    assert all(row.state == f"⊢ {number - 1}" for number, row in drawn.rows)
    assert drawn == draw_rows(Path("a"), rows, 7, 1) != draw_rows(Path("a"), rows, 7, 2)


def test_no_rows_are_an_error() -> None:
    with pytest.raises(TrainingDataError, match="no rows"):
        draw_rows(Path("a"), [], None, 0)


def test_any_function_of_a_state_can_be_scored() -> None:
    seen: list[int] = []

    def source(state: str, text_before: str, banned: tuple[str, ...], path: str) -> Answer:
        assert text_before == ("theorem" if "1" in state else "")
        if "2" in state:
            raise GenerationError("no")
        return Answer(("rfl",), 0.1)

    rows = [(i, Row(f"⊢ {i}", "rfl", context="theorem" * (i == 1))) for i in (1, 2, 3)]
    scores = answer_rows(source, rows, lambda: seen.append(1))
    assert [score.exact for score in scores] == [1, None, 1]
    assert [score.failure for score in scores] == ["", "no", ""]
    assert len(seen) == 3


def test_the_served_answer_is_what_is_scored(scripted: Path) -> None:
    file = draw_rows(scripted, read_rows(scripted), None, 0)
    counted: list[int] = []
    comparison = compare_variants(
        [Variant("scripted", ECHO)], [file], on_row=lambda: counted.append(1)
    )
    (result,) = comparison.results
    assert [row.exact for row in result.rows] == [1, 2, None, None]
    assert [row.headed for row in result.rows] == [1, 2, 1, None]
    assert result.rows[3].failure == "the model <failed>"
    assert (result.scores.failures, result.scores.nll) == (1, None)
    assert result.scores.found_by == {"model": 0.5}
    assert len(counted) == 4


def test_a_long_state_is_trimmed_and_counted(scripted: Path) -> None:
    state = "\n".join(f"h{i} : a{i} = b{i} + c{i}" for i in range(2000)) + "\n⊢ p"
    file = draw_rows(scripted, [Row(state, "exact h"), Row("⊢ p", "exact h")], None, 0)
    (result,) = compare_variants([Variant("scripted", ECHO)], [file]).results
    assert [row.trimmed for row in result.rows] == [True, False]
    assert (result.scores.trimmed, result.scores.failures) == (1, 0)


def test_the_text_of_the_file_is_sent_where_a_row_has_it(scripted: Path) -> None:
    settings = attrs.evolve(ECHO, prompt="llemma-file")
    rows = [Row("⊢ p", "exact h", context="theorem t : p := by\n  -- ⊢ p"), Row("⊢ p", "exact h")]
    file = draw_rows(scripted, rows, None, 0)
    (result,) = compare_variants([Variant("scripted", settings)], [file]).results
    assert [row.exact for row in result.rows] == [1, None]
    assert "needs the text of the file" in result.rows[1].failure


def test_a_blank_state_fails_its_row_only(scripted: Path) -> None:
    source = ServedCandidates(ECHO)
    try:
        with pytest.raises(LLMStepError, match="goals"):
            source("  ")
        assert source("⊢ p").tactics == ("exact h",)
    finally:
        source.close()


def test_a_model_that_cannot_be_loaded_is_left_out(scripted: Path, tmp_path: Path) -> None:
    file = draw_rows(scripted, read_rows(scripted), None, 0)
    missing = Variant("missing", Settings(model=str(tmp_path / "no.gguf")))
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"no model")
    broken = Variant("damaged", Settings(model=str(damaged), sources=("model",)))
    comparison = compare_variants([missing, broken, Variant("scripted", ECHO)], [file])
    assert [result.name for result in comparison.results] == ["scripted"]
    assert [name for name, _ in comparison.unusable] == ["missing", "damaged"]
    with pytest.raises(LLMStepError, match=r"no\.gguf"):
        compare_variants([missing], [file])


def test_the_likelihood_of_a_model_is_measured_once(
    scripted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    class Scorer:
        def measure(self, state: str, tactic: str, text_before: str, premises=()):
            from llmstep_workshop.evaluation.likelihood import Likelihood

            if "a + b" in state:
                raise GenerationError("too long")
            return Likelihood(3.0, 2)

        def close(self) -> None:
            opened.append("closed")

    def open_meter(settings: Settings) -> Scorer:
        opened.append(settings.model)
        return Scorer()

    monkeypatch.setattr("llmstep_workshop.evaluation.comparison.open_meter", open_meter)
    file = draw_rows(scripted, read_rows(scripted), None, 0)
    variants = [Variant("one", ECHO), Variant("two", ECHO)]
    comparison = compare_variants(variants, [file])
    assert opened == ["echo", "closed"]
    for result in comparison.results:
        assert result.scores.nll == pytest.approx(1.5)
        assert [row.failure for row in result.rows] == ["", "", "too long", "the model <failed>"]
    assert compare_variants(variants, [file], with_likelihood=False).results[0].scores.nll is None
    assert opened == ["echo", "closed"]
