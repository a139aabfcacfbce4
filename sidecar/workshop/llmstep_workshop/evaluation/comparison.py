"""Models side by side: each is asked about the same rows, one model in memory at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from llmstep.config import Settings
from llmstep.errors import LLMStepError
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.evaluation.candidates import CandidateSource, ServedCandidates
from llmstep_workshop.evaluation.likelihood import Likelihood, LikelihoodMeter, open_meter
from llmstep_workshop.evaluation.scores import ExistingNames, RowScore, Scores, score_row, summarise

OnRow = Callable[[], object]
Measured = Likelihood | str | None


@attrs.frozen
class DataFile:
    """Rows of one file.

    Attributes:
        path: The file.
        rows: Place in the file (from 1 on) and row; all of them, or a sample.
    """

    path: Path
    rows: tuple[tuple[int, Row], ...]


@attrs.frozen
class Variant:
    """What is compared: a model with its settings, under a name.

    Attributes:
        name: As it is shown.
        settings: As for a suggestion; `n` candidates are asked for.
    """

    name: str
    settings: Settings


@attrs.frozen
class VariantScores:
    """One variant on one file.

    Attributes:
        name: The variant's name.
        file: The file.
        n: Candidates asked for.
        rows: What became of each row, in the order of the file's.
        scores: The summary.
    """

    name: str
    file: Path
    n: int
    rows: tuple[RowScore, ...]
    scores: Scores


@attrs.frozen
class Comparison:
    """What was measured: every variant on every file, but for those that could not be loaded.

    Attributes:
        variants: All of them.
        files: The data.
        results: In the order of the variants, then of the files.
        unusable: Names of variants that could not be loaded, with the reason.
    """

    variants: tuple[Variant, ...]
    files: tuple[DataFile, ...]
    results: tuple[VariantScores, ...]
    unusable: tuple[tuple[str, str], ...] = ()


def draw_rows(path: Path, rows: Sequence[Row], limit: int | None, seed: int) -> DataFile:
    """At most ``limit`` of a file's rows, without replacement; the same seed draws the same.

    Raises:
        TrainingDataError: There are no rows.
    """
    if not rows:
        raise TrainingDataError(f"{path}: no rows to evaluate", hint="Give a file with rows in it.")
    numbered = list(enumerate(rows, start=1))
    if limit is not None and limit < len(numbered):
        numbered = random.Random(seed).sample(numbered, limit)
    return DataFile(path, tuple(numbered))


def compare_variants(
    variants: Sequence[Variant],
    files: Sequence[DataFile],
    with_likelihood: bool = True,
    on_row: OnRow = lambda: None,
    names: ExistingNames | None = None,
) -> Comparison:
    """Ask every variant about every row.

    Args:
        variants: At least one.
        files: The data, at least one file with at least one row.
        with_likelihood: Whether to measure the negative log-likelihood, too.
        on_row: Called after each row of each variant.
        names: What names there are; ``None`` if that is not to be measured.

    Raises:
        LLMStepError: No variant could be loaded; the first one's reason.
    """
    results: list[VariantScores] = []
    unusable: list[tuple[str, str]] = []
    first_error: LLMStepError | None = None
    likelihoods: dict[Settings, list[list[Measured]]] = {}
    for variant in variants:
        try:
            answered = _answer_all(variant.settings, files, on_row, names)
            # How likely the model holds a tactic does not depend on the other sources.
            key = attrs.evolve(variant.settings, sources=("model",))
            if with_likelihood and key not in likelihoods:
                likelihoods[key] = _measure_likelihoods(variant.settings, files)
        except LLMStepError as error:
            first_error = first_error or error
            unusable.append((variant.name, error.message))
            continue
        n = variant.settings.n
        known = likelihoods.get(key) or [[None] * len(file.rows) for file in files]
        for file, rows, scored in zip(files, answered, known, strict=True):
            whole = tuple(_join(row, one) for row, one in zip(rows, scored, strict=True))
            scores = summarise(whole, n)
            results.append(VariantScores(variant.name, file.path, n, whole, scores))
    if first_error is not None and not results:
        raise first_error
    return Comparison(tuple(variants), tuple(files), tuple(results), tuple(unusable))


def answer_rows(
    source: CandidateSource,
    rows: Sequence[tuple[int, Row]],
    on_row: OnRow = lambda: None,
    names: ExistingNames | None = None,
) -> list[RowScore]:
    """Ask a source about each row; a row it fails on is told of, and counts as not found."""
    return [_answer(source, number, row, on_row, names) for number, row in rows]


def _answer(
    source: CandidateSource, number: int, row: Row, on_row: OnRow, names: ExistingNames | None
) -> RowScore:
    try:
        # As Lean does: what is being proved cannot be used to prove it.
        banned = (row.decl,) if row.decl else ()
        path = row.file if row.context and Path(row.file).is_absolute() else ""
        return score_row(number, row, source(row.state, row.context, banned, path), names)
    except LLMStepError as error:
        return RowScore(number, row.head, failure=error.message)
    finally:
        on_row()


def _answer_all(
    settings: Settings, files: Sequence[DataFile], on_row: OnRow, names: ExistingNames | None
) -> list[list[RowScore]]:
    source = ServedCandidates(settings)
    try:
        source.load()
        return [answer_rows(source, file.rows, on_row, names) for file in files]
    finally:
        source.close()


def _measure_likelihoods(settings: Settings, files: Sequence[DataFile]) -> list[list[Measured]]:
    """For each row its likelihood, why there is none, or ``None`` if the backend cannot tell."""
    meter = open_meter(settings)
    if meter is None:
        return [[None] * len(file.rows) for file in files]
    try:
        return [[_measure_likelihood(meter, row) for _, row in file.rows] for file in files]
    finally:
        meter.close()


def _measure_likelihood(meter: LikelihoodMeter, row: Row) -> Measured:
    try:
        return meter.measure(row.state, row.tactic, row.context, row.premises)
    except LLMStepError as error:
        return error.message


def _join(row: RowScore, measured: Measured) -> RowScore:
    if isinstance(measured, str):
        return attrs.evolve(row, failure=row.failure or measured)
    return attrs.evolve(row, likelihood=measured)
