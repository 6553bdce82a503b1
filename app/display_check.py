"""The check of a display on the About page: what dropped files show of the rules, without drawing them."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from mvmlm.dicom_objects.foreign_check import check_objects
from mvmlm.exam import SetAside
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.display_check import DRAWN, RULES, Checked, alike, verdict_of
from mvmlm.imaging.display_files import check_files
from mvmlm.imaging.files import NoExam

from .gate.refusal import NO_COOKIE
from .markup import problem, template
from .privacy import discard, visitor
from .uploads import take_uploads
from .wiring import connect

_RESULTS = template("""\
<table class="display-check">{% for rule in rules %}<tr data-rule="{{ rule.number }}">
<th>({{ rule.number }})</th><td class="verdict {{ rule.verdict.split()[0] }}">{{ rule.verdict }}</td>
<td><b>{{ rule.title }}</b>{% for line in rule.lines %}<br>{{ line }}{% endfor %}</td></tr>{% endfor %}</table>
{% for line in set_aside %}<p>{{ line }}</p>{% endfor %}
""")


def display_check_section(decoder: Decoder) -> None:
    """Lay out the section, closed at first, and connect its event."""
    with gr.Accordion("Display check", open=False, elem_id="display-check"):
        gr.Markdown(
            "What your files show of the rules for a mammography display. They are read and deleted at once. What has "
            "to be drawn is checked on the open exam: **Read**, key **?**, *Check this display*."
        )
        files = gr.File(label="Drop DICOM files or a zip", file_count="multiple", height=120, elem_id="display-files")
        results = gr.HTML(elem_id="display-results")
    connect(files.upload, DisplayEvents(decoder).check, [files], [files, results], progress_on=results)


class DisplayEvents:
    """The handler of the section."""

    def __init__(self, decoder: Decoder):
        self._decoder = decoder

    def check(self, paths: list[str] | None, request: gr.Request) -> tuple[None, str]:
        """Return an empty file box, and as HTML what the uploaded files show of each rule. The uploads are deleted.

        Raises gr.Error for a browser without the page's cookie.
        """
        if not visitor(request):
            raise gr.Error(NO_COOKIE, print_exception=False)
        if not paths:
            return None, ""
        folder = take_uploads(paths, visitor(request))
        try:
            found, set_aside = check_files(sorted(folder.iterdir()), self._decoder, check_objects)
        except NoExam as error:
            return None, problem(str(error))
        finally:
            discard(folder)
        return None, results_html(found, set_aside)


def results_html(found: Sequence[Checked], set_aside: Sequence[SetAside]) -> str:
    """Return the results as HTML: a row for each rule, with a line for each file or the files that show the same."""
    rules = [
        {"number": rule, "title": title, "verdict": verdict_of(rule, found).value, "lines": _lines(rule, found)}
        for rule, title in RULES.items()
    ]
    reasons = [f"{item.file}: {item.reason}" for item in set_aside]
    return _RESULTS.render(rules=rules if found else [], set_aside=reasons)


def _lines(rule: int, found: Sequence[Checked]) -> list[str]:
    drawn = [f"browser only: {DRAWN[rule]}"] if rule in DRAWN else []
    return [*(f"{files}: {verdict}. {text}" for files, verdict, text in alike(rule, found)), *drawn]
