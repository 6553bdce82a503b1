"""docs/faults.md, made from the malformed inputs that are tested. `python -m tests.malformed.page` writes it."""

from collections.abc import Sequence

from .case import Malformed

SHOWN = 3  # inputs of a kind
#: kind -> where it comes in
WAYS = {
    "DICOM files: structure": "opening an exam; importing; `mvmlm read`, `predict`, `score`",
    "DICOM files: pixel data": "the same",
    "DICOM files: header": "the same; the picture is read where it can be, with a mark",
    "PNG, JPEG and TIFF pictures": "the same",
    "Zips and other archives": "the same; the listed file is set aside and the others are read",
    "tasks.toml": "the start of the program, which goes on without these tasks",
    "Presets": "`mvmlm pretrain --preset FILE.json`",
    "Prompts and sets of prompts": "the page “Model”; `mvmlm predict --prompts`; declaring a task",
    "Typed reports": "the reading page",
    "Pedigrees": "`mvmlm clinical-risk --canrisk`",
    "Marks as the viewer sends them": "the reading page",
    "Labels and readings as CSV": "the Worklist page; `mvmlm labels`",
    "Marks as COCO JSON": "the Worklist page; `mvmlm labels`",
    "Tables of a data set": "`mvmlm datasets table --check`; `mvmlm pretrain`",
    "Tables of predictions": "`mvmlm evaluate`",
    "Lists of exams to score": "`mvmlm score TABLE`",
    "Spreadsheets": "`mvmlm datasets NAME --check`; `mvmlm pretrain`",
    "Weights files": "`--weights FILE`",
    "Head files": "the Fine-tune page",
    "Checkpoints of published models": "`mvmlm convert`; `--weights FILE` for a converted one",
    "Checkpoints of a training": "`mvmlm pretrain`, where a run goes on",
    "CAD SR of other programs": "reading the marks of other programs",
    "Presentation states of other programs": "the same",
    "Answers of a PACS": "`mvmlm pacs`",
}
TOP = """# Broken files and odd inputs

What comes from outside is refused with one sentence, or read with a mark; it never ends the program. Files are opened in
processes of their own (`mvmlm/imaging/decode_worker.py`), so that a codec that crashes on one ends that process only.

Each of these {count} inputs is given to the program in the check ([tests/test_malformed.py](../tests/test_malformed.py),
the inputs in `tests/malformed/`): it gets its sentence within {seconds} seconds, takes less than {gigabytes} GB, and the
sentence shows no folder of the machine. Files that mislead are another table, in `tests/traps/`. The check also makes
inputs by chance for a minute: `python scripts/fuzz.py --seconds 60`, and `--target NAME` for one reader.
`python -m tests.malformed.page` writes this page.

| kind | where it comes in | inputs | some of them, and what the user is told |
|---|---|---|---|
"""


def page(cases: Sequence[Malformed]) -> str:
    """Return the text of docs/faults.md."""
    kinds: dict[str, list[Malformed]] = {}
    for case in cases:
        kinds.setdefault(case.kind, []).append(case)
    rows = (f"| {kind} | {WAYS[kind]} | {len(of_kind)} | {_told(of_kind)} |" for kind, of_kind in kinds.items())
    return TOP.format(count=len(cases), seconds=10, gigabytes=2) + "\n".join(rows) + "\n"


def _told(cases: Sequence[Malformed]) -> str:
    """The first inputs that are told different sentences."""
    shown: dict[str, str] = {}
    for case in cases:
        if case.told.isprintable():
            shown.setdefault(case.told, case.what)
    return "; ".join(f"{what}: “{_cell(told)}”" for told, what in list(shown.items())[:SHOWN])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "").replace("<", "&lt;")


if __name__ == "__main__":
    from tests.conftest import ROOT
    from tests.test_malformed import CASES

    (ROOT / "docs" / "faults.md").write_text(page(CASES), encoding="utf-8")
