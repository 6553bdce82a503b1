"""The tensors of a checkpoint, pickled or not, read without running anything of it.

Beside safetensors two formats are known: the zip file of torch 1.6 and later, and the older one, a row of pickles with
the values of the tensors behind them. The unpickler builds plain containers and descriptions of tensors. Every other
class or function that a file names becomes an `Opaque`, which stores what it is given and does nothing; so a file that
would run code when torch loads it runs none here. What is not a tensor never leaves the `Checkpoint`: such files may
hold names of patients, and no message repeats a value of theirs.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

ZIP_HEADER = 30  # bytes before a member's name, whose length and that of what follows it are at the end
LARGEST_PICKLE = 1 << 30  # bytes of the description of a zip file's objects
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
MOST_IN_A_TUPLE = 10_000  # elements, those of the tuples within it included
MOST_MODULES = 100_000  # of a module tree; a file may refer to one module any number of times
#: storage classes of torch -> the type of their values
DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
#: types of numbers as safetensors names them
_SAFETENSORS = {
    "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64, "I64": torch.int64,
}  # fmt: skip


class CheckpointError(ValueError):
    """A checkpoint that cannot be used. The message names the file and says why, without a value of its content."""


class Opaque:
    """An object of a checkpoint that is no tensor and no plain container: it stores its state and does nothing.

    state: what the object was pickled with, such as the parameters of a module; None where there is none.
    """

    state: Any = None

    def __new__(cls, *args: object, **named: object) -> Opaque:
        """Return a new object, whatever the arguments are."""
        return object.__new__(cls)

    def __init__(self, *args: object, **named: object):
        """Take any arguments, and leave them."""

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: object, value: object) -> None:
        """Leave an entry of a mapping."""

    def append(self, value: object) -> None:
        """Leave an element of a list."""

    def extend(self, values: object) -> None:
        """Leave elements of a list."""

    def add(self, value: object) -> None:
        """Leave an element of a set."""


class PlainDict(dict):
    """A dictionary of a checkpoint, ordered or with defaults; what else belongs to it is left."""

    def __init__(self, *args: object):
        """Start empty: the entries follow in the file."""
        super().__init__()

    def __setstate__(self, state: object) -> None:
        """Leave attributes, such as the versions of modules."""


class StoredValues(NamedTuple):
    """The values of one storage: its key in the file, their type and number (size)."""

    key: str
    dtype: torch.dtype
    size: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a checkpoint, not read yet. offset, stride: in values of the storage."""

    storage: StoredValues
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Checkpoint:
    """An open checkpoint.

    name: of its file. root: its objects, as dicts, lists, numbers, texts, `StoredTensor` and `Opaque`.
    """

    def __init__(self, name: str, root: Any, read_values: Callable[[StoredValues], bytes]):
        self.name, self.root, self._read_values = name, root, read_values

    def tensors(self, under: Any = None) -> dict[str, StoredTensor]:
        """Return the tensors of a state dict, or of a tree of modules by the names that its state dict would have.

        under: an object of the checkpoint; None for its root. Entries that are no tensors are left out.
        """
        root = self.root if under is None else under
        if isinstance(root, dict):
            return {str(key): value for key, value in root.items() if isinstance(value, StoredTensor)}
        return dict(self._of_modules(root))

    def read(self, tensor: StoredTensor) -> Tensor:
        """Return a tensor with its values. Raises CheckpointError where the file is cut off."""
        storage = tensor.storage
        data = self._read_values(storage)
        if len(data) != storage.size * storage.dtype.itemsize:
            raise CheckpointError(f"{self.name}: cut off, the values of a tensor are missing. Get the file again.")
        if not data:
            return torch.empty(tensor.shape, dtype=storage.dtype)
        values = torch.frombuffer(bytearray(data), dtype=storage.dtype)
        return values.as_strided(tensor.shape, tensor.stride, tensor.offset).contiguous()

    def _of_modules(self, root: Any) -> Iterator[tuple[str, StoredTensor]]:
        waiting, seen = [("", root)], 0
        while waiting:
            prefix, module = waiting.pop()
            state = module.state if isinstance(module, Opaque) else None
            seen += 1
            if seen > MOST_MODULES:
                raise CheckpointError(f"{self.name}: more than {MOST_MODULES:,} modules, so no model. Check the file.")
            if not isinstance(state, dict):
                continue
            for part in ("_parameters", "_buffers"):
                held = state.get(part)
                for key, value in held.items() if isinstance(held, dict) else ():
                    if isinstance(value, StoredTensor):
                        yield f"{prefix}{key}", value
            inner = state.get("_modules")
            waiting += [(f"{prefix}{key}.", child) for key, child in inner.items()] if isinstance(inner, dict) else []


