"""The benchmark of the method: who gives labels, that every row runs and resumes, and what its words say."""

import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.model.config import Preset
from mvmlm.pretraining.checkpoint import FILE
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, ModelBox
from mvmlm.pretraining.joined_exams import JoinedExams
from mvmlm.pretraining.lesion_insertion import Insertion
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.lexicon import KINDS
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import benchmark_model
import benchmark_results
import benchmark_tables
import demo_exams
from benchmark_labels import QUESTIONS, breasts_of, labels_of, order_of_women
from benchmark_model import (
    BOTH_SHARES,
    PHANTOM_SHARES,
    REAL_SHARES,
    ROWS,
    VIEW_SHARES,
    Benchmark,
    SingleViews,
    findings_only,
    main,
    parser,
)
from benchmark_results import ALL, FUSED, POOLED, TUNED, Cell, OtherRun, Results
from benchmark_tables import BOTH, REAL, SINGLE_VIEW, START
from demo_exams import PHANTOMS, WOMEN

pytestmark = pytest.mark.usefixtures("one_thread")
R, L = Laterality
SIZE = Preprocessing(rows=64, columns=40)
EXAMS = 16
MASS = Finding("mass", "oval")


def breast(rng, side, number):
    """Views of one breast, brighter where it is malignant, and its labels."""
    malignant = number % 2
    views = np.zeros((4, SIZE.rows, SIZE.columns), np.uint8)
    for view, name in enumerate(STANDARD_VIEWS):
        if name.laterality is side:
            views[view, 8:56, :30] = rng.integers(40, 90, (48, 30)) + 60 * malignant
            views[view, 26:38, 8:20] += 60
    return views, malignant


