"""The model's page: one figure for a task and side, what it is, what is not drawn, and nothing before it is asked for."""

import html
import re
from dataclasses import replace

import cv2
import gradio as gr
import numpy as np
import pytest

from app.read.answers import answers_html, badges
from app.read.map_events import MapEvents
from app.read.map_sheet import _small_breasts, sheet_html
from app.read.model_events import BINARY, ModelEvents
from app.read.prompt_table import scores_html
from app.read.similar import similar_html, similar_rows
from app.read.visit import Visit
from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality
from mvmlm.finetuning.head import FinetunedHead
from mvmlm.finetuning.retrieval import SimilarExam
from mvmlm.imaging.preprocess import ViewGeometry
from mvmlm.inference.draft_report import draft_findings
from mvmlm.inference.explain import leading_targets, reduced_map, to_source
from mvmlm.inference.prediction import PromptScore, Target
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.store.archive import add_open_exam
from mvmlm.store.store import Store
from mvmlm.tasks import TASK
from tests.test_app import ANN
from tests.test_one_breast import woman

pytestmark = pytest.mark.usefixtures("few_resamples")

OFTEN = {task.name: task.prevalence for task in BINARY}
R, L = Laterality.RIGHT, Laterality.LEFT
R_CC, L_CC, R_MLO, L_MLO = STANDARD_VIEWS
EMPTY = {name: np.zeros((32, 20), np.float32) for name in STANDARD_VIEWS}


@pytest.fixture(scope="module")
def of_woman(predictor, phantom):
    return predictor.predict(woman(phantom))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    yield store
    store.close()


def row(page, task):
    """The figures of a task's row, right before left."""
    return re.findall(r"<b>(.*?)</b>", re.search(rf'<tr class="{task}">.*?</tr>', page, re.S)[0])


def asked(prediction, **changed):
    return Visit("ann", exam=prediction.exam, prediction=prediction, answers_requested=True, **changed)


def test_a_calibrated_answer_is_a_natural_frequency_where_the_reader_reads(of_woman, predictor):
    assert {"malignancy", "mass", "calcification"} <= of_woman.calibrated
    page = answers_html(of_woman, OFTEN)
    assert predictor.record.name in page and "calibrated, at 3 in 1,000" in page
    assert (
        all(re.search(r"\d+ in [\d,]+", figure) for figure in row(page, "malignancy")) and len(row(page, "mass")) == 2
    )
    rarer = answers_html(of_woman, dict.fromkeys(OFTEN, 0.1))
    assert row(rarer, "malignancy") != row(page, "malignancy") or "<" in row(page, "malignancy")[0]


def test_a_breast_has_the_same_figure_on_its_pictures_as_in_the_panel(of_woman, prediction, predictor):
    for result in (of_woman, prediction):
        shown = row(answers_html(result, OFTEN), "malignancy")
        on_pictures = badges(result, predictor, OFTEN)
        for name in STANDARD_VIEWS:
            figure = html.unescape(shown[0 if name.laterality is R else 1])
            assert on_pictures[str(name)].startswith(f"malignancy {figure} {name.laterality.word} breast\nscore 0.")


def test_an_answer_without_a_calibration_is_called_a_score(prediction, predictor):
    assert prediction.calibrated == frozenset(), "the calibration is that of women"
    page = answers_html(prediction, OFTEN)
    figures = [f"{prediction.probability('malignancy', laterality=side):.2f}" for side in (R, L)]
    assert row(page, "malignancy") == figures and "score, not calibrated" in page
    assert "of 83 such breasts" not in page and " in 1,000" not in page


def test_a_fine_tuned_head_is_calibrated_on_exams_like_its_cases(predictor, phantom):
    for on_phantoms in (True, False):
        head = FinetunedHead(TASK["mass"], predictor.width(TASK["mass"].level), "linear", "ours")
        head.learned_on_phantoms = on_phantoms
        tuned = predictor.with_heads([head.requires_grad_(False)])
        assert ("mass" in tuned.predict(phantom.exam).calibrated) is on_phantoms
        assert ("mass" in tuned.predict(woman(phantom)).calibrated) is not on_phantoms
        assert "malignancy" in tuned.predict(woman(phantom)).calibrated


@pytest.mark.parametrize(
    "training, expected",
    [
        ({}, ()),
        ({"calibrated_for_women": ["mass"]}, ("mass",)),
        ({"command": "python scripts/train_demo.py --women W"}, ("malignancy", "mass", "calcification", "distortion")),
        ({"command": "python scripts/train_demo.py --women W", "calibrated_for_women": []}, ()),
        ({"command": "python scripts/train_demo.py --work W"}, ()),
        ({"command": "mvmlm pretrain --women W", "prevalence": {"mass": 0.5}}, ()),
    ],
)
def test_weights_say_what_is_calibrated(predictor, training, expected):
    assert replace(predictor.record, training=training).calibrated_for_women == expected


