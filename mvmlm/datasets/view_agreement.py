"""Which view a picture is, where a table and the picture's own file both say so. The rule stands here and nowhere else.

1. A table that names the view of a file is believed, and what the file says otherwise is reported.
2. The side decides whose findings a picture shows. Where the side that is coded in the header (ImageLaterality,
   FrameLaterality, Laterality) is the other one, the table is believed only if words of the file's path below the data
   set's folder, such as `P_00001_LEFT_CC`, say the table's side too. Otherwise the picture is not used.
3. A picture that its header or its name tells to be a spot view, a magnification or another extra view is not used as
   a standard view, whatever the table says.
4. Where the table does not name the view, the file does; a picture whose file leaves it open is not used, and a
   contradiction inside the file is reported.
"""

from __future__ import annotations

from typing import NamedTuple

from ..exam import STANDARD_VIEWS, Laterality, Projection, Question, Sourced, ViewName
from ..imaging.file_header import FileHeader
from ..imaging.picture_kind import kind_marks
from ..imaging.view_conflicts import view_marks
from ..imaging.view_identification import lateralities, modifiers, projections
from .case import Image

PATH_SOURCES = ("file name", "the folder's name")  # as `view_identification` names words of a file's path


class AgreedView(NamedTuple):
    """Which view a picture is taken for.

    name: None where it is not known. used: whether it stands for one of the four standard views. differs: whether the
    table and the file contradict each other. sentence: what has to be reported, with the file's path, or "".
    """

    name: ViewName | None
    used: bool
    differs: bool = False
    sentence: str = ""


def agree_on_view(image: Image, header: FileHeader) -> AgreedView:
    """Return the view of a picture by what its table (`image`) and its file (`header` and `image.path`) say."""
    sides, ways = lateralities(header, image.path), projections(header, image.path)
    table_side = image.name.laterality if image.name else image.side
    side = table_side or (Laterality(sides[0].value) if sides else None)
    way = image.name.projection if image.name else Projection(ways[0].value) if ways else None
    name = ViewName(side, way) if side and way else None
    if name is not None and name not in STANDARD_VIEWS:
        return AgreedView(name, used=False)
    against = _against(table_side.value, sides) if table_side else []
    problems = [f"the table says {table_side.word}, {_said(against)}"] if table_side and against else []
    used = not against or _may_be_believed(table_side, sides)
    if image.name and (others := _against(image.name.projection.value, ways)):
        problems.append(f"the table says {image.name.projection.value}, {_said(others)}")
    differs = bool(problems)
    if extra := modifiers(header, image.path):
        problems.append(f"its file says that it is an extra view ({', '.join(modifier.value for modifier in extra)})")
        used, differs = False, differs or image.name is not None
    elif image.name is None and (doubt := _doubt(image, header)):
        problems.append(doubt)
        used = False
    elif image.name is None:
        problems += _conflicts(image, header)
    used = used and name is not None
    sentence = f"{image.path}: {'; '.join(problems)}; it is {f'used as {name}' if used else 'not used'}"
    return AgreedView(name, used, differs, sentence if problems else "")


def _against(table: str, found: list[Sourced]) -> list[Sourced]:
    """What contradicts a table's word: every coded fact, and every guess unless a coded fact agrees with the table."""
    agrees = any(fact.value == table and not fact.guessed for fact in found)
    return [fact for fact in found if fact.value != table and not (fact.guessed and agrees)]


def _said(facts: list[Sourced]) -> str:
    """What the sources say: "ImageLaterality says right, file name says L"."""
    words = {side.value: side.word for side in Laterality}
    return ", ".join(f"{fact.source} says {words.get(fact.value, fact.value)}" for fact in facts)


def _may_be_believed(table: Laterality | None, sides: list[Sourced]) -> bool:
    """Whether a table's side is taken against what the file says."""
    coded = [fact.value for fact in sides if not fact.guessed]
    by_path = {fact.value for fact in sides if fact.source in PATH_SOURCES}
    return table is not None and (not coded or coded[0] == table.value or by_path == {table.value})


def _conflicts(image: Image, header: FileHeader) -> list[str]:
    """What the file contradicts itself in, and which word of it is taken, where the table says neither."""
    codes = ("view-conflict",) if image.side else ("view-conflict", "laterality-conflict")
    return [mark.text.rstrip(".") for mark in view_marks(header, image.path) if mark.code in codes]


def _doubt(image: Image, header: FileHeader) -> str:
    """The first question that the file leaves open about its view; "" where there is none."""
    marks = (*view_marks(header, image.path), *kind_marks(header, image.path))
    questions = [mark.text.rstrip(".") for mark in marks if isinstance(mark, Question)]
    return questions[0] if questions else ""
