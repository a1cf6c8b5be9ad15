"""Articles as readers see them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.reading import article_html

TEXT = "Title\n\nOne <b>two</b> three.\n\n- first\n- second\n\nA | B\n | 5"
BLOCKS = [
    ["heading", 0, 5, 1, None],
    ["paragraph", 7, 28, 0, None],
    ["list", 30, 46, 0, None],
    ["table", 48, 58, 0, None],
]


def test_a_quote_across_blocks_is_marked_in_each_and_named_once() -> None:
    html = article_html(TEXT, BLOCKS, TEXT.index("three"), TEXT.index("first") + 5)
    assert re.findall(r"<mark[^>]*>([^<]*)</mark>", html) == ["three.", "first"]
    assert html.count('id="quote"') == 1


@pytest.mark.threat("O3")
def test_markup_of_a_document_is_text() -> None:
    assert "<b>" not in article_html(TEXT, BLOCKS)
    assert "&lt;b&gt;two&lt;/b&gt;" in article_html(TEXT, BLOCKS)


def test_an_empty_first_cell_keeps_its_column() -> None:
    assert "<tr><td></td><td>5</td></tr>" in article_html(TEXT, BLOCKS)


@given(start=st.integers(-5, 80), end=st.integers(-5, 80))
def test_a_mark_never_changes_the_words(start: int, end: int) -> None:
    plain = article_html(TEXT, BLOCKS)
    assert re.sub(r"</?mark[^>]*>", "", article_html(TEXT, BLOCKS, start, end)) == plain
