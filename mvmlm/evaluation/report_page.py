"""An evaluation as Markdown, and as one HTML page with its curves that opens without a network.

Both are made of the same tables. What comes from a table of predictions is escaped in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import plotly.io
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ..messages import plain_line
from .evaluation_report import (
    FEW,
    NOT_FOR_DIAGNOSIS,
    EvaluationReport,
    ModelComparison,
    TaskResult,
    interval_text,
    threshold_text,
)
from .report_figures import figures

#: a browser that opens the page fetches nothing, whatever its parts name
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evaluation of {{ report.subject }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #23272f; max-width: 76rem; margin: 0 auto; padding: 1rem; }
.note { background: #fff4e0; border-left: 4px solid #e08a00; padding: .5rem .8rem; font-weight: 600; }
table { border-collapse: collapse; margin: .6rem 0 1.2rem; }
caption { text-align: left; font-weight: 600; }
th, td { border-bottom: 1px solid #d9dde4; padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.numbers td + td { white-space: nowrap; }
.wide { overflow-x: auto; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(26rem, 1fr)); gap: 1rem; }
.curves > div { min-width: 0; overflow: hidden; }
</style>
{% if curves %}<script>{{ plotly }}</script>{% endif %}
</head><body>
<h1>Evaluation of {{ report.subject }}</h1>
<p class="note">{{ note }}</p>
{% for section in sections %}
{% if section.title %}<h2>{{ section.title }}</h2>{% endif %}
{% for table in section.tables %}
<div class="wide"><table{% if table.title %} class="numbers"{% endif %}>
{% if table.title %}<caption>{{ table.title }}</caption>{% endif %}
<thead><tr>{% for cell in table.head %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endfor %}
{% if section.notes %}<ul>{% for sentence in section.notes %}<li>{{ sentence }}</li>{% endfor %}</ul>{% endif %}
{% if section.result in curves %}<div class="curves">{% for curve in curves[section.result] %}<div>{{ curve }}</div>
{% endfor %}</div>{% endif %}
{% endfor %}
</body></html>
"""
_TEMPLATE = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
_MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]#|~$&<>])")


MAP_NOTES = (
    "Each number is a mean over the views of breasts that have the finding. Of malignancy, the boxes are those of "
    "every finding of the breast.",
    "Pointing game: the map's highest point lies in the box, or at most 10 mm from it (4 % of the picture's height "
    "where the spacing is not known). By chance: the share of the breast in which a point would be such a hit.",
    "Deletion and insertion: the answer as the highest places of the map are blurred first, or are shown first in a "
    "blurred picture. A low area of deletion and a high one of insertion show that the answer depends on these places.",
    "Shuffled weights: a map that shows what the weights have learned differs from the map of the same network with "
    "the values of each weight tensor in another order; 1 means that it does not. Undefined: the maps of the shuffled "
    "network are empty.",
)


class _Table(NamedTuple):
    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class _Section(NamedTuple):
    """A part of the report. result: the number of the task's result; None for other parts."""

    title: str
    tables: list[_Table]
    notes: tuple[str, ...]
    result: int | None


def html_page(report: EvaluationReport) -> str:
    """Return the report as one HTML page. It holds Plotly once and no address that a browser would open."""
    curves = {number: _curve_parts(number, result) for number, result in enumerate(report.results)}
    return _TEMPLATE.render(
        report=report,
        note=NOT_FOR_DIAGNOSIS,
        policy=_POLICY,
        sections=list(_sections(report)),
        curves={number: parts for number, parts in curves.items() if parts},
        plotly=Markup(get_plotlyjs()),
    )


def _curve_parts(number: int, result: TaskResult) -> list[Markup]:
    settings = {"displaylogo": False, "responsive": True}
    return [
        Markup(
            plotly.io.to_html(
                figure, config=settings, full_html=False, include_plotlyjs=False, div_id=f"curve-{number}-{index}"
            )
        )
        for index, figure in enumerate(figures(result.curves))
    ]


def markdown_page(report: EvaluationReport) -> str:
    """Return the report as Markdown, without the curves."""
    lines = [f"# Evaluation of {_escaped(report.subject)}", "", NOT_FOR_DIAGNOSIS, ""]
    for section in _sections(report):
        lines += [f"## {_escaped(section.title)}", ""] if section.title else []
        for table in section.tables:
            lines += [f"**{_escaped(table.title)}**", ""] if table.title else []
            lines += [_markdown_row(table.head), "|" + "---|" * len(table.head), *map(_markdown_row, table.rows), ""]
        lines += [f"- {_escaped(sentence)}" for sentence in section.notes] + ([""] if section.notes else [])
    return "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |"


def _escaped(text: str) -> str:
    return _MARKDOWN_SIGNS.sub(r"\\\1", plain_line(text))


