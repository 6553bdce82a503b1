"""A typed report: what each sentence would put into the form of a reading, and what of it is not taken.

The report parser decides what a sentence states and of which breast; here it is told what the form takes of it. What is
uncertain, past or not understood is listed for the reader, and never taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from ..exam import Laterality
from ..report.breasts import BOTH
from ..report.findings import Finding, Findings
from ..report.lexicon import KINDS
from ..report.parser import ReadReport, ReadSentence, read_report
from .reading import MarkedFinding

NO_BREAST = "names no breast"
UNCERTAIN = "uncertain, so it is not taken as present"
SUSPICIOUS_ONLY = "only a suspicious one is denied, so it is not taken as absent"
NO_FIELD = "the form has no field for it; describe it with a finding, or in the note"


class TypedReport(NamedTuple):
    """What a typed report states.

    breasts: what the form can take for each breast. density: of the exam. understood: (sentence, what is taken, words
    of it that are not understood). kept_out: (sentence, what is understood but not taken, why). past: (sentence, why)
    of history and plans. left_out: (sentence, why it is not taken).
    """

    breasts: Mapping[Laterality, Findings]
    density: str | None
    understood: tuple[tuple[str, str, str], ...]
    kept_out: tuple[tuple[str, str, str], ...]
    past: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]


class SideClash(ValueError):
    """A report speaks of another breast than the one that was chosen for it. Nothing of it may be taken."""


def read_typed_report(text: str, chosen: Laterality | None = None) -> TypedReport:
    """Return what a report states of each breast.

    chosen: the breast that it is about, where the report names none. Raises SideClash where it names another one, or an
    addendum does; ValueError for a report that is too long.
    """
    report = read_report(text)
    if report.problem:
        raise SideClash(report.problem)
    if chosen is not None and report.sides - {chosen}:
        words = "both breasts" if report.sides == BOTH else f"the {next(iter(report.sides)).word} breast"
        raise SideClash(f"The report speaks of {words}, but “{chosen.word}” is chosen. Nothing was taken.")
    told = dict(report.breasts)
    if chosen is not None and not report.sides:
        told = {chosen: report.unsided}
    understood: list[tuple[str, str, str]] = []
    kept_out: list[tuple[str, str, str]] = []
    past: list[tuple[str, str]] = []
    left_out: list[tuple[str, str]] = []
    for sentence in report.sentences:
        sides = sentence.sides or frozenset(told if len(told) == 1 and not report.sides else ())
        why = sentence.why or _without_breast(sentence, sides)
        if why:
            (past if sentence.past else left_out).append((sentence.text, why))
            continue
        if meaning := _meaning(_for_the_form(sentence.findings), sides):
            understood.append((sentence.text, meaning, sentence.not_understood))
        kept_out += [(sentence.text, what, reason) for what, reason in _kept_out(sentence.findings, sides)]
    densities = sorted({f.density for f in (*report.breasts.values(), report.unsided) if f.density})
    contradictions = list(report.contradictions)
    if len(densities) > 1:
        contradictions.append(("density", f"the report says {' and '.join(densities)}"))
    breasts = {side: _for_the_form(replace(findings, density=None)) for side, findings in told.items()}
    return TypedReport(
        {side: findings for side, findings in breasts.items() if findings != Findings()},
        densities[0] if len(densities) == 1 else None,
        tuple(understood), tuple(kept_out), tuple(past), (*left_out, *_of_this_report(contradictions, chosen, report)),
    )  # fmt: skip


def _of_this_report(
    contradictions: Iterable[tuple[str, str]], chosen: Laterality | None, report: ReadReport
) -> list[tuple[str, str]]:
    """The contradictions, with the chosen breast where the report names none."""
    name = f"{chosen.word} " if chosen and not report.sides else ""
    return [(what if what == "density" else name + what, how) for what, how in contradictions]


def _without_breast(sentence: ReadSentence, sides: frozenset[Laterality]) -> str:
    return NO_BREAST if not sides and replace(sentence.findings, density=None) != Findings() else ""


def _for_the_form(findings: Findings) -> Findings:
    """What the form has a field for."""
    return Findings(findings.density, findings.present, findings.absent & set(KINDS), findings.birads)


def _meaning(findings: Findings, sides: frozenset[Laterality]) -> str:
    """What is taken from a sentence, in the words of the form."""
    where = _where(sides)
    parts = [f"density {findings.density}"] if findings.density else []
    parts += [f"{where} {_described(finding, 'present')}" for finding in findings.present]
    parts += [f"{where} {kind} absent" for kind in KINDS if kind in findings.absent]
    if findings.birads:
        parts.append(f"{where} BI-RADS {findings.birads}")
    return "; ".join(parts)


def _kept_out(findings: Findings, sides: frozenset[Laterality]) -> list[tuple[str, str]]:
    """What is understood of a sentence but not taken, and why."""
    where = _where(sides)
    kept = [(f"{where} {_described(finding, 'possible')}", UNCERTAIN) for finding in findings.possible]
    kept += [(f"{where} suspicious {kind} absent", SUSPICIOUS_ONLY) for kind in sorted(findings.not_suspicious)]
    kept += [(f"{where} {feature} present", NO_FIELD) for feature in findings.features]
    return kept + [(f"{where} {feature} absent", NO_FIELD) for feature in sorted(findings.absent - set(KINDS))]


def _where(sides: frozenset[Laterality]) -> str:
    return " and ".join(side.word for side in Laterality if side in sides)


def _described(finding: Finding, status: str) -> str:
    described = MarkedFinding(Laterality.RIGHT, finding.kind, finding).described()
    details = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in described.items())
    return f"{finding.kind} {status}" + (f" ({details})" if details else "")
