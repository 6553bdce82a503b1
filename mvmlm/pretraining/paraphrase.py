"""Paraphrases of reports by a language model, accepted only where our report parser reads the same findings from them.

Optional. A paraphrase that adds, drops or changes a finding is rejected, and the counts tell how often that happened.
"""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from ..report.findings import Findings
from ..report.parser import parse_report
from ..report.writer import write_report
from .exam_cache import PARAPHRASES_FILE, ExamCache

INSTRUCTION = (
    "Rewrite this part of a mammography report in other words. Keep every fact, add none, leave none out, and keep the "
    "BI-RADS terms as they are. Answer with the rewritten text only."
)
TIMEOUT_SECONDS = 60
#: words of an outcome or a side, which the parser does not read as findings and no paraphrase may add
FORBIDDEN_WORDS = {
    "biopsy", "biopsied", "cancer", "carcinoma", "invasive", "malignant", "malignancy", "metastasis", "benign",
    "right", "left",
}  # fmt: skip


class ParaphraseError(RuntimeError):
    """The language model cannot be used; the message says what to check."""


@dataclass
class Paraphraser:
    """Paraphrases reports with `ask` (a report's text -> the language model's answer) and counts what was accepted."""

    ask: Callable[[str], str]
    requested: int = 0
    accepted: int = 0

    def __call__(self, findings: Findings, rng: random.Random) -> str | None:
        """Return a paraphrase of a report of `findings`, None if it was rejected. Raises ParaphraseError."""
        report = write_report(findings, rng)
        answer = self.ask(report).strip()
        self.requested += 1
        if not answer or not _is_faithful(answer, report, findings):
            return None
        self.accepted += 1
        return answer

    @property
    def summary(self) -> str:
        """How many paraphrases were accepted, as a sentence."""
        return f"{self.accepted} of {self.requested} paraphrases accepted; the others did not hold the same findings"


def _is_faithful(answer: str, report: str, findings: Findings) -> bool:
    before, after = (set(text.lower().replace(",", " ").replace(".", " ").split()) for text in (report, answer))
    try:
        same = parse_report(answer) == findings
    except ValueError:
        return False
    return same and not (after - before) & FORBIDDEN_WORDS


def openai_compatible(address: str, model: str, key: str = "") -> Callable[[str], str]:
    """Return a function that asks a chat completions server, such as http://localhost:8000/v1, for a paraphrase."""

    def ask(text: str) -> str:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": f"{INSTRUCTION}\n\n{text}"}],
            "temperature": 0.8,
        }
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(f"{address.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return str(json.load(answer)["choices"][0]["message"]["content"] or "")
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ParaphraseError(
                f"The language model gave no answer ({type(error).__name__}); check its address and name."
            ) from None

    return ask


def local_model(name: str) -> Callable[[str], str]:
    """Return a function that asks a Hugging Face model, by name or folder, for a paraphrase. Needs transformers."""
    try:
        from transformers import pipeline

        generate = pipeline("text-generation", model=name)
    except (ImportError, OSError) as error:
        raise ParaphraseError(
            f"{name}: cannot be loaded ({type(error).__name__}). Install transformers, or give the model's folder."
        ) from None

    def ask(text: str) -> str:
        chat = [{"role": "user", "content": f"{INSTRUCTION}\n\n{text}"}]
        answers = generate(chat, max_new_tokens=200, do_sample=True, temperature=0.8)
        return str(answers[0]["generated_text"][-1]["content"])

    return ask


def write_paraphrases(cache: ExamCache, paraphraser: Paraphraser, each: int, seed: int) -> int:
    """Ask for `each` paraphrases of every distinct set of findings, and return how many were accepted.

    They are appended to the cache's rewordings.jsonl, one line {"findings": key, "text": ...} each. Findings that have
    a line there are not asked for again.
    """
    path, rng, accepted = cache.folder / PARAPHRASES_FILE, random.Random(seed), 0
    asked = (
        {json.loads(line)["findings"] for line in path.read_text(encoding="utf-8").splitlines()}
        if path.exists()
        else set()
    )
    with open(path, "a", encoding="utf-8") as file:
        for labels in cache.labels:
            for findings in labels.findings.values():
                if findings == Findings() or findings.key in asked:
                    continue
                asked.add(findings.key)
                for _ in range(each):
                    text = paraphraser(findings, rng)  # a report without a side, so that it fits either breast
                    if text is not None:
                        file.write(json.dumps({"findings": findings.key, "text": text}) + "\n")
                        accepted += 1
    return accepted
