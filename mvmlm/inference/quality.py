"""Quality notes: the reasons why the answers for an exam may be less reliable, one sentence each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..exam import Exam, Laterality, View, ViewName
from ..model.config import ModelRecord
from ..tasks import TASK

#: how well each can be told from known mammograms stands in docs/familiarity.md
FAMILIAR = (
    "Grey levels, noise and outline of the views are like those of known mammograms. That cannot tell whether "
    "the answers are right, nor whether a view is upside down, blurred, named wrongly or of another woman."
)
NOT_MEASURED = (
    "Whether the views look like mammograms was not measured: the first layers of these weights are not those that the "
    "measure was made with."
)
MIN_SPACING_MM = 0.05
SPACING_TOLERANCE = 1.25  # a spacing may exceed the largest of the training exams by this factor


class QualityNote(NamedTuple):
    """kind: a word for programs, such as "missing" or "unfamiliar". text: one sentence for the reader."""

    kind: str
    text: str


def assess_quality(
    exam: Exam,
    unread: Mapping[ViewName, str],
    unfamiliar: Collection[ViewName] | None,
    record: ModelRecord,
    answered: Collection[str],
) -> tuple[QualityNote, ...]:
    """Return the quality notes; the last one is whether the views look like known mammograms.

    unread: the reason for each view that was not read. unfamiliar: the views that do not look like known mammograms;
    None where it could not be measured. record: of the weights. answered: the tasks that their own heads answer.
    """
    views = [view for name, view in exam.views.items() if name not in unread]
    notes = [*_views_not_assessed(exam, unread), *_properties(views)]
    notes += [*_picture_size(views, record), *_pixel_size(views, record)]
    unlearned = [TASK[name].title for name in record.at_chance if name in answered]
    if unlearned:
        text = f"At chance when these weights were measured, so it means nothing: {'; '.join(unlearned)}."
        notes.append(QualityNote("not learned", text))
    notes.append(_familiarity(unfamiliar))
    return tuple(notes)


def _views_not_assessed(exam: Exam, unread: Mapping[ViewName, str]) -> Iterator[QualityNote]:
    if exam.missing:
        names = ", ".join(map(str, exam.missing))
        yield QualityNote("missing", f"Missing: {names}. The answers come from the views that are there.")
    for name, reason in unread.items():
        yield QualityNote("not assessed", f"{name} was not assessed: {reason}.")
    read_sides = {name.laterality for name in exam.views if name not in unread}
    for side in Laterality if exam.views else ():
        if side not in read_sides:
            text = f"The {side.word} breast is not assessed: no view of it could be read."
            yield QualityNote("not assessed", text)


def _properties(views: Sequence[View]) -> Iterator[QualityNote]:
    guessed = [str(view.name) for view in views if view.guessed]
    if guessed:
        text = f"Side, projection or orientation was inferred for {', '.join(guessed)}: check below."
        yield QualityNote("guessed", text)
    for kind, attribute, text in (
        ("implant", "implant", "a breast implant, which the weights have not seen"),
        ("burned-in text", "burned_in", "text is burned into the picture"),
        ("lossy", "lossy", "compressed with loss"),
        ("for processing", "for_processing", "FOR PROCESSING, for which the weights were not made"),
    ):
        names = [str(view.name) for view in views if getattr(view, attribute)]
        if names:
            yield QualityNote(kind, f"{', '.join(names)}: {text}.")


def _picture_size(views: Sequence[View], record: ModelRecord) -> Iterator[QualityNote]:
    """Views that are less than half as high as the model's input, which then shows nothing fine."""
    small = [f"{view.name} ({view.columns} × {view.rows})" for view in views if 2 * view.rows < record.input_rows]
    if small:
        text = f"Too small for fine findings: {', '.join(small)} pixels. Open the pictures in their full size."
        yield QualityNote("small", text)


def _pixel_size(views: Sequence[View], record: ModelRecord) -> Iterator[QualityNote]:
    spacings = [view.spacing for view in views]
    known = [spacing.row_mm for spacing in spacings if spacing is not None]
    trained = record.training.get("spacing_mm")
    if len(known) < len(spacings):
        yield QualityNote("pixel size", "Pixel size unknown: lengths are in pixels (uncalibrated).")
    elif trained:
        largest = max(trained) * SPACING_TOLERANCE
        if any(not MIN_SPACING_MM <= row_mm <= largest for row_mm in known):
            text = f"Pixel size outside {MIN_SPACING_MM} to {largest:g} mm, the range the weights are for."
            yield QualityNote("pixel size", text)


def _familiarity(unfamiliar: Collection[ViewName] | None) -> QualityNote:
    """What the measure of `familiarity` says, with what it cannot tell."""
    if unfamiliar is None:
        return QualityNote("not measured", NOT_MEASURED)
    if not unfamiliar:
        return QualityNote("familiar", FAMILIAR)
    names = ", ".join(map(str, unfamiliar))
    text = f"{names}: unlike the mammograms this program knows, in grey levels, sharpness, noise or outline. "
    return QualityNote("unfamiliar", text + "Look at the picture; the answers may mean nothing here.")
