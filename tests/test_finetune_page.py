"""The handlers of the Fine-tune page, called without a browser."""

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from app.active_predictor import LoadOnce
from app.finetune import events as finetune_events
from app.finetune import site_versions as site_events
from app.finetune.calibration import CalibrationEvents
from app.finetune.events import FinetuneEvents, Snapshot, finetune_config
from app.finetune.head_report import details_html, interval, jobs_html, verdict_html
from app.finetune.threshold import ThresholdEvents
from app.finetune.watch import WatchEvents
from app.jobs import job_html
from app.privacy import COOKIE
from mvmlm.exam import Laterality
from mvmlm.reading.reading import Reading
from mvmlm.site.before_after import before_and_after
from mvmlm.site.cases import LabelledScores, Source
from mvmlm.site.drift import WatchedExam, watch
from mvmlm.site.operating_point import Goal, certified_threshold
from mvmlm.site.recalibration import recalibrate
from mvmlm.store.jobs import MAX_OWN_JOBS
from mvmlm.store.records import Filter
from tests.conftest import waiting_upload

pytestmark = pytest.mark.usefixtures("few_resamples")

R, L = Laterality
CONTROLS = ("mass", "", "", "", "", "linear", 0.9, "")  # as the page starts with them
COMPARISON = {
    "verdict": "better on the test cases", "cases": 40, "patients": 20, "metric": "AUC", "new": [0.91, 0.85, 0.96],
    "old": [0.7, 0.6, 0.8],
    "difference": [0.21, 0.1, 0.3], "delong_p": 0.01, 
    "groups": [{"group": "density C", "new": 0.9, "old": None}], "warnings": ["<few cases>"],
    "operating": {"threshold": 0.4, "sensitivity": 0.8, "specificity": None, "counts": {"true positives": 4}},
    "confusion": [[3, 1], [0, 4]],
    "calibration": None, "roc": {},
}  # fmt: skip
RECORD = {
    "config": {"depth": "linear", "seed": 1}, "comparison": COMPARISON, "train_cases": 40, "train_patients": 20,
    "penalty": 0.1,
    "cross_validated": 0.88, "compared_with": "MV-MLM demo",
}  # fmt: skip


@pytest.fixture
def started(monkeypatch):
    """The weights with which a worker was started; none is started."""
    weights = []
    monkeypatch.setattr(finetune_events, "start_worker", lambda store, name: weights.append(name))
    return weights


@pytest.fixture
def events(store, predictor):
    return FinetuneEvents(store, "demo", lambda: predictor)


def add_head(store, predictor, name="mass 1"):
    return store.heads.add("mass", name, predictor.weights, RECORD, b"tensors", "ann")


def test_controls_as_they_start_take_every_labelled_exam():
    config = finetune_config(*CONTROLS)
    assert (config.task, config.depth, config.reader, config.exam_filter, config.name) == (
        "mass",
        "linear",
        None,
        Filter(),
        "",
    )


def test_controls_are_read_as_a_configuration():
    config = finetune_config("density", " Ann  Lee", "x", "2024-01-31", "", "mlp", 0.8, " my head ")
    assert (config.reader, config.exam_filter, config.name) == ("Ann Lee", Filter("x", since="20240131"), "my head")


def test_fine_tuning_without_a_name_queues_nothing_and_says_so(events, store, started):
    message, *_ = events.start("  ", *CONTROLS)
    assert "No reader is named." in message and 'class="wrong"' in message
    assert store.jobs.recent() == [] and started == []


def test_fine_tuning_queues_a_job_with_its_configuration(events, store, started):
    message, bar, stop, timer = events.start(" Ann ", *CONTROLS)
    assert message == "" and "Teaching, job 1: queued" in bar and stop.visible and timer.active
    (job,) = store.jobs.recent()
    assert job.kind == "finetune" and job.settings == {"config": finetune_config(*CONTROLS).to_json(), "who": "Ann"}
    assert started == ["demo"]


def test_a_wrong_date_queues_nothing(events, store, started):
    assert "is not a date" in events.start("Ann", "mass", "", "", "yesterday", "", "linear", 0.9, "")[0]
    assert store.jobs.recent() == [] and started == []


