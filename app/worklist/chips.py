"""The filters that are on, as chips that can be removed one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from mvmlm.store.lists import ExamList

from ..exam_filter import ANY
from ..markup import template

#: each filter's value when it is off, in the order of `filter_from_controls`
OFF: dict[str, Any] = {
    "words": "",
    "state": ANY,
    "density": ANY,
    "reader": "",
    "disagreement": False,
    "order": "newest",
    "since": "",
    "until": "",
    "score": "",
    "in_list": None,
    "show_answers": False,
    "reading_as": "",
}
NO_FILTERS = ("order", "reading_as")
_TITLES = {
    "words": "search", "state": "state", "density": "density", "reader": "reader", "since": "from", "until": "to",
    "score": "score at least", "in_list": "list", "disagreement": "readers differ",
    "show_answers": "answers of all exams shown",
}  # fmt: skip
_REMOVE_JS = """
element.addEventListener('click', (event) => {
    const chip = event.target.closest('button[data-filter]');
    if (chip) trigger('remove', { filter: chip.dataset.filter });
});
"""
_CHIPS = template("""\
{% for name, title, value in chips %}
<button type="button" class="chip" data-filter="{{ name }}" aria-label="Remove the filter {{ title }}">\
{{ title }}{% if value %}: <b>{{ value }}</b>{% endif %} <i aria-hidden="true">×</i></button>
{% endfor %}
{% if chips|length > 1 %}
<button type="button" class="chip all" data-filter="all">remove all</button>
{% endif %}
""")


def lay_out_chips() -> gr.HTML:
    """Lay out the chips. They raise the event `remove` with what `removed` takes."""
    return gr.HTML(elem_id="chips", js_on_load=_REMOVE_JS)


def chips_html(values: Sequence[Any], lists: Sequence[ExamList]) -> str:
    """Return a chip for each filter that is on. values: of the controls, in the order of OFF."""
    names = {one.id: one.name for one in lists}
    chips = []
    for name, value in zip(OFF, values, strict=True):
        if name in NO_FILTERS or value in (OFF[name], None, ""):
            continue
        shown = "" if value is True else names.get(value, "deleted") if name == "in_list" else value
        chips.append((name, _TITLES[name], shown))
    return _CHIPS.render(chips=chips)


def removed(event: gr.EventData) -> list[Any]:
    """Return updates of the controls, in the order of OFF, that turn one filter off, or all."""
    name = (event._data or {}).get("filter")
    wanted = [known for known in OFF if known not in NO_FILTERS] if name == "all" else [name]
    return [gr.update(value=off) if known in wanted else gr.skip() for known, off in OFF.items()]
