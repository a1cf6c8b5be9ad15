"""Geometry of the charts. Widths are in per cent of the drawing, so that one drawing fits a phone and a desk;
heights and texts keep their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

ROW = 34  # pixels for a bar and the line above it
HEIGHT, FOOT = 140, 20  # of the columns, and of the days under them
NAMED_DAYS = 4


@dataclass(frozen=True)
class Bar:
    label: str
    value: str
    width: str
    text_y: int
    y: int


@dataclass(frozen=True)
class Bars:
    """One below the other, the label above its bar."""

    bars: list[Bar]
    height: int


@dataclass(frozen=True)
class Column:
    title: str
    x: str
    width: str
    y: int
    height: int


@dataclass(frozen=True)
class Columns:
    """Side by side, one a day; `marks` are (x, anchor, text) of some of the days."""

    columns: list[Column]
    marks: list[tuple[str, str, str]]
    top: str
    height: int = HEIGHT + FOOT
    base: int = HEIGHT


def bars(rows: Sequence[tuple[str, float, str]]) -> Bars:
    """Of (label, number, the number as text)."""
    most = max((number for _label, number, _text in rows), default=0) or 1
    drawn = [
        Bar(label, text, f"{max(0.3, 100 * number / most):.1f}%", place * ROW + 14, place * ROW + 20)
        for place, (label, number, text) in enumerate(rows)
    ]
    return Bars(drawn, len(rows) * ROW)


def columns(days: Sequence[tuple[date, float, str]]) -> Columns:
    """Of (day, number, the number as text)."""
    top = max(days, key=lambda day: day[1], default=(None, 0, ""))
    step, most = 100 / max(len(days), 1), top[1] or 1
    drawn = []
    for place, (day, number, text) in enumerate(days):
        height = round((HEIGHT - FOOT) * number / most)
        drawn.append(Column(f"{day}: {text}", f"{place * step:.2f}%", f"{step * 0.8:.2f}%", HEIGHT - height, height))
    return Columns(drawn, _marks([day for day, _number, _text in days]), top[2])


def _marks(days: Sequence[date]) -> list[tuple[str, str, str]]:
    if len(days) < NAMED_DAYS:
        return []
    places = [round(each * (len(days) - 1) / (NAMED_DAYS - 1)) for each in range(NAMED_DAYS)]
    aligned = [("start", 0.0), *[("middle", 0.5)] * (NAMED_DAYS - 2), ("end", 1.0)]
    return [
        (f"{100 * (place + share) / len(days):.2f}%", anchor, f"{days[place]:%m-%d}")
        for place, (anchor, share) in zip(places, aligned, strict=True)
    ]
