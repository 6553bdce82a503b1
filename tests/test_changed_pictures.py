"""Picture files that are replaced, lost or spoilt after `pretrain` decoded them: no old pixels are trained on."""

import json
import os
from argparse import Namespace

import numpy as np
import pytest

import mvmlm.pretraining.checkpoint as checkpoint
import mvmlm.pretraining.picture_files as picture_files
from mvmlm.commands.pretraining import _decode
from mvmlm.datasets.usable import NoUsableExam
from mvmlm.pretraining.exam_cache import ExamCache
from tests.test_case_loading import SMALL, put_picture

EXAMS = ("a", "b", "c", "d", "e")


def write_table(root, exams=EXAMS, file="{}/R_CC.png", split="train"):
    rows = [f"{exam},{exam},{file.format(exam)},R,CC,{split}" for exam in exams]
    (root / "p" / "exams.csv").write_text(
        "\n".join(["exam,patient,file,laterality,view,split", *rows]), encoding="utf-8"
    )


@pytest.fixture
def root(tmp_path):
    for number, exam in enumerate(EXAMS):
        put_picture(tmp_path / "p", f"{exam}/R_CC.png", 10 * number)
    write_table(tmp_path)
    decode(tmp_path)
    return tmp_path


@pytest.fixture
def told(root, capsys):
    """What was printed since the last call, without the lines on the tables that every start prints."""
    capsys.readouterr()
    decode(root)
    usual = capsys.readouterr().err.splitlines()
    return lambda: [line for line in capsys.readouterr().err.splitlines() if line not in usual]


def decode(root, **options):
    chosen = {"update_labels": False, "restart": False, "verify": False} | options
    _decode(Namespace(name="table", root=root / "p", work=root / "w", **chosen), SMALL)


def pixels(root, split="train"):
    """Exam -> its pixels, of those that are trained on."""
    cache = ExamCache(root / "w" / "exams", split)
    return {name: cache.views(index).copy() for index, name in enumerate(cache.names)}


