"""`mvmlm pretrain` twice in one folder: changed tables, damaged pixels, a finished run, and what it refuses at once."""

import importlib
import json
import os
import shutil
import signal

import pytest
import torch
import transformers

from mvmlm.__main__ import main
from mvmlm.model.weights import load_weights, save_model
from mvmlm.phantom.truth import write_phantoms
from mvmlm.pretraining.exam_cache import ExamCache

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {
    "embed_dim": 16,
    "vision_cfg": {"timm_model_name": "test_efficientnet", "image_size": [96, 64], "map_width": 16},
    "text_cfg": {"context_length": 32, "width": 16, "heads": 2, "layers": 1},
    "fusion_cfg": {"width": 16, "heads": 2, "layers": 1},
}


def write_table(root, splits, masses):
    exams = sorted(path.name for path in root.glob("phantom-*"))
    lines = ["exam,patient,file,laterality,view,split,density,birads,mass"]
    for exam, split, mass in zip(exams, splits, masses, strict=True):
        for side in "RL":
            for view in ("CC", "MLO"):
                row = f"{exam},{exam},{exam}/{side}_{view}.dcm,{side},{view},{split},B,1,{mass if side == 'R' else 0}"
                lines.append(row)
    (root / "exams.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write_phantoms(folder / "p", n=4, seed=4, rows=128)
    write_table(folder / "p", ["train"] * 4, [0, 1, 0, 1])
    (folder / "small.json").write_text(json.dumps(SMALL), encoding="utf-8")
    assert main(command(folder)) == 0
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "t")
    return tmp_path / "t"


def command(folder, *more):
    paths = ["--root", str(folder / "p"), "--work", str(folder / "w"), "--out", str(folder / "o.safetensors")]
    small = ["--preset", str(folder / "small.json"), "--start", "random"]
    return ["pretrain", "table", *paths, *small, "--epochs", "1", "--exams-per-batch", "2", *more]


def test_a_finished_run_writes_the_same_file_again_and_says_so(folder, capsys):
    before = (folder / "o.safetensors").read_bytes()
    assert main(command(folder)) == 0
    assert "the training had finished" in capsys.readouterr().out
    assert (folder / "o.safetensors").read_bytes() == before
    again = folder / "again.safetensors"
    model = load_weights(folder / "o.safetensors")
    for _ in range(6):
        save_model(model, again, model.record)
        assert again.read_bytes() == before


def test_exams_that_move_to_the_test_split_are_not_trained_on(folder, capsys):
    write_table(folder / "p", ["train", "train", "train", "test"], [0, 1, 1, 1])
    index = (folder / "w" / "exams" / "index.jsonl").read_bytes()
    assert main(command(folder)) == 1
    told = capsys.readouterr().err
    assert "1 exam(s) moved from train to test, 1 exam(s) with other labels" in told and "--update-labels" in told
    assert main(command(folder, "--update-labels")) == 1
    assert "checkpoint.pt was trained with the old ones: give --restart too" in capsys.readouterr().err
    assert (folder / "w" / "exams" / "index.jsonl").read_bytes() == index
    pixels = (folder / "w" / "exams" / "views.u8").read_bytes()
    assert main(command(folder, "--update-labels", "--restart")) == 0
    assert len(ExamCache(folder / "w" / "exams", "train")) == 3 and len(ExamCache(folder / "w" / "exams", "test")) == 1
    assert (folder / "w" / "exams" / "views.u8").read_bytes() == pixels
    assert (folder / "w" / "checkpoint.1.pt").exists()
    assert main(command(folder)) == 0