def test_the_right_breast_stands_before_the_left_one_as_the_pictures_hang(prediction, predictor):
    page = answers_html(prediction, OFTEN)
    assert page.index(">Right</th>") < page.index(">Left</th>")
    one = replace(prediction, answers=tuple(a for a in prediction.answers if a.laterality is not L))
    cells = re.search(r'<tr class="mass">.*?</tr>', answers_html(replace(one, prevalence={}), OFTEN), re.S)[0]
    assert cells.index("<b>") < cells.index("not assessed")


def test_what_the_weights_did_not_learn_is_not_drawn(prediction, predictor, store):
    assert prediction.not_learned == {"risk"}
    page = answers_html(prediction, OFTEN)
    assert '<tr class="risk">' not in page and "Cancer risk, years 1 to 5: at chance" in page
    events = ModelEvents(lambda: predictor, store, SharedReads())
    updates = events.answers("", asked(prediction), False, False, ANN, *OFTEN.values())
    assert updates[3].visible is False, "no curve"
    assert not any("risk" in str(target) for target, _ in updates[4].choices)
    maps = MapEvents(lambda: predictor)
    drawn = maps.draw_maps(
        "", True, "Cancer risk, years 1 to 5 5", 0, "inferno", "hirescam", True, asked(prediction), ANN
    )
    assert drawn[0].props["maps"] == {}
    chance = replace(prediction, not_learned=frozenset({"mass", "density", "birads"}))
    drafted = draft_findings(chance)
    for findings in (drafted.right, drafted.left):
        assert findings.first("mass") is None and "mass" not in findings.absent | findings.not_suspicious
        assert findings.density is None and findings.birads is None


def test_only_tasks_with_a_head_have_a_figure(prediction):
    of_mass = replace(prediction, answers=tuple(a for a in prediction.answers if a.task == "mass"))
    page = answers_html(replace(of_mass, prevalence={}), OFTEN)
    assert page.count("no head was trained for it.") == 6 and row(page, "mass")
    assert "Malignancy" in page and '<tr class="malignancy">' not in page


def test_heads_prompts_and_their_disagreement_are_folded_away(prediction):
    def answered(by, probability):
        return tuple(a._replace(probability=probability) for a in prediction.answers if (a.task, a.by) == ("mass", by))

    apart = replace(prediction, answers=answered("head", 0.5) + answered("prompt", 0.49))
    alike = replace(prediction, answers=answered("head", 0.51) + answered("prompt", 0.5))
    for result, differing in ((apart, 3), (alike, 0)):
        page = answers_html(replace(result, prevalence={}), OFTEN)
        table, _, details = page.partition('<details class="details">')
        assert "0.49" not in table and details.count("<em>differs</em>") == differing
        assert '<details class="details" open' not in page


def test_nothing_of_the_model_is_told_before_it_is_asked(prediction, predictor, store):
    sealed = replace(asked(prediction), answers_requested=False)
    maps, model = MapEvents(lambda: predictor), ModelEvents(lambda: predictor, store, SharedReads())
    viewer, note, slow = maps.draw_maps("", True, "Mass", 0, "inferno", "hirescam", False, sealed, ANN)
    assert viewer.props["maps"] == {} and "hidden" in note and slow == ""
    assert maps.draw_maps("", True, "Mass", 0, "inferno", "occlusion", False, sealed, ANN)[2] == ""
    assert maps.all_maps("", 0, "inferno", "hirescam", False, sealed, ANN) == ""
    assert maps.all_maps("", 0, "inferno", "hirescam", True, sealed, ANN) != "", "one who always sees them"
    assert model.score_prompts("", "a mass", sealed, None, False, ANN)[1] == ""


def test_a_model_that_fails_says_so_for_the_exam_that_is_open(prediction, predictor, store):
    events = ModelEvents(lambda: predictor, store, SharedReads())
    waiting = Visit("ann", exam=prediction.exam, token="now")
    assert all("could not read this exam" in shown for shown in events.not_answered("now", waiting, ANN))
    assert events.not_answered("before", waiting, ANN) == gr.skip()
    assert events.not_answered("now", replace(waiting, prediction=prediction), ANN) == gr.skip(), "answers stay"


def test_the_sheet_shows_every_task_on_every_view(prediction, predictor):
    page = MapEvents(lambda: predictor).all_maps("", 0, "inferno", "occlusion", False, asked(prediction), ANN)
    targets = [target for target in leading_targets(prediction) if target.task != "risk"]
    assert page.count("<section>") == len(targets) == 7 and page.count("<img") == 4 * len(targets)
    assert [str(target) in page for target in targets] == [True] * len(targets)
    assert page.index("R CC") < page.index("L CC") < page.index("R MLO") < page.index("L MLO")
    assert "HiResCAM" in page and "Occlusion" not in page, "a slow method gives way"
    assert re.findall(r"<i>(.*?)</i>", page) == ["0.05", "0.25", "0.5", "0.75", "1"] and "same scale" in page


