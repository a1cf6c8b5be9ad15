"""Write two demo articles also as PDF and as DOCX.

The Markdown article is the only source: this script reads it, and writes the
same headings, paragraphs, lists and tables next to it.

    .venv/bin/python knowledge/demo/make_documents.py

Needs PyYAML, reportlab (PDF) and python-docx (DOCX). The standard Helvetica
font of PDF is used, so no font file has to be present.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

HELP_CENTRE = Path(__file__).resolve().parent / "help_centre"
AS_PDF = "hub/warranty-and-returns"
AS_DOCX = "privacy/data-processing-agreement"


@dataclass
class Block:
    kind: str  # heading, paragraph, bullets, numbers, table
    text: str = ""
    items: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def read_article(stem: str) -> tuple[dict, list[Block]]:
    source = (HELP_CENTRE / f"{stem}.md").read_text(encoding="utf-8")
    _, front, body = source.split("---\n", 2)
    return yaml.safe_load(front), parse(body)


def parse(body: str) -> list[Block]:
    """Parse the small part of Markdown that the demo articles use."""
    blocks: list[Block] = []
    for chunk in re.split(r"\n\s*\n", body.strip()):
        lines = chunk.splitlines()
        if lines[0].startswith("## "):
            blocks.append(Block("heading", lines[0][3:].strip()))
            lines = lines[1:]
            if not lines:
                continue
        if lines[0].startswith("|"):
            rows = [[c.strip() for c in ln.strip().strip("|").split("|")] for ln in lines]
            blocks.append(Block("table", rows=[rows[0], *rows[2:]]))
        elif lines[0].startswith("- "):
            blocks.append(Block("bullets", items=[ln[2:].strip() for ln in lines]))
        elif re.match(r"\d+\. ", lines[0]):
            blocks.append(Block("numbers", items=[ln.split(". ", 1)[1] for ln in lines]))
        else:
            blocks.append(Block("paragraph", " ".join(lines)))
    return blocks


def without_links(text: str) -> str:
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)


def write_pdf(stem: str) -> Path:
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.lib.units import mm
    from reportlab.platypus import (
        ListFlowable,
        ListItem,
        Paragraph,
        SimpleDocTemplate,
        Spacer,
        Table,
        TableStyle,
    )

    meta, blocks = read_article(stem)
    styles = getSampleStyleSheet()
    body = styles["BodyText"]

    def rich(text: str) -> str:
        text = without_links(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)

    story = [
        Paragraph(rich(meta["title"]), styles["Title"]),
        Paragraph(f"{meta['url']} - updated {meta['updated']}", body),
        Spacer(1, 4 * mm),
    ]
    for block in blocks:
        if block.kind == "heading":
            story.append(Paragraph(rich(block.text), styles["Heading2"]))
        elif block.kind == "paragraph":
            story.append(Paragraph(rich(block.text), body))
        elif block.kind == "table":
            table = Table([[Paragraph(rich(c), body) for c in row] for row in block.rows])
            table.setStyle(
                TableStyle(
                    [
                        ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
                        ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                        ("VALIGN", (0, 0), (-1, -1), "TOP"),
                    ]
                )
            )
            story += [table, Spacer(1, 3 * mm)]
        else:
            items = [ListItem(Paragraph(rich(item), body)) for item in block.items]
            kind = "bullet" if block.kind == "bullets" else "1"
            story.append(ListFlowable(items, bulletType=kind, leftIndent=14))

    target = HELP_CENTRE / f"{stem}.pdf"
    SimpleDocTemplate(
        str(target),
        pagesize=A4,
        title=meta["title"],
        author="Larkspur BV",
        subject=meta["url"],
        leftMargin=22 * mm,
        rightMargin=22 * mm,
        topMargin=20 * mm,
        bottomMargin=20 * mm,
        invariant=1,
    ).build(story)
    return target


def write_docx(stem: str) -> Path:
    from docx import Document

    meta, blocks = read_article(stem)
    document = Document()

    def add_rich(paragraph, text: str) -> None:
        for i, part in enumerate(re.split(r"\*\*(.+?)\*\*", without_links(text))):
            if part:
                paragraph.add_run(part).bold = bool(i % 2)

    document.add_heading(meta["title"], level=1)
    document.add_paragraph(f"{meta['url']} - updated {meta['updated']}")
    for block in blocks:
        if block.kind == "heading":
            document.add_heading(block.text, level=2)
        elif block.kind == "paragraph":
            add_rich(document.add_paragraph(), block.text)
        elif block.kind == "table":
            table = document.add_table(rows=0, cols=len(block.rows[0]))
            table.style = "Table Grid"
            for row in block.rows:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    add_rich(cell.paragraphs[0], text)
            document.add_paragraph()
        else:
            style = "List Bullet" if block.kind == "bullets" else "List Number"
            for item in block.items:
                add_rich(document.add_paragraph(style=style), item)

    properties = document.core_properties
    properties.title = meta["title"]
    properties.author = "Larkspur BV"
    properties.subject = meta["url"]
    properties.created = properties.modified = dt.datetime.combine(meta["updated"], dt.time())

    target = HELP_CENTRE / f"{stem}.docx"
    document.save(str(target))
    return target


if __name__ == "__main__":
    for written in (write_pdf(AS_PDF), write_docx(AS_DOCX)):
        print(written.relative_to(HELP_CENTRE.parent))
