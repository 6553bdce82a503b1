"""The reader's prompts: ready-made sets, and typed text as a list of prompts."""

from __future__ import annotations

from collections.abc import Sequence

from mvmlm.tasks import Kind, Task

MAX_PROMPTS = 40
MAX_PROMPT_LETTERS = 400


def prompt_sets(tasks: Sequence[Task]) -> dict[str, list[str]]:
    """Return the ready-made prompts of each task that has some, by title; for binary tasks also as pairs."""
    sets = {
        task.title: [prompt for prompts in task.prompts.values() for prompt in prompts]
        for task in tasks
        if task.prompts
    }
    for task in tasks:
        if task.prompts and task.kind is Kind.BINARY:
            pairs = zip(task.prompts["present"], task.prompts["absent"], strict=False)
            sets[f"{task.title}: pairs"] = [f"{present} | {absent}" for present, absent in pairs]
    return sets


def clean_prompts(typed: str | None) -> tuple[list[str], str]:
    """Return the prompts of a typed text, one a line, and a sentence on what was left out."""
    lines = list(dict.fromkeys(line.strip() for line in (typed or "").splitlines() if line.strip()))
    notes = []
    if len(lines) > MAX_PROMPTS:
        notes.append(f"Only the first {MAX_PROMPTS} prompts are scored.")
    if any(len(line) > MAX_PROMPT_LETTERS for line in lines):
        notes.append(f"Prompts are cut to {MAX_PROMPT_LETTERS} letters.")
    if any(not part.strip() for line in lines if "|" in line for part in line.split("|", 1)):
        notes.append("A pair needs words on both sides of “|”.")
        lines = [line for line in lines if "|" not in line or all(part.strip() for part in line.split("|", 1))]
    return [line[:MAX_PROMPT_LETTERS] for line in lines[:MAX_PROMPTS]], " ".join(notes)
