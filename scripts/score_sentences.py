"""Print how well the reader of reports reads sentences as radiologists dictate them (tests/data/SENTENCES.md).

    python scripts/score_sentences.py [--show] [FILE ...]

For each kind of sentence: right; parts lost, but said to be not understood; parts lost silently; wrong. Two counts must
be 0: denials read as findings, and findings read as denials. The interval of the share right is Wilson's ("Probable
Inference, the Law of Succession, and Statistical Inference", 1927).
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mvmlm.evaluation.estimates import wilson_interval
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.lexicon import WORD_FIELDS
from mvmlm.report.parser import read_report

FILES = tuple(sorted((ROOT / "tests" / "data").glob("sentences_*.jsonl")))
VERDICTS = ("right", "said", "silent", "wrong")
SIDES = ("right", "left", "unsided")
#: kinds of sentences in which no finding may be read that is not expected
OF_NO_FINDING = ("denial", "history", "hypothetical", "not_understood")


class Case(NamedTuple):
    """A text and what is to be read of it. readings: each of them is right."""

    kind: str
    text: str
    readings: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Reading:
    """What was read of a text. sides: the findings by SIDES. said: something was said to be not understood, past or the
    like. silent: the sentences of which nothing was read and nothing said. refused: the text was refused."""

    sides: Mapping[str, Findings]
    density: str | None = None
    said: bool = False
    silent: tuple[str, ...] = ()
    refused: bool = False


class Score(NamedTuple):
    """The verdict on a text, one of VERDICTS; the kinds whose denial was read as a finding, and the reverse."""

    verdict: str
    denials_as_findings: tuple[str, ...] = ()
    findings_as_denials: tuple[str, ...] = ()


def cases(path: Path) -> list[Case]:
    """Return the cases of a file."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [Case(c["kind"], c["text"], tuple(c["expect"].get("one_of", (c["expect"],)))) for c in lines]


def score(case: Case, reading: Reading) -> Score:
    """Compare what was read of a text with what is to be read of it."""
    pairs = [(expected, by_side) for expected in case.readings for by_side in _by_side(expected)]
    results = []
    for (expected, by_side), found in itertools.product(pairs, _found_by_side(reading)):
        results.append((_verdict(expected, by_side, found, reading), *_swaps(case.kind, by_side, found)))
    verdict, risen, fallen = min(results, key=lambda r: (VERDICTS.index(r[0]), len(r[1]) + len(r[2])))
    if verdict == "right":
        return Score("silent" if reading.silent else "right")
    return Score(verdict, risen, fallen)


def _found_by_side(reading: Reading) -> Iterator[Mapping[str, Findings]]:
    """The findings of each of SIDES as they were read; then those that name no breast given to each that is named."""
    yield reading.sides
    named = {side: findings for side, findings in reading.sides.items() if side != "unsided"}
    if named and (unsided := reading.sides.get("unsided")):
        yield {side: together(findings, unsided) for side, findings in named.items()}


def together(one: Findings, other: Findings) -> Findings:
    """Return the findings of two parts of a report about one breast."""
    absent = (one.absent | other.absent) - {finding.kind for finding in (*one.present, *other.present)}
    return Findings(
        one.density or other.density,
        one.present + other.present,
        absent,
        one.birads or other.birads,
        one.possible + other.possible,
        one.not_suspicious | other.not_suspicious,
        one.features + other.features,
    )


def _by_side(expected: Mapping[str, Any]) -> Iterator[dict[str, Mapping[str, Any]]]:
    """The expected findings of each of SIDES. What names no breast may be given to each that the text does name."""
    if sides := expected.get("sides"):
        yield dict.fromkeys(("right", "left") if sides == "both" else (sides,), expected)
        return
    sided = {side: expected[side] for side in SIDES if side in expected}
    if not sided:
        yield {"unsided": expected}
        return
    yield sided
    if unsided := sided.get("unsided"):
        yield {side: _with(wanted, unsided) for side, wanted in sided.items() if side != "unsided"}


