"""What the tables of exams on several pages share."""

from __future__ import annotations

import gradio as gr
import pandas as pd

NOT_ENCODED = (
    "No exam is encoded with these weights yet. "
    "Press “Encode all exams” on the Worklist page; the job goes on when the page is closed."
)


def number_of_selected_row(rows: pd.DataFrame, event: gr.SelectData) -> int | None:
    """Return the value of the column `number` in the row that was clicked; None for an empty table."""
    return int(rows.iloc[event.index[0]]["number"]) if len(rows) else None