def test_a_picture_that_was_replaced_after_it_was_decoded_is_not_trained_on_unsaid(folder, capsys):
    exams = sorted(path.name for path in (folder / "p").glob("phantom-*"))
    shutil.copyfile(folder / "p" / exams[0] / "R_CC.dcm", folder / "p" / exams[2] / "R_CC.dcm")
    index = (folder / "w" / "exams" / "index.jsonl").read_bytes()
    assert main(command(folder)) == 1
    assert (
        f"1 exam(s) have picture files that were replaced after they were decoded: {exams[2]}. Put them back, give "
        in (capsys.readouterr().err)
    )
    assert main(command(folder, "--update-labels")) == 1
    assert "checkpoint.pt was trained with the old ones: give --restart too" in capsys.readouterr().err
    assert (folder / "w" / "exams" / "index.jsonl").read_bytes() == index
    assert main(command(folder, "--update-labels", "--restart")) == 0
    cache = ExamCache(folder / "w" / "exams")
    assert (cache.views(2)[0] == cache.views(0)[0]).all()
    assert main(command(folder)) == 0


def test_damaged_pixels_are_decoded_again_on_request(folder, capsys):
    path = folder / "w" / "exams" / "views.u8"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + b"\x01\x02" + whole[-7:])
    assert main(command(folder)) == 1
    assert "are damaged. Decode it again. Options: --verify." in capsys.readouterr().err
    assert main(command(folder, "--verify")) == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            ["--seed", "2"],
            "seed 1, now 2. Give the old ones, or move checkpoint.pt out of the folder to begin the training anew. Options: --seed, --restart.",
        ),
        (
            ["--epochs", "2"],
            "epochs 1, now 2. Give the old ones, accept the changes, or move checkpoint.pt out of the folder to begin the training anew. Options: --epochs, --accept-changes, --restart.",
        ),
        (["--out", "o.bin"], "o.bin: weights are written as .safetensors. Give --out such a name."),
        (["--out", "nowhere/o.safetensors"], "nowhere: there is no such folder. Create it, or give another --out."),
    ],
)
def test_what_it_refuses_is_one_sentence(folder, capsys, more, words):
    assert main(command(folder, *more)) == 1
    told = capsys.readouterr().err
    assert words in told and "Traceback" not in told


def test_the_work_folder_knows_the_tables(folder):
    known = json.loads((folder / "w" / "exams" / "table.json").read_text(encoding="utf-8"))
    assert known["data_set"] == "table" and len(known["exams"]) == 4 and len(known["sha256"]) == 16


def test_a_text_encoder_that_cannot_be_had_is_refused_before_any_exam_is_decoded(tmp_path, capsys, monkeypatch):
    def offline(name):
        raise OSError("no network")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", offline)
    (tmp_path / "p").mkdir()  # without a table, which would be the next refusal
    assert main(command(tmp_path, "--preset", "b5", "--start", "random")) == 1
    error = capsys.readouterr().err
    assert "emilyalsentzer/Bio_ClinicalBERT" in error and "--preset" in error and "exams.csv" not in error
    assert not (tmp_path / "w" / "exams").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--balance", "-3"),
        ("--balance", "nan"),
        ("--learning-rate-factor", "0"),
        ("--learning-rate-factor", "inf"),
        ("--checkpoint-minutes", "-1"),
        ("--checkpoint-minutes", "nan"),
        ("--seed", "-1"),
        ("--seed", "10000000000000"),
    ],
)
def test_numbers_that_would_train_nothing_or_the_opposite_are_refused(tmp_path, capsys, option, value):
    with pytest.raises(SystemExit):
        main(command(tmp_path, f"{option}={value}"))
    assert f"{option}: '{value}': give a " in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--root", "--work", "--out"])
def test_an_empty_name_is_not_the_current_folder(tmp_path, capsys, option):
    with pytest.raises(SystemExit):
        main(command(tmp_path, option, ""))
    assert f"argument {option}: is empty; name a file or folder" in capsys.readouterr().err


def test_the_order_of_the_rows_makes_no_difference(folder, capsys):
    table = folder / "p" / "exams.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([header, *reversed(rows)]) + "\n", encoding="utf-8")
    assert main(command(folder)) == 0
    assert "the training had finished" in capsys.readouterr().out
    (folder / "anew").mkdir()
    again = ["--work", str(folder / "anew" / "w"), "--out", str(folder / "anew" / "o.safetensors")]
    table.write_text("\n".join([header, *rows[1::2], *rows[::2]]) + "\n", encoding="utf-8")
    before = load_weights(folder / "o.safetensors").state_dict()
    assert main(command(folder, *again)) == 0
    after = load_weights(folder / "anew" / "o.safetensors").state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_preset_of_another_size_of_input_is_refused_with_the_options(folder, capsys):
    other = SMALL | {"vision_cfg": SMALL["vision_cfg"] | {"image_size": [128, 64]}}
    (folder / "other.json").write_text(json.dumps(other), encoding="utf-8")
    assert main(command(folder, "--preset", str(folder / "other.json"))) == 1
    assert capsys.readouterr().err.rstrip().endswith("give another folder. Options: --preset, --work.")


