"""Mammo-FM (arXiv 2512.00198): the image tower of Mammo-CLIP B5 and a ModernBERT, or a BERT where the file says so.

Files: `Mammo-FM_BatmanlabTrained_CLIP.tar` (BU, UPMC, EMBED) and `Mammo-FM_ASU_Trained_CLIP.tar` (Mayo).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from .checkpoint_file import Checkpoint, CheckpointError
from .clip_layout import check_vocabulary, convert_clip, only_checkpoint
from .clip_network import ClipNetwork
from .family import Converted, Family

#: of a ModernBERT, which the published code loads as it is, and of a BERT in its wrapper
TEXT_PREFIXES = ("text_encoder.text_encoder.", "text_encoder.")


def _convert(checkpoints: Sequence[Checkpoint], vocabulary: str) -> Converted:
    checkpoint = only_checkpoint(checkpoints, "Mammo-FM")
    root = checkpoint.root
    names = root["model"] if isinstance(root, dict) and isinstance(root.get("model"), dict) else {}
    prefix = next((each for each in TEXT_PREFIXES if any(str(name).startswith(each) for name in names)), "")
    converted = convert_clip(checkpoint, "Mammo-FM", prefix or TEXT_PREFIXES[-1], vocabulary.strip("\n"))
    if converted.sizes["variant"] == 2 and not converted.sizes.get("modern_bert"):
        raise CheckpointError(f"{checkpoint.name}: this is a Mammo-CLIP B2, not a Mammo-FM. Convert it as mammo-clip.")
    if vocabulary and converted.sizes.get("modern_bert"):
        _check_tokenizer(vocabulary, converted.sizes["text_vocabulary"])
    elif vocabulary:
        check_vocabulary(vocabulary.strip("\n").split("\n"), converted.sizes["text_vocabulary"], "vocab.txt")
    return converted


def _check_tokenizer(text: str, words: int) -> None:
    """Raise CheckpointError for a tokenizer file that is none, or that has more words than the text tower."""
    try:
        known = {*json.loads(text)["model"]["vocab"].values()}
        known |= {added["id"] for added in json.loads(text).get("added_tokens", [])}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise CheckpointError("tokenizer.json: no tokenizer. Give the tokenizer.json of ModernBERT-base.") from None
    if not known or max(known) >= words:
        raise CheckpointError(
            f"tokenizer.json: {len(known):,} words where the text tower has {words:,}. Give the tokenizer.json of "
            "ModernBERT-base."
        )


FAMILY = Family(
    "mammo-fm",
    "Mammo-FM",
    "mammo-clip",
    _convert,
    ClipNetwork,
    notes=(
        "Its probabilities come from plain cosines, and all lie near one half: compare exams by them, do not read them "
        "as risks.",
    ),
)
