"""What each row of a data set became: counts by split, and everything that is not used, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..exam import STANDARD_VIEWS, Laterality
from ..imaging.decoder import Decoder, Unreadable
from ..imaging.load import default_decoder
from ..report.findings import Findings
from ..report.lexicon import KINDS
from ..tasks import TASK
from .boxes import clipped_boxes
from .case import Case, Image, SkippedRow, split_of
from .data_folder import DataFolder, RefusedPath, pictures_below
from .registry import lacking, read_dataset
from .usable import Usable
from .view_agreement import AgreedView, agree_on_view

SILENT = "nothing to report: "  # a breast, and why
CONTRADICTIONS = "contradictions, the value is left unknown"


@dataclass
class DatasetCheck:
    """What a check found.

    counts: (section, row, split) -> number. women: patient -> the splits of her exams. unread: (column, word, reason)
    -> number. disagreements: (column, what disagrees) -> number. sentences: kind of problem -> its sentences. files:
    kind of file -> number. unnamed: pictures that no exam uses. usable: whether pretraining can use anything.
    unused_rows: why rows are used for nothing -> number. lacking: a sentence for each column or file that is not there.
    """

    name: str
    usable: Usable
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    women: dict[str, set[str]] = field(default_factory=dict)
    unread: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    disagreements: Counter[tuple[str, str]] = field(default_factory=Counter)
    sentences: dict[str, list[str]] = field(default_factory=dict)
    files: Counter[str] = field(default_factory=Counter)
    unnamed: list[str] = field(default_factory=list)
    unused_rows: Counter[str] = field(default_factory=Counter)
    lacking: list[str] = field(default_factory=list)

    def say(self, kind: str, *sentences: str) -> None:
        """Add sentences to a kind of problem."""
        if sentences:
            self.sentences.setdefault(kind, []).extend(sentences)


def check_dataset(name: str, root: Path, decoder: Decoder | None = None) -> DatasetCheck:
    """Read a data set's tables and the headers of its files. Raises DatasetError."""
    folder, decoder = DataFolder(Path(root)), decoder or default_decoder()
    rows = list(read_dataset(name, Path(root)))
    check = check_tables(name, root, rows)
    exam_of_file: dict[Path, str] = {}
    for case in rows:
        if isinstance(case, Case):
            _count_files(case, folder, decoder, exam_of_file, check)
    named = {path.resolve() for path in exam_of_file}
    check.unnamed = [
        path.relative_to(root).as_posix() for path in pictures_below(Path(root)) if path.resolve() not in named
    ]
    return check


def check_tables(name: str, root: Path, rows: Iterable[Case | SkippedRow]) -> DatasetCheck:
    """Return what the tables of a data set hold, of which `rows` were read, without a look at its files."""
    check = DatasetCheck(name, Usable(Path(root)), lacking=lacking(name, root))
    for case in rows:
        check.unused_rows.update(case.unused_rows)
        if isinstance(case, SkippedRow):
            check.usable.skipped[case.reason] += 1
            if case.rows and not case.unused_rows:
                check.unused_rows[case.reason] += case.rows
            continue
        splits = check.women.setdefault(case.patient, set())
        check.counts["exams", "women", split_of(case)] += split_of(case) not in splits
        splits.add(split_of(case))
        _count_tables(case, check)
    return check


def _count_tables(case: Case, check: DatasetCheck) -> None:
    """Count what the tables say of one exam."""
    split = split_of(case)
    check.usable.exams += 1
    check.usable.files += len(case.images)
    check.counts["exams", "exams", split] += 1
    check.counts["exams", "rows of the tables", split] += case.rows
    for side in Laterality:
        findings = getattr(case.findings, side.word)
        if findings is not None:
            check.counts.update((*row, split) for row in _of_breast(findings))
    for reason in case.silent.values():
        check.counts["breasts", f"{SILENT}{reason}", split] += 1
    for labels in case.breast_labels.values():
        check.counts.update(("labels of a breast", _label(task, value), split) for task, value in labels.items())
    check.counts.update(("labels of an exam", _label(task, value), split) for task, value in case.exam_labels.items())
    if case.risk:
        check.counts["labels of an exam", f"follow-up: {'cancer' if case.risk[1] else 'no cancer'}", split] += 1
    check.counts.update(("boxes", box.kind, split) for image in case.images for box in image.boxes)
    check.unread.update((word.column, word.word, word.reason) for word in case.unread)
    check.disagreements.update((found.column, found.between) for found in case.disagreements)
    check.say(CONTRADICTIONS, *case.contradictions)
    check.say("files refused", *case.refused)


