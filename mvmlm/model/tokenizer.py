"""The BPE tokenizer of reports and prompts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor


class ReportTokenizer:
    """open_clip's BPE tokenizer, limited to the part of its vocabulary that the training reports use.

    Ids: 0 is padding, 1 a token that training never saw, then come the known tokens, last the start and the end of a
    text. The end has the highest id, because the text transformer reads its output at the position of the highest id.
    """

    def __init__(self, vocabulary: Sequence[int], context_length: int):
        """vocabulary: known tokens of open_clip's tokenizer. context_length: tokens of a text, with start and end."""
        self.bpe = _bpe()
        self.context_length = context_length
        self.ids = {token: index for index, token in enumerate(vocabulary, start=2)}
        self.start = len(vocabulary) + 2
        self.size = len(vocabulary) + 4

    def __deepcopy__(self, memo: dict[int, object]) -> ReportTokenizer:
        """Return itself: it never changes, and its merges are those of every model (400,000 objects)."""
        return self

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return the tokens (texts, context_length) int64 of texts, padded with 0; a longer text is cut."""
        out = torch.zeros(len(texts), self.context_length, dtype=torch.long)
        for row, text in zip(out, texts, strict=True):
            tokens = [self.ids.get(token, 1) for token in self.bpe.encode(text)][: self.context_length - 2]
            row[: len(tokens) + 2] = torch.tensor([self.start, *tokens, self.start + 1])
        return out

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a prompt with a token that training never saw, in order."""
        tokens = {word: self.bpe.encode(word) for word in text.split()}
        return [word for word, own in tokens.items() if not own or any(token not in self.ids for token in own)]


@lru_cache(maxsize=1)
def _bpe() -> SimpleTokenizer:
    return SimpleTokenizer()
