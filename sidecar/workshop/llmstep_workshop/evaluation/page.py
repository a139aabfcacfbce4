"""The report: one HTML file that compares models; no scripts, nothing to fetch from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2

from llmstep import __version__
from llmstep_workshop.evaluation.charts import (
    SERIES,
    Bar,
    BarGroup,
    ChartLine,
    colour,
    draw_bars,
    draw_lines,
)
from llmstep_workshop.evaluation.comparison import Comparison, DataFile, VariantScores
from llmstep_workshop.evaluation.scores import compare

_SAMPLES = 24
_HEADS = 12
_FAILURES = 20

# Eight colours that can be told apart, also with a red-green weakness, on white and on black.
_LIGHT = ("#2a78d6", "#eb6834", "#179a6b", "#8a4fd3", "#c98500", "#d6457f", "#4d6a80", "#7a8f00")
_DARK = ("#5aa2f2", "#ff8f5e", "#3fd39c", "#b286f0", "#edb230", "#f27aa8", "#8fb0c8", "#b4c93a")


def render_page(comparison: Comparison) -> str:
    """The report as HTML text (UTF-8), complete in itself."""
    models = list(dict.fromkeys(result.name for result in comparison.results))
    settings = comparison.variants[0].settings
    chosen = {"temperature": settings.temperature, "top-p": settings.top_p}
    sampling = ", ".join(f"{name} {value:g}" for name, value in chosen.items() if value is not None)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("llmstep_workshop.evaluation", "."),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.j2").render(
        models=models,
        settings=settings,
        sampling=sampling or "sampling as each model has it",
        version=__version__,
        unusable=comparison.unusable,
        files=[
            _describe_file(file, [r for r in comparison.results if r.file == file.path], models)
            for file in comparison.files
        ],
        colour=colour,
        light=_variables(_LIGHT),
        dark=_variables(_DARK),
        most_failures=_FAILURES,
    )


def _variables(colours: Sequence[str]) -> str:
    return " ".join(f"--series-{i}: {value};" for i, value in enumerate(colours[:SERIES]))


def _describe_file(
    file: DataFile, results: list[VariantScores], models: list[str]
) -> dict[str, Any]:
    """What the page says of one file."""
    samples = _choose_samples(file, results) if len(results) > 1 else []
    failed = [(result, [row for row in result.rows if row.failure]) for result in results]
    return {
        "name": file.path.name,
        "rows": len(file.rows),
        "n": results[0].n if results else 0,
        "results": results,
        "figures": [
            ("How often it is found", _draw_shares(results, models)),
            (
                "How far down the list (solid: first word, dashed: exact)",
                _draw_curves(results, models),
            ),
            (
                "By first word of the recorded tactic (rows): first word found",
                _draw_heads(results, models),
            ),
            (
                "Time of one answer: median, and the time within which nine of ten came",
                _draw_latency(results, models),
            ),
        ],
        "differences": [_describe_difference(results[0], other) for other in results[1:]],
        "differing": len(samples),
        "samples": samples[:_SAMPLES],
        "failures": [(result, rows) for result, rows in failed if rows],
    }


def _draw_shares(results: Sequence[VariantScores], models: list[str]) -> str:
    groups: list[BarGroup] = []
    for name, label in (
        ("exact_at_1", "exact@1"),
        ("exact_at_n", "exact@{n}"),
        ("head_at_1", "first word@1"),
        ("head_at_n", "first word@{n}"),
    ):
        bars = tuple(
            Bar(
                models.index(result.name),
                getattr(result.scores, name),
                result.scores.intervals[name].low,
                result.scores.intervals[name].high,
            )
            for result in results
        )
        groups.append(BarGroup(label.format(n=results[0].n if results else 0), bars))
    return draw_bars(groups, 1.0, "shares found")


def _draw_curves(results: Sequence[VariantScores], models: list[str]) -> str:
    if not results or results[0].n < 2:
        return ""
    lines = [
        ChartLine(models.index(r.name), f"{r.name}, {name}", curve, dashed=name == "exact")
        for r in results
        for name, curve in (("first word", r.scores.head_curve), ("exact", r.scores.exact_curve))
    ]
    return draw_lines(lines, 1.0, "share found among the first k", "candidates looked at")


def _draw_heads(results: Sequence[VariantScores], models: list[str]) -> str:
    heads = [head for result in results[:1] for head in result.scores.heads[:_HEADS]]
    groups: list[BarGroup] = []
    for head in heads:
        bars: list[Bar] = []
        for result in results:
            own = {one.head: one for one in result.scores.heads}
            if score := own.get(head.head):
                text = f"{score.headed:.2f} (exact {score.exact:.2f})"
                bars.append(Bar(models.index(result.name), score.headed, text=text))
        groups.append(BarGroup(f"{head.head} ({head.rows})", tuple(bars)))
    if not groups:
        return ""
    return draw_bars(groups, 1.0, "first word found, by first word")


def _draw_latency(results: Sequence[VariantScores], models: list[str]) -> str:
    top = max((result.scores.p90_ms for result in results), default=0.0)
    if top <= 0:
        return ""
    groups = [
        BarGroup(
            result.name,
            (
                Bar(
                    models.index(result.name),
                    result.scores.median_ms,
                    result.scores.median_ms,
                    result.scores.p90_ms,
                    f"{result.scores.median_ms:.0f} ms, p90 {result.scores.p90_ms:.0f} ms",
                ),
            ),
        )
        for result in results
    ]
    return draw_bars(groups, top * 1.4, "time of one answer")


def _describe_difference(first: VariantScores, other: VariantScores) -> dict[str, Any]:
    found = compare(first.rows, other.rows, other.n)
    changes = [
        {
            "value": getattr(other.scores, name) - getattr(first.scores, name),
            "low": found[name].low,
            "high": found[name].high,
            "sure": found[name].low > 0 or found[name].high < 0,
        }
        for name in ("exact_at_n", "head_at_n")
    ]
    return {"name": other.name, "changes": changes}


def _choose_samples(file: DataFile, results: Sequence[VariantScores]) -> list[dict[str, Any]]:
    """Rows on which the models differ: most of all in whether they find the tactic at all."""
    chosen: list[tuple[int, dict[str, Any]]] = []
    for index, (_, row) in enumerate(file.rows):
        scores = [result.rows[index] for result in results]
        differ = len({score.exact for score in scores}) > 1
        if not differ and len({score.headed for score in scores}) == 1:
            continue
        # First the rows that one model solves and another does not, shorter states first.
        solved = [score.exact is not None for score in scores]
        rank = 0 if any(solved) and not all(solved) else 1 if differ else 2
        answers = [
            {"name": result.name, "score": score}
            for result, score in zip(results, scores, strict=True)
        ]
        sample = {"row": row, "answers": answers}
        chosen.append((rank * 1_000_000 + len(row.state), sample))
    chosen.sort(key=lambda pair: pair[0])
    return [sample for _, sample in chosen]
