"""Mammo-CLIP (Ghosh et al., MICCAI 2024): EfficientNet B2 or B5, and Bio_ClinicalBERT.

Files: `b2-model-best-epoch-10.tar` and `b5-model-best-epoch-7.tar`, pickled despite their ending.
"""

from __future__ import annotations

from collections.abc import Sequence

from .checkpoint_file import Checkpoint
from .clip_layout import check_vocabulary, convert_clip, only_checkpoint
from .clip_network import ClipNetwork
from .family import Converted, Family

TEXT_PREFIX = "text_encoder.text_encoder."


def _convert(checkpoints: Sequence[Checkpoint], vocabulary: str) -> Converted:
    checkpoint = only_checkpoint(checkpoints, "Mammo-CLIP")
    words = vocabulary.strip("\n")
    converted = convert_clip(checkpoint, "Mammo-CLIP", TEXT_PREFIX, words)
    if words:
        check_vocabulary(words.split("\n"), converted.sizes["text_vocabulary"], "vocab.txt")
    return converted


FAMILY = Family(
    "mammo-clip",
    "Mammo-CLIP",
    "mammo-clip",
    _convert,
    ClipNetwork,
    notes=(
        "Its probabilities come from plain cosines, as in its published evaluation, and all lie near one half: compare "
        "exams by them, do not read them as risks.",
    ),
)