def sign_readings(store, exam_files, count, answers):
    """Store exams of as many patients, each with a signed reading of both breasts."""
    for number in range(1, count + 1):
        store.exams.add(*exam_files, "ann", patient_id=f"p{number}", study_id=f"s{number}")
        reading = store.readings.start(number, "ann")
        right, left = answers(number)
        store.readings.save(reading.id, Reading(), Reading({(R, "mass"): right, (L, "mass"): left}))
        store.readings.finalise(store.readings.sign(reading.id).id)
    splits = [store.exams.get(number).split for number in range(1, count + 1)]
    return splits.count("train"), splits.count("test")


def test_cases_are_counted_and_what_is_missing_is_said_before_anything_is_encoded(events, store, exam_files):
    train, test = sign_readings(store, exam_files, 3, lambda number: "10")
    table, button = events.count_cases(*CONTROLS)
    assert f"<td>{2 * train}</td><td>{2 * test}</td>" in table and f"<td>{train}</td><td>{test}</td>" in table
    assert (
        "<b>Not enough yet:</b>" in table and "of at least 5 patients, are needed" in table and not button.interactive
    )
    wrong, button = events.count_cases("nonsense", *CONTROLS[1:])
    assert 'class="wrong"' in wrong and not button.interactive


def test_the_button_is_open_where_nothing_is_missing_and_few_test_cases_are_said(events, store, exam_files):
    train, test = sign_readings(store, exam_files, 20, lambda number: "10" if number % 2 else "01")
    table, button = events.count_cases(*CONTROLS)
    assert button.interactive and "Missing" not in table and 2 * test < 30 <= 2 * (train + test)
    assert f"not shown to be better: {2 * test} breasts to compare on are" in " ".join(table.split())


def test_stop_asks_only_the_visitors_own_teaching_that_has_not_ended(events, store, started):
    ann, ben = (SimpleNamespace(cookies={COOKIE: name}) for name in ("ann", "ben"))
    for task in ("mass", "density", "calcification"):
        events.start("ann", task, *CONTROLS[1:], ann)
    events.start("ben", *CONTROLS, ben)
    encoding = store.jobs.add("encode", {}, "ann", store.jobs.get(1).owner)
    store.jobs.finish(1, "done", "")
    assert not events.jobs.stop(ann)[1].visible
    assert [store.jobs.get(number).cancel for number in (1, 2, 3, 4, encoding)] == [False, True, True, False, False]
    assert store.jobs.get(4).state == "queued"


def test_a_visitor_without_a_cookie_starts_and_stops_nothing(events, store, started):
    nobody = SimpleNamespace(cookies={})
    store.jobs.add("finetune", {}, "ann")
    assert "keeps no cookie" in events.start("ann", *CONTROLS, nobody)[0]
    assert "keeps no cookie" in events.jobs.stop(nobody)[0]
    assert [job.state for job in store.jobs.recent()] == ["queued"] and started == []


def test_pressing_fine_tune_many_times_is_one_job_and_other_jobs_are_limited(events, store, started):
    ann = SimpleNamespace(cookies={COOKIE: "ann"})
    messages = {events.start("ann", *CONTROLS, ann)[1] for _ in range(60)}
    assert len(messages) == 1 and len(store.jobs.recent()) == 1
    names = [events.start("ann", *CONTROLS[:-1], f"head {n}", ann)[0] for n in range(60)]
    assert len(store.jobs.recent(100)) == MAX_OWN_JOBS and "You have 5 jobs that have not ended" in names[-1]


def test_a_head_is_activated_and_rolled_back(events, store, predictor):
    number = add_head(store, predictor)
    assert "“mass 1” answers mass from now on" in events.activate("ann", number, False)[0]
    assert store.heads.get(number).active and "active now" in events.show_head(number)[0]
    assert "The bundled head answers mass again" in events.roll_back("ann", number)[0]
    assert not store.heads.get(number).active and "not active" in events.show_head(number)[0]


def test_without_a_head_or_a_name_nothing_is_activated(events, store, predictor):
    assert (
        "Choose a head first" in events.activate("ann", None, True)[0]
        and "Choose a head first" in events.roll_back("ann", 9)[0]
    )
    number = add_head(store, predictor)
    assert "No reader is named." in events.activate("", number, False)[0] and not store.heads.get(number).active
    assert "No head is taught yet" in events.show_head(None)[0]