_TUPLES = (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.FROZENSET)


def _weighed(load: Callable[[Any], None]) -> Callable[[Any], None]:
    """An instruction of a pickle that makes a tuple, or a set that does not change, of bounded weight."""

    def load_and_weigh(unpickler: _Unpickler) -> None:
        load(unpickler)
        unpickler.weigh()

    return load_and_weigh


class _Unpickler(pickle._Unpickler):
    """Builds plain containers, descriptions of tensors and `Opaque` objects; runs nothing of the file.

    It is the one in Python, because that in C reserves as much memory as a damaged file asks for.
    """

    stack: list[Any]

    def __init__(self, file: Any):
        super().__init__(file, encoding="latin-1")
        self._opaque: dict[str, type[Opaque]] = {}
        self._weights: dict[int, tuple[int, object]] = {}
        self.storages: dict[str, StoredValues] = {}

    def load_build(self) -> None:
        """Give an object its state, as the file says; only objects that do nothing with it can have one."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Opaque | PlainDict):
            raise pickle.UnpicklingError("state for an object that has none")
        self.stack[-1].__setstate__(state)

    def weigh(self) -> None:
        """Refuse a tuple or a set of tuples of tuples …, which would take ages, or the whole stack, as a key."""
        value = self.stack[-1]
        weight = 1 + sum(self._weights[id(held)][0] if id(held) in self._weights else 1 for held in value)
        if weight > MOST_IN_A_TUPLE:
            raise pickle.UnpicklingError("tuples within tuples")
        self._weights[id(value)] = weight, value  # it is kept, so that nothing else gets its ID

    dispatch = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: load_build,  # type: ignore[dict-item]
        **{code[0]: _weighed(pickle._Unpickler.dispatch[code[0]]) for code in _TUPLES},
    }

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.storage") and name in DTYPES:
            return DTYPES[name]
        if (module, name) in _BUILDERS:
            return _BUILDERS[module, name]
        return self._opaque.setdefault(f"{module}.{name}", type("Opaque", (Opaque,), {}))

    def persistent_load(self, pid: Any) -> Any:
        kind = pid[0] if isinstance(pid, tuple) and pid else None
        if kind == "module" and len(pid) > 1 and isinstance(pid[1], type):
            return pid[1]
        if kind == "storage" and len(pid) >= 5 and isinstance(pid[1], torch.dtype) and isinstance(pid[4], int):
            if not isinstance(pid[2], str | int):
                raise pickle.UnpicklingError("a storage without a name")
            if len(pid) > 5 and pid[5] is not None:
                raise pickle.UnpicklingError("a storage that is part of another one")
            return self.storages.setdefault(str(pid[2]), StoredValues(str(pid[2]), pid[1], pid[4]))
        raise pickle.UnpicklingError("an unknown kind of stored object")


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> StoredTensor:
    """A tensor's description, where it lies within its storage."""
    numbers = [offset, *size, *stride]
    if not isinstance(storage, StoredValues) or len(size) != len(stride):
        raise pickle.UnpicklingError("a tensor without values")
    if not all(isinstance(number, int) and 0 <= number < 1 << 48 for number in numbers):
        raise pickle.UnpicklingError("a tensor of impossible shape")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    count = math.prod(size)
    if count and (last >= storage.size or count > storage.size):
        raise pickle.UnpicklingError("a tensor beyond its values")
    return StoredTensor(storage, offset, tuple(size), tuple(stride))


def _rebuild_parameter(tensor: Any, *_: object) -> Any:
    return tensor


def _new_object(kind: Any, *_: object) -> Any:
    return kind() if isinstance(kind, type) and issubclass(kind, Opaque | PlainDict) else Opaque()


_BUILDERS: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("copyreg", "_reconstructor"): _new_object,
    ("copy_reg", "_reconstructor"): _new_object,
    ("collections", "OrderedDict"): PlainDict,
    ("collections", "defaultdict"): PlainDict,
}
for _module in ("builtins", "__builtin__"):
    _BUILDERS |= {(_module, "dict"): PlainDict, (_module, "list"): list, (_module, "set"): set, (_module, "int"): int}


def open_checkpoint(path: Path) -> Checkpoint:
    """Return the content of a pickled checkpoint.

    Raises FileNotFoundError, and CheckpointError for a file of another kind, a damaged one, and one whose tensors
    cannot be described.
    """
    name = Path(path).name
    if not Path(path).is_file():
        raise FileNotFoundError(f"{name}: there is no such file. Check the path.")
    try:
        if is_safetensors(path):
            return _open_safetensors(Path(path))
        return _open_zip(Path(path)) if zipfile.is_zipfile(path) else _open_legacy(Path(path))
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{name}: it cannot be read as a checkpoint ({error}). Get the file again.") from None
    except MemoryError:
        raise CheckpointError(f"{name}: too large for this machine's memory. Convert it on a larger one.") from None
    except Exception as error:  # an unpickler raises any error on a damaged file, and its text may quote the content
        raise CheckpointError(
            f"{name}: it cannot be read as a checkpoint of PyTorch ({type(error).__name__}). Get the file again."
        ) from None


