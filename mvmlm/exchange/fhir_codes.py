"""The codes of a reading's answers in FHIR: SNOMED CT, LOINC and DICOM, as in the context groups of PS3.16.

An answer that none of these codes says exactly has no code here; it is exported as text. So BI-RADS 4A to 4C have none,
nor has asymmetry, whose words changed between the editions of BI-RADS. `tests/test_fhir.py` compares each code with
pydicom's tables of PS3.16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..exam import Laterality

SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
UCUM = "http://unitsofmeasure.org"


class Code(NamedTuple):
    """A code with its system (a URI of FHIR) and its words in that system."""

    system: str
    code: str
    display: str


def concept(text: str, *codes: Code | None) -> dict[str, Any]:
    """Return a CodeableConcept: what the reader sees as text, and the codes that are not None."""
    coding = [coded(code) for code in codes if code is not None]
    return {"text": text} | ({"coding": coding} if coding else {})


def coded(code: Code) -> dict[str, str]:
    """Return a Coding."""
    return code._asdict()


def quantity(value: float, unit: str, code: str) -> dict[str, Any]:
    """Return a Quantity. unit: in words. code: of UCUM."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code}


def _snomed(**meanings: tuple[str, str]) -> dict[str, Code]:
    return {word.replace("_", " "): Code(SNOMED, *code) for word, code in meanings.items()}


PRESENT, ABSENT = Code(SNOMED, "52101004", "Present"), Code(SNOMED, "272519000", "Absent")  # CID 240
BREASTS = {
    Laterality.RIGHT: Code(SNOMED, "73056007", "Right breast"),
    Laterality.LEFT: Code(SNOMED, "80248007", "Left breast"),
}  # CID 6023
BOTH_BREASTS = Code(SNOMED, "63762007", "Both breasts")
SIDES = {
    Laterality.RIGHT: Code(SNOMED, "24028007", "Right"),
    Laterality.LEFT: Code(SNOMED, "7771000", "Left"),
}  # CID 244
MAMMOGRAPHY = Code(DICOM, "MG", "Mammography")  # CID 29
RADIOLOGY = Code("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")
IMAGING = Code("http://terminology.hl7.org/CodeSystem/observation-category", "imaging", "Imaging")

#: of a report: a screening exam, or the views of which breasts there are (CID 7000 and 6050)
SCREENING_REPORT = Code(LOINC, "24606-6", "Mammography Screening Report")
BILATERAL_MAMMOGRAM = Code(LOINC, "36626-0", "breast - bilateral mammogram")
MAMMOGRAMS = {
    Laterality.RIGHT: Code(LOINC, "37774-7", "breast - right mammogram"),
    Laterality.LEFT: Code(LOINC, "36627-8", "breast - left mammogram"),
}

#: question, or kind of a finding -> what it is about (CID 6016 and 6054)
SUBJECTS: Mapping[str, Code] = _snomed(
    density=("129715009", "Breast composition"),
    mass=("129788004", "Mammographic breast mass"),
    calcification=("309587003", "Calcification of breast"),
    distortion=("129792006", "Architectural distortion of breast"),
)