@pytest.mark.parametrize("change", [{"verdict": "not shown to be better"}, {"verdict": "worse on the test cases"},
                                    {"cases": 29}])  # fmt: skip
def test_a_head_that_was_not_shown_to_be_better_is_activated_only_when_confirmed(events, store, predictor, change):
    record = RECORD | {"comparison": COMPARISON | change}
    number = store.heads.add("mass", "mass 1", predictor.weights, record, b"tensors", "ann")
    assert events.show_head(number)[4].visible
    message, *shown = events.activate("ann", number, False)
    assert 'class="wrong"' in message and "Tick the box" in message and not store.heads.get(number).active
    assert all(update == gr.skip() for update in shown), "the reader may have ticked the box by now"
    assert "answers mass from now on" in events.activate("ann", number, True)[0] and store.heads.get(number).active
    assert not events.show_head(number)[4].visible, "there is nothing to confirm any more"


def test_a_better_head_and_one_without_another_to_compare_with_need_no_confirmation(events, store, predictor):
    better = add_head(store, predictor)
    alone = {key: value for key, value in COMPARISON.items() if key not in ("old", "difference")} | {
        "verdict": "nothing to compare with: the weights have no head for this task", "cases": 10,
    }  # fmt: skip
    new = store.heads.add("mass", "mass 2", predictor.weights, RECORD | {"comparison": alone}, b"tensors", "ann")
    for number in (better, new):
        assert not events.show_head(number)[4].visible
        assert "answers mass from now on" in events.activate("ann", number, False)[0]


def test_no_interval_and_no_verdict_is_shown_below_thirty_cases(store, predictor):
    few = RECORD | {"comparison": COMPARISON | {"cases": 29}}
    head = store.heads.get(store.heads.add("mass", "old", predictor.weights, few, b"tensors", "ann"))
    page = verdict_html(head) + details_html(head)
    assert "Not shown to be better: 29 test cases are too few, 30 are needed" in page
    assert "0.910" in page and "0.850" not in page and "interval" not in page and "DeLong" not in page


def test_a_head_is_deleted_only_when_confirmed_and_never_while_active(events, store, predictor):
    number = add_head(store, predictor)
    assert "Tick “Yes, delete” first" in events.delete("ann", number, False)[0]
    store.heads.activate(number, "mass", predictor.weights, "ann")
    assert 'class="wrong"' in events.delete("ann", number, True)[0] and store.heads.all()
    store.heads.activate(None, "mass", predictor.weights, "ann")
    assert events.delete("ann", number, True) == ("<p>“mass 1” is deleted.</p>", False) and store.heads.all() == []


def test_a_file_that_is_no_head_is_refused_and_deleted(events, store, tmp_path):
    path = tmp_path / "head.safetensors"
    path.write_bytes(b"not a head")
    ann, waiting = SimpleNamespace(cookies={COOKIE: "ann"}), waiting_upload(path)
    field, message = events.import_head(waiting, "ann", ann)
    assert field is None and 'class="wrong"' in message and not Path(waiting).exists() and store.heads.all() == []
    assert events.import_head(None, "ann", ann) == (None, "")


def test_the_page_is_updated_only_when_something_changed(events, store, predictor):
    first, jobs, _, choice = events.refresh(None, None)
    assert first == Snapshot((), ()) and "No job yet" in jobs and choice.value is None
    same, jobs, curve, choice = events.refresh(first, None)
    assert same == first and jobs == curve == choice == gr.skip()
    job = store.jobs.add("finetune", {}, "ann")
    assert events.refresh(first, None)[0].jobs[0][:2] == (job, "queued")


def test_a_new_head_is_chosen_and_an_older_choice_stays_otherwise(events, store, predictor):
    before = events.refresh(None, None)[0]
    first = add_head(store, predictor)
    seen, _, _, choice = events.refresh(before, None)
    assert choice.value == first
    second = add_head(store, predictor, "mass 2")
    seen, _, _, choice = events.refresh(seen, first)
    assert choice.value == second
    store.heads.activate(second, "mass", predictor.weights, "ann")
    _, _, _, choice = events.refresh(seen, first)
    assert choice.value == first and "active now" in choice.choices[0][0]


