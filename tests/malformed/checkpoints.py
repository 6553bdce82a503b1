"""Files of models that are broken or hostile: weights, heads, converted models, pickles, checkpoints of a training."""

import io
import json
import struct
import zipfile

import torch
from safetensors import safe_open
from safetensors.torch import save

from mvmlm import load_model
from mvmlm.finetuning.head import import_head
from mvmlm.model.weights import WeightsError
from mvmlm.pretraining.checkpoint import CheckpointError as RunError
from mvmlm.pretraining.checkpoint import read_checkpoint
from mvmlm.published.checkpoint_file import CheckpointError
from mvmlm.published.conversion import convert
from mvmlm.published.record import write_converted
from mvmlm.store.database import StoreError

from .case import Malformed, refusal

WEIGHTS, HEADS, PUBLISHED, RUNS = (
    "Weights files", "Head files", "Checkpoints of published models", "Checkpoints of a training",
)  # fmt: skip


def weights(what, told, data, costly=False):
    """A weights file. data: makes its bytes from the tensors, the metadata and the record of the small weights."""

    def tell(bench):
        with safe_open(bench.fixture("small_weights"), "pt") as file:
            metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        content = data(state, metadata, json.loads(metadata["record"]))
        path = bench.file("own.safetensors", content)
        return refusal(lambda: load_model(path, device="cpu"), WeightsError)

    return Malformed(WEIGHTS, what, told, tell, costly, ("small_weights",))


def with_record(**change):
    def data(state, metadata, record):
        return save(state, {**metadata, "record": json.dumps(record | change)})

    return data


def with_preset(section=None, **change):
    """The small weights with other sizes in their preset than their tensors have."""

    def data(state, metadata, record):
        part = record["preset"] if section is None else record["preset"][section]
        part.update(change)
        return save(state, {**metadata, "record": json.dumps(record)})

    return data


def converted(what, told, sizes=None, record=None, tensors=None, family="mirai", costly=False):
    """A file of a converted model that nobody converted. record: in place of its own, as text."""

    def tell(bench):
        path = bench.folder / "own.safetensors"
        write_converted(path, family, sizes or {}, tensors or {"a": torch.ones(2)}, ("0" * 64,))
        if record is not None:
            with safe_open(path, "pt") as file:
                metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            path.write_bytes(save(state, {**metadata, "record": record}))
        return refusal(lambda: load_model(path, device="cpu"), WeightsError)

    return Malformed(PUBLISHED, what, told, tell, costly)


def head(what, told, data, costly=False):
    def tell(bench):
        store, predictor = bench.fixture("store"), bench.fixture("small_predictor")
        return refusal(lambda: import_head(store, predictor, data(), "ann"), StoreError)

    return Malformed(HEADS, what, told, tell, costly, ("store", "small_predictor"))


def header(described, values=b""):
    """A safetensors file by its description, which may be wrong."""
    text = described if isinstance(described, bytes) else json.dumps(described).encode()
    return struct.pack("<Q", len(text)) + text + values


def checkpoint(what, told, data, name="model.pt", costly=False):
    """A checkpoint that is converted, as `mvmlm convert mirai FILE` does."""

    def tell(bench):
        path = bench.file(name, data())
        return refusal(
            lambda: convert("mirai", [path], bench.folder / "out.safetensors"), CheckpointError, FileNotFoundError
        )

    return Malformed(PUBLISHED, what, told, tell, costly)


def pickled(program, **others):
    """A zip as torch writes it, with a pickle written by hand."""

    def data():
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a/data.pkl", program)
            for name, content in others.items():
                archive.writestr(f"a/{name}", content)
        return file.getvalue()

    return data


def doubled(times):
    """The program of a tuple of two tuples of two tuples …"""
    return b")" + b"2\x86" * times


def storage(key, size=b"K\x05"):
    """The program of a stored tensor's values, named by the program `key`."""
    return b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + key + b"X\x03\x00\x00\x00cpu" + size + b"tQ"