#: field -> answer -> code
ANSWERS: Mapping[str, Mapping[str, Code]] = {
    "density": _snomed(  # CID 6001
        A=("129716005", "Almost entirely fat"),
        B=("129717001", "Scattered fibroglandular densities"),
        C=("129718006", "Heterogeneously dense"),
        D=("129719003", "Extremely dense"),
    ),
    "birads": {  # CID 6027
        category: Code(SNOMED, code, f"Mammography assessment (Category {category}) - {words} (finding)")
        for category, code, words in (
            ("0", "397138000", "Need additional imaging evaluation"),
            ("1", "397140005", "Negative"),
            ("2", "397141009", "Benign finding"),
            ("3", "397143007", "Probably benign finding, short interval follow-up"),
            ("4", "397144001", "Suspicious abnormality, biopsy should be considered"),
            ("5", "397145000", "Highly suggestive of malignancy"),
        )
    },
    "shape": _snomed(  # CID 6004
        round=("42700002", "Round shape"),
        oval=("84360004", "Ovoid shape (Oval)"),
        irregular=("49608001", "Irregular"),
    ),
    "margin": _snomed(  # CID 6006
        circumscribed=("129738007", "Circumscribed lesion"),
        obscured=("129740002", "Obscured lesion"),
        microlobulated=("129739004", "Microlobulated lesion"),
        indistinct=("129741003", "Indistinct lesion"),
        spiculated=("129742005", "Spiculated lesion"),
    ),
    "mass_density": _snomed(  # CID 6008
        high=("129744006", "High density lesion"),
        equal=("129745007", "Equal density (isodense) lesion"),
        low=("129746008", "Low density (not containing fat) lesion"),
    )
    | {"fat-containing": Code(SNOMED, "129747004", "Fat containing (radiolucent) lesion")},
    "morphology": _snomed(  # CID 6010
        amorphous=("129760005", "Amorphous calcification"),
        fine_linear_branching=("129762002", "Fine linear, branching (casting) calcification"),
        fine_linear=("129761009", "Fine, linear (casting) calcification"),
        round=("129756007", "Round shaped calcification"),
        punctate=("129755006", "Punctate calcification"),
        coarse=("129749001", "Coarse (popcorn-like) calcification"),
        skin=("129757003", "Calcified skin of breast"),
        vascular=("129759000", "Vascular calcification"),
        rim=("129751002", "Eggshell calcification"),
        dystrophic=("129750001", "Dystrophic calcification"),
        milk_of_calcium=("129753004", "Milk of calcium calcification"),
        suture=("129758008", "Calcified suture material"),
    )
    | {
        "rod-like": Code(SNOMED, "129752009", "Large rod-like calcification"),
        "lucent-centered": Code(SNOMED, "129754005", "Lucent-centered calcification"),
        "fine pleomorphic": Code(DICOM, "111344", "Fine pleomorphic calcification"),
    },
    "distribution": _snomed(  # CID 6012
        grouped=("129766004", "Grouped calcification distribution"),
        linear=("129765000", "Linear calcification distribution"),
        segmental=("129768003", "Segmental calcification distribution"),
        regional=("129767008", "Regional calcification distribution"),
        diffuse=("129764001", "Diffuse calcification distribution"),
    ),
    "place": _snomed(  # CID 6018 and 6020
        upper_outer=("76365002", "Upper outer quadrant of breast"),
        upper_inner=("77831004", "Upper inner quadrant of breast"),
        lower_outer=("33564002", "Lower outer quadrant of breast"),
        lower_inner=("19100000", "Lower inner quadrant of breast"),
        central=("129786000", "Central region of breast"),
        axillary_tail=("129785001", "Axillary tail region"),
    ),
    "clock": {  # CID 6018
        str(hour): Code(SNOMED, code, f"{hour} o'clock position")
        for hour, code in enumerate(
            (
                "129772004",
                "129773009",
                "129774003",
                "129775002",
                "129776001",
                "129777005",
                "129778000",
                "129779008",
                "129780006",
                "129781005",
                "129782003",
                "129783008",
            ),
            1,
        )
    },  # fmt: skip
    "features": _snomed(  # CID 6056
        skin_thickening=("129797000", "Skin thickening of breast"),
        skin_retraction=("129796009", "Skin retraction of breast"),
        nipple_retraction=("271955004", "Nipple retraction"),
        trabecular_thickening=("129795008", "Trabecular thickening of breast"),
        axillary_adenopathy=("127189005", "Axillary adenopathy"),
        skin_lesion=("95324001", "Skin lesion"),
    ),
}


def answer_code(field: str, answer: str) -> Code | None:
    """Return the code of an answer; None where no code says it exactly."""
    return ANSWERS.get(field, {}).get(answer)