def _with(one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**one, **{name: one.get(name, []) + v if isinstance(v, list) else v for name, v in other.items()}}


def _verdict(
    expected: Mapping[str, Any],
    by_side: Mapping[str, Mapping[str, Any]],
    found_by_side: Mapping[str, Findings],
    reading: Reading,
) -> str:
    if expected.get("refused"):
        read = any(findings.present or findings.absent for findings in reading.sides.values())
        return "right" if reading.refused or (not read and reading.said) else "wrong"
    must_say = any(part.get("not_understood") or part.get("past") for part in (expected, *by_side.values()))
    wrong = lost = False
    if (density := expected.get("density")) != reading.density:
        wrong, lost = reading.density is not None, density is not None
    for side in SIDES:
        found, wanted = found_by_side.get(side, Findings()), by_side.get(side, {})
        if not _equal(found, wanted):
            more, less = _statements(found), _expected_statements(wanted)
            wrong |= all(more - statements for statements in less) or more in less  # or the words of other findings
            lost = True
    if wrong:
        return "wrong"
    if lost or (must_say and not reading.said):
        return "said" if reading.said else "silent"
    return "right"


def _equal(found: Findings, wanted: Mapping[str, Any]) -> bool:
    """Whether findings of a breast are exactly those expected."""
    denied, birads = set(wanted.get("denied", ())), _choices(wanted.get("birads"))
    flat, soft = set(found.absent), set(found.not_suspicious)
    return (
        _same_findings(found.present, wanted.get("present", ()))
        and _same_findings(found.possible, wanted.get("possible", ()))
        and _features(found) == set(wanted.get("features", ()))
        and flat - denied == set(wanted.get("absent", ()))
        and soft - denied == set(wanted.get("not_suspicious", ()))
        and denied <= flat | soft
        and found.birads in birads
    )


def _same_findings(found: Iterable[Finding], wanted: Iterable[Mapping[str, Any]]) -> bool:
    bare = Counter(_bare(finding) for finding in found)
    return any(bare == Counter(choice) for choice in itertools.product(*map(_findings, wanted)))


def _bare(finding: Finding) -> Finding:
    """A finding without its features, which are compared for the whole breast."""
    return Finding.from_json({name: v for name, v in finding.to_json().items() if name != "features"})


def _findings(wanted: Mapping[str, Any]) -> list[Finding]:
    """The findings that an expectation allows."""
    names = list(wanted)
    found = []
    for values in itertools.product(*(_choices(wanted[name]) for name in names)):
        known = {name: value for name, value in zip(names, values) if value is not None}
        found.append(Finding.from_json(known))
    return found


def _choices(value: Any) -> list[Any]:
    return value["any"] if isinstance(value, dict) else [value]


def _features(findings: Findings) -> set[str]:
    return {f for finding in (*findings.present, *findings.possible) for f in finding.features} | set(findings.features)