def tensor(size, shape, stride):
    return (b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(" + storage(b"X\x01\x00\x00\x000", size) + b"K\x00(" + shape + b"t("
            + stride + b"t\x89}tRs.")  # fmt: skip


def packed(*members, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def with_list_damaged():
    data = bytearray(packed(("mirai.p", b"x" * 100)))
    place = data.rindex(b"PK\1\2")
    data[place : place + 4] = b"\xff" * 4
    return bytes(data)


def with_password():
    data = bytearray(packed(("mirai.p", b"x" * 100)))
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + offset] |= 1
    return bytes(data)


def run(what, told, data):
    def tell(bench):
        bench.file("checkpoint.pt", data())
        return refusal(lambda: read_checkpoint(bench.folder), RunError)

    return Malformed(RUNS, what, told, tell)


def saved(value):
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


HUGE = 10**9

CASES = [
    weights("weights of no bytes", "own.safetensors: not a safetensors file (Error while deserializing header: header too small). Pickled", lambda *_: b""),
    weights("weights that are a picture", "own.safetensors: not a safetensors file (Error while deserializing header: header too large). Pickled", lambda *_: b"\x89PNG\r\n\x1a\n" + bytes(900)),
    weights("weights whose header says it has 2^62 bytes", "own.safetensors: not a safetensors file (Error while deserializing header: header too large). Pickled", lambda s, m, r: (2**62).to_bytes(8, "little") + save(s, m)[8:]),
    weights("weights whose tensor lies behind the end", "own.safetensors: not a safetensors file (Error while deserializing header: invalid offset for tensor", lambda s, m, r: header({"__metadata__": m, "a": {"dtype": "F32", "shape": [4], "data_offsets": [10**12, 10**12 + 16]}})),
    weights("weights whose tensors overlap", "own.safetensors: not a safetensors file (Error while deserializing header: invalid offset for tensor", lambda s, m, r: header({"__metadata__": m, **{name: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for name in "ab"}}, bytes(16))),
    weights("weights whose tensor has a negative size", "own.safetensors: not a safetensors file (Error while deserializing header: invalid JSON in header: invalid", lambda s, m, r: header({"__metadata__": m, "a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}, bytes(16))),
    weights("weights of a type of number that nobody knows", "own.safetensors: not a safetensors file (Error while deserializing header: invalid JSON in header: unknown", lambda s, m, r: header({"__metadata__": m, "a": {"dtype": "F33", "shape": [4], "data_offsets": [0, 16]}}, bytes(16))),
    weights("weights without metadata", "own.safetensors: format None, expected 'mvmlm-2'. The file of a published model is converted first, see", lambda s, m, r: save(s)),
    weights("weights without tensors", "own.safetensors: does not fit its own preset (missing ['logit_scale', 'image_tower.power', 'image_tower.trunk.", lambda s, m, r: save({"a": torch.zeros(1)}, m)),
    weights("weights whose record is nested 50,000 deep", "own.safetensors: its record cannot be used (RecursionError: maximum recursion depth exceeded while decoding a", lambda s, m, r: save(s, {**m, "record": "[" * 50_000})),
    weights("weights that say they have a billion features", "own.safetensors: its record asks for a larger network than the file holds. Get the file again.", with_preset(embed_dim=HUGE), True),
    weights("weights that say they have a billion layers", "own.safetensors: its record asks for more layers than the file holds. Get the file again.", with_preset("fusion_cfg", layers=HUGE), True),
    weights("weights that say they have a width of a billion", "own.safetensors: no network has its sizes (RuntimeError: Storage size calculation overflowed with", with_preset("fusion_cfg", width=HUGE), True),
    weights("weights that say they have a text of a billion tokens", "own.safetensors: its record asks for a larger network than the file holds. Get the file again.", with_preset("text_cfg", context_length=HUGE), True),
    weights("weights that say they have a billion layers of text", "own.safetensors: its record asks for more layers than the file holds. Get the file again.", with_preset("text_cfg", layers=HUGE), True),
    weights("weights that say they have a text of a width of 10 million", "own.safetensors: its record asks for a larger network than the file holds. Get the file again.", with_preset("text_cfg", width=10**7, heads=1), True),
    weights("weights that say they have no layers", "own.safetensors: does not fit its own preset (missing [], extra ['fusion.layers.layers.0.linear1.bias',", with_preset("fusion_cfg", layers=-1)),
    weights("weights that say they have a map of a billion channels", "own.safetensors: its record asks for a larger network than the file holds. Get the file again.", with_preset("vision_cfg", map_width=HUGE), True),
    weights("weights of a vocabulary of noise", "own.safetensors: no network has its sizes (ValueError: invalid literal for int() with base 10: 'x'). Get the", with_record(vocabulary=[10**18, -5, "x"])),
    weights("weights of a text tower that is fetched from a hub", "own.safetensors: no network has its sizes (KeyError: '[UNK]'). Get the file again.", with_preset("text_cfg", hub_model="nobody/nothing", config={})),
    head("a head of a header that is no JSON", "This is not a usable head file: Expecting value: line 1 column 1 (char 0). Get the file again.", lambda: struct.pack("<Q", 8) + b"notjson!"),
    head("a head of a header that says nothing", "This is not a usable head file: its metadata cannot be read (KeyError). Get the file again.", lambda: header({})),
    head("a head whose tensor lies behind the end", "This is not a usable head file: task: Field required. Get the file again.", lambda: header({"__metadata__": {"format": "mvmlm-head-1", "head": "{}"}, "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 10**12]}})),
    head("a head of 2^60 numbers in a small file", "This is not a usable head file: task: Field required. Get the file again.", lambda: header({"__metadata__": {"format": "mvmlm-head-1", "head": "{}"}, "a": {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 4]}}, bytes(4))),
    head("a head whose metadata are a number", "This is not a usable head file: Input should be a valid dictionary or instance of HeadMetadata. Get the file", lambda: header({"__metadata__": {"format": "mvmlm-head-1", "head": "7"}})),
    head("a zip in place of a head", "This is not a usable head file: it is not a safetensors file, or it is cut off. Get the file again.", lambda: packed(("head.safetensors", b"x"))),
    converted("a converted model of no sizes", "own.safetensors: its record cannot be used. Convert the model again.", {}),
    converted("a converted model of a million channels", "own.safetensors: its record asks for more layers than the file holds. Get the file again.", {"rows": 64, "columns": 64, "width": 10**6, "hidden": 10**6, "layers": 10**6, "heads": 1}, costly=True),
    converted("a converted model of a family that nobody knows", "own.safetensors: cannot be used (ValueError). Convert the model again.", {"rows": 64, "columns": 64}, family="nobody"),
    converted("a converted model whose record is nested 50,000 deep", "own.safetensors: its record cannot be used. Convert the model again.", record="[" * 50_000),
    converted("a converted model whose record is a number", "own.safetensors: its record cannot be used. Convert the model again.", record="7"),
    converted("a converted model whose sizes are a list of 10^30", "own.safetensors: its record cannot be used. Convert the model again.", record=json.dumps({"family": "mirai", "sizes": {"rows": [10**30]}, "source_sha256": []})),
    checkpoint("a checkpoint of no bytes", "model.pt: no checkpoint of PyTorch. Choose the file that the authors published.", lambda: b""),
    checkpoint("a checkpoint that is a text", "model.pt: no checkpoint of PyTorch. Choose the file that the authors published.", lambda: b"this is no checkpoint"),
    checkpoint("a pickle of a number", "model.pt: a pickle, but no checkpoint of PyTorch. Choose the file of the model.", lambda: b"\x80\x02K\x05."),
    checkpoint("a pickle that is cut off", "model.pt: it cannot be read as a checkpoint of PyTorch (error). Get the file again.", pickled(b"\x80\x02}X\xff\xff")),
    checkpoint("a pickle of a text of 4 GB", "model.pt: it cannot be read as a checkpoint of PyTorch (EOFError). Get the file again.", pickled(b"\x80\x02X\xff\xff\xff\xffabc."), costly=True),
    checkpoint("a pickle of a number of 255 MB", "model.pt: it cannot be read as a checkpoint of PyTorch (EOFError). Get the file again.", pickled(b"\x80\x02\x8b\xff\xff\xff\x0fabc."), costly=True),
    checkpoint("a pickle whose key is a tuple that is doubled 40 times", "model.pt: it cannot be read as a checkpoint (tuples within tuples). Get the file again.", pickled(b"\x80\x02}" + doubled(40) + b"K\x01s.")),
    checkpoint("a pickle whose key is a tuple of 200,000 levels", "model.pt: it cannot be read as a checkpoint (tuples within tuples). Get the file again.", pickled(b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.")),
    checkpoint("a pickle of a set of a tuple that is doubled 40 times", "model.pt: it cannot be read as a checkpoint (tuples within tuples). Get the file again.", pickled(b"\x80\x04\x8f(" + doubled(40) + b"\x90.")),
    checkpoint("a pickle of a frozen set of a tuple that is doubled 40 times", "model.pt: it cannot be read as a checkpoint (tuples within tuples). Get the file again.", pickled(b"\x80\x04(" + doubled(40) + b"\x91.")),
    checkpoint("a pickle of a set made of a list of doubled tuples", "model.pt: it cannot be read as a checkpoint (tuples within tuples). Get the file again.", pickled(b"\x80\x02c__builtin__\nset\n(]" + doubled(40) + b"atR.")),
    checkpoint("a pickle whose storage is named by a tuple that is doubled 40 times", "model.pt: it cannot be read as a checkpoint (tuples within tuples). Get the file again.", pickled(b"\x80\x02" + storage(doubled(40)) + b"."), costly=True),
    checkpoint("a pickle of lists of 100,000 levels", "model.pt: no snapshot of Mirai: it holds no module.", pickled(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")),
    checkpoint("a pickle that pops what is not there", "model.pt: it cannot be read as a checkpoint of PyTorch (IndexError). Get the file again.", pickled(b"\x80\x02000.")),
    checkpoint("a pickle of noise", "model.pt: it cannot be read as a checkpoint of PyTorch (KeyError). Get the file again.", pickled(bytes(range(255, 0, -1)))),
    checkpoint("a tensor of 2^40 values in a small file", "model.pt: no snapshot of Mirai: it holds no module.", pickled(tensor(b"\x8a\x06\x00\x00\x00\x00\x00\x01", b"\x8a\x06\x00\x00\x00\x00\x00\x01", b"K\x01"), **{"data/0": b"abcd"}), costly=True),
    checkpoint("a tensor of a negative size", "model.pt: it cannot be read as a checkpoint (a tensor of impossible shape). Get the file again.", pickled(tensor(b"K\x05", b"J\xff\xff\xff\xff", b"K\x01"), **{"data/0": bytes(20)})),
    checkpoint("a tensor whose values are not in the file", "model.pt: no snapshot of Mirai: it holds no module.", pickled(tensor(b"K\x05", b"K\x05", b"K\x01"))),
    checkpoint("a zip whose list of members is damaged", "mirai.zip: a damaged zip, or one with a password. Get it again, or unpack it and give what it holds.", with_list_damaged, "mirai.zip"),
    checkpoint("a zip with a password", "mirai.zip: a damaged zip, or one with a password. Get it again, or unpack it and give what it holds.", with_password, "mirai.zip"),
    checkpoint("a zip bomb of checkpoints", "mirai.zip: packed more than 150 times, as no checkpoint is. Get it again.", lambda: packed(*((f"{number}.pt", bytes(60_000_000)) for number in range(3))), "mirai.zip", True),
    checkpoint("a zip without checkpoints", "mirai.zip: a zip file, but no checkpoint. Unpack it, and give the file in it.", lambda: packed(("readme.txt", b"x")), "mirai.zip"),
    run("a checkpoint that is a zip of nothing", "checkpoint.pt: not a checkpoint of this program. Put back a copy of it, or move checkpoint.pt out of the", lambda: packed(("a", b""))),
    run("a checkpoint that names a program", "checkpoint.pt: not a checkpoint of this program. Put back a copy of it, or move checkpoint.pt out of the", lambda: pickled(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", version=b"3")()),
    run("a checkpoint of a list", "checkpoint.pt: not a checkpoint of this program. Put back a copy of it, or move checkpoint.pt out of the", lambda: saved([1, 2])),
    run("a checkpoint of a step below zero", "checkpoint.pt: not a checkpoint of this program. Put back a copy of it, or move checkpoint.pt out of the", lambda: saved({"step": -1, "usual": None, "model": {}, "average": {}, "optimiser": {"state": {}}})),
    run("a checkpoint of an infinite loss", "checkpoint.pt: not a checkpoint of this program. Put back a copy of it, or move checkpoint.pt out of the", lambda: saved({"step": 1, "usual": float("inf"), "model": {}, "average": {}, "optimiser": {"state": {}}})),
]  # fmt: skip
