"""Which studies of the input are opened: the exam, its prior, and the files that are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..exam import FileMark, Question, SetAside
from ..patient import SameWoman
from .exam_changes import SAME_WOMAN
from .files import Listing, NoExam
from .grouping import PICTURES, ExamGroup, format_date

LISTED_GROUPS = 6  # named in the message of SeveralExams


class SeveralExams(ValueError):
    """The input holds the files of more than one patient or exam; the caller must choose one or join them."""

    def __init__(self, listing: Listing):
        self.listing = listing
        names = "; ".join(f"{group.title}: {len(group.files)} file(s)" for group in listing.groups[:LISTED_GROUPS])
        advice = (
            "If they are one woman's exam, join them: --one-exam, or the choice on the page."
            if listing.joinable
            else "Open one of them at a time."
        )
        super().__init__(f"the files name {len(listing.groups)} different patients or exams ({names}). {advice}")


@dataclass(frozen=True)
class StudyChoice:
    """The groups of files to decode as one exam.

    prior: the study before it, to hang beside it; set_aside: files of the groups that were not chosen; notes: what was
    inferred, and what must be asked. asked_about: the files by which the groups of doubtful women are named.
    """

    groups: tuple[ExamGroup, ...]
    prior: ExamGroup | None = None
    set_aside: tuple[SetAside, ...] = ()
    notes: tuple[FileMark, ...] = ()
    asked_about: tuple[str, ...] = ()


def choose_studies(
    listing: Listing,
    *,
    one_exam: bool = False,
    group: ExamGroup | None = None,
    same_woman: Mapping[str, str] = MappingProxyType({}),
) -> StudyChoice:
    """Return what to open of a listing.

    group: the one that the reader chose. one_exam: join all groups, because the reader knows that they are one exam.
    Without either, the newest of several dated studies of one patient is the exam and the one before it its prior.
    same_woman: answers, "yes" or "no", to the question whether an earlier study is hers; by the file that it names.
    Raises NoExam for an empty listing or groups that do not fit together, SeveralExams where the reader must choose.
    """
    if not listing.groups:
        reasons = "; ".join(f"{item.file}: {item.reason}" for item in listing.set_aside[:3])
        raise NoExam(f"no usable picture was found{f' ({reasons})' if reasons else ''}.", listing.set_aside)
    if group is not None:
        others = [other for other in listing.groups if other is not group]
        left_out = _left_out(others, "belongs to another exam, which was not chosen")
        return StudyChoice((group,), set_aside=left_out, notes=group.notes)
    if len(listing.groups) == 1:
        return StudyChoice(listing.groups, notes=listing.groups[0].notes)
    if one_exam:
        return _joined(listing)
    studies = _by_date(listing)
    if not studies:
        raise SeveralExams(listing)
    return _newest_and_prior(studies, same_woman)


def _newest_and_prior(studies: list[ExamGroup], same_woman: Mapping[str, str]) -> StudyChoice:
    """The newest of the dated studies, and the one before it that is of the same woman."""
    newest, *older = studies
    prior: ExamGroup | None = None
    left_out: list[SetAside] = []
    notes, asked_about = list(newest.notes), []
    for study in older:
        question = _doubt(newest, study)
        answer = same_woman.get(question.file) if question else "yes"
        if question:
            asked_about.append(question.file)
        if answer not in ("yes", "no"):
            assert question is not None
            notes.append(question)
            left_out += _left_out([study], question.text, question.code)
        elif answer == "no":
            left_out += _left_out([study], "an exam of another woman, by your answer")
        elif prior is None:
            prior = study
            notes += study.notes
        else:
            reason = f"an earlier exam of the same patient ({format_date(study.date)}); only the newest two are opened"
            left_out += _left_out([study], reason)
    return StudyChoice((newest,), prior, tuple(left_out), tuple(notes), tuple(asked_about))


def _doubt(newest: ExamGroup, study: ExamGroup) -> Question | None:
    """The question whether two studies are of one woman, where their files do not say it."""
    if newest.identity.same_woman(study.identity) is SameWoman.YES:
        return None
    ids = newest.identity.normalised().patient_id, study.identity.normalised().patient_id
    if all(ids) and ids[0] != ids[1]:
        why = "The patient IDs of their files differ in capital and small letters only."
    elif all(ids):
        why = "Their files agree in the patient ID, but only one gives the issuer, the birth date or the sex."
    else:
        why = "The patient ID of their files names nobody."
    text = (
        f"Is this exam, of {format_date(study.date)}, of the same woman as the one of {format_date(newest.date)}? {why}"
    )
    return Question("same-woman", study.files[0].name, text, key=SAME_WOMAN, choices=("yes", "no"))


def _joined(listing: Listing) -> StudyChoice:
    if not listing.joinable:
        raise NoExam(
            "these files do not fit together as one exam: a view occurs twice or is not identified. "
            "Open one of them at a time.",
            listing.set_aside,
        )
    number = len(listing.groups)
    note = f"Joined as one exam at your request: the files name {number} different patients or studies."
    notes = [mark for group in listing.groups for mark in group.notes]
    return StudyChoice(listing.groups, notes=(FileMark("joined", "", note), *notes))


def _left_out(groups: list[ExamGroup], reason: str, code: str = "other-exam") -> tuple[SetAside, ...]:
    return tuple(SetAside(file.name, reason, code) for group in groups for file in group.files)


def _by_date(listing: Listing) -> list[ExamGroup]:
    """The dated studies of one patient, newest first; none where patients differ or the newest is not clear."""
    studies = sorted(listing.groups, key=lambda group: group.date, reverse=True)
    undated = any(group.key[0] == PICTURES or not group.date for group in studies)
    others = any(studies[0].identity.same_woman(group.identity) is SameWoman.NO for group in studies[1:])
    return [] if undated or others or studies[0].date == studies[1].date else studies
