"""HTML of a head's comparison with the head it would replace, and of the list of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
<div class="verdict">
<p><b>{{ verdict }}</b> · {{ "active now" if head.active else "not active" }} ·
<a href="export/head-{{ head.id }}.safetensors" download>file</a></p>
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
{% for warning in warnings %}
<p class="wrong">{{ warning }}</p>
{% endfor %}
<p class="source">{{ training }}</p>
</div>
""")
MOST_UNUSED = 3
Row = tuple[str, str, str]


def jobs_html(jobs: Sequence[Job]) -> str:
    """Return the table of jobs with their state and progress."""
    return _JOBS.render(jobs=jobs)


def interval(estimate: Sequence[float | None] | None) -> str:
    """Return an estimate (value, low, high) as `0.910 (0.850–0.960)`; a dash without a value."""
    value, low, high = estimate or (None, None, None)
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" ({low:.3f}–{high:.3f})" if low is not None else "")


def verdict_html(head: StoredHead) -> str:
    """Return a head's comparison with the head it would replace on the same test cases, with intervals and warnings."""
    record, comparison = head.record, head.record["comparison"]
    return _VERDICT.render(
        head=head,
        verdict=comparison["verdict"],
        compared_with=record.get("compared_with", "bundled head"),
        rows=_comparison_rows(comparison),
        confusion=comparison.get("confusion"),
        warnings=[*comparison["warnings"], *record.get("not_used", [])[:MOST_UNUSED]],
        training=_training(record),
    )


def _comparison_rows(comparison: Mapping[str, Any]) -> list[Row]:
    """Lines of the table: name, the new head's value, the old head's value or a note."""
    rows = [
        ("test cases", f"{comparison['cases']} of {comparison['patients']} patients", ""),
        (f"{comparison['metric']}, 95 % interval", interval(comparison["new"]), interval(comparison.get("old"))),
    ]
    if comparison.get("difference"):
        p = comparison.get("delong_p")
        note = f"DeLong p {p:.3f} (takes breasts as independent)" if p is not None else ""
        rows.append(("difference", interval(comparison["difference"]), note))
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