def is_safetensors(path: Path) -> bool:
    """Return whether a file begins as a safetensors file does: the length of a JSON object, then the object."""
    with open(path, "rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and 2 <= int.from_bytes(start[:8], "little") <= LARGEST_PICKLE


def _open_safetensors(path: Path) -> Checkpoint:
    root: dict[str, StoredTensor] = {}
    with safe_open(path, "pt") as file:
        for name in file.keys():  # noqa: SIM118
            value = file.get_slice(name)
            shape, dtype = tuple(value.get_shape()), _SAFETENSORS.get(value.get_dtype())
            if dtype is None:
                raise CheckpointError(f"{path.name}: holds numbers of a type that is not read here.")
            steps = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
            root[name] = StoredTensor(StoredValues(name, dtype, math.prod(shape)), 0, shape, steps)

    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        described = json.loads(file.read(length))

    def read_values(storage: StoredValues) -> bytes:  # safe_open would read the description again for each tensor
        start, end = described[storage.key]["data_offsets"]
        with open(path, "rb") as file:
            file.seek(8 + length + start)
            return file.read(end - start)

    return Checkpoint(path.name, root, read_values)


def _open_zip(path: Path) -> Checkpoint:
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
    described = [member for filename, member in members.items() if filename.endswith("/data.pkl")]
    if len(described) != 1:
        raise CheckpointError(f"{path.name}: a zip file, but no checkpoint. Unpack it, and give the file in it.")
    folder = described[0].filename.removesuffix("data.pkl")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
        raise CheckpointError(f"{path.name}: its content is compressed, which PyTorch never does. Get the file again.")
    if described[0].file_size > LARGEST_PICKLE:
        raise CheckpointError(f"{path.name}: its description is larger than {LARGEST_PICKLE >> 20} MB.")

    def member_bytes(filename: str) -> bytes:
        return _stored_bytes(path, members[filename])

    if f"{folder}byteorder" in members and member_bytes(f"{folder}byteorder") != b"little":
        raise CheckpointError(f"{path.name}: written on a machine of other byte order, which is not read here.")

    def read_values(storage: StoredValues) -> bytes:
        filename = f"{folder}data/{storage.key}"
        return member_bytes(filename) if filename in members else b""

    return Checkpoint(path.name, _Unpickler(io.BytesIO(member_bytes(described[0].filename))).load(), read_values)


def _stored_bytes(path: Path, member: zipfile.ZipInfo) -> bytes:
    """The bytes of an uncompressed member. zipfile would read the list of all members again for each of them."""
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        header = file.read(ZIP_HEADER)
        file.seek(sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28)), io.SEEK_CUR)  # name and extra
        data = file.read(member.file_size)
    if not header.startswith(b"PK\3\4") or zlib.crc32(data) != member.CRC:
        raise CheckpointError(f"{path.name}: damaged, the values of a tensor were changed. Get the file again.")
    return data


def _open_legacy(path: Path) -> Checkpoint:
    with open(path, "rb") as file:
        if file.read(1) != b"\x80":
            raise CheckpointError(f"{path.name}: no checkpoint of PyTorch. Choose the file that the authors published.")
        file.seek(0)
        if _Unpickler(file).load() != LEGACY_MAGIC:
            raise CheckpointError(f"{path.name}: a pickle, but no checkpoint of PyTorch. Choose the file of the model.")
        _Unpickler(file).load()  # the version of the format
        system = _Unpickler(file).load()
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise CheckpointError(f"{path.name}: written on a machine of other byte order, which is not read here.")
        described = _Unpickler(file)
        root, keys = described.load(), _Unpickler(file).load()
        places, position = {}, file.tell()
    if not isinstance(keys, list) or not all(str(key) in described.storages for key in keys):
        raise CheckpointError(f"{path.name}: damaged, the list of its values does not fit. Get the file again.")
    for storage in (described.storages[str(key)] for key in keys):  # one after the other, each behind its number
        places[storage.key] = position + 8
        position += 8 + storage.size * storage.dtype.itemsize

    def read_values(storage: StoredValues) -> bytes:
        with open(path, "rb") as file:
            file.seek(places[storage.key] - 8)
            if int.from_bytes(file.read(8), "little") != storage.size:
                return b""
            return file.read(storage.size * storage.dtype.itemsize)

    return Checkpoint(path.name, root, read_values)
