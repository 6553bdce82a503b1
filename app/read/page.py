"""The reading page: open an exam, see what was found, read the answers, ask why, ask in words."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import gradio as gr

from mvmlm.exam import ViewName
from mvmlm.imaging.decoder import Decoder
from mvmlm.inference.colormap import COLOUR_MAPS
from mvmlm.inference.draft_report import answered_findings
from mvmlm.reading.edit import apply_marks
from mvmlm.reading.form import form_questions
from mvmlm.reading.reading import ReadKind
from mvmlm.report.writer import write_exam_report
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store
from mvmlm.tasks import TASKS, Kind, Task

from .. import pictures, plots
from ..markup import text
from ..tables import number_of_selected_row
from ..viewer.component import four_up_viewer
from ..viewer.pixel_server import PixelServer
from ..viewer.viewports import viewer_value
from . import findings_editor as findings
from . import reading_form as annotate
from .answers import answers_html, badges, warnings
from .reading_form import lay_out_form
from .similar import find_similar
from .visit import (
    DEMOS,
    JOIN,
    VIEW_CHOICES,
    Visit,
    answer,
    choose_exam,
    clean_prompts,
    end_visit,
    file_rows,
    group_label,
    keep_marks,
    open_demo,
    open_from_store,
    open_uploads,
    set_view,
)

if TYPE_CHECKING:
    from mvmlm.inference.mvmlm_predictor import MVMLMPredictor
    from mvmlm.inference.prediction import Prediction

BINARY = [task for task in TASKS if task.kind is Kind.BINARY]
HIDDEN = '<p class="none">The model’s answers are hidden: read first, then ask.</p>'
log = logging.getLogger(__name__)


def prompt_sets(tasks: Sequence[Task]) -> dict[str, list[str]]:
    """The ready-made prompts of each task that has some, and as pairs for binary ones."""
    sets = {task.title: [s for said in task.prompts.values() for s in said] for task in tasks if task.prompts}
    for task in tasks:
        if task.prompts and task.kind is Kind.BINARY:
            sets[f"{task.title}: pairs"] = [
                f"{a} | {b}" for a, b in zip(task.prompts["present"], task.prompts["absent"], strict=False)
            ]
    return sets


# ------------------------------------------------------------------ the page


def read_page(
    get_predictor: Callable[[], MVMLMPredictor], decoder: Decoder, pixels: PixelServer, store: Store
) -> Callable:
    """Lays the page out and wires it; -> opens(event, number): the event opens the kept exam of that number here."""

    @cache
    def finder():
        from mvmlm.finetuning.retrieval import ExamIndexCache

        return ExamIndexCache(store)

    state = gr.State(Visit(), delete_callback=lambda visit: end_visit(visit, pixels))
    ready = prompt_sets(store.tasks)
    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=480):
            viewer = four_up_viewer()
            with gr.Row():
                map_on = gr.Checkbox(
                    False, label="Attention map (not a lesion outline)", elem_id="map-on", scale=3, min_width=210
                )
                map_target = gr.Dropdown([], label="Map of", elem_id="map-target", scale=3, interactive=True)
                opacity = gr.Slider(0, 1, 0.5, step=0.05, label="Opacity", elem_id="map-opacity", scale=2)
                threshold = gr.Slider(0, 0.95, 0, step=0.05, label="Threshold", elem_id="map-threshold", scale=2)
                colours = gr.Dropdown(
                    list(COLOUR_MAPS), value="inferno", label="Colours", elem_id="map-colours", scale=1, min_width=110
                )
            map_note = gr.HTML(elem_id="map-note")
            mark_note = gr.HTML(elem_id="mark-note")
        with gr.Column(scale=5, min_width=420):
            with gr.Row():
                uploads = gr.File(
                    label="Drop DICOM, DICOMDIR, zip, PNG, TIFF or JPEG files of one exam", file_count="multiple",
                    height=110, elem_id="uploads",
                )  # fmt: skip
            with gr.Row():
                folder = gr.UploadButton("Open a folder", file_count="directory", size="sm", elem_id="folder")
                demos = {which: gr.Button(label, size="sm", elem_id=f"demo-{which}") for which, label in DEMOS.items()}
            message = gr.HTML(elem_id="message")
            with gr.Group(visible=False) as several:
                choice = gr.Radio(
                    [], label="These files name different patients or exams. Which is it?", elem_id="which-exam"
                )
                choose = gr.Button("Open", size="sm", elem_id="open-choice")
            quality = gr.HTML(elem_id="quality")
            reading = lay_out_form(store)
            with gr.Row():
                show_model = gr.Button("Show the model’s answers", variant="primary", elem_id="show-model", scale=3)
                at_once = gr.Checkbox(
                    False, label="Always at once (else: read first, then ask)", elem_id="at-once", scale=2
                )
            answer_table = gr.HTML(elem_id="answers")
            risk = gr.Plot(show_label=False, visible=False, elem_id="risk")
            with gr.Accordion("Prevalence for the natural frequencies", open=False):
                gr.Markdown(
                    "How many of 1,000 (breasts, or exams) have it where you read? The model's probability is for the mix it was trained on; the frequency beside it is for yours."
                )
                with gr.Row():
                    prevalences = [
                        gr.Number(
                            task.prevalence, label=f"{task.title}, per 1,000", minimum=0.1, maximum=900, min_width=120
                        )
                        for task in BINARY
                    ]
    with gr.Accordion("Ask in words", open=True), gr.Row():
        with gr.Column(scale=5):
            prompt_set = gr.Dropdown(list(ready), label="Ready-made prompts", value=None, elem_id="prompt-set")
            typed = gr.Textbox(
                lines=5, label="Prompts, one a line; “positive | negative” is a pair with a probability",
                placeholder="spiculated mass in the upper outer quadrant\nthere is a mass | no mass", elem_id="prompts",
            )  # fmt: skip
            ask = gr.Button("Score the prompts", variant="primary", elem_id="ask")
            with gr.Row():
                prompts_name = gr.Textbox(
                    show_label=False, placeholder="name of this set", max_lines=1, elem_id="prompts-name", scale=2
                )
                save_prompts = gr.Button("Keep as a set", size="sm", elem_id="save-prompts", scale=1)
            prompt_note = gr.HTML(elem_id="prompt-note")
        with gr.Column(scale=7):
            chart = gr.Plot(show_label=False, visible=False, elem_id="prompt-chart")
    with gr.Accordion("Similar exams of the worklist", open=False, elem_id="similar"):
        with gr.Row():
            alike_words = gr.Textbox(
                label="Like this exam, or in words",
                placeholder="empty: like the open exam; or: irregular spiculated mass",
                max_lines=1,
                elem_id="alike-words",
                scale=4,
            )
            alike = gr.Button("Find", elem_id="alike", scale=1)
            alike_number = gr.Number(
                None, label="Exam number (click a line)", precision=0, elem_id="alike-number", scale=1
            )
            alike_open = gr.Button("Open it", elem_id="alike-open", scale=1)
        alike_said = gr.HTML(elem_id="alike-said")
        alike_table = gr.Dataframe(
            headers=["number", "exam", "similarity", "state", "density", "signed findings"],
            datatype="str",
            interactive=False,
            elem_id="alike-table",
            max_height=300,
        )
    with gr.Accordion("Files: which became which view, and why", open=False, elem_id="files"):
        table = gr.Dataframe(
            headers=["file", "view", "told by, or why not used"],
            datatype="str",
            interactive=False,
            wrap=True,
            elem_id="file-table",
        )
        with gr.Row():
            which_file = gr.Dropdown([], label="Correct a file", elem_id="which-file")
            which_view = gr.Radio(VIEW_CHOICES, label="It is", elem_id="which-view")
            ask_anyway = gr.Checkbox(False, label="Score FOR PROCESSING images too", elem_id="ask-anyway")

    def show_exam(before: Visit, visit: Visit, said: str):
        """Everything that follows from the open exam, before the model answers. `before`: what was on screen."""
        exam = visit.exam
        pixels.drop(before.shown)
        shown_exam, token = viewer_value(exam, pixels, visit.owner, visit.marks)
        nipples = {
            ViewName.parse(port["view"]): port["nipple"]
            for port in shown_exam.get("ports", ())
            if port["role"] == "current" and port["address"]
        }
        visit = replace(visit, shown=token, nipples=nipples)
        groups = [group_label(group) for group in visit.listing.groups] if visit.listing else []
        joinable = [JOIN] if visit.listing and visit.listing.joinable else []
        files = [view.file for view in [*exam.views.values(), *exam.extra]] if exam else []
        notes = [said, *(exam.notes if exam else ())]
        problems = [f"{item.file}: {item.reason}" for item in exam.set_aside[:5]] if exam else []
        if exam and len(exam.set_aside) > 5:
            problems.append(f"and {len(exam.set_aside) - 5} more files, listed below")
        lines = "".join(f"<p>{text(note)}</p>" for note in [*notes, *problems] if note)
        return (
            visit,
            gr.HTML(value=shown_exam, maps={}, badges={}),
            f'<div class="message">{lines}</div>' if lines else "",
            gr.Group(visible=bool(groups)),
            gr.Radio(choices=joinable + groups, value=None),
            file_rows(exam),
            gr.Dropdown(
                choices=files, value=next((v.file for v in exam.extra if v.name is None), None) if exam else None
            ),
            gr.Radio(value=None),
            "",
            "",
            gr.Plot(visible=False),
            False,
            gr.Plot(visible=False),
            gr.update(value="", visible=False),
            *annotate.shown(store, visit),
            gr.update(value="Start or go on with my reading" if visit.kept else "Keep this exam and start my reading"),
        )

    formed = [
        reading.group, *reading.fields, reading.findings, reading.status, reading.sign, reading.undo, reading.second, reading.consensus,
        reading.draft, reading.others, reading.editor.which, *reading.editor.fields, reading.editor.take,
    ]  # fmt: skip
    shown = [
        state, viewer, message, several, choice, table, which_file, which_view, quality, answer_table, risk, map_on, chart, reading.model_draft, *formed,
        reading.start,
    ]  # fmt: skip

    def show_answers(visit: Visit, anyway: bool, at_once: bool, *per_1000):
        nothing = gr.Plot(visible=False), gr.Dropdown(choices=[], value=None), gr.HTML(badges={})
        if visit.exam is None or not visit.exam.views:
            return visit, "", "", *nothing
        predictor = get_predictor()
        visit, said = answer(visit, predictor, anyway)
        if visit.prediction is None:
            return visit, f'<p class="quality">{text(said)}</p>', "", *nothing
        if visit.kept and (visit.asked or at_once):
            keep_answers(store, visit.kept, visit.prediction)
        if (visit.asked or at_once) and visit.reading is not None and not visit.reading.signed:
            visit = replace(visit, reading=store.readings.mark_informed(visit.reading.id))
        if not (visit.asked or at_once):
            return (
                visit,
                warnings(visit.prediction),
                HIDDEN,
                gr.Plot(visible=False),
                _target_choices(visit),
                gr.HTML(badges={}),
            )
        return (
            visit,
            warnings(visit.prediction),
            answers_html(visit.prediction, _shares(per_1000), predictor.prevalence),
            gr.Plot(value=plots.risk_curve(visit.prediction), visible=True),
            _target_choices(visit),
            gr.HTML(badges=badges(visit.prediction, predictor)),
        )

    def _target_choices(visit: Visit, chosen: str | None = None):
        from mvmlm.inference.explain import all_targets

        targets = [str(target) for target in all_targets(get_predictor())] + [
            f"“{p}”" for p in visit.prompts if "|" not in p
        ]
        return gr.Dropdown(choices=targets, value=chosen if chosen in targets else targets[0])

    answered = [state, quality, answer_table, risk, map_target, viewer]
    asked = [state, ask_anyway, at_once, *prevalences]

    def on_upload(paths, visit, request: gr.Request):
        return (None, *show_exam(visit, *open_uploads(paths, visit, decoder, request)))

    def on_folder(paths, visit, request: gr.Request):
        return show_exam(visit, *open_uploads(paths, visit, decoder, request))

    def on_demo(which):
        def handler(visit, request: gr.Request):
            return show_exam(visit, *open_demo(which, visit, decoder, request))

        return handler

    def on_choose(chosen, visit, request: gr.Request):
        return show_exam(visit, *choose_exam(chosen, visit, decoder, request))

    def on_view(file, chosen, visit, request: gr.Request):
        return show_exam(visit, *set_view(file, chosen, visit, request))

    def on_prevalence(visit, at_once, request: gr.Request, *per_1000):
        visit = visit.owned_by(request)
        if visit.prediction is None or not (visit.asked or at_once):
            return HIDDEN if visit.prediction else ""
        return answers_html(visit.prediction, _shares(per_1000), get_predictor().prevalence)

    def on_map(wanted, target_name, threshold, colours, visit, request: gr.Request):
        from mvmlm.inference.explain import all_targets
        from mvmlm.inference.prediction import Target

        visit = visit.owned_by(request)
        if not wanted or visit.prediction is None or not target_name:
            return gr.HTML(maps={}), ""
        predictor = get_predictor()
        known = {str(target): target for target in all_targets(predictor)}
        known |= {f"“{prompt}”": Target(None, prompt) for prompt in visit.prompts}
        if target_name not in known:
            return gr.HTML(maps={}), ""
        prediction = visit.prediction
        maps = predictor.maps(prediction.encoding, [known[target_name]])[known[target_name]]
        layers = {
            str(name): pictures.map_layer(heat, prediction.exam.views[name], threshold, colours)
            for name, heat in maps.items()
        }
        silent = not any(heat.max() > 0 for heat in maps.values())
        note = (
            "Nothing in these pictures speaks for it."
            if silent
            else (
                f"Where the pictures moved the score of {text(target_name)} ({text(prediction.model)} {text(prediction.version)}; "
                "HiResCAM, strongest point of the exam = 1). Not a lesion outline; a convincing map can belong to a wrong answer."
            )
        )
        return gr.HTML(maps=layers), f'<p class="map-note">{note}</p>'

    def on_marked(visit, event: gr.EventData, request: gr.Request):
        before = visit
        visit, said = keep_marks(event._data, visit, request)
        if visit.reading is not None and not visit.reading.signed:
            visit, problem = annotate.save(store, visit, apply_marks(visit.reading.reading, visit.marks))
            said = problem or said
        elif visit.reading is not None:
            said = "This reading is signed: marks drawn now are not kept."
        return (
            visit,
            f'<p class="map-note">{text(said)}</p>' if said else "",
            *annotate.shown(store, visit, "", annotate.changed(before, visit)),
        )

    def on_ask(lines, visit, chosen, request: gr.Request):
        visit = visit.owned_by(request)
        prompts, said = clean_prompts(lines)
        if visit.prediction is None:
            return visit, gr.Plot(visible=False), "<p>Open an exam first.</p>", gr.Dropdown()
        if not prompts:
            return visit, gr.Plot(visible=False), f"<p>{text(said or 'Type a prompt first.')}</p>", gr.Dropdown()
        predictor = get_predictor()
        scores = predictor.score_prompts(visit.prediction.encoding, prompts)
        visit = replace(visit, prompts=tuple(prompts), prediction=replace(visit.prediction, prompts=scores))
        notes = [said] if said else []
        for prompt in prompts:
            unknown = predictor.model.tokenizer.unknown_words(prompt.replace("|", " "))
            if unknown:
                notes.append(
                    f"“{prompt}”: the weights never learned {', '.join(f'“{w}”' for w in unknown)}; its score means little."
                )
        for score in scores:
            if score.probability is not None and score.view is None:
                where = score.laterality.word + " breast" if score.laterality else "exam"
                notes.append(f"{score.prompt}: {where} {score.probability:.2f}")
        html = "".join(f"<p>{text(note)}</p>" for note in notes)
        return visit, gr.Plot(value=plots.prompt_chart(scores), visible=True), html, _target_choices(visit, chosen)

    def on_answer_event(visit, anyway, at_once, request: gr.Request, *per_1000):
        return show_answers(visit.owned_by(request), anyway, at_once, *per_1000)

    def on_show_model(visit, anyway, at_once, request: gr.Request, *per_1000):
        return show_answers(replace(visit.owned_by(request), asked=True), anyway, at_once, *per_1000)

    def on_start(who, named, visit, request: gr.Request):
        visit = visit.owned_by(request)
        return show_exam(visit, *annotate.start(store, visit, who, named))

    def on_round(kind):
        def handler(visit, request: gr.Request):
            visit = visit.owned_by(request)
            who = visit.reading.reader if visit.reading else ""
            return show_exam(visit, *annotate.start(store, visit, who, False, kind))

        return handler

    def on_values(visit, request: gr.Request, *values):
        visit = visit.owned_by(request)
        if visit.reading is None:
            return visit, *annotate.shown(store, visit)
        visit, said = annotate.save(store, visit, annotate.with_values(visit.reading.reading, values, questions))
        return visit, *annotate.shown(store, visit, said, None if said else set())

    def on_sign(visit, request: gr.Request, *values):
        visit = visit.owned_by(request)
        if visit.reading is None:
            return visit, *annotate.shown(store, visit)
        visit, said = annotate.save(store, visit, annotate.with_values(visit.reading.reading, values, questions))
        if not said:
            visit, said = annotate.sign(store, visit)
        return visit, *annotate.shown(store, visit, said)

    def on_undo(visit, request: gr.Request):
        visit = visit.owned_by(request)
        return show_exam(visit, *annotate.undo(store, visit))

    def on_join(typed, visit, request: gr.Request):
        before = visit.owned_by(request)
        visit, said = annotate.join(store, before, typed)
        return visit, *annotate.shown(store, visit, said, annotate.changed(before, visit))

    def on_which(chosen, visit, request: gr.Request):
        visit = visit.owned_by(request)
        if visit.reading is None or visit.reading.signed:
            visit = replace(
                visit, described=chosen if visit.reading and chosen in visit.reading.reading.findings else None
            )
            return visit, *annotate.shown(store, visit)
        before, (mine, number) = visit, findings.choose(visit.reading.reading, chosen)
        visit, said = annotate.edit_finding(store, visit, number, lambda: mine)
        return visit, *annotate.shown(store, visit, said, annotate.changed(before, visit))

    def on_describe(chosen, visit, request: gr.Request, *values):
        before = visit.owned_by(request)
        if before.reading is None or before.reading.signed:
            return before, *annotate.shown(store, before)
        visit, said = annotate.edit_finding(
            store, before, chosen, lambda: findings.describe(before.reading.reading, chosen, values)
        )
        return visit, *annotate.shown(store, visit, said, annotate.changed(before, visit))

    def on_take(chosen, visit, request: gr.Request):
        before = visit.owned_by(request)
        visit, said = annotate.edit_finding(store, before, chosen, lambda: findings.take_site(before, chosen))
        return visit, *annotate.shown(store, visit, said, annotate.changed(before, visit))

    def on_parse(side, typed, visit, request: gr.Request):
        before = visit.owned_by(request)
        visit, said = annotate.parse(store, before, side, typed)
        return visit, *annotate.shown(store, visit, said, annotate.changed(before, visit))

    def on_draft(visit, at_once, request: gr.Request):
        visit = visit.owned_by(request)
        if visit.prediction is None:
            return gr.update(value="Open an exam first.", visible=True)
        if not (visit.asked or at_once):
            return gr.update(value="The model’s answers are hidden: read first, then ask.", visible=True)
        return gr.update(value=write_exam_report(answered_findings(visit.prediction), random.Random(0)), visible=True)

    def on_save_prompts(name, lines, who):
        prompts, said = clean_prompts(lines)
        name = " ".join((name or "").split())[:60]
        if not name or not prompts:
            return gr.skip(), "<p>Type a name and at least one prompt first.</p>"
        if name in ready:
            return gr.skip(), f"<p>{text(name)} is a ready-made set; choose another name.</p>"
        try:
            store.prompt_sets.save(name, prompts, " ".join((who or "").split()) or "page")
        except StoreError as error:
            return gr.skip(), f"<p>{text(error)}</p>"
        return gr.Dropdown(
            choices=[*ready, *store.prompt_sets.all()], value=name
        ), f"<p>{text(said)} “{text(name)}” is kept.</p>"

    def on_prompt_set(name):
        return "\n".join(ready.get(name) or store.prompt_sets.all().get(name, []))

    def on_kept(number, visit, request: gr.Request):
        if not number:
            return show_exam(visit, visit.owned_by(request), "Choose a line of the list first.")
        return show_exam(visit, *open_from_store(int(number), visit, store, decoder, request))

    questions = form_questions(store.tasks)
    # one after the other: a slow answer to an earlier exam must never bring that exam's visit back over a newer one
    private = {
        "api_visibility": "private",
        "show_progress": "minimal",
        "concurrency_id": "visit",
        "concurrency_limit": 1,
    }
    opened = [
        uploads.upload(on_upload, [uploads, state], [uploads, *shown], **private),
        folder.upload(on_folder, [folder, state], shown, **private),
        choose.click(on_choose, [choice, state], shown, **private),
        which_view.input(on_view, [which_file, which_view, state], shown, **private),
        *(button.click(on_demo(which), [state], shown, **private) for which, button in demos.items()),
        reading.start.click(on_start, [reading.reader, reading.named, state], shown, **private),
        reading.reader.submit(on_start, [reading.reader, reading.named, state], shown, **private),
        reading.undo.click(on_undo, [state], shown, **private),
        reading.second.click(on_round(ReadKind.AFTER), [state], shown, **private),
        reading.consensus.click(on_round(ReadKind.CONSENSUS), [state], shown, **private),
    ]
    for event in opened:
        event.then(on_answer_event, asked, answered, **private)
    ask_anyway.input(on_answer_event, asked, answered, **private)
    one_at_a_time = private | {"show_progress": "hidden"}
    for question in reading.fields:
        event = question.blur if isinstance(question, gr.Textbox) else question.input
        event(on_values, [state, *reading.fields], [state, *formed], **one_at_a_time)
    reading.join.click(on_join, [reading.link, state], [state, *formed], **one_at_a_time)
    editor = reading.editor
    editor.which.input(on_which, [editor.which, state], [state, *formed], **one_at_a_time)
    for question in editor.fields:
        event = question.blur if isinstance(question, gr.Number) else question.input
        event(on_describe, [editor.which, state, *editor.fields], [state, *formed], **one_at_a_time)
    editor.take.click(on_take, [editor.which, state], [state, *formed], **one_at_a_time)
    reading.parse.click(on_parse, [reading.side, reading.report, state], [state, *formed], **one_at_a_time)
    signed = reading.sign.click(on_sign, [state, *reading.fields], [state, *formed], **one_at_a_time)
    signed.then(on_answer_event, asked, answered, **private)

    def opens(event, number: gr.components.Component):
        opened = event(on_kept, [number, state], shown, **private)
        opened.then(on_answer_event, asked, answered, **private)
        return opened

    def on_alike(typed, visit, request: gr.Request):
        visit = visit.owned_by(request)
        vector = visit.prediction.encoding.fused.exam[0].cpu().numpy() if visit.prediction else None
        rows, said = find_similar(store, finder(), get_predictor(), typed, vector, visit.kept)
        return rows, f"<p>{text(said)}</p>"

    for event in (alike.click, alike_words.submit):
        event(on_alike, [alike_words, state], [alike_table, alike_said], **private)
    alike_table.select(number_of_selected_row, alike_table, alike_number, **private)
    opens(alike_open.click, alike_number)
    for number in prevalences:
        number.change(on_prevalence, [state, at_once, *prevalences], answer_table, **private)
    show_model.click(on_show_model, asked, answered, **private)
    at_once.input(on_answer_event, asked, answered, **private)
    for event in (map_on.change, map_target.change, threshold.change, colours.input):
        event(
            on_map,
            [map_on, map_target, threshold, colours, state],
            [viewer, map_note],
            trigger_mode="always_last",
            **private | {"show_progress": "hidden"},
        )
    viewer.marked(on_marked, [state], [state, mark_note, *formed], **private | {"show_progress": "hidden"})
    opacity.input(None, [opacity], None, js="(v) => { document.documentElement.style.setProperty('--map-opacity', v) }")
    prompt_set.input(on_prompt_set, prompt_set, typed, **private)
    prompt_set.focus(lambda: gr.Dropdown(choices=[*ready, *store.prompt_sets.all()]), None, prompt_set, **private)
    save_prompts.click(on_save_prompts, [prompts_name, typed, reading.reader], [prompt_set, prompt_note], **private)
    reading.of_model.click(on_draft, [state, at_once], reading.model_draft, **private)
    ask.click(on_ask, [typed, state, map_target], [state, chart, prompt_note, map_target], **private)
    return opens


def keep_answers(store: Store, exam: int, prediction: Prediction) -> None:
    """The answers that the reader was shown, with the model and heads that gave them."""
    model = f"{prediction.model} {prediction.version}"
    for name in {one.task for one in prediction.answers}:
        source = f"{model}, head {prediction.finetuned[name]}" if name in prediction.finetuned else model
        rows = [
            (a.task, a.laterality.value if a.laterality else "", a.class_, a.by, a.probability)
            for a in prediction.answers
            if a.task == name
        ]
        highest = [
            a.probability
            for a in prediction.answers
            if a.task == "malignancy" and a.by == "head" and a.laterality is None
        ]
        store.predictions.add(exam, source, rows, highest[0] if highest else None)


def _shares(per_1000) -> dict[str, float]:
    """The typed prevalences by task; an empty or impossible one falls back to the task's own."""
    typed = {}
    for task, value in zip(BINARY, per_1000, strict=True):
        usable = isinstance(value, int | float) and 0 < value < 1000
        typed[task.name] = float(value) if usable else task.prevalence
    return typed
