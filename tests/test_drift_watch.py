"""The watch over the exams of a store: which exams are watched, what is known of each, and what it says."""

import json
from copy import copy
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from mvmlm.__main__ import main
from mvmlm.exam import SIDES, Laterality
from mvmlm.finetuning import drift_watch, exam_familiarity
from mvmlm.finetuning.config import Stopped
from mvmlm.finetuning.drift_watch import sentences_of, watch_from_store, watches_of
from mvmlm.finetuning.embeddings import EmbeddedExams, embed_exams, source_of
from mvmlm.finetuning.exam_familiarity import store_familiarity
from mvmlm.finetuning.site_cases import Site, breast_scores
from mvmlm.finetuning.site_versions import active_calibrations
from mvmlm.imaging.phantom_files import is_phantom_exam
from mvmlm.reading.reading import Reading
from mvmlm.site.before_after import before_and_after
from mvmlm.site.cases import LabelledScores, Source, TooFewCases
from mvmlm.site.drift import DriftReport, WatchedExam
from mvmlm.site.recalibration import recalibrate
from mvmlm.store.archive import open_stored_exam
from mvmlm.store.store import Store
from mvmlm.tasks import TASK, Level
from mvmlm.worker import work

pytestmark = pytest.mark.usefixtures("one_thread", "few_resamples")
R, L = Laterality
END, TODAY = date(2026, 6, 30), date(2026, 9, 1)
silent = lambda share, message: False  # noqa: E731


def direction(predictor):
    """The vector of a breast along which the head of mass gives a score of 1 more, as log odds."""
    width = predictor.width(Level.BREAST)
    rows = np.zeros((width + 1, 2, width), np.float32)
    rows[1:, 0] = np.eye(width)
    whole = np.zeros((width + 1, predictor.width(Level.EXAM)), np.float32)
    embedded = EmbeddedExams(np.arange(width + 1), whole, rows, np.ones((width + 1, 2), bool))
    scores = breast_scores(predictor, embedded, TASK["mass"], "head")[:, 0]
    odds = np.log(scores / (1 - scores))
    return (odds[1:] - odds[0]) / ((odds[1:] - odds[0]) ** 2).sum(), odds[0]


def watched_store(folder, predictor, exam_files, days, shift=lambda day: 0.0, unlike=lambda day: False):
    """A store of encoded exams of these days. shift: of the log odds of a day's scores. unlike: whether its exams are."""
    store, rng = Store(folder), np.random.default_rng(0)
    along, at_zero = direction(predictor)
    for number, day in enumerate(days, 1):
        store.exams.add(*exam_files, "ann", patient_id=f"p{number}", study_id=f"s{number}")
        odds = rng.normal(-2 + shift(day), 1.2, 2)
        vectors = {side: (odds[index] - at_zero) * along for index, side in enumerate(SIDES)}
        source = source_of(store, predictor, number)
        whole = {None: np.zeros(predictor.width(Level.EXAM))}
        store.embeddings.add(number, predictor.weights, source, vectors | whole, predictor.precision)
        if predictor.familiarity.known:
            measured = copy(predictor)
            names = ["R-CC"] if unlike(day) else []
            measured.familiarity = SimpleNamespace(
                measured_inputs=lambda inputs, views: inputs, unfamiliar=lambda measured, names=names: names
            )
            store_familiarity(store, measured, number, source, {}, {})
    set_column(store, "exam_date", {number: f"{day:%Y%m%d}" for number, day in enumerate(days, 1)})
    return store


def set_column(store, column, values):
    with store.file.transaction() as conn:
        conn.executemany(f"UPDATE exams SET {column} = ? WHERE id = ?", [(v, n) for n, v in values.items()])


def measuring(predictor):
    """The predictor with a measure of familiarity that is only looked up, never computed."""
    other = copy(predictor)
    other.familiarity = SimpleNamespace(known=True)
    return other


def sign(store, number, fields):
    reading = store.readings.start(number, "ann")
    store.readings.save(reading.id, Reading(), Reading(fields))
    store.readings.finalise(store.readings.sign(reading.id).id)


