"""`clinical-risk`: the risk that a woman's answers give (Gail model), or her pedigree (CanRisk), without pictures."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable

from ..tasks import natural_frequency
from .command import Command, a_path, at_least, print_problems

TOKEN, ADDRESS = "MVMLM_CANRISK_TOKEN", "MVMLM_CANRISK_ADDRESS"
_UNKNOWN = "unknown"
_MISSING = object()  # None is an answer: unknown
_USE = "research use only, not for diagnosis"
_ANSWERS = {
    "age": "--age", "menarche": "--menarche", "biopsies": "--biopsies", "first_birth": "--first-birth",
    "relatives": "--relatives", "excluded": "--excluded",
}  # fmt: skip


def _or_words(lowest: int, highest: int, **words: int | None) -> Callable[[str], int | None]:
    """The type of a whole number or one of some words. words: what each word stands for."""
    number = at_least(lowest, highest)

    def answer(text: str) -> int | None:
        if text in words:
            return words[text]
        try:
            return number(text)
        except ArgumentTypeError as error:
            raise ArgumentTypeError(f"{error}, or {' or '.join(words)}") from None

    return answer


def _add_arguments(parser: ArgumentParser) -> None:
    gail = parser.add_argument_group("the Gail model", "every answer is given, also where it is “unknown”")
    missing, unknown = _MISSING, {_UNKNOWN: None}
    gail.add_argument("--age", type=at_least(35, 85), default=missing, metavar="YEARS", help="35 to 85")
    gail.add_argument(
        "--menarche", type=_or_words(7, 39, **unknown), default=missing, metavar="YEARS",
        help="age at the first period, or unknown",
    )  # fmt: skip
    gail.add_argument(
        "--biopsies", type=_or_words(0, 30, **unknown), default=missing, metavar="N",
        help="breast biopsies so far, of whatever result, or unknown",
    )  # fmt: skip
    gail.add_argument(
        "--hyperplasia", choices=("no", "yes", _UNKNOWN), help="atypical hyperplasia; with at least one biopsy only"
    )
    gail.add_argument(
        "--first-birth", type=_or_words(10, 55, none=0, **unknown), default=missing, metavar="YEARS",
        help="age at the first live birth, none or unknown",
    )  # fmt: skip
    gail.add_argument(
        "--relatives", type=_or_words(0, 31, **unknown), default=missing, metavar="N",
        help="mother, sisters and daughters with breast cancer, or unknown",
    )  # fmt: skip
    gail.add_argument(
        "--excluded", choices=("no", "yes", _UNKNOWN), default=missing,
        help="own breast cancer, DCIS or LCIS, chest radiation, or a mutation such as in BRCA1 or BRCA2",
    )  # fmt: skip
    gail.add_argument("--years", type=at_least(1, 55), help="5 where it is not given")
    canrisk = parser.add_argument_group("CanRisk, a web service", f"needs an account there; its token in {TOKEN}")
    canrisk.add_argument("--canrisk", type=a_path, metavar="FILE", help="a pedigree in CanRisk's text format")
    canrisk.add_argument("--cancer-rates", metavar="COUNTRY", help="whose cancer rates, such as UK")
    canrisk.add_argument("--mut-freq", metavar="POPULATION", help="whose frequencies of mutations, such as UK")
    canrisk.add_argument(
        "--send", action="store_true", help="send the pedigree; without it, what would be sent is said"
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def _run(options: Namespace) -> int:
    given = [flag for name, flag in _ANSWERS.items() if getattr(options, name) is not _MISSING]
    if options.canrisk is None:
        if options.cancer_rates or options.mut_freq or options.send:
            raise ValueError("--cancer-rates, --mut-freq and --send are for --canrisk FILE. Name the file.")
        record = _gail(options)
    elif given or options.hyperplasia or options.years:
        raise ValueError("--canrisk takes a pedigree alone; ask the Gail model in a call of its own.")
    else:
        record = _canrisk(options)
    if record is None:
        return 2
    print(json.dumps(record, indent=1, ensure_ascii=False) if options.json else _text(record))
    return 0


def _gail(options: Namespace) -> dict | None:
    """The record of the Gail model; None where it does not hold for the woman."""
    from ..site.clinical_risk import (
        EXCLUSIONS,
        LIMITS,
        SOURCE,
        GailFactors,
        Hyperplasia,
        excluded_unknown,
        gail_risk,
        unknown_counted,
    )  # fmt: skip

    missing = [flag for name, flag in _ANSWERS.items() if getattr(options, name) is _MISSING]
    if options.biopsies not in (_MISSING, None, 0) and options.hyperplasia is None:
        missing.append("--hyperplasia")
    if missing:
        raise ValueError(f"Give {', '.join(missing)} too; where it is not known, say unknown.")
    if options.excluded == "yes":
        print_problems(f"Not answered: the Gail model does not hold for women with {EXCLUSIONS}.")
        return None
    said = {"no": Hyperplasia.ABSENT, "yes": Hyperplasia.PRESENT}.get(options.hyperplasia, Hyperplasia.UNKNOWN)
    factors = GailFactors(options.age, options.menarche, options.biopsies, options.first_birth, options.relatives, said)
    years = options.years or 5
    risk = gail_risk(factors, years)
    notes = (unknown_counted(factors.unknown), excluded_unknown(options.excluded == _UNKNOWN))
    return {
        "model": "Gail",
        "of": "invasive breast cancer",
        "years": years,
        "risk": risk,
        "natural_frequency": natural_frequency(risk, "women"),
        "answers": {
            "age": factors.age, "menarche": factors.menarche, "biopsies": factors.biopsies,
            "hyperplasia": said.name.lower(), "first_birth": factors.first_birth, "relatives": factors.relatives,
            "excluded": options.excluded,
        },
        "unknown": list(factors.unknown),
        "notes": [note for note in notes if note],
        "limits": list(LIMITS),
        "source": SOURCE,
        "use": _USE,
    }  # fmt: skip


def _canrisk(options: Namespace) -> dict | None:
    """The record of CanRisk; None where the pedigree is not to be sent."""
    from ..messages import read_text
    from ..site import canrisk
    from ..site.canrisk_pedigree import read_pedigree

    for flag, value, known in (
        ("--cancer-rates", options.cancer_rates, canrisk.CANCER_RATES),
        ("--mut-freq", options.mut_freq, canrisk.MUTATION_FREQUENCIES),
    ):
        if value not in known:
            raise ValueError(f"{flag}: give one of {'; '.join(known)}. The answer depends on it.")
    pedigree = read_pedigree(read_text(options.canrisk))
    address = canrisk.service_address(os.environ.get(ADDRESS))
    density = f"breast density ({pedigree.density})" if pedigree.density else "no breast density"
    sent = (
        f"a family of {pedigree.people}: ages, years of birth, cancers, gene tests, risk factors, {density}; no names "
        "or IDs, each person is called by the line of the file"
    )
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise ValueError(f"CanRisk needs an account. Set {TOKEN} to its token; nothing was sent.")
    if not options.send:
        print_problems(f"Nothing was sent. With --send this goes to {address}: {sent}.")
        return None
    print_problems(f"Sending to {address}: {sent}.")
    answer = canrisk.ask(pedigree, token, options.cancer_rates, options.mut_freq, address)
    return {
        "model": f"BOADICEA {answer.version}",
        "of": "breast cancer",
        "years": canrisk.YEARS,
        "risk": answer.risk,
        "natural_frequency": natural_frequency(answer.risk, "women"),
        "age": pedigree.age,
        "risk_by_age": {str(age): risk for age, risk in answer.by_age.items()},
        "cancer_rates": options.cancer_rates,
        "mut_freq": options.mut_freq,
        "density_sent": pedigree.density or None,
        "notes": list(answer.told),
        "limits": list(canrisk.LIMITS),
        "source": f"CanRisk web service, {address}",
        "use": _USE,
    }


def _text(record: dict) -> str:
    """The record as lines."""
    share = f"{100 * record['risk']:.1f} %"
    head = f"{record['model']}, {record['of']} within {record['years']} years: {record['natural_frequency']} ({share})"
    return "\n".join([head, *record["notes"], *record["limits"], f"Source: {record['source']}.", f"{_USE}."])


CLINICAL_RISK = Command(
    "clinical-risk", "the risk by a woman's answers or pedigree, without pictures", _add_arguments, _run
)
