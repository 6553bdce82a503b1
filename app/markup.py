"""HTML that shows text of files and people as text, never as code.

Gradio's HTML component treats its value as a template: `${...}`, `{{...}}` and back ticks run. So every value is
escaped for HTML and for Gradio's template. Larger pieces are written by Jinja2 with autoescape.
"""

from __future__ import annotations

import html

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

_TEMPLATE = {"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;", "\\": "&#92;"}


def text(value: object) -> Markup:
    """Return any value as inert HTML text, also fit for a quoted attribute; Markup is returned unchanged."""
    if isinstance(value, Markup):
        return value
    escaped = html.escape(str(value), quote=True)
    return Markup("".join(_TEMPLATE.get(letter, letter) for letter in escaped))


_ENVIRONMENT = Environment(
    autoescape=True, finalize=text, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)  # fmt: skip


def template(source: str) -> Template:
    """Compile a Jinja2 template whose every value is escaped by `text`. Undefined names raise an error."""
    return _ENVIRONMENT.from_string(source)


def paragraph(message: object) -> str:
    """Return a message of the page as HTML."""
    return f"<p>{text(message)}</p>"


def problem(message: object) -> str:
    """Return a message about something that went wrong as HTML."""
    return f'<p class="wrong">{text(message)}</p>'
