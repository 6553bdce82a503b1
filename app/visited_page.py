"""One page of one visitor, and the memory that its pictures take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mvmlm.exam import Exam, View

from .read.visit import StoredExam, Visit

MOST_LEFT = 4  # exams that were open before


@dataclass(eq=False)
class Page:
    """One page of one visitor. Times are those of the clock of `Visits`.

    name: that of the browser's window. sessions: Gradio's sessions in which it is open now; all_sessions: with those
    before its reloads. seen: when it last asked for anything, if only by its timer. used: when its visitor last did
    something. running: events that run now. reserved: bytes of the pictures that are being opened. left: the exams that
    were open before and were not being read, the last one first. ahead: the exam that follows the open one, opened
    already; reserved_ahead: bytes of its pictures while it is being opened. raised: when the event that runs was
    raised. stopped: when Stop was pressed last.
    """

    owner: str
    name: str
    visit: Visit
    seen: float
    used: float
    sessions: set[str] = field(default_factory=set)
    all_sessions: set[str] = field(default_factory=set)
    running: int = 0
    reserved: int = 0
    left: tuple[Visit, ...] = ()
    ahead: StoredExam | None = None
    reserved_ahead: int = 0
    raised: float = 0.0
    stopped: float = float("-inf")

    @property
    def held(self) -> int:
        """The bytes of its pictures, decoded and being opened."""
        ahead = exam_bytes([self.ahead.exam]) if self.ahead else 0
        return self.reserved + self.reserved_ahead + ahead + sum(map(decoded_bytes, (self.visit, *self.left)))

    @property
    def empty(self) -> bool:
        """Whether it holds nothing that takes memory or disk."""
        return self.visit.exam is None and self.visit.listing is None and not self.left and self.ahead is None

    def exams(self) -> list[Visit]:
        """What is open, and what was open before and is there still."""
        return [visit for visit in (self.visit, *self.left) if visit.address]

    def leave(self, visit: Visit) -> None:
        """Hold an exam that another one takes the place of, for the way back; of the oldest ones MOST_LEFT stay.

        Those without unkept marks go first: they can be opened again.
        """
        if not visit.address or visit.read is not None:
            return
        left = [visit.apart(), *(other for other in self.left if other.address != visit.address)]
        while len(left) > MOST_LEFT:
            self._forget(left)
        self.left = tuple(left)

    def forget_one(self) -> None:
        """Forget one of the exams that were open before, if there is one."""
        left = list(self.left)
        self._forget(left)
        self.left = tuple(left)

    @staticmethod
    def _forget(left: list[Visit]) -> None:
        if left:
            left.remove(next((visit for visit in reversed(left) if not visit.unkept_marks), left[-1]))


def decoded_bytes(visit: Visit) -> int:
    """Return how many bytes the decoded pictures of a visit take: exam, extra images, prior, each counted once."""
    return exam_bytes([visit.exam, visit.prediction.exam if visit.prediction else None])


def exam_bytes(exams: Iterable[Exam | None]) -> int:
    """Return how many bytes the decoded pictures of exams take, each counted once."""
    views = {id(view): view.pixels for exam in exams for view in _views(exam)}
    return sum(pixels.nbytes for pixels in {id(pixels): pixels for pixels in views.values()}.values())


def _views(exam: Exam | None) -> Iterable[View]:
    return () if exam is None else (*exam.views.values(), *exam.extra, *_views(exam.prior))
