"""Reads the JSON that a program sends: what is not understood is refused by name, never passed over."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NoReturn

from gateway.door.refusals import invalid, unsupported
from gateway.types import JSON


def parsed(body: bytes) -> JSON:
    """The body as an object. Raises `Refused` for what is no JSON, nested too deeply, or cannot be
    written again as UTF-8."""
    try:
        value = json.loads(body.decode(), parse_constant=_no_number)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise invalid("The body is nested too deeply.") from None
    except ValueError:
        raise invalid("The body is not JSON in UTF-8.") from None
    if not isinstance(value, dict):
        raise invalid("The body is not a JSON object.")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


class Fields:
    """The members of one object, each taken once. `done` refuses what nobody took. A member that is
    null is as good as absent, in each of the dialects."""

    def __init__(self, value: Any, at: str = "") -> None:
        if not isinstance(value, dict):
            raise invalid(f"{at or 'the body'} must be an object.", at)
        self._left = {name: each for name, each in value.items() if each is not None}
        self._at = at

    def place(self, name: str) -> str:
        return f"{self._at}.{name}" if self._at else name

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, default: Any = None) -> Any:
        return self._left.pop(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        """A text, which must be there without a default."""
        value = self._left.pop(name, default)
        if not isinstance(value, str):
            raise invalid(f"{self.place(name)} must be a string.", self.place(name))
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._left.pop(name, default)
        if not isinstance(value, bool):
            raise invalid(f"{self.place(name)} must be true or false.", self.place(name))
        return value

    def whole(self, name: str, default: int, *, low: int = 1) -> int:
        value = self._left.pop(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value < 2**31:
            raise invalid(f"{self.place(name)} must be a whole number of at least {low}.", self.place(name))
        return value

    def number(self, name: str, *, low: float, high: float) -> float | None:
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise invalid(f"{self.place(name)} must be a number.", self.place(name))
        if not low <= value <= high:
            raise invalid(f"{self.place(name)} must lie between {low:g} and {high:g}.", self.place(name))
        return float(value)

    def list(self, name: str) -> Sequence[Any]:
        value = self._left.pop(name, [])
        if not isinstance(value, list):
            raise invalid(f"{self.place(name)} must be a list.", self.place(name))
        return value

    def object(self, name: str) -> Fields | None:
        value = self._left.pop(name, None)
        return None if value is None else Fields(value, self.place(name))

    def ignored(self, *names: str) -> None:
        """Harmless: without them the answer would be the same."""
        for name in names:
            self._left.pop(name, None)

    def only(self, name: str, *neutral: Any) -> None:
        """Taken with the value that asks for nothing, refused with any other."""
        value = self._left.pop(name, None)
        if value is not None and value not in neutral:
            allowed = " or ".join(json.dumps(each) for each in neutral)
            place = self.place(name)
            raise unsupported(f"{place} is not supported{f' other than {allowed}' if allowed else ''}.", place)

    def done(self) -> None:
        for name in self._left:
            raise unsupported(f"{self.place(name)} is not a parameter that is known here.", self.place(name))
