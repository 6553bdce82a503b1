"""The technique factors of a view, as a display shows them on request: whose picture, when, which view, how exposed."""

from __future__ import annotations

from typing import NamedTuple

from ..exam import Identity, View
from .grouping import format_date

NOT_GIVEN, NOT_KEPT = "not in the file", "not kept: a stored exam holds no names"


class Factor(NamedTuple):
    """A technique factor: its name, and its value with the unit; NOT_GIVEN or NOT_KEPT where there is none."""

    name: str
    value: str


def technique_factors(view: View) -> tuple[Factor, ...]:
    """Return every factor, also those without a value, in the order in which a display shows them."""
    a, person = view.acquisition, view.identity or Identity()
    name = f"{view.name.laterality.value} {view.name.projection.value}" if view.name else ""
    extra = ", ".join(modifier.value for modifier in view.modifiers)
    partial = f"partial view, {view.partial}" if view.partial else ""
    doses = (("organ", a.organ_dose_mgy), ("entrance", a.entrance_dose_mgy))
    machine = " ".join(filter(None, (a.manufacturer, a.model)))

    def of_person(value: str) -> str:
        return NOT_KEPT if view.identity is None else value.replace("^", " ").strip() or NOT_GIVEN

    return (
        Factor("patient", of_person(person.name)),
        Factor("patient ID", of_person(person.patient_id)),
        Factor("born", of_person(format_date(person.birth_date))),
        Factor("age", _measured(a.age_years, "years")),
        Factor("date", format_date(a.date or "") or NOT_GIVEN),
        Factor("view", ", ".join(filter(None, (name, extra, partial))) or NOT_GIVEN),
        Factor("tube voltage", _measured(a.kvp, "kVp")),
        Factor("exposure", _measured(a.exposure_mas, "mAs")),
        Factor("compressed thickness", _measured(a.thickness_mm, "mm")),
        Factor("compression force", _measured(a.compression_n, "N")),
        Factor("dose", ", ".join(f"{value:g} mGy {kind}" for kind, value in doses if value is not None) or NOT_GIVEN),
        Factor("operator", of_person(person.operator)),
        Factor("institution", of_person(person.institution)),
        Factor("machine", machine or NOT_GIVEN),
    )


def missing_factors(view: View) -> list[str]:
    """Return the names of the factors that the file does not give."""
    return [factor.name for factor in technique_factors(view) if factor.value == NOT_GIVEN]


def _measured(value: float | None, unit: str) -> str:
    return NOT_GIVEN if value is None else f"{value:g} {unit}"
