"""Signed readings as FHIR R4B: what a bundle says, what it never says, and which codes it uses."""

import csv
import json
import random
import re
import sys
from datetime import UTC, datetime, timedelta

import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.bundle import Bundle
from pydicom.sr import _concepts_dict

from mvmlm.__main__ import main
from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.exchange import fhir_codes
from mvmlm.exchange.coco import write_coco
from mvmlm.exchange.fhir import reading_bundle, reported, write_fhir
from mvmlm.exchange.fhir_codes import DICOM, LOINC, SNOMED, Code
from mvmlm.exchange.label_table import write_labels
from mvmlm.exchange.readings_csv import write_readings
from mvmlm.messages import error_message
from mvmlm.reading.reading import Mark, MarkedFinding, Reading
from mvmlm.report.findings import Finding
from mvmlm.store.archive import import_exams
from mvmlm.store.store import Store
from tests.test_exchange import random_reading
from tests.test_load import write_four

R, L = Laterality.RIGHT, Laterality.LEFT
RESEARCH = "Research use only, not for diagnosis."
MASS = MarkedFinding(
    R, "mass",
    Finding("mass", shape="irregular", margin="spiculated", size_mm=9.5, place="upper outer", clock=10,
            features=("skin retraction", "dilated duct"), birads="4B", also=(("margin", "indistinct"),)),
    (Mark(STANDARD_VIEWS[0], "point", "mass", ((20.0, 20.0),)),), 4,
)  # fmt: skip
READING = Reading(
    {(None, "density"): "C", (R, "birads"): "4B", (L, "birads"): "2", (L, "mass"): "0", (L, "calcification"): "1",
     (None, "note"): "Seen before.\nStable?", (R, "malignancy"): "1", (None, "outcome_date"): "2026-05-31"},
    {3: MASS},
)  # fmt: skip


def signed(store, exam, reader="ann", reading=READING, final=True):
    """A signed read of an exam."""
    read = store.readings.start(exam, reader)
    store.readings.save(read.id, read.reading, reading)
    read = store.readings.sign(read.id)
    return store.readings.finalise(read.id) if final else read


@pytest.fixture
def number(store, exam_files):
    return store.exams.add(*exam_files, "ann", patient_id="1234567", study_id="1.2.3")


def exported(store, tmp_path):
    write_fhir(store, tmp_path / "readings.fhir.ndjson")
    return [json.loads(line) for line in (tmp_path / "readings.fhir.ndjson").read_text(encoding="utf-8").splitlines()]


def of_kind(bundle, kind):
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def observations(bundle):
    """The Observations of a bundle by the text of their code and of their breast."""
    return {(o["code"]["text"], o.get("bodySite", {}).get("text")): o for o in of_kind(bundle, "Observation")}


def codes(concept):
    return [coding["code"] for coding in concept.get("coding", [])]


def test_a_signed_reading_becomes_a_report_with_coded_observations(store, number, tmp_path):
    read = signed(store, number)
    (bundle,) = exported(store, tmp_path)
    assert bundle["type"] == "collection"
    (report,) = of_kind(bundle, "DiagnosticReport")
    assert bundle["entry"][0]["resource"] == report and report["status"] == "final"
    assert report["code"]["coding"] == [{"system": LOINC, "code": "36626-0", "display": "breast - bilateral mammogram"}]
    assert datetime.fromisoformat(report["issued"]) == datetime.fromisoformat(read.signed)
    assert "effectiveDateTime" not in report, "no other export gives the date of the exam"
    assert "Irregular mass, indistinct and spiculated margin, 9.5 mm" in report["conclusion"]
    assert "Right breast: BI-RADS 4B, moderate" in report["conclusion"] and RESEARCH in report["conclusion"]
    seen = observations(bundle)
    assert codes(seen["Breast density", "both breasts"]["valueCodeableConcept"]) == ["129718006"]
    assert codes(seen["BI-RADS assessment", "left breast"]["valueCodeableConcept"]) == ["397141009"]
    category = seen["BI-RADS assessment", "right breast"]["valueCodeableConcept"]
    assert category == {"text": "BI-RADS 4B, moderate suspicion for malignancy"}, "no code says 4B exactly"
    assert codes(seen["Mass", "left breast"]["valueCodeableConcept"]) == ["272519000"]
    assert codes(seen["Calcification", "left breast"]["valueCodeableConcept"]) == ["52101004"]
    assert seen["Note", None]["valueString"] == "Seen before.\nStable?"
    assert [p["name"] for p in of_kind(bundle, "Practitioner")] == [[{"text": "ann"}]]
    for name in ("Mass", "Calcification"):
        assert codes(seen[name, "left breast"]["bodySite"]) == ["80248007"]


