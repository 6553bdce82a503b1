"""The answers as HTML: each number with its natural frequency and with the model, weights and way that gave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mvmlm.exam import Laterality
from mvmlm.tasks import TASKS, Kind, Level, Task, at_prevalence, natural_frequency

from .markup import text

if TYPE_CHECKING:
    from mvmlm.predict import Prediction, Predictor


def answers(prediction: Prediction, prevalence: Mapping[str, float], training: Mapping, trained: tuple[str, ...]) -> str:
    """prevalence: for each binary task, how many of 1,000 have it; training: the weights' training record."""
    source = f"{prediction.model} {prediction.version}"
    breast_tasks = [task for task in TASKS if task.level is Level.BREAST]
    rows = "".join(_row(prediction, task, prevalence, training, trained, source) for task in breast_tasks)
    return (
        '<div class="answers"><table class="by-breast"><thead><tr><th></th><th>Right breast</th><th>Left breast</th>'
        f"<th>Exam<small>the higher breast</small></th></tr></thead><tbody>{rows}</tbody></table>"
        f"{_density(prediction, trained, source)}"
        f'<p class="source">Every number: {text(source)}. Large: trained head; small “words”: zero-shot from prompts. '
        "These are a model’s suspicions, not a reader’s BI-RADS assessment.</p></div>"
    )


def warnings(prediction: Prediction) -> str:
    """The quality lines, as a list."""
    if not prediction.warnings:
        return '<p class="quality good">No quality warning for this exam.</p>'
    lines = "".join(f'<li class="{text(w.kind.replace(" ", "-"))}">{text(w.text)}</li>' for w in prediction.warnings)
    return f'<ul class="quality" aria-label="Quality of this exam">{lines}</ul>'


def badges(prediction: Prediction, predictor: Predictor) -> dict[str, str]:
    """For each view that was read: the malignancy score of its breast, and of the view read alone."""
    if "malignancy" not in predictor.record.tasks:
        return {}
    alone = predictor.answer_by_view(prediction.encoding, "malignancy")
    return {
        str(name): f"malignancy {prediction.probability('malignancy', laterality=name.laterality):.2f} {name.laterality.word} breast\n{score:.2f} this view alone"
        for name, score in alone.items()
    }


def _row(prediction, task: Task, prevalence, training, trained, source) -> str:
    if task.name not in trained:
        return f'<tr><th>{text(task.title)}</th><td colspan="3" class="none">not trained</td></tr>'
    cell = _binary_cell if task.kind is Kind.BINARY else _level_cell
    cells = "".join(
        cell(prediction, task, side, prevalence, training, source) for side in (Laterality.RIGHT, Laterality.LEFT, None)
    )
    return f'<tr class="{text(task.name)}"><th>{text(task.title)}</th>{cells}</tr>'


def _found(prediction, task, class_, side, by="head") -> float | None:
    try:
        return prediction.probability(task.name, class_, side, by)
    except KeyError:
        return None


def _binary_cell(prediction, task, side, prevalence, training, source) -> str:
    head = _found(prediction, task, "present", side)
    if head is None:
        return '<td class="none">not assessed</td>'
    words = _found(prediction, task, "present", side, "prompt")
    trained_at = (training.get("prevalence") or {}).get(task.name)
    often = ""
    if trained_at and 0 < trained_at < 1:
        adjusted = at_prevalence(head, trained_at, prevalence[task.name] / 1000)
        often = f'<div class="often">{text(natural_frequency(adjusted, "exams" if side is None else "breasts"))}</div>'
    said = f'<span class="words">words {words:.2f}</span>' if words is not None else ""
    return (
        f'<td title="{text(source)}, head"><div class="value"><b>{head:.2f}</b>{said}</div>'
        f'<div class="bar"><i style="width:{100 * head:.1f}%"></i></div>{often}</td>'
    )


def _level_cell(prediction, task, side, prevalence, training, source) -> str:
    shares = [_found(prediction, task, class_, side) for class_ in task.classes]
    if None in shares:
        return '<td class="none">not assessed</td>'
    top = max(range(len(shares)), key=shares.__getitem__)
    steps = "".join(
        f'<span class="{"step top" if index == top else "step"}" style="--share:{share:.3f}">{text(class_)}</span>'
        for index, (class_, share) in enumerate(zip(task.classes, shares, strict=True))
    )
    return f'<td title="{text(source)}, head"><div class="value"><b>{text(task.classes[top])}</b><span class="words">{shares[top]:.2f}</span></div><div class="steps">{steps}</div></td>'


def _density(prediction, trained, source) -> str:
    task = next(task for task in TASKS if task.name == "density")
    if task.name not in trained:
        return '<p class="none">Breast density: not trained</p>'
    cells = ""
    for class_ in task.classes:
        share, words = _found(prediction, task, class_, None), _found(prediction, task, class_, None, "prompt")
        said = f"<small>words {words:.2f}</small>" if words is not None else ""
        cells += (
            f'<div class="letter" title="{text(source)}, head"><span>{text(class_)}</span><b>{share:.2f}</b>'
            f'<div class="bar"><i style="width:{100 * share:.1f}%"></i></div>{said}</div>'
        )
    return f'<section class="density"><h4>{text(task.title)} (exam)</h4><div class="letters">{cells}</div></section>'
