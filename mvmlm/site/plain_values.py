"""Results of this wing as plain JSON values and back, each value checked."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

#: of every dataclass that is read back: no other fields, no conversions, no NaN
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

T = TypeVar("T")


def to_plain(value: Any) -> dict[str, Any]:
    """Return a dataclass of this wing as plain JSON values."""
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def from_plain(kind: type[T], data: Any, name: str) -> T:
    """Return the dataclass that `to_plain` wrote.

    name: of the thing in words. Raises ValueError with the first field that is wrong and what is wrong with it.
    """
    try:
        return TypeAdapter(kind).validate_json(json.dumps(data))
    except (TypeError, RecursionError):
        raise ValueError(f"{name}: not plain JSON values. Make it again from the site's cases.") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:200]
        problem = f"{place}: {first['msg']}" if place else first["msg"]
        raise ValueError(f"{name}: {problem}. Make it again from the site's cases.") from None
