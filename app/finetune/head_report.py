"""HTML of a head's comparison with the head it would replace, and of the list of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mvmlm.evaluation.compare import FEWEST_CASES, too_few
from mvmlm.store.records import Job, StoredHead

from ..markup import template

_JOBS = template("""\
{% if jobs %}
<table class="findings">
<thead><tr><th>job</th><th></th><th>state</th><th></th></tr></thead>
<tbody>
{% for job in jobs %}
<tr><td>{{ job.id }}</td><td>{{ job.kind }}</td><td>{{ job.state }}</td>
<td><div class="bar"><i style="width:{{ "{:.0f}".format(100 * job.progress) }}%"></i></div>{{ job.message }}</td></tr>
{% endfor %}
</tbody>
</table>
{% else %}
<p class="none">No job yet.</p>
{% endif %}
""")
_VERDICT = template("""\
<div class="verdict {{ tone }}">
<p class="headline">{{ verdict }}</p>
<p><b>{{ head.name }}</b> ({{ "active now" if head.active else "not active" }}) against {{ compared_with }}, on
{{ comparison.cases }} test cases of {{ comparison.patients }} patients: {{ comparison.metric }}
{{ new }} against {{ old }}{% if difference %}, difference {{ difference }}{% endif %}.</p>
{% for warning in warnings %}
<p class="wrong">{{ warning }}</p>
{% endfor %}
</div>
""")
_DETAILS = template("""\
<table class="findings">
<thead><tr><th></th><th>{{ head.name }}</th><th>{{ compared_with }}</th></tr></thead>
<tbody>
{% for name, new, old in rows %}
<tr><th>{{ name }}</th><td>{{ new }}</td><td>{{ old }}</td></tr>
{% endfor %}
</tbody>
</table>
{% if confusion %}
<p>Rows: the reader’s answer; columns: the head’s answer.</p>
<table class="findings confusion"><tbody>
{% for line in confusion %}
<tr>{% for number in line %}<td>{{ number }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table>
{% endif %}
<p class="source">{{ training }}
<a href="export/head-{{ head.id }}.safetensors" download>Download the head as a file</a></p>
""")
MOST_UNUSED = 3
Row = tuple[str, str, str]


def jobs_html(jobs: Sequence[Job]) -> str:
    """Return the table of jobs with their state and progress."""
    return _JOBS.render(jobs=jobs)


def interval(estimate: Sequence[float | None] | None, cases: int) -> str:
    """Return an estimate (value, low, high) as `0.910 (0.850–0.960)`; without the interval below FEWEST_CASES cases,
    and a dash without a value.
    """
    value, low, high = estimate or (None, None, None)
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" ({low:.3f}–{high:.3f})" if low is not None and cases >= FEWEST_CASES else "")


def verdict_of(head: StoredHead) -> str:
    """Return the verdict on a head; none is drawn from too few cases, as earlier versions did."""
    comparison = head.record["comparison"]
    compared, cases = comparison.get("old") is not None, comparison["cases"]
    return too_few(cases) if compared and cases < FEWEST_CASES else comparison["verdict"]


def needs_confirmation(head: StoredHead) -> bool:
    """Return whether a head was compared and not found to be better, so that activating it must be confirmed."""
    return head.record["comparison"].get("old") is not None and not verdict_of(head).startswith("better")


def verdict_html(head: StoredHead) -> str:
    """Return what a head's comparison says, in one sentence with its figures, and warnings."""
    comparison, verdict = head.record["comparison"], verdict_of(head)
    cases = comparison["cases"]
    return _VERDICT.render(
        head=head,
        tone="good" if verdict.startswith("better") else "bad" if verdict.startswith("worse") else "unsure",
        verdict=verdict[0].upper() + verdict[1:],
        comparison=comparison,
        compared_with=_compared_with(head),
        new=interval(comparison["new"], cases),
        old=interval(comparison.get("old"), cases),
        difference=interval(comparison["difference"], cases) if comparison.get("difference") else "",
        warnings=[*comparison["warnings"], *head.record.get("not_used", [])[:MOST_UNUSED]],
    )


def details_html(head: StoredHead) -> str:
    """Return the table of a head's comparison with the head it would replace, and how it was taught."""
    comparison = head.record["comparison"]
    return _DETAILS.render(
        head=head,
        compared_with=_compared_with(head),
        rows=_comparison_rows(comparison),
        confusion=comparison.get("confusion"),
        training=_training(head.record),
    )


def _compared_with(head: StoredHead) -> str:
    return head.record.get("compared_with", "bundled head") or "no head"


def _comparison_rows(comparison: Mapping[str, Any]) -> list[Row]:
    """Lines of the table: name, the new head's value, the old head's value or a note."""
    cases = comparison["cases"]
    of = f"{comparison['metric']}{', 95 % interval' if cases >= FEWEST_CASES else ''}"
    rows = [
        ("test cases", f"{cases} of {comparison['patients']} patients", ""),
        (of, interval(comparison["new"], cases), interval(comparison.get("old"), cases)),
    ]
    if comparison.get("difference"):
        p = comparison.get("delong_p") if cases >= FEWEST_CASES else None
        note = f"DeLong p {p:.3f} (takes breasts as independent)" if p is not None else ""
        rows.append(("difference", interval(comparison["difference"], cases), note))
    if point := comparison.get("operating"):
        counts = ", ".join(f"{number} {name}" for name, number in point["counts"].items())
        rates = f"sensitivity {_number(point['sensitivity'], 2)}, specificity {_number(point['specificity'], 2)}"
        rows.append((f"at score {point['threshold']:.2f}", rates, counts))
    if comparison.get("kappa") is not None:
        rows.append(("kappa (quadratic weights)", _number(comparison["kappa"], 2), ""))
    return rows + [
        (group["group"], _number(group["new"], 3), _number(group["old"], 3)) for group in comparison["groups"]
    ]


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _training(record: Mapping[str, Any]) -> str:
    """How the head was trained."""
    config = record["config"]
    return (
        f"Fine-tuned on {record['train_cases']} cases of {record['train_patients']} patients, {config['depth']}, "
        f"penalty {record['penalty']:g}, seed {config['seed']}; cross-validated {record['cross_validated']:.3f}."
    )
