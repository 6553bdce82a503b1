"""Pickled checkpoints are read without running anything of them, and nothing but tensors comes out."""

import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors import safe_open
from torch import nn

from mvmlm.published.checkpoint_file import Checkpoint, CheckpointError, open_checkpoint
from mvmlm.published.conversion import convert
from tests.published_checkpoints import PLANTED, mammo_clip, mirai, named_class, values


class Harmful:
    """Runs a command when a pickle of it is loaded."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def read_all(path):
    checkpoint = open_checkpoint(path)
    return {name: checkpoint.read(tensor) for name, tensor in checkpoint.tensors().items()}


@pytest.mark.parametrize("new_format", [True, False])
def test_tensors_of_both_formats_come_back_as_they_were(tmp_path, new_format):
    whole = torch.arange(24, dtype=torch.float32).view(4, 6)
    state = OrderedDict(
        plain=whole, part=whole[1:3, ::2], turned=whole.T, half=whole.half(), brain=whole.bfloat16(),
        integers=torch.tensor([1, -2]), number=torch.tensor(2.5), empty=torch.zeros(0, 3),
        parameter=nn.Parameter(torch.ones(2)),
    )  # fmt: skip
    state["_metadata"] = "not a tensor"
    torch.save(state, tmp_path / "state.pt", _use_new_zipfile_serialization=new_format)
    found = read_all(tmp_path / "state.pt")
    assert set(found) == set(state) - {"_metadata"}
    for name, value in found.items():
        assert value.dtype == state[name].dtype and torch.equal(value, state[name])


@pytest.mark.parametrize("new_format", [True, False])
def test_a_pickled_module_gives_its_tensors_by_the_names_of_its_state_dict(tmp_path, new_format):
    with named_class("onconet.models.anything", "Net", nn.Module) as made:
        module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        module.__class__ = made
        torch.save(nn.DataParallel(module), tmp_path / "net.p", _use_new_zipfile_serialization=new_format)
    found = read_all(tmp_path / "net.p")
    assert {f"module.{name}" for name in module.state_dict()} == set(found)
    assert torch.equal(found["module.0.weight"], module.state_dict()["0.weight"])


@pytest.mark.parametrize("new_format", [True, False])
def test_nothing_that_a_checkpoint_names_is_run(tmp_path, new_format):
    content = {
        "model": {"weight": torch.ones(3)},
        "config": Harmful(tmp_path / "harm"),
        "also": Harmful(tmp_path / "2"),
    }
    torch.save(content, tmp_path / "harmful.tar", _use_new_zipfile_serialization=new_format)
    checkpoint = open_checkpoint(tmp_path / "harmful.tar")
    assert torch.equal(checkpoint.read(checkpoint.tensors(checkpoint.root["model"])["weight"]), torch.ones(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["harmful.tar"]


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'touch HARM'\ntR.",
        b"c__builtin__\neval\n(S\"open('HARM', 'w')\"\ntR.",
        b"cbuiltins\ngetattr\n(cos\nS'system'\ntR(S'touch HARM'\ntR.",
        b"(ios\nsystem\nS'touch HARM'\n.",
        b"\x80\x02cos\nsystem\nX\x0a\x00\x00\x00touch HARM\x85\x81.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb.",
        b"\x80\x02ccollections\nOrderedDict\n}X\x08\x00\x00\x00__init__cos\nsystem\nsb)R.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0atouch HARM\x85R.",
    ],
)
def test_pickles_written_by_hand_run_nothing(tmp_path, program, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("bad.pt", "w") as archive:
        archive.writestr("bad/data.pkl", program)
    try:
        open_checkpoint(tmp_path / "bad.pt")
    except CheckpointError as error:
        assert str(error).startswith("bad.pt: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.pt"]


def zip_of(path, described, data=None, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("model/data.pkl", described)
        for key, content in (data or {}).items():
            archive.writestr(f"model/data/{key}", content)


class _Described(pickle.Pickler):
    """Pickles a tensor by hand: its storage, offset, size and stride may say anything."""

    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Storage) else None


class Storage:
    def __init__(self, *pid):
        self.pid = pid


class Tensor:
    def __init__(self, *facts):
        self.facts = facts

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (*self.facts, False, OrderedDict())


def described(tensor):
    buffer = io.BytesIO()
    _Described(buffer, 2).dump({"model": {"weight": tensor}})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "offset, size, stride",
    [(0, (5,), (1,)), (3, (2,), (1,)), (0, (2, 2), (3, 1)), (-1, (1,), (1,)), (0, (1 << 60,), (0,)), (0, (9,), (0,))],
)
def test_a_tensor_beyond_its_values_is_refused(tmp_path, offset, size, stride):
    storage = Storage("storage", torch.FloatStorage, "0", "cpu", 4)
    zip_of(tmp_path / "m.pt", described(Tensor(storage, offset, size, stride)), {"0": bytes(16)})
    with pytest.raises(CheckpointError, match="^m.pt: it cannot be read as a checkpoint"):
        open_checkpoint(tmp_path / "m.pt")


def test_values_that_are_cut_off_are_told(tmp_path):
    storage = Storage("storage", torch.FloatStorage, "0", "cpu", 4)
    zip_of(tmp_path / "m.pt", described(Tensor(storage, 0, (4,), (1,))), {"0": bytes(12)})
    checkpoint = open_checkpoint(tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="cut off"):
        checkpoint.read(checkpoint.root["model"]["weight"])


def test_values_that_were_changed_are_told(tmp_path):
    state = {"weight": torch.arange(4.0), "also": torch.ones(2)}
    torch.save(state, tmp_path / "m.pt")
    data = (tmp_path / "m.pt").read_bytes()
    at = data.index(state["weight"].numpy().tobytes())
    (tmp_path / "m.pt").write_bytes(data[:at] + b"\1" + data[at + 1 :])
    checkpoint = open_checkpoint(tmp_path / "m.pt")
    assert torch.equal(checkpoint.read(checkpoint.root["also"]), torch.ones(2))
    with pytest.raises(CheckpointError, match="^m.pt: damaged, the values of a tensor were changed"):
        checkpoint.read(checkpoint.root["weight"])


def damaged_files(folder):
    """Files that are no checkpoint, each with a word of what is said of it."""
    good = folder / "good.pt"
    torch.save({"model": {"weight": torch.ones(3)}}, good)
    torch.save({"model": {"weight": torch.ones(3)}}, folder / "old.pt", _use_new_zipfile_serialization=False)
    old = (folder / "old.pt").read_bytes()
    return {
        "empty.pt": b"",
        "text.pt": b"hello",
        "pickle.pt": pickle.dumps({"a": 1}),
        "cut.pt": good.read_bytes()[:200],
        "old_cut.pt": old[: len(old) // 2],
        "zip.pt": zipped({"notes.txt": b"x"}),
        "memo.pt": b"\x80\x02r\xff\xff\xff\xff.",
        "long.pt": b"\x80\x02\x8b\xff\xff\xff\x7f1.",
        "deep.pt": b"\x80\x02" + b"(" * 100_000 + b".",
        "size.safetensors": (1 << 28).to_bytes(8, "little") + b"{}",
    }


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_files_that_are_no_checkpoint_are_refused_with_a_sentence(tmp_path):
    for name, content in damaged_files(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError) as refused:
            open_checkpoint(tmp_path / name)
        assert str(refused.value).startswith(f"{name}: ") and str(refused.value).count(".") >= 2, name


def test_a_compressed_checkpoint_which_could_grow_without_end_is_refused(tmp_path):
    zip_of(tmp_path / "bomb.pt", b"\x80\x02}." + bytes(1 << 20), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        open_checkpoint(tmp_path / "bomb.pt")


def test_a_module_that_holds_itself_ends_with_a_sentence():
    from mvmlm.published.checkpoint_file import Opaque

    module = Opaque()
    module.state = {"_modules": {"self": module}}
    with pytest.raises(CheckpointError, match="modules"):
        Checkpoint("round.p", module, lambda storage: b"").tensors()


def everything_in(path):
    """The metadata of a safetensors file and all its bytes."""
    with safe_open(path, "pt") as file:
        return json.dumps(file.metadata()).encode() + path.read_bytes()


def test_names_and_paths_of_a_checkpoint_reach_neither_the_converted_file_nor_a_message(tmp_path, capfd, caplog):
    convert("mirai", mirai(tmp_path), tmp_path / "mirai.safetensors")
    mammo_clip(tmp_path / "b2.tar")
    convert("mammo-clip", [tmp_path / "b2.tar"], tmp_path / "clip.safetensors")
    said = "".join(capfd.readouterr()) + caplog.text
    for planted in PLANTED:
        assert planted.encode() in (tmp_path / "base.p").read_bytes()
        assert planted not in said
        for name in ("mirai.safetensors", "clip.safetensors"):
            assert planted.encode() not in everything_in(tmp_path / name)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".p", ".p", ".safetensors", ".safetensors", ".tar"]


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"image_encoder._blocks.99._bn0.weight": torch.ones(3)}, "not known: image_encoder._blocks.99._bn0.weight"),
        ({"image_projection.projection.weight": torch.ones(512, 7)}, "of another shape: image_projection.projection"),
        ({"DOE^JANE 1961": torch.ones(1)}, "not known: DOE.JANE 1961"),
    ],
)
def test_a_layout_that_is_not_known_is_refused_with_the_list(tmp_path, changes, told):
    mammo_clip(tmp_path / "other.tar", changes=changes)
    with pytest.raises(CheckpointError, match=f"not the layout that is known.*{told}"):
        convert("mammo-clip", [tmp_path / "other.tar"], tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_missing_tensor_and_a_missing_file_are_told(tmp_path):
    tensors = mammo_clip(tmp_path / "whole.tar")
    tensors.pop("image_encoder._blocks.0._bn1.bias")
    torch.save({"model": tensors}, tmp_path / "part.tar")
    with pytest.raises(CheckpointError, match="missing: image_encoder._blocks.0._bn1.bias"):
        convert("mammo-clip", [tmp_path / "part.tar"], tmp_path / "out.safetensors")
    base, transformer = mirai(tmp_path)
    with pytest.raises(CheckpointError, match="image encoder .*is missing. Give both snapshots"):
        convert("mirai", [transformer], tmp_path / "out.safetensors")
    with pytest.raises(CheckpointError, match="number of attention heads"):
        convert("mirai", [base, mirai(tmp_path, heads=None)[1]], tmp_path / "out.safetensors")
    with pytest.raises(CheckpointError, match="weight of another shape|other shape"):
        shapes = {"transformer.p": {"projection_layer.weight": (512, 513)}}
        convert("mirai", mirai(tmp_path, changes=shapes), tmp_path / "out.safetensors")


def test_values_that_are_not_finite_are_not_written(tmp_path):
    weight = values("image_projection.projection.weight", (512, 1408))
    weight[3, 4] = float("nan")
    mammo_clip(tmp_path / "nan.tar", changes={"image_projection.projection.weight": weight})
    with pytest.raises(ValueError, match="not finite"):
        convert("mammo-clip", [tmp_path / "nan.tar"], tmp_path / "out.safetensors")


def test_a_zip_file_that_holds_the_snapshots_is_opened(tmp_path):
    paths = mirai(tmp_path)
    with zipfile.ZipFile(tmp_path / "snapshots.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, f"snapshots/{path.name}")
        archive.writestr("snapshots/calibrators/Mirai_calibrator_mar12_2022.p", pickle.dumps(Harmful(tmp_path / "x")))
    convert("mirai", [tmp_path / "snapshots.zip"], tmp_path / "mirai.safetensors")
    assert (tmp_path / "mirai.safetensors").stat().st_size > 20_000_000 and not (tmp_path / "x").exists()


@pytest.mark.parametrize("family", ["mammo-clip", "mammo-fm"])
def test_several_checkpoints_where_a_family_has_one_are_refused(tmp_path, family):
    for name in ("a.p", "b.p"):
        torch.save({"weight": torch.ones(3)}, tmp_path / name)
    with pytest.raises(CheckpointError, match="a.p, b.p: Mammo-.* is one checkpoint, not 2. Give that file alone"):
        convert(family, [tmp_path / "a.p", tmp_path / "b.p"], tmp_path / "out.safetensors")


def test_a_mammo_clip_is_not_converted_as_a_mammo_fm(tmp_path):
    mammo_clip(tmp_path / "b2.tar")
    with pytest.raises(CheckpointError, match="this is a Mammo-CLIP B2, not a Mammo-FM"):
        convert("mammo-fm", [tmp_path / "b2.tar"], tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