BEFORE = [date(2026, 1, 1) + timedelta(days=k) for k in range(120)]
AUGUST = [date(2026, 8, 1 + k % 28) for k in range(60)]


def site_of(store, predictor, decoder):
    return Site(store, predictor, decoder, TASK["mass"])


def report_of(version):
    return DriftReport.from_json(version.record["report"])


@pytest.mark.parametrize(
    "change, expected",
    [
        ({}, set()),
        ({"shift": lambda day: 1.5 * (day > END)}, {"scores"}),
        ({"unlike": lambda day: day > END and day.day % 3 == 0}, {"unlike"}),
    ],
)
def test_planted_drift_gives_an_alarm_and_no_drift_gives_none(
    tmp_path, small_predictor, decoder, exam_files, change, expected
):
    predictor = measuring(small_predictor)
    store = watched_store(tmp_path, predictor, exam_files, BEFORE + AUGUST, **change)
    made = watch_from_store(site_of(store, predictor, decoder), END, TODAY, "ann", silent)
    report = report_of(made)
    assert {alarm.what for alarm in report.alarms} == expected and report.tested == ("2026-08",)
    assert made.record["exams"] == 180 and sum(made.record["left_out"].values()) == 0
    said = " ".join(sentences_of(made.record))
    assert ("more than chance explains" in said) is bool(expected) and ("No alarm in 1 month" in said) is not expected
    assert "No calibration of mass is applied" in said


def test_the_reference_period_is_kept_from_watch_to_watch_and_a_change_of_it_is_said(
    tmp_path, small_predictor, decoder, exam_files
):
    store = watched_store(tmp_path, small_predictor, exam_files, BEFORE + AUGUST)
    site = site_of(store, small_predictor, decoder)
    with pytest.raises(ValueError, match="no reference period is chosen yet"):
        watch_from_store(site, None, TODAY, "ann", silent)
    with pytest.raises(ValueError, match="until 2026-09-01 is not over yet"):
        watch_from_store(site, TODAY, TODAY, "ann", silent)
    with pytest.raises(TooFewCases, match="too few cases: 31 exams until 2026-01-31"):
        watch_from_store(site, date(2026, 1, 31), TODAY, "ann", silent)
    assert store.watches.all() == [], "what is refused chooses no reference period"
    watch_from_store(site, END, TODAY, "ann", silent)
    again = watch_from_store(site, None, TODAY, "ben", silent)
    assert report_of(again).reference_end == END and "was changed" not in " ".join(sentences_of(again.record))
    moved = watch_from_store(site, date(2026, 7, 31), TODAY, "ben", silent)
    assert "changed 1 time, last from 2026-06-30 to 2026-07-31" in " ".join(sentences_of(moved.record))
    assert report_of(watch_from_store(site, None, TODAY, "ben", silent)).reference_end == date(2026, 7, 31)
    assert len(watches_of(store, small_predictor, "mass")) == 4
    assert watches_of(store, small_predictor, "calcification") == []


def test_each_exam_is_known_by_its_date_vendor_final_read_and_higher_breast(
    tmp_path, small_predictor, decoder, exam_files, monkeypatch
):
    store = watched_store(tmp_path, small_predictor, exam_files, BEFORE[:6])
    set_column(store, "vendor", {1: "HOLOGIC", 2: None})
    sign(store, 1, {(R, "mass"): "1", (None, "density"): "C"})
    sign(store, 2, {(R, "mass"): "0", (L, "mass"): "0", (None, "density"): "A"})
    sign(store, 3, {(R, "mass"): "0"})
    draft = store.readings.start(4, "ann")
    store.readings.save(draft.id, Reading(), Reading({(R, "mass"): "1", (None, "density"): "D"}))
    set_column(store, "exam_date", {6: None})
    rows = watched_rows(store, small_predictor, decoder, monkeypatch)
    assert [row.label for row in rows] == [1, 0, None, None, None], "one negative breast is no negative exam"
    assert [row.density for row in rows] == ["C", "A", "", "", ""], "a draft says nothing"
    assert rows[0].vendor == "HOLOGIC" and rows[1].vendor == "" and [row.day for row in rows] == BEFORE[:5]
    embedded = EmbeddedExams.load(store, small_predictor)
    scores = breast_scores(small_predictor, embedded, TASK["mass"], "head")
    assert [row.score for row in rows] == pytest.approx(scores[:5].max(1)) and rows[0].probability is None
    assert {row.unlike for row in rows} == {None}, "these weights measure none"


