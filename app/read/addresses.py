"""The address of the page names the open exam; the start page lists what was left open, as links to such addresses.

`?exam=exam-00012` is an exam of the store, for everybody who may open the app; a random name is one that is not stored,
for its own visitor only. A draft is resumed by the number of its read, which is no part of the address: an address that
somebody passes on shows no answers of a reader.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from mvmlm.store.database import StoreError
from mvmlm.store.readers import reader_here, same_reader
from mvmlm.store.records import Draft, Read
from mvmlm.store.store import Store

from ..markup import template
from .visit import Visit, stored_address

MOST_DRAFTS = 6
LONGEST = 64  # letters of an address, or of a name
NOT_HERE = (
    "There is no exam for you at this address. An exam that is not stored can be opened by its own visitor only, and "
    "only as long as its page is open. Open its files again."
)
_STORED = re.compile(r"exam-([0-9]{1,9})")


class Named(NamedTuple):
    """What an address names. read: the number of the read to go on with, or None. reader: who reads in this window."""

    address: str
    read: int | None = None
    reader: str = ""

    @classmethod
    def of(cls, address: object, read: object = None, reader: object = "") -> Named:
        """Return what a page sent; an address, a number or a name that no page sends is none."""
        number = (
            int(read) if isinstance(read, int | float) and not isinstance(read, bool) and read == read // 1 else None
        )
        return cls(_short(address), number, _short(reader))

    @property
    def number(self) -> int | None:
        """The number of the stored exam, or None."""
        found = _STORED.fullmatch(self.address)
        return int(found[1]) if found else None


def _short(sent: object) -> str:
    return sent if isinstance(sent, str) and len(sent) <= LONGEST else ""


def draft_of(store: Store, named: Named) -> Read | None:
    """Return the read of the named exam that is to be gone on with.

    None where it is another exam's or not there, and where somebody else reads in this window now: what a reader states
    is not for others before it is final.
    """
    if named.read is None:
        return None
    try:
        read = store.readings.get(named.read)
    except StoreError:
        return None
    own = same_reader(read.reader, reader_here(store.readings.readers(), named.reader))
    return read if read.exam == named.number and own else None


def address_value(visit: Visit, another: bool = True) -> dict[str, Any]:
    """Return the value of the component that keeps the address of the page right.

    another: whether another exam was opened, which makes a step of the browser's history.
    """
    return {
        "address": visit.address,
        "token": visit.token,  # two values are never the same, so that each is noticed
        "read": visit.read.id if visit.read else None,
        "reader": visit.read.reader if visit.read else "",
        "kept": visit.read is not None,
        "another": another,
    }


_LEFT_OPEN = template("""\
{% if exams or drafts %}
<h2>Left open</h2>
<ul>
{% for exam in exams %}
<li><a href="?exam={{ exam.address }}" data-exam="{{ exam.address }}"><b>{{ titles[loop.index0] }}</b>
<span>{{ "not stored" if exam.exam_number is none else "no read" }}
{%- if exam.unkept_marks %}, {{ exam.unkept_marks }} {{ "mark" if exam.unkept_marks == 1 else "marks" }}
{%- endif %}</span></a></li>
{% endfor %}
{% for draft in drafts %}
<li><a href="?exam={{ address(draft.exam) }}" data-exam="{{ address(draft.exam) }}" data-read="{{ draft.read }}">
<b>{{ draft.name }}</b><span>{{ draft.reader }}</span>
<time datetime="{{ draft.changed }}">{{ draft.changed[:16].replace("T", " ") }} UTC</time></a></li>
{% endfor %}
</ul>
{% if more %}<p>More drafts: Worklist, state “draft”.</p>{% endif %}
{% endif %}
""")


def left_open(exams: Sequence[Visit], drafts: Sequence[Draft]) -> str:
    """Return what was left open as HTML: exams that are not stored, then drafts, at most MOST_DRAFTS."""
    return _LEFT_OPEN.render(
        exams=exams,
        titles=[_title(visit) for visit in exams],
        drafts=drafts[:MOST_DRAFTS],
        more=len(drafts) > MOST_DRAFTS,
        address=stored_address,
    )


def _title(visit: Visit) -> str:
    """How an exam is named to its own visitor."""
    if visit.exam_number is not None:
        return stored_address(visit.exam_number)
    if visit.title or visit.exam is None:
        return visit.title
    files = [view.file for view in (*visit.exam.views.values(), *visit.exam.extra)]
    return f"{files[0]} and {len(files) - 1} more" if len(files) > 1 else files[0]
