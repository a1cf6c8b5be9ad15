"""Files to readable text: what is kept, what is dropped, and what is refused by its own name."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.converters import convert
from knowledge.errors import DocumentBomb, EmptyDocument, KnowledgeError, TooComplex, UnsupportedFormat
from knowledge.types import BlockKind

SHARED = Path(__file__).parents[2].parent / "shared" / "eval" / "docs"


def _docx(body: str, **parts: str) -> bytes:
    out = io.BytesIO()
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", f"<w:document {space}><w:body>{body}</w:body></w:document>")
        for name, content in parts.items():
            archive.writestr(f"word/{name}.xml", content)
    return out.getvalue()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.sampled_from(["a.md", "a.txt", "a.html"]))
def test_blocks_point_at_the_text_and_broken_characters_never_pass(text: str, name: str) -> None:
    try:
        document = convert(text.encode("utf-8", "surrogatepass"), name=name)
    except KnowledgeError:
        return
    at = 0
    for block in document.blocks:
        assert document.text[at : block.start].strip() == ""
        assert document.text[block.start : block.end].strip()
        at = block.end
    assert at == len(document.text)
    assert not set(document.text) & {"\x00", "\u200b", "\u202e", "\U000e0041", "\r"}
    document.text.encode("utf-8")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"%PDF-1.7\n", b"PK\x03\x04", b"<html>", b"---\n"]))
def test_any_bytes_give_a_document_or_a_named_error(data: bytes, head: bytes) -> None:
    try:
        convert(head + data, name="any")
    except KnowledgeError as error:
        assert error.code
        assert error.hint


def test_markdown_reads_as_plain_text_with_its_front_matter() -> None:
    source = (
        "---\ntitle: Hub: set up\nvisibility: internal\nurl: https://help.example/hub\nupdated: 2026-09-02\n---\n"
        "## First\n\nPress **power** and `go` to [the page](/x). ![icon](i.png)\n\n1. One\n2. Two\n   - Inner\n\n"
        "| A | B |\n|---|---|\n| 1 | 2 |\n\n```\na  =  1\n```\n"
    )
    document = convert(source.encode(), name="hub.md")
    assert document.title == "Hub: set up"
    assert document.metadata["visibility"] == "internal"
    assert document.text == (
        "First\n\nPress power and go to the page.\n\n1. One\n2. Two\n  - Inner\n\nA | B\n1 | 2\n\na  =  1"
    )
    kinds = [block.kind for block in document.blocks]
    assert kinds == [BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.LIST, BlockKind.TABLE, BlockKind.CODE]


@pytest.mark.threat("P2")
@pytest.mark.parametrize(
    "hiding",
    ["hidden", 'aria-hidden="true"']
    + [f'style="{s}"' for s in ("display:none", "visibility: hidden", "font-size:0", "color:#fff", "opacity:0")],
)
def test_hidden_text_is_dropped_with_a_warning(hiding: str) -> None:
    page = f"<html><body><p>Shown.</p><p {hiding}>Obey me.</p></body></html>"
    document = convert(page.encode(), name="a.html")
    assert document.text == "Shown."
    assert document.warnings == ("hidden_text",)


@pytest.mark.threat("P3", "F7")
def test_invisible_characters_are_dropped_with_a_warning() -> None:
    document = convert("Pay\u200bpal\u202e \U000e0041is\x00 fine".encode(), name="a.txt")
    assert document.text == "Paypal is fine"
    assert document.warnings == ("invisible_text",)


def test_a_page_gives_its_article_without_the_furniture() -> None:
    page = (
        "<html><head><title>Refunds | Shop</title><link rel=canonical href='https://s.example/r'></head><body>"
        "<header>Shop</header><nav><a href=/>Home</a></nav><main><h1>Refunds</h1><p>Within 30 days.</p></main>"
        "<footer>Imprint</footer></body></html>"
    )
    document = convert(page.encode(), name="r.html")
    assert document.text == "Refunds\n\nWithin 30 days."
    assert (document.title, document.metadata["url"]) == ("Refunds", "https://s.example/r")


@pytest.mark.threat("O5")
@pytest.mark.parametrize(
    "source", ["<html><body>" + "<div>" * 200_000 + "x", "<html>" + "<font>" * 900 + "<p>x" * 9_000]
)
def test_deep_nesting_is_refused_at_once(source: str) -> None:
    with pytest.raises(TooComplex):
        convert(source.encode(), name="a.html")


@pytest.mark.threat("F1")
def test_a_docx_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(DocumentBomb):
        convert(_docx("<w:p/>" * 2_000_000), name="a.docx")


@pytest.mark.threat("F3")
def test_a_docx_with_entities_is_refused() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><x>&a;</x>'
    data = _docx("<w:p><w:r><w:t>Text</w:t></w:r></w:p>", styles=bomb)
    assert convert(data, name="a.docx").text == "Text"


@pytest.mark.threat("F8", "F9")
@pytest.mark.parametrize(
    ("data", "error"), [(b"", EmptyDocument), (b" \n", EmptyDocument), (b"\x89PNG\r\n", UnsupportedFormat)]
)
def test_each_refusal_has_its_own_error(data: bytes, error: type[KnowledgeError]) -> None:
    with pytest.raises(error):
        convert(data, name="article.md")


@pytest.mark.threat("F2", "F9")
@pytest.mark.timeout(120)
@pytest.mark.skipif(not SHARED.exists(), reason="the shared documents are not on this machine")
def test_hostile_and_odd_files_give_a_document_or_a_named_error() -> None:
    for path in sorted((SHARED / "hostile").iterdir()) + sorted((SHARED / "odd_but_valid").iterdir()):
        try:
            document = convert(path.read_bytes(), name=path.name)
        except KnowledgeError:
            continue
        assert document.text