def cache_source(folder, source, rng):
    with ExamCacheWriter(folder, SIZE) as writer:
        for number in range(2 * EXAMS):
            side = (R, L)[number // 2 % 2]
            views, malignant = breast(rng, side, number)
            density = "ABCD"[number % 4]
            present = Findings(density, present=(MASS,) if source == "cbis-mass-800" else ())
            known = (
                {"malignancy": malignant, "birads": 0} if source == "rsna-640" else {"mass": 1, "malignancy": malignant}
            )
            boxes = tuple(ModelBox(view, "mass", 8, 26, 20, 38) for view in np.flatnonzero(views.any((1, 2))).tolist())
            labels = Labels(
                {side: present},
                {side: known},
                {"density": number % 4},
                None,
                boxes if source == "cbis-mass-800" else (),
            )
            split = "test" if number % 2 == number // 4 % 2 else "train"
            writer.add(
                f"{source[:2]}{number // 2:02d}x{number % 2} {side.value}", views, views.any((1, 2)), labels, split
            )


def cache_phantoms(folder, rng):
    with ExamCacheWriter(folder, SIZE) as writer:
        for number in range(EXAMS):
            right, malignant = breast(rng, R, number)
            views = right + breast(rng, L, number + 1)[0]
            found = Findings("B", present=(MASS,)), Findings("B", absent=frozenset(KINDS))
            known = {kind: int(kind == "mass") for kind in KINDS} | {"malignancy": malignant}
            labels = Labels(
                dict(zip((R, L), found)), {R: known, L: dict.fromkeys(KINDS, 0)}, {"density": 1}, (2.0, True),
                (ModelBox(0, "mass", 8, 26, 20, 38),),
            )  # fmt: skip
            writer.add(f"phantom-{number}", views, np.ones(4, bool), labels)


@pytest.fixture(scope="module")
def exams(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("exams"), np.random.default_rng(0)
    for source in WOMEN:
        cache_source(folder / source, source, rng)
    cache_phantoms(folder / PHANTOMS, rng)
    return folder


def tiny_preset(rows):
    return Preset(
        16,
        {"timm_model_name": "test_efficientnet", "image_size": [rows, round(rows * 0.625)], "map_width": 16},
        {"context_length": 64, "width": 16, "heads": 2, "layers": 1},
        {"width": 16, "heads": 2, "layers": 1},
    )


@pytest.fixture(scope="module", autouse=True)
def tiny():
    """A small network, few women and few resamples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark_model, "preset_of", tiny_preset)
        # no place of so small a picture holds tissue for another
        patch.setattr(demo_exams, "Insertion", partial(Insertion, replaced=0.0))
        patch.setattr(benchmark_results, "COUNTS", ("6", "40"))
        patch.setattr(benchmark_results, "SHOWN", ("6", ALL))
        patch.setattr(benchmark_results, "RESAMPLES", 20)
        patch.setattr("benchmark_labels.TUNE_STEPS", 2)
        patch.setattr("mvmlm.pretraining.normalisation.EXAMS", 8)
        patch.setattr("mvmlm.pretraining.record.REPORTS_PER_BREAST", 1)
        for name, row in ROWS.items():
            if row:
                patch.setitem(ROWS, name, replace(row, shares={source: -(-n // 8) for source, n in row.shares.items()}))
        yield


def options(exams, folder, *more):
    given = ["--exams", exams, "--work", folder, "--out", folder / "BENCHMARK.md", "--rows", 32, "--steps", 1]
    return parser().parse_args([str(value) for value in [*given, *more]])


@pytest.fixture(scope="module")
def done(exams, tiny, tmp_path_factory):
    """All rows with one draw."""
    folder = tmp_path_factory.mktemp("work")
    main(options(exams, folder, "--seeds", 1))
    return folder


def test_every_row_is_measured_and_told(done):
    results = Results.open(done / "results.json", {})
    rows = {key.split("/")[0] for key in results.scores}
    assert rows == set(ROWS)
    text = (done / "BENCHMARK.md").read_text(encoding="utf-8")
    assert all(f"| {row} |" in text for row in ROWS)
    assert "| --- |" in text and "(nan" not in text and (done / benchmark_tables.PLOT).stat().st_size > 5000
    for key in QUESTIONS:
        assert results.counts(key) == ["6", ALL], "more women than there are is all of them"
        for row in (START, SINGLE_VIEW, REAL, BOTH):
            assert all(
                Cell(row, method, key, count, 1) in results for method in (POOLED, TUNED) for count in ("6", ALL)
            )
        assert Cell("no boxes", POOLED, key, "6", 1) in results and Cell("no boxes", FUSED, key, ALL, 1) in results
        assert Cell("no boxes", TUNED, key, ALL, 1) not in results
        assert all(
            len(scores) == len(results.labels[key]) for name, scores in results.scores.items() if f"/{key}/" in name
        )
    at_most_12 = [row for row in ROWS.values() if row]
    assert len(at_most_12) == 12


def test_a_finished_run_computes_nothing_again(exams, done, monkeypatch):
    monkeypatch.setattr(benchmark_model, "pretrain", lambda *a, **k: pytest.fail("trained again"))
    before = (done / "BENCHMARK.md").read_text(encoding="utf-8")
    main(options(exams, done, "--seeds", 1))
    assert (done / "BENCHMARK.md").read_text(encoding="utf-8") == before


def test_a_stopped_row_goes_on_from_its_checkpoint_and_its_results(exams, tmp_path, monkeypatch):
    seen, log = [], benchmark_model.log
    monkeypatch.setattr(benchmark_model, "log", lambda line: (seen.append(line), log(line)))
    tune = benchmark_model.fine_tune
    given = options(exams, tmp_path, "--seeds", 1, "--only", REAL)
    done = []

    def killed(*arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(tune(*arguments))
        return done[-1]

    monkeypatch.setattr(benchmark_model, "fine_tune", killed)
    with pytest.raises(KeyboardInterrupt):
        main(given)
    assert (tmp_path / "runs" / REAL / FILE).exists()
    kept = Results.open(tmp_path / "results.json", {}).scores
    assert sum(f"/{TUNED}/" in key for key in kept) == 2 and any(f"/{POOLED}/" in key for key in kept)
    monkeypatch.setattr(benchmark_model, "fine_tune", tune)
    main(given)
    assert any("its weights are returned again" in line for line in seen), "the pretraining was not done twice"
    after = Results.open(tmp_path / "results.json", {}).scores
    assert len(after) > len(kept) and {key: after[key] for key in kept} == kept


def test_results_of_other_exams_or_settings_are_refused(exams, done):
    with pytest.raises(OtherRun, match="other steps.*another folder"):
        main(options(exams, done, "--steps", 9))
    with pytest.raises(OtherRun, match="other exams"):
        Results.open(done / "results.json", {"exams": "changed"})


def test_no_pretraining_sees_an_outcome_and_every_row_has_its_own_terms(exams):
    parts = {source: ExamCache(exams / source, "train") for source in (*WOMEN, PHANTOMS)}
    joined = JoinedExams(parts, findings_only)
    known = {task for labels in joined.labels for of in labels.breast.values() for task in of}
    assert known <= set(KINDS) and not any(labels.exam or labels.risk for labels in joined.labels)
    off = {name: {term for term, weight in vars(row.loss).items() if not weight} for name, row in ROWS.items() if row}
    assert all("labels" in terms for name, terms in off.items() if name != "labels of findings added")
    assert off["labels of findings added"] == set()
    assert off[REAL] == off[BOTH] == {"labels"}
    assert off[SINGLE_VIEW] == set(off[BOTH]) | {"breast_text", "image_image", "text_text", "boxes", "equal_findings"}
    left_out = [terms - {"labels"} for name, terms in off.items() if name.startswith("no ") and "lesion" not in name]
    assert sorted(map(len, left_out)) == [1] * 6 and len(set.union(*left_out)) == 6


def test_a_batch_has_about_as_many_views_in_every_row():
    views = {"rsna-640": 2.0, "cbis-mass-800": 1.7, "cdd-cesm": 1.0, PHANTOMS: 4.0}
    left_out = 0.15  # how often training leaves one view of several out
    mean = {source: many - left_out * min(1, many - 1) for source, many in views.items()}
    for shares in (BOTH_SHARES, REAL_SHARES, PHANTOM_SHARES):
        assert 44 <= sum(share * mean[source] for source, share in shares.items()) <= 48
    assert sum(VIEW_SHARES.values()) == 46


def test_all_labels_are_one_draw_for_a_probe_and_each_draw_has_its_own_seed_for_a_fine_tuning(exams, done):
    results = Results.open(done / "results.json", {})
    results.scores = {}
    parts = [{source: ExamCache(done / "exams-32" / source, split) for source in WOMEN} for split in ("train", "test")]
    cells = Benchmark(done, 1, 3, 32, *parts, results).cells(BOTH)
    of_film = [cell for cell in cells if cell.question == "film"]
    assert [cell.seed for cell in of_film if cell[1:4] == (POOLED, "film", "6")] == [1, 2, 3]
    assert [cell.seed for cell in of_film if cell[1:4] == (POOLED, "film", ALL)] == [1]
    assert [cell.seed for cell in of_film if cell[1:4] == (TUNED, "film", ALL)] == [1, 2, 3]
    assert [cell.method == TUNED for cell in cells] == sorted(cell.method == TUNED for cell in cells), (
        "cheap ones first"
    )


def test_a_single_view_is_an_exam_with_the_report_of_its_breast(exams):
    joined = JoinedExams({source: ExamCache(exams / source, "train") for source in WOMEN}, findings_only)
    joined.labels[0] = replace(joined.labels[0], findings={R: Findings()})
    single = SingleViews(joined)
    assert len(single) == joined.present[1:].sum(), "what has no report is left out"
    assert (single.present.sum(1) == 1).all() and len(set(single.names)) == len(single) == len(single.checksums())
    for index in (0, len(single) - 1):
        (view,) = np.flatnonzero(single.present[index])
        assert np.flatnonzero(single.views(index).any((1, 2))).tolist() == [view]
        assert all(box.view == view for box in single.labels[index].boxes)


def test_women_give_labels_in_one_order_the_same_for_every_row_and_all_their_breasts_together():
    rng = np.random.default_rng(1)
    women = np.array([f"w{number // 2:03d}" for number in range(120)])
    labels = rng.integers(0, 2, 120).astype(float)
    labels[::7], labels[:4] = np.nan, np.nan
    first = order_of_women(women, labels, 10, 1)
    assert (first == order_of_women(women, labels, 10, 1)).all() and (
        first != order_of_women(women, labels, 10, 2)
    ).any()
    assert len(set(first)) == len(first) and not {"w000", "w001"} & set(first), "a woman without a label gives none"
    few, more = (set(breasts_of(women, labels, first[:n]).tolist()) for n in (10, 30))
    assert few < more and len({women[index] for index in few}) == 10
    assert few == {i for i in range(120) if women[i] in first[:10] and not np.isnan(labels[i])}


def test_the_fewest_women_know_every_class():
    women = np.array([f"w{number}" for number in range(60)])
    labels = np.zeros(60)
    labels[[3, 50]], labels[7] = 1, 2
    for seed in range(5):
        of_first = breasts_of(women, labels, order_of_women(women, labels, 12, seed)[:12])
        assert set(labels[of_first]) == {0, 1, 2}
    with pytest.raises(ValueError, match="every class"):
        order_of_women(women, labels, 2, 1)


def test_labels_are_those_of_the_breast(exams):
    cache = ExamCache(exams / "rsna-640", "train")
    assert labels_of("malignancy", cache).tolist() == [
        next(iter(labels.breast.values()))["malignancy"] for labels in cache.labels
    ]
    assert labels_of("density", cache).tolist() == [labels.exam["density"] for labels in cache.labels]


def made_up(path, gains, cases=160, others=0.0):
    """Results in which the rows of the method tell more (or less) than the others by `gains`, in deviations."""
    rng, results = np.random.default_rng(3), Results(path, {"rows": 256, "steps": 7, "exams": "x"})
    for key, question in QUESTIONS.items():
        classes = 4 if question.task == "density" else 2
        labels = rng.integers(0, classes, cases).astype(float)
        results.add_question(key, [f"w{number}" for number in range(cases)], labels.tolist(), 100)
        for row in ROWS:
            signal = others + (0.0 if row in (START, SINGLE_VIEW) else gains)
            for method in (POOLED, TUNED, FUSED):
                for count in results.counts(key):
                    noise = rng.normal(size=(cases, 1 if classes == 2 else 4))
                    told = labels[:, None] if classes == 2 else np.eye(4)[labels.astype(int)]
                    results.add(Cell(row, method, key, count, 1), signal * told + noise)
    return results


@pytest.mark.parametrize(
    "gains, others, summary, said",
    [
        (1.5, 0.2, "Here this holds throughout", "6 women's labels reach what ImageNet start reaches with all 100"),
        (-1.2, 1.4, "Here this does not hold", "no smaller number of labels reaches what ImageNet start"),
    ],
)
def test_the_words_follow_the_numbers(tmp_path, gains, others, summary, said):
    results = made_up(tmp_path / "results.json", gains, others=others)
    text = benchmark_tables.claim_text(results)
    assert summary in text and said in text
    held = "4 comparisons it holds in 4, does not in 0" if gains > 0 else "4 comparisons it holds in 0, does not in 4"
    assert held in text
    told_by_reports = [line for line in text.splitlines() if line.startswith("- density")]
    assert len(told_by_reports) == 2 and all("not counted, since reports told it" in line for line in told_by_reports)


def test_numbers_that_do_not_decide_are_told_as_such(tmp_path):
    text = benchmark_tables.claim_text(made_up(tmp_path / "results.json", 0.02, cases=24))
    assert "Here this holds throughout" not in text and "undecided" not in text
    differences = [benchmark_results.Mean(value, value + np.array([-0.2, 0.2])) for value in (0.1, 0.05)]
    assert benchmark_tables.verdict(differences) == "is not decided by these numbers"
    mixed = [benchmark_results.Mean(value, np.full(2, value)) for value in (0.1, -0.1)]
    assert benchmark_tables.verdict(mixed) == "holds for some numbers of labels and fails for others"
    rows = ("MV-MLM",)
    assert "not measured" in benchmark_tables.claim_text(
        Results(tmp_path / "none.json", {}, learned=dict.fromkeys(QUESTIONS, 9)), *rows
    )


def test_a_part_that_matters_is_named_and_one_that_does_not_is_not(tmp_path):
    results = made_up(tmp_path / "results.json", 1.0)
    for key in list(results.scores):
        if key.startswith("no boxes/"):
            results.scores[key] = (np.array(results.scores[key]) * -1).tolist()
        elif key.startswith("no text-text/"):
            results.scores[key] = results.scores[key.replace("no text-text/", f"{BOTH}/")]
    text = benchmark_tables.part_text(results, (BOTH, "no boxes", "no text-text"), BOTH, "parts")
    assert "beyond the interval: no boxes;" in text and "not told apart: no text-text." in text
    table = benchmark_tables.part_table(results, (BOTH, "no boxes"), BOTH).splitlines()
    assert len({line.count("|") for line in table}) == 1 and len(table) == 4


def test_an_interval_resamples_women_and_draws(tmp_path):
    results = Results(tmp_path / "results.json", {})
    women = [f"w{number // 2}" for number in range(40)]
    labels = [float(number // 2 % 2) for number in range(40)]
    for key in QUESTIONS:
        results.add_question(key, women, labels, 30)
    good, bad = np.array(labels)[:, None], 1 - np.array(labels)[:, None]
    results.add(Cell(REAL, POOLED, "film", "6", 1), good)
    only = results.mean(REAL, POOLED, "film", "6")
    assert only.value == 1 and only.interval == (1, 1)
    results.add(Cell(BOTH, POOLED, "film", "6", 1), good), results.add(Cell(BOTH, POOLED, "film", "6", 2), bad)
    two = results.mean(BOTH, POOLED, "film", "6")
    assert two.value == 0.5 and two.interval == (0, 1), "the draws are resampled too"
    assert results.mean(REAL, POOLED, "film", ALL) is None


def test_a_benchmark_needs_no_option_but_its_folders():
    given = parser().parse_args(["--exams", "a", "--work", "b"])
    assert given.rows == 256 and given.seeds == 3 and given.out.name == "BENCHMARK.md" and Benchmark.__doc__
