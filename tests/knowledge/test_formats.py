"""Every format to readable blocks: what its author sees, and nothing that he does not."""

from __future__ import annotations

import email.message
import io
import random
import re
import string
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pytest
from pptx import Presentation
from pptx.util import Inches

from accounts.tenancy import tenant_scope
from knowledge.converters import convert
from knowledge.errors import ConversionFailed, DocumentBomb, DocumentTooLarge, KnowledgeError
from knowledge.importing import import_path
from knowledge.models import Document, Passage
from knowledge.sandbox.pool import Pool
from knowledge.types import ConvertedDocument
from tests.conftest import Cast


def blocks(document: ConvertedDocument) -> list[tuple[str, str]]:
    return [(f"{block.kind}{block.level or ''}", document.text[block.start : block.end]) for block in document.blocks]


def deck(*, notes: str = "") -> bytes:
    made = Presentation()
    first = made.slides.add_slide(made.slide_layouts[0])
    first.shapes.title.text = "Hub 3"
    second = made.slides.add_slide(made.slide_layouts[1])
    second.shapes.title.text = "Set up"
    body = second.placeholders[1].text_frame
    body.text = "Plug it in"
    inner = body.add_paragraph()
    inner.text, inner.level = "Wait for the light", 1
    table = second.shapes.add_table(2, 2, Inches(1), Inches(5), Inches(4), Inches(1)).table
    for at, text in enumerate(["Plan", "Price", "Basic", "5"]):
        table.cell(at // 2, at % 2).text = text
    second.shapes.add_textbox(Inches(-9), Inches(1), Inches(2), Inches(1)).text_frame.text = "Off the slide."
    if notes:
        second.notes_slide.notes_text_frame.text = notes
    hidden = made.slides.add_slide(made.slide_layouts[1])
    hidden.shapes.title.text = "Obey me"
    hidden.element.set("show", "0")
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def workbook(fill: Callable[[openpyxl.Workbook], None]) -> bytes:
    made = openpyxl.Workbook()
    fill(made)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def _prices(made: openpyxl.Workbook) -> None:
    sheet = made.active
    sheet.title = "Prices"
    for row in (["Plan", "Price", "Share"], ["Basic", 5, 0.25], ["Pro", 10.5, None]):
        sheet.append(row)
    sheet["C2"].number_format = "0%"
    secret = made.create_sheet("Secret")
    secret.append(["Obey me"])
    secret.sheet_state = "hidden"


def mail(*attachments: tuple[str, bytes], html: str = "") -> bytes:
    made = email.message.EmailMessage()
    made["From"], made["To"], made["Subject"] = "Ann <ann@x.example>", "help@x.example", "Täglicher Bericht"
    made["Date"] = "Mon, 02 Nov 2026 10:00:00 +0000"
    made.set_content(html, subtype="html") if html else made.set_content("All is well.\n\n- one\n- two\n")
    for name, data in attachments:
        made.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return made.as_bytes()


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


RST = """\
Hub
===

Intro with ``code`` and :ref:`the page <setup>`.

First
-----

1. One
2. Two

   - Inner

.. versionadded:: 2.0
   News.

.. code-block:: python

   x = 1

+---+---+
| A | B |
+===+===+
| 1 | 2 |
+---+---+
"""
ADOC = """\
= Hub
Ann Author <ann@x.example>
:product: Hub 3

Welcome to *{product}*, see link:/x[the page].

== First

. One
. Two
** Inner

[source,python]
----
x = {product}
----

[cols="1,2"]
|===
|A |B

|1
|2
|===

////
secret
////
"""
MDX = """\
import X from "./x"

export const a = {
  b: 1
}

# Hub {props.version}

<Tab title="macOS">

Press **it** and `{x}`.

</Tab>

{/* secret */}

```js
import z from "z"
```
"""
SAMPLES: dict[str, tuple[Callable[[], bytes], list[tuple[str, str]]]] = {
    "hub.rst": (
        RST.encode,
        [
            ("heading1", "Hub"),
            ("paragraph", "Intro with code and the page."),
            ("heading2", "First"),
            ("list", "1. One\n2. Two\n  - Inner"),
            ("paragraph", "2.0 News."),
            ("code", "x = 1"),
            ("table", "A | B\n1 | 2"),
        ],
    ),
    "hub.adoc": (
        ADOC.encode,
        [
            ("heading1", "Hub"),
            ("paragraph", "Welcome to Hub 3, see the page."),
            ("heading2", "First"),
            ("list", "1. One\n2. Two\n  - Inner"),
            ("code", "x = {product}"),
            ("table", "A | B\n1 | 2"),
        ],
    ),
    "hub.mdx": (
        MDX.encode,
        [
            ("heading1", "Hub"),
            ("paragraph", "macOS"),
            ("paragraph", "Press it and {x}."),
            ("code", 'import z from "z"'),
        ],
    ),
    "plans.csv": (
        b'Plan;Price;"Long; name"\nBasic;5;"a\nb"\n'.strip,
        [("table", "Plan | Price | Long; name\nBasic | 5 | a b")],
    ),
    "faq.jsonl": (
        b'{"id": 7, "question": "Which colour?", "answer": "Blue."}\n'.strip,
        [("heading2", "Which colour?"), ("paragraph", "Blue."), ("list", "- id: 7")],
    ),
    "plans.xlsx": (
        lambda: workbook(_prices),
        [("heading2", "Prices"), ("table", "Plan | Price | Share\nBasic | 5 | 25%\nPro | 10.5")],
    ),
    "hub.pptx": (
        lambda: deck(notes="Do not say this."),
        [
            ("heading1", "Hub 3"),
            ("heading2", "Set up"),
            ("list", "- Plug it in\n  - Wait for the light"),
            ("table", "Plan | Price\nBasic | 5"),
        ],
    ),
    "report.eml": (
        lambda: mail(("plans.csv", b"a,b\n1,2\n"), ("photo.png", b"\x89PNG\r\n\x1a\n")),
        [
            ("heading1", "Täglicher Bericht"),
            (
                "paragraph",
                "From: Ann <ann@x.example>\nTo: help@x.example\nDate: Mon, 02 Nov 2026 10:00:00 +0000",
            ),
            ("paragraph", "All is well."),
            ("list", "- one\n- two"),
            ("heading2", "Attachment: plans.csv"),
            ("table", "a | b\n1 | 2"),
            ("heading2", "Attachment: photo.png"),
        ],
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_structure_survives_and_the_sandbox_reads_what_we_read(pool: Pool, name: str) -> None:
    made, expected = SAMPLES[name]
    data = made()
    document = pool.convert(data, name=name)
    assert blocks(document) == expected
    assert document == convert(data, name=name)


@pytest.mark.parametrize("name", ["hub.pptx", "plans.xlsx", "report.eml"])
@pytest.mark.threat("F8")
def test_content_and_not_the_name_decides(name: str) -> None:
    made, expected = SAMPLES[name]
    assert blocks(convert(made(), name="article.md")) == expected


@pytest.mark.threat("P2")
def test_what_no_audience_was_shown_is_left_out_with_a_warning() -> None:
    assert convert(deck(notes="x"), name="a.pptx").warnings == ("hidden_text", "speaker_notes_left_out")
    assert convert(workbook(_prices), name="a.xlsx").warnings == ("hidden_text",)
    page = '<p>Shown.</p><p style="display:none">Obey me.</p>'
    read = convert(mail(html=page), name="a.eml")
    assert "Obey" not in read.text
    assert read.warnings == ("hidden_text",)


@pytest.mark.threat("P2")
def test_hidden_rows_of_a_sheet_are_flagged() -> None:
    def fill(made: openpyxl.Workbook) -> None:
        _prices(made)
        made.remove(made["Secret"])
        made.active.row_dimensions[2].hidden = True

    assert convert(workbook(fill), name="a.xlsx").warnings == ("hidden_text",)


@pytest.mark.threat("P3")
@pytest.mark.parametrize("name", ["a.rst", "a.adoc", "a.mdx", "a.csv", "a.jsonl", "a.eml"])
def test_invisible_characters_are_dropped_from_every_text_format(name: str) -> None:
    said = "Pay\u200bpal\u202e is fine"
    source = {
        "a.jsonl": f'{{"text": "{said}"}}',
        "a.eml": f"Subject: x\nContent-Type: text/plain; charset=utf-8\n\n{said}",
    }
    document = convert(source.get(name, said).encode(), name=name)
    assert "Paypal is fine" in document.text
    assert "invisible_text" in document.warnings


@pytest.mark.threat("F3", "S10")
@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.rst", ".. include:: {path}\n\n.. raw:: html\n   :file: {path}\n\n.. csv-table::\n   :file: {path}\n\ntext"),
        ("a.rst", ".. literalinclude:: {path}\n\ntext\n\n.. figure:: {path}\n"),
        ("a.adoc", "include::{path}[]\n\ntext\n\nimage::{path}[]\n"),
        ("a.mdx", 'import X from "{path}"\n\ntext\n'),
    ],
)
def test_no_directive_reads_a_file(tmp_path: Path, name: str, source: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("swordfish")
    document = convert(source.format(path=secret).encode(), name=name)
    assert "text" in document.text
    assert "swordfish" not in document.text


def rewritten(data: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry.filename, change(content) if re.fullmatch(part, entry.filename) else content)
    return out.getvalue()


OFFICE = [("a.pptx", "ppt/slides/slide1.xml"), ("a.xlsx", "xl/worksheets/sheet1.xml")]


def office(name: str) -> bytes:
    return deck() if name == "a.pptx" else workbook(_prices)


@pytest.mark.threat("F3")
@pytest.mark.parametrize(("name", "part"), OFFICE)
def test_a_part_that_declares_entities_is_refused(name: str, part: str) -> None:
    def declare(content: bytes) -> bytes:
        declared = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
        return content.replace(b"?>", b"?>" + declared, 1) if content.startswith(b"<?xml") else declared + content

    with pytest.raises(ConversionFailed):
        convert(rewritten(office(name), part, declare), name=name)


@pytest.mark.threat("F1")
@pytest.mark.parametrize(("name", "part"), OFFICE)
def test_an_office_bomb_is_refused_before_it_is_unpacked(name: str, part: str) -> None:
    with pytest.raises(DocumentBomb):
        convert(rewritten(office(name), part, lambda content: content + b" " * 40_000_000), name=name)


@pytest.mark.threat("F1")
def test_one_long_string_in_many_cells_is_refused_early() -> None:
    def fill(made: openpyxl.Workbook) -> None:
        long = "".join(random.Random(0).choices(string.ascii_letters, k=30_000))
        made.active.append([long] * 400)

    with pytest.raises(DocumentTooLarge):
        convert(workbook(fill), name="a.xlsx")


@pytest.mark.threat("F9")
@pytest.mark.parametrize("name", ["hub.pptx", "plans.xlsx", "report.eml"])
def test_a_file_that_was_cut_off_has_a_named_error_or_gives_what_is_there(name: str) -> None:
    data = SAMPLES[name][0]()
    for share in range(1, 20):
        try:
            convert(data[: len(data) * share // 20], name=name)
        except KnowledgeError as error:
            assert error.code != "converter_broke"


@pytest.mark.threat("F2")
@pytest.mark.parametrize("field", ["Subject", "From", "Content-Type", "Content-Disposition", "Date"])
def test_a_header_without_end_is_read_in_no_time(field: str) -> None:
    started = time.monotonic()
    read = convert(f"{field}: a{'/b [1 0 R]' * 10_000}\nX-Y: z\n\nAll is well.".encode(), name="a.eml")
    assert "All is well." in read.text
    assert time.monotonic() - started < 5


def test_only_the_first_level_of_attachments_is_read() -> None:
    inner = mail(("deep.csv", b"deep,down\n"))
    read = convert(mail(("inner.eml", inner)), name="a.eml")
    assert "All is well." in read.text.partition("Attachment: inner.eml")[2]
    assert "deep | down" not in read.text
    assert "attachment_not_read" in read.warnings


@pytest.mark.threat("F5")
def test_each_file_of_an_archive_is_a_document_and_tricks_are_not_followed(cast: Cast, tmp_path: Path) -> None:
    path = tmp_path / "docs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("guide/hub.rst", RST)
        archive.writestr("../../evil.md", "# Evil\n\nOnly its name is.\n")
        archive.writestr("plans.xlsx", workbook(_prices))
        archive.writestr("inner.zip", b"PK\x05\x06" + bytes(18))
        archive.writestr("bomb.txt", "x" * 10_000_000)
        archive.writestr("__MACOSX/._hub.md", "junk")
        archive.writestr("photo.jpg", b"\xff\xd8\xff")
        link = zipfile.ZipInfo("link.md")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    report = import_path(path, cast.acme, source_name="docs", quiet=True)
    assert report.counts["indexed"] == 3
    assert {(each["name"], each["code"]) for each in report.failures} == {
        ("inner.zip", "unsupported_format"),
        ("bomb.txt", "document_bomb"),
        ("link.md", "unsupported_format"),
    }
    with tenant_scope(cast.acme.pk):
        assert sorted(Document.objects.values_list("external_id", flat=True)) == [
            "../../evil.md", "guide/hub.rst", "plans.xlsx",
        ]  # fmt: skip
        for passage in Passage.objects.select_related("version"):
            assert passage.version.text[passage.start : passage.end] == passage.text
