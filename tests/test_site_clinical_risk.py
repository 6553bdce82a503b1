"""The Gail model gives the risks that were published with it."""

import numpy as np
import pytest

from mvmlm.site.clinical_risk import GailFactors, Hyperplasia, gail_relative_risk, gail_risk


@pytest.mark.parametrize(
    "age, relatives, percent",
    [
        (45, 0, 0.7), (55, 0, 1.1), (65, 0, 1.5), (75, 0, 1.6),
        (45, 1, 1.6), (55, 1, 2.3), (65, 1, 3.2), (75, 1, 3.4),
    ],
)  # fmt: skip
def test_five_year_risks_are_those_of_the_united_states_preventive_services_task_force(age, relatives, percent):
    """Chemoprevention of breast cancer (2002), table 1: menarche at 12, first birth at 22, no biopsy, by the Gail model."""
    risk = gail_risk(GailFactors(age, 12, 0, 22, relatives))
    assert round(100 * risk, 1) == percent


@pytest.mark.parametrize(
    "answers, age, published",
    [
        ((14, 0, 18, 0), 40, 1.00), ((12, 0, 18, 0), 40, 1.10), ((11, 0, 18, 0), 40, 1.21),
        ((14, 1, 18, 0), 40, 1.70), ((14, 2, 18, 0), 40, 2.88), ((14, 1, 18, 0), 60, 1.27), ((14, 2, 18, 0), 60, 1.62),
        ((14, 0, 18, 1), 40, 2.61), ((14, 0, 18, 2), 40, 6.80),
        ((14, 0, 20, 0), 40, 1.24), ((14, 0, 24, 1), 40, 2.68), ((14, 0, 24, 2), 40, 5.78),
        ((14, 0, 25, 0), 40, 1.55), ((14, 0, 0, 1), 40, 2.76), ((14, 0, 29, 2), 40, 4.91),
        ((14, 0, 30, 0), 40, 1.93), ((14, 0, 35, 1), 40, 2.83), ((14, 0, 35, 2), 40, 4.17),
    ],
)  # fmt: skip
def test_relative_risks_are_those_of_the_table_of_1989(answers, age, published):
    """Gail et al. (1989), table 1, as printed: three digits of products of rounded factors."""
    assert gail_relative_risk(GailFactors(40, *answers), age) == pytest.approx(published, abs=0.011)


def test_the_risk_solves_the_equation_of_competing_risks():
    """A numerical integral of hazard times survival, in small steps, over the age of 50 too."""
    factors = GailFactors(43, 11, 2, 0, 1, Hyperplasia.PRESENT)
    rates = {40: (126.5, 130.7), 45: (186.6, 218.1), 50: (221.1, 365.5), 55: (272.1, 585.2)}
    alive, risk, step = 1.0, 0.0, 1e-3
    for age in np.arange(43, 58, step) + step / 2:
        cancer, death = (rate / 1e5 for rate in rates[int(age // 5 * 5)])
        cancer *= 0.5788413 * gail_relative_risk(factors, int(age))
        risk += alive * cancer * step
        alive -= alive * (cancer + death) * step
    assert gail_risk(factors, 15) == pytest.approx(risk, rel=1e-3)


def test_a_biopsy_counts_by_what_it_said_of_hyperplasia():
    risks = [gail_risk(GailFactors(50, 13, 1, 25, 0, said)) for said in Hyperplasia]
    assert risks == sorted(risks)
    relative = [gail_relative_risk(GailFactors(50, 13, 1, 25, 0, said), 50) for said in Hyperplasia]
    assert np.array(relative) / relative[1] == pytest.approx([0.93, 1, 1.82])


def test_unknown_answers_count_as_no_risk_factor_and_many_as_the_highest_group():
    assert gail_risk(GailFactors(50, None, 0, None, 0)) == gail_risk(GailFactors(50, 14, 0, 19, 0))
    assert gail_risk(GailFactors(50, 14, None, 19, None)) == gail_risk(GailFactors(50, 14, 0, 19, 0))
    assert GailFactors(50, None, 1, 0, None).unknown == (
        "age at the first period", "number of relatives", "atypical hyperplasia",
    )  # fmt: skip
    assert GailFactors(50, 14, 0, 0, 0).unknown == ()
    assert gail_risk(GailFactors(50, 13, 9, 25, 5)) == gail_risk(GailFactors(50, 13, 2, 25, 2))


def test_risk_grows_with_the_years_and_stays_a_probability():
    for age in range(35, 86):
        risks = [gail_risk(GailFactors(age, 11, 2, 0, 2, Hyperplasia.PRESENT), years) for years in range(1, 91 - age)]
        assert risks == sorted(risks) and risks[0] > 0 and risks[-1] < 1


@pytest.mark.parametrize(
    "answers, problem",
    [
        ((34, 12, 0, 22, 0), "age: 34 is not from 35 to 85"),
        ((86, 12, 0, 22, 0), "age: 86 is not from 35 to 85"),
        ((50, 6, 0, 22, 0), "age at the first period: 6 is not from 7 to 39"),
        ((50, 12, -1, 22, 0), "number of biopsies: -1"),
        ((50, 12, 0, 51, 0), "age at the first birth: 51 is not from 10 to 50"),
        ((50, 15, 0, 14, 0), "14 is below that at the first period"),
        ((50, 12, 0, 22, 32), "number of relatives: 32"),
        ((50, 12, 0, 22, 0, Hyperplasia.PRESENT), "only a biopsy tells of it"),
    ],
)
def test_answers_that_cannot_be_are_refused(answers, problem):
    with pytest.raises(ValueError, match=problem):
        GailFactors(*answers)


def test_a_projection_beyond_90_is_refused():
    with pytest.raises(ValueError, match="years: 6 is not from 1 to 5"):
        gail_risk(GailFactors(85, 12, 0, 22, 0), 6)