def watched_rows(store, predictor, decoder, monkeypatch):
    """The exams of a store as the watch is given them."""
    given = []

    def refuse(rows, end, today):
        given.extend(rows)
        raise TooFewCases("seen")

    monkeypatch.setattr(drift_watch, "watch", refuse)
    with pytest.raises(TooFewCases, match="seen"):
        watch_from_store(site_of(store, predictor, decoder), END, TODAY, "ann", silent)
    return given


def test_a_probability_is_that_of_either_breast_by_the_calibration_that_is_applied(
    tmp_path, small_predictor, decoder, exam_files, monkeypatch
):
    store = watched_store(tmp_path, small_predictor, exam_files, BEFORE[:3])
    cases = LabelledScores(np.linspace(0.1, 0.9, 40), (np.arange(40) % 2).astype(float), np.arange(40) // 2)
    record = {
        "calibration": recalibrate(cases, Source("m", small_predictor.weights, "mass")).to_json(),
        "before_after": before_and_after(cases, 1).to_json(), "by": "head", "phantoms": False,
    }  # fmt: skip
    number = store.calibrations.add("mass", small_predictor.weights, "", record, "ann")
    assert watched_rows(store, small_predictor, decoder, monkeypatch)[0].probability is None
    store.calibrations.activate(number, "mass", small_predictor.weights, "ann")
    rows = watched_rows(store, small_predictor, decoder, monkeypatch)
    apply = active_calibrations(small_predictor, store)["mass"].apply
    scores = breast_scores(small_predictor, EmbeddedExams.load(store, small_predictor), TASK["mass"], "head")
    for row, of_breasts in zip(rows, scores, strict=True):
        right, left = apply(of_breasts)
        assert row.probability == pytest.approx(right + left - right * left)
        assert row.score == pytest.approx(of_breasts.max()), "the score stays as the model gives it"


def test_exams_that_are_not_watched_are_counted_with_the_reason(
    tmp_path, small_predictor, decoder, exam_files, monkeypatch
):
    store = watched_store(tmp_path, small_predictor, exam_files, BEFORE + AUGUST)
    set_column(store, "exam_date", {1: None, 2: "20261399", 5: "20620701"})
    with store.file.transaction() as conn:
        conn.execute("""UPDATE views SET facts = '{"phantom": true}' WHERE exam = 3""")
        conn.execute("DELETE FROM embeddings WHERE exam = 4")
        conn.execute("UPDATE views SET path = 'gone.dcm' WHERE exam = 4")
    made = watch_from_store(site_of(store, small_predictor, decoder), END, TODAY, "ann", silent)
    assert made.record["left_out"] == {"undated": 3, "learned": 0, "phantoms": 1, "unread": 1}
    said = sentences_of(made.record)
    for sentence in (
        "3 exams that have no date, or one in the future.",
        "1 exam that are phantoms.",
        "1 exam that could not be encoded.",
    ):
        assert f"Not watched: {sentence}" in said
    assert "Whether an exam is unlike known mammograms is not measured with small." in said
    assert not any(figures.unlike for figures in report_of(made).figures)


def test_exams_that_a_fine_tuned_head_learned_from_are_not_watched(
    tmp_path, small_predictor, decoder, exam_files, monkeypatch
):
    store = watched_store(tmp_path, small_predictor, exam_files, BEFORE[:20])
    finetuned = copy(small_predictor)
    finetuned.finetuned = {"mass": "mass 1"}
    rows = watched_rows(store, finetuned, decoder, monkeypatch)
    assert 0 < len(rows) < 20 and len(rows) == len(store.exams.in_split("test"))


def test_a_task_that_is_not_answered_for_women_is_not_watched_for_them(tmp_path, predictor, decoder, exam_files):
    store = Store(tmp_path)
    store.exams.add(*exam_files, "ann")
    with pytest.raises(ValueError, match="not answered for women"):
        watch_from_store(Site(store, predictor, decoder, TASK["distortion"]), END, TODAY, "ann", silent)
    with pytest.raises(ValueError, match="only for answers of yes or no about a breast"):
        watch_from_store(Site(store, predictor, decoder, TASK["density"]), END, TODAY, "ann", silent)


def test_an_exam_is_unlike_where_the_predictor_notes_it_and_is_opened_once(
    tmp_path, predictor, decoder, exam_files, monkeypatch
):
    store = Store(tmp_path)
    store.exams.add(*exam_files, "ann")
    noted = "unfamiliar" in {note.kind for note in predictor.predict(open_stored_exam(store, 1, decoder)).quality_notes}
    embed_exams(store, predictor, decoder, [1], silent)
    sources = {1: source_of(store, predictor, 1)}
    look = exam_familiarity.unlike_exams
    with monkeypatch.context() as closed:
        closed.setattr(exam_familiarity, "open_stored_exam", None)
        assert look(store, predictor, decoder, sources, silent) == {1: noted}
    with store.file.transaction() as conn:
        conn.execute("DELETE FROM familiarity")
    with pytest.raises(Stopped):
        look(store, predictor, decoder, sources, lambda share, message: True)
    assert look(store, predictor, decoder, sources, silent) == {1: noted}, "it is measured where it was not kept"
    assert store.familiarity.current(predictor.weights, {1: "of other files"}) == {}
    assert not is_phantom_exam(exam_files[0])


def test_a_job_watches_and_too_few_exams_are_its_result(tmp_path, small_predictor, small_weights, exam_files):
    store = watched_store(tmp_path, small_predictor, exam_files, BEFORE + AUGUST)
    settings = {"task": "mass", "who": "ann"}
    asked = [store.jobs.add("watch", settings | {"reference_end": day}, "ann") for day in ("", "2026-01-31", str(END))]
    assert work(store.folder, str(small_weights), idle_seconds=0.2) == 3
    none, few, done = (store.jobs.get(number) for number in asked)
    assert none.state == "failed" and "Mass: no reference period is chosen yet" in none.message
    assert few.state == "done" and few.result == {"too_few": True} and "Mass: too few cases: 31 exams" in few.message
    (made,) = store.watches.all()
    assert done.result == {"watch": made.id} and done.message == "Mass: 180 exams watched, no alarms"


def test_the_command_line_watches_prints_the_months_and_keeps_the_reference(
    tmp_path, small_predictor, small_weights, exam_files, capsys
):
    store = watched_store(tmp_path, small_predictor, exam_files, BEFORE + AUGUST)
    command = ["watch", "mass", "--data", str(store.folder), "--weights", str(small_weights)]
    assert main(command) == 1 and "no reference period is chosen yet" in capsys.readouterr().err
    assert main([*command, "--reference-end", "2026-06-30"]) == 0
    said = capsys.readouterr().out
    assert "Mass, watch 1: 180 exams. Research use only." in said and "No alarm in" in said
    lines = {line.split()[0]: line.split() for line in said.splitlines() if line}
    assert lines["before"][1] == "120" and lines["2026-08"][1] == "60" and "few" in lines["2026-08"]
    assert main([*command, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["report"]["reference_end"] == "2026-06-30" and record["sentences"] and record["watch"] == 2
    assert main([*command, "--list"]) == 0
    assert "2  " in (listed := capsys.readouterr().out) and "reference until 2026-06-30: 180 exams, 0 alarms" in listed
    with pytest.raises(SystemExit):
        main([*command, "--reference-end", "June"])


def test_a_figure_of_unlike_exams_counts_those_that_were_measured():
    rows = [WatchedExam(day, "", "", 0.5, None, k % 4 == 0 if k < 60 else None, None) for k, day in enumerate(BEFORE)]
    figures = drift_watch.watch(rows, END, TODAY).figures[0]
    assert (figures.exams, figures.unlike.count, figures.unlike.cases) == (120, 15, 60)
