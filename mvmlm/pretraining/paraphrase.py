"""A language model's paraphrases of reports, kept only where our own parser reads the same findings back.

Off unless asked for. A model that adds, drops or changes a finding is not believed: the grammar's wording stands, and the
rates say how often that happened.
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
from .exam_cache import ExamArrays

INSTRUCTION = (
    "Rewrite this part of a mammography report in other words. Keep every fact, add none, leave none out, and keep the "
    "BI-RADS terms as they are. Answer with the rewritten text only."
)
SECONDS = 60


class RewriterError(RuntimeError):
    """The language model cannot be reached; the text says what to check."""


@dataclass
class Rewriter:
    """ask: a report's text -> a paraphrase. asked and kept count what came of it."""

    ask: Callable[[str], str]
    asked: int = 0
    kept: int = 0

    def __call__(self, findings: Findings, rng: random.Random) -> tuple[str, bool]:
        """A wording of `findings`, and whether it is the language model's. Raises RewriterError."""
        written = write_report(findings, rng)
        answer = self.ask(written).strip()
        self.asked += 1
        faithful = bool(answer) and _says_the_same(answer, written, findings)
        self.kept += faithful
        return (answer, True) if faithful else (written, False)

    @property
    def rates(self) -> str:
        """In words: how many paraphrases were kept."""
        return f"{self.kept} of {self.asked} paraphrases kept; the others did not say the same findings"


def _says_the_same(answer: str, written: str, findings: Findings) -> bool:
    """The parser reads the same findings, and no word of an outcome or of a side has come in."""
    suspect = {
        "biopsy",
        "biopsied",
        "cancer",
        "carcinoma",
        "invasive",
        "malignant",
        "malignancy",
        "metastasis",
        "right",
        "left",
        "benign",
    }
    before, after = (set(text.lower().replace(",", " ").replace(".", " ").split()) for text in (written, answer))
    try:
        same = parse_report(answer) == findings
    except ValueError:
        return False
    return same and not (after - before) & suspect


def openai_compatible(address: str, model: str, key: str = "") -> Callable[[str], str]:
    """Asks a chat completions address (such as http://localhost:8000/v1); nothing is kept there by us."""

    def ask(text: str) -> str:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": f"{INSTRUCTION}\n\n{text}"}],
            "temperature": 0.8,
        }
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(f"{address.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return str(json.load(answer)["choices"][0]["message"]["content"] or "")
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise RewriterError(
                f"the language model gave no answer ({type(error).__name__}); check its address and name"
            ) from None

    return ask


def local_model(name: str) -> Callable[[str], str]:
    """A Hugging Face model by name or folder, through transformers."""
    try:
        from transformers import pipeline  # optional: pip install transformers

        generate = pipeline("text-generation", model=name)
    except (ImportError, OSError) as error:
        raise RewriterError(
            f"{name}: cannot be loaded ({type(error).__name__}); install transformers, or give a folder"
        ) from None

    def ask(text: str) -> str:
        chat = [{"role": "user", "content": f"{INSTRUCTION}\n\n{text}"}]
        return generate(chat, max_new_tokens=200, do_sample=True, temperature=0.8)[0]["generated_text"][-1]["content"]

    return ask


def write_rewordings(arrays: ExamArrays, rewriter: Rewriter, each: int, seed: int) -> int:
    """Adds `each` paraphrases of every distinct set of findings to the arrays' rewordings.jsonl; gives how many are new.

    A line is {"findings": key, "text": ...}; training takes one of them half the time. What is there is not asked again.
    """
    path, rng, new = arrays.folder / "rewordings.jsonl", random.Random(seed), 0
    asked = {json.loads(line)["findings"] for line in path.read_text().splitlines()} if path.exists() else set()
    with open(path, "a") as file:
        for labels in arrays.labels:
            for findings in labels.findings.values():
                if findings == Findings() or findings.key in asked:
                    continue
                asked.add(findings.key)
                for _ in range(each):
                    text, faithful = rewriter(findings, rng)  # no side is named: the text serves either breast
                    if faithful:
                        file.write(json.dumps({"findings": findings.key, "text": text}) + "\n")
                        new += 1
    return new
