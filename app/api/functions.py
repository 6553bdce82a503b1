"""The functions of the API: files that a key has uploaded go in, results of `types` come out, and nothing is kept."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cv2
import gradio as gr
import numpy as np

from mvmlm.exam import Exam
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.exam_changes import Answer as FileAnswer
from mvmlm.imaging.files import NoExam
from mvmlm.imaging.load import load_exam
from mvmlm.imaging.memory_budget import Reserve
from mvmlm.imaging.own_outputs import labelled
from mvmlm.imaging.preprocess import NoBreast
from mvmlm.imaging.studies import SeveralExams
from mvmlm.inference.map_methods import FLOOR, SCALE_NOTE, method_named
from mvmlm.store.api_keys import ApiKeys
from mvmlm.store.errors import StoreError

from ..event_queue import CALLS
from ..gate.refusal import Refused
from ..privacy import discard, key_of, visitor
from ..uploads import path_of_upload, take_uploads
from ..visits import Visits
from . import types
from .results import answers_of, described_exam, similarities_of, tasks_of

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor
    from mvmlm.inference.prediction import Prediction, Target

NO_KEY = "This function needs a key. See docs/api.md."
_LEVELS = 65535


class ApiFunctions:
    """What programs call. get_predictor: of the app's own store, whoever calls."""

    def __init__(self, get_predictor: Callable[[], ModelPredictor], decoder: Decoder, keys: ApiKeys, visits: Visits):
        self._get_predictor, self._decoder, self._keys, self._visits = get_predictor, decoder, keys, visits

    def connect(self) -> None:
        """Add the functions to the Blocks that are being laid out."""
        for function in (self.models, self.predict, self.score_prompts, self.evidence_map):
            gr.api(
                function,
                api_name=function.__name__,
                concurrency_id=CALLS,
                concurrency_limit=None,
                api_visibility="undocumented",  # which keeps them from the MCP tools
            )

    def models(self, request: gr.Request) -> dict[str, Any]:
        """Return the model that answers, its tasks, whether it can be asked in words, and its methods of maps."""
        with self._call("models", request):
            model = self._get_predictor()
            known = types.KnownModel(
                name=model.record.name,
                version=model.record.version,
                tasks=tasks_of(model),
                prompts=model.knows_text,
                map_methods=[method.name for method in model.map_methods],
            )
            return _sent(types.Models(models=[known]))

    def predict(self, files: list[str], answers: list[str], request: gr.Request) -> dict[str, Any]:
        """Return the answers for an exam: for each task, breast and class; what is not answered, and why."""
        with self._call("predict", request) as reserve, self._exam(files, answers, request, reserve) as exam:
            found = self._get_predictor().predict(exam)
            given, not_answered = answers_of(found)
            return _sent(
                types.Prediction(
                    model=_model(found),
                    exam=described_exam(exam),
                    predictions=given,
                    not_answered=not_answered,
                    quality_notes=_notes(found),
                )
            )

    def score_prompts(
        self, files: list[str], answers: list[str], prompts: list[str], request: gr.Request
    ) -> dict[str, Any]:
        """Return the similarity of each prompt with each view, each breast and the exam."""
        with self._call("score_prompts", request) as reserve, self._exam(files, answers, request, reserve) as exam:
            found = self._get_predictor().predict(exam, prompts)
            return _sent(
                types.Similarities(
                    model=_model(found),
                    exam=described_exam(exam),
                    prompts=similarities_of(found),
                    quality_notes=_notes(found),
                )
            )

    def evidence_map(
        self,
        files: list[str],
        answers: list[str],
        task: str,
        class_: str,
        prompt: str,
        method: str,
        request: gr.Request,
    ) -> dict[str, Any]:
        """Return a map for each view, in pixels of its file: what raised the answer for a class, or for a prompt."""
        with self._call("evidence_map", request) as reserve, self._exam(files, answers, request, reserve) as exam:
            model = self._get_predictor()
            found = model.predict(exam)
            target = _target(found, task, class_, prompt)
            maps = model.maps(found.encoding, [target], method)[target]
            chosen = method_named(method)
            note = f"{target}, {chosen.title}, {found.model} {found.version}. {SCALE_NOTE}"
            return _sent(
                types.Maps(
                    model=_model(found),
                    exam=described_exam(exam),
                    target=str(target),
                    method=method,
                    shows=chosen.shows,
                    scale=SCALE_NOTE,
                    lowest=FLOOR,
                    maps=[
                        types.ViewMap(
                            view=str(name),
                            file=exam.views[name].file,
                            rows=heat.shape[0],
                            columns=heat.shape[1],
                            png=_png(heat, note),
                        )
                        for name, heat in maps.items()
                    ],
                    quality_notes=_notes(found),
                )
            )

    @contextmanager
    def _call(self, name: str, request: gr.Request) -> Iterator[Reserve]:
        """Note the call in the history, and give it memory; what the caller can mend becomes a sentence for them."""
        key = key_of(request)
        if key is None:
            raise gr.Error(NO_KEY, print_exception=False)
        try:
            with self._visits.of_call(request) as reserve:
                self._keys.note_call(key.number, name)
                yield reserve
        except Refused as error:
            raise gr.Error(error.sentence, print_exception=False) from None
        except (NoExam, SeveralExams, NoBreast, StoreError, ValueError) as error:
            raise gr.Error(str(error), print_exception=False) from None

    @contextmanager
    def _exam(
        self, files: Sequence[str], answers: Sequence[str], request: gr.Request, reserve: Reserve
    ) -> Iterator[Exam]:
        """The exam in files that this key has uploaded; they are deleted once it is read."""
        owner = visitor(request)
        folder = take_uploads([path_of_upload(name, owner) for name in files], owner)
        try:
            answered = [FileAnswer.parse(text) for text in answers]
            exam = load_exam(sorted(folder.iterdir()), answers=answered, decoder=self._decoder, reserve=reserve)
        finally:
            discard(folder)
        yield exam


def _target(found: Prediction, task: str, class_: str, prompt: str) -> Target:
    """What a map is asked for. Raises ValueError for what this exam gets no answer for."""
    from mvmlm.inference.prediction import Target  # imports torch, which takes seconds: not before the page is there

    if prompt.strip():
        return Target(None, prompt.strip())
    if task in found.withheld:
        raise ValueError(f"{task}: there is no map, because it is not answered for this exam: {found.withheld[task]}")
    classes = list(dict.fromkeys(a.class_ for a in found.answers if (a.task, a.by) == (task, "head")))
    if not classes:
        raise ValueError(f"{task}: this model has no such task. `models` lists those that are answered.")
    if class_ not in classes:
        raise ValueError(f"{task} has no class {class_}. Choose one of {', '.join(classes)}.")
    return Target(task, class_)


def _png(heat: np.ndarray, note: str) -> str:
    levels = np.round(heat * _LEVELS).astype(np.uint16)
    return base64.b64encode(labelled(".png", levels, (cv2.IMWRITE_PNG_COMPRESSION, 1), note)).decode()


def _model(found: Prediction) -> types.Model:
    return types.Model(name=found.model, version=found.version)


def _notes(found: Prediction) -> list[str]:
    return [note.text for note in found.quality_notes]


def _sent(result: Any) -> dict[str, Any]:
    return result.model_dump(mode="json", by_alias=True)