def _sections(report: EvaluationReport) -> Iterator[_Section]:
    made = [
        ("table", report.data),
        ("SHA-256 of the table", report.sha256),
        ("models", "; ".join(model or "not named" for model in report.models)),
        ("code", f"mvmlm {report.code_version}"),
        ("command", report.command),
        ("intervals", f"95 %, by {report.resamples:,} resamples of whole patients, seed {report.seed}"),
        ("cases", f"counted at the level of the {report.level.value}, or higher where the table goes no further down"),
    ]
    yield _Section("", [_Table("", ("what", "which"), [*_run_rows(report), *made])], (), None)
    if report.run and report.run.notes:
        yield _Section("What is missing", [], report.run.notes, None)
    if report.problems:
        yield _Section("What is odd about the table", [], report.problems, None)
    if len(report.results) > 1:
        yield _overview(report)
    for number, result in enumerate(report.results):
        yield _result_section(number, result)
    if report.maps:
        yield _maps_section(report)
    if report.comparisons:
        head = ("task", "first", "second", "metric", "cases", "left out", "first − second", "p by DeLong")
        rows = [_comparison_row(comparison) for comparison in report.comparisons]
        yield _Section("Models compared on the same cases", [_Table("", head, rows)], (), None)


def _run_rows(report: EvaluationReport) -> list[tuple[str, str]]:
    """What is said of a run of models; nothing for a table that was made elsewhere."""
    run = report.run
    if run is None:
        return []
    weights = [(f"SHA-256 of the weights of {model}", checksum) for model, checksum in run.weights]
    protocol = [("protocol", f"{run.protocol}. {run.protocol_note}".strip())] if run.protocol else []
    return [("exams", run.exams), ("SHA-256 of the list of exams and labels", run.checksum), *weights, *protocol]


def _overview(report: EvaluationReport) -> _Section:
    """The main metric of every task and model."""
    rows = [
        (
            result.title, result.model or "not named", result.measures[0].name,
            interval_text(result.measures[0].estimate) + (f", {FEW}" if result.few else ""),
            result.level.counted(result.cases),
            "" if result.confusion else f"{result.positives:,}",
        )
        for result in report.results
    ]  # fmt: skip
    head = ("task", "model", "metric", "value (95 % interval)", "cases", "positive")
    return _Section("Overview", [_Table("", head, rows)], (), None)


def _maps_section(report: EvaluationReport) -> _Section:
    names = [name for name, _ in report.maps[0].measures]
    rows = [
        (
            result.title, result.model, f"{result.views:,} views of {result.patients:,} patients",
            *(interval_text(estimate) for _, estimate in result.measures),
        )
        for result in report.maps
    ]  # fmt: skip
    return _Section(
        "Maps of findings whose box is known", [_Table("", ("task", "model", "views", *names), rows)], MAP_NOTES, None
    )


def _result_section(number: int, result: TaskResult) -> _Section:
    counts = f"{result.level.counted(result.cases)} of {result.patients:,} patients"
    if result.confusion is None:
        counts += f", {result.positives:,} positive"
    tables = [
        _Table(
            counts, ("metric", "value (95 % interval)"), [(m.name, interval_text(m.estimate)) for m in result.measures]
        )
    ]
    if result.rates:
        head = ("rule", "score above", "cases", "positives", "called back", "sensitivity", "specificity", "PPV")
        rows = [
            (
                row.rule, threshold_text(row.threshold), row.level.counted(row.cases),
                f"{row.positives:,}", *(interval_text(share, percent=True) for share in row.rates),
            )
            for row in result.rates
        ]  # fmt: skip
        tables.append(_Table("At thresholds", head, rows))
    if result.subgroups:
        groups = [
            (
                group.name,
                f"{group.cases:,}",
                f"{group.positives:,}",
                interval_text(group.estimate) if group.estimate else group.reason,
            )
            for group in result.subgroups
        ]
        tables.append(_Table("Subgroups", ("group", "cases", "positives", result.measures[0].name), groups))
    if result.confusion:
        classes, counted = result.confusion
        counts_by_class = [(name, *map(str, row)) for name, row in zip(classes, counted, strict=True)]
        tables.append(_Table("True class (rows) and predicted class (columns)", ("", *classes), counts_by_class))
    return _Section(f"{result.title}: {result.model or 'not named'}", tables, result.notes, number)


def _comparison_row(comparison: ModelComparison) -> tuple[str, ...]:
    p = "" if comparison.delong_p is None else f"{comparison.delong_p:.3g}"
    return (
        comparison.title, comparison.first, comparison.second, comparison.metric,
        comparison.level.counted(comparison.cases), f"{comparison.left_out:,}",
        interval_text(comparison.difference), p,
    )  # fmt: skip
