"""What a DOCX paragraph is: heading, list item, code or plain, by its style and numbering."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

MAX_INHERITANCE = 20  # of styles from styles; Word allows 11
MAX_LEVELS = 9

_HEADING_NAME = re.compile(r"^(?:heading|überschrift|titre|título|titolo|kop|rubrik|nagłówek)\s*([1-9])$", re.I)
_TITLE_NAMES = frozenset(("title", "titel", "titre", "título", "titolo"))
_CODE_NAMES = re.compile(r"\bcode\b|html preformatted|preformatted|source ?code|macro text|plain text", re.I)
_ROMAN: tuple[tuple[int, str], ...] = (
    (1000, "m"),
    (900, "cm"),
    (500, "d"),
    (400, "cd"),
    (100, "c"),
    (90, "xc"),
    (50, "l"),
    (40, "xl"),
)
_ROMAN += ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


@dataclass(frozen=True)
class Look:
    """`heading` 1 to 6 or 0; `marker` as it is printed before the text, "-" for any bullet."""

    heading: int = 0
    marker: str = ""
    depth: int = 0
    code: bool = False


@dataclass(frozen=True)
class _Style:
    name: str = ""
    based_on: str = ""
    outline: int | None = None
    number_id: str = ""
    number_level: int | None = None


@dataclass(frozen=True)
class _Level:
    format: str = "decimal"
    text: str = "%1."
    start: int = 1


def local_name(element: Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element | None, name: str) -> str:
    """By local name: Strict and Transitional files differ in the namespace alone."""
    if element is None:
        return ""
    return next((value for key, value in element.items() if key == name or key.endswith("}" + name)), "")


def switched_on(element: Element) -> bool:
    return attribute(element, "val").lower() not in ("0", "false", "off")


def _child(element: Element | None, *path: str) -> Element | None:
    for name in path:
        element = next((child for child in element if local_name(child) == name), None) if element is not None else None
    return element


def _whole(value: str, default: int | None = None) -> int | None:
    return int(value) if value.isdecimal() and len(value) < 7 else default


class Styles:
    """The styles and list numbering of one document; `look` counts the list items it is asked of, so
    ask once for each paragraph, in order."""

    def __init__(self, styles: Element | None, numbering: Element | None) -> None:
        self._styles = {attribute(style, "styleId"): _read_style(style) for style in _all(styles, "style")}
        self._levels = _read_numbering(numbering)
        self._counts: dict[str, list[int]] = {}

    def look(self, paragraph: Element) -> Look:
        properties = _child(paragraph, "pPr")
        chain = self._chain(attribute(_child(properties, "pStyle"), "val"))
        heading = _heading_level(chain, _whole(attribute(_child(properties, "outlineLvl"), "val")))
        number_id = attribute(_child(properties, "numPr", "numId"), "val")
        level = _whole(attribute(_child(properties, "numPr", "ilvl"), "val"))
        for style in chain:
            number_id = number_id or style.number_id
            level = style.number_level if level is None else level
        depth = min(level or 0, MAX_LEVELS - 1)
        marker = self._marker(number_id, depth)
        if not heading and not marker and any(style.name.startswith("list bullet") for style in chain):
            marker = "-"
        return Look(heading, marker, depth, any(_CODE_NAMES.search(style.name) for style in chain[:1]))

    def _chain(self, style_id: str) -> list[_Style]:
        chain: list[_Style] = []
        while style_id in self._styles and len(chain) < MAX_INHERITANCE:
            chain.append(self._styles[style_id])
            style_id = chain[-1].based_on
        return chain

    def _marker(self, number_id: str, depth: int) -> str:
        levels = self._levels.get(number_id)
        if not levels:
            return ""
        level = levels.get(depth, _Level())
        counts = self._counts.setdefault(number_id, [])
        while len(counts) <= depth:
            counts.append(levels.get(len(counts), _Level()).start - 1)
        del counts[depth + 1 :]
        counts[depth] += 1
        if level.format == "bullet":
            return "-"
        if level.format == "none":
            return ""
        return _numeral(level, levels, counts)


def _numeral(level: _Level, levels: dict[int, _Level], counts: list[int]) -> str:
    """`%1.%2)` with the counts filled in, each in its level's format."""

    def filled(match: re.Match[str]) -> str:
        at = int(match.group(1)) - 1
        if at >= len(counts):
            return ""
        return _format_count(max(counts[at], levels.get(at, _Level()).start), levels.get(at, _Level()).format)

    return re.sub(r"%([1-9])", filled, level.text)[:30].strip()


def _format_count(count: int, kind: str) -> str:
    if kind in ("lowerLetter", "upperLetter") and 1 <= count <= 26:
        letter = chr(ord("a") + count - 1)
        return letter.upper() if kind == "upperLetter" else letter
    if kind in ("lowerRoman", "upperRoman") and 1 <= count < 4000:
        numeral, left = "", count
        for value, sign in _ROMAN:
            numeral += sign * (left // value)
            left %= value
        return numeral.upper() if kind == "upperRoman" else numeral
    return str(count)


def _heading_level(chain: list[_Style], outline: int | None) -> int:
    for style in chain:
        if match := _HEADING_NAME.match(style.name):
            return min(int(match.group(1)), 6)
        if style.name in _TITLE_NAMES:
            return 1
        outline = style.outline if outline is None else outline
    return min(outline + 1, 6) if outline is not None and outline < MAX_LEVELS else 0


def _all(root: Element | None, name: str) -> list[Element]:
    return [child for child in root if local_name(child) == name] if root is not None else []


def _read_style(style: Element) -> _Style:
    properties = _child(style, "pPr")
    return _Style(
        name=attribute(_child(style, "name"), "val").strip().lower(),
        based_on=attribute(_child(style, "basedOn"), "val"),
        outline=_whole(attribute(_child(properties, "outlineLvl"), "val")),
        number_id=attribute(_child(properties, "numPr", "numId"), "val"),
        number_level=_whole(attribute(_child(properties, "numPr", "ilvl"), "val")),
    )


def _read_numbering(numbering: Element | None) -> dict[str, dict[int, _Level]]:
    abstract = {attribute(item, "abstractNumId"): _read_levels(item) for item in _all(numbering, "abstractNum")}
    found = {}
    for item in _all(numbering, "num"):
        levels = abstract.get(attribute(_child(item, "abstractNumId"), "val"), {})
        found[attribute(item, "numId")] = levels
    found.pop("0", None)  # "no list", said of a paragraph whose style has one
    return found


def _read_levels(abstract: Element) -> dict[int, _Level]:
    levels = {}
    for level in _all(abstract, "lvl"):
        depth = _whole(attribute(level, "ilvl"), 0) or 0
        kind = attribute(_child(level, "numFmt"), "val") or "decimal"
        start = _whole(attribute(_child(level, "start"), "val"), 1)
        levels[depth] = _Level(kind, attribute(_child(level, "lvlText"), "val"), 1 if start is None else start)
    return levels
