"""Checks that a checkpoint has the layout that a family is known to have: names and shapes, nothing more or less."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from .checkpoint_file import Checkpoint, CheckpointError, StoredTensor

LISTED = 8  # names in a message


def match_tensors(
    checkpoint: Checkpoint,
    found: Mapping[str, StoredTensor],
    expected: Mapping[str, Sequence[int]],
    not_needed: Iterable[str] = (),
) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint under the names that they have there, when all are there and no other.

    found: those of the checkpoint. expected: name -> shape. not_needed: names that may be there and are left out.
    Raises CheckpointError with the list of the names that are missing, not known, or of another shape.
    """
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected and name not in {*not_needed}]
    others = [
        f"{name} {list(found[name].shape)} where {list(shape)} is expected"
        for name, shape in expected.items()
        if name in found and found[name].shape != tuple(shape)
    ]
    problems = [
        f"{what}: {listed(names)}"
        for what, names in (("missing", missing), ("not known", unknown), ("of another shape", others))
        if names
    ]
    if problems:
        raise CheckpointError(
            f"{checkpoint.name}: not the layout that is known of this family, so it is not converted. "
            f"Tensors {'; '.join(problems)}."
        )
    return {name: checkpoint.read(found[name]) for name in expected}


def listed(names: Sequence[str]) -> str:
    """Return the first names of a list, without characters that no tensor's name has, and how many more there are."""
    shown = [re.sub(r"[^\w.,\[\] -]", "?", name)[:120] for name in names[:LISTED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def shape_of(checkpoint: Checkpoint, found: Mapping[str, StoredTensor], name: str, dimensions: int) -> tuple[int, ...]:
    """Return the shape of a tensor from which a size is read. Raises CheckpointError where it is not as known."""
    if name not in found or len(found[name].shape) != dimensions:
        raise CheckpointError(
            f"{checkpoint.name}: not the layout that is known of this family, so it is not converted. "
            f"Tensor missing, or of another shape: {name}."
        )
    return found[name].shape
