"""A small well-formed document of each format, with some of everything that its converter knows."""

from __future__ import annotations

import io
import re
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
from pptx import Presentation
from pptx.util import Inches
from reportlab.pdfgen.canvas import Canvas

MARKDOWN = """---
title: Hub
updated: 2026-01-02
---
# Hub

Press **power**, `go` to [the page](/x). ![i](i.png) <kbd>Ctrl</kbd>

1. One
2. Two
   - Inner

> Quote

| A | B |
|---|---|
| 1 | 2 |

```sh
run  it
```

<details><summary>More</summary><p style="display:none">no</p></details>
"""
HTML = """<!DOCTYPE html><html><head><title>Hub | Shop</title><meta name="updated" content="2026-01-02">
<link rel=canonical href="https://x.example/hub"></head><body><nav><a href=/>Home</a></nav><main><h1>Hub</h1>
<p style="color:#fff;background:rgb(255,255,255)">white</p><p>Press <b>power</b>.<br>Wait.</p><ol start=3><li>One<ul>
<li>In</li></ul></li></ol><table><caption>T</caption><tr><th rowspan=2>A</th><th>B</th></tr><tr><td>1</td></tr></table>
<pre>x = 1</pre><div hidden>no</div></main><footer>f</footer></body></html>"""
RST = """===
Hub
===
:Author: Ann

Intro *em* ``code`` `link <https://x.example>`_ :ref:`page <a>` |sub| [1]_.

.. |sub| replace:: gone

First
=====

1. One

   - Inner

term
  meaning

.. note:: Mind.

.. code-block:: python

   x = 1

+---+---+
| A | B |
+===+===+
| 1 | 2 |
+---+---+

===  ===
A    B
===  ===
1    2
===  ===

.. list-table:: T
   :header-rows: 1

   * - A
     - B

.. tabs::

   .. tab:: One

      Text.

.. [1] Foot.

| line
"""
ASCIIDOC = """= Hub
Ann <a@x.example>
:product: Hub 3
ifdef::x[]

Welcome to {product}, *bold* _it_ `mono` link:/x[page] <<a,b>> https://x.example[y].

== First

. One
.. Inner
+
More.
* A

Term:: meaning

.T
[cols="1,2*",options="header"]
|===
|A |B
|1
|2
|===

[NOTE]
====
Mind.
----
x = 1
----
====

TIP: Try.

 literal
"""
MDX = """---
title: Hub
---
import X from "./x"
export const a = {
  b: 1
}

# Hub {props.x}

<Tabs items={['a', "b"]}>
<Tab title="macOS">

Press **it** and `{x}`.

</Tab>
</Tabs>
{/* no */}

~~~js
<A>{b}</A>
~~~
"""
CSV = 'Plan;Price;"Long; text"\nBasic;5;"a\nb ""c"""\nPro;10;\n\nA,B\n'
JSON_LINES = '{"id": 1, "title": "Hub", "text": "Press it.\\n\\n- a\\n- b", "tags": ["x", {"y": null}]}\n{"q": 1e9}\n'
TEXT = "Hub\n===\n\nPress power.\nWait.\n\n1. One\n2. Two\n\n* a\n* b\n\ncaf\u00e9 \u4e2d\u6587 \u202e \u200b\n"
_TIME = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d")


def _docx() -> bytes:
    made = docx.Document()
    made.add_heading("Hub", 1)
    made.add_paragraph("Press ").add_run("power").bold = True
    made.add_paragraph("One", style="List Number")
    made.add_paragraph("Two", style="List Bullet")
    made.add_paragraph("hidden").runs[0].font.hidden = True
    table = made.add_table(2, 2)
    table.cell(0, 0).text, table.cell(1, 1).text = "A", "2"
    return _slim(_saved(made))


def _pptx() -> bytes:
    made = Presentation()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text = "Hub"
    slide.placeholders[1].text_frame.text = "One\nTwo"
    slide.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(2), Inches(1)).table.cell(0, 0).text = "A"
    slide.notes_slide.notes_text_frame.text = "note"
    return _slim(_saved(made))


def _xlsx() -> bytes:
    made = openpyxl.Workbook()
    for row in (["Plan", "Price"], ["Basic", 5], ["Pro", 0.25], [None], ["=1+1", True]):
        made.active.append(row)
    made.create_sheet("Other").append(["x", "y"])
    return _slim(_saved(made))


def _saved(made: object) -> bytes:
    out = io.BytesIO()
    made.save(out)  # type: ignore[attr-defined]
    return out.getvalue()


def _slim(data: bytes) -> bytes:
    """Without what no converter reads but every mutation would have to pack anew, and without the time:
    a seed is the same bytes whenever it is made."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if not entry.filename.endswith((".jpeg", ".png", ".bin")):
                content = _TIME.sub(b"2026-01-02T03:04:05", old.read(entry))
                new.writestr(zipfile.ZipInfo(entry.filename), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _pdf() -> bytes:
    out = io.BytesIO()
    made = Canvas(out, pageCompression=0, invariant=1)  # a change of packed bytes seldom gets past the unpacking
    for at, (font, size, text) in enumerate(
        (("Helvetica-Bold", 20, "Hub"), ("Helvetica", 11, "Press power and wait."), ("Helvetica", 11, "1. One"))
    ):
        made.setFont(font, size)
        made.drawString(72, 700 - 30 * at, text)
    made.showPage()
    made.setFont("Courier", 9)
    made.drawString(72, 700, "x = 1")
    made.showPage()
    made.save()
    return out.getvalue()


def _eml() -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Ann <a@x.example>", "b@x.example", "Täglich"
    made["Date"] = "Mon, 02 Nov 2026 10:00:00 +0000"
    made.set_content("All is well.\n\n- one\n")
    made.add_alternative("<p>All <b>is</b> well.</p>", subtype="html")
    made.add_attachment(CSV.encode(), maintype="text", subtype="csv", filename="plans.csv")
    made.set_boundary("edge")
    next(made.iter_parts()).set_boundary("inner")  # type: ignore[attr-defined]
    return made.as_bytes()


def seeds(folder: Path | None = None) -> dict[str, bytes]:
    """By name, whose ending is the format's; and the files of `folder`, of up to 200 kB each."""
    found = {
        "a.md": MARKDOWN.encode(),
        "a.html": HTML.encode(),
        "a.rst": RST.encode(),
        "a.adoc": ASCIIDOC.encode(),
        "a.mdx": MDX.encode(),
        "a.csv": CSV.encode(),
        "a.jsonl": JSON_LINES.encode(),
        "a.txt": TEXT.encode(),
        "a.docx": _docx(),
        "a.pptx": _pptx(),
        "a.xlsx": _xlsx(),
        "a.pdf": _pdf(),
        "a.eml": _eml(),
    }
    for path in sorted(folder.rglob("*")) if folder else ():
        if path.is_file() and path.stat().st_size <= 200_000:
            found[path.name] = path.read_bytes()
    return found
