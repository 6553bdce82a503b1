"""Wiring of Gradio events: the options that all events of the pages share, with their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from gradio.components import Component
from gradio.events import Dependency

from .event_queue import PAGES

Components = Component | Sequence[Any] | None
#: connects an event so that the reading page opens the stored exam whose number a component holds; with JavaScript that
#: gives the number instead, and with the worklist's controls, which say in which list it is read
OpensExam = Callable[..., Dependency]
#: connects an event so that the reading page goes on with the session whose number a component holds
StartsSession = Callable[..., Dependency]


def connect(
    event: Callable[..., Dependency],
    handler: Callable[..., Any] | None,
    inputs: Components = None,
    outputs: Components = None,
    *,
    progress_on: Component | None = None,
    progress: Literal["full", "minimal"] = "minimal",
    lane: str | None = PAGES,
    trigger: Literal["once", "multiple", "always_last"] | None = None,
    js: str | None = None,
) -> Dependency:
    """Call `handler` on an event of a component, such as `button.click`; the event is not part of the API.

    progress_on: where the progress is shown; nowhere where None. Never on the outputs, as Gradio does: the page looks
    at every component that ever showed a progress, and at all within it, at each event of any other. lane: a visitor's
    events of the same lane (`app.event_queue`) run one after the other, in the order in which they were raised; None
    runs a quick handler at once, beside the others. trigger: what happens to an event that is raised while an earlier
    one still runs. js: JavaScript to run in the browser instead of a handler, or before it.
    """
    return event(
        handler,
        inputs,
        outputs,
        api_visibility="private",
        show_progress=progress if progress_on is not None else "hidden",
        show_progress_on=[progress_on] if progress_on is not None else [],
        concurrency_id=lane,
        concurrency_limit="default" if lane is None else None,
        trigger_mode=trigger,
        js=js,
    )
