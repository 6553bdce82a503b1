"""The bundled exams: decoded once, and shown to every visitor who asks."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import gradio as gr

from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.memory_budget import Reserve, reserve_nothing

from .opening import open_files
from .visit import Visit, delete_files

DEMO_EXAMS = Path(__file__).resolve().parent.parent.parent / "assets" / "demo_exams"
DEMOS = {"film": "film exam", "phantom": "phantom exam"}
DEMO_SOURCES = {
    "film": "Demo: digitised film of case Mass-Test_P_00820 of CBIS-DDSM, CC BY 3.0, at half size (sources: About). "
    "The bundled weights learned from this woman’s films, so how well they answer here shows nothing.",
    "phantom": "Demo: a computed phantom, not a patient.",
}


class DemoExams:
    """Opens bundled exams. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: dict[str, Visit] = {}

    def open(
        self, demo: str, visit: Visit, decoder: Decoder, request: gr.Request, reserve: Reserve = reserve_nothing
    ) -> tuple[Visit, str]:
        """Return the visit with a bundled exam, and its source.

        demo: a key of DEMOS. Each visitor has an exam of their own, with pictures that are the same in memory.
        """
        visit = visit.opened_by(request)
        with self._lock:
            opened = self._opened.get(demo)
            if opened is None:
                opened, message = open_files([DEMO_EXAMS / demo], None, Visit(), decoder, reserve)
                if opened.exam is None or message:
                    return visit, message
                self._opened[demo] = opened
        assert opened.exam is not None
        delete_files(visit)
        exam = replace(opened.exam)
        return Visit(visit.owner, exam, group=opened.group, title=f"Demo: {DEMOS[demo]}"), DEMO_SOURCES[demo]
