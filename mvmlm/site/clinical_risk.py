"""The risk that a woman's answers give, beside that of her images: the Gail model of white women, without images.

Gail et al., "Projecting individualized probabilities of developing breast cancer for white females who are being
examined annually", JNCI 81:1879 (1989), with the rates of invasive cancer of Costantino et al., JNCI 91:1541 (1999).
It is the model of the Breast Cancer Risk Assessment Tool of the National Cancer Institute of the United States for
white women; coefficients, rates and age groups are those that the Institute publishes with the tool.

The rates are those of white women in the United States, 1983 to 1987. The models of other groups are not here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

SOURCE = "Gail model (JNCI 81:1879, 1989) with the rates of Costantino et al. (JNCI 91:1541, 1999), as in BCRAT"
#: what makes the model no answer for a woman, in words for a question
EXCLUSIONS = "breast cancer, DCIS or LCIS of her own, chest radiation, or a mutation such as in BRCA1 or BRCA2"
#: what the number is not, a sentence each
LIMITS = (
    "For white women in the USA: cancer rates of 1983 to 1987; women of other groups or countries have other risks.",
    f"Not for women with {EXCLUSIONS}.",
    "It is the risk of an invasive cancer, not of DCIS. Of her family only mother, sisters and daughters count.",
    "It uses no picture: it does not change an image risk and is not changed by one. The two are never mixed.",
)

YOUNGEST, OLDEST, LAST = 35, 85, 90  # at the start, and at the end of a projection
_FIRST_GROUP, _GROUP_YEARS = 20, 5
#: invasive breast cancers, and deaths of other causes, for each 100,000 women a year of ages 20 to 24, 25 to 29, ...
_INCIDENCE = (1.0, 7.6, 26.6, 66.1, 126.5, 186.6, 221.1, 272.1, 334.8, 392.3, 417.8, 443.9, 442.1, 410.9)
_MORTALITY = (49.3, 53.1, 62.5, 82.5, 130.7, 218.1, 365.5, 585.2, 943.9, 1502.8, 2383.9, 3883.2, 6682.8, 14490.8)
_NOT_ATTRIBUTABLE = 0.5788413  # of the incidence, to the risk factors
#: logarithms of relative risks for each step of a factor
_MENARCHE, _BIOPSIES, _FIRST_BIRTH, _RELATIVES = 0.0940103059, 0.5292641686, 0.2186262218, 0.9583027845
_BIOPSIES_FROM_50, _FIRST_BIRTH_AND_RELATIVES = -0.2880424830, -0.1908113865


class Hyperplasia(float, Enum):
    """The relative risk of what biopsies said of atypical hyperplasia."""

    ABSENT = 0.93
    UNKNOWN = 1.0
    PRESENT = 1.82


@dataclass(frozen=True)
class GailFactors:
    """The answers that the model needs.

    age: years, 35 to 85. menarche: age at the first period, None unknown. biopsies: number of breast biopsies so far,
    of whatever result, None unknown. hyperplasia: UNKNOWN without a biopsy. first_birth: age at the first live birth, 0
    without one, None unknown. relatives: mother, sisters and daughters with breast cancer, None unknown. Not for women
    of EXCLUSIONS. Raises ValueError out of range.
    """

    age: int
    menarche: int | None
    biopsies: int | None
    first_birth: int | None
    relatives: int | None
    hyperplasia: Hyperplasia = Hyperplasia.UNKNOWN

    def __post_init__(self) -> None:
        ranges = {"age": (self.age, YOUNGEST, OLDEST), "age at the first period": (self.menarche, 7, min(39, self.age))}
        ranges |= {"number of biopsies": (self.biopsies, 0, 30), "number of relatives": (self.relatives, 0, 31)}
        ranges |= {"age at the first birth": (self.first_birth or None, 10, min(55, self.age))}
        for name, (value, least, most) in ranges.items():
            if value is not None and not least <= value <= most:
                raise ValueError(f"{name}: {value} is not from {least} to {most}")
        if self.first_birth and self.menarche and self.first_birth < self.menarche:
            raise ValueError(f"age at the first birth: {self.first_birth} is below that at the first period")
        if not self.biopsies and self.hyperplasia is not Hyperplasia.UNKNOWN:
            raise ValueError(
                "hyperplasia: only a biopsy tells of it. Give the number of biopsies, or leave it unknown."
            )

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is not known, in words."""
        words = {"age at the first period": self.menarche, "number of biopsies": self.biopsies}
        words |= {"age at the first birth": self.first_birth, "number of relatives": self.relatives}
        found = [word for word, value in words.items() if value is None]
        if self.biopsies and self.hyperplasia is Hyperplasia.UNKNOWN:
            found.append("atypical hyperplasia")
        return tuple(found)


def gail_relative_risk(factors: GailFactors, age: int) -> float:
    """Return the relative risk at an age against a woman without any of the risk factors.

    An answer that is unknown counts as no risk factor, as in the Institute's tool.
    """
    menarche = 0 if factors.menarche is None or factors.menarche >= 14 else 1 if factors.menarche >= 12 else 2
    biopsies, relatives = min(factors.biopsies or 0, 2), min(factors.relatives or 0, 2)
    first_birth = _first_birth_step(factors.first_birth)
    log_risk = menarche * _MENARCHE + biopsies * _BIOPSIES + first_birth * _FIRST_BIRTH + relatives * _RELATIVES
    log_risk += first_birth * relatives * _FIRST_BIRTH_AND_RELATIVES
    log_risk += biopsies * _BIOPSIES_FROM_50 if age >= 50 else 0.0
    return math.exp(log_risk) * factors.hyperplasia.value


def gail_risk(factors: GailFactors, years: int = 5) -> float:
    """Return the probability of an invasive breast cancer within `years` years, 0..1.

    Deaths of other causes compete with it. Within a year of age both rates are constant (Gail et al., 1989). Raises
    ValueError where the woman would be older than 90 then.
    """
    if not 1 <= years <= LAST - factors.age:
        raise ValueError(f"years: {years} is not from 1 to {LAST - factors.age}, as it is at an age of {factors.age}")
    alive_without, risk = 1.0, 0.0
    for age in range(factors.age, factors.age + years):
        group = (age - _FIRST_GROUP) // _GROUP_YEARS
        cancer = _INCIDENCE[group] / 1e5 * _NOT_ATTRIBUTABLE * gail_relative_risk(factors, age)
        either = cancer + _MORTALITY[group] / 1e5
        risk += alive_without * cancer / either * -math.expm1(-either)
        alive_without *= math.exp(-either)
    return risk


def unknown_counted(unknown: tuple[str, ...]) -> str:
    """Return the sentence that says how the model counts what is not known; "" where everything is known."""
    if not unknown:
        return ""
    return f"Not known, and counted as no risk factor: {', '.join(unknown)}. Her risk may be higher than this."


def excluded_unknown(unknown: bool) -> str:
    """Return the sentence for a woman of whom it is not known whether the model holds for her; else ""."""
    return f"Not known: {EXCLUSIONS}. If she has one of these, this number does not hold." if unknown else ""


def _first_birth_step(first_birth: int | None) -> int:
    """0 below 20 or unknown, 1 below 25, 2 below 30 or without a birth, 3 from 30 on."""
    if first_birth is None:
        return 0
    if first_birth == 0:
        return 2
    return (first_birth >= 20) + (first_birth >= 25) + (first_birth >= 30)
