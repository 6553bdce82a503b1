"""Text -> HTML that is only ever text.

Gradio's HTML component treats its value as a template, which is code: `${...}`, `{{...}}` and back ticks run. So
everything that came from a file or a person is escaped for HTML and for the template.
"""

from __future__ import annotations

import html

_TEMPLATE = {"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;", "\\": "&#92;"}


def text(value: object) -> str:
    """Any value as inert HTML text, also fit for a quoted attribute."""
    escaped = html.escape(str(value), quote=True)
    return "".join(_TEMPLATE.get(letter, letter) for letter in escaped)
