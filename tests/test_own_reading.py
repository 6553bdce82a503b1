"""A reader's own figures: counted from final blind reads, no rate below thirty, cancers found and missed with their exams."""

from dataclasses import replace

import pytest

from app.finetune.cases_table import cases_html
from app.my_reading import make_own_reads_final, own_reading_html, show_own_reading
from mvmlm.evaluation.reader_figures import own_reading, rate
from mvmlm.exam import Exam, Laterality
from mvmlm.finetuning.cases import count_cases
from mvmlm.finetuning.config import FinetuneConfig
from mvmlm.reading.reading import Reading, ReadKind

R, L = Laterality.RIGHT, Laterality.LEFT


@pytest.fixture
def exams(store, exam_files):
    exam, paths = exam_files
    views = [{name: replace(view) for name, view in exam.views.items()} for _ in range(4)]
    return [store.exams.add(Exam(v), paths, "x", patient_id=f"p{n}", study_id=str(n)) for n, v in enumerate(views)]


def give(store, exam, reader, opinion, *, informed=False, truth=None):
    read = store.readings.start(exam, reader)
    if informed:
        store.readings.mark_informed(read.id)
    breasts = {(side, "breast_opinion"): "symptoms only" for side in (R, L)} if opinion == "recall" else {}
    repeats = {(R, "repeat_cc"): "blurred"} if opinion == "technical recall" else {}
    cancer = {(R, "malignancy"): truth} if truth else {}
    fields = {(None, "opinion"): opinion} | breasts | repeats | cancer
    store.readings.save(read.id, read.reading, Reading(fields), seconds=20)
    store.readings.finalise(store.readings.sign(read.id).id)


def test_only_final_blind_reads_count_and_cancers_link_to_their_exams(store, exams):
    give(store, exams[0], "ann", "recall", truth="1")
    give(store, exams[1], "ann", "normal", truth="1")
    give(store, exams[2], "ann", "technical recall", truth="0")
    give(store, exams[3], "ann", "recall", informed=True, truth="1")
    give(store, exams[0], "ben", "normal")
    arbitration = store.readings.start_arbitration(exams[0], "cat")
    recall = {(None, "opinion"): "recall"} | {(side, "breast_opinion"): "symptoms only" for side in (R, L)}
    store.readings.save(arbitration.id, Reading(), Reading(recall))
    store.readings.finalise(store.readings.sign(arbitration.id).id)
    ann, ben, cat = (own_reading(store, reader) for reader in ("ann", "ben", "cat"))
    assert ann.kinds == {ReadKind.FIRST: 3} and ben.kinds == {ReadKind.SECOND: 1}
    assert cat.kinds == {ReadKind.ARBITRATION: 1} and cat.seconds is None
    assert ann.seconds == 20 and ann.recalls[:2] == (1, 3) and ann.technical[:2] == (1, 3)
    assert ann.upheld[:2] == (1, 1) and ben.upheld[:2] == (0, 1)
    assert (ann.found, ann.missed) == ((exams[0],), (exams[1],)) and ben.missed == (exams[0],)
    assert ann.cancers[:2] == (2, 3)


def test_a_rate_has_an_interval_from_thirty_cases_on():
    assert rate(3, 29) == (3, 29, None, None, None)
    _, _, share, low, high = rate(3, 30)
    assert share == 0.1 and (round(low, 3), round(high, 3)) == (0.035, 0.256)


def test_the_page_gives_counts_and_links_and_names_who_has_no_read(store, exams):
    give(store, exams[1], "ann", "normal", truth="1")
    page = own_reading_html(store, " ann ")
    assert "0 of 1" in page and f'data-open="{exams[1]}"' in page and "called normal" in page
    assert "no final read yet" in own_reading_html(store, "<b>ben") and "<b>" not in own_reading_html(store, "<b>ben")
    assert "No reader is named" in own_reading_html(store, "")


def test_signed_reads_are_made_final_by_their_reader_alone(store, exams):
    for exam, reader in ((exams[0], "ann"), (exams[1], "ann"), (exams[0], "ben")):
        read = store.readings.start(exam, reader)
        store.readings.save(read.id, read.reading, Reading({(None, "opinion"): "normal"}))
        store.readings.sign(read.id)
    row, line, page, shown = show_own_reading(store, " ann ")
    assert shown == "ann", "whose reads the button makes final, whatever is typed meanwhile"
    assert row.visible and "not final yet: 2." in line and "no final read yet" in page
    assert "not final yet: 3." in cases_html(
        count_cases(store, FinetuneConfig("mass")), len(store.readings.not_final())
    )
    row, _, page, _ = make_own_reads_final(store, "ann")
    assert not row.visible and "2 first reads" in page
    assert [read.reader for read in store.readings.not_final()] == ["ben"]
    assert not show_own_reading(store, "")[0].visible, "nobody is nobody's reader"
