"""Where the pixels of a view clearly contradict its header or its name: marks and questions; nothing is changed.

`picture_network` says what a picture shows. A fact is clear where it is surer than the threshold here. The thresholds
were chosen on 275 views of women of the validation split, of which two are asked about: one is an exaggerated CC that
its table calls a CC. docs/method.md has the shares on others, and `scripts/picture_table.py` prints them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from ..exam import FileMark, Laterality, Projection, Question, View
from .breast_mask import SEGMENTATION_ROWS, NoBreast, reduced
from .picture_network import PictureFacts, content_box, picture_facts
from .view_conflicts import view_question
from .voi import render

CLEAR_EDGE = 0.9
CLEAR_KIND = 0.5  # that it is no whole breast
CLEAR_NEGATIVE = 0.5
CLEAR_HEAD = 0.9
CLEAR_PROJECTION = 0.9
LEAST_TEXTURE = 0.004  # of tissue; of 275 views of women the least was 0.008, of drawn ones with 8 bits 0.002
SAME_PICTURE = 0.93  # correlation of the structure; chosen on the women of the validation split, see docs/method.md
SHIFT = 3  # of 64: how far one of two pictures may be moved, as where a margin was cut off one of them
OBLIQUE = (Projection.MLO, Projection.LMO)
USUAL_EDGE = {Laterality.LEFT: "left", Laterality.RIGHT: "right"}
HEAD = "head"
NEGATIVE = "negative"
ANSWERED = "answered-"  # begins the code of the mark that an answered question leaves on its view


def view_facts(view: View) -> PictureFacts | None:
    """Return what the picture of a view shows; None where it is too small or of one grey."""
    step = max(1, view.rows // (2 * SEGMENTATION_ROWS))
    try:
        return picture_facts(reduced(render(replace(view, pixels=view.pixels[::step, ::step]))))
    except NoBreast:
        return None


def clear_edge(facts: PictureFacts | None) -> str:
    """Return the edge of the picture that is clearly the chest wall, "left", "right", "top" or "bottom"; else ""."""
    if facts is None:
        return ""
    edge = max(facts.edges, key=lambda name: facts.edges[name])
    return edge if facts.edges[edge] >= CLEAR_EDGE else ""


def shows_tissue(facts: PictureFacts | None) -> bool:
    """Return whether there is tissue in the picture; a drawing of a breast tells nothing of its view."""
    return facts is not None and facts.texture >= LEAST_TEXTURE


def settled(view: View, question: FileMark | None) -> bool:
    """Return whether the reader has answered a question of this code about a view."""
    return question is not None and any(mark.code == ANSWERED + question.code for mark in view.marks)


def kind_question(view: View, facts: PictureFacts | None) -> Question | None:
    """Return the question whether a picture that does not look like one whole breast is a standard view.

    None where it looks like one, and where the reader has answered it.
    """
    question = _kind_question(view, facts)
    return None if settled(view, question) else question


def _kind_question(view: View, facts: PictureFacts | None) -> Question | None:
    if facts is None or 1 - facts.kinds["whole"] < CLEAR_KIND:
        return None
    if facts.kinds["other"] >= facts.kinds["part"]:
        text = (
            "The picture does not look like one breast; it may show both breasts, or no breast at all. Is this an "
            "ordinary standard view of one breast?"
        )
        return Question("not-one-breast", view.file, text, key="standard", choices=("yes", "no"))
    text = (
        "The picture looks like a part of a breast, as a spot compression or magnification view shows it. Is this an "
        "ordinary standard view of the whole breast?"
    )
    return Question("part-of-breast", view.file, text, key="standard", choices=("yes", "no"))


def content_question(view: View, facts: PictureFacts | None) -> Question | None:
    """Return the question that the pixels of an upright view raise: a negative, upside down, or another projection.

    None where they raise none, and where the reader has answered it.
    """
    return next((question for question in _content_questions(view, facts) if not settled(view, question)), None)


def _content_questions(view: View, facts: PictureFacts | None) -> Iterator[Question]:
    if facts is None or not shows_tissue(facts):
        return
    if facts.negative >= CLEAR_NEGATIVE:
        text = "The picture looks like a negative: black where it should be white. Is it one?"
        yield Question("looks-negative", view.file, text, key=NEGATIVE, choices=("yes", "no"))
    if view.name is None or 1 - facts.kinds["whole"] >= CLEAR_KIND:  # what is no breast shows no projection
        return
    projection = view.name.projection
    shown = facts.mlo if projection is Projection.CC else 1 - facts.mlo
    if projection in (Projection.CC, Projection.MLO) and shown >= CLEAR_PROJECTION:
        other = "MLO" if projection is Projection.CC else "CC"
        text = f"{_says(view, 'projection')} {projection.value}, but the picture looks like a {other}."
        yield view_question(view.file, text, code="projection-unlike-picture")
    opposite = 1 - facts.head_first if view.head_up else facts.head_first
    if projection in OBLIQUE and opposite >= CLEAR_HEAD:
        where = "upper" if view.head_up else "lower"
        text = f"By its header or name the head is at the {where} edge of the picture; it shows the opposite. "
        yield Question("upside-down", view.file, f"{text}Where is the head?", key=HEAD, choices=("up", "down"))


def _says(view: View, fact: str) -> str:
    """The beginning of a sentence on what the source of a fact says."""
    source = view.sources[fact].source if fact in view.sources else "The name"
    return "You say" if source == "you" else f"{source} says"


def checked_again(views: Sequence[View], changed: View) -> list[View]:
    """Return the views of an exam after the reader changed one of them, with what its picture gives rise to now.

    So no answer keeps a picture from the other checks. A question that was answered is not asked again.
    """
    question = None
    if changed.name is not None and not changed.questions and not changed.modifiers:
        facts = view_facts(changed)
        question = kind_question(changed, facts) or content_question(changed, facts)
    if question is not None:
        views = [replace(v, marks=(*v.marks, question)) if v is changed else v for v in views]
    return checked_together(views)


def checked_together(views: Sequence[View]) -> list[View]:
    """Return the views of an exam with the marks and questions that only several of them give rise to together.

    The same picture under two names; a side whose breast lies as the other breast does. Such a mark that a view has
    already is made anew; a question stays, and one that was answered is not asked again.
    """
    views = [_without(view, "side-or-mirrored") for view in views]
    told: dict[str, FileMark] = {**_unusual_sides(views), **_same_pictures(views)}
    return [
        replace(view, marks=(*view.marks, mark)) if (mark := told.get(view.file)) and not settled(view, mark) else view
        for view in views
    ]


def _without(view: View, code: str) -> View:
    """The view without the marks of this code; itself where it has none."""
    kept = tuple(mark for mark in view.marks if mark.code != code)
    return view if len(kept) == len(view.marks) else replace(view, marks=kept)


def _checked(views: Sequence[View]) -> list[View]:
    """The views that would be scored, about which nothing is asked yet."""
    return [view for view in views if view.standard]


def _same_pictures(views: Sequence[View]) -> dict[str, FileMark]:
    """By file: the question which view a picture is that others of the exam repeat under another name."""
    checked = _checked(views)
    details = [_details(view) for view in checked]
    twins: dict[str, list[str]] = {}
    for i, first in enumerate(checked):
        for j, second in enumerate(checked):
            if first.name != second.name and _alike(details[i], details[j]):
                twins.setdefault(first.file, []).append(f"{second.name} ({second.file})")
    facts = {view.file: view_facts(view) for view in checked if view.file in twins}
    return {
        file: view_question(file, f"The same picture is given as {_listed(others)}.", code="same-picture")
        for file, others in twins.items()
        if shows_tissue(facts[file])
    }


def _listed(names: list[str]) -> str:
    return " and as ".join(sorted(set(names)))


def _details(view: View) -> np.ndarray | None:
    """(64, 64) float32: the structure of a picture without padding and frame; None for one grey."""
    step = max(1, view.rows // (2 * SEGMENTATION_ROWS))
    grey = render(replace(view, pixels=view.pixels[::step, ::step]))
    left, top, right, bottom = content_box(grey)
    small = cv2.resize(grey[top:bottom, left:right].astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)
    structure = cv2.GaussianBlur(small, (0, 0), 0.7) - cv2.GaussianBlur(small, (0, 0), 3.0)
    deviation = float(structure.std())
    return np.clip(structure, -2 * deviation, 2 * deviation) if deviation > 0 else None  # markers do not decide


def _alike(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    """Whether two pictures are one, mirrored or turned by half or not, and up to SHIFT to a side."""
    if first is None or second is None:
        return False
    inner = np.ascontiguousarray(first[SHIFT:-SHIFT, SHIFT:-SHIFT])
    ways = (second, second[:, ::-1], second[::-1], second[::-1, ::-1])
    found = [cv2.matchTemplate(np.ascontiguousarray(way), inner, cv2.TM_CCOEFF_NORMED).max() for way in ways]
    return max(found) >= SAME_PICTURE


def _unusual_sides(views: Sequence[View]) -> dict[str, FileMark]:
    """By file: what to say where the chest wall is at the edge at which the other breast has it.

    A question where other pictures of the exam lie as usual. A mark where all lie so: sides that are swapped look like
    pictures that are mirrored, and of the women whose exams these thresholds were chosen on, one in five had all her
    pictures mirrored. Nothing where both breasts lie the same way, as in data sets that turn all pictures to one side,
    nor where the header says that a picture is turned by half.
    """
    named = [view for view in views if view.name is not None and not view.modifiers]
    edges = {view.file: clear_edge(view_facts(view)) for view in named}
    named = [view for view in named if edges[view.file] in ("left", "right")]
    sides = {view.name.laterality for view in named if view.name}
    one_way = len(sides) == 2 and len({edges[view.file] for view in named}) == 1
    odd = [view for view in named if view.name and edges[view.file] != USUAL_EDGE[view.name.laterality]]
    by_half = any(view.name and view.name.projection in OBLIQUE and not view.head_up for view in named)
    if one_way or by_half:  # of a CC the header's letters do not tell a half turn from the other side
        return {}
    found: dict[str, FileMark] = {}
    for view in odd:
        if view.name is None or not view.standard:
            continue
        said = f"{_says(view, 'laterality')} {view.name.laterality.value}"
        text = f"{said}, but the chest wall is at the {edges[view.file]} edge, "
        disputed = any(mark.code == "laterality-conflict" for mark in view.marks)
        if len(odd) < len(named) or disputed:
            text += "as that of the other breast, and "
            text += (
                "another source says the other side too." if disputed else "other pictures of the exam lie as usual."
            )
            found[view.file] = view_question(view.file, text, code="side-unlike-picture")
        elif not any(mark.code == f"{ANSWERED}side-unlike-picture" for mark in view.marks):
            text += (
                f"as that of the other breast: mirrored, or of the other side. {view.name.laterality.value} is used."
            )
            found[view.file] = FileMark("side-or-mirrored", view.file, text)
    return found
