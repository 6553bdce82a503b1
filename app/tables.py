"""What the tables of exams on several pages share."""

from __future__ import annotations

NOT_ENCODED = (
    "No exam is encoded with these weights yet. "
    "Press “Encode all exams” on the Worklist page; the job goes on when the page is closed."
)


def framed_number_js(table: str) -> str:
    """Return JavaScript that gives an event, as its first input, the number of the exam that is framed in a table.

    table: its elem_id. None where no row is framed.
    """
    return f"(number, ...others) => [window.framedExam('{table}'), ...others]"