def test_weights_to_start_from_that_are_not_there_are_said_to_be(folder, capsys):
    assert main(command(folder, "--start", "nowhere.safetensors")) == 1
    assert "nowhere.safetensors: there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "name", "limit", "file", "option"),
    [
        ("pretraining.exam_cache", "load_case", 30_000, "views.u8", "work"),
        ("pretraining.table_state", "TableState.save", 100, "table.json", "work"),
        ("pretraining.train", "add_gradients", 200, "metrics.jsonl", "work"),
        ("commands.pretraining", "_schedule", 10_000, "checkpoint.pt", "work"),
        ("model.weights", "save", 10_000, "full.safetensors", "out"),
    ],
)
def test_a_full_disk_is_told_with_the_file_and_the_option_and_the_same_command_goes_on(
    folder, capsys, monkeypatch, module, name, limit, file, option
):
    resource = pytest.importorskip("resource")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    again = ["--work", str(folder / "full"), "--out", str(folder / "full.safetensors")]
    where = importlib.import_module(f"mvmlm.{module}")
    if "." in name:
        where, name = getattr(where, name.split(".")[0]), name.split(".")[1]
    real = getattr(where, name)

    def filling(*args, **kwargs):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        return real(*args, **kwargs)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(where, name, filling)
            assert main(command(folder, *again)) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "disk" in line]
    assert f"{file}: not written, the disk is full" in told and told.endswith(f"Options: --{option}.")
    assert "OSError" not in told and not list(folder.glob("**/*.part"))
    assert ("the checkpoint before it stays" in told) == (folder / "full" / "checkpoint.pt").exists() or option == "out"
    assert main(command(folder, *again)) == 0
    assert (folder / "full.safetensors").exists()


@pytest.mark.parametrize(("number", "handler"), [(signal.SIGINT, signal.default_int_handler)])
def test_a_signal_while_the_program_starts_is_one_sentence(folder, capsys, monkeypatch, number, handler):
    import accelerate

    class Stopped:
        def __init__(self, **options):
            os.kill(os.getpid(), number)

    monkeypatch.setattr(accelerate, "PartialState", Stopped)
    before = signal.signal(number, handler)
    try:
        assert main(command(folder)) == 75
    finally:
        signal.signal(number, before)
    assert capsys.readouterr().err.startswith("Stopped. Start again with the same arguments to go on")


@pytest.mark.parametrize("file", ["table.json", "arrays.json", "index.jsonl", "rewordings.jsonl"])
@pytest.mark.parametrize("content", [b"", b"{\n", b"\xff\xfe\n", b"[1, 2]\n", b'{"exam": "a", "exams": {}}\n'])
def test_a_damaged_file_of_the_work_folder_is_named_with_an_option(folder, capsys, file, content):
    path = folder / "w" / "exams" / file
    empty_lines = content == b"" and file.endswith(".jsonl")  # nothing was decoded, and nothing was reworded
    path.write_bytes(content)
    assert main(command(folder)) == (0 if empty_lines else 1)
    if not empty_lines:
        (told,) = [line for line in capsys.readouterr().err.splitlines() if not line.endswith("known label")]
        assert told.startswith(f"{file}: damaged. Put back a copy of it") and told.endswith("Options: --work.")


def test_a_damaged_time_of_training_is_named(folder, capsys):
    (folder / "w" / "seconds.txt").write_text("1O5", encoding="utf-8")
    assert main(command(folder)) == 1
    assert "seconds.txt: damaged. Delete it" in capsys.readouterr().err
