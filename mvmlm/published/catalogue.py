"""What is published: the models that this program can fetch and convert, with their terms, and those that nobody can.

Facts of their public pages and papers; the figures are their authors'. No torch is needed to read them.
"""

from __future__ import annotations

from typing import NamedTuple


class HubFile(NamedTuple):
    """A file on the hub. name: inside the repository. sha256: where it is known, in hex."""

    repository: str
    name: str
    sha256: str = ""


class PublishedModel(NamedTuple):
    """A model of another group.

    name: for `--weights` and in commands. family: of `families.FAMILIES`. files: its checkpoints on the hub. archive:
    the address of a zip file with its checkpoints, instead. contents: name -> SHA-256 of what the archive holds.
    tokenizer: of its text tower. answers, trained_on, figures, licence: for people; figures with their source. terms:
    what must be accepted before it is fetched, a sentence; "" where the licence asks for nothing. megabytes: of the
    download, None where it is not known. hosting: whether its terms allow to serve it to others.
    """

    name: str
    family: str
    title: str
    answers: str
    trained_on: str
    figures: str
    licence: str
    files: tuple[HubFile, ...] = ()
    archive: str = ""
    contents: dict[str, str] = {}
    tokenizer: HubFile | None = None
    terms: str = ""
    megabytes: int | None = None
    hosting: bool = True


_CLINICAL_BERT = HubFile("emilyalsentzer/Bio_ClinicalBERT", "vocab.txt")
_MODERN_BERT = HubFile("answerdotai/ModernBERT-base", "tokenizer.json")
_MAMMO_CLIP = (
    "in words, with the published prompts: mass, calcification, malignancy; any prompt; embeddings for your own heads",
    "mammograms and reports of UPMC (private); whether VinDr-Mammo was added is not said of the file",
)
_MAMMO_CLIP_LICENCE = "CC BY-NC-SA 4.0 by its repository, CC BY 4.0 by its hub page: they contradict each other"
_MAMMO_CLIP_TERMS = "Non-commercial use only, deployment included, by its repository (CC BY-NC-SA 4.0)."
_MAMMO_FM_LICENCE = (
    "a custom academic licence (after CC BY-NC 4.0) by its repository, CC BY 4.0 by its hub page: they contradict each "
    "other"
)
_MAMMO_FM_TERMS = (
    "By its repository: academic and non-profit research only, no clinical use, no redistribution, no hosting or "
    "serving to others, no distillation. The converted file stays on this machine."
)

CATALOGUE: dict[str, PublishedModel] = {
    model.name: model
    for model in (
        PublishedModel(
            "mammo-clip-b2", "mammo-clip", "Mammo-CLIP B2", *_MAMMO_CLIP,
            "those of its paper are of B5",
            _MAMMO_CLIP_LICENCE,
            (HubFile("shawn24/Mammo-CLIP", "Pre-trained-checkpoints/b2-model-best-epoch-10.tar"),),
            tokenizer=_CLINICAL_BERT, terms=_MAMMO_CLIP_TERMS,
        ),
        PublishedModel(
            "mammo-clip-b5", "mammo-clip", "Mammo-CLIP B5", *_MAMMO_CLIP,
            "AUC zero-shot: RSNA malignancy 0.62, VinDr calcification 0.61, mass 0.48; linear probe: 0.75–0.79, "
            "0.91–0.94, 0.73–0.79 (read off the plots of Ghosh et al., MICCAI 2024; ±0.01)",
            _MAMMO_CLIP_LICENCE,
            (HubFile("shawn24/Mammo-CLIP", "Pre-trained-checkpoints/b5-model-best-epoch-7.tar"),),
            tokenizer=_CLINICAL_BERT, terms=_MAMMO_CLIP_TERMS,
        ),
        PublishedModel(
            "mammo-fm", "mammo-fm", "Mammo-FM (BU, UPMC, EMBED)", _MAMMO_CLIP[0],
            "821,326 images of BU, UPMC, EMBED and Mayo in all its variants (private but EMBED)",
            "AUC zero-shot: RSNA cancer 0.75, VinDr cancer 0.83, mass 0.71, calcification 0.73 (arXiv 2512.00198)",
            _MAMMO_FM_LICENCE, (HubFile("batmanLab/Mammo-FM", "Mammo-FM_BatmanlabTrained_CLIP.tar"),),
            tokenizer=_MODERN_BERT, terms=_MAMMO_FM_TERMS, hosting=False,
        ),
        PublishedModel(
            "mammo-fm-mayo", "mammo-fm", "Mammo-FM (Mayo)", _MAMMO_CLIP[0],
            "images of Mayo Clinic (private)",
            "not told apart from the other variant in arXiv 2512.00198",
            _MAMMO_FM_LICENCE, (HubFile("batmanLab/Mammo-FM", "Mammo-FM_ASU_Trained_CLIP.tar"),),
            tokenizer=_MODERN_BERT, terms=_MAMMO_FM_TERMS, hosting=False,
        ),
        PublishedModel(
            "mammoscreen", "mammoscreen", "mammoscreen",
            "cancer of each breast, density A to D; embeddings for your own heads",
            "RSNA Screening Mammography Breast Cancer Detection, 2022",
            "none by its author was found",
            "Apache-2.0",
            (HubFile("ianpan/mammoscreen", "model.safetensors"), HubFile("ianpan/mammo-crop", "model.safetensors")),
            megabytes=250,
        ),
        PublishedModel(
            "mirai", "mirai", "Mirai", "risk of cancer within 1 to 5 years, from all four views",
            "Massachusetts General Hospital (private), Hologic pictures for presentation",
            "AUC for years 1 to 5: 0.87, 0.81, 0.79, 0.78, 0.78; C-index 0.76 at MGH (Yala et al., 2021)",
            "MIT",
            archive="https://github.com/reginabarzilaygroup/Mirai/releases/download/v0.8.0/snapshots.zip",
            contents={
                "mgh_mammo_MIRAI_Base_May20_2019.p": "e66261f434474686462e5c7035de37452f47e4e7cc8831086be19397383e8af3",
                "mgh_mammo_cancer_MIRAI_Transformer_Jan13_2020.p": (
                    "cb4ef50459d747d38edfb846b3cd29869ccad9b7e291eb5f2fe66559d914e610"
                ),
            },
            megabytes=164,
        ),
    )
}  # fmt: skip


class KnownAnswers(NamedTuple):
    """Answers that were published for an exam that its authors give away.

    exam: which one. task: of the answers. values: of each class. tolerance: the share by which they may differ, for the
    way in which pictures are decoded alone.
    """

    exam: str
    task: str
    values: tuple[float, ...]
    tolerance: float


#: what a right conversion answers, for `mvmlm models check NAME --exam DIR`
KNOWN_ANSWERS = {
    "mirai": KnownAnswers(
        "the demo exam of Mirai's repository (four DICOM files of its releases)", "risk",
        (0.0298, 0.0483, 0.0684, 0.0900, 0.1016), 0.06,
    )
}  # fmt: skip

#: relatives of which nobody can get the weights, and why
NOT_AVAILABLE = {
    "MV-MLM (arXiv 2510.26151)": "its authors published no weights; “demo” is ours, after their abstract",
    "MaMA and GLAM (Yale)": "code is public, weights were withdrawn for the policy of their data set, EMBED",
    "MAM-CLIP (2026)": "weights are on a drive, not on a hub; their layout is not known here",
    "Mammo-CLIP’s fine-tuned classifiers and detectors": "published; not converted here, teach your own head instead",
}