def _label(task: str, value: int) -> str:
    return f"{task}: {TASK[task].classes[value] if task in TASK and len(TASK[task].classes) > 1 else value}"


def _of_breast(findings: Findings) -> Iterator[tuple[str, str]]:
    """The rows to which one breast adds one."""
    yield "breasts", "breasts"
    if findings.density:
        yield "breasts", "with a density"
    if findings.birads:
        yield "breasts", "with an assessment"
    if findings.present or findings.possible or findings.features:
        yield "breasts", "with a finding"
    for title, found in (("present", findings.present), ("possible", findings.possible)):
        for kind in KINDS:
            yield from (("findings", f"{kind}, {title}") for finding in found if finding.kind == kind)
    yield from (("features of a breast", feature) for feature in findings.features)
    for title, words in (("absent", findings.absent), ("not suspicious", findings.not_suspicious)):
        yield from (("denied", f"{word}, {title}") for word in words)


def _count_files(
    case: Case, folder: DataFolder, decoder: Decoder, exam_of_file: dict[Path, str], check: DatasetCheck
) -> None:
    """Count what is there of the files of one exam, and compare its views with the tables'."""
    found: list[tuple[Image, Path]] = []
    missing: list[Path] = []
    views: Counter[str] = Counter()
    sides = {image.name.laterality if image.name else image.side for image in case.images}
    for image in case.images:
        try:
            path = folder.find(image.path)
        except RefusedPath as error:
            check.say("files refused", str(error))
            views["refused (see below)"] += 1
            continue
        if path is None:
            missing.append(folder.place(image.path))
            views[_title(image, None)] += 1
        elif path in exam_of_file:
            views["named before (see below)"] += 1
            if exam_of_file[path] == case.exam:
                check.say("files that two rows name by two paths", f"{image.path}: in {case.exam}")
            else:
                check.say("files of two exams", f"{image.path}: {exam_of_file[path]} and {case.exam}")
        else:
            exam_of_file[path] = case.exam
            found.append((image, path))
    check.usable.add_missing(missing)
    used = 0
    for (image, _), header in zip(found, decoder.headers(path for _, path in found), strict=True):
        if isinstance(header, Unreadable):
            check.say("files that cannot be read", f"{image.path}: {header}")
            views[_title(image, None)] += 1
            continue
        agreed = agree_on_view(image, header)
        used += agreed.used
        sides |= {agreed.name.laterality} if agreed.name else set()
        views[_title(image, agreed)] += 1
        if agreed.sentence:
            check.say("views that table and file tell differently, or leave open", agreed.sentence)
        _, outside, cut = clipped_boxes(image, header.get("rows", 0), header.get("columns", 0))
        check.files.update({"boxes cut at the edge of their picture": cut, "boxes outside their picture": len(outside)})
        check.say("boxes outside their picture", *outside)
    check.files["boxes"] += sum(len(image.boxes) for image in case.images)
    check.usable.usable += bool(used) and not missing
    _count_views(case, views, check)
    without = [side for side in Laterality if side in sides and getattr(case.findings, side.word) is None]
    check.counts.update(("breasts", "without a row in the tables", split_of(case)) for _ in without)


def _title(image: Image, agreed: AgreedView | None) -> str:
    """The row of the table of views that a picture counts in. agreed: None for a file that is not read."""
    name = agreed.name if agreed else image.name
    if agreed and name in STANDARD_VIEWS and not agreed.used:
        return "left out (see below)"
    return str(name) if name in STANDARD_VIEWS else "other views" if name else "not known from the tables"


def _count_views(case: Case, views: Counter[str], check: DatasetCheck) -> None:
    split = split_of(case)
    for title, number in views.items():
        check.counts["views", title, split] += number
    several = [title for title, number in views.items() if number > 1 and title in map(str, STANDARD_VIEWS)]
    check.say("views with several files, of which one is used", *(f"{case.exam}: {title}" for title in several))
    if all(views[str(name)] for name in STANDARD_VIEWS):
        check.files["exams with all four views"] += 1