def test_the_curve_of_the_newest_fine_tuning_is_drawn(events, store):
    job = store.jobs.add("finetune", {}, "ann")
    store.jobs.set_partial_result(job, {"curve": {"penalties": [0.1], "scores": [0.7], "losses": [1, 0.5]}})
    _, _, curve, _ = events.refresh(None, None)
    assert curve.visible and '"y":[0.7]' in curve.value["plot"]
    assert not events.refresh(None, None)[3].value, "there is no head to choose"


def test_a_heads_report_says_the_verdict_first_and_escapes_text(store, predictor):
    head = store.heads.get(add_head(store, predictor, "<b>mine</b>"))
    verdict = verdict_html(head)
    assert verdict.index("Better on the test cases") < verdict.index("0.910 (0.850–0.960)") < verdict.index("&lt;few")
    page = verdict + details_html(head)
    for text in ("40 test cases of 20 patients", "DeLong p 0.010", "sensitivity 0.80, specificity –",
                 "4 true positives", "density C", "MV-MLM demo", "&lt;few cases&gt;", "Fine-tuned on 40 cases",
                 "penalty 0.1", "<td>3</td><td>1</td>", "not active", f"export/head-{head.id}.safetensors"):  # fmt: skip
        assert text in page, text
    assert "<b>mine" not in page


def test_an_interval_may_be_missing():
    assert interval(None, 99) == "–" and interval([None, None, None], 99) == "–"
    assert interval([0.5, None, None], 99) == "0.500" and interval([0.5, 0.4, 0.6], 29) == "0.500"


def test_a_task_of_ones_own_is_a_task_to_teach_at_once(events, store):
    message, choices = events.declare("mass", "Mass", "", "breast", "", "", False)
    assert "taken" in message and choices.value == "mass"
    message, choices = events.declare("mass", "Skin lesion", "", "breast", "", "", False)
    assert (
        "is declared" in message
        and choices.value == "skin_lesion"
        and ("Skin lesion", "skin_lesion") in choices.choices
    )
    assert "of at least 5 patients" in events.count_cases("skin_lesion", *CONTROLS[1:])[0]


def test_jobs_are_listed_with_progress_and_inert_text(store):
    number = store.jobs.add("finetune", {}, "ann")
    store.jobs.take("me")
    store.jobs.update_progress(number, 0.42, "<script>")
    page = jobs_html(store.jobs.recent())
    assert "width:42%" in page and "&lt;script&gt;" in page and "running" in page


def test_a_slow_function_is_called_once_and_again_after_an_error():
    calls = []

    def load():
        calls.append(1)
        if len(calls) == 1:
            raise OSError
        return "loaded"

    once = LoadOnce(load)
    with pytest.raises(OSError):
        once()
    assert once() == once() == "loaded" and len(calls) == 2


class TestCalibrationToTheSite:
    """The part of the page that calibrates scores to the site's own labels."""

    @pytest.fixture
    def box(self, store, predictor, monkeypatch):
        self.started = []
        monkeypatch.setattr(site_events, "start_worker", lambda store, name: self.started.append(name))
        return CalibrationEvents(store, "demo", lambda: predictor)

    @pytest.fixture
    def made(self, store, predictor):
        labels, patients = np.arange(40) % 2, np.arange(40) // 2
        cases = LabelledScores(np.linspace(0.1, 0.9, 40), labels.astype(float), patients)
        record = {
            "calibration": recalibrate(cases, Source("m", predictor.weights, "mass")).to_json(),
            "before_after": before_and_after(cases, 1).to_json(),
        }
        return store.calibrations.add("mass", predictor.weights, "", record, "ann")

    def test_a_job_is_queued_once_and_needs_a_name(self, box, store):
        visitor = SimpleNamespace(cookies={COOKIE: "ann"})
        assert "name" in box.start("", "mass", visitor)[0].lower() and store.jobs.recent() == []
        assert box.start("ann", "mass", visitor)[0] == ""
        (job,) = store.jobs.recent()
        assert (job.kind, job.settings, self.started) == ("calibrate", {"task": "mass", "who": "ann"}, ["demo"])

    def test_a_calibration_is_shown_applied_and_taken_back(self, box, store, made):
        table, choice = box.show()
        assert (
            "Brier score" in table
            and "40 cases of 20 patients, 20 positive" in table
            and [number for _, number in choice.choices] == [made]
        )
        assert "value" not in choice.constructor_args, "what was chosen stays, also where a change was refused"
        assert "applied" not in table
        assert "from now on" in box.apply("ann", made) and " applied" in box.show()[0]
        assert "shown as a score" in box.apply_none("ann", made) and " applied" not in box.show()[0]

    def test_nothing_is_applied_without_a_choice_or_a_name(self, box, store, made):
        assert "Choose a calibration first" in box.apply("ann", None)
        assert "name" in box.apply(" ", made).lower() and not store.calibrations.get(made).active
        assert "77" in box.apply("ann", 77)

    def test_a_page_without_any_says_that_scores_are_scores(self, box):
        assert "Scores are shown as scores" in box.show()[0]


