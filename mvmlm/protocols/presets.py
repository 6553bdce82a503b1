"""Evaluation protocols by name: which tasks, at which level, and how models are made to answer."""

from __future__ import annotations

from dataclasses import dataclass

from ..evaluation.cases import CaseLevel

LINEAR_PROBE, FINE_TUNE = "linear", "stage"  # depths of `finetuning.config.DEPTHS`
METHOD_TITLE = {LINEAR_PROBE: "linear probe", FINE_TUNE: "fine-tuned"}


@dataclass(frozen=True)
class Protocol:
    """A protocol.

    source: where it is from. note: in what this differs from it; "" where it does not. tasks: those that count. level:
    what a case is. probes: depths of heads that are fitted to the exams of the train split. shares: of the women of
    that split, 0..1, with whose labels they are fitted.
    """

    name: str
    source: str
    note: str
    tasks: tuple[str, ...]
    level: CaseLevel
    probes: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "mv-mlm",
            "MV-MLM (arXiv 2510.26151): malignancy, subtype and risk; zero-shot, linear probe and fine-tuning",
            "Fine-tuning trains the last stage of the image tower, not all of it.",
            ("malignancy", "mass", "calcification", "risk"),
            CaseLevel.BREAST,
            (LINEAR_PROBE, FINE_TUNE),
            (0.01, 0.1, 0.5, 1.0),
        ),
        Protocol(
            "mammo-clip",
            "Mammo-CLIP (Ghosh et al., MICCAI 2024): mass, calcification, density and malignancy; zero-shot and linear "
            "probe",
            "Mammo-CLIP counts single images; here a case is a breast, or an exam for density.",
            ("mass", "calcification", "density", "malignancy"),
            CaseLevel.BREAST,
            (LINEAR_PROBE,),
            (0.1, 0.5, 1.0),
        ),
        Protocol(
            "rsna",
            "RSNA Screening Mammography Breast Cancer Detection (2022): cancer by breast, the probabilistic F1 score, "
            "and sensitivity at recall rates of exams",
            "",
            ("malignancy",),
            CaseLevel.BREAST,
        ),
    )
}
