"""Makes values of `gateway.types` again from the JSON that the audit keeps of them."""

from __future__ import annotations

import dataclasses
import types
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints


def thaw(kind: Any, value: Any) -> Any:
    """`value`, which `dataclasses.asdict` and JSON made of a `kind`, as a `kind` again. Fields that
    the class no longer has are left out, those that are new have their defaults.

    Does not catch: a union of two dataclasses, of which the first that fits is taken."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return thaw(next(each for each in inner if each is not type(None)), value)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        hints = get_type_hints(kind)
        names = {field.name for field in dataclasses.fields(kind)}
        return kind(**{name: thaw(hints[name], each) for name, each in value.items() if name in names})  # type: ignore[operator]
    if origin in (tuple, list) and inner:
        return origin(thaw(inner[0], each) for each in value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    return value
