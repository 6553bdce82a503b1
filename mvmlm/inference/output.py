"""Records of exams and predictions as JSON values, and an exam as a text table: what the command line writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..exam import Exam, FileMark, Question, SetAside, View
from .map_methods import FLOOR, SCALE_NOTE, method_named

if TYPE_CHECKING:
    from .prediction import Prediction


def exam_record(exam: Exam) -> dict:
    """Return an exam as JSON values, with what each fact about a view was read from."""
    return {
        "views": {str(name): _view_record(view) for name, view in exam.views.items()},
        "extra": [_view_record(view) | {"view": view.name and str(view.name)} for view in exam.extra],
        "missing": [str(name) for name in exam.missing],
        "set_aside": [
            {"code": item.code, "file": item.file, "reason": item.reason}
            for item in (*exam.set_aside, *unanswered(exam))
        ],
        "notes": [note.text for note in exam.notes],
        "marks": [_mark_record(mark) for mark in exam.marks],
    }


def unanswered(exam: Exam) -> list[SetAside]:
    """Return the files that are not scored because of an open question, which is the reason."""
    named = {item.file for item in exam.set_aside}
    return [SetAside(q.file, f"{q.text} {how_to_answer(q)}", q.code) for q in exam.questions if q.file not in named]


def how_to_answer(question: Question) -> str:
    """Return how a question is answered on the command line."""
    choices = ", ".join(question.choices)
    return f'Answer with --answer "{question.file}:{question.key}=VALUE", VALUE one of {choices}.'


def _mark_record(mark: FileMark) -> dict:
    """A mark; a question has also its key and the values that it accepts."""
    record: dict = {"code": mark.code, "file": mark.file, "text": mark.text}
    if isinstance(mark, Question):
        record |= {"key": mark.key, "choices": list(mark.choices)}
    return record


def _view_record(view: View) -> dict:
    spacing = view.spacing
    return {
        "file": view.file,
        "rows": view.rows,
        "columns": view.columns,
        "spacing_mm": [spacing.row_mm, spacing.column_mm] if spacing else None,
        "spacing_kind": spacing.kind.value if spacing else "uncalibrated (pixels)",
        "told_by": {key: fact.source for key, fact in view.sources.items()},
        "guessed": sorted(key for key, fact in view.sources.items() if fact.guessed),
        "modifiers": [modifier.value for modifier in view.modifiers],
        "for_processing": view.for_processing,
        "asked": [question.key for question in view.questions],
    }


def prediction_record(prediction: Prediction) -> dict:
    """Return a prediction as JSON values, the whole of `predict --json`.

    A laterality of null is the exam. The classes of risk are years; its probabilities are cumulative. `not_answered`
    says of each task that this exam gets no answer for why that is so.
    """
    return {
        "exam": exam_record(prediction.exam),
        "model": {"name": prediction.model, "version": prediction.version},
        "predictions": [
            {
                "task": a.task,
                "laterality": a.laterality and a.laterality.value,
                "class": a.class_,
                "probability": a.probability,
                "by": a.by,
            }
            for a in prediction.answers
        ],
        "not_answered": dict(prediction.withheld),
        "calibrated_here": sorted(prediction.calibrated_here),
        "called_back": {
            task: {
                "threshold": called.threshold,
                "lateralities": [side.value for side in called.sides],
                "guarantee": called.guarantee,
            }
            for task, called in prediction.called_back.items()
        },
        "prompts": [
            {
                "prompt": s.prompt,
                "view": s.view and str(s.view),
                "laterality": s.laterality and s.laterality.value,
                "similarity": s.similarity,
            }
            | ({"probability": s.probability} if s.probability is not None else {})
            for s in prediction.prompts
        ],
        "warnings": [warning.text for warning in prediction.quality_notes],
        "use": "research use only, not for diagnosis",
    }


def maps_record(prediction: Prediction, method: str) -> dict:
    """Return how maps of a prediction were made as JSON values: the method, what it shows, the scale and the model."""
    chosen = method_named(method)
    return {
        "method": chosen.name,
        "title": chosen.title,
        "shows": chosen.shows,
        "scale": SCALE_NOTE,
        "lowest": FLOOR,
        "model": {"name": prediction.model, "version": prediction.version},
        "finetuned": dict(prediction.finetuned),
        "use": "research use only, not for diagnosis",
    }


def exam_table(record: Mapping) -> str:
    """Return the text of `mvmlm read`: which file is which view, what was guessed, what is missing and what was set
    aside.

    record: from `exam_record`.
    """
    lines = [f"{'view':8}{'rows':>6}{'cols':>6}  {'spacing':34}file"]
    for name, view in record["views"].items():
        lines.append(_table_line(name, view))
    for view in record["extra"]:
        lines.append(_table_line((view["view"] or "?") + "*", view))
    if record["extra"]:
        lines.append("* extra: shown, not given to the model (" + ", ".join(
            f"{view['file']}: {_why_extra(view)}" for view in record["extra"]) + ")")  # fmt: skip
    if record["missing"]:
        lines.append("missing: " + ", ".join(record["missing"]))
    lines += [f"not used: {item['file']}: {item['reason']}" for item in record["set_aside"]]
    told = [mark for mark in record["marks"] if "key" not in mark]  # a question is the reason of a file not used
    marks = [f"{mark['file']}: {mark['text']}" if mark["file"] else mark["text"] for mark in told]
    return "\n".join(lines + marks)


def _why_extra(view: Mapping) -> str:
    if view["modifiers"]:
        return ", ".join(view["modifiers"])
    if view["asked"]:
        return "a question is open"
    if view["view"] is None:
        return "the view is unknown"
    return "not a CC or MLO" if view["view"].split("_")[1] not in ("CC", "MLO") else "the view occurs more than once"


def _table_line(name: str, view: Mapping) -> str:
    spacing = f"{view['spacing_mm'][0]:.4g} mm {view['spacing_kind']}" if view["spacing_mm"] else view["spacing_kind"]
    guessed = f"  (guessed: {', '.join(view['guessed'])})" if view["guessed"] else ""
    return f"{name:8}{view['rows']:>6}{view['columns']:>6}  {spacing:34}{view['file']}{guessed}"
