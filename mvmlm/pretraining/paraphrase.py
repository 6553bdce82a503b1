"""Paraphrases of reports by a language model, accepted only where our report parser reads the same findings from them.

Optional. A paraphrase that adds, drops or changes a finding, or says what the parser does not understand, is refused,
and the summary tells how often and why.
"""

from __future__ import annotations

import json
import random
import re
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ..report.findings import Findings
from ..report.grammar import NUMBER_WORDS
from ..report.lexicon import LEXICON
from ..report.parser import read_report
from ..report.writer import write_report
from .exam_cache import PARAPHRASES_FILE, ExamCache
from .work_files import complete_lines, json_lines

REFUSED_FILE = "refused_rewordings.jsonl"

INSTRUCTION = (
    "Rewrite this part of a mammography report in other words. Keep every fact, add none, leave none out, and keep the "
    "BI-RADS terms as they are. Answer with the rewritten text only."
)
TIMEOUT_SECONDS = 60
#: words of an outcome or a side, which the parser does not read as findings and no paraphrase may add
FORBIDDEN_WORDS = {
    "biopsy", "biopsied", "cancer", "carcinoma", "invasive", "malignant", "malignancy", "metastasis", "benign",
    "negative", "right", "left", "both", "bilateral", "bilaterally",
}  # fmt: skip
#: words of a comparison, a number, an approximation or an examination, which the parser reads over
INVENTED_WORDS = {
    "new", "newly", "stable", "unchanged", "persistent", "persists", "persisting", "previous", "previously", "prior",
    "increased", "decreased", "increasing", "decreasing", "enlarged", "enlarging", "larger", "smaller", "interval",
    "multiple", "several", "many", "numerous", "palpable", "again", "still", "now", "today", "currently", "since",
    "year", "years", "month", "months", "about", "approximately", "around", "roughly", "circa", "up", "view", "views",
    "cc", "mlo", "tomosynthesis", "magnification", "compression", "spot",
}  # fmt: skip


class ParaphraseError(RuntimeError):
    """The language model cannot be used; the message says what to check."""


@dataclass
class Paraphraser:
    """Paraphrases reports with `ask` (a report's text -> the language model's answer) and counts what was accepted.

    refused: (report, answer, reason) of each answer that was not.
    """

    ask: Callable[[str], str]
    requested: int = 0
    accepted: int = 0
    refused: list[tuple[str, str, str]] = field(default_factory=list)

    def __call__(self, findings: Findings, rng: random.Random) -> str | None:
        """Return a paraphrase of a report of `findings`, None if it was rejected. Raises ParaphraseError."""
        report = write_report(findings, rng)
        answer = self.ask(report).strip()
        self.requested += 1
        if reason := why_refused(answer, report):
            self.refused.append((report, answer, reason))
            return None
        self.accepted += 1
        return answer

    @property
    def summary(self) -> str:
        """How many paraphrases were accepted, and for each reason how many were refused, as a sentence."""
        reasons = Counter(reason.partition(":")[0] for _, _, reason in self.refused)
        refused = "; ".join(f"{count} refused because the text {reason}" for reason, count in reasons.most_common())
        return f"{self.accepted} of {self.requested} paraphrases accepted" + (f"; {refused}" if refused else "")


def why_refused(answer: str, report: str) -> str:
    """Return why a text is no paraphrase of a report, "" where it is one.

    It is one where the parser reads the same findings from both, understands every word of it, and neither an outcome,
    a side, a number nor a comparison was added.
    """
    if not answer:
        return "is empty"
    try:
        ours, theirs = read_report(report), read_report(answer)
    except ValueError as error:
        return f"is not read: {error}"
    if theirs.problem or theirs.contradictions:
        return "contradicts itself: " + (theirs.problem or ", ".join(what for what, _ in theirs.contradictions))
    before, after = (set(_WORD.findall(text.lower())) for text in (report, answer))
    categories = {ours.findings.birads, *(finding.birads for finding in ours.findings.present)}
    said = [LEXICON["birads"][category] for category in categories if category]
    words_of_category = {word for phrases in said for phrase in phrases for word in phrase.split()}
    if added := sorted((after - before - words_of_category) & FORBIDDEN_WORDS):
        return f"adds an outcome or a side: {', '.join(added)}"
    if theirs.findings != ours.findings:
        return f"states other findings: {', '.join(_differences(ours.findings, theirs.findings))}"
    if unknown := [sentence.not_understood for sentence in theirs.sentences if sentence.not_understood]:
        return f"holds words that are not understood: {'; '.join(unknown)}"
    numbers = _numbers(report) | {category[0] for category in categories if category}
    if invented := sorted((after - before) & INVENTED_WORDS) + sorted(_numbers(answer) - numbers):
        return f"adds what the report does not say: {', '.join(invented)}"
    return ""


_WORD = re.compile(r"\bnegative for\b|[a-z]+")  # "negative for calcifications" is no outcome


def _numbers(text: str) -> set[str]:
    """The numbers in a text, also in words; full hours without their minutes and centimetres as millimetres."""
    found = re.findall(r"(\d+(?:[.,]\d+)?)(?::00)?[ -]?(cm\b)?", text.lower())
    words = [str(NUMBER_WORDS.index(word)) for word in _WORD.findall(text.lower()) if word in NUMBER_WORDS[2:]]
    return {f"{float(number.replace(',', '.')) * (10 if unit else 1):g}" for number, unit in found} | {*words}


def _differences(ours: Findings, theirs: Findings) -> list[str]:
    """What of the findings differs."""
    one, other = ours.to_json(), theirs.to_json()
    return [name.replace("_", " ") for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


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
    a line there are not asked for again. What was refused is appended to refused_rewordings.jsonl with its reason.
    """
    path, rng, accepted = cache.folder / PARAPHRASES_FILE, random.Random(seed), 0
    lines = complete_lines(path)
    asked = {line["findings"] for line in json_lines(path, "findings")}
    with open(path, "a", encoding="utf-8") as file:
        file.truncate(sum(len(f"{line}\n".encode()) for line in lines))  # what a kill left half written
        for labels in cache.labels:
            for findings in labels.findings.values():
                if findings == Findings() or findings.key in asked:
                    continue
                asked.add(findings.key)
                for _ in range(each):
                    text = paraphraser(findings, rng)  # a report without a side, so that it fits either breast
                    if text is not None:
                        file.write(json.dumps({"findings": findings.key, "text": text}) + "\n")
                        file.flush()
                        accepted += 1
    with open(cache.folder / REFUSED_FILE, "a", encoding="utf-8") as file:
        for report, answer, reason in paraphraser.refused:
            file.write(json.dumps({"report": report, "text": answer, "reason": reason}) + "\n")
    return accepted
