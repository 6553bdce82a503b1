"""The page "My reading": a reader's own figures, never beside a picture."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import gradio as gr

from mvmlm.evaluation.reader_figures import FEWEST, OwnReading, Rate, own_reading
from mvmlm.store.database import StoreError
from mvmlm.store.readers import clean_reader
from mvmlm.store.store import Store

from .markup import paragraph, problem, template
from .read.form_display import READ_TITLES
from .wiring import OpensExam, connect

#: JavaScript: the number of the exam whose button was pressed
PRESSED_JS = "(number, ...others) => [window.ownExam, ...others]"

_PAGE = template("""\
<h2>{{ reader }}: final reads, made before the model’s answers were seen</h2>
<table class="findings"><tbody>
{% for title, value in rows %}<tr><th>{{ title }}</th><td>{{ value }}</td></tr>{% endfor %}
</tbody></table>
{% for title, exams in cancers %}
{% if exams %}
<p>{{ title }}:
{% for number, name in exams %}<button type="button" data-open="{{ number }}">{{ name }}</button> {% endfor %}</p>
{% endif %}
{% endfor %}
<p class="source">Intervals are 95 % by Wilson; no rate is given below {{ fewest }} cases. A list that was enriched with
cancers does not compare with screening: look at its share of cancers first.</p>
""")


def my_reading_page(store: Store, open_exam: OpensExam, tabs: gr.Tabs) -> None:
    """Lay out and wire the page. open_exam: of `read_page`. tabs: the app's, turned to the reading page by an exam."""
    with gr.Row():
        reader = gr.Textbox(label="Reader (name or initials)", max_lines=1, elem_id="own-reader", scale=3)
        show = gr.Button("Show", variant="primary", elem_id="show-own", scale=1)
    with gr.Row(visible=False, elem_id="own-not-final") as waiting:
        note = gr.HTML()
        final = gr.Button("Make them final", size="sm", elem_id="make-final", scale=0, min_width=140)
    page = gr.HTML(elem_id="own-reading")
    number, shown_reader = gr.Number(None, visible="hidden", elem_id="own-number"), gr.State("")
    open_ = gr.Button("Open", elem_id="own-open", elem_classes="by-key")
    shown = [waiting, note, page, shown_reader]
    for event in (show.click, reader.submit):
        connect(event, partial(show_own_reading, store), reader, shown)
    connect(final.click, partial(make_own_reads_final, store), shown_reader, shown)
    turned = connect(open_.click, _turn_to_reading, number, [tabs, number], js=PRESSED_JS)
    open_exam(turned.success, number)


def show_own_reading(store: Store, reader: str) -> tuple[gr.Row, str, str, str]:
    """Return the row about reads that are not final yet, its text, the reader's own figures, and the reader."""
    reader = " ".join((reader or "").split())
    count = len(store.readings.not_final(reader))
    line = f"Signed reads that are not final yet: {count}. Until they are, you can change them, and they do not count."
    return gr.Row(visible=count > 0), paragraph(line), own_reading_html(store, reader), reader


def make_own_reads_final(store: Store, reader: str) -> tuple[gr.Row, str, str, str]:
    """Make the signed reads final of the reader who is shown, and show the figures with them."""
    for read in store.readings.not_final(reader):
        with suppress(StoreError):  # reopened in another window meanwhile
            store.readings.finalise(read.id)
    return show_own_reading(store, reader)


def _turn_to_reading(number: float) -> tuple[gr.Tabs, float]:
    return gr.Tabs(selected="read"), number


def own_reading_html(store: Store, reader: str) -> str:
    """Return a reader's own figures as HTML, or what is wrong with the name."""
    try:
        reader = clean_reader(reader)
    except StoreError as error:
        return problem(str(error))
    figures = own_reading(store, reader)
    if not figures.kinds:
        return problem(f"{reader} has no final read yet. A read is final an hour after it was signed, or by hand.")
    names = {number: store.exams.get(number).name for number in (*figures.found, *figures.missed)}
    cancers = [
        ("Cancers that you recalled", [(number, names[number]) for number in figures.found]),
        ("Cancers that you called normal", [(number, names[number]) for number in figures.missed]),
    ]
    return _PAGE.render(reader=reader, rows=_rows(figures), cancers=cancers, fewest=FEWEST)


def _rows(figures: OwnReading) -> list[tuple[str, str]]:
    kinds = ", ".join(f"{count} {READ_TITLES[kind]}{'s' if count > 1 else ''}" for kind, count in figures.kinds.items())
    return [
        ("Reads", kinds),
        ("Reading time, median", "not measured" if figures.seconds is None else f"{figures.seconds:.0f} s"),
        ("Recalled for assessment", _rate(figures.recalls)),
        ("Technical recalls", _rate(figures.technical)),
        ("Upheld in arbitration", _rate(figures.upheld)),
        ("Exams with cancer, where the truth is known", _rate(figures.cancers)),
    ]


def _rate(rate: Rate) -> str:
    if rate.share is None:
        return f"{rate.number} of {rate.cases}"
    return f"{rate.share:.1%} ({rate.low:.1%} to {rate.high:.1%}), {rate.number} of {rate.cases}"
