"""Where the sources of a view's side or projection contradict each other, or none gives it: marks and questions."""

from __future__ import annotations

from collections.abc import Sequence

from ..exam import STANDARD_VIEWS, FileMark, Question, Sourced
from ..messages import quoted
from .file_header import FileHeader
from .view_identification import VIEW_CODES, lateralities, projections

OTHER = "other"
VIEW_CHOICES = (*(str(name) for name in STANDARD_VIEWS), OTHER)
#: values of ViewPosition (0018,5101) that are no mammographic projection
_OTHER_POSITIONS = ("AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO")


def view_question(file: str, text: str, code: str = "view-unknown") -> Question:
    """Return the question which view a file is. text: why it is asked."""
    return Question(code, file, f"{text} Which view is it?", key="view", choices=VIEW_CHOICES)


def view_marks(header: FileHeader, file: str) -> list[FileMark]:
    """Return what the reader must know about side and projection: contradictions, each with the source that is used.

    A question instead, and at most one, where no source gives the fact, where the source that would be used is a guess
    that another one contradicts, or where it stands alone against two others that agree.
    """
    marks: list[FileMark] = []
    unknown = []
    for fact, found, code in (
        ("side", lateralities(header, file), "laterality-conflict"),
        ("projection", projections(header, file), "view-conflict"),
    ):
        odd = _odd_value(header, fact)
        if not found:
            unknown.append(fact)
            continue
        against = [other for other in found[1:] if other.value != found[0].value]
        sentence = _sentence(found[0], against, odd)
        if against and _outweighed(found, against) or odd and found[0].guessed:
            return [view_question(file, sentence, code)]
        if against or odd:
            marks.append(FileMark(code, file, f"{sentence} {found[0].value} is used."))
    strange = [value for _, value, _ in header.get("view_codes") or [] if value not in VIEW_CODES]
    if strange and not unknown:
        told = quoted(strange[0] or "")
        text = f"The code of the view, {told}, is not known. The projection is taken from another attribute."
        marks.append(FileMark("view-code-unknown", file, text))
    if unknown:
        return [view_question(file, f"The file does not give the {' and the '.join(unknown)} of this picture.")]
    return marks


def _odd_value(header: FileHeader, fact: str) -> str:
    """What a coded attribute says that cannot be true of a picture of one breast, as words; "" where nothing."""
    if fact == "side":
        for keyword, written in (
            ("ImageLaterality", header.get("image_laterality")),
            ("FrameLaterality", header.get("frame_laterality")),
            ("Laterality", header.get("laterality")),
        ):
            if value := (written or "").strip().upper():
                return f"{keyword} says {value}" if value in ("B", "U") else ""
        return ""
    position = (header.get("view_position") or "").upper()
    if position in _OTHER_POSITIONS:
        return f"ViewPosition says {position}, which is no projection of a breast"
    return ""


def _outweighed(found: Sequence[Sourced], against: Sequence[Sourced]) -> bool:
    """Whether the first source must not be used unasked."""
    first = found[0]
    alone = not any(other.value == first.value for other in found[1:])
    two_agree = len(against) > 1 and len({other.value for other in against}) == 1
    same_source = any(other.source == first.source for other in against)
    return first.guessed or same_source or (alone and two_agree)


def _sentence(first: Sourced, against: Sequence[Sourced], odd: str) -> str:
    said = [f"{first.source} says {first.value}", *(f"{other.source} says {other.value}" for other in against)]
    return ", ".join([*([odd] if odd else []), *said]) + "."
