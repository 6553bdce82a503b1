"""Errors of the program behind the page: a sentence for the visitor, and the place of the error in a private log.

Gradio and the web server would print the error with its message, which may hold a name of a file or a value of a
header.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from mvmlm.private_log import PrivateLog, traceback_without_values
from mvmlm.store.store import Store

from .event_log import EventLog

LOG = "app.log"
FAILED = (
    f"This failed on an error of the program; {LOG} in the data folder says where. "
    "Load the page again. If it fails again, report it, without patient data."
)


def log_privately(demo: gr.Blocks, store: Store) -> EventLog:
    """Write the errors of all handlers of the pages to the log in the data folder, without messages and values.

    Returns the log. Where it has events, each call of a handler is one. Raises ValueError for an unknown format.
    """
    log = EventLog(PrivateLog(store.folder / LOG), store.file.hashed)
    for event in demo.fns.values():
        if event.fn is not None:
            event.fn = _with_private_errors(event.fn, log)
    demo.process_api = _without_values_in_print(demo.process_api, log)  # type: ignore[method-assign]
    server = logging.getLogger("uvicorn.error")
    if not any(isinstance(known, _WithoutValues) for known in server.filters):
        server.addFilter(_WithoutValues())
    return log


def _with_private_errors(handler: Callable[..., Any], log: EventLog) -> Callable[..., Any]:
    name = _name_of(handler)

    @functools.wraps(handler)
    def run(*values: Any) -> Any:
        try:
            with log.handled(name, LocalContext.request.get(None)):
                return handler(*values)
        except gr.Error:
            raise
        except Exception as error:
            log.log.failure(f"{name} failed", error, handler=name)
            raise gr.Error(FAILED, print_exception=False) from None

    run.__qualname__ = name  # by which its role is found: `wraps` leaves out that of a partial
    # Gradio asks for it at each event
    run.__signature__ = inspect.signature(handler)  # type: ignore[attr-defined]
    return run


def _name_of(handler: Callable[..., Any]) -> str:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return getattr(handler, "__qualname__", type(handler).__name__)


def _without_values_in_print(process: Callable[..., Any], log: EventLog) -> Callable[..., Any]:
    """Gradio's handling of an event, so that nothing is printed of values that do not fit a component.

    Gradio checks them before it calls a handler, and prints its error with the value.
    """

    @functools.wraps(process)
    async def run(*arguments: Any, **named: Any) -> Any:
        try:
            return await process(*arguments, **named)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            log.log.failure("an event failed outside its handler", error)
            raise gr.Error(FAILED, print_exception=False) from None

    return run


class _WithoutValues(logging.Filter):
    """Takes the messages of exceptions out of what the web server logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True: every record is logged."""
        if record.exc_info and record.exc_info[1] is not None:
            record.msg = f"{record.getMessage()}\n{traceback_without_values(record.exc_info[1])}"
            record.args = ()
            record.exc_info = None
        return True
