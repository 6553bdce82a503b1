"""The declared tasks, and probabilities at another prevalence or in words."""

import pytest

from mvmlm.tasks import TASKS, Kind, at_prevalence, natural_frequency


def test_every_task_has_what_pages_and_heads_need():
    for task in TASKS:
        assert task.title and task.classes
        if task.kind is Kind.BINARY:
            assert set(task.prompts) == {"present", "absent"} and task.prevalence
        elif task.prompts:
            assert set(task.prompts) == set(task.classes)


def test_a_change_of_prevalence_follows_bayes():
    # 10 % of 1,000 trained; sensitivity 80 %, specificity 90 % at this score: 80 of 170 have it
    assert at_prevalence(80 / 170, 0.1, 0.01) == pytest.approx(8 / (8 + 99))
    assert at_prevalence(0.3, 0.2, 0.2) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="prevalence"):
        at_prevalence(0.5, 0.1, 0)


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.037, "about 1 in 27 such exams"), (0.0022, "about 1 in 450 such exams"), (0.2, "about 20 in 100 such exams"),
        (0.7, "about 7 in 10 such exams"), (0.999, "about 99 in 100 such exams"), (0.0, "fewer than 1 in 1,000 such exams"),
        (1e-6, "fewer than 1 in 1,000 such exams"), (0.001, "about 1 in 1,000 such exams"),
    ],
)  # fmt: skip
def test_natural_frequencies_are_words(probability, words):
    assert natural_frequency(probability) == words
