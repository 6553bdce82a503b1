"""How many wordings of a report its findings allow, and how distinct the reports of a data set can be at best."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

from ..exam import Laterality
from . import prose, telegraphic
from .findings import SUSPICIOUS_NODE, Finding, Findings, soften_denials
from .lexicon import KINDS
from .noun_phrases import Mention
from .writer import mentions

#: distinct wordings of one sentence after which counting stops; a finding that is described has far more
MOST_OF_A_SENTENCE, MOST_OF_A_FINDING = 5_000, 200
HEADINGS = 12  # that name a side, and ways to join them to the text; key words have more


class _EveryChoice(random.Random):
    """Makes the choices of a path, the first where the path has ended, and remembers how many there were."""

    def __init__(self, path: Sequence[int]):
        super().__init__()
        self.path, self.numbers = list(path), list[int]()

    def choice(self, seq: Any) -> Any:
        at = len(self.numbers)
        self.numbers.append(len(seq))
        if at == len(self.path):
            self.path.append(0)
        return seq[self.path[at]]


def wordings_of(sentence: Callable[[random.Random], str], most: int = MOST_OF_A_SENTENCE) -> set[str]:
    """Return every wording of a sentence, or `most` at most, of the first 2 * `most` ways to choose.

    It may use no method of `rng` but `choice`.
    """
    found: set[str] = set()
    path: list[int] = []
    for _ in range(2 * most):  # many choices lead to the same text
        if len(found) == most:
            break
        rng = _EveryChoice(path)
        found.add(sentence(rng))
        path = rng.path
        while path and path[-1] + 1 >= rng.numbers[len(path) - 1]:
            path.pop()
        if not path:
            break
        path[-1] += 1
    return found


def count_wordings(findings: Findings, laterality: Laterality | None = None) -> int:
    """Return how many texts `write_report` has for the findings, at least.

    Counted as the product of the wordings of each sentence, the orders of the sentences and the ways to join them, with
    all that is denied in one sentence; the wordings of one sentence are counted up to `MOST_OF_A_SENTENCE`. Of several
    sentences in full some texts are counted that are never written, those with two neighbours that begin alike.
    """
    if findings.absent >= set(KINDS):
        findings = soften_denials(findings)
    names = ["the breast"] + ([f"the {laterality.word} breast"] if laterality else [])
    headings = 1 + (HEADINGS if laterality else 0)
    several = len(list(_prose_sentences(findings, "the breast"))) > 1
    in_prose: set[str] = set()
    if several:
        prose_texts = sum(_product(_prose_sentences(findings, breast)) for breast in names)
    else:  # the same sentence may have no place for the name
        for breast in names:
            in_prose.update(*(wordings_of(sentence) for sentence in _prose_sentences(findings, breast)))
        prose_texts = len(in_prose)
    key_words = _product(_key_word_sentences(findings))
    return _orders(findings) * headings * (prose_texts * (2 if several else 1) + key_words * (4 if several else 2))


def _product(sentences: Iterable[partial[str]]) -> int:
    return math.prod(_number(sentence.func, *sentence.args) for sentence in sentences)


@cache
def _number(sentence: Callable[..., str], *of: Any) -> int:
    """How many wordings a sentence of these arguments has; the same ones return in breast after breast."""
    most = MOST_OF_A_FINDING if isinstance(of[0], Mention) and of[0].finding != Finding(of[0].finding.kind) else None
    return len(wordings_of(partial(sentence, *of), most or MOST_OF_A_SENTENCE))


def _orders(findings: Findings) -> int:
    """How many orders the sentences have, and the names in each denial."""
    blocks = len(list(mentions(findings))) + len(findings.features)
    names = [set(findings.absent) - {SUSPICIOUS_NODE}, set(findings.not_suspicious)]
    blocks += bool(findings.absent) + bool(findings.not_suspicious)
    density = 2 if findings.density and blocks else 1
    return math.factorial(blocks) * density * math.prod(math.factorial(len(denied)) for denied in names)


def _prose_sentences(findings: Findings, breast: str) -> Iterable[partial[str]]:
    for kind in mentions(findings):
        for mention in kind:
            yield partial(prose.finding_sentence, mention, breast)
    for feature in findings.features:
        yield partial(prose.feature_sentence, feature)
    for denied, suspicious in _denied(findings):
        yield partial(prose.denial_sentence, denied, suspicious)
    if letter := findings.density:
        yield partial(prose.density_sentence, letter, breast)
    if birads := findings.birads:
        yield partial(prose.assessment_sentence, birads, breast)


def _key_word_sentences(findings: Findings) -> Iterable[partial[str]]:
    for kind in mentions(findings):
        for mention in kind:
            yield partial(telegraphic.finding_words, mention, telegraphic.ANY_BREAST)
    for feature in findings.features:
        yield partial(telegraphic.feature_words, feature)
    for denied, suspicious in _denied(findings):
        yield partial(telegraphic.denial_words, denied, suspicious)
    if letter := findings.density:
        yield partial(telegraphic.density_words, letter, telegraphic.ANY_BREAST)
    if birads := findings.birads:
        yield partial(telegraphic.assessment_words, birads)


def _denied(findings: Findings) -> list[tuple[tuple[str, ...], bool]]:
    """What is denied flatly and what as suspicious, where there is any."""
    lists = ((tuple(sorted(findings.absent, key=lambda name: (name == SUSPICIOUS_NODE, name))), False),
             (tuple(sorted(findings.not_suspicious)), True))  # fmt: skip
    return [(names, suspicious) for names, suspicious in lists if names]
