"""Sessions of Gradio without the copy of every component that it keeps for deep links, which are closed here.

The copy holds what was typed and shown, takes half a megabyte and most of the time of a first event.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
from gradio.state_holder import SessionState, StateHolder


class LeanSession(SessionState):
    """A session that keeps its state alone."""

    def __init__(self, blocks: gr.Blocks):
        super().__init__(cast(gr.Blocks, SimpleNamespace(default_config=blocks.default_config, blocks={})))
        self.blocks_config.config_for_block = _no_config  # type: ignore[method-assign, assignment]


class LeanSessions(StateHolder):
    """The sessions of an app, lean ones."""

    def __getitem__(self, session_id: str) -> SessionState:
        """Return a session, a new one where it is not known."""
        if session_id not in self.session_data:
            self.session_data[session_id] = LeanSession(self.blocks)
        return super().__getitem__(session_id)


def _no_config(*arguments: Any) -> dict[str, Any]:
    """No copy of a component."""
    return {}
