"""The report: one HTML file that compares models; no scripts, nothing to fetch from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from llmstep import __version__
from llmstep_workshop.data.rows import Row
from llmstep_workshop.evaluation.charts import (
    SERIES,
    Bar,
    BarGroup,
    Line,
    colour,
    draw_bars,
    draw_lines,
)
from llmstep_workshop.evaluation.comparison import Comparison, DataFile, VariantScores
from llmstep_workshop.evaluation.intervals import Interval
from llmstep_workshop.evaluation.scores import RowScore, compare

_SAMPLES = 24
_HEADS = 12
_FAILURES = 20

# Eight colours that can be told apart, also with a red-green weakness, on white and on black.
_LIGHT = ("#2a78d6", "#eb6834", "#179a6b", "#8a4fd3", "#c98500", "#d6457f", "#4d6a80", "#7a8f00")
_DARK = ("#5aa2f2", "#ff8f5e", "#3fd39c", "#b286f0", "#edb230", "#f27aa8", "#8fb0c8", "#b4c93a")

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5c6670; --line: #d8dde2;
  --page: #ffffff; --card: #f6f8fa; --good: #d9f2e3; LIGHT }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa4ae; --line: #353c44;
  --page: #15181c; --card: #1d2127; --good: #17402c; DARK } }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
h3 { margin: 1.6rem 0 .4rem; font-size: 1.05rem; }
p, li { max-width: 46rem; } .soft, figcaption { color: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
td small { display: block; color: var(--soft); }
svg { width: 100%; max-width: 44rem; height: auto; } svg text { fill: var(--ink); font-size: 12px; }
svg text.value { fill: var(--soft); } svg .axis, svg .whisker { stroke: var(--ink); fill: none; }
svg .grid { stroke: var(--line); } figure { margin: 0 0 1rem; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px;
  margin: 0 .4rem 0 1rem; vertical-align: -1px; } .key:first-child { margin-left: 0; }
.row { background: var(--card); border-radius: 6px; padding: .8rem 1rem; margin: .8rem 0; }
pre { margin: .2rem 0 .6rem; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 13px/1.45 ui-monospace, monospace; } .hit { background: var(--good); border-radius: 3px; }
.answers { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }
"""


def render_page(comparison: Comparison) -> str:
    """The report as HTML text (UTF-8), complete in itself."""
    models = list(dict.fromkeys(result.name for result in comparison.results))
    settings = comparison.variants[0].settings
    chosen = {"temperature": settings.temperature, "top-p": settings.top_p}
    sampling = ", ".join(f"{name} {value:g}" for name, value in chosen.items() if value is not None)
    body = [
        "<h1>Next tactics: models side by side</h1>",
        f"<p>{settings.n} candidates per state, {sampling or 'sampling as each model has it'}, "
        f"seed {settings.seed}; llmstep {escape(__version__)}. What was scored is the list that a "
        "user would be served. <em>exact</em> counts the recorded tactic, <em>first word</em> a "
        "tactic that begins as it does. Ranges are 95 % confidence intervals.</p>",
        *(
            f"<p>Left out, as it could not be loaded: <b>{escape(name)}</b>: {escape(reason)}</p>"
            for name, reason in comparison.unusable
        ),
    ]
    for file in comparison.files:
        results = [result for result in comparison.results if result.file == file.path]
        body += _render_file(file, results, models)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>llmstep eval: {escape(', '.join(models))}</title>"
        f"<style>{_style()}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _style() -> str:
    def variables(colours: Sequence[str]) -> str:
        return " ".join(f"--series-{i}: {value};" for i, value in enumerate(colours[:SERIES]))

    return _STYLE.replace("LIGHT", variables(_LIGHT)).replace("DARK", variables(_DARK))


def _render_file(file: DataFile, results: list[VariantScores], models: list[str]) -> list[str]:
    rows = len(file.rows)
    parts = [
        f"<h2>{escape(file.path.name)}</h2>",
        f'<p class="soft">{rows} {"row" if rows == 1 else "rows"}</p>',
        _render_table(results),
        _render_legend(models),
        _render_shares(results, models),
        _render_curves(results, models),
        _render_heads(results, models),
        _render_latency(results, models),
    ]
    if len(results) > 1:
        parts += [_render_differences(results), _render_samples(file, results)]
    return parts + _render_failures(results, file.path)


def _render_table(results: Sequence[VariantScores]) -> str:
    n = results[0].n if results else 0
    head = ["model", "NLL per token", "exact@1", f"exact@{n}", "first word@1", f"first word@{n}",
            "found by", "median ms", "p90 ms", "rows/s", "trimmed", "failed"]  # fmt: skip
    lines: list[str] = []
    for result in results:
        s, around = result.scores, result.scores.intervals
        nll = "–" if s.nll is None else f"{s.nll:.3f}{_small(around['nll'])}"
        cells = [escape(result.name), nll]
        for name in ("exact_at_1", "exact_at_n", "head_at_1", "head_at_n"):
            cells.append(f"{getattr(s, name):.3f}{_small(around[name])}")
        cells.append("<br>".join(f"{escape(k)} {v:.3f}" for k, v in s.found_by.items()) or "–")
        cells += [f"{s.median_ms:.0f}", f"{s.p90_ms:.0f}", f"{s.rows_per_second:.1f}"]
        cells += [str(s.trimmed), str(s.failures)]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return _table(head, lines)


