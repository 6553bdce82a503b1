"""A text tower from the Hugging Face hub, such as Bio_ClinicalBERT, for the larger presets.

Its configuration and vocabulary are part of our weights files, so only the start of a pretraining needs the hub, or a
folder with the same files.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class HubError(RuntimeError):
    """The text encoder is not available. The message says how to get it."""


def _transformers():
    try:
        import transformers
    except ImportError:
        raise HubError("This preset's text encoder needs the transformers package: pip install transformers") from None
    return transformers


def _from_pretrained(kind: str, name: str):
    """Load `transformers.<kind>` by its name on the hub, or from a folder. Raises HubError."""
    try:
        return getattr(_transformers(), kind).from_pretrained(name)
    except (OSError, ValueError) as error:
        raise HubError(
            f"The preset's text encoder {name} could not be downloaded ({type(error).__name__}); --start gives the "
            "image tower only. Download it on a machine with a network and copy the Hugging Face cache (HF_HOME), or "
            "give --preset FILE.json, a copy of the preset with the encoder's folder as hub_model, or --preset demo, "
            "which needs none."
        ) from None


def hub_vocabulary(name: str) -> tuple[str, ...]:
    """Return the WordPiece tokens of a hub model, in the order of their ids. Raises HubError."""
    known = _from_pretrained("AutoTokenizer", name).get_vocab()
    return tuple(sorted(known, key=known.get))


class WordPieces:
    """BERT's WordPiece tokenizer with the vocabulary of a weights file; used like `tokenizer.ReportTokenizer`."""

    def __init__(self, vocabulary: Sequence[str], context_length: int):
        """vocabulary: all tokens by id. context_length: tokens of a text, start and end included."""
        from tokenizers import BertWordPieceTokenizer

        ids = {token: index for index, token in enumerate(vocabulary)}
        self.size, self.context_length = len(vocabulary), context_length
        self._unknown = ids["[UNK]"]
        lowercase = not any(token.isalpha() and token.isupper() and len(token) == 1 for token in vocabulary)
        self._pieces = BertWordPieceTokenizer(ids, lowercase=lowercase)
        self._pieces.enable_truncation(context_length)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return the tokens (texts, context_length) int64 of texts, padded with 0; a longer text is cut."""
        out = torch.zeros(len(texts), self.context_length, dtype=torch.long)
        for row, coded in zip(out, self._pieces.encode_batch(list(texts)), strict=True):
            row[: len(coded.ids)] = torch.tensor(coded.ids)
        return out

    def unknown_words(self, text: str) -> list[str]:
        """Return the words that WordPiece cannot spell, or leaves out as control characters, in order."""
        coded = {word: self._pieces.encode(word) for word in text.split()}
        return [word for word, own in coded.items() if self._unknown in own.ids or all(own.special_tokens_mask)]


class HubText(nn.Module):
    """A BERT encoder, read at the last token of each text, and a projection into the joint space."""

    def __init__(self, hub_model: str, config: dict, output_dim: int):
        """Build the encoder with random weights.

        hub_model: its name on the hub, or a folder. config: the values of a `transformers.BertConfig`. Raises HubError
        where transformers is not installed.
        """
        super().__init__()
        library = _transformers()
        self.hub_model = hub_model
        self.encoder = library.BertModel(library.BertConfig(**config), add_pooling_layer=False)
        self.projection = nn.Linear(config["hidden_size"], output_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return embeddings (texts, output_dim) of tokens (texts, context_length)."""
        attended = tokens != 0
        states = self.encoder(tokens, attention_mask=attended).last_hidden_state
        last = attended.sum(1) - 1
        return self.projection(states[torch.arange(len(tokens), device=tokens.device), last])

    def start_from_hub(self) -> None:
        """Load the published weights of the encoder. Raises HubError."""
        published = _from_pretrained("BertModel", self.hub_model).state_dict()
        self.encoder.load_state_dict(
            {name: value for name, value in published.items() if not name.startswith("pooler.")}
        )
