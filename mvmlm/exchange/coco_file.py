"""A COCO JSON file that somebody gives us, checked: what is odd about it becomes a sentence, never a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from ..messages import read_text
from ..reading.reading import MARK_LABELS, MIN_POINTS, ReadKind
from .importing import is_text

MAX_BYTES = 64 << 20
MAX_CONTAINERS = 2_000_000  # lists and objects; each takes some 100 bytes of memory
HIGHEST_FINDING = 999_999
LARGEST_NUMBER = 1e9  # of a coordinate in pixels
#: what 0.4.0 called a read -> its kind (None: the first or the second, whichever it is), the version of the read, and
#: whether the model's answers had been seen
OLD_KINDS = {
    "first": (None, 1, False),
    "after the model": (None, 2, True),
    "consensus": (ReadKind.ARBITRATION, 1, False),
}


@dataclass(frozen=True)
class CocoImage:
    """An image of the file. width, height: in pixels, None where the file does not give them."""

    file_name: str
    width: int | None
    height: int | None


@dataclass(frozen=True)
class CocoFile:
    """The images and names of categories by their IDs, and the annotations as JSON objects."""

    images: Mapping[int | str, CocoImage]
    categories: Mapping[int | str, str]
    annotations: tuple[Mapping[str, Any], ...]


def read_coco_file(path: Path) -> CocoFile:
    """Return the content of a COCO file. Raises ValueError with the name of the file for anything else."""
    data = _json(path)
    rows = {name: _rows(path, data, name) for name in ("images", "categories", "annotations")}
    images: dict[int | str, CocoImage] = {}
    categories: dict[int | str, str] = {}
    for row in rows["images"]:
        number, name = _id_and_name(path, row, "images", "file_name", images)
        images[number] = CocoImage(name, _pixels(row.get("width")), _pixels(row.get("height")))
    for row in rows["categories"]:
        number, name = _id_and_name(path, row, "categories", "name", categories)
        categories[number] = name
    return CocoFile(images, categories, tuple(rows["annotations"]))


def image_of(data: CocoFile, annotation: Mapping[str, Any]) -> CocoImage:
    """Return the image of an annotation. Raises ValueError where the file has none of its ID."""
    image = data.images.get(number) if _is_id(number := annotation.get("image_id")) else None
    if image is None:
        raise ValueError("its image_id is not the ID of an image of the file")
    return image


def category_of(data: CocoFile, annotation: Mapping[str, Any]) -> str:
    """Return the category of an annotation. Raises ValueError where the file has none of its ID."""
    category = data.categories.get(number) if _is_id(number := annotation.get("category_id")) else None
    if category is None:
        raise ValueError("its category_id is not the ID of a category of the file")
    return category


def box_of(annotation: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Return left, top, width and height of an annotation. Raises ValueError for anything but four finite numbers."""
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)) or min(box[2:]) < 0:
        raise ValueError("its bbox is not [left, top, width, height] in pixels")
    return box[0], box[1], box[2], box[3]


def our_record(annotation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the key `mark` that `write_coco` adds; {} in files of other programs. Raises ValueError for an odd one."""
    record = annotation.get("mark")
    if record is None:
        return {}
    if not isinstance(record, dict):
        raise ValueError("its mark is not as this program writes it")
    finding, points = record.get("finding", 1), record.get("points", [])
    whole = isinstance(finding, int) and not isinstance(finding, bool) and 1 <= finding <= HIGHEST_FINDING
    pairs = isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 and all(map(_is_number, point)) for point in points
    )
    odd = {
        "reader": not is_text(record.get("reader", "x")),
        "round": record.get("round", "first") not in list(OLD_KINDS),
        "read": record.get("read", "first") not in [kind.value for kind in ReadKind],
        "informed": not isinstance(record.get("informed", False), bool),
        "version": type(version := record.get("version", 1)) is not int or version not in range(1, 100),
        "finding": not whole,
        "kind": record.get("kind", "box") not in list(MIN_POINTS),
        "label": record.get("label", "other") not in MARK_LABELS,
        "points": not pairs,
    }
    if any(odd.values()):
        raise ValueError(f"its mark is not as this program writes it: {' and '.join(k for k, v in odd.items() if v)}")
    return record


def read_of(record: Mapping[str, Any]) -> tuple[ReadKind | None, int, bool]:
    """Return which read a checked record of `our_record` belongs to: its kind, its version, whether it is informed."""
    if "read" in record:
        return ReadKind(record["read"]), record.get("version", 1), record.get("informed", False)
    return OLD_KINDS[record.get("round", "first")]


def _json(path: Path) -> Any:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name}: more than {MAX_BYTES >> 20} MB. Split it by exams.")
    text = read_text(path)
    if not text.strip():
        raise ValueError(f"{path.name}: the file is empty. Export it again.")
    if text.count("[") + text.count("{") > MAX_CONTAINERS:
        raise ValueError(f"{path.name}: more than {MAX_CONTAINERS:,} lists and objects. Split it by exams.")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name}: not a JSON file (line {error.lineno}). Export it again.") from None
    except RecursionError:
        raise ValueError(f"{path.name}: nested too deeply for COCO JSON. Export it again.") from None
    except ValueError as error:  # NaN, or a number of thousands of digits
        reason = str(error) if "is no number" in str(error) else "a number has too many digits"
        raise ValueError(f"{path.name}: {reason}. Export it again.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _rows(path: Path, data: Any, name: str) -> list[dict[str, Any]]:
    rows = data.get(name) if isinstance(data, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        keys = {"images": ", each with id and file_name", "categories": ", each with id and name"}.get(name, "")
        raise ValueError(f"{path.name}: “{name}” is not a list as in COCO JSON{keys}. Export it again.")
    return rows


def _id_and_name(
    path: Path, row: Mapping[str, Any], rows: str, name: str, known: Mapping[int | str, object]
) -> tuple[int | str, str]:
    number, text = row.get("id"), row.get(name)
    if not _is_id(number) or not is_text(text):
        raise ValueError(
            f"{path.name}: “{rows}” is not a list as in COCO JSON, each with id and {name}. Export it again."
        )
    if number in known:
        raise ValueError(f"{path.name}: two of its {rows} have the same id. Export it again.")
    return number, text


def _is_id(value: Any) -> TypeGuard[int | str]:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _pixels(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