def test_a_finding_has_its_breast_its_size_in_mm_and_its_descriptors(store, number, tmp_path):
    signed(store, number)
    finding = observations(exported(store, tmp_path)[0])["Finding 3: mass", "right breast"]
    assert codes(finding["code"]) == ["129788004"] and codes(finding["bodySite"]) == ["73056007"]
    found = [(c["code"]["text"], c) for c in finding["component"]]
    parts = dict(found)
    size = parts["Size, the largest dimension"]["valueQuantity"]
    assert size == {"value": 9.5, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"}
    assert codes(parts["Shape"]["valueCodeableConcept"]) == ["49608001"]
    assert parts["Margin"]["valueCodeableConcept"] == {"text": "indistinct and spiculated"}, "no one code says both"
    assert codes(parts["Place"]["valueCodeableConcept"]) == ["76365002"]
    assert codes(parts["Clock position"]["valueCodeableConcept"]) == ["129781005"]
    assert parts["Suspicion, 1 to 5"]["valueInteger"] == 4 and parts["Marked on"]["valueString"] == "R CC"
    features = [c["valueCodeableConcept"] for text, c in found if text == "Associated feature"]
    assert [f["text"] for f in features] == ["dilated duct", "skin retraction"] and codes(features[0]) == []


def test_an_outcome_is_no_result_of_the_reading(store, number, tmp_path):
    signed(store, number)
    (bundle,) = exported(store, tmp_path)
    url = {id(entry["resource"]): entry["fullUrl"] for entry in bundle["entry"]}
    results = {result["reference"] for result in of_kind(bundle, "DiagnosticReport")[0]["result"]}
    for observation in of_kind(bundle, "Observation"):
        outcome = "outcome" in observation["code"]["text"] or "follow-up" in observation["code"]["text"]
        assert (url[id(observation)] in results) is not outcome
        assert ("derivedFrom" in observation) is not outcome


def test_every_resource_says_research_only_and_every_reference_leads_to_one(store, number, tmp_path):
    signed(store, number)
    (bundle,) = exported(store, tmp_path)
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    for resource in (bundle, *(entry["resource"] for entry in bundle["entry"])):
        assert resource["meta"]["tag"] == [{"display": RESEARCH}]
    references = re.findall(r'"reference": "([^"]+)"', json.dumps(bundle))
    assert references and set(references) <= set(urls)
    for resource in (entry["resource"] for entry in bundle["entry"]):
        allowed = get_fhir_model_class(resource["resourceType"]).model_fields.get("status")
        if allowed and resource.get("status"):
            assert resource["status"] in allowed.json_schema_extra["enum_values"]


def test_an_amended_read_is_exported_once_and_says_so(store, number, tmp_path):
    first = signed(store, number)
    later = store.readings.amend(first.id)
    changed = later.reading.with_fields({**later.reading.fields, (L, "birads"): "3"})
    store.readings.save(later.id, later.reading, changed)
    assert reported(store.readings.of_exam(number)) == [store.readings.get(first.id)], (
        "the change is no more than a draft"
    )
    store.readings.sign(later.id)
    assert [read.id for read in reported(store.readings.of_exam(number))] == [first.id], "it may still be reopened"
    store.readings.finalise(later.id)
    (bundle,) = exported(store, tmp_path)
    statuses = {
        resource["status"] for kind in ("DiagnosticReport", "Observation") for resource in of_kind(bundle, kind)
    }
    assert statuses == {"amended"}
    category = observations(bundle)["BI-RADS assessment", "left breast"]["valueCodeableConcept"]
    assert codes(category) == ["397143007"]


def test_a_draft_is_no_report_and_a_read_that_may_be_reopened_is_preliminary(store, number, tmp_path):
    draft = store.readings.start(number, "ben")
    store.readings.save(draft.id, draft.reading, READING)
    assert exported(store, tmp_path) == []
    signed(store, number, final=False)
    (bundle,) = exported(store, tmp_path)
    assert of_kind(bundle, "DiagnosticReport")[0]["status"] == "preliminary"


def test_a_screening_opinion_is_a_screening_report_and_one_breast_is_named(store, tmp_path, decoder):
    right = [name for name in STANDARD_VIEWS if name.laterality is R]
    folder = write_four(tmp_path / "files")
    for path in folder.iterdir():
        if not any(str(name) in path.name for name in right):
            path.unlink()
    (outcome,) = import_exams(store, [folder], decoder, "ann")
    signed(store, outcome.number, "ann", Reading({(None, "density"): "B", (R, "birads"): "1"}))
    signed(store, outcome.number, "ben", Reading({(None, "opinion"): "normal"}))
    reports = [of_kind(bundle, "DiagnosticReport")[0] for bundle in exported(store, tmp_path)]
    assert [codes(report["code"]) for report in reports] == [["37774-7"], ["24606-6"]]
    assert ("Breast density", "right breast") in observations(exported(store, tmp_path)[0])


def answers(store, number, at=None, model="demo 1"):
    store.predictions.add(number, model, [("mass", "R", "present", "head", 0.25)], 0.25)
    if at is not None:
        with store.file.transaction() as conn:
            conn.execute(
                "UPDATE predictions SET at = ? WHERE model = ?", [at.isoformat(timespec="milliseconds"), model]
            )


def test_the_models_answers_stand_apart_from_the_readers(store, number, tmp_path):
    answers(store, number, datetime.now(UTC) - timedelta(days=1), "older 1")
    answers(store, number)
    signed(store, number, "ben")
    read = store.readings.start(number, "ann")
    store.readings.save(read.id, read.reading, READING)
    store.readings.mark_informed(read.id)
    store.readings.finalise(store.readings.sign(read.id).id)
    alone, informed = exported(store, tmp_path)
    assert not of_kind(alone, "Device") and "Answer of the model" not in json.dumps(alone)
    assert "Read without the model" in of_kind(alone, "DiagnosticReport")[0]["conclusion"]
    assert "were seen before signing" in of_kind(informed, "DiagnosticReport")[0]["conclusion"]
    (device,) = of_kind(informed, "Device")
    assert device["deviceName"] == [{"name": "demo 1", "type": "model-name"}], "not what another model said yesterday"
    url = {entry["fullUrl"]: entry["resource"] for entry in informed["entry"]}
    (of_model,) = [o for o in of_kind(informed, "Observation") if "device" in o]
    assert url[of_model["device"]["reference"]] == device and "performer" not in of_model
    assert of_model["status"] == "preliminary" and of_model["bodySite"]["text"] == "right breast"
    quantity = of_model["component"][0]["valueQuantity"]
    assert (quantity["value"], quantity["unit"]) == (0.25, "score, 0 to 1"), "nobody knows whether it was calibrated"
    assert "probability only where it was calibrated" in of_model["note"][0]["text"]
    results = [url[r["reference"]] for r in of_kind(informed, "DiagnosticReport")[0]["result"]]
    assert of_model not in results and all("performer" in result for result in results)


def test_answers_that_were_shown_again_after_signing_are_left_out(store, number, tmp_path):
    answers(store, number)
    read = store.readings.start(number, "ann")
    store.readings.save(read.id, read.reading, READING)
    store.readings.mark_informed(read.id)
    store.readings.sign(read.id)
    answers(store, number, datetime.now(UTC) + timedelta(seconds=5))
    assert not of_kind(exported(store, tmp_path)[0], "Device")


def identifying(ds):
    """A header with what tells whose picture it is."""
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Doe^Jane", "1234567", "19611224"
    ds.AccessionNumber, ds.InstitutionName, ds.StudyDate = "ACC998877", "St. Elsewhere", "20240229"
    ds.StudyInstanceUID = ds.SeriesInstanceUID = "1.2.840.99999.7654321"


def with_uids_like_ours(ds):
    """The same, with UIDs such as this program makes, in a file of another program."""
    identifying(ds)
    ds.StudyInstanceUID = ds.SeriesInstanceUID = "2.25.999997654321"
    ds.file_meta.ImplementationClassUID = "1.2.840.99999"


@pytest.mark.parametrize("edit", [identifying, with_uids_like_ours])
@pytest.mark.parametrize("copy", [False, True], ids=["in place", "copied"])
def test_a_bundle_tells_nothing_that_the_other_exports_do_not_tell(tmp_path, decoder, copy, edit):
    write_four(tmp_path / "Doe_Jane", edit=edit)
    store = Store(tmp_path / "data")
    (outcome,) = import_exams(store, [tmp_path / "Doe_Jane"], decoder, "ann", copy=copy)
    assert store.exams.get(outcome.number).exam_date == "20240229", "the store knows what the export leaves out"
    signed(store, outcome.number)
    text = json.dumps(exported(store, tmp_path))
    for secret in ("Doe", "Jane", "1234567", "19611224", "1961-12-24", "ACC998877", "Elsewhere", "20240229", "2024-02-29",
                   "99999", str(tmp_path), "data/", ".dcm", store.file.setting("salt")):  # fmt: skip
        assert secret not in text, secret
    for name, write in (("r.csv", write_readings), ("m.json", write_coco), ("e.csv", write_labels)):
        write(store, tmp_path / name)
    others = "".join((tmp_path / name).read_text(encoding="utf-8") for name in ("r.csv", "m.json", "e.csv"))
    dates = set(re.findall(r"\d{4}-\d\d-\d\d", text))
    assert dates and all(date in others for date in dates)
    uids = re.findall(r"\b[12](?:\.\d+){3,}", text)
    assert bool(uids) is copy, "only the UIDs of our own copies"
    assert all(uid.startswith(("2.25.", "1.2.840.10008.")) for uid in uids)
    store.close()


def test_the_study_of_kept_copies_has_their_uids(tmp_path, decoder):
    import pydicom

    write_four(tmp_path / "files", edit=identifying)
    store = Store(tmp_path / "data")
    (outcome,) = import_exams(store, [tmp_path / "files"], decoder, "ann", copy=True)
    signed(store, outcome.number)
    (study,) = of_kind(exported(store, tmp_path)[0], "ImagingStudy")
    series = {s["instance"][0]["title"]: s for s in study["series"]}
    for view in store.exams.views(outcome.number):
        ds, found = pydicom.dcmread(view.path), series[str(view.name).replace("_", " ")]
        assert found["uid"] == ds.SeriesInstanceUID and found["instance"][0]["uid"] == ds.SOPInstanceUID
        assert found["laterality"]["display"] == view.name.laterality.word.capitalize()
        assert study["identifier"][1]["value"] == f"urn:oid:{ds.StudyInstanceUID}"
    store.close()


def test_two_stores_have_other_addresses_and_one_store_always_the_same(tmp_path, exam_files):
    texts, patients = [], []
    for folder in ("one", "two"):
        store = Store(tmp_path / folder)
        signed(store, store.exams.add(*exam_files, "ann"))
        (bundle,) = exported(store, tmp_path)
        assert exported(store, tmp_path) == [bundle]
        texts.append({entry["fullUrl"] for entry in bundle["entry"]})
        patients.append(of_kind(bundle, "Patient")[0]["identifier"][0])
        store.close()
    assert not texts[0] & texts[1]
    assert patients[0]["value"] == patients[1]["value"] and patients[0]["system"] != patients[1]["system"]


def test_any_reading_and_any_name_makes_a_valid_bundle(store, number):
    rng, shape = random.Random(5), (store.exams.views(number)[0].rows, store.exams.views(number)[0].columns)
    for reader in ("<b>ö", "a\x00b\x0b", "x" * 60, "日本"):
        read = store.readings.start(number, reader)
        store.readings.save(read.id, read.reading, random_reading(rng, shape))
        with store.file.transaction() as conn:  # as an import stores it
            at = "2026-01-01T00:00:00+05:30"
            conn.execute(
                'UPDATE readings SET signed = ?, final = ?, authors = \'["ben", "日本"]\' WHERE id = ?',
                [at, at, read.id],
            )
        bundle = reading_bundle(store, store.exams.get(number), store.readings.get(read.id))
        again = json.loads(Bundle.model_validate(bundle).model_dump_json())
        assert len({entry["fullUrl"] for entry in again["entry"]}) == len(again["entry"]), "nobody is there twice"
        assert of_kind(again, "DiagnosticReport")[0]["issued"].startswith("2025-12-31T18:30:00")
        assert not re.search(
            r"[\x00-\x08\x0b\x0c]", "".join(p["name"][0]["text"] for p in of_kind(again, "Practitioner"))
        )


def all_codes(value):
    """Every code of the tables of `fhir_codes`."""
    if isinstance(value, Code):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from all_codes(item)


def test_every_code_means_in_ps3_16_what_it_is_used_for():
    """pydicom holds the codes of DICOM PS3.16; each of ours is there with our words."""
    schemes = {SNOMED: "SCT", LOINC: "LN", DICOM: "DCM"}
    known = {
        (scheme, code, meaning[0])
        for scheme, concepts in _concepts_dict.concepts.items()
        for concept in concepts.values()
        for code, meaning in concept.items()
    }
    found = [code for name in vars(fhir_codes).values() for code in all_codes(name)]
    assert len(found) > 80
    for code in found:
        if code.system in schemes:
            assert (schemes[code.system], code.code, code.display) in known, code
    answers_of = [code for field in fhir_codes.ANSWERS.values() for code in field.values()]
    assert len({code.code for code in answers_of}) == len(answers_of), "no two answers have one code"
    for hour, code in fhir_codes.ANSWERS["clock"].items():
        assert code.display == f"{hour} o'clock position"
    for category, code in fhir_codes.ANSWERS["birads"].items():
        assert f"(Category {category})" in code.display


def test_the_command_writes_the_bundles_beside_the_other_exports(store, number, tmp_path, capsys):
    signed(store, number)
    folder = ["--data", str(store.folder), "--reader", "ann"]
    assert main(["export", str(tmp_path / "out"), *folder]) == 0
    assert not (tmp_path / "out" / "readings.fhir.ndjson").exists()
    assert main(["export", str(tmp_path / "out"), *folder, "--fhir"]) == 0
    assert "1 signed readings are in readings.fhir.ndjson" in capsys.readouterr().out
    line = (tmp_path / "out" / "readings.fhir.ndjson").read_text(encoding="utf-8")
    with open(tmp_path / "out" / "readings.csv", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["signed"][:19] in line


def test_without_the_packages_the_command_says_what_to_install(store, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name == "fhir" or name.startswith(("fhir.", "mvmlm.exchange.fhir"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fhir", None)
    assert main(["export", str(tmp_path / "out"), "--data", str(store.folder), "--reader", "ann", "--fhir"]) != 0
    assert "pip install '.[fhir]'" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert "fhir" in error_message(ModuleNotFoundError("no", name="fhir.resources.R4B"))