ANN = SimpleNamespace(cookies={COOKIE: "ann"})


class TestThresholdOfTheSite:
    """The part of the page that finds a threshold with a guarantee."""

    @pytest.fixture
    def box(self, store, predictor, monkeypatch):
        self.started = []
        monkeypatch.setattr(site_events, "start_worker", lambda store, name: self.started.append(name))
        return ThresholdEvents(store, "demo", lambda: predictor)

    @pytest.fixture
    def made(self, store, predictor):
        cases = LabelledScores(np.linspace(0.1, 0.9, 60), (np.arange(60) >= 30).astype(float), np.arange(60))
        point = certified_threshold(cases, Goal.SENSITIVITY, 0.9, Source("m", predictor.weights, "mass"))
        record = {"operating_point": point.to_json(), "by": "head", "phantoms": True}
        return store.operating_points.add("mass", predictor.weights, "", record, "ann")

    def test_a_job_is_queued_with_the_goal_as_shares_and_needs_a_name(self, box, store):
        assert "name" in box.start("", "mass", "recall", 3.5, 90, ANN)[0].lower() and store.jobs.recent() == []
        assert box.start("ann", "mass", "recall", 3.5, 95, ANN)[0] == ""
        (job,) = store.jobs.recent()
        expected = {"task": "mass", "goal": "recall", "limit": pytest.approx(0.035), "confidence": 0.95, "who": "ann"}
        assert (job.kind, job.settings, self.started) == ("threshold", expected, ["demo"])

    @pytest.mark.parametrize("percent, confidence, named", [(0, 90, "the goal"), (100, 90, "the goal"),
                                                            (None, 90, "the goal"), (90, 49, "the confidence")])  # fmt: skip
    def test_a_number_out_of_range_queues_nothing_and_is_named(self, box, store, percent, confidence, named):
        message = box.start("ann", "mass", "sensitivity", percent, confidence, ANN)[0]
        assert f"Give {named} as a number from" in message and store.jobs.recent() == []

    def test_the_guarantee_the_shares_and_what_is_found_are_shown(self, box, made):
        table, choice = box.show()
        point = box.versions.get(made).record["operating_point"]
        assert "With 90 % confidence at least 90 % of women with mass like these 30 are called back." in table
        assert f"Scores above {point['threshold']:.4f} are called back" in table
        share = point["sensitivity"]
        interval = f"{100 * share['share']:.1f} % (95 % interval {100 * share['low']:.1f} to {100 * share['high']:.1f})"
        assert interval in table and f"{share['count']} of 30 women" in table
        assert "women called back" in table and "1,000" not in table and "phantoms alone" in table
        assert [number for _, number in choice.choices] == [made]

    def test_it_is_applied_and_taken_back(self, box, store, made):
        assert "Choose an operating point first" in box.apply("ann", None)
        assert "Operating point 1 is applied to Mass" in box.apply("ann", made)
        assert store.operating_points.active() == [made] and "applied" in box.show()[0]
        assert (
            "No threshold is applied to Mass" in box.apply_none("ann", made) and store.operating_points.active() == []
        )

    def test_one_that_cannot_be_read_is_said(self, box, store, predictor):
        store.operating_points.add("mass", predictor.weights, "", {"operating_point": {}}, "ann")
        assert "It cannot be read. Find the threshold again." in box.show()[0]

    def test_too_few_cases_are_no_failure(self, store):
        number = store.jobs.add("threshold", {}, "ann")
        store.jobs.finish(number, "done", "Mass: too few cases: 5 women", {"too_few": True})
        page = job_html(store.jobs.get(number))
        assert "done, without a result" in page and "data-too-few" in page and "too few cases: 5 women" in page


