"""Which studies of the input are opened: the exam, its prior, and the files that are left out."""

from __future__ import annotations

from dataclasses import dataclass

from ..exam import FileMark, SetAside
from .files import ExamGroup, Listing, NoExam, format_date

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
    inferred, in sentences for the reader.
    """

    groups: tuple[ExamGroup, ...]
    prior: ExamGroup | None = None
    set_aside: tuple[SetAside, ...] = ()
    notes: tuple[FileMark, ...] = ()


def choose_studies(listing: Listing, *, one_exam: bool = False, group: ExamGroup | None = None) -> StudyChoice:
    """Return what to open of a listing.

    group: the one that the reader chose. one_exam: join all groups, because the reader knows that they are one exam.
    Without either, the newest of several dated studies of one patient is the exam and the one before it its prior.
    Raises NoExam for an empty listing or groups that do not fit together, SeveralExams where the reader must choose.
    """
    if not listing.groups:
        reasons = "; ".join(f"{item.file}: {item.reason}" for item in listing.set_aside[:3])
        raise NoExam(f"no usable picture was found{f' ({reasons})' if reasons else ''}.", listing.set_aside)
    if group is not None:
        others = [other for other in listing.groups if other is not group]
        return StudyChoice((group,), set_aside=_left_out(others, "belongs to another exam, which was not chosen"))
    if len(listing.groups) == 1:
        return StudyChoice(listing.groups)
    if one_exam:
        return _joined(listing)
    studies = _studies_of_one_patient(listing)
    if not studies:
        raise SeveralExams(listing)
    newest, prior, *older = studies
    left_out: tuple[SetAside, ...] = ()
    for study in older:
        reason = f"an earlier exam of the same patient ({format_date(study.date)}); only the newest two are opened"
        left_out += _left_out([study], reason)
    return StudyChoice((newest,), prior, left_out)


def _joined(listing: Listing) -> StudyChoice:
    if not listing.joinable:
        raise NoExam(
            "these files do not fit together as one exam: a view occurs twice or is not identified. "
            "Open one of them at a time.",
            listing.set_aside,
        )
    number = len(listing.groups)
    note = f"Joined as one exam at your request: the files name {number} different patients or studies."
    return StudyChoice(listing.groups, notes=(FileMark("joined", "", note),))


def _left_out(groups: list[ExamGroup], reason: str) -> tuple[SetAside, ...]:
    return tuple(SetAside(file.name, reason, "other-exam") for group in groups for file in group.files)


def _studies_of_one_patient(listing: Listing) -> list[ExamGroup]:
    """The dated studies of one patient ID, newest first; none where patients differ or the newest is not clear."""
    patients = {group.key[0] for group in listing.groups}
    studies = sorted(listing.groups, key=lambda group: group.date, reverse=True)
    unclear = len(patients) != 1 or patients & {"", "pictures"} or any(not group.date for group in studies)
    return [] if unclear or studies[0].date == studies[1].date else studies
