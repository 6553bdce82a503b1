"""What the app writes down of its own errors."""

import asyncio
import logging
import stat

import gradio as gr
import pytest
from gradio.helpers import special_args
from gradio.state_holder import SessionState

from app.error_log import LOG, log_privately

SECRET = "MUELLER_ANNA.dcm"


def failing(value: str, request: gr.Request) -> str:
    raise ValueError(f"{value}: {SECRET}")


def refusing() -> None:
    raise gr.Error("Choose an exam first.", print_exception=False)


@pytest.fixture
def events(store):
    """The events of a page, by the name of their handler."""
    with gr.Blocks() as demo:
        button, text = gr.Button(), gr.Textbox()
        button.click(failing, text, text)
        button.click(refusing)
        button.click(None, js="() => 1")
    log_privately(demo, store)
    return {event.fn.__qualname__: event for event in demo.fns.values() if event.fn is not None}


def test_an_error_is_logged_without_values_and_said_in_a_sentence(events, store, capsys):
    with pytest.raises(gr.Error) as said:
        events["failing"].fn("4711", None)
    log = (store.folder / LOG).read_text(encoding="utf-8")
    assert "failing failed" in log and "test_error_log.py:" in log and "builtins.ValueError" in log
    for text in (log, str(said.value), *capsys.readouterr()):
        assert SECRET not in text and "4711" not in text
    assert not said.value.print_exception and said.value.__suppress_context__ and LOG in str(said.value)
    assert stat.S_IMODE((store.folder / LOG).stat().st_mode) == 0o600


@pytest.mark.parametrize("choices, value", [(["a", "b"], SECRET), (None, [SECRET])])
def test_a_value_that_fits_no_component_is_not_printed(store, capsys, choices, value):
    with gr.Blocks() as demo:
        component = gr.Radio(choices) if choices else gr.File(file_count="multiple")
        gr.Button().click(lambda given: None, component)
    log_privately(demo, store)
    with pytest.raises(gr.Error) as said:
        asyncio.run(demo.process_api(next(iter(demo.fns.values())), [value], SessionState(demo)))
    assert not said.value.print_exception
    log = (store.folder / LOG).read_text(encoding="utf-8") if (store.folder / LOG).exists() else ""
    assert SECRET not in log + "".join(capsys.readouterr())


def test_a_sentence_for_the_visitor_stays_and_is_not_logged(events, store):
    with pytest.raises(gr.Error, match="Choose an exam first"):
        events["refusing"].fn()
    assert not (store.folder / LOG).exists()


def test_handlers_still_get_the_request(events):
    assert special_args(events["failing"].fn, ["a"], "the request")[0] == ["a", "the request"]


def test_the_web_server_logs_errors_without_their_message(events, caplog):
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(caplog.handler)  # whether its records reach the root logger is up to the server
    with caplog.at_level(logging.ERROR, logger.name):  # a server of another test may have set a higher one
        try:
            raise KeyError(SECRET)
        except KeyError:
            logger.error("Exception in ASGI application", exc_info=True)
    logger.removeHandler(caplog.handler)
    assert "Exception in ASGI application" in caplog.text and "builtins.KeyError" in caplog.text
    assert SECRET not in caplog.text
