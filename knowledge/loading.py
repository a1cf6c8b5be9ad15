"""Reads what `import_knowledge` is pointed at: a file, a folder, a zip, or a corpus.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from knowledge.errors import ConversionFailed, DocumentTooLarge
from knowledge.indexing import MAX_BYTES, Incoming
from knowledge.unpacking import members

SUFFIXES = {".md", ".markdown", ".mdx", ".rst", ".adoc", ".asciidoc", ".html", ".htm", ".txt", ".csv", ".tsv"}
SUFFIXES |= {".pdf", ".docx", ".pptx", ".xlsx", ".eml", ".jsonl", ".ndjson"}


def incoming(path: Path) -> Iterator[Incoming | tuple[str, Exception]]:
    """Everything below `path` that can be converted; a thing that cannot be read is given as
    (name, error), so that one bad file stops nothing. Hidden files are passed over. A folder with
    a corpus.jsonl is that corpus: its other files are the same articles in other forms."""
    if path.is_dir() and (path / "corpus.jsonl").exists():
        path = path / "corpus.jsonl"
    if path.is_dir():
        for each in sorted(path.rglob("*")):
            wanted = each.suffix.lower() in SUFFIXES and not each.name.startswith(".") and each.name != "README.md"
            if wanted and each.is_file():
                yield _file(each, str(each.relative_to(path)))
    elif path.suffix == ".jsonl":
        yield from _corpus(path)
    elif path.suffix == ".zip":
        yield from _archive(path)
    else:
        yield _file(path, path.name)


def _file(path: Path, name: str) -> Incoming | tuple[str, Exception]:
    if path.stat().st_size > MAX_BYTES:
        return name, DocumentTooLarge(f"{path.stat().st_size} bytes")
    return Incoming(external_id=name[:500], name=path.name, data=path.read_bytes())


def _corpus(path: Path) -> Iterator[Incoming | tuple[str, Exception]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                identity, text = str(row["id"]), str(row["text"])
            except (ValueError, KeyError, TypeError) as error:
                yield f"{path.name}:{number}", ConversionFailed(f"not an object with id and text: {error}")
                continue
            title = str(row.get("title") or "")
            yield Incoming(
                external_id=identity[:500],
                name=f"{identity}.md",
                data=text.encode("utf-8", "replace"),
                title=title,
                url=str(row.get("url") or ""),
            )


def _archive(path: Path) -> Iterator[Incoming | tuple[str, Exception]]:
    for name, found in members(path, suffixes=SUFFIXES, max_bytes=MAX_BYTES):
        if isinstance(found, bytes):
            yield Incoming(external_id=name[:500], name=Path(name).name, data=found)
        else:
            yield name, found
