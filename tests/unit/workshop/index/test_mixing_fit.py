"""Learning the tables: closers by traits, and the weights that mix the sources."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest
from click.testing import CliRunner

from llmstep.cli import cli
from llmstep.errors import ModelFileError
from llmstep.prompts.goal import parse_goal
from llmstep.sources.index_writer import write_index
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.mixing import FEATURES, HEAD_FEATURES, load_mixing
from llmstep.sources.portfolio import Closer, Portfolio, load_portfolio
from llmstep.sources.steps import ProofStep
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import DataOutputError, TrainingDataError
from llmstep_workshop.index import mixing_fit
from llmstep_workshop.index.closers import learn_closers
from llmstep_workshop.index.logistic import fit_logistic
from llmstep_workshop.index.mixing_fit import fit_mixing, score_mixing
from llmstep_workshop.index.mixing_rows import rate_rows
from llmstep_workshop.index.table_files import write_mixing, write_portfolio

LINEAR = [Row(f"a b : ℕ\nh : a < b\n⊢ a < b + {i}", "omega") for i in range(400)]
EQUAL = [Row(f"x{i} : ℝ\n⊢ x{i} = x{i}", "rfl") for i in range(400)]
NO_CLOSERS = [Row("p : Prop\n⊢ p", "exact foo")] * 5


def test_logistic_regression_finds_the_log_odds_of_a_share() -> None:
    values = np.array([[1.0, 0.0], [1.0, 1.0]] * 500)
    labels = np.array(([True, True] + [False, True] * 3) * 125)
    weights = fit_logistic(values, labels, 0.0)
    assert weights[0] == pytest.approx(np.log(1 / 3), abs=1e-3)
    doubled = fit_logistic(values, labels, 0.0, np.where(labels, 2.0, 1.0))
    assert doubled[0] == pytest.approx(np.log(2 / 3), abs=1e-3)


def test_closers_are_learned_by_the_traits_of_the_goal() -> None:
    closers = Portfolio(learn_closers([*LINEAR, *EQUAL]))
    linear = closers.choose(parse_goal("c d : ℕ\nh : c < d\n⊢ c < d + 7"))
    equal = closers.choose(parse_goal("y : ℝ\n⊢ y = y"))
    assert linear["omega"] > 0 > linear["rfl"]
    assert equal["rfl"] > 0 > equal["omega"]
    assert {closer.tactic for closer in closers.closers} == {"omega", "rfl"}


def test_rows_without_closers_are_refused() -> None:
    with pytest.raises(TrainingDataError, match="none of the closers"):
        learn_closers(NO_CLOSERS)


def library(path: Path) -> LibraryIndex:
    pairs = [(row.state, row.tactic) for row in (*LINEAR[:20], *EQUAL[:20])]
    pairs += [("s : Set ℕ\n⊢ s ⊆ s", "exact subset_rfl")] * 5
    write_index(path, [ProofStep(*pair) for pair in pairs], [], fewest_rows=1)
    return LibraryIndex(path)


def test_the_fit_learns_which_source_to_trust(tmp_path: Path) -> None:
    rated = rate_rows([*LINEAR[300:340], *EQUAL[300:340]], None, library(tmp_path / "i"), None)
    mixing, scores = fit_mixing(rated, 4)
    assert set(mixing.weights) == set(FEATURES)
    assert set(mixing.head_weights) == set(HEAD_FEATURES)
    assert mixing.head_weights["library_head"] > 0
    assert scores.rows == 80
    assert scores.exact_at_1 == scores.exact_at_n == scores.proposed == 1.0
    turned = {name: -weight for name, weight in mixing.weights.items()}
    reversed_ = attrs.evolve(mixing, weights=turned, head_value=0.0)
    assert score_mixing(rated, mixing, 1).exact_at_n > score_mixing(rated, reversed_, 1).exact_at_n


def test_a_fit_is_held_to_weights_as_far_as_that_serves_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixing_fit, "PULLS", (float("inf"), 1e-4))
    monkeypatch.setattr(mixing_fit, "LEMMA_VALUES", (0.0,))
    rated = rate_rows([*LINEAR[300:340], *EQUAL[300:340]], None, library(tmp_path / "i"), None)
    fitted, _ = fit_mixing(rated, 1)
    # Kept where no fit is better, for all that another one would be as good.
    assert fit_mixing(rated, 1, fitted)[0].weights == fitted.weights
    turned = attrs.evolve(fitted, weights={name: -w for name, w in fitted.weights.items()})
    assert score_mixing(rated, turned, 1).exact_at_1 < 1.0
    mended, scores = fit_mixing(rated, 1, turned)
    assert scores.exact_at_1 == 1.0
    assert mended.weights != turned.weights


def test_a_regression_is_held_to_a_prior() -> None:
    values = np.array([[1.0, 0.0], [1.0, 1.0]] * 500)
    labels = np.array(([True, True] + [False, True] * 3) * 125)
    prior = np.array([2.0, -1.0])
    strong, weak = (fit_logistic(values, labels, r, prior=prior) for r in (1e6, 1e-9))
    assert strong == pytest.approx(prior, abs=1e-3)
    assert weak[0] == pytest.approx(np.log(1 / 3), abs=1e-2)


def test_the_files_own_steps_are_proposed(tmp_path: Path) -> None:
    context = "theorem a (p : Prop) (hp : p) : p ∨ p := by\n  exact Or.inl hp\n\nexample : p := by "
    row = Row("q r : Prop\nhp : q\n⊢ r ∨ r", "exact Or.inl hp", context=context)
    with_file, *_ = rate_rows([row], None, None, None)
    without, *_ = rate_rows([attrs.evolve(row, context="")], None, None, None)
    assert with_file.right.any()
    assert without.tactics == ()


def test_some_rows_lack_a_source(tmp_path: Path) -> None:
    rated = rate_rows(LINEAR[:3], None, library(tmp_path / "i"), None)
    assert [row.complete for row in rated] == [True, False] * 3
    assert [bool(row.tactics) for row in rated] == [True, True, True, False, True, False]


def test_nothing_to_fit_is_told() -> None:
    with pytest.raises(TrainingDataError, match="nothing to fit"):
        fit_mixing(rate_rows(NO_CLOSERS, None, None, None), 4)


def test_tables_are_read_back_as_written(tmp_path: Path) -> None:
    closers = (Closer("omega", -1.5, {"type Nat": 2.0, "target \\": 0.5, 'a"b': 1.0}),)
    write_portfolio(tmp_path / "p.json", closers, 3)
    assert load_portfolio(tmp_path / "p.json").closers == closers
    rated = rate_rows(LINEAR[:8], None, library(tmp_path / "i"), None)
    mixing, scores = fit_mixing(rated, 4)
    write_mixing(tmp_path / "m.toml", mixing, scores, 4)
    assert load_mixing(tmp_path / "m.toml") == mixing


def test_a_table_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(DataOutputError, match="could not be written"):
        write_portfolio(tmp_path / "file" / "p.json", (), 0)


def write_rows(path: Path, rows: list[Row]) -> Path:
    import json

    lines = [json.dumps({"state": r.state, "tactic": r.tactic, "kind": r.kind}) for r in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_commands_make_index_portfolio_and_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    script = tmp_path / "script.json"
    script.write_text('[{"candidates": [{"tactic": "simp", "score": -1}]}]', encoding="utf-8")
    monkeypatch.setenv("LLMSTEP_ECHO_SCRIPT", str(script))
    skipped = [Row("⊢ False", "exact absurd", kind="junk")]
    rows = write_rows(tmp_path / "rows.jsonl", [*LINEAR[:60], *EQUAL[:60], *skipped])
    index, table, weights = (tmp_path / name for name in ("i.tactics", "p.json", "m.toml"))
    run = CliRunner().invoke
    built = run(cli, ["index", "build", str(rows), "--output", str(index), "--skip-kind", "junk"])
    assert built.exit_code == 0, built.output
    assert "120 steps" in built.output
    assert index.with_name("i.tactics.names").read_text("utf-8").split("\n")[1:-1] == (
        LibraryIndex(index).common_names()
    )
    learned = run(cli, ["index", "portfolio", str(rows), "--output", str(table)])
    assert learned.exit_code == 0, learned.output
    assert {c.tactic for c in load_portfolio(table).closers} == {"omega", "rfl"}
    held_out = write_rows(tmp_path / "held.jsonl", [*LINEAR[300:310], *EQUAL[300:310]])
    command = ["index", "fit", str(held_out), "--output", str(weights), "--model", "echo"]
    fitted = run(cli, [*command, "--library", str(index), "-n", "4"])
    assert fitted.exit_code == 0, fitted.output
    assert "exact@4 1.000" in fitted.output
    assert load_mixing(weights).weights["library_share"] != 0.0


def test_a_damaged_library_is_told_before_the_model_is_asked(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", LINEAR[:2])
    broken = tmp_path / "broken.tactics"
    broken.write_bytes(b"no index")
    command = ["index", "fit", str(rows), "--output", str(tmp_path / "m"), "--model", "echo"]
    result = CliRunner().invoke(cli, [*command, "--library", str(broken)])
    assert isinstance(result.exception, ModelFileError) or "broken.tactics" in result.output
    assert not (tmp_path / "m").exists()