def _of_findings(status: str, findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        yield f"{status} {finding.kind}"
        for name in WORD_FIELDS:
            yield from (f"{status} {finding.kind} {name} {word}" for word in finding.words(name))
            yield from (f"{status} {finding.kind} {name} or {word}" for word in finding.other_words(name))
        for name in ("size_mm", "clock", "birads", "subtlety"):
            if (value := getattr(finding, name)) is not None:
                yield f"{status} {finding.kind} {name} {value}"


def _statements(found: Findings) -> Counter[str]:
    """The single statements of findings."""
    statements = Counter([*_of_findings("present", found.present), *_of_findings("possible", found.possible)])
    statements.update(f"feature {feature}" for feature in _features(found))
    statements.update(f"absent {kind}" for kind in found.absent)
    statements.update(f"not suspicious {kind}" for kind in found.not_suspicious)
    statements.update([f"birads {found.birads}"] if found.birads else [])
    return statements


def _expected_statements(wanted: Mapping[str, Any]) -> list[Counter[str]]:
    """The single statements that are expected of a breast; one counter for each allowed choice."""
    base = Counter(f"feature {feature}" for feature in wanted.get("features", ()))
    base.update(f"absent {kind}" for kind in (*wanted.get("absent", ()), *wanted.get("denied", ())))
    base.update(f"not suspicious {kind}" for kind in (*wanted.get("not_suspicious", ()), *wanted.get("denied", ())))
    options = [
        [Counter(_of_findings(status, [choice])) for choice in _findings(one)]
        for status in ("present", "possible")
        for one in wanted.get(status, ())
    ]
    options.append([Counter([f"birads {b}"] if b else []) for b in _choices(wanted.get("birads"))])
    return [sum(choice, base.copy()) for choice in itertools.product(*options)]


def _swaps(
    kind: str, by_side: Mapping[str, Mapping[str, Any]], found_by_side: Mapping[str, Findings]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds whose denial was read as a finding, and those whose finding was read as a denial."""
    risen: list[str] = []
    fallen: list[str] = []
    for side in SIDES:
        found, wanted = found_by_side.get(side, Findings()), by_side.get(side, {})
        there = {w["kind"] for name in ("present", "possible") for w in wanted.get(name, ())}
        there |= set(wanted.get("features", ()))
        denied = {k for name in ("absent", "not_suspicious", "denied") for k in wanted.get(name, ())}
        read = {finding.kind for finding in (*found.present, *found.possible)} | _features(found)
        nothing = kind in OF_NO_FINDING or wanted.get("past")
        risen += [k for k in sorted(read - there) if nothing or k in denied]
        fallen += sorted((found.absent | found.not_suspicious) & (there - denied))
    return tuple(risen), tuple(fallen)


def read(text: str) -> Reading:
    """Return what `read_report` reads of a text."""
    report = read_report(text)
    if report.problem:
        return Reading({}, said=True, refused=True)
    sides = {side.word: findings for side, findings in report.breasts.items()} | {"unsided": report.unsided}
    return Reading(
        {side: replace(findings, density=None) for side, findings in sides.items()},
        report.findings.density,
        bool(report.contradictions) or any(sentence.not_understood for sentence in report.sentences),
        tuple(s.text for s in report.sentences if s.findings == Findings() and not s.not_understood),
    )


def table(scores: Mapping[str, Iterable[Score]]) -> str:
    """Return the table of a file's scores by kind of sentence, as Markdown."""
    rows = {kind: Counter(s.verdict for s in found) for kind, found in scores.items()}
    rows["all"] = sum(rows.values(), Counter())
    heads = ("kind", "sentences", "right", "said to be not understood", "lost silently", "wrong")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for kind, counts in rows.items():
        numbers = [counts.total(), *(counts[verdict] for verdict in VERDICTS)]
        lines.append(f"| {kind.replace('_', ' ')} | {' | '.join(map(str, numbers))} |")
    right, total = rows["all"]["right"], rows["all"].total()
    low, high = wilson_interval(right, total)
    flat = [score for found in scores.values() for score in found]
    lines += [
        "",
        f"right: {right} of {total}, {right / total:.1%} (95 % interval {low:.1%} to {high:.1%})",
        f"denials read as findings: {sum(len(score.denials_as_findings) for score in flat)}",
        f"findings read as denials: {sum(len(score.findings_as_denials) for score in flat)}",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, default=list(FILES), metavar="FILE")
    parser.add_argument("--show", action="store_true", help="print the sentences that are not right")
    arguments = parser.parse_args()
    for path in arguments.files:
        scores: dict[str, list[Score]] = {}
        print(f"## {path.stem}\n")
        for case in cases(path):
            reading = read(case.text)
            scores.setdefault(case.kind, []).append(score(case, reading))
            if arguments.show and (last := scores[case.kind][-1]).verdict != "right":
                print(f"{last}\n  {case.text!r}\n  expected {list(case.readings)}\n  read {reading}\n")
        print(table(scores) + "\n")


if __name__ == "__main__":
    main()
