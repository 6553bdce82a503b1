"""The arguments and results of the API, in the terms of `mvmlm predict --json` (docs/json.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mvmlm.inference.map_methods import DEFAULT_METHOD, METHODS

USE: Final = "research use only, not for diagnosis"
MOST_FILES, MOST_PROMPTS = 1000, 200
Laterality = Literal["R", "L"]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NoArguments(_Sent):
    """The arguments of `models`: none."""


class ExamFiles(_Sent):
    """The arguments of `predict`: the files of one exam of one woman."""

    files: list[Text] = Field(
        min_length=1, max_length=MOST_FILES, description="Names in the answer to the upload. A file is used once."
    )
    answers: list[Text] = Field(
        default=[], max_length=MOST_FILES, description="Answers to questions about files, each FILE:KEY=VALUE."
    )


class FilesAndPrompts(ExamFiles):
    """The arguments of `score_prompts`."""

    prompts: list[Text] = Field(
        min_length=1, max_length=MOST_PROMPTS, description="Sentences, or pairs “positive | negative”."
    )


class FilesAndTarget(ExamFiles):
    """The arguments of `evidence_map`: either a task and its class, or a prompt."""

    task: str = Field(default="", max_length=200, description="A task that is answered for this exam.")
    class_: str = Field(default="present", alias="class", max_length=200, description="A class of the task.")
    prompt: str = Field(default="", max_length=2000, description="Instead of a task.")
    method: Literal[tuple(METHODS)] = DEFAULT_METHOD  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _one_target(self) -> FilesAndTarget:
        if bool(self.task) == bool(self.prompt.strip()):
            raise ValueError("give either a task or a prompt")
        return self


class _Returned(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Model(_Returned):
    """The model that answered."""

    name: str
    version: str


class Mark(_Returned):
    """What must be known about a file, see docs/marks.md. file: "" for the exam."""

    code: str
    file: str
    text: str


class Question(Mark):
    """A fact that only the reader knows; the view is not scored until it is answered."""

    key: str
    choices: list[str]


class UsedView(_Returned):
    """A standard view that was read."""

    view: str
    file: str
    rows: int
    columns: int
    guessed: list[str] = Field(description="Facts about the view that were inferred, such as laterality.")


class Exam(_Returned):
    """What the files are."""

    views: list[UsedView]
    extra: list[str] = Field(description="Usable files that are no standard view, or not the one that was read.")
    missing: list[str]
    not_used: list[Mark]
    marks: list[Mark]
    questions: list[Question]


class Answer(_Returned):
    """The probability of one class."""

    task: str
    laterality: Laterality | None = Field(description="null: the exam.")
    class_: str = Field(alias="class")
    probability: float = Field(ge=0, le=1, description="A score, not a probability, where `calibrated` is false.")
    by: Literal["head", "prompt"]
    calibrated: bool
    at_chance: bool = Field(description="The head was no better than chance when it was measured.")


class NotAnswered(_Returned):
    """A task without an answer for this exam, and why."""

    task: str
    reason: str


class Prediction(_Returned):
    """The result of `predict`."""

    model: Model
    exam: Exam
    predictions: list[Answer]
    not_answered: list[NotAnswered]
    quality_notes: list[str]
    use: Literal["research use only, not for diagnosis"] = USE


class Similarity(_Returned):
    """The cosine similarity of a prompt with a view, a breast (view null) or the exam (both null)."""

    prompt: str
    view: str | None
    laterality: Laterality | None
    similarity: float
    probability: float | None = Field(description="Of a pair: of the positive prompt, 0 to 1.")


class Similarities(_Returned):
    """The result of `score_prompts`."""

    model: Model
    exam: Exam
    prompts: list[Similarity]
    quality_notes: list[str]
    use: Literal["research use only, not for diagnosis"] = USE


class ViewMap(_Returned):
    """The map of one view, a PNG of 16 bits in pixels of the file: 65535 is 1."""

    view: str
    file: str
    rows: int
    columns: int
    png: str = Field(description="Base64.")


class Maps(_Returned):
    """The result of `evidence_map`."""

    model: Model
    exam: Exam
    target: str
    method: str
    shows: str
    scale: str
    lowest: float = Field(description="Smaller values are written as 0.")
    maps: list[ViewMap]
    quality_notes: list[str]
    use: Literal["research use only, not for diagnosis"] = USE


class KnownTask(_Returned):
    """A task that the model knows. answered: a head answers it; an exam may still get no answer."""

    task: str
    title: str
    level: Literal["breast", "exam"]
    classes: list[str]
    answered: bool


class KnownModel(Model):
    """A model that answers."""

    tasks: list[KnownTask]
    prompts: bool = Field(description="Whether it can be asked in words.")
    map_methods: list[str]


class Models(_Returned):
    """The result of `models`."""

    models: list[KnownModel]
    use: Literal["research use only, not for diagnosis"] = USE


#: for each function its arguments and its result
FUNCTIONS: Mapping[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "models": (NoArguments, Models),
    "predict": (ExamFiles, Prediction),
    "score_prompts": (FilesAndPrompts, Similarities),
    "evidence_map": (FilesAndTarget, Maps),
}


def check_call(function: str, sent: Mapping[str, Any]) -> list[Any]:
    """Return the arguments of a call in the order of the function; defaults stand for what was not sent.

    Raises ValueError with a sentence that names each argument which does not fit, never its value.
    """
    arguments = FUNCTIONS[function][0]
    try:
        checked = arguments.model_validate(dict(sent))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False, include_context=False)[:5]
        )
        raise ValueError(f"{function} was not called: {wrong}. docs/api.md lists its arguments.") from None
    return [getattr(checked, name) for name in arguments.model_fields]


def description() -> dict[str, Any]:
    """Return the API as JSON Schema: for each function its arguments and its result."""
    return {
        name: {"arguments": sent.model_json_schema(), "result": returned.model_json_schema(mode="serialization")}
        for name, (sent, returned) in FUNCTIONS.items()
    }
