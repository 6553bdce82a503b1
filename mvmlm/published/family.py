"""What a family of published models is: how its checkpoints are read, and how its network is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ..model.exam_network import ExamNetwork
from .checkpoint_file import Checkpoint
from .record import PublishedRecord


class Converted(NamedTuple):
    """What a converted file holds of a model: the sizes of its network, its tensors, and its tokenizer as text."""

    sizes: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    vocabulary: str = ""


class Family(NamedTuple):
    """A family of published models.

    name: in commands and files. title: on screen. preparation: the name of its preset of pictures. convert: from its
    checkpoints and the text of a tokenizer file ("" where none is given); raises CheckpointError for a layout that is
    not known. build: the network of a record, with random weights. tasks: those that its own heads answer. notes: what
    a reader of its answers must know, a sentence each.
    """

    name: str
    title: str
    preparation: str
    convert: Callable[[Sequence[Checkpoint], str], Converted]
    build: Callable[[PublishedRecord], ExamNetwork]
    tasks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