def test_a_small_map_lies_where_the_large_one_does(predictor, prediction):
    for name, view in prediction.exam.views.items():
        evidence = np.zeros((32, 20), np.float32)
        evidence[10:14, 3:7] = 3.0
        given = prediction.encoding.inputs[name]
        given = replace(given, breast=np.ones_like(given.breast))
        whole, small = to_source(evidence, given), reduced_map(evidence, given, 160)
        assert small.shape == (160, round(view.columns * 160 / view.rows))
        expected = cv2.resize(whole, small.shape[::-1], interpolation=cv2.INTER_AREA)
        centres = [np.average(np.argwhere(heat > 0), axis=0, weights=heat[heat > 0]) for heat in (small, expected)]
        assert np.allclose(*centres, atol=1.0), name


def test_breasts_of_the_sheet_meet_at_the_chest_wall_at_one_scale_and_never_change_places(prediction):
    """Right breasts lie at the right edge of their picture, left ones at the left edge; a missing view stays a gap."""
    given = dict(prediction.encoding.inputs)
    small = _small_breasts(dict(prediction.exam.views), given)
    for name, breast in small.items():
        marked = np.zeros(breast.grey.shape, np.float32)
        left, top, right, bottom = breast.crop
        wall = left if breast.view.chest_wall_left else right - 1
        marked[top:bottom, wall] = 1.0
        shown = breast.with_map(marked, 0.0, "inferno")
        assert shown.shape[:2] == breast.frame
        coloured = np.nonzero((shown.max(2).astype(int) - shown.min(2)) > 40)[1]
        assert {*coloured} == {shown.shape[1] - 1 if name.laterality is R else 0}, name
    assert len({breast.frame for breast in small.values()}) == 1
    one = Exam({name: view for name, view in prediction.exam.views.items() if name != R_MLO})
    page = sheet_html(replace(prediction, exam=one), {Target("mass", "present"): EMPTY}, 0.0, "inferno", "hirescam")
    assert re.findall(r"<figcaption>(.*?)</figcaption>", page) == ["R CC", "L CC", "R MLO: not read", "L MLO"]
    assert "empty: no place of 0.05 or more" in page


def test_a_geometry_of_few_rows_stays_as_it_is():
    geometry = ViewGeometry(100, 80, (10, 20, 70, 90), True, False, 70, 60, 0, 96, 64)
    assert geometry.reduced(100) is geometry and geometry.reduced(400) is geometry
    tiny = geometry.reduced(1)
    assert (tiny.source_rows, tiny.source_columns) == (1, 1) and tiny.crop == (0, 0, 1, 1)


def test_a_sheet_without_a_task_has_no_card(prediction):
    assert "<section>" not in sheet_html(prediction, {}, 0.0, "inferno", "hirescam")


def score(prompt, value, side=None, probability=None):
    return PromptScore(prompt, None, side, value, probability)


def test_prompts_are_shown_in_full_and_those_of_unknown_words_get_no_bar():
    long = "irregular spiculated mass in the upper outer quadrant at middle depth, seen in both views <b>"
    scores = [
        score(long, 0.3),
        score(long, 0.3, R),
        score(long, -0.2, L),
        score("no mass", 0.4),
        score("no mass", 0.4, R),
    ]
    scores += [score("a | b", 9.0, probability=0.9), score("a | b", 9.0, R, 0.9), score("a | b", -2.0, L, 0.1)]
    page = scores_html(scores, {"banana split": ["banana", "split"]})
    assert "banana split<small>unknown: banana, split" in page and page.count("banana split") == 1
    assert long.replace("<b>", "&lt;b&gt;") in page and page.index("no mass") < page.index("irregular")
    assert page.index("a | b") < page.index("no mass"), "pairs stand apart: their numbers are others"
    assert re.findall(r"width:([\d.]+)%", page) == ["90.0", "10.0", "40.0", "0.0", "30.0", "0.0"]
    assert re.findall(r"<b>(.*?)</b>", page) == ["0.90", "0.10", "0.40", "–", "0.30", "-0.20"]


def test_similar_exams_have_thumbnails_and_can_be_framed(prediction, store):
    number = add_open_exam(store, prediction.exam, None, "ann")
    page = similar_html(similar_rows(store, [SimilarExam(number, 0.912)]))
    assert f'<span data-thumbnail="{number}">' in page and "similarity 0.91" in page
    assert re.findall(r'role="gridcell" data-col="(\d)"[^>]*>([^<]*)<', page) == [
        ("0", str(number)),
        ("1", store.exams.get(number).name),
    ]
    assert similar_html([]) == ""