class TestWatchForDrift:
    """The part of the page that watches the stored exams for drift."""

    @pytest.fixture
    def box(self, store, predictor, monkeypatch):
        self.started = []
        monkeypatch.setattr(site_events, "start_worker", lambda store, name: self.started.append(name))
        return WatchEvents(store, "demo", lambda: predictor)

    def add(self, store, predictor, end=date(2026, 6, 30), calibrated=True):
        """Store a watch whose August has more unlike exams of one vendor, and more positives than expected."""
        rows = []
        for k in range(240):
            day, late = date(2026, 1, 1) + timedelta(days=k), k >= 212
            vendor = "<b>GE</b>" if k % 2 else "HOLOGIC"
            for n in range(3):
                score = ((37 * k + 11 * n) % 100 + 0.5) / 100
                unlike = late and vendor != "HOLOGIC"
                rows.append(WatchedExam(day, vendor, "B", score, 0.05 if calibrated else None, unlike, int(late)))
        record = {"report": watch(rows, end, date(2026, 9, 1)).to_json(), "exams": len(rows), "notes": ["A note."]}
        return store.watches.add("mass", predictor.weights, "", record, "ann")

    def test_a_job_is_queued_with_the_reference_and_needs_a_name_and_a_date(self, box, store):
        assert "name" in box.start("", "mass", "2026-06-30", ANN)[0].lower()
        assert "“June” is not a date" in box.start("ann", "mass", "June", ANN)[0] and store.jobs.recent() == []
        assert box.start("ann", "mass", " 2026-06-30 ", ANN)[0] == ""
        (job,) = store.jobs.recent()
        assert (job.kind, job.settings) == ("watch", {"task": "mass", "reference_end": "2026-06-30", "who": "ann"})
        box.start("ann", "mass", "", ANN)
        assert store.jobs.recent()[0].settings["reference_end"] == "" and self.started == ["demo", "demo"]

    def test_the_sentences_come_first_then_notes_and_alarms_are_marked_in_the_plot(self, box, store, predictor):
        self.add(store, predictor)
        said, group, plot, end = box.show("mass", None)
        assert said.index("That is more than chance explains.") < said.index("In 2026-08 the median score")
        assert said.index("In 2026-08 the median score") < said.index("A note.") and "720 exams" in said
        assert [value for _, value in group.choices] == [
            "all ", "vendor <b>GE</b>", "vendor HOLOGIC", "density B",
        ]  # fmt: skip
        assert group.value == "all " and group.visible and plot.visible and end.placeholder == "kept: 2026-06-30"
        assert said.count("more than chance explains") == 7 and "<summary>1 more alarm</summary>" in said
        drawn = plot.value["plot"]
        assert '"name":"alarm"' in drawn and "before 0.0 %" in drawn and '"2026-07","2026-08"' in drawn
        assert '"name":"sum of calibrated probabilities"' in drawn

    def test_another_group_has_its_own_figures_and_its_name_is_inert(self, box, store, predictor):
        self.add(store, predictor, calibrated=False)
        drawn = {group: box.draw("mass", group).value["plot"] for group in ("vendor <b>GE</b>", "vendor HOLOGIC")}
        assert '"name":"alarm"' in drawn["vendor <b>GE</b>"] and '"name":"alarm"' not in drawn["vendor HOLOGIC"]
        assert "&lt;b&gt;GE" in drawn["vendor <b>GE</b>"] or "&amp;lt;b" in drawn["vendor <b>GE</b>"].replace(
            "\\u003c", "<"
        )
        assert "too few exams with a label and a calibrated probability" in drawn["vendor HOLOGIC"]
        assert '"xaxis":"x3"' in drawn["vendor HOLOGIC"], "an axis without a trace has no place for the sentence"
        assert "<b>GE" not in box.show("mass", None)[0]

    def test_without_a_watch_or_with_one_that_cannot_be_read_nothing_is_drawn(self, box, store, predictor):
        said, group, plot, _ = box.show("mass", None)
        assert "not watched yet" in said and not plot.visible and not group.visible
        store.watches.add("mass", predictor.weights, "", {"report": {}}, "ann")
        assert "cannot be read" in box.show("mass", None)[0]
        assert "not watched yet" in box.show("calcification", None)[0] and "not watched yet" in box.show(None, None)[0]