def _render_legend(models: Sequence[str]) -> str:
    keys = "".join(
        f'<span class="key" style="background:{colour(i)}"></span>{escape(model)}'
        for i, model in enumerate(models)
    )
    return f"<p>{keys}</p>"


def _render_shares(results: Sequence[VariantScores], models: list[str]) -> str:
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
    return _figure("How often it is found", draw_bars(groups, 1.0, "shares found"))


def _render_curves(results: Sequence[VariantScores], models: list[str]) -> str:
    if not results or results[0].n < 2:
        return ""
    lines = [
        Line(models.index(r.name), f"{r.name}, {name}", curve, dashed=name == "exact")
        for r in results
        for name, curve in (("first word", r.scores.head_curve), ("exact", r.scores.exact_curve))
    ]
    plot = draw_lines(lines, 1.0, "share found among the first k", "candidates looked at")
    return _figure("How far down the list (solid: first word, dashed: exact)", plot)


def _render_heads(results: Sequence[VariantScores], models: list[str]) -> str:
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
    plot = draw_bars(groups, 1.0, "first word found, by first word")
    return _figure("By first word of the recorded tactic (rows): first word found", plot)


def _render_latency(results: Sequence[VariantScores], models: list[str]) -> str:
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
    return _figure(
        "Time of one answer: median, and the time within which nine of ten came",
        draw_bars(groups, top * 1.4, "time of one answer"),
    )


def _render_differences(results: Sequence[VariantScores]) -> str:
    first, *others = results
    lines: list[str] = []
    for other in others:
        found = compare(first.rows, other.rows, other.n)
        cells = [escape(other.name)]
        for name in ("exact_at_n", "head_at_n"):
            difference = getattr(other.scores, name) - getattr(first.scores, name)
            around = found[name]
            sure = around.low > 0 or around.high < 0
            bold = f"<b>{difference:+.3f}</b>" if sure else f"{difference:+.3f}"
            cells.append(f"{bold}<small>{around.low:+.3f} to {around.high:+.3f}</small>")
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = ["model", f"exact@{first.n}", f"first word@{first.n}"]
    return (
        f"<h3>Against {escape(first.name)}, row by row</h3>"
        '<p class="soft">Bold: more than the luck of the rows.</p>' + _table(head, lines)
    )


def _render_samples(file: DataFile, results: Sequence[VariantScores]) -> str:
    """Rows on which the models differ: most of all in whether they find the tactic at all."""
    chosen: list[tuple[int, str]] = []
    for index, (_, row) in enumerate(file.rows):
        scores = [result.rows[index] for result in results]
        differ = len({score.exact for score in scores}) > 1
        if not differ and len({score.headed for score in scores}) == 1:
            continue
        # First the rows that one model solves and another does not, shorter states first.
        solved = [score.exact is not None for score in scores]
        rank = 0 if any(solved) and not all(solved) else 1 if differ else 2
        chosen.append((rank * 1_000_000 + len(row.state), _render_row(index, row, results)))
    if not chosen:
        return ""
    chosen.sort(key=lambda pair: pair[0])
    shown = "".join(html for _, html in chosen[:_SAMPLES])
    return (
        f"<h3>Where they differ (rows: {len(chosen)}, shown: {min(len(chosen), _SAMPLES)})</h3>"
        + shown
    )


def _render_row(index: int, row: Row, results: Sequence[VariantScores]) -> str:
    answers = "".join(
        f"<div><b>{escape(result.name)}</b>{_render_answer(result.rows[index], row)}</div>"
        for result in results
    )
    return (
        f'<div class="row"><pre>{escape(row.state)}</pre>'
        f'<span class="soft">recorded</span><pre>{escape(row.tactic)}</pre>'
        f'<div class="answers">{answers}</div></div>'
    )


def _render_answer(score: RowScore, row: Row) -> str:
    if score.failure:
        return f"<pre>{escape(score.failure)}</pre>"
    reference = " ".join(row.tactic.split())
    lines: list[str] = []
    for tactic in score.best:
        text = escape(tactic)
        hit = " ".join(tactic.split()) == reference
        lines.append(f'<span class="hit">{text}</span>' if hit else text)
    more = score.exact is not None and score.exact > len(score.best)
    note = f'<span class="soft">found at place {score.exact}</span>' if more else ""
    return f"<pre>{chr(10).join(lines) or '–'}</pre>{note}"


def _render_failures(results: Sequence[VariantScores], path: Path) -> list[str]:
    parts: list[str] = []
    for result in results:
        failed = [row for row in result.rows if row.failure]
        if not failed:
            continue
        items = "".join(
            f"<li>row {row.number} of {escape(path.name)}: {escape(row.failure)}</li>"
            for row in failed[:_FAILURES]
        )
        more = f"<li>and {len(failed) - _FAILURES} more</li>" if len(failed) > _FAILURES else ""
        parts.append(
            f"<h3>{escape(result.name)} failed on {len(failed)}</h3><ul>{items}{more}</ul>"
        )
    return parts


def _table(head: Sequence[str], lines: Sequence[str]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f'<div class="wide"><table><tr>{cells}</tr>{"".join(lines)}</table></div>'


def _small(interval: Interval) -> str:
    return f"<small>{interval}</small>"


def _figure(caption: str, svg: str) -> str:
    return f"<figure><h3>{escape(caption)}</h3>{svg}</figure>"
