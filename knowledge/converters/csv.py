"""CSV and its relatives: a table."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator

from knowledge.converters.decoding import decode
from knowledge.converters.draft import MAX_CHARACTERS, DocumentDraft
from knowledge.converters.rows import write_rows
from knowledge.errors import ConversionFailed
from knowledge.types import ConvertedDocument

_SEPARATORS = ",;\t|"
_SAMPLE_ROWS = 50


def convert_csv(data: bytes, *, name: str) -> ConvertedDocument:
    """The separator is the one that divides the first rows most evenly. Raises ConversionFailed,
    EmptyDocument, DocumentTooLarge."""
    text = decode(data).replace("\x00", "")
    csv.field_size_limit(MAX_CHARACTERS)
    draft = DocumentDraft()
    try:
        write_rows(_rows(text, _separator(text)), draft)
    except csv.Error as error:
        raise ConversionFailed("the rows cannot be told apart") from error
    return draft.finish(name=name)


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator)


def _separator(text: str) -> str:
    best, most = ",", 0.0
    for separator in _SEPARATORS:
        widths = [len(row) for row in itertools.islice(_rows(text[:200_000], separator), _SAMPLE_ROWS) if row]
        usual = max(set(widths), key=widths.count) if widths else 1
        score = (usual > 1) * widths.count(usual) / len(widths) if widths else 0.0
        if score > most:
            best, most = separator, score
    return best
