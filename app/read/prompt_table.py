"""The scores of the reader's prompts as HTML: each prompt in full with a bar for each breast; what is not scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mvmlm.exam import STANDARD_VIEWS, Laterality

from ..markup import template

if TYPE_CHECKING:
    from mvmlm.inference.prediction import PromptScore

SIDES = (Laterality.RIGHT, Laterality.LEFT)  # as the pictures hang


class Bar(NamedTuple):
    """A value of a breast, and the length of its bar, 0..1. text: "–" where the breast was not read."""

    side: str
    text: str
    length: float


class PromptRow(NamedTuple):
    """A prompt. exam: what it is ranked by. views: (name, value as text) of each view."""

    prompt: str
    exam: float
    bars: tuple[Bar, ...]
    views: tuple[tuple[str, str], ...]


_TABLE = template("""\
{% macro ranked(title, rows) %}{% if rows %}
<h4>{{ title }}</h4>
<ol>
{% for row in rows %}
<li><p>{{ row.prompt }}</p>
{% for bar in row.bars %}
<div class="side"><span>{{ bar.side }}</span>
<div class="bar"><i style="width:{{ "%.1f" % (100 * bar.length) }}%"></i></div><b>{{ bar.text }}</b></div>
{% endfor %}
<p class="small">{% for name, value in row.views %}
{{ name }} {{ value }}{% if not loop.last %} · {% endif %}{% endfor %}</p>
</li>
{% endfor %}
</ol>
{% endif %}{% endmacro %}
<div class="prompt-scores">
{% if unknown %}
<section class="not-scored"><h4>Not scored: these weights do not know the words</h4><ul>
{% for prompt, words in unknown %}<li>{{ prompt }}<small>unknown: {{ words|join(", ") }}</small></li>{% endfor %}
</ul></section>
{% endif %}
{{ ranked("Pairs: the first against the second, 0 to 1; not calibrated", pairs) }}
{{ ranked("Similarity with the pictures (cosine; bars from 0 to 1)", others) }}
</div>
""")


def scores_html(scores: Sequence[PromptScore], unknown: Mapping[str, Sequence[str]]) -> str:
    """Return the scored prompts, those that fit best first, and those that are not scored, as HTML.

    unknown: prompt -> the words that the weights do not know.
    """
    rows = [_row(prompt, scores) for prompt in dict.fromkeys(score.prompt for score in scores)]
    rows.sort(key=lambda row: -row.exam)
    pairs = {score.prompt for score in scores if score.probability is not None}
    return _TABLE.render(
        pairs=[row for row in rows if row.prompt in pairs],
        others=[row for row in rows if row.prompt not in pairs],
        unknown=list(unknown.items()),
    )


def _row(prompt: str, scores: Sequence[PromptScore]) -> PromptRow:
    """The row of a prompt; a pair has probabilities, another prompt cosine similarities."""
    values = {
        (score.view, score.laterality): score.similarity if score.probability is None else score.probability
        for score in scores
        if score.prompt == prompt
    }
    bars = tuple(
        Bar(side.word, f"{value:.2f}", min(max(value, 0.0), 1.0))
        if (value := values.get((None, side))) is not None
        else Bar(side.word, "–", 0.0)
        for side in SIDES
    )
    views = tuple(
        (str(name).replace("_", " "), f"{values[name, name.laterality]:.2f}")
        for name in STANDARD_VIEWS
        if (name, name.laterality) in values
    )
    return PromptRow(prompt, values[None, None], bars, views)