def index(root):
    text = (root / "w" / "exams" / "index.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def touch(path, later_ns=5_000_000_000):
    os.utime(path, ns=(0, path.stat().st_mtime_ns + later_ns))


def replace_picture(root, *exams):
    for exam in exams:
        put_picture(root / "p", f"{exam}/R_CC.png", 77)
        touch(root / "p" / exam / "R_CC.png")


def make_an_earlier_folder(root):
    """Take out what earlier versions did not write down."""
    lines = [{name: value for name, value in line.items() if name != "files"} for line in index(root)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (root / "w" / "exams" / "index.jsonl").write_text(text, encoding="utf-8")


def test_a_replaced_picture_is_refused_and_on_request_decoded_again(root, told):
    before = pixels(root)
    replace_picture(root, "a", "c")
    for options in ({}, {"restart": True}, {"verify": True}):
        with pytest.raises(ValueError, match=r"2 exam\(s\) .*: a, c\. .*--update-labels"):
            decode(root, **options)
        assert all((pixels(root)[exam] == before[exam]).all() for exam in EXAMS)
    decode(root, update_labels=True)
    after = pixels(root)
    assert [exam for exam in EXAMS if (after[exam] != before[exam]).any()] == ["a", "c"]
    assert (after["a"] == after["c"]).all() and ExamCache(root / "w" / "exams").damaged() == []
    told()
    decode(root)
    assert told() == [] and index(root)[0]["files"][0][0] == "a/R_CC.png"


def test_the_pictures_that_changed_are_named_a_few_and_counted(root):
    replace_picture(root, *EXAMS)
    with pytest.raises(ValueError, match=r"5 exam\(s\) .*: a, b, c and 2 more\."):
        decode(root)


def test_a_checkpoint_that_was_trained_with_the_old_picture_needs_a_restart(root, monkeypatch):
    before = pixels(root)
    replace_picture(root, "b")
    monkeypatch.setattr(checkpoint, "read_checkpoint", lambda folder: {"step": 3})
    with pytest.raises(ValueError, match=r"picture.*: b\. checkpoint.pt was trained with the old ones: .*--restart"):
        decode(root, update_labels=True)
    assert (pixels(root)["b"] == before["b"]).all()
    decode(root, update_labels=True, restart=True)
    assert (pixels(root)["b"] != before["b"]).any()


def test_a_changed_table_and_a_replaced_picture_are_told_together(root):
    replace_picture(root, "b")
    write_table(root, EXAMS[:4])
    with pytest.raises(ValueError, match=r"1 exam\(s\) gone\. .*1 exam\(s\) .*: b\."):
        decode(root)


def test_a_touched_picture_is_no_change_and_is_read_once(root, monkeypatch, told):
    read, real = [], picture_files.sha256_of
    monkeypatch.setattr(picture_files, "sha256_of", lambda file: read.append(file.parent.name) or real(file))
    before = index(root)
    decode(root)
    assert read == []
    touch(root / "p" / "b" / "R_CC.png")
    decode(root)
    decode(root)
    assert read == ["b"] and told() == []
    assert [line["sha256"] for line in index(root)] == [line["sha256"] for line in before]


def test_a_replaced_picture_of_the_same_size_and_time_is_found_by_verify(root):
    path = root / "p" / "c" / "R_CC.png"
    facts, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    decode(root)
    with pytest.raises(ValueError, match=r"1 exam\(s\) .*: c\."):
        decode(root, verify=True)


def test_an_exam_that_cannot_be_decoded_again_is_left_out_and_said_until_it_can(root, capsys):
    before = pixels(root)
    whole = (root / "p" / "b" / "R_CC.png").read_bytes()
    (root / "p" / "b" / "R_CC.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"1 exam\(s\) .*: b\."):
        decode(root)
    decode(root, update_labels=True)
    assert "b: could not be decoded again and is left out; its old pixels are not used" in capsys.readouterr().err
    assert list(pixels(root)) == ["a", "c", "d", "e"] and "b" not in pixels(root, None)
    decode(root)
    assert "b: b/R_CC.png" in capsys.readouterr().err and "b" not in pixels(root, None)
    decode(root, update_labels=True)
    assert "b" not in pixels(root, None)
    (root / "p" / "b" / "R_CC.png").write_bytes(whole)
    decode(root)
    assert all((pixels(root)[exam] == before[exam]).all() for exam in EXAMS)


def test_damaged_pixels_whose_picture_is_gone_are_left_out(root, capsys):
    path = root / "w" / "exams" / "views.u8"
    path.write_bytes(b"\x05" + path.read_bytes()[1:])
    (root / "p" / "a" / "R_CC.png").unlink()
    decode(root, verify=True)
    told = capsys.readouterr().err
    assert "a: could not be decoded again and is left out" in told and "used as they were decoded" not in told
    assert list(pixels(root)) == ["b", "c", "d", "e"]


def test_an_exam_whose_table_names_another_picture_that_cannot_be_read_is_left_out(root):
    write_table(root, file="{}/other.png")
    put_picture(root / "p", "a/other.png", 90)
    before = pixels(root)
    decode(root, update_labels=True)
    assert list(pixels(root)) == ["a"] and (pixels(root)["a"] != before["a"]).any()


def test_where_nothing_can_be_decoded_again_no_old_pixels_stay(root):
    write_table(root, file="{}/other.png")
    with pytest.raises(NoUsableExam):
        decode(root, update_labels=True)
    assert {line["split"] for line in index(root)} == {"gone"}


def test_a_picture_that_is_gone_is_said_and_its_decoded_pixels_are_used(root, told):
    before = pixels(root)
    for exam in EXAMS[1:]:
        (root / "p" / exam / "R_CC.png").unlink()
    decode(root)
    words = (
        "4 exam(s) have picture files that are no longer there: b, c, d and 1 more; they are used as they were decoded"
    )
    assert told() == [words] and all((pixels(root)[exam] == before[exam]).all() for exam in EXAMS)


def test_a_folder_of_an_earlier_version_is_taken_as_it_is_and_said_in_one_sentence(root, told):
    make_an_earlier_folder(root)
    replace_picture(root, "a")
    before = pixels(root)
    decode(root)
    (sentence,) = told()
    assert sentence.startswith("5 exam(s) were decoded by an earlier version")
    assert all((pixels(root)[exam] == before[exam]).all() for exam in EXAMS)
    (root / "p" / "e" / "R_CC.png").unlink()
    decode(root)
    assert told()[0].startswith("1 exam(s) have picture files that are no longer there: e;")


def test_an_exam_of_an_earlier_version_gets_its_files_when_it_is_decoded_again(root, capsys):
    make_an_earlier_folder(root)
    path = root / "w" / "exams" / "views.u8"
    path.write_bytes(b"\x05" + path.read_bytes()[1:])
    decode(root, verify=True)
    assert "4 exam(s) were decoded by an earlier version" in capsys.readouterr().err
    name, size, modified, checksum = index(root)[0]["files"][0]
    facts = (root / "p" / name).stat()
    assert (size, modified, len(checksum)) == (facts.st_size, facts.st_mtime_ns, 64)


def test_an_exam_that_returns_to_the_tables_is_decoded_again(root):
    before = pixels(root)
    write_table(root, EXAMS[1:])
    decode(root, update_labels=True)
    replace_picture(root, "a")
    write_table(root)
    decode(root, update_labels=True)
    assert (pixels(root)["a"] != before["a"]).any() and np.array_equal(pixels(root)["b"], before["b"])


def test_labels_of_an_update_that_was_killed_do_not_stay_when_the_old_tables_are_put_back(root, monkeypatch):
    import mvmlm.pretraining.exam_cache as exam_cache

    def killed(*args):
        raise KeyboardInterrupt

    write_table(root, EXAMS[:3], split="test")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(exam_cache, "cache_cases", killed)
        decode(root, update_labels=True)
    write_table(root)
    decode(root)
    assert list(pixels(root)) == list(EXAMS)
