"""The answers as HTML: each number with its natural frequency and with the model, weights and way that gave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mvmlm.exam import Laterality
from mvmlm.tasks import Kind, Level, Task, at_prevalence, natural_frequency

from ..markup import text

if TYPE_CHECKING:
    from mvmlm.inference.mvmlm_predictor import MVMLMPredictor
    from mvmlm.inference.prediction import Prediction


def answers_html(prediction: Prediction, prevalence: Mapping[str, float], trained_at: Mapping[str, float]) -> str:
    """prevalence: for each binary task, how many of 1,000 have it; trained_at: the share of positives where its head learned."""
    source = f"{prediction.model} {prediction.version}"
    trained = {answer.task for answer in prediction.answers if answer.by == "head"}
    breast_tasks = [task for task in prediction.tasks if task.level is Level.BREAST]
    rows = "".join(
        _row(prediction, task, prevalence, trained_at, trained, _source(prediction, task)) for task in breast_tasks
    )
    own = [task for task in prediction.tasks if task.level is Level.EXAM and task.kind is not Kind.SURVIVAL]
    return (
        '<div class="answers"><table class="by-breast"><thead><tr><th></th><th>Right breast</th><th>Left breast</th>'
        f"<th>Exam<small>the higher breast</small></th></tr></thead><tbody>{rows}</tbody></table>"
        f"{''.join(_letters(prediction, task, trained, _source(prediction, task)) for task in own)}"
        f'{_taught(prediction)}<p class="source">Every other number: {text(source)}. Large: trained head; small “words”: zero-shot from prompts. '
        "These are a model’s suspicions, not a reader’s BI-RADS assessment.</p></div>"
    )


def _source(prediction, task: Task) -> str:
    """Which head answered: a taught one by its name, else the weights' own."""
    title = prediction.finetuned.get(task.name)
    return (
        f"fine-tuned head “{title}” on {prediction.model} {prediction.version}"
        if title
        else f"{prediction.model} {prediction.version}, head"
    )


def _taught(prediction) -> str:
    titles = {task.name: task.title for task in prediction.tasks}
    said = "; ".join(f"{titles[name]}: fine-tuned head “{title}”" for name, title in prediction.finetuned.items())
    return f'<p class="taught">{text(said)}</p>' if said else ""


def warnings(prediction: Prediction) -> str:
    """The quality lines, as a list."""
    if not prediction.quality_notes:
        return '<p class="quality good">No quality warning for this exam.</p>'
    lines = "".join(
        f'<li class="{text(w.kind.replace(" ", "-"))}">{text(w.text)}</li>' for w in prediction.quality_notes
    )
    return f'<ul class="quality" aria-label="Quality of this exam">{lines}</ul>'


def badges(prediction: Prediction, predictor: MVMLMPredictor) -> dict[str, str]:
    """For each view that was read: the malignancy score of its breast, and of the view read alone."""
    if "malignancy" not in predictor.heads:
        return {}
    alone = predictor.answer_by_view(prediction.encoding, "malignancy")
    return {
        str(
            name
        ): f"malignancy {prediction.probability('malignancy', laterality=name.laterality):.2f} {name.laterality.word} breast\n{score:.2f} this view alone"
        for name, score in alone.items()
    }


def _row(prediction, task: Task, prevalence, trained_at, trained, source) -> str:
    if task.name not in trained:
        words = [_words(prediction, task, side) for side in (Laterality.RIGHT, Laterality.LEFT, None)]
        cells = (
            "".join(f'<td class="none">not trained{said}</td>' for said in words)
            if any(words)
            else '<td colspan="3" class="none">not trained</td>'
        )
        return f"<tr><th>{text(task.title)}</th>{cells}</tr>"
    cell = _binary_cell if task.kind is Kind.BINARY else _level_cell
    cells = "".join(
        cell(prediction, task, side, prevalence, trained_at, source)
        for side in (Laterality.RIGHT, Laterality.LEFT, None)
    )
    return f'<tr class="{text(task.name)}"><th>{text(task.title)}{_mark(prediction, task)}</th>{cells}</tr>'


def _words(prediction, task: Task, side) -> str:
    """What prompts alone say, where the task has any."""
    shares = {class_: _found(prediction, task, class_, side, "prompt") for class_ in task.classes}
    if None in shares.values():
        return ""
    top = max(shares, key=shares.get)
    return f' <span class="words">words {"" if task.kind is Kind.BINARY else text(top) + " "}{shares[top]:.2f}</span>'


def _mark(prediction, task: Task) -> str:
    title = prediction.finetuned.get(task.name)
    return f"<small>head “{text(title)}”</small>" if title else ""


def _found(prediction, task, class_, side, by="head") -> float | None:
    try:
        return prediction.probability(task.name, class_, side, by)
    except KeyError:
        return None


def _binary_cell(prediction, task, side, prevalence, trained_at, source) -> str:
    head = _found(prediction, task, "present", side)
    if head is None:
        return '<td class="none">not assessed</td>'
    words = _found(prediction, task, "present", side, "prompt")
    learned_at = trained_at.get(task.name)
    often = ""
    if learned_at and 0 < learned_at < 1 and task.name in prevalence:
        adjusted = at_prevalence(head, learned_at, prevalence[task.name] / 1000)
        often = f'<div class="often">{text(natural_frequency(adjusted, "exams" if side is None else "breasts"))}</div>'
    said = f'<span class="words">words {words:.2f}</span>' if words is not None else ""
    return (
        f'<td title="{text(source)}"><div class="value"><b>{head:.2f}</b>{said}</div>'
        f'<div class="bar"><i style="width:{100 * head:.1f}%"></i></div>{often}</td>'
    )


def _level_cell(prediction, task, side, prevalence, trained_at, source) -> str:
    shares = [_found(prediction, task, class_, side) for class_ in task.classes]
    if None in shares:
        return '<td class="none">not assessed</td>'
    top = max(range(len(shares)), key=shares.__getitem__)
    steps = "".join(
        f'<span class="{"step top" if index == top else "step"}" style="--share:{share:.3f}">{text(class_)}</span>'
        for index, (class_, share) in enumerate(zip(task.classes, shares, strict=True))
    )
    return f'<td title="{text(source)}"><div class="value"><b>{text(task.classes[top])}</b><span class="words">{shares[top]:.2f}</span></div><div class="steps">{steps}</div></td>'


def _letters(prediction, task: Task, trained, source) -> str:
    if task.name not in trained:
        return f'<p class="none">{text(task.title)}: not trained{_words(prediction, task, None)}</p>'
    cells = ""
    for class_ in task.classes:
        share, words = _found(prediction, task, class_, None), _found(prediction, task, class_, None, "prompt")
        said = f"<small>words {words:.2f}</small>" if words is not None else ""
        cells += (
            f'<div class="letter" title="{text(source)}"><span>{text(class_)}</span><b>{share:.2f}</b>'
            f'<div class="bar"><i style="width:{100 * share:.1f}%"></i></div>{said}</div>'
        )
    return f'<section class="density"><h4>{text(task.title)} (exam){_mark(prediction, task)}</h4><div class="letters">{cells}</div></section>'
