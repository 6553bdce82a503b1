"""The text towers of published models: BERT and ModernBERT of transformers, and the tokenizers that they learned with.

The reports that they learned from were in lower case, with words and punctuation signs apart; so are texts here.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..model.hf_text_tower import WordPieces
from .record import PublishedRecord

HEAD_WIDTH = 64  # of each attention head; no tensor shows it, but every published BERT and ModernBERT has it
MODERN_BERT_PADDING = 50283


def as_in_reports(text: str) -> str:
    """Return a text as the reports were written that the models learned from."""
    return " ".join(re.findall(r"\w+|[^\w\s]+", text.lower()))


class TextTower(nn.Module):
    """A text encoder, read at the last token of each text, and its projection into the joint space."""

    encoder: nn.Module

    def __init__(self, record: PublishedRecord, width: int):
        """width: of the encoder's states. Without a vocabulary in the record the tower cannot read text."""
        super().__init__()
        self.vocabulary, self.context = record.vocabulary, int(record.sizes["context"])
        self.projection = nn.Linear(width, int(record.sizes["joint"]))

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings (texts, joint width) of texts; a longer one is cut at the context length."""
        tokens, attended = self.tokens([as_in_reports(text) for text in texts])
        device = self.projection.weight.device
        tokens, attended = tokens.to(device), attended.to(device)
        last = attended.sum(1) - 1
        return self.projection(self.states(tokens, attended)[torch.arange(len(tokens), device=device), last])

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the tokens (texts, n) int64 of texts, and which of them are attended to, bool."""

    @abstractmethod
    def states(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """Return the last states (texts, n, width) of tokens."""

    def unknown_words(self, text: str) -> list[str]:
        """Return the words that the tokenizer cannot spell, in order."""
        return []


class BertTower(TextTower):
    """BERT with WordPieces: Bio_ClinicalBERT (Alsentzer et al., 2019) in the published Mammo-CLIP."""

    def __init__(self, record: PublishedRecord):
        """Build the tower with random weights."""
        from transformers import BertConfig, BertModel

        sizes = record.sizes
        super().__init__(record, sizes["text_width"])
        config = BertConfig(
            vocab_size=sizes["text_vocabulary"], hidden_size=sizes["text_width"],
            num_hidden_layers=sizes["text_layers"], num_attention_heads=sizes["text_width"] // HEAD_WIDTH,
            intermediate_size=sizes["text_hidden"], max_position_embeddings=sizes["text_positions"],
        )  # fmt: skip
        self.encoder = BertModel(config, add_pooling_layer=False)
        words = self.vocabulary.split("\n")
        self._pieces = WordPieces(words, self.context) if self.vocabulary else None

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the tokens (texts, n) int64 of texts, and which of them are attended to, bool."""
        assert self._pieces is not None  # without a vocabulary there is no joint space
        tokens = self._pieces(texts)
        attended = tokens != 0
        longest = int(attended.sum(1).max())
        return tokens[:, :longest], attended[:, :longest]

    def states(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """Return the last states (texts, n, width) of tokens."""
        return self.encoder(tokens, attention_mask=attended).last_hidden_state

    def unknown_words(self, text: str) -> list[str]:
        """Return the words that WordPiece cannot spell, in order."""
        return self._pieces.unknown_words(as_in_reports(text)) if self._pieces else []


class ModernBertTower(TextTower):
    """ModernBERT (Warner et al., 2024) with its own tokenizer, in Mammo-FM.

    The published code takes the state before the last normalisation: `hidden_states[-1]` of transformers 4.48.
    """

    def __init__(self, record: PublishedRecord):
        """Build the tower with random weights."""
        from transformers import ModernBertConfig, ModernBertModel

        sizes = record.sizes
        super().__init__(record, sizes["text_width"])
        config = ModernBertConfig(
            vocab_size=sizes["text_vocabulary"], hidden_size=sizes["text_width"],
            num_hidden_layers=sizes["text_layers"], num_attention_heads=sizes["text_width"] // HEAD_WIDTH,
            intermediate_size=sizes["text_hidden"], pad_token_id=None, bos_token_id=None, eos_token_id=None,
            cls_token_id=None, sep_token_id=None,
        )  # fmt: skip
        self.encoder: Any = ModernBertModel(config)
        self._tokenizer: Any = None
        if self.vocabulary:
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_str(self.vocabulary)
            self._tokenizer.enable_truncation(self.context)
            self._tokenizer.enable_padding(pad_id=MODERN_BERT_PADDING, pad_token="[PAD]")

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the tokens (texts, n) int64 of texts, and which of them are attended to, bool."""
        coded = self._tokenizer.encode_batch(list(texts))
        return torch.tensor([each.ids for each in coded]), torch.tensor([each.attention_mask for each in coded]).bool()

    def states(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """Return the states (texts, n, width) of tokens before the last normalisation."""
        kept: list[Tensor] = []
        hook = self.encoder.final_norm.register_forward_pre_hook(lambda module, given: kept.append(given[0]))
        try:
            self.encoder(tokens, attention_mask=attended)
        finally:
            hook.remove()
        return kept[0]


def text_tower(record: PublishedRecord) -> TextTower:
    """Return the text tower that a record describes, with random weights."""
    return ModernBertTower(record) if record.sizes.get("modern_bert") else BertTower(record)
