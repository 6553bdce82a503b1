"""A text tower from the Hugging Face hub, such as Bio_ClinicalBERT, for the larger presets.

Architecture and vocabulary travel with the weights, so only the start of a pretraining needs the hub (or a folder).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class HubError(RuntimeError):
    """The text encoder cannot be had; the text says how to get it."""


def _transformers():
    try:
        import transformers
    except ImportError:
        raise HubError("this preset's text encoder needs the transformers package: pip install transformers") from None
    return transformers


def _fetched(kind: str, name: str):
    try:
        return getattr(_transformers(), kind).from_pretrained(name)
    except (OSError, ValueError) as error:
        raise HubError(
            f"the text encoder {name} could not be fetched ({type(error).__name__}). Fetch it once on a machine with a "
            "network and copy the Hugging Face cache (HF_HOME), or put its folder's path into the preset as hub_model"
        ) from None


def hub_vocabulary(name: str) -> tuple[str, ...]:
    """The WordPiece tokens of a hub model, in the order of their ids. Raises HubError."""
    known = _fetched("AutoTokenizer", name).get_vocab()
    return tuple(sorted(known, key=known.get))


class WordPieces:
    """BERT's own tokenizer on the vocabulary that travels with the weights; the interface of model.ReportTokenizer."""

    def __init__(self, vocabulary: Sequence[str], context_length: int):
        from tokenizers import BertWordPieceTokenizer

        ids = {token: index for index, token in enumerate(vocabulary)}
        self.size, self.context_length = len(vocabulary), context_length
        self._unknown = ids["[UNK]"]
        lowercase = not any(token.isalpha() and token.isupper() and len(token) == 1 for token in vocabulary)
        self._pieces = BertWordPieceTokenizer(ids, lowercase=lowercase)
        self._pieces.enable_truncation(context_length)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """-> (texts, context_length) int64, 0 is padding; what is longer is cut."""
        out = torch.zeros(len(texts), self.context_length, dtype=torch.long)
        for row, coded in zip(out, self._pieces.encode_batch(list(texts)), strict=True):
            row[: len(coded.ids)] = torch.tensor(coded.ids)
        return out

    def unknown_words(self, text: str) -> list[str]:
        """The words that WordPiece cannot spell, in order."""
        return [word for word in dict.fromkeys(text.split()) if self._unknown in self._pieces.encode(word).ids]


class HubText(nn.Module):
    """A BERT of `config`, read at its last token, and a projection into the joint space."""

    def __init__(self, hub_model: str, config: dict, output_dim: int):
        super().__init__()
        library = _transformers()
        self.hub_model = hub_model
        self.encoder = library.BertModel(library.BertConfig(**config), add_pooling_layer=False)
        self.projection = nn.Linear(config["hidden_size"], output_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(texts, context_length) -> (texts, output_dim)."""
        attended = tokens != 0
        states = self.encoder(tokens, attention_mask=attended).last_hidden_state
        last = attended.sum(1) - 1
        return self.projection(states[torch.arange(len(tokens), device=tokens.device), last])

    def start_from_hub(self) -> None:
        """The published weights of the encoder. Raises HubError."""
        published = _fetched("BertModel", self.hub_model).state_dict()
        self.encoder.load_state_dict(
            {name: value for name, value in published.items() if not name.startswith("pooler.")}
        )
