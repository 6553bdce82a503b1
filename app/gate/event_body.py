"""The body of an event: bounded before it is parsed, and passed on to Gradio only as far as the page needs it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from .refusal import Refused
from .table import SESSION, PageEvent

MOST_BYTES = 4 * 2**20  # 2,000 files of a folder need 1 MB
MOST_FORM_BYTES = 16 * 2**10
MOST_VALUES = 100_000
DEEPEST = 24
LONGEST_TEXT = 100_000
TOO_LONG = "A text on the page is longer than 100,000 letters. Shorten it."
TOO_LARGE = "This is more than the page takes at once. Load the page again and send less."
NOT_UNDERSTOOD = "The server did not understand the page. Load the page again."

# a text without an end is one too, and nothing is tried twice: the time grows with the length alone, whatever is sent
_QUOTED_OR_BRACKET = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_OPENING = (b"[", b"{")


def parse_bounded(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body.

    Raises Refused for more than MOST_VALUES values, more than DEEPEST levels, numbers that are not finite, text that is
    not Unicode, and for what is no JSON object; the first two before anything is parsed.
    """
    if len(body) > MOST_BYTES or body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_VALUES:
        raise Refused(413, TOO_LARGE)
    depth = 0
    for found in _QUOTED_OR_BRACKET.finditer(body):
        mark = found[0][:1]
        if mark != b'"':
            depth += 1 if mark in _OPENING else -1
            if depth > DEEPEST:
                raise Refused(413, TOO_LARGE)
            if depth < 0:
                raise Refused(400, NOT_UNDERSTOOD)
    try:
        parsed = json.loads(body.decode(), parse_constant=_refuse)  # of bytes it would guess UTF-16 too
        json.dumps(parsed, allow_nan=False, ensure_ascii=False).encode()  # 1e999 and half a surrogate pair end here
    except (ValueError, RecursionError):
        raise Refused(400, NOT_UNDERSTOOD) from None
    if not isinstance(parsed, dict):
        raise Refused(400, NOT_UNDERSTOOD)
    return parsed


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def checked_event(
    sent: Mapping[str, Any],
    events: Mapping[int, PageEvent],
    inner_session: Callable[[str], str],
    path_of_upload: Callable[[str], str],
) -> dict[str, Any]:
    """Return the body that Gradio gets for an event: one of the page's, raised by the component that raises it there.

    inner_session: returns Gradio's name of a session. path_of_upload: returns the path of a file that this visitor has
    uploaded, from the name that the upload was answered with. Both raise Refused for another visitor's, and so does
    this for an event that the page has not, and for a text of more than LONGEST_TEXT letters.
    """
    number, trigger, session, data = (sent.get(key) for key in ("fn_index", "trigger_id", "session_hash", "data"))
    event = events.get(number) if type(number) is int else None  # True is an int too
    if event is None or type(trigger) is not int or trigger not in event.triggers:
        raise Refused(403, NOT_UNDERSTOOD)
    if not isinstance(session, str) or not re.fullmatch(SESSION, session):
        raise Refused(400, NOT_UNDERSTOOD)
    if not isinstance(data, list) or len(data) != event.inputs:
        raise Refused(400, NOT_UNDERSTOOD)
    return {
        "data": _with_paths(data, path_of_upload),
        "event_data": _with_paths(sent.get("event_data"), path_of_upload),
        "fn_index": number,
        "trigger_id": trigger,
        "session_hash": inner_session(session),
    }


def _with_paths(value: Any, path_of_upload: Callable[[str], str]) -> Any:
    """The value, bounded, with each file's description made anew.

    For Gradio, what has a `path` or is marked as a file is one.
    """
    if isinstance(value, list):
        return [_with_paths(item, path_of_upload) for item in value]
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise Refused(413, TOO_LONG)
    if not isinstance(value, dict):
        return value
    if "path" not in value and "meta" not in value:
        return {key: _with_paths(item, path_of_upload) for key, item in value.items()}
    path, name = value.get("path"), value.get("orig_name")
    if not isinstance(path, str):
        raise Refused(400, NOT_UNDERSTOOD)
    return {
        "path": path_of_upload(path),
        "orig_name": name if isinstance(name, str) else None,
        "meta": {"_type": "gradio.FileData"},
    }
