"""A typed report before it is taken: what it would add to the read, what it would change, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from mvmlm.exam import Laterality
from mvmlm.reading.edit import apply_report, unclear_findings
from mvmlm.reading.form import answer_word
from mvmlm.reading.reading import Reading
from mvmlm.reading.typed_report import TypedReport, read_typed_report
from mvmlm.report.findings import Findings

from ..markup import template


class ReportPlan(NamedTuple):
    """What taking a report would do to a reading. problem: why nothing can be taken, "" where it can.

    added: the reading with what the report adds. replaced: also with what differs from answers that are given. differs:
    a phrase for each of these. unclear: a phrase for each finding that cannot be assigned.
    """

    reading: Reading
    report: TypedReport
    added: Reading
    replaced: Reading
    problem: str = ""
    differs: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()

    @property
    def adds(self) -> bool:
        """Whether anything can be taken without replacing what is given."""
        return self.added != self.reading

    @property
    def replaces(self) -> bool:
        """Whether anything that is given differs from the report."""
        return self.replaced != self.added


def plan_report(reading: Reading, typed: str, chosen: Laterality | None) -> ReportPlan:
    """Return what taking a typed report would do to a reading. chosen: the breast that the reader said it is about."""
    nothing = TypedReport({}, None, (), (), (), ())
    if not typed.strip():
        return ReportPlan(reading, nothing, reading, reading, "Type a report first.")
    try:
        report = read_typed_report(typed, chosen)
    except ValueError as error:
        return ReportPlan(reading, nothing, reading, reading, str(error))
    breasts = {side: replace(findings, density=report.density) for side, findings in report.breasts.items()}
    if report.density and not breasts:
        breasts = {Laterality.RIGHT: Findings(report.density)}
    added, replaced = apply_report(reading, breasts), apply_report(reading, breasts, overwrite=True)
    problem = ""
    if not report.understood:
        problem = "Nothing of it can be taken." if report.kept_out or report.past else "Nothing was understood."
    differs, unclear = _differences(added, replaced), unclear_findings(reading, breasts)
    return ReportPlan(reading, report, added, replaced, problem, tuple(differs), tuple(unclear))


def _differences(given: Reading, reported: Reading) -> list[str]:
    """A phrase for each answer and descriptor that is given and that the report would replace."""
    phrases = []
    for (side, name), value in reported.fields.items():
        if (old := given.fields.get((side, name))) != value:
            where = f"{side.word} breast" if side else "exam"
            words = [answer_word(name, answer) for answer in (old or "", value)]
            phrases.append(f"{where}, {name}: {words[0]} is given, the report says {words[1]}")
    for number, finding in reported.findings.items():
        old_values = given.findings[number].described()
        for name, value in finding.described().items():
            if old_values.get(name) != value:
                title = name.replace("_", " ")
                phrases.append(f"finding {number}, {title}: {old_values.get(name)} is given, the report says {value}")
    return phrases


_PREVIEW = template("""\
{% macro listed(title, lines) %}{% if lines %}
<p>{{ title }}</p><ul>{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>
{% endif %}{% endmacro %}
<div class="report-preview">
{% if message %}<p class="wrong">{{ message }}</p>{% endif %}
{% if understood %}
<section class="understood">{{ listed("Understood (%d):" % understood|length, understood) }}
{{ listed("Differs from what is given, which stays unless you choose to replace it:", differs) }}</section>
{% endif %}
{% set others = (kept_out, past, left_out)|map("length")|sum %}
{% if others %}
<section class="not-understood"><h4>Not taken ({{ others }})</h4>
{{ listed("Not understood, or of no known breast:", left_out) }}
{{ listed("Understood, but uncertain or without a field:", kept_out) }}
{{ listed("Of the past, or a plan:", past) }}</section>
{% endif %}
{% if nothing_new %}<p class="none">Nothing in it is new to this read.</p>{% endif %}
</div>
""")


def preview_html(plan: ReportPlan, message: str = "") -> str:
    """Return the plan as HTML: what is taken, uncertain, past, different from what is given, and not understood."""
    understood = [
        f"“{sentence}”: {meaning}" + (f" (not understood in it: {rest})" if rest else "")
        for sentence, meaning, rest in plan.report.understood
    ]
    kept_out = [f"“{sentence}”: {meaning} ({why})" for sentence, meaning, why in plan.report.kept_out]
    past = [f"“{sentence}”: {why}" for sentence, why in plan.report.past]
    left_out = [f"“{sentence}”: {why}" for sentence, why in plan.report.left_out]
    return _PREVIEW.render(
        message=" ".join(filter(None, (message, plan.problem))),
        understood=understood,
        kept_out=kept_out,
        past=past,
        differs=plan.differs,
        left_out=[*left_out, *plan.unclear],
        nothing_new=bool(understood) and not plan.adds and not plan.replaces,
    )
