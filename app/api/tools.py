"""The functions of the API as MCP tools, which a language model may call: open with a switch, and with a key only.

Gradio's server of tools calls what is not queued directly, with the request of the program that asked. What is queued
it would call over HTTP, without a key. So the tools take their turns here.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, cast

import gradio as gr
from starlette.requests import Request

from mvmlm.inference.map_methods import DEFAULT_METHOD

from .functions import ApiFunctions
from .types import check_call

NOT_INSTALLED = "The tools need the packages of MCP: pip install '.[mcp]' in the checkout."
WAITING = 4  # calls that wait for their turn or run; each holds a thread that the pages need too
BUSY = "Other calls are running. Call the tool again in a minute."


class NoTools(Exception):
    """Raised where the tools cannot be offered; the message says what to do."""


class ApiTools:
    """The tools. Each has the name, the arguments and the result, as JSON, of a function of the API."""

    def __init__(self, functions: ApiFunctions):
        self._functions = functions
        self._places, self._turn = threading.BoundedSemaphore(WAITING), threading.Lock()

    def connect(self) -> None:
        """Add the tools to the Blocks that are being laid out. Raises NoTools without the packages of MCP."""
        if find_spec("mcp") is None:
            raise NoTools(NOT_INSTALLED)
        for tool in (self.models, self.predict, self.score_prompts, self.evidence_map):
            gr.api(tool, api_name=f"tool_{tool.__name__}", queue=False, api_visibility="public")

    def models(self, request: gr.Request) -> str:
        """Return which model answers, its tasks, and its methods of maps. Research use only, not for diagnosis."""
        return self._answer("models", request, {})

    def predict(self, files: list[str], request: gr.Request, answers: list[str] | None = None) -> str:
        """Return what the model answers for a mammography exam. Research use only, not for diagnosis.

        A task in not_answered has no number. Where calibrated is false, the number is a score and no probability.

        Args:
            files: the names that POST /gradio_api/upload answered for the files of one exam; each is used once
            answers: answers to questions about files, each FILE:KEY=VALUE
        """
        return self._answer("predict", request, {"files": files, "answers": answers or []})

    def score_prompts(
        self, files: list[str], prompts: list[str], request: gr.Request, answers: list[str] | None = None
    ) -> str:
        """Return the cosine similarity of prompts with each view, each breast and the exam. Research use only.

        Args:
            files: the names that POST /gradio_api/upload answered for the files of one exam; each is used once
            prompts: sentences, or pairs "positive | negative"
            answers: answers to questions about files, each FILE:KEY=VALUE
        """
        return self._answer("score_prompts", request, {"files": files, "answers": answers or [], "prompts": prompts})

    def evidence_map(
        self,
        files: list[str],
        request: gr.Request,
        task: str = "",
        class_: str = "present",
        prompt: str = "",
        method: str = DEFAULT_METHOD,
        answers: list[str] | None = None,
    ) -> str:
        """Return a map for each view, a PNG in base64: what raised an answer, no lesion outline. Research use only.

        Args:
            files: the names that POST /gradio_api/upload answered for the files of one exam; each is used once
            task: a task that is answered for this exam
            class_: a class of the task
            prompt: a sentence instead of a task
            method: one of the map_methods of the tool models
            answers: answers to questions about files, each FILE:KEY=VALUE
        """
        asked = {"task": task, "class": class_, "prompt": prompt, "method": method}
        return self._answer("evidence_map", request, {"files": files, "answers": answers or [], **asked})

    def _answer(self, function: str, request: gr.Request, sent: Mapping[str, Any]) -> str:
        """Call a function when its turn comes, in a session of its own.

        request: of Starlette, which is what Gradio gives a tool whatever it asks for. Raises gr.Error for arguments
        that do not fit, and where too many calls wait.
        """
        try:
            arguments = check_call(function, sent)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from None
        if not self._places.acquire(blocking=False):
            raise gr.Error(BUSY, print_exception=False)
        try:
            with self._turn:
                asked = gr.Request(request=cast(Request, request), session_hash=secrets.token_hex(16))
                return json.dumps(getattr(self._functions, function)(*arguments, asked))
        finally:
            self._places.release()
