"""Is an element of HTML there to be read? Text that no reader of the page sees must not speak to
a model either (P2).

Judged by the element's own attributes. Does not catch: what a style sheet or a script hides, text
covered by something else, or white text on an image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
_NAMED: dict[str, Colour] = {
    "white": WHITE,
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "ghostwhite": (248, 248, 255),
    "floralwhite": (255, 250, 240),
    "whitesmoke": (245, 245, 245),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "navy": (0, 0, 128),
}
_NEAR = 24  # of 255 in every channel: no eye reads text that differs less from its ground
_ESCAPE = re.compile(r"\\([0-9a-fA-F]{1,6})\s?")
_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.S)
_HEX = re.compile(r"#([0-9a-f]{3,8})\b")
_RGB = re.compile(r"rgba?\(\s*([\d.]+%?)[\s,]+([\d.]+%?)[\s,]+([\d.]+%?)(?:[\s,/]+([\d.]+%?))?\s*\)")
_HSL_WHITE = re.compile(r"hsla?\([^()%]{0,30}%?[^()%]{0,30}[\s,](?:9[6-9]|100)(?:\.\d+)?%")
_WORD = re.compile(r"[a-z]+")
_NUMBER = re.compile(r"-?\d*\.?\d+")


@dataclass(frozen=True)
class Paint:
    """The colours in force. `ground` is None where it cannot be known (an image, a gradient)."""

    ink: Colour | None = None
    ground: Colour | None = WHITE
    see_through: bool = False

    @property
    def unreadable(self) -> bool:
        if self.see_through:
            return True
        if self.ink is None or self.ground is None:
            return False
        return all(abs(one - other) < _NEAR for one, other in zip(self.ink, self.ground, strict=True))


def style_of(attributes: Mapping[str, str | None]) -> dict[str, str]:
    """The declarations of a `style` attribute, lower-case, escapes and comments resolved."""
    raw = attributes.get("style") or ""
    if not raw:
        return {}
    raw = _ESCAPE.sub(lambda match: chr(min(int(match.group(1), 16), 0xFFFF)), _COMMENT.sub("", raw[:4000]))
    pairs = (part.partition(":") for part in raw.lower().split(";"))
    return {name.strip(): value.replace("!important", "").strip() for name, _, value in pairs if value.strip()}


def is_hidden(attributes: Mapping[str, str | None], style: Mapping[str, str]) -> bool:
    """Not displayed, invisible, without size, transparent, or moved off the page."""
    if "hidden" in attributes and attributes["hidden"] != "until-found":
        return True
    if (attributes.get("aria-hidden") or "").strip().lower() == "true":
        return True
    if not style:
        return False
    if style.get("display") == "none" or style.get("visibility") in ("hidden", "collapse"):
        return True
    if style.get("content-visibility") == "hidden" or _number(style.get("opacity")) == 0:
        return True
    size = _number(style.get("font-size"))
    if size is not None and size < (0.1 if style["font-size"].endswith(("em", "rem")) else 2):
        return True
    if style.get("overflow", "") in ("hidden", "clip"):
        extents = (_number(style.get(side)) for side in ("width", "height", "max-width", "max-height"))
        if any(extent is not None and extent <= 1 for extent in extents):
            return True
    moved = [_number(style.get("text-indent"))]
    if style.get("position") in ("absolute", "fixed"):
        moved += [_number(style.get("left")), _number(style.get("top")), _number(style.get("margin-left"))]
    return any(offset is not None and offset <= -500 for offset in moved)


def painted(attributes: Mapping[str, str | None], style: Mapping[str, str], inherited: Paint) -> Paint:
    """The colours inside an element, given those outside it."""
    ground_text = style.get("background-color") or style.get("background") or attributes.get("bgcolor") or ""
    ink_text = style.get("color") or attributes.get("color") or ""
    if not ground_text and not ink_text:
        return inherited
    ground = inherited.ground
    if ground_text and not ground_text.startswith(("transparent", "none", "inherit", "initial", "unset")):
        ground = _colour(ground_text.lower())
    if not ink_text:
        return Paint(inherited.ink, ground, inherited.see_through)
    alpha = _RGB.search(ink_text)
    clear = ink_text == "transparent" or bool(alpha and alpha.group(4) and _number(alpha.group(4)) == 0)
    return Paint(_colour(ink_text.lower()), ground, clear)


def _number(value: str | None) -> float | None:
    match = _NUMBER.match(value) if value else None
    return float(match.group()) if match else None


def _colour(value: str) -> Colour | None:
    if "url(" in value or "gradient" in value or "var(" in value:
        return None
    if match := _HEX.search(value):
        digits = match.group(1)
        if len(digits) in (3, 4):
            digits = "".join(digit * 2 for digit in digits)
        return (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)) if len(digits) in (6, 8) else None
    if match := _RGB.search(value):
        red, green, blue = (_channel(part) for part in match.groups()[:3])
        return red, green, blue
    if _HSL_WHITE.search(value):
        return WHITE
    return next((_NAMED[word] for word in _WORD.findall(value) if word in _NAMED), None)


def _channel(part: str) -> int:
    try:
        number = float(part.rstrip("%"))
    except ValueError:
        return 0
    return round(min(number * 2.55 if part.endswith("%") else number, 255))
