import csv
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mvmlm.__main__ import main
from mvmlm.commands import COMMANDS
from mvmlm.commands.command import recorded_command
from mvmlm.model.weights import load_weights
from mvmlm.phantom.truth import write_phantoms
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("few_resamples")


@pytest.fixture(scope="module")
def exam_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, n=1, seed=9, rows=256)
    return next(path for path in folder.iterdir() if path.name.startswith("phantom-"))


def test_read_lists_what_was_found(exam_folder, capsys):
    assert main(["read", str(exam_folder)]) == 0
    assert "R_CC" in capsys.readouterr().out
    assert main(["read", str(exam_folder), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["missing"] == [] and record["views"]["L_MLO"]["rows"] == 256


def test_predict_writes_json_and_maps(exam_folder, tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("spiculated mass\nthere is a mass | no mass\n\n", encoding="utf-8")
    arguments = ["predict", str(exam_folder), "--json", str(tmp_path / "out.json")]
    assert main([*arguments, "--maps", str(tmp_path / "maps"), "--prompts", str(tmp_path / "prompts.txt")]) == 0
    record = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert len(record["prompts"]) == 2 * 7
    heat = cv2.imread(str(tmp_path / "maps" / "R_CC.mass.png"), -1)
    assert heat.dtype == np.uint16 and list(heat.shape) == [256, record["exam"]["views"]["R_CC"]["columns"]]
    tasks = {row["task"] for row in record["predictions"]}
    assert {path.name.split(".")[1] for path in (tmp_path / "maps").glob("*.png")} == tasks
    assert (tmp_path / "maps" / "R_CC.mass.overlay.jpg").is_file()
    assert "Research use only" in capsys.readouterr().out


def test_output_that_nobody_reads_any_longer_is_no_error(exam_folder, monkeypatch, capsys):
    """As in `mvmlm read EXAM | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert main(["read", str(exam_folder)]) == 0
        closed.flush()  # as at the end of the program
    assert capsys.readouterr().err == ""


def test_exit_status_2_for_no_usable_view_with_one_line_per_file(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    (tmp_path / "b.dcm").write_bytes(b"")
    assert main(["predict", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("a.txt: ") for line in lines) and any(line.startswith("b.dcm: ") for line in lines)


def test_exit_status_2_for_a_picture_that_is_no_standard_view(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "unknown.png"), np.zeros((64, 64), np.uint16))
    assert main(["predict", str(tmp_path)]) == 2
    assert main(["read", str(tmp_path)]) == 2


def test_exit_status_1_for_anything_unexpected(exam_folder, tmp_path, capsys):
    (tmp_path / "bad.safetensors").write_bytes(b"not weights")
    assert main(["predict", str(exam_folder), "--weights", str(tmp_path / "bad.safetensors")]) == 1
    assert "bad.safetensors: not a safetensors file" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--debug", "predict"], ["predict", "--debug"]])
def test_debug_shows_the_traceback_of_an_error(exam_folder, tmp_path, capsys, arguments):
    (tmp_path / "bad.safetensors").write_bytes(b"not weights")
    command = [str(exam_folder), "--weights", str(tmp_path / "bad.safetensors")]
    assert main(["predict", *command]) == 1
    assert capsys.readouterr().err.count("\n") == 1, "one line without --debug"
    assert main([*arguments, *command]) == 1
    assert "Traceback" in (error := capsys.readouterr().err) and "bad.safetensors: not a safetensors file" in error


def test_two_weights_are_refused_where_one_is_taken(exam_folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(exam_folder), "--weights", "demo", "--weights", "mirai"])
    assert ended.value.code == 2 and "--weights is given more than once" in capsys.readouterr().err


def test_the_file_of_a_published_model_is_to_be_converted(exam_folder, tmp_path, capsys):
    save_file({"net0.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    torch.save({"model": {}}, tmp_path / "model.tar")
    for name in ("model.safetensors", "model.tar"):
        assert main(["predict", str(exam_folder), "--weights", str(tmp_path / name)]) == 1
        assert "converted first, see `mvmlm convert`" in capsys.readouterr().err


def test_models_are_listed_with_and_without_the_word(tmp_path, capsys):
    assert main(["models", "--data", str(tmp_path)]) == 0
    plain = capsys.readouterr().out
    assert main(["models", "list", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == plain and "mammoscreen" in plain


def test_a_missing_file_is_named_without_its_folder(exam_folder, tmp_path, capsys):
    assert main(["predict", str(exam_folder), "--prompts", str(tmp_path / "gone.txt")]) == 1
    assert capsys.readouterr().err == "gone.txt: not found. Check the path.\n"


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.json", b"{", "a.json: not a JSON file (line 1). Export it again."),
        (
            "a.json",
            b"[]",
            "a.json: “images” is not a list as in COCO JSON, each with id and file_name. Export it again.",
        ),
        ("a.csv", b"caf\xe9", "a.csv: not UTF-8 text. Save it as UTF-8."),
        ("a.csv", b"exam,laterality,mass\nx,Q,1\n", "x: laterality: “Q” is not a breast; write R or L"),
    ],
)
def test_labels_that_cannot_be_read_name_the_file_or_the_field(tmp_path, capsys, name, content, message):
    (tmp_path / name).write_bytes(content)
    assert main(["labels", str(tmp_path / name), "--reader", "ann", "--data", str(tmp_path / "data")]) in (1, 2)
    assert capsys.readouterr().err == message + "\n"


@pytest.mark.parametrize(
    "options, message",
    [
        (["--json", "gone/out.json"], "--json: the folder “gone” is not there. Make it, or choose another one."),
        (["--maps", "file"], "--maps: file is a file. Name a folder."),
        (["--prompts", "latin.txt"], "latin.txt: not UTF-8 text. Save it as UTF-8."),
        (
            ["--weights", "gone.safetensors"],
            "gone.safetensors: no such weights. Give one of demo, mammo-clip-b2, mammo-clip-b5, mammo-fm, mammo-fm-mayo, "
            "mammoscreen, mirai, hf:owner/name, or the path of a .safetensors file.",
        ),
    ],
)
def test_predict_names_the_option_or_file_that_is_wrong(exam_folder, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    assert main(["predict", str(exam_folder), *options]) == 1
    captured = capsys.readouterr()
    assert captured.err == message + "\n" and captured.out == ""


def test_a_store_that_cannot_be_used_is_said_without_the_type_of_the_error(tmp_path, capsys):
    (tmp_path / "mvmlm.sqlite").write_bytes(b"no database " * 100)
    assert main(["keep", str(tmp_path), "--reader", "ann", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("mvmlm.sqlite is not a store, or is damaged. ")
    assert main(["keep", str(tmp_path), "--reader", " ", "--data", str(tmp_path / "new")]) == 1
    assert capsys.readouterr().err.startswith("No reader is named. ")


@pytest.mark.parametrize("option, value", [("--n", "0"), ("--seed", "-1"), ("--rows", "5"), ("--n", "many")])
def test_numbers_out_of_range_are_refused_before_the_work(tmp_path, capsys, option, value):
    given = {"--n": "1", "--seed": "1", "--rows": "64"} | {option: value}
    with pytest.raises(SystemExit) as stop:
        main(["phantom", str(tmp_path / "out"), *(word for pair in given.items() for word in pair)])
    assert stop.value.code == 2 and not (tmp_path / "out").exists()
    assert f"argument {option}: '{value}': give a whole number of at least" in capsys.readouterr().err


def test_the_smallest_phantoms_are_written(tmp_path):
    assert main(["phantom", str(tmp_path), "--n", "2", "--seed", "1", "--rows", "64"]) == 0


def test_debug_shows_the_traceback_where_nothing_usable_was_found(tmp_path, capsys):
    assert main(["read", str(tmp_path), "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0 and f"usage: mvmlm {name}" in capsys.readouterr().out


def test_different_ids_need_one_exam(tmp_path, capsys):
    for seed in (1, 2):
        write_phantoms(tmp_path, n=1, seed=seed, rows=128)
    shutil.rmtree(tmp_path / "masks")
    for seed, gone in ((1, "R_*.dcm"), (2, "L_*.dcm")):
        for path in (tmp_path / f"phantom-{seed}-00000").glob(gone):
            path.unlink()
    assert main(["read", str(tmp_path)]) == 2
    assert "--one-exam" in capsys.readouterr().err


def test_evaluate_prints_intervals(tmp_path, capsys):
    write_phantoms(tmp_path, n=3, seed=3, rows=192)
    assert main(["evaluate", str(tmp_path)]) == 0
    assert "95 % interval" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path), "--weights", "demo", "--weights", "demo"]) == 1
    assert "--out" in capsys.readouterr().err


def test_evaluate_writes_a_report_and_a_table_that_it_evaluates_again(tmp_path, capsys):
    write_phantoms(tmp_path / "exams", n=3, seed=3, rows=192)
    assert main(["evaluate", str(tmp_path / "exams"), "--out", str(tmp_path / "out")]) == 0
    written = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        ".lock", "predictions.csv", "report.html", "report.md", "report.json", "run.sqlite",
    }  # fmt: skip
    again = ["evaluate", str(tmp_path / "out" / "predictions.csv"), "--out", str(tmp_path / "again")]
    assert main(again) == 0
    record = json.loads((tmp_path / "again" / "report.json").read_text(encoding="utf-8"))
    assert record["results"] == written["results"] and written["results"]
    capsys.readouterr()
    assert main(again[:2]) == 0
    assert "malignancy" in capsys.readouterr().out.lower()


def test_evaluate_says_what_a_table_lacks(tmp_path, capsys):
    table = tmp_path / "mine.csv"
    header = "exam,patient,laterality,task,class,score,label"
    table.write_text(header + "\na,p,R,malignancy,,0.5,\n", encoding="utf-8")
    assert main(["evaluate", str(table)]) == 2
    assert "mine.csv: no test case with a label and a score" in capsys.readouterr().err
    table.write_text("exam,score\na,0.5\n", encoding="utf-8")
    assert main(["evaluate", str(table)]) == 1
    assert "patient" in capsys.readouterr().err


def test_it_runs_as_a_module_and_needs_no_torch_to_read(exam_folder):
    code = "import sys; from mvmlm.__main__ import main; main(['read', sys.argv[1]]); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code, str(exam_folder)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([sys.executable, "-m", "mvmlm", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "predict" in done.stdout


def test_pretrain_makes_weights_from_a_table_that_predict_can_use(tmp_path, capsys):
    write_phantoms(tmp_path / "p", n=3, seed=4, rows=128)
    with open(tmp_path / "p" / "findings.csv", encoding="utf-8") as table:
        truth = {(row["exam"], row["laterality"]): row for row in csv.DictReader(table)}
    lines = ["exam,patient,file,laterality,view,split,density,birads,mass"]
    for (exam, side), row in truth.items():
        for view in ("CC", "MLO"):
            lines.append(
                f"{exam},{exam},{exam}/{side}_{view}.dcm,{side},{view},train,{row['density']},{row['birads']},{row['mass']}"
            )
    lines.append("lost,lost,gone.dcm,R,CC,train,,,")
    (tmp_path / "p" / "exams.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = tmp_path / "own.safetensors"
    command = ["pretrain", "table", "--root", str(tmp_path / "p"), "--work", str(tmp_path / "w"), "--out", str(out)]
    assert main([*command, "--epochs", "1"]) == 2
    assert "3 training exams are fewer than the 16 of one step" in capsys.readouterr().err
    assert main([*command, "--epochs", "1", "--exams-per-batch", "3"]) == 0
    assert "malignancy is not taught: no known label" in capsys.readouterr().err
    recorded = "python -m mvmlm pretrain table --root p --work w --out own.safetensors --epochs 1 --exams-per-batch 3"
    assert load_weights(out).record.training["command"] == recorded
    exam = next(path for path in (tmp_path / "p").iterdir() if path.name.startswith("phantom-"))
    assert main(["predict", str(exam), "--weights", str(out), "--json", str(tmp_path / "o.json")]) == 0
    tasks = {
        row["task"]
        for row in json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))["predictions"]
        if row["by"] == "head"
    }
    assert tasks == {"mass", "birads", "density"}, "a task without labels is not trained"


def test_a_recorded_command_has_names_but_no_folders_and_no_addresses():
    arguments = ["table", "--root", "/home/jane doe/exams", "--out=C:\\data\\new weights.safetensors", "--epochs", "1"]
    assert recorded_command("python -m mvmlm", [*arguments, "--address", "http://user:secret@host/v1"]) == (
        "python -m mvmlm table --root exams '--out=new weights.safetensors' --epochs 1 --address ADDRESS"
    )


@pytest.mark.parametrize("name", ["read", "datasets"])
def test_a_command_that_is_stopped_says_so_in_one_line(exam_folder, monkeypatch, capsys, name):
    import mvmlm.datasets.check_counts
    import mvmlm.imaging.load

    def stopped(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(mvmlm.datasets.check_counts, "check_dataset", stopped)
    monkeypatch.setattr(mvmlm.imaging.load, "load_exam", stopped)
    more = {"read": [str(exam_folder)], "datasets": ["table", "--root", str(exam_folder), "--check"]}
    assert main([name, *more[name]]) == 130
    assert capsys.readouterr().err == "Stopped.\n"
